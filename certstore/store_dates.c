/* SPDX-License-Identifier: ISC */
/*
 * store_dates - what is to be renewed, and what has expired, told once each (dates.h).
 *
 * No memory is kept of what was told: each step covers the time since the one before, and
 * what came into the store since then whatever its time. So a step costs what is new, and
 * all rows only when the next date of any of them has come.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "dates.h"
#include "store.h"

#define ROWS_AT_ONCE	2048	/* under the lock: about a millisecond */
#define FOUND_AT_ONCE	64
#define STEP_MAX_S	3600
#define ALWAYS		((time_t)LONG_MIN)
#define NEVER		((time_t)LONG_MAX)

struct found {
	int64_t	 id;
	enum sst_store_event_kind kind;
};

/* One look at some rows. */
struct look {
	time_t		 from, to;	/* what fell due in from < t <= to */
	time_t		 next;		/* the first date after `to` */
	int64_t		 known;		/* rows up to here were looked at before */
	int64_t		 at;		/* the last row that was looked at now */
	int		 full;		/* no room: from `at` on again */
	size_t		 n;
	struct found	 found[FOUND_AT_ONCE];
};

static void
see(void *arg, int64_t id, time_t not_before, time_t not_after)
{
	const time_t warn = sst_dates_warn_at(not_before, not_after);
	const time_t end = not_after + 1;	/* the first second without it */
	struct look *l = arg;
	const time_t from = id > l->known ? ALWAYS : l->from;
	int due = 0;

	if (l->full || l->n == FOUND_AT_ONCE) {
		l->full = 1;
		return;
	}
	l->at = id;
	if (end <= l->to)
		due = end > from ? SST_STORE_EXPIRED : 0;
	else if (warn <= l->to)
		due = warn > from ? SST_STORE_EXPIRING : 0;
	if (due != 0)
		l->found[l->n++] = (struct found){ id, due };
	if (warn > l->to && warn < l->next)
		l->next = warn;
	if (end > l->to && end < l->next)
		l->next = end;
}

/* Whether another with the same names and type of key lasts longer. */
static int
is_replaced_locked(struct sst_store *s, const struct sst_row *row)
{
	struct sst_rows same = { 0 };
	int yes = 0;

	(void)sst_index_find(s->index, SST_FIND_NAMES_KEY, row->names_key,
	    sizeof(row->names_key), &same, NULL);
	for (size_t i = 0; i < same.n; i++)
		yes |= same.v[i].kind == row->kind &&
		    same.v[i].not_after > row->not_after;
	sst_rows_done(&same);
	return yes;
}

static void
found_tell_locked(struct sst_store *s, const struct found *f, struct sst_events *events)
{
	struct sst_rows rows = { 0 };
	char when[32] = "", text[200];
	struct tm tm;

	if (sst_index_find(s->index, SST_FIND_ID, &f->id, sizeof(f->id), &rows,
	    NULL) == SST_OK && rows.n == 1 && !is_replaced_locked(s, &rows.v[0])) {
		if (gmtime_r(&rows.v[0].not_after, &tm) != NULL)
			(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		(void)snprintf(text, sizeof(text), f->kind == SST_STORE_EXPIRED ?
		    "expired at %s, and nothing took its place" :
		    "expires at %s, and was not renewed yet", when);
		sst_events_add_row(events, f->kind, &rows.v[0], text);
	}
	sst_rows_done(&rows);
}

/* Looks at rows until there are no more, or no room. 1: there are more. */
static int
look_locked(struct sst_store *s, struct look *l, struct sst_events *events)
{
	int n;

	l->n = 0;
	l->full = 0;
	n = sst_index_dates(s->index, l->at, ROWS_AT_ONCE, see, l, NULL);
	for (size_t i = 0; i < l->n; i++)
		found_tell_locked(s, &l->found[i], events);
	return n == ROWS_AT_ONCE || (n > 0 && l->full);
}

/* What this step is to look at. 0: somebody else is at it. */
static int
begin(struct sst_store *s, time_t now, struct look *l)
{
	struct sst_due *due = &s->due;
	int mine;

	sst_store_lock(s);
	mine = !due->busy;
	if (mine) {
		due->busy = 1;
		if (now < due->last - SST_DATES_FAR_S)
			due->last = due->next = now;
		*l = (struct look){ .from = due->last, .to = now, .known = due->known,
		    .next = NEVER, .at = due->known };
		if (now >= due->next)
			l->at = 0;
		else
			l->next = due->next;
	}
	sst_store_unlock(s);
	return mine;
}

unsigned
sst_store_dates(struct sst_store *s, time_t now)
{
	struct sst_events events = { 0 };
	struct look l;
	int more = 1;

	if (!begin(s, now, &l))
		return 1;
	while (more) {
		sst_store_lock(s);
		more = look_locked(s, &l, &events);
		if (!more) {
			s->due.busy = 0;
			if (now > s->due.last)
				s->due.last = now;
			if (l.at > s->due.known)
				s->due.known = l.at;
			s->due.next = l.next;
		}
		sst_store_unlock(s);
		sst_events_tell(s, &events);
	}
	if (l.next <= now)
		return 1;
	return l.next - now < STEP_MAX_S ? (unsigned)(l.next - now) : STEP_MAX_S;
}
