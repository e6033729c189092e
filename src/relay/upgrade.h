/* SPDX-License-Identifier: ISC */
/*
 * upgrade - STARTTLS: a plain connection becomes TLS at a point that both ends
 * agree on to the byte.
 *
 *	control.c --UPGRADE--> upgrade.c: what was before, what is behind
 *	    --> client.c: gate shut, rest sent, handshake, verdict, gate open
 *
 * The point: what the program wrote before the call goes out as plaintext, all
 * of it; what it writes later is protected. What the peer sent and the program
 * has not read is no plaintext any more. A client has read all there is, since a
 * server of TLS does not speak first; a server may have the beginning of an early
 * ClientHello unread, which is taken back and given to the handshake, with all
 * behind it. Anything else that is unread is refused, so a command that somebody
 * put behind STARTTLS is either read before the upgrade, as the plaintext it is,
 * or fails the handshake. It is never delivered as if it had been protected.
 *
 * Always true:
 *   1. A refused call changes nothing. After that the connection is TLS or dead.
 *   2. What was plaintext is sent before the first byte of the handshake.
 * Threads: the connection's worker; sst_upgrade_step() without the relay's lock.
 */
#ifndef SST_RELAY_UPGRADE_H
#define SST_RELAY_UPGRADE_H

#include "tls/conn.h"

struct sst_call;
struct sst_record;
struct sst_upgrade;

/* UPGRADE: answers the call, now or when the handshake is over. */
void	sst_upgrade(struct sst_call *, struct sst_record *);

/* For client_shake.c: DONE: all that is plaintext is out, and the connection is TLS
 * before its handshake; then it is DONE again. */
enum sst_step sst_upgrade_step(struct sst_upgrade *, struct sst_conn *,
	    struct sst_error *err);
void	sst_upgrade_free(struct sst_upgrade *);	/* NULL is allowed */

#endif
