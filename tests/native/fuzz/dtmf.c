/* Telephone events in any order: at most two keys for each, and each one a key. */
#include "dtmf.h"

#include "input.h"

static void check(const struct media_event *events, size_t count, size_t most)
{
    MUST(count <= most);
    for (size_t i = 0; i < count; i++)
        MUST(events[i].kind == MEDIA_DTMF && dtmf_event((char)events[i].digit) >= 0 && events[i].ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct dtmf_receiver receiver = {0};
    struct media_event events[2];
    const uint32_t clock_hz = take(&input) & 1 ? 8000 : 48000;
    int64_t now_us = 0;
    while (input.left > 0) {
        uint8_t step = take(&input);
        size_t len = DTMF_PAYLOAD;
        uint32_t timestamp = take(&input) * 160u;
        now_us += step * 1000;
        if (input.left >= DTMF_PAYLOAD) {
            uint8_t *payload = take_datagram(&input, &len, 0);
            check(events, dtmf_hear(&receiver, payload, timestamp, now_us, clock_hz, events), 2);
            free(payload);
        }
        if (step & 1 && dtmf_is_lost(&receiver, now_us))
            check(events, dtmf_finish(&receiver, events), 1);
    }
    return 0;
}
