/* A ring that anybody may watch: one producer, any number of readers, in one process or in several.
 *
 * Two rings side by side in one piece of memory: lines of fixed size (the mcache), each with the number of
 * its fragment, and the fragments' bytes (the dcache). The producer never waits and never looks at a reader;
 * what is old is overwritten. A reader has a place of its own, in its own memory, and so needs no more than
 * read access: it cannot hold up the producer or another reader. One that is too slow finds newer numbers
 * than the one it waits for: it is told how many fragments it lost, and goes on half a ring behind the
 * producer, so that it is not overrun again at once. ring.h is for what must not be lost: one reader, and
 * full means refuse.
 *
 * A fragment has a number (64 bits, from 0, never reused), a tag and a kind, whose meaning is the users',
 * and at most `mtu` bytes. Fragment n has line n modulo `depth`; its bytes lie at a position in the data
 * ring, which counts words since the beginning. So it can be lost in two ways: its line has been reused, or
 * its bytes have; a data ring that holds `depth` fragments of the usual length makes the second rare.
 *
 * Ordering: every line is a seqlock. The producer stamps the line as being written (its number less one,
 * which no finished line at that place can have), says in `reserved` how far it is going to write, fences
 * (release), writes line and bytes, and stamps the number (release). A reader that finds its number (acquire)
 * copies, fences (acquire), and looks at both again: if it copied anything newer, then by the pair of fences
 * it also sees the newer stamp or reservation, and forgets the copy. What is shared is atomic, and relaxed
 * but for the stamps, so that the copy which is thrown away is no data race; words of 8 bytes compile to
 * plain loads and stores.
 *
 * Between processes: the layout is fixed (asserts in mcache.c) and starts with a magic number and version.
 * mcache_create makes it in a memfd that can neither shrink nor grow, so a reader's mapping stays good
 * whatever becomes of the producer. A reader believes nothing that it reads: sizes are taken once and checked
 * when it joins, a length or position that cannot be is a lost fragment. A producer that died in mid-write
 * leaves a line that is never finished; the next one that joins writes it anew. That there is one producer
 * at a time is for its users to see to.
 * How a reader learns that there is something to read is not said here: it polls, or has an eventfd.
 *
 * The functions that Python calls are declared in api.h: mcache_create, mcache_join, mcache_fd, mcache_leave,
 * mcache_write, mcache_read.
 */
#ifndef CLUTCH_MCACHE_H
#define CLUTCH_MCACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media.h"

#define MCACHE_MAGIC 0x65686361634d4c43u /* "CLMcache", as this machine writes numbers */

enum {
    MCACHE_VERSION = 1,
    MCACHE_DEPTH_MAX = 1 << 24,
    MCACHE_WORDS_MAX = 1 << 29, /* 4 GiB */
};

struct mcache_line {
    _Atomic uint64_t stamp;
    _Atomic uint64_t position; /* of the first word */
    _Atomic uint64_t tag;
    _Atomic uint32_t len; /* bytes */
    _Atomic uint32_t kind;
};

/* The beginning of the memory; `depth` lines and `words` words follow. */
struct mcache_header {
    uint64_t magic;
    uint32_t version;
    uint32_t depth; /* a power of two, at least 2 */
    uint64_t words; /* a power of two */
    uint32_t mtu;
    /* the producer's, for those who join or were overrun */
    _Alignas(64) _Atomic uint64_t next; /* number of the fragment to come */
    _Atomic uint64_t reserved;          /* words ever written, those of the fragment under way included */
    _Alignas(64) struct mcache_line lines[];
};

/* One side of an mcache: the producer's or a reader's own memory. */
struct mcache {
    struct mcache_header *header;
    struct mcache_line *lines;
    _Atomic uint64_t *words;
    size_t size;         /* of the mapping */
    uint64_t line_mask;  /* depth - 1 */
    uint64_t word_mask;  /* words - 1 */
    uint64_t word_count; /* words */
    uint64_t next;       /* number of the fragment to write or to read */
    uint64_t reserved;   /* producer: as in the header */
    uint64_t lost;       /* reader: fragments that were overwritten before they were read */
    uint32_t mtu;
    int fd;
    bool produces;
};

#endif
