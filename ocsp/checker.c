/* SPDX-License-Identifier: ISC */
/* checker - see checker.h. */
#include "checker.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "cache.h"
#include "guard.h"
#include "latest.h"
#include "memo.h"
#include "place.h"
#include "service_ask.h"
#include "work.h"

#define MACHINE_BYTES	((uint64_t)256 << 20)
#define USER_BYTES	((uint64_t)64 << 20)

struct sst_checker {
	struct sst_checker *next, *prev;	/* of all in this process */
	atomic_int	 refs;
	pthread_mutex_t	 mu;		/* guards opening and `where` */
	atomic_int	 is_ready;
	struct sst_latest latest;
	struct sst_memo	*memo;
	struct sst_cache *own;		/* memory at the least */
	struct sst_cache *machine;	/* its snapshot, or NULL */
	struct sst_work	*work;		/* also where nothing is fetched */
	struct sst_place place;		/* of `own` */
	char		*dir;		/* of the configuration; NULL: by place */
	char		*proxy;
	char		**allow, **nat64;
	uint64_t	 bytes;
	char		*service;
	int		 no_fetch, no_service;
	char		 where[2 * PATH_MAX + 600];
};

/* Every checker, for fork(): guarded by all_mu. */
static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;
static struct sst_checker *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* `mu` is not held across fork(): whoever opens a cache takes locks that fork()
 * takes as well, in the other order. */
static void
fork_prepare(void)
{
	(void)pthread_mutex_lock(&all_mu);
}

static void
fork_parent(void)
{
	(void)pthread_mutex_unlock(&all_mu);
}

static void
fork_child(void)
{
	for (struct sst_checker *c = all; c != NULL; c = c->next) {
		if (c->memo != NULL)
			sst_memo_forked(c->memo);
		/* held by a thread that is not here, which was opening: it is begun
		 * again with what is there */
		if (pthread_mutex_trylock(&c->mu) == 0)
			(void)pthread_mutex_unlock(&c->mu);
		else
			(void)pthread_mutex_init(&c->mu, NULL);
	}
	(void)pthread_mutex_unlock(&all_mu);
}

static void
fork_watch(void)
{
	(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static void
free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static char **
copy_list(const char *const *list)
{
	char **copy;
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < n; i++) {
		copy[i] = strdup(list[i]);
		if (copy[i] == NULL) {
			free_list(copy);
			return NULL;
		}
	}
	return copy;
}

static void
destroy(struct sst_checker *c)
{
	sst_work_free(c->work);
	sst_cache_close(c->own);
	sst_cache_close(c->machine);
	sst_memo_free(c->memo);
	free_list(c->allow);
	free_list(c->nat64);
	free(c->proxy);
	free(c->service);
	free(c->dir);
	(void)pthread_mutex_destroy(&c->mu);
	free(c);
}

static int
copy_config(struct sst_checker *c, const struct sst_checker_config *config,
    struct sst_error *err)
{
	struct sst_guard *guard = NULL;
	int rc;

	c->bytes = config->cache_bytes;
	c->no_fetch = config->no_fetch;
	c->no_service = config->no_service;
	c->allow = copy_list(config->allow);
	c->nat64 = copy_list(config->nat64);
	if (config->cache_dir != NULL)
		c->dir = strdup(config->cache_dir);
	if (config->proxy != NULL)
		c->proxy = strdup(config->proxy);
	if (config->service != NULL)
		c->service = strdup(config->service);
	if (c->allow == NULL || c->nat64 == NULL ||
	    (config->cache_dir != NULL && c->dir == NULL) ||
	    (config->proxy != NULL && c->proxy == NULL) ||
	    (config->service != NULL && c->service == NULL))
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	/* a wrong entry is told to whoever wrote it, not to the first connection */
	rc = sst_guard_new(config->allow, config->nat64, &guard, err);
	sst_guard_free(guard);
	return rc;
}

int
sst_checker_new(const struct sst_checker_config *config, struct sst_checker **ret,
    struct sst_error *err)
{
	static const struct sst_checker_config zero;
	struct sst_checker *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&c->refs, 1);
	(void)pthread_mutex_init(&c->mu, NULL);
	rc = copy_config(c, config != NULL ? config : &zero, err);
	if (rc < 0) {
		destroy(c);
		return rc;
	}
	(void)pthread_once(&once, fork_watch);
	(void)pthread_mutex_lock(&all_mu);
	c->next = all;
	if (all != NULL)
		all->prev = c;
	all = c;
	(void)pthread_mutex_unlock(&all_mu);
	*ret = c;
	return SST_OK;
}

