/* SPDX-License-Identifier: ISC */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "challenge.h"
#include "intern.h"

#define CACHE_DEFAULT	((size_t)32 << 20)

/* Every store, so that fork() finds no lock held by a thread that is gone. */
static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;	/* guards all */
static struct sst_store *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&all_mu);
	for (struct sst_store *s = all; s != NULL; s = s->next) {
		(void)pthread_mutex_lock(&s->mu);
		sst_kept_lock(s->cache);
		sst_intern_lock(s->env.intern);
	}
}

static void
unlock_all(void)
{
	for (struct sst_store *s = all; s != NULL; s = s->next) {
		sst_intern_unlock(s->env.intern);
		sst_kept_unlock(s->cache);
		(void)pthread_mutex_unlock(&s->mu);
	}
	(void)pthread_mutex_unlock(&all_mu);
}

static void
after_fork_in_child(void)
{
	for (struct sst_store *s = all; s != NULL; s = s->next)
		s->forked = 1;
	unlock_all();
}

static void
watch_forks(void)
{
	(void)pthread_atfork(before_fork, unlock_all, after_fork_in_child);
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
	if (!s->forked)
		return;
	s->forked = 0;
	/* failed: the child has an empty index, and knows none of the names */
	(void)sst_index_after_fork(s->index, NULL);
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
	for (size_t i = 0; i < s->n_pins; i++) {
		sst_identity_unref(s->pins[i].identity);
		sk_X509_pop_free(s->pins[i].certs, X509_free);
	}
	free(s->pins);
	free(s->revoked.v);
	free(s->bare.v);
	free(s->degraded);
	sst_kept_free(s->cache);
	sst_index_close(s->index);
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
	struct sst_events events = { 0 };
	char why[256] = "", text[400];
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
	s->cache = sst_kept_new(s->config.cache_bytes != 0 ? s->config.cache_bytes :
	    CACHE_DEFAULT);
	if (s->env.intern == NULL || s->cache == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	rc = sst_index_open(s->config.index_path, &s->index, why, sizeof(why), err);
	if (rc < 0)
		goto out;
	if (why[0] != '\0') {
		(void)snprintf(text, sizeof(text), "the index is kept in memory: %s",
		    why);
		sst_events_add(&events, SST_STORE_REFUSED, s->config.index_path, text);
	}
	if (s->config.generation != 0) {
		rc = sst_index_go_on(s->index, s->config.generation, err);
		if (rc < 0)
			goto out;
		atomic_store(&s->generation, s->config.generation);
	}
	s->config.index_path = NULL;	/* the caller's, and no longer needed */
	s->env.ops = ops;
	s->env.ctx = ctx;
	list_put(s);
	sst_events_tell(s, &events);
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
	/* the index of a parent must be let go of before it is closed */
	sst_store_lock(s);
	sst_store_unlock(s);
	store_free(s);
}

uint64_t
sst_store_generation(const struct sst_store *s)
{
	return atomic_load(&s->generation);
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

int
sst_store_staged(struct sst_store *s, char *buf, size_t size)
{
	struct sst_rows rows = { 0 };
	int found = 0;

	sst_store_lock(s);
	(void)sst_index_find(s->index, SST_FIND_STAGED, NULL, 0, &rows, NULL);
	sst_store_unlock(s);
	if (rows.n > 0) {
		(void)snprintf(buf, size, "%s", rows.v[0].path);
		found = 1;
	}
	sst_rows_done(&rows);
	return found;
}

/* Cuts a list of lines into pointers; the text is changed. */
static char **
lines_split(char *lines, size_t *ret_n)
{
	size_t n = 0;
	char **v;

	for (const char *p = lines; p != NULL && *p != '\0'; p++)
		n += *p == '\n';
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		v[i] = strsep(&lines, "\n");
		if (strncmp(v[i], SST_CHALLENGE_PREFIX, 5) == 0)
			v[i] += 5;
		if (strncmp(v[i], "ip:", 3) == 0)
			v[i] += 3;
	}
	*ret_n = n;
	return v;
}

static int
entry_show(struct sst_row *row, int (*each)(void *, const struct sst_entry *),
    void *arg, struct sst_error *err)
{
	struct sst_entry e = { .state = (enum sst_entry_state)row->state,
	    .source = row->path, .key_source = row->key_path, .why = row->why,
	    .key_type = row->key_type, .issuer = row->issuer,
	    .not_before = row->not_before, .not_after = row->not_after,
	    .generation = row->generation };
	char **names = NULL, **warnings = NULL;
	int rc;

	names = lines_split(row->names, &e.n_names);
	warnings = lines_split(row->warnings, &e.n_warnings);
	if (names == NULL || warnings == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	e.names = (const char *const *)names;
	e.warnings = (const char *const *)warnings;
	memcpy(e.digest, row->digest, sizeof(e.digest));
	rc = each(arg, &e);
out:
	free(names);
	free(warnings);
	return rc;
}

int
sst_store_each(struct sst_store *s, int (*each)(void *arg, const struct sst_entry *),
    void *arg, struct sst_error *err)
{
	struct sst_rows rows = { 0 };
	int rc;

	sst_store_lock(s);
	rc = sst_index_find(s->index, SST_FIND_ALL, NULL, 0, &rows, err);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
		rc = entry_show(&rows.v[i], each, arg, err);
	sst_rows_done(&rows);
	return rc;
}
