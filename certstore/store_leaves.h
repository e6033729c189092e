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

/* Also chains that wait for their keys, of which `above` begins with the leaf itself.
 * What `known` (NULL: nothing) says 1 to, by its SHA-256, is passed over, and not read.
 * Stops when `each` returns non-zero, and returns that. < 0: SST_E_*. */
int	sst_store_leaves(struct sst_store *,
	    int (*known)(void *arg, const uint8_t leaf[32]),
	    int (*each)(void *arg, X509 *leaf, STACK_OF(X509) *above), void *arg,
	    struct sst_error *err);

#endif
