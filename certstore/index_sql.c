/* SPDX-License-Identifier: ISC */
/* index_sql - schema and statements of the index (index_sql.h). */
#include "index_sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "index_gen.h"
#include "source.h"

#define LOOKUP_MAX	"256"		/* rows of one name that are looked at */
#define STR_(x)		#x
#define STR(x)		STR_(x)

/*
 * As sst_index_row_read() takes them. A join goes from the one row to what it refers to: the
 * tables of sources and texts are small.
 */
#define COLUMNS \
	"i.id,i.source,i.ord,i.generation,i.state,i.kind,i.is_default,i.nb,i.na," \
	"i.digest,i.print,i.names_key,i.content,i.item,s.path,x.text,k.text"
#define LISTED	",i.why,u.text,i.names,i.warnings,i.flat,i.wants_staple"
#define JOINED	" CROSS JOIN sources s ON s.id=i.source" \
	" CROSS JOIN texts x ON x.id=i.shape "
#define TYPED	JOINED "LEFT JOIN texts k ON k.id=i.key_type "
#define SELECT	"SELECT " COLUMNS LISTED " FROM identities i" TYPED \
	"LEFT JOIN texts u ON u.id=i.issuer "
#define UNUSED	" NOT EXISTS(SELECT 1 FROM identities WHERE source=sources.id)"
#define PREFIX	",1,8)"			/* of a digest, in an index of its own */

static const char file_settings[] =
	"PRAGMA synchronous=NORMAL;PRAGMA wal_autocheckpoint=0;"
	"PRAGMA journal_size_limit=8388608;" SST_INDEX_PAGES ";"
	"PRAGMA temp_store=MEMORY;PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;";
static const char memory_settings[] =
	"PRAGMA journal_mode=MEMORY;PRAGMA synchronous=OFF;PRAGMA temp_store=MEMORY;";

/* application_id is "SSTC". A number of an identity is never used twice: pins and the
 * cache go by it. */
static const char schema[] =
	"PRAGMA application_id=1397969987;PRAGMA user_version=" STR(SST_INDEX_SCHEMA) ";"
	"CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id=1),"
	" generation INTEGER NOT NULL, whole INTEGER NOT NULL, key BLOB);"
	"INSERT INTO meta VALUES(1,0,0,NULL);"
	"CREATE TABLE counts(what INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
	"INSERT INTO counts VALUES(0,0),(1,0),(2,0),(3,0);"
	"CREATE TABLE sources(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" path TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL);"
	"CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
	"CREATE TABLE identities(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" source INTEGER NOT NULL, item TEXT NOT NULL, flat INTEGER NOT NULL,"
	" shape INTEGER NOT NULL, ord INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" state INTEGER NOT NULL, kind INTEGER NOT NULL, is_default INTEGER NOT NULL,"
	" nb INTEGER NOT NULL, na INTEGER NOT NULL, digest BLOB NOT NULL,"
	" print BLOB NOT NULL, names_key BLOB NOT NULL, content BLOB NOT NULL,"
	" key_type INTEGER, issuer INTEGER, names, why TEXT, warnings TEXT,"
	" wants_staple INTEGER NOT NULL);"
	"CREATE INDEX by_item ON identities(source,flat,item);"
	"CREATE INDEX by_digest ON identities(substr(digest" PREFIX ");"
	"CREATE INDEX by_print ON identities(substr(print" PREFIX ");"
	"CREATE INDEX by_names ON identities(substr(names_key" PREFIX ") WHERE state=1;"
	"CREATE INDEX by_end ON identities(na) WHERE state=1;"
	"CREATE INDEX by_order ON identities(ord) WHERE state=1 AND ord>0;"
	"CREATE INDEX by_default ON identities(item) WHERE state=1 AND is_default=1;"
	"CREATE INDEX by_staged ON identities(item) WHERE state=2;"
	"CREATE TABLE names(name TEXT NOT NULL, id INTEGER NOT NULL,"
	" PRIMARY KEY(name,id)) WITHOUT ROWID;"
	"CREATE TABLE gone(number INTEGER PRIMARY KEY, digest BLOB NOT NULL);";

