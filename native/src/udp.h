/* UDP sockets of legs: non-blocking, one datagram at a time.
 *
 * A leg has one packet in 20 ms, and a system call is for one socket: recvmmsg, which costs half as much again
 * as recvfrom where one datagram waits, has nothing to gain, and sendmmsg could never send two.
 */
#ifndef CLUTCH_UDP_H
#define CLUTCH_UDP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "backend.h"

union udp_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* A socket bound to `local`, its port replaced by `port`; IPv6 unless the address is a mapped IPv4 one.
 * `buffer` is asked of the kernel for receiving. Returns the fd or a negative errno. */
int udp_open(const struct endpoint *local, uint16_t port, int buffer);

/* A second socket on the port of `fd`, connected to `peer`: it gets what comes from there, `fd` all else.
 * Nobody can bind a third one to that port. Returns the fd or a negative errno. */
int udp_open_connected(int fd, bool ipv6, const struct endpoint *peer);

/* Connect such a socket to another peer. 0 or a negative errno. */
int udp_connect(int fd, bool ipv6, const struct endpoint *peer);

/* Take a datagram of at most `room` bytes without waiting. Its length, 0 if it was longer, or a negative errno. */
ssize_t udp_receive(int fd, uint8_t *data, size_t room, struct endpoint *source);

/* Send one datagram without waiting. 0 or a negative errno; -EAFNOSUPPORT from an IPv4 socket to IPv6. */
int udp_send(int fd, bool ipv6, const uint8_t *data, size_t len, const struct endpoint *to);

/* The kernel's form of an endpoint, for an IPv6 socket or an IPv4 one; returns its length. */
socklen_t udp_to_sockaddr(const struct endpoint *from, bool ipv6, union udp_address *to);

void udp_from_sockaddr(const union udp_address *from, struct endpoint *to);

/* True if the endpoint needs an IPv6 socket. */
bool udp_is_ipv6(const struct endpoint *endpoint);

#endif
