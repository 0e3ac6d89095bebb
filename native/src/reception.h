/* How well the peer's packets arrive: highest sequence number, loss and jitter (RFC 3550 A.1, A.3, A.8).
 *
 * Counting is by runs. A run begins with a packet of a source that is new, that started anew (its sequence
 * numbers jumped, and went on from there), or that was not listened to meanwhile; what the runs before it
 * lost stays lost. There is no probation: a packet that comes here has passed the source check.
 */
#ifndef CLUTCH_RECEPTION_H
#define CLUTCH_RECEPTION_H

#include "rtcp.h"

enum {
    RECEPTION_DROPOUT = 3000,  /* a larger step ahead is a jump ... */
    RECEPTION_MISORDER = 100,  /* ... and a step back of less than this is a late packet */
};

struct reception {
    uint64_t lost_before; /* in the runs before this one */
    uint32_t base;        /* first sequence number of the run */
    uint32_t highest;     /* extended by its cycles since then */
    uint32_t received;
    uint32_t expected_prior; /* at the previous report */
    uint32_t received_prior;
    uint32_t jitter;  /* in 1/16 of the RTP clock's unit */
    uint32_t transit; /* of the last packet: arrival less timestamp */
    uint32_t resume;  /* the sequence number that would confirm a jump; beyond 16 bits: none */
    bool is_running;
    bool has_transit;
};

/* End the run. */
void reception_restart(struct reception *reception);

/* The RTP clock is another one from now on. */
void reception_new_clock(struct reception *reception);

/* A packet was accepted. */
void reception_count(struct reception *reception, uint16_t seq);

/* It was audio: its timestamp tells the time at which it was sent. */
void reception_time(struct reception *reception, uint32_t timestamp, uint32_t clock_hz, int64_t now_us);

/* Packets lost so far, in all runs; duplicates make up for losses, as the RFC has it. */
uint64_t reception_lost(const struct reception *reception);

/* Jitter in units of the RTP clock. */
uint32_t reception_jitter(const struct reception *reception);

/* Fill in what a report block says, but for ssrc, last_sr and delay; false, and nothing, if no packet came
 * since the last call. */
bool reception_report(struct reception *reception, struct rtcp_block *block);

#endif
