#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rtp.h"

static void count(struct stream *stream, enum media_counter which)
{
    counter_add(&stream->counters[which], 1);
}

const struct endpoint *stream_destination(const struct stream *stream)
{
    return stream->source.is_locked ? &stream->source.locked : &stream->params.remote;
}

/* Where RTCP goes and must come from. */
static struct endpoint rtcp_destination(const struct stream *stream)
{
    const struct endpoint *rtp = stream_destination(stream);
    if (stream->params.rtcp.port == 0)
        return *rtp;
    if (same_endpoint(rtp, &stream->params.remote))
        return stream->params.rtcp;
    struct endpoint above = *rtp; /* signalling did not know the peer's address; assume a pair of ports */
    above.port++;
    return above;
}

/* Queue events for stream_next_event. */
static void emit(struct stream *stream, const struct media_event *events, size_t n)
{
    for (size_t i = 0; i < n && stream->event_count < STREAM_EVENTS; i++)
        stream->events[stream->event_count++] = events[i];
}

/* ---- life ---- */

struct stream *stream_new(uint32_t ssrc, uint16_t seq, uint32_t timestamp, const char *cname)
{
    struct stream *stream = aligned_alloc(_Alignof(struct stream), sizeof *stream);
    if (stream == NULL)
        return NULL;
    memset(stream, 0, sizeof *stream);
    stream->ssrc = ssrc;
    stream->next = (struct relay_numbers){.timestamp = timestamp, .seq = seq};
    reports_init(&stream->reports, ssrc, cname);
    return stream;
}

void stream_free(struct stream *stream)
{
    bridge_cut(stream);
    playout_free(stream->playout);
    srtp_close(stream->sealer);
    srtp_close(stream->opener);
    free(stream);
}

bool stream_changes_codec(const struct stream *stream, const struct media_params *params)
{
    const struct playout *playout = stream->playout;
    return playout == NULL || playout->codec_id != params->codec || playout->rate_hz != params->rate_hz;
}

void stream_discard(struct stream_parts *parts)
{
    playout_free(parts->playout);
    srtp_close(parts->sealer);
    srtp_close(parts->opener);
}

static void adopt_playout(struct stream *stream, struct playout **made, int64_t now_us)
{
    struct playout *before = stream->playout;
    bridge_cut(stream);
    if (before != NULL)
        playout_reset(before);
    else
        reports_start(&stream->reports, now_us);
    reception_new_clock(&stream->reception);
    stream->playout = *made;
    playout_attach(stream->playout, stream->counters);
    *made = before;
}

/* A context goes on as long as its key does: packet index and replay window must never begin again. */
static void adopt_key(struct srtp **own, struct srtp **made)
{
    struct srtp *before = *own;
    if (before != NULL && *made != NULL && srtp_same_key(before, *made))
        return;
    *own = *made;
    *made = before;
}

void stream_connect(struct stream *stream, const struct media_params *params, struct stream_parts *parts,
                    int64_t now_us)
{
    if (stream_changes_codec(stream, params))
        adopt_playout(stream, &parts->playout, now_us);
    else if (stream->playout->codec.type->tune != NULL)
        stream->playout->codec.type->tune(&stream->playout->codec, params);
    adopt_key(&stream->sealer, &parts->sealer);
    adopt_key(&stream->opener, &parts->opener);
    source_signal(&stream->source, !same_endpoint(&stream->params.remote, &params->remote), now_us);
    if (!stream->params.receive)
        reception_restart(&stream->reception);
    stream->params = *params;
    explicit_bzero(&stream->params.keys, sizeof stream->params.keys);
    stream->received_us = now_us;
    stream->timed_out = false;
}

static int prepare_keys(const struct stream *stream, const struct media_keys *keys,
                        struct stream_parts *parts)
{
    if (keys->suite == SRTP_NONE)
        return 0;
    int error = srtp_open(&parts->sealer, keys->suite, keys->send, &stream->ssrc);
    return error == 0 ? srtp_open(&parts->opener, keys->suite, keys->receive, NULL) : error;
}

