#include "xsk.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MEMORY = XSK_FRAMES * XSK_FRAME,
    MASK = XSK_RING - 1,
    BIND_TRIES = 100,
    BIND_PAUSE_NS = 10000000,
    /* Of kernels newer than the headers that this may be built with. */
    MAX_TX_SKB_BUDGET = 9,
    PREFER_BUSY_POLL = 69,
    BUSY_POLL_BUDGET = 70,
};

/* ---- rings: whoever writes one publishes `producer`, whoever reads it `consumer`, each with release ---- */

/* Entries that may be written. */
static uint32_t room(struct xsk_ring *ring)
{
    if (ring->mine - ring->theirs == XSK_RING)
        ring->theirs = atomic_load_explicit(ring->consumer, memory_order_acquire);
    return XSK_RING - (ring->mine - ring->theirs);
}

static void publish(struct xsk_ring *ring)
{
    atomic_store_explicit(ring->producer, ring->mine, memory_order_release);
}

/* Entries that may be read. */
static uint32_t available(struct xsk_ring *ring)
{
    if (ring->mine == ring->theirs)
        ring->theirs = atomic_load_explicit(ring->producer, memory_order_acquire);
    return ring->theirs - ring->mine;
}

static void consumed(struct xsk_ring *ring)
{
    atomic_store_explicit(ring->consumer, ring->mine, memory_order_release);
}

static bool needs_wakeup(const struct xsk_ring *ring)
{
    return atomic_load_explicit(ring->flags, memory_order_relaxed) & XDP_RING_NEED_WAKEUP;
}

/* ---- opening ---- */

static int set_option(const struct xsk *xsk, int level, int option, const void *value, socklen_t size)
{
    return setsockopt(xsk->fd, level, option, value, size) == 0 ? 0 : -errno;
}

static int register_memory(struct xsk *xsk)
{
    void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    xsk->memory = memory;
    for (uint32_t i = 0; i < XSK_FRAMES; i++)
        xsk->free[i] = i * XSK_FRAME;
    xsk->free_count = XSK_FRAMES;
    struct xdp_umem_reg reg = {.addr = (uintptr_t)memory, .len = MEMORY, .chunk_size = XSK_FRAME};
    return set_option(xsk, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg);
}

/* Map the ring with entries of `entry` bytes that the kernel shows at `place` in the socket. */
static int map_ring(struct xsk *xsk, struct xsk_ring *ring, const struct xdp_ring_offset *offset,
                    size_t entry, uint64_t place)
{
    const int flags = MAP_SHARED | MAP_POPULATE;
    ring->map_size = offset->desc + XSK_RING * entry;
    ring->map = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, flags, xsk->fd, (off_t)place);
    if (ring->map == MAP_FAILED) {
        ring->map = NULL;
        return -errno;
    }
    uint8_t *map = ring->map;
    ring->producer = (_Atomic uint32_t *)(void *)(map + offset->producer);
    ring->consumer = (_Atomic uint32_t *)(void *)(map + offset->consumer);
    ring->flags = (_Atomic uint32_t *)(void *)(map + offset->flags);
    ring->entries = map + offset->desc;
    return 0;
}

static int map_rings(struct xsk *xsk)
{
    const size_t address = sizeof(uint64_t), descriptor = sizeof(struct xdp_desc);
    struct xdp_mmap_offsets at;
    socklen_t len = sizeof at;
    if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &len) != 0)
        return -errno;
    int error = map_ring(xsk, &xsk->fill, &at.fr, address, XDP_UMEM_PGOFF_FILL_RING);
    if (error == 0)
        error = map_ring(xsk, &xsk->completion, &at.cr, address, XDP_UMEM_PGOFF_COMPLETION_RING);
    if (error == 0)
        error = map_ring(xsk, &xsk->receive, &at.rx, descriptor, XDP_PGOFF_RX_RING);
    return error == 0 ? map_ring(xsk, &xsk->transmit, &at.tx, descriptor, XDP_PGOFF_TX_RING) : error;
}

static int open_rings(struct xsk *xsk)
{
    static const int sizes[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING};
    const int entries = XSK_RING;
    int error = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && error == 0; i++)
        error = set_option(xsk, SOL_XDP, sizes[i], &entries, sizeof entries);
    return error == 0 ? map_rings(xsk) : error;
}

/* What a kernel does not know it does without: these make it cheaper, not different. */
static void tune(struct xsk *xsk, int busy_poll_us)
{
    const int on = 1, budget = XSK_BATCH, ring = XSK_RING;
    set_option(xsk, SOL_XDP, MAX_TX_SKB_BUDGET, &ring, sizeof ring);
    if (busy_poll_us > 0) {
        set_option(xsk, SOL_SOCKET, PREFER_BUSY_POLL, &on, sizeof on);
        set_option(xsk, SOL_SOCKET, SO_BUSY_POLL, &busy_poll_us, sizeof busy_poll_us);
        set_option(xsk, SOL_SOCKET, BUSY_POLL_BUDGET, &budget, sizeof budget);
    }
}

