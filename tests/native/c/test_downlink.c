#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "downlink.h"

enum { FRAME = 160, WRITES = 50000 };

static struct downlink queue;
static bool clears; /* the producer clears now and then */
static _Atomic uint32_t epoch; /* how often it did; no older sample may be read any more */
static atomic_bool done;

/* Without clears, samples count up. With clears, a sample is the epoch in which it was written. */
static void *produce(void *unused)
{
    uint64_t seed = 3, position = 0;
    (void)unused;
    for (int i = 0; i < WRITES; i++) {
        int16_t pcm[FRAME];
        uint32_t now = atomic_load(&epoch);
        for (size_t k = 0; k < FRAME; k++)
            pcm[k] = clears ? (int16_t)now : (int16_t)(uint16_t)(position + k);
        position += downlink_write(&queue, pcm, random32(&seed) % FRAME);
        if (clears && random32(&seed) % 16 == 0) {
            downlink_clear(&queue);
            CHECK(downlink_queued(&queue) == 0);
            atomic_store(&epoch, now + 1);
        }
        if (random32(&seed) % 4 == 0)
            sched_yield();
    }
    atomic_store(&done, true);
    return NULL;
}

static void check_samples(const int16_t *pcm, size_t n, uint32_t oldest)
{
    static uint64_t position;
    for (size_t i = 0; i < n; i++)
        CHECK(clears ? pcm[i] == pcm[0] && pcm[i] >= (int32_t)oldest
                     : pcm[i] == (int16_t)(uint16_t)(position + i));
    position += n;
}

/* Everything read is in order, without a tear, and nothing comes back after it was cleared. */
static void test_two_threads(void)
{
    pthread_t producer;
    memset(&queue, 0, sizeof queue);
    downlink_open(&queue);
    atomic_store(&done, false);
    CHECK(pthread_create(&producer, NULL, produce, NULL) == 0);
    for (bool last = false; !last;) {
        int16_t pcm[FRAME];
        last = atomic_load(&done);
        uint32_t oldest = atomic_load(&epoch);
        size_t n = downlink_read(&queue, pcm, FRAME);
        check_samples(pcm, n, oldest);
        last = last && n == 0;
        if (n == 0)
            sched_yield();
    }
    pthread_join(producer, NULL);
}

static void test_full(void)
{
    static int16_t pcm[DOWNLINK_SAMPLES + 100];
    memset(&queue, 0, sizeof queue);
    CHECK(downlink_write(&queue, pcm, 10) == 0);
    CHECK(counter_read(&queue.refused) == 10);
    downlink_open(&queue);
    CHECK(downlink_write(&queue, pcm, DOWNLINK_SAMPLES + 100) == DOWNLINK_SAMPLES);
    CHECK(counter_read(&queue.refused) == 110);
    CHECK(downlink_queued(&queue) == DOWNLINK_SAMPLES);
    downlink_clear(&queue);
    CHECK(downlink_queued(&queue) == 0);
    CHECK(downlink_write(&queue, pcm, DOWNLINK_SAMPLES) == DOWNLINK_SAMPLES);
    CHECK(downlink_read(&queue, pcm, DOWNLINK_SAMPLES + 100) == DOWNLINK_SAMPLES);
}

/* Any alignment is as good as any other. */
static void test_unaligned(void)
{
    uint8_t bytes[] = {0, 1, 2, 3, 4};
    int16_t pcm[2], expected[2];
    memset(&queue, 0, sizeof queue);
    downlink_open(&queue);
    CHECK(downlink_write(&queue, bytes + 1, 2) == 2);
    CHECK(downlink_read(&queue, pcm, 2) == 2);
    memcpy(expected, bytes + 1, sizeof expected);
    CHECK(memcmp(pcm, expected, sizeof pcm) == 0);
}

int main(void)
{
    test_full();
    test_unaligned();
    test_two_threads();
    clears = true;
    test_two_threads();
    return 0;
}
