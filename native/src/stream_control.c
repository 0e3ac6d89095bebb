/* What a stream is asked from outside of its packets and ticks (stream.h). */
#include "stream.h"

bool stream_press(struct stream *stream, uint8_t event, uint32_t tone_ms, uint32_t gap_ms)
{
    return dtmf_press(&stream->keys_out, event, tone_ms, gap_ms);
}

size_t stream_dial(struct stream *stream, const char *digits, size_t count, uint32_t tone_ms,
                   uint32_t gap_ms)
{
    size_t taken = 0;
    for (; taken < count; taken++) {
        int event = dtmf_event(digits[taken]);
        if (event < 0 || !stream_press(stream, (uint8_t)event, tone_ms, gap_ms))
            break;
    }
    return taken;
}

/* ---- the other thread ---- */

size_t stream_send(struct stream *stream, const void *pcm, size_t samples)
{
    return downlink_write(&stream->downlink, pcm, samples);
}

void stream_clear(struct stream *stream)
{
    downlink_clear(&stream->downlink);
}

size_t stream_queued(const struct stream *stream)
{
    return downlink_queued(&stream->downlink);
}

void stream_stats(const struct stream *stream, uint64_t *counters)
{
    for (size_t i = 0; i < MEDIA_COUNTERS; i++)
        counters[i] = counter_read(&stream->counters[i]);
    counters[DOWNLINK_DROPPED] = counter_read(&stream->downlink.refused);
}
