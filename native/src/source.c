#include "source.h"

#include <string.h>

_Static_assert(sizeof(struct endpoint) == 18, "endpoints are compared bytewise");

bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

void source_signal(struct source *source, bool another, int64_t now_us)
{
    if (another)
        memset(source, 0, sizeof *source);
    if (!source->is_locked)
        source->since_us = now_us;
}

/* True if a packet from elsewhere than signalling says makes that place the peer's. */
static bool convinces(struct source *source, const struct endpoint *from, uint32_t ssrc)
{
    if (!same_endpoint(&source->candidate, from) || source->candidate_ssrc != ssrc)
        source->candidate_packets = 0;
    source->candidate = *from;
    source->candidate_ssrc = ssrc;
    return ++source->candidate_packets >= SOURCE_PACKETS;
}

static bool find_source(struct source *source, const struct media_params *params,
                        const struct endpoint *from, uint32_t ssrc, int64_t now_us)
{
    bool learns = params->learn && now_us - source->since_us <= SOURCE_LEARN_US;
    if (!same_endpoint(&params->remote, from) && !(learns && convinces(source, from, ssrc)))
        return false;
    source->locked = *from;
    source->is_locked = true;
    source->ssrc = ssrc;
    return true;
}

/* True if another SSRC takes the place of the one before. */
static bool succeeds(struct source *source, uint32_t ssrc, uint16_t seq, int64_t now_us)
{
    if (source->candidate_ssrc != ssrc || source->candidate_seq != seq)
        source->candidate_packets = 0;
    source->candidate_ssrc = ssrc;
    source->candidate_seq = (uint16_t)(seq + 1);
    source->candidate_packets++;
    return source->candidate_packets >= SOURCE_SEQUENTIAL && now_us - source->heard_us >= SOURCE_SILENT_US;
}

bool source_admit(struct source *source, const struct media_params *params, bool authentic,
                  const struct endpoint *from, uint32_t ssrc, uint16_t seq, int64_t now_us)
{
    if (!source->is_locked) {
        if (!find_source(source, params, from, ssrc, now_us))
            return false;
    } else if (!same_endpoint(&source->locked, from)) {
        return false;
    } else if (source->ssrc != ssrc) {
        if (!authentic && !succeeds(source, ssrc, seq, now_us))
            return false;
        source->ssrc = ssrc;
    }
    source->candidate_packets = 0;
    source->heard_us = now_us;
    return true;
}
