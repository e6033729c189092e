/* SPDX-License-Identifier: ISC */
/* names - which of the names below a source have a watch (inside.h). */
#include "inside.h"

#include "certbot.h"
#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Archives that have a watch: what is overwritten in the others sweep finds. */
#define ARCHIVES_MOST	1024

int
sst_named_room(const struct sst_watch *w)
{
	const size_t most = w->plan.most;

	/* Some are for the directories that lead to sources that come later. */
	return !w->full && w->dirs.watched.n + w->dirs.names.n < most - most / 8;
}

static void
unlink_named(struct sst_watch *w, struct sst_named *r)
{
	if (r->is_archive)
		return;
	*(r->prev == NULL ? &w->coldest : &r->prev->next) = r->next;
	*(r->next == NULL ? &w->hottest : &r->next->prev) = r->prev;
}

static void
link_hottest(struct sst_watch *w, struct sst_named *r)
{
	r->next = NULL;
	r->prev = w->hottest;
	*(w->hottest == NULL ? &w->coldest : &w->hottest->next) = r;
	w->hottest = r;
}

static struct sst_named *
find(const struct sst_watch *w, uint32_t wd, const struct sst_target *t, uint64_t key)
{
	struct sst_node *n;
	struct sst_named *r;

	for (n = sst_table_get(&w->dirs.names, wd); n != NULL; n = n->next) {
		r = (struct sst_named *)n;
		if (n->key == wd && r->t == t &&
		    sst_seen_key(r->name) == (key & ~(uint64_t)SST_SEEN_FLAGS))
			return r;
	}
	return NULL;
}

static void
record_free(struct sst_watch *w, struct sst_named *r)
{
	int wd = (int)r->node.key;

	unlink_named(w, r);
	w->n_archives -= (size_t)r->is_archive;
	sst_table_take(&w->dirs.names, &r->node);
	sst_dirs_release(&w->dirs, wd);
	free(r);
}

/* The watch of a directory that belongs to a name, or -1. */
static int
record(struct sst_watch *w, struct sst_target *t, const char *path, const char *name,
    int is_archive)
{
	int wd = sst_dirs_watch(&w->dirs, path);
	struct sst_named *r;
	size_t n = strlen(name) + 1;

	if (wd < 0) {
		w->full |= errno == ENOSPC || errno == EMFILE;
		if (errno != ENOENT && errno != ENOTDIR && t->error == 0)
			t->error = errno;
		return -1;
	}
	if (find(w, (uint32_t)wd, t, sst_seen_key(name)) != NULL)
		return wd;
	r = calloc(1, sizeof(*r) + n);
	if (r != NULL) {
		r->t = t;
		r->is_archive = is_archive;
		memcpy(r->name, name, n);
	}
	if (r == NULL || sst_table_put(&w->dirs.names, &r->node, (uint32_t)wd) != 0) {
		free(r);
		sst_dirs_release(&w->dirs, wd);
		return -1;
	}
	if (is_archive)
		w->n_archives++;
	else
		link_hottest(w, r);
	return wd;
}

static void
cover(struct sst_watch *w, struct sst_target *t, const char *path, const char *name,
    struct sst_seen_name *e)
{
	char archive[PATH_MAX];
	int wd;

	if (!sst_certbot_archive(path, archive, sizeof(archive))) {
		e->key |= SST_SEEN_COVERED;
		e->deep = 0;
		return;
	}
	if (w->n_archives >= ARCHIVES_MOST || !sst_named_room(w))
		return;
	wd = record(w, t, archive, name, 1);
	if (wd < 0)
		return;
	e->key |= SST_SEEN_COVERED;
	e->deep = (uint32_t)wd;
}

static void
drop_archive(struct sst_watch *w, struct sst_target *t, struct sst_seen_name *e)
{
	struct sst_named *r = NULL;

	if ((e->key & SST_SEEN_COVERED) == 0)
		return;
	if (e->deep != 0)
		r = find(w, e->deep, t, e->key);
	e->key &= ~(uint64_t)SST_SEEN_COVERED;
	e->deep = 0;
	if (r != NULL)
		record_free(w, r);
}

void
sst_named_drop(struct sst_watch *w, struct sst_target *t, struct sst_seen_name *e)
{
	struct sst_named *r;

	if ((e->key & SST_SEEN_WATCHED) == 0)
		return;
	drop_archive(w, t, e);
	r = find(w, e->at, t, e->key);
	e->key &= ~(uint64_t)SST_SEEN_WATCHED;
	e->at = 0;
	t->n_watched--;
	if (r != NULL)
		record_free(w, r);
}

