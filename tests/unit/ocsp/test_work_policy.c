/* SPDX-License-Identifier: ISC */
/* Tests of work.c: what one policy, or one question about another time, leaves to
 * others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "make_work.h"

#define HOUR	((int64_t)3600)

static void
evidence_as_of_another_time_is_judged_by_that(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, NULL, "/ocsp");

	(void)state;
	atomic_store(&s->clock, PKI_NOW + 10000 * HOUR);
	s->judged_at = PKI_NOW;
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	s->judged_at = PKI_NOW - 1000 * HOUR;
	assert_int_equal(scene_fetch(s, cert).fault, SST_FAULT_CLOCK);
	scene_free(s);
}

/* rv_39: what somebody asks as of a time to come is no clock. */
static void
a_question_about_another_time_moves_no_clock(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *answered = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *listed = scene_cert(s, "/crl", NULL);

	(void)state;
	s->this_update = PKI_NOW - HOUR;
	s->next_update = PKI_NOW + 100 * HOUR;
	s->judged_at = PKI_NOW + 90 * HOUR;
	assert_int_equal(scene_fetch(s, answered).status, SST_EV_GOOD);
	assert_int_equal(sst_cache_seen(s->cache), PKI_NOW);
	assert_int_equal(scene_fetch(s, answered).fetched_at, PKI_NOW);
	assert_int_equal(scene_fetch(s, listed).fetched_at, PKI_NOW);
	assert_int_equal(sst_cache_seen(s->cache), PKI_NOW);
	scene_free(s);
}

/* And a source that failed is put off by the clock: asked again when its time has
 * come, and not before. */
