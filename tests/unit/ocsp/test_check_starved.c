/* SPDX-License-Identifier: ISC */
/*
 * Each allocation fails once while a check is given what revokes the peer: under the
 * policy that accepts for want of evidence, a lack of memory must not be taken for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "make_crl.h"
#include "ocsp/checker.h"
#include "ocsp/given.h"
#include "ocsp/work.h"
#include "support/starve.h"
#include "world_check.h"

enum kind { STAPLE, RESPONSE, LIST, GIVEN };

struct round {
	struct world	*w;
	enum kind	 kind;
	struct pki_buf	 der;
	STACK_OF(X509)	*others;
	enum sst_switch	 use_cache;
};

/* As they come from a handshake that verified them: of what libcrypto keeps in them
 * there are the extensions, and nothing of ours. */
static STACK_OF(X509) *
chain_verified(const struct pki_cert *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (; leaf != NULL; leaf = leaf->issuer) {
		X509 *x = X509_dup(leaf->cert);

		assert_true(x != NULL && X509_check_purpose(x, -1, 0) == 1);
		assert_true(sk_X509_push(chain, x) > 0);
	}
	return chain;
}

static int
give(const struct round *r, struct sst_check *k, struct sst_given *given,
    struct sst_error *err)
{
	switch (r->kind) {
	case STAPLE:
		return sst_check_staple(k, 0, r->der.data, r->der.len, err);
	case RESPONSE:
		return sst_check_response(k, r->der.data, r->der.len, err);
	case LIST:
		return sst_check_crl(k, r->der.data, r->der.len, err);
	default:
		return sst_check_given(k, given, err);
	}
}

/* What the n-th allocation's failure makes of it; *ret_hit: there was one. */
static int
round_of(const struct round *r, long n, int *ret_hit, struct sst_error *err)
{
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_SOFT,
	    .use_cache = r->use_cache };
	STACK_OF(X509) *chain = chain_verified(r->w->leaf);
	struct sst_checker *checker = checker_of();
	struct sst_given *given = NULL;
	struct sst_check *k = NULL;
	int rc;

	assert_int_equal(sst_given_new(r->der.data, r->der.len, &given, NULL), SST_OK);
	assert_int_equal(sst_checker_ready(checker, NULL), SST_OK);
	starve_arm(n, STARVE_OURS | STARVE_CRYPTO);
	rc = sst_check_new(checker, &policy, chain, &k, err);
	if (rc == SST_OK)
		sst_check_at(k, PKI_NOW);
	if (rc == SST_OK && r->others != NULL)
		rc = sst_check_others(k, r->others, err);
	if (rc == SST_OK)
		rc = give(r, k, given, err);
	if (rc == SST_OK)
		rc = sst_check_now(k, err);
	*ret_hit = starve_over();
	if (*ret_hit && r->kind == GIVEN && k != NULL) {
		/* nothing wrong was remembered with the list */
		sst_check_free(k);
		assert_int_equal(sst_check_new(checker, &policy, chain, &k, NULL), SST_OK);
		sst_check_at(k, PKI_NOW);
		assert_int_equal(sst_check_others(k, r->others, NULL), SST_OK);
		assert_int_equal(sst_check_given(k, given, NULL), SST_OK);
		assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	}
	sst_check_free(k);
	sst_given_unref(given);
	sst_checker_unref(checker);
	sk_X509_pop_free(chain, X509_free);
	return rc;
}

static void
starve_all(const char *name, const struct round *r)
{
	long n, nomem = 0;
	int hit = 1, rc;

	for (n = 0; hit || n == 1; n++) {
		struct sst_error err = { .code = SST_OK };

		/* the first round fetches algorithms, which later ones find */
		rc = round_of(r, n == 0 ? 1000000000 : n, &hit, &err);
		if (rc != SST_E_REFUSED && rc != SST_E_NOMEM)
			fail_msg("%s: allocation %ld: %d %s", name, n, rc, err.text);
		assert_true(err.code == rc && err.text[0] != '\0');
		if (!hit)
			assert_int_equal(rc, SST_E_REFUSED);
		nomem += rc == SST_E_NOMEM;
	}
	print_message("%s: %ld allocations, %ld ended it\n", name, n - 2, nomem);
	assert_true(nomem > 10);
}

