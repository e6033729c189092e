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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
