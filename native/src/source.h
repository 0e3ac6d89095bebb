/* Whose packets a stream believes (RFC 4961, and strict after the first choice).
 *
 * Address   The first packet from where signalling says the peer is locks to it. If the parameters allow it, so
 *           do SOURCE_PACKETS packets in a row from elsewhere, of one SSRC, within SOURCE_LEARN_US of a connect:
 *           a peer behind a NAT has spoken by then, or has been given up (the media timeout is as long). Who is
 *           locked stays it until signalling names another address; nothing that is received opens the lock.
 * SSRC      Of the locked address, which can be forged, only one sender is believed: another SSRC must come
 *           SOURCE_SEQUENTIAL times in sequence (RFC 3550 A.1), not interrupted by the one before, which must
 *           have been silent for SOURCE_SILENT_US. So nobody who forges the address is heard as long as the
 *           peer speaks, and a peer that starts anew loses two packets. Under SRTP, where nobody forges, another
 *           SSRC is believed at once.
 */
#ifndef CLUTCH_SOURCE_H
#define CLUTCH_SOURCE_H

#include "media.h"

enum {
    SOURCE_PACKETS = 5,
    SOURCE_LEARN_US = 30000000,
    SOURCE_SEQUENTIAL = 2,
    SOURCE_SILENT_US = 60000,
};

/* Zeroed memory believes nobody yet. */
struct source {
    int64_t since_us; /* when learning began */
    int64_t heard_us; /* when the last believed packet came */
    struct endpoint locked;
    bool is_locked;
    uint32_t ssrc;
    struct endpoint candidate; /* while there is no lock; then the candidate is an SSRC */
    uint32_t candidate_ssrc;
    uint32_t candidate_packets;
    uint16_t candidate_seq;
};

/* True if both are the same address and port. */
bool same_endpoint(const struct endpoint *a, const struct endpoint *b);

/* Signalling named the peer's address, again or, if it is `another` one, anew. */
void source_signal(struct source *source, bool another, int64_t now_us);

/* Judge a valid packet of a stream with these parameters. */
bool source_admit(struct source *source, const struct media_params *params, bool authentic,
                  const struct endpoint *from, uint32_t ssrc, uint16_t seq, int64_t now_us);

#endif
