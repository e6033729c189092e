/* SPDX-License-Identifier: ISC */
/*
 * One ask: first the lists that the certificate names, one list being about many
 * certificates and private; then, of a leaf, its responders, which learn what is
 * visited. Where the caches were busy it is waited for them before.
 */
#include "work_inside.h"

#include <stdlib.h>

#define LOOK_AGAIN_MS	2

int
sst_evidence_decides(const struct sst_evidence *e, int64_t now, const struct sst_limits *limits)
{
	if (e->status == SST_EV_REVOKED)
		return 1;
	if (e->status != SST_EV_GOOD && e->status != SST_EV_UNKNOWN)
		return 0;
	return sst_evidence_strong(e, limits) && sst_evidence_counts(e, now, limits);
}

void
sst_ticket_tell(struct sst_work *w, struct sst_ticket *t, const struct sst_evidence *e)
{
	int64_t now = sst_subject_now(w, t->subject);

	t->job = NULL;
	if (t->n < SST_WORK_EVIDENCE)
		t->list[t->n++] = *e;
	if (sst_evidence_decides(e, now, &t->subject->limits))
		t->decided = 1;
}

/* The next URL to try; NULL: there is none. */
static const char *
next_source(struct sst_ticket *t, enum sst_work_kind *ret_kind)
{
	const struct sst_cert_facts *f = t->subject->facts;
	const struct sst_revocation_policy *p = &t->subject->policy;

	if (p->use_crls != SST_SWITCH_OFF && t->next_crl < f->n_crl &&
	    t->next_crl < SST_WORK_SOURCES) {
		*ret_kind = SST_WORK_CRL;
		return f->crl[t->next_crl++];
	}
	if (t->is_leaf && p->use_ocsp != SST_SWITCH_OFF && t->next_ocsp < f->n_ocsp &&
	    t->next_ocsp < SST_WORK_SOURCES) {
		*ret_kind = SST_WORK_OCSP;
		return f->ocsp[t->next_ocsp++];
	}
	return NULL;
}

/* Unless who asked cancelled, which waits for the end of this. */
static int
look(struct sst_work *w, struct sst_ticket *t, struct sst_evidence *list, size_t max)
{
	int n = 0, call;

	(void)pthread_mutex_lock(&w->mu);
	call = !atomic_load(&t->cancelled);
	if (call)
		w->calling = t->id;
	(void)pthread_mutex_unlock(&w->mu);
	if (call)
		n = t->look(t->arg, list, max);
	(void)pthread_mutex_lock(&w->mu);
	w->calling = 0;
	(void)pthread_cond_broadcast(&w->called);
	(void)pthread_mutex_unlock(&w->mu);
	return n;
}

/* 1: the caches are still busy. */
static int
is_busy(struct sst_work *w, struct sst_ticket *t, int64_t now_ms)
{
	struct sst_evidence list[SST_WORK_EVIDENCE];
	int n;

	if (t->look == NULL)
		return 0;
	n = look(w, t, list, SST_WORK_EVIDENCE);
	if (n == SST_E_TIMEOUT && now_ms < t->look_until)
		return 1;
	t->look = NULL;
	if (n == SST_E_TIMEOUT) {
		sst_work_error(&list[0], SST_WORK_CRL, SST_FAULT_TIMEOUT, "",
		    "other processes had the cache locked for too long");
		n = 1;
	}
	for (int i = 0; i < n; i++)
		sst_ticket_tell(w, t, &list[i]);
	return 0;
}

/* 1: nothing is left to wait for. */
static int
advance(struct sst_work *w, struct sst_ticket *t)
{
	const struct sst_cert_facts *f = t->subject->facts;
	enum sst_work_kind kind;
	struct sst_evidence e;
	const char *url;

	if (t->decided || t->no_fetch)
		return 1;
	if (sst_service_waits(w, t))
		return 0;
	while (!t->decided && (url = next_source(t, &kind)) != NULL) {
		t->job = sst_job_for(w, t->subject, kind, url, &e);
		if (t->job != NULL)
			return 0;
		sst_ticket_tell(w, t, &e);
	}
	if (t->n == 0 && f->n_sources > 0 && f->n_crl == 0 && f->n_ocsp == 0) {
		sst_work_error(&e, SST_WORK_CRL, SST_FAULT_NO_SOURCE, "",
		    "it names no source that is fetched over http");
		sst_ticket_tell(w, t, &e);
	}
	return 1;
}

static void
time_is_up(struct sst_work *w, struct sst_ticket *t)
{
	struct sst_evidence e;

	if (t->job == NULL)
		sst_work_error(&e, SST_WORK_CRL, SST_FAULT_TIMEOUT, "",
		    "the machine's cache service did not answer in time");
	else
		sst_work_error(&e, t->job->kind, SST_FAULT_TIMEOUT, t->job->url,
		    "no answer within the time that may be waited for it");
	sst_ticket_tell(w, t, &e);
}

/* It was not even begun. */
static void
given_up(struct sst_work *w, struct sst_ticket *t)
{
	struct sst_evidence e;

	if (t->n > 0)
		return;
	sst_work_error(&e, SST_WORK_CRL, SST_FAULT_TIMEOUT, "", "given up: the checker ends");
	sst_ticket_tell(w, t, &e);
}

/* Takes *at out of the list and calls who asked, unless he cancelled. */
static void
finish(struct sst_work *w, struct sst_ticket **at)
{
	struct sst_ticket *t = *at;
	int call;

	(void)pthread_mutex_lock(&w->mu);
	*at = t->next;
	call = !atomic_load(&t->cancelled);
	if (call)
		w->calling = t->id;
	(void)pthread_mutex_unlock(&w->mu);
	if (call)
		t->done(t->arg, t->list, t->n);
	(void)pthread_mutex_lock(&w->mu);
	w->calling = 0;
	(void)pthread_cond_broadcast(&w->called);
	(void)pthread_mutex_unlock(&w->mu);
	sst_subject_unref(t->subject);
	free(t);
}

int64_t
sst_tickets_step(struct sst_work *w, int64_t now_ms)
{
	struct sst_ticket **at = &w->active;
	int64_t until = INT64_MAX, again = INT64_MAX;

	while (*at != NULL) {
		struct sst_ticket *t = *at;
		int over = atomic_load(&t->cancelled);

		if (w->closing) {
			given_up(w, t);
			over = 1;
		}
		/* a job that is begun here goes on even when nobody waits for it */
		if (!over && is_busy(w, t, now_ms))
			again = now_ms + LOOK_AGAIN_MS;
		else if (!over && t->job == NULL)
			over = advance(w, t);
		if (!over && t->deadline <= now_ms) {
			time_is_up(w, t);
			over = 1;
		}
		if (over) {
			finish(w, at);
			continue;
		}
		if (t->deadline < until)
			until = t->deadline;
		at = &t->next;
	}
	return again < until ? again : until;
}
