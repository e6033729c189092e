/* SPDX-License-Identifier: ISC */
#include "pem.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "base/ossl.h"
#include "digest.h"
#include "intern.h"
#include "key.h"
#include "pem_block.h"
#include "quick.h"

#define ENCRYPTED_TEXT \
	"the private key is encrypted: store it without a password" \
	" (openssl pkey -in FILE -out NEWFILE)"

/* What takes part in reading one piece of bytes. */
struct reader {
	struct sst_pem	*p;
	struct sst_intern *in;		/* may be NULL */
};

/* Takes `x` in, and frees it when that fails. */
static int
cert_keep(struct sst_pem *p, X509 *x, struct sst_error *err)
{
	if (p->certs == NULL)
		p->certs = sk_X509_new_null();
	if (p->certs != NULL && sk_X509_num(p->certs) >= SST_PEM_MAX_CERTS) {
		X509_free(x);
		return sst_fail(err, SST_E_LIMIT, "more than %d certificates",
		    SST_PEM_MAX_CERTS);
	}
	if (p->certs == NULL || sk_X509_push(p->certs, x) <= 0) {
		X509_free(x);
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	}
	return SST_OK;
}

static int
cert_take(const struct reader *r, const uint8_t *der, size_t len, int trusted,
    struct sst_error *err)
{
	const unsigned char *at = der;
	struct sst_pem *p = r->p;
	uint8_t digest[32];
	X509 *x = NULL;

	/* the first one is the leaf, nearly always; those after it are shared */
	if (!trusted && sk_X509_num(p->certs) <= 0)
		x = sst_quick_read(der, len);
	if (x == NULL && r->in != NULL && !trusted) {
		sst_digest(der, len, digest);
		x = sst_intern_get(r->in, digest);
	}
	if (x == NULL) {
		x = trusted ? d2i_X509_AUX(NULL, &at, (long)len) :
		    d2i_X509(NULL, &at, (long)len);
		if (x == NULL)
			return sst_fail_ossl(err, SST_E_MALFORMED,
			    "certificate %d does not parse",
			    sk_X509_num(p->certs) < 0 ? 1 : sk_X509_num(p->certs) + 1);
	}
	return cert_keep(p, x, err);
}

static int
key_take(struct sst_pem *p, enum sst_key_form form, const uint8_t *der, size_t len,
    struct sst_error *err)
{
	EVP_PKEY *key;

	if (p->n_keys == SST_PEM_MAX_KEYS)
		return sst_fail(err, SST_E_LIMIT, "more than %d private keys",
		    SST_PEM_MAX_KEYS);
	key = sst_key_read(form, der, len);
	if (key == NULL)
		return sst_fail_ossl(err, SST_E_MALFORMED,
		    "private key %zu does not parse", p->n_keys + 1);
	p->keys[p->n_keys++] = key;
	return SST_OK;
}

static int
block_take(const struct reader *r, const char *name, const char *header,
    const uint8_t *der, size_t len, struct sst_error *err)
{
	struct sst_pem *p = r->p;

	if (strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0)
		return cert_take(r, der, len, 0, err);
	if (strcmp(name, PEM_STRING_X509_TRUSTED) == 0)
		return cert_take(r, der, len, 1, err);
	if (strcmp(name, PEM_STRING_PKCS8) == 0)
		return sst_fail(err, SST_E_UNSUPPORTED, ENCRYPTED_TEXT);
	if (strcmp(name, "PKCS12") == 0)
		return sst_fail(err, SST_E_UNSUPPORTED, "PKCS#12 is not read");
	if (strstr(name, "PRIVATE KEY") == NULL)
		return SST_OK;	/* parameters, requests, CRLs: not ours */
	if (strstr(header, "ENCRYPTED") != NULL)
		return sst_fail(err, SST_E_UNSUPPORTED, ENCRYPTED_TEXT);
	if (strcmp(name, PEM_STRING_PKCS8INF) == 0)
		return key_take(p, SST_KEY_PKCS8, der, len, err);
	if (strcmp(name, PEM_STRING_RSA) == 0)
		return key_take(p, SST_KEY_FORM_RSA, der, len, err);
	if (strcmp(name, PEM_STRING_ECPRIVATEKEY) == 0)
		return key_take(p, SST_KEY_FORM_EC, der, len, err);
	return sst_fail(err, SST_E_UNSUPPORTED,
	    "the private key is of a kind that no TLS server uses");
}

/* The blocks at the front that are in the form of pem_block.h. *ret_len: of their text. */
static int
plain_blocks(const struct reader *r, const uint8_t *text, size_t len, size_t *ret_len,
    struct sst_error *err)
{
	uint8_t small[SST_PEM_USUAL], *der;
	size_t at = 0, der_len, n;
	const char *name;
	int rc = SST_OK;

	der = len < sizeof(small) ? small : OPENSSL_malloc(len + 1);
	if (der == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	while (rc == SST_OK && (n = sst_pem_block(text + at, len - at, &name, der,
	    &der_len)) > 0) {
		rc = block_take(r, name, "", der, der_len, err);
		at += n;
	}
	OPENSSL_cleanse(der, len + 1);
	if (der != small)
		OPENSSL_free(der);
	*ret_len = at;
	return rc;
}

static int
pem_blocks(const struct reader *r, const uint8_t *text, size_t text_len,
    struct sst_error *err)
{
	BIO *bio = BIO_new_mem_buf(text, (int)text_len);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	int rc = SST_OK;

