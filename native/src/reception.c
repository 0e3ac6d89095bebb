#include "reception.h"

enum { NO_RESUME = 0x10000, LOST_MAX = 0x7fffff, LOST_MIN = -0x800000 };

static int64_t run_lost(const struct reception *reception)
{
    if (!reception->is_running)
        return 0;
    return (int64_t)(reception->highest - reception->base) + 1 - reception->received;
}

uint64_t reception_lost(const struct reception *reception)
{
    int64_t lost = run_lost(reception);
    return reception->lost_before + (lost > 0 ? (uint64_t)lost : 0);
}

uint32_t reception_jitter(const struct reception *reception)
{
    return reception->jitter >> 4;
}

void reception_restart(struct reception *reception)
{
    *reception = (struct reception){.lost_before = reception_lost(reception)};
}

void reception_new_clock(struct reception *reception)
{
    reception->jitter = 0;
    reception->has_transit = false;
}

static void start(struct reception *reception, uint16_t seq)
{
    reception_restart(reception);
    reception->is_running = true;
    reception->base = reception->highest = seq;
    reception->resume = NO_RESUME;
    reception->received = 1;
}

void reception_count(struct reception *reception, uint16_t seq)
{
    uint16_t ahead = (uint16_t)(seq - reception->highest);
    if (!reception->is_running || seq == reception->resume) {
        start(reception, seq);
    } else if (ahead < RECEPTION_DROPOUT) {
        reception->highest += ahead;
        reception->received++;
    } else if (ahead > UINT16_MAX - RECEPTION_MISORDER) {
        reception->received++;
    } else {
        reception->resume = (uint16_t)(seq + 1);
    }
}

void reception_time(struct reception *reception, uint32_t timestamp, uint32_t clock_hz, int64_t now_us)
{
    uint32_t transit = (uint32_t)((uint64_t)now_us * clock_hz / 1000000) - timestamp;
    int32_t step = (int32_t)(transit - reception->transit);
    uint32_t distance = step < 0 ? 0 - (uint32_t)step : (uint32_t)step;
    /* More than a second is no jitter: the peer's clock was set anew. */
    if (reception->has_transit && distance <= clock_hz)
        reception->jitter += distance - ((reception->jitter + 8) >> 4);
    reception->transit = transit;
    reception->has_transit = true;
}

bool reception_report(struct reception *reception, struct rtcp_block *block)
{
    uint32_t received = reception->received - reception->received_prior;
    if (received == 0)
        return false;
    uint32_t expected_in_all = reception->highest - reception->base + 1;
    uint32_t expected = expected_in_all - reception->expected_prior;
    int64_t lost = run_lost(reception);
    reception->expected_prior = expected_in_all;
    reception->received_prior = reception->received;
    /* Below 256, because something was received. */
    block->fraction = expected > received ? (uint8_t)(((uint64_t)(expected - received) << 8) / expected) : 0;
    block->lost = (int32_t)(lost > LOST_MAX ? LOST_MAX : lost < LOST_MIN ? LOST_MIN : lost);
    block->highest = reception->highest;
    block->jitter = reception_jitter(reception);
    return true;
}
