/* SPDX-License-Identifier: ISC */
/*
 * watcher - the thread that reads again what changed, in a program without a keeper.
 *
 *	store_change --add, drop--> watcher --rescan_below, retry--> store_change
 *
 * A store has one where its configuration says `watch`. The thread starts with the
 * first path.
 *
 * Always true:
 *   1. A path is watched before it is read: what changes after that is noticed.
 *   2. The store is asked with no lock of the watcher held.
 *   3. After fork() the parent's watches stay the parent's. The child starts a thread
 *      of its own when it first uses the store, and what changed since the fork is read.
 * Threads: any. Order of locks: the watcher's before all of a store.
 */
#ifndef SST_CERTSTORE_WATCHER_H
#define SST_CERTSTORE_WATCHER_H

struct sst_error;
struct sst_store;
struct sst_watcher;

/* The store outlives it. NULL: out of memory. */
struct sst_watcher *sst_watcher_new(struct sst_store *);
/* NULL, here and in all calls below, is a store that does not watch. */
void	sst_watcher_free(struct sst_watcher *);	/* ends the thread */
/* `path` as the store knows it. 1: it is watched from now on; 0: it was already; < 0:
 * it cannot be, which `err` tells. A change of a key file has all sources read again. */
int	sst_watcher_add(struct sst_watcher *, const char *path, int is_key,
	    struct sst_error *err);
/* NULL: all paths. */
void	sst_watcher_drop(struct sst_watcher *, const char *path, int is_key);
/* What is at the path is to be read again soon. */
void	sst_watcher_nudge(struct sst_watcher *, const char *path);
/* Something was served: sst_store_hot(). Never waits. */
void	sst_watcher_wake(struct sst_watcher *);
/* For each use of the store: one load, but for the first after fork(). */
void	sst_watcher_tend(struct sst_watcher *);

/* Around fork(): the child calls forked() in place of unlock(). */
void	sst_watcher_lock(struct sst_watcher *);
void	sst_watcher_unlock(struct sst_watcher *);
void	sst_watcher_forked(struct sst_watcher *);

#endif
