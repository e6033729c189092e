/* SPDX-License-Identifier: ISC */
/*
 * index - memory, or the file of a directory: opened, checked, made anew; its
 * transactions and its generation (index.h, index_sql.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "index_gen.h"
#include "index_place.h"
#include "index_sql.h"

#define WAIT_MS		5	/* for a file that another process makes */
#define WAITS		40

int
sst_index_open(struct sst_index **ret, struct sst_error *err)
{
	struct sst_index *ix = calloc(1, sizeof(*ix));
	int rc;

	if (ix == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = sst_index_db_open(ix, err);
	if (rc < 0)
		sst_index_close(ix);
	else
		*ret = ix;
	return rc;
}

void
sst_index_close(struct sst_index *ix)
{
	if (ix == NULL)
		return;
	sst_index_db_close(ix);
	free(ix->path);
	free(ix);
}

/* Whether the open file is the index of this very directory, in this form. */
static int
is_ours(struct sst_index *ix)
{
	sqlite3_stmt *st;
	int same = 0;

	if (sst_index_pragma(ix, "PRAGMA application_id") != 1397969987 ||
	    sst_index_pragma(ix, "PRAGMA user_version") != SST_INDEX_SCHEMA)
		return 0;
	st = sst_index_ready(ix, S_KEY);
	if (st != NULL && sqlite3_step(st) == SQLITE_ROW &&
	    sqlite3_column_bytes(st, 1) == (int)sizeof(ix->key))
		same = memcmp(sqlite3_column_blob(st, 1), ix->key, sizeof(ix->key)) == 0;
	sst_index_finished(st);
	return same;
}

/* Whether what SQLite has beside the file is this user's own, too. */
static int
is_safe(const char *db)
{
	char path[PATH_MAX + 8];

	if (sst_index_fault(db, geteuid()) != NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "%s-wal", db);
	if (sst_index_fault(path, geteuid()) != NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "%s-shm", db);
	return sst_index_fault(path, geteuid()) == NULL;
}

/* Opens the file that is there. 0: it is none of ours, and closed again. */
static int
is_opened(struct sst_index *ix)
{
	struct stat st;

	ix->broken = 0;
	if (stat(ix->path, &st) < 0 || st.st_size == 0 || !is_safe(ix->path) ||
	    sst_index_db_open(ix, NULL) < 0)
		return 0;
	if (is_ours(ix) && !ix->broken)
		return 1;
	sst_index_db_close(ix);
	return 0;
}

/* The writer makes the file; others have none to read until it is there. */
static int
file_make(struct sst_index *ix, struct sst_error *err)
{
	sqlite3_stmt *st = NULL;
	int fd, rc;

	sst_index_remove(ix->path);
	ix->broken = 0;
	fd = open(ix->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sst_fail_errno(err, errno, "%s", ix->path);
	rc = fchmod(fd, 0600) < 0 ? sst_fail_errno(err, errno, "%s", ix->path) : SST_OK;
	(void)close(fd);
	if (rc == SST_OK)
		rc = sst_index_db_open(ix, err);
	if (rc == SST_OK && (sqlite3_exec(ix->db, "PRAGMA journal_mode=WAL;BEGIN IMMEDIATE",
	    NULL, NULL, NULL) != SQLITE_OK))
		rc = sst_index_fail(ix, err);
	if (rc == SST_OK)
		rc = sst_index_db_make(ix, err);
	if (rc == SST_OK && (sqlite3_prepare_v2(ix->db, "UPDATE meta SET key=?1", -1, &st,
	    NULL) != SQLITE_OK || sqlite3_bind_blob(st, 1, ix->key, sizeof(ix->key),
	    SQLITE_STATIC) != SQLITE_OK || sqlite3_step(st) != SQLITE_DONE))
		rc = sst_index_fail(ix, err);
	(void)sqlite3_finalize(st);
	if (rc == SST_OK && sqlite3_exec(ix->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		rc = sst_index_fail(ix, err);
	if (rc == SST_OK) {
		sst_gen_next_epoch(ix->gen);
		ix->epoch = sst_gen_epoch(ix->gen);
	}
	return rc;
}

/*
 * A first reading goes through all b-trees in no order: with the little room that is
 * enough afterwards, every page of them is read anew for each name.
 */
static void
pages_keep(struct sst_index *ix, int whole)
{
	(void)sqlite3_exec(ix->db, whole ? SST_INDEX_PAGES : "PRAGMA cache_size=-16384",
	    NULL, NULL, NULL);
}

static int
file_open(struct sst_index *ix, const char *place, struct sst_error *err)
{
	const struct timespec pause = { 0, WAIT_MS * 1000000 };
	uint64_t generation;
	int rc;

	for (int i = 0; i < WAITS && !sst_gen_claim(ix->gen); i++) {
		if (sst_gen_epoch(ix->gen) != 0 && is_opened(ix))
			return SST_OK;
		(void)nanosleep(&pause, NULL);
	}
	if (!sst_gen_is_writer(ix->gen))
		return sst_fail(err, SST_E_REFUSED, "%s: another process makes it",
		    ix->path);
	if (!is_opened(ix)) {
		rc = file_make(ix, err);
		if (rc < 0)
			return rc;
		sst_index_sweep(place, sst_clock_wall());
	} else if (sst_gen_epoch(ix->gen) == 0) {
		sst_gen_next_epoch(ix->gen);	/* the page was lost, or is older */
		ix->epoch = sst_gen_epoch(ix->gen);
	}
	/* who wrote before may have died between the two */
	rc = sst_index_generation(ix, &generation, err);
	if (rc == SST_OK)
		sst_gen_set(ix->gen, generation);
	if (rc == SST_OK && sst_index_is_whole(ix, NULL) == 0)
		pages_keep(ix, 0);
	return rc;
}

int
sst_index_keep(const struct sst_index_at *at, struct sst_index **ret,
    struct sst_gen **ret_gen, struct sst_error *err)
{
	struct sst_index_files *files = calloc(1, sizeof(*files));
	struct sst_index *ix = calloc(1, sizeof(*ix));
	struct sst_gen *gen = NULL;
	const char *fault;
	int rc = SST_E_NOMEM;

	if (files == NULL || ix == NULL)
		goto out;
	if (!sst_index_files(at, files)) {
		rc = sst_fail(err, SST_E_REFUSED, "%s: the path is too long", at->place);
		goto out;
	}
	ix->path = strdup(files->db);
	if (ix->path == NULL)
		goto out;
	memcpy(ix->key, files->key, sizeof(ix->key));
	fault = sst_index_fault(files->db, geteuid());
	if (fault != NULL) {
		rc = sst_fail(err, SST_E_REFUSED, "%s: %s", files->db, fault);
		goto out;
	}
	rc = sst_gen_open(files->gen, &gen, err);
	if (rc < 0)
		goto out;
	ix->gen = gen;
	rc = file_open(ix, at->place, err);
out:
	free(files);
	if (rc == SST_OK) {
		*ret = ix;
		*ret_gen = gen;
		return rc;
	}
	sst_index_close(ix);
	sst_gen_close(gen);
	if (rc == SST_E_NOMEM)
		return sst_fail(err, rc, "out of memory");
	return SST_E_REFUSED;	/* whatever it was: memory does as well */
}

int
sst_index_is_kept(const struct sst_index *ix)
{
	return ix->path != NULL;
}

int
sst_index_is_broken(const struct sst_index *ix)
{
	return ix->broken;
}

int
sst_index_is_whole(struct sst_index *ix, struct sst_error *err)
{
	int64_t whole;
	int rc = sst_index_number(ix, S_KEY, &whole, err);

	return rc < 0 ? rc : whole != 0;
}

int
sst_index_make_whole(struct sst_index *ix, struct sst_error *err)
{
	int rc = sst_index_is_whole(ix, err);

	if (rc != 0)
		return rc < 0 ? rc : SST_OK;
	rc = sst_index_run(ix, sst_index_ready(ix, S_TEXTS_SWEEP), 0, err);
	sst_index_texts_forget(ix);
	if (rc >= 0)
		rc = sst_index_run(ix, sst_index_ready(ix, S_WHOLE), 0, err);
	pages_keep(ix, 1);
	return rc;
}

int
sst_index_clear_strays(struct sst_index *ix, struct sst_error *err)
{
	int rc = sst_index_run(ix, sst_index_ready(ix, S_STRAY_NAMES), 0, err);

	return rc < 0 ? rc : sst_index_run(ix, sst_index_ready(ix, S_COUNT_NAMES), 0, err);
}

int
sst_index_ids_from(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = SST_OK;

	if (sqlite3_prepare_v2(ix->db, "INSERT INTO sqlite_sequence VALUES('identities',?1)",
	    -1, &st, NULL) != SQLITE_OK || sqlite3_bind_int64(st, 1, id) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	(void)sqlite3_finalize(st);
	return rc;
}

void
sst_index_discard(struct sst_index *ix)
{
	sst_index_db_close(ix);
	sst_index_remove(ix->path);
}

const char *
sst_index_file(const struct sst_index *ix)
{
	return ix->path;
}

char *
sst_index_path(const struct sst_index *ix)
{
	return ix->path == NULL || !ix->written ? NULL : strdup(ix->path);
}

const char *
sst_index_due(struct sst_index *ix, int pages)
{
	if (ix->path == NULL || !sst_gen_is_writer(ix->gen) || ix->wal_pages < pages)
		return NULL;
	ix->wal_pages = 0;
	return ix->path;
}

void
sst_index_settle(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW, NULL) == SQLITE_OK &&
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) == SQLITE_OK)
		(void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
		    NULL);
	(void)sqlite3_close(db);
}

/*
 * A connection to a file may not be used, nor even closed, by another process
 * than the one that opened it (sqlite.org/howtocorrupt.html), and what SQLite
 * remembers of its locks would be wrong for one that the child opens.
 */
void
sst_index_rest(struct sst_index *ix)
{
	if (ix->path != NULL)
		sst_index_db_close(ix);
}

int
sst_index_go_on(struct sst_index *ix, uint64_t generation, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_GO_ON);

	return sst_index_run(ix, st, st == NULL ? 0 :
	    sqlite3_bind_int64(st, 1, (sqlite3_int64)generation), err);
}

int
sst_index_generation(struct sst_index *ix, uint64_t *ret, struct sst_error *err)
{
	int64_t number;
	int rc = sst_index_number(ix, S_GENERATION, &number, err);

	if (rc == SST_OK)
		*ret = (uint64_t)number;
	return rc;
}

int
sst_index_begin(struct sst_index *ix, struct sst_error *err)
{
	if (ix->gen != NULL && !sst_gen_is_writer(ix->gen))
		return sst_fail(err, SST_E_STATE, "index %s: another process writes it",
		    ix->path);
	return sst_index_run(ix, sst_index_ready(ix, S_BEGIN), 0, err);
}

int
sst_index_commit(struct sst_index *ix, int bump, uint64_t *ret_generation,
    struct sst_error *err)
{
	uint64_t generation = 0;
	int rc;

	rc = bump ? sst_index_run(ix, sst_index_ready(ix, S_BUMP), 0, err) : SST_OK;
	if (rc == SST_OK)
		rc = sst_index_generation(ix, &generation, err);
	if (rc == SST_OK)
		rc = sst_index_run(ix, sst_index_ready(ix, S_COMMIT), 0, err);
	if (rc < 0)
		return rc;
	ix->written = 1;
	if (ix->gen != NULL)
		sst_gen_set(ix->gen, generation);
	*ret_generation = generation;
	return SST_OK;
}

void
sst_index_rollback(struct sst_index *ix)
{
	/* where the disk is full, or memory is, SQLite has done so, and would fail for it */
	if (ix->db != NULL && !sqlite3_get_autocommit(ix->db))
		(void)sst_index_run(ix, sst_index_ready(ix, S_ROLLBACK), 0, NULL);
	sst_index_texts_forget(ix);
}
