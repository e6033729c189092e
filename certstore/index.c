/* SPDX-License-Identifier: ISC */
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"

#define LOOKUP_MAX	"256"		/* rows of one name that are looked at */

#define COLUMNS \
	"i.id,i.source,i.ord,i.generation,i.state,i.kind,i.is_default,i.nb,i.na," \
	"i.digest,i.print,i.names_key,i.content,i.path,i.key_path,i.load,i.load_key," \
	"i.key_type"
#define LISTED	",i.why,i.issuer,i.names,i.warnings"
#define SELECT	"SELECT " COLUMNS LISTED " FROM identities i "

/* application_id is "SSTC" in the header of the file: file_claim() looks for it. */
static const char schema[] =
	"PRAGMA journal_mode=MEMORY;PRAGMA synchronous=OFF;PRAGMA cache_size=-4096;"
	"PRAGMA temp_store=MEMORY;PRAGMA application_id=1397969987;"
	"CREATE TABLE meta(generation INTEGER NOT NULL);"
	"INSERT INTO meta VALUES(0);"
	"CREATE TABLE sources(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" path TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL);"
	"CREATE TABLE identities(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" source INTEGER NOT NULL, ord INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" state INTEGER NOT NULL, kind INTEGER NOT NULL, is_default INTEGER NOT NULL,"
	" nb INTEGER NOT NULL, na INTEGER NOT NULL, digest BLOB NOT NULL,"
	" print BLOB NOT NULL, names_key BLOB NOT NULL, content BLOB NOT NULL,"
	" path TEXT NOT NULL, key_path TEXT, load TEXT, load_key TEXT,"
	" key_type TEXT, why TEXT, issuer TEXT, names TEXT, warnings TEXT);"
	"CREATE INDEX by_source ON identities(source);"
	"CREATE INDEX by_digest ON identities(digest);"
	"CREATE INDEX by_print ON identities(print);"
	"CREATE INDEX by_path ON identities(path);"
	"CREATE INDEX by_names ON identities(names_key) WHERE state=1;"
	"CREATE INDEX by_order ON identities(ord) WHERE state=1 AND ord>0;"
	"CREATE INDEX by_default ON identities(path) WHERE state=1 AND is_default=1;"
	"CREATE INDEX by_staged ON identities(path) WHERE state=2;"
	"CREATE TABLE names(name TEXT NOT NULL, id INTEGER NOT NULL,"
	" PRIMARY KEY(name,id)) WITHOUT ROWID;"
	"CREATE INDEX names_id ON names(id);";

enum statement {
	S_BEGIN, S_COMMIT, S_ROLLBACK, S_BUMP, S_GO_ON, S_GENERATION,
	S_SOURCE_PUT, S_SOURCE_GET, S_SOURCE_DROP, S_SOURCES,
	S_PUT, S_PUT_NAME, S_DROP, S_DROP_NAMES, S_LOOKUP,
	S_DEFAULT_SET, S_DEFAULT_ENTRY, S_DEFAULT_SAME,
	S_FIND,		/* and one for each enum sst_find after it */
	S_COUNT = S_FIND + SST_FINDS
};

