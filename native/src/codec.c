#include "codec.h"

#include <errno.h>
#include <string.h>

#include "g711.h"

static int open_8k(struct codec *codec, int32_t rate_hz, int32_t clock_hz)
{
    (void)codec;
    return rate_hz == 8000 && clock_hz == 8000 ? 0 : -EINVAL;
}

static int open_l16(struct codec *codec, int32_t rate_hz, int32_t clock_hz)
{
    (void)codec;
    bool known = rate_hz == 8000 || rate_hz == 16000;
    return known && clock_hz == rate_hz ? 0 : -EINVAL;
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

static const struct codec_type *const TYPES[] = {
    [CODEC_PCMU] = &codec_pcmu,
    [CODEC_PCMA] = &codec_pcma,
    [CODEC_L16] = &codec_l16,
#ifdef HAVE_OPUS
    [CODEC_OPUS] = &codec_opus,
#else
    [CODEC_OPUS] = NULL,
#endif
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
    return codec->type->open(codec, params->rate_hz, codec_clock_hz(params));
}

void codec_close(struct codec *codec)
{
    if (codec->type != NULL)
        codec->type->close(codec);
}
