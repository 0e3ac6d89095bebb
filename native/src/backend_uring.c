/* The io_uring backend: one system call per turn, which sends what is to be sent and waits for what comes.
 *
 * Receiving: every socket has one multishot recvmsg, which takes its buffers from one pool that all share
 * (a provided buffer ring). When the pool is empty the kernel ends the request and datagrams wait in their
 * sockets; it is armed again, as after every other end. Nothing is lost but what a socket has no room for.
 * Sending: into a slot of our own, or out of the receive buffer in which the data lie. A send is done when
 * the kernel has been entered (MSG_DONTWAIT: it fails rather than wait), so that slots, and the buffers used in
 * this turn, are free again after each io_uring_submit. Only a failed send has a completion.
 * The ring lives from start to stop on the reactor's thread, its single issuer (IORING_SETUP_SINGLE_ISSUER,
 * _DEFER_TASKRUN: Linux 6.1).
 * A request holds its socket, and so the port, until it has completed; hence detach cancels and waits for the
 * completion, stop does so for all, and no file is registered with the ring, which lets go of those late.
 */
#include "backend.h"

#ifdef HAVE_IO_URING

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plane.h"
#include "udp.h"

enum {
    BUFFERS = 1024, /* a power of two: 20 ms of 1,000 legs */
    SENDS = 256,
    SUBMISSIONS = 2 * SENDS,
    COMPLETIONS = 16384, /* one for each buffer, and more than there are requests that can end in one turn */
    PAGE = 4096,
    NAME = 32, /* room for either kind of address */
    HEADER = sizeof(struct io_uring_recvmsg_out) + NAME, /* in front of a datagram in its buffer */
    BUFFER = HEADER + MEDIA_PACKET_MAX,
    STRIDE = BUFFER + BACKEND_TAIL,
    PATIENCE_TURNS = 100, /* of stop, 10 ms each */
};

_Static_assert(NAME >= sizeof(union udp_address), "an address fits");

/* What a completion is about: the address of a leg_socket, or one of these. */
enum { ABOUT_KICK = 1, ABOUT_SEND, ABOUT_CANCEL, ABOUT_LAST = ABOUT_CANCEL };

/* leg_socket.slot */
enum { IDLE, ARMED, LEAVING };

struct send {
    union udp_address to;
    uint8_t data[MEDIA_PACKET_MAX];
};

struct uring_backend {
    struct backend backend;
    struct io_uring ring;
    bool ipv6;
    bool stopping;
    unsigned armed; /* requests that have a last completion to come */
    unsigned used;  /* buffers to be given back to the kernel */
    unsigned sends; /* slots taken since the last submission */
    struct msghdr shape;
    struct io_uring_buf_ring *pool;
    uint8_t *buffers;
    struct send slots[SENDS];
};

_Static_assert(offsetof(struct uring_backend, backend) == 0, "a backend is cast to what it begins");

static struct uring_backend *self_of(struct backend *backend)
{
    return (struct uring_backend *)backend;
}

/* ---- life ---- */

static int open_ring(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    int error = io_uring_queue_init_params(SUBMISSIONS, ring, &params);
    /* A kernel too old does not know the call, or one of the flags. */
    return error == -ENOSYS || error == -EINVAL ? -ENOTSUP : error;
}

static void uring_close(struct backend *backend)
{
    struct uring_backend *self = self_of(backend);
    free(self->pool);
    free(self->buffers);
    free(self);
}

static int uring_open(struct backend **out, struct plane *plane, const struct plane_options *options)
{
    struct uring_backend *self = options->busy_poll_us == 0 ? calloc(1, sizeof *self) : NULL;
    if (self == NULL)
        return options->busy_poll_us == 0 ? -ENOMEM : -ENOTSUP;
    self->pool = aligned_alloc(PAGE, BUFFERS * sizeof(struct io_uring_buf));
    self->buffers = aligned_alloc(PAGE, BUFFERS * STRIDE);
    if (self->pool == NULL || self->buffers == NULL) {
        uring_close(&self->backend);
        return -ENOMEM;
    }
    self->ipv6 = udp_is_ipv6(&plane->local);
    self->shape.msg_namelen = NAME;
    strcpy(self->backend.description, "io_uring: multishot receive");
    *out = &self->backend;
    return 0;
}

