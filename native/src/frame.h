/* Ethernet frames that carry one UDP datagram over IPv4 or IPv6: what AF_XDP receives and sends.
 *
 * Pure and bounded: frame_parse looks at nothing outside the frame, whatever is in it. It takes what the XDP
 * program (xdp.bpf.c) hands over and no more: no VLAN tag, no IPv4 options, no IPv6 extension header, no
 * fragment; all those take the kernel's way. An IPv6 packet that names mapped IPv4 addresses is none that a
 * network may carry (RFC 4291 section 2.5.5.2), and would be taken for an IPv4 one.
 *
 * The UDP checksum is verified, because behind XDP nobody else does. Three are right: the sum (RFC 768,
 * RFC 8200 section 8.1); zero over IPv4, which means none; and the bare sum of the pseudo header, which is
 * what a virtual interface delivers when the sender leaves the rest to hardware that there is none of.
 */
#ifndef CLUTCH_FRAME_H
#define CLUTCH_FRAME_H

#include "media.h"

enum {
    FRAME_MAC = 6,
    FRAME_ETHERNET = 2 * FRAME_MAC + 2,
    FRAME_UDP = 8,
    FRAME_IPV4_HEADERS = FRAME_ETHERNET + 20 + FRAME_UDP,
    FRAME_IPV6_HEADERS = FRAME_ETHERNET + 40 + FRAME_UDP,
};

/* A datagram inside a frame. */
struct frame {
    struct endpoint from;
    struct endpoint to;
    uint8_t *payload;
    size_t len;
    bool unsummed; /* the checksum is the bare one of the pseudo header */
};

/* Find the datagram in a frame of `len` bytes. False if there is none, or its lengths or checksums are wrong;
 * `frame` is then undefined. */
bool frame_parse(uint8_t *data, size_t len, struct frame *frame);

/* Bytes in front of the payload of a frame between addresses of this kind. */
size_t frame_headers(const struct endpoint *from);

/* Write the headers in front of a payload of at most MEDIA_PACKET_MAX bytes. Both endpoints are of one
 * family. Returns where the frame begins: frame_headers() before the payload. */
uint8_t *frame_write(uint8_t *payload, size_t len, const struct endpoint *from, const struct endpoint *to,
                     const uint8_t from_mac[FRAME_MAC], const uint8_t to_mac[FRAME_MAC]);

#endif
