/* The XDP program forwards: what leaves, what it notes, and whatever ends it. One far socket sends, another
 * one gets what is forwarded, so the kernel there checks its checksums. */
#include "network.h"

#ifndef HAVE_BPF

int main(void)
{
    errno = ENOTSUP;
    skip("this build has no XDP program");
}

#else

#include <poll.h>
#include <time.h>

#include "bytes.h"
#include "rtp.h"
#include "xdp.h"
#include "xsk.h"

enum { FIRST = 30000, LAST = 30006, IN = 30002, OUT = 30006, MANY = 1000, PAYLOAD = 160, KIND = 8 };

static const uint8_t near_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 1};
static const uint8_t far_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 2};
static const struct relay_numbers OFFSET = {.timestamp = 0xfffff000, .seq = 0xfff0};
static struct xdp *xdp;
static struct xsk xsk;
static struct endpoint near_in, near_out, sender, receiver;
static int sending, receiving, stranger;
static uint16_t seq;
static uint32_t timestamp, noted;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void open_sockets(const char *near_ip, const char *far_ip)
{
    near_in = endpoint_of(near_ip, IN);
    near_out = endpoint_of(near_ip, OUT);
    sender = endpoint_of(far_ip, 4000);
    receiver = endpoint_of(far_ip, 4002);
    const struct endpoint other = endpoint_of(far_ip, 4004);
    sending = bound(far_namespace, &sender);
    receiving = bound(far_namespace, &receiver);
    stranger = bound(far_namespace, &other);
}

static void attach(enum xdp_mode mode)
{
    unsigned interface = if_nametoindex("near");
    int error = xdp_open(&xdp, interface, near_mac, &near_in, FIRST, LAST, 1, mode);
    if (error == -EPERM) {
        errno = EPERM;
        skip("XDP");
    }
    CHECK(error == 0);
    CHECK(xsk_open(&xsk, interface, 0, 0) == 0);
    CHECK(xdp_add_socket(xdp, 0, xsk.fd) == 0);
    xdp_take(xdp, IN);
}

/* Forward from here on; the newest packet came `age_us` ago. */
static void forward(int64_t age_us)
{
    const struct forward how = {
        .from = sender,
        .to = receiver,
        .ssrc = 7,
        .new_ssrc = 0x01020304,
        .clock_hz = 8000,
        .newest = {.timestamp = timestamp, .seq = seq},
        .newest_us = now_us() - age_us,
        .offset = OFFSET,
        .payload_type = KIND,
        .new_payload_type = 96,
    };
    xdp_forward(xdp, IN, &how, OUT, far_mac);
    CHECK(xdp_is_forwarding(xdp, IN));
}

/* A packet as it is forwarded, to be changed into one that is not. */
static struct rtp_packet next_packet(void)
{
    seq++;
    timestamp += 160;
    return (struct rtp_packet){.payload_type = KIND, .seq = seq, .timestamp = timestamp, .ssrc = 7};
}

static void send_from(int socket, const struct rtp_packet *rtp, uint8_t first, size_t len)
{
    uint8_t packet[2048];
    for (size_t i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)(rtp->seq + i);
    rtp_write_header(packet, rtp);
    packet[0] = first;
    CHECK(udp_send(socket, udp_is_ipv6(&near_in), packet, len, &near_in) == 0);
}

static void expect(const struct rtp_packet *sent, size_t len)
{
    uint8_t packet[2048];
    struct rtp_packet got;
    struct endpoint source;
    struct pollfd ready = {.fd = receiving, .events = POLLIN};
    CHECK(poll(&ready, 1, 30000) == 1);
    CHECK(udp_receive(receiving, packet, sizeof packet, &source) == (ssize_t)len);
    CHECK(memcmp(&source, &near_out, sizeof source) == 0);
    CHECK(rtp_parse(packet, len, &got) == 0);
    CHECK(got.ssrc == 0x01020304 && got.payload_type == 96 && got.marker == sent->marker);
    CHECK(got.seq == (uint16_t)(sent->seq + OFFSET.seq));
    CHECK(got.timestamp == sent->timestamp + OFFSET.timestamp);
    for (size_t i = RTP_HEADER; i < len; i++)
        CHECK(packet[i] == (uint8_t)(sent->seq + i));
}

