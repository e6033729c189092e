/* SPDX-License-Identifier: ISC */
/*
 * intern - issuers that many chains share, parsed once.
 *
 * pem.c asks, identity.c brings. A parse costs 90 us and 4 KB; ten thousand
 * leaves of one issuer need one.
 *
 * Always true:
 *   1. At most SST_INTERN_MAX certificates are held; the oldest leaves first.
 *   2. Equal means equal SHA-256 of the DER.
 * Threads: any number may share one; `mu` spans no call into OpenSSL's parser.
 */
#ifndef SST_CERTSTORE_INTERN_H
#define SST_CERTSTORE_INTERN_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define SST_INTERN_MAX	64

struct sst_error;
struct sst_intern;

struct sst_intern *sst_intern_new(void);	/* NULL: out of memory */
void	sst_intern_free(struct sst_intern *);
/* A certificate known under this digest, which the caller frees; or NULL. */
X509	*sst_intern_get(struct sst_intern *, const uint8_t digest[32]);
/* Keeps `x` (its own reference). `in` NULL is allowed and keeps nothing. */
void	sst_intern_put(struct sst_intern *, X509 *x);
/* As sst_cert_digest(), which it asks for what is not kept; `in` may be NULL. */
int	sst_intern_digest(struct sst_intern *, const X509 *x, uint8_t out[32],
	    struct sst_error *err);
/* fork: the child of a threaded program gets an open lock. */
void	sst_intern_lock(struct sst_intern *);
void	sst_intern_unlock(struct sst_intern *);

#endif
