/* SPDX-License-Identifier: ISC */
/*
 * store_choose - one ClientHello in, one decision out (store.h).
 *
 * A hot name ends at the cache. A name that nobody has ends after one
 * statement. Only a name that is served, and was thrown out of the cache or
 * never asked for, reads a file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "choice.h"
#include "store.h"
#include "store_ask.h"
#include "store_keep.h"
#include "watcher.h"

#define RESCAN_MS	1000
#define DEGRADED_KEPT	1024	/* certificates of which it is known that it was told */

static int
empty_choice(const struct sst_ask *a, int alert, uint64_t generation,
    struct sst_choice **ret, struct sst_error *err)
{
	*ret = sst_choice_new(&(struct sst_choice_parts){ .name = a->name,
	    .alert = alert, .generation = generation });
	if (*ret == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return 0;
}

/* The rows of the default identity (defaults.md), as tier DEFAULT. */
static int
default_rows_locked(struct sst_store *s, const struct sst_choose_policy *p,
    struct sst_rows *rows, struct sst_error *err)
{
	char wild[SST_NAME_SIZE] = "";
	uint8_t key[32];
	int rc;

	if (p->default_name != NULL) {
		(void)sst_name_wild(p->default_name, wild);
		rc = sst_index_lookup(s->index, p->default_name,
		    wild[0] == '\0' ? NULL : wild, rows, err);
	} else {
		rc = sst_index_default(s->index, key, err);
		if (rc == 1)
			rc = sst_index_find(s->index, SST_FIND_NAMES_KEY, key,
			    sizeof(key), rows, err);
	}
	for (size_t i = 0; i < rows->n; i++)
		rows->v[i].tier = SST_TIER_DEFAULT;
	return rc;
}

int
sst_row_identity(struct sst_store *s, const struct sst_row *row,
    struct sst_identity **ret, struct sst_error *err)
{
	struct sst_pin *pin;
	int rc;

	*ret = NULL;
	sst_store_lock(s);
	pin = sst_pin_find_locked(s, row->id);
	if (pin != NULL && pin->identity != NULL)
		*ret = sst_identity_ref(pin->identity);
	sst_store_unlock(s);
	if (*ret != NULL)
		return SST_OK;
	*ret = sst_kept_get(s->cache, row->id);
	if (*ret != NULL && memcmp(sst_identity_digest(*ret), row->digest, 32) == 0)
		return SST_OK;
	/* of a row of an index that was made anew since, and counts from the start */
	if (*ret != NULL)
		sst_kept_drop(s->cache, row->id);
	sst_identity_unref(*ret);
	*ret = NULL;
	if (row->load == NULL)
		return sst_fail(err, SST_E_NOT_FOUND, "it is no longer in memory");
	(void)atomic_fetch_add_explicit(&s->misses, 1, memory_order_relaxed);
	rc = sst_scan_again(&s->env, row, ret, err);
	if (rc == SST_OK)
		sst_kept_put(s->cache, row->id, *ret);
	return rc;
}

/* Whether the identity is what the row says, and for the name asked. */
static int
identity_fits(const struct sst_identity *id, const struct sst_row *row,
    const struct sst_ask *a)
{
	if (!sst_identity_is(id, row->digest, row->kind, row->not_before, row->not_after))
		return 0;
	if (row->tier == SST_TIER_DEFAULT && a->policy->default_name == NULL)
		return sst_ask_meets(a->policy, sst_identity_names(id));
	if (row->tier == SST_TIER_DEFAULT)
		return sst_identity_covers(id, a->policy->default_name);
	return sst_identity_covers(id, row->tier == SST_TIER_IP ? a->ip : a->name);
}

/*
 * Ranks, and gets the winners' identities. One that cannot be had drops out
 * and the ranking starts again without it. *ret_stale: that happened.
 */
static int
winners_get(struct sst_store *s, const struct sst_ask *a, const struct sst_rows *rows,
    struct sst_ranked *ranked, struct sst_rank *rank,
    struct sst_identity *ids[SST_WINNERS_MAX], const struct sst_row **ret_stale,
    struct sst_error *err)
{
	const char **lost = calloc(rows->n + 1, sizeof(*lost));
	size_t got;
	int rc = SST_OK;

