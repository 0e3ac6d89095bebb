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

/* The rate of all members; MIXER_BUS_HZ if they have several, 0 if there is none. */
static int32_t choose_bus(const struct mixer *mixer)
{
    int32_t bus_hz = 0;
    for (const struct mixer_member *member = mixer->first; member != NULL; member = member->next) {
        if (member->rate_hz == 0 || member->rate_hz == bus_hz)
            continue;
        if (bus_hz != 0)
            return MIXER_BUS_HZ;
        bus_hz = member->rate_hz;
    }
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

static bool is_audible(const float *wave, size_t n)
{
    bool loud = false;
    for (size_t i = 0; i < n; i++)
        loud |= wave[i] >= MIXER_AUDIBLE || wave[i] <= -MIXER_AUDIBLE;
    return loud;
}

/* What is whispered to a member, added up. */
static void listen(const struct mixer *mixer, const struct mixer_member *ear, float *wave, size_t n)
{
    memset(wave, 0, n * sizeof *wave);
    for (const struct mixer_member *member = mixer->first; member != NULL; member = member->next)
        if (member->rate_hz != 0 && member->params.whispers && member->ear == ear)
            add(wave, member->said, n);
}

static void hear(const struct mixer *mixer, struct mixer_member *member, int32_t bus_hz, bool whispers)
{
    float wave[MEDIA_FRAME_MAX], alone[MEDIA_FRAME_MAX], whispered[MEDIA_FRAME_MAX];
    size_t n = samples_of(member->rate_hz), n_bus = samples_of(bus_hz);
    pcm_to_float(member->downlink, alone, n);
    bool is_alone = is_audible(alone, n);
    if (whispers) {
        listen(mixer, member, whispered, n_bus);
        is_alone |= is_audible(whispered, n_bus);
    }
    member->duck_ticks = is_alone ? MIXER_DUCK_TICKS : member->duck_ticks - (member->duck_ticks > 0);

    memcpy(wave, mixer->sum, n_bus * sizeof *wave);
    if (!member->params.whispers)
        subtract(wave, member->said, n_bus);
    fade(wave, n_bus, &member->duck_now, member->duck_ticks > 0 ? member->params.duck : 1);
    if (whispers)
        add(wave, whispered, n_bus);
    if (member->rate_hz == bus_hz) {
        add(wave, alone, n);
        pcm_from_float(wave, member->downlink, n);
    } else {
        float heard[MEDIA_FRAME_MAX];
        resample_run(&member->from_bus, wave, heard);
        add(heard, alone, n);
        pcm_from_float(heard, member->downlink, n);
    }
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
