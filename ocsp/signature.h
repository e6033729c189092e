/* SPDX-License-Identifier: ISC */
/*
 * signature - an AlgorithmIdentifier, and whether a key made a signature with it.
 *
 * The bytes are hashed where they lie: OpenSSL's own helpers want an object of the
 * whole first. responder.c calls it; it calls libcrypto.
 *
 * Always true:
 *   1. Parameters have the form that the algorithm wants, or it is not understood.
 *   2. Strength is counted as OpenSSL counts it (SSL_CTX_set_security_level(3)).
 * Threads: pure.
 */
#ifndef SST_OCSP_SIGNATURE_H
#define SST_OCSP_SIGNATURE_H

#include <openssl/evp.h>

#include "der.h"
#include "evidence.h"

struct sst_signature {
	const EVP_MD	*md;		/* NULL: the key's own (EdDSA) */
	const EVP_MD	*mgf_md;	/* of PSS; else NULL */
	int		 salt_len;
	const char	*key_type;	/* as EVP_PKEY_is_a() takes it */
};

/* Bits of a security level 0 to 5. */
int	sst_signature_level_bits(int level);
/* `algorithm`: the SEQUENCE. `what` was signed, for texts. 0, or
 * SST_E_UNSUPPORTED: not understood, or below the level. */
int	sst_signature_read(const struct sst_der_item *algorithm, int level, const char *what,
	    struct sst_signature *ret, struct sst_error *err);
/* 1: a strong enough key. */
int	sst_signature_key_strong(EVP_PKEY *, int level);
/* 1: `key` made `made` over `bytes`. */
int	sst_signature_by(const struct sst_signature *, EVP_PKEY *key, const void *bytes,
	    size_t len, const void *made, size_t made_len);

#endif
