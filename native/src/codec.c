#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "g711.h"
#include "g722.h"

enum { G722_RATE_HZ = 16000, G722_CLOCK_HZ = 8000 }; /* RFC 3551 section 4.5.2: an old mistake, kept */

struct g722_pair {
    struct g722 decoder;
    struct g722 encoder;
};

static int open_8k(struct codec *codec, const struct media_params *params)
{
    (void)codec;
    return params->rate_hz == 8000 && codec_clock_hz(params) == 8000 ? 0 : -EINVAL;
}

static int open_l16(struct codec *codec, const struct media_params *params)
{
    (void)codec;
    int32_t rate_hz = params->rate_hz;
    bool known = rate_hz == 8000 || rate_hz == 16000 || rate_hz == 48000;
    return known && codec_clock_hz(params) == rate_hz ? 0 : -EINVAL;
}

static int open_g722(struct codec *codec, const struct media_params *params)
{
    if (params->rate_hz != G722_RATE_HZ || codec_clock_hz(params) != G722_CLOCK_HZ)
        return -EINVAL;
    struct g722_pair *pair = malloc(sizeof *pair);
    if (pair == NULL)
        return -ENOMEM;
    g722_init(&pair->decoder);
    g722_init(&pair->encoder);
    codec->state = pair;
    return 0;
}

static void close_g722(struct codec *codec)
{
    free(codec->state);
}

static void close_nothing(struct codec *codec)
{
    (void)codec;
}

static int decode_pcmu(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    (void)codec;
    if (len == 0 || len > room)
        return -EBADMSG;
    g711_kernels[simd_best()].ulaw_decode(payload, pcm, len);
    return (int)len;
}

static int decode_pcma(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    (void)codec;
    if (len == 0 || len > room)
        return -EBADMSG;
    g711_kernels[simd_best()].alaw_decode(payload, pcm, len);
    return (int)len;
}

static int decode_l16(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    (void)codec;
    size_t n = len / 2;
    if (n == 0 || len % 2 != 0 || n > room)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++)
        pcm[i] = (int16_t)(uint16_t)(payload[2 * i] << 8 | payload[2 * i + 1]);
    return (int)n;
}

static int decode_g722(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    if (len == 0 || 2 * len > room)
        return -EBADMSG;
    g722_decode(&((struct g722_pair *)codec->state)->decoder, payload, pcm, len);
    return (int)(2 * len);
}

static int encode_pcmu(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    (void)codec;
    g711_kernels[simd_best()].ulaw_encode(pcm, payload, n);
    return (int)n;
}

static int encode_pcma(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    (void)codec;
    g711_kernels[simd_best()].alaw_encode(pcm, payload, n);
    return (int)n;
}

static int encode_l16(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    (void)codec;
    for (size_t i = 0; i < n; i++) {
        payload[2 * i] = (uint8_t)((uint16_t)pcm[i] >> 8);
        payload[2 * i + 1] = (uint8_t)pcm[i];
    }
    return (int)(2 * n);
}

static int encode_g722(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    g722_encode(&((struct g722_pair *)codec->state)->encoder, pcm, payload, n / 2);
    return (int)(n / 2);
}

static const struct codec_type codec_pcmu = {
    .open = open_8k,
    .close = close_nothing,
    .decode = decode_pcmu,
    .encode = encode_pcmu,
    .packet_max = MEDIA_PAYLOAD_MAX,
};

static const struct codec_type codec_pcma = {
    .open = open_8k,
    .close = close_nothing,
    .decode = decode_pcma,
    .encode = encode_pcma,
    .packet_max = MEDIA_PAYLOAD_MAX,
};

static const struct codec_type codec_l16 = {
    .open = open_l16,
    .close = close_nothing,
    .decode = decode_l16,
    .encode = encode_l16,
    .packet_max = MEDIA_PAYLOAD_MAX / 2,
};

static const struct codec_type codec_g722 = {
    .open = open_g722,
    .close = close_g722,
    .decode = decode_g722,
    .encode = encode_g722,
    .packet_max = 2 * MEDIA_PAYLOAD_MAX,
};

static const struct codec_type *const TYPES[] = {
    [CODEC_PCMU] = &codec_pcmu,
    [CODEC_PCMA] = &codec_pcma,
    [CODEC_L16] = &codec_l16,
#ifdef HAVE_OPUS
    [CODEC_OPUS] = &codec_opus,
#else
    [CODEC_OPUS] = NULL,
#endif
    [CODEC_G722] = &codec_g722,
};

int32_t codec_clock_hz(const struct media_params *params)
{
    return params->clock_hz != 0 ? params->clock_hz : params->rate_hz;
}

int codec_open(struct codec *codec, const struct media_params *params)
{
    int32_t id = params->codec;
    memset(codec, 0, sizeof *codec);
    if (id < 0 || (size_t)id >= sizeof TYPES / sizeof TYPES[0])
        return -EINVAL;
    if (TYPES[id] == NULL)
        return -ENOTSUP;
    codec->type = TYPES[id];
    return codec->type->open(codec, params);
}

void codec_close(struct codec *codec)
{
    if (codec->type != NULL)
        codec->type->close(codec);
}

/* ---- for Python ---- */

int codec_new(struct codec **codec, const struct media_params *params)
{
    struct codec *made = malloc(sizeof *made);
    int error = made != NULL ? codec_open(made, params) : -ENOMEM;
    if (error != 0) {
        if (made != NULL)
            codec_free(made);
        return error;
    }
    *codec = made;
    return 0;
}

void codec_free(struct codec *codec)
{
    codec_close(codec);
    free(codec);
}

int codec_encode(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    if (n == 0 || n > CODEC_SAMPLES_MAX)
        return -EINVAL;
    int len = codec->type->encode(codec, pcm, n, payload);
    return len < 0 ? -EINVAL : len;
}

int codec_decode(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm)
{
    return len > 0 ? codec->type->decode(codec, payload, len, pcm, CODEC_SAMPLES_MAX) : -EBADMSG;
}

int codec_conceal(struct codec *codec, int16_t *pcm, size_t n)
{
    if (codec->type->conceal == NULL)
        return -ENOTSUP;
    if (n > CODEC_SAMPLES_MAX)
        return -EINVAL;
    codec->type->conceal(codec, pcm, n);
    return 0;
}
