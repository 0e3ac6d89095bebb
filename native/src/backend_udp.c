/* The portable backend: epoll and plain sockets, one system call for each packet either way.
 *
 * Once the packets of a leg have gone to one address for a while, a second socket on the same port is connected
 * to it, which sends for a sixth less: the kernel need not look for the way each time. Everybody else's packets
 * still come to the first socket, so that they are seen and counted, and cannot crowd out the peer's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plane.h"
#include "udp.h"

enum {
    READY = 64,
    STEADY = 50, /* packets to one address: a second of audio, in which source learning comes to its end */
    BUSY_POLL_PACKETS = 8,
};

/* Of Linux 6.9, and not yet in the headers of those who build for it. */
struct busy_poll {
    uint32_t us;
    uint16_t packets;
    uint8_t prefer;
    uint8_t zero;
};
#define SET_BUSY_POLL _IOW(0x8A, 0x01, struct busy_poll)

struct udp_backend {
    struct backend backend;
    int epoll;
    bool ipv6;
    int ready_count;
    struct epoll_event ready[READY];
    uint8_t datagram[MEDIA_PACKET_MAX + BACKEND_TAIL];
};

_Static_assert(offsetof(struct udp_backend, backend) == 0, "a backend is cast to what it begins");

/* epoll's data is the address of a leg_socket, plus this if the connected one of its two is meant. */
static const uint64_t PEER = 1;

static struct udp_backend *self_of(struct backend *backend)
{
    return (struct udp_backend *)backend;
}

/* ---- the caller's thread ---- */

static void udp_backend_close(struct backend *backend)
{
    close(self_of(backend)->epoll);
    free(backend);
}

static int watch(struct udp_backend *self, int operation, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(self->epoll, operation, fd, &event) == 0 ? 0 : -errno;
}

static int set_up(struct udp_backend *self, int kick, int32_t busy_poll_us)
{
    /* Edge-triggered: every write wakes the reactor, which need not read it. */
    int error = watch(self, EPOLL_CTL_ADD, kick, EPOLLIN | EPOLLET, 0);
    struct busy_poll busy = {.us = (uint32_t)busy_poll_us, .packets = BUSY_POLL_PACKETS};
    if (error == 0 && busy_poll_us != 0 && ioctl(self->epoll, SET_BUSY_POLL, &busy) != 0)
        error = errno == ENOTTY ? -ENOTSUP : -errno;
    return error;
}

static int udp_backend_open(struct backend **out, struct plane *plane, const struct plane_options *options)
{
    struct udp_backend *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->ipv6 = udp_is_ipv6(&plane->local);
    strcpy(self->backend.description, "udp: epoll and plain sockets");
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    int error = self->epoll < 0 ? -errno : set_up(self, plane->kick, options->busy_poll_us);
    if (error != 0) {
        udp_backend_close(&self->backend);
        return error;
    }
    *out = &self->backend;
    return 0;
}

static void udp_backend_unbind(struct backend *backend, struct leg_socket *socket)
{
    (void)backend;
    if (socket->peer_fd >= 0)
        close(socket->peer_fd);
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = socket->peer_fd = -1;
}

/* Known to epoll from the beginning, which may fail, but silent, so that attach cannot fail. */
static int udp_backend_bind(struct backend *backend, struct leg_socket *socket, uint16_t port, int buffer)
{
    int fd = udp_open(&backend->plane->local, port, buffer);
    if (fd < 0)
        return fd;
    socket->fd = fd;
    int error = watch(self_of(backend), EPOLL_CTL_ADD, fd, 0, (uintptr_t)socket);
    if (error != 0)
        udp_backend_unbind(backend, socket);
    return error;
}

/* ---- the reactor's thread ---- */

static void udp_backend_attach(struct backend *backend, struct leg_socket *socket)
{
    watch(self_of(backend), EPOLL_CTL_MOD, socket->fd, EPOLLIN, (uintptr_t)socket);
}

