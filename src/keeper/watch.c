/* SPDX-License-Identifier: ISC */
#include "watch.h"

#include "dirs.h"
#include "paths.h"
#include "trail.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FALLBACK_WATCHES	8192	/* the kernel's smallest default */
#define RETRY_MS		1000	/* after memory ran out */
#define CORE_SHARE		50	/* one part in so many: 2 % */

struct target {
	struct sst_node	 node;		/* key: the source's id */
	char		*path;
	int		 is_dir, rearm;
	int		 slow;		/* its walk takes more than one slice */
	uint32_t	 round;
	int64_t		 due;		/* when to tell; INT64_MAX: nothing */
	dev_t		 dev;
	ino_t		 ino;
	DIR		*walk;		/* over its subdirectories */
};

struct sst_watch {
	struct sst_dirs	 dirs;
	struct sst_table targets;
	size_t		 n_walks;
	int64_t		 sweep_at;	/* of the next pass */
	size_t		 sweep_bucket;	/* of the pass under way */
	int		 sweeping;
	int64_t		 sweep_cpu_us;
};

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
sst_watch_new(size_t most, int64_t now)
{
	struct sst_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	sst_dirs_init(&w->dirs, most);
	w->sweep_at = now + SST_WATCH_SWEEP_MS;
	return w;
}

int
sst_watch_fd(const struct sst_watch *w)
{
	return w->dirs.inotify;
}

static void
mark(struct target *t, int64_t now, int rearm)
{
	if (t->due == INT64_MAX)
		t->due = now + SST_WATCH_QUIET_MS;
	t->rearm |= rearm;
}

struct arming {
	struct sst_watch *w;
	struct target *t;
};

static int
arm_trail(void *arg, const char *dir, const char *name)
{
	struct arming *a = arg;

	return sst_dirs_subscribe(&a->w->dirs, dir, name, a->t->node.key,
	    a->t->round, SST_SUB_ROUTE);
}

/* Watches a subdirectory, and where certbot keeps what it links to. */
static int
arm_below(struct sst_watch *w, const struct target *t, const char *name)
{
	char path[PATH_MAX], archive[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", t->path, name) >= (int)sizeof(path))
		return 0;
	if (sst_dirs_subscribe(&w->dirs, path, NULL, t->node.key, t->round,
	    SST_SUB_LEAF) != 0)
		return -1;
	if (!sst_path_archive(path, archive, sizeof(archive)))
		return 0;
	return sst_dirs_subscribe(&w->dirs, archive, NULL, t->node.key, t->round,
	    SST_SUB_LEAF);
}

static void
walk_stop(struct sst_watch *w, struct target *t)
{
	if (t->walk == NULL)
		return;
	(void)closedir(t->walk);
	t->walk = NULL;
	w->n_walks--;
}

/* Memory ran out: what is watched by now stays, the rest follows later. */
static void
arm_again(struct sst_watch *w, struct target *t, int64_t now)
{
	walk_stop(w, t);
	t->rearm = 1;
	t->due = now + RETRY_MS;
}

static int
is_directory(DIR *list, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dirfd(list), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode);
}

/* Goes on with a walk for one slice. 0, or -1: out of memory. */
static int
walk_on(struct sst_watch *w, struct target *t, int64_t now)
{
	const struct dirent *e;

	for (int i = 0; i < SST_WATCH_SLICE; i++) {
		e = readdir(t->walk);
		if (e == NULL) {
			walk_stop(w, t);
			sst_dirs_prune(&w->dirs, t->node.key, t->round);
			/* Files changed while their directories had no watch. */
			if (t->slow)
				t->due = now;
			return 0;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    !is_directory(t->walk, e))
			continue;
		if (arm_below(w, t, e->d_name) != 0)
			return -1;
	}
	t->slow = 1;
	return 0;
}

/* Sets every watch of a source anew. 0, or -1: out of memory. */
static int
arm(struct sst_watch *w, struct target *t, int64_t now)
{
	struct arming a = { w, t };
	char archive[PATH_MAX];
	struct stat st = { 0 };

	walk_stop(w, t);
	t->round++;
	t->slow = 0;
	/* Too many links is not our trouble: then nothing can be opened. */
	(void)sst_trail(t->path, arm_trail, &a);
	(void)stat(t->path, &st);
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	if (sst_path_archive(t->path, archive, sizeof(archive)) &&
	    strcmp(strrchr(t->path, '/'), "/live") != 0 &&
	    sst_dirs_subscribe(&w->dirs, archive, NULL, t->node.key, t->round,
	    SST_SUB_LEAF) != 0)
		return -1;
	if (t->is_dir) {
		if (sst_dirs_subscribe(&w->dirs, t->path, NULL, t->node.key,
		    t->round, SST_SUB_ROOT) != 0)
			return -1;
		t->walk = opendir(t->path);
	}
	if (t->walk == NULL) {
		sst_dirs_prune(&w->dirs, t->node.key, t->round);
		return 0;
	}
	w->n_walks++;
	return walk_on(w, t, now);
}

int
sst_watch_add(struct sst_watch *w, uint32_t id, const char *path, int is_dir,
    int64_t now)
{
	struct target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -1;
	t->is_dir = is_dir;
	t->due = INT64_MAX;
	t->path = strdup(path);
	if (t->path == NULL || sst_table_put(&w->targets, &t->node, id) != 0) {
		free(t->path);
		free(t);
		return -1;
	}
	if (arm(w, t, now) != 0) {
		sst_watch_remove(w, id);
		return -1;
	}
	return 0;
}

static struct target *
find(const struct sst_watch *w, uint32_t id)
{
	return (struct target *)sst_table_get(&w->targets, id);
}