	if (lost == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
again:
	for (size_t i = 0; i < rows->n; i++) {
		ranked[i] = (struct sst_ranked){ .row = &rows->v[i], .dropped = lost[i] };
		sst_store_marks(s, rows->v[i].digest, &ranked[i].revoked, &ranked[i].bare);
	}
	sst_choose_rank(ranked, rows->n, a->kinds, a->now, a->policy, rank);
	for (got = 0; got < rank->won; got++) {
		const struct sst_row *row = ranked[got].row;

		rc = sst_row_identity(s, row, &ids[got], NULL);
		if (rc == SST_OK && identity_fits(ids[got], row, a))
			continue;
		if (rc == SST_OK)
			sst_identity_unref(ids[got]);
		while (got > 0)
			sst_identity_unref(ids[--got]);
		if (rc == SST_E_NOMEM) {
			rank->won = 0;
			rc = sst_fail(err, rc, "out of memory");
			goto out;
		}
		/* a file that changed is one thing, a row that never was so another */
		if (rc == SST_OK || row->load == NULL)
			sst_keep_doubt(s);
		lost[row - rows->v] = "its files changed or cannot be read";
		*ret_stale = row;
		goto again;
	}
	rc = SST_OK;
out:
	free(lost);
	return rc;
}

/* Whether this has not been told of this certificate. */
static int
is_news(struct sst_store *s, const struct sst_row *row, int how)
{
	uint64_t mark = 0;
	int news = 1;

	memcpy(&mark, row->digest, sizeof(mark));
	mark = (mark & ~(uint64_t)3) | (unsigned)how;
	sst_store_lock(s);
	if (s->degraded == NULL)
		s->degraded = calloc(DEGRADED_KEPT, sizeof(*s->degraded));
	if (s->degraded != NULL) {
		uint64_t *slot = &s->degraded[(mark >> 2) % DEGRADED_KEPT];

		news = *slot != mark;
		*slot = mark;
	}
	sst_store_unlock(s);
	return news;
}

/* Tells that something lacks a staple, is out of its dates, or revoked: once. */
static void
degraded_tell(struct sst_store *s, const struct sst_ask *a, const struct sst_ranked *best)
{
	const struct sst_row *row = best->row;
	const int how = best->revoked ? 1 : a->now > row->not_after ? 2 :
	    a->now < row->not_before ? 3 : 0;
	static const char *const what[] = { "a certificate without the staple that it"
	    " demands", "a revoked certificate", "an expired certificate",
	    "a certificate that is not yet valid" };
	struct sst_events events = { 0 };
	char text[400];

	if (!is_news(s, row, how))
		return;
	(void)snprintf(text, sizeof(text), "%s is served for %s: nothing better is"
	    " there", what[how], a->name[0] == '\0' ? "clients without a name" : a->name);
	sst_events_add_row(&events, SST_STORE_DEGRADED, row, text);
	sst_events_tell(s, &events);
}

/* Who watches the files gives these a watch before others. */
static void
served_note(struct sst_store *s, const struct sst_ranked *ranked, size_t n)
{
	int first = 0;

	(void)pthread_mutex_lock(&s->mu);
	for (size_t i = 0; i < n; i++)
		if (ranked[i].row->load != NULL)
			first |= sst_hot_note(&s->hot, ranked[i].row->path);
	if (first)
		atomic_store(&s->hot_waits, 1);
	(void)pthread_mutex_unlock(&s->mu);
	if (first)
		sst_watcher_wake(s->watcher);
}

static int
decide(struct sst_store *s, const struct sst_ask *a, const struct sst_rows *rows,
    uint64_t generation, struct sst_choice **ret, const struct sst_row **ret_stale,
    struct sst_error *err)
{
	struct sst_identity *ids[SST_WINNERS_MAX] = { NULL };
	struct sst_rank rank = { 0 };
	struct sst_ranked *ranked;
	int alert = 0, revoked = 0, rc;

