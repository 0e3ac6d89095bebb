/* SRTP and SRTCP: nothing is taken but what the peer sealed, untouched and for the first time.
 *
 * The fuzzer has no key, so what is sealed here is what it asks for, and then damaged as it asks.
 */
#include "srtp.h"

#include "input.h"
#include "rtp.h"

enum { LONGEST = 256, REPORT_HEADER = 8 };

static const uint8_t KEY[SRTP_KEY_MAX] = {1, 2, 3, 4, 5};

/* A packet of SSRC 1 with a header that is right. */
static size_t make(uint8_t *packet, enum srtp_kind kind, uint16_t seq, size_t payload)
{
    memset(packet, 0x5a, LONGEST);
    if (kind == SRTP_MEDIA) {
        struct rtp_packet header = {.payload_type = 0, .seq = seq, .timestamp = seq * 160u, .ssrc = 1};
        rtp_write_header(packet, &header);
        return RTP_HEADER + payload % 128;
    }
    const uint8_t empty_report[REPORT_HEADER] = {0x80, 201, 0, 1, 0, 0, 0, 1};
    memcpy(packet, empty_report, sizeof empty_report);
    return REPORT_HEADER;
}

/* Seal a packet, change it as the input says, and offer it twice. */
static void check_sealed(struct srtp *sender, struct srtp *receiver, struct input *input, uint16_t seq)
{
    uint8_t sealed[LONGEST], offered[LONGEST];
    enum srtp_kind kind = take(input) & 1 ? SRTP_REPORT : SRTP_MEDIA;
    size_t len = srtp_seal(sender, kind, sealed, make(sealed, kind, seq, take(input)));
    MUST(len > 0);
    memcpy(offered, sealed, len);
    offered[take(input) % len] ^= take(input);
    size_t cut = len - (take(input) & 1 ? take(input) % len : 0);
    bool changed = cut != len || memcmp(offered, sealed, len) != 0;
    uint8_t *datagram = malloc(cut + 1);
    MUST(datagram != NULL);
    memcpy(datagram + 1, offered, cut);
    size_t opened = cut;
    MUST((srtp_unseal(receiver, kind, datagram + 1, &opened) == 0) == !changed);
    free(datagram);
    opened = len;
    MUST((srtp_unseal(receiver, kind, sealed, &opened) == 0) == changed);
}

static void check_foreign(struct srtp *receiver, struct input *input)
{
    size_t len = take(input);
    enum srtp_kind kind = take(input) & 1 ? SRTP_REPORT : SRTP_MEDIA;
    uint8_t *datagram = take_datagram(input, &len, 0);
    MUST(srtp_unseal(receiver, kind, datagram, &len) != 0);
    free(datagram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct srtp *sender = NULL, *receiver = NULL;
    const uint32_t ssrc = 1;
    int32_t suite = SRTP_AES_CM_128_SHA1_80 + 2 * (take(&input) & 1); /* 80 bit tags: no luck in guessing */
    if (srtp_open(&sender, suite, KEY, &ssrc) != 0 || srtp_open(&receiver, suite, KEY, NULL) != 0)
        abort();
    for (uint16_t seq = 1; input.left > 0; seq++) {
        if (take(&input) & 1)
            check_sealed(sender, receiver, &input, seq);
        else
            check_foreign(receiver, &input);
    }
    srtp_close(sender);
    srtp_close(receiver);
    return 0;
}
