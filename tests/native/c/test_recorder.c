/* Recordings on a disk that obeys: it hangs, or is full, when the test says so. Linked with --wrap=pwrite.
 * The main thread is the caller, and the producer unless a test starts one. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "recorder.h"

enum { RATE = 8000, FRAME = RATE / MEDIA_TICKS_PER_SECOND, BOTH = RECORD_UPLINK | RECORD_DOWNLINK };

static char folder[] = "/tmp/clutch-recorder-XXXXXX";
static struct recorder *recorder;

/* ---- the disk ---- */

static atomic_bool hangs;
static sem_t is_hanging, goes_on;
static atomic_size_t room; /* bytes that the disk still takes */

ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t place);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t place);

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t place)
{
    if (atomic_load(&hangs)) {
        sem_post(&is_hanging);
        sem_wait(&goes_on);
    }
    if (len > atomic_load(&room)) {
        errno = ENOSPC;
        return -1;
    }
    atomic_fetch_sub(&room, len);
    /* In two parts, as a disk may. */
    return __real_pwrite(fd, data, len > 1000 ? len / 2 : len, place);
}

/* ---- helpers ---- */

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct recording *open_recording(const char *name, uint32_t sides)
{
    struct recording *recording;
    CHECK(recording_open(recorder, path_of(name), sides, &recording) == 0);
    return recording;
}

/* Uplink holds the tick, downlink its negative. */
static bool put(struct recording *recording, uint64_t tick)
{
    int16_t uplink[FRAME], downlink[FRAME];
    for (size_t i = 0; i < FRAME; i++) {
        uplink[i] = (int16_t)(tick % 1000 + 1);
        downlink[i] = (int16_t)-uplink[i];
    }
    return recording_put(recording, tick, RATE, uplink, downlink);
}

static struct recording_news next_news(void)
{
    struct recording_news news;
    struct pollfd wake = {.fd = recorder_wake_fd(recorder), .events = POLLIN};
    while (!recorder_next(recorder, &news))
        CHECK(poll(&wake, 1, 30000) == 1);
    return news;
}

/* The value of a frame in a stereo file, the same in all its samples; 0 is silence. */
static int frame_at(FILE *file, uint64_t frame)
{
    int16_t pcm[2 * FRAME];
    CHECK(fseek(file, (long)(WAV_HEADER + frame * sizeof pcm), SEEK_SET) == 0);
    CHECK(fread(pcm, sizeof pcm, 1, file) == 1);
    for (size_t i = 0; i < FRAME; i++)
        CHECK(pcm[2 * i] == pcm[0] && pcm[2 * i + 1] == -pcm[0]);
    return pcm[0];
}