	ranked = calloc(rows->n + 1, sizeof(*ranked));
	if (ranked == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = winners_get(s, a, rows, ranked, &rank, ids, ret_stale, err);
	if (rc < 0)
		goto out;
	served_note(s, ranked, rank.won);
	if (rank.won == 0)
		alert = rank.kind_fits ? SST_ALERT_UNRECOGNIZED_NAME :
		    SST_ALERT_HANDSHAKE_FAILURE;
	for (size_t i = 0; i < rank.won; i++)
		revoked |= ranked[i].revoked;
	*ret = sst_choice_new(&(struct sst_choice_parts){ .name = a->name,
	    .tier = rank.tier, .alert = alert, .degraded = rank.degraded,
	    .revoked = revoked,
	    .generation = generation, .from = rank.from, .until = rank.until,
	    .ranked = ranked, .n_ranked = rows->n, .ids = ids, .n_ids = rank.won });
	if (*ret == NULL)
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	else if (rank.degraded)
		degraded_tell(s, a, &ranked[0]);
out:
	for (size_t i = 0; i < rank.won; i++)
		sst_identity_unref(ids[i]);
	free(ranked);
	return rc;
}

struct wanted {
	int64_t	 id;
	char	*path;		/* NULL: not found */
};

/* sst_index_sources(): the path of the one wanted. */
static int
source_find(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	struct wanted *w = arg;

	if (id != w->id || kind == SST_SOURCE_BYTES)
		return SST_OK;
	w->path = strdup(path);
	return w->path == NULL ? SST_E_NOMEM : SST_OK;
}

/* What the row came from is read again: its folder, or, where a row lied, everything
 * that it could have come from. */
static int
row_reread(struct sst_store *s, const struct sst_row *row, const char *source)
{
	const size_t len = strlen(source);
	const char *below = "";

	if (!atomic_load(&s->doubt) && strncmp(row->path, source, len) == 0 &&
	    row->path[len] == '/')
		below = row->path + len + 1;
	return sst_store_rescan_below(s, source, below, NULL) == SST_OK;
}

/*
 * A row pointed to what is not there: its folder (and no other) is read again,
 * once in a while at most, and the question is asked anew.
 */
static int
heal(struct sst_store *s, struct sst_ask *a, const struct sst_row *stale)
{
	int64_t due = atomic_load(&s->next_rescan), at = sst_clock_ms();
	const uint64_t before = sst_store_generation(s);
	struct wanted w = { 0 };
	int healed = 0;

	if (stale == NULL || (stale->load == NULL && !atomic_load(&s->doubt)) ||
	    a->rescanned || at < due)
		return 0;
	if (!atomic_compare_exchange_strong(&s->next_rescan, &due, at + RESCAN_MS))
		return 0;
	a->rescanned = 1;
	w.id = stale->source;
	sst_store_lock(s);
	(void)sst_index_sources(s->index, source_find, &w, NULL);
	sst_store_unlock(s);
	if (w.path != NULL)
		healed = row_reread(s, stale, w.path);
	if (healed)
		sst_keep_wait(s, before, stale->id);
	free(w.path);
	return healed;
}

static int answer(struct sst_store *, struct sst_ask *, struct sst_choice **,
    struct sst_error *);

/* Whether the index was lost and is made anew: what failed can be tried again. */
static int
is_mended(struct sst_store *s, struct sst_error *err)
{
	if (!sst_keep_mended(s))
		return 0;
	(void)sst_store_rescan(s, NULL, NULL);
	sst_error_clear(err);
	return 1;
}

/* Ranks `rows` and keeps the decision of a name that somebody has. */
static int
serve(struct sst_store *s, struct sst_ask *a, struct sst_rows *rows,
    struct sst_hit *hit, struct sst_choice **ret, struct sst_error *err)
{
	const struct sst_row *stale = NULL;
	int rc;

	rc = decide(s, a, rows, hit->generation, ret, &stale, err);
	if (rc < 0)
		return rc;
	if (stale == NULL && hit->name != NULL)
		sst_kept_hit_put(s->cache, hit, *ret);
	/* Taken out between the look-up and here: the rows were of a generation
	 * that is over, and the present one has an answer of its own. */
	if (!(stale != NULL && sst_store_generation(s) != hit->generation) &&
	    !heal(s, a, stale))
		return SST_OK;
	sst_choice_unref(*ret);
	*ret = NULL;
	return answer(s, a, ret, err);
}

/* Leaves only rows that a listener with a list of names may serve. */
static void
rows_filter(struct sst_rows *rows, const struct sst_choose_policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (sst_ask_meets(p, rows->v[i].names))
			rows->v[n++] = rows->v[i];
		else
			sst_row_done(&rows->v[i]);
	}
	rows->n = n;
}

/* The default identity, for who named nothing or what nobody has. */
static int
answer_default(struct sst_store *s, struct sst_ask *a, struct sst_choice **ret,
    struct sst_error *err)
{
	struct sst_hit hit = { .name = "", .kinds = a->kinds };
	struct sst_choice *cached;
	struct sst_rows rows = { 0 };
	struct sst_ask nameless = *a;
	int rc;

