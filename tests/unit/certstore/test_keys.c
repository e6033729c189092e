/* SPDX-License-Identifier: ISC */
/* Which of several certificates a client gets: tiers, key types, dates. */
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "certstore/identity.h"
#include "certstore/key.h"
#include "each.h"
#include "world.h"

#define ECDSA_ONLY	SIGALGS(0x0403, 0x0503)
#define RSA_ONLY	SIGALGS(0x0804, 0x0805, 0x0806)
#define WWW		.name = "www.b.c"

static const struct sst_choose_policy strict = { .strict = 1 };

static struct pki_cert *
put(enum pki_key key, const char *san)
{
	struct pki_cert *c = leaf(key, san);

	store_put(store, c);
	return c;
}

static struct pki_cert *
put_dates(const char *san, time_t not_before, time_t not_after)
{
	struct pki_cert *c = pki_issue(world_ca, &(struct pki_spec){ .san = san,
	    .not_before = not_before, .not_after = not_after });

	store_put(store, c);
	return c;
}

/* Whether OpenSSL can compare the leaf and the key that were chosen at a glance. */
static int
is_one_object(struct sst_choice *c)
{
	struct sst_identity *id = sst_choice_identity(c, 0);

	return X509_get0_pubkey(sst_identity_leaf(id)) == sst_identity_key(id);
}

/* What a client is shown is what was signed, to the byte. */
static void
expect_bytes(struct sst_choice *c, const struct pki_cert *cert)
{
	X509 *leaf = sst_identity_leaf(sst_choice_identity(c, 0));
	unsigned char *is = NULL, *was = NULL;
	int len = i2d_X509(cert->cert, &was);

	assert_int_equal(i2d_X509(leaf, &is), len);
	assert_memory_equal(is, was, len);
	assert_int_equal(X509_verify(leaf, world_ca->key), 1);
	OPENSSL_free(is);
	OPENSSL_free(was);
}

static void
a_leaf_and_its_key_are_one_object(void **state)
{
	static const enum pki_key kinds[] = { PKI_P256, PKI_P384, PKI_RSA };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pki_cert *cert;
		struct sst_choice *c;
		char name[16];

		(void)snprintf(name, sizeof(name), "k%zu.b.c", i);
		cert = put(kinds[i], name);
		c = ask(store, &strict, &(struct client){ .name = name });
		expect(c, SST_TIER_EXACT, cert);
		assert_true(is_one_object(c));
		expect_bytes(c, cert);
		pki_free(cert);
	}
}

/* The form of a point is part of what TLS 1.2 clients are asked about. */
static void
a_leaf_with_a_compressed_point_keeps_its_own_public_key(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct pki_cert *cert;
	struct pki_buf b = { 0 };
	struct sst_choice *c;
	struct pki_cert usual = { .key = EVP_PKEY_dup(key) };

	(void)state;
	assert_int_equal(EVP_PKEY_set_utf8_string_param(key, "point-format",
	    "compressed"), 1);
	cert = pki_issue(world_ca, &(struct pki_spec){ .san = "www.b.c",
	    .use_key = key });
	pki_put_chain(&b, cert);
	pki_put_key(&b, &usual);	/* in the usual form */
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, NULL), SST_OK);
	c = ask(store, &strict, &(struct client){ WWW });
	expect(c, SST_TIER_EXACT, cert);
	assert_false(is_one_object(c));
	expect_bytes(c, cert);
	pki_buf_free(&b);
	pki_free(cert);
	EVP_PKEY_free(usual.key);
	EVP_PKEY_free(key);
}

