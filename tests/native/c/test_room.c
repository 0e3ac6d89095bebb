/* Rooms of a plane on loopback, while their legs come, change, go and are closed; the main thread is what
 * Python's thread is to it. What is heard is checked in tests/net/test_rooms.py. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "plane.h"
#include "room.h"

#define CNAME "0123456789abcdef"

enum { LEGS = 8, PORTS = 4 * LEGS, ROOMS = 3, ROUNDS = 400 };

static uint64_t seed = 9;
static struct plane *plane;
static struct leg *legs[LEGS];
static struct room *rooms[ROOMS];
static size_t frames;

static size_t any(size_t count)
{
    return random32(&seed) % count;
}

static void drain(int wait_ms)
{
    struct pollfd wake = {.fd = plane_wake_fd(plane), .events = POLLIN};
    struct media_event got[4];
    struct frame_line lines[4];
    poll(&wake, 1, wait_ms);
    plane_begin_drain(plane);
    for (size_t count; (count = plane_events(plane, got, 4)) > 0;)
        for (size_t i = 0; i < count; i++)
            for (size_t leg = 0; got[i].kind == MEDIA_CLOSED && leg < LEGS; leg++)
                if (legs[leg] != NULL && leg_id(legs[leg]) == got[i].leg) {
                    leg_release(legs[leg]);
                    legs[leg] = NULL;
                }
    for (size_t count; (count = plane_frames(plane, lines, 4)) > 0;)
        frames += count;
}

/* All commands may be refused while the reactor has not taken those before; then nothing happens. */
static void check_command(int result)
{
    CHECK(result == 0 || result == -EAGAIN);
}

/* The legs send to themselves: what they say is what the others made them hear. */
static void connect_leg(struct leg *leg)
{
    static const int32_t rates_hz[] = {8000, 16000, 48000};
    struct media_params params = {.remote = plane->local, .codec = CODEC_L16, .rate_hz = rates_hz[any(3)],
                                  .telephone_event = -1, .send = true, .receive = true};
    params.remote.port = leg_port(leg);
    check_command(leg_connect(leg, &params));
}

static void open_leg(struct leg **leg)
{
    if (leg_open(plane, 1, 1, 1, CNAME, leg) != 0)
        return; /* the port of one that was closed is still taken */
    connect_leg(*leg);
    check_command(leg_tap(*leg, any(2) == 0));
}

static struct mix_params any_params(void)
{
    return (struct mix_params){
        .gain = (float)any(3), .duck = 0.5f, .muted = any(4) == 0, .whispers = any(3) == 0};
}

static void change_leg(struct leg **leg)
{
    static const int16_t pcm[400];
    struct room *room = rooms[any(ROOMS)];
    struct leg *ear = legs[any(LEGS)];
    struct mix_params params = any_params();
    if (*leg == NULL)
        open_leg(leg);
    else if ((*leg)->closing)
        return;
    switch (any(8)) {
    case 0:
        if (*leg != NULL)
            leg_close(*leg);
        break;
    case 1:
        if (*leg != NULL)
            connect_leg(*leg);
        break;
    case 2:
        if (*leg != NULL && room != NULL)
            check_command(room_leave(room, *leg));
        break;
    case 3:
        if (*leg != NULL)
            stream_send(leg_stream(*leg), pcm, 400);
        break;
    default:
        if (*leg != NULL && room != NULL && room_join(room, *leg, &params, NULL) != 0)
            room_set(room, *leg, &params, ear);
    }
}

static void change_room(struct room **room)
{
    if (*room == NULL) {
        if (room_open(plane, room) != 0)
            *room = NULL;
    } else if (any(10) == 0) {
        room_close(*room);
        *room = NULL;
    }
}

static void test_refusals(void)
{
    struct mix_params params = {.gain = 1, .duck = 1};
    struct room *here, *there;
    struct leg *one, *other;
    CHECK(room_open(plane, &here) == 0 && room_open(plane, &there) == 0);
    CHECK(leg_open(plane, 1, 1, 1, CNAME, &one) == 0 && leg_open(plane, 2, 1, 1, CNAME, &other) == 0);
    CHECK(room_set(here, one, &params, NULL) < 0);
    CHECK(room_join(here, one, &params, one) < 0);
    CHECK(room_join(here, one, &params, other) < 0);
    CHECK(room_join(here, one, &params, NULL) == 0);
    CHECK(room_join(here, one, &params, NULL) < 0);
    CHECK(room_join(there, other, &params, NULL) == 0);
    CHECK(room_set(here, one, &params, other) < 0);
    CHECK(room_join(here, other, &params, one) == 0);
    CHECK(room_set(there, other, &params, NULL) < 0);
    CHECK(room_set(here, one, &params, other) == 0);
    leg_close(one);
    CHECK(room_set(here, one, &params, NULL) < 0);
    CHECK(room_set(here, other, &params, one) < 0);
    room_close(here);
    CHECK(room_join(here, other, &params, NULL) < 0);
    CHECK(room_leave(here, other) == 0);
    room_close(there);
    leg_close(other);
}

int main(void)
{
    struct endpoint local = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    struct plane_options options = {.backend = "udp", .cpu = -1};
    /* Two runs at once keep out of each other's way. */
    uint16_t first = (uint16_t)(26000 + getpid() % 180 * PORTS);
    CHECK(plane_open(&plane, &local, first, (uint16_t)(first + PORTS - 1), &options) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        change_room(&rooms[any(ROOMS)]);
        change_leg(&legs[any(LEGS)]);
        drain(round % 10 == 0 ? 20 : 0);
    }
    CHECK(frames > 0);
    test_refusals();
    plane_close(plane); /* with open legs in open rooms */
    return 0;
}
