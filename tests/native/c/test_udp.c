/* A port with two sockets, one of them connected: who gets what, and that nobody else gets in. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "udp.h"

static const struct endpoint IPV4 = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
static const struct endpoint IPV6 = {.ip = {[15] = 1}};
static const uint8_t PACKET[32];

static struct endpoint name_of(int fd)
{
    union udp_address address;
    socklen_t len = sizeof address;
    struct endpoint endpoint;
    CHECK(getsockname(fd, &address.any, &len) == 0);
    udp_from_sockaddr(&address, &endpoint);
    return endpoint;
}

/* What waits at a socket: its length, or -EAGAIN. */
static ssize_t next(int fd)
{
    struct endpoint source;
    uint8_t data[sizeof PACKET];
    return udp_receive(fd, data, sizeof data, &source);
}

static void test_split(const struct endpoint *local)
{
    bool ipv6 = udp_is_ipv6(local);
    int first = udp_open(local, 0, 65536), friend = udp_open(local, 0, 65536), other = udp_open(local, 0, 65536);
    CHECK(first >= 0 && friend >= 0 && other >= 0);
    struct endpoint here = name_of(first), there = name_of(friend), elsewhere = name_of(other);
    int second = udp_open_connected(first, ipv6, &there);
    CHECK(second >= 0);
    CHECK(udp_open(local, here.port, 65536) == -EADDRINUSE);

    CHECK(udp_send(friend, ipv6, PACKET, 20, &here) == 0);
    CHECK(udp_send(other, ipv6, PACKET, 10, &here) == 0);
    CHECK(next(second) == 20 && next(second) == -EAGAIN);
    CHECK(next(first) == 10 && next(first) == -EAGAIN);
    CHECK(send(second, PACKET, 7, 0) == 7 && next(friend) == 7);

    CHECK(udp_connect(second, ipv6, &elsewhere) == 0);
    CHECK(udp_send(friend, ipv6, PACKET, 20, &here) == 0);
    CHECK(udp_send(other, ipv6, PACKET, 10, &here) == 0);
    CHECK(next(second) == 10 && next(first) == 20);
    close(first);
    close(second);
    close(friend);
    close(other);
}

static void test_what_a_datagram_is(void)
{
    int a = udp_open(&IPV4, 0, 65536), b = udp_open(&IPV4, 0, 65536);
    struct endpoint to_b = name_of(b), source = {0}, from = name_of(a);
    uint8_t data[8];
    CHECK(udp_send(a, false, PACKET, 9, &to_b) == 0);
    CHECK(udp_receive(b, data, sizeof data, &source) == 0);
    CHECK(memcmp(&source, &from, sizeof from) == 0);
    CHECK(udp_send(a, false, PACKET, 8, &to_b) == 0);
    CHECK(udp_receive(b, data, sizeof data, &source) == 8);
    CHECK(udp_send(a, false, PACKET, 8, &IPV6) == -EAFNOSUPPORT);
    close(a);
    close(b);
}

int main(void)
{
    test_split(&IPV4);
    int ipv6 = udp_open(&IPV6, 0, 0);
    if (ipv6 >= 0) {
        close(ipv6);
        test_split(&IPV6);
    }
    test_what_a_datagram_is();
    return 0;
}
