/* What a stream takes from the heap, and when: everything at open and connect, nothing for packets and ticks.
 * Linked with --wrap for each function. */
#include <string.h>

#include "check.h"
#include "plane.h"
#include "rtp.h"

static int calls;
static size_t taken;

#define WRAP(result, name, parameters, arguments, size)  \
    result __real_##name parameters;                     \
    result __wrap_##name parameters;                     \
    result __wrap_##name parameters                      \
    {                                                    \
        calls++;                                         \
        taken += (size);                                 \
        return __real_##name arguments;                  \
    }

WRAP(void *, malloc, (size_t n), (n), n)
WRAP(void *, calloc, (size_t count, size_t n), (count, n), count * n)
WRAP(void *, realloc, (void *memory, size_t n), (memory, n), n)
WRAP(void *, aligned_alloc, (size_t alignment, size_t n), (alignment, n), n)
WRAP(void, free, (void *memory), (memory), 0)

static const struct endpoint PEER = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = 4000};
static int16_t uplink[MEDIA_FRAME_MAX], downlink[MEDIA_FRAME_MAX];
static uint8_t packet[MEDIA_PACKET_MAX];

static void hear(struct stream *stream, uint8_t *data, size_t len, int64_t now_us)
{
    struct media_relay relay;
    stream_receive(stream, data, len, &PEER, now_us, &relay);
}

/* Audio, keys and reports, with gaps and jumps as well. */
static void live(struct stream *stream)
{
    struct media_tick tick = {.uplink = uplink, .downlink = downlink, .packet = packet};
    stream_dial(stream, "12", 2, 100, 60);
    for (uint16_t i = 0; i < 500; i++) {
        uint8_t data[RTP_HEADER + 160] = {0};
        struct rtp_packet rtp = {.payload_type = i % 50 == 3 ? 101 : 0,
                                 .seq = (uint16_t)(i + i % 7 / 6 + i / 200 * 1000),
                                 .timestamp = i, .ssrc = 9};
        rtp_write_header(data, &rtp);
        hear(stream, data, sizeof data, i * MEDIA_TICK_US);
        if (tick.report.len > 0) {
            memcpy(data, tick.report.data, tick.report.len);
            hear(stream, data, tick.report.len, i * MEDIA_TICK_US);
        }
        stream_send(stream, downlink, 160);
        stream_tick(stream, i * MEDIA_TICK_US, &tick);
    }
}

int main(void)
{
    struct media_params params = {.remote = PEER, .codec = CODEC_PCMU, .rate_hz = 8000,
                                  .telephone_event = 101, .send = true, .receive = true};
    struct stream *stream = stream_new(1, 1, 1, "0123456789abcdef");
    CHECK(stream_setup(stream, &params, 0) == 0);
    CHECK(calls == 2);
    CHECK(taken + sizeof(struct leg) <= 48 * 1024);
    calls = 0;
    live(stream);
    CHECK(calls == 0);
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(stream, counters);
    CHECK(counters[REPORTS_SENT] >= 2 && counters[REPORTS_RECEIVED] >= 2);
    stream_free(stream);
    CHECK(calls == 2);
    return 0;
}
