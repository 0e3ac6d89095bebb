#include "playout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    EMPTY_TICKS = 3,      /* in a row before playing stops */
    SPAN_MAX_FRAMES = 10, /* 200 ms: more than this waiting is cut down to what is needed */
    US_PER_SECOND = 1000000,
};

/* Gain of the k-th block in a row that is made up, Q15: 0.8, 0.5, 0.25, 0.1, then silence. */
static const int32_t CONCEAL_GAIN[] = {26214, 16384, 8192, 3277};

enum { CONCEAL_STEPS = sizeof CONCEAL_GAIN / sizeof CONCEAL_GAIN[0] };

int playout_open(struct playout **playout, const struct media_params *params)
{
    struct codec codec;
    int error = codec_open(&codec, params);
    size_t frame = (size_t)params->rate_hz / MEDIA_TICKS_PER_SECOND;
    struct playout *made = NULL;
    if (error == 0) {
        made = malloc(sizeof *made + (2 * frame + codec.type->packet_max) * sizeof(int16_t));
        error = made == NULL ? -ENOMEM : 0;
    }
    if (error != 0) {
        codec_close(&codec);
        return error;
    }
    memset(made, 0, offsetof(struct playout, jitter)); /* what comes behind is not touched before it is used */
    made->codec = codec;
    made->played = made->pcm + frame + codec.type->packet_max;
    made->codec_id = params->codec;
    made->rate_hz = params->rate_hz;
    made->clock_hz = codec_clock_hz(params);
    made->frame = frame;
    made->frame_ticks = (uint32_t)made->clock_hz / MEDIA_TICKS_PER_SECOND;
    made->packet_samples = frame;
    *playout = made;
    return 0;
}

void playout_free(struct playout *playout)
{
    if (playout == NULL)
        return;
    codec_close(&playout->codec);
    free(playout);
}

void playout_attach(struct playout *playout, counter *counters)
{
    jitter_init(&playout->jitter, counters, playout->frame_ticks);
}

void playout_reset(struct playout *playout)
{
    jitter_reset(&playout->jitter);
    memset(playout->history, 0, sizeof playout->history);
    playout->packet_samples = playout->frame;
    playout->waiting = 0;
    playout->conceal_run = 0;
    playout->empty_run = 0;
    memset(&playout->loudness, 0, sizeof playout->loudness);
    memset(&playout->comfort, 0, sizeof playout->comfort);
}

void playout_leave(struct playout *playout)
{
    jitter_leave(&playout->jitter);
    playout_reset(playout);
    playout_keep(playout, NULL);
}

void playout_keep(struct playout *playout, const int16_t *frame)
{
    size_t bytes = playout->frame * sizeof *frame;
    if (frame != NULL)
        memcpy(playout->played, frame, bytes);
    else
        memset(playout->played, 0, bytes);
}

/* A moment on the RTP clock. */
static uint32_t rtp_clock(const struct playout *playout, int64_t now_us)
{
    return (uint32_t)((uint64_t)now_us * (uint64_t)playout->clock_hz / US_PER_SECOND);
}

/* How long n samples last on the RTP clock. */
static int32_t ticks_of(const struct playout *playout, size_t n)
{
    return (int32_t)(n * playout->frame_ticks / playout->frame);
}

bool playout_takes_noise(const struct playout *playout)
{
    return playout->codec.type->conceal == NULL;
}

void playout_insert(struct playout *playout, const struct jitter_packet *packet, int64_t now_us)
{
    if (jitter_is_jump(&playout->jitter, packet->seq))
        playout_reset(playout);
    jitter_insert(&playout->jitter, packet, rtp_clock(playout, now_us));
}

static void conceal(struct playout *playout, int16_t *out, size_t n)
{
    if (playout->codec.type->conceal != NULL) {
        playout->codec.type->conceal(&playout->codec, out, n);
    } else {
        int32_t gain = playout->conceal_run < CONCEAL_STEPS ? CONCEAL_GAIN[playout->conceal_run] : 0;
        for (size_t i = 0; i < n; i++)
            out[i] = (int16_t)((playout->history[i % playout->frame] * gain) >> 15);
    }
    playout->conceal_run++;
}

/* Make up n samples, for a packet that is `missing` or because none is there; true if they conceal something:
 * a pause has no packets. */
static bool append_made_up(struct playout *playout, size_t n, bool missing)
{
    int16_t *out = playout->pcm + playout->waiting;
    if (playout->comfort.on)
        comfort_fill(&playout->comfort, out, n);
    else
        conceal(playout, out, n);
    playout->waiting += n;
    playout->tail_concealed = missing || !playout->comfort.on;
    return playout->tail_concealed;
}

static void remember(struct playout *playout, const int16_t *pcm, size_t n)
{
    size_t frame = playout->frame;
    size_t kept = n < frame ? frame - n : 0;
    memmove(playout->history, playout->history + (frame - kept), kept * sizeof *pcm);
    memcpy(playout->history + kept, pcm + (n - (frame - kept)), (frame - kept) * sizeof *pcm);
}

/* The delay of a packet that is played next, in the tick at `now`. */
static int32_t waited(const struct playout *playout, uint32_t timestamp, uint32_t now)
{
    return delay_waited(&playout->jitter.delay, timestamp, now + (uint32_t)ticks_of(playout, playout->waiting));
}

