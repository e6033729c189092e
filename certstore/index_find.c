/* SPDX-License-Identifier: ISC */
/* index_find - rows by a name, a digest, a path or a folder (index.h, index_sql.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "index_pack.h"
#include "index_sql.h"

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
		found = (const char *)sqlite3_column_text(st, 17);
		rc = found == NULL ? SST_E_NOMEM : sst_index_row_read(st, 0, &row);
		if (rc < 0)
			break;
		row.tier = found[0] == '*' ? SST_TIER_WILDCARD :
		    strncmp(found, "ip:", 3) == 0 ? SST_TIER_IP : SST_TIER_EXACT;
		rc = sst_rows_move(out, &row);
		sst_row_done(&row);
	}
	return sst_index_rows_end(ix, st, rc, step, err);
}

/* Steps through rows that are bound already. `path`: only these; NULL: all. */
static int
rows_take(struct sst_index *ix, sqlite3_stmt *st, int bad, const char *path,
    struct sst_rows *out, struct sst_error *err)
{
	int rc = SST_OK, step = SQLITE_NOMEM;
	struct sst_row row;

	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = sst_index_row_read(st, 1, &row);
		if (rc < 0)
			break;
		if (path == NULL || strcmp(path, row.path) == 0)
			rc = sst_rows_move(out, &row);
		sst_row_done(&row);
	}
	return sst_index_rows_end(ix, st, rc, step, err);
}

/* The rows of an item. */
static int
item_find(struct sst_index *ix, int64_t source, int flat, const char *item,
    const char *path, struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_FIND + SST_FIND_ITEM);
	int bad = 0;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_int64(st, 1, source);
	bad |= sqlite3_bind_int(st, 2, flat);
	bad |= sqlite3_bind_text(st, 3, item, -1, SQLITE_STATIC);
	return rows_take(ix, st, bad, path, out, err);
}

/* The rows of a path in one source. */
static int
path_of_source(struct sst_index *ix, int64_t source, const char *root, const char *path,
    struct sst_rows *out, struct sst_error *err)
{
	char item[SST_ITEM_SIZE];
	int flat = sst_pack_item(root, path, item);

	return item_find(ix, source, flat, item, path, out, err);
}

/* Calls `each` for each source that is `path`, or a directory above it. */
static int
sources_above(struct sst_index *ix, const char *path, int (*each)(struct sst_index *,
    int64_t source, const char *root, const char *path, int arg, struct sst_rows *out,
    struct sst_error *err), int arg, struct sst_rows *out, struct sst_error *err)
{
	char *root = strdup(path), *slash;
	enum sst_source_kind kind;
	int64_t source;
	int rc = SST_OK;

	if (root == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	while (rc >= 0) {
		rc = sst_index_source_get(ix, root, &source, &kind, err);
		if (rc == 1)
			rc = each(ix, source, root, path, arg, out, err);
		slash = strrchr(root, '/');
		if (slash == NULL || root[1] == '\0')
			break;
		slash[slash == root] = '\0';	/* the last one is "/" */
	}
	free(root);
	return rc < 0 ? rc : SST_OK;
}

static int
path_each(struct sst_index *ix, int64_t source, const char *root, const char *path, int arg,
    struct sst_rows *out, struct sst_error *err)
{
	(void)arg;
	return path_of_source(ix, source, root, path, out, err);
}

int
sst_index_find(struct sst_index *ix, enum sst_find by, const void *key, size_t len,
    struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st;
	int bad = 0;
	int64_t number;

	if (by == SST_FIND_PATH)
		return sources_above(ix, key, path_each, 0, out, err);
	st = sst_index_ready(ix, S_FIND + (int)by);
	if (st == NULL)
		return sst_index_fail(ix, err);
	if (by == SST_FIND_PRINT || by == SST_FIND_NAMES_KEY)
		len = SST_INDEX_HALF;
	if (by == SST_FIND_SOURCE || by == SST_FIND_FLAT || by == SST_FIND_ID) {
		memcpy(&number, key, sizeof(number));
		bad |= sqlite3_bind_int64(st, 1, number);
	} else if (key != NULL) {
		bad |= sqlite3_bind_blob(st, 1, key, (int)len, SQLITE_STATIC);
	}
	return rows_take(ix, st, bad, NULL, out, err);
}

/* Whether a path is of a folder: in it or below, or (a refusal) the folder itself. */
static int
is_of_folder(const char *path, const char *folder, int flat)
{
	const size_t len = strlen(folder);

	if (strncmp(path, folder, len) != 0)
		return 0;
	if (path[len] == '\0')
		return 1;
	return path[len] == '/' && (!flat || strchr(path + len + 1, '/') == NULL);
}

/* The rows of a folder in one source, which is it, above it or below it. */
static int
folder_each(struct sst_index *ix, int64_t source, const char *root, const char *folder,
    int flat, struct sst_rows *out, struct sst_error *err)
{
	const size_t before = out->n, len = strlen(root);
	char item[SST_ITEM_SIZE];
	size_t n = before;
	const char *rest;
	int rc;

	if (strncmp(folder, root, len) == 0 && folder[len] == '/') {
		rest = folder + len + 1;
		(void)snprintf(item, sizeof(item), "%.*s", (int)strcspn(rest, "/"), rest);
		rc = item_find(ix, source, 0, item, NULL, out, err);
		if (rc == SST_OK)
			rc = path_of_source(ix, source, root, folder, out, err);
	} else {
		rc = sst_index_find(ix, flat && strcmp(folder, root) == 0 ?
		    SST_FIND_FLAT : SST_FIND_SOURCE, &source, sizeof(source), out, err);
	}
	/* an item may be longer than a folder's name, or shorter */
	for (size_t i = before; i < out->n; i++) {
		if (is_of_folder(out->v[i].path, folder, flat))
			out->v[n++] = out->v[i];
		else
			sst_row_done(&out->v[i]);
	}
	out->n = n;
	return rc;
}

/* The sources below a folder: between "folder/" and "folder0", as '0' follows '/'. */
static int
sources_below(struct sst_index *ix, const char *folder, struct sst_rows *out, int flat,
    struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_SOURCES_BELOW);
	char *from = NULL, *to = NULL, *root = NULL;
	struct sst_rows ids = { 0 };
	int rc = SST_OK, step = SQLITE_NOMEM, bad = 0;

