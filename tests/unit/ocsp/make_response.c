/* SPDX-License-Identifier: ISC */
#include "make_response.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "make_response: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

void
made_wrap(struct pki_buf *out, size_t at, int tag)
{
	size_t len = out->len - at, n = 0;
	unsigned char head[6];
	char *content = malloc(len + 1);

	must(content != NULL, "memory");
	memcpy(content, out->data != NULL ? out->data + at : "", len);
	head[n++] = (unsigned char)tag;
	if (len >= 0x10000) {
		head[n++] = 0x83;
		head[n++] = (unsigned char)(len >> 16);
		head[n++] = (unsigned char)(len >> 8);
	} else if (len >= 0x100) {
		head[n++] = 0x82;
		head[n++] = (unsigned char)(len >> 8);
	} else if (len >= 0x80) {
		head[n++] = 0x81;
	}
	head[n++] = (unsigned char)len;
	out->len = at;
	pki_put(out, head, n);
	pki_put(out, content, len);
	free(content);
}

void
made_item(struct pki_buf *out, int tag, const void *content, size_t len)
{
	size_t at = out->len;

	pki_put(out, content, len);
	made_wrap(out, at, tag);
}

static enum made_junk junk_at;	/* of the response that is being made */

static void
junk(struct pki_buf *out, enum made_junk here)
{
	if (junk_at == here)
		made_item(out, 5, "", 0);
}

static void
put_oid(struct pki_buf *out, const char *dotted)
{
	ASN1_OBJECT *o = OBJ_txt2obj(dotted, 0);

	must(o != NULL, dotted);
	made_item(out, 6, OBJ_get0_data(o), OBJ_length(o));
	ASN1_OBJECT_free(o);
}

static void
put_time(struct pki_buf *out, time_t t, const char *text)
{
	char made[32];
	struct tm tm;

	if (text == NULL) {
		must(gmtime_r(&t, &tm) != NULL &&
		    strftime(made, sizeof(made), "%Y%m%d%H%M%SZ", &tm) > 0, "time");
		text = made;
	}
	made_item(out, 0x18, text, strlen(text));
}

static void
put_hash(struct pki_buf *out, const EVP_MD *md, const void *bytes, size_t len, int wrong)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n;

	must(EVP_Digest(bytes, len, hash, &n, md, NULL) == 1, "hashing");
	hash[n - 1] ^= (unsigned char)(wrong != 0);
	made_item(out, 4, hash, n);
}

static void
put_serial(struct pki_buf *out, const struct made_single *s)
{
	unsigned char *der = NULL;
	int len;

	if (s->serial != NULL) {
		made_item(out, 2, s->serial, s->serial_len);
		return;
	}
	len = i2d_ASN1_INTEGER(X509_get0_serialNumber(s->cert->cert), &der);
	must(len > 0, "serial");
	pki_put(out, der, (size_t)len);
	OPENSSL_free(der);
}

static void
put_cert_id(struct pki_buf *out, const struct made_single *s)
{
	const struct pki_cert *issuer = s->issuer != NULL ? s->issuer : s->cert->issuer;
	const EVP_MD *md = EVP_get_digestbyname(s->hash != NULL ? s->hash : "SHA1");
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(issuer->cert);
	unsigned char *name = NULL;
	size_t at = out->len;
	int len;

	must(md != NULL, s->hash);
	put_oid(out, OBJ_nid2sn(EVP_MD_get_type(md)));
	made_item(out, 5, "", 0);
	junk(out, MADE_JUNK_HASH);
	made_wrap(out, at, 0x30);
	len = i2d_X509_NAME(s->issuer != NULL ? X509_get_subject_name(issuer->cert) :
	    X509_get_issuer_name(s->cert->cert), &name);
	must(len > 0, "name");
	put_hash(out, md, name, (size_t)len, s->wrong_name);
	OPENSSL_free(name);
	put_hash(out, md, ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key),
	    s->wrong_key);
	put_serial(out, s);
	junk(out, MADE_JUNK_CERTID);
	made_wrap(out, at, 0x30);
}

