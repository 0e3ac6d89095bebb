#include "reactor.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "room.h"

int64_t reactor_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- to the caller ---- */

void reactor_give_back(struct plane *plane, struct returned *returned)
{
    returned->next = atomic_load_explicit(&plane->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&plane->returned, &returned->next, returned,
                                                  memory_order_release, memory_order_relaxed))
        continue;
    plane->produced = true;
}

static void report_events(struct plane *plane, struct leg *leg)
{
    struct media_event event;
    while (stream_next_event(leg->stream, &event)) {
        struct media_event *record = ring_reserve(&plane->events, sizeof *record, 0);
        if (record == NULL)
            continue;
        event.leg = leg->id;
        *record = event;
        ring_commit(&plane->events);
        plane->produced = true;
    }
}

static void wake_caller(struct plane *plane)
{
    if (!plane->produced)
        return;
    plane->produced = false;
    if (!atomic_exchange_explicit(&plane->woken, true, memory_order_acq_rel)) {
        uint64_t one = 1;
        /* Cannot fail: the counter is far from its limit. */
        (void)!write(plane->wake, &one, sizeof one);
    }
}

/* ---- forwarding ---- */

void reactor_forwarded(const struct leg_socket *socket, const struct forwarded *packet)
{
    stream_forwarded(socket->leg->stream, packet);
}

static void recall(struct plane *plane, struct leg *from)
{
    if (from->forwarding)
        plane->backend->kind->recall(plane->backend, &from->rtp);
    from->forwarding = false;
    from->plain_ticks = 0;
}

/* Something about the leg is going to change: its packets, and those for it, are the reactor's again. */
static void recall_both(struct plane *plane, struct leg *leg)
{
    recall(plane, leg);
    if (leg->stream->bridge.from != NULL || leg->stream->bridge.to != NULL)
        recall(plane, leg->other);
}

/* Before a tick of `to`, which may have words of its own: let the backend have what comes to it, or take it
 * back. */
static void steer(struct plane *plane, struct leg *to)
{
    const struct backend_kind *kind = plane->backend->kind;
    if (kind->forward == NULL || to->stream->bridge.from == NULL)
        return;
    struct leg *from = to->other;
    struct forward forward;
    if (!bridge_is_plain(from->stream, &forward)
        || (from->forwarding && !kind->forwards(plane->backend, &from->rtp)))
        recall(plane, from);
    else if (!from->forwarding && ++from->plain_ticks >= REACTOR_PLAIN_TICKS) {
        from->forwarding = kind->forward(plane->backend, &from->rtp, &to->rtp, &forward);
        from->plain_ticks = 0;
    }
}

/* ---- commands ---- */

void reactor_enter_phase(struct leg *leg, size_t phase)
{
    struct plane *plane = leg->plane;
    leg->phase = phase;
    leg->previous = NULL;
    leg->next = plane->phases[phase];
    if (leg->next != NULL)
        leg->next->previous = leg;
    plane->phases[phase] = leg;
    plane->phase_legs[phase]++;
}

void reactor_leave_phase(struct leg *leg)
{
    struct plane *plane = leg->plane;
    if (leg->next != NULL)
        leg->next->previous = leg->previous;
    if (leg->previous != NULL)
        leg->previous->next = leg->next;
    else
        plane->phases[leg->phase] = leg->next;
    plane->phase_legs[leg->phase]--;
}

static void add_leg(struct plane *plane, struct leg *leg)
{
    size_t phase = 0;
    for (size_t i = 1; i < PLANE_PHASES; i++)
        if (plane->phase_legs[i] < plane->phase_legs[phase])
            phase = i;
    reactor_enter_phase(leg, phase);
    leg->attached = 2;
    plane->backend->kind->attach(plane->backend, &leg->rtp);
    plane->backend->kind->attach(plane->backend, &leg->rtcp);
}

static void send_on(struct plane *plane, struct leg_socket *socket, const uint8_t *data, size_t len,
                    const struct endpoint *to)
{
    if (plane->backend->kind->send(plane->backend, socket, data, len, to) != 0)
        counter_add(&plane->send_failures, 1);
}

static void send_report(struct plane *plane, struct leg *leg, const struct media_report *report)
{
    if (report->len > 0)
        send_on(plane, report->muxed ? &leg->rtp : &leg->rtcp, report->data, report->len, &report->to);
}

/* Audio is decoded for who wants it, even if the leg is bridged. */
static void listen_to(struct leg *leg)
{
    stream_tap(leg->stream, leg->tapped || leg->recording != NULL);
}

/* Record a leg from its next tick on, into nothing if `recording` is NULL. */
static void record_leg(struct leg *leg, struct recording *recording)
{
    if (leg->recording != NULL)
        recording_end(leg->recording, leg->stream->ticks);
    leg->recording = recording;
    listen_to(leg);
}

static void remove_leg(struct plane *plane, struct leg *leg)
{
    record_leg(leg, NULL);
    room_rise(leg);
    struct media_report report;
    stream_bye(leg->stream, plane->now_us, &report);
    send_report(plane, leg, &report);
    bridge_cut(leg->stream);
    reactor_leave_phase(leg);
    leg->left = true;
    plane->backend->kind->detach(plane->backend, &leg->rtp);
    plane->backend->kind->detach(plane->backend, &leg->rtcp);
}

