#include "downlink.h"

#include <string.h>

enum { MASK = DOWNLINK_SAMPLES - 1 };

_Static_assert((DOWNLINK_SAMPLES & MASK) == 0, "positions wrap by mask");

void downlink_open(struct downlink *queue)
{
    queue->open = true;
    downlink_clear(queue);
}

size_t downlink_write(struct downlink *queue, const void *pcm, size_t n)
{
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    size_t room = queue->open ? DOWNLINK_SAMPLES - (size_t)(head - tail) : 0;
    size_t taken = n < room ? n : room;
    for (size_t i = 0; i < taken; i++) {
        int16_t sample;
        memcpy(&sample, (const uint8_t *)pcm + 2 * i, sizeof sample);
        atomic_store_explicit(&queue->samples[(head + i) & MASK], sample, memory_order_relaxed);
    }
    atomic_store_explicit(&queue->head, head + taken, memory_order_release);
    counter_add(&queue->refused, n - taken);
    return taken;
}

void downlink_clear(struct downlink *queue)
{
    /* A plain store is enough: whatever the consumer swapped in before it is not beyond head, and what
     * it tries to swap in afterwards fails. */
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    atomic_store_explicit(&queue->tail, head, memory_order_release);
    /* With the fence in downlink_read: who sees a sample written after this sees this tail, too. */
    atomic_thread_fence(memory_order_release);
}

size_t downlink_read(struct downlink *queue, int16_t *pcm, size_t n)
{
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    for (;;) {
        uint64_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
        size_t queued = (size_t)(head - tail);
        size_t taken = n < queued ? n : queued;
        for (size_t i = 0; i < taken; i++)
            pcm[i] = atomic_load_explicit(&queue->samples[(tail + i) & MASK], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        /* Release: the loads above are done before the room is given back. A failed swap has read the
         * tail that `clear` wrote, and tries again from there. */
        if (atomic_compare_exchange_strong_explicit(&queue->tail, &tail, tail + taken,
                                                    memory_order_acq_rel, memory_order_acquire))
            return taken;
    }
}

size_t downlink_queued(const struct downlink *queue)
{
    /* Tail first: head read later is never behind it. */
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    return (size_t)(head - tail);
}
