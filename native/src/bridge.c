#include "bridge.h"

#include <errno.h>
#include <string.h>

#include "stream.h"

/* ---- who listens ---- */

bool bridge_listens(const struct stream *stream)
{
    const struct stream *to = stream->bridge.to;
    return to == NULL || stream->bridge.tapped || to->bridge.tapped || to->bridge.parting > 0;
}

/* Nobody listens to this stream any more: what waits has gone on already. */
static void settle(struct stream *stream)
{
    if (stream->playout != NULL && !bridge_listens(stream))
        playout_leave(stream->playout);
}

void stream_tap(struct stream *stream, bool on)
{
    stream->bridge.tapped = on;
    settle(stream);
    if (stream->bridge.from != NULL)
        settle(stream->bridge.from);
}

/* ---- beginning and end ---- */

static void join(struct stream *from, struct stream *to)
{
    from->bridge.to = to;
    from->bridge.flushed = 0;
    playout_keep(from->playout, NULL);
    to->bridge.from = from;
    to->bridge.relay.anchored = false;
    to->bridge.quiet = BRIDGE_QUIET_TICKS;
    to->bridge.parting = 0;
    to->bridge.busy = false;
}

/* `to` sends for itself again. */
static void part(struct stream *to)
{
    if (to->bridge.from == NULL)
        return;
    to->bridge.from->bridge.to = NULL;
    to->bridge.from = NULL;
    to->bridge.parting = 0;
}

void bridge_cut(struct stream *stream)
{
    part(stream);
    if (stream->bridge.to != NULL)
        part(stream->bridge.to);
}

int stream_bridge(struct stream *one, struct stream *other)
{
    if (one == other || one->playout == NULL || other->playout == NULL
        || stream_changes_codec(one, &other->params))
        return -EINVAL;
    bridge_cut(one);
    bridge_cut(other);
    join(one, other);
    join(other, one);
    return 0;
}

void stream_unbridge(struct stream *stream)
{
    struct stream *to = stream->bridge.to;
    if (stream->bridge.from != NULL && stream->bridge.parting == 0)
        stream->bridge.parting = BRIDGE_PARTING_TICKS;
    if (to != NULL && to->bridge.parting == 0)
        to->bridge.parting = BRIDGE_PARTING_TICKS;
}

bool stream_flush(struct stream *from, int64_t now_us, uint8_t *packet, struct media_relay *out)
{
    struct bridge *bridge = &from->bridge;
    out->len = 0;
    while (bridge->to != NULL && bridge->flushed < JITTER_SLOTS && out->len == 0) {
        uint8_t *payload = packet + RTP_HEADER;
        struct jitter_packet waiting;
        if (!jitter_look(&from->playout->jitter, bridge->flushed++, payload, &waiting))
            continue;
        struct rtp_packet rtp = {.payload = payload, .len = waiting.len, .seq = waiting.seq,
                                 .timestamp = waiting.timestamp};
        bridge_pass(from, payload, rtp, waiting.noise ? RTP_NOISE : RTP_AUDIO, now_us, out);
    }
    if (out->len == 0)
        settle(from);
    return out->len > 0;
}

/* ---- packets ---- */

/* The payload type that a packet goes on with, or -1. */
static int32_t type_towards(const struct stream *from, const struct stream *to, enum rtp_content content)
{
    if (content == RTP_AUDIO)
        return to->params.payload_type;
    if (content == RTP_NOISE)
        return to->params.dtx ? stream_noise_payload_type(to) : -1;
    return stream_event_clock_hz(from) == stream_event_clock_hz(to) ? to->params.telephone_event : -1;
}

/* The numbers that a packet goes on with; false if it does not. */
static bool place(struct stream *to, const struct relay_numbers *in, bool moves, int64_t now_us,
                  struct relay_numbers *out)
{
    uint16_t before = to->next.seq;
    if (!relay_place(&to->bridge.relay, in, moves, to->playout->frame_ticks, now_us, &to->next, out))
        return false;
    to->numbers_used += (uint16_t)(to->next.seq - before);
    return true;
}

