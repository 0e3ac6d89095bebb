/* Random and half-right datagrams, odd clocks and re-INVITEs against two streams, bridged or not. Passes if no
 * sanitizer speaks and the counters add up. */
#include <string.h>

#include "check.h"
#include "rtcp.h"
#include "rtp.h"
#include "stream.h"

enum { STEPS = 200000, LONGEST = 2048 };

static uint64_t seed = 11;
static struct stream *pair[2];
static struct stream *stream; /* of the two, the one of this step */
static int64_t now_us;
static int relayed;

static uint32_t below(uint32_t n)
{
    return random32(&seed) % n;
}

static struct endpoint endpoint(uint8_t host)
{
    struct endpoint made = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = host}, .port = 4000};
    return made;
}

static struct media_params some_params(void)
{
    const int32_t rates[] = {8000, 16000, 48000, 44100}, clocks[] = {0, 8000, 48000};
    struct media_params params = {
        .remote = endpoint((uint8_t)below(3)),
        .codec = (int32_t)below(6),
        .rate_hz = rates[below(4)],
        .payload_type = (int32_t)below(3) * 48,
        .telephone_event = below(4) == 0 ? -1 : 101,
        .timeout_ms = (int32_t)below(1000),
        .send = below(4) != 0,
        .receive = below(8) != 0,
        .learn = below(4) != 0,
        .rtcp = endpoint((uint8_t)below(3)),
        .clock_hz = clocks[below(3)],
        .event_clock_hz = clocks[below(3)],
        .opus = {.fec = below(2) == 0, .loss_percent = (int32_t)below(30), .playback_hz = clocks[below(3)]},
        .dtx = below(2) == 0,
        .comfort_noise = (int32_t)below(2) * 99,
    };
    if (below(2) == 0)
        params.rtcp.port = 0;
    return params;
}

static void reconnect(void)
{
    struct media_params params = some_params();
    (void)stream_setup(stream, &params, now_us);
}

/* A header that is mostly right, in front of anything. */
static size_t make_packet(uint8_t *packet)
{
    size_t len = below(8) == 0 ? below(LONGEST) : below(400);
    for (size_t i = 0; i < len; i++)
        packet[i] = (uint8_t)random32(&seed);
    if (len < RTP_HEADER || below(8) == 0)
        return len;
    struct rtp_packet rtp = {
        .payload_type = (uint8_t)(below(8) == 0 ? 101 : below(16) == 0 ? 13 : below(3) * 48),
        .seq = (uint16_t)(now_us / MEDIA_TICK_US + below(6)),
        .timestamp = below(8) * 1000,
        .ssrc = below(64) == 0,
    };
    rtp_write_header(packet, &rtp);
    if (below(8) == 0)
        packet[0] |= (uint8_t)below(64);
    return len;
}

/* A compound that is mostly right. */
static size_t make_report(uint8_t *packet)
{
    struct rtcp_compound compound = {
        .ssrc = below(2), .cname = "0123456789abcdef", .is_sender = below(2) != 0,
        .has_block = below(4) != 0, .bye = below(4) == 0,
        .block = {.ssrc = below(2), .highest = random32(&seed), .jitter = random32(&seed),
                  .last_sr = random32(&seed), .delay = random32(&seed), .lost = (int32_t)below(100) - 50},
    };
    size_t len = rtcp_write(packet, &compound);
    CHECK(len <= MEDIA_REPORT_MAX);
    for (uint32_t changes = below(4); changes > 0; changes--)
        packet[below((uint32_t)len)] = (uint8_t)(below(2) == 0 ? below(8) : random32(&seed));
    return below(4) == 0 ? below((uint32_t)len) : len;
}

