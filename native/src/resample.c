#include "resample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pcm.h"

/* Rates are thought of on a grid that both divide: the input puts a sample on every `up`-th point of it, the
 * filter works there, and the output takes every `down`-th point. Output up * m + r needs the inputs
 * down * m + r * down / up and before: the input is split into `down` phases, so that for each pair of r and
 * phase the same few taps run along a contiguous array, for all m at once.
 */
struct resample_filter {
    int32_t from_hz, to_hz;
    size_t up, down;
    size_t blocks;      /* of `down` inputs and `up` outputs in a frame */
    size_t taps;        /* of each pair of output and input phase */
    const float *first; /* of the pairs, by output phase, then by input phase */
};

enum {
    RATES = 4,
    FILTERS = RATES * (RATES - 1),
    GRID_TAPS = 2 * RESAMPLE_TAPS * (2 + 3 + 6 + 3 + 3 + 2), /* of all pairs of rates, both ways */
    SIDE_BY_SIDE = 40, /* outputs computed at once: five AVX registers, and divides every `blocks` */
    COEFFICIENT_SCALE = 1 << 22,
};

static const int32_t RATE_HZ[RATES] = {8000, 16000, 24000, 48000};
static const double CUTOFF = 0.925;  /* of half the lower rate: amid what is neither passed nor stopped */
static const double WINDOW = 7.4165; /* Kaiser's beta for 76 dB (Kaiser and Schafer 1980) */

static struct resample_filter filters[FILTERS];
static float coefficients[GRID_TAPS];

/* ---- design ---- */

