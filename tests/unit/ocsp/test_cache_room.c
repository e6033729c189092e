/* SPDX-License-Identifier: ISC */
/* Tests of the cache: quotas and caps, sources, staples, and how a person sees it. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "make_cache.h"

#define CAP	(UINT64_C(2) << 20)

static struct sst_cache *
fresh(const struct cache_world *w, const char *name, uint64_t cap)
{
	char dir[256];

	(void)snprintf(dir, sizeof(dir), "%s/%s", w->dir, name);
	return cache_open_as(name[0] == '\0' ? NULL : dir, 1, cap, 1000);
}

static int
known(struct sst_cache *c, int ca, int from, int to)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += cache_says(c, ca, i) > 0;
	return n;
}

/* Put at a time of its own, so that there is an oldest. */
static void
put_at(struct sst_cache *c, int ca, int i, const struct sst_evidence *e)
{
	struct sst_cert_key key = cert_key(ca, i);

	assert_int_equal(sst_cache_put(c, &key, CACHE_ENDS, e, NULL, 0, PKI_NOW + i, NULL),
	    SST_OK);
}

/* An attacker's CA makes as many valid responses as it likes. */
static void
rv_105_in(const struct cache_world *w, const char *name)
{
	struct sst_cache *c = fresh(w, name, CAP);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 10);
	struct sst_cache_stats stats;

	for (int i = 0; i < 100; i++)
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
	assert_int_equal(cache_put(c, 2, 0, &revoked), SST_OK);
	for (int i = 1; i < 8000; i++)
		put_at(c, 2, i, &good);
	assert_int_equal(known(c, 1, 0, 100), 100);
	/* of its own the oldest went, and what is revoked last */
	assert_int_equal(cache_says(c, 2, 0), SST_EV_REVOKED);
	assert_int_equal(known(c, 2, 7900, 8000), 100);
	assert_int_equal(known(c, 2, 1, 4000), 0);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_true(stats.bytes <= CAP / 2);
	/* even where all it makes is revoked */
	for (int i = 0; i < 8000; i++)
		put_at(c, 3, i, &revoked);
	assert_int_equal(known(c, 1, 0, 100), 100);
	assert_int_equal(known(c, 3, 7900, 8000), 100);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_true(stats.bytes <= CAP);
	sst_cache_close(c);
}

static void
rv_105_an_issuer_drives_out_its_own_evidence_alone(void **state)
{
	rv_105_in(*state, "105");
	rv_105_in(*state, "");
}

/* Many issuers together: the one with the most gives way. */
static void
rv_105_the_whole_has_a_cap(void **state)
{
	struct sst_cache *c = fresh(*state, "cap", CAP);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_cache_stats stats;

	for (int i = 0; i < 50; i++)
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
	for (int ca = 2; ca < 12; ca++)
		for (int i = 0; i < 900; i++)
			assert_int_equal(cache_put(c, ca, i, &good), SST_OK);
	assert_int_equal(known(c, 1, 0, 50), 50);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW, NULL), SST_OK);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_true(stats.bytes <= CAP);
	assert_true(stats.answers > 1500);
	assert_int_equal(known(c, 1, 0, 50), 50);
	sst_cache_close(c);
}

static void
what_was_used_stays_longer(void **state)
{
	struct sst_cache *c = fresh(*state, "used", 200000);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10), out[2];
	struct sst_cert_facts f;
	struct sst_limits limits;

	sst_limits_of(NULL, &limits);
	for (int i = 0; i < 40; i++)
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
	f = cert_facts(1, 3);
	assert_int_equal(sst_cache_get(c, &f, PKI_NOW + 2 * 3600, &limits, out, 2), 1);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW + 2 * 3600, NULL), SST_OK);
	for (int i = 40; i < 140; i++)
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
	assert_true(cache_says(c, 1, 3) > 0);
	assert_true(cache_says(c, 1, 4) == 0);
	sst_cache_close(c);
}

