/* SPDX-License-Identifier: ISC */
/*
 * index_place - where the index of a directory is kept, whose it is, and when it is
 * somebody's no more.
 *
 *	store_keep.c, index.c --directory, user--> index_place.c --> lstat(), statfs()
 *
 *	named by the configuration	index-UID in that directory
 *	we own the machine's cache	/var/cache/securesockets/index-UID
 *	anybody else			index-UID in our own cache (XDG_CACHE_HOME, ~/.cache)
 *	no home, or on a network	nowhere: the index is in memory
 *
 * Always true:
 *   1. A file that another user owns, or could change or has links to, is never opened.
 *   2. One directory of certificates has one file: its path, device and inode name it,
 *      so that two roots of a file system never share one.
 *   3. The environment names no place to a program that runs with more rights than
 *      who started it.
 * Threads: pure, but for the file system and the environment.
 */
#ifndef SST_CERTSTORE_INDEX_PLACE_H
#define SST_CERTSTORE_INDEX_PLACE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* A directory with fewer entries is read as fast as its index would be opened: a name
 * takes 0.3 ms, or 0.8 where a keeper is asked for each file. */
#define SST_INDEX_WORTH		8
#define SST_INDEX_UNUSED_DAYS	30	/* after so long a file is removed */

/* What is looked at; sst_index_place() fills it with what is so. */
struct sst_index_view {
	const char	*machine;	/* the machine's cache */
	uid_t		 uid;
	const char	*cache_home, *home;	/* of the environment; NULL: not set */
};

/* Finds the place and makes it. `named` "": by the rules above. 1; 0: there is none, and
 * `why` says why. */
int	sst_index_place(const char *named, char out[PATH_MAX], char *why, size_t size);
int	sst_index_place_by(const struct sst_index_view *, const char *named,
	    char out[PATH_MAX], char *why, size_t size);

/* The directory of certificates that an index is of. */
struct sst_index_at {
	const char	*place;		/* of the index files */
	const char	*path;		/* settled */
	dev_t		 dev;
	ino_t		 ino;
};

struct sst_index_files {
	char		 db[PATH_MAX], gen[PATH_MAX];
	uint8_t		 key[32];	/* stands in the index, too */
};

/* 1, or 0 when a path is too long. */
int	sst_index_files(const struct sst_index_at *, struct sst_index_files *ret);
/* Whether locks and mappings of a file system (statfs) hold on this machine alone. */
int	sst_index_is_remote(uint32_t type);
/* Why the file is not to be used by `uid`; NULL: it is, or it is not there yet. */
const char *sst_index_fault(const char *path, uid_t uid);
/* Removes an index and what SQLite has beside it. */
void	sst_index_remove(const char *db);
/* Removes every index that nobody has opened for SST_INDEX_UNUSED_DAYS. */
void	sst_index_sweep(const char *place, time_t now);

#endif
