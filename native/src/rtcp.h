/* RTCP compounds (RFC 3550 section 6): what a peer's says about us, and ours on the wire. */
#ifndef CLUTCH_RTCP_H
#define CLUTCH_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media.h"

/* Reception of one source (RFC 3550 section 6.4.1). */
struct rtcp_block {
    uint32_t ssrc;
    uint32_t highest; /* extended highest sequence number */
    uint32_t jitter;  /* in units of the RTP clock */
    uint32_t last_sr; /* middle 32 bits of the NTP time of the last sender report, or 0 */
    uint32_t delay;   /* since that report, in 1/65536 s */
    int32_t lost;     /* in all; 24 bits signed */
    uint8_t fraction; /* lost since the previous report, in 1/256 */
};

/* A compound of the peer's, as far as it matters to us; of several the last counts. */
struct rtcp_heard {
    bool has_sender; /* there was a sender report: */
    uint32_t sender_ssrc;
    uint32_t sender_ntp; /* middle 32 bits */
    bool has_block;      /* there was a report block about us: */
    struct rtcp_block block;
};

/* A compound of ours: SR or RR, then SDES with the CNAME, then perhaps BYE. */
struct rtcp_compound {
    uint32_t ssrc;
    const char *cname; /* MEDIA_CNAME characters */
    bool is_sender;    /* SR, with: */
    uint64_t ntp;
    uint32_t timestamp;
    uint32_t packets;
    uint32_t octets;
    bool has_block;
    struct rtcp_block block;
    bool bye;
};

/* Read a datagram whole, as RFC 3550 A.2 asks; `own_ssrc` tells the blocks about us. 0, or -EBADMSG if any
 * part of it is malformed; then `heard` means nothing. Reads nothing beyond len, whatever the bytes say. */
int rtcp_parse(const uint8_t *data, size_t len, uint32_t own_ssrc, struct rtcp_heard *heard);

/* Write a compound into room for MEDIA_REPORT_MAX bytes; returns its length. */
size_t rtcp_write(uint8_t *out, const struct rtcp_compound *compound);

#endif
