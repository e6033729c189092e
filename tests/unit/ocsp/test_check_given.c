/* SPDX-License-Identifier: ISC */
/* Tests of a check: evidence that came along, and who may have signed it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_check.h"

/* rv_59: a list of another issuer says nothing, and does not hide one that does. */
static void
rv_59_a_list_of_another_issuer_has_no_effect(void **state)
{
	struct world *w = *state;
	struct pki_cert *other = pki_issue(w->root, &(struct pki_spec){ .cn = "Other", .ca = 1 });
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);

	give_list(k, other, w->leaf);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_HARD);
	give_list(k, other, w->leaf);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	k = check_of(w, SST_REVOCATION_HARD);
	give_list(k, other, NULL);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_ERROR);
	pki_free(other);
}

static void
rv_46_a_staple_for_another_certificate_is_none(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_staple(k, w->ca, MADE_GOOD);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_HARD);
	give_staple(k, w->leaf, MADE_GOOD);
	assert_int_equal(ends(k, 1).source, SST_SOURCE_STAPLE);
}

static void
rv_45_garbage_is_a_reason_and_no_answer(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);
	const char *const *lines;

	assert_int_equal(sst_check_staple(k, 0, "garbage", 7, NULL), SST_OK);
	assert_int_equal(sst_check_response(k, "", 0, NULL), SST_OK);
	assert_int_equal(sst_check_crl(k, "\x30\x00", 2, NULL), SST_OK);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_reasons(k, 0, &lines), 3);
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(lines[i], "malformed"));
	sst_check_free(k);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_staple(k, 0, "garbage", 7, NULL), SST_OK);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
}

static void
rv_49_a_staple_of_an_intermediate_counts_for_it_alone(void **state)
{
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD,
	    .hard_chain = SST_SWITCH_ON };
	const struct sst_revocation_policy staple = { .mode = SST_REVOCATION_STAPLE,
	    .use_cache = SST_SWITCH_OFF };
	struct world *w = *state;
	struct sst_check *k = check_with(w, w->chain, &hard);
	struct pki_buf der = response_of(w->ca, MADE_GOOD, PKI_NOW - HOUR);

	give_staple(k, w->leaf, MADE_GOOD);
	assert_int_equal(sst_check_staple(k, 1, der.data, der.len, NULL), SST_OK);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	k = check_with(w, w->chain, &staple);
	assert_int_equal(sst_check_staple(k, 1, der.data, der.len, NULL), SST_OK);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_SOFT);
	assert_int_equal(sst_check_staple(k, 2, der.data, der.len, NULL), SST_E_USAGE);
	assert_int_equal(sst_check_staple(k, -1, der.data, der.len, NULL), SST_E_USAGE);
	sst_check_free(k);
	pki_buf_free(&der);
}

static void
rv_48_must_staple_is_honoured_on_the_leaf_and_on_its_cas(void **state)
{
	static const char must[] = "tlsfeature = status_request\n";
	struct world *w = *state;

	/* which of the chain has it: the leaf, its CA, the anchor */
	for (int at = 0; at < 4; at++) {
		struct pki_cert *root = pki_issue(NULL, &(struct pki_spec){ .cn = "R", .ca = 1,
		    .extra = at == 2 ? must : NULL });
		struct pki_cert *ca = pki_issue(root, &(struct pki_spec){ .cn = "C", .ca = 1,
		    .extra = at == 1 ? must : NULL });
		struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .cn = "L",
		    .extra = at == 0 ? must : NULL });
		STACK_OF(X509) *chain = chain_of(leaf);
		struct sst_check *k = check_with(w, chain, NULL);
		struct sst_revocation_result r;

		give_list(k, ca, NULL);
		r = ends(k, at == 3);
		assert_int_equal(r.verdict, SST_VERDICT_GOOD);
		k = check_with(w, chain, NULL);
		give_staple(k, leaf, MADE_GOOD);
		assert_int_equal(ends(k, 1).source, SST_SOURCE_STAPLE);
		sk_X509_free(chain);
		pki_free(leaf);
		pki_free(ca);
		pki_free(root);
	}
}

