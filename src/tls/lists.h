/* SPDX-License-Identifier: ISC */
/*
 * lists - revocation lists that a program named.
 *
 *	relay: TLS_CRL_FILE --> lists --> revoke.c gives them to each check
 *	                          \--> ocsp/given.h: verified once for all checks
 *
 * Always true:
 *   1. Immutable and shared: adding makes another one.
 *   2. Each element is one whole DER value; whether it is an authentic list is
 *      judged with the chain it is used for.
 * Threads: any number may read one.
 */
#ifndef SST_TLS_LISTS_H
#define SST_TLS_LISTS_H

#include <stddef.h>

#include <securesockets/error.h>

#define SST_LISTS_MAX	(32u << 20)	/* octets of all together */

struct sst_given;
struct sst_lists;

/*
 * `bytes`, one or many CRLs in PEM or DER, beside those of `old` (NULL: none),
 * which stays as it is. SST_E_MALFORMED: there is none in it, or more than that;
 * SST_E_LIMIT: too large.
 */
int	sst_lists_with(struct sst_lists *old, const void *bytes, size_t len,
	    struct sst_lists **ret, struct sst_error *err);
struct sst_lists *sst_lists_ref(struct sst_lists *);
void	sst_lists_unref(struct sst_lists *);	/* NULL is allowed */
/* Calls `each` until it returns non-zero, and returns that. NULL is allowed. */
int	sst_lists_each(const struct sst_lists *,
	    int (*each)(void *arg, struct sst_given *), void *arg);
/* The same with the bytes of each. */
int	sst_lists_each_der(const struct sst_lists *,
	    int (*each)(void *arg, const void *der, size_t len), void *arg);

#endif
