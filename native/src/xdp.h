/* The XDP program of a plane on its network interface (xdp.bpf.c): loading it, and telling it which ports are
 * open.
 *
 * The program is in this library, is loaded from memory, and is attached by a BPF link that only this process
 * holds: however the process ends, the kernel detaches it, and all traffic takes the kernel's way again. An
 * interface has room for one program; whoever has one there keeps it, and xdp_open says -EBUSY.
 *
 * Open and close belong to the caller's thread; xdp_pass and xdp_take are a store into memory that the
 * program reads, for the reactor. All of it is in a build with HAVE_BPF only.
 */
#ifndef CLUTCH_XDP_H
#define CLUTCH_XDP_H

#include "frame.h"

struct xdp;

/* Attach to `interface` a program that takes datagrams to local->ip and the ports from first to last, none of
 * which is open yet, on `queues` queues. `mac` is the interface's own. 0 or a negative errno. */
int xdp_open(struct xdp **xdp, unsigned interface, const uint8_t mac[FRAME_MAC], const struct endpoint *local,
             uint16_t first, uint16_t last, unsigned queues, enum xdp_mode mode);

/* Detach and free. */
void xdp_close(struct xdp *xdp);

/* What was got: never XDP_MODE_AUTO. */
enum xdp_mode xdp_mode(const struct xdp *xdp);

/* Let `fd`, an AF_XDP socket, have what comes on that queue. 0 or a negative errno. */
int xdp_add_socket(struct xdp *xdp, unsigned queue, int fd);

/* Take what is sent to the port, or let it pass to the kernel. */
void xdp_take(struct xdp *xdp, uint16_t port);
void xdp_pass(struct xdp *xdp, uint16_t port);

#endif
