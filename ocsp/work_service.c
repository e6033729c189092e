/* SPDX-License-Identifier: ISC */
/*
 * work_service - asks the machine's cache service before anything is fetched here.
 *
 * For a process that may not write the machine's cache. An errand is a thread that
 * waits for one answer (service_ask.c); there are few, and all who want to know the
 * same wait for the same one.
 *
 *	ticket --ASKING--> errand --evidence--> cache, tickets (decided)
 *	                          --no, or nobody there--> tickets: their own sources
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "service_ask.h"
#include "work_inside.h"

#define ERRANDS		4	/* what the service lets one user wait for */
#define GONE_MS		60000	/* nobody listens there */
#define WRONG_MS	30000	/* somebody does, and is out of order */
#define PIECES		16
#define BACKGROUND_MS	10000
#define NUDGE_S		600

struct sst_errand {
	struct sst_errand *next;
	struct sst_work	*w;
	struct sst_subject *subject;
	pthread_t	 thread;
	int		 is_leaf, budget_ms;
	int		 over;		/* w->mu guards it; what follows is written before */
	int		 rc;
	struct sst_evidence list[PIECES];
};

static void *
errand_main(void *arg)
{
	struct sst_errand *e = arg;
	struct sst_work *w = e->w;
	const struct sst_work_ask ask = { .cert = e->subject->cert,
	    .issuer = e->subject->issuer, .above = e->subject->above,
	    .policy = &e->subject->policy, .budget_ms = e->budget_ms, .is_leaf = e->is_leaf };

	e->rc = sst_service_ask(w->service, &ask, w->service_stop, e->list, PIECES, NULL);
	(void)pthread_mutex_lock(&w->mu);
	e->over = 1;
	sst_fetcher_wake(w->fetcher);
	(void)pthread_mutex_unlock(&w->mu);
	return NULL;
}

/* What one policy wants asked is not what another does. */
static int
is_same(const struct sst_errand *e, const struct sst_subject *s, int is_leaf)
{
	return e->is_leaf == is_leaf &&
	    e->subject->policy.use_ocsp == s->policy.use_ocsp &&
	    e->subject->policy.use_crls == s->policy.use_crls &&
	    sst_cert_key_cmp(&e->subject->facts->key, &s->facts->key) == 0;
}

/* Begins one where none is under way for it; where there is no place, later. */
static void
errand_for(struct sst_work *w, struct sst_subject *s, int is_leaf, int64_t budget_ms)
{
	struct sst_errand *e;
	unsigned n = 0;

	for (e = w->errands; e != NULL; e = e->next, n++)
		if (is_same(e, s, is_leaf))
			return;
	if (n >= ERRANDS)
		return;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	e->w = w;
	e->subject = sst_subject_ref(s);
	e->is_leaf = is_leaf;
	e->budget_ms = budget_ms < BACKGROUND_MS ? (int)budget_ms : BACKGROUND_MS;
	/* no signal is delivered here: what this thread has masked is inherited */
	if (pthread_create(&e->thread, NULL, errand_main, e) != 0) {
		sst_subject_unref(e->subject);
		free(e);
		return;
	}
	e->next = w->errands;
	w->errands = e;
}

/* Whether the service is asked at all about this. It judges as of now, by what it
 * keeps, and at the default's level of security: what it refuses may do for less. */
static int
is_asked(const struct sst_work *w, const struct sst_subject *s, int64_t now_ms)
{
	return w->service != NULL && now_ms >= w->service_again_ms && s->at == 0 &&
	    s->policy.use_cache != SST_SWITCH_OFF &&
	    s->limits.security_level >= SST_LEVEL_DEFAULT;
}

int
sst_service_waits(struct sst_work *w, struct sst_ticket *t)
{
	const int64_t now_ms = sst_clock_ms();

	if (t->service == SST_SERVICE_UNTRIED)
		t->service = is_asked(w, t->subject, now_ms) ? SST_SERVICE_ASKING :
		    SST_SERVICE_OVER;
	if (t->service == SST_SERVICE_ASKING && t->deadline > now_ms)
		errand_for(w, t->subject, t->is_leaf, t->deadline - now_ms);
	return t->service == SST_SERVICE_ASKING;
}

