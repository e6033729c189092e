/* SPDX-License-Identifier: ISC */
/* Who may sign an OCSP response, and with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "make_response_judge.h"

static struct pki_cert *root, *ca, *sibling, *www, *delegate;

static const struct pki_spec signing = { .cn = "OCSP", .eku = "OCSPSigning" };

static int
setup(void **state)
{
	(void)state;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	sibling = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	delegate = pki_issue(ca, &signing);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pki_free(delegate);
	pki_free(www);
	pki_free(sibling);
	pki_free(ca);
	pki_free(root);
	return 0;
}

/* About www, by `signer`, whose certificate comes along. */
static struct made_response
by(const struct pki_cert *signer)
{
	return (struct made_response){ .signer = signer, .certs = { signer },
	    .singles = { { .cert = www } } };
}

static struct sst_evidence
judge(struct made_response r)
{
	return response_judge_made(&r, &(struct response_ask){ .cert = www });
}

/* By a new delegate of `issuer`, who is freed. */
static struct sst_evidence
by_delegate(struct pki_cert *issuer, struct pki_spec spec)
{
	struct pki_cert *c = pki_issue(issuer, &spec);
	struct made_response r = by(c);
	struct sst_evidence e, by_key;

	e = judge(r);
	r.by_key = 1;
	by_key = judge(r);
	assert_int_equal(e.status, by_key.status);
	assert_int_equal(e.fault, by_key.fault);
	pki_free(c);
	return e;
}

static void
rv_02_a_wrong_signature_is_an_error(void **state)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www } } };
	struct pki_buf der = { 0 };
	struct sst_evidence e;

	(void)state;
	make_response(&r, &der);
	assert_good(response_judge(der.data, der.len, &(struct response_ask){ .cert = www }));
	der.data[der.len - 1] ^= 1;
	e = response_judge(der.data, der.len, &(struct response_ask){ .cert = www });
	assert_fault(e, SST_FAULT_SIGNATURE);
	pki_buf_free(&der);
}

static void
rv_03_a_delegate_of_the_issuer_may_sign(void **state)
{
	struct sst_evidence e = judge(by(delegate));
	unsigned char sha256[32];

	(void)state;
	assert_good(e);
	pki_digest(delegate, sha256);
	assert_memory_equal(e.signer, sha256, 32);
	assert_good(by_delegate(ca, signing));
	assert_good(by_delegate(ca, (struct pki_spec){ .cn = "OCSP",
	    .eku = "serverAuth,OCSPSigning" }));
	/* others beside it do not matter */
	assert_good(judge((struct made_response){ .signer = delegate, .certs = { root, www,
	    delegate, ca }, .singles = { { .cert = www } } }));
	assert_fault(judge((struct made_response){ .signer = delegate, .certs = { root, www,
	    ca }, .singles = { { .cert = www } } }), SST_FAULT_SIGNER);
}

static void
rv_04_a_delegate_without_the_purpose_may_not(void **state)
{
	(void)state;
	assert_fault(by_delegate(ca, (struct pki_spec){ .cn = "OCSP", .eku = "serverAuth" }),
	    SST_FAULT_SIGNER);
	assert_fault(by_delegate(ca, (struct pki_spec){ .cn = "OCSP", .eku = "" }),
	    SST_FAULT_SIGNER);
	assert_fault(judge(by(www)), SST_FAULT_SIGNER);
}

static void
rv_05_any_purpose_is_not_the_purpose(void **state)
{
	(void)state;
	assert_fault(by_delegate(ca, (struct pki_spec){ .cn = "OCSP",
	    .eku = "anyExtendedKeyUsage" }), SST_FAULT_SIGNER);
	assert_good(by_delegate(ca, (struct pki_spec){ .cn = "OCSP",
	    .eku = "anyExtendedKeyUsage,OCSPSigning" }));
}

static void
rv_06_a_delegate_of_another_ca_may_not(void **state)
{
	struct pki_cert *second = pki_issue(root, &(struct pki_spec){ .cn = "CA 2", .ca = 1 });

	(void)state;
	assert_fault(by_delegate(second, signing), SST_FAULT_SIGNER);
	assert_fault(by_delegate(root, signing), SST_FAULT_SIGNER);
	pki_free(second);
}

