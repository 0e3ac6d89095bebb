/* Common ground of every object: the values of api.h and the limits of a stream. */
#ifndef CLUTCH_MEDIA_H
#define CLUTCH_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"

enum {
    MEDIA_TICK_US = 20000,
    MEDIA_TICKS_PER_SECOND = 50,
    MEDIA_FRAME_MAX = 960,    /* samples of 20 ms at 48 kHz */
    MEDIA_PAYLOAD_MAX = 1920, /* bytes of one RTP payload, either way: 20 ms of L16 at 48 kHz */
    MEDIA_PACKET_MAX = 2048,  /* bytes of one datagram; a longer one is malformed */
    MEDIA_REPORT_MAX = 96,    /* bytes of one RTCP compound of ours */
    MEDIA_CNAME = 16,         /* characters of a CNAME: 96 random bits in base64 (RFC 7022 section 4.2) */
};

#endif
