/* SPDX-License-Identifier: ISC */
#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "refresh.h"

#define DAY		((int64_t)86400)
#define IN_FLIGHT_MAX	4	/* of a host */
#define SPEED		1.5	/* of the long run's rate */
#define GAP_MAX		300.0	/* seconds between two fetches of a host */

struct host {
	char	 name[SST_SCHEDULE_HOST];
	uint8_t	 seed[32];
	struct sst_source_state state;
	unsigned entries, in_flight;
	double	 rate;		/* of its entries' becoming due, a second */
	double	 next_start;	/* by the pace */
};

struct entry {
	uint8_t	 key[32];
	struct host *host;
	int64_t	 at, until, this_update, last_used, period;
	int	 in_flight;
	void	*what;
};

struct sst_schedule {
	void		(*drop)(void *);
	struct entry	*entry;
	size_t		 n;
	struct host	*host[SST_SCHEDULE_MAX];
	size_t		 n_hosts;
	int64_t		 ends[SST_SCHEDULE_MAX];	/* gap_of()'s */
};

int
sst_schedule_new(void (*drop)(void *), struct sst_schedule **ret, struct sst_error *err)
{
	struct sst_schedule *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->entry = calloc(SST_SCHEDULE_MAX, sizeof(*s->entry));
	if (s == NULL || s->entry == NULL) {
		free(s);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	s->drop = drop;
	*ret = s;
	return SST_OK;
}

void
sst_schedule_free(struct sst_schedule *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		s->drop(s->entry[i].what);
	for (size_t i = 0; i < s->n_hosts; i++)
		free(s->host[i]);
	free(s->entry);
	free(s);
}

static struct host *
host_find(const struct sst_schedule *s, const char *name)
{
	for (size_t i = 0; i < s->n_hosts; i++)
		if (strcmp(s->host[i]->name, name) == 0)
			return s->host[i];
	return NULL;
}

/* Room for one more: the host without entries that was tried longest ago goes. */
static int
host_forget(struct sst_schedule *s)
{
	size_t oldest = s->n_hosts;

	for (size_t i = 0; i < s->n_hosts; i++)
		if (s->host[i]->entries == 0 && (oldest == s->n_hosts ||
		    s->host[i]->state.last_try < s->host[oldest]->state.last_try))
			oldest = i;
	if (oldest == s->n_hosts)
		return 0;
	free(s->host[oldest]);
	s->host[oldest] = s->host[--s->n_hosts];
	return 1;
}

/* NULL: no memory, or no room. */
static struct host *
host_get(struct sst_schedule *s, const char *name)
{
	struct host *h = host_find(s, name);
	uint64_t x = 0xcbf29ce484222325u;

	if (h != NULL || strlen(name) >= SST_SCHEDULE_HOST)
		return h;
	if (s->n_hosts == SST_SCHEDULE_MAX && !host_forget(s))
		return NULL;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	(void)snprintf(h->name, sizeof(h->name), "%s", name);
	for (size_t i = 0; i < sizeof(h->seed); i++) {
		for (const char *c = name; *c != '\0'; c++)
			x = (x ^ (uint8_t)*c) * 0x100000001b3u;
		h->seed[i] = (uint8_t)(x >> 32);
	}
	s->host[s->n_hosts++] = h;
	return h;
}

static struct entry *
entry_find(struct sst_schedule *s, const uint8_t key[32])
{
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(s->entry[i].key, key, 32) == 0)
			return &s->entry[i];
	return NULL;
}

/* What the entry adds to its host's rate changes with its period. */
static void
entry_time(struct entry *en, const struct sst_evidence *e)
{
	int64_t from = e->fetched_at != 0 ? e->fetched_at : e->this_update;

	if (en->period > 0)
		en->host->rate -= 1.0 / (double)en->period;
	en->at = sst_refresh_at(e, en->key);
	en->until = e->until;
	en->this_update = e->this_update;
	en->period = en->at > from ? en->at - from : 1;
	en->host->rate += 1.0 / (double)en->period;
}

static void
entry_drop(struct sst_schedule *s, struct entry *en)
{
	s->drop(en->what);
	en->host->rate -= 1.0 / (double)en->period;
	if (--en->host->entries == 0)
		en->host->rate = 0;
	*en = s->entry[--s->n];
}

