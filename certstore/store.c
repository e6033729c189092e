/* SPDX-License-Identifier: ISC */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "index_gen.h"
#include "intern.h"
#include "store_keep.h"
#include "watcher.h"

#define CACHE_DEFAULT	((size_t)32 << 20)

/* Every store, so that fork() finds no lock held by a thread that is gone. */
static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;	/* guards all */
static struct sst_store *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&all_mu);
	for (struct sst_store *s = all; s != NULL; s = s->next)
		sst_watcher_lock(s->watcher);
	for (struct sst_store *s = all; s != NULL; s = s->next) {
		(void)pthread_mutex_lock(&s->mu);
		sst_index_rest(s->index);
		sst_kept_lock(s->cache);
		sst_intern_lock(s->env.intern);
	}
}

static void
unlock_stores(void)
{
	for (struct sst_store *s = all; s != NULL; s = s->next) {
		sst_intern_unlock(s->env.intern);
		sst_kept_unlock(s->cache);
		(void)pthread_mutex_unlock(&s->mu);
	}
	(void)pthread_mutex_unlock(&all_mu);
}

static void
after_fork_in_parent(void)
{
	for (struct sst_store *s = all; s != NULL; s = s->next)
		sst_watcher_unlock(s->watcher);
	unlock_stores();
}

static void
after_fork_in_child(void)
{
	for (struct sst_store *s = all; s != NULL; s = s->next) {
		sst_watcher_forked(s->watcher);
		if (s->gen != NULL)
			sst_gen_forked(s->gen);
		if (atomic_load(&s->word) != NULL)
			atomic_store(&s->word, sst_gen_word(s->gen));
		s->reading = NULL;	/* who read is the parent's */
	}
	unlock_stores();
}

static void
watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void
list_put(struct sst_store *s)
{
	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&all_mu);
	s->next = all;
	if (all != NULL)
		all->prev = s;
	all = s;
	(void)pthread_mutex_unlock(&all_mu);
}

static void
list_take(struct sst_store *s)
{
	(void)pthread_mutex_lock(&all_mu);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		all = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	(void)pthread_mutex_unlock(&all_mu);
}

void
sst_store_lock(struct sst_store *s)
{
	(void)pthread_mutex_lock(&s->mu);
	if (sst_index_is_broken(s->index))
		sst_keep_mend_locked(s);
}

void
sst_store_unlock(struct sst_store *s)
{
	(void)pthread_mutex_unlock(&s->mu);
}

int
sst_store_new(const struct sst_store_config *config, struct sst_store **ret_store,
    struct sst_error *err)
{
	return sst_store_new_from(config, &sst_source_files, NULL, ret_store, err);
}

static void
store_free(struct sst_store *s)
{
	sst_watcher_free(s->watcher);
	for (size_t i = 0; i < s->n_pins; i++) {
		sst_identity_unref(s->pins[i].identity);
		sk_X509_pop_free(s->pins[i].certs, X509_free);
	}
	free(s->pins);
	free(s->revoked.v);
	free(s->bare.v);
	free(s->degraded);
	sst_waits_done(&s->waits);
	sst_hot_done(&s->hot);
	sst_kept_free(s->cache);
	sst_keep_end(s);
	sst_intern_free(s->env.intern);
	if (s->env.ops != NULL && s->env.ops->free != NULL)
		s->env.ops->free(s->env.ctx);
	(void)pthread_mutex_destroy(&s->mu);
	free(s);
}