void
sst_watch_remove(struct sst_watch *w, uint32_t id)
{
	struct target *t = find(w, id);

	if (t == NULL)
		return;
	walk_stop(w, t);
	sst_dirs_prune(&w->dirs, id, 0);
	sst_table_take(&w->targets, &t->node);
	free(t->path);
	free(t);
}

static void
mark_all(struct sst_watch *w, int64_t now)
{
	struct sst_place place = { 0 };
	struct sst_node *n;

	while ((n = sst_table_next(&w->targets, &place)) != NULL)
		mark((struct target *)n, now, 1);
}

static void
take_event(struct sst_watch *w, const struct inotify_event *ev, int64_t now)
{
	const uint32_t whole = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT;
	const char *name = ev->len > 0 ? ev->name : "";
	struct sst_dir *dir;
	struct sst_sub *s;
	struct target *t;

	if ((ev->mask & IN_Q_OVERFLOW) != 0) {
		mark_all(w, now);
		return;
	}
	dir = sst_dirs_find(&w->dirs, ev->wd);
	if (dir == NULL)
		return;
	for (size_t i = 0; i < dir->n_subs; i++) {
		s = &dir->subs[i];
		t = find(w, s->id);
		if (t == NULL || ((ev->mask & whole) == 0 && s->name != NULL &&
		    strcmp(s->name, name) != 0))
			continue;
		mark(t, now, (ev->mask & whole) != 0 || (s->kind & SST_SUB_ROUTE) != 0);
		if ((s->kind & SST_SUB_ROOT) != 0 && (ev->mask & IN_ISDIR) != 0 &&
		    (ev->mask & (IN_CREATE | IN_MOVED_TO)) != 0 &&
		    arm_below(w, t, name) != 0)
			t->rearm = 1;
	}
	if ((ev->mask & IN_IGNORED) != 0)
		sst_dirs_forget(&w->dirs, dir);
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
	struct sst_place place = { 0 };
	int64_t due = w->sweep_at;
	const struct target *t;

	if (w->targets.n == 0)
		return INT64_MAX;
	if (w->n_walks > 0 || w->sweeping)
		return 0;
	while ((t = (const struct target *)sst_table_next(&w->targets, &place)) != NULL)
		if (t->due < due)
			due = t->due;
	return due;
}

/* A directory far above may have been exchanged, which no watch tells. */
static void
check_routes(struct sst_watch *w, int64_t now)
{
	struct sst_place place = { 0 };
	struct target *t;
	struct stat st;

	while ((t = (struct target *)sst_table_next(&w->targets, &place)) != NULL) {
		memset(&st, 0, sizeof(st));
		(void)stat(t->path, &st);
		if (st.st_dev != t->dev || st.st_ino != t->ino)
			mark(t, now - SST_WATCH_QUIET_MS, 1);
	}
}

struct looking {
	struct sst_watch *w;
	int64_t now;
};

static void
saw_change(void *arg, const struct sst_sub *s)
{
	struct looking *l = arg;
	struct target *t = find(l->w, s->id);

	/* Always anew: what appeared may be a directory of its own. */
	if (t != NULL)
		mark(t, l->now - SST_WATCH_QUIET_MS, 1);
}

static int64_t
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One slice of the pass over the directories that have no watch. */
static void
sweep(struct sst_watch *w, int64_t now)
{
	struct looking l = { w, now };
	int64_t start = cpu_us();
	int looked = 0;

	if (!w->sweeping) {
		w->sweeping = 1;
		w->sweep_bucket = 0;
		w->sweep_cpu_us = 0;
		check_routes(w, now);
	}
	while (w->sweep_bucket < w->dirs.looked.n_buckets && looked < SST_WATCH_SLICE) {
		for (struct sst_node *n = w->dirs.looked.bucket[w->sweep_bucket];
		    n != NULL; n = n->next, looked++)
			sst_dirs_look((struct sst_dir *)n, saw_change, &l);
		w->sweep_bucket++;
	}
	w->sweep_cpu_us += cpu_us() - start;
	if (w->sweep_bucket < w->dirs.looked.n_buckets)
		return;
	w->sweeping = 0;
	w->sweep_at = w->sweep_cpu_us * CORE_SHARE / 1000;
	if (w->sweep_at < SST_WATCH_SWEEP_MS)
		w->sweep_at = SST_WATCH_SWEEP_MS;
	w->sweep_at += now;
}

static void
tell(struct sst_watch *w, int64_t now, void (*changed)(void *arg, uint32_t id),
    void *arg)
{
	struct sst_place place = { 0 };
	struct target *t;

	while ((t = (struct target *)sst_table_next(&w->targets, &place)) != NULL) {
		if (t->due > now)
			continue;
		t->due = INT64_MAX;
		if (t->rearm) {
			t->rearm = 0;
			if (arm(w, t, now) != 0)
				arm_again(w, t, now);
		}
		changed(arg, t->node.key);
	}
}

void
sst_watch_step(struct sst_watch *w, int64_t now,
    void (*changed)(void *arg, uint32_t id), void *arg)
{
	struct sst_place place = { 0 };
	struct target *t;

	if (w->n_walks > 0)
		while ((t = (struct target *)sst_table_next(&w->targets, &place)) != NULL)
			if (t->walk != NULL && walk_on(w, t, now) != 0)
				arm_again(w, t, now);
	if (now >= w->sweep_at || w->sweeping)
		sweep(w, now);
	tell(w, now, changed, arg);
}

void
sst_watch_free(struct sst_watch *w)
{
	struct sst_place place = { 0 };
	struct sst_node *n;

	if (w == NULL)
		return;
	while ((n = sst_table_next(&w->targets, &place)) != NULL)
		sst_watch_remove(w, n->key);
	sst_table_done(&w->targets);
	sst_dirs_done(&w->dirs);
	free(w);
}