int stream_prepare(const struct stream *stream, const struct media_params *params,
                   struct stream_parts *parts)
{
    bool valid = params->payload_type >= 0 && params->payload_type <= RTP_PAYLOAD_TYPE_MAX
                 && params->telephone_event >= -1 && params->telephone_event <= RTP_PAYLOAD_TYPE_MAX
                 && params->comfort_noise >= 0 && params->comfort_noise <= RTP_PAYLOAD_TYPE_MAX
                 && params->timeout_ms >= 0 && params->event_clock_hz >= 0;
    *parts = (struct stream_parts){0};
    if (params->detect_tones)
        tones_prepare();
    int error = valid ? playout_open(&parts->playout, params) : -EINVAL;
    if (error == 0)
        error = prepare_keys(stream, &params->keys, parts);
    if (error != 0) {
        stream_discard(parts);
        *parts = (struct stream_parts){0};
    }
    return error;
}

int stream_setup(struct stream *stream, const struct media_params *params, int64_t now_us)
{
    struct stream_parts parts;
    int error = stream_prepare(stream, params, &parts);
    if (error != 0)
        return error;
    if (stream_changes_codec(stream, params))
        downlink_open(&stream->downlink);
    stream_connect(stream, params, &parts, now_us);
    stream_discard(&parts);
    return 0;
}

/* ---- protection ---- */

/* Take the protection off a packet, if there should be one. False: it is to be dropped, and was counted. */
static bool unseal(struct stream *stream, enum srtp_kind kind, uint8_t *packet, size_t *len)
{
    int error = stream->opener != NULL ? srtp_unseal(stream->opener, kind, packet, len) : 0;
    if (error == -EBADMSG)
        count(stream, kind == SRTP_MEDIA ? MALFORMED : REPORTS_MALFORMED);
    else if (error != 0)
        count(stream, error == -EALREADY ? SRTP_REPLAYED : SRTP_FORGED);
    return error == 0;
}

size_t stream_seal(struct stream *stream, enum srtp_kind kind, uint8_t *packet, size_t len)
{
    return stream->sealer != NULL ? srtp_seal(stream->sealer, kind, packet, len) : len;
}

/* ---- reports ---- */

/* The peer's view of what we sent. */
static void hear_block(struct stream *stream, const struct rtcp_block *block, int64_t now_us)
{
    uint64_t sent = stream->numbers_used;
    uint16_t since = (uint16_t)(stream->next.seq - 1 - block->highest);
    int64_t round_trip = reports_round_trip(block, now_us);
    if (round_trip >= 0) {
        count(stream, ROUND_TRIPS);
        counter_set(&stream->counters[ROUND_TRIP_US], (uint64_t)round_trip);
    }
    if (since >= sent)
        return; /* it speaks of what we never sent */
    uint64_t expected = sent - since, lost = block->lost > 0 ? (uint64_t)block->lost : 0;
    counter_set(&stream->counters[REMOTE_EXPECTED], expected);
    counter_set(&stream->counters[REMOTE_LOST], lost < expected ? lost : expected);
    counter_set(&stream->counters[REMOTE_JITTER_US],
                (uint64_t)block->jitter * 1000000 / (uint32_t)stream->playout->clock_hz);
}

static void hear_report(struct stream *stream, uint8_t *packet, size_t len, const struct endpoint *source,
                        const struct endpoint *peer, int64_t now_us)
{
    struct rtcp_heard heard;
    if (stream->playout == NULL || !unseal(stream, SRTP_REPORT, packet, &len))
        return;
    if (!same_endpoint(source, peer)) {
        count(stream, REPORTS_WRONG_SOURCE);
        return;
    }
    if (rtcp_parse(packet, len, stream->ssrc, &heard) != 0) {
        count(stream, REPORTS_MALFORMED);
        return;
    }
    count(stream, REPORTS_RECEIVED);
    if (heard.has_sender)
        reports_hear_sender(&stream->reports, heard.sender_ssrc, heard.sender_ntp, now_us);
    if (heard.has_block)
        hear_block(stream, &heard.block, now_us);
}

void stream_receive_rtcp(struct stream *stream, uint8_t *packet, size_t len,
                         const struct endpoint *source, int64_t now_us)
{
    struct endpoint peer = rtcp_destination(stream);
    hear_report(stream, packet, len, source, &peer, now_us);
}

