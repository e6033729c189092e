/* SPDX-License-Identifier: ISC */
#include "make_outage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocsp/schedule.h"

#define BEGIN		((int64_t)1800000000)
#define DAY		((int64_t)86400)
#define ANSWER_S	1	/* a fetch that succeeds, */
#define TIMEOUT_S	3	/* and one that does not */

struct name {
	uint8_t	key[32];
	char	host[32];
	int	h;
	struct sst_evidence e;
	int64_t	ends;		/* the fetch under way; 0: none */
	int	was_up;
};

struct run {
	const struct outage_plan *plan;
	struct outage_count *count;
	struct sst_schedule *s;
	struct name *name;
	int64_t	down_from, down_to;
	int64_t	recovered;	/* the first success afterwards; 0: not yet */
	int	*tries, *open;
	int64_t	*start;		/* of every fetch, in order */
	size_t	n_starts;
};

#define STARTS_MAX	((size_t)1 << 20)

static void
keep(void *what)
{
	(void)what;
}

static int
is_up(const struct run *r, int64_t now)
{
	return now < r->down_from || now >= r->down_to;
}

static void
evidence_at(struct sst_evidence *e, int64_t now, int64_t life)
{
	memset(e, 0, sizeof(*e));
	e->source = SST_SOURCE_OCSP;
	e->status = SST_EV_GOOD;
	e->this_update = e->fetched_at = now;
	e->until = e->next_update = now + life;
}

/* Fixed pseudo-random octets: every run counts the same. */
static void
key_of(int i, uint8_t key[32])
{
	uint64_t x = (uint64_t)i + 1;

	for (int n = 0; n < 32; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		key[n] = (uint8_t)(x >> 56);
	}
	memcpy(key, &i, sizeof(i));
}

static void
enter_all(struct run *r)
{
	for (int i = 0; i < r->plan->names; i++) {
		struct name *n = &r->name[i];
		int64_t age = r->plan->together ? 0 :
		    r->plan->life * 11 / 20 * i / r->plan->names;

		key_of(i, n->key);
		n->h = i % r->plan->hosts;
		(void)snprintf(n->host, sizeof(n->host), "host%d:80", n->h);
		evidence_at(&n->e, BEGIN - age, r->plan->life);
		if (sst_schedule_put(r->s, n->key, n->host, &n->e, BEGIN, n) != 1)
			abort();
	}
}

static void
finish(struct run *r, struct name *n, int64_t now)
{
	n->ends = 0;
	r->open[n->h]--;
	sst_schedule_heard(r->s, n->host, n->was_up ? SST_FAULT_NONE : SST_FAULT_TIMEOUT,
	    !n->was_up, 0, now);
	if (!n->was_up) {
		sst_schedule_done(r->s, n->key, NULL, 0);
		return;
	}
	if (n->e.until <= now)
		r->count->ended++;
	evidence_at(&n->e, now, r->plan->life);
	sst_schedule_done(r->s, n->key, &n->e, 0);
	if (now >= r->down_to && r->recovered == 0)
		r->recovered = now;
}

static void
begin(struct run *r, struct name *n, int64_t now)
{
	n->was_up = is_up(r, now);
	n->ends = now + (n->was_up ? ANSWER_S : TIMEOUT_S);
	if (++r->open[n->h] > r->count->in_flight)
		r->count->in_flight = r->open[n->h];
	if (!n->was_up && ++r->tries[n->h] > r->count->tries)
		r->count->tries = r->tries[n->h];
	if (r->n_starts == STARTS_MAX)
		abort();
	r->start[r->n_starts++] = now;
}

/* What is overdue still, once the host is back. */
static void
look_back(struct run *r, int64_t now)
{
	for (int i = 0; i < r->plan->names; i++)
		if (r->name[i].e.this_update + r->plan->life * 3 / 5 < now)
			return;
	r->count->caught_up = now - r->recovered;
}

/* All that happens at `now`; returns when the next thing does. */
static int64_t
step(struct run *r, int64_t now)
{
	int64_t next;
	struct name *n;

	for (int i = 0; i < r->plan->names; i++) {
		n = &r->name[i];
		if (n->ends != 0 && n->ends <= now)
			finish(r, n, now);
		/* somebody meets every name now and then */
		if (now % 3600 == 0)
			(void)sst_schedule_put(r->s, n->key, n->host, &n->e, now, n);
	}
	while ((n = sst_schedule_next(r->s, now, &next)) != NULL)
		begin(r, n, now);
	for (int i = 0; i < r->plan->names; i++)
		if (r->name[i].ends != 0 && r->name[i].ends < next)
			next = r->name[i].ends;
	if (r->recovered != 0 && r->count->caught_up == 0)
		look_back(r, now);
	return next < now - now % 3600 + 3600 ? next : now - now % 3600 + 3600;
}

static void
count_starts(const struct run *r)
{
	int day = 0, first = 0;

	for (size_t i = 0; i < r->n_starts; i++) {
		int64_t at = r->start[i];
		int in_minute = 0;

		if (at >= r->recovered && at < r->recovered + 60)
			r->count->recovery++;
		if (at >= r->down_from || at < r->down_from - DAY)
			continue;
		day++;
		while (r->start[first] < at - 59)
			first++;
		in_minute = (int)i - first + 1;
		if (in_minute > r->count->busiest)
			r->count->busiest = in_minute;
	}
	r->count->steady = (double)day / (double)(DAY / 60);
}

void
outage_run(const struct outage_plan *plan, struct outage_count *ret)
{
	struct run r = { .plan = plan, .count = ret };
	int64_t now = BEGIN;

	memset(ret, 0, sizeof(*ret));
	r.down_from = BEGIN + 2 * DAY;
	r.down_to = r.down_from + plan->down;
	r.name = calloc((size_t)plan->names, sizeof(*r.name));
	r.tries = calloc((size_t)plan->hosts, sizeof(int));
	r.open = calloc((size_t)plan->hosts, sizeof(int));
	r.start = calloc(STARTS_MAX, sizeof(*r.start));
	if (r.name == NULL || r.tries == NULL || r.open == NULL || r.start == NULL ||
	    sst_schedule_new(keep, &r.s, NULL) != 0)
		abort();
	enter_all(&r);
	while (now < r.down_to + DAY)
		now = step(&r, now);
	for (int i = 0; i < plan->names; i++)
		if (r.name[i].e.until <= now)
			ret->ended++;
	count_starts(&r);
	sst_schedule_free(r.s);
	free(r.start);
	free(r.open);
	free(r.tries);
	free(r.name);
}
