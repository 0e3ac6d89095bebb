/* A ring of byte records: single producer, single consumer, lock-free, bounded.
 *
 * A record is whatever the two sides agree on, contiguous and aligned to 8 bytes. The producer reserves
 * room, writes in place, and commits; the consumer reads any number of records in place and releases them
 * together, so that a batch costs one store. Neither side ever waits.
 *
 * Full means refuse: ring_reserve returns NULL and counts. What that means is the producer's to say: frames
 * and events are dropped (media never waits, the reader sees a gap in ticks or a counter), a command is
 * refused with EAGAIN to the caller, who still has it. The oldest record is never overwritten: its reader
 * may be in it.
 *
 * Ordering: positions are byte counts since the beginning (64 bits, they never wrap). The producer's
 * writes to a record come before its release store of `head`, which the consumer acquires before it reads
 * them. The consumer's reads come before its release store of `tail`, which the producer acquires before it
 * reuses the room. Nothing else is shared, so acquire and release suffice on any CPU. Each side keeps a
 * copy of the other's position and looks again only when that is used up, so in steady state the two do
 * not bounce cache lines for every record.
 */
#ifndef CLUTCH_RING_H
#define CLUTCH_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

enum { RING_HEADER = 8 };

struct ring {
    _Alignas(64) _Atomic uint64_t head; /* producer: what is committed */
    uint64_t reserved;                  /* producer: head after the next commit */
    uint64_t tail_seen;                 /* producer: tail when it last looked */
    counter refused;                    /* producer: reservations that found no room */
    _Alignas(64) _Atomic uint64_t tail; /* consumer: what is released */
    uint64_t cursor;                    /* consumer: what was read */
    uint64_t head_seen;                 /* consumer: head when it last looked */
    _Alignas(64) uint8_t *memory;
    size_t size;
};

/* Allocate a ring of `size` bytes, a power of two. 0 or -ENOMEM. */
int ring_open(struct ring *ring, size_t size);

void ring_close(struct ring *ring);

/* Bytes of the ring that a record of `len` bytes takes. */
size_t ring_footprint(size_t len);

/* Producer: room for a record of `len` bytes, at most half the ring, such that `spare` bytes would still be
 * free behind it; or NULL. Without a commit nothing has happened. */
void *ring_reserve(struct ring *ring, size_t len, size_t spare);

/* Producer: publish the record reserved last. */
void ring_commit(struct ring *ring);

/* Consumer: the next record and its length, or NULL. It is the consumer's, to write in as well, until
 * ring_release. */
void *ring_read(struct ring *ring, size_t *len);

/* Consumer: give back all that was read. */
void ring_release(struct ring *ring);

#endif
