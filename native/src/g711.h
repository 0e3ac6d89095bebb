/* G.711 (ITU-T, 11/88): companded 8 bit samples to and from linear 16 bit.
 *
 * Both laws are tiny floating-point formats: a sign, three bits of exponent, four of mantissa. So IEEE
 * single precision does the work: converting a magnitude to float normalises it, and the seven code bits
 * lie in the top of the float's own exponent and mantissa. There is no table and no branch, and compilers
 * vectorise the loops on any SIMD width. Results equal the standard's tables for all 256 codes and all
 * 65536 samples (tests/native/test_g711.py).
 *
 * `in` and `out` hold n items each and do not overlap.
 */
#ifndef CLUTCH_G711_H
#define CLUTCH_G711_H

#include <stddef.h>
#include <stdint.h>

void g711_ulaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n);
void g711_ulaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n);
void g711_alaw_decode(const uint8_t *restrict in, int16_t *restrict out, size_t n);
void g711_alaw_encode(const int16_t *restrict in, uint8_t *restrict out, size_t n);

#endif
