/* The XDP program: takes UDP datagrams to the plane's own address and open ports out of the kernel's way and
 * hands them to the AF_XDP socket of the queue on which they came. Everything else goes on to the kernel:
 * other protocols and ports, ARP and ND, and what is rare or odd enough to deserve the kernel's full checks
 * (VLAN tags, IPv4 options, fragments, IPv6 extension headers, another machine's MAC address, packets that
 * say they come from ourselves). So does everything while a queue has no socket.
 *
 * A port may have been told to forward (xdp_program.h): then a packet that is the plain next one of the
 * stream that is known there leaves as a packet of ours at once, by the interface on which it came, and is
 * noted for the reactor, which keeps the books (stream_forwarded). Plain means: from the one source, RTP
 * without padding, extension or contributors, of the one payload type and SSRC, numbered after the newest,
 * within bounds of sequence, timestamp and time in which relay.h cannot but continue its run. Any other
 * packet of the source ends the forwarding and is taken; packets of other sources are taken only, so that
 * nobody else can end it.
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

enum {
    MAPPED = 12, /* bytes in front of the IPv4 address in a mapped one */
    DONT_FRAGMENT = 0x4000,
    ANY_FRAGMENT = 0x3fff, /* more to come, or not the first */
    TTL = 64,
    RTP_PLAIN = 0x80,
    PAYLOAD_MAX = 1500,
};

const volatile struct xdp_settings settings;

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1); /* queues; set by the loader */
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

/* The reactor writes through a mapping of it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* RTP ports; set by the loader */
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct xdp_port);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, XDP_NOTES_SIZE);
} notes SEC(".maps");

struct rtp {
    __u8 first; /* version, padding, extension, contributors */
    __u8 second; /* marker, payload type */
    __be16 seq;
    __be32 timestamp;
    __be32 ssrc;
};

/* A datagram that may be ours. */
struct packet {
    struct ethhdr *ethernet;
    union {
        struct iphdr *ipv4; /* unless settings.ipv6 */
        struct ipv6hdr *ipv6;
    };
    struct udphdr *udp;
    void *end;
};

/* ---- finding the datagram ---- */

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

static __always_inline void find_ipv4(struct packet *packet)
{
    struct iphdr *ip = (void *)(packet->ethernet + 1);
    if ((void *)(ip + 1) > packet->end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
        return;
    if ((ip->frag_off & bpf_htons(ANY_FRAGMENT)) || !same(&ip->daddr, settings.ip + MAPPED, 2))
        return;
    packet->ipv4 = ip;
    if (ip->saddr != ip->daddr)
        packet->udp = (void *)(ip + 1);
}

static __always_inline void find_ipv6(struct packet *packet)
{
    struct ipv6hdr *ip = (void *)(packet->ethernet + 1);
    if ((void *)(ip + 1) > packet->end || ip->nexthdr != IPPROTO_UDP || !same(&ip->daddr, settings.ip, 8))
        return;
    packet->ipv6 = ip;
    if (!same(&ip->saddr, settings.ip, 8))
        packet->udp = (void *)(ip + 1);
}

static __always_inline int find(struct packet *packet)
{
    struct ethhdr *ethernet = packet->ethernet;
    if ((void *)(ethernet + 1) > packet->end || !same(ethernet->h_dest, settings.mac, 3))
        return 0;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP) && !settings.ipv6)
        find_ipv4(packet);
    else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && settings.ipv6)
        find_ipv6(packet);
    return packet->udp && (void *)(packet->udp + 1) <= packet->end;
}

/* ---- what forwarding changes ---- */

/* Everything under a checksum that changes, in one piece, to be summed before and after. */
struct changing {
    __be32 addresses[8];
    __be16 ports[2];
    struct rtp rtp;
};

