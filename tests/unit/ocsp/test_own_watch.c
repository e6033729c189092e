/* SPDX-License-Identifier: ISC */
/* Tests of own.c: certificates of our own that are revoked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ocsp/own_inside.h"
#include "world_own.h"

static void
a_list_revokes_what_names_no_responder(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c"), *other = issue(w, "c");
	uint8_t leaf[32];

	w->says[0].life = w->says[1].life = HOUR;
	add(w, c);
	add(w, other);
	settle(w);
	assert_int_equal(w->n_words, 0);
	assert_false(is_revoked(w, c));
	w->says[0].listed = 1;
	go(w, 2 * HOUR);
	assert_int_equal(w->n_words, 1);
	assert_true(is_revoked(w, c));
	assert_false(is_revoked(w, other));
	pki_digest(c, leaf);
	assert_memory_equal(w->leaf, leaf, 32);
	assert_int_equal(w->revoked, 1);
	assert_int_equal(w->reason, 1);
	assert_int_equal(w->source, SST_SOURCE_CRL);
	assert_int_equal(w->revoked_at, PKI_NOW + 2 * HOUR - HOUR);
	assert_non_null(strstr(w->text, "keyCompromise"));
	/* it is said once */
	go(w, HOUR);
	assert_int_equal(w->n_words, 1);
}

static void
what_comes_back_is_looked_at_again(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	w->says[0].life = HOUR;
	add(w, c);
	settle(w);
	assert_false(is_revoked(w, c));
	sst_own_sync_begin(w->own);
	sst_own_sync_end(w->own, NULL, NULL);
	w->says[0].listed = 1;
	atomic_fetch_add(&wall, 2 * HOUR);
	add(w, c);
	settle(w);
	assert_true(is_revoked(w, c));
}

/* A peer may be let in unasked; who serves wants to know. */
static void
whatever_the_policy_for_peers_is_our_own_are_watched(void **state)
{
	static const struct sst_revocation_policy off = { .mode = SST_REVOCATION_OFF };
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	close_own(w);
	open_own(w, &(struct sst_own_config){ .policy = &off });
	w->says[0].listed = 1;
	add(w, c);
	settle(w);
	assert_true(is_revoked(w, c));
}

static void
a_hold_is_taken_back_when_a_list_lifts_it(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	w->says[0].life = HOUR;
	w->says[0].listed = 2;
	add(w, c);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->reason, 6);
	/* nobody says anything newer */
	w->says[0].http = 500;
	go(w, 2 * HOUR);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->n_words, 1);
	w->says[0].http = 0;
	w->says[0].listed = 0;
	go(w, 2 * HOUR);
	assert_false(is_revoked(w, c));
	assert_int_equal(w->n_words, 2);
	assert_int_equal(w->revoked, 0);
}

static void
a_certificate_is_revoked_with_its_ca(void **state)
{
	struct world *w = *state;
	struct pki_cert *ca = pki_issue(w->root, &(struct pki_spec){ .cn = "Listed CA",
	    .ca = 1, .crl = responder_url(w->r, "/r0") });
	struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .san = "www.example" });
	STACK_OF(X509) *above = sk_X509_new_null();

	w->cert[0] = ca;
	w->n = 1;
	w->says[0].life = HOUR;
	(void)sk_X509_push(above, ca->cert);
	(void)sk_X509_push(above, w->root->cert);
	assert_int_equal(sst_own_add(w->own, leaf->cert, above, NULL), SST_OK);
	settle(w);
	assert_false(is_revoked(w, leaf));
	w->says[0].listed = 1;
	go(w, 2 * HOUR);
	assert_true(is_revoked(w, leaf));
	assert_non_null(strstr(w->text, "Listed CA"));
	sk_X509_free(above);
	pki_free(leaf);
}

static void
a_responder_that_says_revoked_ends_the_staple(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");

	add(w, c);
	settle(w);
	assert_true(has_staple(w, c, NULL));
	w->says[0].status = MADE_REVOKED;
	/* the staple would be good for hours yet */
	go(w, PKI_DAY * 2 / 3);
	assert_int_equal(w->n_words, 1);
	assert_int_equal(w->revoked, 1);
	assert_int_equal(w->source, SST_SOURCE_OCSP);
	assert_true(is_revoked(w, c));
	assert_false(has_staple(w, c, NULL));
}

static void
a_list_and_a_responder_that_differ_are_both_heard(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc"), *other = issue(w, "oc");

	/* the responder has not heard of it yet */
	w->says[0].listed = 1;
	add(w, c);
	add(w, other);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_false(has_staple(w, c, NULL));
	assert_false(is_revoked(w, other));
	assert_true(has_staple(w, other, NULL));
	assert_int_equal(w->n_words, 1);
}

static void
without_staples_they_are_watched_alone(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc");

	close_own(w);
	open_own(w, &(struct sst_own_config){ .no_staples = 1 });
	w->says[0].listed = 1;
	add(w, c);
	assert_int_equal(sst_own_pending(w->own), 0);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->asked[0], 0);
}

