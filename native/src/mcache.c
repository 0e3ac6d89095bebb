/* Writing and reading (mcache.h). Creating and joining are in mcache_map.c. */
#include "mcache.h"

#include <errno.h>
#include <string.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share these: a lock would be one process's own");
_Static_assert(sizeof(struct mcache_line) == 32, "layout");
_Static_assert(offsetof(struct mcache_header, depth) == 12 && offsetof(struct mcache_header, words) == 16
                   && offsetof(struct mcache_header, mtu) == 24 && offsetof(struct mcache_header, next) == 64
                   && offsetof(struct mcache_header, reserved) == 72
                   && offsetof(struct mcache_header, lines) == 128,
               "layout");
_Static_assert(sizeof(struct mcache_fragment) == 24, "Python unpacks it");

static uint64_t words_of(size_t len)
{
    return (len + 7) / 8;
}

/* ---- producer ---- */

static void put_words(const struct mcache *mcache, uint64_t position, const uint8_t *data, size_t len)
{
    for (; len > 0; position++) {
        uint64_t word = 0;
        size_t part = len < sizeof word ? len : sizeof word;
        memcpy(&word, data, part);
        atomic_store_explicit(&mcache->words[position & mcache->word_mask], word, memory_order_relaxed);
        data += part;
        len -= part;
    }
}

int mcache_write(struct mcache *mcache, uint64_t tag, uint32_t kind, const void *data, size_t len)
{
    if (len > mcache->mtu)
        return -EMSGSIZE;
    struct mcache_line *line = &mcache->lines[mcache->next & mcache->line_mask];
    uint64_t position = mcache->reserved;
    mcache->reserved += words_of(len);
    atomic_store_explicit(&line->stamp, mcache->next - 1, memory_order_relaxed);
    atomic_store_explicit(&mcache->header->reserved, mcache->reserved, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&line->position, position, memory_order_relaxed);
    atomic_store_explicit(&line->tag, tag, memory_order_relaxed);
    atomic_store_explicit(&line->len, (uint32_t)len, memory_order_relaxed);
    atomic_store_explicit(&line->kind, kind, memory_order_relaxed);
    put_words(mcache, position, data, len);
    atomic_store_explicit(&line->stamp, mcache->next, memory_order_release);
    atomic_store_explicit(&mcache->header->next, ++mcache->next, memory_order_relaxed);
    return 0;
}

/* ---- reader ---- */

enum outcome { NOTHING_YET, OVERRUN, GOT };

static void get_words(const struct mcache *mcache, uint64_t position, uint8_t *data, size_t len)
{
    for (; len > 0; position++) {
        size_t part = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
        uint64_t word =
            atomic_load_explicit(&mcache->words[position & mcache->word_mask], memory_order_relaxed);
        memcpy(data, &word, part);
        data += part;
        len -= part;
    }
}

/* True if the words from `position` on have not been written over. */
static bool holds(const struct mcache *mcache, uint64_t position)
{
    return atomic_load_explicit(&mcache->header->reserved, memory_order_relaxed) - position
           <= mcache->word_count;
}

static enum outcome read_one(const struct mcache *mcache, struct mcache_fragment *fragment, uint8_t *data)
{
    const struct mcache_line *line = &mcache->lines[mcache->next & mcache->line_mask];
    uint64_t stamp = atomic_load_explicit(&line->stamp, memory_order_acquire);
    if (stamp != mcache->next)
        return (int64_t)(stamp - mcache->next) < 0 ? NOTHING_YET : OVERRUN;
    uint64_t position = atomic_load_explicit(&line->position, memory_order_relaxed);
    *fragment = (struct mcache_fragment){
        .number = mcache->next,
        .tag = atomic_load_explicit(&line->tag, memory_order_relaxed),
        .kind = atomic_load_explicit(&line->kind, memory_order_relaxed),
        .len = atomic_load_explicit(&line->len, memory_order_relaxed),
    };
    if (fragment->len > mcache->mtu || !holds(mcache, position))
        return OVERRUN;
    get_words(mcache, position, data, fragment->len);
    atomic_thread_fence(memory_order_acquire);
    bool same = atomic_load_explicit(&line->stamp, memory_order_relaxed) == stamp;
    return same && holds(mcache, position) ? GOT : OVERRUN;
}

/* Go on half a ring behind the producer, if that is further on than the next fragment; it is not where only
 * the bytes were overwritten. */
static void skip(struct mcache *mcache)
{
    uint64_t half = (mcache->line_mask + 1) / 2;
    uint64_t behind = atomic_load_explicit(&mcache->header->next, memory_order_relaxed) - half;
    uint64_t resume = (int64_t)(behind - mcache->next) > 1 ? behind : mcache->next + 1;
    mcache->lost += resume - mcache->next;
    mcache->next = resume;
}

size_t mcache_read(struct mcache *mcache, struct mcache_fragment *fragments, size_t room, void *data,
                   size_t data_bytes, uint64_t *lost)
{
    size_t count = 0, used = 0;
    uint64_t skips = 0;
    /* After as many skips as there are lines the producer is not one of ours; come back later. */
    while (count < room && data_bytes - used >= mcache->mtu && skips <= mcache->line_mask) {
        enum outcome outcome = read_one(mcache, &fragments[count], (uint8_t *)data + used);
        if (outcome == NOTHING_YET)
            break;
        if (outcome == OVERRUN) {
            skip(mcache);
            skips++;
            continue;
        }
        used += 8 * words_of(fragments[count++].len);
        mcache->next++;
    }
    *lost = mcache->lost;
    return count;
}
