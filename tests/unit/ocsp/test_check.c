/* SPDX-License-Identifier: ISC */
/* Tests of a check: a chain, its verdicts, and what is said of them. Nothing is
 * fetched here (test_check_wait.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_check.h"

static void
without_evidence_soft_accepts_and_hard_refuses(void **state)
{
	assert_int_equal(ends(check_of(*state, SST_REVOCATION_SOFT), 1).verdict,
	    SST_VERDICT_ERROR);
	assert_int_equal(ends(check_of(*state, SST_REVOCATION_HARD), 0).verdict,
	    SST_VERDICT_ERROR);
	assert_int_equal(ends(check_of(*state, SST_REVOCATION_STAPLE), 0).verdict,
	    SST_VERDICT_ERROR);
	assert_int_equal(ends(check_of(*state, SST_REVOCATION_OFF), 1).verdict,
	    SST_VERDICT_UNKNOWN);
}

static void
a_list_is_good_or_revoked(void **state)
{
	struct world *w = *state;
	struct sst_revocation_result r;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_list(k, w->ca, NULL);
	r = ends(k, 1);
	assert_int_equal(r.verdict, SST_VERDICT_GOOD);
	assert_int_equal(r.source, SST_SOURCE_CRL);
	assert_int_equal(r.from_cache, 0);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_list(k, w->ca, w->leaf);
	r = ends(k, 0);
	assert_int_equal(r.verdict, SST_VERDICT_REVOKED);
	assert_int_equal(r.reason, 1);
	assert_int_equal(r.revoked_at, PKI_NOW - 10 * PKI_DAY);
}

static void
a_response_is_good_revoked_or_unknown(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_response(k, w->leaf, MADE_GOOD);
	assert_int_equal(ends(k, 1).source, SST_SOURCE_OCSP);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_response(k, w->leaf, MADE_REVOKED);
	assert_int_equal(ends(k, 0).reason, 4);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_response(k, w->leaf, MADE_UNKNOWN);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_UNKNOWN);
	/* a list that knows better */
	k = check_of(w, SST_REVOCATION_HARD);
	give_response(k, w->leaf, MADE_UNKNOWN);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
}

static void
a_revoked_intermediate_is_refused_and_named(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);
	struct sst_error err = { 0 };

	give_list(k, w->root, w->ca);
	give_list(k, w->ca, NULL);
	assert_int_equal(sst_check_now(k, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "/CN=CA"));
	assert_non_null(strstr(err.text, "keyCompromise"));
	assert_int_equal(sst_check_count(k), 2);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_GOOD);
	assert_int_equal(sst_check_result(k, 1)->verdict, SST_VERDICT_REVOKED);
	assert_int_equal(sst_check_result(k, 1)->accepted, 0);
	assert_null(sst_check_result(k, 2));
	assert_null(sst_check_result(k, -1));
	sst_check_free(k);
	k = check_of(w, SST_REVOCATION_SOFT);
	give_list(k, w->root, NULL);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
}

static void
every_certificate_is_judged_also_behind_a_refused_one(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);

	give_list(k, w->ca, w->leaf);
	give_list(k, w->root, NULL);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 1)->verdict, SST_VERDICT_GOOD);
	sst_check_free(k);
}

static void
the_chain_is_hard_by_its_own_switch(void **state)
{
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD,
	    .hard_chain = SST_SWITCH_ON };
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
	k = check_with(w, w->chain, &hard);
	give_list(k, w->ca, NULL);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_GOOD);
	k = check_with(w, w->chain, &hard);
	give_list(k, w->ca, NULL);
	give_list(k, w->root, NULL);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
}

static void
a_chain_that_is_its_own_anchor_needs_no_evidence(void **state)
{
	const struct sst_revocation_policy strict = { .mode = SST_REVOCATION_STAPLE };
	struct world *w = *state;
	STACK_OF(X509) *chain = chain_of(w->root);
	struct sst_check *k = check_with(w, chain, &strict);
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = w->ca,
	    .singles = { { .cert = w->leaf } } }, &der);
	assert_int_equal(sst_check_count(k), 0);
	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	give_list(k, w->ca, NULL);
	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_E_USAGE);
	assert_int_equal(sst_check_now(k, NULL), 1);
	sst_check_free(k);
	sk_X509_free(chain);
	pki_buf_free(&der);
}

static void
a_chain_that_is_none_is_not_taken(void **state)
{
	struct world *w = *state;
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct sst_check *k = NULL;
	struct sst_error err = { 0 };

	assert_int_equal(sst_check_new(w->checker, NULL, NULL, &k, &err), SST_E_USAGE);
	assert_int_equal(sst_check_new(w->checker, NULL, chain, &k, NULL), SST_E_USAGE);
	assert_true(sk_X509_push(chain, w->leaf->cert) > 0);
	assert_true(sk_X509_push(chain, w->root->cert) > 0);
	memset(&err, 0, sizeof(err));
	assert_int_equal(sst_check_new(w->checker, NULL, chain, &k, &err), SST_E_MISMATCH);
	assert_true(err.text[0] != '\0');
	assert_null(k);
	sk_X509_free(chain);
	sst_check_free(NULL);
}

