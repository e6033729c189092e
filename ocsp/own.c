/* SPDX-License-Identifier: ISC */
#include "own.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "checker.h"
#include "own_inside.h"
#include "work.h"

static pthread_mutex_t fork_mu = PTHREAD_MUTEX_INITIALIZER;

static void
locks_init(struct sst_own *o)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&o->step_mu, NULL);
	(void)pthread_mutex_init(&o->mu, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->told, &attr);
	(void)pthread_condattr_destroy(&attr);
}

/* In a child nobody is at work: what a parent's thread had begun is begun again. */
static void
see_fork(struct sst_own *o)
{
	const pid_t me = getpid();

	if (atomic_load(&o->pid) == me)
		return;
	(void)pthread_mutex_lock(&fork_mu);
	if (atomic_load(&o->pid) != me) {
		locks_init(o);
		sst_own_anew(o);
		atomic_store(&o->pid, me);
	}
	(void)pthread_mutex_unlock(&fork_mu);
}

void
sst_own_lock(struct sst_own *o)
{
	see_fork(o);
	(void)pthread_mutex_lock(&o->mu);
}

void
sst_own_unlock(struct sst_own *o)
{
	(void)pthread_mutex_unlock(&o->mu);
}

int
sst_own_new(const struct sst_own_config *config, struct sst_own **ret, struct sst_error *err)
{
	struct sst_own *o = calloc(1, sizeof(*o));

	if (o == NULL || (o->buckets = calloc(SST_OWN_BUCKETS,
	    sizeof(struct sst_own_cert *))) == NULL) {
		free(o);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	o->n_buckets = SST_OWN_BUCKETS;
	atomic_init(&o->pid, getpid());
	locks_init(o);
	o->checker = sst_checker_ref(config->checker);
	if (config->policy != NULL)
		o->policy = *config->policy;
	/* A peer may be let in unasked; of our own we always want to know. */
	o->policy.mode = SST_REVOCATION_SOFT;
	o->policy.budget_ms = SST_OWN_BUDGET_MS;
	o->no_staples = config->no_staples;
	if (config->anchors != NULL && X509_STORE_up_ref(config->anchors) == 1)
		o->anchors = config->anchors;
	o->on_word = config->on_word;
	o->arg = config->arg;
	*ret = o;
	return SST_OK;
}

void
sst_own_cert_free(struct sst_own_cert *e)
{
	sst_check_free(e->check);
	sst_own_staple_unref(e->staple);
	X509_free(e->issuer);
	X509_free(e->above);
	free(e);
}

void
sst_own_free(struct sst_own *o)
{
	struct sst_own_cert *e;

	if (o == NULL)
		return;
	see_fork(o);
	/* After it the checker's thread knows none of them: what it puts in its place
	 * moves others. */
	for (size_t i = 0; i < o->n_buckets; i++)
		for (e = o->buckets[i]; e != NULL; e = e->next) {
			if (e->ticket != NULL)
				sst_work_cancel(sst_checker_work(o->checker), e->ticket);
			sst_check_free(e->check);
			e->check = NULL;
		}
	for (size_t i = 0; i < o->n_buckets; i++)
		while ((e = o->buckets[i]) != NULL) {
			o->buckets[i] = e->next;
			sst_own_cert_free(e);
		}
	sst_heap_done(&o->coming);
	sst_heap_done(&o->due);
	free(o->buckets);
	X509_STORE_free(o->anchors);
	sst_checker_unref(o->checker);
	(void)pthread_cond_destroy(&o->told);
	(void)pthread_mutex_destroy(&o->mu);
	(void)pthread_mutex_destroy(&o->step_mu);
	free(o);
}

/* Takes a reference. */
static int
push(STACK_OF(X509) *chain, X509 *x)
{
	if (x == NULL || X509_up_ref(x) != 1)
		return 0;
	if (sk_X509_push(chain, x) > 0)
		return 1;
	X509_free(x);
	return 0;
}

int
sst_own_open(const struct sst_own_cert *e, struct sst_own_view *ret)
{
	const unsigned char *at = e->der;
	X509 *leaf = d2i_X509(NULL, &at, (long)e->der_len);
	STACK_OF(X509) *chain = sk_X509_new_null();
	int good;

	good = chain != NULL && push(chain, leaf) && push(chain, e->issuer) &&
	    (e->above == NULL || push(chain, e->above)) &&
	    sst_facts_of(leaf, e->issuer, &ret->facts, NULL) == SST_OK;
	X509_free(leaf);
	if (good)
		ret->chain = chain;
	else
		sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return good;
}

void
sst_own_close(struct sst_own_view *view)
{
	sk_X509_pop_free(view->chain, X509_free);
}

/* Who issued `x`: of the chain, or an anchor. A reference; NULL: nobody known. */
static X509 *
issuer_of(struct sst_own *o, X509 *x, STACK_OF(X509) *above)
{
	X509_STORE_CTX *ctx;
	X509 *found = NULL;

	for (int i = 0; i < sk_X509_num(above) && found == NULL; i++)
		if (X509_check_issued(sk_X509_value(above, i), x) == X509_V_OK &&
		    X509_up_ref(sk_X509_value(above, i)) == 1)
			found = sk_X509_value(above, i);
	if (found != NULL || o->anchors == NULL)
		return found;
	ctx = X509_STORE_CTX_new();
	if (ctx == NULL || X509_STORE_CTX_init(ctx, o->anchors, x, NULL) != 1 ||
	    X509_STORE_CTX_get1_issuer(&found, ctx, x) != 1)
		found = NULL;
	X509_STORE_CTX_free(ctx);
	return found;
}

/* Leaf, issuer, and the one above; NULL: there is no issuer, or no memory. */
static STACK_OF(X509) *
chain_of(struct sst_own *o, X509 *leaf, STACK_OF(X509) *above)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *x = X509_up_ref(leaf) == 1 ? leaf : NULL;

	while (chain != NULL && x != NULL) {
		if (sk_X509_push(chain, x) <= 0) {
			X509_free(x);
			break;
		}
		/* a root is judged by nobody */
		if (sk_X509_num(chain) == 3 || X509_check_issued(x, x) == X509_V_OK)
			break;
		x = issuer_of(o, x, above);
	}
	ERR_clear_error();
	if (sk_X509_num(chain) >= 2)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

/* NULL: nobody could be asked about it, or (then *err says so) there is no memory. */
static struct sst_own_cert *
cert_new(struct sst_own *o, X509 *leaf, STACK_OF(X509) *above, struct sst_error *err)
{
	STACK_OF(X509) *chain = chain_of(o, leaf, above);
	const struct sst_cert_facts *facts = NULL;
	const int len = i2d_X509(leaf, NULL);
	struct sst_own_cert *e = NULL;
	unsigned char *at;

	/* what cannot be read names nobody who could be asked */
	if (chain == NULL || len <= 0 ||
	    sst_facts_of(leaf, sk_X509_value(chain, 1), &facts, NULL) < 0)
		goto out;
	e = calloc(1, sizeof(*e) + (size_t)len);
	if (e == NULL) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	e->own = o;
	memcpy(e->leaf, facts->sha256, sizeof(e->leaf));
	at = e->der;
	e->der_len = (size_t)i2d_X509(leaf, &at);
	if (X509_up_ref(sk_X509_value(chain, 1)) == 1)
		e->issuer = sk_X509_value(chain, 1);
	if (sk_X509_num(chain) > 2 && X509_up_ref(sk_X509_value(chain, 2)) == 1)
		e->above = sk_X509_value(chain, 2);
	e->has_responder = !o->no_staples && facts->n_ocsp > 0;
	e->answered = !e->has_responder;
	if (e->answered)
		e->fetch_at = INT64_MAX;
out:
	sk_X509_pop_free(chain, X509_free);
	return e;
}

int
sst_own_add(struct sst_own *o, X509 *leaf, STACK_OF(X509) *above, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_own_cert *e;
	uint8_t digest[32];
	unsigned len = sizeof(digest);
	int rc = SST_OK, entered;

	if (X509_digest(leaf, EVP_sha256(), digest, &len) == 1 && sst_own_again(o, digest))
		return SST_OK;
	rc = sst_checker_settle(o->checker, err);
	if (rc < 0)
		return rc;
	e = cert_new(o, leaf, above, &why);
	if (e == NULL)
		return why.code == SST_OK ? SST_OK : sst_fail(err, why.code, "%s", why.text);
	if (!e->answered)
		sst_own_take(e, sst_checker_now(o->checker));
	sst_own_lock(o);
	if (sst_own_find_locked(o, e->leaf) != NULL) {
		sst_own_unlock(o);
		sst_own_cert_free(e);
		return SST_OK;
	}
	e->epoch = o->epoch;
	e->asked_at = sst_checker_now(o->checker);
	entered = sst_own_enter_locked(o, e);
	sst_own_unlock(o);
	if (entered)
		return SST_OK;
	sst_own_cert_free(e);
	return sst_fail(err, SST_E_NOMEM, "out of memory");
}

unsigned
sst_own_step(struct sst_own *o)
{
	struct sst_own_due list[SST_OWN_AT_ONCE];
	unsigned again;
	int64_t now;
	size_t n;
	int more;

	see_fork(o);
	/* who is in it now looks once more for what has just come */
	atomic_store(&o->more, 1);
	if (sst_checker_ready(o->checker, NULL) < 0 ||
	    pthread_mutex_trylock(&o->step_mu) != 0)
		return 1;
	atomic_store(&o->more, 0);
	now = sst_checker_now(o->checker);
	sst_own_lock(o);
	n = sst_own_due(o, now, list, &more);
	sst_own_unlock(o);
	for (size_t i = 0; i < n; i++) {
		if (list[i].fetch)
			sst_own_fetch(list[i].e, now);
		else
			sst_own_watch(list[i].e, now);
	}
	sst_own_lock(o);
	again = more ? 0 : sst_own_next(o, now);
	sst_own_unlock(o);
	(void)pthread_mutex_unlock(&o->step_mu);
	return atomic_load(&o->more) ? 0 : again;
}

size_t
sst_own_pending(struct sst_own *o)
{
	size_t n;

	sst_own_lock(o);
	n = o->pending;
	sst_own_unlock(o);
	return n;
}

int
sst_own_is_pending(struct sst_own *o, const uint8_t leaf[32])
{
	const struct sst_own_cert *e;
	int pending;

	sst_own_lock(o);
	e = sst_own_find_locked(o, leaf);
	pending = e != NULL && !e->answered;
	sst_own_unlock(o);
	return pending;
}

int
sst_own_wait(struct sst_own *o, unsigned ms)
{
	const int64_t end = sst_clock_ms() + ms;
	const struct timespec until = { .tv_sec = end / 1000,
	    .tv_nsec = end % 1000 * 1000000 };
	size_t n;

	while (sst_own_step(o) == 0)
		continue;
	sst_own_lock(o);
	while ((n = o->pending) > 0 &&
	    pthread_cond_timedwait(&o->told, &o->mu, &until) != ETIMEDOUT)
		continue;
	sst_own_unlock(o);
	return n == 0;
}

struct sst_own_staple *
sst_own_staple(struct sst_own *o, const uint8_t leaf[32])
{
	const int64_t now = sst_checker_now(o->checker);
	struct sst_own_staple *s = NULL;
	struct sst_own_cert *e;

	sst_own_lock(o);
	e = sst_own_find_locked(o, leaf);
	if (e != NULL)
		sst_own_wanted_locked(e, now);
	if (e != NULL && sst_own_serves_locked(e, now))
		s = sst_own_staple_ref(e->staple);
	sst_own_unlock(o);
	return s;
}
