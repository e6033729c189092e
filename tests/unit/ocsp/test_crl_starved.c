/* SPDX-License-Identifier: ISC */
/*
 * Each allocation fails once, libcrypto's and our own: what comes of a list is an
 * error or the truth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/err.h>

#include "make_crl_judge.h"
#include "support/starve.h"

static void
starve(const char *name, const struct make_crl *m, const struct crl_ask *ask,
    enum sst_evidence_status truth)
{
	struct pki_buf der = make_crl(m);
	struct sst_evidence e;
	int fired = 1;
	long n;

	/* the first round fetches algorithms, which later ones find */
	assert_int_equal(crl_judge(der.data, der.len, ask).status, truth);
	for (n = 1; fired; n++) {
		starve_arm(n, STARVE_OURS | STARVE_CRYPTO);
		e = crl_judge(der.data, der.len, ask);
		fired = starve_over();
		assert_true(e.status == truth || e.status == SST_EV_ERROR);
		assert_int_equal(ERR_peek_error(), 0);
	}
	assert_true(n > 20);
	assert_int_equal(crl_judge(der.data, der.len, ask).status, truth);
	print_message("%s: %ld allocations\n", name, n - 1);
	pki_buf_free(&der);
}

static void
a_failed_allocation_ends_in_an_error_or_the_truth(void **state)
{
	struct pki_cert *root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	struct pki_cert *ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *rsa = pki_issue(root, &(struct pki_spec){ .cn = "RSA", .ca = 1,
	    .key = PKI_RSA });
	struct pki_cert *signer = pki_issue(root, &(struct pki_spec){ .cn = "CA",
	    .extra = "keyUsage = critical,cRLSign" });
	struct pki_cert *www = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .extra = "crlDistributionPoints = dirName:d\n[d]\nCN = a\n" });
	struct pki_cert *leaf = pki_issue(rsa, &(struct pki_spec){ .cn = "leaf" });
	const struct make_crl_row rows[] = { { .cert = www }, { .cert = leaf, .issuer = root } };
	const char *idp = "issuingDistributionPoint = critical,fullname:dirName:d\n[d]\n"
	    "CN = a\n";
	STACK_OF(X509) *others = sk_X509_new_null();
	const struct crl_ask of_www = { .cert = www, .others = others };
	const struct crl_ask of_leaf = { .cert = leaf };

	(void)state;
	assert_true(sk_X509_push(others, signer->cert) > 0);
	starve("good", &(struct make_crl){ .issuer = ca, .extra = idp }, &of_www, SST_EV_GOOD);
	starve("revoked, PSS", &(struct make_crl){ .issuer = rsa, .quirks = MAKE_CRL_PSS,
	    .rows = (struct make_crl_row[]){ { .cert = leaf } }, .n_rows = 1 }, &of_leaf,
	    SST_EV_REVOKED);
	starve("good, of a CRL key", &(struct make_crl){ .issuer = ca, .key = signer->key,
	    .extra = idp }, &of_www, SST_EV_GOOD);
	starve("indirect", &(struct make_crl){ .issuer = rsa, .rows = rows + 1, .n_rows = 1 },
	    &of_leaf, SST_EV_NOTHING);
	sk_X509_free(others);
	pki_free(leaf);
	pki_free(www);
	pki_free(signer);
	pki_free(rsa);
	pki_free(ca);
	pki_free(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_allocation_ends_in_an_error_or_the_truth),
	};

	if (!starve_crypto())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
