/* Once a stream is connected, packets and ticks never touch the heap. Linked with --wrap for each function. */
#include <string.h>

#include "check.h"
#include "rtp.h"
#include "stream.h"

static int calls;

#define WRAP(result, name, parameters, arguments)  \
    result __real_##name parameters;               \
    result __wrap_##name parameters;               \
    result __wrap_##name parameters                \
    {                                              \
        calls++;                                   \
        return __real_##name arguments;            \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *memory, size_t size), (memory, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(void, free, (void *memory), (memory))

int main(void)
{
    struct endpoint peer = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = 4000};
    struct media_params params = {.remote = peer, .codec = CODEC_PCMU, .rate_hz = 8000,
                                  .telephone_event = 101, .send = true, .receive = true};
    struct stream *stream = stream_new(1, 1, 1);
    CHECK(stream_setup(stream, &params, 0) == 0);
    CHECK(calls > 0);
    calls = 0;
    static int16_t uplink[MEDIA_FRAME_MAX], downlink[MEDIA_FRAME_MAX];
    static uint8_t packet[MEDIA_PACKET_MAX];
    struct media_tick tick = {.uplink = uplink, .downlink = downlink, .packet = packet};
    stream_dial(stream, "12", 2, 100, 60);
    for (uint16_t i = 0; i < 500; i++) {
        uint8_t data[RTP_HEADER + 160] = {0};
        /* Gaps and jumps as well. */
        struct rtp_packet rtp = {.payload_type = i % 50 == 3 ? 101 : 0,
                                 .seq = (uint16_t)(i + i % 7 / 6 + i / 200 * 1000), .timestamp = i, .ssrc = 9};
        rtp_write_header(data, &rtp);
        stream_receive(stream, data, sizeof data, &peer, i * MEDIA_TICK_US);
        stream_send(stream, downlink, 160);
        stream_tick(stream, i * MEDIA_TICK_US, &tick);
    }
    CHECK(calls == 0);
    stream_free(stream);
    CHECK(calls > 0);
    return 0;
}