static void
what_has_ended_is_dropped_and_the_file_shrinks(void **state)
{
	const struct cache_world *w = *state;
	struct sst_cache *c = fresh(w, "ended", 0);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 10);
	struct sst_source_state source = { .last_try = PKI_NOW };
	struct sst_cert_key key = cert_key(1, 1);
	struct sst_cache_stats stats;
	uint64_t before;
	enum sst_fault fault;

	for (int i = 0; i < 600; i++)
		assert_int_equal(cache_put(c, 1, i, &revoked), SST_OK);
	assert_int_equal(list_put(c, &(struct list){ .ca = w->ca }, NULL), SST_OK);
	assert_int_equal(sst_cache_source_put(c, "http://a/", &source), SST_OK);
	assert_int_equal(sst_cache_negative_put(c, &key, "http://a/", SST_FAULT_HTTP,
	    PKI_NOW + 60), SST_OK);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 1);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	before = stats.bytes;
	assert_int_equal(sst_cache_tidy(c, PKI_NOW + 59, NULL), SST_OK);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.answers, 600);
	assert_int_equal(stats.leases, 1);
	assert_int_equal(stats.negatives, 1);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW + 61, NULL), SST_OK);
	assert_int_equal(sst_cache_negative_get(c, &key, "http://a/", PKI_NOW, &fault), 0);
	assert_int_equal(sst_cache_tidy(c, CACHE_ENDS, NULL), SST_OK);
	assert_int_equal(cache_says(c, 1, 7), SST_EV_REVOKED);
	assert_int_equal(sst_cache_tidy(c, CACHE_ENDS + 1, NULL), SST_OK);
	assert_int_equal(cache_says(c, 1, 7), 0);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.answers + stats.lists + stats.sources + stats.leases, 0);
	assert_true(stats.bytes < before);
	sst_cache_close(c);
}

static void
a_source_is_remembered(void **state)
{
	struct sst_source_state in = { .last_try = PKI_NOW, .next_try = INT64_MAX,
	    .fail_count = 7, .timeouts = 2, .last_fault = SST_FAULT_TRY_LATER,
	    .http_status = 503, .no_sha256 = 1, .etag = "\"abc\"",
	    .last_modified = "Fri, 15 Jan 2027 08:00:00 GMT", .bytes = 1234567890123,
	    .ms = 77 }, out;
	struct sst_cache *c = fresh(*state, "source", 0), *m = fresh(*state, "", 0);

	memset(in.body_sha256, 9, 32);
	assert_int_equal(sst_cache_source_get(c, "http://a/", &out), 0);
	assert_int_equal(out.last_try, 0);
	assert_int_equal(sst_cache_source_put(c, "http://a/", &in), SST_OK);
	assert_int_equal(sst_cache_source_put(m, "http://a/", &in), SST_OK);
	assert_int_equal(sst_cache_source_get(c, "http://a/", &out), 1);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(sst_cache_source_get(m, "http://a/", &out), 1);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(sst_cache_source_get(c, "http://a", &out), 0);
	in.fail_count = 0;
	assert_int_equal(sst_cache_source_put(c, "http://a/", &in), SST_OK);
	assert_int_equal(sst_cache_source_get(c, "http://a/", &out), 1);
	assert_int_equal(out.fail_count, 0);
	sst_cache_close(c);
	sst_cache_close(m);
}

static void
sources_and_failures_are_bounded(void **state)
{
	struct sst_cache *c = fresh(*state, "", 0);
	struct sst_source_state s = { .last_try = 0 };
	struct sst_cache_stats stats;
	struct sst_cert_key key;
	char url[64];

	for (int i = 0; i < 9000; i++) {
		(void)snprintf(url, sizeof(url), "http://%d.example/", i);
		s.last_try = PKI_NOW + i;
		key = cert_key(1, i);
		if (i < 5000)
			assert_int_equal(sst_cache_source_put(c, url, &s), SST_OK);
		assert_int_equal(sst_cache_negative_put(c, &key, url, SST_FAULT_HTTP,
		    PKI_NOW + i), SST_OK);
	}
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_in_range(stats.sources, 4000, 4096);
	assert_in_range(stats.negatives, 8100, 8192);
	/* the last ones are there */
	assert_int_equal(sst_cache_source_get(c, "http://4999.example/", &s), 1);
	assert_int_equal(sst_cache_source_get(c, "http://1.example/", &s), 0);
	sst_cache_close(c);
}

