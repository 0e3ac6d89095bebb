/* The XDP program and AF_XDP sockets on a veth pair, in the driver and generic: what is taken, what passes,
 * and packets that leave in the memory in which they came. */
#include "network.h"

#ifndef HAVE_BPF

int main(void)
{
    errno = ENOTSUP;
    skip("this build has no XDP program");
}

#else

#include <poll.h>

#include "frame.h"
#include "xdp.h"
#include "xsk.h"

enum { FIRST = 30000, LAST = 30007, OPEN = 30002, CLOSED = 30004, PACKETS = 3 * XSK_FRAMES, BURST = 100 };

static const uint8_t near_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 1};
static const uint8_t far_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 2};
static struct xdp *xdp;
static struct xsk xsk;
static struct endpoint near_open, near_closed, far_end;
static int far_socket, open_socket, closed_socket; /* the kernel's, on the far and the near side */

static void open_ends(const char *near_ip, const char *far_ip)
{
    near_open = endpoint_of(near_ip, OPEN);
    near_closed = endpoint_of(near_ip, CLOSED);
    far_end = endpoint_of(far_ip, 4000);
    far_socket = bound(far_namespace, &far_end);
    open_socket = bound(near_namespace, &near_open);
    closed_socket = bound(near_namespace, &near_closed);
}

static void close_ends(void)
{
    close(far_socket);
    close(open_socket);
    close(closed_socket);
}

static void attach(enum xdp_mode mode)
{
    unsigned interface = if_nametoindex("near");
    struct xdp *second;
    int error = xdp_open(&xdp, interface, near_mac, &near_open, FIRST, LAST, 1, mode);
    if (error == -EPERM) {
        errno = EPERM;
        skip("XDP");
    }
    CHECK(error == 0);
    CHECK(xdp_mode(xdp) == (mode == XDP_MODE_AUTO ? XDP_MODE_DRIVER : mode));
    CHECK(xdp_open(&second, interface, near_mac, &near_open, FIRST, LAST, 1, mode) == -EBUSY);
    CHECK(xsk_open(&xsk, interface, 0, 0) == 0);
    CHECK(!xsk.zero_copy); /* veth has none */
    CHECK(xdp_add_socket(xdp, 0, xsk.fd) == 0);
}

static void detach(void)
{
    xdp_close(xdp);
    xsk_close(&xsk);
}

static void far_sends(const struct endpoint *to, uint32_t value, size_t len)
{
    uint8_t data[4096] = {0};
    memcpy(data, &value, sizeof value);
    CHECK(udp_send(far_socket, udp_is_ipv6(to), data, len, to) == 0);
}

/* The value in the next datagram, which must come and have that length. */
static uint32_t next_value(int fd, size_t len)
{
    uint8_t data[4096];
    uint32_t value;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    CHECK(poll(&ready, 1, 30000) == 1);
    CHECK(recv(fd, data, sizeof data, 0) == (ssize_t)len);
    memcpy(&value, data, sizeof value);
    return value;
}

static size_t wait_for_packets(struct xsk_packet *packets, size_t room)
{
    struct pollfd ready = {.fd = xsk.fd, .events = POLLIN};
    size_t count = 0;
    while ((count = xsk_receive(&xsk, packets, room)) == 0)
        CHECK(poll(&ready, 1, 30000) == 1);
    return count;
}

static uint32_t value_of(const struct xsk_packet *packet, size_t len, struct frame *frame)
{
    uint32_t value;
    CHECK(xsk_owns(&xsk, packet->data) && frame_parse(packet->data, packet->len, frame));
    CHECK(memcmp(&frame->from, &far_end, sizeof far_end) == 0);
    CHECK(memcmp(&frame->to, &near_open, sizeof near_open) == 0);
    CHECK(frame->len == len);
    memcpy(&value, frame->payload, sizeof value);
    return value;
}

/* Nothing is open yet, then one port, then none. */
static void test_ports(void)
{
    struct xsk_packet packet;
    struct frame frame;
    far_sends(&near_open, 1, 172);
    CHECK(next_value(open_socket, 172) == 1);
    xdp_take(xdp, OPEN);
    far_sends(&near_open, 2, 172);
    CHECK(wait_for_packets(&packet, 1) == 1 && value_of(&packet, 172, &frame) == 2);
    xsk_free(&xsk, packet.data);
    far_sends(&near_closed, 3, 172);
    CHECK(next_value(closed_socket, 172) == 3);
    xdp_pass(xdp, OPEN);
    far_sends(&near_open, 4, 172);
    CHECK(next_value(open_socket, 172) == 4);
    CHECK(xsk_receive(&xsk, &packet, 1) == 0);
    xdp_take(xdp, OPEN);
}

