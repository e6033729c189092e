/* SPDX-License-Identifier: ISC */
#include "work_inside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"

#define SLEEP_MS	60000
#define LOOK_MS		500	/* for a cache that others hold, before it is fetched */
#define PATIENCE_MS	2000	/* with other writers of the file */
#define PUBLISH_MS	5000
#define TIDY_MS		(10 * 60 * 1000)
#define KEPT_MAX	1024	/* waiting for the thread */
#define BACKGROUND_MAX	16	/* begun in one turn */

/*
 * What a parent's thread was working on stays behind in a child: it may be half
 * changed, so it is neither used nor freed, and remembered only so that it does
 * not count as lost.
 */
struct left_behind {
	struct left_behind *next;
	struct sst_ticket *queue, *active;
	struct sst_job	*jobs;
	struct sst_errand *errands;
	struct sst_fetcher *fetcher;
	struct sst_schedule *schedule;
};

static pthread_mutex_t fork_mu = PTHREAD_MUTEX_INITIALIZER;
static struct left_behind *left;	/* fork_mu guards it */

int64_t
sst_work_now(const struct sst_work *w)
{
	return w->clock != NULL ? w->clock(w->clock_arg) : (int64_t)sst_clock_wall();
}

int64_t
sst_subject_now(const struct sst_work *w, const struct sst_subject *s)
{
	return s->at != 0 ? s->at : sst_work_now(w);
}

struct sst_subject *
sst_subject_ref(struct sst_subject *s)
{
	s->refs++;
	return s;
}

void
sst_subject_unref(struct sst_subject *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	X509_free(s->cert);
	X509_free(s->issuer);
	X509_free(s->above);
	sk_X509_pop_free(s->others, X509_free);
	free(s);
}

static X509 *
x509_ref(X509 *x)
{
	return x != NULL && X509_up_ref(x) == 1 ? x : NULL;
}

static struct sst_subject *
subject_new(const struct sst_work_ask *ask, struct sst_error *err)
{
	struct sst_subject *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		sst_fail(err, SST_E_NOMEM, "out of memory");
		return NULL;
	}
	s->refs = 1;
	s->cert = x509_ref(ask->cert);
	s->issuer = x509_ref(ask->issuer);
	s->above = x509_ref(ask->above);
	if (ask->policy != NULL)
		s->policy = *ask->policy;
	s->at = ask->now;
	sst_limits_of(&s->policy, &s->limits);
	if (ask->others != NULL)
		s->others = X509_chain_up_ref(ask->others);
	if ((ask->others != NULL && s->others == NULL) || s->cert == NULL ||
	    s->issuer == NULL) {
		sst_fail(err, SST_E_NOMEM, "out of memory");
		sst_subject_unref(s);
		return NULL;
	}
	if (sst_facts_of(s->cert, s->issuer, &s->facts, err) < 0) {
		sst_subject_unref(s);
		return NULL;
	}
	return s;
}

static void
ticket_free(struct sst_ticket *t)
{
	sst_subject_unref(t->subject);
	free(t->keep);
	free(t);
}

