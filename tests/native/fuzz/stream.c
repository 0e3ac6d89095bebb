/* The life of two streams as the input tells it: parameters, datagrams, keys, bridges, ticks. Nothing that comes
 * from the network may break a stream or its counters. */
#include "stream.h"

#include "backend.h"
#include "input.h"

enum { SIDES = 2 };

static struct stream *streams[SIDES];
static int64_t now_us;

static struct endpoint endpoint(uint8_t host)
{
    struct endpoint made = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = host & 3}, .port = 4000};
    return made;
}

static void connect(struct stream *stream, struct input *input)
{
    const int32_t rates[] = {8000, 16000, 24000, 48000};
    uint8_t flags = take(input);
    struct media_params params = {
        .remote = endpoint(take(input)),
        .codec = take(input) % 6,
        .rate_hz = rates[take(input) & 3],
        .payload_type = take(input) & 1 ? 0 : 96,
        .telephone_event = flags & 1 ? 101 : -1,
        .timeout_ms = take(input) * 10,
        .send = flags & 2,
        .receive = flags & 4,
        .learn = flags & 8,
        .keys.suite = flags & 16 ? take(input) % 7 : SRTP_NONE,
    };
    if (flags & 32)
        params.rtcp = endpoint(take(input));
    (void)stream_setup(stream, &params, now_us);
}

static void receive(struct stream *stream, struct input *input, bool report)
{
    struct media_relay relay = {0};
    struct endpoint source = endpoint(take(input));
    size_t len = take(input);
    uint8_t *datagram = take_datagram(input, &len, BACKEND_TAIL);
    if (report)
        stream_receive_rtcp(stream, datagram, len, &source, now_us);
    else
        stream_receive(stream, datagram, len, &source, now_us, &relay);
    MUST(relay.len == 0 || (relay.data >= datagram && relay.data + relay.len <= datagram + len + BACKEND_TAIL));
    free(datagram);
}

static void tick(struct stream *stream)
{
    int16_t uplink[MEDIA_FRAME_MAX], downlink[MEDIA_FRAME_MAX];
    uint8_t packet[MEDIA_PACKET_MAX];
    struct media_tick result = {.uplink = uplink, .downlink = downlink, .packet = packet};
    struct media_event event;
    now_us += MEDIA_TICK_US;
    stream_tick(stream, now_us, &result);
    MUST(result.packet_len <= sizeof packet && result.report.len <= MEDIA_REPORT_MAX + BACKEND_TAIL);
    while (stream_next_event(stream, &event))
        continue;
}

static void step(struct input *input)
{
    uint8_t what = take(input);
    struct stream *stream = streams[what & 1];
    const int16_t pcm[160] = {0};
    switch (what >> 1 & 7) {
    case 0:
        connect(stream, input);
        break;
    case 1:
        (void)stream_bridge(streams[0], streams[1]);
        break;
    case 2:
        stream_unbridge(stream);
        break;
    case 3:
        stream_tap(stream, what >> 7);
        stream_dial(stream, "5", 1, 60, 40);
        stream_send(stream, pcm, 160);
        break;
    case 4:
        receive(stream, input, true);
        break;
    case 5:
        tick(stream);
        break;
    default:
        receive(stream, input, false);
    }
}

static void check_counters(const struct stream *stream)
{
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(stream, counters);
    uint64_t accounted = counters[PLAYED] + counters[LATE] + counters[DUPLICATE] + counters[DISCARDED];
    MUST(accounted <= counters[PACKETS_RECEIVED]);
    MUST(counters[REMOTE_LOST] <= counters[REMOTE_EXPECTED]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    now_us = 1000000;
    for (uint32_t i = 0; i < SIDES; i++) {
        streams[i] = stream_new(i + 1, 65530, UINT32_MAX - 500, "0123456789abcdef");
        MUST(streams[i] != NULL);
        struct media_params params = {.remote = endpoint(1), .rate_hz = 8000, .telephone_event = 101,
                                      .send = true, .receive = true, .learn = true};
        MUST(stream_setup(streams[i], &params, now_us) == 0);
    }
    while (input.left > 0)
        step(&input);
    for (uint32_t i = 0; i < SIDES; i++) {
        check_counters(streams[i]);
        stream_unbridge(streams[i]);
        stream_free(streams[i]);
    }
    return 0;
}
