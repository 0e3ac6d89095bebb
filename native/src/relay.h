/* The numbers of a stream whose packets are another sender's: its sequence numbers and timestamps go on from
 * where the stream was, by offsets, so that what was lost or late before us is so behind us, too. No number is
 * used twice: copies end here, and what is 64 packets late or from before the anchor.
 *
 * The offsets are taken ("anchored") at the first packet, and anew when the sender began anew: its sequence
 * numbers jump (reception.h says what a jump is), or its timestamps move by a second more or less than the time
 * that passed; pauses of any length are not such a move. Whoever interrupts the relayed packets, or learns
 * that the sender is another one, clears `anchored`.
 *
 * The stream's own next numbers follow: `seq` is one more than the newest packet's, `timestamp` the end of it,
 * taken to last as long as the one before it did.
 */
#ifndef CLUTCH_RELAY_H
#define CLUTCH_RELAY_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers of one packet, or those that a stream will use next. */
struct relay_numbers {
    uint32_t timestamp;
    uint16_t seq;
};

struct relay {
    int64_t at_us;                /* when the newest audio came ... */
    struct relay_numbers newest;  /* ... its timestamp, and the newest sequence number of all, as they came */
    struct relay_numbers offset;
    uint32_t step; /* how long a packet lasts, on the RTP clock */
    uint64_t taken; /* bit n: the stream's number n + 1 before its next one is some packet's already */
    bool anchored;
};

/* A packet `in` came at `now_us`. Gives the numbers it goes on with and moves the stream's `next` ones; false,
 * and nothing, if its number is another packet's already. `frame` is 20 ms on the RTP
 * clock. Packets of keys are no audio: their timestamp is that of the press. */
bool relay_place(struct relay *relay, const struct relay_numbers *in, bool audio, uint32_t frame,
                 int64_t now_us, struct relay_numbers *next, struct relay_numbers *out);

/* A packet came that does not go on, which nobody is to take for a loss. */
void relay_skip(struct relay *relay, uint16_t seq);

#endif