static void
want_of_memory_never_accepts_who_is_revoked(void **state)
{
	struct world *w = *state;
	struct pki_cert *delegate = pki_issue(w->ca, &(struct pki_spec){ .cn = "OCSP",
	    .eku = "OCSPSigning" });
	struct pki_cert *signer = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .key_usage = "cRLSign" });
	const struct make_crl_row row = { .cert = w->leaf };
	struct round r = { .w = w, .use_cache = SST_SWITCH_OFF };

	r.der = response_of(w->leaf, MADE_REVOKED, PKI_NOW - HOUR);
	starve_all("staple", &r);
	r.use_cache = SST_SWITCH_ON;
	starve_all("staple, kept", &r);
	r.use_cache = SST_SWITCH_OFF;
	r.kind = RESPONSE;
	starve_all("response", &r);
	pki_buf_free(&r.der);
	r.kind = STAPLE;
	make_response(&(struct made_response){ .signer = delegate, .certs = { delegate },
	    .singles = { { .cert = w->leaf, .status = MADE_REVOKED } } }, &r.der);
	starve_all("staple of a delegate", &r);
	pki_buf_free(&r.der);
	r.der = make_crl(&(struct make_crl){ .issuer = w->ca, .rows = &row, .n_rows = 1 });
	r.kind = LIST;
	starve_all("list", &r);
	r.kind = GIVEN;
	starve_all("list that is kept", &r);
	pki_buf_free(&r.der);
	r.der = make_crl(&(struct make_crl){ .issuer = signer, .rows = &row, .n_rows = 1 });
	r.others = sk_X509_new_null();
	assert_true(sk_X509_push(r.others, signer->cert) > 0);
	starve_all("list of another key", &r);
	pki_buf_free(&r.der);
	sk_X509_free(r.others);
	pki_free(signer);
	pki_free(delegate);
}

/* --- what is fetched ---------------------------------------------------------- */
static struct {
	struct sst_evidence said;
	int	fails;		/* SST_E_*: it cannot even be asked */
	int	starved;	/* for who takes the answer */
} answer;

typedef void answer_fn(void *arg, const struct sst_evidence *list, size_t n);

int	__wrap_sst_work_ask(struct sst_work *, const struct sst_work_ask *, answer_fn *,
	    void *, struct sst_work_ticket **, struct sst_error *);

int
__wrap_sst_work_ask(struct sst_work *work, const struct sst_work_ask *ask,
    answer_fn *done, void *arg, struct sst_work_ticket **ret, struct sst_error *err)
{
	(void)work, (void)ask, (void)ret, (void)err;
	if (answer.fails < 0)
		return answer.fails;
	if (answer.starved)
		starve_arm(1, STARVE_OURS);
	done(arg, &answer.said, 1);
	(void)starve_over();
	return SST_OK;
}

static int
asked(struct world *w, enum sst_evidence_status status, enum sst_fault fault, int starved,
    int fails)
{
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_SOFT };
	const struct sst_checker_config config = { .cache_dir = "", .no_service = 1 };
	struct sst_checker *checker = NULL, *before = w->checker;
	struct sst_check *k;
	int rc;

	assert_int_equal(sst_checker_new(&config, &checker, NULL), SST_OK);
	w->checker = checker;
	k = check_with(w, w->chain, &policy);
	w->checker = before;
	answer.said = (struct sst_evidence){ .source = SST_SOURCE_OCSP, .status = status,
	    .fault = fault, .reason = -1, .this_update = PKI_NOW - HOUR,
	    .until = PKI_NOW + HOUR, .revoked_at = PKI_NOW - HOUR };
	answer.starved = starved;
	answer.fails = fails;
	rc = sst_check_wait(k, NULL);
	sst_check_free(k);
	sst_checker_unref(checker);
	return rc;
}

static void
an_answer_that_is_lost_for_want_of_memory_is_not_none(void **state)
{
	struct world *w = *state;

	assert_int_equal(asked(w, SST_EV_REVOKED, 0, 0, 0), SST_E_REFUSED);
	assert_int_equal(asked(w, SST_EV_REVOKED, 0, 1, 0), SST_E_NOMEM);
	assert_int_equal(asked(w, SST_EV_ERROR, SST_FAULT_SIGNATURE, 0, 0), SST_OK);
	assert_int_equal(asked(w, SST_EV_ERROR, SST_FAULT_MEMORY, 0, 0), SST_E_NOMEM);
	assert_int_equal(asked(w, SST_EV_ERROR, 0, 0, SST_E_TIMEOUT), SST_OK);
	assert_int_equal(asked(w, SST_EV_ERROR, 0, 0, SST_E_NOMEM), SST_E_NOMEM);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(want_of_memory_never_accepts_who_is_revoked),
		T(an_answer_that_is_lost_for_want_of_memory_is_not_none),
	};

	if (!starve_crypto())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
