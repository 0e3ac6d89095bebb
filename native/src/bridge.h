/* Two streams bridged: what either accepts leaves through the other, undecoded.
 *
 * A packet that stream_receive has accepted (source, payload type, size, SSRC and all that is counted of
 * it) goes on at once, in place: a new header is written in front of its payload, and CSRCs, extensions and
 * padding stay behind. It has the SSRC and payload type of the stream that sends it, and numbers that
 * continue what that stream sent before (relay.h). Telephone events are reported here and go on if both
 * sides have them in the same clock; comfort noise goes on if the side that sends it may send it by itself.
 * RTCP ends here: each side is told of its own way. Timeout, statistics and reports are as ever.
 *
 * Each direction is by itself. A stream's tick sends what nobody else does:
 *   own words    PCM that is queued, or keys that are pressed: while there are any, they replace the packets
 *   silence      when no packet has come for BRIDGE_QUIET_TICKS, so that a peer never hears nothing at all
 * A stream whose parameters say not to send lets the packets go.
 *
 * Nobody decodes, unless somebody listens: a tap on either side has both decoded beside the packets, which it
 * does not delay. Packets that are not decoded are counted RELAYED. Nobody's codec encodes.
 *
 * Beginning   What waits in the jitter buffers goes ahead, in one burst: stream_flush. It loses nothing that was
 *             said, and the delay of the jitter buffer is gone.
 * Ending      stream_unbridge lets a direction go on until the jitter buffer of the stream that it comes from
 *             plays, BRIDGE_PARTING_TICKS at most; then the tick sends again. So whoever takes over has audio
 *             from its first tick on; it begins with the last of what was relayed, because the delay has to come
 *             from somewhere. Its numbers continue. A stream that is freed, or gets another codec, parts at once.
 *
 * One thread owns both streams. stream_bridge, stream_unbridge, stream_flush and stream_tap are declared in api.h.
 */
#ifndef CLUTCH_BRIDGE_H
#define CLUTCH_BRIDGE_H

#include "forward.h"
#include "media.h"
#include "rtp.h"

enum {
    BRIDGE_QUIET_TICKS = 25,  /* 500 ms: Opus in DTX sends every 400 ms */
    BRIDGE_PARTING_TICKS = 6, /* 120 ms: the jitter buffer starts after at most 85 ms */
};

struct stream;

struct bridge {
    struct stream *to;   /* sends what this one accepts */
    struct stream *from; /* whose packets this one sends */
    struct relay relay;  /* as the sender of those */
    uint32_t quiet;      /* ticks since one came */
    uint32_t parting;    /* ticks until `from` is let go at the latest; 0: it is not */
    uint32_t flushed;    /* places of the jitter buffer that were looked at */
    bool busy;           /* the last tick had own words */
    bool tapped;         /* somebody wants frames of this stream */
};

/* True if the stream's packets are to be decoded. */
bool bridge_listens(const struct stream *stream);

/* An accepted packet of `from`, whose payload lies in writable memory with RTP_HEADER bytes in front of it and
 * SRTP_GROWTH behind it, goes on: fills in `out`, whose `len` stays 0 if it does not. */
void bridge_pass(struct stream *from, uint8_t *payload, struct rtp_packet rtp, enum rtp_content content,
                 int64_t now_us, struct media_relay *out);

/* The sender of what comes is another one from now on. */
void bridge_new_source(struct stream *from);

/* 20 ms passed. True if the stream is to send something itself. */
bool bridge_tick(struct stream *stream);

/* What the bridged stream's peer said: the PCM that goes with packets that the tick did not send. */
void bridge_hear(const struct stream *stream, int16_t *frame);

/* True if all that becomes of the plain packets of `from` is that they go on: nobody listens, no key is in
 * use, and both peers are known. Fills in how. */
bool bridge_is_plain(const struct stream *from, struct forward *forward);

/* A packet of `from` was sent on as bridge_is_plain said. */
void bridge_forwarded(struct stream *from, const struct forwarded *packet);

/* End both directions now. */
void bridge_cut(struct stream *stream);

#endif
