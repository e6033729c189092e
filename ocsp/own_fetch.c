/* SPDX-License-Identifier: ISC */
/*
 * A staple comes from the table of staples, from the answers that the caches keep, or
 * from the responder, whose answer the checker's thread keeps first. Whatever the way,
 * it is judged here before it is given out, as if a hostile peer had sent it.
 */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "checker.h"
#include "own_inside.h"
#include "refresh.h"
#include "response.h"
#include "verdict.h"
#include "work.h"

#define BUDGET_MS	10000	/* of one fetch: nobody waits for it so long */
#define RETRY_S		60
#define SPREAD_S	16	/* so much more, by the certificate */

static int
delegate_revoked(void *checker, const struct sst_cert_key *key)
{
	return sst_checker_revoked(checker, key, sst_checker_now(checker));
}

/* 1: it may be given out. */
static int
judge(struct sst_own_cert *e, const void *der, size_t len, int64_t now,
    struct sst_evidence *ret)
{
	struct sst_limits limits;
	const struct sst_response_ask ask = { .cert = e->facts,
	    .issuer = sst_own_issuer(e), .now = now, .source = SST_SOURCE_STAPLE,
	    .limits = &limits, .delegate_revoked = delegate_revoked,
	    .arg = e->own->checker };

	sst_limits_of(&e->own->policy, &limits);
	sst_response_judge(der, len, &ask, ret);
	return ret->status == SST_EV_GOOD && sst_evidence_fresh(ret, now, 0);
}

/* 1: it took the place of what was there. */
static int
install(struct sst_own_cert *e, const struct sst_evidence *ev, const void *der, size_t len)
{
	int64_t until = ev->until;
	struct sst_own_staple *s, *old;

	if (ev->next_update != 0 && ev->next_update < until)
		until = ev->next_update;
	s = sst_own_staple_new(der, len, until);
	if (s == NULL)
		return 0;
	(void)pthread_mutex_lock(&e->own->mu);
	old = e->staple;
	if (old == NULL || ev->this_update > e->evidence.this_update) {
		e->staple = s;
		e->evidence = *ev;
		s = old;
		old = NULL;
	} else {
		old = s;
	}
	(void)pthread_mutex_unlock(&e->own->mu);
	sst_own_staple_unref(s);
	return old == NULL;
}

static void
take_from(struct sst_own_cert *e, struct sst_cache *cache, int64_t now)
{
	struct sst_cache *own = sst_checker_own(e->own->checker);
	struct sst_evidence kept, ev;
	uint8_t *der = NULL;
	size_t len = 0;

	if (sst_cache_staple_get(cache, e->facts->sha256, &kept, &der, &len) == 1 &&
	    judge(e, der, len, now, &ev)) {
		ev.fetched_at = kept.fetched_at;
		(void)install(e, &ev, der, len);
	}
	free(der);
	der = NULL;
	if (sst_cache_response_get(cache, &e->facts->key, &der, &len) == 1 &&
	    judge(e, der, len, now, &ev)) {
		ev.fetched_at = now;
		if (install(e, &ev, der, len) && own != NULL)
			(void)sst_cache_staple_put(own, e->facts->sha256, &ev, der, len);
	}
	free(der);
}

void
sst_own_take(struct sst_own_cert *e, int64_t now)
{
	struct sst_checker *checker = e->own->checker;

	if (e->own->policy.use_cache == SST_SWITCH_OFF)
		return;
	take_from(e, sst_checker_own(checker), now);
	if (sst_checker_machine(checker) != NULL)
		take_from(e, sst_checker_machine(checker), now);
}

/* When there is a good one: by its life; else soon. Caller holds own's mu. */
static int64_t
next_fetch_locked(const struct sst_own_cert *e, int64_t now)
{
	const int64_t retry = now + RETRY_S + e->facts->sha256[1] % SPREAD_S;
	int64_t at;

	if (e->staple == NULL || now >= e->staple->until)
		return retry;
	at = sst_refresh_at(&e->evidence, e->facts->sha256);
	return at > now ? at : retry;
}

static void
settle(struct sst_own_cert *e, int64_t now, int fetched, int revoked)
{
	struct sst_own *o = e->own;

	(void)pthread_mutex_lock(&o->mu);
	if (fetched && e->staple != NULL)
		e->evidence.fetched_at = now;
	if (revoked)
		e->look_at = 0;
	if (!e->gone)
		e->fetch_at = next_fetch_locked(e, now);
	e->answered = 1;
	e->asking = 0;
	(void)pthread_cond_broadcast(&o->told);
	(void)pthread_mutex_unlock(&o->mu);
}

/* On the checker's thread; what was answered is in the cache. */
static void
on_answer(void *arg, const struct sst_evidence *list, size_t n)
{
	struct sst_own_cert *e = arg;
	const int64_t now = sst_checker_now(e->own->checker);
	int fetched = 0, revoked = 0;

	for (size_t i = 0; i < n; i++) {
		fetched |= list[i].status == SST_EV_GOOD;
		revoked |= list[i].status == SST_EV_REVOKED;
	}
	sst_own_take(e, now);
	settle(e, now, fetched, revoked);
}

/* 1: what is there was fetched lately, by somebody. */
static int
is_needless(struct sst_own_cert *e, int64_t now)
{
	int yes;

	(void)pthread_mutex_lock(&e->own->mu);
	yes = e->staple != NULL && now < e->staple->until &&
	    sst_refresh_at(&e->evidence, e->facts->sha256) > now;
	(void)pthread_mutex_unlock(&e->own->mu);
	return yes;
}

void
sst_own_fetch(struct sst_own_cert *e, int64_t now)
{
	struct sst_work *work = sst_checker_work(e->own->checker);
	struct sst_revocation_policy policy = e->own->policy;
	struct sst_work_ask ask = { .cert = sst_own_leaf(e), .issuer = sst_own_issuer(e),
	    .above = sk_X509_value(e->chain, 2), .policy = &policy,
	    .is_leaf = 1, .budget_ms = BUDGET_MS };

	sst_own_take(e, now);
	if (work == NULL || policy.fetch == SST_SWITCH_OFF || is_needless(e, now)) {
		settle(e, now, 0, 0);
		return;
	}
	/* A response and nothing else, and a new one: what is kept was looked at. One
	 * with a nonce would be nobody else's. */
	policy.use_crls = SST_SWITCH_OFF;
	policy.use_cache = SST_SWITCH_OFF;
	policy.use_ocsp = SST_SWITCH_ON;
	policy.nonce = SST_SWITCH_OFF;
	if (sst_work_ask(work, &ask, on_answer, e, &e->ticket, NULL) < 0)
		settle(e, now, 0, 0);
}
