/* SPDX-License-Identifier: ISC */
/*
 * scan - reads a file, a directory or bytes, and pairs chains with keys.
 *
 * store_change.c calls it for a change, store_choose.c to read one identity
 * again; it calls the source, pem.c and identity.c.
 *
 * Always true:
 *   1. Opening never waits; what is not a regular file of at most 1 MiB is
 *      never read.
 *   2. In a directory a link is followed inside the directory and into its
 *      sibling `archive` (certbot), and nowhere else.
 *   3. One broken file voids itself: its neighbours are found all the same.
 *   4. Nothing of the store changes here.
 * Threads: no state of its own.
 */
#ifndef SST_CERTSTORE_SCAN_H
#define SST_CERTSTORE_SCAN_H

#include "identity.h"
#include "pem.h"
#include "rows.h"
#include "source.h"

struct sst_intern;

struct sst_scan_env {
	const struct sst_source_ops *ops;
	void		*ctx;
	struct sst_intern *intern;
	int		 keys_may_be_open;
};

/* One thing that was found. */
struct sst_found {
	struct sst_row	 row;		/* id, source and order are not set */
	int		 code;		/* refused: SST_E_* */
	int		 sys_errno;
	struct sst_identity *identity;	/* usable or challenge: the pair itself */
	STACK_OF(X509)	*certs;		/* staged: leaf first */
};

struct sst_scan {
	struct sst_found *v;
	size_t		 n, room;
	int		 is_dir;
	char		*folders;	/* lines: the folders that were listed */
	char		*leafless;	/* lines: their files without a leaf */
	char		**open_keys;	/* key files that others can read */
	size_t		 n_open_keys;
};

void	sst_scan_done(struct sst_scan *);
/*
 * Reads what `path` holds. `key_paths`: lines, files where the keys of a chain
 * file were last time; NULL: none. `more_keys`: keys that are only in memory.
 * < 0: nothing could be read at all.
 */
int	sst_scan_path(const struct sst_scan_env *, const char *path,
	    const char *key_paths, EVP_PKEY *const *more_keys, size_t n_more,
	    struct sst_scan *ret, struct sst_error *err);
/* The same for bytes, which are called `name` ("bytes:..."). */
int	sst_scan_bytes(const struct sst_scan_env *, const char *name,
	    const void *bytes, size_t len, EVP_PKEY *const *more_keys, size_t n_more,
	    struct sst_scan *ret, struct sst_error *err);

/* Reads the certificates and keys of one file. 1: it is a directory. */
int	sst_scan_read(const struct sst_scan_env *, const char *path,
	    struct sst_pem *ret, int *ret_open_key, struct sst_error *err);
/* Names of the files in a directory that may hold certificates or keys. */
int	sst_scan_names(const struct sst_scan_env *, const char *path, char ***ret,
	    size_t *ret_n, struct sst_error *err);
void	sst_scan_names_done(char **names, size_t n);

/*
 * Reads the pair that a row points to. SST_E_NOT_FOUND when the files hold
 * something else by now. On 0 the caller owns *ret.
 */
int	sst_scan_again(const struct sst_scan_env *, const struct sst_row *,
	    struct sst_identity **ret, struct sst_error *err);

/* Makes an entry of a leaf, the certificates about it, and a key (NULL: it is
 * staged). What is refused becomes a refused entry. < 0: out of memory. */
int	sst_found_make(const struct sst_scan_env *, X509 *leaf, STACK_OF(X509) *pool,
	    EVP_PKEY *key, struct sst_found *ret, struct sst_error *err);
void	sst_found_done(struct sst_found *);

#endif