/* The modified Bessel function of order 0, by its series. */
static double bessel(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

/* Tap t of n, for a cut-off as a share of half the grid's rate; not normalised. */
static double tap(size_t t, size_t n, double cutoff)
{
    double half = (double)(n - 1) / 2, from_middle = (double)t - half; /* n is even: never 0 */
    double x = M_PI * from_middle * cutoff, edge = from_middle / half;
    return sin(x) / x * bessel(WINDOW * sqrt(1 - edge * edge));
}

static size_t ratio_to(int32_t grid_hz, int32_t rate_hz)
{
    return (size_t)(grid_hz / rate_hz);
}

/* Reorder the taps on the grid so that those of a pair of phases follow one another. */
static void design(const struct resample_filter *filter, size_t n, double cutoff, float *pairs)
{
    double sum = 0;
    for (size_t t = 0; t < n; t++)
        sum += tap(t, n, cutoff);
    for (size_t output = 0; output < filter->up; output++) {
        size_t newest = output * filter->down / filter->up, remainder = output * filter->down % filter->up;
        for (size_t phase = 0; phase < filter->down; phase++)
            for (size_t k = 0; k < filter->taps; k++) {
                size_t age = newest - phase + filter->down * (k + (phase > newest));
                double h = tap(remainder + filter->up * age, n, cutoff) / sum * (double)filter->up;
                *pairs++ = (float)(nearbyint(h * COEFFICIENT_SCALE) / COEFFICIENT_SCALE);
            }
    }
}

static int32_t grid_of(int32_t a_hz, int32_t b_hz)
{
    int32_t grid_hz = a_hz;
    while (grid_hz % b_hz != 0)
        grid_hz += a_hz;
    return grid_hz;
}

__attribute__((constructor)) static void design_all(void)
{
    struct resample_filter *filter = filters;
    float *pairs = coefficients;
    for (size_t from = 0; from < RATES; from++)
        for (size_t to = 0; to < RATES; to++) {
            if (from == to)
                continue;
            int32_t from_hz = RATE_HZ[from], to_hz = RATE_HZ[to];
            int32_t grid_hz = grid_of(from_hz, to_hz), low_hz = from_hz < to_hz ? from_hz : to_hz;
            size_t n = RESAMPLE_TAPS * ratio_to(grid_hz, low_hz);
            *filter = (struct resample_filter){.from_hz = from_hz, .to_hz = to_hz, .first = pairs};
            filter->up = ratio_to(grid_hz, from_hz);
            filter->down = ratio_to(grid_hz, to_hz);
            filter->blocks = (size_t)(from_hz / MEDIA_TICKS_PER_SECOND) / filter->down;
            filter->taps = n / (filter->up * filter->down);
            design(filter, n, CUTOFF * low_hz / grid_hz, pairs);
            filter++;
            pairs += n;
        }
}

/* ---- use ---- */

typedef float lanes16 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float lanes32 __attribute__((vector_size(32), aligned(4), may_alias));

/* out[m] += h[0] * in[m] + h[1] * in[m - 1] + ..., added up in this order. A macro because gcc keeps the sums
 * in registers only if the vectors are as wide as those are. */
#define RUN_TAPS(name, lanes)                                                                      \
    static void name(const float *h, size_t taps, const float *in, float *out, size_t n)           \
    {                                                                                              \
        enum { LANES = sizeof(lanes) / sizeof(float), VECTORS = SIDE_BY_SIDE / LANES };            \
        for (size_t m = 0; m < n; m += SIDE_BY_SIDE) {                                             \
            lanes sums[VECTORS];                                                                   \
            for (size_t i = 0; i < VECTORS; i++)                                                   \
                sums[i] = *(const lanes *)(out + m + i * LANES);                                   \
            for (size_t k = 0; k < taps; k++)                                                      \
                for (size_t i = 0; i < VECTORS; i++)                                               \
                    sums[i] += h[k] * *(const lanes *)(in + m + i * LANES - k);                    \
            for (size_t i = 0; i < VECTORS; i++)                                                   \
                *(lanes *)(out + m + i * LANES) = sums[i];                                         \
        }                                                                                          \
    }

RUN_TAPS(run_taps_base, lanes16)
SIMD_TARGET_AVX2 RUN_TAPS(run_taps_avx2, lanes32)

static void (*const run_taps[SIMD_SETS])(const float *, size_t, const float *, float *, size_t) = {
    [SIMD_BASE] = run_taps_base,
    [SIMD_AVX2] = run_taps_avx2,
};

int resample_open(struct resampler *resampler, int32_t from_hz, int32_t to_hz)
{
    memset(resampler, 0, sizeof *resampler);
    resampler->simd = simd_best();
    for (size_t i = 0; i < FILTERS; i++)
        if (filters[i].from_hz == from_hz && filters[i].to_hz == to_hz)
            resampler->filter = &filters[i];
    return resampler->filter != NULL ? 0 : -EINVAL;
}

/* A phase of the input with what came before it; returns where the frame begins. */
static const float *take_phase(struct resampler *resampler, size_t phase, const float *in, float *line)
{
    const struct resample_filter *filter = resampler->filter;
    float *history = resampler->history + phase * filter->taps;
    memcpy(line, history, filter->taps * sizeof *line);
    for (size_t m = 0; m < filter->blocks; m++)
        line[filter->taps + m] = in[m * filter->down + phase];
    memcpy(history, line + filter->blocks, filter->taps * sizeof *line);
    return line + filter->taps;
}

void resample_run(struct resampler *resampler, const float *restrict in, float *restrict out)
{
    const struct resample_filter *filter = resampler->filter;
    size_t up = filter->up, down = filter->down, blocks = filter->blocks, taps = filter->taps;
    float line[RESAMPLE_TAPS + MEDIA_FRAME_MAX / 2];
    float sums[RESAMPLE_RATIO_MAX][MEDIA_FRAME_MAX / 2];
    for (size_t output = 0; output < up; output++)
        memset(sums[output], 0, blocks * sizeof **sums);
    for (size_t phase = 0; phase < down; phase++) {
        const float *start = take_phase(resampler, phase, in, line);
        for (size_t output = 0; output < up; output++) {
            const float *h = filter->first + (output * down + phase) * taps;
            size_t newest = output * down / up;
            run_taps[resampler->simd](h, taps, start - (phase > newest), sums[output], blocks);
        }
    }
    for (size_t output = 0; output < up; output++)
        for (size_t m = 0; m < blocks; m++)
            out[m * up + output] = sums[output][m];
}

/* ---- for Python ---- */

int resampler_new(struct resampler **resampler, int32_t from_hz, int32_t to_hz)
{
    struct resampler *made = malloc(sizeof *made);
    int error = made != NULL ? resample_open(made, from_hz, to_hz) : -ENOMEM;
    if (error != 0) {
        free(made);
        return error;
    }
    *resampler = made;
    return 0;
}

void resampler_free(struct resampler *resampler)
{
    free(resampler);
}

void resampler_run(struct resampler *resampler, const int16_t *in, int16_t *out)
{
    float wave[MEDIA_FRAME_MAX], result[MEDIA_FRAME_MAX];
    pcm_to_float(in, wave, (size_t)(resampler->filter->from_hz / MEDIA_TICKS_PER_SECOND));
    resample_run(resampler, wave, result);
    pcm_from_float(result, out, (size_t)(resampler->filter->to_hz / MEDIA_TICKS_PER_SECOND));
}
