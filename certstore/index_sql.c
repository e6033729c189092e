/* SPDX-License-Identifier: ISC */
/* index_sql - schema and statements of the index (index_sql.h). */
#include "index_sql.h"

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
	[S_DATES] = "SELECT id,nb,na FROM identities WHERE id>?1 AND state=1"
	    " ORDER BY id LIMIT ?2",
	[S_FIND + SST_FIND_ALL] = SELECT "ORDER BY i.path,i.id",
	[S_FIND + SST_FIND_SOURCE] = SELECT "WHERE i.source=?1",
	[S_FIND + SST_FIND_ID] = SELECT "WHERE i.id=?1",
	[S_FIND + SST_FIND_DIGEST] = SELECT "WHERE i.digest=?1",
	[S_FIND + SST_FIND_PRINT] = SELECT "WHERE i.print=?1",
	[S_FIND + SST_FIND_NAMES_KEY] = SELECT "WHERE i.state=1 AND i.names_key=?1",
	[S_FIND + SST_FIND_PATH] = SELECT "WHERE i.path=?1",
	[S_FIND + SST_FIND_STAGED] = SELECT "WHERE i.state=2 ORDER BY i.path",
};

int
sst_index_fail(struct sst_index *ix, struct sst_error *err)
{
	int code = sqlite3_errcode(ix->db);

	return sst_fail(err, code == SQLITE_NOMEM ? SST_E_NOMEM : SST_E_SYSTEM,
	    "index%s%s: %s", ix->path == NULL ? "" : " ",
	    ix->path == NULL ? "" : ix->path, sqlite3_errmsg(ix->db));
}

sqlite3_stmt *
sst_index_ready(struct sst_index *ix, int which)
{
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
sst_index_db_open(struct sst_index *ix, struct sst_error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	if (sqlite3_open_v2(ix->path == NULL ? ":memory:" : ix->path, &ix->db,
	    flags | (ix->path == NULL ? 0 : SQLITE_OPEN_NOFOLLOW), NULL) != SQLITE_OK ||
	    sqlite3_exec(ix->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
		if (ix->db == NULL)
			return sst_fail(err, SST_E_NOMEM, "out of memory");
		return sst_index_fail(ix, err);
	}
	return SST_OK;
}

void
sst_index_db_close(struct sst_index *ix)
{
	for (size_t i = 0; i < S_COUNT; i++) {
		(void)sqlite3_finalize(ix->st[i]);
		ix->st[i] = NULL;
	}
	(void)sqlite3_close(ix->db);
	ix->db = NULL;
}
