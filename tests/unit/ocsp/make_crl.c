/* SPDX-License-Identifier: ISC */
#include "make_crl.h"

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "make_crl: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

static void
tlv(struct pki_buf *b, int tag, const void *content, size_t len)
{
	unsigned char head[6] = { (unsigned char)tag };
	size_t n = 1;

	if (len >= 0x1000000)
		head[n++] = 0x84, head[n++] = (unsigned char)(len >> 24);
	else if (len >= 0x10000)
		head[n++] = 0x83;
	else if (len >= 0x100)
		head[n++] = 0x82;
	else if (len >= 0x80)
		head[n++] = 0x81;
	if (len >= 0x10000)
		head[n++] = (unsigned char)(len >> 16);
	if (len >= 0x100)
		head[n++] = (unsigned char)(len >> 8);
	head[n++] = (unsigned char)len;
	pki_put(b, head, n);
	pki_put(b, content, len);
}

/* Adds `inner` under a tag, and frees it. */
static void
wrap(struct pki_buf *b, int tag, struct pki_buf *inner)
{
	tlv(b, tag, inner->data == NULL ? "" : inner->data, inner->len);
	pki_buf_free(inner);
}

static void
time_put(struct pki_buf *b, time_t t, int generalized)
{
	char text[32];
	struct tm tm;

	must(gmtime_r(&t, &tm) != NULL, "a date");
	must(strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm) == 15, "a date");
	if (!generalized && tm.tm_year >= 50 && tm.tm_year < 150)
		tlv(b, 0x17, text + 2, 13);
	else
		tlv(b, 0x18, text, 15);
}

static void
extras_put(struct pki_buf *b, const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	STACK_OF(X509_EXTENSION) *list = NULL;
	CONF *conf = NCONF_new(NULL);
	unsigned char *der;
	X509V3_CTX ctx;
	int len;

	must(bio != NULL && conf != NULL && NCONF_load_bio(conf, bio, NULL) > 0, text);
	X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, X509V3_CTX_TEST);
	X509V3_set_nconf(&ctx, conf);
	must(X509V3_EXT_add_nconf_sk(conf, &ctx, "default", &list) == 1, text);
	for (int i = 0; i < sk_X509_EXTENSION_num(list); i++) {
		der = NULL;
		len = i2d_X509_EXTENSION(sk_X509_EXTENSION_value(list, i), &der);
		must(len > 0, text);
		pki_put(b, der, (size_t)len);
		OPENSSL_free(der);
	}
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	NCONF_free(conf);
	BIO_free(bio);
}

/* certificateIssuer: a directoryName, critical. */
static void
cert_issuer_put(struct pki_buf *b, X509_NAME *name)
{
	struct pki_buf choice = { 0 }, names = { 0 }, value = { 0 }, ext = { 0 };
	const unsigned char *dn;
	size_t len;

	must(X509_NAME_get0_der(name, &dn, &len) == 1, "a name");
	tlv(&choice, 0xa4, dn, len);
	wrap(&names, 0x30, &choice);
	wrap(&value, 0x04, &names);
	pki_put(&ext, "\x06\x03\x55\x1d\x1d\x01\x01\xff", 8);
	pki_put(&ext, value.data, value.len);
	pki_buf_free(&value);
	wrap(b, 0x30, &ext);
}

static void
row_put(struct pki_buf *b, const struct make_crl_row *r)
{
	struct pki_buf row = { 0 }, ext = { 0 };
	const ASN1_INTEGER *number;
	unsigned char *der = NULL;
	int len;

	if (r->serial != NULL) {
		tlv(&row, 0x02, r->serial, r->serial_len);
	} else {
		number = X509_get0_serialNumber(r->cert->cert);
		len = i2d_ASN1_INTEGER(number, &der);
		must(len > 0, "a serial");
		pki_put(&row, der, (size_t)len);
		OPENSSL_free(der);
	}
	time_put(&row, r->date != 0 ? r->date : PKI_NOW - 10 * PKI_DAY, 0);
	if (r->extra != NULL)
		extras_put(&ext, r->extra);
	if (r->issuer != NULL)
		cert_issuer_put(&ext, X509_get_subject_name(r->issuer->cert));
	if (ext.len > 0)
		wrap(&row, 0x30, &ext);
	wrap(b, 0x30, &row);
}

static void
number_put(struct pki_buf *b, const struct make_crl *m)
{
	const char *hex = m->number != NULL ? m->number : "01";
	struct pki_buf number = { 0 }, ext = { 0 };
	unsigned char *content;
	long len = 0;

	if (*hex == '\0')
		return;
	content = OPENSSL_hexstr2buf(hex, &len);
	must(content != NULL, hex);
	tlv(&number, 0x02, content, (size_t)len);
	OPENSSL_free(content);
	pki_put(&ext, "\x06\x03\x55\x1d\x14", 5);
	if (m->number_critical)
		pki_put(&ext, "\x01\x01\xff", 3);
	wrap(&ext, 0x04, &number);
	wrap(b, 0x30, &ext);
}