static void check_note(void *context, uint16_t port, const struct forwarded *packet)
{
    const struct rtp_packet *last = context;
    CHECK(port == IN && packet->len == PAYLOAD);
    CHECK(packet->at_us <= now_us() && packet->at_us > now_us() - 30000000);
    noted++;
    if (packet->numbers.seq == last->seq)
        CHECK(packet->numbers.timestamp == last->timestamp);
}

static void test_packets_go_on(void)
{
    struct rtp_packet rtp;
    noted = 0;
    seq = 65000; /* both wrap */
    timestamp = UINT32_MAX - 10000;
    forward(0);
    for (int i = 0; i < MANY; i++) {
        rtp = next_packet();
        rtp.marker = i % 7 == 0;
        send_from(sending, &rtp, 0x80, RTP_HEADER + PAYLOAD);
        expect(&rtp, RTP_HEADER + PAYLOAD);
    }
    CHECK(xdp_is_forwarding(xdp, IN));
    xdp_notes(xdp, check_note, &rtp);
    CHECK(noted == MANY);
}

static void ignore_note(void *context, uint16_t port, const struct forwarded *packet)
{
    (void)context, (void)port, (void)packet;
}

/* Gaps of what the network lost, a pause within bounds, any length. */
static void test_what_else_goes_on(void)
{
    forward(500000);
    for (size_t len = RTP_HEADER + 1; len < RTP_HEADER + 1400; len += 97) {
        struct rtp_packet rtp = next_packet();
        seq += 98;
        timestamp += 3840;
        rtp.seq = seq;
        rtp.timestamp = timestamp;
        send_from(sending, &rtp, 0x80, len);
        expect(&rtp, len);
    }
    xdp_notes(xdp, ignore_note, NULL);
}

/* The packet comes here instead, as it was sent. */
static void expect_taken(uint8_t first, size_t len)
{
    struct xsk_packet packet;
    struct frame frame;
    struct pollfd ready = {.fd = xsk.fd, .events = POLLIN};
    CHECK(poll(&ready, 1, 30000) == 1 && xsk_receive(&xsk, &packet, 1) == 1);
    CHECK(frame_parse(packet.data, packet.len, &frame));
    CHECK(frame.to.port == IN && frame.len == len && frame.payload[0] == first);
    xsk_free(&xsk, packet.data);
    xsk_flush(&xsk);
}

static void expect_end(const struct rtp_packet *rtp, uint8_t first, size_t len)
{
    noted = 0;
    send_from(sending, rtp, first, len);
    expect_taken(first, len);
    CHECK(!xdp_is_forwarding(xdp, IN));
    xdp_notes(xdp, check_note, (void *)rtp);
    CHECK(noted == 0);
    CHECK(poll(&(struct pollfd){.fd = receiving, .events = POLLIN}, 1, 0) == 0);
}

/* One packet for each reason not to forward, each with forwarding on. */
static void test_what_ends_it(void)
{
    const size_t len = RTP_HEADER + PAYLOAD;
    struct rtp_packet ok, rtp;
#define ENDS(change, first, size)                                                                        \
    do {                                                                                                  \
        forward(0);                                                                                       \
        rtp = ok = next_packet();                                                                         \
        change;                                                                                           \
        expect_end(&rtp, first, size);                                                                    \
    } while (0)
    ENDS(rtp.seq--, 0x80, len);
    ENDS(rtp.seq -= 2, 0x80, len);
    ENDS(rtp.seq += 99, 0x80, len);
    ENDS(rtp.timestamp -= 160, 0x80, len);
    ENDS(rtp.timestamp -= 161, 0x80, len);
    ENDS(rtp.timestamp += 3841, 0x80, len);
    ENDS(rtp.ssrc++, 0x80, len);
    ENDS(rtp.payload_type = 101, 0x80, len);
    ENDS((rtp.payload_type = 72, rtp.marker = true), 0x80, len); /* a sender report */
    ENDS((void)ok, 0x40, len);
    ENDS((void)ok, 0xa0, len);
    ENDS((void)ok, 0x90, len);
    ENDS((void)ok, 0x81, len);
    ENDS((void)ok, 0x80, RTP_HEADER);
    ENDS((void)ok, 0x80, RTP_HEADER - 1);
    ENDS((void)ok, 0x80, 1);
#undef ENDS
    forward(1000000);
    rtp = next_packet();
    expect_end(&rtp, 0x80, len);
}

