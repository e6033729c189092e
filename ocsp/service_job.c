/* SPDX-License-Identifier: ISC */
/* service_job - one question to the machine's cache service. */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "checker.h"
#include "service_inside.h"
#include "verdict.h"

#define QUESTIONS_MAX	4	/* of one connection */
#define BUDGET_MAX_MS	10000

/* What is asked, once it is understood. */
struct wish {
	STACK_OF(X509)	*chain;		/* verified */
	const struct sst_cert_facts *facts;
	struct sst_revocation_policy policy;
	unsigned	 bits;		/* SST_SERVICE_* */
	int		 is_leaf;
};

/* All of the octets, or nothing. */
static X509 *
cert_of(const uint8_t *der, size_t len)
{
	const unsigned char *at = der;
	X509 *cert = d2i_X509(NULL, &at, (long)len);

	if (cert != NULL && at == der + len)
		return cert;
	X509_free(cert);
	ERR_clear_error();
	return NULL;
}

static int
understand(struct sst_service *s, const struct sst_service_ask *ask, int64_t now_ms,
    struct wish *ret, struct sst_error *err)
{
	X509 *given[SST_SERVICE_PARTS] = { NULL, NULL, NULL };
	int rc = SST_OK;

	for (int i = 0; rc == SST_OK && i < SST_SERVICE_PARTS; i++) {
		if (ask->part[i].len == 0)
			continue;
		given[i] = cert_of(ask->part[i].der, ask->part[i].len);
		if (given[i] == NULL)
			rc = sst_fail(err, SST_E_MALFORMED, "certificate %d of the question "
			    "does not parse", i + 1);
	}
	if (rc == SST_OK)
		rc = sst_anchors_chain(s->anchors, given[0], given[1], given[2], now_ms,
		    &ret->chain, err);
	if (rc == SST_OK)
		rc = sst_facts_of(sk_X509_value(ret->chain, 0), sk_X509_value(ret->chain, 1),
		    &ret->facts, err);
	for (int i = 0; i < SST_SERVICE_PARTS; i++)
		X509_free(given[i]);
	if (rc < 0)
		return rc;
	ret->is_leaf = (ask->bits & SST_SERVICE_LEAF) != 0 && !ret->facts->is_ca;
	ret->bits = (ask->bits & (SST_SERVICE_NO_OCSP | SST_SERVICE_NO_CRL)) |
	    (ret->is_leaf ? SST_SERVICE_LEAF : 0);
	if (ask->bits & SST_SERVICE_NO_OCSP)
		ret->policy.use_ocsp = SST_SWITCH_OFF;
	if (ask->bits & SST_SERVICE_NO_CRL)
		ret->policy.use_crls = SST_SWITCH_OFF;
	return SST_OK;
}

/* What decided is fetched again before it ends, for as long as it is asked for. */
static void
keep_fresh(struct sst_service *s, const struct wish *w, const struct sst_revocation_result *r,
    const struct sst_service_answer *a)
{
	struct sst_work_ask ask = { .cert = sk_X509_value(w->chain, 0),
	    .issuer = sk_X509_value(w->chain, 1), .policy = &w->policy,
	    .is_leaf = w->is_leaf };

	if (sk_X509_num(w->chain) > 2)
		ask.above = sk_X509_value(w->chain, 2);
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].source == r->source && a->list[i].url[0] != '\0' &&
		    a->list[i].this_update == r->this_update) {
			sst_work_keep(sst_checker_work(s->checker), &ask, &a->list[i]);
			return;
		}
	}
}

/* 1: what is kept answers the question. A cache that is busy does not. */
static int
is_known(struct sst_service *s, const struct wish *w, struct sst_service_answer *ret)
{
	const struct sst_case c = { .facts = w->facts, .depth = w->is_leaf ? 0 : 1,
	    .now = sst_checker_now(s->checker), .policy = &w->policy };
	struct sst_revocation_result result;
	struct sst_limits limits;
	int n;

	sst_limits_of(&w->policy, &limits);
	n = sst_checker_known(s->checker, w->facts, c.now, &limits, ret->list,
	    SST_SERVICE_PIECES);
	if (n < 0)
		return 0;
	memset(&result, 0, sizeof(result));
	sst_verdict_of(&c, ret->list, (size_t)n, &result);
	ret->n = (size_t)n;
	if (sst_verdict_may_improve(&c, &result))
		return 0;
	keep_fresh(s, w, &result, ret);
	return 1;
}

/* On the checker's thread. */
static void
on_evidence(void *arg, const struct sst_evidence *list, size_t n)
{
	struct sst_question *q = arg;
	struct sst_service *s = q->service;
	const uint64_t one = 1;

	q->n = n < SST_SERVICE_PIECES ? n : SST_SERVICE_PIECES;
	if (q->n > 0)
		q->list = malloc(q->n * sizeof(*list));
	if (q->list != NULL)
		memcpy(q->list, list, q->n * sizeof(*list));
	(void)pthread_mutex_lock(&s->mu);
	q->next_over = s->over;
	s->over = q;
	(void)pthread_mutex_unlock(&s->mu);
	/* a counter that is full wakes as well */
	(void)!write(s->over_fd, &one, sizeof(one));
}

static void
question_free(struct sst_question *q)
{
	struct sst_service *s = q->service;

	*(q->prev != NULL ? &q->prev->next : &s->questions) = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	if (q->conn != NULL)
		q->conn->questions--;
	if (q->is_charged)
		sst_quota_fetched(q->user);
	free(q->list);
	free(q);
}

