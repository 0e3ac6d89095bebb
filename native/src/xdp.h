/* The XDP program of a plane on its network interface (xdp.bpf.c): loading it, and telling it which ports are
 * open.
 *
 * The program is in this library, is loaded from memory, and is attached by a BPF link that only this process
 * holds: however the process ends, the kernel detaches it, and all traffic takes the kernel's way again. An
 * interface has room for one program; whoever has one there keeps it, and xdp_open says -EBUSY.
 *
 * Open and close belong to the caller's thread; the others, but xdp_add_socket, are the reactor's, and
 * change or read memory that it shares with the program. All of it is in a build with HAVE_BPF only.
 */
#ifndef CLUTCH_XDP_H
#define CLUTCH_XDP_H

#include "forward.h"
#include "frame.h"

struct xdp;

/* Attach to `interface` a program that takes datagrams to local->ip and the even ports from first to last,
 * none of which is open yet, on `queues` queues. `mac` is the interface's own. 0 or a negative errno. */
int xdp_open(struct xdp **xdp, unsigned interface, const uint8_t mac[FRAME_MAC], const struct endpoint *local,
             uint16_t first, uint16_t last, unsigned queues, enum xdp_mode mode);

/* Detach and free. */
void xdp_close(struct xdp *xdp);

/* What was got: never XDP_MODE_AUTO. */
enum xdp_mode xdp_mode(const struct xdp *xdp);

/* Let `fd`, an AF_XDP socket, have what comes on that queue. 0 or a negative errno. */
int xdp_add_socket(struct xdp *xdp, unsigned queue, int fd);

/* Take what is sent to the port, or let it pass to the kernel. This also ends forwarding: every packet that
 * was forwarded by then is among the notes, but if the kernel was stopped in the midst of one. */
void xdp_take(struct xdp *xdp, uint16_t port);
void xdp_pass(struct xdp *xdp, uint16_t port);

/* Send what comes to a port whose packets are taken on from `new_from`, one of our ports, to the MAC
 * address. */
void xdp_forward(struct xdp *xdp, uint16_t port, const struct forward *forward, uint16_t new_from,
                 const uint8_t mac[FRAME_MAC]);

/* True until a packet came that is none to forward, or the port was told otherwise. */
bool xdp_is_forwarding(const struct xdp *xdp, uint16_t port);

/* Tell `noted` of every packet that was forwarded since the last call. */
typedef void xdp_noted(void *context, uint16_t port, const struct forwarded *packet);
void xdp_notes(struct xdp *xdp, xdp_noted *noted, void *context);

#endif
