#include "codec.h"

#ifdef HAVE_OPUS

#include <errno.h>
#include <opus.h>
#include <stdlib.h>
#include <string.h>

enum {
    MONO = 1,
    NO_FEC = 0,
    FEC = 1,
    BITRATE = 32000, /* bit/s: transparent for speech at full band */
    BITRATE_MIN = 6000,
    BITRATE_MAX = 510000,
    FRAME_MAX = 48, /* frames in a packet (RFC 6716 section 3.2.5) */
    FRAME_20_MS = CODEC_OPUS_CLOCK_HZ / MEDIA_TICKS_PER_SECOND,
    UNSENT = 2,       /* bytes: a payload so short says nothing and need not be sent (RFC 7587 section 3.1.3) */
    SLEEP_AFTER = 25, /* frames without a sound: half a second, longer than any delay of the encoder */
    REFRESH = 20,     /* frames: a sleeper that may be silent says so every 400 ms */
    ALIGNMENT = 16,
};

/* 20 ms of silence for any decoder: a CELT frame whose silence flag is set (RFC 6716 section 4.3). */
static const uint8_t SILENCE[] = {0xf8, 0xff, 0xfe};

/* libopus' own states lie behind it in one piece of memory. They are set up when they are first used: a leg
 * that never speaks or never hears does not touch, so does not take, the larger part of it. */
struct opus {
    OpusDecoder *decoder;
    OpusEncoder *encoder;
    int32_t rate_hz;
    struct opus_options options;
    bool dtx;
    bool decoding; /* the decoder is set up */
    bool encoding; /* the encoder is */
    uint32_t silent; /* frames in a row without a sound, after which the encoder sleeps */
};

/* libopus codes from and to any of these, whatever the other end does. */
static bool is_rate(int32_t rate_hz)
{
    return rate_hz == 8000 || rate_hz == 16000 || rate_hz == 24000 || rate_hz == 48000;
}

static bool are_options(const struct opus_options *options)
{
    bool rated = options->bitrate == 0
                 || (options->bitrate >= BITRATE_MIN && options->bitrate <= BITRATE_MAX);
    return rated && options->complexity >= 0 && options->complexity <= 10 && options->loss_percent >= 0
           && options->loss_percent <= 100 && options->playback_hz >= 0;
}

static size_t aligned(int size)
{
    return ((size_t)size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int open_opus(struct codec *codec, const struct media_params *params)
{
    if (!is_rate(params->rate_hz) || codec_clock_hz(params) != CODEC_OPUS_CLOCK_HZ
        || !are_options(&params->opus))
        return -EINVAL;
    size_t own = aligned(sizeof(struct opus)), decoder = aligned(opus_decoder_get_size(MONO));
    uint8_t *memory = malloc(own + decoder + aligned(opus_encoder_get_size(MONO)));
    if (memory == NULL)
        return -ENOMEM;
    struct opus *opus = (struct opus *)(void *)memory;
    *opus = (struct opus){
        .decoder = (OpusDecoder *)(void *)(memory + own),
        .encoder = (OpusEncoder *)(void *)(memory + own + decoder),
        .rate_hz = params->rate_hz,
        .options = params->opus,
        .dtx = params->dtx,
        .silent = SLEEP_AFTER,
    };
    codec->state = opus;
    return 0;
}

static void close_opus(struct codec *codec)
{
    free(codec->state);
}

static int bandwidth(int32_t playback_hz)
{
    if (playback_hz == 0 || playback_hz > 24000)
        return OPUS_BANDWIDTH_FULLBAND;
    return playback_hz > 16000   ? OPUS_BANDWIDTH_SUPERWIDEBAND
           : playback_hz > 12000 ? OPUS_BANDWIDTH_WIDEBAND
           : playback_hz > 8000  ? OPUS_BANDWIDTH_MEDIUMBAND
                                 : OPUS_BANDWIDTH_NARROWBAND;
}

static void apply_options(const struct opus *opus)
{
    const struct opus_options *options = &opus->options;
    OpusEncoder *encoder = opus->encoder;
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE(options->bitrate != 0 ? options->bitrate : BITRATE));
    opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(options->complexity));
    opus_encoder_ctl(encoder, OPUS_SET_MAX_BANDWIDTH(bandwidth(options->playback_hz)));
    opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(options->fec));
    opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(options->loss_percent));
    opus_encoder_ctl(encoder, OPUS_SET_DTX(opus->dtx));
}

