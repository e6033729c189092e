/* SPDX-License-Identifier: ISC */
/* What a leaf, its chain and a key become: never a pair of two that do not belong. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <malloc.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "certstore/identity.h"
#include "certstore/intern.h"
#include "certstore/key.h"
#include "certstore/quick.h"
#include "certstore/scan.h"
#include "each.h"
#include "world.h"

/* The key as a scan reads it. */
static EVP_PKEY *
key_read(const struct pki_cert *cert)
{
	struct pki_buf b = { 0 };
	EVP_PKEY *key;

	pki_put_key_der(&b, cert);
	key = sst_key_read(SST_KEY_PKCS8, (const uint8_t *)b.data, b.len);
	assert_non_null(key);
	pki_buf_free(&b);
	return key;
}

/* Another thread may be looking at a leaf that waits, or at an issuer. */
static void
a_leaf_that_others_may_see_is_not_changed(void **state)
{
	struct pki_cert *cert = leaf(PKI_P256, "www.b.c");
	EVP_PKEY *key = key_read(cert);

	(void)state;
	for (int settled = 0; settled < 2; settled++) {
		struct sst_identity *id = NULL;
		struct sst_leaf_facts facts = { 0 };
		X509 *x = X509_dup(cert->cert);
		EVP_PKEY *before = X509_get0_pubkey(x);

		if (settled)
			assert_int_equal(sst_leaf_settle(x), SST_OK);
		assert_int_equal(sst_leaf_facts_read(x, &facts, NULL), SST_OK);
		assert_int_equal(sst_identity_new(x, NULL, key, &facts, &id, NULL),
		    SST_OK);
		assert_ptr_equal(X509_get0_pubkey(x), settled ? before : key);
		assert_int_equal(sst_leaf_settle(x), 1);
		sst_identity_unref(id);
		sst_leaf_facts_done(&facts);
		X509_free(x);
	}
	EVP_PKEY_free(key);
	pki_free(cert);
}

/* The certificate as a scan reads it: its public key was not decoded. */
static X509 *
quick(const struct pki_cert *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert->cert, &der);
	X509 *x = sst_quick_read(der, (size_t)len);

	OPENSSL_free(der);
	assert_non_null(x);
	assert_null(X509_get0_pubkey(x));
	ERR_clear_error();
	return x;
}

/* An identity of such a leaf and a key; NULL: the key is another's. */
static struct sst_identity *
bind_quick(X509 *x, EVP_PKEY *key)
{
	struct sst_leaf_facts facts = { 0 };
	struct sst_identity *id = NULL;
	int rc;

	assert_int_equal(sst_leaf_facts_read(x, &facts, NULL), SST_OK);
	rc = sst_identity_new(x, NULL, key, &facts, &id, NULL);
	assert_int_equal(rc, id != NULL ? SST_OK : SST_E_MISMATCH);
	sst_leaf_facts_done(&facts);
	return id;
}

static void
a_leaf_gets_its_public_key_from_the_private_one(void **state)
{
	static const struct { enum pki_key kind; int one; } rows[] = { { PKI_P256, 1 },
	    { PKI_P384, 1 }, { PKI_RSA, 1 }, { PKI_ED25519, 0 } };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const int settled = i % 2 != 0, one = rows[i / 2].one && !settled;
		struct pki_cert *cert = leaf(rows[i / 2].kind, "www.b.c");
		EVP_PKEY *key = key_read(cert), *public;
		struct sst_identity *id;
		X509 *x = quick(cert);

		if (settled)
			assert_int_equal(sst_leaf_settle(x), SST_OK);
		id = bind_quick(x, key);
		assert_non_null(id);
		/* the very object, or a copy with a key of its own */
		assert_int_equal(sst_identity_leaf(id) == x, one);
		public = X509_get0_pubkey(sst_identity_leaf(id));
		assert_int_equal(public == key, one);
		assert_int_equal(EVP_PKEY_eq(public, cert->key), 1);
		assert_int_equal(X509_cmp(sst_identity_leaf(id), cert->cert), 0);
		assert_int_equal(X509_verify(sst_identity_leaf(id), world_ca->key), 1);
		assert_int_equal(sst_leaf_settle(sst_identity_leaf(id)), 1);
		sst_identity_unref(id);
		X509_free(x);
		EVP_PKEY_free(key);
		pki_free(cert);
	}
}

