/* SPDX-License-Identifier: ISC */
/*
 * Whose turn it is. All entries are gone through each time: 10,000 cost a step about a
 * millisecond, and as a rule it is called once a second.
 */
#include "own_inside.h"

#define SLEEP_S	60

void
sst_own_reap(struct sst_own *o, int64_t now)
{
	for (size_t i = 0; i < o->n_buckets; i++) {
		struct sst_own_cert **at = &o->buckets[i], *e;

		while ((e = *at) != NULL) {
			if (e->looking == SST_OWN_LOOKED) {
				sst_check_free(e->check);
				e->check = NULL;
				e->looking = SST_OWN_IDLE;
			}
			if (!e->gone || now < e->gone_at + SST_OWN_LINGER_S ||
			    e->asking || e->looking != SST_OWN_IDLE) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			o->n--;
			sst_own_cert_free(e);
		}
	}
}

/* Enters it before those that were asked for less lately; the last falls out. */
static size_t
offer(struct sst_own_due list[SST_OWN_AT_ONCE], size_t n, struct sst_own_cert *e, int fetch)
{
	size_t i = n < SST_OWN_AT_ONCE ? n : SST_OWN_AT_ONCE - 1;

	if (n == SST_OWN_AT_ONCE && e->asked_at <= list[i].e->asked_at)
		return n;
	for (; i > 0 && list[i - 1].e->asked_at < e->asked_at; i--)
		list[i] = list[i - 1];
	list[i] = (struct sst_own_due){ .e = e, .fetch = fetch };
	return n < SST_OWN_AT_ONCE ? n + 1 : n;
}

size_t
sst_own_due(struct sst_own *o, int64_t now, struct sst_own_due list[SST_OWN_AT_ONCE],
    int *ret_more)
{
	size_t n = 0, due = 0, busy = 0;

	for (size_t i = 0; i < o->n_buckets; i++)
		for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			busy += (size_t)e->asking + (e->looking != SST_OWN_IDLE);
			if (!e->asking && e->fetch_at <= now) {
				n = offer(list, n, e, 1);
				due++;
			}
			if (e->looking == SST_OWN_IDLE && e->look_at <= now) {
				n = offer(list, n, e, 0);
				due++;
			}
		}
	if (busy + n > SST_OWN_BUSY)
		n = busy < SST_OWN_BUSY ? SST_OWN_BUSY - busy : 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i].fetch)
			list[i].e->asking = 1;
		else
			list[i].e->looking = SST_OWN_LOOKING;
	}
	*ret_more = due > n && busy + n < SST_OWN_BUSY;
	return n;
}

unsigned
sst_own_next(const struct sst_own *o, int64_t now)
{
	int64_t at = now + SLEEP_S;

	for (size_t i = 0; i < o->n_buckets; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			if (!e->asking && e->fetch_at < at)
				at = e->fetch_at;
			/* what is under way may leave something to be done */
			if ((e->asking || e->looking != SST_OWN_IDLE) && at > now + 1)
				at = now + 1;
			if (e->looking == SST_OWN_IDLE && e->look_at < at)
				at = e->look_at;
		}
	return at > now ? (unsigned)(at - now) : 1;
}
