/* SPDX-License-Identifier: ISC */
/*
 * store_leaves - what a store serves, one by one, for those who watch over it.
 *
 *	src/relay, src/tls --> sst_store_leaves() --> ocsp/own.c
 *
 * Threads: any; `each` is called with no lock held.
 */
#ifndef SST_CERTSTORE_STORE_LEAVES_H
#define SST_CERTSTORE_STORE_LEAVES_H

#include <openssl/x509.h>

#include <securesockets/certstore.h>

#include "index.h"

/* How far a store was gone through. */
struct sst_leaves_seen {
	unsigned index;		/* which of its indexes counts */
	int64_t	 id;		/* of the last row */
};

/*
 * All that name a responder or demand a staple, read where they are not in memory; of
 * the others those in memory. Also chains that wait for their keys, of which `above`
 * begins with the leaf itself. What `known` (NULL: nothing) says 1 to, by its SHA-256, is
 * passed over, and not read.
 * `seen` (NULL: nothing) is zero or what a call before left there: then it is those that
 * came into the store since, and those from the first on that could not be read.
 * Stops when `each` returns non-zero, and returns that. < 0: SST_E_*.
 */
int	sst_store_leaves(struct sst_store *, struct sst_leaves_seen *seen,
	    int (*known)(void *arg, const uint8_t leaf[32]),
	    int (*each)(void *arg, X509 *leaf, STACK_OF(X509) *above), void *arg,
	    struct sst_error *err);

/* How far it was followed what left a store. All zero: until it was made. */
struct sst_leaves_left {
	unsigned index;		/* as above */
	struct sst_index_mark at;
};

/*
 * The leaves, by their SHA-256, that left the store since a call before left `seen` there:
 * as often as they did, and also those that are there again. 0: these were all. 1: it is
 * not known any more what else did, since there was too much or the index is another one:
 * each has to be looked up. `seen` is moved; with < 0, SST_E_*, it is not. `each` NULL:
 * nobody wants to know, and `seen` is what there was until now.
 */
int	sst_store_left(struct sst_store *, struct sst_leaves_left *seen,
	    void (*each)(void *arg, const uint8_t leaf[32]), void *arg,
	    struct sst_error *err);

/* 1: the certificate with this SHA-256 is in the store. 0, or < 0: it could not be looked
 * up. */
int	sst_store_has_leaf(struct sst_store *, const uint8_t leaf[32]);

/*
 * Says that the certificate with this SHA-256 demands a staple (RFC 7633) and none is
 * there (`bare`), or that there is one again: until then it goes after what else is valid
 * for its names. SST_E_LIMIT: too many are marked.
 */
int	sst_store_mark_bare(struct sst_store *, const uint8_t leaf[32], int bare,
	    struct sst_error *err);

#endif
