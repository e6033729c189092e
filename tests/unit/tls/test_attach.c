/* SPDX-License-Identifier: ISC */
/* attach - a client's SSL_CTX with a checker: the hook, the modes, the call after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "duo.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static const struct sst_openssl_check soft;
static const struct sst_openssl_check hard = { .policy.mode = SST_REVOCATION_HARD };
static const struct sst_openssl_check staple_wanted = {
	.policy.mode = SST_REVOCATION_STAPLE };
static const struct sst_openssl_check waits = { .mode = SST_OPENSSL_WAIT,
	.wait_ms = 20000 };
static const struct sst_openssl_check musts = { .mode = SST_OPENSSL_MUST,
	.wait_ms = 20000 };
static const struct sst_openssl_check musts_staple = { .mode = SST_OPENSSL_MUST,
	.wait_ms = 20000, .policy.mode = SST_REVOCATION_STAPLE };

static void
a_good_staple_is_accepted_and_told(void **state)
{
	const struct sst_revocation_result *leaf;
	struct pki_buf staple;
	struct duo_scene s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		staple = duo_response(w.mid, w.www, MADE_GOOD);
		duo_scene(&s, &staple_wanted, w.www, &staple, versions[i]);
		duo_scene_accepted(&s);
		leaf = sst_openssl_result(s.d.client, 0);
		assert_non_null(leaf);
		assert_int_equal(leaf->verdict, SST_VERDICT_GOOD);
		assert_int_equal(leaf->source, SST_SOURCE_STAPLE);
		assert_int_equal(leaf->this_update, w.now - PKI_DAY);
		assert_int_equal(sst_openssl_result(s.d.client, 1)->verdict,
		    SST_VERDICT_NO_SOURCE);
		assert_null(sst_openssl_result(s.d.client, 2));	/* the anchor */
		assert_null(sst_openssl_result(s.d.client, -1));
		duo_scene_over(&s);
		duo_scene(&s, &staple_wanted, w.other, NULL, versions[i]);
		duo_scene_refused(&s, "staple");
		duo_scene_over(&s);
	}
}

static void
rv_50_a_staple_that_says_revoked_ends_the_handshake(void **state)
{
	struct pki_buf staple;
	struct duo_scene s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		staple = duo_response(w.mid, w.www, MADE_REVOKED);
		duo_scene(&s, &soft, w.www, &staple, versions[i]);
		duo_scene_refused(&s, "revoked");
		assert_int_equal(sst_openssl_result(s.d.client, 0)->verdict,
		    SST_VERDICT_REVOKED);
		duo_scene_over(&s);
		staple = duo_response(w.mid, w.other, MADE_GOOD);
		duo_scene(&s, &soft, w.other, &staple, versions[i]);
		duo_scene_accepted(&s);
		duo_scene_over(&s);
	}
}

static void
rv_45_garbage_for_a_staple_ends_the_handshake(void **state)
{
	const struct sst_openssl_check deaf = {
	    .policy.use_staples = SST_SWITCH_OFF };
	struct pki_buf staple;
	struct duo_scene s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		staple = (struct pki_buf){ 0 };
		pki_put_text(&staple, "\x30\x03 no response");
		duo_scene(&s, &soft, w.www, &staple, versions[i]);
		duo_scene_refused(&s, "no OCSP response");
		duo_scene_over(&s);
		/* a good one, and an octet more */
		staple = duo_response(w.mid, w.www, MADE_GOOD);
		pki_put(&staple, "", 1);
		duo_scene(&s, &soft, w.www, &staple, versions[i]);
		duo_scene_refused(&s, "no OCSP response");
		duo_scene_over(&s);
		/* whoever wants no staples reads none */
		staple = duo_response(w.mid, w.www, MADE_GOOD);
		pki_put(&staple, "", 1);
		duo_scene(&s, &deaf, w.www, &staple, versions[i]);
		duo_scene_accepted(&s);
		duo_scene_over(&s);
	}
}

