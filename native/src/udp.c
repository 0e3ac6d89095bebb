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

void udp_batch_init(struct udp_batch *batch)
{
    memset(batch, 0, sizeof *batch);
    for (size_t i = 0; i < UDP_BATCH; i++) {
        batch->vectors[i] = (struct iovec){.iov_base = batch->data[i], .iov_len = MEDIA_PACKET_MAX};
        batch->messages[i].msg_hdr.msg_iov = &batch->vectors[i];
        batch->messages[i].msg_hdr.msg_iovlen = 1;
        batch->messages[i].msg_hdr.msg_name = &batch->sources[i];
    }
}

int udp_open(const struct endpoint *local, uint16_t port, int buffer)
{
    struct endpoint bound = *local;
    bound.port = port;
    bool ipv6 = udp_is_ipv6(local);
    union udp_address address;
    socklen_t len = udp_to_sockaddr(&bound, ipv6, &address);
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, &address.any, len) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    /* The kernel may grant less (net.core.rmem_max); what it grants is enough to live with. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    return fd;
}

size_t udp_receive(int fd, struct udp_batch *batch)
{
    for (size_t i = 0; i < UDP_BATCH; i++)
        batch->messages[i].msg_hdr.msg_namelen = sizeof batch->sources[i];
    int n = recvmmsg(fd, batch->messages, UDP_BATCH, MSG_DONTWAIT, NULL);
    return n > 0 ? (size_t)n : 0;
}

size_t udp_message(const struct udp_batch *batch, size_t i, struct endpoint *source)
{
    const struct mmsghdr *message = &batch->messages[i];
    udp_from_sockaddr(&batch->sources[i], source);
    return message->msg_hdr.msg_flags & MSG_TRUNC ? 0 : message->msg_len;
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

void udp_unbind(struct backend *backend, struct leg_socket *socket)
{
    (void)backend;
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}
