/* SPDX-License-Identifier: ISC */
/*
 * own_inside - our own certificates, as their own files see them.
 *
 *	own.c		life, the list, who is due
 *	own_fetch.c	a staple: from the caches, or fetched
 *	own_watch.c	a verdict: is it revoked?
 *
 * Always true:
 *   1. An entry is freed by a step or with the whole, and never while something is
 *      under way for it (`asking`, `check`).
 *   2. `mu` is held while nothing is asked, judged or told.
 */
#ifndef SST_OCSP_OWN_INSIDE_H
#define SST_OCSP_OWN_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "certkey.h"
#include "evidence.h"
#include "own.h"

struct sst_cache;
struct sst_check;
struct sst_work_ticket;

#define SST_OWN_BUCKETS	256

enum sst_own_look { SST_OWN_IDLE = 0, SST_OWN_LOOKING, SST_OWN_LOOKED };

struct sst_own_cert {
	struct sst_own_cert *next;	/* of its bucket */
	struct sst_own	*own;
	STACK_OF(X509)	*chain;		/* leaf, issuer, and who issued that if known */
	const struct sst_cert_facts *facts;
	unsigned	 epoch;		/* own's mu guards all below, but who works on an
					   entry may read what only he changes */
	int64_t		 fetch_at, look_at;	/* UNIX s */
	int		 gone;		/* served no more: freed when nobody works on it */
	int		 asking;	/* somebody sees to its staple */
	int		 answered;	/* once at least, or there is nobody to ask */
	enum sst_own_look looking;	/* somebody judges it; he is done */
	int		 revoked;
	struct sst_own_staple *staple;	/* or NULL */
	struct sst_evidence evidence;	/* what the staple says */
	/* of the step that began it: */
	struct sst_work_ticket *ticket;
	struct sst_check *check;
};

struct sst_own {
	struct sst_checker *checker;
	struct sst_revocation_policy policy;	/* of the watch; its limits are the
						   staples' */
	int		 no_staples;
	X509_STORE	*anchors;
	void		(*on_word)(void *, const struct sst_own_word *);
	void		*arg;

	pthread_mutex_t	 step_mu;	/* one step at a time */
	atomic_int	 more;		/* somebody wanted to step meanwhile */
	pthread_mutex_t	 mu;		/* guards the rest, and the entries */
	pthread_cond_t	 told;		/* an entry was answered for */
	_Atomic(pid_t)	 pid;
	unsigned	 epoch;
	size_t		 n;
	struct sst_own_cert *buckets[SST_OWN_BUCKETS];
};

/* own.c */
X509	*sst_own_leaf(const struct sst_own_cert *);
X509	*sst_own_issuer(const struct sst_own_cert *);
/* own_staple.c */
struct sst_own_staple *sst_own_staple_new(const void *der, size_t len, int64_t until);
struct sst_own_staple *sst_own_staple_ref(struct sst_own_staple *);

/* own_fetch.c: both with no lock held. Takes what the caches have, if it is newer. */
void	sst_own_take(struct sst_own_cert *, int64_t now);
/* The entry is `asking`, and is not when that is over. */
void	sst_own_fetch(struct sst_own_cert *, int64_t now);

/* own_watch.c: the entry is LOOKING, and LOOKED when that is over. */
void	sst_own_watch(struct sst_own_cert *, int64_t now);

/* cache_response.c: the response that an answer was taken from. 1: a copy, for the
 * caller to free; 0: none is kept; < 0. */
int	sst_cache_response_get(struct sst_cache *, const struct sst_cert_key *,
	    uint8_t **ret_der, size_t *ret_len);

#endif