	hit.policy = ~sst_ask_digest(a->policy, 1);
	hit.generation = sst_store_generation(s);
	sst_kept_key(s->cache, &hit);
	nameless.name[0] = '\0';
	if (a->policy->default_name == NULL &&
	    atomic_load(&s->no_default) == hit.generation + 1)
		return empty_choice(a, sst_ask_unknown(a), hit.generation, ret, err);
	cached = sst_kept_hit(s->cache, &hit, a->now);
	if (cached == NULL) {
		sst_store_lock(s);
		hit.generation = sst_store_generation(s);
		rc = default_rows_locked(s, a->policy, &rows, err);
		sst_store_unlock(s);
		if (rc >= 0 && rows.n == 0 && a->policy->default_name == NULL)
			atomic_store(&s->no_default, hit.generation + 1);
		if (rc >= 0 && a->policy->default_name == NULL)
			rows_filter(&rows, a->policy);
		if (rc >= 0 && rows.n == 0)
			rc = empty_choice(a, sst_ask_unknown(a), hit.generation, ret, err);
		else if (rc >= 0)
			rc = serve(s, &nameless, &rows, &hit, &cached, err);
		sst_rows_done(&rows);
		if ((rc < 0 || atomic_load(&s->mended)) && is_mended(s, err)) {
			sst_choice_unref(cached);
			sst_choice_unref(*ret);
			*ret = NULL;
			return answer_default(s, a, ret, err);
		}
		if (rc < 0 || cached == NULL)
			return rc;
	}
	if (a->name[0] == '\0') {
		*ret = cached;
		return SST_OK;
	}
	*ret = sst_choice_rename(cached, a->name);
	sst_choice_unref(cached);
	if (*ret == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return SST_OK;
}

static int
answer(struct sst_store *s, struct sst_ask *a, struct sst_choice **ret,
    struct sst_error *err)
{
	const char *key = a->ip[0] != '\0' ? a->ip : a->name;
	struct sst_hit hit = { .name = key, .kinds = a->kinds };
	struct sst_rows rows = { 0 };
	int rc;

	if ((a->asked != SST_ASKED_NAME && a->ip[0] == '\0') ||
	    !sst_ask_allows(a->policy, key))
		goto unknown;
	/* an address is kept under the empty name that the client sent */
	hit.name = a->ip[0] != '\0' ? "" : a->name;
	hit.policy = sst_ask_digest(a->policy, 0);
	if (a->ip[0] != '\0')
		hit.policy = sst_ask_mix(hit.policy, a->ip);
	hit.generation = sst_store_generation(s);
	if (a->named && a->ip[0] != '\0') {
		hit.name = NULL;	/* a literal as name is no hot path */
	} else {
		sst_kept_key(s->cache, &hit);
		*ret = sst_kept_hit(s->cache, &hit, a->now);
		if (*ret != NULL)
			return SST_OK;
	}
	sst_store_lock(s);
	hit.generation = sst_store_generation(s);
	rc = sst_index_lookup(s->index, key, a->wild[0] == '\0' ? NULL : a->wild,
	    &rows, err);
	sst_store_unlock(s);
	if (rc == SST_OK && rows.n > 0)
		rc = serve(s, a, &rows, &hit, ret, err);
	if (rc < 0 || rows.n > 0 || atomic_load(&s->mended)) {
		const int is_over = rc == SST_OK && rows.n > 0;

		sst_rows_done(&rows);
		if (!is_over && is_mended(s, err))
			return answer(s, a, ret, err);
		if (rc < 0 || is_over)
			return rc;
	}
unknown:
	if (a->policy->strict)
		return empty_choice(a, sst_ask_unknown(a), sst_store_generation(s),
		    ret, err);
	return answer_default(s, a, ret, err);
}

int
sst_store_choose(struct sst_store *s, const struct sst_choose_policy *policy,
    const struct sst_hello *hello, time_t now, struct sst_choice **ret_choice,
    struct sst_error *err)
{
	static const struct sst_choose_policy lax = { 0 };
	struct sst_choice *choice = NULL;
	struct sst_ask a;
	int alert, rc;

	sst_watcher_tend(s->watcher);
	a.policy = policy == NULL ? &lax : policy;
	a.hello = hello;
	a.now = now;
	a.named = a.rescanned = 0;
	a.name[0] = a.wild[0] = a.ip[0] = '\0';
	alert = sst_ask_read(&a);
	if (alert != 0)
		rc = empty_choice(&a, alert, sst_store_generation(s), &choice, err);
	else
		rc = answer(s, &a, &choice, err);
	if (rc < 0)
		return rc;
	*ret_choice = choice;
	return sst_choice_count(choice) > 0;
}
