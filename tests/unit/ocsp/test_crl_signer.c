/* SPDX-License-Identifier: ISC */
/*
 * Who may sign a CRL, and with what. Each signer that is refused stands beside one
 * that differs in that point alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "world_crl.h"

#define assert_good(e)		assert_int_equal((e).status, SST_EV_GOOD)

static void
rv_59_a_serial_on_another_issuers_list_has_no_effect(void **state)
{
	struct pki_cert *far = pki_issue(root, &(struct pki_spec){ .cn = "Far", .ca = 1 });
	struct pki_cert *twin = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct make_crl_row row = { .cert = www };
	struct make_crl m = { .issuer = far, .rows = &row, .n_rows = 1 };
	const struct crl_ask ask = { .cert = www };

	(void)state;
	assert_fault(crl_judge_made(&m, &ask), SST_FAULT_NO_MATCH);
	m.issuer = twin;	/* the same name, another key */
	assert_fault(crl_judge_made(&m, &ask), SST_FAULT_SIGNATURE);
	m.issuer = ca;
	assert_int_equal(crl_judge_made(&m, &ask).status, SST_EV_REVOKED);
	pki_free(twin);
	pki_free(far);
}

static void
a_head_of_one_issuer_says_nothing_about_a_certificate_of_another(void **state)
{
	struct pki_cert *far = pki_issue(root, &(struct pki_spec){ .cn = "Far", .ca = 1 });
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = far });
	struct sst_crl_signers who = { .issuer = far->cert, .above = root->cert };
	const struct sst_crl_entry entry = { .reason = 1 };
	const struct sst_cert_facts *facts;
	enum sst_fault fault;
	struct sst_limits limits;
	struct sst_evidence e;
	struct sst_crl *crl = NULL;
	const char *why;
	uint32_t covered;

	(void)state;
	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_crl_open(der.data, der.len, &who, PKI_NOW, &limits, &crl, &fault,
	    NULL), 0);
	assert_int_equal(sst_facts_of(www->cert, ca->cert, &facts, NULL), 0);
	assert_int_equal(sst_crl_scope(sst_crl_head(crl), facts, &covered, &why), SST_SCOPE_OUT);
	sst_crl_evidence(sst_crl_head(crl), facts, &entry, PKI_NOW, &limits, &e);
	assert_fault(e, SST_FAULT_NO_MATCH);
	sst_crl_evidence(sst_crl_head(crl), facts, NULL, PKI_NOW, &limits, &e);
	assert_fault(e, SST_FAULT_NO_MATCH);
	sst_crl_free(crl);
	pki_buf_free(&der);
	pki_free(far);
}

static struct sst_evidence
usage_ask(const char *key_usage)
{
	struct pki_cert *c = pki_issue(root, &(struct pki_spec){ .cn = "U", .ca = 1,
	    .key_usage = key_usage });
	struct pki_cert *leaf = pki_issue(c, &(struct pki_spec){ .cn = "leaf" });
	struct sst_evidence e = crl_judge_made(&(struct make_crl){ .issuer = c },
	    &(struct crl_ask){ .cert = leaf });

	pki_free(leaf);
	pki_free(c);
	return e;
}

static void
rv_60_a_ca_whose_key_usage_is_not_for_crls_may_not_sign_one(void **state)
{
	(void)state;
	assert_good(usage_ask("keyCertSign,cRLSign"));
	assert_good(usage_ask(""));	/* no keyUsage at all */
	assert_fault(usage_ask("keyCertSign"), SST_FAULT_SIGNER);
}

/* A list of `ca` signed with `signer`'s key, which is offered beside the chain. */
static struct sst_evidence
separate_full(struct pki_cert *signer, int level, int (*revoked)(void *,
    const struct sst_cert_key *))
{
	STACK_OF(X509) *others = sk_X509_new_null();
	struct sst_evidence e;

	assert_non_null(others);
	assert_true(sk_X509_push(others, other->cert) > 0);	/* which does not do */
	assert_true(sk_X509_push(others, signer->cert) > 0);
	e = crl_judge_made(&(struct make_crl){ .issuer = ca, .key = signer->key },
	    &(struct crl_ask){ .cert = www, .others = others, .level = level,
	    .revoked = revoked });
	sk_X509_free(others);
	return e;
}

static struct sst_evidence
separate(struct pki_cert *signer)
{
	return separate_full(signer, 0, NULL);
}

static struct sst_evidence
separate_made(struct pki_cert *issuer, const struct pki_spec *spec)
{
	struct pki_cert *signer = pki_issue(issuer, spec);
	struct sst_evidence e = separate(signer);

	pki_free(signer);
	return e;
}

#define CRL_SIGN	.extra = "keyUsage = critical,cRLSign"

