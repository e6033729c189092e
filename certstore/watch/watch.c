/* SPDX-License-Identifier: ISC */
#include "inside.h"

#include "certbot.h"
#include "look.h"

#include "base/escape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FALLBACK_WATCHES	8192	/* the kernel's smallest default */
#define RETRY_MS		1000	/* after memory ran out */
#define HOT_AT_ONCE		64	/* names that get a watch for a change */

size_t
sst_watch_share(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
	unsigned long most = FALLBACK_WATCHES;

	if (f != NULL) {
		if (fscanf(f, "%lu", &most) != 1)
			most = FALLBACK_WATCHES;
		(void)fclose(f);
	}
	return most / 4;
}

struct sst_watch *
sst_watch_new(const struct sst_watch_plan *plan, int64_t now)
{
	struct sst_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->plan = *plan;
	sst_dirs_init(&w->dirs, plan->most);
	w->every_ms = SST_WATCH_SWEEP_MS;
	w->sweep_at = now + SST_WATCH_SWEEP_MS;
	w->fan.fd = -1;
	w->fan.at = INT64_MAX;
	w->hot_from = now;
	w->hot_left = SST_WATCH_HOT;
	return w;
}

int
sst_watch_fd(const struct sst_watch *w)
{
	return w->dirs.inotify;
}

const char *
sst_watch_why(int error)
{
	if (error == ENOSPC)
		return "no inotify watch is left";
	return error == EMFILE ? "no inotify instance is left" : strerror(error);
}

void
sst_target_mark(struct sst_watch *w, struct sst_target *t, const char *name,
    int64_t due)
{
	sst_below_add(&t->below, name);
	if (t->due == INT64_MAX) {
		t->next_due = w->due;
		w->due = t;
	}
	if (due < t->due)
		t->due = due;
}

/* Takes one that is to be told now out of the list; NULL: none is. */
static struct sst_target *
take_due(struct sst_watch *w, int64_t now)
{
	struct sst_target *t;

	for (struct sst_target **at = &w->due; (t = *at) != NULL; at = &t->next_due)
		if (t->due <= now) {
			*at = t->next_due;
			t->due = INT64_MAX;
			return t;
		}
	return NULL;
}

void
sst_watch_say(const struct sst_watch *w, struct sst_target *t)
{
	char shown[400], text[700];
	size_t left = t->seen.n - t->n_watched;

	if (t->error == t->said || w->plan.say == NULL)
		return;
	t->said = t->error;
	(void)sst_escape(shown, sizeof(shown), t->path, strlen(t->path));
	if (t->error == 0)
		(void)snprintf(text, sizeof(text), "%s is watched", shown);
	else if (t->fan_dir >= 0)
		(void)snprintf(text, sizeof(text), "%zu of %zu names in %s have no watch "
		    "of their own: the file system is marked", left, t->seen.n, shown);
	else if (t->is_dir && t->root_watched)
		(void)snprintf(text, sizeof(text), "%zu of %zu names in %s are looked "
		    "at every %d s: %s", left, t->seen.n, shown,
		    SST_WATCH_SWEEP_MS / 1000, w->fan.again_at != 0 ?
		    "too much is written on that file system" : t->error == ENOSPC ?
		    "no more of them may be watched" : strerror(t->error));
	else
		(void)snprintf(text, sizeof(text), "%s is looked at every %d s: it "
		    "cannot be watched: %s", shown, SST_WATCH_SWEEP_MS / 1000,
		    sst_watch_why(t->error));
	w->plan.say(w->plan.arg, text);
}

static uint32_t
path_key(const char *path, int is_dir)
{
	return (uint32_t)(sst_seen_key(path) >> 16) + (uint32_t)is_dir;
}

static struct sst_target *
find(const struct sst_watch *w, const char *path, int is_dir)
{
	const uint32_t key = path_key(path, is_dir);
	struct sst_node *n;
	struct sst_target *t;

	for (n = sst_table_get(&w->by_path, key); n != NULL; n = n->next) {
		t = (struct sst_target *)n;
		if (n->key == key && t->is_dir == is_dir && strcmp(t->path, path) == 0)
			return t;
	}
	return NULL;
}

