/* SPDX-License-Identifier: ISC */
/*
 * store_dir - a large directory is taken in while it is read.
 *
 * store_change.c calls it; scan_pool.c reads.
 *
 * Always true:
 *   1. What was read is served after SST_DIR_FOLDERS folders or SST_DIR_MS ms, whatever
 *      is still to be read: each such step is a change of its own.
 *   2. A folder that is gone goes when all the others were read.
 *   3. How far it is stands in the figures of the store from its first name to its last;
 *      that one of SST_DIR_TELL names begins and ends is told, however it ends.
 * Threads: reads with several; changes and tells with the caller's.
 */
#ifndef SST_CERTSTORE_STORE_DIR_H
#define SST_CERTSTORE_STORE_DIR_H

#include "store.h"

#define SST_DIR_FOLDERS	512
#define SST_DIR_MS	250
#define SST_DIR_TELL	4096

/* `names`: of the directory, sorted. `present`: it was taken in before. 1: some of it is
 * not taken yet by who tries it. */
int	sst_dir_load(struct sst_store *, const char *path, char *const *names, size_t n,
	    int present, struct sst_error *err);

#endif
