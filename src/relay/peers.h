/* SPDX-License-Identifier: ISC */
/*
 * peers - which handshake goes when there are too many.
 *
 * Pure: listener.c tells what it has, this says what to do.
 *
 * Always true:
 *   1. The one that goes comes from the busiest /24 (IPv6: /56), has got least
 *      far, and of those is the oldest.
 *   2. A client that has sent its Finished never goes.
 */
#ifndef SST_RELAY_PEERS_H
#define SST_RELAY_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/sockname.h"

#define SST_PEERS_LISTENER	1024	/* handshakes of one listener */
#define SST_PEERS_ADDRESS	64	/* of one /32, or /64 */

struct sst_peer {
	uint64_t	group;		/* sst_peers_wide() */
	int64_t		since;
	int		progress;	/* larger is further */
	int		settled;	/* the client's Finished is in */
};

/* Who counts as one peer, and as one neighbourhood. An IPv4 address in IPv6
 * form is that address. */
uint64_t sst_peers_narrow(const union sst_inet *);
uint64_t sst_peers_wide(const union sst_inet *);
/* Index of the one that goes, -1: none may. n <= SST_PEERS_LISTENER. */
int	sst_peers_victim(const struct sst_peer *, size_t n);

#endif
