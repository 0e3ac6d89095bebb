/* SRTP and SRTCP of one direction under one master key (RFC 3711, RFC 6188, RFC 7714): a face on libsrtp2.
 *
 * A context belongs to one thread at a time: the caller opens and closes it, in between it is the stream's.
 * The sender's is bound to the one SSRC that it sends with. The receiver's accepts any SSRC, up to
 * SRTP_SOURCES of them, each with its own rollover counter and replay window of SRTP_WINDOW packets; none is
 * ever forgotten, because a forgotten one could be replayed. A context must go on for as long as its key does:
 * a new one under an old key would take replays and, sending, use a keystream twice.
 *
 * Not here: MKI, key derivation rates, encrypted header extensions. Without libsrtp2 nothing can be opened.
 *
 * This is the one place where the reactor's rule against allocation and locks is bent: libsrtp2 allocates when
 * an SSRC is new, and, as Debian builds it, for each packet (docs/decisions/0010-srtp.md has the figures).
 */
#ifndef CLUTCH_SRTP_H
#define CLUTCH_SRTP_H

#include "media.h"

enum {
    SRTP_GROWTH = 20,  /* bytes that sealing adds at most: a tag, and the index of SRTCP */
    SRTP_SOURCES = 16, /* SSRCs of a peer under one key */
    SRTP_WINDOW = 128, /* packets; 2.5 s of audio. SRTCP has the same */
};

enum srtp_kind { SRTP_MEDIA, SRTP_REPORT };

struct srtp;

/* Open a context with a key of the suite's length. `ssrc` is what the sender sends with; NULL: to receive.
 * 0, -EINVAL for a suite that does not exist, -ENOTSUP if this build lacks it, -ENOMEM. */
int srtp_open(struct srtp **out, int32_t suite, const uint8_t *key, const uint32_t *ssrc);

/* Wipe and free it; NULL is fine. */
void srtp_close(struct srtp *srtp);

/* True if both have the same suite and key. */
bool srtp_same_key(const struct srtp *a, const struct srtp *b);

/* Encrypt and authenticate a packet in place; there must be room for SRTP_GROWTH more bytes. Its new length,
 * or 0 if it must not be sent. */
size_t srtp_seal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t len);

/* Check and decrypt a packet in place, whatever its bytes are. 0, and `len` is its new length; else the packet
 * is to be dropped: -EBADMSG it is too short to be one, -EACCES its tag is wrong, it is a report that is
 * not encrypted, or its SSRC is one too many, -EALREADY it came before, or is too old to tell. */
int srtp_unseal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t *len);

#endif
