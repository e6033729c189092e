/* SPDX-License-Identifier: ISC */
/*
 * choose - the selection rule: candidates and a time in, winners out.
 *
 * store_choose.c calls it.
 *
 * Always true:
 *   1. The most exact tier with a usable candidate wins as a whole.
 *   2. One winner a type of key, the same in every process: later notAfter,
 *      then the smaller digest.
 *   3. What lacks the staple that it demands, is out of its dates, or revoked, wins
 *      only where nothing else does, in this order.
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_CHOOSE_H
#define SST_CERTSTORE_CHOOSE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rows.h"

#define SST_WINNERS_MAX	5	/* RSA, RSA-PSS, EC, Ed25519, Ed448 */

struct sst_ranked {
	const struct sst_row *row;
	int		 revoked;
	int		 bare;		/* demands a staple that is not there */
	const char	*dropped;	/* in: not NULL takes no part. out: why not */
};

struct sst_rank {
	size_t		 won;		/* so many stand at the front of the list */
	enum sst_tier	 tier;		/* theirs */
	int		 degraded;	/* they lack a staple, are out of their dates, or revoked */
	int		 kind_fits;	/* some candidate has a key that would do */
	time_t		 from, until;	/* same answer while from <= now < until */
};

/* Orders `v`, winners first, and fills *ret. `kinds`: sst_hello_kinds(); of the policy
 * what it refuses counts. */
void	sst_choose_rank(struct sst_ranked *v, size_t n, uint32_t kinds, time_t now,
	    const struct sst_choose_policy *, struct sst_rank *ret);

#endif
