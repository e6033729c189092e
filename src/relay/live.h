/* SPDX-License-Identifier: ISC */
/*
 * live - TLS_REVOCATION_LIVE: an open connection whose peer is revoked ends.
 *
 *	client_app.c --a connection opens--> live --every 2 s--> sst_conn_judge_again()
 *	record.c --it closes--> stop
 *
 * Always true:
 *   1. Nothing is fetched for it: it looks at what memory and the cache know, which
 *      others and the background fill.
 *   2. Only a revocation ends a connection, never what merely ran out.
 * Threads: the connection's worker; stop under the relay's lock.
 */
#ifndef SST_RELAY_LIVE_H
#define SST_RELAY_LIVE_H

struct sst_record;

/* Out of memory: the connection is not watched; -1. */
int	sst_live_start(struct sst_record *);
void	sst_live_stop(struct sst_record *);	/* twice is allowed */

#endif