void reactor_detached(const struct leg_socket *socket)
{
    struct leg *leg = socket->leg;
    if (--leg->attached > 0)
        return;
    leg->next = leg->plane->leaving;
    leg->plane->leaving = leg;
}

/* Give back the legs that were detached in this turn; nothing refers to them any more. */
static void give_back_legs(struct plane *plane)
{
    while (plane->leaving != NULL) {
        struct leg *leg = plane->leaving;
        plane->leaving = leg->next;
        leg->returned.closed = leg;
        reactor_give_back(plane, &leg->returned);
    }
}

static void connect_leg(struct plane *plane, struct leg *leg, struct connection *connection)
{
    stream_connect(leg->stream, &connection->params, &connection->parts, plane->now_us);
    reactor_give_back(plane, &connection->returned);
}

/* What waits at one leg goes ahead through the other. */
static void flush_to(struct plane *plane, struct leg *from, struct leg *to)
{
    struct media_relay relay;
    while (stream_flush(from->stream, plane->now_us, plane->packet, &relay))
        send_on(plane, &to->rtp, relay.data, relay.len, &relay.to);
}

static void bridge_legs(struct plane *plane, struct leg *one, struct leg *other)
{
    recall_both(plane, other);
    if (stream_bridge(one->stream, other->stream) != 0)
        return;
    one->other = other;
    other->other = one;
    flush_to(plane, one, other);
    flush_to(plane, other, one);
}

static void run_command(struct plane *plane, const struct command *command)
{
    struct leg *leg = command->leg;
    if (leg != NULL)
        recall_both(plane, leg);
    switch ((enum command_kind)command->kind) {
    case COMMAND_OPEN:
        add_leg(plane, leg);
        break;
    case COMMAND_CONNECT:
        connect_leg(plane, leg, command->connection);
        break;
    case COMMAND_TAP:
        leg->tapped = command->value != 0;
        listen_to(leg);
        break;
    case COMMAND_PRESS:
        stream_press(leg->stream, (uint8_t)command->value, command->tone_ms, command->gap_ms);
        break;
    case COMMAND_CLOSE:
        remove_leg(plane, leg);
        break;
    case COMMAND_RECORD:
        record_leg(leg, command->recording);
        break;
    case COMMAND_JOIN:
        room_sit(command);
        break;
    case COMMAND_MIX:
        room_change(command);
        break;
    case COMMAND_LEAVE:
        room_rise(leg);
        break;
    case COMMAND_CLOSE_ROOM:
        room_end(command->room);
        break;
    case COMMAND_BRIDGE:
        bridge_legs(plane, leg, command->other);
        break;
    case COMMAND_UNBRIDGE:
        stream_unbridge(leg->stream);
        break;
    }
}

static void run_commands(struct plane *plane)
{
    size_t len;
    for (const struct command *command; (command = ring_read(&plane->commands, &len)) != NULL;)
        run_command(plane, command);
    ring_release(&plane->commands);
}

/* ---- packets and ticks ---- */

void reactor_receive(const struct leg_socket *socket, uint8_t *data, size_t len,
                     const struct endpoint *source)
{
    struct leg *leg = socket->leg;
    if (leg->left)
        return;
    if (socket == &leg->rtcp) {
        stream_receive_rtcp(leg->stream, data, len, source, leg->plane->now_us);
        return;
    }
    struct media_relay relay;
    stream_receive(leg->stream, data, len, source, leg->plane->now_us, &relay);
    if (relay.len > 0)
        send_on(leg->plane, &leg->other->rtp, relay.data, relay.len, &relay.to);
    report_events(leg->plane, leg);
}

/* Room for a tapped leg's next frame, its line first; NULL if nobody wants it or the ring is full. */
static struct frame_line *reserve_frame(struct plane *plane, const struct leg *leg)
{
    const struct playout *playout = leg->stream->playout;
    if (!leg->tapped || playout == NULL)
        return NULL;
    return ring_reserve(&plane->frames, sizeof(struct frame_line) + 2 * playout->frame * sizeof(int16_t), 0);
}

/* A tick's audio, uplink first, to where it was perhaps made. */
static void copy_audio(int16_t *pcm, const struct leg *leg, const struct media_tick *tick)
{
    size_t frame = leg->stream->playout->frame;
    if (tick->uplink == pcm)
        return;
    memcpy(pcm, tick->uplink, frame * sizeof *pcm);
    memcpy(pcm + frame, tick->downlink, frame * sizeof *pcm);
}

static void commit_frame(struct plane *plane, struct frame_line *line, const struct leg *leg,
                         const struct media_tick *tick)
{
    int16_t *pcm = (int16_t *)(line + 1);
    copy_audio(pcm, leg, tick);
    *line = (struct frame_line){
        .index = tick->index,
        .leg = leg->id,
        .rate_hz = (uint32_t)tick->rate_hz,
        .offset = (uint32_t)((const uint8_t *)pcm - plane->frames.memory),
        .concealed = tick->concealed,
    };
    ring_commit(&plane->frames);
    plane->produced = true;
}

