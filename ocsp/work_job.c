/* SPDX-License-Identifier: ISC */
/*
 * One fetch. Whether it may begin is asked in this order: is the URL of a form
 * that is fetched, did the source or this certificate's answer fail lately, is the
 * host closed, does somebody else have the lease, and did he bring what we want.
 */
#include "work_inside.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "refresh.h"

#define OCSP_MS		10000
#define CRL_MS		60000	/* 32 MiB take a while; a slow drip ends earlier */
#define LEASE_POLL_MS	20
#define LEASE_AGAIN_S	60

/* A list is about an issuer's certificates, a response about one; each at a level. */
static void
job_key(const struct sst_subject *s, enum sst_work_kind kind, const char *url,
    uint8_t key[32])
{
	uint8_t bytes[34 + 32 + 32 + 32] = { (uint8_t)kind, (uint8_t)s->limits.security_level };

	(void)SHA256((const uint8_t *)url, strlen(url), bytes + 2);
	if (kind == SST_WORK_CRL)
		memcpy(bytes + 34, &s->facts->key.issuer, sizeof(s->facts->key.issuer));
	else
		sst_cert_key_hash(&s->facts->key, bytes + 34);
	(void)SHA256(bytes, sizeof(bytes), key);
}

struct sst_cert_key
sst_job_negative_key(const struct sst_subject *s, enum sst_work_kind kind)
{
	struct sst_cert_key k = s->facts->key;

	if (kind == SST_WORK_CRL) {
		memset(k.serial, 0, sizeof(k.serial));
		k.serial_len = 1;
	}
	return k;
}

int
sst_job_held(struct sst_work *w, const struct sst_subject *s, enum sst_work_kind kind,
    struct sst_evidence *ret)
{
	struct sst_evidence list[16];
	int64_t now = sst_subject_now(w, s);
	int n;

	n = sst_cache_get(w->cache, s->facts, now, &s->limits, list,
	    sizeof(list) / sizeof(list[0]));
	for (int i = 0; i < n; i++) {
		int is_list = list[i].source == SST_SOURCE_CRL;

		if (is_list == (kind == SST_WORK_CRL) &&
		    sst_evidence_decides(&list[i], now, &s->limits)) {
			*ret = list[i];
			return 1;
		}
	}
	return 0;
}

int
sst_job_known(struct sst_work *w, const struct sst_subject *s, enum sst_work_kind kind,
    struct sst_evidence *ret)
{
	return s->policy.use_cache != SST_SWITCH_OFF && sst_job_held(w, s, kind, ret);
}

void
sst_item_free(void *arg)
{
	struct sst_work_item *item = arg;

	if (item == NULL)
		return;
	sst_subject_unref(item->subject);
	free(item->url);
	free(item);
}

void
sst_job_plan(struct sst_work *w, struct sst_subject *s, enum sst_work_kind kind,
    const char *url, const char *host, const struct sst_evidence *e)
{
	struct sst_work_item *item;

	/* what is revoked for good is not asked again; a list is, for the others */
	if (s->at != 0 || e->until == 0 || w->schedule == NULL ||
	    (kind == SST_WORK_OCSP && e->status != SST_EV_GOOD))
		return;
	item = calloc(1, sizeof(*item));
	if (item == NULL)
		return;
	item->kind = kind;
	item->subject = sst_subject_ref(s);
	item->url = strdup(url);
	job_key(s, kind, url, item->key);
	if (item->url == NULL || sst_schedule_put(w->schedule, item->key, host, e,
	    sst_work_now(w), item) != 1)
		sst_item_free(item);
}

static void
job_free(struct sst_job *j)
{
	sst_subject_unref(j->subject);
	free(j->url);
	free(j->host);
	free(j->lease);
	free(j);
}

static char *
lease_name(enum sst_work_kind kind, const uint8_t key[32])
{
	char *name = malloc(80);
	int n;

	if (name == NULL)
		return NULL;
	n = snprintf(name, 80, "%s ", kind == SST_WORK_CRL ? "crl" : "ocsp");
	for (int i = 0; i < 32; i++)
		n += snprintf(name + n, 80 - (size_t)n, "%02x", key[i]);
	return name;
}

static struct sst_job *
job_new(struct sst_work *w, struct sst_subject *s, enum sst_work_kind kind, const char *url,
    const uint8_t key[32])
{
	struct sst_job *j;

	if (w->n_jobs >= SST_WORK_JOBS)
		return NULL;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return NULL;
	j->w = w;
	j->kind = kind;
	j->subject = sst_subject_ref(s);
	memcpy(j->key, key, 32);
	j->url = strdup(url);
	j->host = sst_guard_host(url);
	j->lease = lease_name(kind, key);
	if (j->url == NULL || j->host == NULL || j->lease == NULL) {
		job_free(j);
		return NULL;
	}
	j->deadline = sst_clock_ms() + (kind == SST_WORK_CRL ? CRL_MS : OCSP_MS);
	j->next = w->jobs;
	w->jobs = j;
	w->n_jobs++;
	return j;
}

static struct sst_job *
job_find(const struct sst_work *w, const uint8_t key[32])
{
	struct sst_job *j = w->jobs;

	while (j != NULL && (j->over || memcmp(j->key, key, 32) != 0))
		j = j->next;
	return j;
}

/*
 * 1: the source is not asked now, and *ret says why. A block that another process
 * noted counts for its list of what is allowed, not for ours.
 */
