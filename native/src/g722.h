/* ITU-T G.722, mode 1 (64 kbit/s): sub-band ADPCM of 16 kHz audio, one octet for two samples.
 *
 * Integer arithmetic throughout, so the same input gives the same output everywhere; the names in the
 * comments are those of the Recommendation's blocks. Zeroed memory is no codec: initialise it first.
 * Encoder and decoder are apart; neither allocates or fails, and any octets decode to something.
 */
#ifndef CLUTCH_G722_H
#define CLUTCH_G722_H

#include <stddef.h>
#include <stdint.h>

enum {
    G722_TAPS = 24, /* of the quadrature mirror filters */
    G722_ZEROS = 6,
};

/* The adaptive predictor and quantiser of one sub-band. */
struct g722_band {
    int32_t estimate;      /* S: what the predictor expects next */
    int32_t zero_estimate; /* SZ: the zeros' part of it */
    int32_t pole[2];       /* A */
    int32_t zero[G722_ZEROS];       /* B */
    int32_t difference[G722_ZEROS]; /* D: quantised, the newest first */
    int32_t rebuilt[2];             /* R */
    int32_t partial[2];             /* P */
    int32_t log_scale;              /* NB */
    int32_t scale;                  /* DET */
};

struct g722 {
    struct g722_band low;
    struct g722_band high;
    int32_t history[G722_TAPS]; /* of the filter, the oldest first */
};

/* Begin, for either direction. */
void g722_init(struct g722 *state);

/* n octets into 2 n samples. */
void g722_decode(struct g722 *state, const uint8_t *payload, int16_t *pcm, size_t n);

/* 2 n samples into n octets. */
void g722_encode(struct g722 *state, const int16_t *pcm, uint8_t *payload, size_t n);

#endif