static const char *const texts[S_COUNT] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_BUMP] = "UPDATE meta SET generation=generation+1",
	[S_GO_ON] = "UPDATE meta SET generation=?1",
	[S_GENERATION] = "SELECT generation FROM meta",
	[S_SOURCE_PUT] = "INSERT INTO sources(path,kind) VALUES(?1,?2)",
	[S_SOURCE_GET] = "SELECT id,kind FROM sources WHERE path=?1",
	[S_SOURCE_DROP] = "DELETE FROM sources WHERE (id=?1 OR ?1=0) AND NOT EXISTS"
	    "(SELECT 1 FROM identities WHERE source=sources.id)",
	[S_SOURCES] = "SELECT id,kind,path FROM sources ORDER BY id",
	[S_PUT] = "INSERT INTO identities(source,ord,generation,state,kind,"
	    "is_default,nb,na,digest,print,names_key,content,path,key_path,load,"
	    "load_key,key_type,why,issuer,names,warnings) VALUES(?1,?2,"
	    "(SELECT generation+1 FROM meta),?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
	    "?14,?15,?16,?17,?18,?19,?20)",
	[S_PUT_NAME] = "INSERT INTO names(name,id) VALUES(?1,?2)",
	[S_DROP] = "DELETE FROM identities WHERE id=?1",
	[S_DROP_NAMES] = "DELETE FROM names WHERE id=?1",
	[S_LOOKUP] = "SELECT " COLUMNS ",n.name FROM names n JOIN identities i"
	    " ON i.id=n.id WHERE n.name IN(?1,?2) LIMIT " LOOKUP_MAX,
	[S_DEFAULT_SET] = "SELECT names_key FROM identities WHERE state=1 AND ord>0"
	    " ORDER BY ord LIMIT 1",
	[S_DEFAULT_ENTRY] = "SELECT names_key FROM identities WHERE state=1 AND"
	    " is_default=1 ORDER BY path LIMIT 1",
	[S_DEFAULT_SAME] = "SELECT a.k FROM"
	    " (SELECT min(names_key) k FROM identities WHERE state=1) a,"
	    " (SELECT max(names_key) k FROM identities WHERE state=1) b"
	    " WHERE a.k=b.k",
	[S_FIND + SST_FIND_ALL] = SELECT "ORDER BY i.path,i.id",
	[S_FIND + SST_FIND_SOURCE] = SELECT "WHERE i.source=?1",
	[S_FIND + SST_FIND_DIGEST] = SELECT "WHERE i.digest=?1",
	[S_FIND + SST_FIND_PRINT] = SELECT "WHERE i.print=?1",
	[S_FIND + SST_FIND_NAMES_KEY] = SELECT "WHERE i.state=1 AND i.names_key=?1",
	[S_FIND + SST_FIND_PATH] = SELECT "WHERE i.path=?1",
	[S_FIND + SST_FIND_STAGED] = SELECT "WHERE i.state=2 ORDER BY i.path",
};

struct sst_index {
	sqlite3		*db;
	sqlite3_stmt	*st[S_COUNT];
	char		*path;		/* NULL: memory */
	int		 lock;		/* flock on PATH-lock, or -1 */
};

static int
db_fail(struct sst_index *ix, struct sst_error *err)
{
	int code = sqlite3_errcode(ix->db);

	return sst_fail(err, code == SQLITE_NOMEM ? SST_E_NOMEM : SST_E_SYSTEM,
	    "index%s%s: %s", ix->path == NULL ? "" : " ",
	    ix->path == NULL ? "" : ix->path, sqlite3_errmsg(ix->db));
}

/* The prepared statement, with nothing bound; NULL: failed. */
static sqlite3_stmt *
ready(struct sst_index *ix, int which)
{
	if (ix->st[which] == NULL)
		(void)sqlite3_prepare_v3(ix->db, texts[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &ix->st[which], NULL);
	return ix->st[which];
}

static void
finished(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

/* Runs a statement that returns no rows. `bad`: what binding said. */
static int
run(struct sst_index *ix, sqlite3_stmt *st, int bad, struct sst_error *err)
{
	int rc = SST_OK;

	if (st == NULL)
		return db_fail(ix, err);
	if (bad != 0 || sqlite3_step(st) != SQLITE_DONE)
		rc = db_fail(ix, err);
	finished(st);
	return rc;
}

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

static int
db_open(struct sst_index *ix, struct sst_error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	if (sqlite3_open_v2(ix->path == NULL ? ":memory:" : ix->path, &ix->db,
	    flags | (ix->path == NULL ? 0 : SQLITE_OPEN_NOFOLLOW), NULL) != SQLITE_OK ||
	    sqlite3_exec(ix->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
		if (ix->db == NULL)
			return sst_fail(err, SST_E_NOMEM, "out of memory");
		return db_fail(ix, err);
	}
	return SST_OK;
}

static void
db_close(struct sst_index *ix)
{
	for (size_t i = 0; i < S_COUNT; i++) {
		(void)sqlite3_finalize(ix->st[i]);
		ix->st[i] = NULL;
	}
	(void)sqlite3_close(ix->db);
	ix->db = NULL;
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
		rc = db_open(ix, &file);
		if (rc == SST_OK)
			goto out;
		(void)snprintf(why, why_size, "%s", file.text);
		db_close(ix);
		free(ix->path);
		ix->path = NULL;
	}
	rc = db_open(ix, err);
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
	db_close(ix);
	if (ix->lock >= 0)
		(void)close(ix->lock);
	free(ix->path);
	free(ix);
}

int
sst_index_go_on(struct sst_index *ix, uint64_t generation, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, S_GO_ON);

	return run(ix, st, sqlite3_bind_int64(st, 1, (sqlite3_int64)generation), err);
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
		if (db_open(ix, err) < 0)
			db_close(ix);
	}
	return rc;
}

