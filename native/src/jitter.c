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

static void slot_copy(const struct jitter *jitter, const struct jitter_slot *slot, uint8_t *payload)
{
    uint8_t block = slot->first_block;
    for (size_t done = 0; done < slot->len; done += JITTER_BLOCK) {
        size_t left = slot->len - done;
        memcpy(payload + done, jitter->blocks[block], left < JITTER_BLOCK ? left : JITTER_BLOCK);
        block = jitter->next_block[block];
    }
}

static void slot_drain(struct jitter *jitter, struct jitter_slot *slot)
{
    uint8_t block = slot->first_block;
    for (size_t done = 0; done < slot->len; done += JITTER_BLOCK) {
        uint8_t next = jitter->next_block[block];
        jitter->next_block[block] = jitter->free_block;
        jitter->free_block = block;
        jitter->free_blocks++;
        block = next;
    }
    slot->len = 0;
    jitter->waiting--;
}

/* Move next_seq past one packet time, discarding the packet if it waits. */
static void discard_next(struct jitter *jitter)
{
    counter_add(&jitter->counters[DISCARDED], jitter_take(jitter, NULL) > 0);
}

void jitter_init(struct jitter *jitter, counter *counters, uint32_t frame)
{
    memset(jitter, 0, offsetof(struct jitter, blocks));
    jitter->counters = counters;
    delay_init(&jitter->delay, frame);
    arena_reset(jitter);
}

void jitter_reset(struct jitter *jitter)
{
    counter_add(&jitter->counters[DISCARDED], jitter->waiting);
    memset(jitter->slots, 0, sizeof jitter->slots);
    arena_reset(jitter);
    delay_init(&jitter->delay, jitter->delay.frame);
    jitter->missed = 0;
    jitter->starved = false;
    jitter->grow = false;
    jitter->waiting = 0;
    jitter->state = JITTER_EMPTY;
}

void jitter_leave(struct jitter *jitter)
{
    counter_add(&jitter->counters[RELAYED], jitter->waiting);
    jitter->waiting = 0;
    jitter_reset(jitter);
}

bool jitter_is_jump(const struct jitter *jitter, uint16_t seq)
{
    int d = distance(jitter->next_seq, seq);
    return jitter->state != JITTER_EMPTY && (d <= -JITTER_SLOTS || d >= JITTER_SLOTS);
}

/* False for a packet whose time was played. While filling at first, an older one moves next_seq back to it. */
static bool in_time(struct jitter *jitter, uint16_t seq)
{
    bool older = jitter->state != JITTER_EMPTY && distance(jitter->next_seq, seq) < 0;
    if (!older)
        return true;
    if (jitter->state != JITTER_FILLING || distance(seq, jitter->last_seq) >= JITTER_SLOTS)
        return false;
    jitter->next_seq = seq;
    return true;
}

/* What was played or learnt from before is only a copy and says nothing. */
static void learn_from_late(struct jitter *jitter, uint16_t seq, uint32_t timestamp, uint32_t now)
{
    uint64_t bit = UINT64_C(1) << (distance(seq, jitter->next_seq) - 1);
    if ((jitter->missed & bit) == 0)
        return;
    jitter->missed ^= bit;
    jitter->grow = true;
    delay_arrived(&jitter->delay, timestamp, now, true);
}

static void learn(struct jitter *jitter, uint16_t seq, uint32_t timestamp, uint32_t now)
{
    int32_t held_up = delay_arrived(&jitter->delay, timestamp, now, jitter->starved);
    jitter->starved = false;
    if (jitter->state != JITTER_EMPTY && jitter->state != JITTER_DRY)
        return;
    int32_t wait = delay_needed(&jitter->delay) - held_up;
    jitter->state = jitter->state == JITTER_EMPTY ? JITTER_FILLING : JITTER_REFILLING;
    jitter->next_seq = seq;
    jitter->missed = 0;
    jitter->start = now + (uint32_t)(wait > 0 ? wait : 0);
}

void jitter_insert(struct jitter *jitter, const struct jitter_packet *packet, uint32_t now)
{
    uint16_t seq = packet->seq;
    if (!in_time(jitter, seq)) {
        counter_add(&jitter->counters[LATE], 1);
        learn_from_late(jitter, seq, packet->timestamp, now);
        return;
    }
    struct jitter_slot *slot = slot_of(jitter, seq);
    if (slot->len > 0) {
        counter_add(&jitter->counters[DUPLICATE], 1);
        return;
    }
    learn(jitter, seq, packet->timestamp, now);
    while (jitter->free_blocks < blocks_for(packet->len) && jitter->next_seq != seq)
        discard_next(jitter);
    if (jitter->free_blocks < blocks_for(packet->len)) {
        counter_add(&jitter->counters[DISCARDED], 1);
        return;
    }
    if (jitter->waiting == 0 || distance(jitter->last_seq, seq) > 0)
        jitter->last_seq = seq;
    slot->timestamp = packet->timestamp;
    slot->noise = packet->noise;
    slot_fill(jitter, slot, packet->payload, packet->len);
}

bool jitter_ready(struct jitter *jitter, uint32_t now)
{
    bool waits = jitter->state == JITTER_FILLING || jitter->state == JITTER_REFILLING;
    if (waits && (int32_t)(now - jitter->start) >= 0)
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

const struct jitter_slot *jitter_peek(const struct jitter *jitter)
{
    const struct jitter_slot *slot = &jitter->slots[jitter->next_seq % JITTER_SLOTS];
    return slot->len > 0 ? slot : NULL;
}

bool jitter_look(const struct jitter *jitter, size_t ahead, uint8_t *payload, struct jitter_packet *packet)
{
    uint16_t seq = (uint16_t)(jitter->next_seq + ahead);
    const struct jitter_slot *slot = &jitter->slots[seq % JITTER_SLOTS];
    slot_copy(jitter, slot, payload);
    *packet = (struct jitter_packet){seq, slot->timestamp, payload, slot->len, slot->noise};
    return slot->len > 0;
}

size_t jitter_take(struct jitter *jitter, uint8_t *payload)
{
    struct jitter_slot *slot = slot_of(jitter, jitter->next_seq++);
    size_t len = slot->len;
    jitter->missed = jitter->missed << 1 | (len == 0);
    if (len > 0 && payload != NULL)
        slot_copy(jitter, slot, payload);
    if (len > 0)
        slot_drain(jitter, slot);
    return len;
}

void jitter_starve(struct jitter *jitter)
{
    jitter->starved = true;
}

void jitter_dry(struct jitter *jitter)
{
    jitter->state = JITTER_DRY;
}
