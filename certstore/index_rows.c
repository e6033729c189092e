/* SPDX-License-Identifier: ISC */
/*
 * index_rows - sources and rows of the index: stored, dropped, and read from what a
 * statement gives (index.h, index_sql.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "index_pack.h"
#include "index_sql.h"

#define NAMES	0	/* in `counts`, besides each state */

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
	if (id == 0)
		return sst_index_run(ix, sst_index_ready(ix, S_SOURCES_SWEEP), 0, err);
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


int
sst_index_source_path(struct sst_index *ix, int64_t id, char **ret, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_SOURCE_PATH);
	int rc = SST_OK, step, bad;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad = sqlite3_bind_int64(st, 1, id);
	step = bad != 0 ? SQLITE_NOMEM : sqlite3_step(st);
	if (step != SQLITE_ROW)
		rc = step == SQLITE_DONE ? sst_fail(err, SST_E_NOT_FOUND,
		    "index: a source is gone") : sst_index_fail(ix, err);
	else if (sst_text_set(ret, (const char *)sqlite3_column_text(st, 1)) < 0 ||
	    *ret == NULL)
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	sst_index_finished(st);
	return rc;
}

/* The number of a text that is in the table; 0: it is not. */
static int
text_get(struct sst_index *ix, const char *text, int64_t *ret, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_TEXT_GET);
	int rc = SST_OK, step, bad;

	*ret = 0;
	if (st == NULL)
		return sst_index_fail(ix, err);
	bad = sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	step = bad != 0 ? SQLITE_NOMEM : sqlite3_step(st);
	if (step == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	else if (step != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}

/* The number of a text, which is given one if it has none. NULL: 0. */
static int
text_number(struct sst_index *ix, const char *text, int64_t *ret, struct sst_error *err)
{
	sqlite3_stmt *st;
	char *copy;
	int rc;

	*ret = 0;
	if (text == NULL)
		return SST_OK;
	for (size_t i = 0; i < SST_INDEX_TEXTS && *ret == 0; i++)
		if (ix->texts[i].text != NULL && strcmp(ix->texts[i].text, text) == 0)
			*ret = ix->texts[i].id;
	if (*ret != 0)
		return SST_OK;
	rc = text_get(ix, text, ret, err);
	if (rc < 0)
		return rc;
	if (*ret == 0) {
		st = sst_index_ready(ix, S_TEXT_PUT);
		rc = sst_index_run(ix, st, st == NULL ? 0 :
		    sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC), err);
		if (rc < 0)
			return rc;
		*ret = sqlite3_last_insert_rowid(ix->db);
	}
	copy = strdup(text);
	if (copy != NULL) {
		free(ix->texts[ix->next_text].text);
		ix->texts[ix->next_text].text = copy;
		ix->texts[ix->next_text].id = *ret;
		ix->next_text = (ix->next_text + 1) % SST_INDEX_TEXTS;
	}
	return SST_OK;
}

static int
count_add(struct sst_index *ix, int what, int64_t n, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_COUNT_ADD);
	int bad = 0;

	if (n == 0)
		return SST_OK;
	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_int(st, 1, what);
	bad |= sqlite3_bind_int64(st, 2, n);
	return sst_index_run(ix, st, bad, err);
}

/* Runs S_PUT_NAME or S_DROP_NAME for each line, and counts those that are served. What
 * cannot be served is not found by its name. */
static int
names_change(struct sst_index *ix, int which, int state, const char *names, int64_t id,
    struct sst_error *err)
{
	const char *at, *end;
	int64_t n = 0;
	int rc = SST_OK;

	if (state != SST_ENTRY_USABLE && state != SST_ENTRY_CHALLENGE)
		return SST_OK;
	for (at = names; rc == SST_OK && at != NULL &&
	    (end = strchr(at, '\n')) != NULL; at = end + 1) {
		sqlite3_stmt *st = sst_index_ready(ix, which);
		int bad = 0;

		if (st == NULL)
			return sst_index_fail(ix, err);
		bad |= sqlite3_bind_text(st, 1, at, (int)(end - at), SQLITE_STATIC);
		bad |= sqlite3_bind_int64(st, 2, id);
		rc = sst_index_run(ix, st, bad, err);
		n++;
	}
	if (rc < 0 || state != SST_ENTRY_USABLE)
		return rc;
	return count_add(ix, NAMES, which == S_PUT_NAME ? n : -n, err);
}