int
sst_schedule_put(struct sst_schedule *s, const uint8_t key[32], const char *host,
    const struct sst_evidence *e, int64_t now, void *what)
{
	struct entry *en = entry_find(s, key);
	struct host *h;

	if (en != NULL) {
		en->last_used = now;
		if (e->this_update > en->this_update && !en->in_flight)
			entry_time(en, e);
		return 0;
	}
	if (s->n == SST_SCHEDULE_MAX)
		return 0;
	h = host_get(s, host);
	if (h == NULL)
		return 0;
	en = &s->entry[s->n++];
	memset(en, 0, sizeof(*en));
	memcpy(en->key, key, 32);
	en->host = h;
	en->what = what;
	en->last_used = now;
	h->entries++;
	entry_time(en, e);
	return 1;
}

static int
by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * Seconds between two fetches of a host. Evidence that would end before its turn
 * is worth more than an even pace: of those that are due, the one that ends k-th
 * has its turn before four fifths of what it has left.
 */
static double
gap_of(struct sst_schedule *s, const struct host *h, int64_t now)
{
	double gap = GAP_MAX, enough;
	size_t n = 0;

	if (h->rate > 0 && 1.0 / (h->rate * SPEED) < gap)
		gap = 1.0 / (h->rate * SPEED);
	/* what has ended already cannot be saved by haste */
	for (size_t i = 0; i < s->n; i++)
		if (s->entry[i].host == h && s->entry[i].at <= now &&
		    s->entry[i].until > now)
			s->ends[n++] = s->entry[i].until;
	qsort(s->ends, n, sizeof(s->ends[0]), by_time);
	for (size_t k = 0; k < n; k++) {
		enough = (double)(s->ends[k] - now) * 0.8 / (double)(k + 1);
		if (enough < gap)
			gap = enough;
	}
	return gap;
}

/* When its host may be asked for this entry. */
static int64_t
ready_at(const struct entry *en)
{
	const struct sst_source_state *st = &en->host->state;
	int64_t at = en->at, paced;

	if (en->host->in_flight >= (st->fail_count > 0 ? 1u : IN_FLIGHT_MAX))
		return INT64_MAX;	/* until one of them is done */
	if (st->next_try > at)
		at = st->next_try;
	paced = (int64_t)en->host->next_start;
	if ((double)paced < en->host->next_start)
		paced++;
	return st->fail_count == 0 && paced > at ? paced : at;
}

static int
is_unused(const struct entry *en, int64_t now)
{
	int64_t keep = 2 * en->period > DAY ? 2 * en->period : DAY;

	return !en->in_flight && now > en->at && now - en->last_used > keep;
}

/* Seconds are coarse: where several fetches fall into one, they are counted from
 * its beginning. */
static void
begin_at_pace(struct sst_schedule *s, struct host *h, int64_t now)
{
	double gap = gap_of(s, h, now);
	double from = (double)(gap < 1 ? now - 1 : now);

	if (h->next_start < from)
		h->next_start = from;
	h->next_start += gap;
}

void *
sst_schedule_next(struct sst_schedule *s, int64_t now, int64_t *ret_at)
{
	struct entry *best = NULL;
	int64_t best_at = INT64_MAX, at;
	struct host *h;

	for (size_t i = s->n; i-- > 0;)
		if (is_unused(&s->entry[i], now))
			entry_drop(s, &s->entry[i]);
	for (size_t i = 0; i < s->n; i++) {
		struct entry *en = &s->entry[i];

		if (en->in_flight)
			continue;
		at = ready_at(en);
		if (at <= now)
			at = now;	/* of those that are ready the oldest */
		if (at < best_at || (at == best_at && best != NULL && en->at < best->at)) {
			best = en;
			best_at = at;
		}
	}
	*ret_at = best_at;
	if (best == NULL || best_at > now)
		return NULL;
	h = best->host;
	best->in_flight = 1;
	h->in_flight++;
	begin_at_pace(s, h, now);
	return best->what;
}

void
sst_schedule_done(struct sst_schedule *s, const uint8_t key[32], const struct sst_evidence *e,
    int64_t not_before)
{
	struct entry *en = entry_find(s, key);

	if (en == NULL || !en->in_flight)
		return;
	en->in_flight = 0;
	en->host->in_flight--;
	if (e != NULL)
		entry_time(en, e);
	else if (not_before > en->at)
		en->at = not_before;
}

void
sst_schedule_heard(struct sst_schedule *s, const char *host, enum sst_fault fault,
    int was_timeout, int retry_after, int64_t now)
{
	struct host *h = host_get(s, host);

	if (h != NULL)
		sst_refresh_after(&h->state, fault, was_timeout, retry_after, now, h->seed);
}

int
sst_schedule_closed(const struct sst_schedule *s, const char *host)
{
	const struct host *h = host_find(s, host);

	return h != NULL && sst_refresh_closed(&h->state);
}
