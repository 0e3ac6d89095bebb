#include "check.h"
#include "delay.h"

enum { FRAME = 160, MS = 8, SECOND = 8000 };

static struct delay delay;
static uint32_t timestamp, now;

/* The next packet of 20 ms comes, held up by so many samples; returns what the estimate says of it. */
static int32_t hear_late(uint32_t held_up, bool late)
{
    timestamp += FRAME;
    now += FRAME;
    return delay_arrived(&delay, timestamp, now + held_up, late);
}

static int32_t hear(uint32_t held_up)
{
    return hear_late(held_up, false);
}

static void hear_many(int packets, uint32_t held_up)
{
    for (int i = 0; i < packets; i++)
        hear(held_up);
}

/* Both clocks wrap 2 s later. */
static void start(void)
{
    delay_init(&delay, FRAME);
    now = UINT32_MAX - 2 * SECOND;
    timestamp = UINT32_MAX - 2 * SECOND;
}

static void test_first_guess(void)
{
    start();
    CHECK(delay_needed(&delay) == 40 * MS);
    hear_many(197, 0);
    CHECK(delay_needed(&delay) == 40 * MS);
    hear_many(1, 0);
    CHECK(delay_needed(&delay) == 20 * MS);
    CHECK(delay_waited(&delay, timestamp, now + 30 * MS) == 30 * MS);
}

static void test_one_late_packet_is_seen_at_once(void)
{
    for (int before = 1; before < 1000; before++) {
        start();
        hear_many(before, 0);
        CHECK(hear_late(60 * MS - 1, true) == 60 * MS - 1);
        CHECK(delay_needed(&delay) == 60 * MS);
        hear_late(0, true); /* late, but what was thought to be needed would have done */
        hear_many(240, 0);
        CHECK(delay_needed(&delay) == 60 * MS);
        hear_many(1000, 0);
        CHECK(delay_needed(&delay) == 20 * MS);
    }
}

static void test_bounds(void)
{
    start();
    hear_many(100, 0);
    hear_many(2500, 900 * MS);
    CHECK(delay_needed(&delay) == 20 * MS); /* the slow way has become the base */
    hear_many(250, 0);
    CHECK(hear_late(900 * MS, true) == 900 * MS);
    CHECK(delay_needed(&delay) == 85 * MS);
}

static void test_one_in_a_hundred(void)
{
    start();
    for (int round = 0; round < 20; round++) {
        hear_many(49, 0);
        hear(52 * MS);
    }
    CHECK(delay_needed(&delay) == 55 * MS);
    for (int round = 0; round < 20; round++) {
        hear_many(199, 0);
        hear(52 * MS);
    }
    CHECK(delay_needed(&delay) == 20 * MS);
}

static void test_base_follows(void)
{
    start();
    hear_many(1000, 50 * MS);
    CHECK(hear(40 * MS) == 0);     /* faster than ever: at once */
    CHECK(hear(50 * MS) == 10 * MS);
    hear_many(500, 50 * MS);
    CHECK(hear(50 * MS) == 0);     /* slower: when the fastest is 10 s old */
    timestamp += 3 * SECOND;       /* a sender that starts its clock anew: at once */
    CHECK(hear(0) == 0);
    timestamp -= 3 * SECOND;
    CHECK(hear(0) == 0);
}

int main(void)
{
    test_first_guess();
    test_one_late_packet_is_seen_at_once();
    test_bounds();
    test_one_in_a_hundred();
    test_base_follows();
    return 0;
}
