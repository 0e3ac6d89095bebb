#include "rtp.h"

#include <errno.h>

#include "bytes.h"

enum {
    VERSION = 2 << 6,
    VERSION_MASK = 3 << 6,
    PADDING = 1 << 5,
    EXTENSION = 1 << 4,
    CSRC_COUNT = 0x0f,
    MARKER = 0x80,
    EXTENSION_HEADER = 4,
    RTCP_FIRST = 200,
    RTCP_LAST = 204,
};

bool rtp_is_rtcp(const uint8_t *data, size_t len)
{
    return len >= 2 && data[1] >= RTCP_FIRST && data[1] <= RTCP_LAST;
}

int rtp_header_len(const uint8_t *data, size_t len)
{
    if (len < RTP_HEADER || (data[0] & VERSION_MASK) != VERSION)
        return -EBADMSG;
    size_t start = RTP_HEADER + 4u * (data[0] & CSRC_COUNT);
    if (data[0] & EXTENSION) {
        if (len < start + EXTENSION_HEADER)
            return -EBADMSG;
        start += EXTENSION_HEADER + 4u * read16(data + start + 2);
    }
    return len < start ? -EBADMSG : (int)start;
}

int rtp_parse(const uint8_t *data, size_t len, struct rtp_packet *packet)
{
    int header = rtp_header_len(data, len);
    if (header < 0)
        return header;
    size_t start = (size_t)header, padding = 0;
    if (data[0] & PADDING) {
        padding = data[len - 1];
        if (padding == 0 || padding > len - start)
            return -EBADMSG;
    }
    packet->payload = data + start;
    packet->len = len - start - padding;
    packet->timestamp = read32(data + 4);
    packet->ssrc = read32(data + 8);
    packet->seq = read16(data + 2);
    packet->payload_type = data[1] & (uint8_t)~MARKER;
    packet->marker = (data[1] & MARKER) != 0;
    return 0;
}

void rtp_write_header(uint8_t *out, const struct rtp_packet *packet)
{
    out[0] = VERSION;
    out[1] = (uint8_t)(packet->payload_type | (packet->marker ? MARKER : 0));
    write16(out + 2, packet->seq);
    write32(out + 4, packet->timestamp);
    write32(out + 8, packet->ssrc);
}
