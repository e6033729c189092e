/* SPDX-License-Identifier: ISC */
/*
 * identity - a leaf, its chain and its key, ready to be installed.
 *
 * choose.c hands them out, src/tls installs them.
 *
 * Always true:
 *   1. Immutable once built; shared by reference count between threads.
 *   2. The key's public half equals the leaf's.
 *   3. The chain is in order, without the leaf and without a self-signed root.
 *   4. The last unref clears the key.
 */
#ifndef SST_CERTSTORE_IDENTITY_H
#define SST_CERTSTORE_IDENTITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include <securesockets/certstore.h>

struct sst_identity;

/* All borrowed: they live as long as the identity. */
X509	*sst_identity_leaf(const struct sst_identity *);
STACK_OF(X509) *sst_identity_chain(const struct sst_identity *);
EVP_PKEY *sst_identity_key(const struct sst_identity *);
const uint8_t *sst_identity_digest(const struct sst_identity *);

struct sst_identity *sst_identity_ref(struct sst_identity *);
void	sst_identity_unref(struct sst_identity *);	/* NULL is allowed */

/* The i-th identity of a choice, i < sst_choice_count(). Borrowed. */
struct sst_identity *sst_choice_identity(const struct sst_choice *, size_t i);

#endif
