/* The XDP program: takes UDP datagrams to the plane's own address and open ports out of the kernel's way and
 * hands them to the AF_XDP socket of the queue on which they came. Everything else goes on to the kernel:
 * other protocols and ports, ARP and ND, and what is rare or odd enough to deserve the kernel's full checks
 * (VLAN tags, IPv4 options, fragments, IPv6 extension headers, another machine's MAC address, packets that
 * say they come from ourselves). So does everything while a queue has no socket.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_program.h"

const volatile struct xdp_settings settings;

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1); /* queues; set by the loader */
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

/* enum xdp_verdict of each port from first_port on, written by the reactor through a mapping of it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* ports; set by the loader */
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, __u32);
} ports SEC(".maps");

static __always_inline int same(const void *a, const volatile void *b, int words)
{
    const __u16 *x = a;
    const volatile __u16 *y = b;
#pragma unroll
    for (int i = 0; i < words; i++)
        if (x[i] != y[i])
            return 0;
    return 1;
}

static __always_inline struct udphdr *find_ipv4(struct iphdr *ip, void *end)
{
    const int any_fragment = 0x3fff; /* more to come, or not the first */
    if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
        return 0;
    if ((ip->frag_off & bpf_htons(any_fragment)) || !same(&ip->daddr, settings.ip + 12, 2))
        return 0;
    return ip->saddr == ip->daddr ? 0 : (struct udphdr *)(ip + 1);
}

static __always_inline struct udphdr *find_ipv6(struct ipv6hdr *ip, void *end)
{
    if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP || !same(&ip->daddr, settings.ip, 8))
        return 0;
    return same(&ip->saddr, settings.ip, 8) ? 0 : (struct udphdr *)(ip + 1);
}

SEC("xdp")
int clutch_media(struct xdp_md *context)
{
    void *end = (void *)(long)context->data_end;
    struct ethhdr *ethernet = (void *)(long)context->data;
    struct udphdr *udp = 0;
    if ((void *)(ethernet + 1) > end || !same(ethernet->h_dest, settings.mac, 3))
        return XDP_PASS;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP) && !settings.ipv6)
        udp = find_ipv4((void *)(ethernet + 1), end);
    else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && settings.ipv6)
        udp = find_ipv6((void *)(ethernet + 1), end);
    if (!udp || (void *)(udp + 1) > end)
        return XDP_PASS;
    __u32 index = (__u32)bpf_ntohs(udp->dest) - settings.first_port;
    volatile __u32 *verdict = bpf_map_lookup_elem(&ports, &index);
    if (!verdict || *verdict == XDP_PORT_PASS)
        return XDP_PASS;
    return (int)bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
}

/* None of the helpers it calls is kept for GPL-compatible programs. */
char LICENSE[] SEC("license") = "Apache-2.0";