/* What cannot be read must not count as absent. */
static void
a_certificate_that_cannot_be_read_is_refused_also_softly(void **state)
{
	struct world *w = *state;
	struct pki_cert *bad = pki_issue(w->ca, &(struct pki_spec){ .cn = "bad",
	    .extra = "2.5.29.31 = DER:3003020101\n" });
	STACK_OF(X509) *chain = chain_of(bad);
	struct sst_check *k = check_with(w, chain, NULL);
	struct pki_buf der = response_of(w->leaf, MADE_GOOD, PKI_NOW - HOUR);
	const char *const *lines;
	struct sst_revocation_result r;

	give_list(k, w->ca, NULL);
	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_reasons(k, 0, &lines), 0);
	r = ends(k, 0);
	assert_int_equal(r.verdict, SST_VERDICT_ERROR);
	assert_true(r.why[0] != '\0');
	k = check_with(w, chain, &(struct sst_revocation_policy){ .mode = SST_REVOCATION_OFF });
	(void)ends(k, 1);
	pki_buf_free(&der);
	sk_X509_free(chain);
	pki_free(bad);
}

static void
off_computes_nothing_and_says_so(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_OFF);
	const char *const *lines;

	give_list(k, w->ca, w->leaf);
	give_staple(k, w->leaf, MADE_REVOKED);
	give_response(k, w->leaf, MADE_REVOKED);
	assert_int_equal(sst_check_now(k, NULL), 1);
	assert_int_equal(sst_check_count(k), 2);
	assert_non_null(strstr(sst_check_result(k, 0)->why, "off"));
	assert_int_equal(sst_check_result(k, 1)->accepted, 1);
	assert_null(sst_check_result(k, 2));
	assert_int_equal(sst_check_reasons(k, 0, &lines), 0);
	sst_check_free(k);
	/* and what was seen under it was not kept */
	assert_int_equal(ends(check_of(w, SST_REVOCATION_SOFT), 1).verdict,
	    SST_VERDICT_ERROR);
}

static void
reasons_are_lines_oldest_first(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);
	struct pki_buf der = response_of(w->leaf, MADE_GOOD, PKI_NOW - 3 * PKI_DAY);
	struct pki_buf gone = response_of(w->leaf, MADE_GOOD, PKI_NOW - 20 * PKI_DAY);
	const char *const *lines;

	give_list(k, w->ca, w->leaf);
	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_staple(k, 0, gone.data, gone.len, NULL), SST_OK);
	assert_int_equal(sst_check_reasons(k, 0, &lines), 4);
	/* the staple is kept, and in the check */
	assert_non_null(strstr(lines[0], "staple"));
	assert_non_null(strstr(lines[0], "expired"));
	assert_non_null(strstr(lines[1], "staple"));
	assert_true((strstr(lines[0], "kept") == NULL) != (strstr(lines[1], "kept") == NULL));
	assert_int_equal(strncmp(lines[2], "ocsp: good, fresh, 2027-01-12T08:00:00Z to ", 43), 0);
	assert_int_equal(strncmp(lines[3], "crl: revoked on 2027-01-05T08:00:00Z keyCompromise",
	    50), 0);
	assert_int_equal(sst_check_reasons(k, 1, &lines), 0);
	assert_int_equal(sst_check_reasons(k, 7, &lines), 0);
	assert_int_equal(sst_check_reasons(k, -1, &lines), 0);
	sst_check_free(k);
	pki_buf_free(&der);
	pki_buf_free(&gone);
}

static void
many_pieces_are_all_weighed(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);
	const char *const *lines;

	for (int i = 0; i < 40; i++)
		give_list(k, w->ca, NULL);
	assert_int_equal(sst_check_now(k, NULL), 1);
	give_list(k, w->ca, w->leaf);
	assert_int_equal(sst_check_reasons(k, 0, &lines), 41);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_REVOKED);
}

static void
the_time_to_judge_as_of_is_the_callers(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

	give_list(k, w->ca, NULL);
	assert_int_equal(sst_check_now(k, NULL), 1);
	sst_check_at(k, PKI_NOW + 30 * PKI_DAY);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_STALE);
	sst_check_at(k, PKI_NOW);
	assert_int_equal(ends(k, 1).verdict, SST_VERDICT_GOOD);
}

static void
the_check_holds_what_it_needs(void **state)
{
	struct world *w = *state;
	struct sst_checker *checker = checker_of();
	struct pki_cert *leaf = pki_issue(w->ca, &(struct pki_spec){ .cn = "x" });
	STACK_OF(X509) *chain = chain_of(leaf);
	struct sst_check *k = NULL;

	assert_int_equal(sst_check_new(checker, NULL, chain, &k, NULL), SST_OK);
	sst_check_at(k, PKI_NOW);
	give_list(k, w->ca, leaf);
	sst_checker_unref(checker);
	sk_X509_free(chain);
	pki_free(leaf);
	assert_int_equal(ends(k, 0).verdict, SST_VERDICT_REVOKED);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(without_evidence_soft_accepts_and_hard_refuses),
		T(a_list_is_good_or_revoked),
		T(a_response_is_good_revoked_or_unknown),
		T(a_revoked_intermediate_is_refused_and_named),
		T(every_certificate_is_judged_also_behind_a_refused_one),
		T(the_chain_is_hard_by_its_own_switch),
		T(a_chain_that_is_its_own_anchor_needs_no_evidence),
		T(a_chain_that_is_none_is_not_taken),
		T(a_certificate_that_cannot_be_read_is_refused_also_softly),
		T(off_computes_nothing_and_says_so),
		T(reasons_are_lines_oldest_first),
		T(many_pieces_are_all_weighed),
		T(the_time_to_judge_as_of_is_the_callers),
		T(the_check_holds_what_it_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