static void write_report(struct stream *stream, int64_t now_us, bool bye, struct media_report *report)
{
    uint32_t packets = (uint32_t)counter_read(&stream->counters[PACKETS_SENT]);
    struct rtcp_compound compound = {
        .ssrc = stream->ssrc,
        .cname = stream->reports.cname,
        .is_sender = reports_is_sender(&stream->reports, packets),
        .ntp = reports_ntp(now_us),
        .timestamp = stream->next.timestamp,
        .packets = packets,
        .octets = stream->reports.octets,
        .bye = bye,
    };
    compound.block.ssrc = stream->peer_ssrc;
    compound.has_block = reception_report(&stream->reception, &compound.block);
    reports_echo(&stream->reports, &compound.block, now_us);
    report->data = stream->report;
    report->len = stream_seal(stream, SRTP_REPORT, stream->report, rtcp_write(stream->report, &compound));
    report->to = rtcp_destination(stream);
    report->muxed = stream->params.rtcp.port == 0;
    count(stream, REPORTS_SENT);
}

void stream_bye(struct stream *stream, int64_t now_us, struct media_report *report)
{
    report->len = 0;
    /* Who was never heard of does not say goodbye (RFC 3550 section 6.3.7). */
    if (counter_read(&stream->counters[PACKETS_SENT]) > 0
        || counter_read(&stream->counters[REPORTS_SENT]) > 0)
        write_report(stream, now_us, true, report);
}

/* ---- packets in ---- */

static void finish_key(struct stream *stream)
{
    struct media_event event;
    emit(stream, &event, dtmf_finish(&stream->keys_in, &event));
}

uint32_t stream_event_clock_hz(const struct stream *stream)
{
    int32_t own = stream->params.event_clock_hz;
    return (uint32_t)(own != 0 ? own : stream->playout->clock_hz);
}

static void hear_key(struct stream *stream, const struct rtp_packet *rtp, int64_t now_us)
{
    struct media_event events[2];
    emit(stream, events,
         dtmf_hear(&stream->keys_in, rtp->payload, rtp->timestamp, now_us, stream_event_clock_hz(stream), events));
}

static void admit_ssrc(struct stream *stream, uint32_t ssrc)
{
    if (stream->peer_known && stream->peer_ssrc != ssrc) {
        count(stream, SSRC_CHANGES);
        playout_reset(stream->playout);
        reception_restart(&stream->reception);
        bridge_new_source(stream);
        finish_key(stream);
        stream->keys_in.known = false;
    }
    stream->peer_ssrc = ssrc;
    stream->peer_known = true;
}

uint8_t stream_noise_payload_type(const struct stream *stream)
{
    int32_t agreed = stream->params.comfort_noise;
    return (uint8_t)(agreed != 0 ? agreed : RTP_COMFORT_NOISE);
}

/* What a payload type means here. */
static enum rtp_content content_of(const struct stream *stream, uint8_t payload_type)
{
    if (payload_type == stream->params.telephone_event)
        return RTP_KEY;
    if (payload_type == stream->params.payload_type)
        return RTP_AUDIO;
    return payload_type == stream_noise_payload_type(stream) ? RTP_NOISE : RTP_NOTHING;
}

/* A packet is accepted, and our reports will tell of it. */
static void note_arrival(struct stream *stream, const struct rtp_packet *rtp, bool audio, int64_t now_us)
{
    uint32_t clock_hz = (uint32_t)stream->playout->clock_hz;
    count(stream, PACKETS_RECEIVED);
    stream->received_us = now_us;
    stream->timed_out = false;
    reception_count(&stream->reception, rtp->seq);
    counter_set(&stream->counters[LOST], reception_lost(&stream->reception));
    if (!audio)
        return; /* all packets of a key have one timestamp */
    reception_time(&stream->reception, rtp->timestamp, clock_hz, now_us);
    counter_set(&stream->counters[JITTER_US],
                (uint64_t)reception_jitter(&stream->reception) * 1000000 / clock_hz);
}

