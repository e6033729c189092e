/* SPDX-License-Identifier: ISC */
/*
 * cache - the handle: its locks, what fork() does to it, and one change with its
 * fall-back to memory.
 *
 * SQLite keeps its locks a process, and what it knows of them in memory that
 * fork() copies: a connection made in the child for the same file would believe
 * in locks that only the parent has. So connections to files are closed before
 * fork(), in both processes they are opened at the next call, and evidence that
 * is in memory is in both.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cache_inside.h"

#define CAP	(UINT64_C(64) << 20)
#define WAIT_MS	20

static const char bump_text[] = "UPDATE meta SET generation=generation+?1,"
	"lists=lists+?2,seen=max(seen,?3) WHERE id=1 AND schema=?4";

static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;
static struct sst_cache *all;	/* all_mu guards it; taken before any wmu */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&all_mu);
	for (struct sst_cache *c = all; c != NULL; c = c->next) {
		(void)pthread_mutex_lock(&c->wmu);
		(void)pthread_mutex_lock(&c->mu);
		sst_cache_disconnect(c);
		atomic_store(&c->reopen, 1);
	}
}

static void
after_fork_parent(void)
{
	for (struct sst_cache *c = all; c != NULL; c = c->next) {
		(void)pthread_mutex_unlock(&c->mu);
		(void)pthread_mutex_unlock(&c->wmu);
	}
	(void)pthread_mutex_unlock(&all_mu);
}

static void
after_fork_child(void)
{
	for (struct sst_cache *c = all; c != NULL; c = c->next) {
		c->pid = getpid();
		/* Leases are the parent's. */
		memset(c->nonce, 0, sizeof(c->nonce));
		(void)pthread_mutex_unlock(&c->mu);
		(void)pthread_mutex_unlock(&c->wmu);
	}
	(void)pthread_mutex_unlock(&all_mu);
}

