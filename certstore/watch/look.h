/* SPDX-License-Identifier: ISC */
/*
 * look - numbers that tell whether a file, or what a directory holds, changed.
 *
 * dirs and sweep keep them instead of what they stand for.
 *
 * Always true:
 *   1. Another inode, size, mode, owner, time of change or of writing is another
 *      number, but for chance: it tells a change and is no proof against an attacker.
 *   2. Nothing is opened but directories; only search permission is needed for one
 *      name, and read permission for a list.
 * Threads: any.
 */
#ifndef SST_WATCH_LOOK_H
#define SST_WATCH_LOOK_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#define SST_LOOK_START	14695981039346656037u
/* Entries of a folder; one that has more is refused as it is (scan.h), and all that is
 * looked for in it is whether it still has. */
#define SST_FOLDER_MAX	4096u

/* FNV-1a, 64 bits. */
uint64_t sst_look_mix(uint64_t hash, const void *bytes, size_t n);
/* Of one file or directory, its times included; never 0. */
uint32_t sst_look_stat(const struct stat *);
/* 1: it was changed at `since` or after. Times of whole seconds count as such. */
int	sst_look_is_since(const struct stat *, const struct timespec *since);
/*
 * Of the files of the directory `name` in the directory `at`, links followed; of a
 * link itself, of what it leads to. *ret_since: whether one of them was changed at
 * `since` or after. Never 0; of a directory of more than SST_FOLDER_MAX entries always
 * the same.
 */
uint32_t sst_look_files(int at, const char *name, const struct timespec *since,
	    int *ret_since);

/* What somebody sees of `name` in the directory `path`, or of every name in it (NULL).
 * The times of directories do not count. 0: `path` is not there. */
uint64_t sst_look_name(const char *path, const char *name);

#endif