static const char *const texts[S_ALL] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_BUMP] = "UPDATE meta SET generation=generation+1",
	[S_GO_ON] = "UPDATE meta SET generation=?1",
	[S_GENERATION] = "SELECT generation FROM meta",
	[S_WHOLE] = "UPDATE meta SET whole=1 WHERE whole=0",
	[S_KEY] = "SELECT whole,key FROM meta",
	[S_SOURCE_PUT] = "INSERT INTO sources(path,kind) VALUES(?1,?2)",
	[S_SOURCE_GET] = "SELECT id,kind FROM sources WHERE path=?1",
	[S_SOURCE_DROP] = "DELETE FROM sources WHERE id=?1 AND" UNUSED,
	[S_SOURCES_SWEEP] = "DELETE FROM sources WHERE" UNUSED,
	[S_SOURCES] = "SELECT id,kind,path FROM sources ORDER BY id",
	[S_SOURCES_BELOW] = "SELECT id FROM sources WHERE path>?1 AND path<?2",
	[S_PATHS] = "SELECT i.item,s.path,x.text FROM identities i" JOINED
	    "WHERE i.source=?1 ORDER BY i.flat,i.item",
	[S_SOURCE_PATH] = "SELECT kind,path FROM sources WHERE id=?1",
	[S_TEXT_GET] = "SELECT id FROM texts WHERE text=?1",
	[S_TEXT_PUT] = "INSERT INTO texts(text) VALUES(?1)",
	[S_TEXTS_SWEEP] = "DELETE FROM texts WHERE (SELECT count(*) FROM texts)>4096 AND"
	    " id NOT IN(SELECT shape FROM identities UNION"
	    " SELECT issuer FROM identities WHERE issuer NOT NULL UNION"
	    " SELECT key_type FROM identities WHERE key_type NOT NULL)",
	[S_COUNT_ADD] = "UPDATE counts SET n=n+?2 WHERE what=?1",
	[S_COUNTS] = "SELECT what,n FROM counts",
	[S_EARLIEST] = "SELECT min(na) FROM identities WHERE state=1",
	[S_EXPIRED] = "SELECT count(*) FROM identities WHERE state=1 AND na<?1",
	[S_PUT] = "INSERT INTO identities(source,item,flat,shape,ord,generation,state,kind,"
	    "is_default,nb,na,digest,print,names_key,content,key_type,issuer,names,why,"
	    "warnings,wants_staple) VALUES(?1,?2,?3,?4,?5,(SELECT generation+1 FROM meta),"
	    "?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)",
	[S_PUT_NAME] = "INSERT OR IGNORE INTO names(name,id) VALUES(?1,?2)",
	[S_STRAY_NAMES] = "DELETE FROM names WHERE id NOT IN(SELECT id FROM identities)",
	[S_COUNT_NAMES] = "UPDATE counts SET n=(SELECT count(*) FROM names n CROSS JOIN"
	    " identities i ON i.id=n.id WHERE i.state=1) WHERE what=0",
	[S_ITEM] = "SELECT state,item,names FROM identities WHERE id=?1",
	[S_DROP] = "DELETE FROM identities WHERE id=?1",
	[S_DROP_NAME] = "DELETE FROM names WHERE name=?1 AND id=?2",
	/* the last one stays, so that the next has a number after it */
	[S_GONE_PUT] = "INSERT INTO gone(digest) SELECT digest FROM identities"
	    " WHERE id=?1 AND state<>?2",
	[S_GONE_TRIM] = "DELETE FROM gone WHERE number<=(SELECT max(number) FROM gone)-"
	    STR(SST_INDEX_GONE),
	[S_GONE] = "SELECT number,digest FROM gone WHERE number>?1 ORDER BY number LIMIT ?2",
	[S_GONE_LAST] = "SELECT max(number) FROM gone",
	[S_LOOKUP] = "SELECT " COLUMNS ",n.name FROM names n CROSS JOIN identities i"
	    " ON i.id=n.id" TYPED "WHERE n.name IN(?1,?2) LIMIT " LOOKUP_MAX,
	[S_PAGE] = SELECT "WHERE (i.source,i.flat,i.item,i.id)>(?1,?2,?3,?4)"
	    " ORDER BY i.source,i.flat,i.item,i.id LIMIT ?5",
	[S_HAS] = "SELECT 1 FROM identities WHERE substr(digest" PREFIX
	    "=substr(?1" PREFIX " AND digest=?1 AND state<>?2 LIMIT 1",
	[S_SINCE] = SELECT "WHERE i.id>?1 ORDER BY i.id LIMIT ?2",
	[S_EXPIRING] = SELECT "WHERE i.state=1 AND i.na<?1 AND (i.na,i.id)>(?2,?3)"
	    " ORDER BY i.na,i.id LIMIT ?4",
	[S_DEFAULT_SET] = "SELECT names_key FROM identities WHERE state=1 AND ord>0"
	    " ORDER BY ord LIMIT 1",
	[S_DEFAULT_ENTRY] = "SELECT names_key FROM identities WHERE state=1 AND"
	    " is_default=1 ORDER BY item,flat DESC,id LIMIT 1",
	[S_DEFAULT_SAME] = "SELECT i.names_key FROM"
	    " (SELECT min(substr(names_key" PREFIX ") k FROM identities WHERE state=1) a"
	    " CROSS JOIN"
	    " (SELECT max(substr(names_key" PREFIX ") k FROM identities WHERE state=1) b"
	    " CROSS JOIN identities i"
	    " WHERE a.k=b.k AND i.state=1 AND substr(i.names_key" PREFIX "=a.k LIMIT 1",
	[S_DATES] = "SELECT id,nb,na FROM identities WHERE id>?1 AND state=1"
	    " ORDER BY id LIMIT ?2",
	[S_FIND + SST_FIND_ALL] = SELECT "ORDER BY i.source,i.flat,i.item,i.id",
	[S_FIND + SST_FIND_SOURCE] = SELECT "WHERE i.source=?1",
	[S_FIND + SST_FIND_ID] = SELECT "WHERE i.id=?1",
	[S_FIND + SST_FIND_DIGEST] = SELECT "WHERE substr(i.digest" PREFIX
	    "=substr(?1" PREFIX " AND i.digest=?1",
	[S_FIND + SST_FIND_PRINT] = SELECT "WHERE substr(i.print" PREFIX
	    "=substr(?1" PREFIX " AND i.print=?1",
	[S_FIND + SST_FIND_NAMES_KEY] = SELECT "WHERE i.state=1 AND"
	    " substr(i.names_key" PREFIX "=substr(?1" PREFIX " AND i.names_key=?1",
	[S_FIND + SST_FIND_ITEM] = SELECT "WHERE i.source=?1 AND i.flat=?2 AND i.item=?3",
	[S_FIND + SST_FIND_FLAT] = SELECT "WHERE i.source=?1 AND i.flat=1",
	[S_FIND + SST_FIND_STAGED] = SELECT "WHERE i.state=2 ORDER BY i.item,i.id",
};