static void
rv_67_a_crl_key_of_the_same_name_and_ca_may_sign(void **state)
{
	struct pki_cert *sibling, *signer;
	struct sst_evidence e;
	unsigned char digest[32];

	(void)state;
	/* certified by the CA itself (self-issued), and by who certified the CA */
	assert_good(separate_made(ca, &(struct pki_spec){ .cn = "CA", CRL_SIGN }));
	signer = pki_issue(root, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .not_after = PKI_NOW + 3 * PKI_DAY });
	e = separate(signer);
	assert_good(e);
	pki_digest(signer, digest);
	assert_memory_equal(e.signer, digest, sizeof(digest));
	assert_int_equal(e.until, PKI_NOW + 3 * PKI_DAY);	/* his end, not the list's */
	pki_free(signer);
	/* another name; another CA of the same name; a stranger */
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "Sign", CRL_SIGN }),
	    SST_FAULT_SIGNATURE);
	sibling = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .key_usage = "keyCertSign" });
	assert_fault(separate_made(sibling, &(struct pki_spec){ .cn = "CA", CRL_SIGN }),
	    SST_FAULT_SIGNATURE);
	pki_free(sibling);
	assert_fault(separate_made(NULL, &(struct pki_spec){ .cn = "CA", CRL_SIGN }),
	    SST_FAULT_SIGNATURE);
}

static void
rv_67_a_crl_key_needs_crl_sign_and_to_be_valid_now(void **state)
{
	(void)state;
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "CA" }),
	    SST_FAULT_SIGNATURE);
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "CA",
	    .extra = "keyUsage = critical,digitalSignature" }), SST_FAULT_SIGNATURE);
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .unknown_critical = 1 }), SST_FAULT_SIGNATURE);
	assert_good(separate_made(ca, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .not_before = PKI_NOW, .not_after = PKI_NOW }));
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .not_after = PKI_NOW - 1 }), SST_FAULT_SIGNATURE);
	assert_fault(separate_made(ca, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .not_before = PKI_NOW + 1 }), SST_FAULT_SIGNATURE);
}

static struct sst_cert_key asked;

static int
all_revoked(void *arg, const struct sst_cert_key *key)
{
	(void)arg;
	asked = *key;
	return 1;
}

static int
none_revoked(void *arg, const struct sst_cert_key *key)
{
	(void)arg;
	(void)key;
	return 0;
}

static void
rv_67_a_crl_key_that_is_known_as_revoked_may_not_sign(void **state)
{
	static const unsigned char serial[] = { 0x12, 0x34 };
	struct pki_cert *signer = pki_issue(root, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .serial = serial, .serial_len = sizeof(serial) });
	struct sst_issuer_id id;

	(void)state;
	assert_good(separate_full(signer, 0, none_revoked));
	assert_fault(separate_full(signer, 0, all_revoked), SST_FAULT_SIGNATURE);
	assert_int_equal(sst_issuer_id_of(root->cert, &id, NULL), 0);
	assert_memory_equal(&asked.issuer, &id, sizeof(id));
	assert_int_equal(asked.serial_len, sizeof(serial));
	assert_memory_equal(asked.serial, serial, sizeof(serial));
	pki_free(signer);
}

static void
rv_67_the_cas_list_by_another_key_is_believed_where_its_own_may_not_sign(void **state)
{
	struct pki_cert *c = pki_issue(root, &(struct pki_spec){ .cn = "Two", .ca = 1,
	    .key_usage = "keyCertSign" });
	struct pki_cert *signer = pki_issue(root, &(struct pki_spec){ .cn = "Two", CRL_SIGN });
	struct pki_cert *leaf = pki_issue(c, &(struct pki_spec){ .cn = "leaf" });
	STACK_OF(X509) *others = sk_X509_new_null();
	struct make_crl m = { .issuer = c, .key = signer->key };
	struct crl_ask ask = { .cert = leaf, .others = others };

	(void)state;
	assert_fault(crl_judge_made(&m, &ask), SST_FAULT_SIGNER);
	assert_true(sk_X509_push(others, signer->cert) > 0);
	assert_good(crl_judge_made(&m, &ask));
	sk_X509_free(others);
	pki_free(leaf);
	pki_free(signer);
	pki_free(c);
}

