/* Codecs behind one table: PCMU, PCMA, L16 and G.722 (RFC 3551), and Opus (RFC 6716, RFC 7587).
 *
 * A codec turns whole frames of PCM into payloads and payloads of any duration into PCM. One codec holds
 * both directions of one stream. Opening may allocate; coding never does.
 *
 * codec_new, codec_free, codec_encode, codec_decode and codec_conceal, in api.h, are the same for Python.
 */
#ifndef CLUTCH_CODEC_H
#define CLUTCH_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media.h"

enum {
    CODEC_OPUS_CLOCK_HZ = 48000, /* whatever the PCM rate is (RFC 7587 section 4.1) */
    CODEC_OPUS_PACKET_MAX = CODEC_SAMPLES_MAX, /* the longest packet there is */
};

struct codec;

/* What a codec can do; one constant table each. */
struct codec_type {
    /* Reserve what the codec needs. 0, -EINVAL for a PCM rate or RTP clock that it does not have, or
     * -ENOMEM. */
    int (*open)(struct codec *codec, const struct media_params *params);
    void (*close)(struct codec *codec);
    /* Adopt other options while in use; NULL: it has none. */
    void (*tune)(struct codec *codec, const struct media_params *params);
    /* Samples decoded into pcm (at least 1), or -EBADMSG for a payload that is not the codec's. */
    int (*decode)(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room);
    /* Make up n samples of what was lost; NULL if the codec cannot, and the caller does it. */
    void (*conceal)(struct codec *codec, int16_t *pcm, size_t n);
    /* Decode n samples of a lost payload from what the next one repeats of it; false if it does not. NULL if
     * the codec never does. */
    bool (*recover)(struct codec *codec, const uint8_t *next, size_t len, int16_t *pcm, size_t n);
    /* Bytes encoded from one frame into room for MEDIA_PAYLOAD_MAX bytes, 0 if nothing need be sent, or
     * -EIO. */
    int (*encode)(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload);
    /* Most samples that a payload of MEDIA_PAYLOAD_MAX bytes decodes to. */
    size_t packet_max;
};

struct codec {
    const struct codec_type *type;
    void *state; /* G.722 and Opus */
};

extern const struct codec_type codec_opus; /* codec_opus.c, if the build has it */

/* The clock of RTP timestamps that these parameters mean. */
int32_t codec_clock_hz(const struct media_params *params);

/* Open the codec of these parameters. 0, -EINVAL for a codec, rate or clock that does not exist, -ENOTSUP for
 * a codec that this build lacks, -ENOMEM. */
int codec_open(struct codec *codec, const struct media_params *params);

/* Give everything back; also right after a failed open. */
void codec_close(struct codec *codec);

#endif
