/* SPDX-License-Identifier: ISC */
/* acme_cert - see acme_cert.h. */
#include "acme_cert.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define DIGEST		32
#define BASE64_LEN	43	/* of a digest, without padding */
#define SKEW		3600	/* s: the clock of who validates may be behind */
#define WEEK		(7 * 24 * 3600)

static const char base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int
from_base64(const char *text, uint8_t out[DIGEST])
{
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;

	if (strlen(text) != BASE64_LEN || strspn(text, base64url) != BASE64_LEN)
		return 0;
	for (; *text != '\0'; text++) {
		bits = bits << 6 | (uint32_t)(strchr(base64url, *text) - base64url);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (uint8_t)(bits >> have);
		}
	}
	return (bits & ((1u << have) - 1)) == 0;
}

static int
from_hex(const char *text, uint8_t out[DIGEST])
{
	const size_t len = strlen(text), step = len == 3 * DIGEST - 1 ? 3 : 2;
	unsigned byte;

	if (len != 3 * DIGEST - 1 && len != 2 * DIGEST)
		return 0;
	for (size_t i = 0; i < DIGEST; i++, text += step) {
		if (strspn(text, "0123456789abcdefABCDEF") < 2 ||
		    (step == 3 && i + 1 < DIGEST && text[2] != ':') ||
		    sscanf(text, "%2x", &byte) != 1)
			return 0;
		out[i] = (uint8_t)byte;
	}
	return 1;
}

/* RFC 8555 8.1: token, a dot, and the thumbprint of the account's key. */
static int
is_authorization(const char *text)
{
	const size_t token = strspn(text, base64url);

	return token > 0 && text[token] == '.' &&
	    strlen(text + token + 1) == BASE64_LEN &&
	    strspn(text + token + 1, base64url) == BASE64_LEN;
}

int
sst_acme_digest(const char *text, uint8_t out[32])
{
	if (is_authorization(text))
		return SHA256((const unsigned char *)text, strlen(text), out) != NULL;
	return from_base64(text, out) || from_hex(text, out);
}

static int
add_name(X509 *cert, const char *name)
{
	unsigned char address[16];
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	char value[300];
	int ok;

	(void)snprintf(value, sizeof(value), "%s:%s",
	    inet_pton(AF_INET, name, address) == 1 ||
	    inet_pton(AF_INET6, name, address) == 1 ? "IP" : "DNS", name);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* acmeIdentifier: critical, an OCTET STRING of the digest. */
static int
add_digest(X509 *cert, const uint8_t digest[DIGEST])
{
	unsigned char der[2 + DIGEST] = { V_ASN1_OCTET_STRING, DIGEST };
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;
	int ok;

	memcpy(der + 2, digest, DIGEST);
	if (oid != NULL && value != NULL &&
	    ASN1_OCTET_STRING_set(value, der, sizeof(der)) == 1)
		ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
	return ok;
}

static int
fill(X509 *cert, const char *name, const uint8_t digest[DIGEST], time_t now)
{
	static const unsigned char who[] = "ACME challenge";
	time_t from = now - SKEW, until = now + WEEK;
	X509_NAME *subject = X509_NAME_new();
	uint64_t serial;
	int ok;

	ok = subject != NULL && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) == 1 &&
	    X509_set_version(cert, X509_VERSION_3) == 1 &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, who, -1,
	    -1, 0) == 1 &&
	    X509_set_subject_name(cert, subject) == 1 &&
	    X509_set_issuer_name(cert, subject) == 1 &&
	    ASN1_TIME_set(X509_getm_notBefore(cert), from) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(cert), until) != NULL &&
	    add_name(cert, name) && add_digest(cert, digest);
	X509_NAME_free(subject);
	return ok;
}

int
sst_acme_cert(const char *name, const uint8_t digest[32], time_t now, BIO **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *out = BIO_new(BIO_s_secmem());
	X509 *cert = X509_new();
	int rc = -1;

	if (key != NULL && out != NULL && cert != NULL &&
	    fill(cert, name, digest, now) && X509_set_pubkey(cert, key) == 1 &&
	    X509_sign(cert, key, EVP_sha256()) > 0 &&
	    PEM_write_bio_X509(out, cert) == 1 &&
	    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1) {
		*ret = out;
		out = NULL;
		rc = 0;
	}
	X509_free(cert);
	BIO_free(out);
	EVP_PKEY_free(key);
	return rc;
}
