/* Sealed packets come out as they went in, once, and nothing else comes out at all; then two streams. */
#include "srtp.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "check.h"
#include "rtp.h"
#include "stream.h"

enum { PAYLOAD = 160, PACKET = RTP_HEADER + PAYLOAD, REPORT = 28, SSRC = 0xCAFE };

static const size_t media_tags[] = {[SRTP_AES_CM_128_SHA1_80] = 10, [SRTP_AES_CM_128_SHA1_32] = 4,
                                    [SRTP_AES_256_CM_SHA1_80] = 10, [SRTP_AEAD_AES_128_GCM] = 16,
                                    [SRTP_AEAD_AES_256_GCM] = 16};
static int32_t suite;
static uint8_t key[SRTP_KEY_MAX];
static struct srtp *sender, *receiver;
static uint64_t seed = 5;

static void open_both(void)
{
    const uint32_t ssrc = SSRC;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)random32(&seed);
    CHECK(srtp_open(&sender, suite, key, &ssrc) == 0);
    CHECK(srtp_open(&receiver, suite, key, NULL) == 0);
}

static void close_both(void)
{
    srtp_close(sender);
    srtp_close(receiver);
}

static void make_packet(uint8_t *packet, uint32_t ssrc, uint16_t seq)
{
    struct rtp_packet rtp = {.seq = seq, .timestamp = seq * 160u, .ssrc = ssrc};
    rtp_write_header(packet, &rtp);
    for (size_t i = RTP_HEADER; i < PACKET; i++)
        packet[i] = (uint8_t)(seq + i);
}

/* A packet on its way; its length. */
static size_t sealed_packet(uint8_t *packet, uint16_t seq)
{
    make_packet(packet, SSRC, seq);
    size_t len = srtp_seal(sender, SRTP_MEDIA, packet, PACKET);
    CHECK(len == PACKET + media_tags[suite]);
    return len;
}

/* Offers a copy that is exactly as long as the packet, so that reading beyond it is seen. */
static int offer(enum srtp_kind kind, const uint8_t *packet, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, packet, len);
    int result = srtp_unseal(receiver, kind, copy, &len);
    free(copy);
    return result;
}

static void test_there_and_back(void)
{
    uint8_t plain[PACKET], packet[PACKET + SRTP_GROWTH];
    for (uint16_t seq = 30000; seq < 30020; seq++) {
        size_t len = sealed_packet(packet, seq);
        make_packet(plain, SSRC, seq);
        CHECK(memcmp(packet, plain, RTP_HEADER) == 0 && memcmp(packet, plain, PACKET) != 0);
        CHECK(srtp_unseal(receiver, SRTP_MEDIA, packet, &len) == 0);
        CHECK(len == PACKET && memcmp(packet, plain, PACKET) == 0);
    }
    uint8_t report[REPORT + SRTP_GROWTH] = {0x80, 200, 0, REPORT / 4 - 1, 0, 0, SSRC >> 8, SSRC & 0xff, 7};
    size_t len = srtp_seal(sender, SRTP_REPORT, report, REPORT);
    CHECK(len > REPORT && len <= sizeof report && report[8] != 7);
    CHECK(offer(SRTP_REPORT, report, len) == 0);
    CHECK(offer(SRTP_REPORT, report, len) == -EALREADY);
}

static void test_only_once(void)
{
    uint8_t first[PACKET + SRTP_GROWTH], packet[PACKET + SRTP_GROWTH];
    size_t first_len = sealed_packet(first, 31000);
    CHECK(offer(SRTP_MEDIA, first, first_len) == 0);
    CHECK(offer(SRTP_MEDIA, first, first_len) == -EALREADY);
    size_t missed_len = sealed_packet(first, 31001);
    for (uint16_t i = 0; i < SRTP_WINDOW; i++) {
        size_t len = sealed_packet(packet, (uint16_t)(31002 + i));
        CHECK(offer(SRTP_MEDIA, packet, len) == 0);
    }
    CHECK(offer(SRTP_MEDIA, first, missed_len) == -EALREADY); /* just too old to tell */
}

