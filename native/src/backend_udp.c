/* The portable backend: epoll, one plain socket each, read in batches. Sends at once: there is no system call
 * that would send for several sockets, and a leg has one packet at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "plane.h"
#include "udp.h"

enum { READY = 64 };

struct udp_backend {
    struct backend backend;
    int epoll;
    bool ipv6;
    int ready_count;
    struct epoll_event ready[READY];
    struct udp_batch batch;
};

_Static_assert(offsetof(struct udp_backend, backend) == 0, "a backend is cast to what it begins");

static struct udp_backend *self_of(struct backend *backend)
{
    return (struct udp_backend *)backend;
}

static int udp_backend_open(struct backend **out, struct plane *plane, const struct plane_options *options)
{
    (void)options;
    struct udp_backend *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->ipv6 = udp_is_ipv6(&plane->local);
    udp_batch_init(&self->batch);
    strcpy(self->backend.description, "udp: epoll and plain sockets");
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    /* Edge-triggered: every write wakes the reactor, which need not read it. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (self->epoll < 0 || epoll_ctl(self->epoll, EPOLL_CTL_ADD, plane->kick, &event) != 0) {
        int error = -errno;
        if (self->epoll >= 0)
            close(self->epoll);
        free(self);
        return error;
    }
    *out = &self->backend;
    return 0;
}

static void udp_backend_close(struct backend *backend)
{
    close(self_of(backend)->epoll);
    free(backend);
}

/* Known to epoll from the beginning, which may fail, but silent, so that attach cannot fail. */
static int udp_backend_bind(struct backend *backend, struct leg_socket *socket, uint16_t port, int buffer)
{
    int fd = udp_open(&backend->plane->local, port, buffer);
    struct epoll_event silent = {.data.ptr = socket};
    if (fd < 0)
        return fd;
    if (epoll_ctl(self_of(backend)->epoll, EPOLL_CTL_ADD, fd, &silent) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    socket->fd = fd;
    return 0;
}

static void udp_backend_attach(struct backend *backend, struct leg_socket *socket)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};
    epoll_ctl(self_of(backend)->epoll, EPOLL_CTL_MOD, socket->fd, &event);
}

static void udp_backend_detach(struct backend *backend, struct leg_socket *socket)
{
    epoll_ctl(self_of(backend)->epoll, EPOLL_CTL_DEL, socket->fd, NULL);
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

static void udp_backend_receive(struct backend *backend)
{
    struct udp_backend *self = self_of(backend);
    struct udp_batch *batch = &self->batch;
    for (int k = 0; k < self->ready_count; k++) {
        struct leg_socket *socket = self->ready[k].data.ptr;
        size_t count = socket != NULL ? udp_receive(socket->fd, batch) : 0;
        for (size_t i = 0; i < count; i++) {
            struct endpoint source;
            size_t len = udp_message(batch, i, &source);
            reactor_receive(socket, batch->data[i], len, &source);
        }
    }
}

static int udp_backend_send(struct backend *backend, struct leg_socket *socket, const uint8_t *data,
                            size_t len, const struct endpoint *to)
{
    return udp_send(socket->fd, self_of(backend)->ipv6, data, len, to);
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
    .unbind = udp_unbind,
    .attach = udp_backend_attach,
    .detach = udp_backend_detach,
    .wait = udp_backend_wait,
    .receive = udp_backend_receive,
    .send = udp_backend_send,
    .flush = udp_backend_flush,
};
