/* PCM as 32 bit float, in units of one 16 bit step: what sound is mixed and resampled in.
 *
 * Every 16 bit sample, and every sum of 256 of them, is exact in it.
 */
#ifndef CLUTCH_PCM_H
#define CLUTCH_PCM_H

#include <stddef.h>
#include <stdint.h>

void pcm_to_float(const int16_t *restrict in, float *restrict out, size_t n);

/* Round to the nearest, ties to even; what is too loud is clipped. */
void pcm_from_float(const float *restrict in, int16_t *restrict out, size_t n);

#endif
