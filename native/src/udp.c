#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MAPPED = 12 }; /* bytes in front of the IPv4 address in a mapped one */

static const uint8_t MAPPED_PREFIX[MAPPED] = {[10] = 0xff, [11] = 0xff};

bool udp_is_ipv6(const struct endpoint *endpoint)
{
    return memcmp(endpoint->ip, MAPPED_PREFIX, MAPPED) != 0;
}

socklen_t udp_to_sockaddr(const struct endpoint *from, bool ipv6, union udp_address *to)
{
    if (ipv6) {
        to->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
        memcpy(&to->in6.sin6_addr, from->ip, sizeof to->in6.sin6_addr);
        return sizeof to->in6;
    }
    to->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(from->port)};
    memcpy(&to->in.sin_addr, from->ip + MAPPED, sizeof to->in.sin_addr);
    return sizeof to->in;
}

void udp_from_sockaddr(const union udp_address *from, struct endpoint *to)
{
    if (from->any.sa_family == AF_INET6) {
        memcpy(to->ip, &from->in6.sin6_addr, sizeof to->ip);
        to->port = ntohs(from->in6.sin6_port);
        return;
    }
    memcpy(to->ip, MAPPED_PREFIX, MAPPED);
    memcpy(to->ip + MAPPED, &from->in.sin_addr, sizeof from->in.sin_addr);
    to->port = ntohs(from->in.sin_port);
}

static int open_socket(bool ipv6, int buffer)
{
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The kernel may grant less (net.core.rmem_max); what it grants is enough to live with. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    return fd;
}

/* The fd if all is well, else the error, and the fd is closed. */
static int fd_or(int error, int fd)
{
    if (error != 0)
        close(fd);
    return error != 0 ? error : fd;
}

int udp_open(const struct endpoint *local, uint16_t port, int buffer)
{
    struct endpoint bound = *local;
    bound.port = port;
    bool ipv6 = udp_is_ipv6(local);
    union udp_address address;
    socklen_t len = udp_to_sockaddr(&bound, ipv6, &address);
    int fd = open_socket(ipv6, buffer);
    if (fd < 0)
        return fd;
    return fd_or(bind(fd, &address.any, len) == 0 ? 0 : -errno, fd);
}

static void let_share(int fd, int on)
{
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

/* Both must agree to share at the moment of the bind; afterwards neither shares with anybody else. */
static int bind_beside(int fd, int second)
{
    union udp_address address;
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) != 0)
        return -errno;
    let_share(fd, 1);
    let_share(second, 1);
    int error = bind(second, &address.any, len) == 0 ? 0 : -errno;
    let_share(fd, 0);
    let_share(second, 0);
    return error;
}

int udp_open_connected(int fd, bool ipv6, const struct endpoint *peer)
{
    int buffer;
    socklen_t len = sizeof buffer;
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, &len) != 0)
        return -errno;
    int second = open_socket(ipv6, buffer / 2); /* the kernel reports twice what was asked */
    if (second < 0)
        return second;
    int error = bind_beside(fd, second);
    return fd_or(error == 0 ? udp_connect(second, ipv6, peer) : error, second);
}

int udp_connect(int fd, bool ipv6, const struct endpoint *peer)
{
    union udp_address address;
    socklen_t len = udp_to_sockaddr(peer, ipv6, &address);
    return connect(fd, &address.any, len) == 0 ? 0 : -errno;
}

ssize_t udp_receive(int fd, uint8_t *data, size_t room, struct endpoint *source)
{
    union udp_address address;
    socklen_t address_len = sizeof address;
    ssize_t len = recvfrom(fd, data, room, MSG_DONTWAIT | MSG_TRUNC, &address.any, &address_len);
    if (len < 0)
        return -errno;
    udp_from_sockaddr(&address, source);
    return (size_t)len > room ? 0 : len;
}

int udp_send(int fd, bool ipv6, const uint8_t *data, size_t len, const struct endpoint *to)
{
    union udp_address address;
    if (!ipv6 && udp_is_ipv6(to))
        return -EAFNOSUPPORT;
    socklen_t address_len = udp_to_sockaddr(to, ipv6, &address);
    ssize_t sent = sendto(fd, data, len, MSG_DONTWAIT, &address.any, address_len);
    return sent < 0 ? -errno : 0;
}
