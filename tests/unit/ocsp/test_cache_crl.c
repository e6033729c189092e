/* SPDX-License-Identifier: ISC */
/* Tests of the cache: lists that are taken in, and looked into. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_cache.h"
#include "make_crl.h"

#define HOLD	6
#define URI(u)	"issuingDistributionPoint = critical,@idp\n[idp]\nfullname = URI:" u "\n"

#define INDIRECT(u)	"issuingDistributionPoint = critical,@idp\n[idp]\nfullname = URI:" u \
	"\nindirectCRL = TRUE\n"

static int64_t
sql_int(const char *path, const char *text)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t v = -1;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return v;
}

static void
rv_58_59_a_serial_is_looked_up_in_its_issuers_list(void **state)
{
	const struct cache_world *w = *state;
	const int64_t rows[] = { 1, 5, 9 };
	struct sst_cache *c = NULL;

	for (int memory = 0; memory < 2; memory++) {
		c = cache_open(memory ? NULL : pki_path(w->dir, "58"));
		assert_int_equal(list_says(c, w->ca, 5), 0);
		assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows,
		    .n = 3 }, NULL), SST_OK);
		assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
		assert_int_equal(list_says(c, w->ca, 6), SST_EV_GOOD);
		/* the same name, another key */
		assert_int_equal(list_says(c, w->other, 5), 0);
		sst_cache_close(c);
	}
	c = cache_open(pki_path(w->dir, "58"));
	assert_int_equal(list_says(c, w->ca, 9), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 8), SST_EV_GOOD);
	sst_cache_close(c);
}

static void
rv_78_a_list_never_goes_back(void **state)
{
	const struct cache_world *w = *state;
	const int64_t five[] = { 5 }, six[] = { 6 };
	struct sst_cache *c = cache_open(pki_path(w->dir, "78"));
	struct list l = { .ca = w->ca, .serials = five, .n = 1, .number = 5, .age = 1000 };
	struct sst_error err = { 0 };
	struct sst_cache_stats stats;

	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	l.serials = six;
	l.number = 4;
	l.age = 500;
	assert_int_equal(list_put(c, &l, &err), SST_E_REFUSED);
	assert_string_not_equal(err.text, "");
	assert_int_equal(list_says(c, w->ca, 6), SST_EV_GOOD);
	l.number = 6;
	l.age = 1001;	/* a higher number does not excuse an older date */
	assert_int_equal(list_put(c, &l, NULL), SST_E_REFUSED);
	assert_int_equal(list_says(c, w->ca, 6), SST_EV_GOOD);
	/* one number, two contents: what either lists is revoked */
	l.number = 5;
	l.age = 1000;
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 6), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 7), SST_EV_GOOD);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.lists, 2);
	/* a newer one takes the place of both */
	l.number = 6;
	l.age = 500;
	l.n = 0;
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(list_says(c, w->ca, 7), SST_EV_GOOD);
	sst_cache_close(c);
	assert_int_equal(sql_int(pki_path(w->dir, "78/live.db"),
	    "SELECT count(*) FROM list"), 1);
	assert_int_equal(sql_int(pki_path(w->dir, "78/live.db"),
	    "SELECT count(*) FROM bucket"), 1);
}

static void
rv_37_what_a_list_said_once_stays(void **state)
{
	const struct cache_world *w = *state;
	const int64_t five[] = { 5 };
	struct sst_cache *c = cache_open(pki_path(w->dir, "37l"));
	struct list l = { .ca = w->ca, .serials = five, .n = 1, .number = 5, .age = 1000 };

	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);	/* it was met */
	l.number = 6;
	l.age = 10;
	l.n = 0;
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 6), SST_EV_GOOD);
	sst_cache_close(c);
	c = cache_open(pki_path(w->dir, "37l"));
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	sst_cache_close(c);
}

static void
rv_38_a_hold_of_a_list_is_lifted_by_the_next(void **state)
{
	const struct cache_world *w = *state;
	const int64_t five[] = { 5 };
	struct sst_cache *c = cache_open(pki_path(w->dir, "38l"));
	struct list l = { .ca = w->ca, .serials = five, .n = 1, .number = 5, .age = 1000,
	    .reason = HOLD };

	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	l.number = 6;
	l.age = 10;
	l.n = 0;
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_GOOD);
	sst_cache_close(c);
}

static void
rv_72_a_list_out_of_scope_revokes_and_never_clears(void **state)
{
	const struct cache_world *w = *state;
	const int64_t five[] = { 5 };
	struct sst_cache *c = cache_open(pki_path(w->dir, "72"));
	struct sst_cert_key key = listed_facts(w->ca, 5).key;
	struct list l = { .ca = w->ca, .serials = five, .n = 1,
	    .extra = URI("http://crl.example/elsewhere") };

	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 6), 0);
	assert_int_equal(sst_cache_revoked(c, &key, PKI_NOW), 1);
	key = listed_facts(w->ca, 6).key;
	assert_int_equal(sst_cache_revoked(c, &key, PKI_NOW), 0);
	/* an indirect one speaks of several issuers: not of ours for sure */
	l.serials = (const int64_t[]){ 9 };
	l.extra = INDIRECT("http://crl.example/indirect");
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 9), 0);
	/* beside a list of everything that does not name it */
	l = (struct list){ .ca = w->ca };
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, w->ca, 5), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 6), SST_EV_GOOD);
	sst_cache_close(c);
}

