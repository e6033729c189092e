/* SPDX-License-Identifier: ISC */
/*
 * index - who has which name, in SQLite: a file or memory, the same code.
 *
 * store*.c and apply*.c call it; nobody else in this folder knows SQLite.
 *
 * Always true:
 *   1. No private key is in it. A row is a hint: what it points to is matched
 *      against the asked name before it is served.
 *   2. A look-up, exact and wildcard, is one statement on one generation.
 *   3. A file holds one directory. It is opened as it is, in a time that does not
 *      depend on its size, and goes on to be there; all processes of one user read it
 *      and one of them writes (index_gen.h). A file that another user owns, of another
 *      form or of another directory is not read: the writer makes it anew.
 *   4. What is changed between begin and commit is seen whole or not at all, also by
 *      other processes and when the writer is killed.
 *   5. Texts that many rows share are in the index once (index_pack.h).
 * Threads: one at a time; the caller holds the lock of the store.
 */
#ifndef SST_CERTSTORE_INDEX_H
#define SST_CERTSTORE_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rows.h"

struct sst_aside;
struct sst_error;
struct sst_gen;
struct sst_index;
struct sst_index_at;

enum sst_source_kind {
	SST_SOURCE_FILE = 1,
	SST_SOURCE_DIR,
	SST_SOURCE_BYTES
};

/* An empty one in memory. On 0 the caller owns *ret. */
int	sst_index_open(struct sst_index **ret, struct sst_error *err);
/*
 * That of a directory, as it is kept. On 0 the caller owns *ret, and *ret_gen (which
 * must live longer). SST_E_NOMEM, or SST_E_REFUSED: there is none to be had, and the
 * text says why.
 */
int	sst_index_keep(const struct sst_index_at *, struct sst_index **ret,
	    struct sst_gen **ret_gen, struct sst_error *err);
void	sst_index_close(struct sst_index *);	/* NULL is allowed */
/* The generation becomes this one. */
int	sst_index_go_on(struct sst_index *, uint64_t generation, struct sst_error *err);
int	sst_index_generation(struct sst_index *, uint64_t *ret, struct sst_error *err);

int	sst_index_is_kept(const struct sst_index *);
/* Whether a file can no longer be read: nothing of it is to be had any more. */
int	sst_index_is_broken(const struct sst_index *);
/* 1: all of the directory was read into it once. 0, or < 0. */
int	sst_index_is_whole(struct sst_index *, struct sst_error *err);
int	sst_index_make_whole(struct sst_index *, struct sst_error *err);
/* Every row was written anew because one lied: nothing of the old ones is left. */
int	sst_index_clear_strays(struct sst_index *, struct sst_error *err);
/* A copy of a file in memory, with the same numbers. On 0 the caller owns *ret. */
int	sst_index_copy(struct sst_index *, struct sst_index **ret, struct sst_error *err);
/*
 * The same of the file at `path`, by a connection of its own: with no lock held, since it
 * takes its time. On 0 the caller owns *ret and *ret_aside, which knows whether anybody has
 * written to the file since.
 */
int	sst_index_copy_aside(const char *path, struct sst_index **ret,
	    struct sst_aside **ret_aside, struct sst_error *err);
int	sst_index_aside_is_current(struct sst_aside *);
void	sst_index_aside_close(struct sst_aside *);	/* NULL is allowed */
/* Path of a file; NULL: it is in memory. Borrowed. */
const char *sst_index_file(const struct sst_index *);
/* The numbers of rows to come are larger than this one. */
int	sst_index_ids_from(struct sst_index *, int64_t id, struct sst_error *err);
/* Removes the files of a broken one: whoever opens it next makes it anew. */
void	sst_index_discard(struct sst_index *);
/* Path of the file, which the caller frees; NULL: nothing was written to it. */
char	*sst_index_path(const struct sst_index *);
/* Path of a file whose log has so many pages, and is to be moved to its place; NULL: it
 * has fewer. */
const char *sst_index_due(struct sst_index *, int pages);
/* Does that, with a connection of its own, so that nothing is left of the log: who opens
 * the file next reads all of it. While somebody reads, some may stay. */
void	sst_index_settle(const char *path);

/* Before a fork: no connection to a file is open until the next statement. */
void	sst_index_rest(struct sst_index *);