static void
a_leaf_does_not_get_the_key_of_another(void **state)
{
	static const enum pki_key kinds[] = { PKI_P256, PKI_RSA, PKI_ED25519, PKI_P384,
	    PKI_P256 };
	struct pki_cert *cert[5];
	EVP_PKEY *key[5];
	struct sst_identity *id;
	X509 *x;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		cert[i] = leaf(kinds[i], "www.b.c");
		key[i] = key_read(cert[i]);
	}
	for (size_t i = 0; i < 25; i++) {
		x = quick(cert[i / 5]);
		id = bind_quick(x, key[i % 5]);
		assert_int_equal(id != NULL, i / 5 == i % 5);
		sst_identity_unref(id);
		/* what was refused is as it was, and takes its own */
		if (i / 5 != i % 5) {
			assert_null(X509_get0_pubkey(x));
			ERR_clear_error();
			id = bind_quick(x, key[i / 5]);
			assert_non_null(id);
			sst_identity_unref(id);
		}
		X509_free(x);
	}
	for (size_t i = 0; i < 5; i++) {
		EVP_PKEY_free(key[i]);
		pki_free(cert[i]);
	}
}

/* The key as a file gives it, with its public half or without. */
static EVP_PKEY *
read_again(EVP_PKEY *key, int whole)
{
	unsigned char *der = NULL;
	EVP_PKEY *read;
	EC_KEY *ec;
	int len;

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
		ec = EVP_PKEY_get1_EC_KEY(key);
		assert_non_null(ec);
		EC_KEY_set_enc_flags(ec, whole ? 0 : EC_PKEY_NO_PUBKEY);
		len = i2d_ECPrivateKey(ec, &der);
		EC_KEY_free(ec);
		read = sst_key_read(SST_KEY_FORM_EC, der, (size_t)len);
	} else {
		len = i2d_PrivateKey(key, &der);
		read = sst_key_read(SST_KEY_FORM_RSA, der, (size_t)len);
	}
	assert_non_null(read);
	OPENSSL_free(der);
	return read;
}

/* One that waited for its key, and one that was an issuer of another. */
static void
staged_leaves_and_issuers_are_settled(void **state)
{
	struct sst_intern *in = sst_intern_new();
	struct pki_cert *cert = leaf(PKI_P256, "www.b.c");
	const struct sst_scan_env env = { .intern = in };
	STACK_OF(X509) *pool = sk_X509_new_null(), *chain;
	struct sst_found f = { 0 };
	X509 *x;

	(void)state;
	assert_true(sk_X509_push(pool, world_ca->cert) > 0);
	chain = sst_chain_order(cert->cert, pool, NULL);
	assert_int_equal(sk_X509_num(chain), 1);
	assert_int_equal(sst_leaf_settle(world_ca->cert), 1);
	assert_int_equal(sst_found_make(&env, cert->cert, pool, NULL, &f, NULL), SST_OK);
	assert_int_equal(f.row.state, SST_ENTRY_STAGED);
	assert_int_equal(sst_leaf_settle(cert->cert), 1);
	sst_found_done(&f);
	/* whoever looks at one that waits finds its public key */
	x = quick(cert);
	assert_int_equal(sst_found_make(&env, x, pool, NULL, &f, NULL), SST_OK);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(f.certs, 0)),
	    cert->key), 1);
	assert_int_equal(sst_leaf_settle(sk_X509_value(f.certs, 0)), 1);
	sst_found_done(&f);
	X509_free(x);
	sk_X509_pop_free(chain, X509_free);
	sk_X509_free(pool);
	sst_intern_free(in);
	pki_free(cert);
}

/* The digest of what is kept is that of the certificate; of what is not, too. */
static void
what_is_kept_has_the_digest_of_its_bytes(void **state)
{
	struct sst_intern *in = sst_intern_new();
	struct pki_cert *cert = leaf(PKI_P256, "www.b.c");
	uint8_t kept[32], other[32], digest[32];
	unsigned int len;

	(void)state;
	sst_intern_put(in, world_ca->cert);
	sst_intern_put(in, world_ca->cert);
	assert_int_equal(X509_digest(world_ca->cert, EVP_sha256(), digest, &len), 1);
	assert_int_equal(sst_intern_digest(in, world_ca->cert, kept, NULL), SST_OK);
	assert_memory_equal(kept, digest, 32);
	assert_int_equal(sst_intern_digest(NULL, world_ca->cert, kept, NULL), SST_OK);
	assert_memory_equal(kept, digest, 32);
	assert_int_equal(X509_digest(cert->cert, EVP_sha256(), digest, &len), 1);
	assert_int_equal(sst_intern_digest(in, cert->cert, other, NULL), SST_OK);
	assert_memory_equal(other, digest, 32);
	assert_memory_not_equal(kept, other, 32);
	sst_intern_free(in);
	pki_free(cert);
}