/* Every bucket has its row: one that was lost is not "not listed". */
static void
rv_100_a_damaged_bucket_says_nothing_and_heals(void **state)
{
	static const char *const harm[] = {
		"DELETE FROM bucket",
		"UPDATE bucket SET body=x'' WHERE length(body)>0",
		"UPDATE bucket SET digest=x'00'",
		"UPDATE bucket SET body=zeroblob(length(body))",
		"UPDATE list SET head=zeroblob(length(head))",
		"UPDATE list SET url='http://other/'",
	};
	const struct cache_world *w = *state;
	const int64_t rows[] = { 5, 6, 7 };
	struct list l = { .ca = w->ca, .serials = rows, .n = 3 };
	const char *dir = pki_path(w->dir, "100l");
	struct sst_cache *c = cache_open(dir);
	struct sst_cache_stats stats;

	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		assert_int_equal(list_put(c, &l, NULL), SST_OK);
		assert_int_equal(list_says(c, w->ca, 8), SST_EV_GOOD);
		sst_cache_close(c);
		cache_sql(pki_path(w->dir, "100l/live.db"), harm[i]);
		c = cache_open(pki_path(w->dir, "100l"));
		assert_int_equal(list_says(c, w->ca, 8), 0);
		assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
		assert_true(stats.damaged > 0);
		/* a list as it was is good again when it is fetched once more */
		l.number++;
		l.age--;
		assert_int_equal(list_put(c, &l, NULL), SST_OK);
		assert_int_equal(list_says(c, w->ca, 8), SST_EV_GOOD);
		assert_int_equal(list_says(c, w->ca, 7), SST_EV_REVOKED);
	}
	sst_cache_close(c);
}

/* Buckets that hold nothing are there too, in front of and behind those that do. */
static void
an_empty_bucket_is_not_a_damaged_one(void **state)
{
	const struct cache_world *w = *state;
	int64_t rows[300], probe[2] = { -1, -1 };
	struct sst_cert_key key;
	struct sst_cache *c;
	size_t n;

	for (uint32_t half = 0; half < 2; half++) {
		n = 0;
		for (int64_t i = 1; n < 300; i++) {
			key = listed_facts(w->ca, i).key;
			if (sst_crl_bucket(&key, 2) == half * 3)
				rows[n++] = i;
			else if (sst_crl_bucket(&key, 2) == 3 - half * 3)
				probe[half] = i;
		}
		c = cache_open(NULL);
		assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows,
		    .n = 300 }, NULL), SST_OK);
		assert_int_equal(list_says(c, w->ca, probe[half]), SST_EV_GOOD);
		assert_int_equal(list_says(c, w->ca, rows[17]), SST_EV_REVOKED);
		sst_cache_close(c);
	}
}

static void
a_list_that_is_there_is_renewed_and_not_rewritten(void **state)
{
	const struct cache_world *w = *state;
	struct sst_cache *c = cache_open(pki_path(w->dir, "renew"));
	EVP_PKEY *key = pki_key_new(PKI_ED25519);	/* signs the same each time */
	struct pki_cert *ca = pki_issue(NULL, &(struct pki_spec){ .cn = "ED", .ca = 1,
	    .use_key = key });
	struct list l = { .ca = ca };

	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(sql_int(pki_path(w->dir, "renew/live.db"),
	    "SELECT max(id) FROM list"), 1);
	/* unless it was found to be damaged */
	cache_sql(pki_path(w->dir, "renew/live.db"), "UPDATE bucket SET digest=x'00'");
	assert_int_equal(list_says(c, ca, 8), 0);
	assert_int_equal(list_put(c, &l, NULL), SST_OK);
	assert_int_equal(list_says(c, ca, 8), SST_EV_GOOD);
	assert_int_equal(sql_int(pki_path(w->dir, "renew/live.db"),
	    "SELECT max(id) FROM list"), 2);
	sst_cache_close(c);
	pki_free(ca);
	EVP_PKEY_free(key);
}

static void
a_list_too_large_for_the_cache_is_refused(void **state)
{
	const struct cache_world *w = *state;
	const int64_t rows[] = { 1, 2, 3 };
	struct sst_cache *c = cache_open_as(pki_path(w->dir, "small"), 1, 800, 0);
	struct sst_error err = { 0 };
	struct list l = { .ca = w->ca, .serials = rows, .n = 0 };

	assert_int_equal(list_put(c, &l, &err), SST_OK);
	l.n = 3;
	sst_cache_close(c);
	c = cache_open_as(pki_path(w->dir, "small"), 1, 300, 0);
	assert_int_equal(list_put(c, &l, &err), SST_E_LIMIT);
	assert_int_equal(err.code, SST_E_LIMIT);
	sst_cache_close(c);
}

