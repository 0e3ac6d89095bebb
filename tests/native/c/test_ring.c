#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "ring.h"

enum { SIZE = 4096, RECORDS = 30000, LONGEST = 700 };

static void write_record(uint8_t *record, uint32_t number, size_t len)
{
    memset(record, (int)(number & 0xff), len);
    memcpy(record, &number, sizeof number);
}

static void check_record(const uint8_t *record, uint32_t number, size_t len)
{
    uint32_t found;
    memcpy(&found, record, sizeof found);
    CHECK(found == number);
    CHECK((uintptr_t)record % 8 == 0);
    for (size_t i = sizeof found; i < len; i++)
        CHECK(record[i] == (number & 0xff));
}

static void test_full_and_empty(void)
{
    struct ring ring;
    size_t len;
    CHECK(ring_open(&ring, SIZE) == 0);
    CHECK(ring_read(&ring, &len) == NULL);
    uint32_t count = 0;
    for (void *record; (record = ring_reserve(&ring, 100, 0)) != NULL; count++) {
        write_record(record, count, 100);
        ring_commit(&ring);
    }
    CHECK(count == SIZE / ring_footprint(100));
    CHECK(counter_read(&ring.refused) == 1);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *record = ring_read(&ring, &len);
        check_record(record, i, len);
    }
    CHECK(ring_read(&ring, &len) == NULL);
    /* Read, but not yet given back. */
    CHECK(ring_reserve(&ring, 100, 0) == NULL);
    ring_release(&ring);
    CHECK(ring_reserve(&ring, 100, 0) != NULL);
    ring_close(&ring);
}

static void test_spare_is_kept(void)
{
    struct ring ring;
    size_t spare = 3 * ring_footprint(24);
    CHECK(ring_open(&ring, SIZE) == 0);
    while (ring_reserve(&ring, 24, spare) != NULL)
        ring_commit(&ring);
    for (int i = 0; i < 3; i++) {
        CHECK(ring_reserve(&ring, 24, 0) != NULL);
        ring_commit(&ring);
    }
    ring_close(&ring);
}

static void test_reserve_without_commit_is_nothing(void)
{
    struct ring ring;
    size_t len;
    CHECK(ring_open(&ring, SIZE) == 0);
    CHECK(ring_reserve(&ring, 1000, 0) != NULL);
    CHECK(ring_read(&ring, &len) == NULL);
    write_record(ring_reserve(&ring, 40, 0), 7, 40);
    ring_commit(&ring);
    const uint8_t *record = ring_read(&ring, &len);
    CHECK(len == 40);
    check_record(record, 7, len);
    ring_close(&ring);
}

static void *produce(void *argument)
{
    struct ring *ring = argument;
    uint64_t seed = 1;
    for (uint32_t number = 0; number < RECORDS; number++) {
        size_t len = 4 + random32(&seed) % LONGEST;
        uint8_t *record;
        while ((record = ring_reserve(ring, len, 0)) == NULL)
            sched_yield();
        write_record(record, number, len);
        ring_commit(ring);
    }
    return NULL;
}

static void test_two_threads(void)
{
    struct ring ring;
    pthread_t producer;
    uint64_t lengths = 1, batches = 2;
    CHECK(ring_open(&ring, SIZE) == 0);
    CHECK(pthread_create(&producer, NULL, produce, &ring) == 0);
    for (uint32_t number = 0; number < RECORDS;) {
        size_t len;
        for (uint32_t batch = random32(&batches) % 8; batch > 0 && number < RECORDS; batch--) {
            const uint8_t *record = ring_read(&ring, &len);
            if (record == NULL)
                break;
            CHECK(len == 4 + random32(&lengths) % LONGEST);
            check_record(record, number++, len);
        }
        ring_release(&ring);
        sched_yield();
    }
    pthread_join(producer, NULL);
    ring_close(&ring);
}

int main(void)
{
    test_full_and_empty();
    test_spare_is_kept();
    test_reserve_without_commit_is_nothing();
    test_two_threads();
    return 0;
}
