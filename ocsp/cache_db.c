/* SPDX-License-Identifier: ISC */
/*
 * cache_db - one connection to SQLite: statements that are kept, results that
 * are sorted into "busy", "damaged" and "cannot".
 *
 * Always true:
 *   1. Statements are found by the address of their text, prepared once.
 *   2. sst_db_row() that does not return 1 has reset the statement.
 *   3. `code` is the first failure since whoever cares set it to 0.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_inside.h"

static const char begin_text[] = "BEGIN";
static const char write_text[] = "BEGIN IMMEDIATE";
static const char end_text[] = "COMMIT";
static const char meta_text[] = "SELECT generation,lists,seen,schema FROM meta WHERE id=1";

int
sst_db_is_damage(int code)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	/* Our statements are right: what they do not find was taken away. */
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return 1;
	case SQLITE_IOERR:
		return code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ ||
		    code == SQLITE_IOERR_CORRUPTFS || code == SQLITE_IOERR_DATA;
	default:
		return 0;
	}
}

int
sst_db_failed(struct sst_db *s, int code)
{
	int basic = code & 0xff;

	if (s->code == 0)
		s->code = code;
	if (basic == SQLITE_BUSY || basic == SQLITE_LOCKED)
		return SST_E_TIMEOUT;
	if (basic == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
		return SST_E_NOMEM;
	if (!sst_db_is_damage(code))
		return SST_E_SYSTEM;
	s->damaged = 1;
	return SST_E_MALFORMED;
}

const char *
sst_db_text(const struct sst_db *s)
{
	return sqlite3_errstr(s->code);
}

/* The statement of `text`, ready to be bound. */
static sqlite3_stmt *
ready(struct sst_db *s, const char *text)
{
	size_t at = ((uintptr_t)text >> 3) * 31 % SST_STATEMENTS;
	int code;

	while (s->st[at].text != NULL && s->st[at].text != text)
		at = (at + 1) % SST_STATEMENTS;
	if (s->st[at].text == text)
		return s->st[at].st;
	code = sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT,
	    &s->st[at].st, NULL);
	if (code != SQLITE_OK) {
		(void)sst_db_failed(s, sqlite3_extended_errcode(s->db));
		return NULL;
	}
	s->st[at].text = text;
	return s->st[at].st;
}

static sqlite3_stmt *
bound(struct sst_db *s, const char *text, const char *form, va_list ap)
{
	sqlite3_stmt *st = ready(s, text);
	int code = SQLITE_OK;

	for (int i = 1; st != NULL && code == SQLITE_OK && form[i - 1] != '\0'; i++) {
		if (form[i - 1] == 'i') {
			code = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
		} else if (form[i - 1] == 't') {
			code = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1,
			    SQLITE_STATIC);
		} else {
			const void *p = va_arg(ap, const void *);
			size_t n = va_arg(ap, size_t);

			code = sqlite3_bind_blob64(st, i, p == NULL ? "" : p, n,
			    SQLITE_STATIC);
		}
	}
	if (code != SQLITE_OK) {
		(void)sst_db_failed(s, code);
		sst_db_done(st);
		return NULL;
	}
	return st;
}

sqlite3_stmt *
sst_db_ask(struct sst_db *s, const char *text, const char *form, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, form);
	st = bound(s, text, form, ap);
	va_end(ap);
	return st;
}

void
sst_db_done(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

/* What a failure in `ready` or `bound` is to their caller. */
static int
failed_before(struct sst_db *s)
{
	struct sst_db same = { .code = 0 };

	return sst_db_failed(&same, s->code);
}

int
sst_db_row(struct sst_db *s, sqlite3_stmt *st)
{
	int code, rc;

	if (st == NULL)
		return failed_before(s);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		return 1;
	rc = code == SQLITE_DONE ? 0 :
	    sst_db_failed(s, sqlite3_extended_errcode(s->db));
	sst_db_done(st);
	return rc;
}

int
sst_db_do(struct sst_db *s, const char *text, const char *form, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, form);
	st = bound(s, text, form, ap);
	va_end(ap);
	rc = sst_db_row(s, st);
	if (rc > 0)
		sst_db_done(st);
	return rc > 0 ? 0 : rc;
}

