/* One media stream without I/O: packets in with `now`, a tick every 20 ms, packets out.
 *
 * One thread owns it and calls connect, receive, tick, press and next_event; in a plane that is the reactor.
 * At the same time one other thread may call send and clear, and any thread queued and stats.
 *
 * Receiving: the source is learnt once and then strict (source.h); audio goes to the playout,
 * telephone events to the DTMF receiver. RTCP comes on the RTP port (rtcp-mux, RFC 5761) or on its own, and
 * only from where our reports go: the peer's RTP address, or what signalling said, or the port above the one
 * that was learnt. It does not count as a sign of life: a peer whose media fails may well go on to report.
 * Reports leave whatever the direction is, so that a hold keeps its way through a NAT open. Sending: one packet
 * per tick, a telephone event while a key is pressed, else audio from the downlink queue or silence. A stream
 * that may not send still consumes its queue, so that nobody who speaks into it stalls on hold.
 *
 * With keys, packets are unsealed before anything else looks at them, whoever sent them, and sealed as the last
 * step: everything between knows plain RTP only. So nobody without the key is ever learnt as the source.
 *
 * The functions that Python calls are declared in api.h: stream_new, stream_free, stream_setup (connect with
 * allocation), receive (on the RTP port; what goes on to a bridged stream is changed in place), receive_rtcp
 * (on the port above), tick, bye (the last report, for a stream that is about to be closed), next_event, send,
 * clear, queued, dial, stats; bridge.h has the others. `cname` of stream_new is MEDIA_CNAME characters.
 */
#ifndef CLUTCH_STREAM_H
#define CLUTCH_STREAM_H

#include "bridge.h"
#include "dtmf.h"
#include "downlink.h"
#include "playout.h"
#include "reception.h"
#include "reports.h"
#include "source.h"
#include "srtp.h"
#include "tones.h"
#include "vad.h"

enum {
    STREAM_EVENTS = 8, /* one call makes at most 5: take them before the next one */
};

struct stream {
    struct downlink downlink;
    counter counters[MEDIA_COUNTERS]; /* DOWNLINK_DROPPED is in the downlink */
    struct media_params params;
    struct playout *playout; /* NULL: never connected */
    struct srtp *sealer;     /* NULL, as the opener: plain RTP */
    struct srtp *opener;
    struct source source;
    struct dtmf_sender keys_out;
    struct dtmf_receiver keys_in;
    struct dtmf_packet key; /* what stream_emit sends, if key_due */
    bool key_due;
    bool speaks; /* this tick sends something itself, not the bridged stream */
    struct vad vad;
    struct tones tones;
    struct reception reception;
    struct reports reports;
    uint8_t report[MEDIA_REPORT_MAX + SRTP_GROWTH]; /* the last one, on its way out */
    int64_t received_us; /* last accepted packet, or connect */
    uint64_t ticks;
    uint64_t numbers_used;     /* sequence numbers up to `next`, those that were lost before us included */
    struct relay_numbers next; /* of the next packet */
    uint32_t ssrc;
    uint32_t peer_ssrc;
    uint32_t quiet; /* soft frames in a row (comfort.h) */
    struct bridge bridge;
    bool peer_known;
    bool audio_sent; /* the last packet was audio, and nothing was left out since */
    bool timed_out;
    uint32_t event_count;
    struct media_event events[STREAM_EVENTS];
};

/* What parameters need that must be allocated. */
struct stream_parts {
    struct playout *playout;
    struct srtp *sealer;
    struct srtp *opener;
};

/* Make the parts that these parameters need: 0, -EINVAL for a payload type, timeout, codec, rate or suite that
 * does not exist, or the errors of codec_open and srtp_open; then there are none. Any thread: it reads
 * nothing of the stream but its SSRC. */
int stream_prepare(const struct stream *stream, const struct media_params *params,
                   struct stream_parts *parts);

/* Adopt parameters and the parts that were made for them. A stream keeps what it has for a codec and rate, or
 * a key, that stay. Afterwards `parts` holds what is no longer needed, to be discarded where freeing is
 * allowed. */
void stream_connect(struct stream *stream, const struct media_params *params, struct stream_parts *parts,
                    int64_t now_us);

/* Free parts. */
void stream_discard(struct stream_parts *parts);

/* The two halves of a tick, for who changes what is sent: play fills the uplink and takes what is queued into
 * the downlink; emit sends what the downlink then holds, unless a key is pressed or the stream may not send,
 * and puts what it sent in its place. */
void stream_play(struct stream *stream, int64_t now_us, struct media_tick *tick);
void stream_emit(struct stream *stream, int64_t now_us, struct media_tick *tick);

/* Where RTP goes, and must come from once that is known. */
const struct endpoint *stream_destination(const struct stream *stream);

/* In which the durations of telephone events count; their timestamps are on the clock of the audio. */
uint32_t stream_event_clock_hz(const struct stream *stream);

/* The payload type of comfort noise. */
uint8_t stream_noise_payload_type(const struct stream *stream);

/* Protect a packet in place, if the stream has keys, SRTP_GROWTH bytes of room behind it; its new length, 0 if
 * it must not be sent. */
size_t stream_seal(struct stream *stream, enum srtp_kind kind, uint8_t *packet, size_t len);

/* A packet with `len` bytes of payload leaves as one of the stream's. */
void stream_count_sent(struct stream *stream, size_t len);

/* A packet of the stream was sent on without it (forward.h). */
void stream_forwarded(struct stream *stream, const struct forwarded *packet);

/* Press a key: `event` of RFC 4733, for tone_ms, then silence for gap_ms. False if too many are waiting. */
bool stream_press(struct stream *stream, uint8_t event, uint32_t tone_ms, uint32_t gap_ms);

/* True if the codec and rate differ from the stream's, so that queued PCM would be played at a wrong rate. */
bool stream_changes_codec(const struct stream *stream, const struct media_params *params);

#endif