static void test_damaged(void)
{
    uint8_t packet[PACKET + SRTP_GROWTH];
    size_t len = sealed_packet(packet, 32000);
    for (size_t bit = 0; bit < len * 8; bit++) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(offer(SRTP_MEDIA, packet, len) != 0);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t shorter = 0; shorter < len; shorter++) {
        CHECK(offer(SRTP_MEDIA, packet, shorter) != 0);
        CHECK(offer(SRTP_REPORT, packet, shorter) != 0);
    }
    CHECK(offer(SRTP_MEDIA, packet, 3) == -EBADMSG && offer(SRTP_REPORT, packet, 12) == -EBADMSG);
    packet[0] |= 0x1f; /* an extension and 15 contributing sources, which are not there */
    CHECK(offer(SRTP_MEDIA, packet, 30) == -EBADMSG);
    packet[0] &= (uint8_t)~0x1f;
    CHECK(offer(SRTP_MEDIA, packet, len) == 0); /* none of this has harmed the real one */
}

static void test_noise(void)
{
    uint8_t noise[200];
    for (int i = 0; i < 20000; i++) {
        size_t len = random32(&seed) % sizeof noise;
        for (size_t at = 0; at < len; at++)
            noise[at] = (uint8_t)random32(&seed);
        if (len > 0)
            noise[0] = (uint8_t)(0x80 | (noise[0] & 0x3f));
        CHECK(offer(i % 2 == 0 ? SRTP_MEDIA : SRTP_REPORT, noise, len) != 0);
    }
}

/* The rollover counter follows the sequence number, and losses, around 65536. */
static void test_rollover(void)
{
    uint8_t packet[PACKET + SRTP_GROWTH];
    for (uint32_t i = 0; i < 140000; i += 7) {
        for (uint32_t at = i; at < i + 7; at++) {
            size_t len = sealed_packet(packet, (uint16_t)(35000 + at));
            if (at % 3 != 0)
                CHECK(offer(SRTP_MEDIA, packet, len) == 0);
        }
    }
}

static void test_sources_are_limited(void)
{
    for (uint32_t ssrc = 1; ssrc <= SRTP_SOURCES + 1; ssrc++) {
        struct srtp *other;
        uint8_t packet[PACKET + SRTP_GROWTH];
        CHECK(srtp_open(&other, suite, key, &ssrc) == 0);
        make_packet(packet, ssrc, 1);
        size_t len = srtp_seal(other, SRTP_MEDIA, packet, PACKET);
        CHECK(offer(SRTP_MEDIA, packet, len) == (ssrc <= SRTP_SOURCES ? 0 : -EACCES));
        srtp_close(other);
    }
}

static void test_the_wrong_key(void)
{
    struct srtp *before = receiver;
    uint8_t packet[PACKET + SRTP_GROWTH];
    CHECK(srtp_same_key(sender, receiver));
    key[0] ^= 1;
    CHECK(srtp_open(&receiver, suite, key, NULL) == 0);
    CHECK(!srtp_same_key(sender, receiver));
    size_t len = sealed_packet(packet, 34000);
    CHECK(offer(SRTP_MEDIA, packet, len) == -EACCES);
    srtp_close(receiver);
    receiver = before;
    CHECK(offer(SRTP_MEDIA, packet, len) == 0);
}

/* ---- two streams ---- */

static struct stream *streams[2];
static struct media_params params[2];
static const struct endpoint ends[2] = {{.ip = {[15] = 1}, .port = 4000}, {.ip = {[15] = 2}, .port = 4000}};