struct sst_checker *
sst_checker_ref(struct sst_checker *c)
{
	(void)atomic_fetch_add(&c->refs, 1);
	return c;
}

void
sst_checker_unref(struct sst_checker *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	(void)pthread_mutex_lock(&all_mu);
	*(c->prev != NULL ? &c->prev->next : &all) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	(void)pthread_mutex_unlock(&all_mu);
	destroy(c);
}

static int
open_machine(struct sst_checker *c, struct sst_error *err)
{
	const struct sst_cache_config config = { .dir = SST_MACHINE_CACHE };

	/* kept when there is no snapshot yet: the handle sees it when it comes */
	return sst_cache_open(&config, &c->machine, err);
}

/* What sst_checker_cache() answers. */
static void
describe(struct sst_checker *c)
{
	const struct sst_place *place = &c->place;
	const char *text = sst_cache_why(c->own);
	char path[PATH_MAX], why[512];
	size_t used = 0;

	if (text[0] == '\0' && c->machine != NULL)
		text = sst_cache_why(c->machine);
	if (text[0] == '\0')
		text = place->why;
	if (c->machine != NULL && sst_cache_mode(c->machine) == SST_CACHE_SNAPSHOT)
		used = (size_t)snprintf(c->where, sizeof(c->where),
		    "snapshot " SST_MACHINE_CACHE ", then ");
	if (sst_cache_mode(c->own) == SST_CACHE_MEMORY)
		used += (size_t)snprintf(c->where + used, sizeof(c->where) - used, "memory");
	else
		used += (size_t)snprintf(c->where + used, sizeof(c->where) - used, "%s %s",
		    sst_place_name(place->kind),
		    sst_escape(path, sizeof(path), place->dir, strlen(place->dir)));
	if (text[0] != '\0')
		(void)snprintf(c->where + used, sizeof(c->where) - used, " (%s)",
		    sst_escape(why, sizeof(why), text, strlen(text)));
}

static int
open_caches(struct sst_checker *c, struct sst_error *err)
{
	struct sst_cache_config config = { .may_write = 1, .size_cap = c->bytes, .at_once = 1 };
	int rc = SST_OK;

	sst_place_find(c->dir, &c->place);
	config.dir = c->place.dir;
	if (config.size_cap == 0)
		config.size_cap = c->place.kind == SST_PLACE_MACHINE ? MACHINE_BYTES :
		    USER_BYTES;
	if (c->place.reads_machine && c->machine == NULL)
		rc = open_machine(c, err);
	if (rc == SST_OK)
		rc = sst_cache_open(&config, &c->own, err);
	if (rc == SST_OK && c->machine != NULL)
		sst_checker_saw(c, sst_cache_seen(c->machine));
	return rc;
}

/* The socket of who fetches for us, or NULL. */
static const char *
service_of(const struct sst_checker *c)
{
	if (c->no_service || c->place.kind == SST_PLACE_MACHINE)
		return NULL;
	if (c->service != NULL)
		return c->service;
	return c->dir == NULL ? SST_SERVICE_SOCKET : NULL;
}

static int
open_locked(struct sst_checker *c, struct sst_error *err)
{
	struct sst_work_config with = { .allow = (const char *const *)c->allow,
	    .nat64 = (const char *const *)c->nat64, .proxy = c->proxy };
	int rc = SST_OK;

	if (c->own == NULL)
		rc = open_caches(c, err);
	if (rc == SST_OK && c->memo == NULL)
		rc = sst_memo_new(0, &c->memo, err);
	with.cache = c->own;
	with.service = service_of(c);
	if (rc == SST_OK && c->work == NULL)
		rc = sst_work_new(&with, &c->work, err);
	return rc;
}

int
sst_checker_ready(struct sst_checker *c, struct sst_error *err)
{
	int rc;

	if (atomic_load_explicit(&c->is_ready, memory_order_acquire))
		return SST_OK;
	(void)pthread_mutex_lock(&c->mu);
	rc = open_locked(c, err);
	if (rc == SST_OK && !sst_cache_opening(c->own)) {
		sst_checker_saw(c, sst_cache_seen(c->own));
		atomic_store_explicit(&c->is_ready, 1, memory_order_release);
	}
	(void)pthread_mutex_unlock(&c->mu);
	return rc;
}

