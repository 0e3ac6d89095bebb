/* DTMF keys heard as tones, for peers that do not send them as telephone events (ITU-T Q.23, Q.24).
 *
 * Every 10 ms the last 20 ms are correlated with the eight frequencies, at 8 kHz: a higher rate is brought down
 * by averaging, which costs the highest frequency 0.5 dB and lets through nothing that matters here. A window
 * holds a key if its strongest low and high frequency are each above -36 dBFS, make up most of its energy
 * between them, stand 6 dB above the others of their group, and differ (the twist) by at most 4 dB (high over
 * low) or 8 dB (low over high). The window is so short that a frequency off by 1.5 % still has most of its energy in its
 * place, and one off by 3.5 % has not. Three windows in a row begin a key: 20 ms of it never do,
 * 40 ms do wherever they lie among the windows, but for a key that is 1.5 % high, which may need 10 more. Two
 * windows without it end it. Speech does not hold two pure tones for that long.
 *
 * Integers only, so that the Python twin comes to the same.
 */
#ifndef CLUTCH_TONES_H
#define CLUTCH_TONES_H

#include "media.h"

enum {
    TONES_HALF = 80, /* samples of 10 ms at 8 kHz */
    TONES_GROUP = 4, /* frequencies, low and high each */
};

/* Zeroed memory has heard nothing. */
struct tones {
    int16_t window[2 * TONES_HALF]; /* the older half first */
    char key;                       /* that sounds; 0: none */
    char last;                      /* in the last window; 0: none */
    uint32_t run;                   /* windows in a row with `last` */
    uint32_t windows;               /* since the key began */
    uint32_t missing;               /* in a row without it */
};

/* Before the first tones_hear; any number of times, on any thread that may take its time. */
void tones_prepare(void);

/* A frame of n samples, 20 ms, was played: writes the keys that ended with it and returns how many, at most 2. */
size_t tones_hear(struct tones *tones, const int16_t *pcm, size_t n, struct media_event *events);

#endif
