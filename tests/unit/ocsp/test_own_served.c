/* SPDX-License-Identifier: ISC */
/* Tests of own.c and own_sync.c: what comes while all are gone through, what comes back,
 * what there is no memory for, and when the next step is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/own_inside.h"
#include "support/starve.h"
#include "world_own.h"

#define SLEEP_S	60	/* when there is nothing to do */

static int
knows(struct world *w, const struct pki_cert *c)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	return sst_own_knows(w->own, leaf);
}

static void
drop(struct world *w, const struct pki_cert *c)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	sst_own_drop(w->own, leaf);
}

static void
what_comes_while_all_are_gone_through_stays(void **state)
{
	struct world *w = *state;
	struct pki_cert *before = issue(w, ""), *meanwhile = issue(w, "");

	for (int i = 0; i < 2; i++) {
		add(w, before);
		sst_own_sync_begin(w->own);
		add(w, meanwhile);
		sst_own_sync_end(w->own, NULL, NULL);
		assert_true(knows(w, meanwhile));
		assert_false(knows(w, before));
		/* once as new, and once as known */
	}
}

static int
has_all(void *arg, const uint8_t leaf[32])
{
	(void)arg;
	(void)leaf;
	return 1;
}

/* It left and came back between two looks. */
static void
what_was_dropped_and_is_there_all_the_same_is_seen_to_again(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "");

	for (int back = 0; back < 2; back++) {
		add(w, c);
		drop(w, c);
		assert_false(knows(w, c));
		sst_own_sync_begin(w->own);
		sst_own_sync_end(w->own, back ? has_all : NULL, NULL);
		assert_int_equal(knows(w, c), back);
	}
}

/* What nobody knows is neither dropped nor back. */
static void
of_what_was_never_there_nothing_is_known(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, ""), *stranger = issue(w, "");
	uint8_t leaf[32];

	add(w, c);
	drop(w, stranger);
	pki_digest(stranger, leaf);
	assert_int_equal(sst_own_again(w->own, leaf), 0);
	assert_false(knows(w, stranger));
	assert_false(sst_own_is_pending(w->own, leaf));
	pki_digest(c, leaf);
	assert_int_equal(sst_own_again(w->own, leaf), 1);
	drop(w, c);
	assert_int_equal(sst_own_again(w->own, leaf), 2);
	assert_true(knows(w, c));
}

/* Who shows none asks nobody for one, and gives out none that the cache has. */
static void
who_shows_no_staples_asks_for_none(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");
	uint8_t leaf[32];
	int asked = 0;

	pki_digest(c, leaf);
	for (int silent = 0; silent < 2; silent++) {
		close_own(w);
		open_own(w, &(struct sst_own_config){ .no_staples = silent });
		/* nor when it comes back */
		for (int back = 0; back < 2; back++) {
			add(w, c);
			assert_int_equal(sst_own_is_pending(w->own, leaf), !silent && !back);
			settle(w);
			assert_int_equal(has_staple(w, c, NULL), !silent);
			assert_int_equal(w->asked[0] > asked, !silent);
			drop(w, c);
		}
		asked = w->asked[0];
	}
}

static void
a_step_says_when_the_next_is_due(void **state)
{
	struct world *w = *state;

	sst_own_sync_begin(w->own);
	assert_int_equal(sst_own_step(w->own), SLEEP_S);
	for (int i = 0; i <= SST_OWN_AT_ONCE; i++) {
		struct pki_cert *c = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });

		add(w, c);
		pki_free(c);
	}
	/* more than one step works on: at once */
	assert_int_equal(sst_own_step(w->own), 0);
	/* what the one after leaves is under way, or done */
	assert_true(sst_own_step(w->own) > 0);
	settle(w);
	assert_int_equal(sst_own_step(w->own), SLEEP_S);
}

