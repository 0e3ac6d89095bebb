/* Telephone events (RFC 4733): keys pressed towards the network, and keys heard from it.
 *
 * Sender and receiver are independent; both count time in ticks of 20 ms or in RTP timestamps and know no
 * codec. Neither allocates.
 */
#ifndef CLUTCH_DTMF_H
#define CLUTCH_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media.h"

enum {
    DTMF_PAYLOAD = 4,
    DTMF_QUEUE = 64,         /* digits that may wait to be sent */
    DTMF_VOLUME = 10,        /* -10 dBm0 */
    DTMF_LOST_END_US = 100000, /* an event is over this long after its last packet */
};

struct dtmf_key {
    uint8_t event;
    uint32_t tone_ticks; /* at least 1 */
    uint32_t gap_ticks;
};

/* The sender: a queue of keys and the one being pressed. Zeroed memory is an idle sender. */
struct dtmf_sender {
    struct dtmf_key keys[DTMF_QUEUE];
    uint32_t first;
    uint32_t count;
    struct dtmf_key pressed;
    uint32_t step;      /* ticks since it was pressed; 0: none is */
    uint32_t timestamp; /* at which it was pressed */
};

/* What one tick of a pressed key sends. */
struct dtmf_packet {
    uint8_t payload[DTMF_PAYLOAD];
    uint32_t timestamp;
    bool marker;
};

/* The event code of a character, or -EINVAL if it is none of 0-9 * # A-D. */
int dtmf_event(char digit);

/* Queue one key. False if the queue is full. */
bool dtmf_press(struct dtmf_sender *sender, uint8_t event, uint32_t tone_ms, uint32_t gap_ms);

/* True while keys wait or one is pressed, the gap after it included. */
bool dtmf_is_sending(const struct dtmf_sender *sender);

/* One tick of `frame` units of the events' clock, at `timestamp` on the audio's. True if a key is being sent,
 * and then `packet` is filled; false if audio may go out. The last packet of a key is sent three times. */
bool dtmf_step(struct dtmf_sender *sender, uint32_t timestamp, uint32_t frame, struct dtmf_packet *packet);

/* The receiver: the latest event heard. Zeroed memory has heard none. */
struct dtmf_receiver {
    int64_t heard_us;
    uint32_t timestamp;
    int32_t ms; /* the longest duration heard */
    uint8_t event;
    bool known;   /* `timestamp` is that of an event */
    bool pressed; /* and it was not reported yet */
};

/* A telephone-event payload of at least DTMF_PAYLOAD bytes came; `clock_hz` is that of its duration. A new
 * timestamp is a new key. Writes the keys that are complete by it, at most two (the previous one, whose
 * end was lost, and this one), and returns how many. */
size_t dtmf_hear(struct dtmf_receiver *receiver, const uint8_t *payload, uint32_t timestamp, int64_t now_us,
                 uint32_t clock_hz, struct media_event *events);

/* True if a key is pressed and nothing more of it was heard for DTMF_LOST_END_US. */
bool dtmf_is_lost(const struct dtmf_receiver *receiver, int64_t now_us);

/* Report the pressed key, if any, as it stands: writes and returns 0 or 1 events. */
size_t dtmf_finish(struct dtmf_receiver *receiver, struct media_event *event);

#endif
