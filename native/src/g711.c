#include "g711.h"

#include <string.h>

enum {
    FLOAT_BIAS = 127,
    FLOAT_TO_CODE = 23 - 4, /* brings the exponent and four bits of mantissa to the bottom */
    ULAW_SCALE = 2,                 /* mu-law knows 14 of 16 bits */
    ULAW_BIAS = 33,                 /* added to the magnitude, makes segment 0 normalised too */
    ULAW_MAX = 8191,                /* biased magnitude beyond which it clips */
    ULAW_EXPONENT = FLOAT_BIAS + 5, /* of 32, where segment 0 starts with the bias */
    ALAW_SCALE = 3,                 /* A-law knows 13 of 16 bits */
    ALAW_LINEAR = 32,               /* magnitude where segment 1 starts */
    ALAW_EXPONENT = FLOAT_BIAS + 4, /* one below that of 32 */
};

static inline int32_t float_bits(int32_t magnitude)
{
    float f = (float)magnitude;
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* The magnitude in the middle of the interval whose lower edge has these top bits. */
static inline int32_t middle_of(int32_t top_bits)
{
    int32_t bits = top_bits << FLOAT_TO_CODE | 1 << (FLOAT_TO_CODE - 1);
    float f;
    memcpy(&f, &bits, sizeof f);
    return (int32_t)f;
}

SIMD_KERNEL void ulaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sample = in[i] >> ULAW_SCALE;
        int32_t negative = sample >> 31;
        int32_t magnitude = ((sample ^ negative) - negative) + ULAW_BIAS;
        magnitude = magnitude > ULAW_MAX ? ULAW_MAX : magnitude;
        int32_t code = (float_bits(magnitude) >> FLOAT_TO_CODE) - (ULAW_EXPONENT << 4);
        out[i] = (uint8_t)(~(code | (negative & 0x80)) & 0xff);
    }
}

SIMD_KERNEL void ulaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t code = ~(int32_t)in[i];
        int32_t negative = -((code >> 7) & 1);
        int32_t bits = (code & 0x7f) + ((ULAW_EXPONENT + ULAW_SCALE) << 4);
        int32_t magnitude = middle_of(bits) - (ULAW_BIAS << ULAW_SCALE);
        out[i] = (int16_t)((magnitude ^ negative) - negative);
    }
}

/* Segment 0 of A-law is not normalised. Adding 32 makes it look like segment 1, one too high. */

SIMD_KERNEL void alaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t sample = in[i] >> ALAW_SCALE;
        int32_t negative = sample >> 31;
        int32_t magnitude = sample ^ negative;
        int32_t linear = magnitude < ALAW_LINEAR;
        int32_t code = float_bits(magnitude + linear * ALAW_LINEAR) >> FLOAT_TO_CODE;
        code -= (ALAW_EXPONENT + linear) << 4;
        out[i] = (uint8_t)((code | (~negative & 0x80)) ^ 0x55);
    }
}

SIMD_KERNEL void alaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t code = in[i] ^ 0x55;
        int32_t negative = ((code >> 7) & 1) - 1;
        int32_t linear = (code & 0x70) == 0;
        int32_t bits = (code & 0x7f) + ((ALAW_EXPONENT + ALAW_SCALE + linear) << 4);
        int32_t magnitude = middle_of(bits) - linear * (ALAW_LINEAR << ALAW_SCALE);
        out[i] = (int16_t)((magnitude ^ negative) - negative);
    }
}

/* ---- for each instruction set ---- */

#define ENCODER(kernel, set)                                                                 \
    static void kernel##_##set(const int16_t *restrict in, uint8_t *restrict out, size_t n) \
    {                                                                                        \
        kernel(in, out, n);                                                                  \
    }
#define DECODER(kernel, set)                                                                 \
    static void kernel##_##set(const uint8_t *restrict in, int16_t *restrict out, size_t n) \
    {                                                                                        \
        kernel(in, out, n);                                                                  \
    }

ENCODER(ulaw_encode, base)
ENCODER(alaw_encode, base)
DECODER(ulaw_decode, base)
DECODER(alaw_decode, base)
SIMD_TARGET_AVX2 ENCODER(ulaw_encode, avx2)
SIMD_TARGET_AVX2 ENCODER(alaw_encode, avx2)
SIMD_TARGET_AVX2 DECODER(ulaw_decode, avx2)
SIMD_TARGET_AVX2 DECODER(alaw_decode, avx2)

const struct g711 g711_kernels[SIMD_SETS] = {
    [SIMD_BASE] = {ulaw_encode_base, alaw_encode_base, ulaw_decode_base, alaw_decode_base},
    [SIMD_AVX2] = {ulaw_encode_avx2, alaw_encode_avx2, ulaw_decode_avx2, alaw_decode_avx2},
};
