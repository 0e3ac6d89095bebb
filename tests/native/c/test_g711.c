/* G.711 has the same result with every instruction set: all codes, all samples, and any length. */
#include <string.h>

#include "check.h"
#include "g711.h"

enum { SAMPLES = 65536, CODES = 256 };

static int16_t samples[SAMPLES], decoded[SAMPLES], expected_samples[SAMPLES];
static uint8_t codes[SAMPLES], expected_codes[SAMPLES];

static void check_encoder(g711_encoder *encode, g711_encoder *reference)
{
    for (size_t n = SAMPLES; n > 0; n = n > 65 ? 65 : n - 1) {
        memset(codes, 0x42, sizeof codes);
        memset(expected_codes, 0x42, sizeof expected_codes);
        encode(samples, codes, n);
        reference(samples, expected_codes, n);
        CHECK(memcmp(codes, expected_codes, sizeof codes) == 0);
    }
}

static void check_decoder(g711_decoder *decode, g711_decoder *reference)
{
    for (size_t i = 0; i < SAMPLES; i++)
        codes[i] = (uint8_t)i;
    for (size_t n = CODES; n > 0; n--) {
        memset(decoded, 0x42, sizeof decoded);
        memset(expected_samples, 0x42, sizeof expected_samples);
        decode(codes, decoded, n);
        reference(codes, expected_samples, n);
        CHECK(memcmp(decoded, expected_samples, sizeof decoded) == 0);
    }
}

int main(void)
{
    const struct g711 *best = &g711_kernels[simd_best()], *base = &g711_kernels[SIMD_BASE];
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = (int16_t)(uint16_t)i;
    check_encoder(best->ulaw_encode, base->ulaw_encode);
    check_encoder(best->alaw_encode, base->alaw_encode);
    check_decoder(best->ulaw_decode, base->ulaw_decode);
    check_decoder(best->alaw_decode, base->alaw_decode);
    return 0;
}
