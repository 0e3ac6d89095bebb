#include "frame.h"

#include <string.h>

#include "bytes.h"
#include "udp.h"

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    IPV4_WITHOUT_OPTIONS = 0x45, /* version 4, five words */
    IPV4_DONT_FRAGMENT = 0x4000,
    IPV6_VERSION = 6,
    PROTOCOL_UDP = 17,
    TTL = 64,
    MAPPED = 12,
};

/* ---- checksums (RFC 1071), in the machine's own byte order: the sum does not care ---- */

static uint64_t add(uint64_t sum, const uint8_t *data, size_t len)
{
    uint32_t word;
    for (; len >= sizeof word; data += sizeof word, len -= sizeof word) {
        memcpy(&word, data, sizeof word);
        sum += word;
    }
    word = 0;
    memcpy(&word, data, len);
    return sum + word;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

/* The sum of both addresses, which stand side by side in either IP header, the protocol and the length. */
static uint64_t pseudo_header(const uint8_t *addresses, size_t len, uint16_t udp_len)
{
    const uint8_t rest[4] = {0, PROTOCOL_UDP, (uint8_t)(udp_len >> 8), (uint8_t)udp_len};
    return add(add(0, addresses, len), rest, sizeof rest);
}

/* ---- parsing ---- */

static void read_ipv4(struct endpoint *endpoint, const uint8_t *ip)
{
    memset(endpoint->ip, 0, MAPPED - 2);
    memset(endpoint->ip + MAPPED - 2, 0xff, 2);
    memcpy(endpoint->ip + MAPPED, ip, sizeof endpoint->ip - MAPPED);
}

/* True if the `len` bytes at `udp` are a datagram, whose checksum may be absent if `may_lack_sum`. */
static bool parse_udp(uint8_t *udp, size_t len, uint64_t pseudo, bool may_lack_sum, struct frame *frame)
{
    uint16_t checksum;
    memcpy(&checksum, udp + 6, sizeof checksum);
    bool summed = checksum == 0 ? may_lack_sum : fold(add(pseudo, udp, len)) == UINT16_MAX;
    frame->unsummed = !summed && checksum != 0 && checksum == fold(pseudo);
    if (!summed && !frame->unsummed)
        return false;
    frame->from.port = read16(udp);
    frame->to.port = read16(udp + 2);
    frame->payload = udp + FRAME_UDP;
    frame->len = len - FRAME_UDP;
    return true;
}

/* An Ethernet frame is padded to its least size: what is longer than IP says is cut off. */
static bool parse_ipv4(uint8_t *ip, size_t len, struct frame *frame)
{
    if (len < IPV4_HEADER + FRAME_UDP || ip[0] != IPV4_WITHOUT_OPTIONS || ip[9] != PROTOCOL_UDP)
        return false;
    uint16_t total = read16(ip + 2);
    if (total < IPV4_HEADER + FRAME_UDP || total > len || (read16(ip + 6) & ~IPV4_DONT_FRAGMENT) != 0)
        return false;
    uint8_t *udp = ip + IPV4_HEADER;
    uint16_t udp_len = read16(udp + 4);
    if (udp_len != total - IPV4_HEADER || fold(add(0, ip, IPV4_HEADER)) != UINT16_MAX)
        return false;
    read_ipv4(&frame->from, ip + 12);
    read_ipv4(&frame->to, ip + 16);
    return parse_udp(udp, udp_len, pseudo_header(ip + 12, 8, udp_len), true, frame);
}

static bool parse_ipv6(uint8_t *ip, size_t len, struct frame *frame)
{
    if (len < IPV6_HEADER + FRAME_UDP || ip[0] >> 4 != IPV6_VERSION || ip[6] != PROTOCOL_UDP)
        return false;
    uint16_t udp_len = read16(ip + 4);
    uint8_t *udp = ip + IPV6_HEADER;
    if (udp_len < FRAME_UDP || udp_len > len - IPV6_HEADER || read16(udp + 4) != udp_len)
        return false;
    memcpy(frame->from.ip, ip + 8, sizeof frame->from.ip);
    memcpy(frame->to.ip, ip + 24, sizeof frame->to.ip);
    if (!udp_is_ipv6(&frame->from) || !udp_is_ipv6(&frame->to))
        return false;
    return parse_udp(udp, udp_len, pseudo_header(ip + 8, 32, udp_len), false, frame);
}

bool frame_parse(uint8_t *data, size_t len, struct frame *frame)
{
    if (len < FRAME_ETHERNET)
        return false;
    uint8_t *ip = data + FRAME_ETHERNET;
    switch (read16(data + 2 * FRAME_MAC)) {
    case ETHERTYPE_IPV4:
        return parse_ipv4(ip, len - FRAME_ETHERNET, frame);
    case ETHERTYPE_IPV6:
        return parse_ipv6(ip, len - FRAME_ETHERNET, frame);
    default:
        return false;
    }
}

/* ---- writing ---- */

size_t frame_headers(const struct endpoint *from)
{
    return udp_is_ipv6(from) ? FRAME_IPV6_HEADERS : FRAME_IPV4_HEADERS;
}

/* Identification 0: a datagram that is never fragmented needs none (RFC 6864 section 4.1). */
static uint64_t write_ipv4(uint8_t *ip, uint16_t udp_len, const struct endpoint *from,
                           const struct endpoint *to)
{
    memset(ip, 0, IPV4_HEADER);
    ip[0] = IPV4_WITHOUT_OPTIONS;
    write16(ip + 2, (uint16_t)(IPV4_HEADER + udp_len));
    write16(ip + 6, IPV4_DONT_FRAGMENT);
    ip[8] = TTL;
    ip[9] = PROTOCOL_UDP;
    memcpy(ip + 12, from->ip + MAPPED, 4);
    memcpy(ip + 16, to->ip + MAPPED, 4);
    uint16_t checksum = (uint16_t)~fold(add(0, ip, IPV4_HEADER));
    memcpy(ip + 10, &checksum, sizeof checksum);
    return pseudo_header(ip + 12, 8, udp_len);
}

static uint64_t write_ipv6(uint8_t *ip, uint16_t udp_len, const struct endpoint *from,
                           const struct endpoint *to)
{
    write32(ip, (uint32_t)IPV6_VERSION << 28);
    write16(ip + 4, udp_len);
    ip[6] = PROTOCOL_UDP;
    ip[7] = TTL;
    memcpy(ip + 8, from->ip, sizeof from->ip);
    memcpy(ip + 24, to->ip, sizeof to->ip);
    return pseudo_header(ip + 8, 32, udp_len);
}

static void write_udp(uint8_t *udp, uint16_t len, const struct endpoint *from, const struct endpoint *to,
                      uint64_t pseudo)
{
    write16(udp, from->port);
    write16(udp + 2, to->port);
    write16(udp + 4, len);
    write16(udp + 6, 0);
    uint16_t checksum = (uint16_t)~fold(add(pseudo, udp, len));
    if (checksum == 0) /* would mean that there is none */
        checksum = UINT16_MAX;
    memcpy(udp + 6, &checksum, sizeof checksum);
}

uint8_t *frame_write(uint8_t *payload, size_t len, const struct endpoint *from, const struct endpoint *to,
                     const uint8_t from_mac[FRAME_MAC], const uint8_t to_mac[FRAME_MAC])
{
    bool ipv6 = udp_is_ipv6(from);
    uint16_t udp_len = (uint16_t)(FRAME_UDP + len);
    uint8_t *ethernet = payload - (ipv6 ? FRAME_IPV6_HEADERS : FRAME_IPV4_HEADERS);
    uint8_t *ip = ethernet + FRAME_ETHERNET;
    memcpy(ethernet, to_mac, FRAME_MAC);
    memcpy(ethernet + FRAME_MAC, from_mac, FRAME_MAC);
    write16(ethernet + 2 * FRAME_MAC, ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    uint64_t pseudo = (ipv6 ? write_ipv6 : write_ipv4)(ip, udp_len, from, to);
    write_udp(payload - FRAME_UDP, udp_len, from, to, pseudo);
    return ethernet;
}
