#include <string.h>

#include "check.h"
#include "jitter.h"

static counter counters[MEDIA_COUNTERS];
static struct jitter jitter;
static uint8_t payload[MEDIA_PAYLOAD_MAX];

enum {
    FRAME = 160,
    START = 2 * FRAME,
    LONGEST_BLOCKS = (MEDIA_PAYLOAD_MAX + JITTER_BLOCK - 1) / JITTER_BLOCK,
    LONGEST_FIT = JITTER_BLOCKS / LONGEST_BLOCKS, /* of such packets in the arena */
};

static uint64_t counted(enum media_counter which)
{
    return counter_read(&counters[which]);
}

static void start(void)
{
    memset(counters, 0, sizeof counters);
    jitter_init(&jitter, counters, FRAME);
}

static void insert(uint16_t seq, size_t len)
{
    memset(payload, seq & 0xff, len);
    struct jitter_packet packet = {seq, (uint32_t)(seq * FRAME), payload, len, false};
    jitter_insert(&jitter, &packet, 0);
}

static void check_next(uint16_t seq, size_t len)
{
    uint8_t found[MEDIA_PAYLOAD_MAX];
    CHECK(jitter_take(&jitter, found) == len);
    for (size_t i = 0; i < len; i++)
        CHECK(found[i] == (seq & 0xff));
}

static void test_order_and_wrap(void)
{
    start();
    insert(65534, 160);
    insert(1, 161);
    insert(0, 1);
    insert(65535, 1500);
    insert(0, 20);
    CHECK(counted(DUPLICATE) == 1);
    CHECK(jitter_span(&jitter) == 4);
    CHECK(!jitter_ready(&jitter, START - 1));
    CHECK(jitter_ready(&jitter, START));
    check_next(65534, 160);
    check_next(65535, 1500);
    check_next(0, 1);
    check_next(1, 161);
    CHECK(jitter_span(&jitter) == 0);
    CHECK(jitter.free_blocks == JITTER_BLOCKS);
}

static void test_states(void)
{
    start();
    CHECK(jitter.state == JITTER_EMPTY);
    CHECK(!jitter_is_jump(&jitter, 5000));
    insert(100, 160);
    CHECK(jitter.state == JITTER_FILLING);
    insert(40, 160); /* older, but within the window: the stream begins there */
    CHECK(jitter.next_seq == 40);
    insert(36, 160); /* 100 would no longer be in the window */
    CHECK(counted(LATE) == 1);
    CHECK(jitter_is_jump(&jitter, 104));
    CHECK(!jitter_is_jump(&jitter, 103));
    CHECK(jitter_ready(&jitter, START));
    insert(39, 160);
    CHECK(counted(LATE) == 2);
    check_next(40, 160);
    jitter_trim(&jitter, 1);
    check_next(100, 160);
    CHECK(counted(DISCARDED) == 0);
    jitter_dry(&jitter);
    insert(100, 160);
    CHECK(counted(LATE) == 3);
    CHECK(jitter.state == JITTER_DRY);
    insert(110, 160);
    CHECK(jitter.state == JITTER_REFILLING);
    insert(105, 160);
    CHECK(counted(LATE) == 4);
    jitter_reset(&jitter);
    CHECK(counted(DISCARDED) == 1);
    CHECK(jitter.state == JITTER_EMPTY);
}

/* A full arena lets go of the oldest packets and always holds the newest ones. */
static void test_full_arena(void)
{
    start();
    for (uint16_t seq = 0; seq < JITTER_SLOTS; seq++)
        insert(seq, MEDIA_PAYLOAD_MAX);
    CHECK(jitter.waiting == LONGEST_FIT);
    CHECK(counted(DISCARDED) == JITTER_SLOTS - LONGEST_FIT);
    CHECK(jitter_span(&jitter) == jitter.waiting);
    for (uint16_t seq = JITTER_SLOTS - LONGEST_FIT; seq < JITTER_SLOTS; seq++)
        check_next(seq, MEDIA_PAYLOAD_MAX);
    /* The one that is itself the oldest is the one to go. */
    start();
    for (uint16_t seq = 50; seq < 50 + LONGEST_FIT; seq++)
        insert(seq, MEDIA_PAYLOAD_MAX);
    CHECK(jitter.free_blocks < LONGEST_BLOCKS);
    insert(49, MEDIA_PAYLOAD_MAX);
    CHECK(counted(DISCARDED) == 1);
    CHECK(jitter.waiting == LONGEST_FIT);
}

/* Whatever comes, every packet is waiting, taken, or counted in one place, and no block is lost. */
static void test_random(void)
{
    uint64_t seed = 7;
    for (int life = 0; life < 200; life++) {
        uint64_t inserted = 0, taken = 0;
        uint16_t seq = (uint16_t)random32(&seed);
        start();
        for (int step = 0; step < 500; step++) {
            uint16_t near = (uint16_t)(seq + random32(&seed) % 80 - 40);
            if (jitter_is_jump(&jitter, near))
                jitter_reset(&jitter);
            insert(near, 1 + random32(&seed) % MEDIA_PAYLOAD_MAX);
            inserted++;
            if (random32(&seed) % 3 == 0 && jitter_ready(&jitter, START)) {
                if (jitter_span(&jitter) == 0)
                    jitter_dry(&jitter);
                else
                    taken += jitter_take(&jitter, payload) > 0;
            }
            seq = (uint16_t)(seq + random32(&seed) % 2);
            CHECK(inserted
                  == taken + jitter.waiting + counted(LATE) + counted(DUPLICATE) + counted(DISCARDED));
        }
        jitter_reset(&jitter);
        CHECK(jitter.free_blocks == JITTER_BLOCKS);
    }
}

int main(void)
{
    test_order_and_wrap();
    test_states();
    test_full_arena();
    test_random();
    return 0;
}