static void
cs_18_the_exact_name_wins_over_a_wildcard_of_another_key_type(void **state)
{
	struct pki_cert *exact = put(PKI_RSA, "www.b.c");
	struct pki_cert *wild = put(PKI_P256, "*.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, exact);
	expect(ask(store, &strict, &(struct client){ .name = "x.b.c" }),
	    SST_TIER_WILDCARD, wild);
	pki_free(exact);
	pki_free(wild);
}

static void
cs_19_a_wildcard_serves_a_client_that_cannot_use_the_exact_one(void **state)
{
	struct pki_cert *exact = put(PKI_RSA, "www.b.c");
	struct pki_cert *wild = put(PKI_P256, "*.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW, ECDSA_ONLY }),
	    SST_TIER_WILDCARD, wild);
	expect(ask(store, &strict, &(struct client){ WWW, RSA_ONLY }),
	    SST_TIER_EXACT, exact);
	pki_free(exact);
	pki_free(wild);
}

static void
cs_20_a_valid_wildcard_wins_over_an_expired_exact_one(void **state)
{
	struct pki_cert *old = put_dates("www.b.c", PKI_NOW - 2 * PKI_DAY, PKI_NOW - 1);
	struct pki_cert *wild = put(PKI_P256, "*.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_WILDCARD, wild);
	expect(ask(store, &strict, &(struct client){ WWW, .now = PKI_NOW - 1 }),
	    SST_TIER_EXACT, old);
	pki_free(old);
	pki_free(wild);
}

static void
cs_24_rsa_pss_codes_alone_are_enough_for_rsa_in_tls_1_3(void **state)
{
	struct pki_cert *rsa = put(PKI_RSA, "www.b.c"), *ec = put(PKI_P256, "www.b.c");
	struct sst_choice *both;

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW, RSA_ONLY }),
	    SST_TIER_EXACT, rsa);
	expect_alert(ask(store, &strict, &(struct client){ WWW, SIGALGS(0x0401) }),
	    40);
	expect(ask(store, &strict, &(struct client){ WWW, ECDSA_ONLY }),
	    SST_TIER_EXACT, ec);
	both = ask(store, &strict, &(struct client){ WWW });
	assert_int_equal(sst_choice_count(both), 2);
	assert_true(chose(both, rsa) && chose(both, ec));
	pki_free(rsa);
	pki_free(ec);
}

static void
cs_25_tls_1_2_suites_decide_the_key_type(void **state)
{
	struct pki_cert *rsa = put(PKI_RSA, "www.b.c"), *ec = put(PKI_P256, "www.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SUITES(0xc02f, 0xc030) }), SST_TIER_EXACT, rsa);
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SUITES(0xc02b) }), SST_TIER_EXACT, ec);
	assert_int_equal(sst_choice_count(ask(store, &strict, &(struct client){ WWW,
	    .tls12 = 1 })), 2);
	/* suites of TLS 1.3 say nothing of 1.2 */
	expect_alert(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SUITES(0x1301, 0x1302) }), 40);
	/* RSA key transport signs nothing, so PKCS#1 codes are not needed */
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SUITES(0x009c), ECDSA_ONLY }), SST_TIER_EXACT, rsa);
	pki_free(rsa);
	pki_free(ec);
}

static void
cs_26_the_version_does_not_change_the_tier(void **state)
{
	struct pki_cert *exact = put(PKI_P256, "www.b.c");
	struct pki_cert *wild = put(PKI_P256, "*.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, exact);
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1 }),
	    SST_TIER_EXACT, exact);
	expect(ask(store, &strict, &(struct client){ .name = "y.b.c", .tls12 = 1 }),
	    SST_TIER_WILDCARD, wild);
	pki_free(exact);
	pki_free(wild);
}

