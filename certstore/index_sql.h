/* SPDX-License-Identifier: ISC */
/*
 * index_sql - the statements of the index, and the handle that runs them.
 *
 *	index.c		memory or a file: opened, checked, forked; transactions
 *	index_copy.c	a file, in memory
 *	index_rows.c	sources and rows, in and out
 *	index_dates.c	the dates of rows
 *	index_find.c	rows by what is known of them
 *	index_gone.c	rows that are no more
 *	index_list.c	many rows: a page at a time, and figures
 *	index_pack.c	how the texts of a row are written
 *	index_sql.c	schema, statements, how one is run
 *
 * Always true:
 *   1. A statement is prepared once and has nothing bound between two uses.
 *   2. What SQLite says is turned into an error in one place. What says that the file
 *      is damaged or gone marks the handle, for good.
 *   3. A file that is kept has no connection while the process forks; the next
 *      statement opens one.
 * Threads: as index.h.
 */
#ifndef SST_CERTSTORE_INDEX_SQL_H
#define SST_CERTSTORE_INDEX_SQL_H

#include <sqlite3.h>

#include "index.h"

#define SST_INDEX_SCHEMA	3	/* of the file: another one, another file */
#define SST_INDEX_PAGES	"PRAGMA cache_size=-2048"	/* KiB of pages that are kept */
#define SST_INDEX_HALF	16	/* bytes of a digest that is compared and never shown */
#define SST_INDEX_TEXTS		8	/* texts whose number is remembered */

enum sst_statement {
	S_BEGIN, S_COMMIT, S_ROLLBACK, S_BUMP, S_GO_ON, S_GENERATION, S_WHOLE, S_KEY,
	S_SOURCE_PUT, S_SOURCE_GET, S_SOURCE_DROP, S_SOURCES, S_SOURCE_PATH,
	S_SOURCES_BELOW, S_SOURCES_SWEEP, S_PATHS,
	S_TEXT_GET, S_TEXT_PUT, S_TEXTS_SWEEP, S_COUNT_ADD, S_COUNTS, S_EARLIEST, S_EXPIRED,
	S_PUT, S_PUT_NAME, S_STRAY_NAMES, S_COUNT_NAMES, S_DROP, S_DROP_NAME,
	S_ITEM, S_GONE_PUT, S_GONE_TRIM, S_GONE, S_GONE_LAST, S_LOOKUP, S_PAGE, S_HAS, S_SINCE,
	S_EXPIRING, S_DATES,
	S_DEFAULT_SET, S_DEFAULT_ENTRY, S_DEFAULT_SAME,
	S_FIND,		/* and one for each enum sst_find after it */
	S_ALL = S_FIND + SST_FINDS
};

struct sst_index {
	sqlite3		*db;		/* NULL: to be opened */
	sqlite3_stmt	*st[S_ALL];
	char		*path;		/* NULL: memory */
	uint8_t		 key[32];	/* of a file */
	struct sst_gen	*gen;		/* of a file; borrowed */
	uint64_t	 epoch;		/* of the file that is open */
	int		 broken;	/* the file is damaged or gone */
	int		 written;	/* by this handle */
	int		 wal_pages;	/* written since they were last moved */
	struct {			/* numbers that texts have, in this transaction
					   or before */
		char	*text;
		int64_t	 id;
	} texts[SST_INDEX_TEXTS];
	unsigned int	 next_text;
};

/* Opens ix->path as it is (NULL: an empty index in memory). */
int	sst_index_db_open(struct sst_index *, struct sst_error *err);
/* Makes the tables. */
int	sst_index_db_make(struct sst_index *, struct sst_error *err);
void	sst_index_db_close(struct sst_index *);
/* A transaction was undone: what it numbered has no number. */
void	sst_index_texts_forget(struct sst_index *);

/* Reports what the last call to SQLite failed with. */
int	sst_index_fail(struct sst_index *, struct sst_error *err);
/* The prepared statement, with nothing bound; NULL: failed. */
sqlite3_stmt *sst_index_ready(struct sst_index *, int which);
/* Lets go of rows and of what was bound; NULL is allowed. */
void	sst_index_finished(sqlite3_stmt *);
/* Runs a statement that returns no rows. `bad`: what binding said. */
int	sst_index_run(struct sst_index *, sqlite3_stmt *, int bad,
	    struct sst_error *err);
/* Runs a statement with one number. */
int	sst_index_run_id(struct sst_index *, int which, int64_t id,
	    struct sst_error *err);
/* The number in the first column of the only row; 0 without a row. */
int	sst_index_number(struct sst_index *, int which, int64_t *ret,
	    struct sst_error *err);

/* The number that a PRAGMA gives; -1: none. */
int64_t	sst_index_pragma(struct sst_index *, const char *text);
int64_t	sst_index_db_pragma(sqlite3 *, const char *text);

/* The path of a source; the caller frees *ret, and what was there before is freed. */
int	sst_index_source_path(struct sst_index *, int64_t id, char **ret,
	    struct sst_error *err);
/* A digest of `size` bytes, then zeros; all zeros where the column has another size. */
void	sst_index_blob_read(sqlite3_stmt *, int col, uint8_t out[32], int size);
/* index_gone.c: the row is about to leave. */
int	sst_index_gone_add(struct sst_index *, int64_t id, struct sst_error *err);
/* index_rows.c: one result row; `listed` when the columns of a listing follow. */
int	sst_index_row_read(sqlite3_stmt *, int listed, struct sst_row *row);
/* The end of reading rows: rc < 0 is memory, another step than DONE the file. */
int	sst_index_rows_end(struct sst_index *, sqlite3_stmt *, int rc, int step,
	    struct sst_error *err);

#endif