int
sst_index_begin(struct sst_index *ix, struct sst_error *err)
{
	return run(ix, ready(ix, S_BEGIN), 0, err);
}

int
sst_index_commit(struct sst_index *ix, int bump, uint64_t *ret_generation,
    struct sst_error *err)
{
	uint64_t generation = 0;
	sqlite3_stmt *st;
	int rc;

	rc = bump ? run(ix, ready(ix, S_BUMP), 0, err) : SST_OK;
	if (rc < 0)
		return rc;
	st = ready(ix, S_GENERATION);
	if (st == NULL || sqlite3_step(st) != SQLITE_ROW)
		rc = db_fail(ix, err);
	else
		generation = (uint64_t)sqlite3_column_int64(st, 0);
	finished(st);
	if (rc == SST_OK)
		rc = run(ix, ready(ix, S_COMMIT), 0, err);
	if (rc == SST_OK)
		*ret_generation = generation;
	return rc;
}

void
sst_index_rollback(struct sst_index *ix)
{
	(void)run(ix, ready(ix, S_ROLLBACK), 0, NULL);
}

int
sst_index_source_get(struct sst_index *ix, const char *path, int64_t *ret_id,
    enum sst_source_kind *ret_kind, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, S_SOURCE_GET);
	int rc, step, bad = 0;

	if (st == NULL)
		return db_fail(ix, err);
	bad |= sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	step = bad != 0 ? SQLITE_NOMEM : sqlite3_step(st);
	if (step == SQLITE_ROW) {
		*ret_id = sqlite3_column_int64(st, 0);
		*ret_kind = (enum sst_source_kind)sqlite3_column_int(st, 1);
		rc = 1;
	} else {
		rc = step == SQLITE_DONE ? 0 : db_fail(ix, err);
	}
	finished(st);
	return rc;
}

int
sst_index_source_set(struct sst_index *ix, const char *path,
    enum sst_source_kind kind, int64_t *ret_id, struct sst_error *err)
{
	enum sst_source_kind old;
	sqlite3_stmt *st;
	int rc, bad = 0;

	rc = sst_index_source_get(ix, path, ret_id, &old, err);
	if (rc != 0)
		return rc < 0 ? rc : SST_OK;
	st = ready(ix, S_SOURCE_PUT);
	if (st == NULL)
		return db_fail(ix, err);
	bad |= sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int(st, 2, kind);
	rc = run(ix, st, bad, err);
	if (rc == SST_OK)
		*ret_id = sqlite3_last_insert_rowid(ix->db);
	return rc;
}

/* Runs a statement with one number. */
static int
run_id(struct sst_index *ix, int which, int64_t id, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, which);
	int bad;

	if (st == NULL)
		return db_fail(ix, err);
	bad = sqlite3_bind_int64(st, 1, id);
	return run(ix, st, bad, err);
}

int
sst_index_source_drop(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	return run_id(ix, S_SOURCE_DROP, id, err);
}

