/* SPDX-License-Identifier: ISC */
/*
 * make_cache - a cache in a directory of its own, and evidence to put into it.
 *
 * Certificates are numbers here: issuer `ca`, serial `n`. A failure of the cache's
 * own making fails the test.
 */
#ifndef SST_TEST_MAKE_CACHE_H
#define SST_TEST_MAKE_CACHE_H

#include <stdint.h>

#include "ocsp/cache.h"
#include "support/pki.h"

#define CACHE_ENDS	(PKI_NOW + 90 * PKI_DAY)

struct sst_cache *cache_open(const char *dir);		/* writer */
struct sst_cache *cache_open_as(const char *dir, int may_write, uint64_t cap, int wait_ms);

struct sst_cert_key cert_key(int ca, int64_t n);
/* Facts of a certificate that names no distribution point. */
struct sst_cert_facts cert_facts(int ca, int64_t n);
/* An answer of a response, made `age` seconds before PKI_NOW, for a day. */
struct sst_evidence says(enum sst_evidence_status, int reason, int64_t age);
int	cache_put(struct sst_cache *, int ca, int64_t n, const struct sst_evidence *);
/* The status of the first piece, 0 for none; < 0 as sst_cache_get(). */
int	cache_says(struct sst_cache *, int ca, int64_t n);
/* The strictest of all: REVOKED, else the first's. */
int	cache_strict(struct sst_cache *, int ca, int64_t n);

/* A directory, and two CAs of the same name. */
struct cache_world {
	char	*dir;
	struct pki_cert *ca, *other;
};
int	cache_world_make(void **state);
int	cache_world_free(void **state);
/* Runs these statements on a file, which somebody else may have locked for a moment. */
void	cache_sql(const char *path, const char *text);

/* A list of `ca_cert` about serials, taken in. As sst_cache_put_crl(). */
struct list {
	const struct pki_cert *ca;
	const int64_t	*serials;
	size_t		 n;
	int		 reason;	/* 0: none; 6: hold */
	int		 number;	/* 0: 1 */
	int64_t		 age;
	const char	*extra;
};
int	list_put(struct sst_cache *, const struct list *, struct sst_error *);
/* Facts of serial `n` of a real issuer. */
struct sst_cert_facts listed_facts(const struct pki_cert *ca, int64_t n);
int	list_says(struct sst_cache *, const struct pki_cert *ca, int64_t n);

#endif
