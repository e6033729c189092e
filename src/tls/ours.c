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
#include "certstore/store_leaves.h"
#include "ocsp/own.h"
#include "staple.h"
#include "trust.h"

#define MUSTS_MOST	1024	/* one more, and the first is forgotten */
#define BARE_S		5	/* a staple that is missing is looked for so often, */
#define BARE_LOOKS	720	/* for so many times */
#define SERVED_MOST	64	/* that wait to be taken in; who comes later comes again */

/* A certificate that demands a staple (RFC 7633). */
struct must {
	uint8_t	 leaf[32];
	int	 bare;		/* as the store was told; -1: not yet */
	unsigned looks;		/* since it was found without one */
};

struct sst_ours {
	atomic_int	 refs;
	struct sst_own	*own;
	int		 no_staples, given;
	atomic_int	 synced;
	atomic_uint_fast64_t generation; /* of the store, when it was looked through */
	pthread_mutex_t	 mu;		/* guards what follows; held while the store is told */
	struct sst_store *store;	/* NULL: stopped */
	struct sst_leaves_seen seen;
	struct must	*musts;
	size_t		 n_musts;
	uint8_t		(*expected)[32];
	size_t		 n_expected, room_expected;
	struct sst_identity *served[SERVED_MOST];	/* new: the next step takes them in */
	size_t		 n_served;
};

