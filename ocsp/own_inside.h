/* SPDX-License-Identifier: ISC */
/*
 * own_inside - our own certificates, as their own files see them.
 *
 *	own.c		life, one comes, a step
 *	own_table.c	all of them, by the leaf
 *	own_sync.c	which of them are served
 *	own_due.c	whose turn it is (heap.h)
 *	own_fetch.c	a staple: from the caches, or fetched
 *	own_watch.c	a verdict: is it revoked?
 *
 * Always true:
 *   1. An entry is freed by a step or with the whole, and never while something is
 *      under way for it (`asking`, `check`).
 *   2. `mu` is held while nothing is asked, judged or told.
 *   3. Each is in `coming`, by the time at which something is to be done with it, or in
 *      `due`, where who was asked for last is first. Whoever changes what that depends on
 *      puts it in its place (sst_own_order_locked()): no step goes through all of them.
 */
#ifndef SST_OCSP_OWN_INSIDE_H
#define SST_OCSP_OWN_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "certkey.h"
#include "evidence.h"
#include "heap.h"
#include "own.h"

struct sst_cache;
struct sst_check;
struct sst_work_ticket;

#define SST_OWN_BUCKETS	256	/* to begin with; then as many as entries */
#define SST_OWN_LINGER_S 60	/* a handshake takes no longer, and may have chosen what
				   goes now */

enum sst_own_look { SST_OWN_IDLE = 0, SST_OWN_LOOKING, SST_OWN_LOOKED };

struct sst_own_cert {
	struct sst_own_cert *next;	/* of its bucket */
	struct sst_own	*own;
	uint8_t		 leaf[32];	/* SHA-256 */
	X509		*issuer, *above;	/* shared by many; who issued that, or NULL */
	int		 has_responder;	/* who is asked for a staple */
	unsigned	 epoch;		/* own's mu guards all below, but who works on an
					   entry may read what only he changes */
	struct sst_heap_node turn;	/* in coming or due */
	int64_t		 fetch_at, look_at;	/* UNIX s */
	int64_t		 asked_at;	/* a client wanted its staple, or it came */
	int		 gone;		/* served no more: freed when nobody works on it, */
	int64_t		 gone_at;	/* and whose handshake shows it is over */
	int		 asking;	/* somebody sees to its staple */
	int		 answered;	/* once at least, or there is nobody to ask */
	enum sst_own_look looking;	/* somebody judges it; he is done */
	int		 revoked, told;	/* told: by who judges it */
	struct sst_own_staple *staple;	/* or NULL */
	struct {	/* what the staple says */
		int64_t	 this_update, until, fetched_at;
	} says;
	/* of the step that began it: */
	struct sst_work_ticket *ticket;
	struct sst_check *check;
	size_t		 der_len;
	unsigned char	 der[];
};

/* An entry's certificate, parsed. */
struct sst_own_view {
	STACK_OF(X509)	*chain;		/* leaf, issuer, and who issued that if known */
	const struct sst_cert_facts *facts;
};

/* Something that is due. */
struct sst_own_due {
	struct sst_own_cert *e;
	int		 fetch;		/* its staple; 0: a look */
};
#define SST_OWN_BUDGET_MS 10000	/* of one fetch: no handshake waits for it */
#define SST_OWN_AT_ONCE	16	/* that one step works on: a look takes up to 0.5 ms */

struct sst_own {
	struct sst_checker *checker;
	struct sst_revocation_policy policy;	/* of the watch; its limits are the
						   staples' */
	int		 no_staples;
	X509_STORE	*anchors;
	int		(*on_word)(void *, const struct sst_own_word *);
	void		*arg;

	pthread_mutex_t	 step_mu;	/* one step at a time */
	atomic_int	 more;		/* somebody wanted to step meanwhile */
	pthread_mutex_t	 mu;		/* guards the rest, and the entries */
	pthread_cond_t	 told;		/* an entry was answered for */
	_Atomic(pid_t)	 pid;
	unsigned	 epoch;
	size_t		 n;
	struct sst_own_cert **buckets;	/* a power of two, by the leaf */
	size_t		 n_buckets;
	struct sst_heap	 coming, due;
	size_t		 busy;		/* what is under way: fetches and looks */
	size_t		 pending;	/* entries that were not answered for yet */
	int64_t		 now;		/* of the last step */
};

/* own.c */
void	sst_own_lock(struct sst_own *);		/* mu, also after a fork */
void	sst_own_unlock(struct sst_own *);
/* 1: *ret is for sst_own_close(). 0: no memory. */
int	sst_own_open(const struct sst_own_cert *, struct sst_own_view *ret);
void	sst_own_close(struct sst_own_view *);
void	sst_own_cert_free(struct sst_own_cert *);

/* own_table.c */
struct sst_own_cert *sst_own_find_locked(struct sst_own *, const uint8_t leaf[32]);
/* 0: there is no memory for it. */
int	sst_own_enter_locked(struct sst_own *, struct sst_own_cert *);
void	sst_own_leave_locked(struct sst_own *, struct sst_own_cert *);

/* own_sync.c: whether its staple may be given out. */
int	sst_own_serves_locked(const struct sst_own_cert *, int64_t now);

/* own_due.c: something of it changed that says when its turn is, ... */
void	sst_own_order_locked(struct sst_own_cert *);
/* ... or a client wanted its staple, ... */
void	sst_own_wanted_locked(struct sst_own_cert *, int64_t now);
/* ... or it is answered for (1), or is to be. */
void	sst_own_answer_locked(struct sst_own_cert *, int answered);
/* All of them, when nobody is at work any more. */
void	sst_own_anew(struct sst_own *);
/* With both locks held. Frees what is served no more, and begins what is due: how many.
 * *ret_more: there is more, and room. */
size_t	sst_own_due(struct sst_own *, int64_t now,
	    struct sst_own_due list[SST_OWN_AT_ONCE], int *ret_more);
/* Seconds until something is. */
unsigned sst_own_next(const struct sst_own *, int64_t now);

/* own_staple.c */
struct sst_own_staple *sst_own_staple_new(const void *der, size_t len, int64_t until);
struct sst_own_staple *sst_own_staple_ref(struct sst_own_staple *);

/* own_fetch.c: when its staple is to be seen to. */
int64_t	sst_own_fetch_at_locked(const struct sst_own_cert *, int64_t now);
/* Both with no lock held. Takes what the caches have, if it is newer. */
void	sst_own_take(struct sst_own_cert *, int64_t now);
/* The entry is `asking`, and is not when that is over. */
void	sst_own_fetch(struct sst_own_cert *, int64_t now);

/* own_watch.c: when it is to be looked at again. */
int64_t	sst_own_look_at_locked(const struct sst_own_cert *, int64_t now);
/* With no lock held. The entry is LOOKING, and LOOKED when that is over. */
void	sst_own_watch(struct sst_own_cert *, int64_t now);

/* cache_response.c: the response that an answer was taken from. 1: a copy, for the
 * caller to free; 0: none is kept; < 0. */
int	sst_cache_response_get(struct sst_cache *, const struct sst_cert_key *,
	    uint8_t **ret_der, size_t *ret_len);

#endif
