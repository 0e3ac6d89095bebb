/* Rooms: legs that hear one another (mixer.h).
 *
 * The legs of a room tick together, in the phase of the leg that came first: all play, the mixer turns what
 * they say and what is queued for each into what each hears, all send. A leg that comes later is moved to
 * that phase, so that once, at joining, 5 to 35 ms pass between two of its packets; their timestamps go on as
 * ever. A tap or a recording of a leg has as uplink what the leg says and as downlink what it hears. While a
 * key is sent to a leg, or it is on hold, it hears nothing, and the others go on.
 *
 * Joining ends a bridge (bridge.h), gently, and a leg in a room cannot be bridged: two legs of one codec are
 * better off bridged, and when a third comes all three join a room.
 *
 * The caller's thread opens and closes rooms and lets legs in and out; like those of legs, these commands are
 * refused with -EAGAIN if the ring is full, but closing is not: there are at most as many rooms as ports. A
 * leg is in one room at a time: joining another one, or closing, leaves the first. A `seat` is what a leg has
 * of a room. It is made by the caller, is the reactor's while the leg sits there, and then goes back to be
 * freed.
 */
#ifndef CLUTCH_ROOM_H
#define CLUTCH_ROOM_H

#include "mixer.h"
#include "plane.h"

struct room {
    struct returned returned;
    struct plane *plane;
    /* the caller's */
    bool closing;
    struct room *older, *newer; /* all rooms of the plane */
    /* the reactor's */
    bool placed; /* has a phase */
    size_t phase;
    struct room *next, *previous; /* rooms of the phase */
    struct mixer mixer;
};

struct seat {
    struct mixer_member member;
    struct returned returned;
    struct room *room;
    struct leg *leg;
    struct media_tick tick;
};

/* The next seat of a room, the first one after NULL. */
static inline struct seat *room_seat(const struct room *room, const struct seat *seat)
{
    return (struct seat *)(seat != NULL ? seat->member.next : room->mixer.first);
}

_Static_assert(offsetof(struct seat, member) == 0, "a room's members are seats");

/* ---- the reactor's thread ---- */

/* A leg takes a new seat or leaves its seat; then it is a leg of its phase again. */
void room_sit(const struct command *command);
void room_rise(struct leg *leg);

/* Another way to take part; nothing if the leg does not sit there. */
void room_change(const struct command *command);

/* Everybody rises, and the room goes back to the caller. */
void room_end(struct room *room);

/* ---- the caller's thread; the rest is in api.h ---- */

/* A closed room has come back, or the plane ends: free it. */
void room_release(struct room *room);

#endif
