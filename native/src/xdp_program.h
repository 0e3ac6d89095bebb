/* What the XDP program (xdp.bpf.c) and its loader (xdp.c) agree on. */
#ifndef CLUTCH_XDP_PROGRAM_H
#define CLUTCH_XDP_PROGRAM_H

#include <linux/types.h>

/* Whose packets to take; constants of the program, set before it is loaded. */
struct xdp_settings {
    __u8 ip[16]; /* as in struct endpoint */
    __u8 mac[6];
    __u16 first_port; /* the port of the first entry of `ports` */
    __u32 ipv6;
};

/* What becomes of packets to a port. */
enum xdp_verdict { XDP_PORT_PASS, XDP_PORT_TAKE };

#endif
