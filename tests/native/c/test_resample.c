/* The resampler has the same samples with every instruction set, for every pair of rates, loud or silent. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "pcm.h"
#include "resample.h"

enum { FRAMES = 8 };

static uint64_t seed = 3;

static void check_pair(int32_t from_hz, int32_t to_hz)
{
    struct resampler best, base;
    float in[MEDIA_FRAME_MAX], out[MEDIA_FRAME_MAX], expected[MEDIA_FRAME_MAX];
    CHECK(resample_open(&best, from_hz, to_hz) == 0);
    CHECK(resample_open(&base, from_hz, to_hz) == 0);
    base.simd = SIMD_BASE;
    for (int frame = 0; frame < FRAMES; frame++) {
        for (size_t i = 0; i < MEDIA_FRAME_MAX; i++)
            in[i] = (int16_t)random32(&seed);
        memset(out, 0x42, sizeof out);
        memset(expected, 0x42, sizeof expected);
        resample_run(&best, in, out);
        resample_run(&base, in, expected);
        CHECK(memcmp(out, expected, sizeof out) == 0);
    }
    /* What came before the last RESAMPLE_TAPS samples of the lower rate is forgotten. */
    memset(in, 0, sizeof in);
    resample_run(&best, in, out);
    resample_run(&best, in, out);
    for (int32_t i = 0; i < to_hz / MEDIA_TICKS_PER_SECOND; i++)
        CHECK(out[i] == 0);
}

static void test_rates(void)
{
    static const int32_t rates[] = {8000, 16000, 24000, 48000};
    struct resampler resampler;
    for (size_t from = 0; from < 4; from++)
        for (size_t to = 0; to < 4; to++) {
            if (from != to)
                check_pair(rates[from], rates[to]);
            else
                CHECK(resample_open(&resampler, rates[from], rates[to]) == -EINVAL);
        }
    CHECK(resample_open(&resampler, 8000, 44100) == -EINVAL);
    CHECK(resample_open(&resampler, 0, 8000) == -EINVAL);
}

static void test_rounding(void)
{
    static const float in[] = {0.5f, 1.5f, -0.5f, -1.5f, 32766.5f, 32767.5f, 1e9f, -32768.5f, -1e9f, 0.49f, 7};
    static const int16_t expected[] = {0, 2, 0, -2, 32766, 32767, 32767, -32768, -32768, 0, 7};
    enum { N = sizeof in / sizeof *in };
    float wide[5 * N], back[5 * N];
    int16_t out[5 * N];
    for (size_t i = 0; i < 5 * N; i++)
        wide[i] = in[i % N];
    pcm_from_float(wide, out, 5 * N);
    pcm_to_float(out, back, 5 * N);
    for (size_t i = 0; i < 5 * N; i++)
        CHECK(out[i] == expected[i % N] && back[i] == (float)out[i]);
}

int main(void)
{
    test_rates();
    test_rounding();
    return 0;
}
