#include "room.h"

#include <errno.h>
#include <stdlib.h>

#include "reactor.h"

/* ---- the reactor's thread ---- */

static void place(struct room *room, size_t phase)
{
    struct plane *plane = room->plane;
    room->placed = true;
    room->phase = phase;
    room->next = plane->rooms[phase];
    if (room->next != NULL)
        room->next->previous = room;
    plane->rooms[phase] = room;
}

void room_sit(const struct command *command)
{
    struct seat *seat = command->seat;
    struct room *room = seat->room;
    struct leg *leg = command->leg;
    stream_unbridge(leg->stream);
    room_rise(leg);
    reactor_leave_phase(leg);
    if (!room->placed)
        place(room, leg->phase);
    leg->phase = room->phase;
    room->plane->phase_legs[room->phase]++;
    leg->seat = seat;
    mixer_add(&room->mixer, &seat->member, &command->mix);
    room_change(command);
}

void room_rise(struct leg *leg)
{
    struct seat *seat = leg->seat;
    if (seat == NULL)
        return;
    leg->seat = NULL;
    mixer_remove(&seat->room->mixer, &seat->member);
    leg->plane->phase_legs[leg->phase]--;
    reactor_enter_phase(leg, leg->phase);
    reactor_give_back(leg->plane, &seat->returned);
}

void room_change(const struct command *command)
{
    struct seat *seat = command->leg->seat, *ear = command->ear != NULL ? command->ear->seat : NULL;
    if (seat == NULL)
        return;
    bool is_here = ear != NULL && ear->room == seat->room;
    mixer_set(&seat->member, &command->mix, is_here ? &ear->member : NULL);
}

void room_end(struct room *room)
{
    for (struct seat *seat; (seat = room_seat(room, NULL)) != NULL;)
        room_rise(seat->leg);
    if (room->placed) {
        if (room->next != NULL)
            room->next->previous = room->previous;
        if (room->previous != NULL)
            room->previous->next = room->next;
        else
            room->plane->rooms[room->phase] = room->next;
    }
    reactor_give_back(room->plane, &room->returned);
}

/* ---- the caller's thread ---- */

static void discard_room(struct returned *returned)
{
    room_release((struct room *)returned);
}

_Static_assert(offsetof(struct room, returned) == 0, "a room is found by its first member");

static void discard_seat(struct returned *returned)
{
    free((uint8_t *)returned - offsetof(struct seat, returned));
}

int room_open(struct plane *plane, struct room **out)
{
    if (plane->open_rooms == plane->ports.capacity)
        return -EMFILE;
    struct room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return -ENOMEM;
    room->plane = plane;
    room->returned.discard = discard_room;
    room->older = plane->newest_room;
    if (room->older != NULL)
        room->older->newer = room;
    plane->newest_room = room;
    plane->open_rooms++;
    *out = room;
    return 0;
}

void room_release(struct room *room)
{
    struct plane *plane = room->plane;
    if (room->newer != NULL)
        room->newer->older = room->older;
    else
        plane->newest_room = room->older;
    if (room->older != NULL)
        room->older->newer = room->newer;
    plane->open_rooms--;
    free(room);
}

void room_close(struct room *room)
{
    if (room->closing)
        return;
    room->closing = true;
    for (struct leg *leg = room->plane->newest; leg != NULL; leg = leg->older)
        if (leg->room == room)
            leg->room = NULL;
    plane_reserve(room->plane, COMMAND_CLOSE_ROOM, true)->room = room;
    plane_submit(room->plane);
}

static int command_seat(struct room *room, struct leg *leg, enum command_kind kind,
                        const struct mix_params *params, struct leg *ear, struct seat *seat)
{
    struct command *command = plane_reserve(room->plane, kind, false);
    if (command == NULL)
        return -EAGAIN;
    command->leg = leg;
    command->seat = seat;
    command->ear = ear;
    command->mix = *params;
    plane_submit(room->plane);
    return 0;
}

static bool is_valid(const struct room *room, const struct leg *leg, const struct leg *ear)
{
    return !room->closing && !leg->closing && (ear == NULL || (ear != leg && ear->room == room));
}

int room_join(struct room *room, struct leg *leg, const struct mix_params *params, struct leg *ear)
{
    if (!is_valid(room, leg, ear) || leg->room == room)
        return -EINVAL;
    struct seat *seat = malloc(sizeof *seat);
    if (seat == NULL)
        return -ENOMEM;
    seat->returned = (struct returned){.discard = discard_seat};
    seat->room = room;
    seat->leg = leg;
    int error = command_seat(room, leg, COMMAND_JOIN, params, ear, seat);
    if (error != 0) {
        free(seat);
        return error;
    }
    leg_forget_bridge(leg);
    leg->room = room;
    return 0;
}

int room_set(struct room *room, struct leg *leg, const struct mix_params *params, struct leg *ear)
{
    if (!is_valid(room, leg, ear) || leg->room != room)
        return -EINVAL;
    return command_seat(room, leg, COMMAND_MIX, params, ear, NULL);
}

int room_leave(struct room *room, struct leg *leg)
{
    if (leg->room != room)
        return 0;
    struct command *command = plane_reserve(room->plane, COMMAND_LEAVE, false);
    if (command == NULL)
        return -EAGAIN;
    command->leg = leg;
    leg->room = NULL;
    plane_submit(room->plane);
    return 0;
}
