/* SPDX-License-Identifier: ISC */
/* service_quota - see service_quota.h. */
#include "service_quota.h"

#include <stdlib.h>

#include "base/fail.h"

#define SECOND_MS	1000
#define MINUTE_MS	60000
#define ASK_BURST	10

/* Tokens come back evenly. One token is as many units as its period has
 * milliseconds, so that nothing is lost to rounding. */
struct bucket {
	int64_t	units, at_ms;
};

struct sst_user {
	uid_t		 uid;
	int		 is_known;
	unsigned	 connections, in_flight;
	struct bucket	 asks, fetches;
};

struct sst_quota {
	struct sst_quota_limits limits;
	struct sst_user	 users[SST_SERVICE_USERS];
};

static int64_t
asks_full(const struct sst_quota *q)
{
	return (int64_t)ASK_BURST * q->limits.asks * SECOND_MS;
}

static int64_t
fetches_full(const struct sst_quota *q)
{
	return (int64_t)q->limits.fetches * MINUTE_MS;
}

static void
refill(struct bucket *b, int64_t full, unsigned rate, int64_t now_ms)
{
	const int64_t passed = now_ms - b->at_ms;

	/* a rest that long fills it at any rate, and would overflow */
	if (passed >= full)
		b->units = full;
	else
		b->units += passed * rate;
	if (b->units > full)
		b->units = full;
	b->at_ms = now_ms;
}

/* 1: one was left. */
static int
take(struct bucket *b, int64_t token)
{
	if (b->units < token)
		return 0;
	b->units -= token;
	return 1;
}

static void
refill_both(struct sst_quota *q, struct sst_user *u, int64_t now_ms)
{
	refill(&u->asks, asks_full(q), q->limits.asks, now_ms);
	refill(&u->fetches, fetches_full(q), q->limits.fetches, now_ms);
}

int
sst_quota_new(const struct sst_quota_limits *limits, struct sst_quota **ret,
    struct sst_error *err)
{
	struct sst_quota *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	q->limits = *limits;
	*ret = q;
	return SST_OK;
}

void
sst_quota_free(struct sst_quota *q)
{
	free(q);
}

/* Nothing would change if it came back as somebody new. */
static int
is_forgettable(struct sst_quota *q, struct sst_user *u, int64_t now_ms)
{
	if (!u->is_known)
		return 1;
	if (u->connections != 0 || u->in_flight != 0)
		return 0;
	refill_both(q, u, now_ms);
	return u->asks.units == asks_full(q) && u->fetches.units == fetches_full(q);
}

/* NULL: the table is full of users who are held or have used something up. */
static struct sst_user *
find(struct sst_quota *q, uid_t uid, int64_t now_ms)
{
	struct sst_user *room = NULL;

	for (size_t i = 0; i < SST_SERVICE_USERS; i++)
		if (q->users[i].is_known && q->users[i].uid == uid)
			return &q->users[i];
	for (size_t i = 0; room == NULL && i < SST_SERVICE_USERS; i++)
		if (is_forgettable(q, &q->users[i], now_ms))
			room = &q->users[i];
	if (room != NULL)
		*room = (struct sst_user){ .uid = uid, .is_known = 1,
		    .asks = { asks_full(q), now_ms },
		    .fetches = { fetches_full(q), now_ms } };
	return room;
}

int
sst_quota_met(struct sst_quota *q, uid_t uid, int64_t now_ms, struct sst_user **ret,
    struct sst_error *err)
{
	struct sst_user *u = find(q, uid, now_ms);

	if (u == NULL)
		return sst_fail(err, SST_E_LIMIT, "the cache service has too many users");
	if (u->connections >= q->limits.connections)
		return sst_fail(err, SST_E_LIMIT, "user %u has %u connections to the cache "
		    "service already", (unsigned)uid, u->connections);
	u->connections++;
	*ret = u;
	return SST_OK;
}

void
sst_quota_left(struct sst_user *u)
{
	u->connections--;
}

unsigned
sst_quota_connections(const struct sst_user *u)
{
	return u->connections;
}

int
sst_quota_ask(struct sst_quota *q, struct sst_user *u, int64_t now_ms, struct sst_error *err)
{
	refill_both(q, u, now_ms);
	if (take(&u->asks, SECOND_MS))
		return SST_OK;
	return sst_fail(err, SST_E_LIMIT, "user %u asks the cache service more than %u times "
	    "a second", (unsigned)u->uid, q->limits.asks);
}

int
sst_quota_fetch(struct sst_quota *q, struct sst_user *u, int64_t now_ms,
    struct sst_error *err)
{
	int64_t wait;

	if (u->in_flight >= q->limits.in_flight)
		return sst_fail(err, SST_E_LIMIT, "user %u waits for %u certificates already",
		    (unsigned)u->uid, u->in_flight);
	refill_both(q, u, now_ms);
	if (take(&u->fetches, MINUTE_MS)) {
		u->in_flight++;
		return SST_OK;
	}
	wait = (MINUTE_MS - u->fetches.units) / q->limits.fetches;
	return sst_fail(err, SST_E_LIMIT, "user %u has asked for %u certificates within a "
	    "minute that had to be fetched: again in %d s", (unsigned)u->uid,
	    q->limits.fetches, (int)(wait / 1000) + 1);
}

void
sst_quota_fetched(struct sst_user *u)
{
	u->in_flight--;
}
