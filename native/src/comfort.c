#include "comfort.h"

#include "pcm.h"

/* In 1/65536, so that little is lost on the way down. */
static const uint64_t OVERLOAD_POWER = UINT64_C(1) << 46; /* 32768 squared */
static const uint64_t OVERLOAD_AMPLITUDE = UINT64_C(56756) << 16; /* of evenly spread samples with that power */

enum {
    POWER_STEP = 52057,     /* 1 dB less, in 1/65536: of a power ... */
    AMPLITUDE_STEP = 58409, /* ... and of an amplitude */
};

void comfort_hear(struct comfort *comfort, const uint8_t *payload)
{
    uint64_t amplitude = OVERLOAD_AMPLITUDE;
    for (int level = payload[0] & COMFORT_LEVEL_MAX; level > 0; level--)
        amplitude = amplitude * AMPLITUDE_STEP >> 16;
    amplitude = (amplitude + 0x8000) >> 16;
    comfort->amplitude = amplitude < INT16_MAX ? (int32_t)amplitude : INT16_MAX;
    comfort->on = true;
}

/* The generator is Numerical Recipes' "quick and dirty" one; its upper half is good enough for noise. */
void comfort_fill(struct comfort *comfort, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        comfort->random = comfort->random * 1664525 + 1013904223;
        int32_t even = (int32_t)(comfort->random >> 16) - 32768;
        pcm[i] = (int16_t)((even * comfort->amplitude + 0x4000) >> 15);
    }
}

/* The level of n > 0 samples, rounded up: towards the softer. */
static int level_of(const int16_t *pcm, size_t n)
{
    uint64_t power = pcm_power(pcm, n), level_power = OVERLOAD_POWER;
    if (power == 0)
        return COMFORT_LEVEL_MAX;
    int level = 0;
    for (; power << 16 < level_power; level++)
        level_power = level_power * POWER_STEP >> 16;
    return level;
}

int comfort_send(uint32_t *quiet, const int16_t *pcm, size_t n, uint8_t *payload)
{
    int level = level_of(pcm, n);
    *quiet = level >= COMFORT_QUIET ? *quiet + 1 : 0;
    if (*quiet <= COMFORT_HANGOVER)
        return -1;
    if ((*quiet - COMFORT_HANGOVER) % COMFORT_REFRESH != 1)
        return 0;
    payload[0] = (uint8_t)level;
    return COMFORT_PAYLOAD;
}
