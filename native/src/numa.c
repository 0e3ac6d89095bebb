#include "numa.h"

#include <linux/mempolicy.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NODES = 8 * sizeof(unsigned long) }; /* a mask of one word; more are left alone */

int numa_node(int cpu)
{
    char path[64];
    for (int node = 0; node < NODES; node++) {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpu%d", node, cpu);
        if (access(path, F_OK) == 0)
            return node;
    }
    return -1;
}

bool numa_prefer(int node)
{
    int mode;
    if (node < 0 || syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) != 0 || mode != MPOL_DEFAULT)
        return false;
    unsigned long mask = 1ul << node;
    return syscall(SYS_set_mempolicy, MPOL_PREFERRED, &mask, NODES + 1) == 0;
}

void numa_restore(void)
{
    syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}