/* rv_47 in full: the expired staple falls to the list, unless one is wanted. */
static void
rv_47_an_expired_staple_falls_to_the_list(void **state)
{
	struct world *w = *state;
	struct pki_buf old = response_of(w->leaf, MADE_GOOD, PKI_NOW - 9 * PKI_DAY);
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	assert_int_equal(sst_check_staple(k, 0, old.data, old.len, NULL), SST_OK);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_STALE);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_staple(k, 0, old.data, old.len, NULL), SST_OK);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).source, SST_SOURCE_CRL);
	k = check_of(w, SST_REVOCATION_STAPLE);
	assert_int_equal(sst_check_staple(k, 0, old.data, old.len, NULL), SST_OK);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_GOOD);
	pki_buf_free(&old);
}

/* A staple is kept: the next connection, or a resumed one, brings none. */
static void
rv_51_what_a_staple_said_is_known_to_the_next_check(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);
	const struct sst_revocation_policy alone = { .mode = SST_REVOCATION_HARD,
	    .use_cache = SST_SWITCH_OFF };
	struct sst_revocation_result r;

	give_staple(k, w->leaf, MADE_GOOD);
	(void)ends(k, 1);
	r = ends(check_of(w, SST_REVOCATION_HARD), 1);
	assert_int_equal(r.from_cache, 1);
	assert_int_equal(ends(check_with(w, w->chain, &alone), 0).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_staple(k, w->leaf, MADE_REVOKED);
	(void)ends(k, 0);
	/* rv_50, rv_37: and from then on */
	assert_int_equal(ends(check_of(w, SST_REVOCATION_SOFT), 0).verdict,
	    SST_VERDICT_REVOKED);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_staple(k, w->leaf, MADE_GOOD);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_REVOKED);
}

/* The same staple, held to what each policy wants. */
static void
rv_41_what_one_policy_knows_another_learns_at_its_own_level(void **state)
{
	const struct sst_revocation_policy low = { .mode = SST_REVOCATION_HARD,
	    .security_level = -1 };
	struct world *w = *state;
	struct sst_check *k = check_with(w, w->chain, &low);

	give_staple(k, w->leaf, MADE_GOOD);
	(void)ends(k, 1);
	assert_int_equal(ends(check_with(w, w->chain, &low), 1).from_cache, 1);
	assert_int_equal(ends(check_of(w, SST_REVOCATION_HARD), 0).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_HARD);
	give_staple(k, w->leaf, MADE_GOOD);
	(void)ends(k, 1);
	assert_int_equal(ends(check_of(w, SST_REVOCATION_HARD), 1).from_cache, 1);
}

static void
evidence_from_a_file_stays_with_its_check(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_list(k, w->ca, NULL);
	give_response(k, w->leaf, MADE_GOOD);
	(void)ends(k, 1);
	assert_int_equal(ends(check_of(w, SST_REVOCATION_HARD), 0).verdict,
	    SST_VERDICT_ERROR);
}

static void
staples_that_are_switched_off_are_not_looked_at(void **state)
{
	const struct sst_revocation_policy off = { .mode = SST_REVOCATION_SOFT,
	    .use_staples = SST_SWITCH_OFF };
	struct world *w = *state;
	struct sst_check *k = check_with(w, w->chain, &off);

	give_staple(k, w->leaf, MADE_GOOD);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_ERROR);
	assert_int_equal(ends(check_of(w, SST_REVOCATION_HARD), 0).verdict,
	    SST_VERDICT_ERROR);
}

/* rv_9: with the delegate's own revocation in the cache. */
static void
rv_09_a_delegate_that_is_known_to_be_revoked_signs_nothing(void **state)
{
	struct world *w = *state;
	struct pki_cert *signer = pki_issue(w->ca, &(struct pki_spec){ .cn = "OCSP",
	    .eku = "OCSPSigning" });
	STACK_OF(X509) *chain = chain_of(signer);
	struct pki_buf der = { 0 };
	struct sst_check *k;

	make_response(&(struct made_response){ .signer = signer, .certs = { signer },
	    .singles = { { .cert = w->leaf } } }, &der);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	/* its revocation comes to be known, and is kept */
	k = check_with(w, chain, NULL);
	give_staple(k, signer, MADE_REVOKED);
	(void)ends(k, 0);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_ERROR);
	pki_buf_free(&der);
	sk_X509_free(chain);
	pki_free(signer);
}