static void udp_backend_detach(struct backend *backend, struct leg_socket *socket)
{
    watch(self_of(backend), EPOLL_CTL_DEL, socket->fd, 0, 0);
    if (socket->peer_fd >= 0)
        watch(self_of(backend), EPOLL_CTL_DEL, socket->peer_fd, 0, 0);
    reactor_detached(socket);
}

static void udp_backend_wait(struct backend *backend, int64_t until_us)
{
    struct udp_backend *self = self_of(backend);
    int64_t left_us = until_us - reactor_now_us();
    struct timespec left = {0};
    if (left_us > 0)
        left = (struct timespec){.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    self->ready_count = epoll_pwait2(self->epoll, self->ready, READY, &left, NULL);
}

int backend_udp_fd(const struct backend *backend)
{
    return ((const struct udp_backend *)backend)->epoll;
}

/* One datagram from each: what else waits is reported again, and a flood to one leg holds up no other. */
static void udp_backend_receive(struct backend *backend)
{
    struct udp_backend *self = self_of(backend);
    for (int i = 0; i < self->ready_count; i++) {
        uint64_t data = self->ready[i].data.u64;
        const struct leg_socket *socket = (const struct leg_socket *)(uintptr_t)(data & ~PEER);
        if (socket == NULL)
            continue;
        struct endpoint source;
        int fd = data & PEER ? socket->peer_fd : socket->fd;
        ssize_t len = udp_receive(fd, self->datagram, MEDIA_PACKET_MAX, &source);
        if (len >= 0)
            reactor_receive(socket, self->datagram, (size_t)len, &source);
    }
}

/* Point the connected socket at `peer`, or make one; without any, packets go the other way. */
static void connect_to_peer(struct udp_backend *self, struct leg_socket *socket)
{
    if (socket->peer_fd >= 0) {
        if (udp_connect(socket->peer_fd, self->ipv6, &socket->peer) != 0)
            socket->steady = 0;
        return;
    }
    int fd = udp_open_connected(socket->fd, self->ipv6, &socket->peer);
    if (fd >= 0 && watch(self, EPOLL_CTL_ADD, fd, EPOLLIN, (uintptr_t)socket | PEER) != 0) {
        close(fd);
        fd = -1;
    }
    socket->peer_fd = fd >= 0 ? fd : -1;
}

/* True if there is a socket connected to `to`, which is known after STEADY packets in a row. */
static bool is_connected(struct udp_backend *self, struct leg_socket *socket, const struct endpoint *to)
{
    if (memcmp(&socket->peer, to, sizeof *to) != 0) {
        socket->peer = *to;
        socket->steady = 0;
    }
    if (socket->steady < STEADY && ++socket->steady == STEADY)
        connect_to_peer(self, socket);
    return socket->steady == STEADY && socket->peer_fd >= 0;
}

static int udp_backend_send(struct backend *backend, struct leg_socket *socket, const uint8_t *data,
                            size_t len, const struct endpoint *to)
{
    struct udp_backend *self = self_of(backend);
    if (!self->ipv6 && udp_is_ipv6(to))
        return -EAFNOSUPPORT;
    /* A connected socket also says what ICMP reported of an earlier packet, instead of sending this one. */
    if (is_connected(self, socket, to) && send(socket->peer_fd, data, len, MSG_DONTWAIT) >= 0)
        return 0;
    return udp_send(socket->fd, self->ipv6, data, len, to);
}

static void udp_backend_flush(struct backend *backend)
{
    (void)backend;
}

const struct backend_kind backend_udp = {
    .name = "udp",
    .open = udp_backend_open,
    .close = udp_backend_close,
    .bind = udp_backend_bind,
    .unbind = udp_backend_unbind,
    .attach = udp_backend_attach,
    .detach = udp_backend_detach,
    .wait = udp_backend_wait,
    .receive = udp_backend_receive,
    .send = udp_backend_send,
    .flush = udp_backend_flush,
};
