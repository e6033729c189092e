/* SPDX-License-Identifier: ISC */
#include "pki.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_2020	((time_t)1577836800)
#define YEAR_2040	((time_t)2208988800)

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "pki: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

static EVP_PKEY *
rsa_pss_new(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
	    EVP_PKEY_generate(ctx, &key) == 1, "making a key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *
pki_key_new(enum pki_key type)
{
	EVP_PKEY *key = NULL;

	switch (type) {
	case PKI_P256:
		key = EVP_EC_gen("P-256");
		break;
	case PKI_P384:
		key = EVP_EC_gen("P-384");
		break;
	case PKI_P521:
		key = EVP_EC_gen("P-521");
		break;
	case PKI_RSA:
		key = EVP_RSA_gen(2048);
		break;
	case PKI_RSA_1024:
		key = EVP_RSA_gen(1024);
		break;
	case PKI_RSA_PSS:
		key = rsa_pss_new();
		break;
	case PKI_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case PKI_ED448:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
		break;
	}
	must(key != NULL, "making a key");
	return key;
}

static void
ext_add(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

	must(ext != NULL && X509_add_ext(x, ext, -1), value);
	X509_EXTENSION_free(ext);
}

static void
san_add_one(GENERAL_NAMES *names, const char *text, size_t len)
{
	GENERAL_NAME *gn = GENERAL_NAME_new();
	ASN1_STRING *s = NULL;
	unsigned char ip[16];
	char one[512];
	int v6;

	must(gn != NULL && len < sizeof(one), "a name");
	memcpy(one, text, len);
	one[len] = '\0';
	if (strncmp(one, "IP:", 3) == 0) {
		v6 = strchr(one + 3, ':') != NULL;
		must(inet_pton(v6 ? AF_INET6 : AF_INET, one + 3, ip) == 1, one);
		s = ASN1_OCTET_STRING_new();
		must(s != NULL && ASN1_STRING_set(s, ip, v6 ? 16 : 4), one);
		GENERAL_NAME_set0_value(gn, GEN_IPADD, s);
	} else {
		s = ASN1_IA5STRING_new();
		must(s != NULL && ASN1_STRING_set(s, one, (int)len), one);
		GENERAL_NAME_set0_value(gn, GEN_DNS, s);
	}
	must(sk_GENERAL_NAME_push(names, gn) > 0, one);
}

static void
san_add(X509 *x, const char *list)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	size_t len;

	must(names != NULL, "names");
	for (;; list += len + 1) {
		len = strcspn(list, ",");
		san_add_one(names, list, len);
		if (list[len] == '\0')
			break;
	}
	must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), "SAN");
	GENERAL_NAMES_free(names);
}

static void
unknown_critical_add(X509 *x)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	must(oid != NULL && value != NULL, "extension");
	must(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2),
	    "extension");
	ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	must(ext != NULL && X509_add_ext(x, ext, -1), "extension");
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
}

static void
extra_add(X509 *x, X509V3_CTX *ctx, const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	CONF *conf = NCONF_new(NULL);
	long line = 0;

	must(bio != NULL && conf != NULL && NCONF_load_bio(conf, bio, &line) > 0, text);
	X509V3_set_nconf(ctx, conf);
	must(X509V3_EXT_add_nconf(conf, ctx, "default", x) == 1, text);
	X509V3_set_ctx_nodb(ctx);
	NCONF_free(conf);
	BIO_free(bio);
}

