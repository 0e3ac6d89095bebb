/* Frames written and read back, broken in every single bit, cut at every length, and made of anything. */
#include <string.h>

#include "bytes.h"
#include "check.h"
#include "frame.h"

enum { LONGEST = 1600, ROUNDS = 300000 };

static const uint8_t MINE[FRAME_MAC] = {2, 0, 0, 0, 0, 1};
static const uint8_t THEIRS[FRAME_MAC] = {2, 0, 0, 0, 0, 2};
static const struct endpoint IPV4[2] = {
    {.ip = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}, .port = 30000},
    {.ip = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7}, .port = 4002},
};
static const struct endpoint IPV6[2] = {
    {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .port = 30000},
    {.ip = {0x20, 0x01, 0x0d, 0xb8, [14] = 1, [15] = 9}, .port = 4002},
};
static uint64_t seed = 5;

/* A frame at the end of its own memory, so that reading beyond it is seen. */
struct made {
    uint8_t *memory;
    uint8_t *data;
    size_t len;
};

static struct made make(const struct endpoint pair[2], size_t payload_len)
{
    struct made made = {.len = frame_headers(pair) + payload_len};
    made.memory = malloc(made.len);
    uint8_t *payload = made.memory + frame_headers(pair);
    for (size_t i = 0; i < payload_len; i++)
        payload[i] = (uint8_t)random32(&seed);
    made.data = frame_write(payload, payload_len, &pair[0], &pair[1], MINE, THEIRS);
    CHECK(made.data == made.memory);
    return made;
}

static void check_round_trip(const struct endpoint pair[2], size_t payload_len)
{
    struct made made = make(pair, payload_len);
    struct frame frame;
    CHECK(memcmp(made.data, THEIRS, FRAME_MAC) == 0 && memcmp(made.data + FRAME_MAC, MINE, FRAME_MAC) == 0);
    CHECK(frame_parse(made.data, made.len, &frame));
    CHECK(memcmp(&frame.from, &pair[0], sizeof frame.from) == 0);
    CHECK(memcmp(&frame.to, &pair[1], sizeof frame.to) == 0);
    CHECK(frame.payload == made.data + frame_headers(pair) && frame.len == payload_len);
    free(made.memory);
}

static void test_round_trips(void)
{
    for (size_t len = 0; len < LONGEST; len += len < 70 ? 1 : 37) {
        check_round_trip(IPV4, len);
        check_round_trip(IPV6, len);
    }
}

/* A checksum that comes out as zero is sent as all ones: zero would mean that there is none. */
static void test_a_checksum_of_zero(void)
{
    const struct endpoint *pairs[] = {IPV4, IPV6};
    for (size_t i = 0; i < 2; i++) {
        struct made made = make(pairs[i], 2);
        uint8_t *payload = made.data + frame_headers(pairs[i]);
        bool seen = false;
        for (uint32_t word = 0; word <= UINT16_MAX; word++) {
            struct frame frame;
            write16(payload, (uint16_t)word);
            frame_write(payload, 2, &pairs[i][0], &pairs[i][1], MINE, THEIRS);
            CHECK(read16(payload - 2) != 0 && frame_parse(made.data, made.len, &frame));
            seen |= read16(payload - 2) == UINT16_MAX;
        }
        CHECK(seen);
        free(made.memory);
    }
}

/* Bits that say nothing about the datagram: the MAC addresses, and what IPv6 has no checksum over. */
static bool is_free(const struct endpoint pair[2], size_t byte)
{
    bool ipv6 = frame_headers(pair) == FRAME_IPV6_HEADERS;
    return byte < 2 * FRAME_MAC || (ipv6 && ((byte >= 14 && byte < 18) || byte == 21));
}

