/* The jitter buffer: packets by sequence number, in any order in, in order out.
 *
 * 64 slots cover sequence numbers next_seq to next_seq + 63 (16 bit arithmetic). Payloads lie in an
 * arena of blocks, a packet taking a chain of them; 20 KiB hold 64 packets of 20 ms G.711 and 300 ms of
 * any codec we speak. An arriving packet that finds no room displaces the oldest waiting ones: they are
 * further behind than `jitter_trim` allows and would be discarded by the next tick anyway.
 *
 * States:
 *   EMPTY      nothing came since the reset. The first packet sets next_seq, and its arrival starts the wait.
 *   FILLING    waiting for JITTER_DELAY_US since that arrival. An older packet moves next_seq back to it.
 *   PLAYING    next_seq moves on, whether its packet is there or not.
 *   DRY        nothing was left to play. next_seq stays, so that older packets are still known to be late;
 *              the next packet ahead of it restarts there.
 *   REFILLING  as FILLING, but an older packet is late: its time was played.
 * Legal moves: EMPTY -> FILLING -> PLAYING -> DRY -> REFILLING -> PLAYING; any -> EMPTY by a reset.
 *
 * Every packet stored is later taken (the caller counts it played or malformed) or counted DISCARDED.
 */
#ifndef CLUTCH_JITTER_H
#define CLUTCH_JITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "media.h"

enum {
    JITTER_SLOTS = 64,
    JITTER_BLOCK = 160,
    JITTER_BLOCKS = 128,
    JITTER_DELAY_US = 40000,
};

enum jitter_state { JITTER_EMPTY, JITTER_FILLING, JITTER_PLAYING, JITTER_DRY, JITTER_REFILLING };

struct jitter_slot {
    uint16_t len; /* 0: nothing waits here */
    uint8_t first_block;
};

struct jitter {
    counter *counters; /* the stream's, by enum media_counter */
    int64_t first_arrival_us;
    enum jitter_state state;
    uint16_t next_seq;
    uint16_t last_seq; /* the newest waiting packet, if any waits */
    uint16_t waiting;
    uint8_t free_block;
    uint8_t free_blocks;
    struct jitter_slot slots[JITTER_SLOTS];
    uint8_t next_block[JITTER_BLOCKS];
    uint8_t blocks[JITTER_BLOCKS][JITTER_BLOCK];
};

void jitter_init(struct jitter *jitter, counter *counters);

/* Forget everything and start again; waiting packets count DISCARDED. */
void jitter_reset(struct jitter *jitter);

/* True if a packet is so far from next_seq that the sender must have started anew (after a hold, say): the
 * caller resets before it inserts. */
bool jitter_is_jump(const struct jitter *jitter, uint16_t seq);

/* Store a packet that is no jump: 1 <= len <= MEDIA_PAYLOAD_MAX. LATE and DUPLICATE ones are counted and
 * dropped. */
void jitter_insert(struct jitter *jitter, uint16_t seq, const uint8_t *payload, size_t len, int64_t now_us);

/* True if packets are to be played now; moves on from FILLING when the wait is over. */
bool jitter_ready(struct jitter *jitter, int64_t now_us);

/* How many packet times lie from next_seq to the newest waiting packet, inclusive; 0 if none waits. */
size_t jitter_span(const struct jitter *jitter);

/* Discard the oldest until the span is at most `span`. */
void jitter_trim(struct jitter *jitter, size_t span);

/* Take next_seq's packet into room for MEDIA_PAYLOAD_MAX bytes and move on. Returns its length; 0 if it is
 * not there, and then moves on all the same. */
size_t jitter_take(struct jitter *jitter, uint8_t *payload);

/* Nothing came for a while: stop playing until packets come again. Nothing may be waiting. */
void jitter_dry(struct jitter *jitter);

#endif
