#include "reports.h"

#include <string.h>

static uint32_t middle(uint64_t ntp)
{
    return (uint32_t)(ntp >> 16);
}

uint64_t reports_ntp(int64_t now_us)
{
    uint64_t now = (uint64_t)now_us;
    return now / 1000000 << 32 | ((now % 1000000) << 32) / 1000000;
}

void reports_init(struct reports *reports, uint32_t ssrc, const char *cname)
{
    *reports = (struct reports){.random = ssrc};
    memcpy(reports->cname, cname, MEDIA_CNAME);
}

/* The generator is Numerical Recipes' "quick and dirty" one; its upper half is good enough to spread. */
static void schedule(struct reports *reports, int64_t interval_us, int64_t now_us)
{
    reports->random = reports->random * 1664525 + 1013904223;
    int64_t spread = 0x8000 + (reports->random >> 16); /* 1/2 to 3/2, in 1/65536 */
    reports->due_us = now_us + interval_us * spread / 0x10000 * 100000 / 121828;
}

void reports_start(struct reports *reports, int64_t now_us)
{
    schedule(reports, REPORTS_INTERVAL_US / 2, now_us);
}

void reports_next(struct reports *reports, int64_t now_us)
{
    schedule(reports, REPORTS_INTERVAL_US, now_us);
}

bool reports_is_sender(struct reports *reports, uint32_t packets_sent)
{
    bool is_sender = packets_sent != reports->sent_before;
    reports->sent_before = reports->sent;
    reports->sent = packets_sent;
    return is_sender;
}

void reports_hear_sender(struct reports *reports, uint32_t ssrc, uint32_t ntp, int64_t now_us)
{
    reports->has_sr = true;
    reports->sr_ssrc = ssrc;
    reports->sr_ntp = ntp;
    reports->sr_us = now_us;
}

void reports_echo(const struct reports *reports, struct rtcp_block *block, int64_t now_us)
{
    bool known = reports->has_sr && reports->sr_ssrc == block->ssrc;
    block->last_sr = known ? reports->sr_ntp : 0;
    block->delay = known ? (uint32_t)((now_us - reports->sr_us) * 0x10000 / 1000000) : 0;
}

int64_t reports_round_trip(const struct rtcp_block *block, int64_t now_us)
{
    if (block->last_sr == 0)
        return -1;
    int32_t trip = (int32_t)(middle(reports_ntp(now_us)) - block->last_sr - block->delay);
    if (trip < REPORTS_ROUND_TRIP_MIN || trip > REPORTS_ROUND_TRIP_MAX)
        return -1;
    return trip > 0 ? (int64_t)trip * 1000000 / 0x10000 : 0;
}