/* An echo request from far is answered: byte `at` of what comes is then an echo reply's type. */
static void ping(bool ipv6)
{
    /* With the checksum of the IPv4 one; for IPv6 the kernel sums. */
    const uint8_t request[8] = {ipv6 ? 128 : 8, 0, 0xf7, 0xff};
    const uint8_t reply = ipv6 ? 129 : 0;
    const size_t at = ipv6 ? 0 : 20;
    struct endpoint to = near_open;
    uint8_t data[512] = {0xff};
    to.port = 0;
    enter(far_namespace);
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW, ipv6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
    enter(near_namespace);
    CHECK(fd >= 0 && udp_send(fd, ipv6, request, sizeof request, &to) == 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    do {
        CHECK(poll(&ready, 1, 30000) == 1);
        CHECK(recv(fd, data, sizeof data, 0) > (ssize_t)at);
    } while (data[at] != reply);
    close(fd);
}

/* What is to an open port, but no plain datagram, is the kernel's; and so is everything else. */
static void test_what_passes(bool ipv6)
{
    far_sends(&near_open, 5, 3000); /* fragments */
    CHECK(next_value(open_socket, 3000) == 5);
    ping(ipv6);
    if (!ipv6) {
        const uint8_t options[4] = {1, 1, 1, 1}; /* NOP */
        CHECK(setsockopt(far_socket, IPPROTO_IP, IP_OPTIONS, options, sizeof options) == 0);
        far_sends(&near_open, 6, 172);
        CHECK(next_value(open_socket, 172) == 6);
        CHECK(setsockopt(far_socket, IPPROTO_IP, IP_OPTIONS, NULL, 0) == 0);
    }
    /* From ourselves to ourselves never leaves the machine. */
    CHECK(udp_send(closed_socket, ipv6, far_mac, 4, &near_open) == 0);
    next_value(open_socket, 4);
}

/* Send a received packet back, in place. */
static void answer(struct xsk_packet *packet, const struct frame *frame)
{
    const struct endpoint from = frame->to, to = frame->from;
    uint8_t *data = frame_write(frame->payload, frame->len, &from, &to, near_mac, far_mac);
    CHECK(data == packet->data);
    CHECK(xsk_send(&xsk, data, packet->len));
}

static void test_many(void)
{
    for (uint32_t sent = 0, back = 0; back < PACKETS;) {
        struct xsk_packet packets[XSK_BATCH];
        for (uint32_t i = 0; i < BURST; i++, sent++)
            far_sends(&near_open, sent, 4 + sent % 1400);
        for (uint32_t expected = back; expected < sent;) {
            size_t count = wait_for_packets(packets, XSK_BATCH);
            for (size_t i = 0; i < count; i++, expected++) {
                struct frame frame;
                CHECK(value_of(&packets[i], 4 + expected % 1400, &frame) == expected);
                answer(&packets[i], &frame);
            }
        }
        xsk_flush(&xsk);
        for (; back < sent; back++)
            CHECK(next_value(far_socket, 4 + back % 1400) == back);
    }
    CHECK(xsk_dropped(&xsk) == 0);
}

/* Own packets, more than there is room for: xsk_frame says so, and later there is room again. */
static void test_own_packets(void)
{
    uint32_t sent = 0;
    for (uint8_t *frame; (frame = xsk_frame(&xsk)) != NULL; sent++) {
        uint8_t *payload = frame + frame_headers(&near_open);
        memcpy(payload, &sent, sizeof sent);
        CHECK(frame_write(payload, 20, &near_open, &far_end, near_mac, far_mac) == frame);
        CHECK(xsk_send(&xsk, frame, frame_headers(&near_open) + 20));
    }
    CHECK(sent == XSK_RING);
    for (int waited = 0; xsk.sending > 0;) {
        xsk_flush(&xsk);
        CHECK(patience(&waited));
    }
    /* What the far socket has no room for, it drops; the first it has. */
    for (uint32_t back = 0; back < BURST; back++)
        CHECK(next_value(far_socket, 20) == back);
    uint8_t *frame = xsk_frame(&xsk);
    CHECK(frame != NULL);
    xsk_free(&xsk, frame);
}

/* More than fits waits nowhere: it is counted, and what comes afterwards is received. */
static void test_overflow(void)
{
    struct xsk_packet packets[XSK_BATCH];
    struct frame frame;
    uint64_t received = 0;
    for (uint32_t i = 0; i < 2 * XSK_RING; i++)
        far_sends(&near_open, i, 172);
    for (size_t count; (count = xsk_receive(&xsk, packets, XSK_BATCH)) > 0; received += count) {
        for (size_t i = 0; i < count; i++)
            xsk_free(&xsk, packets[i].data);
        xsk_flush(&xsk);
    }
    CHECK(received >= XSK_RING && received + xsk_dropped(&xsk) == 2 * XSK_RING);
    far_sends(&near_open, 7, 172);
    CHECK(wait_for_packets(packets, 1) == 1 && value_of(packets, 172, &frame) == 7);
    xsk_free(&xsk, packets[0].data);
}

/* Wherever it was, all memory is found again: what the kernel may receive into, and the rest is free. */
static void test_nothing_is_lost(void)
{
    xsk_flush(&xsk);
    CHECK(xsk.sending == 0 && xsk.free_count == XSK_FRAMES - XSK_RING);
}

static void test_after_the_end(void)
{
    detach();
    far_sends(&near_open, 8, 172);
    CHECK(next_value(open_socket, 172) == 8);
}

static void test_on(const char *near_ip, const char *far_ip, enum xdp_mode mode)
{
    open_ends(near_ip, far_ip);
    attach(mode);
    test_ports();
    test_what_passes(udp_is_ipv6(&near_open));
    test_many();
    test_own_packets();
    test_overflow();
    test_nothing_is_lost();
    test_after_the_end();
    close_ends();
}

int main(void)
{
    open_network();
    test_on(NEAR_IP, FAR_IP, XDP_MODE_DRIVER);
    test_on(NEAR_IP, FAR_IP, XDP_MODE_GENERIC);
    test_on(NEAR_IPV6, FAR_IPV6, XDP_MODE_AUTO);
    return 0;
}

#endif
