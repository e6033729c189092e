/* SPDX-License-Identifier: ISC */
/*
 * certkey - names of certificates: compared and hashed. Facts are in
 * facts.c (read) and notes.c (kept).
 */
/* The one-shot and EVP forms fetch or allocate, and so may fail and take a
 * microsecond; a list of a million serials is hashed with this one. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "certkey.h"

#include <openssl/sha.h>
#include <string.h>

int
sst_cert_key_cmp(const struct sst_cert_key *a, const struct sst_cert_key *b)
{
	int order = memcmp(&a->issuer, &b->issuer, sizeof(a->issuer));

	if (order != 0)
		return order;
	if (a->serial_len != b->serial_len)
		return a->serial_len < b->serial_len ? -1 : 1;
	return memcmp(a->serial, b->serial, a->serial_len);
}

void
sst_cert_key_hash(const struct sst_cert_key *key, uint8_t ret[32])
{
	SHA256_CTX ctx;

	(void)SHA256_Init(&ctx);
	(void)SHA256_Update(&ctx, &key->issuer, sizeof(key->issuer));
	(void)SHA256_Update(&ctx, &key->serial_len, 1);
	(void)SHA256_Update(&ctx, key->serial, key->serial_len);
	(void)SHA256_Final(ret, &ctx);
}
