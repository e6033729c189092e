/* SPDX-License-Identifier: ISC */
/*
 * check_why - each piece of evidence and what came of it, as lines.
 *
 * Made when asked for: a connection that is accepted never pays for it.
 */
#include "check_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy.h"

static void
time_text(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (when == 0)
		(void)snprintf(out, 32, "no time");
	else if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, 32, "@%lld", (long long)when);
}

static const char *
status_text(const struct sst_evidence *e)
{
	switch (e->status) {
	case SST_EV_GOOD:
		return "good";
	case SST_EV_REVOKED:
		return "revoked";
	case SST_EV_UNKNOWN:
		return "unknown";
	case SST_EV_NOTHING:
		return e->partial ? "good for some reasons" : "out of scope";
	case SST_EV_ERROR:
		break;
	}
	return sst_fault_name(e->fault);
}

/* "ocsp, kept: good, fresh, 2027-01-01T00:00:00Z to ...; URL; text" */
static char *
line_of(const struct sst_evidence *e, int64_t now, int64_t skew)
{
	char from[32], until[32], times[96] = "", revoked[96] = "", *line = NULL;
	const char *fresh = "expired";

	if (sst_evidence_fresh(e, now, skew))
		fresh = "fresh";
	else if (e->this_update > now)
		fresh = "of a time to come";
	time_text(e->this_update, from);
	time_text(e->until, until);
	if (e->status != SST_EV_ERROR)
		(void)snprintf(times, sizeof(times), ", %s, %s to %s", fresh, from, until);
	time_text(e->revoked_at, from);
	if (e->status == SST_EV_REVOKED)
		(void)snprintf(revoked, sizeof(revoked), " on %s %s", from,
		    sst_reason_name(e->reason));
	if (asprintf(&line, "%s%s: %s%s%s%s%s%s%s", sst_source_name(e->source),
	    e->from_cache ? ", kept" : "", status_text(e), revoked, times,
	    e->url[0] != '\0' ? "; " : "", e->url, e->text[0] != '\0' ? "; " : "",
	    e->text) < 0)
		return NULL;
	return line;
}

static int
older(const void *a, const void *b)
{
	const struct sst_evidence *x = a, *y = b;

	return (x->this_update > y->this_update) - (x->this_update < y->this_update);
}

static void
drop_lines(struct sst_check *k)
{
	for (size_t i = 0; i < k->n_lines; i++)
		free(k->lines[i]);
	free(k->lines);
	k->lines = NULL;
	k->n_lines = 0;
}

/* Lines of one link; what there is no memory for is left out. */
static void
make_lines(struct sst_check *k, struct sst_link *l)
{
	struct sst_evidence room[SST_KNOWN_MAX], *list;
	const int64_t now = sst_check_time(k);
	long n = sst_link_evidence(l, now, room, SST_KNOWN_MAX, &list);

	if (n <= 0)
		return;
	qsort(list, (size_t)n, sizeof(*list), older);
	k->lines = calloc((size_t)n, sizeof(*k->lines));
	for (long i = 0; k->lines != NULL && i < n; i++) {
		k->lines[k->n_lines] = line_of(&list[i], now, k->limits.skew);
		if (k->lines[k->n_lines] != NULL)
			k->n_lines++;
	}
	if (list != room)
		free(list);
}

int
sst_check_reasons(const struct sst_check *check, int depth, const char *const **ret_lines)
{
	/* the lines are kept in the check, and nothing else of it changes */
	struct sst_check *k = (struct sst_check *)check;

	drop_lines(k);
	if (!sst_check_is_off(k) && depth >= 0 && depth < k->n_links &&
	    k->links[depth].facts != NULL && sst_checker_ready(k->checker, NULL) == SST_OK) {
		(void)pthread_mutex_lock(&k->mu);
		make_lines(k, &k->links[depth]);
		(void)pthread_mutex_unlock(&k->mu);
	}
	*ret_lines = (const char *const *)k->lines;
	return (int)k->n_lines;
}
