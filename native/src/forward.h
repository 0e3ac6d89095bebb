/* A bridged direction that a backend carries by itself: what it is told, and what it tells.
 *
 * While all that becomes of a stream's plain packets is that they go on through the bridged one
 * (bridge_is_plain), a backend that can may be given the direction. It then sends the packets on without the
 * reactor, tells the reactor of each one afterwards, in the order in which they came, and gives the
 * direction back by itself when anything else comes. The numbers that it writes are those that relay_place
 * would have given: the reactor gives every note to stream_forwarded, which keeps the books as if it had
 * relayed the packet, and whoever sends next goes on from there.
 */
#ifndef CLUTCH_FORWARD_H
#define CLUTCH_FORWARD_H

#include "media.h"
#include "relay.h"

/* How to send a stream's packets on. */
struct forward {
    struct endpoint from; /* the only source */
    struct endpoint to;
    uint32_t ssrc; /* of the packets, ... */
    uint32_t new_ssrc;
    uint32_t clock_hz;
    struct relay_numbers newest; /* ... with these numbers came the newest one, ... */
    int64_t newest_us;           /* ... at this time */
    struct relay_numbers offset; /* to be added to the numbers of each */
    uint8_t payload_type;
    uint8_t new_payload_type;
};

/* A packet that was sent on; its numbers are those with which it came. */
struct forwarded {
    int64_t at_us;
    struct relay_numbers numbers;
    size_t len; /* of the payload */
};

#endif
