/* The downlink queue: PCM on its way from Python to the network. Single producer, single consumer.
 *
 * The producer (Python's thread) writes and clears, the consumer (the reactor) reads; both may ask how
 * much is queued. Nothing ever blocks. Full means refuse: the writer is told how many samples fitted and
 * the rest is counted, because speech that was silently cut is worse than speech that waits.
 *
 * Positions count samples since the beginning and never wrap (64 bits); sample p lies at p modulo the
 * capacity. The producer publishes samples by a release store of `head`, which the consumer acquires.
 * The consumer hands room back by advancing `tail` (release), which the producer acquires before it
 * overwrites. `clear` moves `tail` up to `head` from the producer's side: the queue is empty and all its
 * room is back at once. A read that is under way then copies samples that may be overwritten meanwhile;
 * its compare-and-swap of `tail` fails, it forgets what it copied and reads again. Positions never
 * repeat, so a swap that succeeds proves that nothing was cleared during the copy: as in a seqlock, a pair
 * of fences keeps a CPU from showing new samples before the tail that gave them room. Samples are relaxed
 * atomics because of that overlap; they compile to plain loads and stores.
 */
#ifndef CLUTCH_DOWNLINK_H
#define CLUTCH_DOWNLINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

enum { DOWNLINK_SAMPLES = 8192 };

struct downlink {
    _Alignas(64) _Atomic uint64_t head;
    counter refused; /* samples that did not fit */
    bool open;       /* the producer's own: takes samples */
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) _Atomic int16_t samples[DOWNLINK_SAMPLES];
};

/* Zeroed memory is a queue that refuses everything, because the rate of the samples is not known yet. */

/* Producer: forget all that is queued, and take samples from now on. */
void downlink_open(struct downlink *queue);

/* Producer: take as many of n samples (native order, any alignment) as fit; returns how many. */
size_t downlink_write(struct downlink *queue, const void *pcm, size_t n);

/* Producer: forget all that is queued. */
void downlink_clear(struct downlink *queue);

/* Consumer: take at most n samples, the oldest first; returns how many. */
size_t downlink_read(struct downlink *queue, int16_t *pcm, size_t n);

/* Any thread: samples queued. */
size_t downlink_queued(const struct downlink *queue);

#endif