/* True if the delay is to grow by a frame before the next packet is played. */
static bool should_add(struct playout *playout, uint32_t now)
{
    struct jitter *jitter = &playout->jitter;
    const struct jitter_slot *next = jitter_peek(jitter);
    if (next == NULL)
        return false;
    int32_t half = (int32_t)playout->frame_ticks / 2;
    bool too_little = waited(playout, next->timestamp, now) < delay_needed(&jitter->delay) - half;
    bool quiet = playout->comfort.on || loudness_is_quiet(&playout->loudness);
    jitter->grow &= too_little;
    return too_little && (jitter->grow || quiet);
}

/* True if there is delay to spare for the packet of n samples just taken, it is quiet, and others follow. */
static bool should_drop(const struct playout *playout, uint32_t timestamp, size_t n, uint32_t now)
{
    const struct jitter *jitter = &playout->jitter;
    int64_t wait = waited(playout, timestamp, now);
    int64_t spare = wait - ticks_of(playout, n) - delay_needed(&jitter->delay);
    return loudness_is_quiet(&playout->loudness) && spare >= 0 && jitter_span(jitter) * n > playout->frame;
}

/* The packet is missing, but the one after it waits and may repeat what was in it. */
static bool append_recovered(struct playout *playout)
{
    uint8_t payload[MEDIA_PAYLOAD_MAX];
    struct jitter_packet next;
    struct codec *codec = &playout->codec;
    size_t n = playout->packet_samples;
    if (codec->type->recover == NULL || !jitter_look(&playout->jitter, 0, payload, &next)
        || !codec->type->recover(codec, payload, next.len, playout->pcm + playout->waiting, n))
        return false;
    counter_add(&playout->jitter.counters[RECOVERED], 1);
    playout->conceal_run = 0;
    playout->waiting += n;
    playout->tail_concealed = false;
    return true;
}

/* Decode a packet behind the waiting samples, unless it is dropped; false if it is not the codec's. */
static bool append_decoded(struct playout *playout, const uint8_t *payload, size_t len, uint32_t timestamp,
                           uint32_t now)
{
    struct codec *codec = &playout->codec;
    counter *counters = playout->jitter.counters;
    int16_t *out = playout->pcm + playout->waiting;
    playout->comfort.on = false;
    int decoded = codec->type->decode(codec, payload, len, out, codec->type->packet_max);
    if (decoded <= 0) {
        counter_add(&counters[MALFORMED], 1);
        return false;
    }
    size_t n = (size_t)decoded;
    playout->packet_samples = n;
    playout->conceal_run = 0;
    playout->empty_run = 0;
    remember(playout, out, n);
    loudness_heard(&playout->loudness, out, n);
    if (should_drop(playout, timestamp, n, now)) {
        playout->loudness.quiet_packets = 0;
        counter_add(&counters[DISCARDED], 1);
        return true;
    }
    counter_add(&counters[PLAYED], 1);
    playout->waiting += n;
    playout->tail_concealed = false;
    return true;
}

/* Take the next packet; false if it is missing for good or not the codec's. Comfort noise says what silence
 * sounds like and takes no time. */
static bool append_next(struct playout *playout, uint32_t now)
{
    uint8_t payload[MEDIA_PAYLOAD_MAX];
    const struct jitter_slot *next = jitter_peek(&playout->jitter);
    bool noise = next != NULL && next->noise;
    uint32_t timestamp = next != NULL ? next->timestamp : 0;
    size_t len = jitter_take(&playout->jitter, payload);
    if (len == 0)
        return append_recovered(playout);
    if (!noise)
        return append_decoded(playout, payload, len, timestamp, now);
    comfort_hear(&playout->comfort, payload);
    counter_add(&playout->jitter.counters[PLAYED], 1);
    return true;
}

/* Make up the rest of a frame for which nothing waits; true if that conceals something. */
static bool starve(struct playout *playout)
{
    bool concealed = append_made_up(playout, playout->frame - playout->waiting, false);
    jitter_starve(&playout->jitter);
    if (++playout->empty_run == EMPTY_TICKS) {
        playout->empty_run = 0;
        jitter_dry(&playout->jitter);
    }
    return concealed;
}

/* Have a whole frame waiting; true if something was made up for it. */
static bool fill(struct playout *playout, uint32_t now)
{
    bool concealed = false;
    while (playout->waiting < playout->frame) {
        if (jitter_span(&playout->jitter) == 0) {
            concealed |= starve(playout);
        } else if (should_add(playout, now)) {
            playout->loudness.quiet_packets = 0;
            concealed |= append_made_up(playout, playout->frame, false);
        } else if (!append_next(playout, now)) {
            concealed |= append_made_up(playout, playout->packet_samples, true);
        }
    }
    return concealed;
}

bool playout_tick(struct playout *playout, int64_t now_us, int16_t *frame)
{
    size_t bytes = playout->frame * sizeof *frame;
    uint32_t now = rtp_clock(playout, now_us);
    if (!jitter_ready(&playout->jitter, now)) {
        memset(frame, 0, bytes);
        if (playout->comfort.on)
            comfort_fill(&playout->comfort, frame, playout->frame);
        return false;
    }
    if (jitter_span(&playout->jitter) * playout->packet_samples > SPAN_MAX_FRAMES * playout->frame) {
        size_t kept = (size_t)delay_needed(&playout->jitter.delay) + playout->frame_ticks;
        jitter_trim(&playout->jitter, kept * playout->frame / playout->frame_ticks / playout->packet_samples);
    }
    bool concealed = playout->waiting > 0 && playout->tail_concealed;
    concealed |= fill(playout, now);
    counter_add(&playout->jitter.counters[CONCEALED], concealed);
    memcpy(frame, playout->pcm, bytes);
    playout->waiting -= playout->frame;
    memmove(playout->pcm, playout->pcm + playout->frame, playout->waiting * sizeof *frame);
    return concealed;
}