/* The AlgorithmIdentifier that OpenSSL would write. */
static void
algorithm_put(struct pki_buf *b, EVP_PKEY *key, const EVP_MD *md, int pss)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	X509 *x = X509_new();
	const X509_ALGOR *got;
	unsigned char *der = NULL;
	int len;

	must(ctx != NULL && x != NULL && X509_set_pubkey(x, key) == 1 &&
	    ASN1_TIME_set(X509_getm_notBefore(x), PKI_NOW) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), PKI_NOW) != NULL &&
	    EVP_DigestSignInit(ctx, &pctx, md, NULL, key) == 1, "an algorithm");
	if (pss)
		must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32) == 1, "PSS");
	must(X509_sign_ctx(x, ctx) > 0, "an algorithm");
	got = X509_get0_tbs_sigalg(x);
	len = i2d_X509_ALGOR(got, &der);
	must(len > 0, "an algorithm");
	pki_put(b, der, (size_t)len);
	OPENSSL_free(der);
	X509_free(x);
	EVP_MD_CTX_free(ctx);
}

static void
signature_put(struct pki_buf *b, const struct make_crl *m, EVP_PKEY *key, const EVP_MD *md,
    const struct pki_buf *tbs)
{
	int pss = (m->quirks & MAKE_CRL_PSS) != 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	struct pki_buf bits = { 0 };
	unsigned char *sig;
	size_t len = 0;

	must(ctx != NULL && EVP_DigestSignInit(ctx, &pctx, md, NULL, key) == 1, "signing");
	if (pss)
		must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32) == 1, "PSS");
	must(EVP_DigestSign(ctx, NULL, &len, (const unsigned char *)tbs->data,
	    tbs->len) == 1, "signing");
	sig = malloc(len);
	must(sig != NULL && EVP_DigestSign(ctx, sig, &len,
	    (const unsigned char *)tbs->data, tbs->len) == 1, "signing");
	pki_put(&bits, (m->quirks & MAKE_CRL_UNUSED_BITS) != 0 ? "\1" : "\0", 1);
	pki_put(&bits, sig, len);
	free(sig);
	EVP_MD_CTX_free(ctx);
	wrap(b, 0x03, &bits);
}

static void
entries_put(struct pki_buf *b, const struct make_crl *m)
{
	struct pki_buf rows = { 0 };

	for (size_t i = 0; i < m->n_rows; i++)
		row_put(&rows, &m->rows[i]);
	if (m->n_rows > 0 || (m->quirks & MAKE_CRL_EMPTY_ENTRIES) != 0)
		wrap(b, 0x30, &rows);
}

static void
extensions_put(struct pki_buf *b, const struct make_crl *m)
{
	struct pki_buf list = { 0 }, outer = { 0 };

	number_put(&list, m);
	if (m->extra != NULL)
		extras_put(&list, m->extra);
	if (list.len == 0)
		return;
	wrap(&outer, 0x30, &list);
	wrap(b, 0xa0, &outer);
}

struct pki_buf
make_crl(const struct make_crl *m)
{
	EVP_PKEY *key = m->key != NULL ? m->key : m->issuer->key;
	int v1 = (m->quirks & (MAKE_CRL_V1 | MAKE_CRL_V1_EXTENSIONS)) != 0;
	int pss = (m->quirks & MAKE_CRL_PSS) != 0;
	int generalized = (m->quirks & MAKE_CRL_GENERALIZED) != 0;
	int eddsa = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
	const EVP_MD *md = eddsa ? NULL : m->md != NULL ? m->md : EVP_sha256();
	struct pki_buf tbs = { 0 }, whole = { 0 }, all = { 0 }, der = { 0 };
	const unsigned char *dn;
	size_t len;

	if ((m->quirks & MAKE_CRL_EXPLICIT_V1) != 0)
		tlv(&tbs, 0x02, "\0", 1);
	else if (!v1)
		tlv(&tbs, 0x02, "\1", 1);
	algorithm_put(&tbs, key, md, pss);
	must(X509_NAME_get0_der(X509_get_subject_name(m->issuer->cert), &dn, &len) == 1,
	    "a name");
	pki_put(&tbs, dn, len);
	if (m->this_text != NULL)
		tlv(&tbs, 0x17, m->this_text, strlen(m->this_text));
	else
		time_put(&tbs, m->this_update != 0 ? m->this_update : PKI_NOW - PKI_DAY,
		    generalized);
	if ((m->quirks & MAKE_CRL_NO_NEXT) == 0)
		time_put(&tbs, m->next_update != 0 ? m->next_update :
		    PKI_NOW + 6 * PKI_DAY, generalized);
	entries_put(&tbs, m);
	if ((m->quirks & MAKE_CRL_V1) == 0)
		extensions_put(&tbs, m);
	wrap(&whole, 0x30, &tbs);
	pki_put(&all, whole.data, whole.len);
	if ((m->quirks & MAKE_CRL_OTHER_ALGORITHM) != 0)
		algorithm_put(&all, key, EVP_sha512(), pss);
	else
		algorithm_put(&all, key, md, pss);
	signature_put(&all, m, key, md, &whole);
	pki_buf_free(&whole);
	wrap(&der, 0x30, &all);
	return der;
}
