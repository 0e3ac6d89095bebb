/* How long packets must wait so that few come too late: the estimate that sizes the jitter buffer.
 *
 * The method is told in jitter.h. Moments and lengths are in ticks, units of the RTP clock: 32 bits that
 * wrap. Every call takes constant time.
 */
#ifndef CLUTCH_DELAY_H
#define CLUTCH_DELAY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DELAY_STEPS_PER_FRAME = 4, /* delays are told apart by 5 ms */
    DELAY_MIN_STEPS = 4,       /* 20 ms, ... */
    DELAY_START_STEPS = 8,     /* 40 ms and ... */
    DELAY_MAX_STEPS = 17,      /* 85 ms; the wait for the next tick makes that 2, 3 and up to 6 frames */
    DELAY_START_WEIGHT = 2,    /* the first guess holds for 200 packets */
    DELAY_LATE_WEIGHT = 10,    /* of a packet that missed its tick, as less was thought to do: seen at once */
    DELAY_TOLERANCE = 100,     /* one packet in so many may come too late */
    DELAY_MEMORY = 500,        /* when so many are counted all counts are halved */
    DELAY_WINDOW_FRAMES = 250, /* the fastest packet is forgotten after one to two windows of 5 s */
    DELAY_RESTART_FRAMES = 50, /* timestamps that are 1 s off were started anew */
};

struct delay {
    uint32_t frame;           /* ticks of 20 ms */
    uint32_t base;            /* transit, arrival minus timestamp, of the fastest packet of late */
    uint32_t fastest;         /* that of the current window ... */
    uint32_t fastest_before;  /* ... and of the one before */
    uint32_t window_start;
    uint16_t total;
    uint8_t steps;            /* the answer */
    bool known;               /* a packet came */
    uint16_t counts[DELAY_MAX_STEPS + 1]; /* packets by steps they were held up; the last: all that is more */
};

/* Forget everything; frame is a multiple of DELAY_STEPS_PER_FRAME. */
void delay_init(struct delay *delay, uint32_t frame);

/* Learn from a packet, `late` if it missed its tick; returns the ticks it was held up, never negative. */
int32_t delay_arrived(struct delay *delay, uint32_t timestamp, uint32_t now, bool late);

/* Ticks that a packet should be played after the fastest one could have come. */
int32_t delay_needed(const struct delay *delay);

/* Ticks that a packet has been under way if it is played now, beyond the fastest one. */
int32_t delay_waited(const struct delay *delay, uint32_t timestamp, uint32_t now);

#endif
