/* SPDX-License-Identifier: ISC */
/*
 * signature - see signature.h.
 */
#include "signature.h"

#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "base/ossl.h"

int
sst_signature_level_bits(int level)
{
	static const int bits[] = { 0, 80, 112, 128, 192, 256 };

	return level < 0 ? 0 : level > 5 ? bits[5] : bits[level];
}

/* As OpenSSL counts: half a digest's length, and less where it is broken. */
static int
digest_bits(const EVP_MD *md)
{
	switch (EVP_MD_get_type(md)) {
	case NID_md5:
		return 39;
	case NID_sha1:
		return 63;
	default:
		return EVP_MD_get_size(md) * 4;
	}
}

static int
nid_of(const struct sst_der_item *oid)
{
	const unsigned char *p = oid->whole;
	ASN1_OBJECT *o = d2i_ASN1_OBJECT(NULL, &p, (long)oid->whole_len);
	int nid = o == NULL ? NID_undef : OBJ_obj2nid(o);

	ASN1_OBJECT_free(o);
	return nid;
}

/* The digest that an AlgorithmIdentifier names, or NULL. */
static const EVP_MD *
digest_of(struct sst_der algorithm)
{
	struct sst_der_item oid, null;
	int rc;

	if (sst_der_expect(&algorithm, SST_DER_OID, &oid) < 0)
		return NULL;
	rc = sst_der_maybe(&algorithm, SST_DER_NULL, &null);
	if (rc < 0 || (rc == 1 && null.len != 0) || !sst_der_done(&algorithm))
		return NULL;
	return EVP_get_digestbynid(nid_of(&oid));
}

/* [n] EXPLICIT AlgorithmIdentifier. 1, 0 or < 0 as sst_der_maybe(). */
static int
maybe_algorithm(struct sst_der *in, int n, struct sst_der *ret)
{
	struct sst_der outer;
	int rc = sst_der_maybe_enter(in, (uint8_t)SST_DER_EXPLICIT(n), &outer);

	if (rc <= 0)
		return rc;
	return sst_der_enter(&outer, SST_DER_SEQUENCE, ret) < 0 || !sst_der_done(&outer) ?
	    SST_E_MALFORMED : 1;
}

static int
maybe_number(struct sst_der *in, int n, int *value)
{
	struct sst_der_item item;
	struct sst_der outer;
	int rc = sst_der_maybe_enter(in, (uint8_t)SST_DER_EXPLICIT(n), &outer);

	if (rc <= 0)
		return rc;
	return sst_der_expect(&outer, SST_DER_INTEGER, &item) < 0 || !sst_der_done(&outer) ||
	    sst_der_small(&item, value) < 0 ? SST_E_MALFORMED : 1;
}

/* MGF1 with a digest. */
static const EVP_MD *
mask_digest_of(struct sst_der algorithm)
{
	struct sst_der_item oid;
	struct sst_der inner;

	if (sst_der_expect(&algorithm, SST_DER_OID, &oid) < 0 || nid_of(&oid) != NID_mgf1 ||
	    sst_der_enter(&algorithm, SST_DER_SEQUENCE, &inner) < 0 ||
	    !sst_der_done(&algorithm))
		return NULL;
	return digest_of(inner);
}

/* RSASSA-PSS-params (RFC 4055 3.1), whose defaults are all SHA-1. */
static int
pss_read(struct sst_der *in, struct sst_signature *ret)
{
	struct sst_der params, algorithm;
	int trailer = 1, rc;

	ret->md = ret->mgf_md = EVP_sha1();
	ret->salt_len = 20;
	if (sst_der_enter(in, SST_DER_SEQUENCE, &params) < 0)
		return SST_E_MALFORMED;
	rc = maybe_algorithm(&params, 0, &algorithm);
	if (rc == 1)
		ret->md = digest_of(algorithm);
	if (rc < 0 || ret->md == NULL)
		return SST_E_MALFORMED;
	rc = maybe_algorithm(&params, 1, &algorithm);
	if (rc == 1)
		ret->mgf_md = mask_digest_of(algorithm);
	if (rc < 0 || ret->mgf_md == NULL)
		return SST_E_MALFORMED;
	if (maybe_number(&params, 2, &ret->salt_len) < 0 ||
	    maybe_number(&params, 3, &trailer) < 0 || trailer != 1 || !sst_der_done(&params))
		return SST_E_MALFORMED;
	return SST_OK;
}

