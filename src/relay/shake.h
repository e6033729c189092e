/* SPDX-License-Identifier: ISC */
/*
 * shake - the handshakes of one listener, side by side.
 *
 * A client costs a descriptor and one structure (shake_inside.h) until its first
 * byte, and its worker nothing; only then a TLS connection is made (shake_step.c), and
 * of those at most SST_PEERS_ADDRESS for one address: who has more waits for the ones
 * before, without hurting others.
 *
 * Always true:
 *   1. First byte within 5 s, whole ClientHello within 10 s, our client's
 *      Finished within 10 s more; TLS_HANDSHAKE_TIMEOUT shortens or lengthens
 *      the last two.
 *   2. At most SST_PEERS_LISTENER at once; peers.c says who makes room. When
 *      nobody may go, TCP's queue fills.
 *   3. A failed handshake is counted by reason, and nobody else notices.
 * Threads: under the relay's lock; each handshake is its worker's.
 */
#ifndef SST_RELAY_SHAKE_H
#define SST_RELAY_SHAKE_H

struct sst_listener;

#define SST_SHAKE_BYTE_MS	5000
#define SST_SHAKE_HELLO_MS	10000
#define SST_SHAKE_REST_MS	10000

/* Takes clients from TCP's queue. -1: no descriptor or memory was left. */
int	sst_shake_accept(struct sst_listener *);
/* No room, and nobody may be evicted. */
int	sst_shake_full(const struct sst_listener *);
void	sst_shake_end_all(struct sst_listener *);

#endif