/* Whether the only name is the item: it is then not written again. */
static int
is_item(const char *names, const char *item)
{
	const size_t len = strlen(item);

	return names != NULL && len > 0 && strncmp(names, item, len) == 0 &&
	    strcmp(names + len, "\n") == 0;
}

static int
row_bind(sqlite3_stmt *st, const struct sst_row *row, const struct sst_packed *packed,
    const int64_t number[3])
{
	int bad = 0;

	bad |= sqlite3_bind_int64(st, 1, row->source);
	bad |= sqlite3_bind_text(st, 2, packed->item, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int(st, 3, packed->flat);
	bad |= sqlite3_bind_int64(st, 4, number[0]);
	bad |= sqlite3_bind_int64(st, 5, row->set_order);
	bad |= sqlite3_bind_int(st, 6, row->state);
	bad |= sqlite3_bind_int(st, 7, row->kind);
	bad |= sqlite3_bind_int(st, 8, row->is_default);
	bad |= sqlite3_bind_int64(st, 9, row->not_before);
	bad |= sqlite3_bind_int64(st, 10, row->not_after);
	bad |= sqlite3_bind_blob(st, 11, row->digest, 32, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 12, row->print, SST_INDEX_HALF, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 13, row->names_key, SST_INDEX_HALF, SQLITE_STATIC);
	bad |= sqlite3_bind_blob(st, 14, row->content, SST_INDEX_HALF, SQLITE_STATIC);
	for (int i = 1; i < 3; i++)
		if (number[i] != 0)
			bad |= sqlite3_bind_int64(st, 14 + i, number[i]);
	if (is_item(row->names, packed->item))
		bad |= sqlite3_bind_int(st, 17, 0);
	else
		bad |= sqlite3_bind_text(st, 17, row->names, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_text(st, 18, row->why, -1, SQLITE_STATIC);
	if (row->warnings != NULL && row->warnings[0] != '\0')
		bad |= sqlite3_bind_text(st, 19, row->warnings, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int(st, 20, row->wants_staple);
	return bad;
}

int
sst_index_put(struct sst_index *ix, struct sst_row *row, struct sst_error *err)
{
	struct sst_packed packed = { .shape = NULL };
	char *root = NULL;
	int64_t number[3] = { 0 };
	sqlite3_stmt *st;
	int rc;

	rc = sst_index_source_path(ix, row->source, &root, err);
	if (rc < 0)
		return rc;
	if (sst_pack(root, row, &packed) < 0)
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	if (rc == SST_OK)
		rc = text_number(ix, packed.shape, &number[0], err);
	if (rc == SST_OK)
		rc = text_number(ix, row->key_type, &number[1], err);
	if (rc == SST_OK)
		rc = text_number(ix, row->issuer, &number[2], err);
	if (rc < 0)
		goto out;
	st = sst_index_ready(ix, S_PUT);
	rc = sst_index_run(ix, st, st == NULL ? 0 : row_bind(st, row, &packed, number), err);
	if (rc < 0)
		goto out;
	row->id = sqlite3_last_insert_rowid(ix->db);
	rc = count_add(ix, row->state, 1, err);
	if (rc == SST_OK)
		rc = names_change(ix, S_PUT_NAME, row->state, row->names, row->id, err);
out:
	free(packed.shape);
	free(root);
	return rc;
}

/* What of a row is beside it in the index: its state and its names, as lines. */
static int
drop_read(struct sst_index *ix, int64_t id, int *ret_state, char **ret_names,
    struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_ITEM);
	const char *item, *names;
	int rc = SST_OK, step, bad;

	*ret_state = 0;
	if (st == NULL)
		return sst_index_fail(ix, err);
	bad = sqlite3_bind_int64(st, 1, id);
	step = bad != 0 ? SQLITE_NOMEM : sqlite3_step(st);
	if (step == SQLITE_ROW) {
		*ret_state = sqlite3_column_int(st, 0);
		item = (const char *)sqlite3_column_text(st, 1);
		names = (const char *)sqlite3_column_text(st, 2);
		if (names != NULL && item != NULL && strcmp(names, "0") == 0)
			rc = asprintf(ret_names, "%s\n", item) < 0 ? SST_E_NOMEM : SST_OK;
		else
			rc = sst_text_set(ret_names, names);
		if (rc < 0)
			(void)sst_fail(err, rc, "out of memory");
	} else if (step != SQLITE_DONE) {
		rc = sst_index_fail(ix, err);
	}
	sst_index_finished(st);
	return rc;
}

int
sst_index_drop(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	char *names = NULL;
	int state, rc;

	rc = drop_read(ix, id, &state, &names, err);
	if (rc == SST_OK)
		rc = names_change(ix, S_DROP_NAME, state, names, id, err);
	if (rc == SST_OK && state != 0)
		rc = count_add(ix, state, -1, err);
	if (rc == SST_OK)
		rc = sst_index_gone_add(ix, id, err);
	free(names);
	return rc < 0 ? rc : sst_index_run_id(ix, S_DROP, id, err);
}

void
sst_index_blob_read(sqlite3_stmt *st, int col, uint8_t out[32], int size)
{
	const void *p = sqlite3_column_blob(st, col);

	memset(out, 0, 32);
	/* a row that somebody damaged reads as zero, and matches nothing */
	if (p != NULL && sqlite3_column_bytes(st, col) == size)
		memcpy(out, p, (size_t)size);
}

/* A text of a row; NULL that is not the row's is a lack of memory. */
static int
text_read(sqlite3_stmt *st, int col, char **ret)
{
	const char *s = (const char *)sqlite3_column_text(st, col);

	if (s == NULL && sqlite3_column_type(st, col) != SQLITE_NULL)
		return SST_E_NOMEM;
	return sst_text_set(ret, s);
}

static int
names_read(sqlite3_stmt *st, int col, const char *item, char **ret)
{
	const char *names = (const char *)sqlite3_column_text(st, col);

	if (names == NULL || strcmp(names, "0") != 0)
		return text_read(st, col, ret);
	return asprintf(ret, "%s\n", item) < 0 ? SST_E_NOMEM : SST_OK;
}

int
sst_index_row_read(sqlite3_stmt *st, int listed, struct sst_row *row)
{
	const char *item = (const char *)sqlite3_column_text(st, 13);
	const char *root = (const char *)sqlite3_column_text(st, 14);
	const char *shape = (const char *)sqlite3_column_text(st, 15);
	int rc = SST_E_NOMEM;

	*row = (struct sst_row){ 0 };
	if (item == NULL || root == NULL || shape == NULL)
		return rc;
	row->id = sqlite3_column_int64(st, 0);
	row->source = sqlite3_column_int64(st, 1);
	row->set_order = sqlite3_column_int64(st, 2);
	row->generation = (uint64_t)sqlite3_column_int64(st, 3);
	row->state = sqlite3_column_int(st, 4);
	row->kind = sqlite3_column_int(st, 5);
	row->is_default = sqlite3_column_int(st, 6);
	row->not_before = (time_t)sqlite3_column_int64(st, 7);
	row->not_after = (time_t)sqlite3_column_int64(st, 8);
	sst_index_blob_read(st, 9, row->digest, 32);
	sst_index_blob_read(st, 10, row->print, SST_INDEX_HALF);
	sst_index_blob_read(st, 11, row->names_key, SST_INDEX_HALF);
	sst_index_blob_read(st, 12, row->content, SST_INDEX_HALF);
	rc = sst_unpack(root, item, shape, row);
	if (rc == SST_OK)
		rc = text_read(st, 16, &row->key_type);
	if (rc == SST_OK && listed)
		rc = text_read(st, 17, &row->why);
	if (rc == SST_OK && listed)
		rc = text_read(st, 18, &row->issuer);
	if (rc == SST_OK && listed)
		rc = names_read(st, 19, item, &row->names);
	if (rc == SST_OK && listed)
		rc = text_read(st, 20, &row->warnings);
	if (listed)
		row->wants_staple = sqlite3_column_int(st, 22);
	if (rc < 0)
		sst_row_done(row);
	return rc;
}

int
sst_index_rows_end(struct sst_index *ix, sqlite3_stmt *st, int rc, int step,
    struct sst_error *err)
{
	if (rc < 0)
		(void)sst_fail(err, rc, "out of memory");
	else if (step != SQLITE_DONE)
		rc = sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}