static void test_strangers_end_nothing(void)
{
    const size_t len = RTP_HEADER + PAYLOAD;
    forward(0);
    struct rtp_packet rtp = next_packet();
    send_from(stranger, &rtp, 0x80, len);
    expect_taken(0x80, len);
    CHECK(xdp_is_forwarding(xdp, IN));
    send_from(sending, &rtp, 0x80, len);
    expect(&rtp, len);
    xdp_take(xdp, IN);
    CHECK(!xdp_is_forwarding(xdp, IN));
    xdp_notes(xdp, ignore_note, NULL);
    rtp = next_packet();
    expect_end(&rtp, 0x80, len);
}

/* More than there is room to note is not forwarded in secret. */
static void test_too_many_notes(void)
{
    const size_t len = RTP_HEADER + 1;
    uint8_t packet[2048];
    uint32_t sent = 0;
    forward(0);
    while (xdp_is_forwarding(xdp, IN)) {
        struct rtp_packet rtp = next_packet();
        send_from(sending, &rtp, 0x80, len);
        CHECK(++sent < 100000);
        while (recv(receiving, packet, sizeof packet, 0) > 0)
            continue;
    }
    CHECK(sent > 1024);
    expect_taken(0x80, len);
    xdp_notes(xdp, ignore_note, NULL);
}

/* RFC 768: none is none, on the way out as on the way in. */
static void test_without_a_checksum(void)
{
    const int on = 1, off = 0;
    CHECK(setsockopt(sending, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
    forward(0);
    struct rtp_packet rtp = next_packet();
    send_from(sending, &rtp, 0x80, RTP_HEADER + PAYLOAD);
    expect(&rtp, RTP_HEADER + PAYLOAD);
    CHECK(setsockopt(sending, SOL_SOCKET, SO_NO_CHECK, &off, sizeof off) == 0);
    xdp_notes(xdp, ignore_note, NULL);
}

static void test_on(const char *near_ip, const char *far_ip, enum xdp_mode mode)
{
    open_sockets(near_ip, far_ip);
    attach(mode);
    test_packets_go_on();
    test_what_else_goes_on();
    test_what_ends_it();
    test_strangers_end_nothing();
    test_too_many_notes();
    if (!udp_is_ipv6(&near_in))
        test_without_a_checksum();
    xdp_close(xdp);
    xsk_close(&xsk);
    close(sending);
    close(receiving);
    close(stranger);
}

int main(void)
{
    open_network();
    enter(far_namespace);
    run("ethtool -K far tx off >/dev/null"); /* no checksums left to hardware that there is none of */
    unsigned far_interface = if_nametoindex("far");
    const struct endpoint far_end = endpoint_of(FAR_IP, 0);
    enter(near_namespace);
    test_on(NEAR_IP, FAR_IP, XDP_MODE_GENERIC);
    test_on(NEAR_IPV6, FAR_IPV6, XDP_MODE_GENERIC);
    /* In the driver, a veth takes what a program sends only if its own end has one. */
    struct xdp *passing;
    enter(far_namespace);
    CHECK(xdp_open(&passing, far_interface, far_mac, &far_end, FIRST, LAST, 1, XDP_MODE_DRIVER) == 0);
    enter(near_namespace);
    test_on(NEAR_IP, FAR_IP, XDP_MODE_DRIVER);
    xdp_close(passing);
    return 0;
}

#endif