void stream_receive(struct stream *stream, uint8_t *packet, size_t len, const struct endpoint *source,
                    int64_t now_us, struct media_relay *relay)
{
    struct rtp_packet rtp;
    relay->len = 0;
    if (rtp_is_rtcp(packet, len)) {
        hear_report(stream, packet, len, source, stream_destination(stream), now_us);
        return;
    }
    if (!unseal(stream, SRTP_MEDIA, packet, &len))
        return;
    if (rtp_parse(packet, len, &rtp) != 0) {
        count(stream, MALFORMED);
        return;
    }
    if (stream->playout == NULL || !stream->params.receive)
        return;
    enum rtp_content content = content_of(stream, rtp.payload_type);
    if (content == RTP_NOTHING) {
        count(stream, WRONG_PAYLOAD);
        return;
    }
    if (content == RTP_NOISE && !playout_takes_noise(stream->playout))
        return;
    if (content == RTP_KEY ? rtp.len < DTMF_PAYLOAD : rtp.len == 0 || rtp.len > MEDIA_PAYLOAD_MAX) {
        count(stream, MALFORMED);
        return;
    }
    bool authentic = stream->opener != NULL;
    if (!source_admit(&stream->source, &stream->params, authentic, source, rtp.ssrc, rtp.seq, now_us)) {
        count(stream, WRONG_SOURCE);
        return;
    }
    admit_ssrc(stream, rtp.ssrc);
    note_arrival(stream, &rtp, content != RTP_KEY, now_us);
    struct jitter_packet sound = {rtp.seq, rtp.timestamp, rtp.payload, rtp.len, content == RTP_NOISE};
    if (content == RTP_KEY)
        hear_key(stream, &rtp, now_us);
    else if (bridge_listens(stream))
        playout_insert(stream->playout, &sound, now_us);
    else
        count(stream, RELAYED);
    if (stream->bridge.to != NULL)
        bridge_pass(stream, packet + (rtp.payload - packet), rtp, content, now_us, relay);
}

void stream_forwarded(struct stream *stream, const struct forwarded *packet)
{
    const struct rtp_packet rtp = {.seq = packet->numbers.seq, .timestamp = packet->numbers.timestamp};
    note_arrival(stream, &rtp, true, packet->at_us);
    count(stream, RELAYED);
    bridge_forwarded(stream, packet);
}

/* ---- the tick ---- */

void stream_count_sent(struct stream *stream, size_t len)
{
    stream->reports.octets += (uint32_t)len;
    count(stream, PACKETS_SENT);
}

static void send_packet(struct stream *stream, struct media_tick *tick, struct rtp_packet *rtp)
{
    rtp->seq = stream->next.seq++;
    rtp->ssrc = stream->ssrc;
    rtp_write_header(tick->packet, rtp);
    tick->packet_len = stream_seal(stream, SRTP_MEDIA, tick->packet, RTP_HEADER + rtp->len);
    tick->to = *stream_destination(stream);
    stream->numbers_used++;
    stream_count_sent(stream, rtp->len);
}

static void send_audio(struct stream *stream, struct media_tick *tick)
{
    struct codec *codec = &stream->playout->codec;
    size_t frame = stream->playout->frame;
    uint8_t *payload = tick->packet + RTP_HEADER;
    int len = -1;
    if (stream->params.dtx && playout_takes_noise(stream->playout))
        len = comfort_send(&stream->quiet, tick->downlink, frame, payload);
    bool noise = len >= 0;
    if (!noise)
        len = codec->type->encode(codec, tick->downlink, frame, payload);
    bool marker = !stream->audio_sent && !noise;
    if (len >= 0)
        stream->audio_sent = len > 0 && !noise; /* what comes after silence is marked (RFC 3551 section 4.1) */
    if (len <= 0)
        return;
    struct rtp_packet rtp = {
        .payload_type = noise ? stream_noise_payload_type(stream) : (uint8_t)stream->params.payload_type,
        .marker = marker,
        .timestamp = stream->next.timestamp,
        .len = (size_t)len,
    };
    send_packet(stream, tick, &rtp);
}

static void send_key(struct stream *stream, struct media_tick *tick)
{
    const struct dtmf_packet *key = &stream->key;
    struct rtp_packet rtp = {
        .payload_type = (uint8_t)stream->params.telephone_event,
        .marker = key->marker,
        .timestamp = key->timestamp,
        .len = DTMF_PAYLOAD,
    };
    memcpy(tick->packet + RTP_HEADER, key->payload, DTMF_PAYLOAD);
    send_packet(stream, tick, &rtp);
}