void bridge_pass(struct stream *from, uint8_t *payload, struct rtp_packet rtp, enum rtp_content content,
                 int64_t now_us, struct media_relay *out)
{
    struct stream *to = from->bridge.to;
    struct bridge *bridge = &to->bridge;
    int32_t type = type_towards(from, to, content);
    if (type >= 0 || content == RTP_KEY)
        bridge->quiet = 0;
    if (!to->params.send || bridge->busy)
        return;
    if (type < 0) {
        relay_skip(&bridge->relay, rtp.seq);
        return;
    }
    struct relay_numbers in = {.timestamp = rtp.timestamp, .seq = rtp.seq}, numbers;
    if (!place(to, &in, content != RTP_KEY, now_us, &numbers))
        return;
    rtp.payload_type = (uint8_t)type;
    rtp.marker |= content == RTP_AUDIO && !to->audio_sent;
    rtp.timestamp = numbers.timestamp;
    rtp.seq = numbers.seq;
    rtp.ssrc = to->ssrc;
    out->data = payload - RTP_HEADER;
    rtp_write_header(out->data, &rtp);
    out->len = stream_seal(to, SRTP_MEDIA, out->data, RTP_HEADER + rtp.len);
    out->to = *stream_destination(to);
    if (content != RTP_KEY)
        to->audio_sent = content == RTP_AUDIO;
    stream_count_sent(to, rtp.len);
}

void bridge_new_source(struct stream *from)
{
    if (from->bridge.to != NULL)
        from->bridge.to->bridge.relay.anchored = false;
}

/* ---- forwarding ---- */

static bool has_own_words(const struct stream *stream)
{
    bool keys = stream->params.telephone_event >= 0 && dtmf_is_sending(&stream->keys_out);
    return keys || downlink_queued(&stream->downlink) > 0;
}

/* True if packets of the bridged stream are what this one sends, now and in its next tick. */
static bool sends_them_only(const struct stream *to)
{
    const struct bridge *bridge = &to->bridge;
    return to->params.send && to->audio_sent && !bridge->busy && !has_own_words(to) && bridge->parting == 0
           && bridge->relay.anchored && bridge->quiet < BRIDGE_QUIET_TICKS - 1;
}

bool bridge_is_plain(const struct stream *from, struct forward *forward)
{
    const struct stream *to = from->bridge.to;
    if (to == NULL || bridge_listens(from) || !from->params.receive || !sends_them_only(to))
        return false;
    bool known = from->source.is_locked && from->peer_known && to->source.is_locked;
    if (!known || from->opener != NULL || to->sealer != NULL)
        return false;
    *forward = (struct forward){
        .from = from->source.locked,
        .to = to->source.locked,
        .ssrc = from->peer_ssrc,
        .new_ssrc = to->ssrc,
        .clock_hz = (uint32_t)from->playout->clock_hz,
        .newest = to->bridge.relay.newest,
        .newest_us = to->bridge.relay.at_us,
        .offset = to->bridge.relay.offset,
        .payload_type = (uint8_t)from->params.payload_type,
        .new_payload_type = (uint8_t)to->params.payload_type,
    };
    return true;
}

void bridge_forwarded(struct stream *from, const struct forwarded *packet)
{
    struct stream *to = from->bridge.to;
    struct relay_numbers numbers;
    if (to == NULL)
        return;
    to->bridge.quiet = 0;
    if (place(to, &packet->numbers, true, packet->at_us, &numbers))
        stream_count_sent(to, packet->len);
}

/* ---- the tick ---- */

/* True if `from` is let go now: its jitter buffer plays, or nothing of it is being sent. */
static bool is_over(struct bridge *bridge, bool speaks)
{
    if (bridge->parting == 0)
        return false;
    return --bridge->parting == 0 || speaks || bridge->from->playout->jitter.state == JITTER_PLAYING;
}

bool bridge_tick(struct stream *stream)
{
    struct bridge *bridge = &stream->bridge;
    if (bridge->from == NULL)
        return true;
    bridge->busy = has_own_words(stream);
    if (bridge->quiet < BRIDGE_QUIET_TICKS)
        bridge->quiet++;
    bool speaks = bridge->busy || !stream->params.send || bridge->quiet == BRIDGE_QUIET_TICKS;
    if (is_over(bridge, speaks)) {
        part(stream);
        return true;
    }
    bridge->relay.anchored &= !speaks;
    return speaks;
}

void bridge_hear(const struct stream *stream, int16_t *frame)
{
    const struct playout *playout = stream->bridge.from->playout;
    memcpy(frame, playout->played, playout->frame * sizeof *frame);
}
