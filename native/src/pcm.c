#include "pcm.h"

#include <string.h>

#include "simd.h"

uint32_t pcm_power(const int16_t *pcm, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)(pcm[i] * pcm[i]);
    return (uint32_t)(sum / n);
}

void pcm_to_float(const int16_t *restrict in, float *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[i];
}

SIMD_KERNEL void from_float(const float *restrict in, int16_t *restrict out, size_t n)
{
    /* A sum of this size has no room for a fraction, so adding it rounds; it leaves the integer in the lowest
     * bits. */
    const float no_fraction = 3 << 22;
    for (size_t i = 0; i < n; i++) {
        float sample = in[i];
        sample = sample > INT16_MAX ? INT16_MAX : sample;
        sample = sample < INT16_MIN ? INT16_MIN : sample;
        sample += no_fraction;
        int32_t bits;
        memcpy(&bits, &sample, sizeof bits);
        out[i] = (int16_t)bits;
    }
}

static void from_float_base(const float *restrict in, int16_t *restrict out, size_t n)
{
    from_float(in, out, n);
}

SIMD_TARGET_AVX2 static void from_float_avx2(const float *restrict in, int16_t *restrict out, size_t n)
{
    from_float(in, out, n);
}

void pcm_from_float(const float *restrict in, int16_t *restrict out, size_t n)
{
    static void (*const kernels[SIMD_SETS])(const float *restrict, int16_t *restrict, size_t) = {
        [SIMD_BASE] = from_float_base,
        [SIMD_AVX2] = from_float_avx2,
    };
    kernels[simd_best()](in, out, n);
}
