/* RTP headers: a payload lies within its datagram, and what we write is read as it was meant. */
#include "rtp.h"

#include "input.h"

static void check_round_trip(const struct rtp_packet *packet)
{
    uint8_t header[RTP_HEADER];
    struct rtp_packet again;
    rtp_write_header(header, packet);
    MUST(rtp_parse(header, sizeof header, &again) == 0);
    MUST(again.len == 0 && again.seq == packet->seq && again.timestamp == packet->timestamp);
    MUST(again.ssrc == packet->ssrc && again.payload_type == packet->payload_type);
    MUST(again.marker == packet->marker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtp_packet packet;
    (void)rtp_is_rtcp(data, size);
    int header = rtp_header_len(data, size);
    MUST(header <= (int)size);
    if (rtp_parse(data, size, &packet) != 0)
        return 0;
    MUST(header >= RTP_HEADER && packet.len <= size);
    MUST(packet.len == 0 || (packet.payload >= data + header && packet.payload + packet.len <= data + size));
    check_round_trip(&packet);
    return 0;
}
