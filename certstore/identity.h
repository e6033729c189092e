/* SPDX-License-Identifier: ISC */
/*
 * identity - a leaf, its chain and its key, ready to be installed.
 *
 * scan.c and store_change.c build them, choose.c hands them out, src/tls
 * installs them.
 *
 * Always true:
 *   1. Immutable once built; shared by reference count between threads.
 *   2. The key's public half equals the leaf's; an EC or RSA key is the very
 *      object that X509_get0_pubkey() of the leaf returns, unless the leaf
 *      writes it in another way, or was settled before.
 *   3. The chain is in order, without the leaf and without a self-signed root.
 *   4. The last unref clears the key.
 *   5. What the rules of admission refuse (SECURITY.md) is never built.
 */
#ifndef SST_CERTSTORE_IDENTITY_H
#define SST_CERTSTORE_IDENTITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <time.h>

#include <securesockets/certstore.h>

struct sst_identity;
struct sst_intern;

/* All borrowed: they live as long as the identity. */
X509	*sst_identity_leaf(const struct sst_identity *);
STACK_OF(X509) *sst_identity_chain(const struct sst_identity *);
EVP_PKEY *sst_identity_key(const struct sst_identity *);
const uint8_t *sst_identity_digest(const struct sst_identity *);

struct sst_identity *sst_identity_ref(struct sst_identity *);
void	sst_identity_unref(struct sst_identity *);	/* NULL is allowed */

/* The i-th identity of a choice, i < sst_choice_count(). Borrowed. */
struct sst_identity *sst_choice_identity(const struct sst_choice *, size_t i);

/* What a leaf says of itself, as the index keeps it. */
struct sst_leaf_facts {
	int	 kind;			/* enum sst_key_kind */
	int	 challenge;		/* its only name is the key of an ACME challenge */
	int	 wants_staple;		/* it names a responder, or demands a staple */
	char	 key_type[32];		/* "RSA-2048" */
	char	 issuer[256];		/* one line, escaped */
	char	*names;			/* folded, each ended by '\n'; "" if none */
	char	*warnings;		/* the same form */
	time_t	 not_before, not_after;
	uint8_t	 digest[32];		/* SHA-256 of the leaf */
	uint8_t	 print[32];		/* sst_key_print() of its key */
	uint8_t	 names_key[32];		/* equal for leaves with the same names */
};

/* SHA-256 of the certificate. */
int	sst_cert_digest(const X509 *, uint8_t out[32], struct sst_error *err);
/*
 * Reads a leaf. SST_E_REFUSED where a rule of admission says no (the text says
 * which). On 0 the caller gives *ret to sst_leaf_facts_done().
 */
int	sst_leaf_facts_read(X509 *leaf, struct sst_leaf_facts *ret, struct sst_error *err);
void	sst_leaf_facts_done(struct sst_leaf_facts *);
/* Adds a line to the warnings. */
int	sst_leaf_facts_warn(struct sst_leaf_facts *, const char *text, struct sst_error *err);

/*
 * The certificates of `pool` that lead from `leaf` upwards, in order, without
 * a self-signed root; the caller frees the stack with its members. `intern`
 * may be NULL. NULL: out of memory.
 */
STACK_OF(X509) *sst_chain_order(X509 *leaf, STACK_OF(X509) *pool,
	    struct sst_intern *);
/* Over the leaf (its digest) and the chain: changes when either does. 16 bytes of
 * SHA-256, then zeros. `intern` may be NULL. */
int	sst_chain_content(const uint8_t leaf[32], STACK_OF(X509) *chain,
	    struct sst_intern *, uint8_t out[32], struct sst_error *err);

/*
 * Says that others may see this certificate from now on, so that nothing of it
 * may be replaced. 1: it was said before. SST_E_NOMEM.
 */
int	sst_leaf_settle(X509 *);

/*
 * Binds the three. SST_E_MISMATCH: the key is another's. Takes references of
 * its own; `chain` is copied. The leaf's public key is replaced, or, where that may not
 * be and it has none (quick.h), the identity has a copy of the leaf. On 0 the caller
 * owns *ret.
 */
int	sst_identity_new(X509 *leaf, STACK_OF(X509) *chain, EVP_PKEY *key,
	    const struct sst_leaf_facts *, struct sst_identity **ret,
	    struct sst_error *err);
/*
 * libcrypto makes the form that signs of such a key at its first use: this is one, so
 * that it is not under the first client. SST_E_UNSUPPORTED: the key cannot sign.
 */
int	sst_identity_warm(const struct sst_identity *, struct sst_error *err);
/* Whether the leaf is that one, and of the kind and the dates that somebody says. */
int	sst_identity_is(const struct sst_identity *, const uint8_t digest[32], int kind,
	    time_t not_before, time_t not_after);
/* Whether a name of the leaf covers `name` (folded, or "ip:"). */
int	sst_identity_covers(const struct sst_identity *, const char *name);
/* All names, folded, each ended by '\n'. */
const char *sst_identity_names(const struct sst_identity *);
/* Bytes that it holds in memory, counted on the safe side. */
size_t	sst_identity_bytes(const struct sst_identity *);
/* Marks of the cache: used since last looked at; thrown out of the cache. */
void	sst_identity_use(struct sst_identity *);
int	sst_identity_unuse(struct sst_identity *);	/* was it used? */
void	sst_identity_evict(struct sst_identity *);
int	sst_identity_evicted(const struct sst_identity *);

/* The i-th line of a list of lines; *len without the '\n'. NULL: no more. */
const char *sst_line(const char *lines, size_t i, size_t *len);

#endif
