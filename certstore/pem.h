/* SPDX-License-Identifier: ISC */
/*
 * pem - bytes to certificates and keys.
 *
 * scan.c brings the bytes of files, store.c those of callers.
 *
 * Always true:
 *   1. PEM or DER; CRLF, a byte order mark, and text around the blocks do not
 *      matter. What is neither a certificate nor a key is passed over.
 *   2. A block that calls itself a certificate or a key and does not parse, an
 *      encrypted key and PKCS#12 are errors: nobody is asked for a password.
 *   3. The bytes of keys do not stay behind in freed memory.
 * Threads: pure, but for `intern`.
 */
#ifndef SST_CERTSTORE_PEM_H
#define SST_CERTSTORE_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>

struct sst_error;
struct sst_intern;

#define SST_PEM_MAX_BYTES	((size_t)1 << 20)
#define SST_PEM_USUAL		4096	/* most files: they need no memory of their own */
#define SST_PEM_MAX_CERTS	512
#define SST_PEM_MAX_KEYS	64

struct sst_pem {
	STACK_OF(X509)	*certs;		/* in the order of the bytes; may be NULL; the
					   first may be one of quick.h */
	EVP_PKEY	*keys[SST_PEM_MAX_KEYS];
	size_t		 n_keys;
};

/* On 0 the caller gives *ret to sst_pem_done(). `intern` may be NULL. */
int	sst_pem_read(const void *bytes, size_t len, struct sst_intern *intern,
	    struct sst_pem *ret, struct sst_error *err);
void	sst_pem_done(struct sst_pem *);

#endif