static void check_times(struct stream *stream, int64_t now_us)
{
    const struct media_params *params = &stream->params;
    if (dtmf_is_lost(&stream->keys_in, now_us))
        finish_key(stream);
    int64_t idle_us = now_us - stream->received_us;
    if (params->receive && params->timeout_ms > 0 && !stream->timed_out
        && idle_us >= (int64_t)params->timeout_ms * 1000) {
        stream->timed_out = true;
        struct media_event event = {.kind = MEDIA_TIMEOUT, .ms = (int32_t)(idle_us / 1000)};
        emit(stream, &event, 1);
    }
}

/* True if this tick sends a key, which is then in stream->key. */
static bool press_key(struct stream *stream)
{
    uint32_t frame = stream_event_clock_hz(stream) / MEDIA_TICKS_PER_SECOND;
    return stream->params.send && stream->params.telephone_event >= 0
           && dtmf_step(&stream->keys_out, stream->next.timestamp, frame, &stream->key);
}

/* What is heard in a frame. */
static void detect(struct stream *stream, const int16_t *uplink)
{
    const struct media_params *params = &stream->params;
    struct media_event events[2];
    size_t frame = stream->playout->frame;
    if (params->detect_speech)
        emit(stream, events, vad_hear(&stream->vad, uplink, frame, events));
    if (params->detect_tones && params->telephone_event < 0)
        emit(stream, events, tones_hear(&stream->tones, uplink, frame, events));
}

static void listen(struct stream *stream, int64_t now_us, struct media_tick *tick)
{
    struct playout *playout = stream->playout;
    tick->rate_hz = playout->rate_hz;
    tick->concealed = playout_tick(playout, now_us, tick->uplink);
    if (stream->bridge.to != NULL)
        playout_keep(playout, tick->uplink);
    detect(stream, tick->uplink);
}

void stream_play(struct stream *stream, int64_t now_us, struct media_tick *tick)
{
    tick->index = stream->ticks++;
    tick->packet_len = 0;
    tick->rate_hz = 0;
    tick->concealed = false;
    tick->report.len = 0;
    if (stream->playout == NULL)
        return;
    if (bridge_listens(stream))
        listen(stream, now_us, tick);
    stream->speaks = bridge_tick(stream);
    stream->key_due = stream->speaks && press_key(stream);
    if (!stream->speaks) {
        if (tick->rate_hz != 0)
            bridge_hear(stream, tick->downlink);
        return;
    }
    size_t frame = stream->playout->frame;
    size_t spoken = stream->key_due ? 0 : downlink_read(&stream->downlink, tick->downlink, frame);
    memset(tick->downlink + spoken, 0, (frame - spoken) * sizeof *tick->downlink);
}

/* Send what the tick is to send. */
static void speak(struct stream *stream, struct media_tick *tick)
{
    if (stream->key_due || !stream->params.send)
        memset(tick->downlink, 0, stream->playout->frame * sizeof *tick->downlink);
    if (stream->key_due)
        send_key(stream, tick);
    else if (stream->params.send)
        send_audio(stream, tick);
}

void stream_emit(struct stream *stream, int64_t now_us, struct media_tick *tick)
{
    struct playout *playout = stream->playout;
    if (playout == NULL)
        return;
    if (stream->speaks)
        speak(stream, tick);
    if (now_us >= stream->reports.due_us) {
        write_report(stream, now_us, false, &tick->report);
        reports_next(&stream->reports, now_us);
    }
    if (stream->speaks)
        stream->next.timestamp += playout->frame_ticks;
    check_times(stream, now_us);
}

void stream_tick(struct stream *stream, int64_t now_us, struct media_tick *tick)
{
    stream_play(stream, now_us, tick);
    stream_emit(stream, now_us, tick);
}

bool stream_next_event(struct stream *stream, struct media_event *event)
{
    if (stream->event_count == 0)
        return false;
    *event = stream->events[0];
    stream->event_count--;
    memmove(stream->events, stream->events + 1, stream->event_count * sizeof *stream->events);
    return true;
}
