/* SPDX-License-Identifier: ISC */
/*
 * cache_open - which file the cache is in, and whether it can be trusted.
 *
 * A directory is trusted when it is no symbolic link, belongs to a user whom
 * nobody else can act for in it (not writable by group or others), and hangs in
 * a directory where others cannot exchange it. Its owner writes `live.db`, when
 * it may; everybody else reads `snapshot.db`. root is not the owner: what root
 * made the owner could not write.
 *
 * Opening and putting aside happen under `lock` in that directory, or a process
 * could join the log of one file to another: what is there is opened by any number
 * at once, what is made or put aside by one alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "cache_inside.h"

#define OPENING_MS	3000	/* others may have the file for so long */
#define MENDS		4	/* in MENDS_MS, then it is given up */
#define MENDS_MS	60000

int
sst_cache_paths(struct sst_cache *c, const char *dir, struct sst_error *err)
{
	if (dir == NULL || dir[0] == '\0')
		return SST_OK;
	c->dir = strdup(dir);
	if (c->dir == NULL || asprintf(&c->live, "%s/live.db", dir) < 0) {
		c->live = NULL;
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	if (asprintf(&c->snapshot, "%s/snapshot.db", dir) < 0) {
		c->snapshot = NULL;
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	return SST_OK;
}

/* NULL, or why no file below `dir` can be trusted. */
static const char *
dir_fault(const char *dir, struct stat *ret)
{
	char above[4096];
	struct stat st;

	if (lstat(dir, ret) < 0)
		return strerror(errno);
	if (S_ISLNK(ret->st_mode))
		return "it is a symbolic link";
	if (!S_ISDIR(ret->st_mode))
		return "it is not a directory";
	if ((ret->st_mode & 022) != 0)
		return "others may write to it";
	if (snprintf(above, sizeof(above), "%s/..", dir) >= (int)sizeof(above))
		return "its name is too long";
	if (stat(above, &st) < 0)
		return strerror(errno);
	if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)
		return "others may exchange it: the directory above can be written to";
	return NULL;
}

/* NULL, or why a file of a trusted directory is not. Absent is fine. */
static const char *
file_fault(const char *path, uid_t owner, mode_t never, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (lstat(path, ret) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISREG(ret->st_mode))
		return S_ISLNK(ret->st_mode) ? "it is a symbolic link" :
		    "it is not a regular file";
	if (ret->st_uid != owner)
		return "it belongs to another user";
	if ((ret->st_mode & never) != 0)
		return "others may write to it";
	return NULL;
}

/* The lock of the directory (LOCK_SH or LOCK_EX), or -1: EWOULDBLOCK: others have it. */
static int
dir_lock(const char *dir, int how)
{
	char path[4096];
	int fd, why;

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, how | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		why = errno;
		(void)close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

int
sst_cache_moved(const struct sst_cache *c)
{
	const char *path = atomic_load(&c->mode) == SST_CACHE_WRITER ? c->live : c->snapshot;
	struct stat st;

	if (path == NULL)
		return 0;
	if (lstat(path, &st) < 0)
		return c->look.db != NULL;
	return st.st_ino != c->file.st_ino || st.st_dev != c->file.st_dev;
}

void
sst_cache_disconnect(struct sst_cache *c)
{
	sst_db_close(&c->change);
	sst_db_close(&c->look);
	memset(&c->file, 0, sizeof(c->file));
	c->n_bad = c->n_used = 0;
}

/* Left by another user (root, once): SQLite could not open them. */
static int
has_foreign_part(const struct sst_cache *c)
{
	static const char *const parts[] = { "-wal", "-shm" };
	char path[4096];
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", c->live, parts[i]);
		if (file_fault(path, c->uid, 022, &st) != NULL)
			return 1;
	}
	return 0;
}

/* Renames the live file, and what belongs to it. The lock is held. */
static int
put_aside(const struct sst_cache *c)
{
	static const char *const parts[] = { "", "-wal", "-shm" };
	char from[4096], to[4096];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(from, sizeof(from), "%s%s", c->live, parts[i]);
		(void)snprintf(to, sizeof(to), "%s.damaged%s", c->live, parts[i]);
		(void)unlink(to);
		/* An index of a log is made anew from the log. */
		if (i == 2 ? unlink(from) < 0 : rename(from, to) < 0)
			if (errno != ENOENT)
				return -1;
	}
	return 0;
}

/* SQLite would make it 0644. A new file only: to close a descriptor of one that is
 * open would drop the locks that this process has on it. */
