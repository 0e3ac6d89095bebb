#include "wav.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLE_BYTES = 2, PCM = 1 };

_Static_assert(sizeof(off_t) == 8, "files are longer than 2 GiB");

static uint8_t *put16(uint8_t *p, uint32_t value)
{
    *p++ = (uint8_t)value;
    *p++ = (uint8_t)(value >> 8);
    return p;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
    return put16(put16(p, value), value >> 16);
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
    memcpy(p, name, 4);
    return p + 4;
}

static uint32_t block_bytes(const struct wav *wav)
{
    return wav->channels * SAMPLE_BYTES;
}

static void write_header(const struct wav *wav, uint8_t header[WAV_HEADER])
{
    uint32_t bytes = (uint32_t)(wav->frames * block_bytes(wav));
    uint8_t *p = put32(put_name(header, "RIFF"), WAV_HEADER - 8 + bytes);
    p = put32(put_name(put_name(p, "WAVE"), "fmt "), 16);
    p = put16(put16(p, PCM), wav->channels);
    p = put32(put32(p, wav->rate_hz), wav->rate_hz * block_bytes(wav));
    p = put16(put16(p, block_bytes(wav)), 8 * SAMPLE_BYTES);
    put32(put_name(p, "data"), bytes);
}

static int write_at(int fd, uint64_t place, const void *data, size_t len)
{
    for (const uint8_t *rest = data; len > 0;) {
        ssize_t written = pwrite(fd, rest, len, (off_t)place);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            rest += written;
            place += (size_t)written;
            len -= (size_t)written;
        }
    }
    return 0;
}

static int check_room(const struct wav *wav, uint64_t frames)
{
    return frames > (UINT32_MAX - WAV_HEADER) / block_bytes(wav) ? -EOVERFLOW : 0;
}

int wav_create(struct wav *wav, const char *path, uint32_t rate_hz, uint32_t channels)
{
    *wav = (struct wav){.rate_hz = rate_hz, .channels = channels};
    wav->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return wav->fd < 0 ? -errno : 0;
}

int wav_write(struct wav *wav, uint64_t place, int16_t *samples, size_t frames)
{
    int error = check_room(wav, place + frames);
    if (error != 0)
        return error;
#if __BYTE_ORDER == __BIG_ENDIAN
    for (size_t i = 0; i < frames * wav->channels; i++)
        samples[i] = (int16_t)htole16((uint16_t)samples[i]);
#endif
    error = write_at(wav->fd, WAV_HEADER + place * block_bytes(wav), samples, frames * block_bytes(wav));
    if (error == 0 && place + frames > wav->frames)
        wav->frames = place + frames;
    return error;
}

int wav_extend(struct wav *wav, uint64_t frames)
{
    int error = frames <= wav->frames ? 0 : check_room(wav, frames);
    if (error != 0 || frames <= wav->frames)
        return error;
    if (ftruncate(wav->fd, (off_t)(WAV_HEADER + frames * block_bytes(wav))) != 0)
        return -errno;
    wav->frames = frames;
    return 0;
}

int wav_seal(struct wav *wav)
{
    uint8_t header[WAV_HEADER];
    if (wav->sealed == wav->frames)
        return 0;
    write_header(wav, header);
    int error = write_at(wav->fd, 0, header, sizeof header);
    if (error == 0)
        wav->sealed = wav->frames;
    return error;
}

int wav_close(struct wav *wav)
{
    int fd = wav->fd;
    wav->fd = -1;
    return fd >= 0 && close(fd) != 0 ? -errno : 0;
}
