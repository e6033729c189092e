/* SPDX-License-Identifier: ISC */
/*
 * client - connect(): TCP, handshake, verdict, then the gate opens.
 *
 * A descriptor that does not block is linked at once, gate shut, and the call
 * is answered with EINPROGRESS. One that blocks is linked when TCP is up, so
 * that a refused attempt leaves it as it was and it may connect elsewhere; when
 * its caller gives up before that (a signal, SO_SNDTIMEO), it is linked then.
 *
 * Always true:
 *   1. The gate opens only after chain and name were verified.
 *   2. What was linked and failed stays failed: its error is told once by
 *      SO_ERROR or by the call that waits, the sentence stays in TLS_ERROR.
 *   3. A program that closes a pending descriptor ends the attempt.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_CLIENT_H
#define SST_RELAY_CLIENT_H

struct sst_call;
struct sst_record;

void	sst_client_connect(struct sst_call *, struct sst_record *);

#endif