static void
make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)close(fd);
}

/* Opens both connections. The lock is held. */
static enum sst_db_found
connect_live(struct sst_cache *c)
{
	enum sst_db_found found;
	struct stat st;
	int code;

	make_private(c->live);
	found = sst_db_open(&c->change, SST_DB_WRITE, c->live, c->wait_ms);
	if (found == SST_DB_OURS)
		found = sst_db_open(&c->look, SST_DB_READ, c->live, 0);
	if (found == SST_DB_OURS && lstat(c->live, &st) == 0) {
		c->file = st;
		return found;
	}
	if (found == SST_DB_OURS)
		found = SST_DB_CANNOT;
	code = c->change.db == NULL ? c->change.code : c->look.code;
	sst_db_close(&c->change);
	sst_db_close(&c->look);
	c->change.code = code;
	return found;
}

/* Makes the file anew; what was revoked stays so. The lock is held. */
static enum sst_db_found
start_anew(struct sst_cache *c)
{
	enum sst_db_found found;
	char path[4096];

	if (put_aside(c) < 0)
		return SST_DB_CANNOT;
	found = connect_live(c);
	if (found != SST_DB_OURS)
		return found;
	(void)snprintf(path, sizeof(path), "%s.damaged", c->live);
	sst_cache_salvage(&c->change, path);
	sst_cache_say(c, "%s was damaged: it is in %s, and a new one was made", c->live,
	    path);
	return found;
}

/*
 * `hurt`: a page of it is known to be damaged. 0, or -1 with the reason said; 2: others
 * have it just now. Of LOCK_SH also 1: there is something to be made, which takes
 * LOCK_EX.
 */
static int
open_live_as(struct sst_cache *c, int hurt, int how)
{
	enum sst_db_found found;
	const char *fault;
	struct stat st;
	int lock, rc = -1;

	lock = dir_lock(c->dir, how);
	if (lock < 0) {
		rc = errno == EWOULDBLOCK ? 2 : -1;
		sst_cache_say(c, "%s cannot be locked: %s", c->dir,
		    rc == 2 ? "another process holds it" : strerror(errno));
		return rc;
	}
	fault = file_fault(c->live, c->uid, 022, &st);
	if (fault != NULL) {
		sst_cache_say(c, "%s is not used: %s", c->live, fault);
		goto out;
	}
	/* whoever makes one holds the lock until it is whole */
	if (how == LOCK_SH && (st.st_size == 0 || has_foreign_part(c))) {
		rc = 1;
		goto out;
	}
	if ((hurt && st.st_ino == c->file.st_ino && st.st_dev == c->file.st_dev) ||
	    has_foreign_part(c))
		found = SST_DB_DAMAGED;
	else
		found = connect_live(c);
	if (found == SST_DB_DAMAGED && how == LOCK_SH) {
		rc = 1;
		goto out;
	}
	if (found == SST_DB_DAMAGED)
		found = start_anew(c);
	if (found == SST_DB_CANNOT && (c->change.code & 0xff) == SQLITE_BUSY) {
		sst_cache_say(c, "%s cannot be opened: it is busy", c->live);
		rc = 2;
		goto out;
	}
	if (found == SST_DB_NEWER)
		sst_cache_say(c, "%s was made by a newer version", c->live);
	else if (found != SST_DB_OURS)
		sst_cache_say(c, "%s cannot be opened: %s", c->live,
		    c->change.code != 0 ? sst_db_text(&c->change) : strerror(errno));
	rc = found == SST_DB_OURS ? 0 : -1;
out:
	(void)close(lock);
	return rc;
}

static int
open_live(struct sst_cache *c, int hurt)
{
	int rc = hurt ? 1 : open_live_as(c, 0, LOCK_SH);

	return rc == 1 ? open_live_as(c, hurt, LOCK_EX) : rc;
}

/* A path within a URI. */
static int
uri_of(const char *path, char *out, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	n = (size_t)snprintf(out, size, "file:");
	for (const char *p = path; *p != '\0'; p++) {
		if (n + 16 > size)
			return -1;
		if (*p == '%' || *p == '?' || *p == '#' || (unsigned char)*p < 0x21) {
			out[n++] = '%';
			out[n++] = hex[(unsigned char)*p >> 4];
			out[n++] = hex[(unsigned char)*p & 15];
		} else {
			out[n++] = *p;
		}
	}
	(void)snprintf(out + n, size - n, "?immutable=1");
	return 0;
}

