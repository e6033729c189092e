/* SPDX-License-Identifier: ISC */
/*
 * store_change - what store_change.c and store_keys.c share.
 *
 * Always true:
 *   1. A source is known by its settled path: the same text finds it again.
 * Threads: no state of its own.
 */
#ifndef SST_CERTSTORE_STORE_CHANGE_H
#define SST_CERTSTORE_STORE_CHANGE_H

#include "store.h"

/* The path as the store knows it: absolute for the file system, no "/" at the
 * end. Links are not resolved: what they point to may change. `out`: SST_PATH_SIZE. */
int	sst_path_settle(const struct sst_store *, const char *path, char *out,
	    struct sst_error *err);
/* What was read may be taken in: SST_OK, or SST_E_PEER when the source went away, which
 * is no word about its files. Asked after they were read and before the index changes. */
int	sst_source_judge(const struct sst_store *, struct sst_error *err);
/* How many questions of this thread were not answered so far (source.h). */
uint64_t sst_source_unanswered(const struct sst_store *);
/* An event for each key file that everybody can read. */
void	sst_open_keys_tell(struct sst_events *, const struct sst_scan *);

#endif
