/* SPDX-License-Identifier: ISC */
/*
 * schedule - which evidence is fetched again, and when each host may be asked.
 *
 * work.c enters what was used and asks what is due; refresh.c says when. `now` is
 * given, so an outage of hours runs in a test in a moment.
 *
 * Always true:
 *   1. An entry is fetched by one at a time, and is due no earlier than
 *      sst_refresh_at() says.
 *   2. A host that fails is tried by one fetch at a time, less and less often; its
 *      other entries wait for that one.
 *   3. What became due together is not fetched together: a host's entries are
 *      taken in the order in which they became due, at one and a half times the
 *      rate at which they become due in the long run, and faster only when
 *      evidence would end otherwise.
 *   4. Bounded: entries and hosts have a maximum. What nobody used for two of its
 *      periods (a day at least) is dropped.
 * Threads: one at a time.
 */
#ifndef SST_OCSP_SCHEDULE_H
#define SST_OCSP_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "evidence.h"

#define SST_SCHEDULE_MAX	4096	/* entries; hosts likewise */
#define SST_SCHEDULE_HOST	264	/* octets of "NAME:PORT" with its NUL */

struct sst_schedule;

/* `drop` is called with what an entry carried when the entry goes. */
int	sst_schedule_new(void (*drop)(void *what), struct sst_schedule **ret,
	    struct sst_error *err);
void	sst_schedule_free(struct sst_schedule *);	/* NULL is allowed */

/*
 * Evidence that was used. `key` names what is fetched, and spreads its times. 1:
 * entered, and `what` is the schedule's; 0: known already (its times are
 * those of `e` now if that is newer), or there is no room: `what` stays the
 * caller's.
 */
int	sst_schedule_put(struct sst_schedule *, const uint8_t key[32], const char *host,
	    const struct sst_evidence *e, int64_t now, void *what);
/*
 * What is to be fetched now, or NULL; then *ret_at is when to ask again
 * (INT64_MAX: when something is entered). Each that was returned needs a
 * sst_schedule_done().
 */
void	*sst_schedule_next(struct sst_schedule *, int64_t now, int64_t *ret_at);
/* It was fetched: `e` is what is held now. NULL: it was not; not before
 * `not_before` again. */
void	sst_schedule_done(struct sst_schedule *, const uint8_t key[32],
	    const struct sst_evidence *e, int64_t not_before);

/* What came of a fetch from this host, whoever asked for it. NONE: it answered. */
void	sst_schedule_heard(struct sst_schedule *, const char *host, enum sst_fault,
	    int was_timeout, int retry_after, int64_t now);
/* 1: it is taken as closed: no handshake waits for it. */
int	sst_schedule_closed(const struct sst_schedule *, const char *host);

#endif
