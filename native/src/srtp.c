#include "srtp.h"

#include <errno.h>

#ifdef HAVE_SRTP

#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "rtp.h"

enum { RTCP_HEADER = 8, SRTCP_INDEX = 4 };

/* What libsrtp2 needs to know of a suite. RFC 4568 section 6.2: the reports of the suite with the short tag
 * have the long one. */
struct suite {
    void (*media)(srtp_crypto_policy_t *);
    void (*report)(srtp_crypto_policy_t *);
    size_t key_len; /* with the salt */
    size_t media_tag;
    size_t report_tag;
    bool aead;
};

static const struct suite suites[] = {
    [SRTP_AES_CM_128_SHA1_80] = {srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default, 30,
                                 10, 10, false},
    [SRTP_AES_CM_128_SHA1_32] = {srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
                                 srtp_crypto_policy_set_rtcp_default, 30, 4, 10, false},
    [SRTP_AES_256_CM_SHA1_80] = {srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
                                 srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 46, 10, 10, false},
    [SRTP_AEAD_AES_128_GCM] = {srtp_crypto_policy_set_aes_gcm_128_16_auth,
                               srtp_crypto_policy_set_aes_gcm_128_16_auth, 28, 16, 16, true},
    [SRTP_AEAD_AES_256_GCM] = {srtp_crypto_policy_set_aes_gcm_256_16_auth,
                               srtp_crypto_policy_set_aes_gcm_256_16_auth, 44, 16, 16, true},
};

enum { SUITES = sizeof suites / sizeof *suites };

struct srtp {
    srtp_t context;
    const struct suite *suite;
    uint32_t sources[SRTP_SOURCES]; /* that were heard of */
    size_t source_count;
    uint8_t key[SRTP_KEY_MAX];
};

/* ---- life ---- */

static int library_state = -ENOTSUP;

static void open_library(void)
{
    library_state = srtp_init() == srtp_err_status_ok ? 0 : -ENOTSUP;
}

static int create(struct srtp *srtp, const uint32_t *ssrc)
{
    srtp_policy_t policy = {
        .ssrc = {.type = ssrc != NULL ? ssrc_specific : ssrc_any_inbound, .value = ssrc != NULL ? *ssrc : 0},
        .key = srtp->key,
        .window_size = SRTP_WINDOW,
    };
    srtp->suite->media(&policy.rtp);
    srtp->suite->report(&policy.rtcp);
    srtp_err_status_t status = srtp_create(&srtp->context, &policy);
    if (status == srtp_err_status_ok)
        return 0;
    srtp->context = NULL;
    return status == srtp_err_status_alloc_fail ? -ENOMEM : -ENOTSUP;
}

int srtp_open(struct srtp **out, int32_t suite, const uint8_t *key, const uint32_t *ssrc)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (suite <= SRTP_NONE || suite >= SUITES)
        return -EINVAL;
    pthread_once(&once, open_library);
    if (library_state != 0)
        return library_state;
    struct srtp *srtp = calloc(1, sizeof *srtp);
    if (srtp == NULL)
        return -ENOMEM;
    srtp->suite = &suites[suite];
    memcpy(srtp->key, key, srtp->suite->key_len);
    int error = create(srtp, ssrc);
    if (error != 0) {
        srtp_close(srtp);
        return error;
    }
    *out = srtp;
    return 0;
}

void srtp_close(struct srtp *srtp)
{
    if (srtp == NULL)
        return;
    if (srtp->context != NULL)
        srtp_dealloc(srtp->context);
    explicit_bzero(srtp, sizeof *srtp);
    free(srtp);
}

bool srtp_same_key(const struct srtp *a, const struct srtp *b)
{
    return a->suite == b->suite && memcmp(a->key, b->key, sizeof a->key) == 0;
}

/* ---- packets ---- */

size_t srtp_seal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t len)
{
    int sealed = (int)len;
    srtp_err_status_t status = kind == SRTP_MEDIA ? srtp_protect(srtp->context, packet, &sealed)
                                                  : srtp_protect_rtcp(srtp->context, packet, &sealed);
    return status == srtp_err_status_ok ? (size_t)sealed : 0;
}

static bool is_known(const struct srtp *srtp, uint32_t ssrc)
{
    for (size_t i = 0; i < srtp->source_count; i++)
        if (srtp->sources[i] == ssrc)
            return true;
    return false;
}

/* True if the packet has all that is read before it is authenticated. */
static bool is_whole(const struct srtp *srtp, enum srtp_kind kind, const uint8_t *packet, size_t len)
{
    if (kind == SRTP_REPORT)
        return len >= RTCP_HEADER + SRTCP_INDEX + srtp->suite->report_tag;
    int header = rtp_header_len(packet, len);
    return header >= 0 && len >= (size_t)header + srtp->suite->media_tag;
}

/* The E bit before the index of SRTCP, which stands before the tag of HMAC and behind that of GCM. Some ciphers
 * of libsrtp2 take reports without; we have not agreed to any. */
static bool is_encrypted(const struct srtp *srtp, const uint8_t *report, size_t len)
{
    size_t behind = srtp->suite->aead ? 0 : srtp->suite->report_tag;
    return (report[len - behind - SRTCP_INDEX] & 0x80) != 0;
}

int srtp_unseal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t *len)
{
    if (!is_whole(srtp, kind, packet, *len))
        return -EBADMSG;
    if (kind == SRTP_REPORT && !is_encrypted(srtp, packet, *len))
        return -EACCES;
    uint32_t ssrc = read32(packet + (kind == SRTP_MEDIA ? 8 : 4));
    bool known = is_known(srtp, ssrc);
    if (!known && srtp->source_count == SRTP_SOURCES)
        return -EACCES;
    int opened = (int)*len;
    srtp_err_status_t status = kind == SRTP_MEDIA ? srtp_unprotect(srtp->context, packet, &opened)
                                                  : srtp_unprotect_rtcp(srtp->context, packet, &opened);
    if (status == srtp_err_status_replay_fail || status == srtp_err_status_replay_old)
        return -EALREADY;
    if (status != srtp_err_status_ok)
        return -EACCES;
    if (!known)
        srtp->sources[srtp->source_count++] = ssrc;
    *len = (size_t)opened;
    return 0;
}

#else

int srtp_open(struct srtp **out, int32_t suite, const uint8_t *key, const uint32_t *ssrc)
{
    (void)out, (void)key, (void)ssrc;
    return suite <= SRTP_NONE || suite > SRTP_AEAD_AES_256_GCM ? -EINVAL : -ENOTSUP;
}

void srtp_close(struct srtp *srtp)
{
    (void)srtp;
}

bool srtp_same_key(const struct srtp *a, const struct srtp *b)
{
    return a == b;
}

size_t srtp_seal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t len)
{
    (void)srtp, (void)kind, (void)packet, (void)len;
    return 0;
}

int srtp_unseal(struct srtp *srtp, enum srtp_kind kind, uint8_t *packet, size_t *len)
{
    (void)srtp, (void)kind, (void)packet, (void)len;
    return -EACCES;
}

#endif

bool srtp_has(int32_t suite)
{
    static const uint8_t any[SRTP_KEY_MAX];
    struct srtp *srtp;
    if (srtp_open(&srtp, suite, any, NULL) != 0)
        return false;
    srtp_close(srtp);
    return true;
}