static void
begin_once(void)
{
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void
enlist(struct sst_cache *c)
{
	(void)pthread_once(&once, begin_once);
	(void)pthread_mutex_lock(&all_mu);
	c->next = all;
	if (all != NULL)
		all->prev = &c->next;
	c->prev = &all;
	all = c;
	(void)pthread_mutex_unlock(&all_mu);
}

static void
delist(struct sst_cache *c)
{
	(void)pthread_mutex_lock(&all_mu);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	(void)pthread_mutex_unlock(&all_mu);
}

void
sst_cache_say(struct sst_cache *c, const char *fmt, ...)
{
	const char *old = atomic_load(&c->why);
	char text[400], *copy;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (old != NULL && strcmp(old, text) == 0)
		return;
	/* What somebody may still read is kept; so there is an end to it. */
	for (unsigned i = 0; i < c->n_whys; i++) {
		if (strcmp(c->whys[i], text) == 0) {
			atomic_store(&c->why, c->whys[i]);
			return;
		}
	}
	if (c->n_whys == sizeof(c->whys) / sizeof(c->whys[0]))
		return;
	copy = strdup(text);
	if (copy == NULL)
		return;
	c->whys[c->n_whys++] = copy;
	atomic_store(&c->why, copy);
}

const char *
sst_cache_why(const struct sst_cache *c)
{
	const char *why = atomic_load(&c->why);

	return why == NULL ? "" : why;
}

enum sst_cache_mode
sst_cache_mode(const struct sst_cache *c)
{
	return atomic_load(&c->mode);
}

static int
is_stale(const struct sst_cache *c)
{
	return atomic_load(&c->reopen) || atomic_load(&c->opening) || c->pid != getpid() ||
	    c->uid != geteuid();
}

/* Both mutexes are held. */
static void
renew(struct sst_cache *c)
{
	if (!is_stale(c))
		return;
	if (c->pid != getpid()) {
		/* Made by a bare clone(): SQLite's view of the parent's locks came
		 * along, so no file of the parent is touched any more. */
		c->stray = 1;
		c->pid = getpid();
		memset(&c->change, 0, sizeof(c->change));
		memset(&c->look, 0, sizeof(c->look));
		memset(c->nonce, 0, sizeof(c->nonce));
	}
	c->uid = geteuid();
	atomic_store(&c->reopen, 0);
	sst_cache_connect(c);
	atomic_fetch_add(&c->generation, 1);
}

void
sst_cache_enter(struct sst_cache *c)
{
	(void)pthread_mutex_lock(&c->mu);
	if (is_stale(c)) {
		(void)pthread_mutex_unlock(&c->mu);
		(void)pthread_mutex_lock(&c->wmu);
		(void)pthread_mutex_lock(&c->mu);
		renew(c);
		(void)pthread_mutex_unlock(&c->wmu);
	}
	if (c->hurt && c->change.db == NULL) {
		/* A snapshot: until there is another. */
		sst_db_close(&c->look);
		c->hurt = 0;
		atomic_store(&c->mode, SST_CACHE_MEMORY);
		sst_cache_say(c, "%s is damaged", c->snapshot);
	}
}

void
sst_cache_leave(struct sst_cache *c)
{
	(void)pthread_mutex_unlock(&c->mu);
}

int
sst_cache_mend_soon(struct sst_cache *c)
{
	int mended = 0;

	/* Somebody changes the file: whoever that is mends it. */
	if (pthread_mutex_trylock(&c->wmu) != 0)
		return 0;
	(void)pthread_mutex_lock(&c->mu);
	renew(c);
	if (c->hurt && c->change.db != NULL) {
		sst_cache_mend(c);
		mended = 1;
	}
	(void)pthread_mutex_unlock(&c->mu);
	(void)pthread_mutex_unlock(&c->wmu);
	return mended;
}

struct sst_db *
sst_cache_enter_change(struct sst_cache *c)
{
	(void)pthread_mutex_lock(&c->wmu);
	(void)pthread_mutex_lock(&c->mu);
	if (c->change.db != NULL && sst_cache_moved(c))
		atomic_store(&c->reopen, 1);
	renew(c);
	if (c->hurt && c->change.db != NULL)
		sst_cache_mend(c);
	if (c->change.db != NULL) {
		(void)pthread_mutex_unlock(&c->mu);
		return &c->change;
	}
	(void)pthread_mutex_unlock(&c->wmu);
	return &c->mem;
}

void
sst_cache_leave_change(struct sst_cache *c, struct sst_db *s)
{
	(void)pthread_mutex_unlock(s == &c->change ? &c->wmu : &c->mu);
}

/* How long changes of this thread wait for other processes, beyond wait_ms. */
static _Thread_local int patience_ms;
/* It waited to the end for a process that holds the file, so it waits no more until it
 * finds the file free: who stopped in the middle would stop the thread at each change. */
static _Thread_local int in_vain;

static int
bump(struct sst_db *s, enum sst_bump what, int64_t now)
{
	int rc;

	if (what == SST_BUMP_NONE && now == 0)
		return SST_OK;
	rc = sst_db_do(s, bump_text, "iiii", (int64_t)(what != SST_BUMP_NONE),
	    (int64_t)(what == SST_BUMP_LISTS), now, (int64_t)SST_CACHE_SCHEMA);
	if (rc == SST_OK && sqlite3_changes(s->db) != 1) {
		/* Another version took the file over. */
		s->code = SQLITE_SCHEMA;
		rc = SST_E_UNSUPPORTED;
	}
	return rc;
}

int
sst_cache_transaction(struct sst_cache *c, struct sst_db *s, enum sst_bump what, int64_t now,
    int (*step)(struct sst_cache *, struct sst_db *, void *, struct sst_error *), void *arg,
    struct sst_error *err)
{
	int rc, done = 0, before;

	rc = sst_db_write(s);
	if (rc < 0)
		return rc;
	before = sqlite3_total_changes(s->db);
	rc = step(c, s, arg, err);
	if (sqlite3_total_changes(s->db) == before)
		what = SST_BUMP_NONE;
	if (rc >= 0)
		done = bump(s, what, now);
	if (rc >= 0 && done == SST_OK)
		done = sst_db_commit(s);
	if (rc >= 0 && done < 0)
		rc = done;
	if (rc >= 0 && s == &c->change)
		in_vain = 0;
	sst_db_rollback(s);
	if (rc >= 0 && what != SST_BUMP_NONE)
		atomic_fetch_add(&c->generation, 1);
	return rc;
}

int
sst_cache_file_failed(struct sst_cache *c, int code, unsigned epoch)
{
	int basic = code & 0xff, again = 0;

	if (basic == SQLITE_BUSY || basic == SQLITE_NOMEM)
		return 0;
	(void)pthread_mutex_lock(&c->wmu);
	(void)pthread_mutex_lock(&c->mu);
	if (c->change.db == NULL || c->change.epoch != epoch) {
		again = c->change.db != NULL;	/* somebody was here before */
	} else if (sst_db_is_damage(code)) {
		sst_cache_mend(c);
		again = c->change.db != NULL;
	} else if (basic == SQLITE_SCHEMA || basic == SQLITE_ABORT) {
		atomic_store(&c->reopen, 1);
		again = 1;
	} else {
		sst_cache_say(c, "%s cannot be written (%s): changes are kept in"
		    " memory", c->live, sqlite3_errstr(code));
	}
	(void)pthread_mutex_unlock(&c->mu);
	(void)pthread_mutex_unlock(&c->wmu);
	return again;
}

int
sst_cache_memory(struct sst_cache *c)
{
	if (c->mem.db != NULL)
		return SST_OK;
	c->mem.cap = c->size_cap;
	if (sst_db_open(&c->mem, SST_DB_MEMORY, ":memory:", 0) != SST_DB_OURS)
		return SST_E_NOMEM;
	return SST_OK;
}

void
sst_cache_patient(int ms)
{
	patience_ms = ms;
}

int
sst_cache_waits(int code, int64_t until)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	if ((code & 0xff) != SQLITE_BUSY)
		return 0;
	if (patience_ms > 0 && sst_clock_ms() >= until)
		in_vain = 1;
	if (in_vain || sst_clock_ms() >= until)
		return 0;
	(void)nanosleep(&pause, NULL);
	return 1;
}

