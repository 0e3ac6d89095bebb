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
        ports_give(ports, (uint16_t)port);
    return 0;
}

void ports_close(struct ports *ports)
{
    free(ports->queue);
}

int ports_take(struct ports *ports)
{
    if (ports->count == 0)
        return -EADDRNOTAVAIL;
    uint16_t port = ports->queue[ports->first];
    ports->first = (ports->first + 1) % ports->capacity;
    ports->count--;
    return port;
}

void ports_give(struct ports *ports, uint16_t port)
{
    ports->queue[(ports->first + ports->count++) % ports->capacity] = port;
}
