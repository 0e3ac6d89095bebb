/* RTP packets (RFC 3550 section 5.1), read in place and written by hand. */
#ifndef CLUTCH_RTP_H
#define CLUTCH_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RTP_HEADER = 12, RTP_COMFORT_NOISE = 13, RTP_PAYLOAD_TYPE_MAX = 127 };

/* What a packet of a stream carries: comfort noise is RFC 3389's, keys are RFC 4733's telephone events. */
enum rtp_content { RTP_NOTHING, RTP_AUDIO, RTP_NOISE, RTP_KEY };

/* One parsed packet; `payload` points into the datagram and may be empty. */
struct rtp_packet {
    const uint8_t *payload;
    size_t len;
    uint32_t timestamp;
    uint32_t ssrc;
    uint16_t seq;
    uint8_t payload_type;
    bool marker;
};

/* True for RTCP sharing the port (RFC 5761 section 4): its packet types 200 to 204. */
bool rtp_is_rtcp(const uint8_t *data, size_t len);

/* Where the payload begins: behind the CSRC list and the extension. -EBADMSG if the version is not 2 or the
 * header is longer than len. */
int rtp_header_len(const uint8_t *data, size_t len);

/* Parse a datagram: version 2, and CSRC list, extension and padding that fit. 0 or -EBADMSG; reads
 * nothing beyond len, whatever the bytes say. */
int rtp_parse(const uint8_t *data, size_t len, struct rtp_packet *packet);

/* Write a header without CSRCs, extension or padding: RTP_HEADER bytes. The payload is written behind it. */
void rtp_write_header(uint8_t *out, const struct rtp_packet *packet);

#endif
