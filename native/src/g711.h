/* G.711 (ITU-T, 11/88): companded 8 bit samples to and from linear 16 bit.
 *
 * Both laws are tiny floating-point formats: a sign, three bits of exponent, four of mantissa. So IEEE
 * single precision does the work: converting a magnitude to float normalises it, and the seven code bits
 * lie in the top of the float's own exponent and mantissa. There is no table and no branch, and compilers
 * vectorise the loops on any SIMD width. Results equal the standard's tables for all 256 codes and all
 * 65536 samples (tests/native/test_g711.py), with every instruction set (tests/native/c/test_g711.c).
 *
 * `in` and `out` hold n items each and do not overlap.
 */
#ifndef CLUTCH_G711_H
#define CLUTCH_G711_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

typedef void g711_encoder(const int16_t *restrict in, uint8_t *restrict out, size_t n);
typedef void g711_decoder(const uint8_t *restrict in, int16_t *restrict out, size_t n);

struct g711 {
    g711_encoder *ulaw_encode;
    g711_encoder *alaw_encode;
    g711_decoder *ulaw_decode;
    g711_decoder *alaw_decode;
};

/* By instruction set; the one to use is g711_kernels[simd_best()]. */
extern const struct g711 g711_kernels[SIMD_SETS];

#endif
