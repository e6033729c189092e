/* SPDX-License-Identifier: ISC */
/* index_copy - the index of a file, in memory (index.h, index_sql.h). */
#include <stdlib.h>

#include "base/fail.h"
#include "index_gen.h"
#include "index_sql.h"

struct sst_aside {
	sqlite3		*db;
	int64_t		 version;	/* another one: somebody has written since */
};

static int64_t
version_of(sqlite3 *db)
{
	return sst_index_db_pragma(db, "PRAGMA data_version");
}

/* On 0 the caller owns *ret. */
static int
copy_from(sqlite3 *db, const char *path, struct sst_index **ret, struct sst_error *err)
{
	struct sst_index *copy = calloc(1, sizeof(*copy));
	sqlite3_backup *backup;
	int rc = SST_OK;

	if (copy == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (sqlite3_open(":memory:", &copy->db) != SQLITE_OK) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	} else {
		backup = sqlite3_backup_init(copy->db, "main", db, "main");
		if (backup == NULL || sqlite3_backup_step(backup, -1) != SQLITE_DONE)
			rc = sst_fail(err, SST_E_SYSTEM, "index %s: it cannot be copied: %s",
			    path, sqlite3_errmsg(copy->db));
		(void)sqlite3_backup_finish(backup);
	}
	/* a log makes no sense in memory */
	if (rc == SST_OK && sqlite3_exec(copy->db, "PRAGMA journal_mode=MEMORY", NULL, NULL,
	    NULL) != SQLITE_OK)
		rc = sst_index_fail(copy, err);
	if (rc < 0)
		sst_index_close(copy);
	else
		*ret = copy;
	return rc;
}

int
sst_index_copy(struct sst_index *ix, struct sst_index **ret, struct sst_error *err)
{
	if (sst_index_ready(ix, S_GENERATION) == NULL)
		return sst_index_fail(ix, err);
	return copy_from(ix->db, ix->path, ret, err);
}

int
sst_index_copy_aside(const char *path, struct sst_index **ret, struct sst_aside **ret_aside,
    struct sst_error *err)
{
	struct sst_aside *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (sqlite3_open_v2(path, &a->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK ||
	    sqlite3_db_config(a->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
		rc = sst_fail(err, SST_E_SYSTEM, "index %s: it cannot be opened", path);
	else {
		a->version = version_of(a->db);
		rc = copy_from(a->db, path, ret, err);
	}
	if (rc < 0)
		sst_index_aside_close(a);
	else
		*ret_aside = a;
	return rc;
}

int
sst_index_aside_is_current(struct sst_aside *a)
{
	return a->version >= 0 && version_of(a->db) == a->version;
}

void
sst_index_aside_close(struct sst_aside *a)
{
	if (a != NULL)
		(void)sqlite3_close(a->db);
	free(a);
}