/* PKITS 4.5.1: a CA that went over to a new key certifies the old one with it. */
static void
the_new_key_of_a_ca_signs_for_what_its_old_key_issued(void **state)
{
	struct pki_cert *new_ca = pki_issue(root, &(struct pki_spec){ .cn = "Roll", .ca = 1,
	    .not_after = PKI_NOW + PKI_DAY });
	struct pki_cert *mute = pki_issue(root, &(struct pki_spec){ .cn = "Roll", .ca = 1,
	    .use_key = new_ca->key, .key_usage = "keyCertSign" });
	struct pki_cert *old = pki_issue(new_ca, &(struct pki_spec){ .cn = "Roll", .ca = 1 });
	struct pki_cert *below = pki_issue(new_ca, &(struct pki_spec){ .cn = "Low", .ca = 1 });
	struct pki_cert *of_old = pki_issue(old, &(struct pki_spec){ .cn = "leaf" });
	struct pki_cert *of_low = pki_issue(below, &(struct pki_spec){ .cn = "leaf" });
	struct crl_ask ask = { .cert = of_old };
	struct sst_evidence e;
	unsigned char digest[32];

	(void)state;
	e = crl_judge_made(&(struct make_crl){ .issuer = old, .key = new_ca->key }, &ask);
	assert_good(e);
	pki_digest(new_ca, digest);
	assert_memory_equal(e.signer, digest, sizeof(digest));
	assert_int_equal(e.until, PKI_NOW + PKI_DAY);
	old->issuer = mute;	/* the same key, and not for CRLs */
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = old, .key = new_ca->key },
	    &ask), SST_FAULT_SIGNATURE);
	ask.cert = of_low;	/* who is above under another name does not sign for it */
	assert_good(crl_judge_made(&(struct make_crl){ .issuer = below }, &ask));
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = below, .key = new_ca->key },
	    &ask), SST_FAULT_SIGNATURE);
	pki_free(of_low);
	pki_free(of_old);
	pki_free(below);
	pki_free(old);
	pki_free(mute);
	pki_free(new_ca);
}

struct kind {
	enum pki_key	 key;
	const EVP_MD	*md;
	unsigned	 quirks;
	int		 level;
	enum sst_fault	 fault;		/* NONE: good */
};

static void
kind_try(const struct kind *k)
{
	struct pki_cert *c = pki_issue(root, &(struct pki_spec){ .cn = "K", .ca = 1,
	    .key = k->key });
	struct pki_cert *leaf = pki_issue(c, &(struct pki_spec){ .cn = "leaf" });
	struct sst_evidence e = crl_judge_made(&(struct make_crl){ .issuer = c, .md = k->md,
	    .quirks = k->quirks }, &(struct crl_ask){ .cert = leaf, .level = k->level });

	if (k->fault == SST_FAULT_NONE)
		assert_good(e);
	else
		assert_fault(e, k->fault);
	pki_free(leaf);
	pki_free(c);
}

static void
algorithms_are_judged_by_the_security_level(void **state)
{
	const struct kind kinds[] = {
		{ PKI_P256, NULL, 0, 0, SST_FAULT_NONE },
		{ PKI_P256, EVP_sha512(), 0, 0, SST_FAULT_NONE },
		{ PKI_P384, EVP_sha384(), 0, 4, SST_FAULT_NONE },
		{ PKI_P256, EVP_sha384(), 0, 4, SST_FAULT_ALGORITHM },
		{ PKI_P384, EVP_sha256(), 0, 4, SST_FAULT_ALGORITHM },
		{ PKI_RSA, NULL, 0, 2, SST_FAULT_NONE },
		{ PKI_RSA, NULL, 0, 3, SST_FAULT_ALGORITHM },
		{ PKI_RSA, NULL, MAKE_CRL_PSS, 0, SST_FAULT_NONE },
		{ PKI_RSA, EVP_sha512(), MAKE_CRL_PSS, 0, SST_FAULT_NONE },
		{ PKI_RSA, EVP_sha1(), MAKE_CRL_PSS, 0, SST_FAULT_ALGORITHM },
		{ PKI_RSA, EVP_sha1(), MAKE_CRL_PSS, -1, SST_FAULT_NONE },
		{ PKI_RSA_PSS, NULL, MAKE_CRL_PSS, 0, SST_FAULT_NONE },
		{ PKI_ED25519, NULL, 0, 0, SST_FAULT_NONE },
		{ PKI_ED448, NULL, 0, 4, SST_FAULT_NONE },
		{ PKI_ED25519, NULL, 0, 4, SST_FAULT_ALGORITHM },
		{ PKI_P256, EVP_sha1(), 0, 0, SST_FAULT_ALGORITHM },
		{ PKI_RSA, EVP_sha1(), 0, 1, SST_FAULT_ALGORITHM },
		{ PKI_RSA, EVP_sha1(), 0, -1, SST_FAULT_NONE },
		{ PKI_RSA_1024, NULL, 0, 0, SST_FAULT_ALGORITHM },
		{ PKI_RSA_1024, NULL, 0, 1, SST_FAULT_NONE },
		{ PKI_P256, NULL, MAKE_CRL_UNUSED_BITS, 0, SST_FAULT_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		kind_try(&kinds[i]);
}

static void
a_weak_crl_key_or_a_weakly_certified_one_is_refused_by_level(void **state)
{
	struct pki_cert *weak = pki_issue(root, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .key = PKI_RSA_1024 });
	struct pki_cert *sha1 = pki_issue(root, &(struct pki_spec){ .cn = "CA", CRL_SIGN,
	    .sha1 = 1 });

	(void)state;
	assert_good(separate_full(weak, 1, NULL));
	assert_fault(separate_full(weak, 2, NULL), SST_FAULT_SIGNATURE);
	assert_good(separate_full(sha1, -1, NULL));
	assert_fault(separate_full(sha1, 2, NULL), SST_FAULT_SIGNATURE);
	pki_free(sha1);
	pki_free(weak);
}

static void
a_list_whose_algorithm_is_not_of_the_cas_kind_of_key_is_refused(void **state)
{
	EVP_PKEY *rsa = pki_key_new(PKI_RSA), *ed = pki_key_new(PKI_ED25519);
	const struct crl_ask ask = { .cert = www };

	(void)state;
	assert_good(crl_judge_made(&(struct make_crl){ .issuer = ca }, &ask));
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = ca, .key = rsa }, &ask),
	    SST_FAULT_SIGNATURE);
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = ca, .key = rsa,
	    .quirks = MAKE_CRL_PSS }, &ask), SST_FAULT_SIGNATURE);
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = ca, .key = ed }, &ask),
	    SST_FAULT_SIGNATURE);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(rsa);
}

