/* What the kernels cost, ours and those of libraries: `bench_kernels SPEECH` with 16 bit PCM at 48 kHz.
 * Prints a line for each: nanoseconds for 20 ms of one voice, or of all that are mixed; who did it; and what. */
#include <err.h>
#include <opus/opus.h>
#include <speex/speex_resampler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "g711.h"
#include "mixer.h"
#include "resample.h"

enum { NARROW = 160, WIDEST = 960, MAX_FRAMES = 500 };
enum { CODEC_ROUNDS = 20000, RESAMPLE_ROUNDS = 2000, MIX_ROUNDS = 1000 };

static int16_t speech[MAX_FRAMES][WIDEST];
static size_t frames;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void report(double start, int rounds, const char *who, const char *what)
{
    printf("%f\t%s\t%s\n", (now_ns() - start) / rounds, who, what);
}

/* The compiler may not leave out what computes this. */
static void use(const void *memory)
{
    __asm__ volatile("" : : "g"(memory) : "memory");
}

static void g711_encode(g711_encoder *encode, const char *who, const char *what)
{
    uint8_t codes[NARROW];
    double start = now_ns();
    for (int i = 0; i < CODEC_ROUNDS; i++) {
        encode(speech[(size_t)i % frames], codes, NARROW);
        use(codes);
    }
    report(start, CODEC_ROUNDS, who, what);
}

static void g711_decode(g711_decoder *decode, const char *who, const char *what)
{
    int16_t samples[NARROW];
    double start = now_ns();
    for (int i = 0; i < CODEC_ROUNDS; i++) {
        decode((const uint8_t *)speech[(size_t)i % frames], samples, NARROW);
        use(samples);
    }
    report(start, CODEC_ROUNDS, who, what);
}

static void g711(enum simd simd, const char *who)
{
    const struct g711 *kernels = &g711_kernels[simd];
    g711_encode(kernels->ulaw_encode, who, "mu-law encode");
    g711_decode(kernels->ulaw_decode, who, "mu-law decode");
    g711_encode(kernels->alaw_encode, who, "A-law encode");
    g711_decode(kernels->alaw_decode, who, "A-law decode");
}

static void resample_ours(int32_t from_hz, int32_t to_hz, const char *what)
{
    struct resampler resampler;
    float in[WIDEST] = {0}, out[WIDEST];
    if (resample_open(&resampler, from_hz, to_hz) != 0)
        errx(1, "no resampler for %s", what);
    double start = now_ns();
    for (int i = 0; i < RESAMPLE_ROUNDS; i++) {
        resample_run(&resampler, in, out);
        use(out);
    }
    report(start, RESAMPLE_ROUNDS, "clutch", what);
}

static void resample_speex(int32_t from_hz, int32_t to_hz, int quality, const char *who, const char *what)
{
    float in[WIDEST] = {0}, out[WIDEST + 1];
    int error;
    SpeexResamplerState *state =
        speex_resampler_init(1, (spx_uint32_t)from_hz, (spx_uint32_t)to_hz, quality, &error);
    if (state == NULL)
        errx(1, "speex: error %d", error);
    double start = now_ns();
    for (int i = 0; i < RESAMPLE_ROUNDS; i++) {
        spx_uint32_t taken = (spx_uint32_t)from_hz / 50, made = WIDEST + 1;
        speex_resampler_process_float(state, 0, in, &taken, out, &made);
        use(out);
    }
    report(start, RESAMPLE_ROUNDS, who, what);
    speex_resampler_destroy(state);
}

static void resample(int32_t from_hz, int32_t to_hz)
{
    char what[64];
    snprintf(what, sizeof what, "%d to %d kHz", from_hz / 1000, to_hz / 1000);
    resample_ours(from_hz, to_hz, what);
    resample_speex(from_hz, to_hz, 3, "speexdsp, 48 taps", what);
    resample_speex(from_hz, to_hz, 4, "speexdsp, 64 taps", what);
}

/* Everybody speaks. The rates are taken in turns. */
static void mix(int members, int32_t rate_hz, int32_t other_hz, const char *what)
{
    const struct mix_params plain = {.gain = 1, .duck = 1};
    struct mixer *mixer = mixer_new();
    struct mixer_member *member[32];
    for (int i = 0; mixer != NULL && i < members; i++)
        if ((member[i] = mixer_join(mixer, &plain)) == NULL)
            err(1, "mixer");
    double start = now_ns();
    for (int round = 0; round < MIX_ROUNDS; round++) {
        for (int i = 0; i < members; i++) {
            int32_t hz = i % 2 == 0 ? rate_hz : other_hz;
            memcpy(mixer_uplink(member[i], hz), speech[(size_t)(round + i) % frames], (size_t)hz / 25);
            memset(mixer_downlink(member[i]), 0, (size_t)hz / 25);
        }
        mixer_mix(mixer);
    }
    report(start, MIX_ROUNDS, "clutch", what);
    mixer_free(mixer);
}

/* The codec that transcoding is made of, with the settings of the benchmark against rtpengine. */
static void opus(int application, const char *who)
{
    static uint8_t packets[MAX_FRAMES][1275];
    int32_t sizes[MAX_FRAMES];
    int16_t samples[WIDEST];
    int error;
    OpusEncoder *encoder = opus_encoder_create(48000, 1, application, &error);
    OpusDecoder *decoder = opus_decoder_create(48000, 1, &error);
    if (encoder == NULL || decoder == NULL)
        errx(1, "opus: %s", opus_strerror(error));
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(32000));
    opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(10));
    double start = now_ns();
    for (size_t i = 0; i < frames; i++)
        sizes[i] = opus_encode(encoder, speech[i], WIDEST, packets[i], sizeof packets[i]);
    report(start, (int)frames, who, "Opus encode, 48 kHz, 32 kb/s, complexity 10");
    start = now_ns();
    for (size_t i = 0; i < frames; i++)
        if (opus_decode(decoder, packets[i], sizes[i], samples, WIDEST, 0) != WIDEST)
            errx(1, "opus: decoder and encoder disagree");
    report(start, (int)frames, who, "Opus decode, 48 kHz");
    opus_encoder_destroy(encoder);
    opus_decoder_destroy(decoder);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL)
        err(2, "usage: bench_kernels SPEECH");
    frames = fread(speech, sizeof speech[0], MAX_FRAMES, file);
    fclose(file);
    g711(simd_best(), "clutch");
    g711(SIMD_BASE, "clutch without AVX2");
    const int32_t rates[][2] = {{8000, 16000}, {8000, 48000}, {16000, 48000}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        resample(rates[i][0], rates[i][1]);
        resample(rates[i][1], rates[i][0]);
    }
    mix(3, 8000, 8000, "mix 3 at 8 kHz");
    mix(32, 8000, 8000, "mix 32 at 8 kHz");
    mix(8, 48000, 48000, "mix 8 at 48 kHz");
    mix(8, 8000, 48000, "mix 4 at 8 and 4 at 48 kHz");
    opus(OPUS_APPLICATION_VOIP, "libopus, voip");
    opus(OPUS_APPLICATION_AUDIO, "libopus, audio");
    return 0;
}
