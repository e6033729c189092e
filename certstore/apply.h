/* SPDX-License-Identifier: ISC */
/*
 * apply - brings what was read into the store, in one transaction.
 *
 * store_change.c calls it.
 *
 * Always true:
 *   1. Rows, pins and the generation change together, or nothing does.
 *   2. What did not change causes no event and no generation.
 *   3. An entry that fails where one served before leaves that one in place: its row,
 *      and with it what the cache, a pin or files that are still there have of it.
 *   4. A folder costs what is in it, and n entries cost n log n.
 * Threads: takes mu itself.
 */
#ifndef SST_CERTSTORE_APPLY_H
#define SST_CERTSTORE_APPLY_H

#include "links.h"
#include "store.h"

/* The source `path` holds exactly `scan`. Identities and certificates of the
 * scan are taken over. `keep`: failed entries keep their old identity. */
int	sst_apply(struct sst_store *, const char *path, enum sst_source_kind,
	    struct sst_scan *, int keep, struct sst_events *, struct sst_error *err);
/* What was read of one folder of a directory. */
struct sst_piece {
	const char	*folder;	/* absolute */
	int		 flat;		/* of the directory itself: its files alone */
	int		 unknown;	/* who opens files was silent: nothing was read */
	struct sst_scan	 scan;
};

/* The folders of the directory `path` hold exactly this; the others are not looked
 * at. All in one transaction. Identities are taken over. */
int	sst_apply_folders(struct sst_store *, const char *path, struct sst_piece *,
	    size_t n, int keep, struct sst_events *, struct sst_error *err);
/*
 * Has each usable entry tried that is not served yet (store.h: sst_store_on_try);
 * `first`: of a source that nothing is known of. One that fails becomes a refused entry.
 * 1: the scan is not to be applied yet.
 */
int	sst_try_scan(struct sst_store *, struct sst_scan *, int first);
/* The same for one. 0, 1: not yet, or why not. */
int	sst_try_found(struct sst_store *, const struct sst_found *, struct sst_error *err);
/* A key came for the staged row: the pair takes its place. `key_path` NULL: the
 * key is only in memory. */
int	sst_apply_pair(struct sst_store *, const struct sst_row *staged,
	    struct sst_found *, const char *key_path, struct sst_events *,
	    struct sst_error *err);
/* Removes rows; by path also those of a source with that path. */
int	sst_apply_remove(struct sst_store *, enum sst_find, const void *key, size_t len,
	    const char *what, struct sst_error *err);
/* The source cannot be listed: what it had goes on, from its files where those can be
 * opened, and what the cache alone has of it is held. */
void	sst_keep_source(struct sst_store *, const char *path, const char *why,
	    struct sst_events *);
/* 64 hex digits to 32 bytes. 1, or 0 when the text is none. */
int	sst_hex_digest(const char *text, uint8_t out[32]);

#endif
