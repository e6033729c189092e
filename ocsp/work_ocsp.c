/* SPDX-License-Identifier: ISC */
/*
 * A response that is fetched. The first try is GET with SHA-256; a responder that
 * does not understand one of them is asked in the older way, and what worked is
 * remembered of it (RFC 6960 A.1, RFC 9919).
 */
#include "work_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "response.h"

#define URL_ROOM	2048

static void	on_response(void *arg, const struct sst_fetch_answer *);

static void
send_failed(struct sst_job *j, enum sst_fault fault, const struct sst_error *err)
{
	struct sst_fetch_answer a = { .fault = fault };

	(void)snprintf(a.text, sizeof(a.text), "%.*s", (int)sizeof(a.text) - 1, err->text);
	sst_job_failed(j, &a);
}

static int
wants_nonce(const struct sst_job *j)
{
	return j->subject->policy.nonce == SST_SWITCH_ON;
}

static void
ask_responder(struct sst_job *j)
{
	int64_t left = j->deadline - sst_clock_ms();
	struct sst_error err = { .code = SST_OK };
	struct sst_fetch_ask ask = { .url = j->url, .max_bytes = j->subject->limits.ocsp_size,
	    .total_ms = left > 0 ? (int)left : 0 };
	char url[URL_ROOM];
	int rc;

	rc = sst_request_make(j->subject->facts, j->subject->issuer, j->hash,
	    wants_nonce(j), &j->request, &err);
	if (rc == SST_OK && !j->by_post)
		rc = sst_request_get_url(&j->request, j->url, url, sizeof(url));
	else if (rc == SST_OK)
		rc = 0;
	if (rc == 1) {
		ask.url = url;
	} else {
		ask.post = j->request.der;
		ask.post_len = j->request.len;
	}
	if (rc >= 0)
		rc = sst_fetcher_ask(j->w->fetcher, &ask, on_response, j, &err);
	if (rc < 0)
		send_failed(j, rc == SST_E_REFUSED ? SST_FAULT_BLOCKED :
		    rc == SST_E_NOMEM ? SST_FAULT_MEMORY : SST_FAULT_MALFORMED, &err);
}

/* A nonce makes every answer a new one: GET would fill caches for nothing. */
static int
post_first(const struct sst_job *j)
{
	return j->source.no_get || wants_nonce(j);
}

int
sst_job_signer_revoked(void *arg, const struct sst_cert_key *key)
{
	struct sst_job *j = arg;

	return sst_cache_revoked(j->w->cache, key, sst_subject_now(j->w, j->subject));
}

void
sst_ocsp_begin(struct sst_job *j)
{
	j->hash = j->source.no_sha256 ? SST_CERTID_SHA1 : SST_CERTID_SHA256;
	j->by_post = post_first(j);
	j->get_failed = j->sha256_failed = 0;
	ask_responder(j);
}

static void
with_sha1(struct sst_job *j)
{
	j->hash = SST_CERTID_SHA1;
	j->sha256_failed = 1;
	ask_responder(j);
}

/* 1: the way it was asked may be what the responder does not like, and it is
 * asked in another. */
static int
asked_anew(struct sst_job *j, enum sst_fault fault, int is_signed)
{
	if (!is_signed && !j->by_post &&
	    (fault == SST_FAULT_HTTP || fault == SST_FAULT_MALFORMED)) {
		j->by_post = j->get_failed = 1;
		ask_responder(j);
		return 1;
	}
	if (j->hash != SST_CERTID_SHA256)
		return 0;
	if (!is_signed && fault == SST_FAULT_HTTP) {
		/* it may have been the hash that GET failed for, too */
		j->by_post = post_first(j);
		j->get_failed = 0;
		with_sha1(j);
		return 1;
	}
	if (is_signed && (fault == SST_FAULT_UNAUTHORIZED || fault == SST_FAULT_RESPONDER ||
	    fault == SST_FAULT_NO_MATCH)) {
		with_sha1(j);
		return 1;
	}
	return 0;
}

struct kept {
	struct sst_job	*job;
	int64_t		 now, not_after;
};

static int
keep_other(void *arg, const struct sst_cert_key *key, const struct sst_evidence *e)
{
	struct kept *k = arg;

	(void)sst_cache_put(k->job->w->cache, key, k->not_after, e, NULL, 0, k->now, NULL);
	return 0;
}

static void
keep(struct sst_job *j, const struct sst_fetch_answer *a, const struct sst_response_ask *ask,
    struct sst_evidence *e)
{
	struct kept k = { .job = j, .now = sst_work_now(j->w),
	    .not_after = j->subject->facts->not_after };
	struct sst_error err = { .code = SST_OK };

	if (sst_cache_put(j->w->cache, &j->subject->facts->key, k.not_after, e, a->body,
	    a->len, k.now, &err) == SST_E_REFUSED) {
		sst_work_error(e, SST_WORK_OCSP, SST_FAULT_REPLAY, j->url, err.text);
		return;
	}
	(void)sst_response_others(a->body, a->len, ask, keep_other, &k);
	if (j->get_failed)
		j->source.no_get = 1;
	if (j->sha256_failed)
		j->source.no_sha256 = 1;
}

/* "Try later" is the responder's word about itself, as 503 is. */
static void
try_later(struct sst_job *j, const struct sst_evidence *e)
{
	struct sst_fetch_answer a = { .fault = SST_FAULT_TRY_LATER, .http_status = 200 };

	(void)snprintf(a.text, sizeof(a.text), "%.*s", (int)sizeof(a.text) - 1, e->text);
	sst_job_failed(j, &a);
}

static void
on_response(void *arg, const struct sst_fetch_answer *a)
{
	struct sst_job *j = arg;
	const struct sst_response_ask ask = { .cert = j->subject->facts,
	    .issuer = j->subject->issuer, .now = sst_subject_now(j->w, j->subject),
	    .source = SST_SOURCE_OCSP, .limits = &j->subject->limits,
	    .nonce = j->request.nonce_len > 0 ? j->request.nonce : NULL,
	    .nonce_len = j->request.nonce_len, .delegate_revoked = sst_job_signer_revoked,
	    .arg = j };
	struct sst_evidence e;

	if (a->fault != SST_FAULT_NONE) {
		if (j->w->closing || !asked_anew(j, a->fault, 0))
			sst_job_failed(j, a);
		return;
	}
	j->source.http_status = a->http_status;
	j->source.ms = a->ms;
	j->source.bytes = a->len;
	sst_response_judge(a->body, a->len, &ask, &e);
	e.fetched_at = sst_work_now(j->w);
	(void)sst_escape(e.url, sizeof(e.url), j->url, strlen(j->url));
	if (e.status == SST_EV_ERROR && asked_anew(j, e.fault, 1))
		return;
	if (e.status == SST_EV_ERROR && e.fault == SST_FAULT_TRY_LATER) {
		try_later(j, &e);
		return;
	}
	/* only what is signed is kept, and only that can take a row's place */
	if (e.status != SST_EV_ERROR)
		keep(j, a, &ask, &e);
	sst_job_judged(j, &e);
}