static void
cs_27_the_curve_is_the_one_that_the_client_can_verify(void **state)
{
	struct pki_cert *p256 = put(PKI_P256, "www.b.c"), *p384 = put(PKI_P384, "www.b.c");
	struct pki_cert *p521 = put(PKI_P521, "www.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW, SIGALGS(0x0503) }),
	    SST_TIER_EXACT, p384);
	expect(ask(store, &strict, &(struct client){ WWW, SIGALGS(0x0403) }),
	    SST_TIER_EXACT, p256);
	expect(ask(store, &strict, &(struct client){ WWW, SIGALGS(0x0603) }),
	    SST_TIER_EXACT, p521);
	/* one slot for all curves: the fastest that will do */
	expect(ask(store, &strict, &(struct client){ WWW, SIGALGS(0x0503, 0x0403) }),
	    SST_TIER_EXACT, p256);
	/* TLS 1.2: any hash goes with any curve, groups name the curves */
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0503) }), SST_TIER_EXACT, p384);
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0403), GROUPS(29, 24) }), SST_TIER_EXACT, p384);
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0403), GROUPS(25) }), SST_TIER_EXACT, p521);
	expect_alert(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0403), GROUPS(29) }), 40);
	pki_free(p256);
	pki_free(p384);
	pki_free(p521);
}

static void
cs_28_edwards_and_pss_keys_are_served_only_where_they_are_listed(void **state)
{
	struct pki_cert *ed = put(PKI_ED25519, "ed.b.c"), *e4 = put(PKI_ED448, "e4.b.c");
	struct pki_cert *pss = put(PKI_RSA_PSS, "pss.b.c");

	(void)state;
	expect(ask(store, &strict, &(struct client){ .name = "ed.b.c",
	    SIGALGS(0x0807) }), SST_TIER_EXACT, ed);
	expect_alert(ask(store, &strict, &(struct client){ .name = "ed.b.c",
	    SIGALGS(0x0403, 0x0808) }), 40);
	expect(ask(store, &strict, &(struct client){ .name = "e4.b.c",
	    SIGALGS(0x0808) }), SST_TIER_EXACT, e4);
	expect_alert(ask(store, &strict, &(struct client){ .name = "e4.b.c",
	    SIGALGS(0x0403, 0x0807) }), 40);
	expect(ask(store, &strict, &(struct client){ .name = "pss.b.c",
	    SIGALGS(0x0809) }), SST_TIER_EXACT, pss);
	expect_alert(ask(store, &strict, &(struct client){ .name = "pss.b.c",
	    RSA_ONLY }), 40);
	expect(ask(store, &strict, &(struct client){ .name = "ed.b.c", .tls12 = 1,
	    SIGALGS(0x0807), SUITES(0xc02b) }), SST_TIER_EXACT, ed);
	expect_alert(ask(store, &strict, &(struct client){ .name = "ed.b.c",
	    .tls12 = 1, SIGALGS(0x0807), SUITES(0xc02f) }), 40);
	pki_free(ed);
	pki_free(e4);
	pki_free(pss);
}

static void
cs_29_a_client_without_signature_algorithms_is_refused(void **state)
{
	struct pki_cert *ec = put(PKI_P256, "www.b.c"), *rsa = put(PKI_RSA, "rsa.b.c");

	(void)state;
	expect_alert(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    .no_sigalgs = 1 }), 40);
	expect_alert(ask(store, &strict, &(struct client){ WWW, .no_sigalgs = 1 }), 109);
	/* nor do SHA-1 and SHA-224 help */
	expect_alert(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0203, 0x0201, 0x0303) }), 40);
	expect_alert(ask(store, &strict, &(struct client){ .name = "rsa.b.c", .tls12 = 1,
	    SIGALGS(0x0201, 0x0301) }), 40);
	expect(ask(store, &strict, &(struct client){ WWW, .tls12 = 1,
	    SIGALGS(0x0403) }), SST_TIER_EXACT, ec);
	pki_free(ec);
	pki_free(rsa);
}

static void
cs_30_a_known_name_of_the_wrong_key_type_is_a_handshake_failure(void **state)
{
	struct pki_cert *first = put(PKI_RSA, "first.example");
	struct pki_cert *ec = put(PKI_P256, "www.b.c");

	(void)state;
	/* also under the lax rule: the default is for names that nobody has */
	expect_alert(ask(store, NULL, &(struct client){ WWW, RSA_ONLY }), 40);
	expect(ask(store, NULL, &(struct client){ .name = "zzz.example", RSA_ONLY }),
	    SST_TIER_DEFAULT, first);
	expect_alert(ask(store, NULL, &(struct client){ .name = "zzz.example",
	    ECDSA_ONLY }), 40);
	expect(ask(store, NULL, &(struct client){ WWW, ECDSA_ONLY }),
	    SST_TIER_EXACT, ec);
	pki_free(first);
	pki_free(ec);
}

