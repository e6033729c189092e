/* SPDX-License-Identifier: ISC */
/*
 * The decoders that OpenSSL 3.0 calls deprecated take 11 us where the general
 * one takes 330: it tries every format that it knows. A server with ten
 * thousand keys starts in a second instead of five.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/ossl.h"
#include "digest.h"
#include "quick.h"

#define NUMBER_MAX	2048

static const struct curve {
	const char	*group, *name;
	enum sst_key_kind kind;
	int		 nid, bytes, bits;
} curves[] = {
	{ "prime256v1", "EC-P-256", SST_KEY_P256, NID_X9_62_prime256v1, 32, 256 },
	{ "secp384r1", "EC-P-384", SST_KEY_P384, NID_secp384r1, 48, 384 },
	{ "secp521r1", "EC-P-521", SST_KEY_P521, NID_secp521r1, 66, 521 },
};

#define CURVES	(sizeof(curves) / sizeof(curves[0]))

/* Made once: a copy of one takes a tenth of the time. NULL: it could not be made. */
static pthread_once_t groups_once = PTHREAD_ONCE_INIT;
static EC_GROUP *groups[CURVES];

static void
groups_make(void)
{
	for (size_t i = 0; i < CURVES; i++)
		groups[i] = EC_GROUP_new_by_curve_name(curves[i].nid);
}

static EC_KEY *
ec_new(int nid)
{
	EC_KEY *ec;

	for (size_t i = 0; i < CURVES; i++) {
		if (curves[i].nid != nid ||
		    pthread_once(&groups_once, groups_make) != 0 || groups[i] == NULL)
			continue;
		ec = EC_KEY_new();
		if (ec != NULL && EC_KEY_set_group(ec, groups[i]) != 1) {
			EC_KEY_free(ec);
			ec = NULL;
		}
		return ec;
	}
	return EC_KEY_new_by_curve_name(nid);
}

/*
 * A key of OpenSSL's older form is copied for its provider at its first use, which takes
 * as long as to read the certificate, and as much memory as the key. Where that provider
 * is the default one, and would sign with the very functions of libcrypto that the key
 * has itself, it does so: OpenSSL copies none that has a method of its own, even one with
 * the same functions. Another provider (fips, or some hardware's) gets its copy.
 */
static pthread_once_t direct_once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *direct;		/* NULL: keys are copied */

static void
direct_make(void)
{
	EVP_SIGNATURE *ecdsa = EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL);
	const OSSL_PROVIDER *who = ecdsa == NULL ? NULL :
	    EVP_SIGNATURE_get0_provider(ecdsa);

	if (who != NULL && strcmp(OSSL_PROVIDER_get0_name(who), "default") == 0)
		direct = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	EVP_SIGNATURE_free(ecdsa);
}

static int
sign_directly(EC_KEY *ec)
{
	if (EVP_default_properties_is_fips_enabled(NULL) ||
	    pthread_once(&direct_once, direct_make) != 0 || direct == NULL)
		return 1;
	return EC_KEY_set_method(ec, direct);
}

/* `ec` NULL: the key names its curve itself. */
static EVP_PKEY *
ec_read(EC_KEY *ec, const uint8_t *der, long len)
{
	EVP_PKEY *key = NULL;
	EC_KEY *read;

	read = d2i_ECPrivateKey(ec == NULL ? NULL : &ec, &der, len);
	if (read == NULL) {
		EC_KEY_free(ec);
		return NULL;
	}
	key = EVP_PKEY_new();
	if (key == NULL || sign_directly(read) != 1 ||
	    EVP_PKEY_assign_EC_KEY(key, read) != 1) {
		EVP_PKEY_free(key);
		EC_KEY_free(read);
		return NULL;
	}
	return key;
}

