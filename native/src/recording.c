/* Recordings, seen from the caller and from the producer (recorder.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder.h"

static void kick(struct recorder *recorder)
{
    uint64_t one = 1;
    (void)!write(recorder->kick, &one, sizeof one);
}

/* ---- the caller's side ---- */

static void link_recording(struct recording *recording)
{
    struct recorder *recorder = recording->recorder;
    recording->older = recorder->newest;
    if (recording->older != NULL)
        recording->older->newer = recording;
    recorder->newest = recording;
}

static void free_recording(struct recording *recording)
{
    if (recording->newer != NULL)
        recording->newer->older = recording->older;
    else
        recording->recorder->newest = recording->older;
    if (recording->older != NULL)
        recording->older->newer = recording->newer;
    wav_close(&recording->wav);
    free(recording->path);
    free(recording);
}

int recording_open(struct recorder *recorder, const char *path, uint32_t sides, struct recording **out)
{
    if (sides == 0 || sides > (RECORD_UPLINK | RECORD_DOWNLINK))
        return -EINVAL;
    if (atomic_load_explicit(&recorder->active, memory_order_acquire) >= RECORDER_MOST)
        return -EAGAIN;
    struct recording *recording = calloc(1, sizeof *recording);
    char *copy = strdup(path);
    if (recording == NULL || copy == NULL) {
        free(recording);
        free(copy);
        return -ENOMEM;
    }
    recording->recorder = recorder;
    recording->id = ++recorder->last_id;
    recording->sides = sides;
    recording->path = copy;
    recording->wav.fd = -1;
    link_recording(recording);
    atomic_fetch_add_explicit(&recorder->active, 1, memory_order_acq_rel);
    kick(recorder);
    *out = recording;
    return 0;
}

uint32_t recording_id(const struct recording *recording)
{
    return recording->id;
}

void recording_discard(struct recording *recording)
{
    atomic_fetch_sub_explicit(&recording->recorder->active, 1, memory_order_acq_rel);
    free_recording(recording);
}

int recorder_wake_fd(const struct recorder *recorder)
{
    return recorder->wake;
}

/* All notices, the oldest first. */
static struct recording_notice *take_notices(struct recorder *recorder)
{
    uint64_t count;
    (void)!read(recorder->wake, &count, sizeof count);
    struct recording_notice *newest =
        atomic_exchange_explicit(&recorder->notices, NULL, memory_order_acquire);
    struct recording_notice *oldest = NULL;
    while (newest != NULL) {
        struct recording_notice *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool recorder_next(struct recorder *recorder, struct recording_news *news)
{
    if (recorder->taken == NULL)
        recorder->taken = take_notices(recorder);
    struct recording_notice *notice = recorder->taken;
    if (notice == NULL)
        return false;
    recorder->taken = notice->next;
    *news = notice->news;
    if (news->over)
        free_recording(notice->recording);
    return true;
}

/* ---- the producer's side ---- */

static const size_t END_ROOM = RING_HEADER + sizeof(struct recorder_line);

struct recorder_line *recording_reserve(struct recording *recording, uint32_t rate_hz)
{
    size_t pcm = 2 * (rate_hz / MEDIA_TICKS_PER_SECOND) * sizeof(int16_t);
    /* One more: what a skip at the end of the memory may waste. */
    size_t spare = (RECORDER_MOST + 1) * END_ROOM;
    struct recorder_line *line =
        ring_reserve(&recording->recorder->ring, sizeof(struct recorder_line) + pcm, spare);
    if (line == NULL) {
        recording->refused++;
        return NULL;
    }
    *line = (struct recorder_line){.recording = recording, .rate_hz = rate_hz};
    return line;
}

void recording_commit(struct recording *recording, struct recorder_line *line, uint64_t tick)
{
    line->tick = tick;
    ring_commit(&recording->recorder->ring);
}

bool recording_put(struct recording *recording, uint64_t tick, uint32_t rate_hz, const void *uplink,
                   const void *downlink)
{
    size_t bytes = rate_hz / MEDIA_TICKS_PER_SECOND * sizeof(int16_t);
    struct recorder_line *line = recording_reserve(recording, rate_hz);
    if (line == NULL)
        return false;
    memcpy(line + 1, uplink, bytes);
    memcpy((uint8_t *)(line + 1) + bytes, downlink, bytes);
    recording_commit(recording, line, tick);
    return true;
}

void recording_end(struct recording *recording, uint64_t tick)
{
    struct recorder *recorder = recording->recorder;
    struct recorder_line *line = ring_reserve(&recorder->ring, sizeof *line, 0);
    *line = (struct recorder_line){.recording = recording, .tick = tick, .refused = recording->refused};
    ring_commit(&recorder->ring);
    kick(recorder);
}