static void
extensions_add(X509 *x, X509 *issuer, const struct pki_spec *spec)
{
	char text[512];
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext_add(x, &ctx, NID_basic_constraints,
	    spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (spec->ca && (spec->key_usage == NULL || *spec->key_usage != '\0')) {
		(void)snprintf(text, sizeof(text), "critical,%s", spec->key_usage != NULL ?
		    spec->key_usage : "keyCertSign,cRLSign,digitalSignature");
		ext_add(x, &ctx, NID_key_usage, text);
	}
	ext_add(x, &ctx, NID_subject_key_identifier, "hash");
	if (issuer != x)
		ext_add(x, &ctx, NID_authority_key_identifier, "keyid");
	if (!spec->ca && spec->eku == NULL)
		ext_add(x, &ctx, NID_ext_key_usage, "serverAuth");
	else if (spec->eku != NULL && *spec->eku != '\0')
		ext_add(x, &ctx, NID_ext_key_usage, spec->eku);
	if (spec->ocsp != NULL) {
		(void)snprintf(text, sizeof(text), "OCSP;URI:%s", spec->ocsp);
		ext_add(x, &ctx, NID_info_access, text);
	}
	if (spec->crl != NULL) {
		(void)snprintf(text, sizeof(text), "URI:%s", spec->crl);
		ext_add(x, &ctx, NID_crl_distribution_points, text);
	}
	if (spec->san != NULL)
		san_add(x, spec->san);
	if (spec->extra != NULL)
		extra_add(x, &ctx, spec->extra);
	if (spec->unknown_critical)
		unknown_critical_add(x);
}

/* Ed25519 and Ed448 take no digest; the others SHA-256 unless told. */
static const EVP_MD *
digest_for(EVP_PKEY *key, int sha1)
{
	if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
		return NULL;
	return sha1 ? EVP_sha1() : EVP_sha256();
}

/* Content octets as given (also negative ones), or 16 random ones. */
static void
serial_set(X509 *x, const struct pki_spec *spec)
{
	unsigned char der[2 + 127] = { 2, 16 };
	const unsigned char *p = der;
	ASN1_INTEGER *number;

	if (spec->serial != NULL) {
		must(spec->serial_len > 0 && spec->serial_len <= 127, "serial");
		der[1] = (unsigned char)spec->serial_len;
		memcpy(der + 2, spec->serial, spec->serial_len);
	} else {
		must(RAND_bytes(der + 2, 16) == 1, "serial");
		der[2] = (unsigned char)((der[2] & 0x3f) | 0x40);
	}
	number = d2i_ASN1_INTEGER(NULL, &p, 2 + der[1]);
	must(number != NULL && X509_set_serialNumber(x, number) == 1, "serial");
	ASN1_INTEGER_free(number);
}

struct pki_cert *
pki_issue(struct pki_cert *issuer, const struct pki_spec *spec)
{
	struct pki_cert *c = calloc(1, sizeof(*c));
	X509_NAME *subject;
	X509 *x = X509_new();

	must(c != NULL && x != NULL, "memory");
	c->key = spec->use_key;
	if (c->key != NULL)
		EVP_PKEY_up_ref(c->key);
	else
		c->key = pki_key_new(spec->key);
	c->issuer = issuer;
	c->cert = x;
	serial_set(x, spec);
	must(X509_set_version(x, X509_VERSION_3), "version");
	must(ASN1_TIME_set(X509_getm_notBefore(x),
	    spec->not_before != 0 ? spec->not_before : YEAR_2020) != NULL, "date");
	must(ASN1_TIME_set(X509_getm_notAfter(x),
	    spec->not_after != 0 ? spec->not_after : YEAR_2040) != NULL, "date");
	subject = X509_get_subject_name(x);
	if (spec->cn != NULL)
		must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		    (const unsigned char *)spec->cn, -1, -1, 0), "subject");
	must(X509_set_issuer_name(x, issuer == NULL ? subject :
	    X509_get_subject_name(issuer->cert)), "issuer");
	must(X509_set_pubkey(x, c->key), "public key");
	extensions_add(x, issuer == NULL ? x : issuer->cert, spec);
	must(X509_sign(x, issuer == NULL ? c->key : issuer->key,
	    digest_for(issuer == NULL ? c->key : issuer->key, spec->sha1)) > 0,
	    "signing");
	return c;
}

void
pki_free(struct pki_cert *c)
{
	if (c == NULL)
		return;
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	free(c);
}

void
pki_digest(const struct pki_cert *c, unsigned char out[32])
{
	must(X509_digest(c->cert, EVP_sha256(), out, NULL), "digest");
}

void
pki_buf_free(struct pki_buf *b)
{
	free(b->data);
	*b = (struct pki_buf){ 0 };
}

void
pki_put(struct pki_buf *b, const void *bytes, size_t len)
{
	char *grown = realloc(b->data, b->len + len + 1);

	must(grown != NULL, "memory");
	memcpy(grown + b->len, bytes, len);
	b->data = grown;
	b->len += len;
	b->data[b->len] = '\0';
}

void
pki_put_text(struct pki_buf *b, const char *text)
{
	pki_put(b, text, strlen(text));
}

static void
put_bio(struct pki_buf *b, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	must(len > 0, "encoding");
	pki_put(b, data, (size_t)len);
	BIO_free(bio);
}

void
pki_put_cert(struct pki_buf *b, const struct pki_cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_X509(bio, c->cert), "PEM");
	put_bio(b, bio);
}

void
pki_put_chain(struct pki_buf *b, const struct pki_cert *c)
{
	pki_put_cert(b, c);
	for (c = c->issuer; c != NULL && c->issuer != NULL; c = c->issuer)
		pki_put_cert(b, c);
}

void
pki_put_key(struct pki_buf *b, const struct pki_cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, c->key, NULL,
	    NULL, 0, NULL, NULL), "PEM");
	put_bio(b, bio);
}

void
pki_put_key_old(struct pki_buf *b, const struct pki_cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL, "memory");
	if (EVP_PKEY_is_a(c->key, "EC"))
		must(PEM_write_bio_Parameters(bio, c->key), "PEM");
	must(PEM_write_bio_PrivateKey_traditional(bio, c->key, NULL, NULL, 0,
	    NULL, NULL), "PEM");
	put_bio(b, bio);
}

void
pki_put_key_locked(struct pki_buf *b, const struct pki_cert *c, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, c->key,
	    EVP_aes_128_cbc(), password, (int)strlen(password), NULL, NULL), "PEM");
	put_bio(b, bio);
}

void
pki_put_cert_der(struct pki_buf *b, const struct pki_cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && i2d_X509_bio(bio, c->cert), "DER");
	put_bio(b, bio);
}

void
pki_put_key_der(struct pki_buf *b, const struct pki_cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && i2d_PKCS8PrivateKey_bio(bio, c->key, NULL, NULL, 0,
	    NULL, NULL), "DER");
	put_bio(b, bio);
}