int
sst_index_sources(struct sst_index *ix, int (*each)(void *arg, int64_t id,
    enum sst_source_kind, const char *path), void *arg, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, S_SOURCES);
	int rc = SST_OK, step = SQLITE_DONE;

	if (st == NULL)
		return db_fail(ix, err);
	while (rc == SST_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = each(arg, sqlite3_column_int64(st, 0),
		    (enum sst_source_kind)sqlite3_column_int(st, 1),
		    (const char *)sqlite3_column_text(st, 2));
	}
	if (rc == SST_OK && step != SQLITE_DONE)
		rc = db_fail(ix, err);
	finished(st);
	return rc;
}

static int
names_put(struct sst_index *ix, const struct sst_row *row, struct sst_error *err)
{
	const char *at, *end;
	int rc = SST_OK;

	for (at = row->names; rc == SST_OK && at != NULL &&
	    (end = strchr(at, '\n')) != NULL; at = end + 1) {
		sqlite3_stmt *st = ready(ix, S_PUT_NAME);
		int bad = 0;

		if (st == NULL)
			return db_fail(ix, err);
		bad |= sqlite3_bind_text(st, 1, at, (int)(end - at), SQLITE_STATIC);
		bad |= sqlite3_bind_int64(st, 2, row->id);
		rc = run(ix, st, bad, err);
	}
	return rc;
}

int
sst_index_put(struct sst_index *ix, struct sst_row *row, struct sst_error *err)
{
	const char *const text[] = { row->path, row->key_path, row->load,
	    row->load_key, row->key_type, row->why, row->issuer, row->names,
	    row->warnings };
	sqlite3_stmt *st = ready(ix, S_PUT);
	int rc, bad = 0;

	if (st == NULL)
		return db_fail(ix, err);
	bad |= sqlite3_bind_int64(st, 1, row->source);
	bad |= sqlite3_bind_int64(st, 2, row->set_order);
	bad |= sqlite3_bind_int(st, 3, row->state);
	bad |= sqlite3_bind_int(st, 4, row->kind);
	bad |= sqlite3_bind_int(st, 5, row->is_default);
	bad |= sqlite3_bind_int64(st, 6, row->not_before);
	bad |= sqlite3_bind_int64(st, 7, row->not_after);
	bad |= sqlite3_bind_blob(st, 8, row->digest, 32, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 9, row->print, 32, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 10, row->names_key, 32, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 11, row->content, 32, SQLITE_STATIC);
	for (int i = 0; i < (int)(sizeof(text) / sizeof(text[0])); i++)
		bad |= sqlite3_bind_text(st, 12 + i, text[i], -1, SQLITE_STATIC);
	rc = run(ix, st, bad, err);
	if (rc < 0)
		return rc;
	row->id = sqlite3_last_insert_rowid(ix->db);
	/* only what can be served is found by its name */
	return row->state == SST_ENTRY_USABLE ? names_put(ix, row, err) : SST_OK;
}

int
sst_index_drop(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	int rc = run_id(ix, S_DROP_NAMES, id, err);

	return rc < 0 ? rc : run_id(ix, S_DROP, id, err);
}

static void
blob_read(sqlite3_stmt *st, int col, uint8_t out[32])
{
	const void *p = sqlite3_column_blob(st, col);

	/* a row that somebody damaged reads as zero, and matches nothing */
	if (p != NULL && sqlite3_column_bytes(st, col) == 32)
		memcpy(out, p, 32);
	else
		memset(out, 0, 32);
}

