#include "mixer.h"

#include <stdlib.h>
#include <string.h>

#include "pcm.h"

/* ---- members ---- */

void mixer_init(struct mixer *mixer)
{
    memset(mixer, 0, sizeof *mixer);
}

static float heard_gain(const struct mixer_member *member)
{
    return member->params.muted ? 0 : member->params.gain;
}

void mixer_add(struct mixer *mixer, struct mixer_member *member, const struct mix_params *params)
{
    memset(member, 0, sizeof *member);
    member->params = *params;
    member->gain_now = heard_gain(member);
    member->duck_now = 1;
    member->previous = mixer->last;
    if (mixer->last != NULL)
        mixer->last->next = member;
    else
        mixer->first = member;
    mixer->last = member;
}

void mixer_remove(struct mixer *mixer, struct mixer_member *member)
{
    if (member->next != NULL)
        member->next->previous = member->previous;
    else
        mixer->last = member->previous;
    if (member->previous != NULL)
        member->previous->next = member->next;
    else
        mixer->first = member->next;
    for (struct mixer_member *other = mixer->first; other != NULL; other = other->next)
        if (other->ear == member)
            other->ear = NULL;
}

void mixer_set(struct mixer_member *member, const struct mix_params *params, struct mixer_member *ear)
{
    member->params = *params;
    member->ear = ear;
}

static size_t samples_of(int32_t rate_hz)
{
    return (size_t)(rate_hz / MEDIA_TICKS_PER_SECOND);
}

/* ---- one tick ---- */

/* The highest rate of a member. */
static int32_t choose_bus(const struct mixer *mixer)
{
    int32_t bus_hz = 0;
    for (const struct mixer_member *member = mixer->first; member != NULL; member = member->next)
        bus_hz = member->rate_hz > bus_hz ? member->rate_hz : bus_hz;
    return bus_hz;
}

static void choose_resamplers(struct mixer_member *member, int32_t bus_hz)
{
    if (member->resampled_hz == member->rate_hz && member->bus_hz == bus_hz)
        return;
    member->resampled_hz = member->rate_hz;
    member->bus_hz = bus_hz;
    if (member->rate_hz != bus_hz) {
        resample_open(&member->to_bus, member->rate_hz, bus_hz);
        resample_open(&member->from_bus, bus_hz, member->rate_hz);
    }
}

/* Multiply a frame by a gain that goes from `*now` to `gain` within it. */
static void fade(float *wave, size_t n, float *now, float gain)
{
    float from = *now, step = (gain - from) / (float)n;
    *now = gain;
    if (from == 1 && gain == 1)
        return;
    if (from == gain)
        for (size_t i = 0; i < n; i++)
            wave[i] *= gain;
    else
        for (size_t i = 0; i < n; i++)
            wave[i] *= from + step * (float)(int32_t)(i + 1);
}

static void add(float *sum, const float *wave, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += wave[i];
}

static void subtract(float *sum, const float *wave, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] -= wave[i];
}

static void say(struct mixer_member *member, int32_t bus_hz)
{
    float wave[MEDIA_FRAME_MAX];
    choose_resamplers(member, bus_hz);
    if (member->rate_hz == bus_hz) {
        pcm_to_float(member->uplink, member->said, samples_of(bus_hz));
    } else {
        pcm_to_float(member->uplink, wave, samples_of(member->rate_hz));
        resample_run(&member->to_bus, wave, member->said);
    }
    fade(member->said, samples_of(bus_hz), &member->gain_now, heard_gain(member));
}

/* All magnitudes of a frame, or-ed: that of x is x or, if it is negative, -1 - x. */
static int32_t loudness_of(const int16_t *pcm, size_t n)
{
    int16_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (int16_t)(pcm[i] ^ (pcm[i] >> 15));
    return bits;
}

static bool is_audible(const float *wave, size_t n)
{
    int32_t loud = 0;
    for (size_t i = 0; i < n; i++)
        loud |= wave[i] >= MIXER_AUDIBLE || wave[i] < -MIXER_AUDIBLE;
    return loud != 0;
}

/* What is whispered to a member, added up. */
static void listen(const struct mixer *mixer, const struct mixer_member *ear, float *wave, size_t n)
{
    memset(wave, 0, n * sizeof *wave);
    for (const struct mixer_member *member = mixer->first; member != NULL; member = member->next)
        if (member->rate_hz != 0 && member->params.whispers && member->ear == ear)
            add(wave, member->said, n);
}

/* What a member hears of the others, and of what is whispered to it, on the bus. */
static void hear_others(const struct mixer *mixer, struct mixer_member *member, size_t n, bool whispers,
                        float *wave)
{
    float whispered[MEDIA_FRAME_MAX];
    bool is_alone = loudness_of(member->downlink, samples_of(member->rate_hz)) >= MIXER_AUDIBLE;
    if (whispers) {
        listen(mixer, member, whispered, n);
        is_alone |= is_audible(whispered, n);
    }
    if (is_alone)
        member->duck_ticks = MIXER_DUCK_TICKS;
    else if (member->duck_ticks > 0)
        member->duck_ticks--;
    memcpy(wave, mixer->sum, n * sizeof *wave);
    if (!member->params.whispers)
        subtract(wave, member->said, n);
    fade(wave, n, &member->duck_now, member->duck_ticks > 0 ? member->params.duck : 1);
    if (whispers)
        add(wave, whispered, n);
}

static void hear(const struct mixer *mixer, struct mixer_member *member, int32_t bus_hz, bool whispers)
{
    float on_bus[MEDIA_FRAME_MAX], resampled[MEDIA_FRAME_MAX], alone[MEDIA_FRAME_MAX];
    float *heard = on_bus;
    size_t n = samples_of(member->rate_hz);
    hear_others(mixer, member, samples_of(bus_hz), whispers, on_bus);
    if (member->rate_hz != bus_hz) {
        resample_run(&member->from_bus, on_bus, resampled);
        heard = resampled;
    }
    pcm_to_float(member->downlink, alone, n);
    add(heard, alone, n);
    pcm_from_float(heard, member->downlink, n);
}

void mixer_mix(struct mixer *mixer)
{
    int32_t bus_hz = choose_bus(mixer);
    bool whispers = false;
    memset(mixer->sum, 0, sizeof mixer->sum);
    for (struct mixer_member *member = mixer->first; member != NULL; member = member->next) {
        if (member->rate_hz == 0)
            continue;
        say(member, bus_hz);
        whispers |= member->params.whispers;
        if (!member->params.whispers)
            add(mixer->sum, member->said, samples_of(bus_hz));
    }
    for (struct mixer_member *member = mixer->first; member != NULL; member = member->next)
        if (member->rate_hz != 0)
            hear(mixer, member, bus_hz, whispers);
}

/* ---- for Python ---- */

struct mixer *mixer_new(void)
{
    return calloc(1, sizeof(struct mixer));
}

void mixer_free(struct mixer *mixer)
{
    while (mixer->first != NULL)
        mixer_leave(mixer, mixer->first);
    free(mixer);
}

struct mixer_member *mixer_join(struct mixer *mixer, const struct mix_params *params)
{
    struct mixer_member *member = malloc(sizeof *member);
    if (member != NULL)
        mixer_add(mixer, member, params);
    return member;
}

void mixer_leave(struct mixer *mixer, struct mixer_member *member)
{
    mixer_remove(mixer, member);
    free(member);
}

int16_t *mixer_uplink(struct mixer_member *member, int32_t rate_hz)
{
    member->rate_hz = rate_hz;
    return member->uplink;
}

int16_t *mixer_downlink(struct mixer_member *member)
{
    return member->downlink;
}
