/* SPDX-License-Identifier: ISC */
/*
 * trail - the directories that decide where a path leads.
 *
 * watch asks it, so that a swapped link, a replaced file and a directory that
 * was deleted and made again are all seen.
 *
 * Always true:
 *   1. Reported are, as (directory, name in it): every symbolic link on the
 *      way, the last two components of the path and of what it resolves to,
 *      and the first component that is missing.
 *   2. It ends after 40 links, as the kernel does.
 * Threads: any.
 */
#ifndef SST_WATCH_TRAIL_H
#define SST_WATCH_TRAIL_H

/* Calls `each` for an absolute path. 0, or the first result of `each` that is
 * not 0; -1 when the path is too long or has too many links. */
int	sst_trail(const char *path,
	    int (*each)(void *arg, const char *dir, const char *name), void *arg);

#endif
