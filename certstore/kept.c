/* SPDX-License-Identifier: ISC */
#include "kept.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "choice.h"

#define WAYS		8
#define LOCKS		8	/* ThreadSanitizer follows 64 at once, of all stores */
#define SETS_MIN	16
#define SETS_MAX	(1 << 18)	/* two million decisions */
#define SET_BYTES	16384	/* of the cache, for which there is a set */

struct entry {
	struct entry		*next;		/* in its bucket */
	struct entry		*newer, *older;	/* in the order of use */
	struct sst_identity	*identity;
	int64_t			 row;
};

struct slot {
	uint64_t		 hash, policy;
	struct sst_choice	*choice;	/* NULL: free */
	uint32_t		 kinds;
};

struct set {
	struct slot	 way[WAYS];
	unsigned int	 next;			/* the way that is taken next */
};

struct sst_kept {
	pthread_mutex_t	 mu;		/* guards the identities: */
	struct entry   **bucket;
	struct entry	*newest, *oldest;
	size_t		 bytes;		/* of identities */
	size_t		 thrown;	/* bytes since the last sweep */

	size_t		 limit;		/* constant: of identities */
	size_t		 hit_limit;	/* constant: of decisions */
	uint64_t	 seed;		/* constant: names come from strangers */
	size_t		 n_sets;	/* constant, a power of two */
	size_t		 n_buckets;	/* constant, a power of two */
	atomic_size_t	 hit_bytes;
	pthread_mutex_t	 set_mu[LOCKS];	/* guards set[i] with i % LOCKS, and hits[i] */
	uint64_t	 hits[LOCKS];	/* decisions that were found */
	struct set	*set;
};

struct sst_kept *
sst_kept_new(size_t bytes)
{
	struct sst_kept *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	/* a quarter of all is for decisions, which take some 500 bytes */
	c->hit_limit = bytes / 4;
	c->limit = bytes - c->hit_limit;
	c->n_sets = SETS_MIN;
	while (c->n_sets < SETS_MAX && c->n_sets < bytes / SET_BYTES)
		c->n_sets *= 2;
	c->n_buckets = c->n_sets * 4;
	c->set = calloc(c->n_sets, sizeof(*c->set));
	c->bucket = calloc(c->n_buckets, sizeof(*c->bucket));
	if (c->set == NULL || c->bucket == NULL) {
		free(c->set);
		free(c->bucket);
		free(c);
		return NULL;
	}
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) < 0)
		c->seed = (uint64_t)(uintptr_t)c;
	(void)pthread_mutex_init(&c->mu, NULL);
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_init(&c->set_mu[i], NULL);
	return c;
}

void
sst_kept_free(struct sst_kept *c)
{
	struct entry *e, *older;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_sets; i++) {
		for (size_t w = 0; w < WAYS; w++)
			sst_choice_unref(c->set[i].way[w].choice);
	}
	for (e = c->newest; e != NULL; e = older) {
		older = e->older;
		sst_identity_unref(e->identity);
		free(e);
	}
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_destroy(&c->set_mu[i]);
	(void)pthread_mutex_destroy(&c->mu);
	free(c->set);
	free(c->bucket);
	free(c);
}

void
sst_kept_lock(struct sst_kept *c)
{
	(void)pthread_mutex_lock(&c->mu);
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_lock(&c->set_mu[i]);
}

void
sst_kept_unlock(struct sst_kept *c)
{
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_unlock(&c->set_mu[i]);
	(void)pthread_mutex_unlock(&c->mu);
}

static struct entry **
bucket_of(struct sst_kept *c, int64_t row)
{
	return &c->bucket[(uint64_t)row & (c->n_buckets - 1)];
}

static struct entry **
find_locked(struct sst_kept *c, int64_t row)
{
	struct entry **at = bucket_of(c, row);

	while (*at != NULL && (*at)->row != row)
		at = &(*at)->next;
	return at;
}

static void
unlink_locked(struct sst_kept *c, struct entry *e)
{
	if (e->newer != NULL)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	if (e->older != NULL)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
	e->newer = e->older = NULL;
}

static void
newest_locked(struct sst_kept *c, struct entry *e)
{
	e->older = c->newest;
	e->newer = NULL;
	if (c->newest != NULL)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
}

struct sst_identity *
sst_kept_get(struct sst_kept *c, int64_t row)
{
	struct sst_identity *id = NULL;
	struct entry *e;

	(void)pthread_mutex_lock(&c->mu);
	e = *find_locked(c, row);
	if (e != NULL) {
		id = sst_identity_ref(e->identity);
		unlink_locked(c, e);
		newest_locked(c, e);
	}
	(void)pthread_mutex_unlock(&c->mu);
	return id;
}

/* Takes an entry out. Its identity goes to the caller. */
static struct sst_identity *
take_locked(struct sst_kept *c, struct entry **at)
{
	struct entry *e = *at;
	struct sst_identity *id = e->identity;

	*at = e->next;
	unlink_locked(c, e);
	c->bytes -= sst_identity_bytes(id);
	c->thrown += sst_identity_bytes(id);
	sst_identity_evict(id);
	free(e);
	return id;
}

/* Drops the decisions that hold an identity which left the cache. */
static void
sweep(struct sst_kept *c)
{
	struct sst_choice *stale[WAYS];
	size_t n;

	for (size_t i = 0; i < c->n_sets; i++) {
		n = 0;
		(void)pthread_mutex_lock(&c->set_mu[i % LOCKS]);
		for (size_t w = 0; w < WAYS; w++) {
			struct slot *s = &c->set[i].way[w];

			if (s->choice == NULL || !sst_choice_stale(s->choice))
				continue;
			stale[n++] = s->choice;
			s->choice = NULL;
			(void)atomic_fetch_sub(&c->hit_bytes,
			    sst_choice_bytes(stale[n - 1]));
		}
		(void)pthread_mutex_unlock(&c->set_mu[i % LOCKS]);
		while (n > 0)
			sst_choice_unref(stale[--n]);
	}
}

