/* The pool of UDP ports: even ones (RFC 3550 section 11), the least recently used first, each some time after
 * its last use at the earliest, so that late packets of an ended call find nobody, not the next call. */
#ifndef CLUTCH_PORTS_H
#define CLUTCH_PORTS_H

#include <stddef.h>
#include <stdint.h>

struct free_port {
    int64_t ready_us; /* when it may be taken */
    uint16_t port;
};

struct ports {
    struct free_port *queue; /* circular: free ports in the order in which they became free */
    size_t capacity;
    size_t first;
    size_t count;
    uint16_t lowest;
};

/* All even ports from `first` to `last`. 0, -EINVAL if there is none, or -ENOMEM. */
int ports_open(struct ports *ports, uint16_t first, uint16_t last);

void ports_close(struct ports *ports);

/* The port that has been free the longest, or -EADDRNOTAVAIL if it is not ready either. */
int ports_take(struct ports *ports, int64_t now_us);

/* A port taken before is free again, and may be taken from `ready_us` on. */
void ports_give(struct ports *ports, uint16_t port, int64_t ready_us);

/* How many may be taken. */
size_t ports_ready(const struct ports *ports, int64_t now_us);

#endif
