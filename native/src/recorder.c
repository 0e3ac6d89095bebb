/* The writer, and the life of the thread it runs on (recorder.h). */
#include "recorder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

_Static_assert(RECORDER_STAGE >= 2 * MEDIA_FRAME_MAX, "a frame is staged as a whole");

/* ---- news ---- */

/* Push a notice; if the recording is over, its memory may be gone at once. */
static void tell(struct recording *recording, struct recording_notice *notice, struct recording_news news)
{
    struct recorder *recorder = recording->recorder;
    uint64_t one = 1;
    news.recording = recording->id;
    notice->recording = recording;
    notice->news = news;
    notice->next = atomic_load_explicit(&recorder->notices, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&recorder->notices, &notice->next, notice,
                                                  memory_order_release, memory_order_relaxed))
        continue;
    (void)!write(recorder->wake, &one, sizeof one);
}

/* What was written until now stays, and is a valid file. */
static void fail(struct recording *recording, int error, uint32_t new_hz)
{
    struct recording_news news = {.error = -error, .rate_hz = recording->wav.rate_hz, .new_hz = new_hz};
    recording->failed = true;
    wav_close(&recording->wav);
    tell(recording, &recording->failure, news);
}

/* ---- files ---- */

/* Samples of one recording that lie behind one another, gathered so that they are written at once. */
struct batch {
    struct recording *recording;
    uint64_t place;
    size_t frames;
};

static void flush(struct batch *batch)
{
    struct recording *recording = batch->recording;
    if (batch->frames == 0)
        return;
    int error = wav_write(&recording->wav, batch->place, recording->recorder->stage, batch->frames);
    if (error == 0)
        error = wav_seal(&recording->wav);
    if (error != 0)
        fail(recording, error, 0);
    batch->frames = 0;
}

