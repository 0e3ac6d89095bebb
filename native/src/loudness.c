#include "loudness.h"

#include <stdlib.h>

void loudness_heard(struct loudness *loudness, const int16_t *pcm, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)abs(pcm[i]);
    uint32_t mean = sum / (uint32_t)n;
    uint32_t faded = loudness->loudest - (loudness->loudest >> LOUDNESS_DECAY_SHIFT);
    loudness->loudest = mean > faded ? mean : faded;
    uint32_t quiet = loudness->loudest >> LOUDNESS_QUIET_SHIFT;
    bool is_quiet = mean <= (quiet > LOUDNESS_SILENCE ? quiet : LOUDNESS_SILENCE);
    loudness->quiet_packets = is_quiet ? loudness->quiet_packets + 1 : 0;
}

bool loudness_is_quiet(const struct loudness *loudness)
{
    return loudness->quiet_packets >= LOUDNESS_QUIET_PACKETS;
}
