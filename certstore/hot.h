/* SPDX-License-Identifier: ISC */
/*
 * hot - the folders that something was served from, until somebody asks for them.
 *
 *	store_choose.c --note--> hot --take--> watcher.c; relay/hot.c, for the keeper
 *
 * Whoever watches a directory with more names than may be watched wants to know.
 *
 * Always true:
 *   1. What waits takes SST_HOT_BYTES at most. What does not fit is forgotten, and is
 *      noted when it is decided about the next time.
 *   2. What was noted first is taken first; a folder that waits is not noted again, but
 *      for chance.
 *   3. Folders of files alone are in it, never a name that a client sent.
 * Threads: the store's mu guards it.
 */
#ifndef SST_CERTSTORE_HOT_H
#define SST_CERTSTORE_HOT_H

#include <stddef.h>
#include <stdint.h>

#define SST_HOT_BYTES	32768
#define SST_HOT_MARKS	256

struct sst_hot {			/* all zero: nothing */
	char		*text;		/* paths, each with its NUL */
	size_t		 from, end, room;
	uint32_t	 mark[SST_HOT_MARKS];	/* of paths that wait */
};

/* The folder of this file. 1: it is the first that waits. */
int	sst_hot_note(struct sst_hot *, const char *file);
/* Takes one folder's path out. 1, or 0: none waits. */
int	sst_hot_take(struct sst_hot *, char *out, size_t size);
void	sst_hot_done(struct sst_hot *);
/* The name in the directory `source` that the folder is, or is below. 1, or 0: it is
 * not below it. */
int	sst_hot_name(const char *source, const char *folder, char *out, size_t size);

#endif