static long size_of(const char *name)
{
    struct stat info;
    CHECK(stat(path_of(name), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    return (long)info.st_size;
}

/* ---- tests ---- */

static void test_a_frame_lies_where_its_tick_says(void)
{
    struct recording *recording = open_recording("gap", BOTH);
    CHECK(put(recording, 7) && put(recording, 8) && put(recording, 11));
    recording_end(recording, 13);
    struct recording_news news = next_news();
    CHECK(news.over && news.error == 0 && news.lost == 0);
    CHECK(size_of("gap") == WAV_HEADER + 6 * 4 * FRAME);
    FILE *file = fopen(path_of("gap"), "rb");
    int expected[] = {8, 9, 0, 0, 12, 0};
    for (size_t i = 0; i < 6; i++)
        CHECK(frame_at(file, i) == expected[i]);
    fclose(file);
}

static void test_nothing_is_overwritten(void)
{
    struct recording *recording = open_recording("gap", RECORD_UPLINK);
    CHECK(put(recording, 0));
    struct recording_news failure = next_news();
    CHECK(failure.recording == recording_id(recording) && failure.error == EEXIST && !failure.over);
    CHECK(put(recording, 1));
    recording_end(recording, 2);
    CHECK(next_news().over);
    CHECK(size_of("gap") == WAV_HEADER + 6 * 4 * FRAME);
}

static void test_bad_sides_and_what_is_never_begun(void)
{
    struct recording *recording;
    CHECK(recording_open(recorder, "x", 0, &recording) == -EINVAL);
    CHECK(recording_open(recorder, "x", 4, &recording) == -EINVAL);
    recording_discard(open_recording("never", BOTH));
    recording_end(open_recording("empty", BOTH), 5);
    CHECK(next_news().over);
    CHECK(access(path_of("never"), F_OK) != 0 && access(path_of("empty"), F_OK) != 0);
}

static void test_a_full_disk_ends_one_recording(void)
{
    struct recording *lost = open_recording("lost", BOTH);
    CHECK(put(lost, 0));
    atomic_store(&room, 100);
    struct recording_news news = next_news();
    CHECK(news.recording == recording_id(lost) && news.error == ENOSPC && !news.over);
    atomic_store(&room, SIZE_MAX);
    struct recording *next = open_recording("next", RECORD_DOWNLINK);
    CHECK(put(next, 0) && put(lost, 1));
    recording_end(next, 1);
    recording_end(lost, 2);
    for (int i = 0; i < 2; i++) {
        news = next_news();
        CHECK(news.over && news.error == 0);
    }
    CHECK(size_of("next") == WAV_HEADER + 2 * FRAME);
}

/* The producer never waits; what it could not leave is silence of the right length, and counted. */
static void test_a_disk_that_hangs_drops_nothing_silently(void)
{
    enum { MISSED = 50 };
    struct recording *slow = open_recording("slow", BOTH), *late = open_recording("late", BOTH);
    uint64_t tick = 0, back;
    atomic_store(&hangs, true);
    CHECK(put(slow, tick++));
    sem_wait(&is_hanging);
    while (put(slow, tick))
        tick++;
    for (uint64_t missed = 1; missed < MISSED; missed++)
        CHECK(!put(slow, tick + missed));
    /* There is room for every end. */
    recording_end(late, 1);
    atomic_store(&hangs, false);
    sem_post(&goes_on);
    CHECK(next_news().over);
    back = tick + MISSED;
    while (!put(slow, back))
        usleep(1000);
    recording_end(slow, back + 1);
    struct recording_news news = next_news();
    CHECK(news.over && news.error == 0 && news.lost >= MISSED);
    FILE *file = fopen(path_of("slow"), "rb");
    CHECK(size_of("slow") == (long)(WAV_HEADER + (back + 1) * 4 * FRAME));
    CHECK(frame_at(file, tick - 1) == (int)((tick - 1) % 1000 + 1));
    for (uint64_t missed = 0; missed < MISSED; missed++)
        CHECK(frame_at(file, tick + missed) == 0);
    CHECK(frame_at(file, back) == (int)(back % 1000 + 1));
    fclose(file);
    unlink(path_of("slow"));
}

enum { MANY = 20, TICKS = 500 };

static void *produce(void *argument)
{
    struct recording **recordings = argument;
    for (uint64_t tick = 0; tick < TICKS; tick++) {
        for (size_t i = 0; i < MANY; i++)
            if ((tick + i) % 37 != 5)
                CHECK(put(recordings[i], tick));
        usleep(tick % 100 == 0 ? 1000 : 0);
    }
    for (size_t i = 0; i < MANY; i++)
        recording_end(recordings[i], TICKS);
    return NULL;
}

static void test_many_from_another_thread(void)
{
    struct recording *recordings[MANY];
    pthread_t producer;
    char name[16];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many%zu", i);
        recordings[i] = open_recording(name, BOTH);
    }
    CHECK(pthread_create(&producer, NULL, produce, recordings) == 0);
    for (size_t over = 0; over < MANY; over++)
        CHECK(next_news().over);
    pthread_join(producer, NULL);
    for (uint64_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many%zu", (size_t)i);
        FILE *file = fopen(path_of(name), "rb");
        uint64_t first = i == 5 ? 1 : 0; /* its frame 0 is left out, so it begins with the next */
        for (uint64_t tick = first; tick < TICKS; tick++)
            CHECK(frame_at(file, tick - first) == ((tick + i) % 37 != 5 ? (int)(tick % 1000 + 1) : 0));
        fclose(file);
        unlink(path_of(name));
    }
}

static void test_closing_writes_what_is_left(void)
{
    CHECK(put(open_recording("left", BOTH), 3));
    CHECK(recorder_close(recorder) == 0);
    CHECK(size_of("left") == WAV_HEADER + 4 * FRAME);
}

/* The last test: its thread is still there when the process ends. */
static void test_closing_does_not_wait_for_ever(void)
{
    CHECK(recorder_open(&recorder) == 0);
    atomic_store(&hangs, true);
    CHECK(put(open_recording("hung", BOTH), 3));
    sem_wait(&is_hanging);
    CHECK(recorder_close(recorder) == -ETIMEDOUT);
}

static void remove_folder(void)
{
    static const char *names[] = {"gap", "lost", "next", "left", "hung"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    CHECK(rmdir(folder) == 0);
}

int main(void)
{
    atomic_store(&room, SIZE_MAX);
    sem_init(&is_hanging, 0, 0);
    sem_init(&goes_on, 0, 0);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(recorder_open(&recorder) == 0);
    test_a_frame_lies_where_its_tick_says();
    test_nothing_is_overwritten();
    test_bad_sides_and_what_is_never_begun();
    test_a_full_disk_ends_one_recording();
    test_a_disk_that_hangs_drops_nothing_silently();
    test_many_from_another_thread();
    test_closing_writes_what_is_left();
    test_closing_does_not_wait_for_ever();
    remove_folder();
    _exit(0);
}