static void
on_word(void *arg, const struct sst_own_word *word)
{
	struct sst_ours *o = arg;

	(void)pthread_mutex_lock(&o->mu);
	if (o->store != NULL)
		(void)sst_store_mark_revoked(o->store, word->leaf,
		    word->revoked ? word->text : NULL, NULL);
	(void)pthread_mutex_unlock(&o->mu);
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
	atomic_init(&o->generation, sst_store_generation(config->store));
	(void)pthread_mutex_init(&o->mu, NULL);
	o->no_staples = config->no_staples;
	o->given = config->given;
	o->store = sst_store_ref(config->store);
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
	sst_own_free(o->own);
	sst_ours_stop(o);
	for (size_t i = 0; i < o->n_served; i++)
		sst_identity_unref(o->served[i]);
	(void)pthread_mutex_destroy(&o->mu);
	free(o->musts);
	free(o->expected);
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

/* Notes a certificate that demands a staple, when this is who has the staples. */
static void
must_note(struct sst_ours *o, X509 *leaf, const uint8_t digest[32])
{
	struct must *more;
	size_t i;

	if (o->no_staples || o->given || !demands_staple(leaf))
		return;
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
		more[i] = (struct must){ .bare = -1 };
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
		struct must *m = &o->musts[i];
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

static int
is_known(void *arg, const uint8_t leaf[32])
{
	const struct sst_ours *o = arg;

	return sst_own_again(o->own, leaf) != 0;
}

static int
take_in(void *arg, X509 *leaf, STACK_OF(X509) *above)
{
	struct sst_ours *o = arg;
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	(void)sst_own_add(o->own, leaf, above, NULL);
	if (X509_digest(leaf, EVP_sha256(), digest, &len) == 1)
		must_note(o, leaf, digest);
	return 0;
}

/* For sst_store_unref(); NULL: it was stopped. */
static struct sst_store *
store_of(struct sst_ours *o)
{
	struct sst_store *store = NULL;

	(void)pthread_mutex_lock(&o->mu);
	if (o->store != NULL)
		store = sst_store_ref(o->store);
	(void)pthread_mutex_unlock(&o->mu);
	return store;
}

/* What was served is taken in. Who chose it may have done so before the store lost it, and
 * then no change of the store would end it: so it is looked for once it is taken in. */
static void
take_served(struct sst_ours *o, struct sst_store *store, const struct sst_identity *id)
{
	(void)take_in(o, sst_identity_leaf(id), sst_identity_chain(id));
	if (store != NULL && !sst_store_has_leaf(store, sst_identity_digest(id)))
		sst_own_drop(o->own, sst_identity_digest(id));
}

/* How many there were. */
static size_t
served_take(struct sst_ours *o)
{
	struct sst_store *store = store_of(o);
	struct sst_identity *served[SERVED_MOST];
	size_t n;

	(void)pthread_mutex_lock(&o->mu);
	n = o->n_served;
	memcpy(served, o->served, n * sizeof(*served));
	o->n_served = 0;
	(void)pthread_mutex_unlock(&o->mu);
	for (size_t i = 0; i < n; i++) {
		take_served(o, store, served[i]);
		sst_identity_unref(served[i]);
	}
	sst_store_unref(store);
	return n;
}

/* The next step of what the certificates want. */
static unsigned
step(struct sst_ours *o)
{
	const size_t taken = served_take(o);
	const unsigned s = sst_own_step(o->own);
	const unsigned most = musts_tell(o) > 0 ? BARE_S : taken == SERVED_MOST ? 1 : s;

	return s < most ? s : most;
}

/* What there is no memory to wait for is not waited for. */
static int
expected_add(struct sst_ours *o, const uint8_t leaf[32])
{
	void *more;
	size_t room;

	(void)pthread_mutex_lock(&o->mu);
	more = o->expected;
	if (o->n_expected == o->room_expected) {
		room = o->room_expected != 0 ? 2 * o->room_expected : 8;
		more = realloc(o->expected, room * sizeof(*o->expected));
		if (more != NULL) {
			o->expected = more;
			o->room_expected = room;
		}
	}
	if (more != NULL)
		memcpy(o->expected[o->n_expected++], leaf, 32);
	(void)pthread_mutex_unlock(&o->mu);
	return more != NULL;
}

int
sst_ours_expect(struct sst_ours *o, X509 *leaf, STACK_OF(X509) *above)
{
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	(void)take_in(o, leaf, above);
	return X509_digest(leaf, EVP_sha256(), digest, &len) == 1 &&
	    sst_own_is_pending(o->own, digest) && expected_add(o, digest);
}

int
sst_ours_is_bare(struct sst_ours *o, X509 *leaf, STACK_OF(X509) *above)
{
	struct sst_own_staple *staple;
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	(void)take_in(o, leaf, above);
	if (o->no_staples || o->given || !demands_staple(leaf) ||
	    X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
		return 0;
	staple = sst_own_staple(o->own, digest);
	sst_own_staple_unref(staple);
	return staple == NULL;
}

size_t
sst_ours_lacks(struct sst_ours *o)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&o->mu);
	for (size_t i = 0; i < o->n_expected; i++)
		n += (size_t)sst_own_is_pending(o->own, o->expected[i]);
	(void)pthread_mutex_unlock(&o->mu);
	return n;
}

void
sst_ours_expect_none(struct sst_ours *o)
{
	(void)pthread_mutex_lock(&o->mu);
	o->n_expected = 0;
	(void)pthread_mutex_unlock(&o->mu);
}

static int
has_leaf(void *arg, const uint8_t leaf[32])
{
	return sst_store_has_leaf(arg, leaf);
}

void
sst_ours_sync(struct sst_ours *o)
{
	struct sst_store *store = store_of(o);
	struct sst_leaves_seen seen;

	if (store == NULL)
		return;
	(void)pthread_mutex_lock(&o->mu);
	seen = o->seen;
	(void)pthread_mutex_unlock(&o->mu);
	sst_own_sync_begin(o->own);
	(void)sst_store_leaves(store, &seen, is_known, take_in, o, NULL);
	(void)pthread_mutex_lock(&o->mu);
	o->seen = seen;
	for (size_t i = 0; i < o->n_expected; i++)
		(void)sst_own_again(o->own, o->expected[i]);
	(void)pthread_mutex_unlock(&o->mu);
	sst_own_sync_end(o->own, has_leaf, store);
	sst_store_unref(store);
	atomic_store(&o->synced, 1);
}

static void
served_add(struct sst_ours *o, struct sst_identity *id)
{
	size_t i;

	(void)pthread_mutex_lock(&o->mu);
	for (i = 0; i < o->n_served && o->served[i] != id; i++)
		;
	if (i == o->n_served && i < SERVED_MOST)
		o->served[o->n_served++] = sst_identity_ref(id);
	(void)pthread_mutex_unlock(&o->mu);
}

void
sst_ours_serve(struct sst_ours *o, const struct sst_choice *choice)
{
	for (size_t i = 0; i < sst_choice_count(choice); i++)
		if (sst_own_again(o->own, sst_choice_digest(choice, i)) != 1)
			served_add(o, sst_choice_identity(choice, i));
}

unsigned
sst_ours_go_on(struct sst_ours *o)
{
	struct sst_store *store = store_of(o);
	uint64_t generation = store != NULL ? sst_store_generation(store) : 0;

	if (store != NULL && atomic_exchange(&o->generation, generation) != generation) {
		/* here a client waits: what is new is taken in when it is served */
		sst_own_sync_begin(o->own);
		sst_own_sync_end(o->own, has_leaf, store);
	}
	sst_store_unref(store);
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
	(void)sst_own_add(o->own, leaf, above, NULL);
	(void)sst_own_wait(o->own, ms);
	(void)ERR_pop_to_mark();
	return sst_ours_give(ssl, o);
}