static void
target_free(struct sst_watch *w, struct sst_target *t)
{
	struct sst_target **at;

	sst_fan_leave(w, t);
	sst_walk_stop(w, t);
	for (at = &w->due; *at != NULL; at = &(*at)->next_due)
		if (*at == t) {
			*at = t->next_due;
			break;
		}
	if (w->at == t) {
		w->at = t->next;
		w->begun = 0;
	}
	*(t->prev == NULL ? &w->first : &t->prev->next) = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	for (size_t i = 0; t->n_watched > 0 && i < t->seen.size; i++)
		if (t->seen.v[i].key != 0)
			sst_named_drop(w, t, &t->seen.v[i]);
	sst_dirs_prune(&w->dirs, &t->held, t, 0);
	sst_table_take(&w->by_path, &t->node);
	sst_seen_done(&t->seen);
	sst_below_done(&t->below);
	free(t->path);
	free(t);
}

/* NULL: out of memory. */
static struct sst_target *
target_new(struct sst_watch *w, const char *path, int is_dir, int64_t now)
{
	struct sst_target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->is_dir = is_dir;
	t->fan_dir = -1;
	t->due = INT64_MAX;
	t->path = strdup(path);
	if (t->path == NULL ||
	    sst_table_put(&w->by_path, &t->node, path_key(path, is_dir)) != 0) {
		free(t->path);
		free(t);
		return NULL;
	}
	t->next = w->first;
	if (t->next != NULL)
		t->next->prev = t;
	w->first = t;
	if (sst_target_arm(w, t, now) == 0) {
		if (w->plan.since.tv_sec != 0)
			t->since = w->plan.since;
		if (w->plan.since.tv_sec != 0 && !is_dir)
			sst_target_mark(w, t, "", now);
		return t;
	}
	target_free(w, t);
	return NULL;
}

int
sst_watch_add(struct sst_watch *w, uint32_t id, const char *path, int is_dir,
    int64_t now)
{
	struct sst_ref *ref = calloc(1, sizeof(*ref));
	struct sst_target *t = find(w, path, is_dir != 0);

	if (ref == NULL || sst_table_put(&w->refs, &ref->node, id) != 0) {
		free(ref);
		return -1;
	}
	if (t == NULL)
		t = target_new(w, path, is_dir != 0, now);
	if (t == NULL) {
		sst_table_take(&w->refs, &ref->node);
		free(ref);
		return -1;
	}
	ref->t = t;
	ref->next = t->refs;
	t->refs = ref;
	return 0;
}

void
sst_watch_remove(struct sst_watch *w, uint32_t id)
{
	struct sst_ref *ref = (struct sst_ref *)sst_table_get(&w->refs, id), **at;

	if (ref == NULL)
		return;
	for (at = &ref->t->refs; *at != ref; at = &(*at)->next)
		continue;
	*at = ref->next;
	if (ref->t->refs == NULL)
		target_free(w, ref->t);
	sst_table_take(&w->refs, &ref->node);
	free(ref);
}

/* Events were lost: nobody knows of what. */
static void
overflow(struct sst_watch *w, int64_t now)
{
	for (struct sst_target *t = w->first; t != NULL; t = t->next)
		sst_target_mark(w, t, "", now + SST_WATCH_QUIET_MS);
	if (w->plan.say != NULL)
		w->plan.say(w->plan.arg, "the kernel could not keep all changes of "
		    "files: everything is looked at again");
}

/* certbot writes NAME.conf just before it moves the links of NAME. */
static void
renewal(struct sst_watch *w, struct sst_target *t, const char *file, int64_t due)
{
	size_t n = strlen(file);
	char name[NAME_MAX + 1];

	if (n <= 5 || strcmp(file + n - 5, ".conf") != 0)
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(n - 5), file);
	if (sst_seen_find(&t->seen, sst_seen_key(name)) != NULL)
		sst_target_mark(w, t, name, due);
}