static void
the_issuers_end_is_the_lists_end(void **state)
{
	struct pki_cert *c = pki_issue(root, &(struct pki_spec){ .cn = "Ends", .ca = 1,
	    .not_after = PKI_NOW + 2 * PKI_DAY });
	struct pki_cert *leaf = pki_issue(c, &(struct pki_spec){ .cn = "leaf" });
	static const uint8_t zero[32];
	struct sst_evidence e = crl_judge_made(&(struct make_crl){ .issuer = c },
	    &(struct crl_ask){ .cert = leaf });

	(void)state;
	assert_good(e);
	assert_int_equal(e.until, PKI_NOW + 2 * PKI_DAY);
	assert_memory_equal(e.signer, zero, sizeof(zero));
	pki_free(leaf);
	pki_free(c);
}

static void
the_name_may_be_written_with_another_string_type(void **state)
{
	struct pki_cert *written = pki_issue(NULL, &(struct pki_spec){ .cn = "x", .ca = 1 });
	X509_NAME *name = X509_get_subject_name(written->cert);

	(void)state;
	/* " CA" and "ca" are one name (RFC 5280 7.1), "CAB" is another */
	X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, 0));
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"ca ", -1, -1, 0), 1);
	assert_good(crl_judge_made(&(struct make_crl){ .issuer = written, .key = ca->key },
	    &(struct crl_ask){ .cert = www }));
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"B", -1, -1, 0), 1);
	assert_fault(crl_judge_made(&(struct make_crl){ .issuer = written, .key = ca->key },
	    &(struct crl_ask){ .cert = www }), SST_FAULT_NO_MATCH);
	pki_free(written);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_59_a_serial_on_another_issuers_list_has_no_effect),
		cmocka_unit_test(
		    a_head_of_one_issuer_says_nothing_about_a_certificate_of_another),
		cmocka_unit_test(rv_60_a_ca_whose_key_usage_is_not_for_crls_may_not_sign_one),
		cmocka_unit_test(rv_67_a_crl_key_of_the_same_name_and_ca_may_sign),
		cmocka_unit_test(rv_67_a_crl_key_needs_crl_sign_and_to_be_valid_now),
		cmocka_unit_test(rv_67_a_crl_key_that_is_known_as_revoked_may_not_sign),
		cmocka_unit_test(
		    rv_67_the_cas_list_by_another_key_is_believed_where_its_own_may_not_sign),
		cmocka_unit_test(the_new_key_of_a_ca_signs_for_what_its_old_key_issued),
		cmocka_unit_test(algorithms_are_judged_by_the_security_level),
		cmocka_unit_test(a_weak_crl_key_or_a_weakly_certified_one_is_refused_by_level),
		cmocka_unit_test(a_list_whose_algorithm_is_not_of_the_cas_kind_of_key_is_refused),
		cmocka_unit_test(the_issuers_end_is_the_lists_end),
		cmocka_unit_test(the_name_may_be_written_with_another_string_type),
	};

	return cmocka_run_group_tests(tests, crl_world_make, crl_world_free);
}
