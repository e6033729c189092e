/* SPDX-License-Identifier: ISC */
/*
 * What is seen to is what the store has: what is new there is taken in, and what left is
 * dropped. A change costs what it changed, however much is seen to: the store says what
 * left (certstore/index_gone.c), and that is looked up. What did not come from the store,
 * or only may come into it, is looked up as well.
 */
#include <stdlib.h>
#include <string.h>

#include "certstore/identity.h"
#include "ours_inside.h"

/* 0: there is no memory for it. */
static int
leaves_add(struct sst_ours_leaves *l, const uint8_t leaf[32])
{
	void *more;
	size_t room;

	if (l->n == l->room) {
		room = l->room != 0 ? 2 * l->room : 8;
		more = realloc(l->v, room * sizeof(*l->v));
		if (more == NULL)
			return 0;
		l->v = more;
		l->room = room;
	}
	memcpy(l->v[l->n++], leaf, 32);
	return 1;
}

/* Whether the store has it is to be seen next time. */
static void
doubt(struct sst_ours *o, const uint8_t leaf[32])
{
	(void)pthread_mutex_lock(&o->mu);
	if (!leaves_add(&o->unsure, leaf))
		atomic_store(&o->all, 1);
	(void)pthread_mutex_unlock(&o->mu);
}

/* As sst_store_has_leaf(); what could not be looked up is, next time. */
static int
has(struct sst_ours *o, struct sst_store *store, const uint8_t leaf[32])
{
	const int rc = sst_store_has_leaf(store, leaf);

	if (rc < 0)
		atomic_store(&o->due, 1);
	return rc;
}

void
sst_ours_met(struct sst_ours *o, X509 *leaf, STACK_OF(X509) *above)
{
	struct sst_store *store;
	unsigned char digest[32];
	unsigned len = sizeof(digest);

	if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1 ||
	    sst_own_again(o->own, digest) == 1)
		return;
	(void)sst_ours_take_in(o, leaf, above);
	store = sst_ours_store(o);
	if (store == NULL || has(o, store, digest) != 1)
		doubt(o, digest);
	sst_store_unref(store);
}

int
sst_ours_expect(struct sst_ours *o, X509 *leaf, STACK_OF(X509) *above)
{
	unsigned char digest[32];
	unsigned len = sizeof(digest);
	int added;

	if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
		return 0;
	(void)sst_ours_take_in(o, leaf, above);
	doubt(o, digest);
	if (!sst_own_is_pending(o->own, digest))
		return 0;
	/* what there is no memory to wait for is not waited for */
	(void)pthread_mutex_lock(&o->mu);
	added = leaves_add(&o->expected, digest);
	(void)pthread_mutex_unlock(&o->mu);
	return added;
}

size_t
sst_ours_lacks(struct sst_ours *o)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&o->mu);
	for (size_t i = 0; i < o->expected.n; i++)
		n += (size_t)sst_own_is_pending(o->own, o->expected.v[i]);
	(void)pthread_mutex_unlock(&o->mu);
	return n;
}

void
sst_ours_expect_none(struct sst_ours *o)
{
	(void)pthread_mutex_lock(&o->mu);
	o->expected.n = 0;
	(void)pthread_mutex_unlock(&o->mu);
}

static int
is_expected(struct sst_ours *o, const uint8_t leaf[32])
{
	size_t i;
	int is;

	(void)pthread_mutex_lock(&o->mu);
	for (i = 0; i < o->expected.n && memcmp(o->expected.v[i], leaf, 32) != 0; i++)
		;
	is = i < o->expected.n;
	(void)pthread_mutex_unlock(&o->mu);
	return is;
}

/* What was served is taken in. Who chose it may have done so before the store lost it, and
 * then no change of the store would end it: so it is looked for once it is taken in. */
static void
take_served(struct sst_ours *o, struct sst_store *store, const struct sst_identity *id)
{
	const uint8_t *leaf = sst_identity_digest(id);
	int rc;

	(void)sst_ours_take_in(o, sst_identity_leaf(id), sst_identity_chain(id));
	rc = store != NULL ? has(o, store, leaf) : 1;
	if (rc == 0)
		sst_own_drop(o->own, leaf);
	else if (rc < 0)
		doubt(o, leaf);
}