static void
take_event(struct sst_watch *w, const struct inotify_event *ev, int64_t now)
{
	const uint32_t whole = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
	const char *name = ev->len > 0 ? ev->name : "";
	const int64_t due = now + SST_WATCH_QUIET_MS;
	const int all = (ev->mask & whole) != 0;
	const struct sst_sub *s;
	struct sst_dir *dir;

	if ((ev->mask & IN_Q_OVERFLOW) != 0) {
		overflow(w, now);
		return;
	}
	dir = sst_dirs_find(&w->dirs, ev->wd);
	for (size_t i = 0; dir != NULL && i < dir->n_subs; i++) {
		s = &dir->subs[i];
		if (!all && s->name != NULL && strcmp(s->name, name) != 0)
			continue;
		if (all || (s->kind & (SST_SUB_ROUTE | SST_SUB_LEAF)) != 0)
			sst_target_mark(w, s->who, "", due);
		else if ((s->kind & SST_SUB_ROOT) != 0)
			sst_target_mark(w, s->who, name, due);
		else
			renewal(w, s->who, name, due);
	}
	if (dir != NULL && (ev->mask & IN_IGNORED) != 0)
		sst_dirs_forget(&w->dirs, dir);
	sst_named_event(w, ev->wd, (ev->mask & IN_IGNORED) != 0, now);
}

