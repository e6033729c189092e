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

#define RETRY_S		60
#define SPREAD_S	16	/* so much more, by the certificate */

static int
delegate_revoked(void *checker, const struct sst_cert_key *key)
{
	return sst_checker_revoked(checker, key, sst_checker_now(checker));
}

/* 1: it may be given out. */
static int
judge(const struct sst_own_cert *e, const struct sst_own_view *view, const void *der,
    size_t len, int64_t now, struct sst_evidence *ret)
{
	struct sst_limits limits;
	const struct sst_response_ask ask = { .cert = view->facts,
	    .issuer = e->issuer, .now = now, .source = SST_SOURCE_STAPLE,
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
	if (old == NULL || ev->this_update > e->says.this_update) {
		e->staple = s;
		e->says.this_update = ev->this_update;
		e->says.until = ev->until;
		e->says.fetched_at = ev->fetched_at;
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
take_from(struct sst_own_cert *e, const struct sst_own_view *view, struct sst_cache *cache,
    int64_t now)
{
	struct sst_cache *own = sst_checker_own(e->own->checker);
	struct sst_evidence kept, ev;
	uint8_t *der = NULL;
	size_t len = 0;

	if (sst_cache_staple_get(cache, e->leaf, &kept, &der, &len) == 1 &&
	    judge(e, view, der, len, now, &ev)) {
		ev.fetched_at = kept.fetched_at;
		(void)install(e, &ev, der, len);
	}
	free(der);
	der = NULL;
	if (sst_cache_response_get(cache, &view->facts->key, &der, &len) == 1 &&
	    judge(e, view, der, len, now, &ev)) {
		ev.fetched_at = now;
		if (install(e, &ev, der, len) && own != NULL)
			(void)sst_cache_staple_put(own, e->leaf, &ev, der, len);
	}
	free(der);
}

void
sst_own_take(struct sst_own_cert *e, int64_t now)
{
	struct sst_checker *checker = e->own->checker;
	struct sst_own_view view;

	if (e->own->policy.use_cache == SST_SWITCH_OFF || !sst_own_open(e, &view))
		return;
	take_from(e, &view, sst_checker_own(checker), now);
	if (sst_checker_machine(checker) != NULL)
		take_from(e, &view, sst_checker_machine(checker), now);
	sst_own_close(&view);
}

/* Half of its life, and a little later. Caller holds own's mu. */
static int64_t
refresh_at_locked(const struct sst_own_cert *e)
{
	const struct sst_evidence ev = { .source = SST_SOURCE_STAPLE,
	    .this_update = e->says.this_update, .until = e->says.until,
	    .fetched_at = e->says.fetched_at };

	return sst_refresh_at(&ev, e->leaf);
}

/* When there is a good one: by its life; else soon. */
int64_t
sst_own_fetch_at_locked(const struct sst_own_cert *e, int64_t now)
{
	const int64_t retry = now + RETRY_S + e->leaf[1] % SPREAD_S;
	int64_t at;

	if (e->staple == NULL || now >= e->staple->until)
		return retry;
	at = refresh_at_locked(e);
	return at > now ? at : retry;
}

static void
settle(struct sst_own_cert *e, int64_t now, int fetched, int revoked)
{
	struct sst_own *o = e->own;

	(void)pthread_mutex_lock(&o->mu);
	if (fetched && e->staple != NULL)
		e->says.fetched_at = now;
	if (revoked)
		e->look_at = 0;
	if (!e->gone)
		e->fetch_at = sst_own_fetch_at_locked(e, now);
	sst_own_answer_locked(e, 1);
	e->asking = 0;
	o->busy--;
	sst_own_order_locked(e);
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
	    refresh_at_locked(e) > now;
	(void)pthread_mutex_unlock(&e->own->mu);
	return yes;
}

void
sst_own_fetch(struct sst_own_cert *e, int64_t now)
{
	struct sst_work *work = sst_checker_work(e->own->checker);
	struct sst_revocation_policy policy = e->own->policy;
	struct sst_work_ask ask = { .issuer = e->issuer, .above = e->above,
	    .policy = &policy, .is_leaf = 1, .budget_ms = SST_OWN_BUDGET_MS };
	struct sst_own_view view;
	int rc;

	sst_own_take(e, now);
	if (work == NULL || policy.fetch == SST_SWITCH_OFF || is_needless(e, now) ||
	    !sst_own_open(e, &view)) {
		settle(e, now, 0, 0);
		return;
	}
	/* A response and nothing else, and a new one: what is kept was looked at. One
	 * with a nonce would be nobody else's. */
	policy.use_crls = SST_SWITCH_OFF;
	policy.use_cache = SST_SWITCH_OFF;
	policy.use_ocsp = SST_SWITCH_ON;
	policy.nonce = SST_SWITCH_OFF;
	ask.cert = sk_X509_value(view.chain, 0);
	rc = sst_work_ask(work, &ask, on_answer, e, &e->ticket, NULL);
	sst_own_close(&view);
	if (rc < 0)
		settle(e, now, 0, 0);
}
