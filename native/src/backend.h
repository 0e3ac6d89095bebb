/* A backend: how datagrams get to the sockets of legs and away from them.
 *
 * The reactor (reactor.h) owns the clock and the streams, a backend the sockets. One turn of the reactor is
 *   wait      sleep until something came, the plane's `kick` was written, or `until`; early is allowed
 *   receive   hand every datagram that is there to reactor_receive()
 *   send      any number of times, from within receive and after it
 *   flush     send is over for this turn: whatever was put off goes out now
 * A backend is a `struct backend` at the beginning of the implementation's own struct, and a table of
 * functions, `struct backend_kind`. Two threads use it, and never at the same time for one socket:
 *   the caller's (plane.h)  open, close, bind, unbind
 *   the reactor's           everything else; nothing there allocates, locks, logs or blocks, but wait
 *
 * The life of a socket: bind on the caller's thread does whatever may fail; attach, on the reactor's, makes
 * it deliver and cannot fail; detach ends that, and the backend says so with reactor_detached(), at once or
 * in a later turn; only then does the caller get the leg back, and unbind closes the socket, which frees the
 * port at once. unbind also serves a socket that was never attached, or that was attached when the reactor
 * stopped: stop, the last function on the reactor's thread, leaves nothing under way.
 *
 * Memory: a datagram given to reactor_receive() is writable, has BACKEND_TAIL bytes of room behind its end, and
 * is the reactor's until reactor_receive() returns: within it the datagram may be changed in place and sent on.
 * Whatever is sent is the sender's again when send returns. A backend that puts sending off must therefore copy,
 * unless the data lie in a datagram of its own (it knows them by their address), which it can keep until then.
 */
#ifndef CLUTCH_BACKEND_H
#define CLUTCH_BACKEND_H

#include "forward.h"
#include "media.h"

struct leg;
struct plane;

enum {
    BACKEND_TAIL = 64,         /* more than SRTP appends (RFC 3711: an authentication tag and an MKI) */
    BACKEND_DESCRIPTION = 128, /* bytes */
};

/* One of a leg's two sockets. The plane sets `leg`, and both fds to -1, before bind; all else is the backend's. */
struct leg_socket {
    struct leg *leg;
    int fd;               /* -1: not bound */
    uint32_t slot;        /* whatever a backend needs to find its own state of this socket */
    int peer_fd;          /* udp: a second socket, connected to `peer`; -1: none */
    uint32_t steady;      /* udp: sends in a row to `peer` */
    struct endpoint peer;
};

struct backend {
    const struct backend_kind *kind;
    struct plane *plane;
    char description[BACKEND_DESCRIPTION]; /* what was got, for people: "af_xdp on eth0, driver, zero-copy" */
};

struct backend_kind {
    const char *name;

    /* ---- the caller's thread ---- */

    /* Make a backend for sockets on plane->local, woken by plane->kick. 0 or a negative errno; -ENOTSUP: not
     * on this machine. */
    int (*open)(struct backend **backend, struct plane *plane, const struct plane_options *options);

    /* Free it. The reactor has ended and every socket is unbound. */
    void (*close)(struct backend *backend);

    /* Bind `socket` to a port, with room for `buffer` bytes in the kernel. 0 or a negative errno, -EADDRINUSE
     * if somebody has the port. */
    int (*bind)(struct backend *backend, struct leg_socket *socket, uint16_t port, int buffer);

    /* Close it; nothing if it is not bound. */
    void (*unbind)(struct backend *backend, struct leg_socket *socket);

    /* ---- the reactor's thread ---- */

    /* First of all; NULL if there is nothing to do. 0 or a negative errno, which ends the thread. */
    int (*start)(struct backend *backend);

    /* Last of all; NULL if there is nothing to do. No socket delivers any more, no send is under way. */
    void (*stop)(struct backend *backend);

    void (*attach)(struct backend *backend, struct leg_socket *socket);
    void (*detach)(struct backend *backend, struct leg_socket *socket);

    /* `until_us` is a time of CLOCK_MONOTONIC. */
    void (*wait)(struct backend *backend, int64_t until_us);
    void (*receive)(struct backend *backend);

    /* 0, or a negative errno if the packet is known to be lost; -EAFNOSUPPORT from IPv4 to IPv6. */
    int (*send)(struct backend *backend, struct leg_socket *socket, const uint8_t *data, size_t len,
                const struct endpoint *to);
    void (*flush)(struct backend *backend);

    /* Carry what comes to `socket` on from another leg's (forward.h), until `recall`, or until another kind of
     * packet comes, which is delivered; false if that cannot be. NULL, as the next two: it never can. */
    bool (*forward)(struct backend *backend, struct leg_socket *socket, const struct leg_socket *other,
                    const struct forward *forward);

    /* True if it still does. */
    bool (*forwards)(struct backend *backend, struct leg_socket *socket);

    /* Stop. reactor_forwarded() has been called for every packet that was carried on. */
    void (*recall)(struct backend *backend, struct leg_socket *socket);

    /* ---- the caller's thread ---- */

    /* Packets that came for the plane and were dropped before the reactor saw them; NULL if nobody knows. */
    uint64_t (*dropped)(const struct backend *backend);

    /* Packets that it carried on; NULL if it never does. */
    uint64_t (*forwarded)(const struct backend *backend);
};

extern const struct backend_kind backend_udp;   /* epoll and plain sockets: everywhere */
extern const struct backend_kind backend_uring; /* with HAVE_IO_URING */
extern const struct backend_kind backend_xdp;   /* with HAVE_BPF */

/* What its wait waits for: readable when that would not. */
int backend_udp_fd(const struct backend *udp);

/* The backend of that name, or NULL if this build has none. */
const struct backend_kind *backend_find(const char *name);

/* ---- what a backend calls (reactor.c) ---- */

/* CLOCK_MONOTONIC. */
int64_t reactor_now_us(void);

/* A datagram came to `socket` from `source`. `len` is 0 if it was longer than MEDIA_PACKET_MAX. */
void reactor_receive(const struct leg_socket *socket, uint8_t *data, size_t len,
                     const struct endpoint *source);

/* A datagram that came to `socket` was carried on. */
void reactor_forwarded(const struct leg_socket *socket, const struct forwarded *packet);

/* `socket` delivers nothing any more. */
void reactor_detached(const struct leg_socket *socket);

#endif