int
sst_named_watch(struct sst_watch *w, struct sst_target *t, const char *name,
    struct sst_seen_name *e)
{
	char path[PATH_MAX];
	int wd;

	if (snprintf(path, sizeof(path), "%s/%s", t->path, name) >= (int)sizeof(path))
		return -1;
	wd = record(w, t, path, name, 0);
	if ((e->key & SST_SEEN_WATCHED) != 0 && (wd < 0 || e->at != (uint32_t)wd))
		sst_named_drop(w, t, e);
	if (wd < 0)
		return -1;
	if ((e->key & SST_SEEN_WATCHED) == 0)
		t->n_watched++;
	e->key |= SST_SEEN_WATCHED;
	e->at = (uint32_t)wd;
	if ((e->key & SST_SEEN_COVERED) == 0)
		cover(w, t, path, name, e);
	return 0;
}

/* What a name looks like now; 0: it is not there. */
static uint32_t
look(const struct sst_target *t, const char *name, uint32_t *ret_deep)
{
	char path[PATH_MAX];
	struct stat st;
	int since;

	*ret_deep = 0;
	if (snprintf(path, sizeof(path), "%s/%s", t->path, name) >= (int)sizeof(path) ||
	    lstat(path, &st) != 0)
		return 0;
	*ret_deep = sst_look_files(AT_FDCWD, path, &t->since, &since);
	return sst_look_stat(&st);
}

/* The coldest name is looked at from now on. */
static void
evict(struct sst_watch *w, int64_t now)
{
	const struct sst_named *r = w->coldest;
	char name[NAME_MAX + 1];
	struct sst_seen_name *e;
	struct sst_target *t;
	uint32_t at, deep;

	if (r == NULL)
		return;
	t = r->t;
	(void)snprintf(name, sizeof(name), "%s", r->name);
	at = look(t, name, &deep);
	/* What happened before that look is in the queue; the rest sweep sees. */
	sst_watch_read(w, now);
	e = sst_seen_find(&t->seen, sst_seen_key(name));
	if (e == NULL || (e->key & SST_SEEN_WATCHED) == 0)
		return;
	sst_named_drop(w, t, e);
	e->at = at;
	e->deep = deep;
	w->full = 0;
}

void
sst_named_hot(struct sst_watch *w, struct sst_target *t, const char *name, int64_t now)
{
	struct sst_seen_name *e = sst_seen_find(&t->seen, sst_seen_key(name));
	uint32_t at, deep, old_at, old_deep;
	struct sst_named *r;

	if (e == NULL || w->plan.most == 0)
		return;
	if ((e->key & SST_SEEN_WATCHED) != 0) {
		r = find(w, e->at, t, e->key);
		if (r != NULL && r != w->hottest) {
			unlink_named(w, r);
			link_hottest(w, r);
		}
		return;
	}
	if (!sst_named_room(w))
		evict(w, now);
	if (!sst_named_room(w))
		return;
	e = sst_seen_find(&t->seen, sst_seen_key(name));
	if (e == NULL)
		return;
	old_at = e->at;
	old_deep = e->deep;
	if (sst_named_watch(w, t, name, e) != 0)
		return;
	at = look(t, name, &deep);
	if ((e->key & SST_SEEN_COVERED) == 0)
		e->deep = deep;
	if (at != old_at || (old_deep != 0 && old_deep != deep))
		sst_target_mark(w, t, name, now + SST_WATCH_QUIET_MS);
}

/* The kernel gave the watch up. */
static void
lose(struct sst_watch *w, struct sst_named *r)
{
	struct sst_seen_name *e = sst_seen_find(&r->t->seen, sst_seen_key(r->name));

	if (e != NULL && r->is_archive && e->deep == r->node.key &&
	    (e->key & SST_SEEN_COVERED) != 0)
		drop_archive(w, r->t, e);
	else if (e != NULL && !r->is_archive && e->at == r->node.key &&
	    (e->key & SST_SEEN_WATCHED) != 0)
		sst_named_drop(w, r->t, e);
	else
		record_free(w, r);
}

void
sst_named_event(struct sst_watch *w, int wd, int is_over, int64_t now)
{
	const uint32_t key = (uint32_t)wd;
	struct sst_node *n = sst_table_get(&w->dirs.names, key);
	struct sst_named *r;

	while (n != NULL) {
		r = (struct sst_named *)n;
		n = n->next;
		if (r->node.key != key)
			continue;
		sst_target_mark(w, r->t, r->name, now + SST_WATCH_QUIET_MS);
		if (is_over) {
			/* It may take others out: from the beginning. */
			lose(w, r);
			n = sst_table_get(&w->dirs.names, key);
		}
	}
}
