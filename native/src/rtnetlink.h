/* Questions to the kernel about routes, neighbours and interfaces, and word of their changes (rtnetlink(7)).
 *
 * Every question is answered before it returns, but may wait for the kernel's locks: not for the reactor.
 * Addresses are the 16 bytes of struct endpoint; an IPv4 one is asked about as IPv4.
 */
#ifndef CLUTCH_RTNETLINK_H
#define CLUTCH_RTNETLINK_H

#include "frame.h"

/* What changed. */
struct rtnetlink_change {
    bool neighbour; /* of `interface`, with address `ip`; else routes, links, or too much to be told */
    unsigned interface;
    uint8_t ip[16];
};

/* A socket to ask with, or to hear of changes on. The fd or a negative errno. */
int rtnetlink_open(bool changes);

/* The next hop from `local` to `to`, if it is unicast and leaves by `interface`: itself, or the gateway. */
bool rtnetlink_next_hop(int fd, unsigned interface, const struct endpoint *local, const uint8_t to[16],
                        uint8_t next_hop[16]);

/* The MAC address of a neighbour, if a usable one is known; `stale` if the kernel has not confirmed it. */
bool rtnetlink_neighbour(int fd, unsigned interface, const uint8_t ip[16], uint8_t mac[FRAME_MAC],
                         bool *stale);

/* Tell the kernel that a neighbour is in use, so that it confirms it. */
void rtnetlink_use(int fd, unsigned interface, const uint8_t ip[16]);

/* The next change that is there, without waiting. */
bool rtnetlink_change(int fd, struct rtnetlink_change *change);

#endif
