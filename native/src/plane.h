/* The media plane: one reactor thread that owns the sockets, streams and pacing clock of many legs.
 *
 * Two threads, each with its side:
 *   the caller (Python's thread) opens, connects and closes legs, allocates and frees, writes downlink
 *     samples, and drains frames and events;
 *   the reactor receives, ticks and sends. It never allocates, frees, locks, logs or waits for the caller.
 * They meet only in
 *   commands   ring, caller to reactor; an eventfd wakes the reactor
 *   frames     ring, reactor to caller: tapped audio. Full: the frame is dropped and counted
 *   events     ring, reactor to caller: keys, timeouts. Full: the event is dropped and counted
 *   returned   a list, reactor to caller: what the reactor has let go of (closed legs, replaced playouts).
 *              A list because it must not be lost: a lost one would leak its port for ever. The reactor
 *              pushes with compare-and-swap, the caller takes everything with one exchange, so there is
 *              no reuse of a node while somebody holds it (no ABA)
 *   each stream's downlink queue and counters (downlink.h, counters.h).
 *
 * Space in the command ring is kept for one CLOSE of every leg there can be, for the end of its recording,
 * and for one CLOSE_ROOM of as many rooms, so these cannot fail; every other command may be refused with
 * -EAGAIN, and then nothing has happened.
 *
 * A recorder (recorder.h) is not the plane's, but the reactor is its producer: one recorder serves one plane,
 * and is closed after it.
 *
 * Pacing: a phase every 5 ms, four of them; each leg belongs to one and is ticked every fourth time. Legs
 * go to the emptiest phase, so packets leave evenly instead of in one burst per 20 ms. Phases that were
 * missed are caught up one by one, at most PLANE_CATCH_UP of them: after a longer stop the stream resumes
 * where it was, rather than flooding the network.
 *
 * Waking the caller: an eventfd, written at most once until the caller drains. `woken` is exchanged by both
 * sides (acquire and release); whichever order the exchanges have, either the caller sees what was
 * written before, or the reactor sees that it must write the eventfd again.
 */
#ifndef CLUTCH_PLANE_H
#define CLUTCH_PLANE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "backend.h"
#include "ports.h"
#include "recorder.h"
#include "ring.h"
#include "stream.h"

enum {
    PLANE_PHASES = 4,
    PLANE_CATCH_UP = 40, /* phases: 200 ms; a peer's jitter buffer would not take more */
    PLANE_FRAME_RING = 4 * 1024 * 1024, /* 6,000 frames of 8 kHz, 1,000 of 48 kHz */
    PLANE_EVENT_RING = 64 * 1024,
    PLANE_COMMAND_RING = 64 * 1024, /* beside the room that is kept for CLOSE */
};

/* Something the reactor gives back. */
struct returned {
    struct returned *next;
    struct leg *closed; /* a leg that was closed; or NULL, and then ... */
    void (*discard)(struct returned *returned); /* ... the caller's thread frees this by that */
};

/* New parameters on their way to the reactor, and then back with what they replaced. */
struct connection {
    struct returned returned;
    struct media_params params;
    struct stream_parts parts;
};

struct leg {
    struct plane *plane;
    struct stream *stream;
    struct leg_socket rtp;
    struct leg_socket rtcp; /* on the port above */
    uint32_t id;
    uint16_t port; /* 0: none */
    /* the caller's */
    bool closing;
    int32_t codec; /* as last connected; -1 before */
    int32_t rate_hz;
    bool recorded;
    struct leg *bridged; /* with whom, as last commanded */
    struct room *room; /* NULL: in none */
    struct leg *older, *newer; /* all legs of the plane */
    /* the reactor's */
    struct leg *other; /* that the stream was last bridged with; means nothing if it is not */
    bool forwarding;   /* the backend carries its packets on to `other` */
    int plain_ticks;   /* since when it could */
    bool tapped;
    struct recording *recording; /* NULL: is not recorded */
    bool left; /* closed: packets that still come are nobody's */
    int attached; /* sockets */
    size_t phase;
    struct seat *seat;           /* in a room; NULL: in none */
    struct leg *next, *previous; /* legs of the phase that sit in no room; once detached, of `leaving` */
    /* the reactor's, then the caller's */
    struct returned returned;
};

enum command_kind {
    COMMAND_OPEN,
    COMMAND_CONNECT,
    COMMAND_TAP,
    COMMAND_PRESS,
    COMMAND_CLOSE,
    COMMAND_RECORD,
    COMMAND_JOIN,
    COMMAND_MIX,
    COMMAND_LEAVE,
    COMMAND_CLOSE_ROOM,
    COMMAND_BRIDGE,
    COMMAND_UNBRIDGE,
};

struct command {
    struct leg *leg;
    struct connection *connection; /* CONNECT */
    uint32_t kind;                 /* enum command_kind */
    uint32_t value;                /* TAP: on; PRESS: the event */
    uint32_t tone_ms;              /* PRESS */
    uint32_t gap_ms;
    struct recording *recording; /* RECORD; NULL: the end */
    struct seat *seat;           /* JOIN */
    struct leg *ear;             /* JOIN, MIX: of a leg that whispers, or NULL */
    struct mix_params mix;
    struct room *room; /* CLOSE_ROOM */
    struct leg *other; /* BRIDGE */
};

struct plane {
    /* fixed after plane_open */
    struct endpoint local;
    struct backend *backend;
    int kick; /* eventfd: caller to reactor */
    int wake; /* eventfd: reactor to caller */
    size_t command_spare;
    int64_t quarantine_us; /* how long a closed leg's ports stay unused */
    pthread_t thread;
    sem_t started; /* the reactor has set start_error */
    int start_error;
    bool near; /* numa_prefer is in force */
    /* shared */
    struct ring commands;
    struct ring frames;
    struct ring events;
    _Atomic(struct returned *) returned;
    atomic_bool woken;
    atomic_bool stopping;
    counter send_failures;
    /* the caller's */
    struct ports ports;
    struct leg *newest;
    uint32_t last_id;
    struct room *newest_room;
    size_t open_rooms;
    struct returned *closed; /* legs taken from `returned` and not yet reported */
    /* the reactor's */
    struct leg *phases[PLANE_PHASES];
    struct room *rooms[PLANE_PHASES];
    size_t phase_legs[PLANE_PHASES]; /* in rooms or not */
    size_t phase;
    int64_t phase_us; /* when the next phase is due */
    int64_t now_us;   /* as of this turn */
    struct leg *leaving;
    bool produced; /* the caller has something to drain */
    int16_t uplink[MEDIA_FRAME_MAX]; /* where untapped audio goes */
    int16_t downlink[MEDIA_FRAME_MAX];
    uint8_t packet[MEDIA_PACKET_MAX];
};

/* The caller's thread: a command to be filled in and submitted; NULL if there is no space but what is kept
 * for the `last` ones. */
struct command *plane_reserve(struct plane *plane, enum command_kind kind, bool last);
void plane_submit(struct plane *plane);

/* The caller's thread: neither this leg nor the other one is bridged any more. */
void leg_forget_bridge(struct leg *leg);

#endif