int
sst_cache_change(struct sst_cache *c, enum sst_bump what, int64_t now,
    int (*step)(struct sst_cache *, struct sst_db *, void *, struct sst_error *), void *arg,
    struct sst_error *err)
{
	const int64_t begun = sst_clock_ms(), until = begun + patience_ms;
	struct sst_db *s;
	unsigned epoch;
	int rc, code;

	for (int tries = 0; tries < 2; tries++) {
		s = sst_cache_enter_change(c);
		if (s == &c->mem) {
			code = atomic_load(&c->opening) ? SQLITE_BUSY : SQLITE_OK;
			sst_cache_leave_change(c, s);
			if (!sst_cache_waits(code, patience_ms > c->wait_ms ? until :
			    begun + c->wait_ms))
				break;
			tries--;
			continue;
		}
		rc = sst_cache_transaction(c, s, what, now, step, arg, err);
		code = s->code;
		epoch = s->epoch;
		sst_cache_leave_change(c, s);
		if (rc >= 0 || code == 0)
			return rc;
		sst_error_clear(err);
		if (sst_cache_waits(code, until))
			tries--;
		else if (!sst_cache_file_failed(c, code, epoch))
			break;
	}
	sst_cache_enter(c);
	rc = sst_cache_memory(c);
	if (rc == SST_OK)
		rc = sst_cache_transaction(c, &c->mem, what, now, step, arg, err);
	if (rc < 0 && c->mem.code != 0)
		rc = sst_fail(err, SST_E_NOMEM, "the cache: %s", sst_db_text(&c->mem));
	sst_cache_leave(c);
	return rc;
}

int
sst_cache_look_failed(struct sst_cache *c, struct sst_db *s)
{
	int code = s->code & 0xff;

	if (s->damaged) {
		atomic_fetch_add(&c->damaged, 1);
		s->damaged = 0;
		if (s == &c->look)
			c->hurt = 1;
		return SST_E_MALFORMED;
	}
	if (s->code == SQLITE_SCHEMA) {
		atomic_store(&c->reopen, 1);
		return SST_E_UNSUPPORTED;
	}
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
		atomic_fetch_add(&c->busy, 1);
		return SST_E_TIMEOUT;
	}
	return code == SQLITE_NOMEM ? SST_E_NOMEM : SST_E_SYSTEM;
}

int
sst_cache_opening(struct sst_cache *c)
{
	int opening;

	sst_cache_enter(c);
	opening = atomic_load(&c->opening);
	sst_cache_leave(c);
	return opening;
}

void
sst_cache_settle(struct sst_cache *c)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	while (sst_cache_opening(c))
		(void)nanosleep(&pause, NULL);
}

int
sst_cache_open(const struct sst_cache_config *config, struct sst_cache **ret,
    struct sst_error *err)
{
	struct sst_cache *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	(void)pthread_mutex_init(&c->wmu, NULL);
	(void)pthread_mutex_init(&c->mu, NULL);
	atomic_init(&c->mode, SST_CACHE_MEMORY);
	atomic_init(&c->generation, 1);
	c->may_write = config->may_write;
	c->size_cap = config->size_cap == 0 ? CAP : config->size_cap;
	c->wait_ms = config->wait_ms == 0 ? WAIT_MS : config->wait_ms;
	c->pid = getpid();
	c->uid = geteuid();
	c->looked_ms = INT64_MIN;
	rc = sst_cache_paths(c, config->dir, err);
	enlist(c);
	(void)pthread_mutex_lock(&c->wmu);
	(void)pthread_mutex_lock(&c->mu);
	if (rc == SST_OK)
		sst_cache_connect(c);
	(void)pthread_mutex_unlock(&c->mu);
	(void)pthread_mutex_unlock(&c->wmu);
	if (rc == SST_OK && !config->at_once)
		sst_cache_settle(c);
	(void)pthread_mutex_lock(&c->mu);
	if (rc == SST_OK && atomic_load(&c->mode) != SST_CACHE_WRITER)
		rc = sst_cache_memory(c);
	(void)pthread_mutex_unlock(&c->mu);
	if (rc < 0) {
		sst_cache_close(c);
		return sst_fail(err, SST_E_NOMEM, "out of memory for the cache");
	}
	*ret = c;
	return SST_OK;
}

void
sst_cache_close(struct sst_cache *c)
{
	if (c == NULL)
		return;
	if (c->n_notes > 0)
		(void)sst_ans_notes(c);
	delist(c);
	if (c->pid == getpid())
		sst_cache_disconnect(c);
	sst_db_close(&c->mem);
	for (unsigned i = 0; i < c->n_whys; i++)
		free(c->whys[i]);
	free(c->dir);
	free(c->live);
	free(c->snapshot);
	(void)pthread_mutex_destroy(&c->mu);
	(void)pthread_mutex_destroy(&c->wmu);
	free(c);
}
