/* SPDX-License-Identifier: ISC */
/*
 * responder - see responder.h.
 */
#include "responder.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/ossl.h"
#include "dertime.h"
#include "signature.h"

struct hunt {
	const struct sst_basic *basic;
	const struct sst_response_ask *ask;
	struct sst_signature algorithm;
	X509_NAME	*name;		/* of responderID; NULL: it is a key's hash */
	enum sst_fault	 gravest;
	struct sst_error why;		/* of `gravest` */
};

static enum sst_fault
fault(struct sst_error *err, enum sst_fault kind, const char *text)
{
	(void)sst_fail_ossl(err, SST_E_REFUSED, "%s", text);
	return kind;
}

/* Whether responderID means this certificate: 1, 0, < 0 out of memory. */
static int
fits(const struct hunt *h, X509 *cert)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(cert);
	uint8_t sha1[EVP_MAX_MD_SIZE];

	if (h->name != NULL)
		return X509_NAME_cmp(h->name, X509_get_subject_name(cert)) == 0;
	if (EVP_Digest(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), sha1, NULL,
	    EVP_sha1(), NULL) != 1) {
		sst_ossl_starve();
		return SST_E_NOMEM;
	}
	return memcmp(sha1, h->basic->responder_key, 20) == 0;
}

static enum sst_fault
key_made_it(const struct hunt *h, EVP_PKEY *key, struct sst_error *err)
{
	const struct sst_basic *b = h->basic;

	if (key == NULL)
		return fault(err, SST_FAULT_ALGORITHM,
		    "the responder's kind of key is not one that is understood");
	if (!sst_signature_key_strong(key, h->ask->limits->security_level))
		return fault(err, SST_FAULT_ALGORITHM,
		    "the responder's key is below the security level");
	if (!sst_signature_by(&h->algorithm, key, b->tbs.whole, b->tbs.whole_len, b->signature,
	    b->signature_len))
		return fault(err, SST_FAULT_SIGNATURE,
		    "the OCSP response's signature is not by the responder's key");
	return SST_FAULT_NONE;
}

