/* What a stream takes from the heap, and when: everything at open and connect, nothing for packets and ticks.
 * Linked with --wrap for each function. */
#include <string.h>

#include "check.h"
#include "plane.h"
#include "rtp.h"

enum { PIECES = 8, PAGE = 4096, UNTOUCHED = 0xa5 };

struct piece {
    uint8_t *memory;
    size_t size;
};

static int calls;
static size_t taken;
static size_t piece_count;
static struct piece pieces[PIECES];

/* Fill a new piece with what shows whether it is ever written to. */
static void *mark(void *memory, size_t size)
{
    calls++;
    taken += size;
    if (memory != NULL && piece_count < PIECES) {
        memset(memory, UNTOUCHED, size);
        pieces[piece_count++] = (struct piece){memory, size};
    }
    return memory;
}

/* Bytes of all pieces that lie in pages which were written to: what a leg really takes. */
static size_t touched(void)
{
    size_t found = 0;
    for (size_t i = 0; i < piece_count; i++) {
        for (size_t at = 0, next; at < pieces[i].size; at = next) {
            size_t to_page = PAGE - ((uintptr_t)pieces[i].memory + at) % PAGE;
            next = pieces[i].size - at < to_page ? pieces[i].size : at + to_page;
            size_t same = at;
            while (same < next && pieces[i].memory[same] == UNTOUCHED)
                same++;
            found += same < next ? next - at : 0;
        }
    }
    return found;
}

#define WRAP(result, name, parameters, body)  \
    result __real_##name parameters;          \
    result __wrap_##name parameters;          \
    result __wrap_##name parameters           \
    {                                         \
        body;                                 \
    }

WRAP(void *, malloc, (size_t n), return mark(__real_malloc(n), n))
WRAP(void *, calloc, (size_t count, size_t n), calls++; taken += count * n; return __real_calloc(count, n))
WRAP(void *, realloc, (void *memory, size_t n), calls++; taken += n; return __real_realloc(memory, n))
WRAP(void *, aligned_alloc, (size_t alignment, size_t n), return mark(__real_aligned_alloc(alignment, n), n))
WRAP(void, free, (void *memory), calls++; __real_free(memory))

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

static void test_packets_do_not_allocate(void)
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
}

/* A leg whose peer speaks but into which nobody does: nearly every leg, nearly always. */
static void test_an_idle_leg_of_opus_is_small(void)
{
    struct media_params params = {.remote = PEER, .codec = CODEC_OPUS, .rate_hz = 48000, .send = true,
                                  .telephone_event = -1, .receive = true, .payload_type = 96};
    struct media_tick tick = {.uplink = uplink, .downlink = downlink, .packet = packet};
    struct media_relay relay;
    struct stream *peer = stream_new(1, 1, 1, "0123456789abcdef");
    CHECK(stream_setup(peer, &params, 0) == 0);
    piece_count = 0;
    struct stream *idle = stream_new(1, 1, 1, "0123456789abcdef");
    CHECK(stream_setup(idle, &params, 0) == 0);
    for (int64_t now_us = 0; now_us < 1000000; now_us += MEDIA_TICK_US) {
        for (int i = 0; i < MEDIA_FRAME_MAX; i++)
            downlink[i] = (int16_t)(i % 240 * 100 - 12000);
        stream_send(peer, downlink, MEDIA_FRAME_MAX);
        stream_tick(peer, now_us, &tick);
        stream_receive(idle, packet, tick.packet_len, &PEER, now_us, &relay);
        stream_tick(idle, now_us, &tick);
        CHECK(tick.packet_len > 0);
    }
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(idle, counters);
    CHECK(counters[PLAYED] > 40);
    CHECK(piece_count == 3);
    CHECK(touched() + sizeof(struct leg) <= 64 * 1024);
    stream_free(idle);
    stream_free(peer);
}

int main(void)
{
    test_packets_do_not_allocate();
    if (strstr(native_features(), "opus") != NULL)
        test_an_idle_leg_of_opus_is_small();
    return 0;
}
