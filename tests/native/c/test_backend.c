/* A backend's contract (backend.h) without a reactor, in one thread: a burst that no pool of buffers holds comes
 * whole, what is changed in place and sent on is intact, and after detach and stop nothing is under way. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "plane.h"
#include "udp.h"

enum { SOCKETS = 64, EACH = 50, ALL = SOCKETS * EACH, PATIENCE = 1000, BUFFER = 1024 * 1024 };

static const struct endpoint LOCAL = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

static struct plane *plane;
static struct backend *backend;
static struct leg_socket sockets[SOCKETS];
static int friends[SOCKETS];
static size_t received, returned, oversized, detached;

void __wrap_reactor_receive(const struct leg_socket *socket, uint8_t *data, size_t len,
                            const struct endpoint *source);
void __wrap_reactor_detached(const struct leg_socket *socket);

/* Changed in place, longer by what a sender may append, and back to where it came from. */
void __wrap_reactor_receive(const struct leg_socket *socket, uint8_t *data, size_t len,
                            const struct endpoint *source)
{
    if (len == 0) {
        oversized++;
        return;
    }
    received++;
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)~data[i];
    memset(data + len, 0xEE, BACKEND_TAIL);
    struct leg_socket *from = &sockets[socket - sockets];
    CHECK(backend->kind->send(backend, from, data, len + BACKEND_TAIL, source) == 0);
}

void __wrap_reactor_detached(const struct leg_socket *socket)
{
    CHECK(socket >= sockets && socket < sockets + SOCKETS);
    detached++;
}

static void take_answers(void)
{
    uint8_t data[512];
    struct endpoint source;
    for (size_t i = 0; i < SOCKETS; i++)
        for (ssize_t len; (len = udp_receive(friends[i], data, sizeof data, &source)) >= 0; returned++) {
            CHECK(len == 172 + BACKEND_TAIL);
            for (ssize_t k = 0; k < len; k++)
                CHECK(data[k] == (k < 172 ? (uint8_t)~i : 0xEE));
        }
}

static void turn(void)
{
    backend->kind->wait(backend, reactor_now_us() + 10000);
    backend->kind->receive(backend);
    backend->kind->flush(backend);
    take_answers();
}

static void turn_until(const size_t *count, size_t enough)
{
    for (int turns = 0; *count < enough; turns++) {
        CHECK(turns < PATIENCE);
        turn();
    }
}

static uint16_t port_of(int fd)
{
    union udp_address address;
    socklen_t len = sizeof address;
    CHECK(getsockname(fd, &address.any, &len) == 0);
    return ntohs(address.in.sin_port);
}

static void open_all(const char *name)
{
    struct plane_options options = {.cpu = -1};
    plane = aligned_alloc(_Alignof(struct plane), sizeof *plane);
    CHECK(plane != NULL);
    memset(plane, 0, sizeof *plane);
    plane->local = LOCAL;
    plane->kick = eventfd(0, EFD_NONBLOCK);
    const struct backend_kind *kind = backend_find(name);
    CHECK(kind != NULL && kind->open(&backend, plane, &options) == 0);
    backend->kind = kind;
    backend->plane = plane;
    CHECK(kind->start == NULL || kind->start(backend) == 0);
    for (size_t i = 0; i < SOCKETS; i++) {
        sockets[i] = (struct leg_socket){.fd = -1, .peer_fd = -1};
        friends[i] = udp_open(&LOCAL, 0, BUFFER);
        CHECK(friends[i] >= 0);
        CHECK(kind->bind(backend, &sockets[i], 0, BUFFER) == 0);
        CHECK(kind->bind(backend, &(struct leg_socket){.fd = -1, .peer_fd = -1}, port_of(sockets[i].fd),
                         BUFFER) == -EADDRINUSE);
        kind->attach(backend, &sockets[i]);
    }
    turn();
}

static void send_to(size_t i, size_t len)
{
    uint8_t data[MEDIA_PACKET_MAX + 1];
    struct endpoint to = LOCAL;
    to.port = port_of(sockets[i].fd);
    memset(data, (int)i, len);
    CHECK(udp_send(friends[i], false, data, len, &to) == 0);
}

/* The same port can be bound again at once. */
static void close_socket(struct leg_socket *socket)
{
    uint16_t port = port_of(socket->fd);
    backend->kind->unbind(backend, socket);
    CHECK(backend->kind->bind(backend, socket, port, BUFFER) == 0);
    backend->kind->unbind(backend, socket);
    backend->kind->unbind(backend, socket);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    open_all(argv[1]);
    for (size_t n = 0; n < EACH; n++)
        for (size_t i = 0; i < SOCKETS; i++)
            send_to(i, 172);
    turn_until(&returned, ALL);
    CHECK(received == ALL);

    send_to(0, MEDIA_PACKET_MAX + 1);
    turn_until(&oversized, 1);

    for (size_t i = 0; i < SOCKETS / 2; i++)
        backend->kind->detach(backend, &sockets[i]);
    turn_until(&detached, SOCKETS / 2);
    for (size_t i = 0; i < SOCKETS / 2; i++)
        close_socket(&sockets[i]);
    send_to(SOCKETS - 1, 172);
    turn_until(&returned, ALL + 1);

    if (backend->kind->stop != NULL)
        backend->kind->stop(backend);
    for (size_t i = SOCKETS / 2; i < SOCKETS; i++)
        close_socket(&sockets[i]);
    backend->kind->close(backend);
    for (size_t i = 0; i < SOCKETS; i++)
        close(friends[i]);
    close(plane->kick);
    free(plane);
    return 0;
}