static EVP_PKEY *
rsa_read(const uint8_t *der, long len)
{
	RSA *rsa = d2i_RSAPrivateKey(NULL, &der, len);
	EVP_PKEY *key;

	if (rsa == NULL)
		return NULL;
	key = EVP_PKEY_new();
	if (key == NULL || EVP_PKEY_assign_RSA(key, rsa) != 1) {
		EVP_PKEY_free(key);
		RSA_free(rsa);
		return NULL;
	}
	return key;
}

/* PKCS#8 is a wrapper: RSA and named curves have a short way to the inside. */
static EVP_PKEY *
pkcs8_read(const uint8_t *der, long len)
{
	PKCS8_PRIV_KEY_INFO *p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, len);
	const ASN1_OBJECT *oid = NULL;
	const unsigned char *inner = NULL;
	const X509_ALGOR *alg = NULL;
	EVP_PKEY *key = NULL;
	const void *value;
	EC_KEY *ec;
	int inner_len = 0, type;

	if (p8 == NULL)
		return NULL;
	if (PKCS8_pkey_get0(&oid, &inner, &inner_len, &alg, p8) == 1) {
		X509_ALGOR_get0(NULL, &type, &value, alg);
		if (OBJ_obj2nid(oid) == NID_rsaEncryption) {
			key = rsa_read(inner, inner_len);
		} else if (OBJ_obj2nid(oid) == NID_X9_62_id_ecPublicKey &&
		    type == V_ASN1_OBJECT) {
			ec = ec_new(OBJ_obj2nid(value));
			if (ec != NULL)
				key = ec_read(ec, inner, inner_len);
		} else {
			key = EVP_PKCS82PKEY(p8);
		}
	}
	PKCS8_PRIV_KEY_INFO_free(p8);
	return key;
}

EVP_PKEY *
sst_key_read(enum sst_key_form form, const uint8_t *der, size_t len)
{
	if (form == SST_KEY_FORM_RSA)
		return rsa_read(der, (long)len);
	if (form == SST_KEY_FORM_EC)
		return ec_read(NULL, der, (long)len);
	return pkcs8_read(der, (long)len);
}

int
sst_key_kind(EVP_PKEY *key, char *text, size_t size)
{
	char group[64] = "";

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		(void)snprintf(text, size, "RSA-%d", EVP_PKEY_get_bits(key));
		return SST_KEY_RSA;
	case EVP_PKEY_RSA_PSS:
		(void)snprintf(text, size, "RSA-PSS-%d", EVP_PKEY_get_bits(key));
		return SST_KEY_RSA_PSS;
	case EVP_PKEY_ED25519:
		(void)snprintf(text, size, "ED25519");
		return SST_KEY_ED25519;
	case EVP_PKEY_ED448:
		(void)snprintf(text, size, "ED448");
		return SST_KEY_ED448;
	case EVP_PKEY_EC:
		(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		for (size_t i = 0; i < CURVES; i++) {
			if (strcmp(group, curves[i].group) != 0)
				continue;
			(void)snprintf(text, size, "%s", curves[i].name);
			return curves[i].kind;
		}
		(void)snprintf(text, size, "EC-%s", group);
		return -1;
	default:
		(void)snprintf(text, size, "unknown");
		return -1;
	}
}

/* The print of a number (or point) of a kind that OpenSSL calls `id`. */
static int
number_print(int id, const uint8_t *number, size_t len, uint8_t out[SST_PRINT_SIZE],
    struct sst_error *err)
{
	uint8_t both[NUMBER_MAX + 1];

	if (len > NUMBER_MAX)
		return sst_fail(err, SST_E_LIMIT, "a key of %zu bytes", len);
	both[0] = (uint8_t)id;
	memcpy(both + 1, number, len);
	sst_digest(both, len + 1, out);
	return SST_OK;
}

static int
rsa_print(int id, const BIGNUM *n, uint8_t out[SST_PRINT_SIZE], struct sst_error *err)
{
	uint8_t number[NUMBER_MAX];
	size_t len = (size_t)BN_num_bytes(n);

	if (len <= sizeof(number))
		(void)BN_bn2bin(n, number);
	return number_print(id, number, len, out, err);
}

