/* SPDX-License-Identifier: ISC */
/*
 * deploy_prefetch - `sstool cache prefetch` of one chain, in a process of its own.
 *
 * deploy.c calls it. Prefetching takes the rights of the cache's owner for good, and
 * what it waits for are other people's servers: so a child does it, with a deadline.
 *
 * Threads: one.
 */
#ifndef SST_TOOLS_DEPLOY_PREFETCH_H
#define SST_TOOLS_DEPLOY_PREFETCH_H

#include <stddef.h>
#include <time.h>

struct sst_prefetched {
	int	good;		/* the chain has what it needs */
	char	verdict[32];	/* "good", "revoked" ...; "": there is none */
	char	why[400];	/* where it is not good; clean */
	time_t	until;		/* 0: not said */
};

/* `trust`: a file of anchors, or NULL. Never fails: `why` says what went wrong. */
void	sst_deploy_prefetch(const char *chain, const char *trust, unsigned budget_ms,
	    struct sst_prefetched *ret);

#endif
