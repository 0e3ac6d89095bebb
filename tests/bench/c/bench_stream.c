/* What one RTP packet costs in the sans-IO core: received, and 20 ms later played and answered with one.
 * Prints a line per codec, and suite of SRTP: its name and nanoseconds per packet. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rtp.h"
#include "stream.h"

enum { PACKETS = 200000, OPUS_PACKETS = 3000 };

static const struct endpoint PEER = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = 4000};
static int16_t uplink[MEDIA_FRAME_MAX], downlink[MEDIA_FRAME_MAX], speech[MEDIA_FRAME_MAX];
static uint8_t packet[MEDIA_PACKET_MAX];

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The stream talks to itself: what it sends is what it receives, as one packet of 20 ms. */
static double measure(enum codec_id codec, int32_t rate_hz, int count, enum srtp_suite suite)
{
    struct media_params params = {.remote = PEER, .codec = codec, .rate_hz = rate_hz, .payload_type = 96,
                                  .telephone_event = -1, .send = true, .receive = true, .keys.suite = suite,
                                  .clock_hz = rate_hz, .opus.complexity = 5};
    struct media_tick tick = {.uplink = uplink, .downlink = downlink, .packet = packet};
    struct media_relay relay;
    struct stream *stream = stream_new(1, 0, 0, "0123456789abcdef");
    if (stream == NULL || stream_setup(stream, &params, 0) != 0)
        return 0;
    double start = now_ns();
    for (int i = 0; i < count; i++) {
        int64_t now_us = (int64_t)i * MEDIA_TICK_US;
        stream_send(stream, speech, (size_t)rate_hz / MEDIA_TICKS_PER_SECOND);
        stream_receive(stream, packet, tick.packet_len, &PEER, now_us, &relay);
        stream_tick(stream, now_us, &tick);
    }
    double each = (now_ns() - start) / count;
    uint64_t counters[MEDIA_COUNTERS];
    stream_stats(stream, counters);
    stream_free(stream);
    return counters[PLAYED] > (uint64_t)count * 9 / 10 ? each : 0;
}

int main(void)
{
    /* A sawtooth of 200 Hz at 8 kHz: loud, and cheap to make. */
    for (int i = 0; i < MEDIA_FRAME_MAX; i++)
        speech[i] = (int16_t)(i % 40 * 800 - 16000);
    printf("pcmu %f\n", measure(CODEC_PCMU, 8000, PACKETS, SRTP_NONE));
    printf("pcma %f\n", measure(CODEC_PCMA, 8000, PACKETS, SRTP_NONE));
    printf("l16/16000 %f\n", measure(CODEC_L16, 16000, PACKETS, SRTP_NONE));
    printf("opus %f\n", measure(CODEC_OPUS, 48000, OPUS_PACKETS, SRTP_NONE));
    printf("pcmu+AES_CM_128_HMAC_SHA1_80 %f\n",
           measure(CODEC_PCMU, 8000, PACKETS / 10, SRTP_AES_CM_128_SHA1_80));
    printf("pcmu+AEAD_AES_128_GCM %f\n", measure(CODEC_PCMU, 8000, PACKETS / 10, SRTP_AEAD_AES_128_GCM));
    return 0;
}