static int
budget_of(const struct sst_service_ask *ask)
{
	if (ask->budget_ms <= 0)
		return SST_REVOCATION_BUDGET_MS;
	return ask->budget_ms < BUDGET_MAX_MS ? ask->budget_ms : BUDGET_MAX_MS;
}

static int
is_under_way(const struct sst_service *s, const struct wish *w)
{
	const struct sst_question *q = s->questions;

	while (q != NULL && (q->bits != w->bits ||
	    sst_cert_key_cmp(&q->key, &w->facts->key) != 0))
		q = q->next;
	return q != NULL;
}

/* The quota was asked. */
static int
fetch(struct sst_service *s, struct sst_conn *conn, const struct wish *w,
    const struct sst_service_ask *ask, int is_charged, struct sst_error *err)
{
	struct sst_question *q = calloc(1, sizeof(*q));
	struct sst_work_ask wanted = { .cert = sk_X509_value(w->chain, 0),
	    .issuer = sk_X509_value(w->chain, 1), .policy = &w->policy,
	    .budget_ms = budget_of(ask), .is_leaf = w->is_leaf };
	int rc;

	if (q == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (sk_X509_num(w->chain) > 2)
		wanted.above = sk_X509_value(w->chain, 2);
	q->service = s;
	q->conn = conn;
	q->user = conn->user;
	q->key = w->facts->key;
	q->bits = w->bits;
	q->is_charged = is_charged;
	q->id = ask->id;
	rc = sst_work_ask(sst_checker_work(s->checker), &wanted, on_evidence, q, &q->ticket,
	    err);
	if (rc < 0) {
		free(q);
		return rc;
	}
	conn->questions++;
	q->next = s->questions;
	if (q->next != NULL)
		q->next->prev = q;
	s->questions = q;
	return SST_OK;
}

/* SST_OK: answered in *ret; 1: it is being fetched. */
static int
answer(struct sst_service *s, struct sst_conn *conn, const struct sst_service_ask *ask,
    struct wish *w, int64_t now_ms, struct sst_service_answer *ret, struct sst_error *err)
{
	int is_charged, rc = sst_quota_ask(s->quota, conn->user, now_ms, err);

	if (rc == SST_OK && conn->questions >= QUESTIONS_MAX)
		rc = sst_fail(err, SST_E_LIMIT, "a connection waits for %d answers at most",
		    QUESTIONS_MAX);
	if (rc == SST_OK)
		rc = understand(s, ask, now_ms, w, err);
	if (rc < 0)
		return rc;
	if (is_known(s, w, ret))
		return SST_OK;
	ret->n = 0;
	is_charged = !is_under_way(s, w);
	if (is_charged)
		rc = sst_quota_fetch(s->quota, conn->user, now_ms, err);
	if (rc < 0)
		return rc;
	rc = fetch(s, conn, w, ask, is_charged, err);
	if (rc < 0 && is_charged)
		sst_quota_fetched(conn->user);
	return rc < 0 ? rc : 1;
}

int
sst_service_take(struct sst_service *s, struct sst_conn *conn, size_t len, int64_t now_ms)
{
	struct sst_service_answer reply = { .code = SST_OK };
	struct sst_error err = { .code = SST_OK };
	struct wish w = { .chain = NULL };
	struct sst_service_ask ask;
	int rc, is_garbage, ok = 1;

	rc = sst_service_ask_unpack(s->in, len, &ask, &err);
	is_garbage = rc < 0;
	if (rc == SST_OK)
		rc = answer(s, conn, &ask, &w, now_ms, &reply, &err);
	if (rc <= 0) {
		reply.id = ask.id;
		reply.code = rc;
		(void)snprintf(reply.text, sizeof(reply.text), "%.255s", err.text);
		ok = sst_service_tell(s, conn, &reply, w.facts != NULL ? &w.facts->key : NULL);
	}
	sk_X509_pop_free(w.chain, X509_free);
	return ok && !is_garbage;
}

/* A peer that does not read it is closed when it is heard again, or idle. */
static void
tell(struct sst_service *s, const struct sst_question *q)
{
	struct sst_service_answer a = { .id = q->id, .code = SST_OK };

	if (q->list != NULL) {
		a.n = q->n;
		memcpy(a.list, q->list, q->n * sizeof(a.list[0]));
	} else if (q->n > 0) {
		a.code = SST_E_NOMEM;
		(void)snprintf(a.text, sizeof(a.text), "the cache service is out of memory");
	}
	(void)sst_service_tell(s, q->conn, &a, &q->key);
}

void
sst_service_answers(struct sst_service *s)
{
	struct sst_question *q, *next;

	(void)pthread_mutex_lock(&s->mu);
	q = s->over;
	s->over = NULL;
	(void)pthread_mutex_unlock(&s->mu);
	for (; q != NULL; q = next) {
		next = q->next_over;
		if (q->conn != NULL)
			tell(s, q);
		question_free(q);
	}
}

void
sst_service_forget(struct sst_service *s, const struct sst_conn *conn)
{
	for (struct sst_question *q = s->questions; q != NULL; q = q->next)
		if (q->conn == conn)
			q->conn = NULL;
}

void
sst_service_give_up(struct sst_service *s)
{
	struct sst_work *work = sst_checker_work(s->checker);

	for (struct sst_question *q = s->questions; q != NULL; q = q->next)
		sst_work_cancel(work, q->ticket);
	while (s->questions != NULL)
		question_free(s->questions);
	s->over = NULL;
}
