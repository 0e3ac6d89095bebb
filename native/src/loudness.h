/* Where a speaker is quiet: the places at which a frame more or less is not heard. */
#ifndef CLUTCH_LOUDNESS_H
#define CLUTCH_LOUDNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOUDNESS_SILENCE = 64,      /* mean magnitude, about -54 dBFS, that is silence on any line; */
    LOUDNESS_QUIET_SHIFT = 4,   /* so are 24 dB less than the loudest packet, */
    LOUDNESS_DECAY_SHIFT = 8,   /* which fades by 1/256 with every packet */
    LOUDNESS_QUIET_PACKETS = 3, /* in a row make a pause of the speaker, not a gap within a word */
};

struct loudness {
    uint32_t loudest;
    uint32_t quiet_packets; /* in a row until now; set to 0 to wait for as many again */
};

/* A packet was decoded: 1 <= n <= CODEC_OPUS_PACKET_MAX samples. */
void loudness_heard(struct loudness *loudness, const int16_t *pcm, size_t n);

/* True in a pause of the speaker. */
bool loudness_is_quiet(const struct loudness *loudness);

#endif
