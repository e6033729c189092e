/* SPDX-License-Identifier: ISC */
#include "world_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "make_crl.h"

STACK_OF(X509) *
chain_of(struct pki_cert *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (; leaf != NULL; leaf = leaf->issuer)
		assert_true(sk_X509_push(chain, leaf->cert) > 0);
	return chain;
}

struct sst_checker *
checker_of(void)
{
	const struct sst_checker_config config = { .cache_dir = "", .no_fetch = 1 };
	struct sst_checker *checker = NULL;

	assert_int_equal(sst_checker_new(&config, &checker, NULL), SST_OK);
	return checker;
}

int
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

int
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

struct sst_check *
check_with(struct world *w, STACK_OF(X509) *chain, const struct sst_revocation_policy *policy)
{
	struct sst_check *k = NULL;
	struct sst_error err = { 0 };

	if (sst_check_new(w->checker, policy, chain, &k, &err) < 0)
		fail_msg("%s", err.text);
	sst_check_at(k, PKI_NOW);
	return k;
}

struct sst_check *
check_of(struct world *w, enum sst_revocation_mode mode)
{
	const struct sst_revocation_policy policy = { .mode = mode };

	return check_with(w, w->chain, &policy);
}

void
give_list(struct sst_check *k, const struct pki_cert *issuer, const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked,
	    .extra = MAKE_CRL_REASON(1) };
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = issuer, .rows = &row,
	    .n_rows = revoked != NULL });

	assert_int_equal(sst_check_crl(k, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

struct pki_buf
response_of(const struct pki_cert *cert, enum made_status status, time_t this_update)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = cert->issuer,
	    .produced_at = this_update, .singles = { { .cert = cert, .status = status,
	    .this_update = this_update, .reason = 4 } } }, &der);
	return der;
}

void
give_response(struct sst_check *k, const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = response_of(cert, status, PKI_NOW - HOUR);

	assert_int_equal(sst_check_response(k, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

void
give_staple(struct sst_check *k, const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = response_of(cert, status, PKI_NOW - HOUR);

	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	pki_buf_free(&der);
}

struct sst_revocation_result
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