int
sst_db_int(struct sst_db *s, int64_t *ret, const char *text, const char *form, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, form);
	st = bound(s, text, form, ap);
	va_end(ap);
	rc = sst_db_row(s, st);
	if (rc == 1) {
		*ret = sqlite3_column_int64(st, 0);
		sst_db_done(st);
	}
	return rc;
}

int
sst_db_blob(sqlite3_stmt *st, int column, void *out, size_t len)
{
	const void *p = sqlite3_column_blob(st, column);

	if (sqlite3_column_bytes(st, column) != (int)len || (p == NULL && len != 0))
		return -1;
	if (len != 0)
		memcpy(out, p, len);
	return 0;
}

/* Reads meta's row. 1; 0: none; < 0. */
static int
meta(struct sst_db *s)
{
	sqlite3_stmt *st = sst_db_ask(s, meta_text, "");
	int rc = sst_db_row(s, st);

	if (rc != 1)
		return rc;
	if (sqlite3_column_int64(st, 3) != SST_CACHE_SCHEMA) {
		sst_db_done(st);
		s->code = SQLITE_SCHEMA;
		return SST_E_UNSUPPORTED;
	}
	s->generation = (uint64_t)sqlite3_column_int64(st, 0);
	s->lists = (uint64_t)sqlite3_column_int64(st, 1);
	s->seen = (uint64_t)sqlite3_column_int64(st, 2);
	sst_db_done(st);
	return 1;
}

int
sst_db_begin(struct sst_db *s)
{
	int rc;

	s->code = 0;
	rc = sst_db_do(s, begin_text, "");
	if (rc < 0)
		return rc;
	rc = meta(s);
	if (rc == 0)
		rc = sst_db_failed(s, SQLITE_CORRUPT);
	if (rc < 0)
		sst_db_end(s);
	return rc < 0 ? rc : SST_OK;
}

void
sst_db_end(struct sst_db *s)
{
	int code = s->code, damaged = s->damaged;

	/* A failure may have ended it already. */
	if (!sqlite3_get_autocommit(s->db))
		(void)sst_db_commit(s);
	sst_db_rollback(s);
	s->code = code;
	s->damaged = damaged;
}

int
sst_db_write(struct sst_db *s)
{
	s->code = s->damaged = 0;
	return sst_db_do(s, write_text, "");
}

int
sst_db_commit(struct sst_db *s)
{
	return sst_db_do(s, end_text, "");
}