/*
 * The print of a point as the file has it: asked for its two numbers in the ordinary way,
 * OpenSSL divides by a third, which is 1, and takes longer than for all else. 0: it is not.
 */
static int
ec_print(const EC_KEY *ec, uint8_t out[SST_PRINT_SIZE])
{
	const EC_GROUP *group = EC_KEY_get0_group(ec);
	const EC_POINT *point = EC_KEY_get0_public_key(ec);
	BIGNUM *x = BN_new(), *y = BN_new(), *z = BN_new();
	uint8_t number[1 + 2 * 66] = { POINT_CONVERSION_UNCOMPRESSED };
	int size = 0, ok = 0;

	(void)ERR_set_mark();
	if (group != NULL)
		size = (EC_GROUP_get_degree(group) + 7) / 8;
	if (x != NULL && y != NULL && z != NULL && point != NULL && size <= 66 &&
	    EC_POINT_get_Jprojective_coordinates_GFp(group, point, x, y, z, NULL) == 1 &&
	    BN_is_one(z) && BN_bn2binpad(x, number + 1, size) == size &&
	    BN_bn2binpad(y, number + 1 + size, size) == size)
		ok = number_print(EVP_PKEY_EC, number, 1 + 2 * (size_t)size, out, NULL) ==
		    SST_OK;
	(void)ERR_pop_to_mark();
	BN_free(x);
	BN_free(y);
	BN_free(z);
	return ok;
}

int
sst_key_print(EVP_PKEY *key, uint8_t out[SST_PRINT_SIZE], struct sst_error *err)
{
	unsigned char *bytes = NULL;
	uint8_t number[NUMBER_MAX];
	BIGNUM *n = NULL;
	size_t len = sizeof(number);
	int id = EVP_PKEY_get_base_id(key), rc;
	const EC_KEY *ec;
	const RSA *rsa;

	if (id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS) {
		/* of the older form it is there, and needs no copy */
		rsa = EVP_PKEY_get0_provider(key) == NULL ? EVP_PKEY_get0_RSA(key) : NULL;
		if (rsa != NULL && RSA_get0_n(rsa) != NULL)
			return rsa_print(id, RSA_get0_n(rsa), out, err);
		if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
			return sst_fail_ossl(err, SST_E_NOMEM, "RSA key");
		rc = rsa_print(id, n, out, err);
		BN_free(n);
		return rc;
	}
	if (id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448) {
		if (EVP_PKEY_get_raw_public_key(key, number, &len) != 1)
			return sst_fail_ossl(err, SST_E_NOMEM, "key");
		return number_print(id, number, len, out, err);
	}
	if (id != EVP_PKEY_EC)
		return sst_fail(err, SST_E_UNSUPPORTED, "a key of another kind");
	ec = EVP_PKEY_get0_provider(key) == NULL ? EVP_PKEY_get0_EC_KEY(key) : NULL;
	if (ec != NULL && ec_print(ec, out))
		return SST_OK;
	len = EVP_PKEY_get1_encoded_public_key(key, &bytes);
	if (len == 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "key");
	rc = number_print(id, bytes, len, out, err);
	OPENSSL_free(bytes);
	return rc;
}

int
sst_key_is_plain(EVP_PKEY *key)
{
	const EC_KEY *ec;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get0_provider(key) != NULL)
		return 0;
	ec = EVP_PKEY_get0_EC_KEY(key);
	return ec != NULL && EC_KEY_get_conv_form(ec) == POINT_CONVERSION_UNCOMPRESSED &&
	    EC_GROUP_get_asn1_flag(EC_KEY_get0_group(ec)) == OPENSSL_EC_NAMED_CURVE;
}

