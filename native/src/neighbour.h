/* To which MAC address packets for an IP address go, when they leave by one given interface.
 *
 * The kernel knows: its routes say whether that interface is the way and who the next hop is, its neighbour
 * tables (ARP, RFC 826; ND, RFC 4861) who that is on the link. This object keeps a copy for the reactor,
 * which must not ask the kernel itself: such questions may wait for a lock. A helper thread does, by
 * rtnetlink.
 *
 * The reactor has numbered slots, one for each destination that it sends to at a time. neighbour_find on a
 * slot whose destination is new puts a question into a ring (ring.h) and says that it does not know, until
 * the answer is there: one atomic word in the slot, MAC address and number of the question together, so that
 * an answer to an older question is never taken for one to this. Meanwhile, and for as long as the kernel
 * does not know either, or another interface is the way, the reactor sends through the kernel; that makes
 * the kernel ask the link.
 *
 * Answers stay true: the helper hears of changed neighbours and asks again at once, of changed routes and
 * links and asks again within a second, and asks again anyway every NEIGHBOUR_REFRESH_MS. Packets that go
 * past the kernel do not tell it that it should confirm a neighbour now and then; so the helper tells it
 * when it finds one unconfirmed ("stale").
 */
#ifndef CLUTCH_NEIGHBOUR_H
#define CLUTCH_NEIGHBOUR_H

#include "frame.h"

enum { NEIGHBOUR_REFRESH_MS = 15000, NEIGHBOUR_SETTLE_MS = 1000 };

struct neighbours;

/* Start with `slots` slots for packets from `local` by `interface`. 0 or a negative errno. */
int neighbours_open(struct neighbours **neighbours, unsigned interface, const struct endpoint *local,
                    size_t slots);

void neighbours_close(struct neighbours *neighbours);

/* The reactor: write the MAC address for packets to `to`, or return false if it is not known (yet), or
 * packets to there leave by another interface. */
bool neighbour_find(struct neighbours *neighbours, size_t slot, const struct endpoint *to,
                    uint8_t mac[FRAME_MAC]);

/* The reactor: the slot has no destination any more. */
void neighbour_forget(struct neighbours *neighbours, size_t slot);

#endif