/* A key is written with its public half or without: the print is the certificate's. */
static void
a_key_has_the_print_of_its_certificate(void **state)
{
	static const int kinds[] = { PKI_P256, PKI_P384, PKI_P521, PKI_RSA };
	struct sst_key_facts facts;
	struct pki_cert *cert;
	EVP_PKEY *whole, *half;
	uint8_t print[32];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		cert = leaf(kinds[i], "www.b.c");
		assert_int_equal(sst_key_facts_read(cert->cert, &facts, NULL), SST_OK);
		whole = read_again(cert->key, 1);
		half = read_again(cert->key, 0);
		assert_int_equal(sst_key_print(whole, print, NULL), SST_OK);
		assert_memory_equal(print, facts.print, 32);
		assert_int_equal(sst_key_print(half, print, NULL), SST_OK);
		assert_memory_equal(print, facts.print, 32);
		EVP_PKEY_free(whole);
		EVP_PKEY_free(half);
		pki_free(cert);
	}
}

/* Signs once, and returns the memory that is kept from that. */
static long
sign(EVP_PKEY *key, const struct pki_cert *cert)
{
	const long before = (long)mallinfo2().uordblks;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[256];
	size_t len = sizeof(signature);
	long kept;

	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const uint8_t *)"text", 4), 1);
	EVP_MD_CTX_free(ctx);
	kept = (long)mallinfo2().uordblks - before;
	ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL,
	    X509_get0_pubkey(cert->cert), NULL), 1);
	assert_int_equal(EVP_DigestVerify(ctx, signature, len, (const uint8_t *)"text", 4), 1);
	EVP_MD_CTX_free(ctx);
	return kept;
}

static int
is_copied_for_its_provider(EVP_PKEY *key)
{
	return EC_KEY_get_method(EVP_PKEY_get0_EC_KEY(key)) == EC_KEY_OpenSSL();
}

static void
a_key_is_no_copy_where_libcrypto_itself_signs(void **state)
{
	static const int kinds[] = { PKI_P256, PKI_P384, PKI_P521 };
	struct pki_cert *cert;
	struct pki_buf b = { 0 };
	EVP_PKEY *direct, *fips, *usual;
	long copy;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		cert = leaf(kinds[i], "www.b.c");
		direct = key_read(cert);
		pki_put_key_der(&b, cert);
		assert_int_equal(EVP_default_properties_enable_fips(NULL, 1), 1);
		fips = sst_key_read(SST_KEY_PKCS8, (const uint8_t *)b.data, b.len);
		assert_int_equal(EVP_default_properties_enable_fips(NULL, 0), 1);
		pki_buf_free(&b);
		assert_non_null(fips);
		assert_false(is_copied_for_its_provider(direct));
		assert_true(is_copied_for_its_provider(fips));
		usual = read_again(cert->key, 1);
		assert_false(is_copied_for_its_provider(usual));
		(void)sign(usual, cert);	/* what is made once is there now */
		copy = sign(fips, cert);
		/* a sanitizer's allocator says nothing */
		assert_true(copy == 0 || copy > 1000);
		assert_true(sign(direct, cert) <= copy / 4);
		EVP_PKEY_free(direct);
		EVP_PKEY_free(fips);
		EVP_PKEY_free(usual);
		pki_free(cert);
	}
}

/* To write the point again is saved where it is written in full, and in no other form. */
static void
a_plain_key_is_one_with_a_named_curve_and_its_whole_point(void **state)
{
	struct pki_cert *cert = leaf(PKI_P256, "www.b.c");
	struct pki_cert *rsa = leaf(PKI_RSA, "www.b.c");
	EVP_PKEY *key = key_read(cert), *other = key_read(rsa);
	EC_KEY *ec = (EC_KEY *)(uintptr_t)EVP_PKEY_get0_EC_KEY(key);

	(void)state;
	assert_true(sst_key_is_plain(key));
	assert_false(sst_key_is_plain(other));
	EC_KEY_set_conv_form(ec, POINT_CONVERSION_COMPRESSED);
	assert_false(sst_key_is_plain(key));
	EC_KEY_set_conv_form(ec, POINT_CONVERSION_UNCOMPRESSED);
	assert_true(sst_key_is_plain(key));
	EC_KEY_set_asn1_flag(ec, 0);
	assert_false(sst_key_is_plain(key));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	pki_free(cert);
	pki_free(rsa);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_leaf_that_others_may_see_is_not_changed),
		T(a_leaf_gets_its_public_key_from_the_private_one),
		T(a_leaf_does_not_get_the_key_of_another),
		T(staged_leaves_and_issuers_are_settled),
		T(what_is_kept_has_the_digest_of_its_bytes),
		T(a_key_has_the_print_of_its_certificate),
		T(a_key_is_no_copy_where_libcrypto_itself_signs),
		T(a_plain_key_is_one_with_a_named_curve_and_its_whole_point),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