	if (asprintf(&from, "%s/", folder) < 0)
		from = NULL;
	if (asprintf(&to, "%s0", folder) < 0)
		to = NULL;
	if (st == NULL || from == NULL || to == NULL) {
		rc = st == NULL ? sst_index_fail(ix, err) :
		    sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	bad |= sqlite3_bind_text(st, 1, from, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_text(st, 2, to, -1, SQLITE_STATIC);
	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct sst_row row = { .source = sqlite3_column_int64(st, 0) };

		rc = sst_rows_move(&ids, &row);
	}
	rc = sst_index_rows_end(ix, st, rc, step, err);
	for (size_t i = 0; rc == SST_OK && i < ids.n; i++) {
		rc = sst_index_source_path(ix, ids.v[i].source, &root, err);
		if (rc == SST_OK)
			rc = folder_each(ix, ids.v[i].source, root, folder, flat, out, err);
	}
out:
	sst_rows_done(&ids);
	free(root);
	free(from);
	free(to);
	return rc;
}

int
sst_index_has(struct sst_index *ix, const uint8_t leaf[32], int but, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_HAS);
	int rc, step = SQLITE_NOMEM;

	if (st == NULL)
		return sst_index_fail(ix, err);
	if (sqlite3_bind_blob(st, 1, leaf, 32, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_bind_int(st, 2, but) == SQLITE_OK)
		step = sqlite3_step(st);
	rc = step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : sst_index_fail(ix, err);
	sst_index_finished(st);
	return rc;
}

int
sst_index_folder(struct sst_index *ix, int64_t source, const char *folder, int flat,
    struct sst_rows *out, struct sst_error *err)
{
	char *root = NULL;
	int rc;

	if (source == 0) {
		rc = sources_above(ix, folder, folder_each, flat, out, err);
		return rc < 0 ? rc : sources_below(ix, folder, out, flat, err);
	}
	rc = sst_index_source_path(ix, source, &root, err);
	if (rc == SST_OK)
		rc = folder_each(ix, source, root, folder, flat, out, err);
	free(root);
	return rc;
}

int
sst_index_paths(struct sst_index *ix, int64_t source,
    int (*each)(void *arg, const char *path), void *arg, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_PATHS);
	int rc = SST_OK, step = SQLITE_NOMEM, bad;
	struct sst_row row = { .path = NULL };

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad = sqlite3_bind_int64(st, 1, source);
	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *item = (const char *)sqlite3_column_text(st, 0);
		const char *root = (const char *)sqlite3_column_text(st, 1);
		const char *shape = (const char *)sqlite3_column_text(st, 2);

		rc = item == NULL || root == NULL || shape == NULL ? SST_E_NOMEM :
		    sst_unpack(root, item, shape, &row);
		if (rc == SST_OK)
			rc = each(arg, row.path);
	}
	sst_row_done(&row);
	return sst_index_rows_end(ix, st, rc, step, err);
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
			sst_index_blob_read(st, 0, names_key, SST_INDEX_HALF);
			rc = 1;
		} else if (step != SQLITE_DONE) {
			rc = sst_index_fail(ix, err);
		}
		sst_index_finished(st);
	}
	return rc;
}
