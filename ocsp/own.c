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

#define AT_ONCE	32	/* entries that one step works on */
#define SLEEP_S	60

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
		for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
			for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
				e->asking = 0;
				e->looking = SST_OWN_IDLE;
				e->check = NULL;	/* the parent's thread has it */
			}
		atomic_store(&o->pid, me);
	}
	(void)pthread_mutex_unlock(&fork_mu);
}

static void
lock(struct sst_own *o)
{
	see_fork(o);
	(void)pthread_mutex_lock(&o->mu);
}

static void
unlock(struct sst_own *o)
{
	(void)pthread_mutex_unlock(&o->mu);
}

int
sst_own_new(const struct sst_own_config *config, struct sst_own **ret, struct sst_error *err)
{
	struct sst_own *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&o->pid, getpid());
	locks_init(o);
	o->checker = sst_checker_ref(config->checker);
	if (config->policy != NULL)
		o->policy = *config->policy;
	/* A peer may be let in unasked; of our own we always want to know. */
	o->policy.mode = SST_REVOCATION_SOFT;
	o->no_staples = config->no_staples;
	if (config->anchors != NULL && X509_STORE_up_ref(config->anchors) == 1)
		o->anchors = config->anchors;
	o->on_word = config->on_word;
	o->arg = config->arg;
	*ret = o;
	return SST_OK;
}

static void
cert_free(struct sst_own_cert *e)
{
	sst_check_free(e->check);
	sst_own_staple_unref(e->staple);
	sk_X509_pop_free(e->chain, X509_free);
	free(e);
}

void
sst_own_free(struct sst_own *o)
{
	struct sst_own_cert *e;

	if (o == NULL)
		return;
	see_fork(o);
	for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
		while ((e = o->buckets[i]) != NULL) {
			o->buckets[i] = e->next;
			/* after it the checker's thread does not know the entry */
			if (e->ticket != NULL)
				sst_work_cancel(sst_checker_work(o->checker), e->ticket);
			cert_free(e);
		}
	X509_STORE_free(o->anchors);
	sst_checker_unref(o->checker);
	(void)pthread_cond_destroy(&o->told);
	(void)pthread_mutex_destroy(&o->mu);
	(void)pthread_mutex_destroy(&o->step_mu);
	free(o);
}

X509 *
sst_own_leaf(const struct sst_own_cert *e)
{
	return sk_X509_value(e->chain, 0);
}

X509 *
sst_own_issuer(const struct sst_own_cert *e)
{
	return sk_X509_value(e->chain, 1);
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

static struct sst_own_cert *
find_locked(struct sst_own *o, const uint8_t leaf[32])
{
	struct sst_own_cert *e = o->buckets[leaf[0]];

	while (e != NULL && memcmp(e->facts->sha256, leaf, 32) != 0)
		e = e->next;
	return e;
}

/* Whether anybody is asked for a staple. */
static int
has_responder(const struct sst_own_cert *e)
{
	return !e->own->no_staples && e->facts->n_ocsp > 0;
}

static struct sst_own_cert *
cert_new(struct sst_own *o, X509 *leaf, STACK_OF(X509) *above, struct sst_error *err)
{
	struct sst_own_cert *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		return NULL;
	}
	e->own = o;
	e->chain = chain_of(o, leaf, above);
	/* what cannot be read names nobody who could be asked */
	if (e->chain == NULL ||
	    sst_facts_of(leaf, sst_own_issuer(e), &e->facts, NULL) < 0) {
		cert_free(e);
		return NULL;
	}
	e->answered = !has_responder(e);
	if (e->answered)
		e->fetch_at = INT64_MAX;
	return e;
}

int
sst_own_again(struct sst_own *o, const uint8_t leaf[32])
{
	struct sst_own_cert *e;

	lock(o);
	e = find_locked(o, leaf);
	if (e != NULL && e->gone) {	/* it is back */
		e->gone = 0;
		e->look_at = 0;
		e->fetch_at = has_responder(e) ? 0 : INT64_MAX;
	}
	if (e != NULL)
		e->epoch = o->epoch;
	unlock(o);
	return e != NULL;
}

int
sst_own_add(struct sst_own *o, X509 *leaf, STACK_OF(X509) *above, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_own_cert *e;
	uint8_t digest[32];
	unsigned len = sizeof(digest);
	int rc = SST_OK;

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
	lock(o);
	if (find_locked(o, e->facts->sha256) != NULL || o->n >= SST_OWN_MOST) {
		if (o->n >= SST_OWN_MOST)
			rc = sst_fail(err, SST_E_LIMIT, "more than %d certificates: the "
			    "others are served without staples", SST_OWN_MOST);
		unlock(o);
		cert_free(e);
		return rc;
	}
	e->epoch = o->epoch;
	e->next = o->buckets[e->facts->sha256[0]];
	o->buckets[e->facts->sha256[0]] = e;
	o->n++;
	unlock(o);
	return SST_OK;
}