static int
put_off(struct sst_work *w, const struct sst_subject *s, enum sst_work_kind kind,
    const char *url, const struct sst_source_state *st, struct sst_evidence *ret)
{
	struct sst_cert_key key = sst_job_negative_key(s, kind);
	int64_t now = sst_work_now(w);
	enum sst_fault fault = SST_FAULT_NONE;

	if (sst_cache_negative_get(w->cache, &key, url, now, &fault) == 1) {
		sst_work_error(ret, kind, fault, url,
		    "its answer was of no use a while ago; it is not asked again yet");
		return 1;
	}
	if (st->next_try > now && st->last_fault != SST_FAULT_BLOCKED) {
		sst_work_error(ret, kind, st->last_fault, url,
		    "it failed a while ago; it is not asked again yet");
		return 1;
	}
	return 0;
}

struct sst_job *
sst_job_for(struct sst_work *w, struct sst_subject *s, enum sst_work_kind kind,
    const char *url, struct sst_evidence *ret_ev)
{
	struct sst_source_state st;
	struct sst_error err = { .code = SST_OK };
	struct sst_job *j;
	uint8_t key[32];

	job_key(s, kind, url, key);
	j = job_find(w, key);
	if (j == NULL && !sst_guard_url(w->guard, url, &err)) {
		sst_work_error(ret_ev, kind, SST_FAULT_BLOCKED, url, err.text);
		return NULL;
	}
	if (j == NULL) {
		(void)sst_cache_source_get(w->cache, url, &st);
		if (put_off(w, s, kind, url, &st, ret_ev))
			return NULL;
		j = job_new(w, s, kind, url, key);
		if (j == NULL) {
			sst_work_error(ret_ev, kind, SST_FAULT_TIMEOUT, url,
			    "too much is being fetched");
			return NULL;
		}
		j->source = st;
	}
	if (!sst_refresh_closed(&j->source) && !sst_schedule_closed(w->schedule, j->host))
		return j;
	sst_work_error(ret_ev, kind, SST_FAULT_TIMEOUT, url,
	    "its host did not answer twice; it is tried in the background alone");
	return NULL;
}

void
sst_job_background(struct sst_work *w, struct sst_work_item *item)
{
	struct sst_source_state st;
	struct sst_evidence e;
	struct sst_job *j = job_find(w, item->key);

	if (j == NULL && sst_service_refreshes(w, item))
		return;
	if (j == NULL) {
		(void)sst_cache_source_get(w->cache, item->url, &st);
		if (put_off(w, item->subject, item->kind, item->url, &st, &e) ||
		    (j = job_new(w, item->subject, item->kind, item->url,
		    item->key)) == NULL) {
			sst_schedule_done(w->schedule, item->key, NULL,
			    st.next_try > sst_work_now(w) ? st.next_try :
			    sst_work_now(w) + 60);
			return;
		}
		j->source = st;
	}
	j->background = 1;
}

void
sst_job_given_up(struct sst_work *w)
{
	struct sst_job *j = w->jobs;

	if (!j->over)
		sst_job_end_with_error(j, SST_FAULT_TIMEOUT, "given up: the checker ends", 0);
	w->jobs = j->next;
	w->n_jobs--;
	job_free(j);
}

/* What is held makes the fetch needless: somebody else brought it. */
static int
is_needless(struct sst_job *j, struct sst_evidence *e)
{
	if (!sst_job_known(j->w, j->subject, j->kind, e))
		return 0;
	return !j->background || sst_refresh_at(e, j->key) > sst_work_now(j->w);
}

/* Before the fetch: between the look at the cache and the lease another process
 * may have fetched, or failed. */
static void
begin(struct sst_job *j)
{
	struct sst_evidence e;

	j->fetching = 1;
	if (is_needless(j, &e)) {
		sst_job_end(j, &e, 0);
		return;
	}
	(void)sst_cache_source_get(j->w->cache, j->url, &j->source);
	if (put_off(j->w, j->subject, j->kind, j->url, &j->source, &e)) {
		sst_job_end(j, &e, j->source.next_try);
		return;
	}
	if (j->kind == SST_WORK_CRL)
		sst_crl_begin(j);
	else
		sst_ocsp_begin(j);
}

static void
try_lease(struct sst_job *j, int64_t now_ms)
{
	int seconds = (int)((j->deadline - now_ms) / 1000) + 2;
	struct sst_evidence e;
	int64_t until;

	if (now_ms >= j->deadline) {
		sst_job_end_with_error(j, SST_FAULT_TIMEOUT, "another process fetches it, and did "
		    "not bring it in time", sst_work_now(j->w) + LEASE_AGAIN_S);
		return;
	}
	/* no lease to be had for a reason of the cache: then without one */
	if (sst_cache_lease(j->w->cache, j->lease, sst_work_now(j->w), seconds,
	    &until) != 0)
		begin(j);
	else if (is_needless(j, &e))
		sst_job_end(j, &e, 0);
	else
		j->lease_at = now_ms + LEASE_POLL_MS;
}

int64_t
sst_jobs_step(struct sst_work *w, int64_t now_ms)
{
	struct sst_job **at = &w->jobs;
	int64_t until = INT64_MAX;

	while (*at != NULL) {
		struct sst_job *j = *at;

		if (!j->over && !j->fetching && j->lease_at <= now_ms)
			try_lease(j, now_ms);
		if (j->over) {
			until = 0;	/* who waited for it goes on at once */
			*at = j->next;
			w->n_jobs--;
			job_free(j);
			continue;
		}
		if (!j->fetching && j->lease_at < until)
			until = j->lease_at;
		at = &j->next;
	}
	return until;
}
