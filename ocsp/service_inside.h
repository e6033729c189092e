/* SPDX-License-Identifier: ISC */
/*
 * service_inside - the machine's cache service, as its own files see it.
 *
 *	service.c	the loop: connections come, speak, go
 *	service_job.c	one question: chain, cache, fetch, answer
 *
 *	connection --packet--> question --chain verified--> cache --> answer
 *	                                     nothing fresh: quota --> work.c --> answer
 *
 * Always true:
 *   1. Nothing is fetched for a chain that did not reach an anchor, nor beyond the
 *      asker's quota.
 *   2. A connection holds a descriptor and a small record, whatever its peer does:
 *      no packet waits half read, and who does not take an answer is closed.
 *   3. Who asks for what is being fetched already waits with the others, and pays
 *      nothing for it.
 *   4. A question outlives its connection: what was begun is finished for the cache.
 * Threads: one; answers of work.c come on its thread, to `over`, under `mu`.
 */
#ifndef SST_OCSP_SERVICE_INSIDE_H
#define SST_OCSP_SERVICE_INSIDE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "service_quota.h"
#include "service_trust.h"
#include "service_wire.h"
#include "work.h"

struct sst_conn {
	struct sst_conn	*next, *prev;	/* the one that was silent longest is first */
	int		 fd;
	struct sst_user	*user;
	int64_t		 heard_ms;
	unsigned	 questions;	/* that wait for an answer */
};

/* What is being fetched for somebody. */
struct sst_question {
	struct sst_question *next, *prev;
	struct sst_question *next_over;
	struct sst_service *service;
	struct sst_conn	*conn;		/* NULL: it is gone */
	struct sst_user	*user;
	struct sst_work_ticket *ticket;
	uint32_t	 id;
	struct sst_cert_key key;
	unsigned	 bits;		/* SST_SERVICE_*, as they were understood */
	int		 is_charged;	/* against the user's quota: the first of its kind */
	struct sst_evidence *list;	/* what came of it; NULL and n: no memory */
	size_t		 n;
};

struct sst_service {
	struct sst_checker *checker;
	struct sst_anchors *anchors;
	struct sst_quota *quota;
	int		 listen_fd, stop_fd, epoll_fd, over_fd;
	unsigned	 n_conns, conns_max;
	int64_t		 idle_ms, busy_ms;	/* busy_ms: when somebody was here last */
	struct sst_conn	*first, *last;
	struct sst_question *questions;
	pthread_mutex_t	 mu;		/* guards `over` */
	struct sst_question *over;	/* answered, newest first */
	uint8_t		 in[SST_SERVICE_ASK_MAX + 1];	/* one more shows what is too long */
	uint8_t		 out[SST_SERVICE_ANSWER_MAX];
};

/* service.c: 0: it could not be sent, and the connection is to be closed. */
int	sst_service_tell(struct sst_service *, struct sst_conn *,
	    const struct sst_service_answer *, const struct sst_cert_key *);

/* service_job.c. One packet; 0: the connection is to be closed. */
int	sst_service_take(struct sst_service *, struct sst_conn *, size_t len, int64_t now_ms);
/* Sends what was answered since the last call. */
void	sst_service_answers(struct sst_service *);
/* The connection goes. */
void	sst_service_forget(struct sst_service *, const struct sst_conn *);
/* Everything that is under way is given up. */
void	sst_service_give_up(struct sst_service *);

#endif