static void
a_failure_is_of_one_certificate_at_one_source(void **state)
{
	struct sst_cache *c = fresh(*state, "negative", 0);
	struct sst_cert_key one = cert_key(1, 1), two = cert_key(1, 2);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	enum sst_fault fault = SST_FAULT_NONE;

	assert_int_equal(sst_cache_negative_put(c, &one, "http://a/",
	    SST_FAULT_UNAUTHORIZED, PKI_NOW + 3600), SST_OK);
	assert_int_equal(sst_cache_negative_get(c, &one, "http://a/", PKI_NOW, &fault), 1);
	assert_int_equal(fault, SST_FAULT_UNAUTHORIZED);
	assert_int_equal(sst_cache_negative_get(c, &one, "http://b/", PKI_NOW, &fault), 0);
	assert_int_equal(sst_cache_negative_get(c, &two, "http://a/", PKI_NOW, &fault), 0);
	assert_int_equal(sst_cache_negative_get(c, &one, "http://a/", PKI_NOW + 3599,
	    &fault), 1);
	assert_int_equal(sst_cache_negative_get(c, &one, "http://a/", PKI_NOW + 3600,
	    &fault), 0);
	/* what is signed ends it, of that certificate alone */
	assert_int_equal(sst_cache_negative_put(c, &two, "http://a/", SST_FAULT_HTTP,
	    PKI_NOW + 3600), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(sst_cache_negative_get(c, &one, "http://a/", PKI_NOW, &fault), 0);
	assert_int_equal(sst_cache_negative_get(c, &two, "http://a/", PKI_NOW, &fault), 1);
	sst_cache_close(c);
}

static void
a_staple_is_served_as_it_came_and_never_goes_back(void **state)
{
	struct sst_cache *c = fresh(*state, "staple", 0);
	struct sst_evidence old = says(SST_EV_GOOD, -1, 100);
	struct sst_evidence newer = says(SST_EV_GOOD, -1, 10), out;
	uint8_t leaf[32] = { 5 }, other[32] = { 6 }, *der = NULL;
	size_t len = 0;

	assert_int_equal(sst_cache_staple_get(c, leaf, &out, &der, &len), 0);
	assert_int_equal(sst_cache_staple_put(c, leaf, &newer, "newer", 5), SST_OK);
	assert_int_equal(sst_cache_staple_put(c, leaf, &old, "older", 5), SST_E_REFUSED);
	assert_int_equal(sst_cache_staple_put(c, leaf, &newer, NULL, 0), SST_E_USAGE);
	assert_int_equal(sst_cache_staple_get(c, leaf, &out, &der, &len), 1);
	assert_int_equal(len, 5);
	assert_memory_equal(der, "newer", 5);
	free(der);
	newer.from_cache = 1;
	assert_memory_equal(&out, &newer, sizeof(out));
	assert_int_equal(sst_cache_staple_get(c, other, &out, &der, &len), 0);
	sst_cache_close(c);
}

struct seen { int answers, lists, local, staples, sources; uint64_t entries; };

static int
see(void *arg, const struct sst_cache_row *r)
{
	struct seen *s = arg;

	assert_non_null(r->url);
	if (strcmp(r->kind, "ocsp") == 0) {
		assert_int_equal(r->key.serial_len, 8);
		assert_string_equal(r->url, "http://ocsp.example/");
		assert_int_equal(r->evidence->status, SST_EV_GOOD);
		s->answers++;
	} else if (strcmp(r->kind, "local") == 0) {
		s->local++;
	} else if (strcmp(r->kind, "crl") == 0 && r->crl != NULL) {
		assert_int_equal(r->key.serial_len, 0);
		s->entries += r->crl->entries;
		s->lists++;
	} else if (strcmp(r->kind, "staple") == 0) {
		s->staples++;
	} else {
		assert_string_equal(r->kind, "source");
		assert_int_equal(r->state->last_try, PKI_NOW);
		s->sources++;
	}
	return 0;
}

static int
stop(void *arg, const struct sst_cache_row *r)
{
	(void)r;
	return ++*(int *)arg == 3 ? 77 : 0;
}

static void
every_row_is_shown_once(void **state)
{
	const int64_t rows[] = { 1, 2, 3 };
	const struct cache_world *w = *state;
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10), local = good;
	struct sst_source_state source = { .last_try = PKI_NOW };
	uint8_t leaf[32] = { 0 };
	struct sst_cache *c = fresh(w, "each", 0);
	struct sst_cache_stats stats;
	struct seen s = { 0 };
	char url[64];
	int n = 0;

	local.source = SST_SOURCE_LOCAL;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
		(void)snprintf(url, sizeof(url), "http://%d/", i);
		assert_int_equal(sst_cache_source_put(c, url, &source), SST_OK);
		leaf[0] = (uint8_t)i;
		assert_int_equal(sst_cache_staple_put(c, leaf, &good, "x", 1), SST_OK);
	}
	assert_int_equal(cache_put(c, 1, 7, &local), SST_OK);
	assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows, .n = 3 },
	    NULL), SST_OK);
	assert_int_equal(sst_cache_each(c, PKI_NOW, see, &s, NULL), SST_OK);
	assert_int_equal(s.answers, 50);
	assert_int_equal(s.local, 1);
	assert_int_equal(s.lists, 1);
	assert_int_equal(s.entries, 3);
	assert_int_equal(s.staples, 50);
	assert_int_equal(s.sources, 50);
	assert_int_equal(sst_cache_each(c, PKI_NOW, stop, &n, NULL), 77);
	assert_int_equal(n, 3);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.answers, 51);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(stats.entries, 3);
	assert_int_equal(stats.staples, 50);
	assert_int_equal(stats.sources, 50);
	assert_int_equal(stats.schema, 1);
	assert_true(stats.bytes > 0 && stats.generation > 0);
	sst_cache_close(c);
}

