/* SPDX-License-Identifier: ISC */
#include "scan_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fail.h"
#include "scan_unit.h"
#include "store_change.h"

#define THREADS_MAX	8
#define WARM		256	/* the first ones are made ready to serve */
#define TICK_NS		50000000
#define SOME		64	/* results that the caller is woken for */

/* What one name became. */
struct result {
	struct result	*next;
	int		 rc;		/* 1: a folder; 0: a file; < 0 */
	char		*folder;
	struct sst_scan	 scan;
	struct sst_unit	 unit;		/* a file: its part */
	int		 quick;		/* read for its facts alone */
	int		 unknown;	/* not all that was asked was answered */
	struct sst_error why;
};

struct pool {
	const struct sst_pool_plan *plan;
	struct sst_scan_env env, quick;	/* constant */
	struct sst_unit	 flat;		/* the caller's thread: files of the root */
	struct sst_scan	 flat_scan;
	int		 flat_quick, flat_unknown;

	pthread_mutex_t	 mu;		/* guards the rest */
	pthread_cond_t	 came, room;
	size_t		 at;		/* the name that is read next */
	size_t		 waiting;	/* results that nobody took yet */
	unsigned	 running;
	int		 stop;
	struct result	*first, **end;
};

static void
result_free(struct result *r)
{
	if (r == NULL)
		return;
	sst_scan_done(&r->scan);
	sst_unit_done(&r->unit);
	free(r->folder);
	free(r);
}

static int
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int
same_row(const struct sst_row *a, const struct sst_row *b)
{
	return a->state == b->state && a->is_default == b->is_default &&
	    memcmp(a->content, b->content, 32) == 0 && strcmp(a->path, b->path) == 0 &&
	    same_text(a->key_path, b->key_path) && same_text(a->load, b->load) &&
	    same_text(a->load_key, b->load_key) && same_text(a->why, b->why);
}

int
sst_pool_knows(struct sst_store *s, int64_t source, const char *folder, int flat,
    const struct sst_scan *scan, int just)
{
	struct sst_rows rows = { 0 };
	size_t same = 0;
	int rc;

	sst_store_lock(s);
	rc = sst_index_folder(s->index, source, folder, flat, &rows, NULL);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++)
		for (size_t k = 0; k < rows.n; k++)
			same += same_row(&rows.v[k], &scan->v[i].row);
	rc = rc == SST_OK && same == scan->n && (!just || rows.n == scan->n);
	sst_rows_done(&rows);
	return rc;
}

/* One name. A folder that says something new is read again in full: what takes
 * another's place is tried first, and only an identity can be. */
static struct result *
name_read(const struct pool *p, size_t at)
{
	const struct sst_pool_plan *plan = p->plan;
	struct result *r = calloc(1, sizeof(*r));

	if (r == NULL || asprintf(&r->folder, "%s/%s", plan->root, plan->names[at]) < 0) {
		free(r);
		return NULL;
	}
	r->quick = at >= WARM || plan->source != 0;
	for (;;) {
		r->scan = (struct sst_scan){ .is_dir = 1 };
		r->unit = (struct sst_unit){ .env = r->quick ? &p->quick : &p->env,
		    .is_dir = 1, .out = &r->scan };
		r->rc = sst_unit_name(&r->unit, plan->root, r->folder, &r->why);
		sst_scan_mark_default(&r->scan, plan->root);
		/* when no row is believed, all are written again as they are */
		if (r->rc < 0 || !r->quick || plan->source == 0 ||
		    atomic_load(&plan->store->doubt) ||
		    (r->rc == 1 && sst_pool_knows(plan->store, plan->source, r->folder, 0,
		    &r->scan, 1)))
			return r;
		sst_scan_done(&r->scan);
		sst_unit_done(&r->unit);
		r->quick = 0;
	}
}

static struct result *
name_ask(const struct pool *p, size_t at)
{
	const uint64_t before = sst_source_unanswered(p->plan->store);
	struct result *r = name_read(p, at);

	if (r != NULL)
		r->unknown = sst_source_unanswered(p->plan->store) != before;
	(void)atomic_fetch_add(p->plan->read, 1);
	return r;
}

