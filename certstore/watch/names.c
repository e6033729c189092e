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
	struct sst_named_list *l = &w->by_heat[r->is_served];

	if (r->is_archive)
		return;
	*(r->prev == NULL ? &l->coldest : &r->prev->next) = r->next;
	*(r->next == NULL ? &l->hottest : &r->next->prev) = r->prev;
}

static void
link_hottest(struct sst_watch *w, struct sst_named *r)
{
	struct sst_named_list *l = &w->by_heat[r->is_served];

	r->next = NULL;
	r->prev = l->hottest;
	*(l->hottest == NULL ? &l->coldest : &l->hottest->next) = r;
	l->hottest = r;
}

/* It was renewed, or is served. */
static void
heat(struct sst_watch *w, struct sst_named *r, int is_served)
{
	if (r == NULL || r->is_archive)
		return;
	unlink_named(w, r);
	r->is_served |= is_served;
	link_hottest(w, r);
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

/* Whether the name is a directory, and no link to one. */
static int
is_folder(const struct sst_target *t, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", t->path, name) <
	    (int)sizeof(path) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What a name looks like now; 0: it is not there. *ret_since: whether one of its files
 * was changed since the target was armed. */
static uint32_t
look(const struct sst_target *t, const char *name, uint32_t *ret_deep, int *ret_since)
{
	char path[PATH_MAX];
	struct stat st;

	*ret_deep = 0;
	*ret_since = 0;
	if (snprintf(path, sizeof(path), "%s/%s", t->path, name) >= (int)sizeof(path) ||
	    lstat(path, &st) != 0)
		return 0;
	*ret_deep = sst_look_files(AT_FDCWD, path, &t->since, ret_since);
	return sst_look_stat(&st);
}

/* The coldest name is looked at from now on; one that is served only for another one
 * that is. */
static void
evict(struct sst_watch *w, int for_served, int64_t now)
{
	const struct sst_named *r = w->by_heat[0].coldest;
	char name[NAME_MAX + 1];
	struct sst_seen_name *e;
	struct sst_target *t;
	uint32_t at, deep;
	int since;

	if (r == NULL && for_served)
		r = w->by_heat[1].coldest;
	if (r == NULL)
		return;
	t = r->t;
	(void)snprintf(name, sizeof(name), "%s", r->name);
	at = look(t, name, &deep, &since);
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

/* Watches a name that was looked at until now. 1, or 0: there is no room, or no such name
 * any more. */
static int
take_room(struct sst_watch *w, struct sst_target *t, const char *name)
{
	struct sst_seen_name *e = sst_seen_find(&t->seen, sst_seen_key(name));

	return e != NULL && sst_named_room(w) && sst_named_watch(w, t, name, e) == 0;
}

/* The same, if need be with the watch of another. */
static void
promote(struct sst_watch *w, struct sst_target *t, const char *name, int is_served,
    int64_t now)
{
	const struct sst_seen_name *was = sst_seen_find(&t->seen, sst_seen_key(name));
	const uint32_t old_at = was->at, old_deep = was->deep;
	struct sst_seen_name *e;
	uint32_t at, deep;
	int since;

	/* The kernel may have less left than the plan says. */
	if (!take_room(w, t, name)) {
		if (sst_named_room(w))
			return;		/* it cannot be watched for another reason */
		evict(w, is_served, now);
		if (!take_room(w, t, name))
			return;
	}
	e = sst_seen_find(&t->seen, sst_seen_key(name));
	heat(w, find(w, e->at, t, e->key), is_served);
	at = look(t, name, &deep, &since);
	if ((e->key & SST_SEEN_COVERED) == 0)
		e->deep = deep;
	if (at != old_at || (old_deep == 0 ? since : old_deep != deep))
		sst_target_mark(w, t, name, now + SST_WATCH_QUIET_MS);
}

void
sst_named_renewed(struct sst_watch *w, struct sst_target *t, const char *name,
    int64_t now)
{
	const struct sst_seen_name *e = sst_seen_find(&t->seen, sst_seen_key(name));

	if (e == NULL || w->plan.most == 0)
		return;
	if ((e->key & SST_SEEN_WATCHED) != 0)
		heat(w, find(w, e->at, t, e->key), 0);
	else if (is_folder(t, name))
		promote(w, t, name, 0, now);
}

/* 1: one more watch may move now. */
static int
may_move(struct sst_watch *w, int64_t now)
{
	if (now - w->hot_from >= SST_WATCH_HOT_MS) {
		w->hot_from = now;
		w->hot_left = SST_WATCH_HOT;
	}
	if (w->hot_left == 0)
		return 0;
	w->hot_left--;
	return 1;
}

void
sst_watch_hot(struct sst_watch *w, uint32_t id, const char *name, int64_t now)
{
	const struct sst_ref *ref = (struct sst_ref *)sst_table_get(&w->refs, id);
	struct sst_seen_name *e;
	struct sst_target *t;
	uint32_t deep;
	int since;

	if (ref == NULL || !ref->t->is_dir || w->plan.most == 0)
		return;
	t = ref->t;
	e = sst_seen_find(&t->seen, sst_seen_key(name));
	if (e != NULL && (e->key & SST_SEEN_WATCHED) != 0) {
		heat(w, find(w, e->at, t, e->key), 1);
		return;
	}
	if ((e == NULL && !t->arming) || !may_move(w, now) || !is_folder(t, name))
		return;
	if (e == NULL) {
		/* The walk that sets watches comes to it later. */
		e = sst_seen_put(&t->seen, sst_seen_key(name));
		if (e == NULL)
			return;
		e->key |= t->turn;
		/* Its files are compared with those that were there at first. */
		e->at = look(t, name, &deep, &since);
	}
	promote(w, t, name, 1, now);
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