/* Whether the last failure says something of the file, and not of what this process
 * lacks. */
static int
is_damage(struct sst_index *ix, int code)
{
	if (code == SQLITE_CANTOPEN || code == SQLITE_IOERR) {
		const int error = sqlite3_system_errno(ix->db);

		return !sst_source_is_want(error) && error != ENOSPC && error != EDQUOT;
	}
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR ||
	    code == SQLITE_MISMATCH;
}

int
sst_index_fail(struct sst_index *ix, struct sst_error *err)
{
	int code = ix->db == NULL ? SQLITE_CANTOPEN : sqlite3_errcode(ix->db);

	/* one that is not open was judged when it could not be opened */
	if (ix->path != NULL && ix->db != NULL && is_damage(ix, code))
		ix->broken = 1;
	return sst_fail(err, code == SQLITE_NOMEM ? SST_E_NOMEM : SST_E_SYSTEM,
	    "index%s%s: %s", ix->path == NULL ? "" : " ",
	    ix->path == NULL ? "" : ix->path, ix->db == NULL ? sqlite3_errstr(code) :
	    sqlite3_errmsg(ix->db));
}

sqlite3_stmt *
sst_index_ready(struct sst_index *ix, int which)
{
	/* the one who writes has made the file anew */
	if (ix->gen != NULL && ix->db != NULL && sst_gen_epoch(ix->gen) != ix->epoch &&
	    sqlite3_get_autocommit(ix->db))
		sst_index_db_close(ix);
	if (ix->db == NULL && (ix->broken || sst_index_db_open(ix, NULL) < 0))
		return NULL;
	if (ix->st[which] == NULL)
		(void)sqlite3_prepare_v3(ix->db, texts[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &ix->st[which], NULL);
	return ix->st[which];
}

void
sst_index_finished(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

int
sst_index_run(struct sst_index *ix, sqlite3_stmt *st, int bad, struct sst_error *err)
{
	int rc = SST_OK;

	if (st == NULL)
		return sst_index_fail(ix, err);
	if (bad != 0 || sqlite3_step(st) != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}

int
sst_index_run_id(struct sst_index *ix, int which, int64_t id, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, which);
	int bad;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad = sqlite3_bind_int64(st, 1, id);
	return sst_index_run(ix, st, bad, err);
}

int
sst_index_number(struct sst_index *ix, int which, int64_t *ret, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, which);
	int64_t number = 0;
	int rc = SST_OK, step;

	if (st == NULL)
		return sst_index_fail(ix, err);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		number = sqlite3_column_int64(st, 0);
	else if (step != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	if (rc == SST_OK)
		*ret = number;
	return rc;
}

int64_t
sst_index_pragma(struct sst_index *ix, const char *text)
{
	return sst_index_db_pragma(ix->db, text);
}

int64_t
sst_index_db_pragma(sqlite3 *db, const char *text)
{
	sqlite3_stmt *st = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		number = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return number;
}

static int
on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sst_index *ix = arg;

	(void)db;
	(void)name;
	ix->wal_pages = pages;
	return SQLITE_OK;
}

int
sst_index_db_open(struct sst_index *ix, struct sst_error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE;
	int rc;

	if (ix->path == NULL) {
		rc = sqlite3_open_v2(":memory:", &ix->db, flags | SQLITE_OPEN_CREATE, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(ix->db, memory_settings, NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			return sst_index_db_make(ix, err);
	} else {
		ix->epoch = sst_gen_epoch(ix->gen);
		rc = sqlite3_open_v2(ix->path, &ix->db, flags | SQLITE_OPEN_NOFOLLOW, NULL);
		if (rc == SQLITE_OK)
			(void)sqlite3_busy_timeout(ix->db, 250);
		/* what is written stays in the log: moving it takes its time (fsync),
		 * which who asks must not wait for */
		if (rc == SQLITE_OK)
			rc = sqlite3_db_config(ix->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
			    NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(ix->db, file_settings, NULL, NULL, NULL);
		if (rc == SQLITE_OK) {
			(void)sqlite3_wal_hook(ix->db, on_wal, ix);
			return SST_OK;
		}
	}
	if (ix->db == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = sst_index_fail(ix, err);
	sst_index_db_close(ix);
	return rc;
}

int
sst_index_db_make(struct sst_index *ix, struct sst_error *err)
{
	if (sqlite3_exec(ix->db, schema, NULL, NULL, NULL) == SQLITE_OK)
		return SST_OK;
	return sst_index_fail(ix, err);
}

void
sst_index_texts_forget(struct sst_index *ix)
{
	for (size_t i = 0; i < SST_INDEX_TEXTS; i++) {
		free(ix->texts[i].text);
		ix->texts[i].text = NULL;
	}
}

void
sst_index_db_close(struct sst_index *ix)
{
	for (size_t i = 0; i < S_ALL; i++) {
		(void)sqlite3_finalize(ix->st[i]);
		ix->st[i] = NULL;
	}
	sst_index_texts_forget(ix);
	(void)sqlite3_close(ix->db);
	ix->db = NULL;
}