void
sst_watch_read(struct sst_watch *w, int64_t now)
{
	_Alignas(struct inotify_event) char buf[16384];
	const struct inotify_event *ev;
	ssize_t n;

	if (w->dirs.inotify < 0)
		return;
	while ((n = read(w->dirs.inotify, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)(void *)p;
			take_event(w, ev, now);
		}
}

int64_t
sst_watch_due(const struct sst_watch *w)
{
	int64_t due = w->sweep_at;

	if (w->refs.n == 0)
		return INT64_MAX;
	if (w->n_arming > 0 || w->sweeping)
		return 0;
	if (w->fan.at < due)
		due = w->fan.at;
	for (const struct sst_target *t = w->due; t != NULL; t = t->next_due)
		if (t->due < due)
			due = t->due;
	return due;
}

/* Looks at what is to be told, so that what comes after is told again. */
static void
refresh(struct sst_watch *w, struct sst_target *t, struct sst_below *below, int64_t now)
{
	int n = 0, all = !t->is_dir;
	const char *name = NULL;

	while (t->is_dir && (name = sst_below_next(below, name)) != NULL) {
		all |= sst_name_refresh(w, t, name);
		/* Who renews it is not done yet, or comes again soon. */
		if (++n <= HOT_AT_ONCE)
			sst_named_renewed(w, t, name, now);
	}
	if (all)
		sst_below_add(below, "");
}

static void
tell(struct sst_watch *w, struct sst_target *t, int64_t now, sst_watch_told told,
    void *arg)
{
	struct sst_below below = t->below;

	t->below = (struct sst_below){ 0 };
	if (t->fan_dir >= 0)
		sst_fan_forget(w);
	refresh(w, t, &below, now);
	if (below.all && sst_target_arm(w, t, now) != 0)
		/* What is watched by now stays, the rest follows later. */
		sst_target_mark(w, t, "", now + RETRY_MS);
	for (const struct sst_ref *ref = t->refs; ref != NULL; ref = ref->next)
		told(arg, ref->node.key, &below);
	sst_below_done(&below);
}

void
sst_watch_step(struct sst_watch *w, int64_t now, sst_watch_told told, void *arg)
{
	struct sst_target *t;

	if (w->n_arming > 0)
		sst_walk_arming(w, now);
	if (now >= w->fan.at)
		sst_fan_look(w, now);
	if (w->refs.n > 0 && (now >= w->sweep_at || w->sweeping))
		sst_sweep(w, now);
	while ((t = take_due(w, now)) != NULL)
		tell(w, t, now, told, arg);
}

/* What of `path` is below `dir`, up to the next slash; "" for `dir` itself and what
 * contains it. 0: neither. */
static int
meets(const char *dir, const char *path, char *out, size_t size)
{
	size_t n = strlen(dir), m = strlen(path);

	if (strncmp(dir, path, m) == 0 && (dir[m] == '\0' || dir[m] == '/' || m <= 1)) {
		*out = '\0';
		return 1;
	}
	if (strncmp(path, dir, n) != 0 || path[n] != '/')
		return 0;
	path += n + 1;
	n = strcspn(path, "/");
	return snprintf(out, size, "%.*s", (int)n, path) < (int)size;
}

static int
is_about(const struct sst_target *t, const char *path, char *out, size_t size)
{
	char archive[PATH_MAX];

	return meets(t->path, path, out, size) ||
	    (sst_certbot_archive(t->path, archive, sizeof(archive)) &&
	    meets(archive, path, out, size));
}

/* The number of sources that `path` is about; with `real` it is compared with where
 * their paths lead. */
static unsigned
nudge(struct sst_watch *w, const char *path, int real, int64_t now)
{
	char name[NAME_MAX + 1], where[PATH_MAX];
	unsigned n = 0;
	int about;

	for (struct sst_target *t = w->first; t != NULL; t = t->next) {
		about = real ? realpath(t->path, where) != NULL &&
		    meets(where, path, name, sizeof(name)) :
		    is_about(t, path, name, sizeof(name));
		if (!about)
			continue;
		sst_target_mark(w, t, name, now);
		for (const struct sst_ref *ref = t->refs; ref != NULL; ref = ref->next)
			n++;
	}
	return n;
}

unsigned
sst_watch_nudge(struct sst_watch *w, const char *path, int64_t now)
{
	char clean[PATH_MAX], real[PATH_MAX];
	size_t len = strlen(path);
	unsigned n;

	if (path[0] != '/' || len >= sizeof(clean))
		return 0;
	(void)strcpy(clean, path);
	while (len > 1 && clean[len - 1] == '/')
		clean[--len] = '\0';
	n = nudge(w, clean, 0, now);
	if (n == 0 && realpath(clean, real) != NULL)
		n = nudge(w, real, 1, now);
	return n;
}

int
sst_watch_rule(const struct sst_watch *w, uint32_t id, struct sst_watch_rule *ret)
{
	const struct sst_ref *ref = (struct sst_ref *)sst_table_get(&w->refs, id);
	const struct sst_target *t;

	if (ref == NULL)
		return 0;
	t = ref->t;
	*ret = (struct sst_watch_rule){ .path = t->path, .is_dir = t->is_dir,
	    .watched = t->n_watched, .swept = t->seen.n - t->n_watched,
	    .every_ms = t->fan_dir >= 0 && !t->apart ? SST_FAN_SWEEP_MS : w->every_ms,
	    .error = t->error, .mark = t->fan_dir >= 0 ? SST_MARK_HELD :
	    w->fan.again_at != 0 && t->n_watched < t->seen.n ? SST_MARK_BUSY :
	    SST_MARK_NONE };
	for (size_t i = 0; i < t->held.n; i++)
		*(t->held.v[i]->wd >= 0 ? &ret->watched : &ret->swept) += 1;
	return 1;
}

void
sst_watch_abandon(struct sst_watch *w)
{
	if (w != NULL && w->dirs.inotify >= 0)
		(void)close(w->dirs.inotify);
	if (w != NULL && w->fan.fd >= 0)
		(void)close(w->fan.fd);
	if (w != NULL)
		w->dirs.inotify = w->fan.fd = -1;
	sst_watch_free(w);
}

void
sst_watch_free(struct sst_watch *w)
{
	struct sst_place place = { 0 };
	const struct sst_node *n;

	if (w == NULL)
		return;
	while ((n = sst_table_next(&w->refs, &place)) != NULL)
		sst_watch_remove(w, n->key);
	sst_table_done(&w->refs);
	sst_table_done(&w->by_path);
	sst_dirs_done(&w->dirs);
	free(w);
}