int
sst_work_new(const struct sst_work_config *config, struct sst_work **ret, struct sst_error *err)
{
	struct sst_work *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	(void)pthread_mutex_init(&w->mu, NULL);
	(void)pthread_cond_init(&w->called, NULL);
	w->cache = config->cache;
	w->clock = config->clock;
	w->clock_arg = config->clock_arg;
	atomic_init(&w->pid, getpid());
	rc = sst_guard_new(config->allow, config->nat64, &w->guard, err);
	if (rc == SST_OK && config->proxy != NULL) {
		w->proxy = strdup(config->proxy);
		if (w->proxy == NULL)
			rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	if (rc == SST_OK)
		rc = sst_service_init(w, config->service, err);
	if (rc < 0) {
		sst_work_free(w);
		return rc;
	}
	*ret = w;
	return SST_OK;
}

/* Evidence of a source that failed. */
void
sst_work_error(struct sst_evidence *e, enum sst_work_kind kind, enum sst_fault fault,
    const char *url, const char *text)
{
	memset(e, 0, sizeof(*e));
	e->source = kind == SST_WORK_CRL ? SST_SOURCE_CRL : SST_SOURCE_OCSP;
	e->status = SST_EV_ERROR;
	e->fault = fault;
	e->reason = -1;
	(void)sst_escape(e->url, sizeof(e->url), url, strlen(url));
	(void)snprintf(e->text, sizeof(e->text), "%s", text);
}

/* --- the thread -------------------------------------------------------- */

static void
keep_planned(struct sst_work *w, struct sst_ticket *t)
{
	const struct sst_cert_facts *f = t->subject->facts;
	const struct sst_evidence *e = t->keep;
	enum sst_work_kind kind = e->source == SST_SOURCE_CRL ? SST_WORK_CRL : SST_WORK_OCSP;
	const char *const *urls = kind == SST_WORK_CRL ? f->crl : f->ocsp;
	unsigned n = kind == SST_WORK_CRL ? f->n_crl : f->n_ocsp;
	char shown[sizeof(e->url)];
	char *host;

	for (unsigned i = 0; i < n; i++) {
		(void)sst_escape(shown, sizeof(shown), urls[i], strlen(urls[i]));
		if (strcmp(shown, e->url) != 0 || !sst_guard_url(w->guard, urls[i], NULL))
			continue;
		host = sst_guard_host(urls[i]);
		if (host != NULL)
			sst_job_plan(w, t->subject, kind, urls[i], host, e);
		free(host);
		return;
	}
}

/* What was asked since the last turn, in the order in which it was. */
static int
take_queue(struct sst_work *w)
{
	struct sst_ticket *t, *kept = NULL;
	int stopping;

	(void)pthread_mutex_lock(&w->mu);
	while ((t = w->queue) != NULL) {
		w->queue = t->next;
		if (t->keep != NULL) {
			w->n_kept--;
			t->next = kept;
			kept = t;
		} else {
			t->next = w->active;
			w->active = t;
		}
	}
	stopping = w->stopping;
	(void)pthread_mutex_unlock(&w->mu);
	while ((t = kept) != NULL) {
		kept = t->next;
		keep_planned(w, t);
		ticket_free(t);
	}
	return stopping;
}

/* Begins what is due; returns when to look again (ms of the monotonic clock). */
static int64_t
schedule_step(struct sst_work *w, int64_t now_ms)
{
	int64_t now = sst_work_now(w), at = now;
	struct sst_work_item *item;

	for (int i = 0; i < BACKGROUND_MAX; i++) {
		item = sst_schedule_next(w->schedule, now, &at);
		if (item == NULL)
			break;
		sst_job_background(w, item);
	}
	if (at - now > SLEEP_MS / 1000)
		return now_ms + SLEEP_MS;
	return now_ms + (at - now) * 1000;
}

/* The cache's own upkeep: what was learned is published, what ended is dropped. */
static int64_t
upkeep_step(struct sst_work *w, int64_t now_ms)
{
	if (w->dirty && now_ms >= w->publish_at) {
		(void)sst_cache_publish(w->cache, 0, NULL);
		w->dirty = 0;
		w->publish_at = now_ms + PUBLISH_MS;
	}
	if (now_ms >= w->tidy_at) {
		(void)sst_cache_tidy(w->cache, sst_work_now(w), NULL);
		w->tidy_at = now_ms + TIDY_MS;
	}
	return w->dirty ? w->publish_at : w->tidy_at;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void *
thread_main(void *arg)
{
	struct sst_work *w = arg;
	int64_t now, until;

	sst_cache_patient(PATIENCE_MS);
	w->tidy_at = sst_clock_ms() + TIDY_MS;
	while (!take_queue(w)) {
		now = sst_clock_ms();
		sst_errands_step(w, now);
		until = least(schedule_step(w, now), upkeep_step(w, now));
		until = least(until, sst_tickets_step(w, now));
		/* after the tickets, which make jobs */
		until = least(until, sst_jobs_step(w, now));
		now = sst_clock_ms();
		until = least(until, now + SLEEP_MS);
		(void)sst_fetcher_run(w->fetcher, until > now ? (int)(until - now) : 0);
	}
	return NULL;
}

/* In a child of the process that made `w` nothing but the settings is left. */
static void
begin_anew(struct sst_work *w, pid_t me)
{
	struct left_behind *l;

	(void)pthread_mutex_lock(&fork_mu);
	if (atomic_load(&w->pid) == me)
		goto out;
	l = calloc(1, sizeof(*l));
	if (l != NULL) {
		*l = (struct left_behind){ .next = left, .queue = w->queue,
		    .active = w->active, .jobs = w->jobs,
		    .errands = w->errands, .fetcher = w->fetcher,
		    .schedule = w->schedule };
		left = l;
	}
	(void)pthread_mutex_init(&w->mu, NULL);
	(void)pthread_cond_init(&w->called, NULL);
	w->queue = w->active = NULL;
	w->jobs = NULL;
	w->fetcher = NULL;
	w->schedule = NULL;
	w->errands = NULL;
	w->service_again_ms = 0;
	/* the parent's: to wake one would wake the other */
	if (w->service_stop >= 0)
		(void)close(w->service_stop);
	w->service_stop = -1;
	w->n_jobs = w->n_kept = 0;
	w->started = w->stopping = w->dirty = 0;
	w->calling = 0;
	w->publish_at = 0;
	atomic_store(&w->pid, me);
out:
	(void)pthread_mutex_unlock(&fork_mu);
}

static void
see_fork(struct sst_work *w)
{
	pid_t me = getpid();

	if (atomic_load(&w->pid) != me)
		begin_anew(w, me);
}

void
sst_work_free(struct sst_work *w)
{
	if (w == NULL)
		return;
	see_fork(w);
	if (w->started) {
		(void)pthread_mutex_lock(&w->mu);
		w->stopping = 1;
		sst_fetcher_wake(w->fetcher);
		(void)pthread_mutex_unlock(&w->mu);
		(void)pthread_join(w->thread, NULL);
		(void)take_queue(w);
	}
	/* ends what is under way; the tickets are told of it */
	w->closing = 1;
	sst_service_done(w);
	sst_fetcher_free(w->fetcher);
	while (w->jobs != NULL)
		sst_job_given_up(w);
	(void)sst_tickets_step(w, INT64_MAX);
	sst_schedule_free(w->schedule);
	sst_guard_free(w->guard);
	(void)pthread_cond_destroy(&w->called);
	(void)pthread_mutex_destroy(&w->mu);
	free(w->proxy);
	free(w);
}

static int
start_locked(struct sst_work *w, struct sst_error *err)
{
	sigset_t all, old;
	int rc = SST_OK;

	if (w->started)
		return SST_OK;
	sst_service_start(w);
	if (w->schedule == NULL)
		rc = sst_schedule_new(sst_item_free, &w->schedule, err);
	if (rc == SST_OK && w->fetcher == NULL)
		rc = sst_fetcher_new(w->guard, w->proxy, &w->fetcher, err);
	if (rc < 0)
		return rc;
	/* the program's signals are the program's: none is delivered here */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, thread_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return sst_fail_errno(err, rc, "starting the thread that fetches evidence");
	w->started = 1;
	return SST_OK;
}

/* Hands a ticket to the thread. On failure the ticket stays the caller's. */
static int
enqueue(struct sst_work *w, struct sst_ticket *t, uint64_t *ret_id, struct sst_error *err)
{
	int rc;

	see_fork(w);
	(void)pthread_mutex_lock(&w->mu);
	rc = start_locked(w, err);
	if (rc == SST_OK && t->keep != NULL && w->n_kept == KEPT_MAX)
		rc = SST_E_LIMIT;
	if (rc == SST_OK) {
		t->id = *ret_id = ++w->last_id;
		t->next = w->queue;
		w->queue = t;
		w->n_kept += t->keep != NULL;
		sst_fetcher_wake(w->fetcher);
	}
	(void)pthread_mutex_unlock(&w->mu);
	return rc;
}

int
sst_work_ask(struct sst_work *w, const struct sst_work_ask *ask,
    void (*done)(void *, const struct sst_evidence *, size_t), void *arg,
    struct sst_work_ticket **ret_ticket, struct sst_error *err)
{
	struct sst_ticket *t = calloc(1, sizeof(*t));
	uint64_t id = 0;
	int rc = SST_E_NOMEM;

	if (t == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	t->subject = subject_new(ask, err);
	t->is_leaf = ask->is_leaf;
	t->deadline = sst_clock_ms() + (ask->budget_ms > 0 ? ask->budget_ms : 0);
	t->look_until = sst_clock_ms() + LOOK_MS;
	if (ask->no_fetch || t->look_until > t->deadline)
		t->look_until = t->deadline;
	t->look = ask->look;
	t->no_fetch = ask->no_fetch;
	t->done = done;
	t->arg = arg;
	if (t->subject != NULL)
		rc = enqueue(w, t, &id, err);
	else if (err != NULL && err->code != SST_OK)
		rc = err->code;
	if (rc < 0) {
		ticket_free(t);
		return rc;
	}
	/* a number, not an address: one that was answered is never met again */
	*ret_ticket = (struct sst_work_ticket *)(uintptr_t)id;
	return SST_OK;
}

void
sst_work_keep(struct sst_work *w, const struct sst_work_ask *ask, const struct sst_evidence *e)
{
	struct sst_ticket *t;
	uint64_t id;

	if (ask->now != 0)
		return;		/* as of another time: nothing is due by it */
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return;
	t->subject = subject_new(ask, NULL);
	t->keep = malloc(sizeof(*e));
	if (t->subject == NULL || t->keep == NULL) {
		ticket_free(t);
		return;
	}
	*t->keep = *e;
	if (enqueue(w, t, &id, NULL) < 0)
		ticket_free(t);
}

void
sst_work_wake(struct sst_work *w)
{
	see_fork(w);
	(void)pthread_mutex_lock(&w->mu);
	if (w->started)
		sst_fetcher_wake(w->fetcher);
	(void)pthread_mutex_unlock(&w->mu);
}

void
sst_work_cancel(struct sst_work *w, struct sst_work_ticket *ticket)
{
	uint64_t id = (uint64_t)(uintptr_t)ticket;
	struct sst_ticket *t;

	see_fork(w);
	(void)pthread_mutex_lock(&w->mu);
	for (t = w->queue; t != NULL && t->id != id; t = t->next)
		;
	for (t = t != NULL ? t : w->active; t != NULL && t->id != id; t = t->next)
		;
	if (t != NULL)
		atomic_store(&t->cancelled, 1);
	while (w->calling == id && !pthread_equal(w->thread, pthread_self()))
		(void)pthread_cond_wait(&w->called, &w->mu);
	(void)pthread_mutex_unlock(&w->mu);
}