static __always_inline void read_changing(const struct packet *packet, const struct rtp *rtp,
                                          struct changing *out)
{
    __builtin_memset(out, 0, sizeof *out);
    if (settings.ipv6)
        __builtin_memcpy(out->addresses, &packet->ipv6->saddr, 32);
    else
        __builtin_memcpy(out->addresses, &packet->ipv4->saddr, 8);
    __builtin_memcpy(out->ports, packet->udp, 4);
    out->rtp = *rtp;
}

static __always_inline __u16 fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* RFC 1624: what was broken stays broken. Zero over IPv4 stays zero, which means that there is none. */
static __always_inline void correct(struct udphdr *udp, struct changing *before, struct changing *after)
{
    if (udp->check == 0)
        return;
    __u16 so_far = (__u16)~udp->check;
    __s64 sum = bpf_csum_diff((__be32 *)before, sizeof *before, (__be32 *)after, sizeof *after, so_far);
    __u16 check = (__u16)~fold((__u32)sum);
    udp->check = check ? check : 0xffff;
}

static __always_inline void address_ipv4(struct iphdr *ip, const struct xdp_port *port)
{
    ip->tos = 0;
    ip->id = 0;
    ip->frag_off = bpf_htons(DONT_FRAGMENT);
    ip->ttl = TTL;
    ip->check = 0;
    ip->saddr = ip->daddr;
    __builtin_memcpy(&ip->daddr, port->to_ip + MAPPED, 4);
    ip->check = (__u16)~fold((__u32)bpf_csum_diff(0, 0, (__be32 *)ip, sizeof *ip, 0));
}

static __always_inline void address_ipv6(struct ipv6hdr *ip, const struct xdp_port *port)
{
    *(__be32 *)ip = bpf_htonl(6u << 28);
    ip->hop_limit = TTL;
    ip->saddr = ip->daddr;
    __builtin_memcpy(&ip->daddr, port->to_ip, 16);
}

static __always_inline void rewrite(struct packet *packet, struct rtp *rtp, const struct xdp_port *port)
{
    struct changing before, after;
    read_changing(packet, rtp, &before);
    __builtin_memcpy(packet->ethernet->h_source, packet->ethernet->h_dest, ETH_ALEN);
    __builtin_memcpy(packet->ethernet->h_dest, port->to_mac, ETH_ALEN);
    if (settings.ipv6)
        address_ipv6(packet->ipv6, port);
    else
        address_ipv4(packet->ipv4, port);
    packet->udp->source = port->new_from_port;
    packet->udp->dest = port->to_port;
    rtp->second = (rtp->second & 0x80) | port->new_payload_type;
    rtp->seq = bpf_htons((__u16)(bpf_ntohs(rtp->seq) + port->seq_offset));
    rtp->timestamp = bpf_htonl(bpf_ntohl(rtp->timestamp) + port->timestamp_offset);
    rtp->ssrc = bpf_htonl(port->new_ssrc);
    read_changing(packet, rtp, &after);
    correct(packet->udp, &before, &after);
}

/* ---- forwarding ---- */

static __always_inline int is_from(const struct packet *packet, const struct xdp_port *port)
{
    if (packet->udp->source != port->from_port)
        return 0;
    if (settings.ipv6)
        return same(&packet->ipv6->saddr, port->from_ip, 8);
    return same(&packet->ipv4->saddr, port->from_ip + MAPPED, 2);
}

static __always_inline int is_sound_ipv4(const struct packet *packet, __u32 len)
{
    struct iphdr *ip = packet->ipv4;
    return bpf_ntohs(ip->tot_len) == len + sizeof *ip &&
           fold((__u32)bpf_csum_diff(0, 0, (__be32 *)ip, sizeof *ip, 0)) == 0xffff;
}

static __always_inline int is_sound_ipv6(const struct packet *packet, __u32 len)
{
    return bpf_ntohs(packet->ipv6->payload_len) == len && packet->udp->check != 0;
}

