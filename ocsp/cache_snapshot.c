/* SPDX-License-Identifier: ISC */
/*
 * cache_snapshot - the copy that everybody may read, and when somebody else's
 * changes are noticed.
 *
 *	VACUUM INTO snapshot.new --> fsync --> 0644 --> rename to snapshot.db
 *
 * Always true:
 *   1. A reader finds a whole snapshot or none: it appears by rename().
 *   2. A snapshot is a plain database without a log, so it can be read where
 *      nothing can be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cache_inside.h"

#define PUBLISH_MS	5000
#define LOOK_MS		1000

static const char state_text[] = "SELECT generation,published FROM meta WHERE id=1";
static const char done_text[] = "UPDATE meta SET published=?1 WHERE id=1";

/* 1: there is something to publish, up to *ret. wmu is held. */
static int
is_due(struct sst_cache *c, int force, int64_t *ret)
{
	sqlite3_stmt *st;
	int64_t age, published;
	struct stat is;
	int rc;

	c->change.code = c->change.damaged = 0;
	st = sst_db_ask(&c->change, state_text, "");
	rc = sst_db_row(&c->change, st);
	if (rc != 1)
		return rc;
	*ret = sqlite3_column_int64(st, 0);
	published = sqlite3_column_int64(st, 1);
	sst_db_done(st);
	if (lstat(c->snapshot, &is) < 0)
		return 1;
	age = sst_clock_wall() - is.st_mtime;
	return published != *ret && (force || age < 0 || age * 1000 >= PUBLISH_MS);
}

/* Fills `path`, which is ours and empty. */
static int
vacuum_into(struct sst_db *s, const char *path)
{
	sqlite3_stmt *st = NULL;
	int code;

	code = sqlite3_prepare_v2(s->db, "VACUUM INTO ?1", -1, &st, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(st);
	if (code != SQLITE_DONE)
		code = sqlite3_extended_errcode(s->db);
	(void)sqlite3_finalize(st);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
dir_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

/* The file, empty and locked against another who publishes; -1: errno. */
static int
new_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat is, at;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &is) == 0 &&
	    lstat(path, &at) == 0 && is.st_ino == at.st_ino && S_ISREG(is.st_mode) &&
	    is.st_uid == geteuid() && ftruncate(fd, 0) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* wmu is held. */
static int
publish(struct sst_cache *c, int64_t generation, struct sst_error *err)
{
	char path[4096];
	int fd, code, rc = SST_OK;

	if (snprintf(path, sizeof(path), "%s/snapshot.new", c->dir) >= (int)sizeof(path))
		return sst_fail(err, SST_E_LIMIT, "the cache's directory has too long a name");
	fd = new_file(path);
	if (fd < 0 && (errno == EWOULDBLOCK || errno == 0))
		return SST_OK;	/* another process is publishing */
	if (fd < 0)
		return sst_fail_errno(err, errno, "%s cannot be made", path);
	code = vacuum_into(&c->change, path);
	if (code != SQLITE_OK) {
		c->change.code = code;
		rc = sst_fail(err, SST_E_SYSTEM, "%s cannot be written: %s", path,
		    sqlite3_errstr(code));
	} else if (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(path, c->snapshot) < 0 ||
	    dir_sync(c->dir) < 0) {
		rc = sst_fail_errno(err, errno, "%s cannot be published", c->snapshot);
	}
	if (rc < 0)
		(void)unlink(path);
	(void)close(fd);
	/* If this fails it is published once more: no harm. */
	if (rc == SST_OK)
		(void)sst_db_do(&c->change, done_text, "i", generation);
	return rc;
}

int
sst_cache_publish(struct sst_cache *c, int force, struct sst_error *err)
{
	int64_t generation = 0;
	struct sst_db *s;
	unsigned epoch;
	int rc, code;

	if (atomic_load(&c->mode) != SST_CACHE_WRITER)
		return SST_OK;
	(void)sst_ans_notes(c);
	s = sst_cache_enter_change(c);
	if (s != &c->change) {
		sst_cache_leave_change(c, s);
		return SST_OK;
	}
	rc = is_due(c, force, &generation);
	if (rc == 1)
		rc = publish(c, generation, err);
	else if (rc < 0)
		rc = sst_fail(err, rc, "%s cannot be read: %s", c->live, sst_db_text(s));
	code = s->code;
	epoch = s->epoch;
	sst_cache_leave_change(c, s);
	if (rc < 0 && ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB))
		(void)sst_cache_file_failed(c, code, epoch);
	return rc;
}

uint64_t
sst_cache_generation(struct sst_cache *c, int64_t now_ms)
{
	int64_t last = atomic_load(&c->looked_ms);
	struct sst_db *s = &c->look;

	if (c->dir == NULL || (last != INT64_MIN && now_ms - last < LOOK_MS &&
	    now_ms >= last) || !atomic_compare_exchange_strong(&c->looked_ms, &last, now_ms))
		return atomic_load(&c->generation);
	sst_cache_enter(c);
	if (sst_cache_moved(c))
		atomic_store(&c->reopen, 1);
	else if (s->db != NULL && c->change.db != NULL && sst_db_begin(s) == SST_OK) {
		if (c->known != s->generation)
			atomic_fetch_add(&c->generation, 1);
		c->known = s->generation;
		sst_db_end(s);
	} else if (s->db != NULL && c->change.db != NULL) {
		(void)sst_cache_look_failed(c, s);
	}
	sst_cache_leave(c);
	if (atomic_load(&c->reopen)) {
		sst_cache_enter(c);
		sst_cache_leave(c);
	}
	return atomic_load(&c->generation);
}

int64_t
sst_cache_seen(struct sst_cache *c)
{
	struct sst_db *const stores[] = { &c->look, &c->mem };
	uint64_t seen = 0;

	sst_cache_enter(c);
	for (size_t i = 0; i < 2; i++) {
		if (stores[i]->db == NULL || sst_db_begin(stores[i]) < 0)
			continue;
		if (stores[i]->seen > seen)
			seen = stores[i]->seen;
		sst_db_end(stores[i]);
	}
	sst_cache_leave(c);
	return (int64_t)seen;
}
