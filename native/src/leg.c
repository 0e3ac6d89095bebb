/* Legs, seen from the caller's thread (plane.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plane.h"

enum { /* bytes asked of the kernel for what has arrived */
    RTP_BUFFER = 512 * 1024, /* more than a second of any codec */
    RTCP_BUFFER = 16 * 1024, /* a peer reports every few seconds */
};

/* Room for a command; NULL if there is none but what is kept for the `last` ones. */
static struct command *reserve_from(struct leg *leg, enum command_kind kind, bool last)
{
    struct command *command = plane_reserve(leg->plane, kind, last);
    if (command != NULL)
        command->leg = leg;
    return command;
}

static struct command *reserve(struct leg *leg, enum command_kind kind)
{
    return reserve_from(leg, kind, false);
}

static void submit(struct leg *leg)
{
    plane_submit(leg->plane);
}

/* Bind both sockets: RTP to an even port, RTCP to the one above (RFC 3550 section 11). */
static int bind_pair(struct leg *leg, uint16_t port)
{
    struct backend *backend = leg->plane->backend;
    int error = backend->kind->bind(backend, &leg->rtp, port, RTP_BUFFER);
    if (error != 0)
        return error;
    error = backend->kind->bind(backend, &leg->rtcp, (uint16_t)(port + 1), RTCP_BUFFER);
    if (error != 0)
        backend->kind->unbind(backend, &leg->rtp);
    else
        leg->port = port;
    return error;
}

/* Bind the leg to the pair that was free the longest; pairs that somebody else holds go to the end. */
static int bind_leg(struct leg *leg)
{
    struct ports *ports = &leg->plane->ports;
    int error = -EADDRNOTAVAIL;
    for (size_t tries = ports->count; tries > 0; tries--) {
        int64_t now_us = reactor_now_us();
        int port = ports_take(ports, now_us);
        if (port < 0)
            return port;
        error = bind_pair(leg, (uint16_t)port);
        if (error == 0)
            return 0;
        ports_give(ports, (uint16_t)port, now_us);
        if (error != -EADDRINUSE)
            return error;
    }
    return error == -EADDRINUSE ? -EADDRNOTAVAIL : error;
}

static void link_leg(struct leg *leg)
{
    struct plane *plane = leg->plane;
    leg->older = plane->newest;
    if (leg->older != NULL)
        leg->older->newer = leg;
    plane->newest = leg;
}

int leg_open(struct plane *plane, uint32_t ssrc, uint16_t seq, uint32_t timestamp, const char *cname,
             struct leg **out)
{
    struct leg *leg = calloc(1, sizeof *leg);
    if (leg == NULL)
        return -ENOMEM;
    leg->plane = plane;
    leg->id = ++plane->last_id;
    leg->codec = -1;
    leg->rtp = leg->rtcp = (struct leg_socket){.leg = leg, .fd = -1, .peer_fd = -1};
    link_leg(leg);
    leg->stream = stream_new(ssrc, seq, timestamp, cname);
    int error = leg->stream == NULL ? -ENOMEM : bind_leg(leg);
    if (error == 0 && reserve(leg, COMMAND_OPEN) == NULL)
        error = -EAGAIN;
    if (error != 0) {
        leg_release(leg);
        return error;
    }
    submit(leg);
    *out = leg;
    return 0;
}

uint32_t leg_id(const struct leg *leg)
{
    return leg->id;
}

uint16_t leg_port(const struct leg *leg)
{
    return leg->port;
}

struct stream *leg_stream(struct leg *leg)
{
    return leg->stream;
}

void leg_forget_bridge(struct leg *leg)
{
    if (leg->bridged == NULL)
        return;
    leg->bridged->bridged = NULL;
    leg->bridged = NULL;
}

static void discard_connection(struct returned *returned)
{
    struct connection *connection = (struct connection *)returned;
    stream_discard(&connection->parts);
    free(connection);
}

_Static_assert(offsetof(struct connection, returned) == 0, "a connection is found by its first member");