static int bind_as(struct xsk *xsk, unsigned interface, unsigned queue, uint16_t copying)
{
    struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_ifindex = interface,
        .sxdp_queue_id = queue,
        .sxdp_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | copying),
    };
    return bind(xsk->fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

static int bind_once(struct xsk *xsk, unsigned interface, unsigned queue)
{
    if (bind_as(xsk, interface, queue, XDP_ZEROCOPY) != 0)
        return bind_as(xsk, interface, queue, XDP_COPY);
    xsk->zero_copy = true;
    return 0;
}

/* The kernel lets go of a queue only some time after the socket was closed that had it. */
static int bind_to(struct xsk *xsk, unsigned interface, unsigned queue)
{
    const struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
    int error = -EBUSY;
    for (int tries = 0; error == -EBUSY && tries < BIND_TRIES; tries++) {
        if (tries > 0)
            nanosleep(&pause, NULL);
        error = bind_once(xsk, interface, queue);
    }
    return error;
}

int xsk_open(struct xsk *xsk, unsigned interface, unsigned queue, int busy_poll_us)
{
    memset(xsk, 0, sizeof *xsk);
    xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xsk->fd < 0)
        return -errno;
    int error = register_memory(xsk);
    if (error == 0)
        error = open_rings(xsk);
    if (error == 0) {
        tune(xsk, busy_poll_us);
        error = bind_to(xsk, interface, queue);
    }
    if (error != 0) {
        xsk_close(xsk);
        return error;
    }
    xsk_flush(xsk);
    return 0;
}

static void close_ring(struct xsk_ring *ring)
{
    if (ring->map != NULL)
        munmap(ring->map, ring->map_size);
}

void xsk_close(struct xsk *xsk)
{
    if (xsk->fd < 0)
        return;
    close_ring(&xsk->fill);
    close_ring(&xsk->completion);
    close_ring(&xsk->receive);
    close_ring(&xsk->transmit);
    close(xsk->fd);
    if (xsk->memory != NULL)
        munmap(xsk->memory, MEMORY);
    xsk->fd = -1;
}

/* ---- packets ---- */

size_t xsk_receive(struct xsk *xsk, struct xsk_packet *packets, size_t room)
{
    struct xsk_ring *ring = &xsk->receive;
    const struct xdp_desc *entries = ring->entries;
    size_t count = available(ring);
    if (count > room)
        count = room;
    for (size_t i = 0; i < count; i++) {
        const struct xdp_desc *entry = &entries[ring->mine++ & MASK];
        packets[i] = (struct xsk_packet){.data = xsk->memory + entry->addr, .len = entry->len};
    }
    if (count > 0)
        consumed(ring);
    return count;
}

uint8_t *xsk_frame(struct xsk *xsk)
{
    return xsk->sending < XSK_RING ? xsk->memory + xsk->free[--xsk->free_count] : NULL;
}

bool xsk_owns(const struct xsk *xsk, const uint8_t *data)
{
    uintptr_t offset = (uintptr_t)data - (uintptr_t)xsk->memory;
    return offset < MEMORY;
}

size_t xsk_offset(const struct xsk *xsk, const uint8_t *data)
{
    return (size_t)(data - xsk->memory) % XSK_FRAME;
}

void xsk_free(struct xsk *xsk, const uint8_t *data)
{
    xsk->free[xsk->free_count++] = (uint32_t)((size_t)(data - xsk->memory) - xsk_offset(xsk, data));
}

bool xsk_send(struct xsk *xsk, const uint8_t *data, size_t len)
{
    struct xsk_ring *ring = &xsk->transmit;
    struct xdp_desc *entries = ring->entries;
    if (xsk->sending >= XSK_RING || room(ring) == 0)
        return false;
    uint64_t place = (uint64_t)(data - xsk->memory);
    entries[ring->mine++ & MASK] = (struct xdp_desc){.addr = place, .len = (uint32_t)len};
    xsk->sending++;
    return true;
}

/* ---- flushing ---- */

static void take_back(struct xsk *xsk)
{
    struct xsk_ring *ring = &xsk->completion;
    const uint64_t *entries = ring->entries;
    uint32_t count = available(ring);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        xsk_free(xsk, xsk->memory + entries[ring->mine++ & MASK]);
    xsk->sending -= count;
    consumed(ring);
}

/* As much as leaves one free piece for everything that may yet be sent. */
static void fill_up(struct xsk *xsk)
{
    struct xsk_ring *ring = &xsk->fill;
    uint64_t *entries = ring->entries;
    uint32_t before = ring->mine;
    while (xsk->free_count + xsk->sending > XSK_RING && room(ring) > 0)
        entries[ring->mine++ & MASK] = xsk->free[--xsk->free_count];
    if (ring->mine == before)
        return;
    publish(ring);
    if (needs_wakeup(ring))
        recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* What the kernel has not yet taken from the transmit ring. */
static uint32_t unsent(struct xsk *xsk)
{
    xsk->transmit.theirs = atomic_load_explicit(xsk->transmit.consumer, memory_order_acquire);
    return xsk->transmit.mine - xsk->transmit.theirs;
}

/* Wakes the kernel as long as that helps; the caller comes again in a millisecond. */
static void push_out(struct xsk *xsk)
{
    struct xsk_ring *ring = &xsk->transmit;
    publish(ring);
    for (uint32_t left, before = UINT32_MAX; (left = unsent(xsk)) > 0 && left < before; before = left)
        if (needs_wakeup(ring))
            sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
}

void xsk_flush(struct xsk *xsk)
{
    if (xsk->transmit.mine != xsk->transmit.theirs)
        push_out(xsk);
    take_back(xsk);
    fill_up(xsk);
}

uint64_t xsk_dropped(const struct xsk *xsk)
{
    struct xdp_statistics statistics = {0};
    socklen_t len = sizeof statistics;
    if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &statistics, &len) != 0)
        return 0;
    uint64_t dropped = statistics.rx_dropped + statistics.rx_ring_full;
    /* Where the kernel copies, it counts a packet without a place under rx_dropped as well. */
    return xsk->zero_copy ? dropped + statistics.rx_fill_ring_empty_descs : dropped;
}
