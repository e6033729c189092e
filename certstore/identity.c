/* SPDX-License-Identifier: ISC */
#include "identity.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/ossl.h"
#include "digest.h"
#include "intern.h"
#include "key.h"
#include "quick.h"

/* Measured with malloc_usable_size over P-256 and RSA-2048 leaves: what the
 * parsed form adds to the DER, and what a key takes with its exported copy. */
#define CERT_OVERHEAD	4096
#define KEY_OVERHEAD	4096

struct sst_identity {
	atomic_int	 refs;
	atomic_int	 used;
	atomic_int	 evicted;
	X509		*leaf;
	STACK_OF(X509)	*chain;
	EVP_PKEY	*key;
	char		*names;
	size_t		 bytes;
	uint8_t		 digest[32];
	int		 kind;
	time_t		 not_before, not_after;
};

X509 *
sst_identity_leaf(const struct sst_identity *id)
{
	return id->leaf;
}

STACK_OF(X509) *
sst_identity_chain(const struct sst_identity *id)
{
	return id->chain;
}

EVP_PKEY *
sst_identity_key(const struct sst_identity *id)
{
	return id->key;
}

const uint8_t *
sst_identity_digest(const struct sst_identity *id)
{
	return id->digest;
}

struct sst_identity *
sst_identity_ref(struct sst_identity *id)
{
	(void)atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
	return id;
}

void
sst_identity_unref(struct sst_identity *id)
{
	if (id == NULL ||
	    atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) != 1)
		return;
	/* libcrypto clears the private numbers of every kind of key we admit */
	EVP_PKEY_free(id->key);
	sk_X509_pop_free(id->chain, X509_free);
	X509_free(id->leaf);
	free(id->names);
	free(id);
}

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int settled_index = -1;	/* of X509's ex_data: not NULL, settled */

static void
index_make(void)
{
	settled_index = X509_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

int
sst_leaf_settle(X509 *x)
{
	if (pthread_once(&index_once, index_make) != 0 || settled_index < 0)
		return SST_E_NOMEM;
	if (X509_get_ex_data(x, settled_index) != NULL)
		return 1;
	return X509_set_ex_data(x, settled_index, &settled_index) == 1 ? SST_OK :
	    SST_E_NOMEM;
}

STACK_OF(X509) *
sst_chain_order(X509 *leaf, STACK_OF(X509) *pool, struct sst_intern *in)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *at = leaf, *next;

	while (chain != NULL && sk_X509_num(chain) <= sk_X509_num(pool)) {
		next = NULL;
		for (int i = 0; i < sk_X509_num(pool) && next == NULL; i++) {
			X509 *x = sk_X509_value(pool, i);

			if (X509_cmp(x, at) != 0 &&
			    X509_check_issued(x, at) == X509_V_OK)
				next = x;
		}
		if (next == NULL || (X509_get_extension_flags(next) & EXFLAG_SS) != 0)
			break;
		if (sst_leaf_settle(next) < 0 || sk_X509_push(chain, next) <= 0) {
			sk_X509_pop_free(chain, X509_free);
			return NULL;
		}
		(void)X509_up_ref(next);
		sst_intern_put(in, next);
		at = next;
	}
	return chain;
}

int
sst_chain_content(const uint8_t leaf[32], STACK_OF(X509) *chain, struct sst_intern *in,
    uint8_t out[32], struct sst_error *err)
{
	uint8_t both[64];
	int rc = SST_OK;

	memcpy(out, leaf, 32);
	for (int i = 0; rc == SST_OK && i < sk_X509_num(chain); i++) {
		memcpy(both, out, 32);
		rc = sst_intern_digest(in, sk_X509_value(chain, i), both + 32, err);
		if (rc == SST_OK)
			sst_digest(both, sizeof(both), out);
	}
	/* the index keeps no more of it, and what it gives back is compared */
	memset(out + 16, 0, 16);
	return rc;
}

/* Whether the leaf's key and `key` are the same, written alike. */
static int
is_written_alike(X509 *leaf, EVP_PKEY *key)
{
	unsigned char *theirs = NULL, *ours = NULL;
	uint8_t print[SST_PRINT_SIZE];
	struct sst_key_facts facts;
	int theirs_len, ours_len, rc;

	/* to write a point is to divide by a number of 256 bits */
	if (sst_key_is_plain(key) && sst_key_facts_quick(leaf, &facts))
		return sst_key_print(key, print, NULL) == SST_OK &&
		    memcmp(print, facts.print, sizeof(print)) == 0;
	theirs_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &theirs);
	ours_len = i2d_PUBKEY(key, &ours);
	if (theirs_len <= 0 || ours_len <= 0)
		rc = SST_E_NOMEM;
	else
		rc = theirs_len == ours_len &&
		    memcmp(theirs, ours, (size_t)ours_len) == 0;
	OPENSSL_free(theirs);
	OPENSSL_free(ours);
	return rc;
}

/*
 * Makes `key` the object that the leaf has as its public key. Each handshake
 * asks OpenSSL to install the pair, and it compares the two: the same object in
 * no time, two that are equal by all numbers of their curves. Only a key of
 * libcrypto's older form (key.c) is written down as fast as that is worth.
 * Where the two would be written in another way (a point that is compressed, or
 * another key) the leaf keeps what it has.
 */
