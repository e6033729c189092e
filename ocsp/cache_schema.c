/* SPDX-License-Identifier: ISC */
/*
 * cache_schema - the tables of the cache.
 *
 * `issuer` counts what each issuer's evidence takes, kept by triggers, so that
 * room is made where most of it is (cache_tidy.c). The rest of a row that no
 * rule looks at is one packed `body` (cache_row.c). A list's buckets have the
 * row ids id << SST_BUCKET_BITS | bucket, so that one is found by one descent,
 * and every bucket has its row: a missing one is damage, not "not listed".
 */
#include "cache_inside.h"

#define TEXT_(x)	#x
#define TEXT(x)		TEXT_(x)
/* What a row is taken to need beside its body. */
#define ROW		"160"

static const char schema[] =
	"PRAGMA application_id=" TEXT(SST_CACHE_APP) ";"
	"PRAGMA user_version=" TEXT(SST_CACHE_SCHEMA) ";"
	"CREATE TABLE meta(id INTEGER PRIMARY KEY, schema INTEGER NOT NULL,"
	" generation INTEGER NOT NULL, lists INTEGER NOT NULL, seen INTEGER NOT NULL,"
	" published INTEGER NOT NULL);"
	"INSERT INTO meta VALUES(1," TEXT(SST_CACHE_SCHEMA) ",1,1,0,0);"
	"CREATE TABLE issuer(issuer BLOB PRIMARY KEY, answers INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, lists INTEGER NOT NULL, list_bytes INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE INDEX issuer_bytes ON issuer(bytes+list_bytes);"
	"CREATE TABLE answer(hash BLOB NOT NULL, kind INTEGER NOT NULL,"
	" issuer BLOB NOT NULL, status INTEGER NOT NULL, ends INTEGER NOT NULL,"
	" used INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,"
	" digest BLOB NOT NULL, PRIMARY KEY(hash,kind)) WITHOUT ROWID;"
	"CREATE INDEX answer_issuer ON answer(issuer,(status=2),used);"
	"CREATE INDEX answer_ends ON answer(ends);"
	"CREATE TABLE der(hash BLOB NOT NULL, kind INTEGER NOT NULL, der BLOB NOT NULL,"
	" PRIMARY KEY(hash,kind)) WITHOUT ROWID;"
	"CREATE TABLE list(id INTEGER PRIMARY KEY AUTOINCREMENT, issuer BLOB NOT NULL,"
	" scope BLOB NOT NULL, state INTEGER NOT NULL, since INTEGER NOT NULL,"
	" until INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL,"
	" fetched INTEGER NOT NULL, url TEXT NOT NULL, head BLOB NOT NULL,"
	" digest BLOB NOT NULL);"
	"CREATE INDEX list_issuer ON list(issuer,state,scope);"
	"CREATE TABLE bucket(id INTEGER PRIMARY KEY, body BLOB NOT NULL,"
	" digest BLOB NOT NULL);"
	"CREATE TABLE source(hash BLOB PRIMARY KEY, url TEXT NOT NULL,"
	" used INTEGER NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX source_used ON source(used);"
	"CREATE TABLE negative(hash BLOB NOT NULL, source BLOB NOT NULL,"
	" fault INTEGER NOT NULL, until INTEGER NOT NULL, digest BLOB NOT NULL,"
	" PRIMARY KEY(hash,source)) WITHOUT ROWID;"
	"CREATE INDEX negative_until ON negative(until);"
	"CREATE TABLE lease(resource BLOB PRIMARY KEY, owner BLOB NOT NULL,"
	" pid INTEGER NOT NULL, born INTEGER NOT NULL, space INTEGER NOT NULL,"
	" until INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE staple(leaf BLOB PRIMARY KEY, until INTEGER NOT NULL,"
	" body BLOB NOT NULL, der BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;"

	"CREATE TRIGGER answer_new AFTER INSERT ON answer BEGIN"
	" INSERT INTO issuer VALUES(new.issuer,1,new.size+" ROW ",0,0)"
	" ON CONFLICT(issuer) DO UPDATE SET answers=answers+1,"
	" bytes=bytes+new.size+" ROW "; END;"
	"CREATE TRIGGER answer_other AFTER UPDATE OF size ON answer BEGIN"
	" UPDATE issuer SET bytes=bytes+new.size-old.size WHERE issuer=new.issuer; END;"
	"CREATE TRIGGER answer_gone AFTER DELETE ON answer BEGIN"
	" UPDATE issuer SET answers=answers-1,bytes=bytes-old.size-" ROW
	" WHERE issuer=old.issuer;"
	" DELETE FROM der WHERE hash=old.hash AND kind=old.kind;"
	" DELETE FROM issuer WHERE issuer=old.issuer AND answers<=0 AND lists<=0; END;"
	"CREATE TRIGGER list_new AFTER INSERT ON list BEGIN"
	" INSERT INTO issuer VALUES(new.issuer,0,0,1,new.size)"
	" ON CONFLICT(issuer) DO UPDATE SET lists=lists+1,"
	" list_bytes=list_bytes+new.size; END;"
	"CREATE TRIGGER list_gone AFTER DELETE ON list BEGIN"
	" UPDATE issuer SET lists=lists-1,list_bytes=list_bytes-old.size"
	" WHERE issuer=old.issuer;"
	" DELETE FROM issuer WHERE issuer=old.issuer AND answers<=0 AND lists<=0; END;";

int
sst_db_schema(struct sst_db *s)
{
	int code = sqlite3_exec(s->db, schema, NULL, NULL, NULL);

	return code == SQLITE_OK ? SST_OK : sst_db_failed(s, code);
}
