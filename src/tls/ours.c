/* SPDX-License-Identifier: ISC */
#include "ours.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "certstore/identity.h"
#include "ours_inside.h"
#include "staple.h"
#include "trust.h"

#define MUSTS_MOST	1024	/* one more, and the first is forgotten */
#define BARE_S		5	/* a staple that is missing is looked for so often, */
#define BARE_LOOKS	720	/* for so many times */

/* A certificate that demands a staple (RFC 7633). */
struct sst_ours_must {
	uint8_t	 leaf[32];
	int	 bare;		/* as the store was told; -1: not yet */
	unsigned looks;		/* since it was found without one */
};

/* Every one, so that fork() finds no lock held by a thread that is gone. */
static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;	/* guards all */
static struct sst_ours *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Before the store's own, which is taken while mu is held: a store was there first, and
 * who came last is asked first. */
static void
before_fork(void)
{
	(void)pthread_mutex_lock(&all_mu);
	for (struct sst_ours *o = all; o != NULL; o = o->next)
		(void)pthread_mutex_lock(&o->mu);
}

static void
after_fork_in_parent(void)
{
	for (struct sst_ours *o = all; o != NULL; o = o->next)
		(void)pthread_mutex_unlock(&o->mu);
	(void)pthread_mutex_unlock(&all_mu);
}

static void
after_fork_in_child(void)
{
	for (struct sst_ours *o = all; o != NULL; o = o->next)
		if (atomic_exchange(&o->following, 0)) {
			/* what the parent's thread had not come to yet */
			atomic_store(&o->all, 1);
			atomic_store(&o->due, 1);
		}
	after_fork_in_parent();
}

static void
watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void
list_put(struct sst_ours *o)
{
	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&all_mu);
	o->next = all;
	if (all != NULL)
		all->prev = o;
	all = o;
	(void)pthread_mutex_unlock(&all_mu);
}

static void
list_take(struct sst_ours *o)
{
	(void)pthread_mutex_lock(&all_mu);
	if (o->prev != NULL)
		o->prev->next = o->next;
	else
		all = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
	(void)pthread_mutex_unlock(&all_mu);
}

static int
on_word(void *arg, const struct sst_own_word *word)
{
	struct sst_ours *o = arg;
	int rc = SST_OK;

	(void)pthread_mutex_lock(&o->mu);
	if (o->store != NULL)
		rc = sst_store_mark_revoked(o->store, word->leaf,
		    word->revoked ? word->text : NULL, NULL);
	(void)pthread_mutex_unlock(&o->mu);
	return rc;
}

int
sst_ours_new(const struct sst_ours_config *config, struct sst_ours **ret, struct sst_error *err)
{
	struct sst_ours *o = calloc(1, sizeof(*o));
	const struct sst_own_config own = { .checker = config->checker,
	    .policy = config->policy, .no_staples = config->no_staples,
	    .anchors = config->trust != NULL ? sst_trust_store(config->trust) : NULL,
	    .on_word = on_word, .arg = o };
	int rc;

	if (o == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&o->refs, 1);
	atomic_init(&o->synced, 0);
	atomic_init(&o->following, 0);
	atomic_init(&o->all, 0);
	atomic_init(&o->generation, sst_store_generation(config->store));
	atomic_init(&o->due, sst_store_left(config->store, &o->left, NULL, NULL, NULL) < 0);
	(void)pthread_mutex_init(&o->mu, NULL);
	o->no_staples = config->no_staples;
	o->given = config->given;
	o->store = sst_store_ref(config->store);
	list_put(o);
	rc = sst_own_new(&own, &o->own, err);
	if (rc < 0) {
		o->own = NULL;
		sst_ours_unref(o);
		return rc;
	}
	*ret = o;
	return SST_OK;
}

struct sst_ours *
sst_ours_ref(struct sst_ours *o)
{
	(void)atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	return o;
}

void
sst_ours_stop(struct sst_ours *o)
{
	struct sst_store *store;

	(void)pthread_mutex_lock(&o->mu);
	store = o->store;
	o->store = NULL;
	(void)pthread_mutex_unlock(&o->mu);
	sst_store_unref(store);
}

void
sst_ours_unref(struct sst_ours *o)
{
	if (o == NULL || atomic_fetch_sub(&o->refs, 1) != 1)
		return;
	list_take(o);
	sst_own_free(o->own);
	sst_ours_stop(o);
	for (size_t i = 0; i < o->n_served; i++)
		sst_identity_unref(o->served[i]);
	(void)pthread_mutex_destroy(&o->mu);
	free(o->musts);
	free(o->expected.v);
	free(o->unsure.v);
	free(o);
}

int
sst_ours_has_staples(const struct sst_ours *o)
{
	return !o->no_staples;
}

int
sst_ours_is_given(const struct sst_ours *o)
{
	return o->given;
}

static int
demands_staple(X509 *leaf)
{
	TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);
	int demands = 0;

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
		demands |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) ==
		    TLSEXT_TYPE_status_request;
	sk_ASN1_INTEGER_pop_free(features, ASN1_INTEGER_free);
	return demands;
}

