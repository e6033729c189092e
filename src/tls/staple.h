/* SPDX-License-Identifier: ISC */
/*
 * staple - OCSP responses about our own certificates, for clients that ask.
 *
 *	relay: TLS_OCSP_STAPLE --> staples --> conf.c attaches; OpenSSL --> staple
 *
 * Always true:
 *   1. A client gets a response about the very certificate it is shown, which the
 *      judge that judges peers calls good, and which is fresh; or none.
 *   2. Shared; adding makes another one.
 * Threads: any number may use one; `mu` of each guards what was found last.
 */
#ifndef SST_TLS_STAPLE_H
#define SST_TLS_STAPLE_H

#include <openssl/ssl.h>
#include <stddef.h>

#include <securesockets/error.h>

#define SST_STAPLES_MOST	256	/* in one set */

struct sst_staples;

/*
 * One response in DER, before those of `old` (NULL: none), which stays as it is.
 * SST_E_MALFORMED: it is none, or a refusal; SST_E_LIMIT: too large, or too many.
 */
int	sst_staples_with(struct sst_staples *old, const void *der, size_t len,
	    struct sst_staples **ret, struct sst_error *err);
struct sst_staples *sst_staples_ref(struct sst_staples *);
void	sst_staples_unref(struct sst_staples *);	/* NULL is allowed */
/* Newest first; stops when `each` returns non-zero, and returns that. */
int	sst_staples_each(const struct sst_staples *,
	    int (*each)(void *arg, const void *der, size_t len), void *arg);

/* Shows it to the client: what a server's callback returns. NULL: there is none. */
int	sst_staple_show(SSL *, const void *der, size_t len);
/* A server's callback for status_request; `staples` is a struct sst_staples. */
int	sst_staple_give(SSL *, void *staples);

#endif
