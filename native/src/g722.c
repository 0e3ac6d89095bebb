#include "g722.h"

#include <stdbool.h>
#include <string.h>

/* Half of the filter's 24 coefficients; the other half mirrors it. */
static const int32_t QMF[G722_TAPS / 2] = {3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};

/* Decision levels of the lower band's 60 level quantiser. */
static const int32_t DECISION[] = {
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
    786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
};

enum { DECISIONS = sizeof DECISION / sizeof DECISION[0], DECISION_HIGH = 564 };

/* Output levels: the lower band with 6 and with 4 of its bits, the higher band with its 2. */
static const int32_t LEVEL_6[64] = {
    -136,   -136,   -136,   -136,   -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360,  -8576,  -7856,  -7192,  -6576,  -6000,  -5456,  -4944,  -4464,  -4008,  -3576,  -3168,  -2776,
    -2400,  -2032,  -1688,  -1360,  -1040,  -728,   24808,  21904,  19008,  16704,  14984,  13512,  12280,
    11192,  10232,  9360,   8576,   7856,   7192,   6576,   6000,   5456,   4944,   4464,   4008,   3576,
    3168,   2776,   2400,   2032,   1688,   1360,   1040,   728,    432,    136,    -432,   -136,
};
static const int32_t LEVEL_4[16] = {
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
};
static const int32_t LEVEL_2[4] = {-7408, -1616, 7408, 1616};

/* How the logarithmic scale follows the magnitude of a code: W(RL) by the lower band's 4 bits, W(RH). */
static const int32_t STEP_4[16] = {
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
};
static const int32_t STEP_2[4] = {798, -214, 798, -214};

/* 2048 times 2 to the power of k / 32. */
static const int32_t POWER[32] = {
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
};

/* What the two bands' scales differ in. */
struct scaling {
    int32_t shift;
    int32_t log_max;
};

static const struct scaling SCALING_LOW = {8, 18432}, SCALING_HIGH = {10, 22528};

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int32_t saturate(int32_t value)
{
    return clamp(value, INT16_MIN, INT16_MAX);
}

static bool same_sign(int32_t a, int32_t b)
{
    return (a < 0) == (b < 0);
}

/* LOGSCL and SCALEL, LOGSCH and SCALEH. */
static void adapt_scale(struct g722_band *band, int32_t step, const struct scaling *scaling)
{
    band->log_scale = clamp((band->log_scale * 127 >> 7) + step, 0, scaling->log_max);
    int32_t shift = scaling->shift - (band->log_scale >> 11);
    int32_t power = POWER[band->log_scale >> 6 & 31];
    band->scale = (shift < 0 ? power << -shift : power >> shift) << 2;
}

/* UPPOL2 and UPPOL1: `partial` is this sample's, band->partial those before. */
static void adapt_poles(struct g722_band *band, int32_t partial)
{
    bool like_last = same_sign(partial, band->partial[0]);
    bool like_older = same_sign(partial, band->partial[1]);
    int32_t first = saturate(band->pole[0] * 4);
    int32_t push = saturate(like_last ? -first : first) >> 7;
    int32_t second = push + (like_older ? 128 : -128) + (band->pole[1] * 32512 >> 15);
    band->pole[1] = clamp(second, -12288, 12288);
    int32_t most = 15360 - band->pole[1];
    first = (like_last ? 192 : -192) + (band->pole[0] * 32640 >> 15);
    band->pole[0] = clamp(first, -most, most);
}

/* UPZERO, and DELAYA for the differences. */
static void adapt_zeros(struct g722_band *band, int32_t difference)
{
    int32_t step = difference == 0 ? 0 : 128;
    for (int i = 0; i < G722_ZEROS; i++) {
        int32_t push = same_sign(difference, band->difference[i]) ? step : -step;
        band->zero[i] = saturate(push + (band->zero[i] * 32640 >> 15));
    }
    memmove(band->difference + 1, band->difference, (G722_ZEROS - 1) * sizeof difference);
    band->difference[0] = difference;
}

/* FILTEP, FILTEZ and PREDIC. */
static void predict(struct g722_band *band)
{
    int32_t poles = 0, zeros = 0;
    for (int i = 0; i < 2; i++)
        poles += band->pole[i] * saturate(band->rebuilt[i] * 2) >> 15;
    for (int i = 0; i < G722_ZEROS; i++)
        zeros += band->zero[i] * saturate(band->difference[i] * 2) >> 15;
    band->zero_estimate = saturate(zeros);
    band->estimate = saturate(saturate(poles) + band->zero_estimate);
}

