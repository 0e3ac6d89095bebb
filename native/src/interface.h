/* What a network interface is: for whoever sends and receives whole frames on it. */
#ifndef CLUTCH_INTERFACE_H
#define CLUTCH_INTERFACE_H

#include "frame.h"

struct interface {
    unsigned index;
    unsigned queues; /* that it receives on */
    size_t mtu;      /* bytes of an IP packet */
    bool veth;       /* one end of a virtual cable */
    uint8_t mac[FRAME_MAC];
};

/* Look it up by name. 0 or a negative errno: -ENODEV if there is none, -ENOTSUP if it is no Ethernet. */
int interface_find(const char *name, struct interface *interface);

#endif
