/* SPDX-License-Identifier: ISC */
/*
 * index - who has which name, in SQLite: a file or memory, the same code.
 *
 * store*.c calls it; nobody else in this folder knows SQLite.
 *
 * Always true:
 *   1. No private key is in it. A row is a hint: what it points to is matched
 *      against the asked name before it is served.
 *   2. A look-up, exact and wildcard, is one statement on one generation.
 *   3. An index file is scratch space of one store: mode 0600, emptied when
 *      opened, never shared. A file that is not ours, that another store
 *      holds, or that cannot be written is left alone; the index is then kept
 *      in memory.
 *   4. What is changed between begin and commit is seen whole or not at all.
 * Threads: one at a time; the caller holds the lock of the store.
 */
#ifndef SST_CERTSTORE_INDEX_H
#define SST_CERTSTORE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "rows.h"

struct sst_error;
struct sst_index;

enum sst_source_kind {
	SST_SOURCE_FILE = 1,
	SST_SOURCE_DIR,
	SST_SOURCE_BYTES
};

/* `path` NULL: memory. *ret_why: why a file was not used, or "". */
int	sst_index_open(const char *path, struct sst_index **ret, char *ret_why,
	    size_t why_size, struct sst_error *err);
/* The generation becomes this one. */
int	sst_index_go_on(struct sst_index *, uint64_t generation, struct sst_error *err);
void	sst_index_close(struct sst_index *);	/* NULL is allowed */
/*
 * In the child of a fork: gives the child a copy of its own in memory and lets
 * go of the parent's file without touching it. < 0: the copy is empty.
 */
int	sst_index_after_fork(struct sst_index *, struct sst_error *err);

int	sst_index_begin(struct sst_index *, struct sst_error *err);
/* Makes the changes count; with `bump`, they are a new generation. */
int	sst_index_commit(struct sst_index *, int bump, uint64_t *ret_generation,
	    struct sst_error *err);
void	sst_index_rollback(struct sst_index *);

/* The source with this path, made when there is none. */
int	sst_index_source_set(struct sst_index *, const char *path,
	    enum sst_source_kind, int64_t *ret_id, struct sst_error *err);
/* 1: found. 0: there is none. */
int	sst_index_source_get(struct sst_index *, const char *path, int64_t *ret_id,
	    enum sst_source_kind *ret_kind, struct sst_error *err);
/* Removes a source that has no rows left; `id` 0: all such. */
int	sst_index_source_drop(struct sst_index *, int64_t id, struct sst_error *err);
/* Calls `each` in the order of arrival; stops on < 0 and returns that. The
 * index must not be changed meanwhile. */
int	sst_index_sources(struct sst_index *, int (*each)(void *arg, int64_t id,
	    enum sst_source_kind, const char *path), void *arg, struct sst_error *err);

/* Stores a row and its names, and sets row->id. */
int	sst_index_put(struct sst_index *, struct sst_row *, struct sst_error *err);
int	sst_index_drop(struct sst_index *, int64_t id, struct sst_error *err);

/* Usable rows with `name` or `wild` (NULL: none), tier set; texts that only a
 * listing needs are left out. */
int	sst_index_lookup(struct sst_index *, const char *name, const char *wild,
	    struct sst_rows *out, struct sst_error *err);

enum sst_find {
	SST_FIND_ALL,		/* by path */
	SST_FIND_SOURCE,	/* key: int64_t */
	SST_FIND_ID,
	SST_FIND_DIGEST,	/* key: 32 bytes */
	SST_FIND_PRINT,
	SST_FIND_NAMES_KEY,	/* usable ones */
	SST_FIND_PATH,		/* key: text */
	SST_FIND_STAGED,
	SST_FINDS
};

/* Appends whole rows to *out. */
int	sst_index_find(struct sst_index *, enum sst_find, const void *key, size_t len,
	    struct sst_rows *out, struct sst_error *err);
/* The dates of usable rows after row `after`, in the order of their ids, `most` at most.
 * Their number, or < 0. */
int	sst_index_dates(struct sst_index *, int64_t after, int most,
	    void (*each)(void *arg, int64_t id, time_t not_before, time_t not_after),
	    void *arg, struct sst_error *err);
/* The names of the default identity by the rule of the store. 1, 0 or < 0. */
int	sst_index_default(struct sst_index *, uint8_t names_key[32],
	    struct sst_error *err);

#endif