static void
a_question_about_another_time_puts_nothing_off_till_then(void **state)
{
	static const struct { int status; const char *text; } wrong[] = {
		{ 503, NULL }, { 0, "<html>" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scene *s = scene_new(NULL);
		struct pki_cert *cert = scene_cert(s, "/crl", NULL);

		s->judged_at = PKI_NOW + 90 * HOUR;
		s->crl.status = wrong[i].status;
		s->crl_text = wrong[i].text;
		assert_int_equal(scene_fetch(s, cert).status, SST_EV_ERROR);
		s->crl.status = 0;
		s->crl_text = NULL;
		s->judged_at = 0;
		assert_int_equal(scene_fetch(s, cert).status, SST_EV_ERROR);
		assert_int_equal(responder_requests(s->r), 1);
		atomic_store(&s->clock, PKI_NOW + HOUR);
		assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
		scene_free(s);
	}
}

/* What is kept is too old for one policy and not for another: the first asks. */
static void
what_is_too_old_for_a_policy_is_fetched_again(void **state)
{
	static const char *const paths[] = { "/crl", "/ocsp" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct sst_revocation_policy young = { .max_age = 3600 };
		struct scene *s = scene_new(NULL);
		struct pki_cert *cert = scene_cert(s, i == 0 ? paths[0] : NULL,
		    i == 1 ? paths[1] : NULL);

		s->this_update = PKI_NOW - 2 * HOUR;
		s->next_update = PKI_NOW + 100 * HOUR;
		assert_int_equal(scene_fetch(s, cert).this_update, PKI_NOW - 2 * HOUR);
		s->this_update = PKI_NOW - HOUR / 2;
		s->number++;
		assert_int_equal(scene_fetch(s, cert).this_update, PKI_NOW - 2 * HOUR);
		assert_int_equal(responder_requests(s->r), 1);
		assert_int_equal(scene_fetch_as(s, cert, &young, 1).this_update,
		    PKI_NOW - HOUR / 2);
		assert_int_equal(responder_requests(s->r), 2);
		scene_free(s);
	}
}

/* A policy that takes weaker signatures keeps what they made for itself alone. */
static void
rv_41_what_was_held_to_a_lower_level_is_nothing_to_a_higher_one(void **state)
{
	const struct sst_revocation_policy low = { .security_level = -1 };
	const struct sst_revocation_policy fresh = { .security_level = -1,
	    .use_cache = SST_SWITCH_OFF };
	const struct sst_revocation_policy high = { .security_level = 3 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene *s = scene_new(NULL);
		struct pki_cert *cert = scene_cert(s, i == 0 ? "/crl" : NULL,
		    i == 1 ? "/ocsp" : NULL);

		s->sha1 = 1;
		s->this_update = PKI_NOW - HOUR;
		assert_int_equal(scene_fetch_as(s, cert, &low, 1).status, SST_EV_GOOD);
		assert_int_equal(scene_fetch_as(s, cert, &low, 1).status, SST_EV_GOOD);
		assert_int_equal(responder_requests(s->r), 1);
		assert_int_equal(scene_fetch(s, cert).fault, SST_FAULT_ALGORITHM);
		assert_int_equal(responder_requests(s->r), 2);
		/* the same answer with a signature that counts */
		s->sha1 = 0;
		atomic_store(&s->clock, PKI_NOW + HOUR);
		assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
		assert_int_equal(responder_requests(s->r), 3);
		/* and nobody who wants less makes less of it */
		assert_int_equal(scene_fetch_as(s, cert, &fresh, 1).status, SST_EV_GOOD);
		assert_int_equal(responder_requests(s->r), 4);
		assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
		assert_int_equal(responder_requests(s->r), 4);
		/* the level above: what is kept was not held to it */
		assert_int_equal(scene_fetch_as(s, cert, &high, 1).status, SST_EV_GOOD);
		assert_int_equal(responder_requests(s->r), 5);
		assert_int_equal(scene_fetch_as(s, cert, &high, 1).level, 1);
		assert_int_equal(responder_requests(s->r), 5);
		scene_free(s);
	}
}

/* A key for lists alone, whose certificate was revoked, signs nothing any more. */
static void
rv_67_a_fetched_list_of_a_revoked_signer_is_not_believed(void **state)
{
	const struct sst_evidence gone = { .source = SST_SOURCE_OCSP,
	    .status = SST_EV_REVOKED, .reason = -1, .this_update = PKI_NOW - HOUR,
	    .until = PKI_NOW + HOUR, .revoked_at = PKI_NOW - HOUR };

	(void)state;
	for (int revoked = 0; revoked < 2; revoked++) {
		struct scene *s = scene_new(NULL);
		struct pki_cert *cert = scene_cert(s, "/crl", NULL);
		const struct sst_cert_facts *facts;
		struct sst_evidence e;

		s->crl_signer = pki_issue(s->ca, &(struct pki_spec){ .cn = "CA",
		    .eku = "", .extra = "keyUsage = critical,cRLSign" });
		assert_int_equal(sst_facts_of(s->crl_signer->cert, s->ca->cert, &facts,
		    NULL), SST_OK);
		if (revoked)
			assert_int_equal(sst_cache_put(s->cache, &facts->key,
			    facts->not_after, &gone, NULL, 0, PKI_NOW, NULL), SST_OK);
		e = scene_fetch(s, cert);
		assert_int_equal(e.status, revoked ? SST_EV_ERROR : SST_EV_GOOD);
		assert_int_equal(e.fault, revoked ? SST_FAULT_SIGNATURE : SST_FAULT_NONE);
		pki_free(s->crl_signer);
		scene_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_as_of_another_time_is_judged_by_that),
		cmocka_unit_test(rv_67_a_fetched_list_of_a_revoked_signer_is_not_believed),
		cmocka_unit_test(what_is_too_old_for_a_policy_is_fetched_again),
		cmocka_unit_test(rv_41_what_was_held_to_a_lower_level_is_nothing_to_a_higher_one),
		cmocka_unit_test(a_question_about_another_time_moves_no_clock),
		cmocka_unit_test(a_question_about_another_time_puts_nothing_off_till_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