static void
put_locked(struct pool *p, struct result *r)
{
	if (r == NULL) {
		p->stop = 1;
		return;
	}
	*p->end = r;
	p->end = &r->next;
	if (++p->waiting == SOME)
		(void)pthread_cond_signal(&p->came);
}

static void *
work(void *arg)
{
	struct pool *p = arg;
	struct result *r;
	size_t at;

	(void)pthread_mutex_lock(&p->mu);
	while (!p->stop && p->at < p->plan->n) {
		if (p->waiting >= SST_POOL_AHEAD) {
			(void)pthread_cond_wait(&p->room, &p->mu);
			continue;
		}
		at = p->at++;
		(void)pthread_mutex_unlock(&p->mu);
		r = name_ask(p, at);
		(void)pthread_mutex_lock(&p->mu);
		put_locked(p, r);
	}
	p->running--;
	(void)pthread_cond_signal(&p->came);
	(void)pthread_mutex_unlock(&p->mu);
	return NULL;
}

static unsigned
threads_wanted(const struct sst_pool_plan *plan)
{
	unsigned n = plan->threads;
	cpu_set_t set;

	if (n == 0)
		n = sched_getaffinity(0, sizeof(set), &set) == 0 ?
		    (unsigned)CPU_COUNT(&set) : 1;
	return n > THREADS_MAX ? THREADS_MAX : n;
}

static unsigned
threads_start(struct pool *p, pthread_t thread[THREADS_MAX])
{
	const unsigned wanted = threads_wanted(p->plan);
	sigset_t all, old;
	unsigned n = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	p->running = wanted;
	while (n < wanted && pthread_create(&thread[n], NULL, work, p) == 0)
		n++;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_mutex_lock(&p->mu);
	p->running -= wanted - n;
	(void)pthread_mutex_unlock(&p->mu);
	return n;
}

/* Some results, or those of a tick. *ret_over: none will come. */
static struct result *
results_wait(struct pool *p, int *ret_over)
{
	struct timespec until;
	struct result *r;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&p->mu);
	while (p->waiting < SOME && p->running > 0 &&
	    pthread_cond_timedwait(&p->came, &p->mu, &until) == 0)
		continue;
	r = p->first;
	p->first = NULL;
	p->end = &p->first;
	p->waiting = 0;
	(void)pthread_cond_broadcast(&p->room);
	*ret_over = r == NULL && p->running == 0;
	(void)pthread_mutex_unlock(&p->mu);
	return r;
}

/* A file waits for the others; a folder is handed on. */
static int
result_take(struct pool *p, struct result *r, struct sst_error *err)
{
	struct sst_piece piece = { .folder = r->folder, .unknown = r->unknown };
	int rc;

	if (r->rc < 0)
		return sst_fail(err, r->rc, "%s", r->why.text);
	if (r->unknown) {
		p->flat_unknown |= r->rc == 0;
		return p->plan->take(p->plan->arg, &piece, err);
	}
	if (r->rc == 1) {
		piece.scan = r->scan;
		r->scan = (struct sst_scan){ 0 };
		rc = p->plan->take(p->plan->arg, &piece, err);
		sst_scan_done(&piece.scan);
		return rc;
	}
	p->flat_quick |= r->quick;
	rc = sst_unit_take(&p->flat, &r->unit, err);
	for (size_t i = 0; rc == SST_OK && i < r->scan.n; i++)
		rc = sst_found_push(&p->flat_scan, &r->scan.v[i], err);
	for (size_t i = 0; rc == SST_OK && i < r->scan.n_open_keys; i++)
		rc = sst_scan_open_key(&p->flat_scan, r->scan.open_keys[i], err);
	return rc;
}

/* The files of the directory itself. Where one of them is not known, what was there would
 * be taken for gone. */
