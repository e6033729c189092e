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
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/ossl.h"

/* `group` NULL: the key names its curve itself. */
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
	if (key == NULL || EVP_PKEY_assign_EC_KEY(key, read) != 1) {
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
			ec = EC_KEY_new_by_curve_name(OBJ_obj2nid(value));
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
	static const struct {
		const char	*group, *name;
		enum sst_key_kind kind;
	} curves[] = {
		{ "prime256v1", "EC-P-256", SST_KEY_P256 },
		{ "secp384r1", "EC-P-384", SST_KEY_P384 },
		{ "secp521r1", "EC-P-521", SST_KEY_P521 },
	};
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
		for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
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

int
sst_key_print(EVP_PKEY *key, uint8_t out[SST_PRINT_SIZE], struct sst_error *err)
{
	unsigned char *bytes = NULL;
	uint8_t number[2048 + 1];
	BIGNUM *n = NULL;
	size_t len = 0;
	int id = EVP_PKEY_get_base_id(key);

	if (id != EVP_PKEY_RSA && id != EVP_PKEY_RSA_PSS && id != EVP_PKEY_EC &&
	    id != EVP_PKEY_ED25519 && id != EVP_PKEY_ED448)
		return sst_fail(err, SST_E_UNSUPPORTED, "a key of another kind");
	number[0] = (uint8_t)id;
	if (id == EVP_PKEY_RSA || id == EVP_PKEY_RSA_PSS) {
		if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
			return sst_fail_ossl(err, SST_E_NOMEM, "RSA key");
		len = (size_t)BN_num_bytes(n);
		if (len < sizeof(number))
			(void)BN_bn2bin(n, number + 1);
		BN_free(n);
	} else if (id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448) {
		len = sizeof(number) - 1;
		if (EVP_PKEY_get_raw_public_key(key, number + 1, &len) != 1)
			return sst_fail_ossl(err, SST_E_NOMEM, "key");
	} else {
		len = EVP_PKEY_get1_encoded_public_key(key, &bytes);
		if (len == 0)
			return sst_fail_ossl(err, SST_E_NOMEM, "key");
		if (len < sizeof(number))
			memcpy(number + 1, bytes, len);
		OPENSSL_free(bytes);
	}
	if (len >= sizeof(number))
		return sst_fail(err, SST_E_LIMIT, "a key of %zu bytes", len);
	if (SHA256(number, len + 1, out) == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "digest of a key");
	return SST_OK;
}
