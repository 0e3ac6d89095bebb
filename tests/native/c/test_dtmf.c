#include <errno.h>
#include <string.h>

#include "check.h"
#include "dtmf.h"

enum { FRAME = 160, HZ = 8000 };

static void test_digits(void)
{
    const char *digits = "0123456789*#ABCD";
    for (int i = 0; i < 16; i++)
        CHECK(dtmf_event(digits[i]) == i);
    CHECK(dtmf_event('a') == -EINVAL);
    CHECK(dtmf_event('\0') == -EINVAL);
}

/* 50 ms of tone are three ticks; the last packet goes out three times; then a gap of two ticks. */
static void test_sending(void)
{
    struct dtmf_sender sender = {0};
    struct dtmf_packet packet;
    const uint8_t expected[5][2] = {{0, 160}, {1, 64}, {0x81, 0xe0}, {0x81, 0xe0}, {0x81, 0xe0}};
    CHECK(!dtmf_step(&sender, 1000, FRAME, &packet));
    CHECK(dtmf_press(&sender, 11, 50, 40));
    CHECK(dtmf_press(&sender, 0, 0, 0));
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(dtmf_step(&sender, 1000 + i * FRAME, FRAME, &packet));
        CHECK(packet.marker == (i == 0));
        CHECK(packet.timestamp == 1000);
        CHECK(packet.payload[0] == 11);
        CHECK(packet.payload[1] == ((expected[i][0] & 0x80) | DTMF_VOLUME));
        CHECK(packet.payload[2] == (expected[i][0] & 0x7f) && packet.payload[3] == expected[i][1]);
    }
    CHECK(!dtmf_step(&sender, 2000, FRAME, &packet));
    CHECK(!dtmf_step(&sender, 2160, FRAME, &packet));
    for (int i = 0; i < 3; i++) {
        CHECK(dtmf_step(&sender, 2320, FRAME, &packet));
        CHECK(packet.payload[0] == 0 && packet.payload[1] == (0x80 | DTMF_VOLUME));
    }
    CHECK(!dtmf_step(&sender, 3000, FRAME, &packet));
}

static void test_queue_and_longest(void)
{
    struct dtmf_sender sender = {0};
    struct dtmf_packet packet;
    for (int i = 0; i < DTMF_QUEUE; i++)
        CHECK(dtmf_press(&sender, 1, UINT32_MAX, UINT32_MAX));
    CHECK(!dtmf_press(&sender, 1, 100, 60));
    for (int i = 0; i < 500; i++)
        CHECK(dtmf_step(&sender, 0, FRAME, &packet));
    CHECK(packet.payload[2] == 0xff && packet.payload[3] == 0xff);
    CHECK(dtmf_press(&sender, 1, 100, 60));
}

static size_t hear(struct dtmf_receiver *receiver, uint8_t event, bool end, uint16_t duration,
                   uint32_t timestamp, int64_t now_us, struct media_event *events)
{
    uint8_t payload[] = {event, end ? 0x80 : 0, (uint8_t)(duration >> 8), (uint8_t)duration};
    return dtmf_hear(receiver, payload, timestamp, now_us, HZ, events);
}

static void test_receiving(void)
{
    struct dtmf_receiver receiver = {0};
    struct media_event events[2];
    CHECK(hear(&receiver, 5, false, 160, 900, 0, events) == 0);
    CHECK(hear(&receiver, 5, true, 800, 900, 20000, events) == 1);
    CHECK(events[0].kind == MEDIA_DTMF && events[0].digit == '5' && events[0].ms == 100);
    CHECK(hear(&receiver, 5, true, 800, 900, 40000, events) == 0);
    /* The end of the next key is lost; the one after it says so, and is complete itself. */
    CHECK(hear(&receiver, 10, false, 400, 5000, 50000, events) == 0);
    CHECK(hear(&receiver, 15, true, 80, 9000, 60000, events) == 2);
    CHECK(events[0].digit == '*' && events[0].ms == 50);
    CHECK(events[1].digit == 'D' && events[1].ms == 10);
    /* Neither a straggler nor an event that is no key begins one. */
    CHECK(hear(&receiver, 10, true, 400, 5000, 70000, events) == 0);
    CHECK(hear(&receiver, 16, true, 400, 20000, 70000, events) == 0);
    CHECK(!dtmf_is_lost(&receiver, 1000000));
    CHECK(hear(&receiver, 1, false, 80, 30000, 100000, events) == 0);
    CHECK(!dtmf_is_lost(&receiver, 199999));
    CHECK(dtmf_is_lost(&receiver, 200000));
    CHECK(dtmf_finish(&receiver, events) == 1 && events[0].digit == '1');
    CHECK(dtmf_finish(&receiver, events) == 0);
}

int main(void)
{
    test_digits();
    test_sending();
    test_queue_and_longest();
    test_receiving();
    return 0;
}
