/* SPDX-License-Identifier: ISC */
/*
 * crl_signer - see crl_list.h.
 *
 * RFC 5280 6.3.3 (f): a CA may sign its lists with a key of its own, certified
 * under its name. Whoever says he is that must have been certified by the CA, or
 * by who certified the CA: another CA can give out the same name.
 */
#include <openssl/x509v3.h>
#include <string.h>

#include "base/ossl.h"
#include "crl_list.h"
#include "dertime.h"
#include "given.h"
#include "signature.h"

/* A list's bytes are hashed for each key that is tried. */
#define TRIES_MAX	8

struct hunt {
	struct sst_crl	*crl;
	const struct sst_crl_signers *who;
	struct sst_signature alg;
	int64_t		 now;
	int		 level;
	int		 known_only;	/* no signature is computed */
	int64_t		 not_after;
};

static int
not_after_of(X509 *cert, int64_t *ret)
{
	const ASN1_TIME *t = X509_get0_notAfter(cert);

	return sst_dertime_any((uint8_t)ASN1_STRING_type(t), ASN1_STRING_get0_data(t),
	    (size_t)ASN1_STRING_length(t), ret);
}

/* Whether `parent` (NULL: nobody) issued `cert` with a signature that counts. */
static int
certified_by(X509 *cert, X509 *parent, int level)
{
	EVP_PKEY *key = parent == NULL ? NULL : X509_get0_pubkey(parent);
	int secbits, ok;

	if (key == NULL || !sst_signature_key_strong(key, level) ||
	    X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(parent)) != 0 ||
	    X509_get_signature_info(cert, NULL, NULL, &secbits, NULL) != 1 ||
	    secbits < sst_signature_level_bits(level))
		return 0;
	ok = X509_verify(cert, key) == 1;
	sst_ossl_clear();
	return ok;
}

/* All that makes a certificate of the CA's name one of the CA's signers, but for
 * the signature on the list. */
static int
candidate_may(const struct hunt *h, X509 *cert)
{
	const struct sst_cert_facts *facts;
	X509 *parent = h->who->issuer;
	EVP_PKEY *key = X509_get0_pubkey(cert);

	if (key == NULL || X509_NAME_cmp(X509_get_subject_name(cert),
	    X509_get_subject_name(h->who->issuer)) != 0)
		return 0;
	/* which a certificate without keyUsage would allow, this one has to say */
	if ((X509_get_extension_flags(cert) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 ||
	    (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) == 0 ||
	    (X509_get_key_usage(cert) & KU_CRL_SIGN) == 0)
		return 0;
	if (!sst_signature_key_strong(key, h->level))
		return 0;
	if (!certified_by(cert, parent, h->level)) {
		parent = h->who->above;
		if (!certified_by(cert, parent, h->level))
			return 0;
	}
	if (sst_facts_of(cert, parent, &facts, NULL) < 0 ||
	    h->now < facts->not_before || h->now > facts->not_after)
		return 0;
	return h->who->revoked == NULL || h->who->revoked(h->who->arg, &facts->key) != 1;
}

static int
signature_verify(const void *arg, EVP_PKEY *key)
{
	const struct hunt *h = arg;
	const struct sst_crl *crl = h->crl;

	return sst_signature_by(&h->alg, key, crl->tbs.whole, crl->tbs.whole_len,
	    crl->signature, crl->signature_len);
}

static int
signed_by(const struct hunt *h, EVP_PKEY *key)
{
	struct sst_given *given = h->crl->given;

	if (given == NULL)
		return signature_verify(h, key);
	return h->known_only ? sst_given_is_by(given, key) :
	    sst_given_verify(given, key, signature_verify, h);
}

/* Takes the signer into the head, where zero is the issuer itself. */
static int
signer_set(struct hunt *h, X509 *cert)
{
	if (not_after_of(cert, &h->not_after) < 0)
		return 0;
	return cert == h->who->issuer ||
	    X509_digest(cert, EVP_sha256(), h->crl->head.signer, NULL) == 1;
}

/* keyUsage, where there is one, is for CRLs: then X509_get_key_usage() is not all
 * ones. */
static int
ca_may(X509 *ca)
{
	return X509_get0_pubkey(ca) != NULL && (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;
}

static int
ca_signed(struct hunt *h, X509 *ca)
{
	EVP_PKEY *key = X509_get0_pubkey(ca);

	return ca_may(ca) && sst_signature_key_strong(key, h->level) && signed_by(h, key) &&
	    signer_set(h, ca);
}

/* The same CA with a newer key: it certified its older one under its own name. */
static int
renewed_signed(struct hunt *h)
{
	X509 *above = h->who->above;

	return above != NULL && X509_NAME_cmp(X509_get_subject_name(above),
	    X509_get_subject_name(h->who->issuer)) == 0 && ca_signed(h, above);
}

static int
others_try(struct hunt *h)
{
	STACK_OF(X509) *others = h->who->others;
	int tries = 0;
	X509 *cert;

	for (int i = 0; i < sk_X509_num(others) && tries < TRIES_MAX; i++) {
		cert = sk_X509_value(others, i);
		if (!candidate_may(h, cert))
			continue;
		tries++;
		if (signed_by(h, X509_get0_pubkey(cert)) && signer_set(h, cert))
			return 1;
	}
	return 0;
}

static int
anybody_signed(struct hunt *h)
{
	return ca_signed(h, h->who->issuer) || renewed_signed(h) || others_try(h);
}

int
sst_crl_verify(struct sst_crl *crl, const struct sst_crl_signers *who, int64_t now, int level,
    int64_t *ret_not_after, struct sst_error *err)
{
	struct hunt h = { .crl = crl, .who = who, .now = now, .level = level };
	X509 *ca = who->issuer;
	int signed_at_all, rc;

	rc = sst_signature_read(&crl->algorithm, level, "CRL", &h.alg, err);
	if (rc < 0) {
		crl->fault = SST_FAULT_ALGORITHM;
		return rc;
	}
	/* Who is known to have signed comes first: nobody else's key is tried then. */
	h.known_only = 1;
	signed_at_all = crl->given != NULL && anybody_signed(&h);
	h.known_only = 0;
	if (signed_at_all || anybody_signed(&h)) {
		*ret_not_after = h.not_after;
		return SST_OK;
	}
	sst_ossl_clear();
	if (!ca_may(ca))
		return sst_crl_fault(crl, SST_FAULT_SIGNER, err,
		    "the CA's key usage is not for CRLs, and no other certificate of its "
		    "name that may sign them made this signature");
	if (!sst_signature_key_strong(X509_get0_pubkey(ca), level))
		return sst_crl_fault(crl, SST_FAULT_ALGORITHM, err,
		    "the CA's key has %d bits of security, which is below security level %d",
		    EVP_PKEY_get_security_bits(X509_get0_pubkey(ca)), level);
	return sst_crl_fault(crl, SST_FAULT_SIGNATURE, err,
	    "the CRL's signature is neither by the CA's key nor by a CRL key that it certified");
}
