/* A WAV file that grows (RIFF, Microsoft and IBM 1991): 16 bits, one channel or two, little-endian.
 *
 * Blocking file I/O, for one thread that may block. Samples have a place of their own, counted from the
 * beginning, so what is left out is a hole, which reads as silence. The header is written after the samples
 * that it speaks of, so a file whose writer dies is valid, and ends where the last wav_seal said.
 */
#ifndef CLUTCH_WAV_H
#define CLUTCH_WAV_H

#include <stddef.h>
#include <stdint.h>

enum { WAV_HEADER = 44 };

struct wav {
    int fd; /* -1: there is no file (yet) */
    uint32_t rate_hz;
    uint32_t channels;
    uint64_t frames; /* samples per channel, holes included */
    uint64_t sealed; /* as the header says */
};

/* Make a file that nobody else may read. 0, or a negative errno: -EEXIST, since nothing is overwritten. */
int wav_create(struct wav *wav, const char *path, uint32_t rate_hz, uint32_t channels);

/* Write frames * channels interleaved samples, native order, at a place; they are swapped in place where the
 * machine is big-endian. 0 or a negative errno: -EOVERFLOW if a WAV file, 4 GiB, cannot hold them. */
int wav_write(struct wav *wav, uint64_t place, int16_t *samples, size_t frames);

/* Let the file end with silence, `frames` long in all. 0 or a negative errno. */
int wav_extend(struct wav *wav, uint64_t frames);

/* Let the header speak of all that was written. 0 or a negative errno. */
int wav_seal(struct wav *wav);

/* Close the file, if there is one. 0 or a negative errno: what a file system was late to say. */
int wav_close(struct wav *wav);

#endif
