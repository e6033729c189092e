/* SPDX-License-Identifier: ISC */
/*
 * log - events: lines for syslog, at most ten a second of each kind, and records that
 * are kept for who asks (ring.h), all of them.
 *
 * Always true:
 *   1. A line holds no byte of a peer, a certificate or a path that was not
 *      escaped: callers pass escaped text.
 *   2. What was left out is counted, and the count is said once a second.
 * Threads: any.
 */
#ifndef SST_RELAY_LOG_H
#define SST_RELAY_LOG_H

#include <pthread.h>
#include <stdint.h>

#include "ring.h"

#define SST_LOG_RATE	10

enum sst_log_kind {
	SST_LOG_CERT_RENEWED = 0,
	SST_LOG_CERT_ADDED,
	SST_LOG_CERT_REMOVED,
	SST_LOG_CERT_REFUSED,
	SST_LOG_CERT_KEPT,
	SST_LOG_CERT_DEGRADED,
	SST_LOG_CERT_REVOKED,
	SST_LOG_CERT_EXPIRING,
	SST_LOG_CERT_EXPIRED,
	SST_LOG_READING,
	SST_LOG_DEPLOYED,
	SST_LOG_UNCOVERED,
	SST_LOG_STATIC,
	SST_LOG_WATCH,
	SST_LOG_CONFIG,
	SST_LOG_INTERNAL,
	SST_LOG_KINDS
};

struct sst_log_bucket {
	int64_t		second;
	unsigned	said, left_out;
};

struct sst_log {
	/* mu guards all below */
	pthread_mutex_t	mu;
	struct sst_log_bucket buckets[SST_LOG_KINDS];
	void		(*write)(int priority, const char *line);	/* syslog */
	_Atomic uint64_t events[SST_LOG_KINDS];
	struct sst_ring	ring;
};

void	sst_log_init(struct sst_log *);
void	sst_log_done(struct sst_log *);
/* `now_ms`: of the monotonic clock. */
void	sst_log_event(struct sst_log *, enum sst_log_kind, int64_t now_ms,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same with what it is about; `seq`, `at` and `kind` of it are set here. */
void	sst_log_happening(struct sst_log *, enum sst_log_kind, int64_t now_ms,
	    const struct sst_happening *);
/* As sst_ring_each(); `each` must not log. */
int	sst_log_each(struct sst_log *, uint64_t since,
	    int (*each)(void *arg, const struct sst_happening *), void *arg);
/* The number of the newest event. */
uint64_t sst_log_last(struct sst_log *);
/* "renewed", as it stands in the line. */
const char *sst_log_kind_name(enum sst_log_kind);

#endif
