/* UDP sockets of legs: non-blocking, read in batches. */
#ifndef CLUTCH_UDP_H
#define CLUTCH_UDP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "backend.h"

enum {
    UDP_BATCH = 16,
};

union udp_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Room for one batch; its addresses point into itself, so it must not move. */
struct udp_batch {
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    union udp_address sources[UDP_BATCH];
    uint8_t data[UDP_BATCH][MEDIA_PACKET_MAX + BACKEND_TAIL];
};

void udp_batch_init(struct udp_batch *batch);

/* A socket bound to `local`, its port replaced by `port`; IPv6 unless the address is a mapped IPv4 one.
 * `buffer` is asked of the kernel for receiving. Returns the fd or a negative errno. */
int udp_open(const struct endpoint *local, uint16_t port, int buffer);

/* Take up to UDP_BATCH datagrams without waiting; returns how many, 0 if there are none. */
size_t udp_receive(int fd, struct udp_batch *batch);

/* The i-th datagram of the last udp_receive: its length (0 if it was longer than MEDIA_PACKET_MAX, which no
 * valid packet is) and its source. */
size_t udp_message(const struct udp_batch *batch, size_t i, struct endpoint *source);

/* Send one datagram without waiting. 0 or a negative errno; -EAFNOSUPPORT from an IPv4 socket to IPv6. */
int udp_send(int fd, bool ipv6, const uint8_t *data, size_t len, const struct endpoint *to);

/* The kernel's form of an endpoint, for an IPv6 socket or an IPv4 one; returns its length. */
socklen_t udp_to_sockaddr(const struct endpoint *from, bool ipv6, union udp_address *to);

void udp_from_sockaddr(const union udp_address *from, struct endpoint *to);

/* backend_kind.unbind of backends whose sockets are just that. */
void udp_unbind(struct backend *backend, struct leg_socket *socket);

/* True if the endpoint needs an IPv6 socket. */
bool udp_is_ipv6(const struct endpoint *endpoint);

#endif