static void
purging_spares_what_is_revoked_unless_told(void **state)
{
	const int64_t rows[] = { 1, 2, 3 };
	const struct cache_world *w = *state;
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 10);
	struct sst_issuer_id one = cert_key(1, 0).issuer;
	struct sst_source_state source = { .last_try = PKI_NOW };
	struct sst_cache *c;

	for (int memory = 0; memory < 2; memory++) {
		c = fresh(w, memory ? "" : "purge", 0);
		for (int i = 0; i < 300; i++)
			assert_int_equal(cache_put(c, 1, i, i == 7 ? &revoked : &good), 0);
		assert_int_equal(cache_put(c, 2, 0, &good), SST_OK);
		assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows,
		    .n = 3 }, NULL), SST_OK);
		assert_int_equal(sst_cache_source_put(c, "http://a/", &source), SST_OK);
		assert_int_equal(sst_cache_purge(c, &one, 0, NULL), 299);
		assert_int_equal(cache_says(c, 1, 6), 0);
		assert_int_equal(cache_says(c, 1, 7), SST_EV_REVOKED);
		assert_int_equal(cache_says(c, 2, 0), SST_EV_GOOD);
		assert_int_equal(list_says(c, w->ca, 2), SST_EV_REVOKED);
		/* a revocation that was met in a list outlives the list */
		assert_int_equal(sst_cache_purge(c, NULL, 0, NULL), 2);
		assert_int_equal(cache_says(c, 2, 0), 0);
		assert_int_equal(cache_says(c, 1, 7), SST_EV_REVOKED);
		assert_int_equal(list_says(c, w->ca, 2), SST_EV_REVOKED);
		assert_int_equal(list_says(c, w->ca, 3), 0);
		assert_int_equal(sst_cache_source_get(c, "http://a/", &source), 0);
		assert_int_equal(sst_cache_purge(c, NULL, 1, NULL), 2);
		assert_int_equal(cache_says(c, 1, 7), 0);
		assert_int_equal(list_says(c, w->ca, 2), 0);
		sst_cache_close(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_105_an_issuer_drives_out_its_own_evidence_alone),
		cmocka_unit_test(rv_105_the_whole_has_a_cap),
		cmocka_unit_test(what_was_used_stays_longer),
		cmocka_unit_test(what_has_ended_is_dropped_and_the_file_shrinks),
		cmocka_unit_test(a_source_is_remembered),
		cmocka_unit_test(sources_and_failures_are_bounded),
		cmocka_unit_test(a_failure_is_of_one_certificate_at_one_source),
		cmocka_unit_test(a_staple_is_served_as_it_came_and_never_goes_back),
		cmocka_unit_test(every_row_is_shown_once),
		cmocka_unit_test(purging_spares_what_is_revoked_unless_told),
	};

	return cmocka_run_group_tests(tests, cache_world_make, cache_world_free);
}
