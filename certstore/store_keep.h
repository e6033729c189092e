/* SPDX-License-Identifier: ISC */
/*
 * store_keep - the index of a store that outlives it.
 *
 *	store_change.c --a directory is set--> store_keep.c --> index_place.c, index.c
 *
 * A store whose first source is a directory of some size gets the index that is kept for
 * it. Where all of the directory was read into it before, the store serves from it at
 * once, and its owner reads the directory again when there is time for it. Of all
 * processes that have the index open one writes it; who wants to write and cannot has
 * nothing to do: the other one watches the same directory. Where that one does nothing
 * for half a minute, and a file says so, this one goes on without it.
 *
 * Always true:
 *   1. A kept index holds one directory and nothing else. Whoever sets something else
 *      besides, or takes something out, goes on with a copy in memory.
 *   2. An index that is damaged or gone is left, and removed: the store goes on without
 *      it and reads its directory anew. So it does when a row was found to lie.
 *   3. The generation of a store never goes back, wherever its index is.
 * Threads: as store.h.
 */
#ifndef SST_CERTSTORE_STORE_KEEP_H
#define SST_CERTSTORE_STORE_KEEP_H

#include "store.h"

/* 1: what the directory `path` (settled) holds is known, and need not be read now.
 * 0: it is to be read. < 0: SST_E_*. */
int	sst_keep_attach(struct sst_store *, const char *path, struct sst_error *err);
/* A change of the source `path` (settled) is due; NULL: of anything else. 1: this store
 * makes it. 0: another process does, and nothing is to be done. */
int	sst_keep_turn(struct sst_store *, const char *path, struct sst_error *err);
/* Another number: who writes, another process, did something since. 0: this store is not
 * one that waits for another. The caller holds the lock. */
uint64_t sst_keep_theirs_locked(const struct sst_store *);
/* Who writes does nothing: this store goes on without it. 0, or < 0. */
int	sst_keep_leave(struct sst_store *, struct sst_error *err);
/* The reading of a directory got further: who waits for it goes on to wait. */
void	sst_keep_beat(struct sst_store *);
/* Waits for the process whose turn it is to come beyond this generation, for a little:
 * once for each row that cannot be read. */
void	sst_keep_wait(struct sst_store *, uint64_t generation, int64_t row);
/* All of `path` was read and is in the index; `rc` < 0: it could not be. */
void	sst_keep_was_read(struct sst_store *, const char *path, int rc);
/* After a change: what was written moves to its place in the file, when it is enough.
 * `reading`: more follows at once. */
void	sst_keep_tidy(struct sst_store *, int reading);
/* A row was not what its certificate says: none of the others is believed either, from
 * the next reading on. */
void	sst_keep_doubt(struct sst_store *);
/* 1: the index was lost since the last call, and the sources are to be read. */
int	sst_keep_mended(struct sst_store *);

/* sst_store_lock(): replaces an index that is broken. */
void	sst_keep_mend_locked(struct sst_store *);
/* The last reference is gone. */
void	sst_keep_end(struct sst_store *);

#endif
