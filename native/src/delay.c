#include "delay.h"

#include <string.h>

/* From moment b to moment a. */
static int32_t since(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

void delay_init(struct delay *delay, uint32_t frame)
{
    memset(delay, 0, sizeof *delay);
    delay->frame = frame;
    delay->steps = DELAY_START_STEPS;
    delay->counts[DELAY_START_STEPS - 1] = DELAY_START_WEIGHT;
    delay->total = DELAY_START_WEIGHT;
}

static void halve(struct delay *delay)
{
    delay->total = 0;
    for (int i = 0; i <= DELAY_MAX_STEPS; i++) {
        delay->counts[i] /= 2;
        delay->total = (uint16_t)(delay->total + delay->counts[i]);
    }
}

static void count(struct delay *delay, int32_t held_up, int weight)
{
    int32_t step = held_up / (int32_t)(delay->frame / DELAY_STEPS_PER_FRAME);
    uint16_t *found = &delay->counts[step < DELAY_MAX_STEPS ? step : DELAY_MAX_STEPS];
    *found = (uint16_t)(*found + weight);
    delay->total = (uint16_t)(delay->total + weight);
    if (delay->total >= DELAY_MEMORY)
        halve(delay);
    int steps = DELAY_MAX_STEPS, later = delay->counts[DELAY_MAX_STEPS];
    while (steps > DELAY_MIN_STEPS && (later + delay->counts[steps - 1]) * DELAY_TOLERANCE <= delay->total)
        later += delay->counts[--steps];
    delay->steps = (uint8_t)steps;
}

static void forget_old_windows(struct delay *delay, uint32_t transit, uint32_t now)
{
    uint32_t age = now - delay->window_start, window = DELAY_WINDOW_FRAMES * delay->frame;
    if (age < window)
        return;
    delay->fastest_before = age < 2 * window ? delay->fastest : transit;
    delay->fastest = transit;
    delay->window_start = now;
}

int32_t delay_arrived(struct delay *delay, uint32_t timestamp, uint32_t now, bool late)
{
    uint32_t transit = now - timestamp;
    int64_t change = since(transit, delay->base), restart = (int64_t)DELAY_RESTART_FRAMES * delay->frame;
    if (!delay->known || change > restart || change < -restart) {
        delay->fastest = delay->fastest_before = transit;
        delay->window_start = now;
        delay->known = true;
    }
    forget_old_windows(delay, transit, now);
    if (since(transit, delay->fastest) < 0)
        delay->fastest = transit;
    bool older = since(delay->fastest_before, delay->fastest) < 0;
    delay->base = older ? delay->fastest_before : delay->fastest;
    int32_t held_up = since(transit, delay->base);
    count(delay, held_up, late && held_up > delay_needed(delay) ? DELAY_LATE_WEIGHT : 1);
    return held_up;
}

int32_t delay_needed(const struct delay *delay)
{
    return (int32_t)(delay->steps * (delay->frame / DELAY_STEPS_PER_FRAME));
}

int32_t delay_waited(const struct delay *delay, uint32_t timestamp, uint32_t now)
{
    return since(now - timestamp, delay->base);
}
