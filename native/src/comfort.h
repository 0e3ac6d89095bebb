/* Comfort noise (RFC 3389): in a pause the sender says how loud its silence is and then sends nothing; the
 * receiver makes noise of that loudness, so that the line does not sound dead.
 *
 * Levels count dB below overload, 0 to 127. The noise is white: the spectrum that a payload may describe is not
 * followed. Integer arithmetic throughout.
 */
#ifndef CLUTCH_COMFORT_H
#define CLUTCH_COMFORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COMFORT_LEVEL_MAX = 127,
    COMFORT_QUIET = 55,    /* a frame as soft as this, or softer, is no speech */
    COMFORT_HANGOVER = 10, /* frames of it in a row: the end of a word is soft as well */
    COMFORT_REFRESH = 25,  /* frames from one statement of the level to the next */
    COMFORT_PAYLOAD = 1,
};

/* The receiver. Zeroed memory makes none. */
struct comfort {
    bool on;
    int32_t amplitude;
    uint32_t random;
};

/* Make noise as a payload of at least one byte says. */
void comfort_hear(struct comfort *comfort, const uint8_t *payload);

/* The next n samples of it. */
void comfort_fill(struct comfort *comfort, int16_t *pcm, size_t n);

/* The sender's: one frame of n samples, `quiet` of them having been soft in a row before it. -1 if it is to be
 * sent as audio, else how many bytes of a comfort noise payload are to be sent instead: 0 or COMFORT_PAYLOAD,
 * which are then written. */
int comfort_send(uint32_t *quiet, const int16_t *pcm, size_t n, uint8_t *payload);

#endif