static void check_every_bit(const struct endpoint pair[2])
{
    struct made made = make(pair, 172);
    for (size_t bit = 0; bit < made.len * 8; bit++) {
        struct frame frame;
        made.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool taken = frame_parse(made.data, made.len, &frame);
        CHECK(!taken || is_free(pair, bit / 8));
        made.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(made.memory);
}

static void check_every_length(const struct endpoint pair[2])
{
    struct made made = make(pair, 40);
    for (size_t len = 0; len < made.len; len++) {
        struct frame frame;
        uint8_t *cut = malloc(len + 1);
        memcpy(cut + 1, made.data, len);
        CHECK(!frame_parse(cut + 1, len, &frame));
        free(cut);
    }
    free(made.memory);
}

static void test_broken_frames(void)
{
    check_every_bit(IPV4);
    check_every_bit(IPV6);
    check_every_length(IPV4);
    check_every_length(IPV6);
}

static void test_padding_is_cut_off(void)
{
    struct made made = make(IPV4, 2);
    uint8_t padded[60];
    struct frame frame;
    memset(padded, 0xaa, sizeof padded);
    memcpy(padded, made.data, made.len);
    CHECK(frame_parse(padded, sizeof padded, &frame) && frame.len == 2);
    free(made.memory);
}

/* The bare sum of the pseudo header, in the plain way of RFC 1071. */
static uint16_t pseudo_sum(const uint8_t *addresses, size_t len, size_t udp_len)
{
    uint32_t sum = 17 + (uint32_t)udp_len;
    for (size_t i = 0; i < len; i += 2)
        sum += read16(addresses + i);
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

static void check_unfinished_checksums(const struct endpoint pair[2], size_t addresses, size_t len,
                                       bool may_lack)
{
    struct made made = make(pair, 99);
    struct frame frame;
    uint8_t *checksum = made.data + frame_headers(pair) - 2;
    write16(checksum, 0);
    CHECK(frame_parse(made.data, made.len, &frame) == may_lack);
    write16(checksum, pseudo_sum(made.data + addresses, len, FRAME_UDP + 99));
    CHECK(frame_parse(made.data, made.len, &frame));
    write16(checksum, (uint16_t)(read16(checksum) + 1));
    CHECK(!frame_parse(made.data, made.len, &frame));
    free(made.memory);
}

static void test_checksums_that_are_not_the_sum(void)
{
    check_unfinished_checksums(IPV4, 26, 8, true);
    check_unfinished_checksums(IPV6, 22, 32, false);
}

static void test_mapped_addresses_do_not_come_over_ipv6(void)
{
    for (size_t side = 0; side < 2; side++) {
        struct endpoint pair[2] = {IPV6[0], IPV6[1]};
        struct made made = make(pair, 20);
        struct frame frame;
        memcpy(made.data + 22 + 16 * side, IPV4[0].ip, 16);
        write16(made.data + FRAME_IPV6_HEADERS - 2, pseudo_sum(made.data + 22, 32, FRAME_UDP + 20));
        CHECK(!frame_parse(made.data, made.len, &frame));
        free(made.memory);
    }
}

/* Anything, and frames with a few bytes changed: what is found lies inside. */
static void test_anything(void)
{
    uint32_t found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct made made = make(random32(&seed) % 2 ? IPV4 : IPV6, random32(&seed) % 64);
        struct frame frame;
        for (uint32_t changes = random32(&seed) % 4; changes > 0; changes--)
            made.data[random32(&seed) % made.len] = (uint8_t)random32(&seed);
        if (random32(&seed) % 8 == 0)
            for (size_t i = 14; i < made.len; i++)
                made.data[i] = (uint8_t)random32(&seed);
        if (frame_parse(made.data, made.len, &frame)) {
            found++;
            CHECK(frame.payload >= made.data + FRAME_IPV4_HEADERS);
            CHECK(frame.payload + frame.len <= made.data + made.len);
        }
        free(made.memory);
    }
    CHECK(found > ROUNDS / 8);
}

int main(void)
{
    test_round_trips();
    test_a_checksum_of_zero();
    test_broken_frames();
    test_padding_is_cut_off();
    test_checksums_that_are_not_the_sum();
    test_mapped_addresses_do_not_come_over_ipv6();
    test_anything();
    return 0;
}