/* 1: it demands a staple, and this is who has them. */
static int
wants_staple(const struct sst_ours *o, X509 *leaf)
{
	return !o->no_staples && !o->given && demands_staple(leaf);
}

/* Notes a certificate that demands a staple. */
static void
must_note(struct sst_ours *o, const uint8_t digest[32])
{
	struct sst_ours_must *more;
	size_t i;

	(void)pthread_mutex_lock(&o->mu);
	for (i = 0; i < o->n_musts && memcmp(o->musts[i].leaf, digest, 32) != 0; i++)
		;
	if (i == MUSTS_MOST) {
		o->n_musts = --i;
		memmove(o->musts, o->musts + 1, i * sizeof(*o->musts));
	}
	if (i == o->n_musts &&
	    (more = realloc(o->musts, (i + 1) * sizeof(*more))) != NULL) {
		o->musts = more;
		more[i] = (struct sst_ours_must){ .bare = -1 };
		memcpy(more[i].leaf, digest, 32);
		o->n_musts++;
	}
	(void)pthread_mutex_unlock(&o->mu);
}

/* Tells the store which of them have no staple now. How many are to be looked at again
 * soon. */
static size_t
musts_tell(struct sst_ours *o)
{
	size_t bare = 0;

	(void)pthread_mutex_lock(&o->mu);
	for (size_t i = 0; i < o->n_musts && o->store != NULL; i++) {
		struct sst_ours_must *m = &o->musts[i];
		struct sst_own_staple *staple = sst_own_staple(o->own, m->leaf);
		const int is = staple == NULL;

		sst_own_staple_unref(staple);
		if (m->bare != is &&
		    sst_store_mark_bare(o->store, m->leaf, is, NULL) == SST_OK)
			m->bare = is;
		m->looks = is ? m->looks + (m->looks < BARE_LOOKS) : 0;
		bare += is && m->looks < BARE_LOOKS;
	}
	(void)pthread_mutex_unlock(&o->mu);
	return bare;
}

struct sst_store *
sst_ours_store(struct sst_ours *o)
{
	struct sst_store *store = NULL;

	(void)pthread_mutex_lock(&o->mu);
	if (o->store != NULL)
		store = sst_store_ref(o->store);
	(void)pthread_mutex_unlock(&o->mu);
	return store;
}

int
sst_ours_take_in(void *arg, X509 *leaf, STACK_OF(X509) *above)
{
	struct sst_ours *o = arg;
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	(void)sst_own_add(o->own, leaf, above, NULL);
	if (wants_staple(o, leaf) && X509_digest(leaf, EVP_sha256(), digest, &len) == 1)
		must_note(o, digest);
	return 0;
}

/* The next step of what the certificates want. */
static unsigned
step(struct sst_ours *o)
{
	const size_t taken = sst_ours_served_take(o);
	const unsigned s = sst_own_step(o->own);
	const unsigned most = musts_tell(o) > 0 ? BARE_S : taken == SST_OURS_SERVED ? 1 : s;

	return s < most ? s : most;
}

int
sst_ours_is_bare(struct sst_ours *o, X509 *leaf, STACK_OF(X509) *above)
{
	struct sst_own_staple *staple;
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	sst_ours_met(o, leaf, above);
	if (!wants_staple(o, leaf) ||
	    X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
		return 0;
	must_note(o, digest);
	staple = sst_own_staple(o->own, digest);
	sst_own_staple_unref(staple);
	return staple == NULL;
}

unsigned
sst_ours_go_on(struct sst_ours *o)
{
	sst_ours_catch_up(o);
	return step(o);
}

int
sst_ours_synced(const struct sst_ours *o)
{
	return atomic_load(&o->synced);
}

unsigned
sst_ours_step(struct sst_ours *o)
{
	return step(o);
}

size_t
sst_ours_pending(struct sst_ours *o)
{
	return sst_own_pending(o->own);
}

int
sst_ours_wait(struct sst_ours *o, unsigned ms)
{
	return sst_own_wait(o->own, ms);
}

int
sst_ours_give(SSL *ssl, struct sst_ours *o)
{
	X509 *leaf = SSL_session_reused(ssl) ? NULL : SSL_get_certificate(ssl);
	struct sst_own_staple *staple = NULL;
	unsigned char digest[32];
	unsigned len = sizeof(digest);
	int rc;

	if (leaf != NULL && X509_digest(leaf, EVP_sha256(), digest, &len) == 1)
		staple = sst_own_staple(o->own, digest);
	if (staple == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	rc = sst_staple_show(ssl, staple->der, staple->len);
	sst_own_staple_unref(staple);
	return rc;
}

int
sst_ours_give_met(SSL *ssl, struct sst_ours *o, unsigned ms)
{
	X509 *leaf = SSL_session_reused(ssl) ? NULL : SSL_get_certificate(ssl);
	STACK_OF(X509) *above = NULL;

	if (leaf == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	(void)ERR_set_mark();
	(void)SSL_get0_chain_certs(ssl, &above);
	sst_ours_met(o, leaf, above);
	(void)sst_own_wait(o->own, ms);
	(void)ERR_pop_to_mark();
	return sst_ours_give(ssl, o);
}
