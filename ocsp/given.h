/* SPDX-License-Identifier: ISC */
/*
 * given - one list that a program named, read and verified once for all connections.
 *
 *	src/tls/lists.c --> given --> check_given.c (each connection)
 *	crl.c, crl_signer.c --> given: what they learned of these bytes before
 *
 * A list can be verified only with a chain, so it is done for the first connection
 * that brings one, and remembered: which key made the signature, and the index.
 *
 * Always true:
 *   1. What is remembered follows from the bytes alone: that a key made the
 *      signature, what the entries say, the digests. Whether that key may sign, is
 *      strong enough for the level, is revoked, and whether the list's time has
 *      come, is judged at each use.
 *   2. Only successes are remembered: a verification that failed may have failed for
 *      want of memory.
 *   3. The bytes are immutable, and so is what was remembered.
 * Threads: any number. Two that come first do it once; one waits for the other.
 */
#ifndef SST_OCSP_GIVEN_H
#define SST_OCSP_GIVEN_H

#include <openssl/evp.h>

#include "crl.h"

struct sst_given;

/* Copies the bytes, one DER value. */
int	sst_given_new(const void *der, size_t len, struct sst_given **ret,
	    struct sst_error *err);
struct sst_given *sst_given_ref(struct sst_given *);
void	sst_given_unref(struct sst_given *);	/* NULL is allowed */
/* Borrowed. */
const void *sst_given_bytes(const struct sst_given *, size_t *ret_len);

/* How often a signature was computed, and how often the entries were read. */
struct sst_given_work {
	unsigned long signatures, readings, indices;
};
void	sst_given_work(struct sst_given *, struct sst_given_work *ret);

/* As sst_crl_open(), which see: of the bytes that it holds. It must outlive *ret.
 * In crl.c. */
int	sst_crl_open_given(struct sst_given *, const struct sst_crl_signers *, int64_t now,
	    const struct sst_limits *, struct sst_crl **ret, enum sst_fault *ret_fault,
	    struct sst_error *err);

/* As sst_check_crl(), with the bytes of one that was given. In check_given.c. */
int	sst_check_given(struct sst_check *, struct sst_given *, struct sst_error *err);

/* What follows is for crl.c and crl_signer.c. */

/* Whether `key` is known to have made the signature. */
int	sst_given_is_by(struct sst_given *, EVP_PKEY *key);
/* The same; asks verify() when it is not known. */
int	sst_given_verify(struct sst_given *, EVP_PKEY *key,
	    int (*verify)(const void *arg, EVP_PKEY *key), const void *arg);
/* Fills the head with what `read` makes of the entries and of all bytes. */
int	sst_given_read(struct sst_given *, struct sst_crl *,
	    int (*read)(struct sst_crl *, struct sst_error *err), struct sst_error *err);
/* Looks into the index. 1: found; 0: not there; < 0: there is no memory for one. */
int	sst_given_find(struct sst_given *, const struct sst_crl *,
	    const struct sst_cert_key *, struct sst_crl_entry *ret);

#endif
