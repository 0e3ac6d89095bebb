/* Sampling rates: one frame of 20 ms at a time, between any two of 8, 16, 24 and 48 kHz.
 *
 * A linear-phase FIR low-pass (Kaiser window) of 64 taps per sample of the lower rate, evaluated only where
 * there is an input (polyphase). Relative to half the lower rate: flat within 0.003 dB up to 0.85 of it, and
 * 75 dB down from it on, so that there are neither images nor aliases to speak of: 3.4 kHz passes and 4 kHz
 * is gone when one side is a telephone. The delay is 32 samples of the lower rate: 4 ms at 8 kHz, 2 ms at 16
 * kHz, 1.3 ms at 24 kHz. tests/media/test_resample.py measures all of it.
 *
 * Coefficients are whole multiples of 2^-22 and every sum is taken in one order, so the Python twin
 * (clutch/media/resample.py) has the same samples to the bit.
 *
 * resampler_new, resampler_free and resampler_run, in api.h, are the same for Python, on 16 bit samples.
 *
 * The filters are made when the library is loaded and constant from then on; a resampler belongs to one
 * thread.
 */
#ifndef CLUTCH_RESAMPLE_H
#define CLUTCH_RESAMPLE_H

#include <stdint.h>

#include "media.h"
#include "simd.h"

enum {
    RESAMPLE_TAPS = 64,                      /* per sample of the lower rate */
    RESAMPLE_RATIO_MAX = 6,                  /* 8 to 48 kHz */
    RESAMPLE_HISTORY = RESAMPLE_TAPS * RESAMPLE_RATIO_MAX,
};

struct resample_filter;

struct resampler {
    const struct resample_filter *filter;
    enum simd simd;
    float history[RESAMPLE_HISTORY]; /* the last samples of each input phase, one phase after the other */
};

/* Start with silence behind it. 0, or -EINVAL for a rate that is not known or two that are the same. */
int resample_open(struct resampler *resampler, int32_t from_hz, int32_t to_hz);

/* Turn a frame of 20 ms into one at the other rate. */
void resample_run(struct resampler *resampler, const float *restrict in, float *restrict out);

#endif
