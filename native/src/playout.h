/* One negotiated codec, and the receive side whose size depends on it: packets that come when they like
 * turn into one frame every 20 ms.
 *
 * Missing audio is made up: by the codec's own concealment if it has one, else by repeating the last frame
 * that was really decoded, ever fainter; in a pause that the sender announced it is comfort noise. The
 * delay is changed here, a frame at a time, as told in jitter.h. Nothing here allocates between open and
 * close.
 */
#ifndef CLUTCH_PLAYOUT_H
#define CLUTCH_PLAYOUT_H

#include "codec.h"
#include "comfort.h"
#include "jitter.h"
#include "loudness.h"

struct playout {
    struct codec codec;
    int32_t codec_id;
    int32_t rate_hz;
    int32_t clock_hz;      /* of RTP timestamps */
    size_t frame;          /* samples of 20 ms */
    uint32_t frame_ticks;  /* 20 ms on the RTP clock */
    size_t packet_samples; /* of the last decoded packet */
    size_t waiting;        /* samples in pcm */
    uint32_t conceal_run;  /* blocks made up since the last decoded packet */
    uint32_t empty_run;    /* ticks that found no packet since then */
    bool tail_concealed;   /* the last block in pcm was made up; what a tick leaves over is part of it */
    struct loudness loudness;
    struct comfort comfort; /* on in a pause that the sender told us of */
    int16_t history[MEDIA_FRAME_MAX]; /* the last `frame` decoded samples */
    int16_t *played;                  /* the last frame, kept by playout_keep; part of pcm */
    struct jitter jitter;             /* begins with playout_attach */
    int16_t pcm[];                    /* room for a frame and the longest packet, and `played` */
};

/* Make one for the codec, rate and clock of these parameters. 0 or the errors of codec_open. */
int playout_open(struct playout **playout, const struct media_params *params);

/* Free it; NULL is ignored. */
void playout_free(struct playout *playout);

/* Take the stream's counters; before anything else, by the thread that will use the playout. */
void playout_attach(struct playout *playout, counter *counters);

/* Forget all audio, waiting or remembered, and start again. */
void playout_reset(struct playout *playout);

/* As playout_reset, but what waits was relayed (bridge.h), not discarded. */
void playout_leave(struct playout *playout);

/* Keep what was played in this tick as `played`; NULL is silence. */
void playout_keep(struct playout *playout, const int16_t *frame);

/* True if the codec leaves comfort noise to RFC 3389: then it may come. */
bool playout_takes_noise(const struct playout *playout);

/* A packet came. */
void playout_insert(struct playout *playout, const struct jitter_packet *packet, int64_t now_us);

/* Play the next frame into room for playout->frame samples. True if any of it was made up. */
bool playout_tick(struct playout *playout, int64_t now_us, int16_t *frame);

#endif