static void
rv_07_a_delegate_of_a_ca_of_the_same_name_may_not(void **state)
{
	struct pki_cert *twin = pki_issue(sibling, &signing);

	(void)state;
	assert_fault(by_delegate(sibling, signing), SST_FAULT_SIGNER);
	assert_fault(judge(by(sibling)), SST_FAULT_SIGNATURE);	/* it has the issuer's name */
	/* with the right one beside it: each that fits is tried */
	assert_good(judge((struct made_response){ .signer = delegate, .certs = { twin,
	    delegate }, .singles = { { .cert = www } } }));
	assert_fault(judge((struct made_response){ .signer = twin, .certs = { twin, delegate },
	    .singles = { { .cert = www } } }), SST_FAULT_SIGNATURE);
	pki_free(twin);
}

static void
a_delegate_may_have_the_issuers_name(void **state)
{
	struct pki_cert *no_delegate = pki_issue(ca, &(struct pki_spec){ .cn = "CA" });
	struct made_response r = by(no_delegate);

	(void)state;
	assert_good(by_delegate(ca, (struct pki_spec){ .cn = "CA", .eku = "OCSPSigning" }));
	/* its name is the issuer's, whose key did not sign; its key is nobody's */
	assert_fault(judge(r), SST_FAULT_SIGNATURE);
	r.by_key = 1;
	assert_fault(judge(r), SST_FAULT_SIGNER);
	pki_free(no_delegate);
}

static void
a_root_of_the_chain_may_not_sign_for_a_ca_below(void **state)
{
	(void)state;
	assert_fault(judge(by(root)), SST_FAULT_SIGNER);
	assert_good(judge(by(ca)));
}

static void
rv_08_a_delegate_counts_while_it_is_valid(void **state)
{
	struct pki_spec s = signing;

	(void)state;
	s.not_after = PKI_NOW - 1;
	assert_fault(by_delegate(ca, s), SST_FAULT_SIGNER);
	s.not_after = PKI_NOW;
	assert_good(by_delegate(ca, s));
	s.not_after = PKI_NOW + 2 * PKI_DAY;
	assert_int_equal(by_delegate(ca, s).until, PKI_NOW + 2 * PKI_DAY);
	s.not_after = 0;
	s.not_before = PKI_NOW + 300;
	assert_good(by_delegate(ca, s));
	s.not_before = PKI_NOW + 301;
	assert_fault(by_delegate(ca, s), SST_FAULT_SIGNER);
}

static void
rv_09_a_delegate_that_was_revoked_may_not(void **state)
{
	struct pki_cert *another = pki_issue(ca, &signing);
	struct made_response r = by(delegate);

	(void)state;
	assert_fault(response_judge_made(&r, &(struct response_ask){ .cert = www,
	    .revoked = delegate }), SST_FAULT_SIGNER);
	assert_good(response_judge_made(&r, &(struct response_ask){ .cert = www,
	    .revoked = another }));
	pki_free(another);
}

static void
rv_10_a_delegate_with_nocheck_is_not_looked_up(void **state)
{
	struct pki_spec s = signing;
	struct pki_cert *c;
	struct made_response r;

	(void)state;
	s.extra = "noCheck = ignored\n";
	c = pki_issue(ca, &s);
	r = by(c);
	assert_good(response_judge_made(&r, &(struct response_ask){ .cert = www,
	    .revoked = c }));
	pki_free(c);
}

static void
a_delegate_must_be_for_signatures_and_understood(void **state)
{
	struct pki_spec s = signing;

	(void)state;
	s.extra = "keyUsage = digitalSignature\n";
	assert_good(by_delegate(ca, s));
	s.extra = "keyUsage = keyEncipherment\n";
	assert_fault(by_delegate(ca, s), SST_FAULT_SIGNER);
	s.extra = NULL;
	s.unknown_critical = 1;
	assert_fault(by_delegate(ca, s), SST_FAULT_SIGNER);
}

static void
rv_11_a_name_that_did_not_sign_is_an_error(void **state)
{
	struct made_response r = by(ca);

	(void)state;
	r.named = www;
	assert_fault(judge(r), SST_FAULT_SIGNER);
	r.named = delegate;
	r.certs[0] = delegate;
	assert_fault(judge(r), SST_FAULT_SIGNATURE);
	r = by(delegate);
	r.named = ca;
	assert_fault(judge(r), SST_FAULT_SIGNATURE);
	r.named = delegate;
	assert_good(judge(r));
}