/* Room for a recorded leg's next frame; NULL if it is not recorded or the ring is full. */
static struct recorder_line *reserve_record(const struct leg *leg)
{
    const struct playout *playout = leg->stream->playout;
    if (leg->recording == NULL || playout == NULL)
        return NULL;
    return recording_reserve(leg->recording, (uint32_t)playout->rate_hz);
}

static void commit_record(const struct leg *leg, struct recorder_line *record, const struct media_tick *tick)
{
    copy_audio((int16_t *)(record + 1), leg, tick);
    recording_commit(leg->recording, record, tick->index);
}

/* The end of a leg's tick: what it made goes to where it is wanted. */
static void deliver(struct plane *plane, struct leg *leg, const struct media_tick *tick,
                    struct frame_line *line, struct recorder_line *record)
{
    if (tick->packet_len > 0)
        send_on(plane, &leg->rtp, tick->packet, tick->packet_len, &tick->to);
    send_report(plane, leg, &tick->report);
    if (line != NULL)
        commit_frame(plane, line, leg, tick);
    if (record != NULL)
        commit_record(leg, record, tick);
    report_events(plane, leg);
}

/* The audio is made where it is wanted; where two want it, it is copied. */
static void tick_leg(struct plane *plane, struct leg *leg)
{
    struct media_tick tick = {.uplink = plane->uplink, .downlink = plane->downlink, .packet = plane->packet};
    struct frame_line *line = reserve_frame(plane, leg);
    struct recorder_line *record = reserve_record(leg);
    steer(plane, leg);
    if (line != NULL || record != NULL) {
        tick.uplink = line != NULL ? (int16_t *)(line + 1) : (int16_t *)(record + 1);
        tick.downlink = tick.uplink + leg->stream->playout->frame;
    }
    stream_tick(leg->stream, plane->now_us, &tick);
    deliver(plane, leg, &tick, line, record);
}

static void tick_room(struct plane *plane, struct room *room)
{
    for (struct seat *seat = NULL; (seat = room_seat(room, seat)) != NULL;) {
        struct mixer_member *member = &seat->member;
        seat->tick = (struct media_tick){.uplink = member->uplink, .downlink = member->downlink};
        stream_play(seat->leg->stream, plane->now_us, &seat->tick);
        member->rate_hz = seat->tick.rate_hz;
    }
    mixer_mix(&room->mixer);
    for (struct seat *seat = NULL; (seat = room_seat(room, seat)) != NULL;) {
        struct leg *leg = seat->leg;
        seat->tick.packet = plane->packet;
        stream_emit(leg->stream, plane->now_us, &seat->tick);
        deliver(plane, leg, &seat->tick, reserve_frame(plane, leg), reserve_record(leg));
    }
}

/* How many phases are due; those beyond PLANE_CATCH_UP are let go, and the grid stays what it was. */
static int64_t take_due(struct plane *plane)
{
    int64_t late_us = plane->now_us - plane->phase_us;
    int64_t due = late_us < 0 ? 0 : late_us / REACTOR_PERIOD_US + 1;
    plane->phase_us += due * REACTOR_PERIOD_US;
    return due < PLANE_CATCH_UP ? due : PLANE_CATCH_UP;
}

static void tick_phases(struct plane *plane)
{
    for (int64_t due = take_due(plane); due > 0; due--) {
        plane->phase = (plane->phase + 1) % PLANE_PHASES;
        for (struct leg *leg = plane->phases[plane->phase]; leg != NULL; leg = leg->next)
            tick_leg(plane, leg);
        for (struct room *room = plane->rooms[plane->phase]; room != NULL; room = room->next)
            tick_room(plane, room);
    }
}

/* One turn: commands, so that a packet that came after them finds them carried out; packets, so that a tick
 * plays what has arrived; ticks; and the legs that left, last, because a packet may still have named them. */
static void turn(struct plane *plane)
{
    struct backend *backend = plane->backend;
    backend->kind->wait(backend, plane->phase_us);
    plane->now_us = reactor_now_us();
    run_commands(plane);
    backend->kind->receive(backend);
    tick_phases(plane);
    backend->kind->flush(backend);
    give_back_legs(plane);
    wake_caller(plane);
}

static int start(struct plane *plane)
{
    struct backend *backend = plane->backend;
    plane->now_us = reactor_now_us();
    plane->phase_us = plane->now_us + REACTOR_PERIOD_US;
    plane->start_error = backend->kind->start != NULL ? backend->kind->start(backend) : 0;
    int error = plane->start_error;
    sem_post(&plane->started);
    return error;
}

void *reactor_main(void *argument)
{
    struct plane *plane = argument;
    if (start(plane) != 0)
        return NULL;
    while (!atomic_load_explicit(&plane->stopping, memory_order_acquire))
        turn(plane);
    run_commands(plane);
    plane->backend->kind->flush(plane->backend);
    if (plane->backend->kind->stop != NULL)
        plane->backend->kind->stop(plane->backend);
    give_back_legs(plane);
    return NULL;
}
