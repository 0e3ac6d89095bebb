/* Counters that one thread adds to and any thread may read.
 *
 * Each counter has a single writer, so adding is a plain load and store, not a locked instruction; being
 * atomic, a reader never sees half a value. Relaxed order is enough: a counter publishes nothing but
 * itself.
 */
#ifndef CLUTCH_COUNTERS_H
#define CLUTCH_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

/* Add n. Only the counter's one writer may call this. */
static inline void counter_add(counter *c, uint64_t n)
{
    uint64_t value = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, value + n, memory_order_relaxed);
}

/* Replace the value: a gauge rather than a count. Only its one writer may call this. */
static inline void counter_set(counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

/* The value now. Any thread. */
static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