static void receive(void)
{
    uint8_t buffer[LONGEST];
    bool report = below(4) == 0;
    size_t len = report ? make_report(buffer) : make_packet(buffer);
    struct endpoint source = endpoint((uint8_t)below(3));
    /* Exactly as long as the datagram, so that reading beyond it is seen. */
    uint8_t *packet = malloc(len + 1);
    memcpy(packet + 1, buffer, len);
    if (below(8) < (report ? 4 : 1)) {
        stream_receive_rtcp(stream, packet + 1, len, &source, now_us);
    } else {
        struct media_relay relay;
        stream_receive(stream, packet + 1, len, &source, now_us, &relay);
        CHECK(relay.len == 0 || (relay.data > packet && relay.data + relay.len <= packet + 1 + len));
        relayed += relay.len > 0;
    }
    free(packet);
}

static void flush(struct stream *from)
{
    uint8_t packet[MEDIA_PACKET_MAX];
    struct media_relay relay;
    while (stream_flush(from, now_us, packet, &relay))
        CHECK(relay.len <= sizeof packet);
}

/* Often of two that were made alike. */
static void bridge(void)
{
    struct media_params params = some_params();
    for (size_t i = 0; i < 2 && below(8) != 0; i++)
        (void)stream_setup(pair[i], &params, now_us);
    if (below(4) == 0) {
        stream_unbridge(stream);
    } else if (stream_bridge(pair[0], pair[1]) == 0) {
        flush(pair[0]);
        flush(pair[1]);
    }
    stream_tap(stream, below(4) == 0);
}

static void tick(void)
{
    int16_t uplink[MEDIA_FRAME_MAX], downlink[MEDIA_FRAME_MAX];
    uint8_t packet[MEDIA_PACKET_MAX];
    struct media_tick result = {.uplink = uplink, .downlink = downlink, .packet = packet};
    now_us += MEDIA_TICK_US + below(100);
    stream_tick(stream, now_us, &result);
    CHECK(result.packet_len <= sizeof packet);
    CHECK(result.report.len <= MEDIA_REPORT_MAX);
    struct media_report goodbye;
    if (below(50) == 0)
        stream_bye(stream, now_us, &goodbye);
}

static void check_counters(void)
{
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(stream, counters);
    uint64_t waiting = stream->playout != NULL ? stream->playout->jitter.waiting : 0;
    uint64_t accounted = counters[PLAYED] + counters[LATE] + counters[DUPLICATE] + counters[DISCARDED];
    accounted += counters[RELAYED] + waiting;
    /* The rest are telephone events and what could not be decoded. */
    CHECK(accounted <= counters[PACKETS_RECEIVED]);
    CHECK(counters[CONCEALED] <= stream->ticks);
}

/* Enough reports got through to say that what reads them was tried. */
static void check_reports(void)
{
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(stream, counters);
    CHECK(counters[REPORTS_RECEIVED] > 500 && counters[REPORTS_MALFORMED] > 500);
    CHECK(counters[REPORTS_SENT] > 100 && counters[REMOTE_LOST] <= counters[REMOTE_EXPECTED]);
}

int main(void)
{
    const int16_t pcm[333] = {1, 2, 3};
    struct media_event event;
    for (uint32_t i = 0; i < 2; i++)
        pair[i] = stream_new(1 + i, (uint16_t)(65000 + i), UINT32_MAX - 5000, "0123456789abcdef");
    for (int step = 0; step < STEPS; step++) {
        uint32_t choice = below(101);
        stream = pair[below(2)];
        if (choice < 2)
            reconnect();
        else if (choice == 100)
            bridge();
        else if (choice < 40)
            tick();
        else if (choice < 45)
            stream_send(stream, pcm, below(333));
        else if (choice < 46)
            stream_clear(stream);
        else if (choice < 47)
            stream_dial(stream, "19#x", 4, below(200), below(100));
        else
            receive();
        while (below(4) != 0 && stream_next_event(stream, &event))
            CHECK(event.kind == MEDIA_TIMEOUT || (event.digit > 0 && event.digit < 128));
    }
    for (size_t i = 0; i < 2; i++) {
        stream = pair[i];
        check_counters();
        check_reports();
    }
    CHECK(relayed > 100);
    stream_free(pair[0]);
    stream_free(pair[1]);
    return 0;
}
