/* SPDX-License-Identifier: ISC */
/*
 * A list that is fetched: judged whole, taken into the cache in one step, and then
 * asked about each certificate that waits for it.
 */
#include "work_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "crl.h"

static void	on_list(void *arg, const struct sst_fetch_answer *);

void
sst_crl_about(const struct sst_job *j, const struct sst_subject *s, struct sst_evidence *ret)
{
	int64_t now = sst_subject_now(j->w, s);
	struct sst_crl_entry entry;
	int found = sst_crl_find(j->list, &s->facts->key, &entry);

	sst_crl_evidence(sst_crl_head(j->list), s->facts, found == 1 ? &entry : NULL, now,
	    &s->limits, ret);
	ret->fetched_at = sst_work_now(j->w);
	(void)sst_escape(ret->url, sizeof(ret->url), j->url, strlen(j->url));
}

/* Whether the cache holds the list that this URL brought the last time: only then
 * "not modified" would be an answer. */
static int
may_be_unchanged(const struct sst_job *j)
{
	char shown[sizeof(((struct sst_evidence *)0)->url)];
	struct sst_evidence e;

	if (!sst_job_known(j->w, j->subject, SST_WORK_CRL, &e))
		return 0;
	(void)sst_escape(shown, sizeof(shown), j->url, strlen(j->url));
	return strcmp(shown, e.url) == 0;
}

static void
ask_for_list(struct sst_job *j, int conditional)
{
	int64_t left = j->deadline - sst_clock_ms();
	struct sst_error err = { .code = SST_OK };
	struct sst_fetch_answer a = { .fault = SST_FAULT_BLOCKED };
	const struct sst_fetch_ask ask = { .url = j->url, .is_crl = 1,
	    .max_bytes = j->subject->limits.crl_size, .total_ms = left > 0 ? (int)left : 0,
	    .etag = conditional ? j->source.etag : NULL,
	    .last_modified = conditional ? j->source.last_modified : NULL };
	int rc = sst_fetcher_ask(j->w->fetcher, &ask, on_list, j, &err);

	if (rc == SST_OK)
		return;
	if (rc != SST_E_REFUSED)
		a.fault = SST_FAULT_TIMEOUT;
	(void)snprintf(a.text, sizeof(a.text), "%.*s", (int)sizeof(a.text) - 1, err.text);
	sst_job_failed(j, &a);
}

void
sst_crl_begin(struct sst_job *j)
{
	ask_for_list(j, may_be_unchanged(j));
}

static void
not_modified(struct sst_job *j)
{
	struct sst_evidence e;

	if (!sst_job_known(j->w, j->subject, SST_WORK_CRL, &e)) {
		ask_for_list(j, 0);	/* it ended or was dropped meanwhile */
		return;
	}
	/* its times are the list's own: what HTTP says extends nothing */
	e.fetched_at = sst_work_now(j->w);
	sst_job_judged(j, &e);
}

static void
remember_body(struct sst_job *j, const struct sst_fetch_answer *a)
{
	struct sst_source_state *st = &j->source;

	memcpy(st->etag, a->etag, sizeof(st->etag));
	memcpy(st->last_modified, a->last_modified, sizeof(st->last_modified));
	memcpy(st->body_sha256, sst_crl_head(j->list)->sha256, sizeof(st->body_sha256));
	st->bytes = a->len;
}

/* Judges and keeps. 0: *ret is what is wrong with it. */
static int
take_list(struct sst_job *j, const struct sst_fetch_answer *a, struct sst_crl **ret_list,
    struct sst_evidence *ret)
{
	const struct sst_subject *s = j->subject;
	const int64_t now = sst_subject_now(j->w, s);
	const struct sst_crl_signers signers = { .issuer = s->issuer, .above = s->above,
	    .others = s->others, .revoked = sst_job_signer_revoked, .arg = j };
	struct sst_error err = { .code = SST_OK };
	enum sst_fault fault = SST_FAULT_MALFORMED;

	if (sst_crl_open(a->body, a->len, &signers, now, &s->limits, ret_list, &fault,
	    &err) < 0) {
		sst_work_error(ret, SST_WORK_CRL, fault, j->url, err.text);
		return 0;
	}
	/* no room for it in the cache is no fault of the list */
	if (sst_cache_put_crl(j->w->cache, *ret_list, j->url, sst_work_now(j->w),
	    &err) == SST_E_REFUSED) {
		sst_work_error(ret, SST_WORK_CRL, SST_FAULT_REPLAY, j->url, err.text);
		return 0;
	}
	return 1;
}

static void
on_list(void *arg, const struct sst_fetch_answer *a)
{
	struct sst_job *j = arg;
	struct sst_crl *list = NULL;
	struct sst_evidence e;

	if (a->fault != SST_FAULT_NONE) {
		sst_job_failed(j, a);
		return;
	}
	j->source.http_status = a->http_status;
	j->source.ms = a->ms;
	if (a->not_modified) {
		not_modified(j);
		return;
	}
	if (take_list(j, a, &list, &e)) {
		j->list = list;
		remember_body(j, a);
		sst_crl_about(j, j->subject, &e);
	}
	sst_job_judged(j, &e);
	j->list = NULL;
	sst_crl_free(list);
}