static int
flat_take(struct pool *p, struct sst_error *err)
{
	struct sst_piece piece = { .folder = p->plan->root, .flat = 1 }, again = piece;
	int rc;

	piece.unknown = p->flat_unknown && p->plan->source != 0;
	if (piece.unknown)
		return p->flat.n == 0 && p->flat_scan.n == 0 ? SST_OK :
		    p->plan->take(p->plan->arg, &piece, err);
	p->flat.env = p->flat_quick ? &p->quick : &p->env;
	rc = sst_line_add(&p->flat_scan.folders, p->plan->root) < 0 ? nomem(err) : SST_OK;
	if (rc == SST_OK)
		rc = sst_unit_pair(&p->flat, err);
	if (rc == SST_OK)
		rc = sst_unit_leafless(&p->flat, err);
	if (rc < 0)
		return rc;
	again.unknown = p->flat_unknown && sst_scan_forget_refused(&p->flat_scan) > 0;
	sst_scan_mark_default(&p->flat_scan, p->plan->root);
	piece.scan = p->flat_scan;
	p->flat_scan = (struct sst_scan){ 0 };
	rc = p->plan->take(p->plan->arg, &piece, err);
	sst_scan_done(&piece.scan);
	return rc == SST_OK && again.unknown ? p->plan->take(p->plan->arg, &again, err) : rc;
}

static int
results_take(struct pool *p, struct sst_error *err)
{
	struct result *r, *next;
	int rc = SST_OK, over = 0;

	while (rc == SST_OK && !over) {
		r = results_wait(p, &over);
		if (r == NULL && !over)
			rc = p->plan->take(p->plan->arg, NULL, err);
		for (; r != NULL; r = next) {
			next = r->next;
			if (rc == SST_OK)
				rc = result_take(p, r, err);
			result_free(r);
		}
	}
	return rc;
}

/* No thread could be had: the caller's reads and takes in turn. */
static int
alone(struct pool *p, struct sst_error *err)
{
	struct result *r;
	int rc = SST_OK;

	for (; rc == SST_OK && p->at < p->plan->n; p->at++) {
		r = name_ask(p, p->at);
		rc = r == NULL ? nomem(err) : result_take(p, r, err);
		result_free(r);
	}
	return rc;
}

static void
pool_init(struct pool *p, const struct sst_pool_plan *plan)
{
	pthread_condattr_t attr;

	*p = (struct pool){ .plan = plan, .env = plan->store->env, .end = &p->first };
	p->flat = (struct sst_unit){ .env = &p->env, .is_dir = 1, .out = &p->flat_scan };
	p->flat_scan.is_dir = 1;
	if (plan->source == 0)
		p->env.served = NULL;	/* nothing is: no need to ask */
	p->quick = p->env;
	p->quick.facts_only = 1;
	(void)pthread_mutex_init(&p->mu, NULL);
	(void)pthread_cond_init(&p->room, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->came, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int
sst_pool_run(const struct sst_pool_plan *plan, struct sst_error *err)
{
	pthread_t thread[THREADS_MAX];
	struct result *r;
	struct pool p;
	int rc, state;
	unsigned n;

	/* the threads use what is on this stack */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pool_init(&p, plan);
	n = threads_start(&p, thread);
	rc = n == 0 ? alone(&p, err) : results_take(&p, err);
	(void)pthread_mutex_lock(&p.mu);
	if (rc == SST_OK && p.stop)
		rc = nomem(err);
	p.stop = 1;
	(void)pthread_cond_broadcast(&p.room);
	(void)pthread_mutex_unlock(&p.mu);
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(thread[i], NULL);
	if (rc == SST_OK)
		rc = flat_take(&p, err);
	while ((r = p.first) != NULL) {
		p.first = r->next;
		result_free(r);
	}
	sst_unit_done(&p.flat);
	sst_scan_done(&p.flat_scan);
	(void)pthread_cond_destroy(&p.came);
	(void)pthread_cond_destroy(&p.room);
	(void)pthread_mutex_destroy(&p.mu);
	(void)pthread_setcancelstate(state, NULL);
	return rc;
}