static int uring_bind(struct backend *backend, struct leg_socket *socket, uint16_t port, int buffer)
{
    int fd = udp_open(&backend->plane->local, port, buffer);
    if (fd < 0)
        return fd;
    socket->fd = fd;
    socket->slot = IDLE;
    return 0;
}

static void uring_unbind(struct backend *backend, struct leg_socket *socket)
{
    (void)backend;
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}

/* ---- requests ---- */

static void return_buffer(struct uring_backend *self, unsigned short id)
{
    io_uring_buf_ring_add(self->pool, self->buffers + (size_t)id * STRIDE, BUFFER, id,
                          io_uring_buf_ring_mask(BUFFERS), (int)self->used++);
}

/* The kernel was entered: all sends are done. */
static void submitted(struct uring_backend *self)
{
    io_uring_buf_ring_advance(self->pool, (int)self->used);
    self->used = self->sends = 0;
}

static void submit(struct uring_backend *self)
{
    if (io_uring_submit(&self->ring) >= 0)
        submitted(self);
}

/* Room for a request. There always is some after a submission: that takes everything, unless the kernel is out
 * of memory for an instant; the completion ring, which might also refuse, has room for all that can be. */
static struct io_uring_sqe *request(struct uring_backend *self)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&self->ring)) == NULL)
        submit(self);
    return sqe;
}

static void arm(struct uring_backend *self, struct leg_socket *socket)
{
    struct io_uring_sqe *sqe = request(self);
    io_uring_prep_recvmsg_multishot(sqe, socket->fd, &self->shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    io_uring_sqe_set_data(sqe, socket);
    socket->slot = ARMED;
    self->armed++;
}

static void arm_kick(struct uring_backend *self)
{
    struct io_uring_sqe *sqe = request(self);
    io_uring_prep_poll_multishot(sqe, self->backend.plane->kick, POLLIN);
    io_uring_sqe_set_data64(sqe, ABOUT_KICK);
    self->armed++;
}

static void cancel(struct uring_backend *self, uint64_t about, int flags)
{
    struct io_uring_sqe *sqe = request(self);
    io_uring_prep_cancel64(sqe, about, flags);
    io_uring_sqe_set_data64(sqe, ABOUT_CANCEL);
}

/* ---- the reactor's thread ---- */

static int uring_start(struct backend *backend)
{
    struct uring_backend *self = self_of(backend);
    struct io_uring_buf_reg pool = {.ring_addr = (uintptr_t)self->pool, .ring_entries = BUFFERS};
    int error = open_ring(&self->ring);
    if (error != 0)
        return error;
    error = io_uring_register_buf_ring(&self->ring, &pool, 0);
    if (error != 0) {
        io_uring_queue_exit(&self->ring);
        return error;
    }
    io_uring_buf_ring_init(self->pool);
    for (unsigned short id = 0; id < BUFFERS; id++)
        return_buffer(self, id);
    submitted(self);
    arm_kick(self);
    return 0;
}

static void uring_attach(struct backend *backend, struct leg_socket *socket)
{
    arm(self_of(backend), socket);
}

static void uring_detach(struct backend *backend, struct leg_socket *socket)
{
    socket->slot = LEAVING;
    cancel(self_of(backend), (uintptr_t)socket, 0);
}

static void uring_wait(struct backend *backend, int64_t until_us)
{
    struct uring_backend *self = self_of(backend);
    struct io_uring_cqe *cqe;
    int64_t left_us = until_us - reactor_now_us();
    struct __kernel_timespec left = {0};
    if (left_us > 0)
        left = (struct __kernel_timespec){.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &left, NULL);
    submitted(self);
}

static void take_datagram(struct uring_backend *self, struct leg_socket *socket,
                          const struct io_uring_cqe *cqe)
{
    unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    struct io_uring_recvmsg_out *out = (void *)(self->buffers + (size_t)id * STRIDE);
    struct endpoint source;
    if (io_uring_recvmsg_validate(out, cqe->res, &self->shape) != NULL) {
        udp_from_sockaddr(io_uring_recvmsg_name(out), &source);
        size_t len = out->flags & MSG_TRUNC ? 0 : out->payloadlen;
        reactor_receive(socket, io_uring_recvmsg_payload(out, &self->shape), len, &source);
    }
    return_buffer(self, id);
}

static void take_completion(struct uring_backend *self, const struct io_uring_cqe *cqe)
{
    bool last = !(cqe->flags & IORING_CQE_F_MORE);
    if (cqe->user_data == ABOUT_SEND)
        counter_add(&self->backend.plane->send_failures, 1);
    if (cqe->user_data == ABOUT_KICK && last) {
        self->armed--;
        if (!self->stopping)
            arm_kick(self);
    }
    if (cqe->user_data <= ABOUT_LAST)
        return;
    struct leg_socket *socket = (struct leg_socket *)(uintptr_t)cqe->user_data;
    if (cqe->flags & IORING_CQE_F_BUFFER)
        take_datagram(self, socket, cqe);
    if (!last)
        return;
    self->armed--;
    if (socket->slot == LEAVING)
        reactor_detached(socket);
    else if (!self->stopping)
        arm(self, socket);
}

static void uring_receive(struct backend *backend)
{
    struct uring_backend *self = self_of(backend);
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&self->ring, &cqe) == 0) {
        struct io_uring_cqe copy = *cqe;
        io_uring_cqe_seen(&self->ring, cqe);
        take_completion(self, &copy);
    }
}