	if (bio == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	/* PEM_FLAG_SECURE: what is freed on the way is cleared first */
	while (rc == SST_OK) {
		if (PEM_read_bio_ex(bio, &name, &header, &der, &len,
		    PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) != 1) {
			if (ERR_GET_REASON(ERR_peek_last_error()) ==
			    PEM_R_NO_START_LINE)
				ERR_clear_error();
			else
				rc = sst_fail_ossl(err, SST_E_MALFORMED,
				    "a PEM block is damaged");
			break;
		}
		rc = block_take(r, name, header, der, (size_t)len, err);
		OPENSSL_secure_free(name);
		OPENSSL_secure_free(header);
		OPENSSL_secure_clear_free(der, (size_t)len);
	}
	BIO_free(bio);
	return rc;
}

/* Length of the DER element at `p` with its header, or 0. */
static size_t
der_element(const uint8_t *p, size_t len)
{
	const unsigned char *at = p;
	long inner = 0;
	int tag, class, flags;

	flags = ASN1_get_object(&at, &inner, &tag, &class, (long)len);
	if ((flags & 0x80) != 0 || (flags & 1) != 0 || tag != V_ASN1_SEQUENCE ||
	    class != V_ASN1_UNIVERSAL) {
		ERR_clear_error();
		return 0;
	}
	return (size_t)(at - p) + (size_t)inner;
}

/*
 * What a DER element is shows in its first members: a certificate begins with
 * a SEQUENCE, PKCS#8 with 0, ECPrivateKey with 1, PFX with 3; RSAPrivateKey
 * has a second INTEGER where PKCS#8 has a SEQUENCE.
 */
static int
der_take(const struct reader *r, const uint8_t *der, size_t len, struct sst_error *err)
{
	const unsigned char *at = der;
	struct sst_pem *p = r->p;
	size_t left;
	long inner = 0;
	int tag, class;

	(void)ASN1_get_object(&at, &inner, &tag, &class, (long)len);
	left = len - (size_t)(at - der);
	if (left >= 4 && at[0] == 0x30) {
		/* encrypted PKCS#8: algorithm, then an OCTET STRING */
		size_t alg = der_element(at, left);

		if (alg != 0 && alg < left && at[alg] == 0x04)
			return sst_fail(err, SST_E_UNSUPPORTED, ENCRYPTED_TEXT);
		return cert_take(r, der, len, 0, err);
	}
	if (left >= 4 && at[0] == 0x02 && at[1] == 1) {
		if (at[2] == 3)
			return sst_fail(err, SST_E_UNSUPPORTED, "this is PKCS#12:"
			    " convert it (openssl pkcs12 -in FILE -nodes -out NEWFILE)");
		if (at[2] == 1)
			return key_take(p, SST_KEY_FORM_EC, der, len, err);
		return key_take(p, at[3] == 0x02 ? SST_KEY_FORM_RSA : SST_KEY_PKCS8,
		    der, len, err);
	}
	return sst_fail(err, SST_E_MALFORMED, "neither PEM nor a certificate or"
	    " private key in DER");
}

static int
der_elements(const struct reader *r, const uint8_t *der, size_t len,
    struct sst_error *err)
{
	size_t n;
	int rc = SST_OK;

	for (; len > 0 && rc == SST_OK; der += n, len -= n) {
		n = der_element(der, len);
		if (n == 0)
			return sst_fail(err, SST_E_MALFORMED, "the DER is cut off or"
			    " followed by something else");
		rc = der_take(r, der, n, err);
	}
	return rc;
}

int
sst_pem_read(const void *bytes, size_t len, struct sst_intern *in, struct sst_pem *ret,
    struct sst_error *err)
{
	struct sst_pem p = { 0 };
	const struct reader r = { &p, in };
	const uint8_t *at = bytes;
	size_t plain = 0;
	int rc;

	if (len > SST_PEM_MAX_BYTES)
		return sst_fail(err, SST_E_LIMIT, "%zu bytes are more than the %zu"
		    " that certificates may have", len, SST_PEM_MAX_BYTES);
	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
		at += 3;
		len -= 3;
	}
	if (len > 0 && at[0] == 0x30 && der_element(at, len) != 0) {
		rc = der_elements(&r, at, len, err);
		goto out;
	}
	rc = plain_blocks(&r, at, len, &plain, err);
	if (rc == SST_OK && plain < len)
		rc = pem_blocks(&r, at + plain, len - plain, err);
out:
	if (rc < 0)
		sst_pem_done(&p);
	else
		*ret = p;
	return rc;
}

void
sst_pem_done(struct sst_pem *p)
{
	sk_X509_pop_free(p->certs, X509_free);
	for (size_t i = 0; i < p->n_keys; i++)
		EVP_PKEY_free(p->keys[i]);
	*p = (struct sst_pem){ 0 };
}