void
sst_db_rollback(struct sst_db *s)
{
	if (!sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

uint64_t
sst_db_bytes(struct sst_db *s)
{
	static const char pages[] = "PRAGMA page_count";
	static const char unused[] = "PRAGMA freelist_count";
	int64_t all = 0, not = 0;

	if (sst_db_int(s, &all, pages, "") < 0 || sst_db_int(s, &not, unused, "") < 0)
		return 0;
	return (uint64_t)(all - not) * SST_CACHE_PAGE;
}

/* A number that a PRAGMA answers, outside of the kept statements; -1: none. */
static int64_t
pragma(struct sst_db *s, const char *text, int *ret_code)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;
	int code = sqlite3_prepare_v2(s->db, text, -1, &st, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(st);
		if (code == SQLITE_ROW)
			v = sqlite3_column_int64(st, 0);
	}
	*ret_code = code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK :
	    sqlite3_extended_errcode(s->db);
	(void)sqlite3_finalize(st);
	return v;
}

/* Is it ours, and of our schema? A new file gets its tables. */
static enum sst_db_found
examine(struct sst_db *s, enum sst_db_kind kind)
{
	int64_t version, app, tables;
	int code;

	version = pragma(s, "PRAGMA user_version", &code);
	if (code != SQLITE_OK)
		goto failed;
	app = pragma(s, "PRAGMA application_id", &code);
	if (code != SQLITE_OK)
		goto failed;
	tables = pragma(s, "SELECT count(*) FROM sqlite_master", &code);
	if (code != SQLITE_OK)
		goto failed;
	if (version == 0 && app == 0 && tables == 0) {
		if (kind != SST_DB_MEMORY && kind != SST_DB_WRITE)
			return SST_DB_CANNOT;
		if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
		    sst_db_schema(s) == SST_OK &&
		    sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
			return SST_DB_OURS;
		code = sqlite3_extended_errcode(s->db);
		goto failed;
	}
	if (app != SST_CACHE_APP)
		return SST_DB_DAMAGED;
	if (version != SST_CACHE_SCHEMA) {
		/* Both places say so, or a bit has flipped. */
		tables = pragma(s, "SELECT schema FROM meta WHERE id=1", &code);
		return tables == version && version > SST_CACHE_SCHEMA ?
		    SST_DB_NEWER : SST_DB_DAMAGED;
	}
	code = meta(s);
	if (code == 1)
		return SST_DB_OURS;
	return code == 0 || s->damaged || s->code == SQLITE_SCHEMA ?
	    SST_DB_DAMAGED : SST_DB_CANNOT;
failed:
	(void)sst_db_failed(s, code);
	return s->damaged ? SST_DB_DAMAGED : SST_DB_CANNOT;
}

static const char *
pragmas_of(enum sst_db_kind kind)
{
	switch (kind) {
	case SST_DB_MEMORY:
		return "PRAGMA page_size=8192;PRAGMA journal_mode=MEMORY;"
		    "PRAGMA trusted_schema=OFF;PRAGMA temp_store=MEMORY";
	case SST_DB_WRITE:
		return "PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;"
		    "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-4096;"
		    "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
		    "PRAGMA wal_autocheckpoint=1000;PRAGMA journal_size_limit=8388608";
	default:
		return "PRAGMA trusted_schema=OFF;PRAGMA cell_size_check=ON;"
		    "PRAGMA temp_store=MEMORY;PRAGMA cache_size=-4096;"
		    "PRAGMA query_only=ON";
	}
}

/* What holds from the first page on is asked of a new file alone: SQLite writes to an
 * old one to say auto_vacuum again, so that each who opened would wait for whoever
 * writes just then. */
static int
set_up(struct sst_db *s, enum sst_db_kind kind)
{
	int code = SQLITE_OK;

	if (kind == SST_DB_WRITE && pragma(s, "PRAGMA page_count", &code) == 0)
		code = sqlite3_exec(s->db, "PRAGMA page_size=8192;"
		    "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db, pragmas_of(kind), NULL, NULL, NULL);
	return code == SQLITE_OK ? code : sqlite3_extended_errcode(s->db);
}

enum sst_db_found
sst_db_open(struct sst_db *s, enum sst_db_kind kind, const char *path, int wait_ms)
{
	static const int flags[] = {
		[SST_DB_MEMORY] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		[SST_DB_WRITE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOFOLLOW,
		[SST_DB_READ] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW,
		[SST_DB_SNAPSHOT] = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
	};
	enum sst_db_found found;
	int code;

	s->code = s->damaged = 0;
	if (s->md == NULL)
		s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (s->ctx == NULL)
		s->ctx = EVP_MD_CTX_new();
	if (s->md == NULL || s->ctx == NULL) {
		s->code = SQLITE_NOMEM;
		return SST_DB_CANNOT;
	}
	code = sqlite3_open_v2(path, &s->db, flags[kind] | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);
	if (code != SQLITE_OK) {
		(void)sst_db_failed(s, code);
		goto failed;
	}
	/* The log stays for the next process: closing would wait for the disk. */
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	code = set_up(s, kind);
	if (code != SQLITE_OK) {
		(void)sst_db_failed(s, code);
		goto failed;
	}
	found = examine(s, kind);
	(void)sqlite3_busy_timeout(s->db, wait_ms);
	s->epoch++;
	if (found == SST_DB_OURS)
		return found;
	code = s->code;
	sst_db_close(s);
	s->code = code;
	return found;
failed:
	found = s->damaged ? SST_DB_DAMAGED : SST_DB_CANNOT;
	code = s->code;
	sst_db_close(s);
	s->code = code;
	return found;
}

void
sst_db_close(struct sst_db *s)
{
	sst_heads_free(s);
	for (size_t i = 0; i < SST_STATEMENTS; i++) {
		(void)sqlite3_finalize(s->st[i].st);
		s->st[i].st = NULL;
		s->st[i].text = NULL;
	}
	(void)sqlite3_close(s->db);
	s->db = NULL;
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
	s->ctx = NULL;
	s->md = NULL;
	s->code = s->damaged = 0;
}
