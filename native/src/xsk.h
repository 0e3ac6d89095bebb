/* An AF_XDP socket: one receive queue of a network interface, its packet memory and four rings, on raw system
 * calls (Documentation/networking/af_xdp.rst in the kernel's tree).
 *
 * Memory is XSK_FRAMES pieces of XSK_FRAME bytes, shared with the kernel. Each piece is always in one place:
 *   free        on our stack
 *   fill        the kernel's, to receive into
 *   received    the reader's, from xsk_receive until it is given back, by xsk_free, or sent on, by xsk_send
 *   transmit    the kernel's, to send, until it comes back by the completion ring
 * so that a packet can leave in the memory in which it came. Half of the pieces stay for receiving, however
 * much is being sent: xsk_frame finds none rather than taking them.
 *
 * xsk_flush gives the kernel what xsk_send put into the ring, wakes it if it asks for that
 * (XDP_USE_NEED_WAKEUP), takes back what was sent, and fills up what it may receive into. Where the kernel
 * copies (no zero-copy), it is the waking call that sends, a limited number a call; therefore it is repeated
 * until the ring is empty or the device has no room, and then goes on at the next flush.
 *
 * One thread uses it. Nothing allocates after xsk_open.
 */
#ifndef CLUTCH_XSK_H
#define CLUTCH_XSK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    XSK_FRAME = 2048,
    XSK_RING = 4096, /* entries: 40 ms of 100,000 packets a second */
    XSK_FRAMES = 2 * XSK_RING,
    XSK_BATCH = 64,
};

/* One of the rings. The kernel's end is shared, ours is counted here. */
struct xsk_ring {
    _Atomic uint32_t *producer;
    _Atomic uint32_t *consumer;
    _Atomic uint32_t *flags;
    void *entries;
    uint32_t mine;   /* our position, ahead of what we published */
    uint32_t theirs; /* the kernel's, when we last looked */
    void *map;
    size_t map_size;
};

struct xsk {
    int fd;
    bool zero_copy;  /* what was got */
    uint8_t *memory; /* XSK_FRAMES pieces */
    struct xsk_ring fill;
    struct xsk_ring completion;
    struct xsk_ring receive;
    struct xsk_ring transmit;
    uint32_t free_count;
    uint32_t sending; /* pieces in the transmit ring, or beyond it and not yet completed */
    uint32_t free[XSK_FRAMES];
};

/* A received packet. */
struct xsk_packet {
    uint8_t *data;
    size_t len;
};

/* Bind to a queue of an interface; zero-copy if the driver has it, else copying. `busy_poll_us` > 0 asks the
 * kernel to poll the device for that long in xsk_flush. Waits a second if somebody has the queue. 0 or a
 * negative errno. */
int xsk_open(struct xsk *xsk, unsigned interface, unsigned queue, int busy_poll_us);

/* Nothing if it is not open. */
void xsk_close(struct xsk *xsk);

/* Up to `room` packets that are there. */
size_t xsk_receive(struct xsk *xsk, struct xsk_packet *packets, size_t room);

/* Room of XSK_FRAME bytes to write a packet into, or NULL. It must be sent or freed. */
uint8_t *xsk_frame(struct xsk *xsk);

/* True if the address lies in this socket's memory. */
bool xsk_owns(const struct xsk *xsk, const uint8_t *data);

/* Bytes from the beginning of the piece that `data` is in. */
size_t xsk_offset(const struct xsk *xsk, const uint8_t *data);

/* Give back the piece that `data` is in. */
void xsk_free(struct xsk *xsk, const uint8_t *data);

/* Send `len` bytes at `data`, which lie in one piece, at the next flush. The piece is the kernel's now.
 * False if the ring is full; nothing has changed then. */
bool xsk_send(struct xsk *xsk, const uint8_t *data, size_t len);

void xsk_flush(struct xsk *xsk);

/* Packets that the kernel had for this socket and could not put into it, since it was opened. Any thread. */
uint64_t xsk_dropped(const struct xsk *xsk);

#endif
