/* SPDX-License-Identifier: ISC */
/*
 * index_rows - sources and rows of the index: stored, dropped, looked up, listed
 * (index.h, index_sql.h).
 */
#include <string.h>

#include "base/fail.h"
#include "index_sql.h"

int
sst_index_source_get(struct sst_index *ix, const char *path, int64_t *ret_id,
    enum sst_source_kind *ret_kind, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_SOURCE_GET);
	int rc, step, bad = 0;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	step = bad != 0 ? SQLITE_NOMEM : sqlite3_step(st);
	if (step == SQLITE_ROW) {
		*ret_id = sqlite3_column_int64(st, 0);
		*ret_kind = (enum sst_source_kind)sqlite3_column_int(st, 1);
		rc = 1;
	} else {
		rc = step == SQLITE_DONE ? 0 : sst_index_fail(ix, err);
	}
	sst_index_finished(st);
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
	st = sst_index_ready(ix, S_SOURCE_PUT);
	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int(st, 2, kind);
	rc = sst_index_run(ix, st, bad, err);
	if (rc == SST_OK)
		*ret_id = sqlite3_last_insert_rowid(ix->db);
	return rc;
}

int
sst_index_source_drop(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	return sst_index_run_id(ix, S_SOURCE_DROP, id, err);
}

int
sst_index_sources(struct sst_index *ix, int (*each)(void *arg, int64_t id,
    enum sst_source_kind, const char *path), void *arg, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_SOURCES);
	int rc = SST_OK, step = SQLITE_DONE;

	if (st == NULL)
		return sst_index_fail(ix, err);
	while (rc == SST_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = each(arg, sqlite3_column_int64(st, 0),
		    (enum sst_source_kind)sqlite3_column_int(st, 1),
		    (const char *)sqlite3_column_text(st, 2));
	}
	if (rc == SST_OK && step != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}

static int
names_put(struct sst_index *ix, const struct sst_row *row, struct sst_error *err)
{
	const char *at, *end;
	int rc = SST_OK;

	for (at = row->names; rc == SST_OK && at != NULL &&
	    (end = strchr(at, '\n')) != NULL; at = end + 1) {
		sqlite3_stmt *st = sst_index_ready(ix, S_PUT_NAME);
		int bad = 0;

		if (st == NULL)
			return sst_index_fail(ix, err);
		bad |= sqlite3_bind_text(st, 1, at, (int)(end - at), SQLITE_STATIC);
		bad |= sqlite3_bind_int64(st, 2, row->id);
		rc = sst_index_run(ix, st, bad, err);
	}
	return rc;
}

int
sst_index_put(struct sst_index *ix, struct sst_row *row, struct sst_error *err)
{
	const char *const text[] = { row->path, row->key_path, row->load,
	    row->load_key, row->key_type, row->why, row->issuer, row->names,
	    row->warnings };
	sqlite3_stmt *st = sst_index_ready(ix, S_PUT);
	int rc, bad = 0;

	if (st == NULL)
		return sst_index_fail(ix, err);
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
	rc = sst_index_run(ix, st, bad, err);
	if (rc < 0)
		return rc;
	row->id = sqlite3_last_insert_rowid(ix->db);
	/* only what can be served is found by its name */
	return row->state == SST_ENTRY_USABLE || row->state == SST_ENTRY_CHALLENGE ?
	    names_put(ix, row, err) : SST_OK;
}

int
sst_index_drop(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	int rc = sst_index_run_id(ix, S_DROP_NAMES, id, err);

	return rc < 0 ? rc : sst_index_run_id(ix, S_DROP, id, err);
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
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}

int
sst_index_lookup(struct sst_index *ix, const char *name, const char *wild,
    struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_LOOKUP);
	int rc = SST_OK, step = SQLITE_NOMEM, bad = 0;
	const char *found;
	struct sst_row row;

	if (st == NULL)
		return sst_index_fail(ix, err);
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
	sqlite3_stmt *st = sst_index_ready(ix, S_FIND + (int)by);
	int rc = SST_OK, step = SQLITE_NOMEM, bad = 0;
	struct sst_row row;
	int64_t number;

	if (st == NULL)
		return sst_index_fail(ix, err);
	if (by == SST_FIND_SOURCE || by == SST_FIND_ID) {
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
		sqlite3_stmt *st = sst_index_ready(ix, which);
		int step;

		if (st == NULL)
			return sst_index_fail(ix, err);
		step = sqlite3_step(st);
		if (step == SQLITE_ROW) {
			blob_read(st, 0, names_key);
			rc = 1;
		} else if (step != SQLITE_DONE) {
			rc = sst_index_fail(ix, err);
		}
		sst_index_finished(st);
	}
	return rc;
}