static int
open_snapshot(struct sst_cache *c, uid_t owner)
{
	enum sst_db_found found;
	const char *fault;
	struct stat st, again;
	char uri[8192];

	fault = file_fault(c->snapshot, owner, 022, &st);
	c->file = st;	/* not tried again until it is another */
	if (fault == NULL && st.st_ino == 0)
		fault = "there is none yet";
	if (fault == NULL && uri_of(c->snapshot, uri, sizeof(uri)) < 0)
		fault = "its name is too long";
	if (fault != NULL) {
		sst_cache_say(c, "%s is not used: %s", c->snapshot, fault);
		return -1;
	}
	/* Opened and looked at again: it may have been exchanged in between. */
	found = sst_db_open(&c->look, SST_DB_SNAPSHOT, uri, 0);
	if (found == SST_DB_OURS && (lstat(c->snapshot, &again) < 0 ||
	    again.st_ino != st.st_ino)) {
		sst_db_close(&c->look);
		found = sst_db_open(&c->look, SST_DB_SNAPSHOT, uri, 0);
		c->file = again;
	}
	if (found == SST_DB_OURS)
		return 0;
	sst_cache_say(c, "%s is not used: %s", c->snapshot,
	    found == SST_DB_NEWER ? "it was made by a newer version" :
	    found == SST_DB_DAMAGED ? "it is damaged" : sst_db_text(&c->look));
	return -1;
}

/* 1: it may be tried again. */
static int
is_early(struct sst_cache *c)
{
	const int64_t now = sst_clock_ms();

	if (c->opening_ms == 0)
		c->opening_ms = now + OPENING_MS;
	return now < c->opening_ms;
}

/* 1: others have the live file. */
static int
connect_as(struct sst_cache *c, int hurt)
{
	struct stat st;
	const char *fault;
	int rc = -1;
	char *why;

	atomic_store(&c->mode, SST_CACHE_MEMORY);
	sst_cache_say(c, "%s", "");
	if (c->dir == NULL)
		return 0;
	if (c->may_write && !c->stray)
		(void)mkdir(c->dir, 0755);
	fault = dir_fault(c->dir, &st);
	if (fault != NULL) {
		sst_cache_say(c, "%s is not used: %s", c->dir, fault);
		(void)lstat(c->snapshot, &c->file);
		return 0;
	}
	if (c->may_write && !c->stray) {
		if (st.st_uid != c->uid)
			sst_cache_say(c, "%s belongs to another user", c->dir);
		else
			rc = open_live(c, hurt);
	}
	if (rc == 0)
		atomic_store(&c->mode, SST_CACHE_WRITER);
	if (rc == 0 || (rc == 2 && is_early(c)))
		return rc == 2;
	/* A reader by choice says why there is no snapshot, a writer why it is none. */
	why = c->may_write ? atomic_load(&c->why) : NULL;
	if (open_snapshot(c, st.st_uid) == 0)
		atomic_store(&c->mode, SST_CACHE_SNAPSHOT);
	if (why != NULL)
		atomic_store(&c->why, why);
	return 0;
}

static void
connect_or_later(struct sst_cache *c, int hurt)
{
	int later = connect_as(c, hurt);

	c->opening_hurt = later && hurt;
	if (!later)
		c->opening_ms = 0;
	atomic_store(&c->opening, later);
}

void
sst_cache_connect(struct sst_cache *c)
{
	const struct stat was = c->file;
	const int hurt = c->opening_hurt;

	sst_cache_disconnect(c);
	if (hurt)
		c->file = was;
	if (c->nonce[0] == 0 && getrandom(c->nonce, sizeof(c->nonce), 0) > 0)
		c->nonce[0] |= 1;
	c->change.cap = c->look.cap = c->size_cap;
	c->hurt = 0;
	connect_or_later(c, hurt);
}

void
sst_cache_mend(struct sst_cache *c)
{
	struct stat was = c->file;
	int64_t now = sst_clock_ms();

	if (c->mends == 0 || now - c->mended_ms > MENDS_MS) {
		c->mends = 0;
		c->mended_ms = now;
	}
	sst_cache_disconnect(c);
	if (++c->mends > MENDS) {
		c->hurt = 0;
		c->may_write = 0;
		atomic_store(&c->mode, SST_CACHE_MEMORY);
		sst_cache_say(c, "%s is damaged again and again: the disk may be failing",
		    c->live);
		return;
	}
	c->file = was;
	c->hurt = 0;
	connect_or_later(c, 1);
	atomic_fetch_add(&c->generation, 1);
}
