/* SPDX-License-Identifier: ISC */
/*
 * client - connect(): TCP, handshake, verdict, then the gate opens.
 *
 * client_shake.c is the peer's side of an attempt, client_app.c the program's. A
 * connection that begins plain has no handshake; one that was plain and is
 * upgraded (upgrade.c), in either role, comes here for its handshake.
 *
 * A descriptor that does not block is joined at once, gate shut, and the call is
 * answered with EINPROGRESS. One that blocks is joined as soon as TCP is up, before
 * the handshake begins; its gate is the narrow one (link_narrow.c), and when its
 * caller gives up before the end (a signal, SO_SNDTIMEO), it gets the other. While
 * TCP is not up a refused attempt leaves it as it was, and it may connect elsewhere.
 * AF_UNIX has no way back from a link: until then it looks to other threads like one
 * that is not connected.
 *
 * Always true:
 *   1. The gate opens only after chain and names were verified, unless the
 *      connection was asked to begin plain.
 *   2. What was linked and failed stays failed: its error is told once by
 *      SO_ERROR or by the call that waits, the sentence stays in TLS_ERROR.
 *   3. A program that closes a pending descriptor ends the attempt.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_CLIENT_H
#define SST_RELAY_CLIENT_H

struct sst_call;
struct sst_record;
struct sst_upgrade;

void	sst_client_connect(struct sst_call *, struct sst_record *);
/* The record's TCP socket is connected already: it becomes a plain connection. */
void	sst_client_adopt(struct sst_call *, struct sst_record *);
/* The record was OPEN, and its pump is stopped: an attempt again, in the caller,
 * its worker. Takes the upgrade. `ms`: for the handshake, if no option says. */
void	sst_client_upgrade(struct sst_call *, struct sst_record *,
	    struct sst_upgrade *, int ms);
/* What sst_client_upgrade() took, while it is under way. */
const struct sst_upgrade *sst_client_upgrading(const struct sst_record *);
/* Whether the program's end has the smallest send buffer, until its gate opens. */
int	sst_client_is_narrow(const struct sst_record *);
/* The call is answered when the attempt under way is over. */
void	sst_client_wait(struct sst_call *, struct sst_record *);

#endif
