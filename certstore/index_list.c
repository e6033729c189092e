/* SPDX-License-Identifier: ISC */
/* index_list - many rows, a page at a time, and figures (index.h, index_sql.h). */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "index_sql.h"

void
sst_index_spot_done(struct sst_index_spot *spot)
{
	free(spot->item);
	*spot = (struct sst_index_spot){ 0 };
}

/* Takes a page, and notes the last row in the spot. */
static int
page_take(struct sst_index *ix, sqlite3_stmt *st, int bad, struct sst_index_spot *spot,
    struct sst_rows *out, struct sst_error *err)
{
	int rc = SST_OK, step = SQLITE_NOMEM;
	struct sst_row row;

	while (rc == SST_OK && bad == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = sst_index_row_read(st, 1, &row);
		if (rc < 0)
			break;
		spot->source = row.source;
		spot->id = row.id;
		spot->not_after = row.not_after;
		spot->flat = sqlite3_column_int(st, 21);
		rc = sst_text_set(&spot->item, (const char *)sqlite3_column_text(st, 13));
		if (rc == SST_OK)
			rc = sst_rows_move(out, &row);
		sst_row_done(&row);
	}
	return sst_index_rows_end(ix, st, rc, step, err);
}

int
sst_index_page(struct sst_index *ix, struct sst_index_spot *spot, int most,
    struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_PAGE);
	char *item = NULL;
	int bad = 0, rc;

	if (st == NULL)
		return sst_index_fail(ix, err);
	/* the spot moves while this one is bound */
	if (sst_text_set(&item, spot->item == NULL ? "" : spot->item) < 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	bad |= sqlite3_bind_int64(st, 1, spot->source);
	bad |= sqlite3_bind_int(st, 2, spot->flat);
	bad |= sqlite3_bind_text(st, 3, item, -1, SQLITE_STATIC);
	bad |= sqlite3_bind_int64(st, 4, spot->id);
	bad |= sqlite3_bind_int(st, 5, most);
	rc = page_take(ix, st, bad, spot, out, err);
	free(item);
	return rc;
}

int
sst_index_since(struct sst_index *ix, int64_t id, int most, struct sst_rows *out,
    struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_SINCE);
	struct sst_index_spot spot = { 0 };
	int bad = 0, rc;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_int64(st, 1, id);
	bad |= sqlite3_bind_int(st, 2, most);
	rc = page_take(ix, st, bad, &spot, out, err);
	sst_index_spot_done(&spot);
	return rc;
}

int
sst_index_expiring(struct sst_index *ix, time_t before, struct sst_index_spot *spot,
    int most, struct sst_rows *out, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_EXPIRING);
	int bad = 0;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_int64(st, 1, before);
	bad |= sqlite3_bind_int64(st, 2, spot->id == 0 ? INT64_MIN :
	    (int64_t)spot->not_after);
	bad |= sqlite3_bind_int64(st, 3, spot->id);
	bad |= sqlite3_bind_int(st, 4, most);
	return page_take(ix, st, bad, spot, out, err);
}

static int
counts_read(struct sst_index *ix, struct sst_index_figures *f, struct sst_error *err)
{
	uint64_t *const at[] = { &f->names, &f->usable, &f->staged, &f->refused };
	sqlite3_stmt *st = sst_index_ready(ix, S_COUNTS);
	int step;

	if (st == NULL)
		return sst_index_fail(ix, err);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		const int64_t what = sqlite3_column_int64(st, 0);

		if (what >= 0 && (size_t)what < sizeof(at) / sizeof(at[0]))
			*at[what] = (uint64_t)sqlite3_column_int64(st, 1);
	}
	return sst_index_rows_end(ix, st, SST_OK, step, err);
}

static int
expired_count(struct sst_index *ix, time_t now, uint64_t *ret, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_EXPIRED);
	int rc = SST_OK;

	if (st == NULL)
		return sst_index_fail(ix, err);
	if (sqlite3_bind_int64(st, 1, now) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
		rc = sst_index_fail(ix, err);
	else
		*ret = (uint64_t)sqlite3_column_int64(st, 0);
	sst_index_finished(st);
	return rc;
}

int
sst_index_figures(struct sst_index *ix, time_t now, struct sst_index_figures *ret,
    struct sst_error *err)
{
	struct sst_index_figures f = { 0 };
	int64_t earliest = 0;
	int rc;

	rc = counts_read(ix, &f, err);
	if (rc == SST_OK)
		rc = expired_count(ix, now, &f.expired, err);
	if (rc == SST_OK)
		rc = sst_index_number(ix, S_EARLIEST, &earliest, err);
	if (rc < 0)
		return rc;
	f.earliest = f.usable == 0 ? 0 : (time_t)earliest;
	f.bytes = (uint64_t)(sst_index_pragma(ix, "PRAGMA page_count") *
	    sst_index_pragma(ix, "PRAGMA page_size"));
	*ret = f;
	return SST_OK;
}