int
sst_store_new_from(const struct sst_store_config *config,
    const struct sst_source_ops *ops, void *ctx, struct sst_store **ret_store,
    struct sst_error *err)
{
	struct sst_store *s;
	int rc;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&s->refs, 1);
	(void)pthread_mutex_init(&s->mu, NULL);
	if (config != NULL)
		s->config = *config;
	s->env.intern = sst_intern_new();
	s->env.keys_may_be_open = s->config.keys_may_be_open;
	s->env.served = sst_store_served;
	s->env.served_arg = s;
	s->cache = sst_kept_new(s->config.cache_bytes != 0 ? s->config.cache_bytes :
	    CACHE_DEFAULT);
	if (s->env.intern == NULL || s->cache == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	if (s->config.index_dir != NULL) {
		s->index_dir = strdup(s->config.index_dir);
		s->config.index_dir = NULL;	/* the caller's */
		if (s->index_dir == NULL) {
			rc = sst_fail(err, SST_E_NOMEM, "out of memory");
			goto out;
		}
	}
	rc = sst_index_open(&s->index, err);
	if (rc < 0)
		goto out;
	if (s->config.generation != 0) {
		rc = sst_index_go_on(s->index, s->config.generation, err);
		if (rc < 0)
			goto out;
		atomic_store(&s->generation, s->config.generation);
	}
	if (s->config.watch && (s->watcher = sst_watcher_new(s)) == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	s->env.ops = ops;
	s->env.ctx = ctx;
	list_put(s);
	*ret_store = s;
	return SST_OK;
out:
	store_free(s);
	return rc;
}

struct sst_store *
sst_store_ref(struct sst_store *s)
{
	(void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
sst_store_unref(struct sst_store *s)
{
	if (s == NULL ||
	    atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	list_take(s);
	store_free(s);
}

void
sst_store_on_try(struct sst_store *s, sst_try_fn fn, void *arg)
{
	atomic_store(&s->try_arg, arg);
	atomic_store(&s->on_try, fn);
}

int
sst_store_is_tried(struct sst_store *s)
{
	return atomic_load(&s->on_try) != NULL;
}

int
sst_store_is_hot(const struct sst_store *s)
{
	return atomic_load_explicit(&s->hot_waits, memory_order_relaxed);
}

int
sst_store_hot(struct sst_store *s, char *out, size_t size)
{
	int rc;

	(void)pthread_mutex_lock(&s->mu);
	rc = sst_hot_take(&s->hot, out, size);
	atomic_store(&s->hot_waits, s->hot.from != s->hot.end);
	(void)pthread_mutex_unlock(&s->mu);
	return rc;
}

uint64_t
sst_store_generation(const struct sst_store *s)
{
	const atomic_uint_fast64_t *word = atomic_load(&s->word);

	return word == NULL ? atomic_load(&s->generation) :
	    atomic_load(word) + atomic_load(&s->offset);
}

void
sst_store_moved_locked(struct sst_store *s, uint64_t generation)
{
	/* of an index that is kept, its own word says it to all processes */
	atomic_store(&s->generation, generation + atomic_load(&s->offset));
}

struct sst_told {
	enum sst_store_event_kind kind;
	int	has_leaf;
	uint8_t	leaf[32];
	time_t	not_after;
	char	name[256];
	char	source[300];
	char	text[500];
};

void
sst_events_add(struct sst_events *e, enum sst_store_event_kind kind,
    const char *source, const char *text)
{
	struct sst_told *grown;
	size_t room;

	if (e->n == e->room) {
		room = e->room == 0 ? 4 : e->room * 2;
		grown = reallocarray(e->v, room, sizeof(*grown));
		if (grown == NULL)
			return;		/* the change counts, not its report */
		e->v = grown;
		e->room = room;
	}
	e->v[e->n] = (struct sst_told){ .kind = kind };
	(void)sst_escape(e->v[e->n].source, sizeof(e->v[e->n].source), source,
	    strlen(source));
	(void)snprintf(e->v[e->n].text, sizeof(e->v[e->n].text), "%s", text);
	e->n++;
}

void
sst_events_add_row(struct sst_events *e, enum sst_store_event_kind kind,
    const struct sst_row *row, const char *text)
{
	const size_t n = e->n;
	const char *name = row->names == NULL ? "" : row->names;
	struct sst_told *t;

	sst_events_add(e, kind, row->path, text);
	if (e->n == n)
		return;
	t = &e->v[n];
	t->has_leaf = row->state != SST_ENTRY_REFUSED;
	memcpy(t->leaf, row->digest, sizeof(t->leaf));
	t->not_after = row->not_after;
	if (strncmp(name, "ip:", 3) == 0)
		name += 3;
	(void)sst_escape(t->name, sizeof(t->name), name, strcspn(name, "\n"));
}

void
sst_events_tell(struct sst_store *s, struct sst_events *e)
{
	for (size_t i = 0; i < e->n && s->config.on_event != NULL; i++) {
		const struct sst_told *t = &e->v[i];
		const struct sst_store_event event = { .kind = t->kind,
		    .source = t->source, .text = t->text,
		    .leaf = t->has_leaf ? t->leaf : NULL,
		    .not_after = t->has_leaf ? t->not_after : 0, .name = t->name };

		s->config.on_event(s->config.event_arg, &event);
	}
	free(e->v);
	*e = (struct sst_events){ 0 };
}

void
sst_events_forget(struct sst_events *e)
{
	free(e->v);
	*e = (struct sst_events){ 0 };
}

struct sst_pin *
sst_pin_find_locked(struct sst_store *s, int64_t row)
{
	size_t low = 0, high = s->n_pins, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->pins[mid].row < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n_pins && s->pins[low].row == row ? &s->pins[low] : NULL;
}

int
sst_pin_room_locked(struct sst_store *s, size_t n, struct sst_error *err)
{
	struct sst_pin *grown;
	size_t room;

	if (s->n_pins + n <= s->room_pins)
		return SST_OK;
	room = (s->n_pins + n) * 2;
	grown = reallocarray(s->pins, room, sizeof(*grown));
	if (grown == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	s->pins = grown;
	s->room_pins = room;
	return SST_OK;
}

void
sst_pin_add_locked(struct sst_store *s, int64_t row, struct sst_identity *id,
    STACK_OF(X509) *certs)
{
	size_t at = s->n_pins;

	/* a kept identity is pinned late, under an older number */
	while (at > 0 && s->pins[at - 1].row > row)
		at--;
	memmove(&s->pins[at + 1], &s->pins[at], (s->n_pins - at) * sizeof(*s->pins));
	s->pins[at] = (struct sst_pin){ .row = row };
	if (id != NULL)
		s->pins[at].identity = sst_identity_ref(id);
	s->pins[at].certs = certs;
	s->n_pins++;
}

void
sst_pin_drop_locked(struct sst_store *s, int64_t row)
{
	struct sst_pin *pin = sst_pin_find_locked(s, row);
	size_t at;

	if (pin == NULL)
		return;
	sst_identity_unref(pin->identity);
	sk_X509_pop_free(pin->certs, X509_free);
	at = (size_t)(pin - s->pins);
	memmove(pin, pin + 1, (s->n_pins - at - 1) * sizeof(*pin));
	s->n_pins--;
}