/* A named curve, and a point that is written in full. */
static int
ec_quick(const X509_ALGOR *alg, const uint8_t *point, int len, struct sst_key_facts *f)
{
	const struct curve *c;
	const void *value;
	int type;

	X509_ALGOR_get0(NULL, &type, &value, alg);
	if (type != V_ASN1_OBJECT)
		return 0;
	for (size_t i = 0; i < CURVES; i++) {
		c = &curves[i];
		if (OBJ_obj2nid(value) != c->nid || len != 1 + 2 * c->bytes ||
		    point[0] != POINT_CONVERSION_UNCOMPRESSED)
			continue;
		f->kind = c->kind;
		f->bits = c->bits;
		(void)snprintf(f->text, sizeof(f->text), "%s", c->name);
		return number_print(EVP_PKEY_EC, point, (size_t)len, f->print, NULL) ==
		    SST_OK;
	}
	return 0;
}

static int
rsa_quick(const uint8_t *der, int len, struct sst_key_facts *f)
{
	RSA *rsa = d2i_RSAPublicKey(NULL, &der, len);
	int ok = 0;

	if (rsa != NULL && RSA_get0_n(rsa) != NULL) {
		f->kind = SST_KEY_RSA;
		f->bits = RSA_bits(rsa);
		(void)snprintf(f->text, sizeof(f->text), "RSA-%d", f->bits);
		ok = rsa_print(EVP_PKEY_RSA, RSA_get0_n(rsa), f->print, NULL) == SST_OK;
	}
	RSA_free(rsa);
	return ok;
}

static int
ed_quick(int nid, const uint8_t *point, int len, struct sst_key_facts *f)
{
	const int is_448 = nid == NID_ED448;

	if (len != (is_448 ? 57 : 32))
		return 0;
	f->kind = is_448 ? SST_KEY_ED448 : SST_KEY_ED25519;
	f->bits = is_448 ? 456 : 256;
	(void)snprintf(f->text, sizeof(f->text), is_448 ? "ED448" : "ED25519");
	return number_print(nid, point, (size_t)len, f->print, NULL) == SST_OK;
}

int
sst_key_facts_quick(const X509 *x, struct sst_key_facts *ret)
{
	X509_PUBKEY *pub = X509_get_X509_PUBKEY(x);
	struct sst_key_facts f = { 0 };
	const unsigned char *bytes;
	ASN1_OBJECT *oid;
	X509_ALGOR *alg;
	int len, nid, ok = 0;

	if (pub == NULL || X509_PUBKEY_get0_param(&oid, &bytes, &len, &alg, pub) != 1 ||
	    len <= 0)
		return 0;
	nid = OBJ_obj2nid(oid);
	(void)ERR_set_mark();
	if (nid == NID_X9_62_id_ecPublicKey)
		ok = ec_quick(alg, bytes, len, &f);
	else if (nid == NID_rsaEncryption)
		ok = rsa_quick(bytes, len, &f);
	else if (nid == NID_ED25519 || nid == NID_ED448)
		ok = ed_quick(nid, bytes, len, &f);
	(void)ERR_pop_to_mark();
	if (ok)
		*ret = f;
	return ok;
}

int
sst_key_facts_read(X509 *x, struct sst_key_facts *ret, struct sst_error *err)
{
	EVP_PKEY *key;
	X509 *whole;
	int rc = SST_E_UNSUPPORTED;

	if (sst_key_facts_quick(x, ret))
		return SST_OK;
	ret->text[0] = '\0';
	whole = sst_quick_whole(x);
	if (whole == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	key = X509_get0_pubkey(whole);
	ret->kind = key == NULL ? -1 : sst_key_kind(key, ret->text, sizeof(ret->text));
	if (ret->kind >= 0) {
		ret->bits = EVP_PKEY_get_bits(key);
		rc = sst_key_print(key, ret->print, err);
	}
	X509_free(whole);
	return rc;
}