void
sst_own_sync_begin(struct sst_own *o)
{
	lock(o);
	o->epoch++;
	unlock(o);
}

/* What left is marked, and freed when nobody is at work on it. */
void
sst_own_sync_end(struct sst_own *o)
{
	lock(o);
	for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
		for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next)
			if (e->epoch != o->epoch) {
				e->gone = 1;
				e->fetch_at = e->look_at = INT64_MAX;
				e->answered = 1;
			}
	(void)pthread_cond_broadcast(&o->told);
	unlock(o);
}

/* Caller holds both. */
static void
reap_locked(struct sst_own *o)
{
	for (size_t i = 0; i < SST_OWN_BUCKETS; i++) {
		struct sst_own_cert **at = &o->buckets[i], *e;

		while ((e = *at) != NULL) {
			if (e->looking == SST_OWN_LOOKED) {
				sst_check_free(e->check);
				e->check = NULL;
				e->looking = SST_OWN_IDLE;
			}
			if (!e->gone || e->asking || e->looking != SST_OWN_IDLE) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			o->n--;
			cert_free(e);
		}
	}
}

/* One for each of both that is due, marked as begun. Returns how many. */
static size_t
due_locked(struct sst_own *o, int64_t now, struct sst_own_cert *list[AT_ONCE],
    int fetch[AT_ONCE])
{
	size_t n = 0;

	for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
		for (struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			if (n < AT_ONCE && !e->asking && e->fetch_at <= now) {
				e->asking = 1;
				fetch[n] = 1;
				list[n++] = e;
			}
			if (n < AT_ONCE && e->looking == SST_OWN_IDLE && e->look_at <= now) {
				e->looking = SST_OWN_LOOKING;
				fetch[n] = 0;
				list[n++] = e;
			}
		}
	return n;
}

static unsigned
next_locked(const struct sst_own *o, int64_t now)
{
	int64_t at = now + SLEEP_S;

	for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			if (!e->asking && e->fetch_at < at)
				at = e->fetch_at;
			/* what is under way may leave something to be done */
			if ((e->asking || e->looking != SST_OWN_IDLE) && at > now + 1)
				at = now + 1;
			if (e->looking == SST_OWN_IDLE && e->look_at < at)
				at = e->look_at;
		}
	return at > now ? (unsigned)(at - now) : 1;
}

unsigned
sst_own_step(struct sst_own *o)
{
	struct sst_own_cert *list[AT_ONCE];
	int fetch[AT_ONCE];
	unsigned again;
	int64_t now;
	size_t n;

	see_fork(o);
	/* who is in it now looks once more for what has just come */
	atomic_store(&o->more, 1);
	if (sst_checker_ready(o->checker, NULL) < 0 ||
	    pthread_mutex_trylock(&o->step_mu) != 0)
		return 1;
	atomic_store(&o->more, 0);
	now = sst_checker_now(o->checker);
	lock(o);
	reap_locked(o);
	n = due_locked(o, now, list, fetch);
	unlock(o);
	for (size_t i = 0; i < n; i++) {
		if (fetch[i])
			sst_own_fetch(list[i], now);
		else
			sst_own_watch(list[i], now);
	}
	lock(o);
	again = n == AT_ONCE ? 0 : next_locked(o, now);
	unlock(o);
	(void)pthread_mutex_unlock(&o->step_mu);
	return atomic_load(&o->more) ? 0 : again;
}

static size_t
pending_locked(const struct sst_own *o)
{
	size_t n = 0;

	for (size_t i = 0; i < SST_OWN_BUCKETS; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next)
			n += !e->answered;
	return n;
}

size_t
sst_own_pending(struct sst_own *o)
{
	size_t n;

	lock(o);
	n = pending_locked(o);
	unlock(o);
	return n;
}

int
sst_own_is_pending(struct sst_own *o, const uint8_t leaf[32])
{
	const struct sst_own_cert *e;
	int pending;

	lock(o);
	e = find_locked(o, leaf);
	pending = e != NULL && !e->answered;
	unlock(o);
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
	lock(o);
	while ((n = pending_locked(o)) > 0 &&
	    pthread_cond_timedwait(&o->told, &o->mu, &until) != ETIMEDOUT)
		continue;
	unlock(o);
	return n == 0;
}

struct sst_own_staple *
sst_own_staple(struct sst_own *o, const uint8_t leaf[32])
{
	const int64_t now = sst_checker_now(o->checker);
	struct sst_own_staple *s = NULL;
	struct sst_own_cert *e;

	lock(o);
	e = find_locked(o, leaf);
	if (e != NULL && !e->gone && !e->revoked && e->staple != NULL && now < e->staple->until &&
	    now >= e->evidence.this_update)
		s = sst_own_staple_ref(e->staple);
	unlock(o);
	return s;
}
