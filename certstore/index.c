/* SPDX-License-Identifier: ISC */
/*
 * index - the file of the index: claimed, opened, left to the parent after a fork;
 * its transactions and its generation (index.h, index_sql.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "index_sql.h"

/*
 * The file becomes ours: 0600, locked, empty. 0, or -1 with the reason: the
 * index is then kept in memory, which is no failure.
 */
static int
file_claim(struct sst_index *ix, const char *path, char *why, size_t size)
{
	unsigned char head[100];
	char lock[4096];
	struct stat st;
	int fd = -1, rc = -1;
	ssize_t n;

	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	ix->lock = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ix->lock < 0 || flock(ix->lock, LOCK_EX | LOCK_NB) < 0) {
		(void)snprintf(why, size, "%s", errno == EWOULDBLOCK ?
		    "another store uses it" : strerror(errno));
		goto out;
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)snprintf(why, size, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		(void)snprintf(why, size, "it is not a file of this user");
		goto out;
	}
	n = pread(fd, head, sizeof(head), 0);
	if (n != 0 && (n != (ssize_t)sizeof(head) || memcmp(head, "SQLite format 3", 16) != 0 ||
	    memcmp(head + 68, "SSTC", 4) != 0)) {
		(void)snprintf(why, size, "it is not an index of certificates");
		goto out;
	}
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0) {
		(void)snprintf(why, size, "%s", strerror(errno));
		goto out;
	}
	rc = 0;
out:
	if (fd >= 0)
		(void)close(fd);
	if (rc < 0 && ix->lock >= 0) {
		(void)close(ix->lock);
		ix->lock = -1;
	}
	return rc;
}

int
sst_index_open(const char *path, struct sst_index **ret, char *why, size_t why_size,
    struct sst_error *err)
{
	struct sst_error file = { .code = SST_OK };
	struct sst_index *ix;
	int rc;

	why[0] = '\0';
	ix = calloc(1, sizeof(*ix));
	if (ix == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	ix->lock = -1;
	if (path != NULL && file_claim(ix, path, why, why_size) == 0) {
		ix->path = strdup(path);
		if (ix->path == NULL) {
			rc = sst_fail(err, SST_E_NOMEM, "out of memory");
			goto out;
		}
		rc = sst_index_db_open(ix, &file);
		if (rc == SST_OK)
			goto out;
		(void)snprintf(why, why_size, "%s", file.text);
		sst_index_db_close(ix);
		free(ix->path);
		ix->path = NULL;
	}
	rc = sst_index_db_open(ix, err);
out:
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
	if (ix->lock >= 0)
		(void)close(ix->lock);
	free(ix->path);
	free(ix);
}

int
sst_index_go_on(struct sst_index *ix, uint64_t generation, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_GO_ON);

	return sst_index_run(ix, st, sqlite3_bind_int64(st, 1, (sqlite3_int64)generation), err);
}

/*
 * A connection to a file may not be used, nor even closed, by another process
 * than the one that opened it (sqlite.org/howtocorrupt.html): it is left as it
 * is, and what it holds is lost to the child. Memory has been copied already.
 */
int
sst_index_after_fork(struct sst_index *ix, struct sst_error *err)
{
	sqlite3_backup *backup;
	sqlite3 *file = NULL;
	char *path = ix->path;
	int rc = SST_OK;

	if (path == NULL)
		return SST_OK;
	memset(ix->st, 0, sizeof(ix->st));
	ix->db = NULL;
	ix->path = NULL;
	(void)close(ix->lock);
	ix->lock = -1;
	if (sqlite3_open_v2(path, &file, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
	    NULL) != SQLITE_OK || sqlite3_open(":memory:", &ix->db) != SQLITE_OK) {
		rc = sst_fail(err, SST_E_SYSTEM, "index %s: cannot be read after"
		    " fork", path);
		goto out;
	}
	(void)sqlite3_busy_timeout(file, 250);
	backup = sqlite3_backup_init(ix->db, "main", file, "main");
	if (backup == NULL || sqlite3_backup_step(backup, -1) != SQLITE_DONE)
		rc = sst_fail(err, SST_E_SYSTEM, "index %s: cannot be copied after"
		    " fork: %s", path, sqlite3_errmsg(ix->db));
	(void)sqlite3_backup_finish(backup);
out:
	(void)sqlite3_close(file);
	free(path);
	if (rc < 0) {
		(void)sqlite3_close(ix->db);
		if (sst_index_db_open(ix, err) < 0)
			sst_index_db_close(ix);
	}
	return rc;
}

int
sst_index_begin(struct sst_index *ix, struct sst_error *err)
{
	return sst_index_run(ix, sst_index_ready(ix, S_BEGIN), 0, err);
}

int
sst_index_commit(struct sst_index *ix, int bump, uint64_t *ret_generation,
    struct sst_error *err)
{
	uint64_t generation = 0;
	sqlite3_stmt *st;
	int rc;

	rc = bump ? sst_index_run(ix, sst_index_ready(ix, S_BUMP), 0, err) : SST_OK;
	if (rc < 0)
		return rc;
	st = sst_index_ready(ix, S_GENERATION);
	if (st == NULL || sqlite3_step(st) != SQLITE_ROW)
		rc = sst_index_fail(ix, err);
	else
		generation = (uint64_t)sqlite3_column_int64(st, 0);
	sst_index_finished(st);
	if (rc == SST_OK)
		rc = sst_index_run(ix, sst_index_ready(ix, S_COMMIT), 0, err);
	if (rc == SST_OK)
		*ret_generation = generation;
	return rc;
}

void
sst_index_rollback(struct sst_index *ix)
{
	(void)sst_index_run(ix, sst_index_ready(ix, S_ROLLBACK), 0, NULL);
}
