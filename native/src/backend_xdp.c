/* The AF_XDP backend: RTP to and from one network interface goes past the kernel's network stack.
 *
 * Under it is the udp backend, and every port is bound there as well. That reserves the port, and it is the
 * way for everything that is not RTP on the interface: RTCP on its own port, what comes by another
 * interface, what the XDP program lets pass (xdp.bpf.c), and what goes to a destination whose MAC address is
 * not known (neighbour.h). A packet takes one of the two ways by itself; both may be in use on one socket.
 *
 * The interface's receive queues have an AF_XDP socket each (xsk.h). As long as something comes, they wake
 * nobody: the reactor looks at them every TICK_US, and takes what has come in one batch. That is what makes
 * it cheap, and adds half a tick of delay on average. After IDLE_TURNS looks in vain the next packet wakes
 * it. A leg sends by the queue that its port number falls to; a datagram that is sent out of the memory in
 * which it came leaves by the queue on which it came.
 *
 * A bridged direction (forward.h) is the XDP program's where both ways lead by the interface: packets of one
 * leg leave as packets of the other before this process knows of them. Not where packets come without a
 * checksum of their own, which nobody on the way out would add; and not on a veth in driver mode, which
 * loses what a program sends unless its other end has a program, too.
 *
 * Threads: open and close are the caller's, and so are the helper thread of neighbour.h; sockets and their
 * memory are made by start, on the reactor's thread, so that they are near its CPU.
 */
#include "backend.h"

#ifdef HAVE_BPF

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bytes.h"
#include "interface.h"
#include "neighbour.h"
#include "plane.h"
#include "udp.h"
#include "xdp.h"
#include "xsk.h"

enum { TICK_US = 1000, IDLE_TURNS = 3 };

#define BY_THE_KERNEL UINT32_MAX /* the slot of an RTCP socket */

/* An RTP port. */
struct place {
    struct leg_socket *socket; /* NULL: not open */
    bool unsummed;             /* its last packet had no checksum of its own */
    bool forwards;             /* since it was told to, and then: */
    uint32_t to_slot;          /* by way of this one's neighbour */
    struct endpoint to;
    uint8_t to_mac[FRAME_MAC];
};

struct xdp_backend {
    struct backend backend;
    struct backend *kernel; /* the udp backend */
    struct neighbours *neighbours;
    struct xdp *xdp;
    struct interface interface;
    int busy_poll_us;
    uint16_t first; /* port; slots are numbered from there, one for each RTP port */
    size_t slots;
    struct place *places; /* by slot */
    int epoll;            /* the queues, and what the udp backend waits for */
    int idle_turns;       /* since a queue had something */
    bool can_forward;
    struct xsk *queues;
    struct xsk *current;     /* while a received packet is handed over: where it came from, ... */
    const uint8_t *received; /* ... and its beginning; NULL once it was sent on */
    counter invalid;         /* packets that were no sound datagram to an open port */
    counter forwarded;
};

_Static_assert(offsetof(struct xdp_backend, backend) == 0, "a backend is cast to what it begins");

static struct xdp_backend *self_of(struct backend *backend)
{
    return (struct xdp_backend *)backend;
}

/* ---- life ---- */

static void xdp_backend_close(struct backend *backend)
{
    struct xdp_backend *self = self_of(backend);
    if (self->xdp != NULL)
        xdp_close(self->xdp);
    for (size_t i = 0; self->queues != NULL && i < self->interface.queues; i++)
        xsk_close(&self->queues[i]);
    if (self->neighbours != NULL)
        neighbours_close(self->neighbours);
    if (self->kernel != NULL)
        self->kernel->kind->close(self->kernel);
    if (self->epoll >= 0)
        close(self->epoll);
    free(self->queues);
    free(self->places);
    free(self);
}

static bool is_wildcard(const struct endpoint *endpoint)
{
    static const uint8_t zeros[16];
    return memcmp(endpoint->ip, zeros, 16) == 0 || (!udp_is_ipv6(endpoint) && read32(endpoint->ip + 12) == 0);
}

