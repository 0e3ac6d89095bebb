#include "playout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    EMPTY_TICKS = 3,      /* in a row before playing stops */
    SPAN_MAX_FRAMES = 10, /* 200 ms: more than this waiting is cut ... */
    SPAN_CUT_FRAMES = 3,  /* ... down to 60 ms */
};

/* Gain of the k-th block in a row that is made up, Q15: 0.8, 0.5, 0.25, 0.1, then silence. */
static const int32_t CONCEAL_GAIN[] = {26214, 16384, 8192, 3277};

enum { CONCEAL_STEPS = sizeof CONCEAL_GAIN / sizeof CONCEAL_GAIN[0] };

int playout_open(struct playout **playout, int32_t codec_id, int32_t rate_hz)
{
    struct codec codec;
    int error = codec_open(&codec, codec_id, rate_hz);
    struct playout *made = NULL;
    if (error == 0) {
        size_t frame = (size_t)rate_hz / MEDIA_TICKS_PER_SECOND;
        made = calloc(1, sizeof *made + (frame + codec.type->packet_max) * sizeof(int16_t));
        error = made == NULL ? -ENOMEM : 0;
    }
    if (error != 0) {
        codec_close(&codec);
        return error;
    }
    made->codec = codec;
    made->codec_id = codec_id;
    made->rate_hz = rate_hz;
    made->frame = (size_t)rate_hz / MEDIA_TICKS_PER_SECOND;
    made->packet_samples = made->frame;
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
    jitter_init(&playout->jitter, counters);
}

void playout_reset(struct playout *playout)
{
    jitter_reset(&playout->jitter);
    memset(playout->history, 0, sizeof playout->history);
    playout->packet_samples = playout->frame;
    playout->waiting = 0;
    playout->conceal_run = 0;
    playout->empty_run = 0;
}

void playout_insert(struct playout *playout, uint16_t seq, const uint8_t *payload, size_t len,
                    int64_t now_us)
{
    if (jitter_is_jump(&playout->jitter, seq))
        playout_reset(playout);
    jitter_insert(&playout->jitter, seq, payload, len, now_us);
}

static void append_concealed(struct playout *playout, size_t n)
{
    int16_t *out = playout->pcm + playout->waiting;
    if (playout->codec.type->conceal != NULL) {
        playout->codec.type->conceal(&playout->codec, out, n);
    } else {
        int32_t gain = playout->conceal_run < CONCEAL_STEPS ? CONCEAL_GAIN[playout->conceal_run] : 0;
        for (size_t i = 0; i < n; i++)
            out[i] = (int16_t)((playout->history[i % playout->frame] * gain) >> 15);
    }
    playout->conceal_run++;
    playout->waiting += n;
    playout->tail_concealed = true;
}

static void remember(struct playout *playout, const int16_t *pcm, size_t n)
{
    size_t frame = playout->frame;
    size_t kept = n < frame ? frame - n : 0;
    memmove(playout->history, playout->history + (frame - kept), kept * sizeof *pcm);
    memcpy(playout->history + kept, pcm + (n - (frame - kept)), (frame - kept) * sizeof *pcm);
}

/* Decode a payload behind the waiting samples; false if it is not the codec's. */
static bool append_decoded(struct playout *playout, const uint8_t *payload, size_t len)
{
    int16_t *out = playout->pcm + playout->waiting;
    int n = playout->codec.type->decode(&playout->codec, payload, len, out, playout->codec.type->packet_max);
    counter_add(&playout->jitter.counters[n > 0 ? PLAYED : MALFORMED], 1);
    if (n <= 0)
        return false;
    playout->packet_samples = (size_t)n;
    remember(playout, out, (size_t)n);
    playout->conceal_run = 0;
    playout->empty_run = 0;
    playout->waiting += (size_t)n;
    playout->tail_concealed = false;
    return true;
}

/* Have a whole frame waiting; true if something was made up for it. */
static bool fill(struct playout *playout)
{
    uint8_t payload[MEDIA_PAYLOAD_MAX];
    bool concealed = false;
    while (playout->waiting < playout->frame) {
        if (jitter_span(&playout->jitter) == 0) {
            append_concealed(playout, playout->frame - playout->waiting);
            if (++playout->empty_run == EMPTY_TICKS) {
                playout->empty_run = 0;
                jitter_dry(&playout->jitter);
            }
            return true;
        }
        size_t len = jitter_take(&playout->jitter, payload);
        if (len == 0 || !append_decoded(playout, payload, len)) {
            append_concealed(playout, playout->packet_samples);
            concealed = true;
        }
    }
    return concealed;
}

bool playout_tick(struct playout *playout, int64_t now_us, int16_t *frame)
{
    size_t bytes = playout->frame * sizeof *frame;
    if (!jitter_ready(&playout->jitter, now_us)) {
        memset(frame, 0, bytes);
        return false;
    }
    if (jitter_span(&playout->jitter) * playout->packet_samples > SPAN_MAX_FRAMES * playout->frame)
        jitter_trim(&playout->jitter, SPAN_CUT_FRAMES * playout->frame / playout->packet_samples);
    bool concealed = playout->waiting > 0 && playout->tail_concealed;
    concealed |= fill(playout);
    counter_add(&playout->jitter.counters[CONCEALED], concealed);
    memcpy(frame, playout->pcm, bytes);
    playout->waiting -= playout->frame;
    memmove(playout->pcm, playout->pcm + playout->frame, playout->waiting * sizeof *frame);
    return concealed;
}
