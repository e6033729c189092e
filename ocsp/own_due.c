/* SPDX-License-Identifier: ISC */
/*
 * Whose turn it is. A step looks at what has come due and at nothing else, however many
 * are watched: clients and the relay's loop wait for it.
 */
#include "own_inside.h"

#define SLEEP_S	60
#define MOST	256	/* of what came due all at once, that one step goes through */

static struct sst_own_cert *
cert_of(struct sst_heap_node *node)
{
	return (struct sst_own_cert *)((char *)node - offsetof(struct sst_own_cert, turn));
}

/* It is served no more, and nobody is at work on it: freed then. */
static int64_t
over_at(const struct sst_own_cert *e)
{
	if (!e->gone || e->asking || e->looking != SST_OWN_IDLE)
		return INT64_MAX;
	return e->gone_at + SST_OWN_LINGER_S;
}

/* When there is something to be done with it. */
static int64_t
turn_of(const struct sst_own_cert *e)
{
	int64_t at = over_at(e);

	if (e->looking == SST_OWN_LOOKED)
		return 0;	/* its check is freed by the next step */
	if (!e->asking && e->fetch_at < at)
		at = e->fetch_at;
	if (e->looking == SST_OWN_IDLE && e->look_at < at)
		at = e->look_at;
	return at;
}

void
sst_own_order_locked(struct sst_own_cert *e)
{
	sst_heap_put(&e->own->coming, &e->turn, turn_of(e));
}

/* Among those that are due. */
static void
line_up(struct sst_own_cert *e)
{
	sst_heap_put(&e->own->due, &e->turn, -e->asked_at);
}

void
sst_own_wanted_locked(struct sst_own_cert *e, int64_t now)
{
	e->asked_at = now;
	if (e->turn.in == &e->own->due)
		line_up(e);
}

void
sst_own_answer_locked(struct sst_own_cert *e, int answered)
{
	e->own->pending += (size_t)e->answered;
	e->own->pending -= (size_t)answered;
	e->answered = answered;
}

void
sst_own_anew(struct sst_own *o)
{
	sst_heap_clear(&o->coming);
	sst_heap_clear(&o->due);
	o->busy = o->pending = 0;
	for (size_t i = 0; i < o->n_buckets; i++)
		for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			e->asking = 0;
			e->looking = SST_OWN_IDLE;
			e->check = NULL;	/* who was at work has it */
			e->turn = (struct sst_heap_node){ .in = NULL };
			o->pending += !e->answered;
			sst_own_order_locked(e);
		}
}

static int64_t
sooner(int64_t at, int64_t than)
{
	return at != INT64_MAX && at > than ? than : at;
}

/* The clock was ahead, and is set right: what was put off by it does not wait until it
 * is there again. */
static void
set_back(struct sst_own *o, int64_t now)
{
	for (size_t i = 0; i < o->n_buckets; i++)
		for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			e->asked_at = sooner(e->asked_at, now);
			e->gone_at = sooner(e->gone_at, now);
			e->fetch_at = sooner(e->fetch_at, sst_own_fetch_at_locked(e, now));
			e->look_at = sooner(e->look_at, sst_own_look_at_locked(e, now));
			sst_own_order_locked(e);
		}
}

/* Sees to what is over; what else has come due lines up. */
static void
gather(struct sst_own *o, int64_t now)
{
	struct sst_heap_node *first;
	int64_t at;

	for (int i = 0; i < MOST; i++) {
		struct sst_own_cert *e;

		first = sst_heap_first(&o->coming, &at);
		if (first == NULL || at > now)
			break;
		e = cert_of(first);
		if (e->looking == SST_OWN_LOOKED) {
			sst_check_free(e->check);
			e->check = NULL;
			e->looking = SST_OWN_IDLE;
			o->busy--;
			sst_own_order_locked(e);
		} else if (over_at(e) <= now) {
			sst_own_leave_locked(o, e);
			sst_own_cert_free(e);
		} else {
			line_up(e);
		}
	}
}

/* 1: of what is due for it one thing is begun. */
static int
begin(struct sst_own_cert *e, int64_t now, struct sst_own_due *ret)
{
	const int fetch = !e->asking && e->fetch_at <= now;

	if (!fetch && (e->looking != SST_OWN_IDLE || e->look_at > now))
		return 0;
	if (fetch)
		e->asking = 1;
	else
		e->looking = SST_OWN_LOOKING;
	e->own->busy++;
	*ret = (struct sst_own_due){ .e = e, .fetch = fetch };
	return 1;
}

size_t
sst_own_due(struct sst_own *o, int64_t now, struct sst_own_due list[SST_OWN_AT_ONCE],
    int *ret_more)
{
	struct sst_heap_node *first;
	size_t n = 0;
	int64_t at;

	if (now < o->now)
		set_back(o, now);
	o->now = now;
	gather(o, now);
	while (n < SST_OWN_AT_ONCE && o->busy < SST_OWN_BUSY &&
	    (first = sst_heap_first(&o->due, &at)) != NULL) {
		struct sst_own_cert *e = cert_of(first);
		const int begun = begin(e, now, &list[n]);

		n += (size_t)begun;
		/* the other thing may be due as well */
		if (!begun || turn_of(e) > now)
			sst_own_order_locked(e);
	}
	*ret_more = (o->due.n > 0 && o->busy < SST_OWN_BUSY) ||
	    (sst_heap_first(&o->coming, &at) != NULL && at <= now);
	return n;
}

unsigned
sst_own_next(const struct sst_own *o, int64_t now)
{
	int64_t at, next = now + SLEEP_S;

	if (sst_heap_first(&o->coming, &at) != NULL && at < next)
		next = at;
	/* what is under way may leave something to be done, and room for what waits */
	if (o->busy > 0 && next > now + 1)
		next = now + 1;
	return next > now ? (unsigned)(next - now) : 1;
}
