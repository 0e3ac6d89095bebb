/* Memory near the CPU that uses it, on machines where memory has places (NUMA).
 *
 * The reactor allocates nothing: all that it works on is first touched, and so placed, by the caller's thread.
 * While the reactor is bound to a CPU, that thread therefore prefers memory of that CPU's node. A policy that
 * somebody has set before (numactl) stays as it is; a kernel that knows no places is left alone.
 */
#ifndef CLUTCH_NUMA_H
#define CLUTCH_NUMA_H

#include <stdbool.h>

/* The node of a CPU, or -1. */
int numa_node(int cpu);

/* The calling thread's new memory comes from `node` if there is any. True if the policy was changed: then
 * numa_restore takes it back. */
bool numa_prefer(int node);

void numa_restore(void);

#endif