/* Bytes of payload of the plain RTP packet that it is, or 0: lengths must agree and lie in the frame. */
static __always_inline __u32 payload_len(const struct packet *packet, const struct rtp *rtp)
{
    __u32 len = bpf_ntohs(packet->udp->len);
    if (!(settings.ipv6 ? is_sound_ipv6(packet, len) : is_sound_ipv4(packet, len)))
        return 0;
    if (len <= sizeof(struct udphdr) + sizeof *rtp || len > sizeof(struct udphdr) + sizeof *rtp + PAYLOAD_MAX)
        return 0;
    if (len > (__u64)packet->end - (__u64)packet->udp)
        return 0;
    return rtp->first == RTP_PLAIN ? len - sizeof(struct udphdr) - sizeof *rtp : 0;
}

static __always_inline int is_next(const struct rtp *rtp, const struct xdp_port *port, __u64 now_ns)
{
    __u16 ahead = (__u16)(bpf_ntohs(rtp->seq) - port->seq);
    __u32 moved = bpf_ntohl(rtp->timestamp) - port->timestamp;
    if ((rtp->second & 0x7f) != port->payload_type || bpf_ntohl(rtp->ssrc) != port->ssrc)
        return 0;
    return ahead > 0 && ahead < XDP_SEQ_MOST && moved > 0 && moved <= port->timestamp_most &&
           now_ns - port->at_ns < XDP_PAUSE_NS;
}

static __always_inline int note(struct xdp_port *port, __u32 index, const struct rtp *rtp, __u32 len,
                                __u64 now_ns)
{
    struct xdp_note *note = bpf_ringbuf_reserve(&notes, sizeof *note, 0);
    if (!note)
        return 0;
    port->seq = bpf_ntohs(rtp->seq);
    port->timestamp = bpf_ntohl(rtp->timestamp);
    port->at_ns = now_ns;
    note->at_ns = now_ns;
    note->timestamp = port->timestamp;
    note->seq = port->seq;
    note->len = (__u16)len;
    note->port = index;
    bpf_ringbuf_submit(note, BPF_RB_NO_WAKEUP);
    return 1;
}

/* True if the packet was changed into the one to be sent. The source is known not to change while the state
 * is FORWARD, but must be looked at again when it is ours. */
static __always_inline int forward(struct packet *packet, struct xdp_port *port, __u32 index)
{
    struct rtp *rtp = (void *)(packet->udp + 1);
    __u64 now_ns = bpf_ktime_get_ns();
    if (!is_from(packet, port))
        return 0;
    if (__sync_val_compare_and_swap(&port->state, XDP_PORT_FORWARD, XDP_PORT_BUSY) != XDP_PORT_FORWARD)
        return 0;
    __u32 len = (void *)(rtp + 1) <= packet->end ? payload_len(packet, rtp) : 0;
    int plain = len && is_from(packet, port) && is_next(rtp, port, now_ns);
    if (plain)
        plain = note(port, index, rtp, len, now_ns);
    if (plain)
        rewrite(packet, rtp, port);
    /* The reactor may have taken it away meanwhile. */
    __sync_val_compare_and_swap(&port->state, XDP_PORT_BUSY, plain ? XDP_PORT_FORWARD : XDP_PORT_TAKE);
    return plain;
}

SEC("xdp")
int clutch_media(struct xdp_md *context)
{
    struct packet packet = {
        .ethernet = (void *)(long)context->data,
        .end = (void *)(long)context->data_end,
    };
    if (!find(&packet))
        return XDP_PASS;
    __u32 offset = (__u32)bpf_ntohs(packet.udp->dest) - settings.first_port;
    __u32 index = offset / 2;
    struct xdp_port *port = bpf_map_lookup_elem(&ports, &index);
    __u32 state = port && !(offset & 1) ? *(volatile __u32 *)&port->state : XDP_PORT_PASS;
    if (state == XDP_PORT_PASS)
        return XDP_PASS;
    if (state == XDP_PORT_FORWARD && forward(&packet, port, index))
        return XDP_TX;
    return (int)bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
}

/* None of the helpers it calls is kept for GPL-compatible programs. */
char LICENSE[] SEC("license") = "Apache-2.0";
