#include "relay.h"

#include "media.h"
#include "reception.h"

enum { STEP_MAX_FRAMES = 6 }; /* 120 ms: no packet is longer */

static bool is_newer(const struct relay *relay, uint16_t seq)
{
    return (int16_t)(uint16_t)(seq - relay->newest.seq) > 0;
}

/* True if the packet is of the run that the offsets were taken for. */
static bool goes_on(const struct relay *relay, const struct relay_numbers *in, bool audio, uint32_t frame,
                    int64_t now_us)
{
    uint16_t ahead = (uint16_t)(in->seq - relay->newest.seq);
    if (ahead >= RECEPTION_DROPOUT && ahead <= UINT16_MAX - RECEPTION_MISORDER)
        return false;
    if (!audio || !is_newer(relay, in->seq))
        return true;
    int64_t second = (int64_t)frame * MEDIA_TICKS_PER_SECOND;
    int64_t moved = (int32_t)(in->timestamp - relay->newest.timestamp);
    int64_t leap = moved - (now_us - relay->at_us) * second / 1000000;
    return leap <= second && leap >= -second;
}

static void anchor(struct relay *relay, const struct relay_numbers *in, uint32_t frame, int64_t now_us,
                   const struct relay_numbers *next)
{
    *relay = (struct relay){
        .at_us = now_us,
        .newest = {.timestamp = in->timestamp, .seq = (uint16_t)(in->seq - 1)},
        .offset = {.timestamp = next->timestamp - in->timestamp, .seq = (uint16_t)(next->seq - in->seq)},
        .step = frame,
        .taken = UINT64_MAX,
        .anchored = true,
    };
}

/* A number so far before the newest becomes this packet's; false if it is another's. */
static bool take(struct relay *relay, uint16_t behind)
{
    uint64_t bit = behind < 64 ? UINT64_C(1) << behind : 0;
    bool is_free = (relay->taken & bit) != bit;
    relay->taken |= bit;
    return is_free;
}

bool relay_place(struct relay *relay, const struct relay_numbers *in, bool audio, uint32_t frame,
                 int64_t now_us, struct relay_numbers *next, struct relay_numbers *out)
{
    if (!relay->anchored || !goes_on(relay, in, audio, frame, now_us))
        anchor(relay, in, frame, now_us, next);
    out->seq = (uint16_t)(in->seq + relay->offset.seq);
    out->timestamp = in->timestamp + relay->offset.timestamp;
    if (!is_newer(relay, in->seq))
        return take(relay, (uint16_t)(next->seq - 1 - out->seq));
    uint32_t step = in->timestamp - relay->newest.timestamp;
    bool follows = audio && in->seq == (uint16_t)(relay->newest.seq + 1);
    if (follows && step > 0 && step <= STEP_MAX_FRAMES * frame)
        relay->step = step;
    uint16_t used = (uint16_t)(out->seq + 1 - next->seq);
    relay->taken = (used < 64 ? relay->taken << used : 0) | 1;
    relay->newest.seq = in->seq;
    next->seq = (uint16_t)(out->seq + 1);
    if (audio) {
        relay->newest.timestamp = in->timestamp;
        relay->at_us = now_us;
        next->timestamp = out->timestamp + relay->step;
    }
    return true;
}

void relay_skip(struct relay *relay, uint16_t seq)
{
    if (!relay->anchored || !is_newer(relay, seq))
        return;
    relay->newest.seq = seq;
    relay->offset.seq--;
}
