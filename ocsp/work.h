/* SPDX-License-Identifier: ISC */
/*
 * work - the checker's thread: whatever waits for the network or for a lock of
 * the cache's file.
 *
 *	check.c --sst_work_ask()--> queue --> thread: lease, fetch, judge, keep --> done()
 *
 * Always true:
 *   1. One fetch a source at a time: who wants the same joins it (in this process
 *      by the table of what is under way, between processes by a lease).
 *   2. Evidence is judged and kept before anybody is told.
 *   3. It never asks for a chain whose check was not begun by check.c, that is:
 *      that did not reach an anchor.
 *   4. The thread starts with the first ask, and again in a child after fork().
 * Threads: asks from any; callbacks on the thread.
 */
#ifndef SST_OCSP_WORK_H
#define SST_OCSP_WORK_H

#include <openssl/x509.h>

#include "cache.h"
#include "certkey.h"
#include "evidence.h"

struct sst_work;
struct sst_work_ticket;

struct sst_work_config {
	struct sst_cache *cache;	/* borrowed */
	const char	*const *allow, *const *nat64;	/* for guard.c */
	const char	*proxy;
	const char	*service;	/* socket of the machine's cache service; NULL: none */
	int64_t		(*clock)(void *);	/* UNIX seconds; NULL: the system's */
	void		*clock_arg;
};

/* One certificate's evidence wanted. Everything is copied or referenced. */
struct sst_work_ask {
	X509		*cert, *issuer, *above;	/* above NULL: issuer is an anchor */
	STACK_OF(X509)	*others;		/* CRL signers, or NULL */
	const struct sst_revocation_policy *policy;
	int64_t		 now;		/* 0: the clock's, as it goes */
	int		 budget_ms;
	int		 is_leaf;	/* OCSP is for leaves; for others CRL alone */
	int		 no_fetch;	/* 1: what `look` finds is all */
	/* The caches were busy: called with the ask's `arg`, on the thread and before
	 * anything is fetched, until it is not SST_E_TIMEOUT. Pieces, or an error. NULL:
	 * they answered. */
	int		(*look)(void *arg, struct sst_evidence *list, size_t max);
};

int	sst_work_new(const struct sst_work_config *, struct sst_work **ret, struct sst_error *);
void	sst_work_free(struct sst_work *);
/*
 * `done` is called once with what came of it: evidence that says more than the
 * cache did, or the faults of what was tried. *ret_ticket may be given to
 * sst_work_cancel() until `done` was called.
 */
int	sst_work_ask(struct sst_work *, const struct sst_work_ask *,
	    void (*done)(void *arg, const struct sst_evidence *list, size_t n), void *arg,
	    struct sst_work_ticket **ret_ticket, struct sst_error *err);
/*
 * Evidence that the cache gave for this certificate and that was used: it is
 * fetched again in time, for as long as it is used. Cheap; keeps nothing when
 * there is no room.
 */
void	sst_work_keep(struct sst_work *, const struct sst_work_ask *,
	    const struct sst_evidence *);
/* The clock moved: what is due is looked at. */
void	sst_work_wake(struct sst_work *);
/* After it returned neither `done` nor `look` is called (waits for a call that is under way,
 * unless made on the thread itself). */
void	sst_work_cancel(struct sst_work *, struct sst_work_ticket *);

#endif
