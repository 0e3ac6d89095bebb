/* When a stream reports (RFC 3550 section 6.2), and the clock that round trips are measured with.
 *
 * A report is due every 5 s, the first after half of that, each time spread over half to one and a half of it
 * and divided by e - 3/2 (section 6.3.1); two participants never need more of the bandwidth than this. The
 * spread comes from a generator that is seeded with the stream's random SSRC, so it needs no other randomness.
 *
 * NTP time here is the caller's monotonic clock: elapsed time, as section 6.4.1 allows. It never jumps,
 * and it is the same for all streams of a node.
 */
#ifndef CLUTCH_REPORTS_H
#define CLUTCH_REPORTS_H

#include "rtcp.h"

enum {
    REPORTS_INTERVAL_US = 5000000,
    /* In 1/65536 s. A round trip beyond these is not believed: the peer echoes something else. */
    REPORTS_ROUND_TRIP_MAX = 64 << 16,
    REPORTS_ROUND_TRIP_MIN = -64, /* what rounding may make of none: 1 ms */
};

struct reports {
    char cname[MEDIA_CNAME];
    int64_t due_us;
    uint32_t random;
    uint32_t octets;      /* of payload sent */
    uint32_t sent;        /* packets at the last report */
    uint32_t sent_before; /* packets at the one before */
    bool has_sr;          /* the peer's last sender report: */
    uint32_t sr_ssrc;
    uint32_t sr_ntp; /* middle 32 bits */
    int64_t sr_us;   /* when it came */
};

/* `cname`: MEDIA_CNAME characters. */
void reports_init(struct reports *reports, uint32_t ssrc, const char *cname);

/* Make the first report due in its time. */
void reports_start(struct reports *reports, int64_t now_us);

/* Make the next one due in its time. */
void reports_next(struct reports *reports, int64_t now_us);

/* True if this report is a sender's: a packet went out since the one before the last. Counts this report. */
bool reports_is_sender(struct reports *reports, uint32_t packets_sent);

/* NTP time. */
uint64_t reports_ntp(int64_t now_us);

/* The peer's sender report came. */
void reports_hear_sender(struct reports *reports, uint32_t ssrc, uint32_t ntp, int64_t now_us);

/* Fill in last_sr and delay of a block about the source block->ssrc; zeros if it sent no report. */
void reports_echo(const struct reports *reports, struct rtcp_block *block, int64_t now_us);

/* The round trip in microseconds that a block about us shows, or -1. */
int64_t reports_round_trip(const struct rtcp_block *block, int64_t now_us);

#endif