int leg_connect(struct leg *leg, const struct media_params *params)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return -ENOMEM;
    connection->returned.discard = discard_connection;
    connection->params = *params;
    int error = stream_prepare(leg->stream, params, &connection->parts);
    explicit_bzero(&connection->params.keys, sizeof connection->params.keys);
    struct command *command = error == 0 ? reserve(leg, COMMAND_CONNECT) : NULL;
    if (command == NULL) {
        discard_connection(&connection->returned);
        return error == 0 ? -EAGAIN : error;
    }
    /* Samples of another rate must not be played. */
    if (leg->codec != params->codec || leg->rate_hz != params->rate_hz) {
        downlink_open(&leg->stream->downlink);
        leg_forget_bridge(leg);
    }
    leg->codec = params->codec;
    leg->rate_hz = params->rate_hz;
    command->connection = connection;
    submit(leg);
    return 0;
}

int leg_tap(struct leg *leg, bool on)
{
    struct command *command = reserve(leg, COMMAND_TAP);
    if (command == NULL)
        return -EAGAIN;
    command->value = on;
    submit(leg);
    return 0;
}

int leg_bridge(struct leg *one, struct leg *other)
{
    if (one == other || one->plane != other->plane || one->codec < 0 || one->codec != other->codec
        || one->rate_hz != other->rate_hz || one->closing || other->closing || one->room != NULL
        || other->room != NULL)
        return -EINVAL;
    struct command *command = reserve(one, COMMAND_BRIDGE);
    if (command == NULL)
        return -EAGAIN;
    command->other = other;
    leg_forget_bridge(one);
    leg_forget_bridge(other);
    one->bridged = other;
    other->bridged = one;
    submit(one);
    return 0;
}

int leg_unbridge(struct leg *leg)
{
    if (leg->bridged == NULL)
        return 0;
    if (reserve(leg, COMMAND_UNBRIDGE) == NULL)
        return -EAGAIN;
    leg_forget_bridge(leg);
    submit(leg);
    return 0;
}

int leg_record(struct leg *leg, struct recording *recording)
{
    if (recording == NULL && !leg->recorded)
        return 0;
    if (recording != NULL && leg->recorded)
        return -EBUSY;
    struct command *command = reserve_from(leg, COMMAND_RECORD, recording == NULL);
    if (command == NULL)
        return -EAGAIN;
    command->recording = recording;
    leg->recorded = recording != NULL;
    submit(leg);
    return 0;
}

int leg_dial(struct leg *leg, const char *digits, size_t count, uint32_t tone_ms, uint32_t gap_ms)
{
    int taken = 0;
    for (size_t i = 0; i < count; i++) {
        int event = dtmf_event(digits[i]);
        struct command *command = event >= 0 ? reserve(leg, COMMAND_PRESS) : NULL;
        if (command == NULL)
            break;
        command->value = (uint32_t)event;
        command->tone_ms = tone_ms;
        command->gap_ms = gap_ms;
        submit(leg);
        taken++;
    }
    return taken;
}

void leg_close(struct leg *leg)
{
    if (leg->closing)
        return;
    leg->closing = true;
    leg_forget_bridge(leg);
    leg->room = NULL;
    reserve_from(leg, COMMAND_CLOSE, true);
    submit(leg);
}

void leg_release(struct leg *leg)
{
    struct plane *plane = leg->plane;
    if (leg->newer != NULL)
        leg->newer->older = leg->older;
    else
        plane->newest = leg->older;
    if (leg->older != NULL)
        leg->older->newer = leg->newer;
    plane->backend->kind->unbind(plane->backend, &leg->rtp);
    plane->backend->kind->unbind(plane->backend, &leg->rtcp);
    if (leg->port != 0)
        ports_give(&plane->ports, leg->port, reactor_now_us() + plane->quarantine_us);
    if (leg->stream != NULL)
        stream_free(leg->stream);
    free(leg->seat); /* only if the plane ends */
    free(leg);
}