/* What a handshake waits for evidence is for handshakes. */
static void
a_source_that_is_slow_is_heard_at_this_look(void **state)
{
	const struct sst_revocation_policy hasty = { .budget_ms = 1 };
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	close_own(w);
	open_own(w, &(struct sst_own_config){ .policy = &hasty });
	w->says[0].listed = 1;
	responder_hold(w->r);
	add(w, c);
	while (sst_own_step(w->own) == 0)
		continue;
	responder_wait(w->r, 1);
	(void)nanosleep(&pause, NULL);
	responder_let_go(w->r);
	settle(w);
	assert_true(is_revoked(w, c));
}

/* A response from elsewhere says that it is revoked. */
static void
learn_revoked(struct world *w, const struct pki_cert *c, time_t from)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct sst_check *k = NULL;
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = w->ca, .produced_at = from,
	    .singles = { { .cert = c, .status = MADE_REVOKED, .this_update = from,
	    .revoked_at = from, .next_update = from + PKI_DAY } } }, &der);
	for (const struct pki_cert *i = c; i != NULL; i = i->issuer)
		(void)sk_X509_push(chain, i->cert);
	assert_int_equal(sst_check_new(w->checker, NULL, chain, &k, NULL), SST_OK);
	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	sst_check_free(k);
	sk_X509_free(chain);
	pki_buf_free(&der);
}

/* It was an hour fast when something was fresh, and is set right. */
static void
rv_39_after_a_step_back_of_the_clock_they_are_looked_at_as_well(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	w->says[0].this_update = PKI_NOW - 3 * HOUR;
	add(w, c);
	settle(w);
	atomic_fetch_sub(&wall, HOUR);
	learn_revoked(w, c, PKI_NOW - 2 * HOUR);
	/* by the clock the next look is due, but only half of that has gone by */
	atomic_fetch_add(&wall, 90);
	atomic_fetch_add(&wall_ahead, 90 * 1000);
	settle(w);
	assert_int_equal(w->n_words, 0);
	atomic_fetch_add(&wall, 90);
	atomic_fetch_add(&wall_ahead, 90 * 1000);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->n_words, 1);
}

/* Both ways; and what was heard is said no more. */
static void
what_could_not_be_done_is_told_again(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	w->says[0].life = HOUR;
	add(w, c);
	settle(w);
	for (int listed = 2; listed >= 0; listed -= 2) {
		const int before = w->n_words;

		w->says[0].listed = listed;
		w->deaf = 1;
		go(w, 2 * HOUR);
		assert_int_equal(is_revoked(w, c), listed == 0);
		assert_int_equal(w->n_words, before + 1);
		go(w, 100);
		assert_int_equal(w->n_words, before + 2);
		w->deaf = 0;
		for (int i = 0; i < 2; i++) {
			go(w, 100);
			assert_int_equal(is_revoked(w, c), listed != 0);
			assert_int_equal(w->n_words, before + 3);
		}
	}
}

/* Where there are many each is looked at more seldom, and not all in one second. */
static void
the_next_look_depends_on_how_many_there_are(void **state)
{
	struct world *w = *state;
	struct pki_cert *c[2] = { issue(w, ""), issue(w, "") };
	const struct sst_own_cert *e;
	int64_t at[2], many;
	uint8_t leaf[32];

	for (int i = 0; i < 2; i++) {
		pki_digest(c[i], leaf);
		add(w, c[i]);
		settle(w);
		for (size_t k = 0; k < w->own->n_buckets; k++)
			for (e = w->own->buckets[k]; e != NULL; e = e->next)
				if (memcmp(e->leaf, leaf, 32) == 0)
					at[i] = e->look_at;
		assert_int_equal(at[i], PKI_NOW + 60 + (leaf[2] << 8 | leaf[3]) % 15);
	}
	for (int i = 0; i < 998; i++) {
		struct pki_cert *more = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });

		add(w, more);
		pki_free(more);
	}
	go(w, 100);
	many = 60 + 1000 / 64;
	for (size_t k = 0; k < w->own->n_buckets; k++)
		for (e = w->own->buckets[k]; e != NULL; e = e->next)
			assert_int_equal(e->look_at, PKI_NOW + 100 + many +
			    (e->leaf[2] << 8 | e->leaf[3]) % (many / 4));
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_list_revokes_what_names_no_responder),
		EACH(what_comes_back_is_looked_at_again),
		EACH(whatever_the_policy_for_peers_is_our_own_are_watched),
		EACH(a_hold_is_taken_back_when_a_list_lifts_it),
		EACH(a_certificate_is_revoked_with_its_ca),
		EACH(a_responder_that_says_revoked_ends_the_staple),
		EACH(a_list_and_a_responder_that_differ_are_both_heard),
		EACH(without_staples_they_are_watched_alone),
		EACH(a_source_that_is_slow_is_heard_at_this_look),
		EACH(rv_39_after_a_step_back_of_the_clock_they_are_looked_at_as_well),
		EACH(what_could_not_be_done_is_told_again),
		EACH(the_next_look_depends_on_how_many_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
