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
 *      sibling `archive` (certbot), and nowhere else, whoever changes it meanwhile.
 *      Of a folder of certbot's the files of one version are read, whatever its links
 *      say (lineage.h).
 *   3. One broken file voids itself: its neighbours are found all the same.
 *   4. Nothing of the store changes here.
 *   5. A folder of more than SST_FOLDER_MAX entries is refused when it was listed so
 *      far: what it holds is no name's certificates, and others wait for who reads it.
 * Threads: no state of its own.
 */
#ifndef SST_CERTSTORE_SCAN_H
#define SST_CERTSTORE_SCAN_H

#include "identity.h"
#include "lineage.h"
#include "pem.h"
#include "rows.h"
#include "source.h"

struct sst_intern;

struct sst_scan_env {
	const struct sst_source_ops *ops;
	void		*ctx;
	struct sst_intern *intern;
	int		 keys_may_be_open;
	/* Rows are wanted and no identities: a usable entry has none then, and its
	 * key was matched and not tried. */
	int		 facts_only;
	int		 admitted;	/* what is read was taken in before, and a client
					   waits for it: the key is not tried */
	/* What the store serves of a folder; may be NULL: nothing. */
	void		(*served)(void *arg, const char *folder, struct sst_served *);
	void		*served_arg;
};

/* One thing that was found. */
struct sst_found {
	struct sst_row	 row;		/* id, source and order are not set */
	int		 code;		/* refused: SST_E_* */
	int		 sys_errno;
	int		 folder;	/* refused: a folder that cannot be listed */
	struct sst_identity *identity;	/* usable or challenge, but for facts_only:
					   the pair itself */
	STACK_OF(X509)	*certs;		/* staged: leaf first */
};

/* A folder of certbot's, as it was found. */
struct sst_seen {
	char		*folder;
	char		*why;		/* it is to be looked at again; NULL: it is whole */
	int		 back;		/* the lower version that was not taken; 0: none */
};

struct sst_scan {
	struct sst_found *v;
	size_t		 n, room;
	int		 is_dir;
	char		*folders;	/* lines: the folders that were listed */
	char		*leafless;	/* lines: their files without a leaf */
	char		**open_keys;	/* key files that others can read */
	size_t		 n_open_keys;
	struct sst_seen	*seen;
	size_t		 n_seen;
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
/*
 * The same for one folder below the directory `root`, or, with `flat`, for the
 * files of the directory itself without the folders in it. What keeps the folder
 * from being listed becomes a refused entry; one that is gone, or is none:
 * SST_E_NOT_FOUND.
 */
int	sst_scan_folder(const struct sst_scan_env *, const char *root,
	    const char *folder, int flat, struct sst_scan *ret, struct sst_error *err);
/*
 * The same for one file of the directory `root`, where no other file has a say in it
 * (1): whatever is in it has its key and its issuer beside it. 0: read all of them.
 */
int	sst_scan_alone(const struct sst_scan_env *, const char *root, const char *path,
	    struct sst_scan *ret, struct sst_error *err);
/* The same for bytes, which are called `name` ("bytes:..."). */
int	sst_scan_bytes(const struct sst_scan_env *, const char *name,
	    const void *bytes, size_t len, EVP_PKEY *const *more_keys, size_t n_more,
	    struct sst_scan *ret, struct sst_error *err);

/* Reads the certificates and keys of one file. 1: it is a directory. */
int	sst_scan_read(const struct sst_scan_env *, const char *path,
	    struct sst_pem *ret, int *ret_open_key, struct sst_error *err);
/* The same where the links below `root` were resolved, and none is followed any more. */
int	sst_scan_read_below(const struct sst_scan_env *, const char *root,
	    const char *path, struct sst_pem *ret, int *ret_open_key,
	    struct sst_error *err);
/* Not all could be read: what is refused may be so for want of that. Returns how many
 * entries were. */
size_t	sst_scan_forget_refused(struct sst_scan *);
#define SST_SCAN_NAMES_MAX	((size_t)1 << 20)	/* entries of a source */

/* Names of the files in a directory that may hold certificates or keys. SST_E_LIMIT: it
 * has more than `most` entries. */
int	sst_scan_names(const struct sst_scan_env *, const char *path, size_t most,
	    char ***ret, size_t *ret_n, struct sst_error *err);
void	sst_scan_names_done(char **names, size_t n);
/* Whether a name is one that editors, package managers and certbot leave behind. */
int	sst_scan_left_over(const char *name);

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
