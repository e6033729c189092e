/* SPDX-License-Identifier: ISC */
/*
 * The end of a fetch: who waited is told, each about his certificate, and what is noted
 * of the source (of the clock, whatever time evidence is put to) says when it is asked
 * again.
 */
#include "work_inside.h"

#include "refresh.h"

#define BLOCKED_S	3600

/*
 * What a list says about another certificate than the job's own: by the list at
 * hand, or by the cache, which has it. Never what it says about somebody else.
 */
static void
of_list(struct sst_job *j, const struct sst_subject *s, struct sst_evidence *ret)
{
	if (j->list != NULL) {
		sst_crl_about(j, s, ret);
		return;
	}
	if (sst_job_held(j->w, s, SST_WORK_CRL, ret))
		return;
	sst_work_error(ret, SST_WORK_CRL, SST_FAULT_NONE, j->url,
	    "the list is known and says nothing about it");
	ret->status = SST_EV_NOTHING;
}

/* Everybody who waits for the job is told, each about his certificate. */
static void
tell_all(struct sst_job *j, const struct sst_evidence *e)
{
	struct sst_evidence own;

	for (struct sst_ticket *t = j->w->active; t != NULL; t = t->next) {
		if (t->job != j)
			continue;
		if (e->status == SST_EV_ERROR ||
		    sst_cert_key_cmp(&t->subject->facts->key, &j->subject->facts->key) == 0) {
			sst_ticket_tell(j->w, t, e);
			continue;
		}
		of_list(j, t->subject, &own);
		sst_ticket_tell(j->w, t, &own);
	}
}

void
sst_job_end(struct sst_job *j, const struct sst_evidence *e, int64_t not_before)
{
	int is_held = e->status != SST_EV_ERROR && e->until != 0;

	tell_all(j, e);
	if (j->background)
		sst_schedule_done(j->w->schedule, j->key, is_held ? e : NULL, not_before);
	else if (is_held)
		sst_job_plan(j->w, j->subject, j->kind, j->url, j->host, e);
	if (j->fetching)
		sst_cache_release(j->w->cache, j->lease);
	j->over = 1;
}

void
sst_job_end_with_error(struct sst_job *j, enum sst_fault fault, const char *text, int64_t not_before)
{
	struct sst_evidence e;

	sst_work_error(&e, j->kind, fault, j->url, text);
	sst_job_end(j, &e, not_before);
}

/* Of a response only what says something of the responder as such: else whoever
 * has a certificate that it chokes on could keep it from everybody. */
static int
is_of_source(const struct sst_job *j, const struct sst_fetch_answer *a)
{
	switch (a->fault) {
	case SST_FAULT_TIMEOUT:
	case SST_FAULT_CONNECT:
	case SST_FAULT_BLOCKED:
		return 1;
	case SST_FAULT_TRY_LATER:
		return j->kind == SST_WORK_CRL || a->http_status == 503 ||
		    a->http_status == 200 || a->retry_after > 0;
	default:
		return j->kind == SST_WORK_CRL && a->fault != SST_FAULT_MEMORY;
	}
}

static void
hear_host(struct sst_job *j, const struct sst_fetch_answer *a, int of_source, int64_t now)
{
	enum sst_fault fault = SST_FAULT_NONE;

	if (a->fault == SST_FAULT_BLOCKED)
		return;
	if (a->fault == SST_FAULT_TIMEOUT || a->fault == SST_FAULT_CONNECT ||
	    (a->fault == SST_FAULT_TRY_LATER && of_source))
		fault = a->fault;
	sst_schedule_heard(j->w->schedule, j->host, fault, a->was_timeout, a->retry_after,
	    now);
}

/* Notes a failure about this certificate (or issuer) at this source; returns when
 * it is asked again. */
static int64_t
note_negative(struct sst_job *j, enum sst_fault fault, int retry_after, int64_t now)
{
	struct sst_cert_key key = sst_job_negative_key(j->subject, j->kind);
	struct sst_source_state st = { .fail_count = 0 };

	if (fault == SST_FAULT_MEMORY)
		return 0;	/* our own, which says nothing of the source */
	sst_refresh_after(&st, fault, 0, retry_after, now, j->key);
	(void)sst_cache_negative_put(j->w->cache, &key, j->url, fault, st.next_try);
	sst_refresh_after(&j->source, SST_FAULT_NONE, 0, 0, now, j->key);
	j->source.last_fault = fault;
	return st.next_try;
}

void
sst_job_failed(struct sst_job *j, const struct sst_fetch_answer *a)
{
	int64_t now = sst_work_now(j->w), again;
	int of_source = is_of_source(j, a);

	if (j->w->closing) {
		sst_job_end_with_error(j, a->fault, a->text, 0);
		return;
	}
	hear_host(j, a, of_source, now);
	if (of_source) {
		sst_refresh_after(&j->source, a->fault, a->was_timeout, a->retry_after,
		    now, j->key);
		again = j->source.next_try;
	} else {
		again = note_negative(j, a->fault, a->retry_after, now);
	}
	j->source.http_status = a->http_status;
	j->source.ms = a->ms;
	(void)sst_cache_source_put(j->w->cache, j->url, &j->source);
	/* another list of what is allowed may be in force by then */
	sst_job_end_with_error(j, a->fault, a->text, again == INT64_MAX ? now + BLOCKED_S : again);
}

void
sst_job_judged(struct sst_job *j, const struct sst_evidence *e)
{
	int64_t now = sst_work_now(j->w), again = 0;

	sst_schedule_heard(j->w->schedule, j->host, SST_FAULT_NONE, 0, 0, now);
	if (e->status == SST_EV_ERROR)
		again = note_negative(j, e->fault, 0, now);
	else
		sst_refresh_after(&j->source, SST_FAULT_NONE, 0, 0, now, j->key);
	(void)sst_cache_source_put(j->w->cache, j->url, &j->source);
	j->w->dirty = 1;
	sst_job_end(j, e, again);
}
