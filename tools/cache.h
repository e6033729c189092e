/* SPDX-License-Identifier: ISC */
/*
 * cache - what the verbs of `sstool cache` share.
 *
 * Always true:
 *   1. root becomes the cache's owner before a file of it is opened: what root makes
 *      there the owner could not write.
 *   2. Rows come from the library, which reads the cache as a connection does.
 * Threads: one.
 */
#ifndef SST_TOOLS_CACHE_H
#define SST_TOOLS_CACHE_H

#include <openssl/x509.h>

#include <securesockets/revocation.h>

#define SST_CACHE_MACHINE	"/var/cache/securesockets"
#define SST_CACHE_SOCKET	"/run/securesockets/cache.sock"

/* A checker of the machine's settings whose cache is in `dir` (NULL: where these have
 * it, or where it belongs). root becomes that directory's owner, for good. 0, or an
 * exit code after a line on stderr. */
int	sst_cache_checker(const char *dir, int no_fetch, struct sst_checker **ret);
/* One that fetches nothing. */
int	sst_cache_open(const char *dir, struct sst_checker **ret);
/* The names of `cert`'s issuer as rows have it: SHA-256 of the name alone. */
void	sst_cache_issuer_name(X509 *cert, unsigned char ret[32]);
/* What a CA is called as an issuer: name and key. */
void	sst_cache_issuer_id(X509 *ca, unsigned char ret[64]);
/* The first certificate of a file. 0, or an exit code after a line on stderr. */
int	sst_cache_cert(const char *path, X509 **ret);
void	sst_cache_row_print(const struct sst_kept *);
void	sst_cache_row_json(const struct sst_kept *);

#endif
