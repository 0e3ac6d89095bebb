#include "backend.h"

#include <string.h>

static const struct backend_kind *const KINDS[] = {
    &backend_udp,
#ifdef HAVE_IO_URING
    &backend_uring,
#endif
#ifdef HAVE_BPF
    &backend_xdp,
#endif
};

const struct backend_kind *backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(KINDS[i]->name, name) == 0)
            return KINDS[i];
    return NULL;
}