/* Changes the object identifier of the public key to one that nobody knows. */
static void
unknown_algorithm(struct pki_buf *der)
{
	static const unsigned char ec[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	    0x02, 0x01 };
	char *at = memmem(der->data, der->len, ec, sizeof(ec));

	assert_non_null(at);
	at[8] = 0x7f;
}

static void
cs_31_a_key_of_an_unknown_algorithm_is_refused_clearly(void **state)
{
	struct pki_cert *odd = leaf(PKI_P256, "odd.b.c"), *ec = put(PKI_P256, "www.b.c");
	struct sst_error err = { .code = SST_OK };
	struct pki_buf der = { 0 };

	(void)state;
	pki_put_cert_der(&der, odd);
	unknown_algorithm(&der);
	assert_int_equal(sst_store_add_bytes(store, der.data, der.len, &err),
	    SST_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "not supported"));
	expect_alert(ask(store, &strict, &(struct client){ .name = "odd.b.c" }), 112);
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, ec);
	pki_buf_free(&der);
	pki_free(odd);
	pki_free(ec);
}

static void
cs_32_of_two_equals_the_later_wins_whatever_the_order(void **state)
{
	struct pki_cert *late = pki_issue(world_ca, &(struct pki_spec){
	    .san = "www.b.c,a.c", .not_after = PKI_NOW + 9 * PKI_DAY });
	struct pki_cert *soon = pki_issue(world_ca, &(struct pki_spec){
	    .san = "www.b.c,b.c", .not_after = PKI_NOW + 8 * PKI_DAY });
	struct pki_cert *twin = pki_issue(world_ca, &(struct pki_spec){
	    .san = "www.b.c,c.c", .not_after = PKI_NOW + 9 * PKI_DAY });
	unsigned char a[32], b[32];

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		store_put(store, turn == 0 ? late : soon);
		store_put(store, turn == 0 ? soon : late);
		expect(ask(store, &strict, &(struct client){ WWW }),
		    SST_TIER_EXACT, late);
		assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	}
	pki_digest(late, a);
	pki_digest(twin, b);
	for (int turn = 0; turn < 2; turn++) {
		store_put(store, turn == 0 ? late : twin);
		store_put(store, turn == 0 ? twin : late);
		expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT,
		    memcmp(a, b, 32) < 0 ? late : twin);
		assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	}
	pki_free(late);
	pki_free(soon);
	pki_free(twin);
}

static void
cs_33_the_issuers_that_a_client_hints_at_do_not_matter(void **state)
{
	struct pki_cert *ec = put(PKI_P256, "www.b.c");

	/* certificate_authorities is no part of the question (struct sst_hello) */
	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, ec);
	expect_alert(ask(store, &strict, &(struct client){ .name = "x" }), 112);
	pki_free(ec);
}

static void
cs_34_the_newest_of_the_expired_is_served_unless_that_is_refused(void **state)
{
	struct pki_cert *old = put_dates("www.b.c", PKI_NOW - 9 * PKI_DAY,
	    PKI_NOW - 2 * PKI_DAY);
	struct pki_cert *newer = put_dates("www.b.c,x.c", PKI_NOW - 9 * PKI_DAY,
	    PKI_NOW - PKI_DAY);
	const struct sst_choose_policy hard = { .refuse_expired = 1 };

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, newer);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	/* told once, however many clients come */
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, newer);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	expect_alert(ask(store, &hard, &(struct client){ WWW }), 112);
	pki_free(old);
	pki_free(newer);
}

