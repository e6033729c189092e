/* SPDX-License-Identifier: ISC */
/*
 * index_gone - which leaves rows had that are no more (index.h, index_sql.h).
 *
 * Who watches over what is in the index asks what left since it asked last, and not for
 * each one that it watches whether it is there: also in another process than the one that
 * writes. What left is numbered without a gap, and the oldest are forgotten.
 */
#include "base/fail.h"
#include "index_sql.h"

int
sst_index_gone_add(struct sst_index *ix, int64_t id, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_GONE_PUT);
	int bad = 0, rc;

	if (st == NULL)
		return sst_index_fail(ix, err);
	bad |= sqlite3_bind_int64(st, 1, id);
	bad |= sqlite3_bind_int(st, 2, SST_ENTRY_REFUSED);
	rc = sst_index_run(ix, st, bad, err);
	return rc < 0 ? rc : sst_index_run(ix, sst_index_ready(ix, S_GONE_TRIM), 0, err);
}

/* Some of them are not known any more: what comes next is known from here on. */
static int
begin_anew(struct sst_index *ix, struct sst_index_mark *at, struct sst_error *err)
{
	int64_t last;
	int rc = sst_index_number(ix, S_GONE_LAST, &last, err);

	if (rc < 0)
		return rc;
	*at = (struct sst_index_mark){ ix->epoch, last };
	return sst_fail(err, SST_E_NOT_FOUND, "index: what left it is known no more");
}

int
sst_index_gone(struct sst_index *ix, struct sst_index_mark *at, uint8_t (*leaves)[32],
    int most, struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_GONE);
	int64_t last = at->number;
	int n = 0, rc, step = SQLITE_NOMEM, gap;

	if (st == NULL)
		return sst_index_fail(ix, err);
	gap = at->epoch != ix->epoch;
	if (sqlite3_bind_int64(st, 1, at->number) == SQLITE_OK &&
	    sqlite3_bind_int(st, 2, most) == SQLITE_OK)
		while (!gap && n < most && (step = sqlite3_step(st)) == SQLITE_ROW) {
			gap = sqlite3_column_int64(st, 0) != last + 1;
			sst_index_blob_read(st, 1, leaves[n++], 32);
			last++;
		}
	rc = !gap && n < most && step != SQLITE_DONE ? sst_index_fail(ix, err) : n;
	sst_index_finished(st);
	if (gap)
		return begin_anew(ix, at, err);
	if (rc >= 0)
		at->number = last;
	return rc;
}
