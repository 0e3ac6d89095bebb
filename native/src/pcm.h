/* PCM: how loud it is, and as 32 bit float, in units of one 16 bit step, what sound is mixed and resampled in.
 *
 * Every 16 bit sample, and every sum of 256 of them, is exact in float.
 */
#ifndef CLUTCH_PCM_H
#define CLUTCH_PCM_H

#include <stddef.h>
#include <stdint.h>

/* The power of n samples, at least one: the mean of their squares, rounded down. 1 << 30 is a square wave of full
 * scale. */
uint32_t pcm_power(const int16_t *pcm, size_t n);

void pcm_to_float(const int16_t *restrict in, float *restrict out, size_t n);

/* Round to the nearest, ties to even; what is too loud is clipped. */
void pcm_from_float(const float *restrict in, int16_t *restrict out, size_t n);

#endif