static void
rv_12_a_wrong_key_hash_is_an_error(void **state)
{
	struct made_response r = by(ca);

	(void)state;
	r.by_key = 1;
	assert_good(judge(r));
	r.wrong_key_id = 1;
	assert_fault(judge(r), SST_FAULT_SIGNER);
	r.wrong_key_id = 0;
	r.named = sibling;
	assert_fault(judge(r), SST_FAULT_SIGNER);
	r = by(delegate);
	r.by_key = 1;
	r.wrong_key_id = 1;
	assert_fault(judge(r), SST_FAULT_SIGNER);
}

/* A CA with this kind of key, its certificate and its response, at a level. */
static struct sst_evidence
at_level(enum pki_key key, const char *digest, int pss, int level)
{
	struct pki_cert *issuer = pki_issue(NULL, &(struct pki_spec){ .key = key, .cn = "X",
	    .ca = 1 });
	struct pki_cert *leaf = pki_issue(issuer, &(struct pki_spec){ .cn = "leaf" });
	struct made_response r = { .signer = issuer, .digest = digest, .pss = pss,
	    .singles = { { .cert = leaf } } };
	struct sst_evidence e = response_judge_made(&r, &(struct response_ask){ .cert = leaf,
	    .level = level });

	pki_free(leaf);
	pki_free(issuer);
	return e;
}

static void
rv_41_keys_and_digests_below_the_level_are_refused(void **state)
{
	(void)state;
	assert_fault(at_level(PKI_RSA_1024, "SHA256", 0, 2), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_RSA_1024, "SHA256", 0, 1));
	assert_good(at_level(PKI_RSA, "SHA256", 0, 2));
	assert_fault(at_level(PKI_RSA, "SHA256", 0, 3), SST_FAULT_ALGORITHM);
	assert_fault(at_level(PKI_RSA, "SHA1", 0, 2), SST_FAULT_ALGORITHM);
	assert_fault(at_level(PKI_RSA, "SHA1", 0, 1), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_RSA, "SHA1", 0, -1));
	assert_fault(at_level(PKI_RSA, "MD5", 0, 1), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_P256, "SHA256", 0, 3));
	assert_fault(at_level(PKI_P256, "SHA256", 0, 4), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_P384, "SHA384", 0, 4));
	assert_fault(at_level(PKI_P384, "SHA256", 0, 4), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_P521, "SHA512", 0, 5));
	assert_fault(at_level(PKI_P384, "SHA512", 0, 5), SST_FAULT_ALGORITHM);
	assert_fault(at_level(PKI_RSA, "SHA1", 1, 2), SST_FAULT_ALGORITHM);
	assert_good(at_level(PKI_RSA, "SHA1", 1, -1));
}

static void
every_kind_of_key_is_understood(void **state)
{
	(void)state;
	assert_good(at_level(PKI_RSA, "SHA512", 1, 2));
	assert_good(at_level(PKI_RSA, "SHA256", 1, 2));
	assert_good(at_level(PKI_RSA_PSS, "SHA256", 1, 2));
	assert_good(at_level(PKI_ED25519, NULL, 0, 3));
	assert_good(at_level(PKI_ED448, NULL, 0, 4));
	assert_good(at_level(PKI_RSA, "SHA224", 0, 2));
}

static void
a_delegates_certificate_is_held_to_the_level_too(void **state)
{
	struct pki_cert *big = pki_issue(NULL, &(struct pki_spec){ .key = PKI_RSA, .cn = "B",
	    .ca = 1 });
	struct pki_cert *leaf = pki_issue(big, &(struct pki_spec){ .cn = "leaf" });
	struct pki_spec s = signing;
	struct pki_cert *c;
	struct made_response r = { .singles = { { .cert = leaf } } };

	(void)state;
	for (int sha1 = 0; sha1 < 2; sha1++) {
		s.sha1 = sha1;
		c = pki_issue(big, &s);
		r.signer = r.certs[0] = c;
		assert_int_equal(response_judge_made(&r, &(struct response_ask){ .cert = leaf })
		    .fault, sha1 ? SST_FAULT_ALGORITHM : SST_FAULT_NONE);
		assert_good(response_judge_made(&r, &(struct response_ask){ .cert = leaf,
		    .level = -1 }));
		pki_free(c);
	}
	s.sha1 = 0;
	s.key = PKI_RSA_1024;
	c = pki_issue(big, &s);
	r.signer = r.certs[0] = c;
	assert_fault(response_judge_made(&r, &(struct response_ask){ .cert = leaf }),
	    SST_FAULT_ALGORITHM);
	pki_free(c);
	pki_free(leaf);
	pki_free(big);
}