static void stage(const struct recording *recording, size_t place, const struct recorder_line *line, size_t n)
{
    const int16_t *uplink = (const int16_t *)(line + 1), *downlink = uplink + n;
    int16_t *out = recording->recorder->stage + place * recording->wav.channels;
    if (recording->wav.channels == 1) {
        memcpy(out, recording->sides == RECORD_UPLINK ? uplink : downlink, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = uplink[i];
        out[2 * i + 1] = downlink[i];
    }
}

static void begin(struct recording *recording, const struct recorder_line *line)
{
    uint32_t channels = recording->sides == (RECORD_UPLINK | RECORD_DOWNLINK) ? 2 : 1;
    int error = wav_create(&recording->wav, recording->path, line->rate_hz, channels);
    recording->first_tick = line->tick;
    if (error != 0)
        fail(recording, error, 0);
}

static void add_frame(struct batch *batch, const struct recorder_line *line)
{
    struct recording *recording = batch->recording;
    struct wav *wav = &recording->wav;
    size_t n = line->rate_hz / MEDIA_TICKS_PER_SECOND;
    if (!recording->failed && wav->rate_hz == 0)
        begin(recording, line);
    uint64_t place = (line->tick - recording->first_tick) * n;
    if (wav->rate_hz != line->rate_hz || place != batch->place + batch->frames
        || (batch->frames + n) * wav->channels > RECORDER_STAGE)
        flush(batch);
    if (recording->failed)
        return;
    if (wav->rate_hz != line->rate_hz) {
        fail(recording, -ENOTSUP, line->rate_hz);
        return;
    }
    if (batch->frames == 0)
        batch->place = place;
    stage(recording, batch->frames, line, n);
    batch->frames += n;
}

/* The last line: what is missing at the end becomes silence. */
static void end(struct batch *batch, const struct recorder_line *line)
{
    struct recording *recording = batch->recording;
    struct wav *wav = &recording->wav;
    flush(batch);
    if (wav->rate_hz != 0 && !recording->failed) {
        uint64_t ticks = line->tick - recording->first_tick;
        int error = wav_extend(wav, ticks * (wav->rate_hz / MEDIA_TICKS_PER_SECOND));
        if (error == 0)
            error = wav_seal(wav);
        int late = wav_close(wav);
        if (error != 0 || late != 0)
            fail(recording, error != 0 ? error : late, 0);
    }
    recording->recorder->ended++;
    tell(recording, &recording->over, (struct recording_news){.lost = line->refused, .over = true});
}

static void write_lines(struct recording *recording)
{
    struct batch batch = {.recording = recording};
    struct recorder_line *line = recording->first;
    recording->first = NULL;
    for (; line != NULL; line = line->next) {
        if (line->rate_hz == 0) {
            end(&batch, line);
            return;
        }
        add_frame(&batch, line);
    }
    flush(&batch);
}

/* ---- the thread ---- */

static void sort(struct recorder *recorder, struct recorder_line *line)
{
    struct recording *recording = line->recording;
    line->next = NULL;
    if (recording->first != NULL) {
        recording->last->next = line;
    } else {
        recording->first = line;
        recording->next = recorder->round;
        recorder->round = recording;
    }
    recording->last = line;
}

/* Only when the lines are released is there room for the ends of as many new recordings. */
static void write_round(struct recorder *recorder)
{
    size_t len;
    for (struct recorder_line *line; (line = ring_read(&recorder->ring, &len)) != NULL;)
        sort(recorder, line);
    while (recorder->round != NULL) {
        struct recording *recording = recorder->round;
        recorder->round = recording->next;
        write_lines(recording);
    }
    ring_release(&recorder->ring);
    atomic_fetch_sub_explicit(&recorder->active, recorder->ended, memory_order_acq_rel);
    recorder->ended = 0;
}

static void sleep_a_little(struct recorder *recorder)
{
    struct pollfd kick = {.fd = recorder->kick, .events = POLLIN};
    uint64_t count;
    bool idle = atomic_load_explicit(&recorder->active, memory_order_acquire) == 0;
    poll(&kick, 1, idle ? -1 : RECORDER_PERIOD_MS);
    (void)!read(recorder->kick, &count, sizeof count);
}

static void *writer_main(void *argument)
{
    struct recorder *recorder = argument;
    for (bool stopping = false; !stopping;) {
        stopping = atomic_load_explicit(&recorder->stopping, memory_order_acquire);
        if (!stopping)
            sleep_a_little(recorder);
        write_round(recorder);
    }
    return NULL;
}

/* ---- life ---- */

static int start_thread(struct recorder *recorder)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&recorder->thread, NULL, writer_main, recorder);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(recorder->thread, "clutch-record");
    return -error;
}

static void free_recorder(struct recorder *recorder)
{
    if (recorder->kick >= 0)
        close(recorder->kick);
    if (recorder->wake >= 0)
        close(recorder->wake);
    ring_close(&recorder->ring);
    free(recorder);
}

int recorder_open(struct recorder **out)
{
    struct recorder *recorder = aligned_alloc(_Alignof(struct recorder), sizeof *recorder);
    if (recorder == NULL)
        return -ENOMEM;
    memset(recorder, 0, sizeof *recorder);
    recorder->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    recorder->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = recorder->kick < 0 || recorder->wake < 0 ? -errno : ring_open(&recorder->ring, RECORDER_RING);
    if (error == 0)
        error = start_thread(recorder);
    if (error != 0) {
        free_recorder(recorder);
        return error;
    }
    *out = recorder;
    return 0;
}

int recorder_close(struct recorder *recorder)
{
    uint64_t one = 1;
    struct timespec deadline;
    atomic_store_explicit(&recorder->stopping, true, memory_order_release);
    (void)!write(recorder->kick, &one, sizeof one);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += RECORDER_CLOSE_S;
    int error = pthread_timedjoin_np(recorder->thread, NULL, &deadline);
    if (error != 0) {
        /* The disk hangs. The thread ends when it is back; what it holds is left to it. */
        pthread_detach(recorder->thread);
        return -error;
    }
    while (recorder->newest != NULL)
        recording_discard(recorder->newest);
    free_recorder(recorder);
    return 0;
}