static void
rv_46_a_staple_for_another_certificate_counts_for_nothing(void **state)
{
	struct pki_buf staple = duo_response(w.mid, w.other, MADE_GOOD);
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &hard, w.www, &staple, 0);
	duo_scene_refused(&s, "refused");
	duo_scene_over(&s);
	staple = duo_response(w.mid, w.other, MADE_REVOKED);
	duo_scene(&s, &soft, w.www, &staple, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	/* nor does one that the chain's other CA signed */
	staple = duo_response(w.root, w.www, MADE_REVOKED);
	duo_scene(&s, &soft, w.www, &staple, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
}

static void
rv_47_an_expired_staple_is_no_staple(void **state)
{
	struct pki_buf staple;
	struct duo_scene s;

	(void)state;
	staple = duo_response_of(w.mid, w.www, MADE_GOOD, w.now - 3 * PKI_DAY,
	    w.now - PKI_DAY);
	duo_scene(&s, &hard, w.www, &staple, 0);
	duo_scene_refused(&s, "refused");
	assert_int_equal(sst_openssl_result(s.d.client, 0)->verdict, SST_VERDICT_STALE);
	duo_scene_over(&s);
	staple = duo_response(w.mid, w.www, MADE_GOOD);
	duo_scene(&s, &hard, w.www, &staple, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
}

static void
rv_48_who_demands_a_staple_must_show_one(void **state)
{
	struct pki_buf staple = duo_response(w.mid, w.must, MADE_GOOD);
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &soft, w.must, NULL, 0);
	duo_scene_refused(&s, "staple");
	duo_scene_over(&s);
	duo_scene(&s, &soft, w.must, &staple, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
}

static void
cache_only_uses_no_network(void **state)
{
	struct duo_scene s;

	(void)state;
	w.revoked = w.listed;
	duo_scene(&s, &soft, w.listed, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	duo_scene(&s, &hard, w.listed, NULL, 0);
	duo_scene_refused(&s, "refused");
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 0);
	/* what somebody else has fetched it knows */
	duo_scene(&s, &waits, w.listed, NULL, 0);
	duo_scene_refused(&s, "revoked");
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 1);
	duo_scene(&s, &soft, w.listed, NULL, 0);
	duo_scene_refused(&s, "revoked");
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 1);
}

static void
wait_fetches_once_and_keeps_it(void **state)
{
	const struct sst_openssl_check offline = { .mode = SST_OPENSSL_WAIT,
	    .wait_ms = 20000, .policy.fetch = SST_SWITCH_OFF };
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &offline, w.listed, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 0);
	for (int i = 0; i < 4; i++) {
		duo_scene(&s, &waits, w.listed, NULL, versions[i % 2]);
		duo_scene_accepted(&s);
		assert_int_equal(sst_openssl_result(s.d.client, 0)->verdict,
		    SST_VERDICT_GOOD);
		assert_int_equal(sst_openssl_result(s.d.client, 0)->source,
		    SST_SOURCE_CRL);
		duo_scene_over(&s);
		assert_int_equal(duo_requests(), 1);
	}
	/* hard and warm, from the cache alone */
	duo_scene(&s, &hard, w.listed, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 1);
}

static void
wait_refuses_what_the_list_has(void **state)
{
	struct duo_scene s;

	(void)state;
	w.revoked = w.listed;
	for (int i = 0; i < 2; i++) {
		duo_scene(&s, &waits, w.listed, NULL, versions[i]);
		duo_scene_refused(&s, "revoked");
		duo_scene_over(&s);
	}
	assert_int_equal(duo_requests(), 1);
}

static void
must_refuses_without_evidence(void **state)
{
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &musts, w.www, NULL, 0);
	duo_scene_refused(&s, "refused");
	duo_scene_over(&s);
	duo_scene(&s, &waits, w.www, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	duo_scene(&s, &musts, w.listed, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	/* a stricter policy stays as strict */
	duo_scene(&s, &musts_staple, w.listed, NULL, 0);
	duo_scene_refused(&s, "staple");
	duo_scene_over(&s);
	assert_int_equal(duo_requests(), 1);
}

static void
a_wait_ends_when_its_time_is_over(void **state)
{
	const struct sst_openssl_check brief = { .mode = SST_OPENSSL_WAIT, .wait_ms = 50 };
	const struct sst_openssl_check brief_must = { .mode = SST_OPENSSL_MUST,
	    .wait_ms = 50 };
	const int64_t before = sst_clock_ms();
	struct duo_scene s;

	(void)state;
	responder_hold(w.lists);
	duo_scene(&s, &brief_must, w.listed, NULL, 0);
	duo_scene_refused(&s, "refused");
	duo_scene_over(&s);
	duo_scene(&s, &brief, w.listed, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
	assert_true(sst_clock_ms() - before < 2500);	/* not the policy's own 3 s */
	responder_let_go(w.lists);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, duo_setup, duo_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_good_staple_is_accepted_and_told),
		EACH(rv_50_a_staple_that_says_revoked_ends_the_handshake),
		EACH(rv_45_garbage_for_a_staple_ends_the_handshake),
		EACH(rv_46_a_staple_for_another_certificate_counts_for_nothing),
		EACH(rv_47_an_expired_staple_is_no_staple),
		EACH(rv_48_who_demands_a_staple_must_show_one),
		EACH(cache_only_uses_no_network),
		EACH(wait_fetches_once_and_keeps_it),
		EACH(wait_refuses_what_the_list_has),
		EACH(must_refuses_without_evidence),
		EACH(a_wait_ends_when_its_time_is_over),
	};

	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
