/* Which of the sockets that share a UDP port gets a datagram (steering.h). Runs in the kernel for each one. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 shard_count = 1;

struct {
    __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
    __uint(max_entries, 1); /* shards; set by the loader */
    __type(key, __u32);
    __type(value, __u64);
} shards SEC(".maps");

/* The shard of an SSRC. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1); /* set by the loader */
    __type(key, __u32);
    __type(value, __u32);
} owners SEC(".maps");

/* What all that we know have at the front of their datagrams. */
struct head {
    __u8 bytes[8];
};

static __always_inline __u32 *find_owner(struct sk_reuseport_md *packet, const struct head *head)
{
    const int rtp_ssrc = sizeof(struct udphdr) + 8;
    __be32 ssrc;
    __builtin_memcpy(&ssrc, head->bytes + 4, sizeof ssrc); /* of RTCP: packet types 192 to 223 (RFC 5761) */
    if ((head->bytes[1] < 192 || head->bytes[1] > 223)
        && bpf_skb_load_bytes(packet, rtp_ssrc, &ssrc, sizeof ssrc) != 0)
        return 0;
    __u32 key = bpf_ntohl(ssrc);
    return bpf_map_lookup_elem(&owners, &key);
}

SEC("sk_reuseport")
int clutch_steering(struct sk_reuseport_md *packet)
{
    struct head head;
    __u32 shard;
    if (bpf_skb_load_bytes(packet, sizeof(struct udphdr), &head, sizeof head) != 0)
        return SK_PASS;
    __u8 first = head.bytes[0];
    if (first >= 128 && first < 192) {
        __u32 *owner = find_owner(packet, &head);
        if (!owner)
            return SK_PASS;
        shard = *owner;
    } else if (first >= 192) {
        if (head.bytes[5] == 0)
            return SK_PASS;
        shard = head.bytes[6] % shard_count;
    } else if (first >= 64) {
        shard = head.bytes[1] % shard_count;
    } else {
        return SK_PASS;
    }
    /* If the shard has no socket, nothing is selected. */
    bpf_sk_select_reuseport(packet, &shards, &shard, 0);
    return SK_PASS;
}

/* None of the helpers it calls is kept for GPL-compatible programs. */
char LICENSE[] SEC("license") = "Apache-2.0";