int
sst_service_refreshes(struct sst_work *w, struct sst_work_item *item)
{
	if (!is_asked(w, item->subject, sst_clock_ms()))
		return 0;
	errand_for(w, item->subject, !item->subject->facts->is_ca, BACKGROUND_MS);
	sst_schedule_done(w->schedule, item->key, NULL, sst_work_now(w) + NUDGE_S);
	return 1;
}

/* The service's caps need not be ours. */
static void
cap_age(struct sst_evidence *e, const struct sst_limits *limits)
{
	const int64_t age = e->source == SST_SOURCE_CRL ? limits->crl_max_age :
	    limits->ocsp_max_age;

	if (e->status == SST_EV_GOOD && e->this_update <= INT64_MAX - age &&
	    e->until > e->this_update + age)
		e->until = e->this_update + age;
}

static void
tell(struct sst_work *w, struct sst_ticket *t, const struct sst_errand *e)
{
	int said = 0;

	t->service = SST_SERVICE_OVER;
	for (int i = 0; i < e->rc; i++) {
		struct sst_evidence piece = e->list[i];

		/* its list of what is allowed is not ours, nor is its lack of memory */
		if (piece.status == SST_EV_ERROR && (piece.fault == SST_FAULT_BLOCKED ||
		    piece.fault == SST_FAULT_MEMORY))
			continue;
		cap_age(&piece, &t->subject->limits);
		sst_ticket_tell(w, t, &piece);
		/* and what does for it need not do for us */
		if ((piece.status != SST_EV_GOOD && piece.status != SST_EV_UNKNOWN) ||
		    sst_evidence_decides(&piece, sst_work_now(w), &t->subject->limits))
			said = 1;
	}
	/* it asked the sources: they are not asked once more */
	if (said)
		t->decided = 1;
}

static void
keep(struct sst_work *w, const struct sst_errand *e)
{
	const struct sst_cert_facts *f = e->subject->facts;

	for (int i = 0; i < e->rc; i++)
		if (e->list[i].status != SST_EV_ERROR && e->list[i].status != SST_EV_NOTHING)
			(void)sst_cache_put(w->cache, &f->key, f->not_after, &e->list[i], NULL,
			    0, sst_work_now(w), NULL);
}

static void
errand_ends(struct sst_work *w, struct sst_errand *e, int64_t now_ms)
{
	keep(w, e);
	for (struct sst_ticket *t = w->active; t != NULL; t = t->next)
		if (t->service == SST_SERVICE_ASKING && is_same(e, t->subject, t->is_leaf))
			tell(w, t, e);
	if (e->rc == SST_E_NOT_FOUND)
		w->service_again_ms = now_ms + GONE_MS;
	else if (e->rc < 0 && e->rc != SST_E_REFUSED && e->rc != SST_E_LIMIT)
		w->service_again_ms = now_ms + WRONG_MS;
	sst_subject_unref(e->subject);
	free(e);
}

void
sst_errands_step(struct sst_work *w, int64_t now_ms)
{
	struct sst_errand **at = &w->errands, *e;
	int over;

	while ((e = *at) != NULL) {
		(void)pthread_mutex_lock(&w->mu);
		over = e->over;
		(void)pthread_mutex_unlock(&w->mu);
		if (!over) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		(void)pthread_join(e->thread, NULL);
		errand_ends(w, e, now_ms);
	}
}

int
sst_service_init(struct sst_work *w, const char *path, struct sst_error *err)
{
	w->service_stop = -1;
	if (path == NULL)
		return SST_OK;
	w->service = strdup(path);
	if (w->service == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return SST_OK;
}

void
sst_service_start(struct sst_work *w)
{
	if (w->service != NULL && w->service_stop < 0)
		w->service_stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void
sst_service_done(struct sst_work *w)
{
	const uint64_t one = 1;

	if (w->service_stop >= 0)
		(void)!write(w->service_stop, &one, sizeof(one));
	while (w->errands != NULL) {
		struct sst_errand *e = w->errands;

		w->errands = e->next;
		(void)pthread_join(e->thread, NULL);
		sst_subject_unref(e->subject);
		free(e);
	}
	if (w->service_stop >= 0)
		(void)close(w->service_stop);
	free(w->service);
}
