/* SPDX-License-Identifier: ISC */
/*
 * checker - what the checks of a process share: memory, caches, the thread.
 *
 *	check.c --> checker --> memo, cache (own, machine's snapshot), work
 *	tls/revoke.c (relay) --> checker_machine.c --> checker
 *
 * Always true:
 *   1. Making one opens nothing and starts nothing; its first check does, so a
 *      program may make it before it drops rights, forks or chroots.
 *   2. Time does not go back behind one at which evidence was fresh, nor stand still
 *      there (latest.h); a clock that leapt ahead proves nothing.
 *   3. After fork() the child may go on with it: no lock is held across, and the
 *      caches and the thread see the pid.
 * Threads: any number. `mu` guards opening alone.
 */
#ifndef SST_OCSP_CHECKER_H
#define SST_OCSP_CHECKER_H

#include "certkey.h"
#include "evidence.h"
#include "place.h"

struct sst_cache;
struct sst_machine;
struct sst_work;

/* Where `config` (NULL: nowhere) sets a thing, that holds, else what this machine's
 * file says. SST_E_USAGE: an address is none; the text has FILE:LINE where it is the
 * file's. */
int	sst_checker_of(const struct sst_machine *, const struct sst_checker_config *config,
	    struct sst_checker **ret, struct sst_error *err);

/* Opens the caches, once, as far as that can be done at once: one whose file others
 * have locked is busy, and opened by a later call. SST_E_NOMEM alone. */
int	sst_checker_ready(struct sst_checker *, struct sst_error *err);
/* The same, and waits for it. */
int	sst_checker_settle(struct sst_checker *, struct sst_error *err);
/* Once it is ready. Borrowed; the machine's is NULL where there is none to read. */
struct sst_cache *sst_checker_own(struct sst_checker *);
struct sst_cache *sst_checker_machine(struct sst_checker *);
const struct sst_place *sst_checker_place(const struct sst_checker *);	/* of its own */
/* NULL: no network for this one. Borrowed. */
struct sst_work *sst_checker_work(struct sst_checker *);
/* The same thread, for what fetches nothing and waits for a cache. Borrowed. */
struct sst_work *sst_checker_waiter(struct sst_checker *);
/* UNIX seconds of the clock, or since the latest time that was right when that is later:
 * a clock that went back must not make old evidence fresh. */
int64_t	sst_checker_now(struct sst_checker *);
/* At `now` something signed was fresh, so the clock is no further behind. */
void	sst_checker_saw(struct sst_checker *, int64_t now);
/* What memory and the caches know; pieces, or SST_E_TIMEOUT: busy. */
int	sst_checker_known(struct sst_checker *, const struct sst_cert_facts *, int64_t now,
	    const struct sst_limits *, struct sst_evidence *list, size_t max);
/* The same; *ret_read is 1 when a cache was read, 0 when memory knew. */
int	sst_checker_look(struct sst_checker *, const struct sst_cert_facts *, int64_t now,
	    const struct sst_limits *, struct sst_evidence *list, size_t max, int *ret_read);
/* 1: `key` is known to be revoked. For delegates. */
int	sst_checker_revoked(struct sst_checker *, const struct sst_cert_key *, int64_t now);
/* Keeps evidence that came along. SST_E_REFUSED: newer is known; else it is kept
 * as far as there is room. */
int	sst_checker_keep(struct sst_checker *, const struct sst_cert_facts *,
	    const struct sst_evidence *, const void *der, size_t len, int64_t now,
	    struct sst_error *err);

#endif