/* The response by `ca`, with each `from` replaced by `to`. */
static enum sst_fault
replaced(struct made_response r, const char *from, const char *to, size_t n, int times)
{
	struct pki_buf der = { 0 };
	enum sst_fault fault;
	char *at;

	make_response(&r, &der);
	for (at = der.data; (at = memmem(at, der.len - (size_t)(at - der.data), from, n)) !=
	    NULL; at++) {
		memcpy(at, to, n);
		times--;
	}
	assert_int_equal(times, 0);
	fault = response_judge(der.data, der.len, &(struct response_ask){ .cert = www }).fault;
	pki_buf_free(&der);
	return fault;
}

static void
rv_41_an_unknown_algorithm_is_an_error(void **state)
{
	/* ecdsa-with-SHA256 as a signature of the response; id-ecPublicKey of a key */
	static const char ecdsa[] = "\x2a\x86\x48\xce\x3d\x04\x03\x02",
	    nobody[] = "\x2a\x86\x48\xce\x3d\x04\x7f\x02",
	    ec_key[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
	    no_key[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x7f";
	struct made_response alone = { .signer = ca, .singles = { { .cert = www } } };
	/* an OID of ML-DSA has nine octets, as that of SHA-256 with RSA */
	struct pki_cert *rsa = pki_issue(ca, &(struct pki_spec){ .cn = "OCSP",
	    .key = PKI_RSA, .eku = "OCSPSigning" });

	(void)state;
	assert_int_equal(replaced(alone, ecdsa, ecdsa, 8, 1), SST_FAULT_NONE);
	assert_int_equal(replaced(alone, ecdsa, nobody, 8, 1), SST_FAULT_ALGORITHM);
	assert_int_equal(replaced(by(rsa), "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
	    "\x60\x86\x48\x01\x65\x03\x04\x03\x12", 9, 1), SST_FAULT_ALGORITHM);
	/* of the delegate's own certificate: inside, outside, and of the response */
	assert_int_equal(replaced(by(delegate), ecdsa, nobody, 8, 3), SST_FAULT_ALGORITHM);
	assert_int_equal(replaced(by(delegate), ec_key, ec_key, 9, 1), SST_FAULT_NONE);
	assert_true(replaced(by(delegate), ec_key, no_key, 9, 1) >= SST_FAULT_ALGORITHM);
	pki_free(rsa);
}

static void
a_response_with_many_certificates_is_refused(void **state)
{
	struct made_response r = by(ca);

	(void)state;
	for (int i = 0; i < 8; i++)
		r.certs[i] = www;
	assert_good(judge(r));
	r.certs[8] = www;
	assert_fault(judge(r), SST_FAULT_SIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_02_a_wrong_signature_is_an_error),
		cmocka_unit_test(rv_03_a_delegate_of_the_issuer_may_sign),
		cmocka_unit_test(rv_04_a_delegate_without_the_purpose_may_not),
		cmocka_unit_test(rv_05_any_purpose_is_not_the_purpose),
		cmocka_unit_test(rv_06_a_delegate_of_another_ca_may_not),
		cmocka_unit_test(rv_07_a_delegate_of_a_ca_of_the_same_name_may_not),
		cmocka_unit_test(a_delegate_may_have_the_issuers_name),
		cmocka_unit_test(a_root_of_the_chain_may_not_sign_for_a_ca_below),
		cmocka_unit_test(rv_08_a_delegate_counts_while_it_is_valid),
		cmocka_unit_test(rv_09_a_delegate_that_was_revoked_may_not),
		cmocka_unit_test(rv_10_a_delegate_with_nocheck_is_not_looked_up),
		cmocka_unit_test(a_delegate_must_be_for_signatures_and_understood),
		cmocka_unit_test(rv_11_a_name_that_did_not_sign_is_an_error),
		cmocka_unit_test(rv_12_a_wrong_key_hash_is_an_error),
		cmocka_unit_test(rv_41_keys_and_digests_below_the_level_are_refused),
		cmocka_unit_test(every_kind_of_key_is_understood),
		cmocka_unit_test(a_delegates_certificate_is_held_to_the_level_too),
		cmocka_unit_test(rv_41_an_unknown_algorithm_is_an_error),
		cmocka_unit_test(a_response_with_many_certificates_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