size_t
sst_ours_served_take(struct sst_ours *o)
{
	struct sst_store *store = sst_ours_store(o);
	struct sst_identity *served[SST_OURS_SERVED];
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

static void
served_add(struct sst_ours *o, struct sst_identity *id)
{
	size_t i;

	(void)pthread_mutex_lock(&o->mu);
	for (i = 0; i < o->n_served && o->served[i] != id; i++)
		;
	if (i == o->n_served && i < SST_OURS_SERVED)
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

/* Who sees what left. */
struct follower {
	struct sst_ours	*o;
	struct sst_store *store;
};

static int
is_known(void *arg, const uint8_t leaf[32])
{
	const struct sst_ours *o = arg;

	return sst_own_again(o->own, leaf) != 0;
}

/* For a look-up of all. */
static int
may_have(void *arg, const uint8_t leaf[32])
{
	const struct follower *f = arg;
	const int rc = has(f->o, f->store, leaf);

	if (rc < 0)
		atomic_store(&f->o->all, 1);
	return rc != 0;
}

/* It left the store at some time, or was never seen there. */
static void
see_left(void *arg, const uint8_t leaf[32])
{
	const struct follower *f = arg;
	int rc;

	if (!sst_own_knows(f->o->own, leaf))
		return;
	rc = has(f->o, f->store, leaf);
	if (rc == 0 && !is_expected(f->o, leaf))
		sst_own_drop(f->o->own, leaf);
	else if (rc != 1)
		doubt(f->o, leaf);
}

/*
 * Drops what left; with `listed`, takes in what came. What left is asked first: then what
 * leaves while others are taken in is told of the next time.
 */
static void
follow(const struct follower *f, int listed)
{
	struct sst_ours *o = f->o;
	struct sst_ours_leaves unsure;
	struct sst_leaves_seen seen;
	struct sst_leaves_left left;
	int rc;

	(void)pthread_mutex_lock(&o->mu);
	unsure = o->unsure;
	o->unsure = (struct sst_ours_leaves){ .v = NULL };
	seen = o->seen;
	left = o->left;
	(void)pthread_mutex_unlock(&o->mu);
	sst_own_sync_begin(o->own);
	rc = sst_store_left(f->store, &left, see_left, (void *)f, NULL);
	if (rc == 1)
		atomic_store(&o->all, 1);
	if (listed && sst_store_leaves(f->store, &seen, is_known, sst_ours_take_in, o,
	    NULL) < 0)
		rc = -1;
	if (rc < 0)
		atomic_store(&o->due, 1);
	(void)pthread_mutex_lock(&o->mu);
	o->seen = seen;
	o->left = left;
	for (size_t i = 0; i < o->expected.n; i++)
		(void)sst_own_again(o->own, o->expected.v[i]);
	(void)pthread_mutex_unlock(&o->mu);
	if (atomic_exchange(&o->all, 0))
		sst_own_sync_end(o->own, may_have, (void *)f);
	for (size_t i = 0; i < unsure.n; i++)
		see_left((void *)f, unsure.v[i]);
	free(unsure.v);
}

/* One at a time: another is done again. 0: it was another's turn. */
static int
follow_once(struct sst_ours *o, struct sst_store *store, int listed)
{
	const struct follower f = { o, store };

	if (atomic_exchange(&o->following, 1)) {
		atomic_store(&o->due, 1);
		return 0;
	}
	atomic_store(&o->due, 0);
	follow(&f, listed);
	atomic_store(&o->following, 0);
	return 1;
}

void
sst_ours_sync(struct sst_ours *o)
{
	struct sst_store *store = sst_ours_store(o);

	if (store == NULL)
		return;
	if (follow_once(o, store, 1))
		atomic_store(&o->synced, 1);
	sst_store_unref(store);
}

int
sst_ours_wants_sync(const struct sst_ours *o)
{
	return atomic_load(&o->due);
}

void
sst_ours_catch_up(struct sst_ours *o)
{
	struct sst_store *store = sst_ours_store(o);
	const uint64_t now = store != NULL ? sst_store_generation(store) : 0;

	/* here a client waits: what is new is taken in when it is served */
	if (store != NULL && ((atomic_exchange(&o->generation, now) != now) |
	    atomic_load(&o->due)))
		(void)follow_once(o, store, 0);
	sst_store_unref(store);
}
