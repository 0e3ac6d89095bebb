/* Recordings: both directions of many legs, on their way from a reactor to files.
 *
 * Three threads, each with its side:
 *   the caller (Python's thread) opens recordings, gives each to a leg, and takes the news of what became
 *     of it;
 *   the producer (the reactor) writes a line into the ring for every tick of a leg, and one for the end. It
 *     never waits: a frame that finds the ring full is refused and counted. Room for the end of every
 *     recording is kept, so an end is never refused;
 *   the writer is the only one that a disk can hold up. Every RECORDER_PERIOD_MS it takes all that is in
 *     the ring, sorts it by recording, and writes each file in one go.
 * One writer serves all: a disk that hangs costs the recordings, and nothing else.
 *
 * A frame lies in its file where its tick says, counted from the first one recorded. What was refused is
 * therefore silence of the right length, and both channels stay aligned to the sample; the line of the end
 * carries its tick, so that this holds for the tail as well, and how many frames were refused.
 *
 * News are lists like plane.h's `returned`, and for the same reason: nothing may be lost. The writer pushes
 * with compare-and-swap, the caller takes all with one exchange; an eventfd wakes the caller. The memory of
 * a recording is the caller's to free, at the last news; in between, the producer has it until its end, and
 * the writer from its first line until that news.
 *
 * What Python calls is declared in api.h: recorder_open, recorder_close, recorder_wake_fd, recorder_next,
 * recording_open, recording_discard, recording_put, recording_end.
 */
#ifndef CLUTCH_RECORDER_H
#define CLUTCH_RECORDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "media.h"
#include "ring.h"
#include "wav.h"

enum {
    RECORDER_RING = 64 * 1024 * 1024, /* 1,900 leg-seconds at 8 kHz: 600 legs outlive 3 s without a disk */
    RECORDER_PERIOD_MS = 250,
    RECORDER_CLOSE_S = 1,   /* how long closing waits for the disk */
    RECORDER_MOST = 16384,  /* recordings at a time */
    RECORDER_STAGE = 32768, /* samples that are written at once */
};

/* What the producer writes; 2 * rate_hz / 50 samples follow, uplink first. */
struct recorder_line {
    struct recording *recording;
    struct recorder_line *next; /* the writer's: the recording's next line in this round */
    uint64_t tick;
    uint64_t refused; /* of the end: frames that found no room */
    uint32_t rate_hz; /* 0: the end */
};

struct recording_notice {
    struct recording_notice *next;
    struct recording *recording;
    struct recording_news news;
};

struct recording {
    /* fixed after recording_open */
    struct recorder *recorder;
    uint32_t id;
    uint32_t sides; /* enum recording_side, or'ed */
    char *path;
    /* the caller's */
    struct recording *older, *newer; /* all recordings of the recorder */
    /* the producer's */
    uint64_t refused;
    /* the writer's */
    struct wav wav;
    uint64_t first_tick;
    bool begun; /* first_tick is known */
    bool failed;
    struct recording *next; /* of those that have lines in this round */
    struct recorder_line *first, *last;
    /* the writer's, then the caller's */
    struct recording_notice failure, over;
};

struct recorder {
    /* fixed after recorder_open */
    int kick; /* eventfd: to the writer */
    int wake; /* eventfd: to the caller */
    pthread_t thread;
    /* shared */
    struct ring ring;
    _Atomic(struct recording_notice *) notices;
    atomic_size_t active; /* recordings whose end has not been written */
    atomic_bool stopping;
    /* the caller's */
    struct recording *newest;
    struct recording_notice *taken; /* notices in their order */
    uint32_t last_id;
    /* the writer's */
    struct recording *round; /* recordings that have lines in this round */
    size_t ended;            /* in this round */
    int16_t stage[RECORDER_STAGE];
};

/* Producer: room for the frame of a tick (of at most MEDIA_FRAME_MAX samples), uplink at once behind the line and downlink behind that; or NULL,
 * and the frame is counted as lost. Without a commit nothing has happened. */
struct recorder_line *recording_reserve(struct recording *recording, uint32_t rate_hz);

/* Producer: the frame reserved last is complete. */
void recording_commit(struct recording *recording, struct recorder_line *line, uint64_t tick);

#endif
