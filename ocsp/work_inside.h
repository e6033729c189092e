/* SPDX-License-Identifier: ISC */
/*
 * work_inside - the checker's thread, as its own files see it.
 *
 *	work.c		life, the queue of asks, the thread's loop
 *	work_ticket.c	one ask: which sources in which order, until when
 *	work_job.c	one fetch: its right to begin
 *	work_end.c	its end: who is told, what is noted of the source
 *	work_crl.c	a list that is fetched
 *	work_ocsp.c	a response that is fetched
 *	work_service.c	the machine's cache service, which is asked before
 *
 *	ticket --wants URL--> job (joined or made) --lease--> fetch --> judge, keep
 *	       <--evidence------------------------------------------------'
 *
 * Always true:
 *   1. A ticket waits for one job at most, and is told by it once.
 *   2. A job lives in one list, is known by its key, and ends in sst_job_end() alone.
 *   3. What is behind `mu` is shared with who asks; all else is the thread's.
 *   4. A ticket's deadline ends the ticket, never the job: what was begun is
 *      finished for the cache.
 */
#ifndef SST_OCSP_WORK_INSIDE_H
#define SST_OCSP_WORK_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "fetch.h"
#include "guard.h"
#include "request.h"
#include "schedule.h"
#include "verdict.h"
#include "work.h"

#define SST_WORK_EVIDENCE	8	/* pieces of one ticket */
#define SST_WORK_SOURCES	2	/* tried of each kind */
#define SST_WORK_JOBS		1024

enum sst_work_kind { SST_WORK_CRL = 1, SST_WORK_OCSP };

/* About whom something is fetched. Immutable, counted by the thread. */
struct sst_subject {
	int		 refs;
	X509		*cert, *issuer, *above;
	STACK_OF(X509)	*others;
	const struct sst_cert_facts *facts;
	struct sst_revocation_policy policy;
	struct sst_limits limits;
	int64_t		 at;		/* 0: the clock's, as it goes */
};

/* How far a ticket is with the machine's cache service. */
enum sst_service_state { SST_SERVICE_UNTRIED = 0, SST_SERVICE_ASKING, SST_SERVICE_OVER };

struct sst_ticket {
	struct sst_ticket *next;
	uint64_t	 id;
	struct sst_subject *subject;
	struct sst_evidence *keep;	/* only to be kept in the schedule; or NULL */
	int		 is_leaf;
	int64_t		 deadline;	/* of the monotonic clock, ms */
	void		(*done)(void *, const struct sst_evidence *, size_t);
	int		(*look)(void *, struct sst_evidence *, size_t);	/* NULL: over */
	void		*arg;
	int		 no_fetch;
	int64_t		 look_until;	/* ms */
	atomic_int	 cancelled;
	struct sst_job	*job;		/* NULL: advance */
	enum sst_service_state service;
	unsigned	 next_crl, next_ocsp;
	int		 decided;	/* what came suffices */
	struct sst_evidence list[SST_WORK_EVIDENCE];
	size_t		 n;
};

/* What the schedule carries. */
struct sst_work_item {
	enum sst_work_kind kind;
	struct sst_subject *subject;
	uint8_t		 key[32];
	char		*url;
};

struct sst_job {
	struct sst_job	*next;
	struct sst_work	*w;
	enum sst_work_kind kind;
	uint8_t		 key[32];
	char		*url, *host, *lease;
	struct sst_subject *subject;
	int		 background;	/* the schedule waits for it */
	int		 over;		/* told; to be freed */
	int		 fetching;
	int64_t		 deadline, lease_at;	/* ms */
	struct sst_source_state source;
	const struct sst_crl *list;	/* while the end of a list is told */
	/* OCSP: */
	struct sst_request request;
	enum sst_certid_hash hash;
	int		 by_post, get_failed, sha256_failed;
};

struct sst_work {
	struct sst_cache *cache;
	char		*proxy;
	char		*service;	/* its socket; NULL: it is not asked */
	int		 service_stop;	/* readable: nobody waits for it any more */
	int64_t		(*clock)(void *);
	void		*clock_arg;
	struct sst_guard *guard;

	pthread_mutex_t	 mu;		/* guards to the next blank line: */
	pthread_cond_t	 called;	/* `calling` became 0 */
	_Atomic(pid_t)	 pid;
	int		 started, stopping;
	pthread_t	 thread;
	uint64_t	 last_id, calling;
	size_t		 n_kept;
	struct sst_ticket *queue;	/* newest first */
	struct sst_ticket *active;	/* changed by the thread alone */
	struct sst_fetcher *fetcher;

