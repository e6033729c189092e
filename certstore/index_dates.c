/* SPDX-License-Identifier: ISC */
/* index_dates - from when to when what is served is valid, a few rows at a time. */
#include "base/fail.h"
#include "index_sql.h"

int
sst_index_dates(struct sst_index *ix, int64_t after, int most,
    void (*each)(void *arg, int64_t id, time_t not_before, time_t not_after), void *arg,
    struct sst_error *err)
{
	sqlite3_stmt *st = sst_index_ready(ix, S_DATES);
	int n = 0, rc;

	if (st == NULL)
		return sst_index_fail(ix, err);
	(void)sqlite3_bind_int64(st, 1, after);
	(void)sqlite3_bind_int(st, 2, most);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		each(arg, sqlite3_column_int64(st, 0), (time_t)sqlite3_column_int64(st, 1),
		    (time_t)sqlite3_column_int64(st, 2));
		n++;
	}
	if (rc != SQLITE_DONE)
		n = sst_index_fail(ix, err);
	sst_index_finished(st);
	return n;
}