static void
cs_35_a_certificate_of_the_future_waits_for_its_day(void **state)
{
	struct pki_cert *now = put_dates("www.b.c", PKI_NOW - PKI_DAY, PKI_NOW + PKI_DAY);
	struct pki_cert *next = put_dates("www.b.c,x.c", PKI_NOW + 100,
	    PKI_NOW + 9 * PKI_DAY);

	(void)state;
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, now);
	expect(ask(store, &strict, &(struct client){ WWW, .now = PKI_NOW + 99 }),
	    SST_TIER_EXACT, now);
	expect(ask(store, &strict, &(struct client){ WWW, .now = PKI_NOW + 100 }),
	    SST_TIER_EXACT, next);
	/* the clock goes back, and so does the answer */
	expect(ask(store, &strict, &(struct client){ WWW, .now = PKI_NOW + 99 }),
	    SST_TIER_EXACT, now);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 0);
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	/* nothing else: early is better than nothing */
	store_put(store, next);
	expect(ask(store, &strict, &(struct client){ WWW }), SST_TIER_EXACT, next);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	pki_free(now);
	pki_free(next);
}

static void
a_decision_says_what_was_chosen_and_why_the_rest_was_not(void **state)
{
	struct pki_cert *ec = put(PKI_P256, "www.b.c"), *rsa = put(PKI_RSA, "www.b.c");
	struct pki_cert *wild = put(PKI_P256, "*.b.c");
	const struct sst_candidate *list;
	struct sst_choice *c;
	char text[1024], small[8];
	size_t n;

	(void)state;
	c = ask(store, &strict, &(struct client){ WWW, ECDSA_ONLY });
	expect(c, SST_TIER_EXACT, ec);
	n = sst_choice_text(c, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_int_equal(sst_choice_text(c, small, sizeof(small)), n);
	assert_string_equal(small, "tier=ex");
	assert_non_null(strstr(text, "tier=exact name=www.b.c generation=3 chosen=EC-P-256:"));
	assert_non_null(strstr(text, "dropped="));
	assert_non_null(strstr(text, "the client cannot verify this type of key"));
	n = sst_choice_candidates(c, &list);
	assert_int_equal(n, 3);
	assert_null(list[0].dropped);
	assert_string_equal(list[0].key_type, "EC-P-256");
	for (size_t i = 1; i < n; i++)
		assert_non_null(list[i].dropped);
	pki_free(ec);
	pki_free(rsa);
	pki_free(wild);
}

#define T(f) cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_18_the_exact_name_wins_over_a_wildcard_of_another_key_type),
		T(cs_19_a_wildcard_serves_a_client_that_cannot_use_the_exact_one),
		T(cs_20_a_valid_wildcard_wins_over_an_expired_exact_one),
		T(cs_24_rsa_pss_codes_alone_are_enough_for_rsa_in_tls_1_3),
		T(a_leaf_and_its_key_are_one_object),
		T(a_leaf_with_a_compressed_point_keeps_its_own_public_key),
		T(cs_25_tls_1_2_suites_decide_the_key_type),
		T(cs_26_the_version_does_not_change_the_tier),
		T(cs_27_the_curve_is_the_one_that_the_client_can_verify),
		T(cs_28_edwards_and_pss_keys_are_served_only_where_they_are_listed),
		T(cs_29_a_client_without_signature_algorithms_is_refused),
		T(cs_30_a_known_name_of_the_wrong_key_type_is_a_handshake_failure),
		T(cs_31_a_key_of_an_unknown_algorithm_is_refused_clearly),
		T(cs_32_of_two_equals_the_later_wins_whatever_the_order),
		T(cs_33_the_issuers_that_a_client_hints_at_do_not_matter),
		T(cs_34_the_newest_of_the_expired_is_served_unless_that_is_refused),
		T(cs_35_a_certificate_of_the_future_waits_for_its_day),
		T(a_decision_says_what_was_chosen_and_why_the_rest_was_not),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