/* The identity to throw out for room; those used since the last look stay. */
static struct sst_identity *
victim_locked(struct sst_kept *c)
{
	struct entry *e = c->oldest;

	for (int spared = 0; spared < 256 && sst_identity_unuse(e->identity); spared++) {
		unlink_locked(c, e);
		newest_locked(c, e);
		e = c->oldest;
	}
	return take_locked(c, find_locked(c, e->row));
}

void
sst_kept_put(struct sst_kept *c, int64_t row, struct sst_identity *id)
{
	const size_t need = sst_identity_bytes(id);
	struct sst_identity *out;
	struct entry *e;
	int full, due;

	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;		/* it is parsed again at its next use */
	for (;;) {
		out = NULL;
		(void)pthread_mutex_lock(&c->mu);
		full = c->oldest != NULL && c->bytes + need > c->limit;
		if (full) {
			out = victim_locked(c);
		} else if (need <= c->limit && *find_locked(c, row) == NULL) {
			e->row = row;
			e->identity = sst_identity_ref(id);
			e->next = *bucket_of(c, row);
			*bucket_of(c, row) = e;
			newest_locked(c, e);
			c->bytes += need;
			e = NULL;
		}
		due = c->thrown > c->limit / 8;
		if (due)
			c->thrown = 0;
		(void)pthread_mutex_unlock(&c->mu);
		sst_identity_unref(out);
		if (due)
			sweep(c);
		if (!full)
			break;
	}
	free(e);
}

void
sst_kept_drop(struct sst_kept *c, int64_t row)
{
	struct sst_identity *out = NULL;
	struct entry **at;

	(void)pthread_mutex_lock(&c->mu);
	at = find_locked(c, row);
	if (*at != NULL)
		out = take_locked(c, at);
	(void)pthread_mutex_unlock(&c->mu);
	sst_identity_unref(out);
}

void
sst_kept_figures(struct sst_kept *c, struct sst_kept_figures *ret)
{
	struct sst_kept_figures f;

	(void)pthread_mutex_lock(&c->mu);
	f = (struct sst_kept_figures){ .bytes = c->bytes };
	(void)pthread_mutex_unlock(&c->mu);
	for (size_t i = 0; i < LOCKS; i++) {
		(void)pthread_mutex_lock(&c->set_mu[i]);
		f.hits += c->hits[i];
		(void)pthread_mutex_unlock(&c->set_mu[i]);
	}
	f.bytes += atomic_load(&c->hit_bytes);
	*ret = f;
}

void
sst_kept_key(const struct sst_kept *c, struct sst_hit *key)
{
	uint64_t h = c->seed ^ key->policy ^ (uint64_t)key->kinds << 32;

	for (const char *p = key->name; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	key->hash = h;
}

static int
slot_is(const struct slot *s, const struct sst_hit *key)
{
	return s->choice != NULL && s->hash == key->hash && s->kinds == key->kinds &&
	    s->policy == key->policy &&
	    strcmp(sst_choice_name(s->choice), key->name) == 0;
}

struct sst_choice *
sst_kept_hit(struct sst_kept *c, const struct sst_hit *key, time_t now)
{
	size_t i = key->hash & (c->n_sets - 1);
	struct sst_choice *hit = NULL;

	(void)pthread_mutex_lock(&c->set_mu[i % LOCKS]);
	for (size_t w = 0; w < WAYS; w++) {
		struct slot *s = &c->set[i].way[w];

		if (!slot_is(s, key))
			continue;
		if (sst_choice_holds(s->choice, key->generation, now))
			hit = sst_choice_ref(s->choice);
		break;
	}
	c->hits[i % LOCKS] += hit != NULL;
	(void)pthread_mutex_unlock(&c->set_mu[i % LOCKS]);
	if (hit != NULL)
		sst_choice_use(hit);
	return hit;
}

/* Room for a decision. 0: there is none. */
static int
hit_room(struct sst_kept *c, size_t need)
{
	if (atomic_fetch_add(&c->hit_bytes, need) + need <= c->hit_limit)
		return 1;
	(void)atomic_fetch_sub(&c->hit_bytes, need);
	return 0;
}

void
sst_kept_hit_put(struct sst_kept *c, const struct sst_hit *key,
    struct sst_choice *choice)
{
	size_t i = key->hash & (c->n_sets - 1), w;
	struct set *set = &c->set[i];
	struct sst_choice *out;

	(void)pthread_mutex_lock(&c->set_mu[i % LOCKS]);
	for (w = 0; w < WAYS && !slot_is(&set->way[w], key); w++)
		;
	for (size_t f = 0; w == WAYS && f < WAYS; f++) {
		if (set->way[f].choice == NULL)
			w = f;
	}
	if (w == WAYS)
		w = set->next++ % WAYS;
	out = set->way[w].choice;
	set->way[w].choice = NULL;
	if (out != NULL)
		(void)atomic_fetch_sub(&c->hit_bytes, sst_choice_bytes(out));
	if (hit_room(c, sst_choice_bytes(choice)))
		set->way[w] = (struct slot){ key->hash, key->policy,
		    sst_choice_ref(choice), key->kinds };
	(void)pthread_mutex_unlock(&c->set_mu[i % LOCKS]);
	sst_choice_unref(out);
}
