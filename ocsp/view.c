/* SPDX-License-Identifier: ISC */
/*
 * view - a checker's caches as an administrator looks at them.
 *
 * The public calls are in <securesockets/revocation.h>; sstool makes them.
 */
#include <openssl/x509.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "cache.h"
#include "checker.h"
#include "verdict.h"

struct walk {
	struct sst_checker *checker;
	const char	*place;
	int64_t		 now, skew;
	int		(*each)(void *arg, const struct sst_kept *);
	void		*arg;
};

static const char *
place_of(const struct sst_checker *c, const struct sst_cache *cache, int is_machine)
{
	switch (sst_cache_mode(cache)) {
	case SST_CACHE_MEMORY:
		return "memory";
	case SST_CACHE_SNAPSHOT:
		return "snapshot";
	case SST_CACHE_WRITER:
		break;
	}
	return is_machine ? "snapshot" : sst_place_name(sst_checker_place(c)->kind);
}

static enum sst_verdict
verdict_of(const struct sst_evidence *e)
{
	switch (e->status) {
	case SST_EV_GOOD:
		return SST_VERDICT_GOOD;
	case SST_EV_REVOKED:
		return SST_VERDICT_REVOKED;
	case SST_EV_UNKNOWN:
		return SST_VERDICT_UNKNOWN;
	case SST_EV_NOTHING:
	case SST_EV_ERROR:
		break;
	}
	return (enum sst_verdict)0;
}

static void
add_evidence(const struct walk *w, const struct sst_cache_row *row, struct sst_kept *k)
{
	const struct sst_evidence *e = row->evidence;

	/* a list says something of many: of none of them here */
	k->verdict = row->crl == NULL ? verdict_of(e) : (enum sst_verdict)0;
	k->fresh = e->status == SST_EV_REVOKED || sst_evidence_fresh(e, w->now, w->skew);
	k->reason = e->reason;
	k->this_update = e->this_update;
	k->next_update = e->next_update;
	k->until = e->until;
	k->revoked_at = e->revoked_at;
	k->fetched_at = e->fetched_at;
	k->text = e->text;
}

static void
add_list(const struct sst_crl_head *h, struct sst_kept *k)
{
	k->entries = h->entries;
	k->number = h->has_number ? h->number : NULL;
	k->is_delta = h->is_delta;
	k->is_partial = h->only_user || h->only_ca || h->only_attribute || h->has_idp ||
	    h->reasons != SST_REASONS_ALL;
}

static void
add_source(const struct sst_source_state *st, struct sst_kept *k)
{
	k->fault = sst_fault_name(st->last_fault);
	k->failures = st->fail_count;
	k->http_status = st->http_status;
	k->last_try = st->last_try;
	k->next_try = st->next_try;
	k->bytes = st->bytes;
}

static int
on_row(void *arg, const struct sst_cache_row *row)
{
	const struct walk *w = arg;
	struct sst_kept k = { .place = w->place, .kind = row->kind, .reason = -1,
	    .text = "", .fault = sst_fault_name(SST_FAULT_NONE), .bytes = row->size };
	static const struct sst_issuer_id nobody;
	char url[512];

	if (memcmp(&row->key.issuer, &nobody, sizeof(nobody)) != 0)
		k.issuer = row->key.issuer.dn;
	k.serial = row->key.serial;
	k.serial_len = row->key.serial_len;
	k.url = row->url;
	if (row->evidence != NULL)
		add_evidence(w, row, &k);
	if (row->crl != NULL)
		add_list(row->crl, &k);
	if (row->state != NULL) {
		add_source(row->state, &k);
		k.url = sst_escape(url, sizeof(url), row->url, strlen(row->url));
	}
	return w->each(w->arg, &k);
}

_Static_assert(sizeof(struct sst_issuer_id) == 64, "name and key, nothing between them");

/* Cache `i` of the checker, which is ready, or NULL. */
static struct sst_cache *
cache_at(struct sst_checker *c, int i)
{
	if (i == 0)
		return sst_checker_own(c);
	return i == 1 ? sst_checker_machine(c) : NULL;
}

int
sst_checker_each(struct sst_checker *c, int (*each)(void *, const struct sst_kept *),
    void *arg, struct sst_error *err)
{
	struct walk w = { .checker = c, .each = each, .arg = arg };
	struct sst_limits limits;
	struct sst_cache *cache;
	int rc = sst_checker_settle(c, err);

	sst_limits_of(NULL, &limits);
	w.skew = limits.skew;
	w.now = sst_checker_now(c);
	for (int i = 0; rc == SST_OK && (cache = cache_at(c, i)) != NULL; i++) {
		w.place = place_of(c, cache, i == 1);
		rc = sst_cache_each(cache, w.now, on_row, &w, err);
	}
	return rc;
}

int
sst_checker_stats(struct sst_checker *c, int i, struct sst_kept_stats *ret,
    struct sst_error *err)
{
	const struct sst_place *place;
	struct sst_cache_stats st;
	struct sst_cache *cache;
	int rc = sst_checker_settle(c, err);

	if (rc < 0)
		return rc;
	cache = cache_at(c, i);
	if (cache == NULL)
		return 0;
	memset(&st, 0, sizeof(st));
	rc = sst_cache_stats(cache, &st, err);
	if (rc < 0)
		return rc;
	place = sst_checker_place(c);
	*ret = (struct sst_kept_stats){ .place = place_of(c, cache, i == 1),
	    .dir = i == 1 ? SST_MACHINE_CACHE : place->dir, .why = sst_cache_why(cache),
	    .is_writer = sst_cache_mode(cache) == SST_CACHE_WRITER, .bytes = st.bytes,
	    .answers = st.answers, .lists = st.lists, .entries = st.entries,
	    .sources = st.sources, .leases = st.leases, .staples = st.staples,
	    .negatives = st.negatives, .generation = st.generation, .damaged = st.damaged,
	    .schema = st.schema };
	if (ret->why[0] == '\0' && i == 0)
		ret->why = place->why;
	return 1;
}

/* Its own cache, when what is done to it lasts. */
static int
writable(struct sst_checker *c, struct sst_cache **ret, struct sst_error *err)
{
	int rc = sst_checker_settle(c, err);

	if (rc < 0)
		return rc;
	*ret = sst_checker_own(c);
	if (sst_cache_mode(*ret) == SST_CACHE_WRITER)
		return SST_OK;
	return sst_fail(err, SST_E_REFUSED, "this user writes no cache: %s",
	    sst_checker_cache(c));
}

int
sst_checker_purge(struct sst_checker *c, X509 *issuer, int revoked_too,
    struct sst_error *err)
{
	struct sst_issuer_id id;
	struct sst_cache *cache;
	int n, rc = writable(c, &cache, err);

	if (rc == SST_OK && issuer != NULL)
		rc = sst_issuer_id_of(issuer, &id, err);
	if (rc < 0)
		return rc;
	n = sst_cache_purge(cache, issuer != NULL ? &id : NULL, revoked_too, err);
	if (n < 0)
		return n;
	rc = sst_cache_publish(cache, 1, err);
	return rc < 0 ? rc : n;
}

int
sst_checker_publish(struct sst_checker *c, struct sst_error *err)
{
	struct sst_cache *cache;
	int rc = writable(c, &cache, err);

	return rc < 0 ? rc : sst_cache_publish(cache, 1, err);
}
