/* Steering: several sockets on one UDP port, and each datagram goes to the shard that it belongs to.
 *
 * A shard is a thread or process with a socket of its own, bound with SO_REUSEPORT to the one port. By itself
 * the kernel spreads datagrams over such sockets by a hash of both addresses; then a peer that moves (a new
 * address of a phone, QUIC migration) comes out at a shard that does not know it. So a program of ours
 * (steering.bpf.c, loaded from memory) decides, by the first byte (RFC 9443):
 *   RTP, RTCP  128 to 191: the owner of the SSRC, as steering_own said
 *   QUIC       192 to 255 (long header) and 64 to 127 (short header): the first byte of the destination
 *              connection id modulo the number of shards. A shard chooses its connection ids accordingly; a
 *              client's first one is random, so new connections spread, and all first packets of one meet
 *   else, an SSRC that nobody owns, no connection id, or an owner without a socket: the kernel's hash.
 * No datagram is ever refused here: what is bad is for its shard to judge and count.
 *
 * One steering is for one port. The program belongs to the group of sockets, and stays with it after
 * steering_close until the last one is closed; a socket that is closed leaves by itself. steering_add puts
 * the program to work with the first socket, so add sockets before peers know of the port.
 *
 * One thread has it at a time. The sockets may be other processes': these pass them over a Unix socket. In a
 * build without HAVE_BPF everything is -ENOTSUP.
 *
 * What Python calls is declared in api.h: steering_open, steering_add, steering_own, steering_disown,
 * steering_close.
 */
#ifndef CLUTCH_STEERING_H
#define CLUTCH_STEERING_H

#include "media.h"

enum { STEERING_SHARDS_MAX = 256 }; /* one byte of a connection id names one */

#endif
