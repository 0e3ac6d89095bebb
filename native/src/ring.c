#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the place of a length: nothing more until the end of the memory. */
#define SKIP UINT32_MAX

int ring_open(struct ring *ring, size_t size)
{
    memset(ring, 0, sizeof *ring);
    ring->memory = aligned_alloc(64, size);
    ring->size = size;
    return ring->memory == NULL ? -ENOMEM : 0;
}

void ring_close(struct ring *ring)
{
    free(ring->memory);
}

size_t ring_footprint(size_t len)
{
    return RING_HEADER + ((len + 7) & ~(size_t)7);
}

static uint8_t *at(const struct ring *ring, uint64_t position)
{
    return ring->memory + (position & (ring->size - 1));
}

static size_t to_end(const struct ring *ring, uint64_t position)
{
    return ring->size - (size_t)(position & (ring->size - 1));
}

static void write_length(struct ring *ring, uint64_t position, uint32_t len)
{
    memcpy(at(ring, position), &len, sizeof len);
}

void *ring_reserve(struct ring *ring, size_t len, size_t spare)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t need = ring_footprint(len);
    size_t end = to_end(ring, head);
    size_t skip = need > end ? end : 0;
    if (ring->size - (size_t)(head - ring->tail_seen) < skip + need + spare) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (ring->size - (size_t)(head - ring->tail_seen) < skip + need + spare) {
            counter_add(&ring->refused, 1);
            return NULL;
        }
    }
    if (skip > 0)
        write_length(ring, head, SKIP);
    write_length(ring, head + skip, (uint32_t)len);
    ring->reserved = head + skip + need;
    return at(ring, head + skip) + RING_HEADER;
}

void ring_commit(struct ring *ring)
{
    atomic_store_explicit(&ring->head, ring->reserved, memory_order_release);
}

void *ring_read(struct ring *ring, size_t *len)
{
    if (ring->cursor == ring->head_seen) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (ring->cursor == ring->head_seen)
            return NULL;
    }
    uint32_t length;
    memcpy(&length, at(ring, ring->cursor), sizeof length);
    if (length == SKIP) {
        /* A skip is committed together with the record behind it. */
        ring->cursor += to_end(ring, ring->cursor);
        memcpy(&length, at(ring, ring->cursor), sizeof length);
    }
    void *record = at(ring, ring->cursor) + RING_HEADER;
    ring->cursor += ring_footprint(length);
    *len = length;
    return record;
}

void ring_release(struct ring *ring)
{
    atomic_store_explicit(&ring->tail, ring->cursor, memory_order_release);
}
