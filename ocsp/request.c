/* SPDX-License-Identifier: ISC */
/*
 * request - see request.h. The DER is written from its end to its beginning, so
 * that every length is known when it is written.
 */
#include "request.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/ossl.h"
#include "certid.h"

#define GET_MAX	255	/* RFC 6960 A.1: GET when less */

/* What is written lies in [at, sizeof(bytes)). The longest request (64 octets of
 * serial, SHA-256, a nonce) is under 300. */
struct backwards {
	uint8_t	bytes[512];
	size_t	at;
};

static void
put(struct backwards *out, const void *bytes, size_t len)
{
	out->at -= len;
	memcpy(out->bytes + out->at, bytes, len);
}

/* Tag and length in front of what was written since the offset `end`. */
static void
wrap(struct backwards *out, uint8_t tag, size_t end)
{
	size_t len = end - out->at;
	uint8_t head[4] = { tag };
	size_t n = 2;

	if (len < 0x80) {
		head[1] = (uint8_t)len;
	} else if (len <= 0xff) {
		head[1] = 0x81;
		head[2] = (uint8_t)len;
		n = 3;
	} else {
		head[1] = 0x82;
		head[2] = (uint8_t)(len >> 8);
		head[3] = (uint8_t)len;
		n = 4;
	}
	put(out, head, n);
}

static void
put_item(struct backwards *out, uint8_t tag, const void *bytes, size_t len)
{
	size_t end = out->at;

	put(out, bytes, len);
	wrap(out, tag, end);
}

/* requestExtensions [2] with a nonce. */
static void
put_nonce(struct backwards *out, const uint8_t *nonce, size_t len)
{
	static const uint8_t oid[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 2 };
	size_t end = out->at;

	put_item(out, SST_DER_OCTET_STRING, nonce, len);
	wrap(out, SST_DER_OCTET_STRING, end);
	put_item(out, SST_DER_OID, oid, sizeof(oid));
	wrap(out, SST_DER_SEQUENCE, end);
	wrap(out, SST_DER_SEQUENCE, end);
	wrap(out, SST_DER_EXPLICIT(2), end);
}

/* requestList with one CertID. */
static int
put_list(struct backwards *out, const struct sst_cert_facts *facts, X509 *issuer,
    enum sst_certid_hash hash)
{
	/* AlgorithmIdentifier with NULL parameters, as responders expect it */
	static const uint8_t sha1[] = { 0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0 };
	static const uint8_t sha256[] = { 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1,
	    5, 0 };
	uint8_t name[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE];
	const EVP_MD *md = hash == SST_CERTID_SHA1 ? EVP_sha1() : EVP_sha256();
	size_t len = (size_t)EVP_MD_get_size(md), end = out->at;

	if (sst_certid_hashes(facts, issuer, md, name, key) < 0)
		return SST_E_NOMEM;
	put_item(out, SST_DER_INTEGER, facts->key.serial, facts->key.serial_len);
	put_item(out, SST_DER_OCTET_STRING, key, len);
	put_item(out, SST_DER_OCTET_STRING, name, len);
	if (hash == SST_CERTID_SHA1)
		put(out, sha1, sizeof(sha1));
	else
		put(out, sha256, sizeof(sha256));
	wrap(out, SST_DER_SEQUENCE, end);	/* CertID */
	wrap(out, SST_DER_SEQUENCE, end);	/* Request */
	wrap(out, SST_DER_SEQUENCE, end);
	return SST_OK;
}

int
sst_request_make(const struct sst_cert_facts *facts, X509 *issuer, enum sst_certid_hash hash,
    int with_nonce, struct sst_request *ret, struct sst_error *err)
{
	struct backwards out = { .at = sizeof(out.bytes) };
	struct sst_request made = { .len = 0 };

	if (with_nonce) {
		if (RAND_bytes(made.nonce, sizeof(made.nonce)) != 1)
			return sst_fail_ossl(err, SST_E_INTERNAL, "no random octets for a nonce");
		made.nonce_len = sizeof(made.nonce);
		put_nonce(&out, made.nonce, made.nonce_len);
	}
	if (put_list(&out, facts, issuer, hash) < 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "hashing an issuer's name and key");
	wrap(&out, SST_DER_SEQUENCE, sizeof(out.bytes));	/* TBSRequest */
	wrap(&out, SST_DER_SEQUENCE, sizeof(out.bytes));
	made.len = sizeof(out.bytes) - out.at;
	memcpy(made.der, out.bytes + out.at, made.len);
	*ret = made;
	return SST_OK;
}

/* base64 as it stands in a path. Returns the length, NUL not counted. */
static size_t
path_of(const struct sst_request *r, char *out, size_t size)
{
	unsigned char base64[(sizeof(r->der) + 2) / 3 * 4 + 1];
	int n = EVP_EncodeBlock(base64, r->der, (int)r->len);
	size_t used = 0;

	for (int i = 0; i < n && used + 4 <= size; i++) {
		const char *as = base64[i] == '+' ? "%2B" : base64[i] == '/' ? "%2F" :
		    base64[i] == '=' ? "%3D" : NULL;

		if (as != NULL) {
			memcpy(out + used, as, 3);
			used += 3;
		} else {
			out[used++] = (char)base64[i];
		}
	}
	out[used] = '\0';
	return used;
}

int
sst_request_get_url(const struct sst_request *r, const char *url, char *out, size_t size)
{
	char path[3 * sizeof(r->der) * 4 / 3 + 16];
	size_t len = strlen(url), slash, path_len;

	path_len = path_of(r, path, sizeof(path));
	if (path_len >= GET_MAX)
		return 0;
	slash = len == 0 || url[len - 1] != '/';
	if (len + slash + path_len + 1 > size)
		return SST_E_LIMIT;
	memcpy(out, url, len);
	if (slash)
		out[len] = '/';
	memcpy(out + len + slash, path, path_len + 1);
	return 1;
}
