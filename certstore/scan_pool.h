/* SPDX-License-Identifier: ISC */
/*
 * scan_pool - a large directory, read by several threads.
 *
 * store_change.c calls it for a directory of more than SST_POOL_LEAST names, and takes
 * in what comes out of it.
 *
 * Always true:
 *   1. A folder is one job. What was read is handed out on the caller's thread, and at
 *      most SST_POOL_AHEAD folders wait for that, besides as many that are being taken.
 *      Who is woken for each folder takes as long to wake as to read it: for some.
 *   2. Where no thread can be had, the caller's reads.
 *   3. No signal is delivered to the threads, all have ended when the call returns, and
 *      it is no cancellation point.
 *   4. The files of the directory itself come last, as one piece: their chains and keys
 *      may be spread.
 * Threads: one call is one pool.
 */
#ifndef SST_CERTSTORE_SCAN_POOL_H
#define SST_CERTSTORE_SCAN_POOL_H

#include "apply.h"

#define SST_POOL_LEAST	64
#define SST_POOL_AHEAD	1024

struct sst_pool_plan {
	struct sst_store *store;
	const char	*root;
	char *const	*names;		/* of the directory, sorted */
	size_t		 n;
	unsigned	 threads;	/* 0: as many as there are cores; at most 8 */
	int64_t		 source;	/* what is there already; 0: nothing */
	atomic_uint_fast64_t *read;	/* counts the names that were read */
	/* A piece was read, or is not known; its scan is the callee's to empty. < 0 ends
	 * the pool.
	 * `piece` NULL: nothing came for a while. */
	int		(*take)(void *arg, struct sst_piece *piece, struct sst_error *err);
	void		*arg;
};

/* Whether the store has of this folder (`flat`: of the files of the directory itself)
 * what was read, and (`just`) nothing else, such as what goes on although its files are
 * bad. */
int	sst_pool_knows(struct sst_store *, int64_t source, const char *folder, int flat,
	    const struct sst_scan *, int just);
int	sst_pool_run(const struct sst_pool_plan *, struct sst_error *err);

#endif
