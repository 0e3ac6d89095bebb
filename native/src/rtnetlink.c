#include "rtnetlink.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "udp.h"

enum {
    MESSAGE = 8192, /* bytes; more than any answer about one thing */
    MAPPED = 12,
    USABLE = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY,
};

/* A message with room for attributes. */
union message {
    struct nlmsghdr header;
    uint8_t bytes[MESSAGE];
};

/* ---- messages ---- */

static uint8_t family_of(const uint8_t ip[16])
{
    struct endpoint endpoint;
    memcpy(endpoint.ip, ip, sizeof endpoint.ip);
    return udp_is_ipv6(&endpoint) ? AF_INET6 : AF_INET;
}

static size_t address_size(uint8_t family)
{
    return family == AF_INET6 ? 16 : 4;
}

/* Begin a message with a body of `size` bytes, zeroed; returns the body. */
static void *begin(union message *message, uint16_t type, uint16_t flags, size_t size)
{
    memset(message, 0, sizeof *message);
    message->header.nlmsg_type = type;
    message->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    return NLMSG_DATA(&message->header);
}

static void append_address(union message *message, uint16_t type, const uint8_t ip[16])
{
    size_t size = address_size(family_of(ip));
    struct rtattr *attribute = (void *)(message->bytes + NLMSG_ALIGN(message->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), ip + 16 - size, size);
    message->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(message->header.nlmsg_len) + RTA_LENGTH(size));
}

/* The value of an attribute behind a body of `size` bytes, if it is at least `least` bytes long; or NULL. */
static const void *find(const union message *message, size_t size, uint16_t type, size_t least)
{
    size_t at = NLMSG_SPACE(size), end = message->header.nlmsg_len;
    while (at + sizeof(struct rtattr) <= end) {
        const struct rtattr *attribute = (const void *)(message->bytes + at);
        if (attribute->rta_len < sizeof *attribute || at + attribute->rta_len > end)
            return NULL;
        if (attribute->rta_type == type)
            return attribute->rta_len >= RTA_LENGTH(least) ? RTA_DATA(attribute) : NULL;
        at += RTA_ALIGN(attribute->rta_len);
    }
    return NULL;
}

static bool read_address(const union message *message, size_t size, uint16_t type, uint8_t family,
                         uint8_t ip[16])
{
    const uint8_t *value = find(message, size, type, address_size(family));
    if (value == NULL)
        return false;
    memset(ip, 0, 16);
    if (family == AF_INET)
        memset(ip + MAPPED - 2, 0xff, 2);
    memcpy(ip + 16 - address_size(family), value, address_size(family));
    return true;
}

/* True if `len` bytes were received and are a whole message, with a body of at least `size` bytes. */
static bool is_whole(const union message *message, ssize_t len, size_t size)
{
    return len >= (ssize_t)sizeof message->header && message->header.nlmsg_len <= (size_t)len &&
           message->header.nlmsg_len >= NLMSG_LENGTH(size);
}

/* Ask, and have the answer in place of the question: true if it is of that type and its body of that size. */
static bool ask(int fd, union message *message, uint16_t type, size_t size)
{
    static _Thread_local uint32_t sequence;
    message->header.nlmsg_seq = ++sequence;
    if (send(fd, message, message->header.nlmsg_len, 0) < 0)
        return false;
    do {
        if (!is_whole(message, recv(fd, message, sizeof *message, 0), 0))
            return false;
    } while (message->header.nlmsg_seq != sequence); /* an answer that was waited for too long */
    return message->header.nlmsg_type == type && is_whole(message, sizeof *message, size);
}

/* ---- questions and changes ---- */

int rtnetlink_open(bool changes)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (changes)
        address.nl_groups = RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_LINK;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    /* The kernel answers within the call; this is for the answer that it had no memory for. */
    const struct timeval patience = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

bool rtnetlink_next_hop(int fd, unsigned interface, const struct endpoint *local, const uint8_t to[16],
                        uint8_t next_hop[16])
{
    union message message;
    struct rtmsg *route = begin(&message, RTM_GETROUTE, 0, sizeof *route);
    if (family_of(local->ip) != family_of(to))
        return false;
    route->rtm_family = family_of(to);
    route->rtm_dst_len = route->rtm_src_len = (uint8_t)(8 * address_size(route->rtm_family));
    append_address(&message, RTA_DST, to);
    append_address(&message, RTA_SRC, local->ip);
    if (!ask(fd, &message, RTM_NEWROUTE, sizeof *route) || route->rtm_type != RTN_UNICAST)
        return false;
    const uint32_t *out = find(&message, sizeof *route, RTA_OIF, sizeof *out);
    if (out == NULL || *out != interface || find(&message, sizeof *route, RTA_VIA, 0) != NULL)
        return false;
    if (!read_address(&message, sizeof *route, RTA_GATEWAY, route->rtm_family, next_hop))
        memcpy(next_hop, to, 16);
    return true;
}

static struct ndmsg *begin_neighbour(union message *message, uint16_t type, uint16_t flags,
                                     unsigned interface, const uint8_t ip[16])
{
    struct ndmsg *neighbour = begin(message, type, flags, sizeof *neighbour);
    neighbour->ndm_family = family_of(ip);
    neighbour->ndm_ifindex = (int)interface;
    append_address(message, NDA_DST, ip);
    return neighbour;
}

bool rtnetlink_neighbour(int fd, unsigned interface, const uint8_t ip[16], uint8_t mac[FRAME_MAC],
                         bool *stale)
{
    union message message;
    struct ndmsg *neighbour = begin_neighbour(&message, RTM_GETNEIGH, 0, interface, ip);
    if (!ask(fd, &message, RTM_NEWNEIGH, sizeof *neighbour) || (neighbour->ndm_state & USABLE) == 0)
        return false;
    const void *address = find(&message, sizeof *neighbour, NDA_LLADDR, FRAME_MAC);
    if (address == NULL)
        return false;
    memcpy(mac, address, FRAME_MAC);
    *stale = neighbour->ndm_state == NUD_STALE;
    return true;
}

void rtnetlink_use(int fd, unsigned interface, const uint8_t ip[16])
{
    union message message;
    struct ndmsg *neighbour = begin_neighbour(&message, RTM_NEWNEIGH, NLM_F_ACK, interface, ip);
    neighbour->ndm_flags = NTF_USE;
    ask(fd, &message, NLMSG_ERROR, sizeof(struct nlmsgerr));
}

bool rtnetlink_change(int fd, struct rtnetlink_change *change)
{
    union message message;
    *change = (struct rtnetlink_change){0};
    ssize_t len = recv(fd, &message, sizeof message, MSG_DONTWAIT);
    if (len < 0)
        return errno == ENOBUFS; /* more changes than the socket could hold */
    uint16_t type = message.header.nlmsg_type;
    const struct ndmsg *neighbour = NLMSG_DATA(&message.header);
    if (!is_whole(&message, len, sizeof *neighbour) || (type != RTM_NEWNEIGH && type != RTM_DELNEIGH))
        return true;
    change->interface = (unsigned)neighbour->ndm_ifindex;
    change->neighbour = read_address(&message, sizeof *neighbour, NDA_DST, neighbour->ndm_family, change->ip);
    return true;
}
