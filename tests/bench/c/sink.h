/* What the sink has seen, shared by its BPF program and the load that reads it. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

enum {
    SINK_FIRST_PORT = 16384, /* leg k has RTP port FIRST + 2k and RTCP port FIRST + 2k + 1 */
    SINK_LEGS = 8192,
    SINK_BUCKETS = 4096,
    SINK_BUCKET_NS = 10000,
};

struct sink_leg {
    __u64 packets;
    __u64 skips;   /* packets that do not follow the one before them: lost, doubled or out of order */
    __u64 next;    /* sequence number that would follow; SINK_UNKNOWN at first */
};

#define SINK_UNKNOWN 0x10000

struct sink_counts {
    struct sink_leg legs[SINK_LEGS];
    __u64 rtcp;
    __u64 elsewhere;              /* UDP to no leg's port */
    __u64 latency[SINK_BUCKETS];  /* of stamped packets; the last holds all that took longer */
};

#endif