int
sst_checker_settle(struct sst_checker *c, struct sst_error *err)
{
	int rc = sst_checker_ready(c, err);

	if (rc < 0 || atomic_load_explicit(&c->is_ready, memory_order_acquire))
		return rc;
	sst_cache_settle(c->own);
	return sst_checker_ready(c, err);
}

const char *
sst_checker_cache(const struct sst_checker *checker)
{
	/* opening is no change that anybody sees but here */
	struct sst_checker *c = (struct sst_checker *)checker;

	if (sst_checker_settle(c, NULL) < 0)
		return "memory (out of memory)";
	(void)pthread_mutex_lock(&c->mu);
	if (c->where[0] == '\0')
		describe(c);
	(void)pthread_mutex_unlock(&c->mu);
	return c->where;
}

const char *
sst_checker_dir(const struct sst_checker *c)
{
	return c->dir;
}

struct sst_cache *
sst_checker_own(struct sst_checker *c)
{
	return c->own;
}

struct sst_cache *
sst_checker_machine(struct sst_checker *c)
{
	return c->machine;
}

const struct sst_place *
sst_checker_place(const struct sst_checker *c)
{
	return &c->place;
}

struct sst_work *
sst_checker_work(struct sst_checker *c)
{
	return c->no_fetch ? NULL : c->work;
}

struct sst_work *
sst_checker_waiter(struct sst_checker *c)
{
	return c->work;
}

int64_t
sst_checker_now(struct sst_checker *c)
{
	return sst_latest_now(&c->latest, sst_clock_wall(), sst_clock_boot_ms());
}

void
sst_checker_saw(struct sst_checker *c, int64_t now)
{
	sst_latest_saw(&c->latest, now, sst_clock_boot_ms());
}

/* Adds what one cache knows; *n pieces are there. */
static int
ask_cache(struct sst_cache *cache, const struct sst_cert_facts *facts, int64_t now,
    const struct sst_limits *limits, struct sst_evidence *list, size_t max, size_t *n)
{
	int rc;

	if (cache == NULL || *n == max)
		return SST_OK;
	rc = sst_cache_get(cache, facts, now, limits, list + *n, max - *n);
	if (rc < 0)
		return rc == SST_E_TIMEOUT ? rc : SST_OK;	/* damaged: a miss */
	*n += (size_t)rc;
	return SST_OK;
}

/* Half of the room for each, so that neither cache hides a revocation that the
 * other knows. */
static int
ask_caches(struct sst_checker *c, const struct sst_cert_facts *facts, int64_t now,
    const struct sst_limits *limits, struct sst_evidence *list, size_t max)
{
	size_t n = 0, first = c->machine != NULL ? max / 2 : max;
	int rc;

	rc = ask_cache(c->own, facts, now, limits, list, first, &n);
	if (rc == SST_OK)
		rc = ask_cache(c->machine, facts, now, limits, list, max, &n);
	return rc < 0 ? rc : (int)n;
}

int
sst_checker_look(struct sst_checker *c, const struct sst_cert_facts *facts, int64_t now,
    const struct sst_limits *limits, struct sst_evidence *list, size_t max, int *ret_read)
{
	const int64_t ms = sst_clock_ms();
	uint64_t generation = sst_cache_generation(c->own, ms);
	int n;

	if (c->machine != NULL)
		generation = generation * 0x9e3779b97f4a7c15u +
		    sst_cache_generation(c->machine, ms);
	n = sst_memo_get(c->memo, &facts->key, generation, list, max);
	*ret_read = n < 0;
	if (n >= 0)
		return n;
	n = ask_caches(c, facts, now, limits, list, max);
	if (n >= 0)
		sst_memo_put(c->memo, &facts->key, generation, list, (size_t)n);
	return n;
}

int
sst_checker_known(struct sst_checker *c, const struct sst_cert_facts *facts, int64_t now,
    const struct sst_limits *limits, struct sst_evidence *list, size_t max)
{
	int read;

	return sst_checker_look(c, facts, now, limits, list, max, &read);
}

int
sst_checker_revoked(struct sst_checker *c, const struct sst_cert_key *key, int64_t now)
{
	return sst_cache_revoked(c->own, key, now) == 1 ||
	    (c->machine != NULL && sst_cache_revoked(c->machine, key, now) == 1);
}

int
sst_checker_keep(struct sst_checker *c, const struct sst_cert_facts *facts,
    const struct sst_evidence *e, const void *der, size_t len, int64_t now,
    struct sst_error *err)
{
	return sst_cache_put(c->own, &facts->key, facts->not_after, e, der, len, now, err);
}