static void tick_both(int64_t now_us)
{
    int16_t pcm[2][MEDIA_FRAME_MAX];
    uint8_t packet[MEDIA_PACKET_MAX], report[MEDIA_REPORT_MAX + SRTP_GROWTH];
    struct media_relay relay;
    for (size_t from = 0; from < 2; from++) {
        struct media_tick tick = {.uplink = pcm[0], .downlink = pcm[1], .packet = packet};
        stream_tick(streams[from], now_us, &tick);
        if (tick.packet_len > 0)
            stream_receive(streams[1 - from], packet, tick.packet_len, &ends[from], now_us, &relay);
        CHECK(tick.report.len <= sizeof report);
        if (tick.report.len > 0) {
            memcpy(report, tick.report.data, tick.report.len);
            stream_receive(streams[1 - from], report, tick.report.len, &ends[from], now_us, &relay);
        }
    }
}

static uint64_t counted(size_t which, enum media_counter counter)
{
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(streams[which], counters);
    return counters[counter];
}

static void set_keys(uint8_t first, uint8_t second)
{
    for (size_t i = 0; i < 2; i++) {
        params[i].keys.suite = suite;
        memset(params[i].keys.send, i == 0 ? first : second, SRTP_KEY_MAX);
        memset(params[i].keys.receive, i == 0 ? second : first, SRTP_KEY_MAX);
    }
}

static void test_streams(void)
{
    int64_t now_us = 0;
    for (uint32_t i = 0; i < 2; i++) {
        params[i] = (struct media_params){.remote = ends[1 - i], .codec = CODEC_PCMU, .rate_hz = 8000,
                                          .telephone_event = -1, .send = true, .receive = true};
        streams[i] = stream_new(i, 65000, 0, "0123456789abcdef"); /* rolls over within the second */
    }
    set_keys(1, 2);
    CHECK(stream_setup(streams[0], &params[0], 0) == 0 && stream_setup(streams[1], &params[1], 0) == 0);
    CHECK(params[0].keys.send[0] == 1 && streams[0]->params.keys.send[0] == 0); /* it keeps no copy */
    for (; now_us < 1000 * MEDIA_TICK_US; now_us += MEDIA_TICK_US)
        tick_both(now_us);
    /* The same keys again: nothing begins anew. Then one of them changes, at one side first. */
    CHECK(stream_setup(streams[0], &params[0], now_us) == 0);
    for (; now_us < 1100 * MEDIA_TICK_US; now_us += MEDIA_TICK_US)
        tick_both(now_us);
    CHECK(counted(0, PACKETS_RECEIVED) == 1100 && counted(1, PACKETS_RECEIVED) == 1100);
    CHECK(counted(0, REPORTS_RECEIVED) > 2 && counted(1, REPORTS_RECEIVED) > 2);
    CHECK(counted(0, SRTP_FORGED) == 0 && counted(1, SRTP_REPLAYED) == 0);
    set_keys(3, 2);
    CHECK(stream_setup(streams[0], &params[0], now_us) == 0);
    tick_both(now_us);
    CHECK(counted(1, SRTP_FORGED) == 1 && counted(0, PACKETS_RECEIVED) == 1101);
    CHECK(stream_setup(streams[1], &params[1], now_us) == 0);
    tick_both(now_us);
    CHECK(counted(1, SRTP_FORGED) == 1 && counted(1, PACKETS_RECEIVED) == 1101);
    stream_free(streams[0]);
    stream_free(streams[1]);
}

int main(void)
{
    struct srtp *none;
    CHECK(srtp_open(&none, SRTP_NONE, key, NULL) == -EINVAL && srtp_open(&none, 99, key, NULL) == -EINVAL);
    for (suite = SRTP_AES_CM_128_SHA1_80; suite <= SRTP_AEAD_AES_256_GCM; suite++) {
        if (!srtp_has(suite)) {
            CHECK(srtp_open(&none, suite, key, NULL) == -ENOTSUP);
            continue;
        }
        open_both();
        test_there_and_back();
        test_only_once();
        test_damaged();
        test_noise();
        test_the_wrong_key();
        test_rollover();
        close_both();
        open_both();
        test_sources_are_limited();
        close_both();
        test_streams();
    }
    return 0;
}
