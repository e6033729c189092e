/* SPDX-License-Identifier: ISC */
/*
 * cache_lease - one fetch of a resource at a time, among processes.
 *
 * A lease ends at its time, or with its owner, where that can be seen: the owner
 * is a process by number and start time in a namespace of process numbers, and a
 * handle in it by a random name.
 *
 * Always true:
 *   1. Who asks for what somebody else has does not write.
 *   2. A lease that cannot be had for the storage's sake is one of this process
 *      alone (memory): at worst a thing is fetched twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cache_inside.h"

#define BUSY_MS		1000	/* for a file that others write to, or open */
#define LEASE_MAX	3600	/* seconds; more is a clock that went back */

static const char get_text[] = "SELECT owner,pid,born,space,until FROM lease"
	" WHERE resource=?1";
static const char put_text[] = "INSERT INTO lease VALUES(?1,?2,?3,?4,?5,?6)"
	" ON CONFLICT(resource) DO UPDATE SET owner=?2,pid=?3,born=?4,space=?5,until=?6";
static const char drop_text[] = "DELETE FROM lease WHERE resource=?1 AND owner=?2";

struct lease {
	const char	*resource;
	int64_t		 now, until;
	int64_t		 pid, born, space;	/* of this process */
	int64_t		 others_until;
};

/* When a process began, in ticks since the boot; 0: cannot be seen. */
static int64_t
born_at(int64_t pid)
{
	char path[64], text[1024], *p;
	long long ticks = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* The name in brackets may hold anything: field 22 counts from its end. */
	p = strrchr(text, ')');
	for (int field = 2; p != NULL && field < 22; field++) {
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	if (p != NULL)
		ticks = strtoll(p, NULL, 10);
	return ticks;
}

static int64_t
pid_space(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (int64_t)st.st_ino;
}

static int
is_dead(const struct lease *l, int64_t pid, int64_t born, int64_t space)
{
	int64_t is;

	if (pid <= 0 || space != l->space)
		return 0;
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return 1;
	is = born_at(pid);
	return is != 0 && born != 0 && is != born;
}

/* 1: somebody else has it, until l->others_until. */
static int
is_taken(struct sst_cache *c, struct sst_db *s, struct lease *l)
{
	sqlite3_stmt *st = sst_db_ask(s, get_text, "b", l->resource, strlen(l->resource));
	int rc = sst_db_row(s, st);
	uint8_t owner[16];

	if (rc != 1)
		return rc;
	l->others_until = sqlite3_column_int64(st, 4);
	if (sst_db_blob(st, 0, owner, sizeof(owner)) < 0 ||
	    memcmp(owner, c->nonce, sizeof(owner)) == 0 || l->others_until <= l->now ||
	    l->others_until > l->now + LEASE_MAX ||
	    is_dead(l, sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2),
	    sqlite3_column_int64(st, 3)))
		rc = 0;
	sst_db_done(st);
	return rc;
}

/* 1: it is somebody else's. */
static int
lease_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	struct lease *l = arg;
	int rc = is_taken(c, s, l);

	(void)err;
	if (rc != 0)
		return rc;
	return sst_db_do(s, put_text, "bbiiii", l->resource, strlen(l->resource), c->nonce,
	    sizeof(c->nonce), l->pid, l->born, l->space, l->until);
}

/* In the file, however busy it is for a while: a lease in memory would let every
 * process of a crowd fetch. 1, 0 or < 0: memory has to do. */
static int
lease_in_file(struct sst_cache *c, struct lease *l)
{
	const int64_t end = sst_clock_ms() + BUSY_MS;
	struct sst_db *s;
	int rc, code;

	do {
		s = sst_cache_enter_change(c);
		rc = SST_E_SYSTEM;
		if (s == &c->change) {
			rc = sst_cache_transaction(c, s, SST_BUMP_NONE, 0, lease_step, l, NULL);
			code = s->code;
		} else {
			code = atomic_load(&c->opening) ? SQLITE_BUSY : SQLITE_OK;
		}
		sst_cache_leave_change(c, s);
	} while (rc < 0 && sst_cache_waits(code, end));
	return rc;
}

int
sst_cache_lease(struct sst_cache *c, const char *resource, int64_t now, int seconds,
    int64_t *ret_until)
{
	struct lease l = { .resource = resource, .now = now, .until = now + seconds };
	int rc = 0;

	if (seconds <= 0 || seconds > LEASE_MAX)
		return SST_E_USAGE;
	l.space = pid_space();
	sst_cache_enter(c);
	if (c->change.db != NULL && c->look.db != NULL && sst_db_begin(&c->look) == SST_OK) {
		rc = is_taken(c, &c->look, &l);
		sst_db_end(&c->look);
	}
	sst_cache_leave(c);
	if (rc != 1) {
		l.pid = getpid();
		l.born = born_at(l.pid);
		rc = lease_in_file(c, &l);
		if (rc < 0)
			rc = sst_cache_change(c, SST_BUMP_NONE, 0, lease_step, &l, NULL);
	}
	if (rc < 0)
		return rc;
	if (ret_until != NULL)
		*ret_until = rc == 1 ? l.others_until : l.until;
	return rc == 0;
}

static int
drop_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const char *resource = arg;

	(void)err;
	return sst_db_do(s, drop_text, "bb", resource, strlen(resource), c->nonce,
	    sizeof(c->nonce));
}

void
sst_cache_release(struct sst_cache *c, const char *resource)
{
	char copy[SST_ROW_MAX];

	if (snprintf(copy, sizeof(copy), "%s", resource) >= (int)sizeof(copy))
		return;
	(void)sst_cache_change(c, SST_BUMP_NONE, 0, drop_step, copy, NULL);
	/* It may be in memory, if the file could not take it then. */
	sst_cache_enter(c);
	if (c->mem.db != NULL && c->change.db != NULL)
		(void)sst_cache_transaction(c, &c->mem, SST_BUMP_NONE, 0, drop_step, copy,
		    NULL);
	sst_cache_leave(c);
}
