/* The policy of this thread's memory, and that only what was changed is taken back. */
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "numa.h"

static int policy(void)
{
    int mode;
    CHECK(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0);
    return mode;
}

int main(void)
{
    CHECK(numa_node(1000000) == -1);
    CHECK(!numa_prefer(-1));
    int node = numa_node(sched_getcpu()), mode;
    if (node < 0 || syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) != 0 || mode != MPOL_DEFAULT)
        return 0; /* this machine knows no places, or somebody has chosen */
    CHECK(numa_prefer(node));
    CHECK(policy() == MPOL_PREFERRED);
    CHECK(!numa_prefer(node));
    numa_restore();
    CHECK(policy() == MPOL_DEFAULT);
    return 0;
}
