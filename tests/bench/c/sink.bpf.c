/* The end of the road for a benchmark's packets: a tc program (direct action, ingress) that counts and drops
 * UDP over IPv4, and lets everything else pass. Cheaper than any socket, and the same for every forwarder.
 *
 * Stamped packets hold, in the first 8 bytes of their RTP payload, the CLOCK_MONOTONIC nanosecond at which
 * they were sent. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "sink.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sink_counts);
} counts SEC(".maps");

const volatile __u32 stamped = 0;

struct datagram {
    struct ethhdr ethernet;
    struct iphdr ip;
    struct udphdr udp;
    __u8 rtp[2];
    __be16 seq;
    __u8 rest[8];
} __attribute__((packed));

static void count_latency(struct sink_counts *all, const void *stamp)
{
    __u64 bucket = (bpf_ktime_get_ns() - *(const __u64 *)stamp) / SINK_BUCKET_NS;
    if (bucket >= SINK_BUCKETS)
        bucket = SINK_BUCKETS - 1;
    __sync_fetch_and_add(&all->latency[bucket], 1);
}

static void count_rtp(struct sink_leg *leg, __u64 seq)
{
    if (leg->next != seq && leg->next != SINK_UNKNOWN)
        leg->skips++;
    leg->next = (seq + 1) & 0xffff;
    leg->packets++;
}

SEC("tc")
int sink(struct __sk_buff *skb)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    struct datagram *datagram = data;
    __u32 zero = 0;
    struct sink_counts *all = bpf_map_lookup_elem(&counts, &zero);
    if (!all || (void *)(datagram + 1) > end || datagram->ethernet.h_proto != bpf_htons(ETH_P_IP) ||
        datagram->ip.protocol != IPPROTO_UDP)
        return TC_ACT_OK;
    __u32 offset = (__u32)bpf_ntohs(datagram->udp.dest) - SINK_FIRST_PORT;
    if (offset / 2 >= SINK_LEGS)
        __sync_fetch_and_add(&all->elsewhere, 1);
    else if (offset % 2 == 1)
        __sync_fetch_and_add(&all->rtcp, 1);
    else {
        count_rtp(&all->legs[offset / 2], bpf_ntohs(datagram->seq));
        if (stamped && data + sizeof *datagram + 8 <= end)
            count_latency(all, data + sizeof *datagram);
    }
    return TC_ACT_SHOT;
}

char licence[] SEC("license") = "Apache-2.0";