int	sst_index_begin(struct sst_index *, struct sst_error *err);
/* Makes the changes count; with `bump`, they are a new generation, which others learn. */
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
	SST_FIND_ALL,		/* by source and name */
	SST_FIND_SOURCE,	/* key: int64_t */
	SST_FIND_ID,
	SST_FIND_DIGEST,	/* key: 32 bytes */
	SST_FIND_PRINT,
	SST_FIND_NAMES_KEY,	/* usable ones */
	SST_FIND_STAGED,
	SST_FIND_ITEM,		/* what sst_index_folder() is made of */
	SST_FIND_FLAT,
	SST_FINDS,
	SST_FIND_PATH		/* key: text; no statement of its own */
};

/* Appends whole rows to *out. */
int	sst_index_find(struct sst_index *, enum sst_find, const void *key, size_t len,
	    struct sst_rows *out, struct sst_error *err);
/* The dates of usable rows after row `after`, in the order of their ids, `most` at most.
 * Their number, or < 0. */
int	sst_index_dates(struct sst_index *, int64_t after, int most,
	    void (*each)(void *arg, int64_t id, time_t not_before, time_t not_after),
	    void *arg, struct sst_error *err);
/*
 * Appends the rows of a source (0: of any) that are of one folder, and the row that
 * refuses the folder itself; with `flat`, only those of files directly in it. Costs what
 * the folder has, whatever else there is.
 */
int	sst_index_folder(struct sst_index *, int64_t source, const char *folder,
	    int flat, struct sst_rows *out, struct sst_error *err);
/* Calls `each` with the path of every row of a source, those of one folder together;
 * stops on < 0 and returns that. The index must not be changed meanwhile. */
int	sst_index_paths(struct sst_index *, int64_t source,
	    int (*each)(void *arg, const char *path), void *arg, struct sst_error *err);
/* The names of the default identity by the rule of the store (the first half of what
 * SST_FIND_NAMES_KEY compares, then zeros). 1, 0 or < 0. */
int	sst_index_default(struct sst_index *, uint8_t names_key[32],
	    struct sst_error *err);

#define SST_INDEX_PAGE	64	/* rows that are in memory at a time, however many there are */

/* Where a listing is. All zero: before the first row. */
struct sst_index_spot {
	int64_t	 source, id;
	time_t	 not_after;	/* of sst_index_expiring() */
	char	*item;
	int	 flat;
};

void	sst_index_spot_done(struct sst_index_spot *);
/* Appends the next rows, `most` of them, and moves the spot. None: that was all. What
 * changes between two calls may be in neither or, renewed, in both. */
int	sst_index_page(struct sst_index *, struct sst_index_spot *, int most,
	    struct sst_rows *out, struct sst_error *err);
/* 1: a row has this leaf (SHA-256), and another state than `but`. 0, or < 0. */
int	sst_index_has(struct sst_index *, const uint8_t leaf[32], int but,
	    struct sst_error *err);
#define SST_INDEX_GONE	4096	/* rows that left are remembered */

/* The last row that left. All zero: an index in memory that none has left. */
struct sst_index_mark {
	uint64_t epoch;		/* of the file */
	int64_t	 number;
};

/*
 * The leaves (SHA-256) of rows that left, `most` at most, each as often as a row of it did:
 * of those after *at, which becomes the last of them. Their number. SST_E_NOT_FOUND: some
 * of those after *at are forgotten, or it is of another index; *at is now the last of all.
 * That another row has the same leaf is not looked at.
 */
int	sst_index_gone(struct sst_index *, struct sst_index_mark *at, uint8_t (*leaves)[32],
	    int most, struct sst_error *err);
/* The next rows with a number above `id`, `most` of them, by their numbers: what came in
 * since a row had that one. */
int	sst_index_since(struct sst_index *, int64_t id, int most, struct sst_rows *out,
	    struct sst_error *err);
/* As sst_index_page() for usable rows that end before `before`, the next to end first. */
int	sst_index_expiring(struct sst_index *, time_t before, struct sst_index_spot *,
	    int most, struct sst_rows *out, struct sst_error *err);

struct sst_index_figures {
	uint64_t	 usable, staged, refused, expired, names, bytes;
	time_t		 earliest;	/* notAfter; 0: none is usable */
};

/* Numbers that are kept with the rows: no row is read for them. */
int	sst_index_figures(struct sst_index *, time_t now, struct sst_index_figures *ret,
	    struct sst_error *err);

#endif