static int
one_key(X509 *leaf, EVP_PKEY *key, const uint8_t digest[32], struct sst_error *err)
{
	uint8_t now[32];
	int rc;

	rc = sst_leaf_settle(leaf);
	if (rc < 0)
		return sst_fail(err, rc, "out of memory");
	if (rc == 1 || EVP_PKEY_get0_provider(key) != NULL)
		return SST_OK;
	rc = is_written_alike(leaf, key);
	if (rc < 0)
		return sst_fail_ossl(err, rc, "out of memory");
	/* what is served must stay what was signed */
	if (rc && (X509_set_pubkey(leaf, key) != 1 ||
	    X509_digest(leaf, EVP_sha256(), now, NULL) != 1 ||
	    memcmp(now, digest, sizeof(now)) != 0))
		return sst_fail_ossl(err, SST_E_MALFORMED,
		    "the certificate is not encoded as DER");
	return SST_OK;
}

/* The leaf with a public key, referenced; SST_E_MISMATCH: it is not that of `key`. */
static int
whole_leaf(X509 *leaf, EVP_PKEY *key, X509 **ret, struct sst_error *err)
{
	X509 *whole = sst_quick_whole(leaf);
	EVP_PKEY *public;

	if (whole == NULL || sst_leaf_settle(whole) < 0) {
		X509_free(whole);
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	}
	public = X509_get0_pubkey(whole);
	if (public == NULL || EVP_PKEY_eq(public, key) != 1) {
		X509_free(whole);
		return sst_fail_ossl(err, SST_E_MISMATCH,
		    "the private key is not the certificate's");
	}
	*ret = whole;
	return SST_OK;
}

int
sst_identity_warm(const struct sst_identity *id, struct sst_error *err)
{
	EVP_PKEY_CTX *ctx;
	int rc = SST_OK;

	if (EVP_PKEY_get0_provider(id->key) != NULL)
		return SST_OK;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, id->key, NULL);
	if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1)
		rc = sst_fail_ossl(err, SST_E_UNSUPPORTED, "this key cannot sign");
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

int
sst_identity_new(X509 *leaf, STACK_OF(X509) *chain, EVP_PKEY *key,
    const struct sst_leaf_facts *facts, struct sst_identity **ret, struct sst_error *err)
{
	struct sst_identity *id = NULL;
	int rc, size;

	rc = one_key(leaf, key, facts->digest, err);
	if (rc < 0)
		return rc;
	id = calloc(1, sizeof(*id));
	if (id == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&id->refs, 1);
	rc = whole_leaf(leaf, key, &id->leaf, err);
	if (rc < 0)
		goto out;
	id->names = strdup(facts->names);
	id->chain = X509_chain_up_ref(chain);
	if (id->names == NULL || (chain != NULL && id->chain == NULL) ||
	    EVP_PKEY_up_ref(key) != 1) {
		rc = sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	id->key = key;
	memcpy(id->digest, facts->digest, sizeof(id->digest));
	id->kind = facts->kind;
	id->not_before = facts->not_before;
	id->not_after = facts->not_after;
	/* issuers are shared: the chain counts as its pointers */
	size = i2d_X509(leaf, NULL);
	id->bytes = sizeof(*id) + (size > 0 ? (size_t)size : 0) + CERT_OVERHEAD +
	    KEY_OVERHEAD + strlen(id->names) +
	    sizeof(void *) * (size_t)(8 + sk_X509_num(chain));
	*ret = id;
	id = NULL;
out:
	sst_identity_unref(id);
	return rc;
}

const char *
sst_line(const char *lines, size_t i, size_t *len)
{
	const char *end;

	for (;; lines = end + 1) {
		end = strchr(lines, '\n');
		if (end == NULL)
			return NULL;
		if (i-- == 0)
			break;
	}
	*len = (size_t)(end - lines);
	return lines;
}

const char *
sst_identity_names(const struct sst_identity *id)
{
	return id->names;
}

/* "ip:" and DNS names never look alike, so one comparison serves both. */
int
sst_identity_covers(const struct sst_identity *id, const char *name)
{
	const char *rest = NULL, *at, *end;
	size_t len = strlen(name), rest_len = 0;

	if (strncmp(name, "ip:", 3) != 0 && name[0] != '*' && name[0] != '.')
		rest = strchr(name, '.');
	if (rest != NULL)
		rest_len = strlen(rest);
	for (at = id->names; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		size_t n = (size_t)(end - at);

		if (n == len && memcmp(at, name, n) == 0)
			return 1;
		if (rest != NULL && n == rest_len + 1 && at[0] == '*' &&
		    memcmp(at + 1, rest, rest_len) == 0)
			return 1;
	}
	return 0;
}

int
sst_identity_is(const struct sst_identity *id, const uint8_t digest[32], int kind,
    time_t not_before, time_t not_after)
{
	return memcmp(id->digest, digest, sizeof(id->digest)) == 0 && id->kind == kind &&
	    id->not_before == not_before && id->not_after == not_after;
}

size_t
sst_identity_bytes(const struct sst_identity *id)
{
	return id->bytes;
}

void
sst_identity_use(struct sst_identity *id)
{
	/* a store on every hit would pass the line between cores */
	if (atomic_load_explicit(&id->used, memory_order_relaxed) == 0)
		atomic_store_explicit(&id->used, 1, memory_order_relaxed);
}

int
sst_identity_unuse(struct sst_identity *id)
{
	return atomic_exchange_explicit(&id->used, 0, memory_order_relaxed);
}

void
sst_identity_evict(struct sst_identity *id)
{
	atomic_store_explicit(&id->evicted, 1, memory_order_relaxed);
}

int
sst_identity_evicted(const struct sst_identity *id)
{
	return atomic_load_explicit(&id->evicted, memory_order_relaxed);
}