	struct sst_schedule *schedule;	/* the thread's from here on */
	struct sst_job	*jobs;
	struct sst_errand *errands;
	int64_t		 service_again_ms;	/* the service is not asked before */
	size_t		 n_jobs;
	int		 closing;	/* no thread any more: sst_work_free() */
	int		 dirty;		/* something was kept since the last publishing */
	int64_t		 publish_at, tidy_at;	/* ms */
};

/* work.c */
int64_t	sst_work_now(const struct sst_work *);		/* the clock */
struct sst_subject *sst_subject_ref(struct sst_subject *);
void	sst_subject_unref(struct sst_subject *);	/* NULL is allowed */
int64_t	sst_subject_now(const struct sst_work *, const struct sst_subject *);
void	sst_work_error(struct sst_evidence *, enum sst_work_kind, enum sst_fault,
	    const char *url, const char *text);

/* work_ticket.c, work_job.c: both return when they want to be called again (ms). */
int64_t	sst_tickets_step(struct sst_work *, int64_t now_ms);
int64_t	sst_jobs_step(struct sst_work *, int64_t now_ms);
/* Evidence for a ticket, which goes on. */
void	sst_ticket_tell(struct sst_work *, struct sst_ticket *, const struct sst_evidence *);
/* 1: says enough to end the search. */
int	sst_evidence_decides(const struct sst_evidence *, int64_t now, const struct sst_limits *);

/* work_job.c */
/* The job that fetches this, or NULL and *ret_ev says why nothing is fetched. */
struct sst_job *sst_job_for(struct sst_work *, struct sst_subject *, enum sst_work_kind,
	    const char *url, struct sst_evidence *ret_ev);
/* A job for what the schedule says is due. */
void	sst_job_background(struct sst_work *, struct sst_work_item *);
/* For the judges: whether a delegate, or who signs lists alone, is known to be
 * revoked. `arg` is the job. */
int	sst_job_signer_revoked(void *arg, const struct sst_cert_key *key);
/* What the cache knows of `subject` from this kind of source; 1: *ret is it. */
int	sst_job_known(struct sst_work *, const struct sst_subject *, enum sst_work_kind,
	    struct sst_evidence *ret);
/* What the caches hold of this kind that decides. */
int	sst_job_held(struct sst_work *, const struct sst_subject *, enum sst_work_kind,
	    struct sst_evidence *ret);
/* Whose failures are noted: of a list all the issuer's certificates together. */
struct sst_cert_key sst_job_negative_key(const struct sst_subject *, enum sst_work_kind);
/* Ends the first job without a word about its source. */
void	sst_job_given_up(struct sst_work *);
/* Enters evidence into the schedule. */
void	sst_job_plan(struct sst_work *, struct sst_subject *, enum sst_work_kind,
	    const char *url, const char *host, const struct sst_evidence *);
void	sst_item_free(void *item);

/* work_end.c */
/* `e` is what is held now, an error included. */
void	sst_job_end(struct sst_job *, const struct sst_evidence *e, int64_t not_before);
void	sst_job_end_with_error(struct sst_job *, enum sst_fault, const char *text,
	    int64_t not_before);
/* The end by a fault of the way to the source (`a`: what the fetcher said). */
void	sst_job_failed(struct sst_job *, const struct sst_fetch_answer *a);
/* The end by what was fetched: `e` is about the job's own subject. */
void	sst_job_judged(struct sst_job *, const struct sst_evidence *e);

/* work_crl.c: what the job's list says about a certificate of its issuer. */
void	sst_crl_about(const struct sst_job *, const struct sst_subject *,
	    struct sst_evidence *ret);
/* work_service.c */
int	sst_service_init(struct sst_work *, const char *path, struct sst_error *err);
void	sst_service_start(struct sst_work *);	/* before the thread, in each process */
void	sst_service_done(struct sst_work *);
/* 1: the ticket waits for the service. */
int	sst_service_waits(struct sst_work *, struct sst_ticket *);
/* 1: it sees to what is due. */
int	sst_service_refreshes(struct sst_work *, struct sst_work_item *);
/* Tells what was answered since. */
void	sst_errands_step(struct sst_work *, int64_t now_ms);

/* work_crl.c, work_ocsp.c: begin the fetch of a job that has the right to. */
void	sst_crl_begin(struct sst_job *);
void	sst_ocsp_begin(struct sst_job *);

#endif
