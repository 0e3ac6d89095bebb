/* Mixing: in every tick each member of a mixer hears what all the others say, and never itself.
 *
 * In a tick every member has a frame of 20 ms that it says (uplink) and one that is for it alone (downlink:
 * an announcement, or silence). mixer_mix puts what it hears in the place of the latter:
 *   what the others say, each with its gain, fading from the last tick's gain to this one's;
 *   ducked, that is with `duck` as gain, while something is audible that is for it alone, and a while after;
 *   what is whispered to it: a member that whispers is heard by one ear and by nobody else, not even if that
 *     ear leaves. It hears all the others as ever;
 *   what is for it alone. The sum is clipped.
 *
 * The bus is 32 bit float (pcm.h) and has the highest rate of the members, up to 48 kHz. If all have one
 * rate, nothing is resampled, and among members with a gain of 1 every sum is exact: of two, each hears the
 * other's samples unchanged and without delay. A member of a lower rate is resampled to the bus and back, and
 * what it says and hears is late by the delay of resample.h each time. When the highest rate changes,
 * resampling starts anew with silence: a gap of that length.
 *
 * All that is summed is summed in the order in which members joined, so that the Python twin
 * (clutch/media/mixer.py) has the same samples to the bit. A tick costs time in proportion to the number of
 * members, and to members times whisperers if there are any.
 *
 * One thread at a time. mixer_new, mixer_free, mixer_join and mixer_leave, in api.h, allocate and free; init,
 * add and remove are the same without, for who owns the memory. A member's rate is one that resample.h knows,
 * or 0.
 */
#ifndef CLUTCH_MIXER_H
#define CLUTCH_MIXER_H

#include "media.h"
#include "resample.h"

enum {
    MIXER_AUDIBLE = 128,   /* or more, or less than -128: -48 dBFS; the noise of a line is not */
    MIXER_DUCK_TICKS = 15, /* after the last audible frame: pauses between words do not pump */
};

struct mixer_member {
    struct mixer_member *next, *previous; /* in the order of joining */
    struct mix_params params;
    struct mixer_member *ear; /* who hears it if it whispers; NULL: nobody */
    int32_t rate_hz;          /* 0: takes no part in this tick */
    int32_t resampled_hz;     /* for which the resamplers were opened, 0: for none, ... */
    int32_t bus_hz;           /* ... and the bus's rate then */
    float gain_now;           /* at the end of the last tick */
    float duck_now;
    uint32_t duck_ticks; /* for which it stays ducked */
    struct resampler to_bus;
    struct resampler from_bus;
    int16_t uplink[MEDIA_FRAME_MAX];
    int16_t downlink[MEDIA_FRAME_MAX];
    float said[MEDIA_FRAME_MAX]; /* on the bus, with its gain */
};

struct mixer {
    struct mixer_member *first, *last;
    float sum[MEDIA_FRAME_MAX];
};

void mixer_init(struct mixer *mixer);

/* A member joins, at its gain at once, or leaves. */
void mixer_add(struct mixer *mixer, struct mixer_member *member, const struct mix_params *params);
void mixer_remove(struct mixer *mixer, struct mixer_member *member);

#endif