/* Block 4: learn from a quantised difference and predict the next sample. */
static void adapt(struct g722_band *band, int32_t difference)
{
    int32_t rebuilt = saturate(band->estimate + difference);
    int32_t partial = saturate(band->zero_estimate + difference);
    adapt_poles(band, partial);
    adapt_zeros(band, difference);
    band->rebuilt[1] = band->rebuilt[0];
    band->rebuilt[0] = rebuilt;
    band->partial[1] = band->partial[0];
    band->partial[0] = partial;
    predict(band);
}

static void adapt_low(struct g722_band *band, uint32_t code)
{
    int32_t difference = band->scale * LEVEL_4[code >> 2] >> 15;
    adapt_scale(band, STEP_4[code >> 2], &SCALING_LOW);
    adapt(band, difference);
}

static void adapt_high(struct g722_band *band, uint32_t code)
{
    int32_t difference = band->scale * LEVEL_2[code] >> 15;
    adapt_scale(band, STEP_2[code], &SCALING_HIGH);
    adapt(band, difference);
}

/* Let two values into a filter and take the sums of its odd and even taps. */
static void filter(int32_t *history, int32_t first, int32_t second, int32_t *odd, int32_t *even)
{
    memmove(history, history + 2, (G722_TAPS - 2) * sizeof *history);
    history[G722_TAPS - 2] = first;
    history[G722_TAPS - 1] = second;
    *odd = *even = 0;
    for (int i = 0; i < G722_TAPS / 2; i++) {
        *odd += history[2 * i] * QMF[i];
        *even += history[2 * i + 1] * QMF[G722_TAPS / 2 - 1 - i];
    }
}

void g722_init(struct g722 *state)
{
    memset(state, 0, sizeof *state);
    state->low.scale = 32;
    state->high.scale = 8;
}

void g722_decode(struct g722 *state, const uint8_t *payload, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t low_code = payload[i] & 63, high_code = payload[i] >> 6;
        struct g722_band *low = &state->low, *high = &state->high;
        int32_t low_out = low->estimate + (low->scale * LEVEL_6[low_code] >> 15);
        int32_t high_out = high->estimate + (high->scale * LEVEL_2[high_code] >> 15);
        low_out = clamp(low_out, -16384, 16383);
        high_out = clamp(high_out, -16384, 16383);
        adapt_low(low, low_code);
        adapt_high(high, high_code);
        int32_t odd, even;
        filter(state->history, low_out + high_out, low_out - high_out, &odd, &even);
        pcm[2 * i] = (int16_t)saturate(even >> 11);
        pcm[2 * i + 1] = (int16_t)saturate(odd >> 11);
    }
}

/* QUANTL: codes count down from 61 for a growing positive difference, from 63 and then 31 for a negative. */
static uint32_t quantise_low(const struct g722_band *band, int32_t difference)
{
    int32_t magnitude = difference >= 0 ? difference : -(difference + 1);
    uint32_t interval = 0;
    while (interval < DECISIONS && magnitude >= DECISION[interval] * band->scale >> 12)
        interval++;
    if (difference >= 0)
        return 61 - interval;
    return interval < 2 ? 63 - interval : 33 - interval;
}

/* QUANTH. */
static uint32_t quantise_high(const struct g722_band *band, int32_t difference)
{
    int32_t magnitude = difference >= 0 ? difference : -(difference + 1);
    uint32_t is_large = magnitude >= DECISION_HIGH * band->scale >> 12;
    return (difference >= 0 ? 3 : 1) - is_large;
}

void g722_encode(struct g722 *state, const int16_t *pcm, uint8_t *payload, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t odd, even;
        filter(state->history, pcm[2 * i], pcm[2 * i + 1], &odd, &even);
        struct g722_band *low = &state->low, *high = &state->high;
        uint32_t low_code = quantise_low(low, saturate(((even + odd) >> 14) - low->estimate));
        uint32_t high_code = quantise_high(high, saturate(((even - odd) >> 14) - high->estimate));
        adapt_low(low, low_code);
        adapt_high(high, high_code);
        payload[i] = (uint8_t)(high_code << 6 | low_code);
    }
}
