/* The jitter buffer: packets by sequence number, in any order in, in order out.
 *
 * 64 slots cover sequence numbers next_seq to next_seq + 63 (16 bit arithmetic). Payloads lie in an
 * arena of blocks, a packet taking a chain of them; 20 KiB hold 64 packets of 20 ms G.711 and 300 ms of
 * any codec we speak. An arriving packet that finds no room displaces the oldest waiting ones: they are
 * further behind than `jitter_trim` allows and would be discarded by the next tick anyway.
 *
 * States:
 *   EMPTY      nothing came since the reset. The first packet sets next_seq and the start.
 *   FILLING    waiting for the start. An older packet moves next_seq back to it.
 *   PLAYING    next_seq moves on, whether its packet is there or not.
 *   DRY        nothing was left to play. next_seq stays, so that older packets are still known to be late;
 *              the next packet ahead of it restarts there.
 *   REFILLING  as FILLING, but an older packet is late: its time was played.
 * Legal moves: EMPTY -> FILLING -> PLAYING -> DRY -> REFILLING -> PLAYING; any -> EMPTY by a reset.
 *
 * How long packets wait. All of it is integer arithmetic in units of the RTP clock, in constant time per packet
 * and tick:
 *   Held up    A packet's transit is its arrival minus its RTP timestamp. The fastest of the last 5 to 10 s
 *              is the base; what another took longer is how long it was held up. The base follows a drifting
 *              clock or a new route by itself, and timestamps that leap by more than 1 s start it anew.
 *   Needed     is the shortest delay, in steps of 5 ms from 20 to 85 ms, for which at most 1 % of the last
 *              250 to 500 packets were held up longer: a histogram whose counts are halved when it is full. A
 *              packet that missed its tick counts ten times, so that one is enough. It starts at 40 ms.
 *   Start      The first packet of a run, or after DRY, is played when it has waited for what is needed, the
 *              time it was held up included: at once, if that is already over.
 *   Waited     is the delay there really is: playing time minus timestamp minus base. Ticks come every 20 ms,
 *              so at rest it lies from what is needed to 20 ms more: 2 frames at the least, 3 at the start,
 *              6 at the most.
 *   Growing    While nothing waits, next_seq stays, and the delay grows with each tick by just as much as the
 *              packet is late. If one is late while others wait, frames are made up at the next ticks until the
 *              delay is what is needed. If it is 10 ms less than that for any other cause, as a slower
 *              clock's will be, a frame is made up when the speaker is quiet (loudness.h).
 *   Shrinking  When the delay less a packet would still do, and the speaker is quiet, and others follow, that
 *              packet is decoded and discarded. Three quiet packets must come before the next one is.
 * The first two are delay.h, the others playout.h with what this file tells it.
 *
 * Every packet stored is later taken (the caller counts it PLAYED, MALFORMED or DISCARDED) or counted
 * DISCARDED here.
 */
#ifndef CLUTCH_JITTER_H
#define CLUTCH_JITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "delay.h"
#include "media.h"

enum {
    JITTER_SLOTS = 64,
    JITTER_BLOCK = 160,
    JITTER_BLOCKS = 128,
};

enum jitter_state { JITTER_EMPTY, JITTER_FILLING, JITTER_PLAYING, JITTER_DRY, JITTER_REFILLING };

struct jitter_slot {
    uint32_t timestamp;
    uint16_t len; /* 0: nothing waits here */
    uint8_t first_block;
    bool noise; /* comfort noise, no audio */
};

struct jitter {
    counter *counters; /* the stream's, by enum media_counter */
    struct delay delay;
    uint64_t missed;  /* bit n: packet next_seq - 1 - n was not there when its turn came */
    uint32_t start;   /* when playing starts, on the RTP clock */
    bool starved;     /* the last tick found nothing waiting, and nothing came since */
    bool grow;        /* a packet was late: add delay without waiting for a quiet moment */
    enum jitter_state state;
    uint16_t next_seq;
    uint16_t last_seq; /* the newest waiting packet, if any waits */
    uint16_t waiting;
    uint8_t free_block;
    uint8_t free_blocks;
    struct jitter_slot slots[JITTER_SLOTS];
    uint8_t next_block[JITTER_BLOCKS];
    uint8_t blocks[JITTER_BLOCKS][JITTER_BLOCK]; /* last, and not touched before it is used */
};

/* `frame`: 20 ms on the RTP clock. */
void jitter_init(struct jitter *jitter, counter *counters, uint32_t frame);

/* Forget everything and start again; waiting packets count DISCARDED. */
void jitter_reset(struct jitter *jitter);

/* The waiting packets have gone another way: a reset at which they count RELAYED. */
void jitter_leave(struct jitter *jitter);

/* A packet's payload and what its header says of it. */
struct jitter_packet {
    uint16_t seq;
    uint32_t timestamp;
    const uint8_t *payload;
    size_t len; /* 1 to MEDIA_PAYLOAD_MAX */
    bool noise; /* comfort noise, no audio */
};

/* Copy the packet that is `ahead` places behind next_seq, its payload into room for MEDIA_PAYLOAD_MAX bytes, and
 * leave it where it is: ahead < JITTER_SLOTS. False if it does not wait. */
bool jitter_look(const struct jitter *jitter, size_t ahead, uint8_t *payload, struct jitter_packet *packet);

/* True if a packet is so far from next_seq that the sender must have started anew (after a hold, say): the
 * caller resets before it inserts. */
bool jitter_is_jump(const struct jitter *jitter, uint16_t seq);

/* Store a packet that is no jump. LATE and DUPLICATE ones are counted and dropped. `now` is on the RTP clock. */
void jitter_insert(struct jitter *jitter, const struct jitter_packet *packet, uint32_t now);

/* True if packets are to be played now; moves on from FILLING when the wait is over. */
bool jitter_ready(struct jitter *jitter, uint32_t now);

/* How many packet times lie from next_seq to the newest waiting packet, inclusive; 0 if none waits. */
size_t jitter_span(const struct jitter *jitter);

/* Discard the oldest until the span is at most `span`. */
void jitter_trim(struct jitter *jitter, size_t span);

/* The slot of next_seq's packet, NULL if it is not there. */
const struct jitter_slot *jitter_peek(const struct jitter *jitter);

/* Take next_seq's packet into room for MEDIA_PAYLOAD_MAX bytes and move on. Returns its length; 0 if it is
 * not there, and then moves on all the same. */
size_t jitter_take(struct jitter *jitter, uint8_t *payload);

/* A tick found nothing waiting. */
void jitter_starve(struct jitter *jitter);

/* Nothing came for a while: stop playing until packets come again. Nothing may be waiting. */
void jitter_dry(struct jitter *jitter);

#endif
