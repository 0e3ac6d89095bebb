#include "ports.h"

#include <errno.h>
#include <stdlib.h>

int ports_open(struct ports *ports, uint16_t first, uint16_t last)
{
    *ports = (struct ports){0};
    uint32_t even = first + first % 2u;
    if (even == 0 || even > last)
        return -EINVAL;
    ports->lowest = (uint16_t)even;
    ports->capacity = (last - even) / 2 + 1;
    ports->queue = calloc(ports->capacity, sizeof *ports->queue);
    if (ports->queue == NULL)
        return -ENOMEM;
    for (uint32_t port = even; port <= last; port += 2)
        ports_give(ports, (uint16_t)port, INT64_MIN);
    return 0;
}

void ports_close(struct ports *ports)
{
    free(ports->queue);
}

int ports_take(struct ports *ports, int64_t now_us)
{
    const struct free_port *oldest = &ports->queue[ports->first];
    if (ports->count == 0 || oldest->ready_us > now_us)
        return -EADDRNOTAVAIL;
    ports->first = (ports->first + 1) % ports->capacity;
    ports->count--;
    return oldest->port;
}

void ports_give(struct ports *ports, uint16_t port, int64_t ready_us)
{
    size_t last = (ports->first + ports->count++) % ports->capacity;
    ports->queue[last] = (struct free_port){.ready_us = ready_us, .port = port};
}

size_t ports_ready(const struct ports *ports, int64_t now_us)
{
    size_t ready = 0;
    for (size_t i = 0; i < ports->count; i++)
        ready += ports->queue[(ports->first + i) % ports->capacity].ready_us <= now_us;
    return ready;
}
