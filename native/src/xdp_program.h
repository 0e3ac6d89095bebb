/* What the XDP program (xdp.bpf.c) and its loader (xdp.c) agree on. */
#ifndef CLUTCH_XDP_PROGRAM_H
#define CLUTCH_XDP_PROGRAM_H

#include <linux/types.h>

/* Whose packets to take; constants of the program, set before it is loaded. */
struct xdp_settings {
    __u8 ip[16]; /* as in struct endpoint */
    __u8 mac[6];
    __u16 first_port; /* the even port of the first entry of `ports`; the others follow in steps of two */
    __u32 ipv6;
};

/* What becomes of packets to a port: the word that owns the rest of its entry.
 *   PASS, TAKE   the reactor's; packets go to the kernel, or to the AF_XDP socket
 *   FORWARD      nobody's: whoever wants it exchanges the word
 *   BUSY         the program's, while it forwards one packet; then FORWARD again, or TAKE
 * Packets that find it BUSY are taken. When the reactor has exchanged FORWARD for TAKE, the entry is its
 * own, and every packet that was forwarded has been noted. */
enum xdp_state { XDP_PORT_PASS, XDP_PORT_TAKE, XDP_PORT_FORWARD, XDP_PORT_BUSY };

/* A port's entry. Behind `state`, where to send the next packet and what makes it the next one; numbers are
 * in host order, addresses and ports in network order. */
struct xdp_port {
    __u32 state;       /* enum xdp_state */
    __u32 ssrc;        /* of packets that go on, ... */
    __u32 new_ssrc;    /* ... and what it becomes */
    __u32 timestamp;   /* of the newest packet */
    __u32 timestamp_offset;
    __u32 timestamp_most; /* by how much it may move from one packet to the next */
    __u64 at_ns;       /* when the newest packet came */
    __u16 seq;         /* its number */
    __u16 seq_offset;
    __u8 payload_type;
    __u8 new_payload_type;
    __u8 to_mac[6];
    __u16 from_port; /* the only source */
    __u16 to_port;
    __u16 new_from_port; /* ours, from which it is sent on */
    __u16 reserved;
    __u8 from_ip[16]; /* as in struct endpoint */
    __u8 to_ip[16];
};

/* A packet was forwarded. */
struct xdp_note {
    __u64 at_ns;
    __u32 timestamp; /* as it came, as the number */
    __u16 seq;
    __u16 len;  /* of the payload */
    __u32 port; /* its entry */
};

enum {
    XDP_SEQ_MOST = 100,         /* numbers from one packet to the next */
    XDP_PAUSE_NS = 900000000,   /* between two packets, at most */
    XDP_NOTES_SIZE = 1024 * 1024, /* bytes: 30,000 notes */
};

#endif