static void
put_extension(struct pki_buf *out, const struct made_extension *e)
{
	size_t at = out->len;

	put_oid(out, e->oid);
	if (e->critical)
		made_item(out, 1, "\xff", 1);
	made_item(out, 4, e->value, e->len);
	made_wrap(out, at, 0x30);
}

static void
put_extensions(struct pki_buf *out, const struct made_extension e[3],
    const unsigned char *nonce, size_t nonce_len)
{
	struct made_extension n = { .oid = "1.3.6.1.5.5.7.48.1.2" };
	struct pki_buf value = { 0 };
	size_t at = out->len;

	if (e[0].oid == NULL && nonce == NULL)
		return;
	for (int i = 0; i < 3 && e[i].oid != NULL; i++)
		put_extension(out, &e[i]);
	if (nonce != NULL) {
		made_item(&value, 4, nonce, nonce_len);
		n.value = value.data;
		n.len = value.len;
		put_extension(out, &n);
		pki_buf_free(&value);
	}
	made_wrap(out, at, 0x30);
	junk(out, MADE_JUNK_EXTENSIONS);
	made_wrap(out, at, 0xa1);
}

static void
put_single(struct pki_buf *out, const struct made_single *s)
{
	time_t this_update = s->this_update != 0 ? s->this_update : PKI_NOW - PKI_DAY;
	unsigned char reason = (unsigned char)s->reason;
	size_t at = out->len, inner;

	put_cert_id(out, s);
	inner = out->len;
	if (s->status == MADE_REVOKED) {
		put_time(out, s->revoked_at != 0 ? s->revoked_at : PKI_NOW - 2 * PKI_DAY,
		    s->revoked_text);
		if (s->reason != 0) {
			size_t tagged = out->len;

			made_item(out, 10, &reason, 1);
			junk(out, MADE_JUNK_REASON);
			made_wrap(out, tagged, 0xa0);
		}
		junk(out, MADE_JUNK_REVOKED);
		made_wrap(out, inner, 0xa1);
	} else {
		junk(out, MADE_JUNK_STATUS);
		made_wrap(out, inner, s->status == MADE_GOOD ? 0x80 : 0x82);
	}
	put_time(out, this_update, s->this_text);
	if (!s->no_next) {
		inner = out->len;
		put_time(out, s->next_update != 0 ? s->next_update : this_update + 7 * PKI_DAY,
		    s->next_text);
		junk(out, MADE_JUNK_NEXT);
		made_wrap(out, inner, 0xa0);
	}
	put_extensions(out, s->extensions, NULL, 0);
	junk(out, MADE_JUNK_SINGLE);
	made_wrap(out, at, 0x30);
}

static void
put_responder(struct pki_buf *out, const struct made_response *r)
{
	const struct pki_cert *named = r->named != NULL ? r->named : r->signer;
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(named->cert);
	unsigned char *name = NULL;
	size_t at = out->len;
	int len;

	if (r->by_key) {
		put_hash(out, EVP_sha1(), ASN1_STRING_get0_data(key),
		    (size_t)ASN1_STRING_length(key), r->wrong_key_id);
	} else {
		len = i2d_X509_NAME(X509_get_subject_name(named->cert), &name);
		must(len > 0, "name");
		pki_put(out, name, (size_t)len);
		OPENSSL_free(name);
	}
	junk(out, MADE_JUNK_RESPONDER);
	made_wrap(out, at, r->by_key ? 0xa2 : 0xa1);
}