/* It is there, or that is an error; and there is room for it the next time. */
static void
what_there_is_no_memory_for_is_an_error_and_not_half_there(void **state)
{
	struct world *w = *state;
	STACK_OF(X509) *above = sk_X509_new_null();
	int failed = 0;

	(void)sk_X509_push(above, w->ca->cert);
	/* what is open is not opened */
	sst_own_sync_begin(w->own);
	for (int n = 1, hit = 1; hit; n++) {
		struct pki_cert *c = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });
		struct sst_error err = { .code = SST_OK };
		const size_t before = w->own->n;
		int rc;

		starve_arm(n, STARVE_OURS);
		rc = sst_own_add(w->own, c->cert, above, &err);
		hit = starve_over();
		assert_int_equal(w->own->n, before + (size_t)knows(w, c));
		if (!hit)
			assert_true(rc == SST_OK && knows(w, c));
		if (rc < 0)
			assert_true(err.code == rc && err.text[0] != '\0');
		failed += rc == SST_E_NOMEM && !knows(w, c);
		assert_int_equal(sst_own_add(w->own, c->cert, above, NULL), SST_OK);
		assert_true(knows(w, c));
		pki_free(c);
	}
	assert_true(failed > 0);
	sk_X509_free(above);
}

#define CROWD	(SST_OWN_BUCKETS + 1)	/* the last of them needs a larger table */

/* A table that cannot grow has them all the same. */
static void
where_there_is_no_memory_for_a_larger_table_all_are_found(void **state)
{
	struct world *w = *state;
	struct pki_cert *crowd[CROWD];
	int kept_small = 0;

	for (int i = 0; i < CROWD; i++)
		crowd[i] = pki_issue(w->ca, &(struct pki_spec){ .san = "www.example",
		    .use_key = w->ca->key });
	for (int n = 1, hit = 1; hit; n++) {
		STACK_OF(X509) *above = sk_X509_new_null();

		close_own(w);
		open_own(w, NULL);
		sst_own_sync_begin(w->own);
		for (int i = 0; i < CROWD - 1; i++)
			add(w, crowd[i]);
		assert_int_equal(w->own->n_buckets, SST_OWN_BUCKETS);
		(void)sk_X509_push(above, w->ca->cert);
		starve_arm(n, STARVE_OURS);
		(void)sst_own_add(w->own, crowd[CROWD - 1]->cert, above, NULL);
		hit = starve_over();
		kept_small += w->own->n == CROWD && w->own->n_buckets == SST_OWN_BUCKETS;
		for (int i = 0; i < CROWD - 1; i++)
			assert_true(knows(w, crowd[i]));
		assert_int_equal(w->own->n, CROWD - 1 + knows(w, crowd[CROWD - 1]));
		sk_X509_free(above);
	}
	assert_true(kept_small > 0);
	assert_int_equal(w->own->n_buckets, 2 * SST_OWN_BUCKETS);
	for (int i = 0; i < CROWD; i++)
		pki_free(crowd[i]);
}

/* And its buckets are used, all of them. */
static void
the_table_tells_every_octet_apart(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "");
	const size_t many = 1500;
	size_t used = 0;
	uint8_t leaf[32];

	add(w, c);
	pki_digest(c, leaf);
	for (int i = 0; i < 32; i++) {
		leaf[i] ^= 1;
		assert_false(sst_own_knows(w->own, leaf));
		assert_int_equal(sst_own_again(w->own, leaf), 0);
		leaf[i] ^= 1;
	}
	assert_true(sst_own_knows(w->own, leaf));
	while (w->own->n < many) {
		struct pki_cert *other = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });

		add(w, other);
		pki_free(other);
	}
	for (size_t i = 0; i < w->own->n_buckets; i++)
		used += w->own->buckets[i] != NULL;
	assert_int_equal(w->own->n_buckets, 2048);
	/* 1,060 are to be expected, and 790 of every second one */
	assert_in_range(used, 930, many);
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(what_comes_while_all_are_gone_through_stays),
		EACH(what_was_dropped_and_is_there_all_the_same_is_seen_to_again),
		EACH(of_what_was_never_there_nothing_is_known),
		EACH(who_shows_no_staples_asks_for_none),
		EACH(a_step_says_when_the_next_is_due),
		EACH(what_there_is_no_memory_for_is_an_error_and_not_half_there),
		EACH(where_there_is_no_memory_for_a_larger_table_all_are_found),
		EACH(the_table_tells_every_octet_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
