/* SPDX-License-Identifier: ISC */
/* The calls that OpenSSL 3.0 calls deprecated are those that look nothing up. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <openssl/sha.h>

void
sst_digest(const void *bytes, size_t len, uint8_t out[SST_DIGEST_SIZE])
{
	SHA256_CTX ctx;

	/* of memory alone: none of the three can fail */
	(void)SHA256_Init(&ctx);
	(void)SHA256_Update(&ctx, bytes, len);
	(void)SHA256_Final(out, &ctx);
}