static const uint8_t *keep(struct uring_backend *self, struct send *slot, const uint8_t *data, size_t len)
{
    if (data >= self->buffers && data < self->buffers + BUFFERS * STRIDE)
        return data;
    memcpy(slot->data, data, len);
    return slot->data;
}

static int uring_send(struct backend *backend, struct leg_socket *socket, const uint8_t *data, size_t len,
                      const struct endpoint *to)
{
    struct uring_backend *self = self_of(backend);
    if (!self->ipv6 && udp_is_ipv6(to))
        return -EAFNOSUPPORT;
    if (self->sends == SENDS)
        submit(self);
    if (self->sends == SENDS)
        return -EAGAIN;
    struct io_uring_sqe *sqe = request(self);
    struct send *slot = &self->slots[self->sends++];
    socklen_t to_len = udp_to_sockaddr(to, self->ipv6, &slot->to);
    io_uring_prep_send(sqe, socket->fd, keep(self, slot, data, len), len, MSG_DONTWAIT);
    io_uring_prep_send_set_addr(sqe, &slot->to.any, (uint16_t)to_len);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, ABOUT_SEND);
    return 0;
}

/* Sends leave with the next wait, which is at once; but the kernel must not be short of buffers in it. */
static void uring_flush(struct backend *backend)
{
    struct uring_backend *self = self_of(backend);
    if (self->sends == 0)
        submitted(self);
    else if (self->used > BUFFERS / 4)
        submit(self);
}

static void uring_stop(struct backend *backend)
{
    struct uring_backend *self = self_of(backend);
    self->stopping = true;
    cancel(self, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    for (int turns = 0; self->armed > 0 && turns < PATIENCE_TURNS; turns++) {
        uring_wait(backend, reactor_now_us() + 10000);
        uring_receive(backend);
    }
    io_uring_queue_exit(&self->ring);
}

const struct backend_kind backend_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .bind = uring_bind,
    .unbind = uring_unbind,
    .start = uring_start,
    .stop = uring_stop,
    .attach = uring_attach,
    .detach = uring_detach,
    .wait = uring_wait,
    .receive = uring_receive,
    .send = uring_send,
    .flush = uring_flush,
};

#endif