static int watch(const struct xdp_backend *self, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int open_kernel(struct xdp_backend *self, struct plane *plane, const struct plane_options *options)
{
    int error = backend_udp.open(&self->kernel, plane, options);
    if (error != 0)
        return error;
    self->kernel->kind = &backend_udp;
    self->kernel->plane = plane;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    return self->epoll < 0 ? -errno : watch(self, backend_udp_fd(self->kernel));
}

static int allocate(struct xdp_backend *self)
{
    self->places = calloc(self->slots, sizeof *self->places);
    self->queues = calloc(self->interface.queues, sizeof *self->queues);
    if (self->places == NULL || self->queues == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < self->interface.queues; i++)
        self->queues[i].fd = -1;
    return 0;
}

static int open_parts(struct xdp_backend *self, struct plane *plane, const struct plane_options *options)
{
    const struct interface *interface = &self->interface;
    uint16_t last = (uint16_t)(self->first + 2 * (self->slots - 1));
    int error = allocate(self);
    if (error == 0)
        error = open_kernel(self, plane, options);
    if (error == 0)
        error = neighbours_open(&self->neighbours, interface->index, &plane->local, self->slots);
    if (error == 0)
        error = xdp_open(&self->xdp, interface->index, interface->mac, &plane->local, self->first, last,
                         interface->queues, (enum xdp_mode)options->xdp_mode);
    return error;
}

/* The program takes packets to one address: it must be known. */
static int xdp_backend_open(struct backend **out, struct plane *plane, const struct plane_options *options)
{
    struct interface interface;
    if (options->interface[0] == 0 || is_wildcard(&plane->local))
        return -EINVAL;
    int error = interface_find(options->interface, &interface);
    if (error != 0)
        return error;
    struct xdp_backend *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->interface = interface;
    self->epoll = -1;
    self->busy_poll_us = options->busy_poll_us;
    self->first = plane->ports.lowest;
    self->slots = plane->ports.capacity;
    error = open_parts(self, plane, options);
    if (error != 0) {
        xdp_backend_close(&self->backend);
        return error;
    }
    snprintf(self->backend.description, sizeof self->backend.description, "af_xdp on %s", options->interface);
    *out = &self->backend;
    return 0;
}

static void describe(struct xdp_backend *self)
{
    char *text = self->backend.description;
    size_t used = strlen(text);
    const char *mode = xdp_mode(self->xdp) == XDP_MODE_DRIVER ? "driver" : "generic";
    const char *memory = self->queues[0].zero_copy ? "zero-copy" : "copying";
    unsigned queues = self->interface.queues;
    snprintf(text + used, BACKEND_DESCRIPTION - used, ": %s, %s, %u queue%s%s", mode, memory, queues,
             queues == 1 ? "" : "s", self->can_forward ? ", forwarding" : "");
}

static int open_queue(struct xdp_backend *self, unsigned i)
{
    int error = xsk_open(&self->queues[i], self->interface.index, i, self->busy_poll_us);
    if (error == 0)
        error = watch(self, self->queues[i].fd);
    return error == 0 ? xdp_add_socket(self->xdp, i, self->queues[i].fd) : error;
}

static int xdp_backend_start(struct backend *backend)
{
    struct xdp_backend *self = self_of(backend);
    for (unsigned i = 0; i < self->interface.queues; i++) {
        int error = open_queue(self, i);
        if (error != 0)
            return error;
    }
    self->can_forward = !self->interface.veth || xdp_mode(self->xdp) == XDP_MODE_GENERIC;
    describe(self);
    return 0;
}

/* ---- sockets ---- */

static int xdp_backend_bind(struct backend *backend, struct leg_socket *socket, uint16_t port, int buffer)
{
    struct xdp_backend *self = self_of(backend);
    socket->slot = port % 2 == 0 ? (port - self->first) / 2u : BY_THE_KERNEL;
    return self->kernel->kind->bind(self->kernel, socket, port, buffer);
}

static void xdp_backend_unbind(struct backend *backend, struct leg_socket *socket)
{
    struct xdp_backend *self = self_of(backend);
    self->kernel->kind->unbind(self->kernel, socket);
}

static uint16_t port_of(const struct xdp_backend *self, const struct leg_socket *socket)
{
    return (uint16_t)(self->first + 2 * socket->slot);
}

static void xdp_backend_attach(struct backend *backend, struct leg_socket *socket)
{
    struct xdp_backend *self = self_of(backend);
    self->kernel->kind->attach(self->kernel, socket);
    if (socket->slot == BY_THE_KERNEL)
        return;
    self->places[socket->slot] = (struct place){.socket = socket};
    xdp_take(self->xdp, port_of(self, socket));
}

static void xdp_backend_detach(struct backend *backend, struct leg_socket *socket)
{
    struct xdp_backend *self = self_of(backend);
    if (socket->slot != BY_THE_KERNEL) {
        xdp_pass(self->xdp, port_of(self, socket));
        neighbour_forget(self->neighbours, socket->slot);
        self->places[socket->slot].socket = NULL;
    }
    self->kernel->kind->detach(self->kernel, socket);
}

/* ---- receiving ---- */

/* Until anything comes, by either way. */
static void sleep_until(const struct xdp_backend *self, int64_t until_us, int64_t now_us)
{
    struct epoll_event event;
    int64_t left_us = until_us > now_us ? until_us - now_us : 0;
    const struct timespec left = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    epoll_pwait2(self->epoll, &event, 1, &left, NULL);
}

static void xdp_backend_wait(struct backend *backend, int64_t until_us)
{
    struct xdp_backend *self = self_of(backend);
    int64_t now_us = reactor_now_us();
    if (self->idle_turns < IDLE_TURNS) {
        until_us = now_us + TICK_US < until_us ? now_us + TICK_US : until_us;
    } else {
        sleep_until(self, until_us, now_us);
        until_us = now_us;
    }
    self->kernel->kind->wait(self->kernel, until_us);
}

/* The place of an open port, or NULL. */
static struct place *find_place(const struct xdp_backend *self, uint16_t port)
{
    size_t offset = (size_t)(port - self->first);
    if (port < self->first || offset % 2 != 0 || offset / 2 >= self->slots)
        return NULL;
    struct place *place = &self->places[offset / 2];
    return place->socket != NULL ? place : NULL;
}

static void take_note(void *context, uint16_t port, const struct forwarded *packet)
{
    struct xdp_backend *self = context;
    const struct place *place = find_place(self, port);
    counter_add(&self->forwarded, 1);
    if (place != NULL)
        reactor_forwarded(place->socket, packet);
}

static void take_notes(struct xdp_backend *self)
{
    xdp_notes(self->xdp, take_note, self);
}

/* A datagram that leaves no room for what may be appended is longer than any that is valid. What was
 * forwarded before this packet came has been noted, but perhaps only since the last look. */
static void hand_over(struct xdp_backend *self, const struct xsk_packet *packet)
{
    struct frame frame;
    if (!frame_parse(packet->data, packet->len, &frame)) {
        counter_add(&self->invalid, 1);
        return;
    }
    struct place *place = find_place(self, frame.to.port);
    bool fits = xsk_offset(self->current, frame.payload) + frame.len + BACKEND_TAIL <= XSK_FRAME;
    if (place == NULL) {
        counter_add(&self->invalid, 1);
        return;
    }
    place->unsummed = frame.unsummed;
    if (place->forwards)
        take_notes(self);
    reactor_receive(place->socket, frame.payload, fits ? frame.len : 0, &frame.from);
}

static void receive_on(struct xdp_backend *self, struct xsk *queue)
{
    struct xsk_packet packets[XSK_BATCH];
    self->current = queue;
    for (size_t count; (count = xsk_receive(queue, packets, XSK_BATCH)) > 0; self->idle_turns = 0)
        for (size_t i = 0; i < count; i++) {
            self->received = packets[i].data;
            hand_over(self, &packets[i]);
            if (self->received != NULL)
                xsk_free(queue, packets[i].data);
        }
    self->current = NULL;
}

static void xdp_backend_receive(struct backend *backend)
{
    struct xdp_backend *self = self_of(backend);
    self->kernel->kind->receive(self->kernel);
    take_notes(self);
    self->idle_turns++;
    for (unsigned i = 0; i < self->interface.queues; i++)
        receive_on(self, &self->queues[i]);
}

/* ---- sending ---- */

/* Where to write `len` bytes of payload: in place if they lie in the packet that is being handed over, behind
 * enough room for headers; else in a piece of the queue's own. */
static uint8_t *place_payload(struct xdp_backend *self, struct xsk **queue, const uint8_t *data, size_t len,
                              size_t headers)
{
    bool here = self->current != NULL && self->received != NULL && xsk_owns(self->current, data);
    if (here && xsk_offset(self->current, data) >= headers) {
        *queue = self->current;
        return self->current->memory + (data - self->current->memory);
    }
    uint8_t *piece = xsk_frame(*queue);
    return piece != NULL ? memcpy(piece + headers, data, len) : NULL;
}

/* True if it is in the queue, to be sent by flush. */
static bool send_frame(struct xdp_backend *self, const struct leg_socket *socket, const uint8_t *data,
                       size_t len, const struct endpoint *to)
{
    struct endpoint from = self->backend.plane->local;
    uint8_t mac[FRAME_MAC];
    size_t headers = frame_headers(&from);
    if (headers + len > FRAME_ETHERNET + self->interface.mtu || headers + len > XSK_FRAME)
        return false;
    if (!neighbour_find(self->neighbours, socket->slot, to, mac))
        return false;
    from.port = port_of(self, socket);
    struct xsk *queue = &self->queues[socket->slot % self->interface.queues];
    uint8_t *payload = place_payload(self, &queue, data, len, headers);
    if (payload == NULL)
        return false;
    uint8_t *frame = frame_write(payload, len, &from, to, self->interface.mac, mac);
    bool sent = xsk_send(queue, frame, headers + len);
    if (payload == data && sent)
        self->received = NULL;
    else if (payload != data && !sent)
        xsk_free(queue, frame);
    return sent;
}

static int xdp_backend_send(struct backend *backend, struct leg_socket *socket, const uint8_t *data,
                            size_t len, const struct endpoint *to)
{
    struct xdp_backend *self = self_of(backend);
    if (socket->slot != BY_THE_KERNEL && send_frame(self, socket, data, len, to))
        return 0;
    return self->kernel->kind->send(self->kernel, socket, data, len, to);
}

static void xdp_backend_flush(struct backend *backend)
{
    struct xdp_backend *self = self_of(backend);
    for (unsigned i = 0; i < self->interface.queues; i++)
        xsk_flush(&self->queues[i]);
    self->kernel->kind->flush(self->kernel);
}

/* ---- forwarding ---- */

static bool xdp_backend_forward(struct backend *backend, struct leg_socket *socket,
                                const struct leg_socket *other, const struct forward *forward)
{
    struct xdp_backend *self = self_of(backend);
    struct place *place = &self->places[socket->slot];
    if (!self->can_forward || place->unsummed)
        return false;
    if (!neighbour_find(self->neighbours, other->slot, &forward->to, place->to_mac))
        return false;
    place->to = forward->to;
    place->to_slot = other->slot;
    place->forwards = true;
    xdp_forward(self->xdp, port_of(self, socket), forward, port_of(self, other), place->to_mac);
    return true;
}

static bool xdp_backend_forwards(struct backend *backend, struct leg_socket *socket)
{
    struct xdp_backend *self = self_of(backend);
    const struct place *place = &self->places[socket->slot];
    uint8_t mac[FRAME_MAC];
    return xdp_is_forwarding(self->xdp, port_of(self, socket)) &&
           neighbour_find(self->neighbours, place->to_slot, &place->to, mac) &&
           memcmp(mac, place->to_mac, sizeof mac) == 0;
}

static void xdp_backend_recall(struct backend *backend, struct leg_socket *socket)
{
    struct xdp_backend *self = self_of(backend);
    xdp_take(self->xdp, port_of(self, socket));
    take_notes(self);
    self->places[socket->slot].forwards = false;
}

/* ---- counters ---- */

static uint64_t xdp_backend_forwarded(const struct backend *backend)
{
    return counter_read(&((const struct xdp_backend *)backend)->forwarded);
}

static uint64_t xdp_backend_dropped(const struct backend *backend)
{
    const struct xdp_backend *self = (const struct xdp_backend *)backend;
    uint64_t dropped = counter_read(&self->invalid);
    for (unsigned i = 0; i < self->interface.queues; i++)
        dropped += xsk_dropped(&self->queues[i]);
    return dropped;
}

const struct backend_kind backend_xdp = {
    .name = "af_xdp",
    .open = xdp_backend_open,
    .close = xdp_backend_close,
    .bind = xdp_backend_bind,
    .unbind = xdp_backend_unbind,
    .start = xdp_backend_start,
    .attach = xdp_backend_attach,
    .detach = xdp_backend_detach,
    .wait = xdp_backend_wait,
    .receive = xdp_backend_receive,
    .send = xdp_backend_send,
    .flush = xdp_backend_flush,
    .forward = xdp_backend_forward,
    .forwards = xdp_backend_forwards,
    .recall = xdp_backend_recall,
    .dropped = xdp_backend_dropped,
    .forwarded = xdp_backend_forwarded,
};

#endif