/* What the certificate itself says about being a delegate. */
static const char *
purpose_wrong(X509 *cert, const struct sst_response_ask *ask)
{
	uint32_t flags = X509_get_extension_flags(cert);

	if (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		return "the responder's certificate has an extension that is not understood";
	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ask->issuer)) != 0)
		return "the responder's certificate is of another issuer";
	/* without the extension X509_get_extended_key_usage() is all ones */
	if ((flags & EXFLAG_XKUSAGE) == 0 ||
	    (X509_get_extended_key_usage(cert) & XKU_OCSP_SIGN) == 0)
		return "the responder's certificate is not for OCSP signing";
	if ((X509_get_key_usage(cert) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
		return "the responder's certificate is not for signatures";
	return NULL;
}

/* Whether the issuer's key made the certificate, and with enough strength. */
static enum sst_fault
issued_wrong(X509 *cert, const struct sst_response_ask *ask, struct sst_error *err)
{
	EVP_PKEY *key = X509_get0_pubkey(ask->issuer);
	int bits;

	if (key == NULL || X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1 ||
	    bits < sst_signature_level_bits(ask->limits->security_level))
		return fault(err, SST_FAULT_ALGORITHM, "the signature on the responder's "
		    "certificate is below the security level, or not understood");
	if (X509_verify(cert, key) != 1)
		return fault(err, SST_FAULT_SIGNER,
		    "the responder's certificate was not issued with the issuer's key");
	return SST_FAULT_NONE;
}

static enum sst_fault
delegate_wrong(X509 *cert, const struct sst_response_ask *ask,
    const struct sst_cert_facts **ret_facts, struct sst_error *err)
{
	const struct sst_cert_facts *facts;
	const char *wrong = purpose_wrong(cert, ask);
	enum sst_fault kind;
	int rc;

	if (wrong != NULL)
		return fault(err, SST_FAULT_SIGNER, wrong);
	kind = issued_wrong(cert, ask, err);
	if (kind != SST_FAULT_NONE)
		return kind;
	rc = sst_facts_of(cert, ask->issuer, &facts, err);
	if (rc < 0)
		return rc == SST_E_NOMEM ? SST_FAULT_MEMORY : SST_FAULT_SIGNER;
	if (ask->now < facts->not_before - ask->limits->skew)
		return fault(err, SST_FAULT_SIGNER, "the responder's certificate is not valid yet");
	if (ask->now > facts->not_after)
		return fault(err, SST_FAULT_SIGNER, "the responder's certificate has expired");
	if (!facts->ocsp_nocheck && ask->delegate_revoked != NULL &&
	    ask->delegate_revoked(ask->arg, &facts->key) == 1)
		return fault(err, SST_FAULT_SIGNER, "the responder's certificate was revoked");
	*ret_facts = facts;
	return SST_FAULT_NONE;
}

/* Remembers the gravest of several. */
static void
note(struct hunt *h, enum sst_fault kind, const struct sst_error *why)
{
	if (kind <= h->gravest)
		return;
	h->gravest = kind;
	h->why = *why;
}

/* 1: the issuer signed. 0: not, and what was wrong is noted. */
static int
issuer_try(struct hunt *h, struct sst_responder *ret)
{
	const ASN1_TIME *end = X509_get0_notAfter(h->ask->issuer);
	struct sst_error why = { .code = SST_OK };
	struct sst_responder found = { .not_after = 0 };
	enum sst_fault kind;

	if (fits(h, h->ask->issuer) != 1)
		return 0;
	kind = key_made_it(h, X509_get0_pubkey(h->ask->issuer), &why);
	if (kind == SST_FAULT_NONE && sst_dertime_any((uint8_t)ASN1_STRING_type(end),
	    ASN1_STRING_get0_data(end), (size_t)ASN1_STRING_length(end), &found.not_after) < 0)
		kind = fault(&why, SST_FAULT_SIGNER, "the issuer's dates do not parse");
	if (kind != SST_FAULT_NONE) {
		note(h, kind, &why);
		return 0;
	}
	*ret = found;
	return 1;
}

static int
embedded_try(struct hunt *h, const struct sst_der_item *der, struct sst_responder *ret)
{
	const unsigned char *p = der->whole;
	X509 *cert = d2i_X509(NULL, &p, (long)der->whole_len);
	struct sst_error why = { .code = SST_OK };
	const struct sst_cert_facts *facts;
	enum sst_fault kind;

	if (cert == NULL || p != der->whole + der->whole_len) {
		kind = fault(&why, SST_FAULT_MALFORMED,
		    "a certificate in the OCSP response does not parse");
		goto out;
	}
	kind = SST_FAULT_NO_MATCH;
	if (fits(h, cert) != 1)
		goto out;
	kind = delegate_wrong(cert, h->ask, &facts, &why);
	if (kind == SST_FAULT_NONE)
		kind = key_made_it(h, X509_get0_pubkey(cert), &why);
	if (kind == SST_FAULT_NONE) {
		memcpy(ret->sha256, facts->sha256, sizeof(ret->sha256));
		ret->not_after = facts->not_after;
	}
out:
	if (kind != SST_FAULT_NONE && kind != SST_FAULT_NO_MATCH)
		note(h, kind, &why);
	X509_free(cert);
	return kind == SST_FAULT_NONE;
}

enum sst_fault
sst_responder_find(const struct sst_basic *b, const struct sst_response_ask *ask,
    struct sst_responder *ret, struct sst_error *err)
{
	struct hunt h = { .basic = b, .ask = ask, .gravest = SST_FAULT_NONE };
	const unsigned char *p = b->responder.content;
	int found;

	if (sst_signature_read(&b->algorithm, ask->limits->security_level, "OCSP response",
	    &h.algorithm, err) < 0)
		return SST_FAULT_ALGORITHM;
	if (b->responder_key == NULL) {
		h.name = d2i_X509_NAME(NULL, &p, (long)b->responder.len);
		if (h.name == NULL || p != b->responder.content + b->responder.len) {
			X509_NAME_free(h.name);
			return fault(err, SST_FAULT_MALFORMED,
			    "the OCSP response's responderID is not a name");
		}
	}
	found = issuer_try(&h, ret);
	for (unsigned i = 0; i < b->n_certs && !found; i++)
		found = embedded_try(&h, &b->certs[i], ret);
	X509_NAME_free(h.name);
	sst_ossl_clear();
	if (found)
		return SST_FAULT_NONE;
	if (h.gravest == SST_FAULT_NONE)
		return fault(err, SST_FAULT_SIGNER, "the OCSP response's responderID means "
		    "neither the issuer nor a certificate that came along");
	(void)sst_fail(err, SST_E_REFUSED, "%s", h.why.text);
	return h.gravest;
}
