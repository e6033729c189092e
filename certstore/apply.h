/* SPDX-License-Identifier: ISC */
/*
 * apply - brings what was read into the store, in one transaction.
 *
 * store_change.c calls it.
 *
 * Always true:
 *   1. Rows, pins and the generation change together, or nothing does.
 *   2. What did not change causes no event and no generation.
 *   3. An entry that fails where one served before leaves that one in place.
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
/* A key came for the staged row: the pair takes its place. `key_path` NULL: the
 * key is only in memory. */
int	sst_apply_pair(struct sst_store *, const struct sst_row *staged,
	    struct sst_found *, const char *key_path, struct sst_events *,
	    struct sst_error *err);
/* Removes rows; by path also those of a source with that path. */
int	sst_apply_remove(struct sst_store *, enum sst_find, const void *key, size_t len,
	    const char *what, struct sst_error *err);
/* The source cannot be read at all: what it had goes on. */
void	sst_keep_source(struct sst_store *, const char *path, const char *why,
	    struct sst_events *);
/* 64 hex digits to 32 bytes. 1, or 0 when the text is none. */
int	sst_hex_digest(const char *text, uint8_t out[32]);

#endif
