/* SPDX-License-Identifier: ISC */
/*
 * scan_unit - what scan.c, scan_pair.c and scan_found.c share.
 *
 *	scan.c		files, folders or bytes into a unit; the calls of scan.h
 *	scan_file.c	one file, and the names in a folder
 *	scan_part.c	files into parts of a unit
 *	scan_pair.c	the chains and keys of a unit into entries
 *	scan_found.c	entries, and the list of them
 *	scan_pool.c	the folders of a directory by several threads
 *
 * Always true:
 *   1. A unit is what may pair: the files of one folder, one file, or bytes.
 *   2. An entry is usable, staged or refused; a refused one says why.
 *   3. A unit borrows the scan that it adds to and the keys it was given.
 * Threads: a unit belongs to one call.
 */
#ifndef SST_CERTSTORE_SCAN_UNIT_H
#define SST_CERTSTORE_SCAN_UNIT_H

#include "base/fail.h"
#include "scan.h"

struct sst_mark;	/* scan_pair.c */

/* One file of a folder (or the bytes of a caller). */
struct sst_part {
	char		*path;		/* as the person knows it */
	char		*load;		/* links resolved; NULL: bytes */
	struct sst_pem	 pem;
};

/* A folder's files: chains and keys pair within it. */
struct sst_unit {
	const struct sst_scan_env *env;
	struct sst_part	*part;
	size_t		 n, room;
	EVP_PKEY *const	*more_keys;	/* borrowed */
	size_t		 n_more;
	int		 is_dir;
	struct sst_scan	*out;
	struct sst_mark	*keys, *leaves;	/* sorted */
	STACK_OF(X509)	*cas;		/* borrowed from the parts */
	size_t		 n_keys, n_leaves;
};

static inline int
nomem(struct sst_error *err)
{
	return sst_fail(err, SST_E_NOMEM, "out of memory");
}

void	sst_unit_done(struct sst_unit *);
/* Moves the parts of `from` to `to`. */
int	sst_unit_take(struct sst_unit *to, struct sst_unit *from, struct sst_error *err);
/* Moves *pem into a new part. `load` "": it came from memory. */
int	sst_part_add(struct sst_unit *, const char *path, const char *load,
	    struct sst_pem *, struct sst_error *err);
/* Reads one file into the unit. 1: it is a directory, nothing was added. `root`: links
 * below it were resolved; NULL: they were not. */
int	sst_part_read(struct sst_unit *, const char *root, const char *path,
	    const char *load, struct sst_error *err);
/*
 * Reads one name of the directory `root`. 1: it is a folder, and its entries are in the
 * scan of the unit. 0: a file became a part of the unit, or a refused entry.
 */
int	sst_unit_name(struct sst_unit *, const char *root, const char *path,
	    struct sst_error *err);
/* Notes a key file that others can read. */
int	sst_scan_open_key(struct sst_scan *, const char *path, struct sst_error *err);
/* Marks the entry `default` of a directory: default.pem, or default/. */
void	sst_scan_mark_default(struct sst_scan *, const char *root);
/* Pairs what the unit holds: an entry for each leaf. */
int	sst_unit_pair(struct sst_unit *, struct sst_error *err);
/* Whether every leaf of a unit that was paired has its key and its issuer in the same
 * file, so that other files have no say. */
int	sst_unit_is_closed(const struct sst_unit *);
/* Notes the files that were read and gave no leaf: text, keys, nothing at all. */
int	sst_unit_leafless(const struct sst_unit *, struct sst_error *err);

/* Moves the entry to the scan; frees it when that fails. */
int	sst_found_push(struct sst_scan *, struct sst_found *, struct sst_error *err);
/* Adds an entry that says why `path` is not taken in. */
int	sst_found_refuse(struct sst_scan *, const char *path,
	    const struct sst_error *why, struct sst_error *err);

/* Appends a line. SST_OK or SST_E_NOMEM. */
int	sst_line_add(char **lines, const char *text);

#endif
