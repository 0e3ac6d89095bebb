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

void g711_ulaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
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

void g711_ulaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
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

void g711_alaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n)
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

void g711_alaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n)
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
