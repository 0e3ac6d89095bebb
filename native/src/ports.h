/* The pool of UDP ports: even ones (RFC 3550 section 11), the least recently used first, so that late
 * packets of an ended call find nobody, not the next call. */
#ifndef CLUTCH_PORTS_H
#define CLUTCH_PORTS_H

#include <stddef.h>
#include <stdint.h>

struct ports {
    uint16_t lowest;
    uint16_t *queue; /* circular: free ports in the order in which they became free */
    size_t capacity;
    size_t first;
    size_t count;
};

/* All even ports from `first` to `last`. 0, -EINVAL if there is none, or -ENOMEM. */
int ports_open(struct ports *ports, uint16_t first, uint16_t last);

void ports_close(struct ports *ports);

/* The port that has been free the longest, or -EADDRNOTAVAIL. */
int ports_take(struct ports *ports);

/* A port taken before is free again. */
void ports_give(struct ports *ports, uint16_t port);

#endif