/* rv_67: a CRL signer that is not in the chain. */
static void
rv_67_a_list_may_be_signed_by_another_key_of_the_ca(void **state)
{
	struct world *w = *state;
	struct pki_cert *signer = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .key_usage = "cRLSign" });
	STACK_OF(X509) *others = sk_X509_new_null();
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	assert_true(sk_X509_push(others, signer->cert) > 0);
	give_list(k, signer, NULL);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_ERROR);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_others(k, others, NULL), SST_OK);
	assert_int_equal(sst_check_others(k, NULL, NULL), SST_OK);
	give_list(k, signer, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	sk_X509_free(others);
	pki_free(signer);
}

/* PKITS 4.4.21: and it does not matter which of the lists comes first. */
static void
rv_67_a_key_for_lists_that_a_list_revokes_signs_nothing(void **state)
{
	const struct sst_revocation_policy alone = { .mode = SST_REVOCATION_HARD,
	    .use_cache = SST_SWITCH_OFF };
	struct world *w = *state;
	struct pki_cert *signer = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .key_usage = "cRLSign" });
	STACK_OF(X509) *others = sk_X509_new_null();

	assert_true(sk_X509_push(others, signer->cert) > 0);
	/* which is revoked: nobody, the signer; first, last */
	for (int way = 0; way < 4; way++) {
		struct sst_check *k = check_with(w, w->chain, &alone);
		const struct pki_cert *revoked = way & 1 ? signer : NULL;

		assert_int_equal(sst_check_others(k, others, NULL), SST_OK);
		if (way < 2)
			give_list(k, w->root, revoked);
		give_list(k, signer, NULL);
		if (way >= 2)
			give_list(k, w->root, revoked);
		assert_int_equal(ends(k, revoked == NULL).verdict, revoked == NULL ?
		    SST_VERDICT_GOOD : SST_VERDICT_ERROR);
	}
	/* a list that the CA's own key signed stays */
	{
		struct sst_check *k = check_with(w, w->chain, &alone);

		assert_int_equal(sst_check_others(k, others, NULL), SST_OK);
		give_list(k, w->ca, NULL);
		give_list(k, signer, NULL);
		give_list(k, w->root, signer);
		assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	}
	sk_X509_free(others);
	pki_free(signer);
}

static void
rv_09_a_list_that_comes_later_takes_a_delegates_word_back(void **state)
{
	const struct sst_revocation_policy alone = { .mode = SST_REVOCATION_SOFT,
	    .use_cache = SST_SWITCH_OFF, .use_crls = SST_SWITCH_OFF };
	struct world *w = *state;
	struct pki_cert *signer = pki_issue(w->ca, &(struct pki_spec){ .cn = "OCSP",
	    .eku = "OCSPSigning" });
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = signer, .certs = { signer },
	    .singles = { { .cert = w->leaf } } }, &der);
	for (int revoked = 0; revoked < 2; revoked++) {
		struct sst_check *k = check_with(w, w->chain, &alone);

		assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
		give_list(k, w->ca, revoked ? signer : w->ca);
		assert_int_equal(ends(k, 1).verdict, revoked ? SST_VERDICT_ERROR :
		    SST_VERDICT_GOOD);
	}
	pki_buf_free(&der);
	pki_free(signer);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(rv_59_a_list_of_another_issuer_has_no_effect),
		T(rv_46_a_staple_for_another_certificate_is_none),
		T(rv_45_garbage_is_a_reason_and_no_answer),
		T(rv_49_a_staple_of_an_intermediate_counts_for_it_alone),
		T(rv_48_must_staple_is_honoured_on_the_leaf_and_on_its_cas),
		T(rv_47_an_expired_staple_falls_to_the_list),
		T(rv_51_what_a_staple_said_is_known_to_the_next_check),
		T(rv_41_what_one_policy_knows_another_learns_at_its_own_level),
		T(evidence_from_a_file_stays_with_its_check),
		T(staples_that_are_switched_off_are_not_looked_at),
		T(rv_09_a_delegate_that_is_known_to_be_revoked_signs_nothing),
		T(rv_67_a_list_may_be_signed_by_another_key_of_the_ca),
		T(rv_67_a_key_for_lists_that_a_list_revokes_signs_nothing),
		T(rv_09_a_list_that_comes_later_takes_a_delegates_word_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
