#include "rtcp.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

enum {
    VERSION = 2 << 6,
    VERSION_MASK = 3 << 6,
    PADDING = 1 << 5,
    COUNT = 0x1f,
    HEADER = 4,
    SR = 200,
    RR = 201,
    SDES = 202,
    BYE = 203,
    CNAME_ITEM = 1,
    SSRC_SIZE = 4,
    SENDER_SIZE = 24, /* SSRC and sender information */
    BLOCK_SIZE = 24,
    /* SSRC, item header, text, and 1 to 4 zeros up to a whole word */
    CHUNK_SIZE = (SSRC_SIZE + 2 + MEDIA_CNAME) / 4 * 4 + 4,
};

_Static_assert(HEADER + SENDER_SIZE + BLOCK_SIZE + HEADER + CHUNK_SIZE + HEADER + SSRC_SIZE <= MEDIA_REPORT_MAX,
               "the longest compound must fit");

/* ---- reading ---- */

static int32_t signed24(uint32_t value)
{
    return (int32_t)(value << 8) >> 8;
}

static bool read_blocks(const uint8_t *body, size_t len, size_t count, uint32_t own_ssrc,
                        struct rtcp_heard *heard)
{
    if (len < count * BLOCK_SIZE)
        return false;
    for (; count > 0; count--, body += BLOCK_SIZE) {
        if (read32(body) != own_ssrc)
            continue;
        heard->has_block = true;
        heard->block = (struct rtcp_block){
            .ssrc = own_ssrc,
            .fraction = body[4],
            .lost = signed24(read32(body + 4)),
            .highest = read32(body + 8),
            .jitter = read32(body + 12),
            .last_sr = read32(body + 16),
            .delay = read32(body + 20),
        };
    }
    return true;
}

static bool read_sender(const uint8_t *body, size_t len, size_t count, uint32_t own_ssrc,
                        struct rtcp_heard *heard)
{
    if (len < SENDER_SIZE)
        return false;
    heard->has_sender = true;
    heard->sender_ssrc = read32(body);
    heard->sender_ntp = read32(body + 6);
    return read_blocks(body + SENDER_SIZE, len - SENDER_SIZE, count, own_ssrc, heard);
}

static bool is_description(const uint8_t *body, size_t len, size_t count)
{
    size_t at = 0;
    for (; count > 0; count--) {
        at += SSRC_SIZE;
        while (at < len && body[at] != 0) {
            if (at + 1 >= len || at + 2 + body[at + 1] > len)
                return false;
            at += 2 + (size_t)body[at + 1];
        }
        if (at >= len)
            return false;
        at += 4 - at % 4;
    }
    return true;
}

static bool is_goodbye(const uint8_t *body, size_t len, size_t count)
{
    size_t sources = count * SSRC_SIZE;
    return len >= sources && (len == sources || body[sources] < len - sources);
}

static bool read_packet(uint8_t type, size_t count, const uint8_t *body, size_t len, uint32_t own_ssrc,
                        struct rtcp_heard *heard)
{
    switch (type) {
    case SR:
        return read_sender(body, len, count, own_ssrc, heard);
    case RR:
        return len >= SSRC_SIZE && read_blocks(body + SSRC_SIZE, len - SSRC_SIZE, count, own_ssrc, heard);
    case SDES:
        return is_description(body, len, count);
    case BYE:
        return is_goodbye(body, len, count);
    default:
        return true;
    }
}

int rtcp_parse(const uint8_t *data, size_t len, uint32_t own_ssrc, struct rtcp_heard *heard)
{
    *heard = (struct rtcp_heard){0};
    if (len < HEADER || (data[1] != SR && data[1] != RR))
        return -EBADMSG;
    for (size_t at = 0, end; at < len; at = end) {
        if (len - at < HEADER || (data[at] & VERSION_MASK) != VERSION)
            return -EBADMSG;
        size_t body = 4u * read16(data + at + 2), padding = 0;
        end = at + HEADER + body;
        if (end > len)
            return -EBADMSG;
        if (data[at] & PADDING) {
            padding = body > 0 ? data[end - 1] : 0;
            if (end != len || padding == 0 || padding % 4 != 0 || padding > body)
                return -EBADMSG;
        }
        const uint8_t *start = data + at + HEADER;
        if (!read_packet(data[at + 1], data[at] & COUNT, start, body - padding, own_ssrc, heard))
            return -EBADMSG;
    }
    return 0;
}

/* ---- writing ---- */

static uint8_t *write_header(uint8_t *out, uint8_t type, size_t count, size_t body)
{
    out[0] = (uint8_t)(VERSION | count);
    out[1] = type;
    write16(out + 2, (uint16_t)(body / 4));
    return out + HEADER;
}

static uint8_t *write_block(uint8_t *out, const struct rtcp_block *block)
{
    write32(out, block->ssrc);
    write32(out + 4, (uint32_t)block->fraction << 24 | ((uint32_t)block->lost & 0xffffff));
    write32(out + 8, block->highest);
    write32(out + 12, block->jitter);
    write32(out + 16, block->last_sr);
    write32(out + 20, block->delay);
    return out + BLOCK_SIZE;
}

static uint8_t *write_report(uint8_t *out, const struct rtcp_compound *compound)
{
    size_t blocks = compound->has_block ? 1 : 0;
    size_t own = compound->is_sender ? SENDER_SIZE : SSRC_SIZE;
    out = write_header(out, compound->is_sender ? SR : RR, blocks, own + blocks * BLOCK_SIZE);
    write32(out, compound->ssrc);
    if (compound->is_sender) {
        write32(out + 4, (uint32_t)(compound->ntp >> 32));
        write32(out + 8, (uint32_t)compound->ntp);
        write32(out + 12, compound->timestamp);
        write32(out + 16, compound->packets);
        write32(out + 20, compound->octets);
    }
    return blocks > 0 ? write_block(out + own, &compound->block) : out + own;
}

size_t rtcp_write(uint8_t *out, const struct rtcp_compound *compound)
{
    uint8_t *at = write_report(out, compound);
    at = write_header(at, SDES, 1, CHUNK_SIZE);
    memset(at, 0, CHUNK_SIZE);
    write32(at, compound->ssrc);
    at[SSRC_SIZE] = CNAME_ITEM;
    at[SSRC_SIZE + 1] = MEDIA_CNAME;
    memcpy(at + SSRC_SIZE + 2, compound->cname, MEDIA_CNAME);
    at += CHUNK_SIZE;
    if (compound->bye) {
        at = write_header(at, BYE, 1, SSRC_SIZE);
        write32(at, compound->ssrc);
        at += SSRC_SIZE;
    }
    return (size_t)(at - out);
}
