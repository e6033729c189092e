/* SPDX-License-Identifier: ISC */
/*
 * cache_mend - saves what a damaged file still says about revoked certificates.
 *
 * Read in 256 ranges of the hash, so that a damaged page costs its own range. The
 * header holds nothing that is not known: one that was overwritten is written
 * again, in the file that was put aside.
 *
 * Always true:
 *   1. A row is saved when its digest verifies and it says "revoked", or is the
 *      operator's. A damaged file never gives a GOOD of somebody else.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_inside.h"

static const char range_text[] = "SELECT " SST_ANS_COLUMNS " FROM answer"
	" WHERE hash>=?1 AND hash<=?2 AND (status=2 OR kind=3)";

/* Returns how many ranges could not be read to their end. */
static int
ranges(struct sst_db *to, struct sst_db *from)
{
	uint8_t first[1], last[33];
	struct sst_ans a;
	sqlite3_stmt *st;
	int bad = 0, rc;

	memset(last, 0xff, sizeof(last));
	for (int i = 0; i < 256; i++) {
		first[0] = last[0] = (uint8_t)i;
		from->code = 0;
		st = sst_db_ask(from, range_text, "bb", first, sizeof(first), last,
		    sizeof(last));
		while ((rc = sst_db_row(from, st)) == 1) {
			if (sst_ans_read(to, st, &a) != 1 ||
			    (a.ev.status != SST_EV_REVOKED && a.kind != SST_ANS_LOCAL))
				continue;
			if (sst_ans_put(to, &a, NULL, 0, NULL) < 0 && to->code != 0) {
				sst_db_done(st);
				return -1;
			}
		}
		bad += rc < 0;
	}
	return bad;
}

/* Reads what can be read. 0: all of it. */
static int
salvage_from(struct sst_db *to, const char *path)
{
	struct sst_db from = { .db = NULL };
	int rc = -1;

	if (sqlite3_open_v2(path, &from.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) == SQLITE_OK) {
		(void)sqlite3_db_config(from.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		(void)sqlite3_db_config(from.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		(void)sqlite3_exec(from.db, "PRAGMA trusted_schema=OFF;"
		    "PRAGMA cell_size_check=ON", NULL, NULL, NULL);
		if (sst_db_write(to) == SST_OK) {
			rc = ranges(to, &from);
			(void)sst_db_commit(to);
			sst_db_rollback(to);
		}
	}
	sst_db_close(&from);
	return rc;
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The header of a file of ours, sqlite.org/fileformat2.html 1.3. */
static int
header_write(const char *path)
{
	static const uint8_t begin[24] = "SQLite format 3\0\x20\0\2\2\0\x40\x20\x20";
	uint8_t head[100] = { 0 };
	struct stat st;
	int fd, rc = -1;

	fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= SST_CACHE_PAGE) {
		memcpy(head, begin, sizeof(begin));
		put32(head + 24, 1);			/* change counter */
		put32(head + 28, (uint32_t)(st.st_size / SST_CACHE_PAGE));
		put32(head + 40, 1);			/* schema cookie */
		put32(head + 44, 4);			/* schema format */
		put32(head + 52, (uint32_t)(st.st_size / SST_CACHE_PAGE)); /* root pages */
		put32(head + 56, 1);			/* UTF-8 */
		put32(head + 60, SST_CACHE_SCHEMA);
		put32(head + 64, 1);			/* incremental vacuum */
		put32(head + 68, SST_CACHE_APP);
		put32(head + 92, 1);
		put32(head + 96, 3040001);
		rc = pwrite(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) ? 0 : -1;
	}
	(void)close(fd);
	return rc;
}

void
sst_cache_salvage(struct sst_db *to, const char *path)
{
	if (salvage_from(to, path) != 0 && header_write(path) == 0)
		(void)salvage_from(to, path);
	to->code = to->damaged = 0;
}
