/* RTCP compounds: none harms, and a compound of ours is read as it was meant. */
#include "rtcp.h"

#include "input.h"

static void check_round_trip(struct input *input)
{
    struct rtcp_compound compound = {
        .ssrc = take32(input), .cname = "0123456789abcdef", .is_sender = take(input) & 1,
        .ntp = (uint64_t)take32(input) << 16, .timestamp = take32(input), .packets = take32(input),
        .octets = take32(input), .has_block = take(input) & 1, .bye = take(input) & 1,
        .block = {.ssrc = take32(input), .highest = take32(input), .jitter = take32(input),
                  .last_sr = take32(input), .delay = take32(input),
                  .lost = (int32_t)(take32(input) & 0x7fffff), .fraction = take(input)},
    };
    uint8_t written[MEDIA_REPORT_MAX];
    struct rtcp_heard heard;
    size_t len = rtcp_write(written, &compound);
    MUST(len <= sizeof written && rtcp_parse(written, len, compound.block.ssrc, &heard) == 0);
    MUST(heard.has_sender == compound.is_sender && heard.has_block == compound.has_block);
    if (compound.has_block) {
        const struct rtcp_block *sent = &compound.block, *got = &heard.block;
        MUST(got->ssrc == sent->ssrc && got->highest == sent->highest && got->jitter == sent->jitter);
        MUST(got->last_sr == sent->last_sr && got->delay == sent->delay);
        MUST(got->lost == sent->lost && got->fraction == sent->fraction);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct rtcp_heard heard;
    uint32_t ssrc = take(&input);
    (void)rtcp_parse(input.data, input.left, ssrc, &heard);
    check_round_trip(&input);
    return 0;
}