static void
put_data(struct pki_buf *out, const struct made_response *r)
{
	unsigned char version = (unsigned char)(r->version - 1);
	size_t at = out->len, list;

	if (r->version != 0) {
		made_item(out, 2, &version, 1);
		junk(out, MADE_JUNK_VERSION);
		made_wrap(out, at, 0xa0);
	}
	put_responder(out, r);
	put_time(out, r->produced_at != 0 ? r->produced_at : PKI_NOW - PKI_DAY,
	    r->produced_text);
	list = out->len;
	for (int n = 0; n <= r->repeat && !r->no_singles; n++)
		for (int i = 0; i < MADE_SINGLES && r->singles[i].cert != NULL; i++)
			put_single(out, &r->singles[i]);
	junk(out, MADE_JUNK_SINGLES);
	made_wrap(out, list, 0x30);
	put_extensions(out, r->extensions, r->nonce, r->nonce_len);
	junk(out, MADE_JUNK_DATA);
	made_wrap(out, at, 0x30);
}

/* AlgorithmIdentifier and BIT STRING over what `out` has from `at` on. OpenSSL
 * knows how both look for each kind of key, and is given the bytes as they are. */
static void
put_signature(struct pki_buf *out, size_t at, const struct made_response *r)
{
	EVP_PKEY *key = r->signer->key;
	const EVP_MD *md = EVP_get_digestbyname(r->digest != NULL ? r->digest : "SHA256");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ASN1_STRING *tbs = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	unsigned char *der = NULL;
	EVP_PKEY_CTX *pctx;
	int len;

	if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
		md = NULL;
	must(ctx != NULL && tbs != NULL && bits != NULL && algorithm != NULL &&
	    ASN1_STRING_set(tbs, out->data + at, (int)(out->len - at)) == 1 &&
	    EVP_DigestSignInit(ctx, &pctx, md, NULL, key) == 1, "signing");
	if (r->pss)
		must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1,
		    "PSS");
	must(ASN1_item_sign_ctx(ASN1_ITEM_rptr(ASN1_SEQUENCE), algorithm, NULL, bits, tbs,
	    ctx) > 0, "signing");
	len = i2d_X509_ALGOR(algorithm, &der);
	must(len > 0, "algorithm");
	pki_put(out, der, (size_t)len);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_ASN1_BIT_STRING(bits, &der);
	must(len > 0, "signature");
	pki_put(out, der, (size_t)len);
	OPENSSL_free(der);
	X509_ALGOR_free(algorithm);
	ASN1_BIT_STRING_free(bits);
	ASN1_STRING_free(tbs);
	EVP_MD_CTX_free(ctx);
}

static void
put_basic(struct pki_buf *out, const struct made_response *r)
{
	size_t at = out->len, certs;

	put_data(out, r);
	put_signature(out, at, r);
	certs = out->len;
	for (int i = 0; i < MADE_CERTS && r->certs[i] != NULL; i++)
		pki_put_cert_der(out, r->certs[i]);
	if (r->certs[0] != NULL) {
		made_wrap(out, certs, 0x30);
		junk(out, MADE_JUNK_CERTS);
		made_wrap(out, certs, 0xa0);
	}
	junk(out, MADE_JUNK_BASIC);
	made_wrap(out, at, 0x30);
}

void
make_response(const struct made_response *r, struct pki_buf *out)
{
	unsigned char status = (unsigned char)r->status;
	struct pki_buf basic = { 0 };
	size_t at = out->len, bytes;

	junk_at = r->junk;
	made_item(out, 10, &status, 1);
	if (status == 0 && !r->no_bytes) {
		put_basic(&basic, r);
		junk(&basic, MADE_JUNK_CONTENT);
		bytes = out->len;
		put_oid(out, r->not_basic ? "1.3.6.1.5.5.7.48.1.4" : "1.3.6.1.5.5.7.48.1.1");
		made_item(out, 4, basic.data, basic.len);
		junk(out, MADE_JUNK_BYTES);
		made_wrap(out, bytes, 0x30);
		junk(out, MADE_JUNK_TAGGED);
		made_wrap(out, bytes, 0xa0);
		pki_buf_free(&basic);
	}
	junk(out, MADE_JUNK_ENVELOPE);
	made_wrap(out, at, 0x30);
}
