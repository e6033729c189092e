/* SPDX-License-Identifier: ISC */
/*
 * digest - SHA-256 of a few bytes.
 *
 * All of certstore calls it, about ten times for each name that is read. OpenSSL 3's
 * SHA256() looks the algorithm up and makes a context each time, which takes longer
 * than the digest, and a lock that all threads share.
 *
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_DIGEST_H
#define SST_CERTSTORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define SST_DIGEST_SIZE	32

void	sst_digest(const void *bytes, size_t len, uint8_t out[SST_DIGEST_SIZE]);

#endif
