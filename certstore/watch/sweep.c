/* SPDX-License-Identifier: ISC */
/*
 * sweep - goes through directories, a slice at a time (inside.h): to give watches to
 * what is in them, and every SST_WATCH_SWEEP_MS to look at what has none.
 */
#include "inside.h"

#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PASS_US		(SST_WATCH_SWEEP_MS * 1000 / SST_WATCH_CORE_SHARE)
#define GROUPS		65536u	/* of names, by hash: whose files are looked at */
#define FIRST_COST_US	20	/* of one such look, before one was measured */
#define DEEP_IS		8	/* a look at files is so many names of a slice */
#define ARMED_IS	(SST_WATCH_SLICE / SST_WATCH_ARMED)
#define DEEP_LEAST	16	/* of them in a pass, however little time is left */

int64_t
sst_watch_cpu_us(const struct sst_watch *w)
{
	struct timespec t;

	if (w->plan.cpu_us != NULL)
		return w->plan.cpu_us();
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
sst_walk_stop(struct sst_watch *w, struct sst_target *t)
{
	if (t->walk == NULL)
		return;
	(void)closedir(t->walk);
	t->walk = NULL;
	w->n_arming -= (size_t)t->arming;
	t->arming = 0;
}

struct leaving {
	struct sst_watch *w;
	struct sst_target *t;
};

static void
leave(void *arg, const struct sst_seen_name *e)
{
	const struct leaving *l = arg;
	struct sst_seen_name copy = *e;

	sst_named_drop(l->w, l->t, &copy);
}

/* Forgets the names that this walk did not meet. Their number. */
static size_t
purge(struct sst_watch *w, struct sst_target *t)
{
	struct leaving l = { w, t };

	return sst_seen_purge(&t->seen, t->turn, leave, &l);
}

/* The directory is gone, or cannot be listed. */
static void
no_list(struct sst_watch *w, struct sst_target *t, int error, int arming)
{
	t->turn ^= SST_SEEN_ROUND;
	(void)purge(w, t);
	if (error != ENOENT && error != ENOTDIR)
		t->error = error;
	if (!arming && t->root_print != 0)
		sst_target_mark(w, t, "", 0);
	t->root_print = 0;
}

int
sst_walk_begin(struct sst_watch *w, struct sst_target *t, int arming)
{
	struct stat st = { 0 };
	uint32_t print;

	sst_walk_stop(w, t);
	t->walk = opendir(t->path);
	if (t->walk == NULL) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			return -1;
		no_list(w, t, errno, arming);
		return 0;
	}
	(void)fstat(dirfd(t->walk), &st);
	st.st_ctim = st.st_mtim = (struct timespec){ 0 };
	print = sst_look_stat(&st);
	if (!arming && print != t->root_print)
		sst_target_mark(w, t, "", 0);
	t->root_print = print;
	t->turn ^= SST_SEEN_ROUND;
	t->met = 0;
	t->arming = arming;
	w->n_arming += (size_t)arming;
	return 0;
}

static int
in_group(const struct sst_watch *w, uint64_t key)
{
	return (((unsigned)(key >> 48) - w->deep_first) & (GROUPS - 1)) < w->deep_groups;
}

/* The files of a name, also those that its links lead to. */
static void
look_deep(struct sst_watch *w, struct sst_target *t, const char *name,
    struct sst_seen_name *e)
{
	int64_t start = sst_watch_cpu_us(w);
	int since;
	uint32_t deep = sst_look_files(dirfd(t->walk), name, &t->since, &since);

	if (e->deep == 0 ? since : e->deep != deep)
		sst_target_mark(w, t, name, 0);
	e->deep = deep;
	w->deep_us += sst_watch_cpu_us(w) - start;
	w->n_deep++;
}

/* The pass meets a name. The number of names that this counts as. */
static int
pass_by(struct sst_watch *w, struct sst_target *t, const char *name, int type,
    struct sst_seen_name *e)
{
	struct stat st;
	uint32_t at;

	if ((e->key & SST_SEEN_WATCHED) == 0 &&
	    fstatat(dirfd(t->walk), name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		at = sst_look_stat(&st);
		if (at != e->at)
			sst_target_mark(w, t, name, 0);
		e->at = at;
	}
	if ((e->key & SST_SEEN_COVERED) != 0 || (type != DT_DIR && type != DT_LNK))
		return 1;
	w->n_pass++;
	if (!in_group(w, e->key))
		return 1;
	if (w->deep_us > w->deep_left_us) {
		w->deep_cut = 1;
		return 1;
	}
	look_deep(w, t, name, e);
	return DEEP_IS;
}

/* The walk that sets watches meets a name. */
static int
arm_one(struct sst_watch *w, struct sst_target *t, const char *name, int type,
    struct sst_seen_name *e, int64_t now)
{
	const uint64_t was = e->key;
	struct stat st;
	int n = 1, since = 0;