/* One result row; `listed` when the columns of LISTED follow. */
static int
row_read(sqlite3_stmt *st, int listed, struct sst_row *row)
{
	char **const text[] = { &row->path, &row->key_path, &row->load,
	    &row->load_key, &row->key_type, &row->why, &row->issuer, &row->names,
	    &row->warnings };
	size_t n = listed ? 9 : 5;
	const char *s;

	*row = (struct sst_row){ .id = sqlite3_column_int64(st, 0) };
	row->source = sqlite3_column_int64(st, 1);
	row->set_order = sqlite3_column_int64(st, 2);
	row->generation = (uint64_t)sqlite3_column_int64(st, 3);
	row->state = sqlite3_column_int(st, 4);
	row->kind = sqlite3_column_int(st, 5);
	row->is_default = sqlite3_column_int(st, 6);
	row->not_before = (time_t)sqlite3_column_int64(st, 7);
	row->not_after = (time_t)sqlite3_column_int64(st, 8);
	blob_read(st, 9, row->digest);
	blob_read(st, 10, row->print);
	blob_read(st, 11, row->names_key);
	blob_read(st, 12, row->content);
	for (size_t i = 0; i < n; i++) {
		s = (const char *)sqlite3_column_text(st, 13 + (int)i);
		if (sst_text_set(text[i], s) < 0) {
			sst_row_done(row);
			return SST_E_NOMEM;
		}
		if (s == NULL && sqlite3_column_type(st, 13 + (int)i) != SQLITE_NULL) {
			sst_row_done(row);
			return SST_E_NOMEM;	/* a NULL that is not the row's */
		}
	}
	return SST_OK;
}

/* The end of reading rows: rc < 0 is memory, another step than DONE the file. */
static int
rows_end(struct sst_index *ix, sqlite3_stmt *st, int rc, int step,
    struct sst_error *err)
{
	if (rc < 0)
		(void)sst_fail(err, rc, "out of memory");
	else if (step != SQLITE_DONE)
		rc = db_fail(ix, err);
	finished(st);
	return rc;
}

int
sst_index_lookup(struct sst_index *ix, const char *name, const char *wild,
    struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, S_LOOKUP);
	int rc = SST_OK, step = SQLITE_NOMEM, bad = 0;
	const char *found;
	struct sst_row row;

	if (st == NULL)
		return db_fail(ix, err);
	bad |= sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_text(st, 2, wild, -1, SQLITE_STATIC);
	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		found = (const char *)sqlite3_column_text(st, 18);
		rc = found == NULL ? SST_E_NOMEM : row_read(st, 0, &row);
		if (rc < 0)
			break;
		row.tier = found[0] == '*' ? SST_TIER_WILDCARD :
		    strncmp(found, "ip:", 3) == 0 ? SST_TIER_IP : SST_TIER_EXACT;
		rc = sst_rows_move(out, &row);
		sst_row_done(&row);
	}
	return rows_end(ix, st, rc, step, err);
}

int
sst_index_find(struct sst_index *ix, enum sst_find by, const void *key, size_t len,
    struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = ready(ix, S_FIND + (int)by);
	int rc = SST_OK, step = SQLITE_NOMEM, bad = 0;
	struct sst_row row;
	int64_t number;

	if (st == NULL)
		return db_fail(ix, err);
	if (by == SST_FIND_SOURCE) {
		memcpy(&number, key, sizeof(number));
		bad |= sqlite3_bind_int64(st, 1, number);
	} else if (by == SST_FIND_PATH) {
		bad |= sqlite3_bind_text(st, 1, key, (int)len, SQLITE_STATIC);
	} else if (key != NULL) {
		bad |= sqlite3_bind_blob(st, 1, key, (int)len, SQLITE_STATIC);
	}
	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = row_read(st, 1, &row);
		if (rc < 0)
			break;
		rc = sst_rows_move(out, &row);
		sst_row_done(&row);
	}
	return rows_end(ix, st, rc, step, err);
}

int
sst_index_default(struct sst_index *ix, uint8_t names_key[32], struct sst_error *err)
{
	int rc = 0;

	for (int which = S_DEFAULT_SET; rc == 0 && which <= S_DEFAULT_SAME; which++) {
		sqlite3_stmt *st = ready(ix, which);
		int step;

		if (st == NULL)
			return db_fail(ix, err);
		step = sqlite3_step(st);
		if (step == SQLITE_ROW) {
			blob_read(st, 0, names_key);
			rc = 1;
		} else if (step != SQLITE_DONE) {
			rc = db_fail(ix, err);
		}
		finished(st);
	}
	return rc;
}
