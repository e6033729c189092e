/* SPDX-License-Identifier: ISC */
/*
 * crl_algorithm - see crl_list.h.
 *
 * The bytes are hashed where they lie: OpenSSL's own CRL check wants an object of
 * all entries first.
 */
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "crl_list.h"

int
sst_level_bits(int level)
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
digest_of(struct sst_der *algorithm)
{
	struct sst_der_item oid, null;

	if (sst_der_expect(algorithm, SST_DER_OID, &oid) < 0 ||
	    sst_der_maybe(algorithm, SST_DER_NULL, &null) < 0 || !sst_der_done(algorithm))
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

/* RSASSA-PSS-params (RFC 4055 3.1), whose defaults are all SHA-1. */
static int
pss_read(struct sst_der *in, struct sst_crl_algorithm *ret)
{
	struct sst_der params, algorithm, inner;
	struct sst_der_item oid;
	int trailer = 1, rc;

	ret->md = ret->mgf_md = EVP_sha1();
	ret->salt_len = 20;
	if (sst_der_enter(in, SST_DER_SEQUENCE, &params) < 0 || !sst_der_done(in))
		return SST_E_MALFORMED;
	rc = maybe_algorithm(&params, 0, &algorithm);
	if (rc == 1)
		ret->md = digest_of(&algorithm);
	if (rc < 0 || ret->md == NULL)
		return SST_E_MALFORMED;
	rc = maybe_algorithm(&params, 1, &algorithm);
	if (rc == 1) {
		if (sst_der_expect(&algorithm, SST_DER_OID, &oid) < 0 ||
		    nid_of(&oid) != NID_mgf1 ||
		    sst_der_enter(&algorithm, SST_DER_SEQUENCE, &inner) < 0 ||
		    !sst_der_done(&algorithm))
			return SST_E_MALFORMED;
		ret->mgf_md = digest_of(&inner);
	}
	if (rc < 0 || ret->mgf_md == NULL)
		return SST_E_MALFORMED;
	if (maybe_number(&params, 2, &ret->salt_len) < 0 ||
	    maybe_number(&params, 3, &trailer) < 0 || trailer != 1 || !sst_der_done(&params))
		return SST_E_MALFORMED;
	return SST_OK;
}

/* Digest and key in one object identifier. RSA has NULL parameters, ECDSA none. */
static int
plain_read(int nid, struct sst_der *in, struct sst_crl_algorithm *ret)
{
	struct sst_der_item null;
	int md_nid, key_nid;

	if (OBJ_find_sigid_algs(nid, &md_nid, &key_nid) != 1)
		return SST_E_UNSUPPORTED;
	if (key_nid == NID_rsaEncryption)
		ret->key_type = "RSA";
	else if (key_nid == NID_X9_62_id_ecPublicKey)
		ret->key_type = "EC";
	else
		return SST_E_UNSUPPORTED;
	if (key_nid == NID_rsaEncryption && sst_der_maybe(in, SST_DER_NULL, &null) < 0)
		return SST_E_MALFORMED;
	ret->md = EVP_get_digestbynid(md_nid);
	return ret->md != NULL && sst_der_done(in) ? SST_OK : SST_E_UNSUPPORTED;
}

int
sst_crl_algorithm(struct sst_crl *crl, int level, struct sst_crl_algorithm *ret,
    struct sst_error *err)
{
	struct sst_der_item oid;
	struct sst_der in;
	int nid, rc;

	*ret = (struct sst_crl_algorithm){ 0 };
	sst_der_into(&in, &crl->algorithm);
	if (sst_der_expect(&in, SST_DER_OID, &oid) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's signature algorithm does not parse");
	nid = nid_of(&oid);
	if (nid == NID_ED25519 || nid == NID_ED448) {
		ret->key_type = nid == NID_ED25519 ? "ED25519" : "ED448";
		rc = sst_der_done(&in) ? SST_OK : SST_E_MALFORMED;
	} else if (nid == NID_rsassaPss) {
		ret->key_type = "RSA";
		rc = pss_read(&in, ret);
	} else {
		rc = plain_read(nid, &in, ret);
	}
	ERR_clear_error();
	if (rc < 0)
		return sst_crl_fault(crl, SST_FAULT_ALGORITHM, err,
		    "the CRL's signature algorithm (%s) is not one that is understood",
		    nid == NID_undef ? "unknown" : OBJ_nid2sn(nid));
	if (ret->md != NULL && digest_bits(ret->md) < sst_level_bits(level))
		return sst_crl_fault(crl, SST_FAULT_ALGORITHM, err,
		    "the CRL is signed with %s, which is below security level %d",
		    EVP_MD_get0_name(ret->md), level);
	return SST_OK;
}

int
sst_crl_signed_by(const struct sst_crl *crl, const struct sst_crl_algorithm *alg, EVP_PKEY *key)
{
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *ctx;
	int ok = 0;

	if (!EVP_PKEY_is_a(key, alg->key_type) &&
	    !(alg->mgf_md != NULL && EVP_PKEY_is_a(key, "RSA-PSS")))
		return 0;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestVerifyInit(ctx, &pctx, alg->md, NULL, key) != 1)
		goto out;
	if (alg->mgf_md != NULL &&
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, alg->salt_len) != 1 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, alg->mgf_md) != 1))
		goto out;
	ok = EVP_DigestVerify(ctx, crl->signature, crl->signature_len, crl->tbs.whole,
	    crl->tbs.whole_len) == 1;
out:
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