	if (type == DT_DIR && ((e->key & SST_SEEN_WATCHED) != 0 || sst_named_room(w))) {
		(void)sst_named_watch(w, t, name, e);
		n = ARMED_IS;
	} else if (type == DT_DIR && t->error == 0) {
		t->error = ENOSPC;
	}
	if (fstatat(dirfd(t->walk), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return n;
	if ((e->key & SST_SEEN_WATCHED) == 0)
		e->at = sst_look_stat(&st);
	if ((e->key & SST_SEEN_COVERED) == 0)
		e->deep = 0;
	/* What is looked at no more: a file of it that was written over leaves no trace
	 * in the directory. */
	else if ((was & SST_SEEN_COVERED) == 0)
		(void)sst_look_files(dirfd(t->walk), name, &t->since, &since);
	/* It changed when its watch was not there yet. */
	if (since || sst_look_is_since(&st, &t->since))
		sst_target_mark(w, t, name, now + SST_WATCH_QUIET_MS);
	return n;
}

static int
type_of(DIR *list, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type;
	if (fstatat(dirfd(list), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return DT_REG;
	return IFTODT(st.st_mode);
}

/* A name is met. The number of names that this counts as, or -1: out of memory. */
static int
meet(struct sst_watch *w, struct sst_target *t, const struct dirent *d, int64_t now)
{
	int type = type_of(t->walk, d);
	struct sst_seen_name *e;

	/* A file of a directory that has a watch: the kernel tells. */
	if (type != DT_DIR && type != DT_LNK && t->root_watched)
		return 1;
	e = sst_seen_put(&t->seen, sst_seen_key(d->d_name));
	if (e == NULL)
		return -1;
	e->key = (e->key & ~(uint64_t)SST_SEEN_ROUND) | t->turn;
	t->met++;
	return t->arming ? arm_one(w, t, d->d_name, type, e, now) :
	    pass_by(w, t, d->d_name, type, e);
}

/* The walk is at its end. */
static void
walk_end(struct sst_watch *w, struct sst_target *t, int64_t now)
{
	int arming = t->arming;

	sst_walk_stop(w, t);
	if (t->met < t->seen.n && purge(w, t) > 0 && !arming && !t->root_watched)
		sst_target_mark(w, t, "", 0);
	sst_fan_begin(w, t, now);
	t->apart = t->fan_dir >= 0 && !sst_fan_covers(t);
	if (t->apart)
		t->pass_at = 0;
	if (arming)
		sst_watch_say(w, t);
}

/* One slice; *left is what is left of it. 0, or -1: out of memory. */
static int
walk_on(struct sst_watch *w, struct sst_target *t, int *left, int64_t now)
{
	const struct dirent *d;
	int n;

	while (*left > 0) {
		errno = 0;
		d = readdir(t->walk);
		if (d == NULL && errno != 0)
			t->met = SIZE_MAX;	/* it was not all that there is */
		if (d == NULL) {
			walk_end(w, t, now);
			return 0;
		}
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		n = meet(w, t, d, now);
		if (n < 0)
			return -1;
		*left -= n;
	}
	return 0;
}

void
sst_walk_arming(struct sst_watch *w, int64_t now)
{
	int left = SST_WATCH_SLICE;

	for (struct sst_target *t = w->first; t != NULL && left > 0 && w->n_arming > 0;
	    t = t->next)
		if (t->arming && walk_on(w, t, &left, now) != 0) {
			sst_walk_stop(w, t);
			sst_target_mark(w, t, "", now + SST_WATCH_SWEEP_MS);
		}
}

/* A directory far above may have been exchanged, which no watch tells. */
static void
check_routes(struct sst_watch *w)
{
	struct stat st;

	for (struct sst_target *t = w->first; t != NULL; t = t->next) {
		memset(&st, 0, sizeof(st));
		(void)stat(t->path, &st);
		if (st.st_dev != t->dev || st.st_ino != t->ino)
			sst_target_mark(w, t, "", 0);
	}
}

static void
saw_change(void *arg, const struct sst_sub *s)
{
	sst_target_mark(arg, s->who, "", 0);
}

/* As many names as half of the time that is left allows have their files looked at,
 * all in turn. */
static void
choose_groups(struct sst_watch *w)
{
	size_t all = w->n_deep_all, afford = DEEP_LEAST;
	unsigned groups = GROUPS;
	int64_t left = (PASS_US - w->cheap_us) / 2;

	if (all == 0) {
		for (const struct sst_target *t = w->first; t != NULL; t = t->next)
			all += t->seen.n;
		left = (PASS_US - (int64_t)all * 2) / 2;
	}
	if (left > w->deep_cost_us * DEEP_LEAST)
		afford = (size_t)(left / w->deep_cost_us);
	w->deep_left_us = (int64_t)afford * w->deep_cost_us * 2;
	if (afford < all)
		groups = (unsigned)(afford * GROUPS / all);
	/* What took longer than that comes again, with fewer beside it. */
	if (!w->deep_cut || w->deep_groups == 1)
		w->deep_first = (w->deep_first + w->deep_groups) & (GROUPS - 1);
	else if (groups > w->deep_groups / 2)
		groups = w->deep_groups / 2;
	w->deep_groups = groups == 0 ? 1 : groups;
	w->deep_cut = 0;
}

static void
pass_begin(struct sst_watch *w, int64_t now)
{
	w->sweeping = 1;
	w->sweep_start = now;
	w->bucket = 0;
	w->pass_us = w->deep_us = 0;
	w->n_pass = w->n_deep = 0;
	w->full = 0;
	if (w->deep_cost_us == 0)
		w->deep_cost_us = FIRST_COST_US;
	choose_groups(w);
	check_routes(w);
	w->at = w->first;
	w->begun = 0;
}

static void
pass_end(struct sst_watch *w, int64_t now)
{
	int64_t every = w->pass_us * SST_WATCH_CORE_SHARE / 1000;

	w->sweeping = 0;
	w->cheap_us = w->pass_us - w->deep_us;
	w->n_deep_all = w->n_pass;
	if (w->n_pass > 0)
		w->walked_us = w->pass_us;
	if (w->n_deep > 0)
		w->deep_cost_us = w->deep_us / (int64_t)w->n_deep + 1;
	if (every < SST_WATCH_SWEEP_MS)
		every = SST_WATCH_SWEEP_MS;
	w->every_ms = (unsigned)every;
	w->sweep_at = w->sweep_start + every;
	if (w->sweep_at <= now)
		w->sweep_at = now + 1;
}

/* The directories above sources that have no watch. 1: all were looked at. */
static int
looked_on(struct sst_watch *w)
{
	int n = 0;

	for (; w->bucket < w->dirs.looked.n_buckets && n < SST_WATCH_SLICE; w->bucket++)
		for (struct sst_node *d = w->dirs.looked.bucket[w->bucket]; d != NULL;
		    d = d->next, n++)
			sst_dirs_look((struct sst_dir *)d, saw_change, w);
	return w->bucket >= w->dirs.looked.n_buckets;
}

/* The names below sources. 1: all were gone through. */
static int
names_on(struct sst_watch *w, int64_t now)
{
	int left = SST_WATCH_SLICE;
	struct sst_target *t;

	while ((t = w->at) != NULL && left > 0) {
		if (!w->begun && t->is_dir && t->walk == NULL &&
		    w->sweep_start >= t->pass_at) {
			(void)sst_walk_begin(w, t, 0);
			t->pass_at = t->fan_dir < 0 ? 0 :
			    w->sweep_start + SST_FAN_SWEEP_MS;
		}
		w->begun = 1;
		/* One that gets its watches is gone through for that. */
		if (t->walk != NULL && !t->arming && walk_on(w, t, &left, now) != 0)
			sst_walk_stop(w, t);
		if (t->walk != NULL && !t->arming)
			continue;
		w->at = t->next;
		w->begun = 0;
	}
	return w->at == NULL;
}

void
sst_sweep(struct sst_watch *w, int64_t now)
{
	int64_t start = sst_watch_cpu_us(w);
	int over;

	if (!w->sweeping)
		pass_begin(w, now);
	over = looked_on(w) && names_on(w, now);
	w->pass_us += sst_watch_cpu_us(w) - start;
	if (over)
		pass_end(w, now);
}

int
sst_name_refresh(struct sst_watch *w, struct sst_target *t, const char *name)
{
	uint64_t key = sst_seen_key(name);
	struct sst_seen_name *e = sst_seen_find(&t->seen, key);
	char path[PATH_MAX];
	struct stat st;
	int since;

	if (snprintf(path, sizeof(path), "%s/%s", t->path, name) >= (int)sizeof(path) ||
	    lstat(path, &st) != 0) {
		if (e != NULL) {
			sst_named_drop(w, t, e);
			sst_seen_take(&t->seen, key);
		}
		return strncmp(name, "..", 2) == 0;
	}
	if (S_ISREG(st.st_mode) && t->root_watched && e == NULL)
		return 0;
	if (e == NULL) {
		e = sst_seen_put(&t->seen, key);
		if (e == NULL)
			return 1;
		e->key |= t->turn;
	}
	if (S_ISDIR(st.st_mode) && ((e->key & SST_SEEN_WATCHED) != 0 ||
	    sst_named_room(w)))
		(void)sst_named_watch(w, t, name, e);
	else
		sst_named_drop(w, t, e);
	if ((e->key & SST_SEEN_WATCHED) == 0)
		e->at = sst_look_stat(&st);
	if ((e->key & SST_SEEN_COVERED) == 0)
		e->deep = sst_look_files(AT_FDCWD, path, &t->since, &since);
	/* Others may be reached through a link, or through a Kubernetes volume's
	 * directories. */
	return S_ISLNK(st.st_mode) || strncmp(name, "..", 2) == 0;
}