static void
a_staging_that_was_left_is_swept(void **state)
{
	const struct cache_world *w = *state;
	const int64_t rows[] = { 1 };
	struct sst_cache *c = cache_open(pki_path(w->dir, "sweep"));

	assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows, .n = 1 },
	    NULL), SST_OK);
	cache_sql(pki_path(w->dir, "sweep/live.db"), "UPDATE list SET state=0");
	assert_int_equal(list_says(c, w->ca, 1), 0);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW + 3500, NULL), SST_OK);
	assert_int_equal(sql_int(pki_path(w->dir, "sweep/live.db"),
	    "SELECT count(*) FROM bucket"), 1);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW + 3700, NULL), SST_OK);
	assert_int_equal(sql_int(pki_path(w->dir, "sweep/live.db"),
	    "SELECT count(*) FROM bucket"), 0);
	assert_int_equal(sql_int(pki_path(w->dir, "sweep/live.db"),
	    "SELECT count(*) FROM issuer"), 0);
	sst_cache_close(c);
}

/* The level of the one piece that is known about a certificate. */
static int
level_of(struct sst_cache *c, const struct sst_cert_facts *f)
{
	struct sst_evidence list[8];
	struct sst_limits limits;

	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_cache_get(c, f, PKI_NOW, &limits, list, 8), 1);
	assert_int_equal(list[0].status, SST_EV_GOOD);
	return list[0].level;
}

/* Takes a list in that was judged at `level`, less the default. */
static void
list_put_at(struct sst_cache *c, const struct pki_cert *ca, const struct pki_buf *der, int level)
{
	const struct sst_crl_signers signers = { .issuer = ca->cert };
	struct sst_crl *crl = NULL;
	struct sst_limits limits;
	enum sst_fault fault;

	sst_limits_of(NULL, &limits);
	limits.security_level += level;
	assert_int_equal(sst_crl_open(der->data, der->len, &signers, PKI_NOW, &limits, &crl,
	    &fault, NULL), SST_OK);
	assert_int_equal(sst_cache_put_crl(c, crl, NULL, PKI_NOW, NULL), SST_OK);
	sst_crl_free(crl);
}

static void
rv_41_what_was_held_to_more_is_kept_so_until_something_newer_comes(void **state)
{
	static const int levels[] = { -2, 1, -2, 0, -1 }, kept[] = { -2, 1, 1, 1, 1 };
	const struct cache_world *w = *state;
	struct sst_cert_facts listed = listed_facts(w->ca, 1), answered = cert_facts(41, 1);
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = w->ca });
	struct sst_cache *c = cache_open(pki_path(w->dir, "41"));
	struct sst_evidence e = says(SST_EV_GOOD, -1, 3600);

	for (int i = 0; i < 5; i++) {
		list_put_at(c, w->ca, &der, levels[i]);
		assert_int_equal(level_of(c, &listed), kept[i]);
		e.level = levels[i];
		e.fetched_at++;
		assert_int_equal(cache_put(c, 41, 1, &e), SST_OK);
		assert_int_equal(level_of(c, &answered), kept[i]);
	}
	/* a stapled one is looked for before it is written */
	e.fetched_at = 0;
	e.level = 3;
	assert_int_equal(cache_put(c, 41, 1, &e), SST_OK);
	assert_int_equal(level_of(c, &answered), 3);
	e = says(SST_EV_GOOD, -1, 60);
	e.level = -2;
	assert_int_equal(cache_put(c, 41, 1, &e), SST_OK);
	assert_int_equal(level_of(c, &answered), -2);
	sst_cache_close(c);
	pki_buf_free(&der);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_58_59_a_serial_is_looked_up_in_its_issuers_list),
		cmocka_unit_test(rv_78_a_list_never_goes_back),
		cmocka_unit_test(rv_37_what_a_list_said_once_stays),
		cmocka_unit_test(rv_38_a_hold_of_a_list_is_lifted_by_the_next),
		cmocka_unit_test(rv_72_a_list_out_of_scope_revokes_and_never_clears),
		cmocka_unit_test(rv_100_a_damaged_bucket_says_nothing_and_heals),
		cmocka_unit_test(an_empty_bucket_is_not_a_damaged_one),
		cmocka_unit_test(a_list_that_is_there_is_renewed_and_not_rewritten),
		cmocka_unit_test(a_list_too_large_for_the_cache_is_refused),
		cmocka_unit_test(a_staging_that_was_left_is_swept),
		cmocka_unit_test(rv_41_what_was_held_to_more_is_kept_so_until_something_newer_comes),
	};

	return cmocka_run_group_tests(tests, cache_world_make, cache_world_free);
}
