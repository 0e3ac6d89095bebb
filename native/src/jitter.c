#include "jitter.h"

#include <string.h>

#define NO_BLOCK UINT8_MAX

_Static_assert(JITTER_BLOCKS <= NO_BLOCK, "blocks are numbered in 8 bits");
_Static_assert((MEDIA_PAYLOAD_MAX + JITTER_BLOCK - 1) / JITTER_BLOCK <= JITTER_BLOCKS,
               "an empty arena holds any packet");

static int distance(uint16_t from, uint16_t to)
{
    return (int16_t)(uint16_t)(to - from);
}

static struct jitter_slot *slot_of(struct jitter *jitter, uint16_t seq)
{
    return &jitter->slots[seq % JITTER_SLOTS];
}

static size_t blocks_for(size_t len)
{
    return (len + JITTER_BLOCK - 1) / JITTER_BLOCK;
}

static void arena_reset(struct jitter *jitter)
{
    for (size_t i = 0; i < JITTER_BLOCKS; i++)
        jitter->next_block[i] = (uint8_t)(i + 1 < JITTER_BLOCKS ? i + 1 : NO_BLOCK);
    jitter->free_block = 0;
    jitter->free_blocks = JITTER_BLOCKS;
}

static void slot_fill(struct jitter *jitter, struct jitter_slot *slot, const uint8_t *payload, size_t len)
{
    uint8_t *link = &slot->first_block;
    slot->len = (uint16_t)len;
    for (size_t done = 0; done < len; done += JITTER_BLOCK) {
        uint8_t block = jitter->free_block;
        jitter->free_block = jitter->next_block[block];
        jitter->free_blocks--;
        memcpy(jitter->blocks[block], payload + done, len - done < JITTER_BLOCK ? len - done : JITTER_BLOCK);
        *link = block;
        link = &jitter->next_block[block];
    }
    *link = NO_BLOCK;
    jitter->waiting++;
}

/* Empty a slot; the payload goes to `payload` unless that is NULL. */
static void slot_drain(struct jitter *jitter, struct jitter_slot *slot, uint8_t *payload)
{
    uint8_t block = slot->first_block;
    for (size_t left = slot->len; left > 0;) {
        size_t part = left < JITTER_BLOCK ? left : JITTER_BLOCK;
        uint8_t next = jitter->next_block[block];
        if (payload != NULL)
            memcpy(payload + (slot->len - left), jitter->blocks[block], part);
        jitter->next_block[block] = jitter->free_block;
        jitter->free_block = block;
        jitter->free_blocks++;
        block = next;
        left -= part;
    }
    slot->len = 0;
    jitter->waiting--;
}

/* Move next_seq past one packet time, discarding the packet if it waits. */
static void discard_next(struct jitter *jitter)
{
    struct jitter_slot *slot = slot_of(jitter, jitter->next_seq++);
    if (slot->len > 0) {
        slot_drain(jitter, slot, NULL);
        counter_add(&jitter->counters[DISCARDED], 1);
    }
}

void jitter_init(struct jitter *jitter, counter *counters)
{
    memset(jitter, 0, sizeof *jitter);
    jitter->counters = counters;
    arena_reset(jitter);
}

void jitter_reset(struct jitter *jitter)
{
    counter_add(&jitter->counters[DISCARDED], jitter->waiting);
    memset(jitter->slots, 0, sizeof jitter->slots);
    arena_reset(jitter);
    jitter->waiting = 0;
    jitter->state = JITTER_EMPTY;
}

bool jitter_is_jump(const struct jitter *jitter, uint16_t seq)
{
    int d = distance(jitter->next_seq, seq);
    return jitter->state != JITTER_EMPTY && (d <= -JITTER_SLOTS || d >= JITTER_SLOTS);
}

/* Where a packet starts the wait, next_seq is where it is; returns false for one that is late. */
static bool admit(struct jitter *jitter, uint16_t seq, int64_t now_us)
{
    int d = distance(jitter->next_seq, seq);
    switch (jitter->state) {
    case JITTER_EMPTY:
        break;
    case JITTER_DRY:
        if (d < 0)
            return false;
        break;
    case JITTER_FILLING:
        if (d < 0) {
            if (distance(seq, jitter->last_seq) >= JITTER_SLOTS)
                return false;
            jitter->next_seq = seq;
        }
        return true;
    case JITTER_PLAYING:
    case JITTER_REFILLING:
        return d >= 0;
    }
    jitter->state = jitter->state == JITTER_EMPTY ? JITTER_FILLING : JITTER_REFILLING;
    jitter->next_seq = seq;
    jitter->first_arrival_us = now_us;
    return true;
}

void jitter_insert(struct jitter *jitter, uint16_t seq, const uint8_t *payload, size_t len, int64_t now_us)
{
    if (!admit(jitter, seq, now_us)) {
        counter_add(&jitter->counters[LATE], 1);
        return;
    }
    struct jitter_slot *slot = slot_of(jitter, seq);
    if (slot->len > 0) {
        counter_add(&jitter->counters[DUPLICATE], 1);
        return;
    }
    while (jitter->free_blocks < blocks_for(len) && jitter->next_seq != seq)
        discard_next(jitter);
    if (jitter->free_blocks < blocks_for(len)) {
        counter_add(&jitter->counters[DISCARDED], 1);
        return;
    }
    if (jitter->waiting == 0 || distance(jitter->last_seq, seq) > 0)
        jitter->last_seq = seq;
    slot_fill(jitter, slot, payload, len);
}

bool jitter_ready(struct jitter *jitter, int64_t now_us)
{
    bool waits = jitter->state == JITTER_FILLING || jitter->state == JITTER_REFILLING;
    if (waits && now_us - jitter->first_arrival_us >= JITTER_DELAY_US)
        jitter->state = JITTER_PLAYING;
    return jitter->state == JITTER_PLAYING;
}

size_t jitter_span(const struct jitter *jitter)
{
    return jitter->waiting > 0 ? (size_t)(distance(jitter->next_seq, jitter->last_seq) + 1) : 0;
}

void jitter_trim(struct jitter *jitter, size_t span)
{
    while (jitter_span(jitter) > span)
        discard_next(jitter);
}

size_t jitter_take(struct jitter *jitter, uint8_t *payload)
{
    struct jitter_slot *slot = slot_of(jitter, jitter->next_seq++);
    size_t len = slot->len;
    if (len > 0)
        slot_drain(jitter, slot, payload);
    return len;
}

void jitter_dry(struct jitter *jitter)
{
    jitter->state = JITTER_DRY;
}
