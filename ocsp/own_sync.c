/* SPDX-License-Identifier: ISC */
/*
 * Which of them are served: what comes again, and what leaves, by itself or since nobody
 * named it when all were gone through. That needs no memory: what is served no more goes
 * whatever else this process lacks.
 */
#include <string.h>

#include "checker.h"
#include "own_inside.h"

#define BATCH	64	/* that are looked up with no lock held */

/* Whether its staple may be given out: also to whom it was chosen for just before it
 * was served no more. */
int
sst_own_serves_locked(const struct sst_own_cert *e, int64_t now)
{
	return (!e->gone || now < e->gone_at + SST_OWN_LINGER_S) && !e->revoked &&
	    e->staple != NULL && now < e->staple->until && now >= e->says.this_update;
}

int
sst_own_again(struct sst_own *o, const uint8_t leaf[32])
{
	const int64_t now = sst_checker_now(o->checker);
	struct sst_own_cert *e;
	int known = 0;

	sst_own_lock(o);
	e = sst_own_find_locked(o, leaf);
	if (e != NULL) {
		known = e->gone ? 2 : 1;
		e->epoch = o->epoch;
	}
	if (known == 2) {
		e->gone = 0;
		e->look_at = 0;
		e->fetch_at = e->has_responder ? 0 : INT64_MAX;
		sst_own_answer_locked(e, !e->has_responder ||
		    sst_own_serves_locked(e, now));
		sst_own_order_locked(e);
	}
	sst_own_unlock(o);
	return known;
}

int
sst_own_knows(struct sst_own *o, const uint8_t leaf[32])
{
	const struct sst_own_cert *e;
	int knows;

	sst_own_lock(o);
	e = sst_own_find_locked(o, leaf);
	knows = e != NULL && !e->gone;
	sst_own_unlock(o);
	return knows;
}

void
sst_own_sync_begin(struct sst_own *o)
{
	/* here, where there is time, and not when the first is added */
	(void)sst_checker_settle(o->checker, NULL);
	sst_own_lock(o);
	o->epoch++;
	sst_own_unlock(o);
}

/* What left is marked, and freed when nobody is at work on it, nor in a handshake
 * that was to show it. */
static void
leave_locked(struct sst_own_cert *e, int64_t now)
{
	e->gone_at = e->gone ? e->gone_at : now;
	e->gone = 1;
	e->fetch_at = e->look_at = INT64_MAX;
	sst_own_answer_locked(e, 1);
	sst_own_order_locked(e);
}

void
sst_own_drop(struct sst_own *o, const uint8_t leaf[32])
{
	const int64_t now = sst_checker_now(o->checker);
	struct sst_own_cert *e;

	sst_own_lock(o);
	e = sst_own_find_locked(o, leaf);
	if (e != NULL)
		leave_locked(e, now);
	(void)pthread_cond_broadcast(&o->told);
	sst_own_unlock(o);
}

/*
 * Those that were not named since the begin, BATCH at most, which are named by this: from
 * *bucket on, which moves. 0: there are no more. Where the table grows meanwhile, who was
 * not met yet is in the same bucket or in a later one.
 */
static size_t
unnamed(struct sst_own *o, size_t *bucket, uint8_t leaves[BATCH][32])
{
	size_t n = 0;

	sst_own_lock(o);
	while (n < BATCH && *bucket < o->n_buckets) {
		struct sst_own_cert *e = o->buckets[*bucket];

		for (; e != NULL && n < BATCH; e = e->next)
			if (e->epoch != o->epoch) {
				e->epoch = o->epoch;
				memcpy(leaves[n++], e->leaf, sizeof(e->leaf));
			}
		*bucket += e == NULL;
	}
	sst_own_unlock(o);
	return n;
}

void
sst_own_sync_end(struct sst_own *o, int (*has)(void *arg, const uint8_t leaf[32]), void *arg)
{
	uint8_t leaves[BATCH][32];
	size_t n, bucket = 0;

	while ((n = unnamed(o, &bucket, leaves)) > 0)
		for (size_t i = 0; i < n; i++) {
			if (has != NULL && has(arg, leaves[i]))
				(void)sst_own_again(o, leaves[i]);
			else
				sst_own_drop(o, leaves[i]);
		}
}