/* Digest and key in one object identifier. RSA has NULL parameters (or forgets
 * them), ECDSA and DSA none. */
static int
plain_read(int nid, struct sst_der *in, struct sst_signature *ret)
{
	struct sst_der_item null;
	int md_nid, key_nid, rc;

	if (OBJ_find_sigid_algs(nid, &md_nid, &key_nid) != 1)
		return SST_E_UNSUPPORTED;
	ret->md = EVP_get_digestbynid(md_nid);
	if (ret->md == NULL)
		return SST_E_UNSUPPORTED;
	if (key_nid == NID_X9_62_id_ecPublicKey) {
		ret->key_type = "EC";
		return SST_OK;
	}
	if (key_nid == NID_dsa) {
		ret->key_type = "DSA";
		return SST_OK;
	}
	if (key_nid != NID_rsaEncryption)
		return SST_E_UNSUPPORTED;
	ret->key_type = "RSA";
	rc = sst_der_maybe(in, SST_DER_NULL, &null);
	return rc < 0 || (rc == 1 && null.len != 0) ? SST_E_MALFORMED : SST_OK;
}

static int
algorithm_read(int nid, struct sst_der *in, struct sst_signature *ret)
{
	switch (nid) {
	case NID_ED25519:
		ret->key_type = "ED25519";
		return SST_OK;
	case NID_ED448:
		ret->key_type = "ED448";
		return SST_OK;
	case NID_rsassaPss:
		ret->key_type = "RSA";
		return pss_read(in, ret);
	default:
		return plain_read(nid, in, ret);
	}
}

int
sst_signature_read(const struct sst_der_item *algorithm, int level, const char *what,
    struct sst_signature *ret, struct sst_error *err)
{
	struct sst_signature found = { .salt_len = 0 };
	struct sst_der_item oid;
	struct sst_der in;
	int nid, rc;

	sst_der_into(&in, algorithm);
	if (algorithm->tag != SST_DER_SEQUENCE || sst_der_expect(&in, SST_DER_OID, &oid) < 0)
		return sst_fail(err, SST_E_UNSUPPORTED,
		    "the signature algorithm of the %s does not parse", what);
	nid = nid_of(&oid);
	rc = algorithm_read(nid, &in, &found);
	sst_ossl_clear();
	if (rc < 0 || !sst_der_done(&in))
		return sst_fail(err, SST_E_UNSUPPORTED,
		    "the signature algorithm of the %s (%s) is not one that is understood",
		    what, nid == NID_undef ? "unknown" : OBJ_nid2sn(nid));
	if (found.md != NULL && digest_bits(found.md) < sst_signature_level_bits(level))
		return sst_fail(err, SST_E_UNSUPPORTED,
		    "the %s is signed with %s, which is below security level %d", what,
		    EVP_MD_get0_name(found.md), level);
	*ret = found;
	return SST_OK;
}

int
sst_signature_key_strong(EVP_PKEY *key, int level)
{
	return EVP_PKEY_get_security_bits(key) >= sst_signature_level_bits(level);
}

int
sst_signature_by(const struct sst_signature *s, EVP_PKEY *key, const void *bytes, size_t len,
    const void *made, size_t made_len)
{
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *ctx;
	int ok = 0;

	if (!EVP_PKEY_is_a(key, s->key_type) &&
	    !(s->mgf_md != NULL && EVP_PKEY_is_a(key, "RSA-PSS")))
		return 0;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		sst_ossl_starve();
	if (ctx == NULL || EVP_DigestVerifyInit(ctx, &pctx, s->md, NULL, key) != 1)
		goto out;
	if (s->mgf_md != NULL &&
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, s->salt_len) != 1 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, s->mgf_md) != 1))
		goto out;
	ok = EVP_DigestVerify(ctx, made, made_len, bytes, len) == 1;
out:
	EVP_MD_CTX_free(ctx);
	sst_ossl_clear();
	return ok;
}