static void tune_opus(struct codec *codec, const struct media_params *params)
{
    struct opus *opus = codec->state;
    opus->options = params->opus;
    opus->dtx = params->dtx;
    if (opus->encoding)
        apply_options(opus);
}

static OpusDecoder *decoder_of(const struct codec *codec)
{
    struct opus *opus = codec->state;
    if (!opus->decoding)
        opus_decoder_init(opus->decoder, opus->rate_hz, MONO);
    opus->decoding = true;
    return opus->decoder;
}

static int decode_opus(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm, size_t room)
{
    int n = opus_decode(decoder_of(codec), payload, (opus_int32)len, pcm, (int)room, NO_FEC);
    return n > 0 ? n : -EBADMSG;
}

static void conceal_opus(struct codec *codec, int16_t *pcm, size_t n)
{
    if (opus_decode(decoder_of(codec), NULL, 0, pcm, (int)n, NO_FEC) != (int)n)
        memset(pcm, 0, n * sizeof *pcm);
}

/* True if the payload repeats what was in the one before: the flag behind the voice activity flags, one for
 * each 20 ms, of its first frame (RFC 6716 section 4.2.3). */
static bool has_redundancy(const uint8_t *payload, size_t len)
{
    const unsigned char *frames[FRAME_MAX];
    opus_int16 sizes[FRAME_MAX];
    bool is_celt_only = (payload[0] & 0x80) != 0;
    if (is_celt_only || opus_packet_parse(payload, (opus_int32)len, NULL, frames, sizes, NULL) <= 0
        || sizes[0] == 0)
        return false;
    int duration = opus_packet_get_samples_per_frame(payload, CODEC_OPUS_CLOCK_HZ);
    int flags = duration > FRAME_20_MS ? duration / FRAME_20_MS : 1;
    return (frames[0][0] >> (7 - flags) & 1) != 0;
}

static bool recover_opus(struct codec *codec, const uint8_t *next, size_t len, int16_t *pcm, size_t n)
{
    return has_redundancy(next, len)
           && opus_decode(decoder_of(codec), next, (opus_int32)len, pcm, (int)n, FEC) == (int)n;
}

static bool is_silent(const int16_t *pcm, size_t n)
{
    while (n > 0 && *pcm == 0) {
        pcm++;
        n--;
    }
    return n == 0;
}

/* Before its first frame, and when it wakes: the far decoder began anew with the silence that it was sent. */
static void wake(struct opus *opus)
{
    if (opus->encoding) {
        opus_encoder_ctl(opus->encoder, OPUS_RESET_STATE);
        return;
    }
    /* AUDIO keeps the waveform, VOIP filters it for intelligibility at rates below ours: coded twice, as on a
     * call through two gateways, speech correlates 0.99 with itself in the one mode and 0.77 in the other. */
    opus_encoder_init(opus->encoder, opus->rate_hz, MONO, OPUS_APPLICATION_AUDIO);
    opus_encoder_ctl(opus->encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
    apply_options(opus);
    opus->encoding = true;
}

/* While nobody speaks the encoder, which is most of the cost of a leg, sleeps. */
static int encode_opus(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload)
{
    struct opus *opus = codec->state;
    bool sleeping = opus->silent >= SLEEP_AFTER;
    opus->silent = is_silent(pcm, n) ? opus->silent + 1 : 0;
    if (sleeping && opus->silent > 0) {
        if (opus->dtx && (opus->silent - SLEEP_AFTER) % REFRESH != 1)
            return 0;
        memcpy(payload, SILENCE, sizeof SILENCE);
        return sizeof SILENCE;
    }
    if (sleeping)
        wake(opus);
    opus_int32 len = opus_encode(opus->encoder, pcm, (int)n, payload, MEDIA_PAYLOAD_MAX);
    if (len < 0)
        return -EIO;
    return opus->dtx && len <= UNSENT ? 0 : len;
}

const struct codec_type codec_opus = {
    .open = open_opus,
    .close = close_opus,
    .tune = tune_opus,
    .decode = decode_opus,
    .conceal = conceal_opus,
    .recover = recover_opus,
    .encode = encode_opus,
    .packet_max = CODEC_OPUS_PACKET_MAX,
};

#else
typedef int codec_opus_is_not_built; /* ISO C wants at least one declaration */
#endif
