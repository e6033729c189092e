/* SPDX-License-Identifier: ISC */
/* Tests of a check: a chain, evidence that came along, and what is said of it.
 * Nothing is fetched here (test_check_wait.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_crl.h"
#include "make_response.h"
#include "ocsp/policy.h"
#include "securesockets/revocation.h"

#define HOUR	3600

struct world {
	struct pki_cert	*root, *ca, *leaf;
	struct sst_checker *checker;
	STACK_OF(X509)	*chain;
};

static STACK_OF(X509) *
chain_of(struct pki_cert *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (; leaf != NULL; leaf = leaf->issuer)
		assert_true(sk_X509_push(chain, leaf->cert) > 0);
	return chain;
}

static struct sst_checker *
checker_of(void)
{
	const struct sst_checker_config config = { .cache_dir = "", .no_fetch = 1 };
	struct sst_checker *checker = NULL;

	assert_int_equal(sst_checker_new(&config, &checker, NULL), SST_OK);
	return checker;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w->ca = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .crl = "http://crl.example/root" });
	w->leaf = pki_issue(w->ca, &(struct pki_spec){ .cn = "www", .san = "www.example.com",
	    .crl = "http://crl.example/ca", .ocsp = "http://ocsp.example/" });
	w->checker = checker_of();
	w->chain = chain_of(w->leaf);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	sk_X509_free(w->chain);
	sst_checker_unref(w->checker);
	pki_free(w->leaf);
	pki_free(w->ca);
	pki_free(w->root);
	free(w);
	return 0;
}

static struct sst_check *
check_with(struct world *w, STACK_OF(X509) *chain, const struct sst_revocation_policy *policy)
{
	struct sst_check *k = NULL;
	struct sst_error err = { 0 };

	if (sst_check_new(w->checker, policy, chain, &k, &err) < 0)
		fail_msg("%s", err.text);
	sst_check_at(k, PKI_NOW);
	return k;
}

static struct sst_check *
check_of(struct world *w, enum sst_revocation_mode mode)
{
	const struct sst_revocation_policy policy = { .mode = mode };

	return check_with(w, w->chain, &policy);
}

static void
give_list(struct sst_check *k, const struct pki_cert *issuer, const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked,
	    .extra = MAKE_CRL_REASON(1) };
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = issuer, .rows = &row,
	    .n_rows = revoked != NULL });

	assert_int_equal(sst_check_crl(k, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

static struct pki_buf
response_of(const struct pki_cert *cert, enum made_status status, time_t this_update)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = cert->issuer,
	    .produced_at = this_update, .singles = { { .cert = cert, .status = status,
	    .this_update = this_update, .reason = 4 } } }, &der);
	return der;
}

static void
give_response(struct sst_check *k, const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = response_of(cert, status, PKI_NOW - HOUR);

	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

static void
give_staple(struct sst_check *k, const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = response_of(cert, status, PKI_NOW - HOUR);

	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

/* Ends the check: accepted (1) or refused. Returns what the leaf was found to be. */
static struct sst_revocation_result
ends(struct sst_check *k, int accepted)
{
	struct sst_revocation_result r;
	struct sst_error err = { 0 };
	int rc = sst_check_wait(k, &err);

	if (rc != (accepted ? SST_OK : SST_E_REFUSED))
		fail_msg("%d: %s", rc, err.text);
	assert_int_equal(err.text[0] == '\0', accepted);
	r = *sst_check_result(k, 0);
	sst_check_free(k);
	return r;
}

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
		T(rv_59_a_list_of_another_issuer_has_no_effect),
		T(rv_46_a_staple_for_another_certificate_is_none),
		T(rv_45_garbage_is_a_reason_and_no_answer),
		T(rv_49_a_staple_of_an_intermediate_counts_for_it_alone),
		T(rv_48_must_staple_is_honoured_on_the_leaf_and_on_its_cas),
		T(rv_47_an_expired_staple_falls_to_the_list),
		T(rv_51_what_a_staple_said_is_known_to_the_next_check),
		T(evidence_from_a_file_stays_with_its_check),
		T(staples_that_are_switched_off_are_not_looked_at),
		T(rv_09_a_delegate_that_is_known_to_be_revoked_signs_nothing),
		T(rv_67_a_list_may_be_signed_by_another_key_of_the_ca),
		T(rv_67_a_key_for_lists_that_a_list_revokes_signs_nothing),
		T(rv_09_a_list_that_comes_later_takes_a_delegates_word_back),
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
