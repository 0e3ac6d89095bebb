/* Voice activity: when a speaker starts and stops, by power over a noise floor that adapts.
 *
 * A frame of 20 ms speaks if its mean square is above the gate and 12 dB above the floor. The floor falls at
 * once to what is quieter and rises by 1.7 dB a second, so it finds a steady noise within seconds and stays
 * below speech, whose pauses pull it down. Three frames in a row start speech, ten quiet ones end it: shorter
 * bursts are clicks, shorter pauses lie between words (the figures are those of the turn detector: 60 and 200 ms).
 * Comfort noise and what was made up for lost packets count as what they sound like.
 *
 * Integers only, so that the Python twin comes to the same, at any rate.
 */
#ifndef CLUTCH_VAD_H
#define CLUTCH_VAD_H

#include "media.h"

enum {
    VAD_GATE = 67764,     /* mean square of samples: -42 dBFS */
    VAD_OVER_FLOOR = 16,  /* 12 dB */
    VAD_FLOOR_MIN = 16,   /* -78 dBFS */
    VAD_RISE_SHIFT = 7,   /* of a frame: the floor rises by 1/128 and 1 */
    VAD_ONSET_FRAMES = 3,
    VAD_HANGOVER_FRAMES = 10,
};

/* Zeroed memory has heard nothing. */
struct vad {
    uint32_t floor;
    uint32_t run;     /* frames in a row that contradict `speaking` */
    uint32_t frames;  /* of this speech until now */
    bool speaking;
};

/* A frame of n samples was played. True if speech starts or ends with it: then `event` says which. */
bool vad_hear(struct vad *vad, const int16_t *pcm, size_t n, struct media_event *event);

#endif
