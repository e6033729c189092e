/* SPDX-License-Identifier: ISC */
/*
 * index_sql - the statements of the index, and the handle that runs them.
 *
 *	index.c		the file: opened, claimed, forked; transactions
 *	index_rows.c	sources and rows, in and out
 *	index_dates.c	the dates of rows
 *	index_sql.c	schema, statements, how one is run
 *
 * Always true:
 *   1. A statement is prepared once and has nothing bound between two uses.
 *   2. What SQLite says is turned into an error in one place.
 * Threads: as index.h.
 */
#ifndef SST_CERTSTORE_INDEX_SQL_H
#define SST_CERTSTORE_INDEX_SQL_H

#include <sqlite3.h>

#include "index.h"

enum sst_statement {
	S_BEGIN, S_COMMIT, S_ROLLBACK, S_BUMP, S_GO_ON, S_GENERATION,
	S_SOURCE_PUT, S_SOURCE_GET, S_SOURCE_DROP, S_SOURCES,
	S_PUT, S_PUT_NAME, S_DROP, S_DROP_NAMES, S_LOOKUP,
	S_DEFAULT_SET, S_DEFAULT_ENTRY, S_DEFAULT_SAME, S_DATES,
	S_FIND,		/* and one for each enum sst_find after it */
	S_COUNT = S_FIND + SST_FINDS
};

struct sst_index {
	sqlite3		*db;
	sqlite3_stmt	*st[S_COUNT];
	char		*path;		/* NULL: memory */
	int		 lock;		/* flock on PATH-lock, or -1 */
};

/* Opens ix->path (NULL: memory), and makes the tables. */
int	sst_index_db_open(struct sst_index *, struct sst_error *err);
void	sst_index_db_close(struct sst_index *);

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

#endif
