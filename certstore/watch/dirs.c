/* SPDX-License-Identifier: ISC */
#include "dirs.h"

#include "look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MASK	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | \
		    IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | \
		    IN_ONLYDIR | IN_EXCL_UNLINK)

void
sst_dirs_init(struct sst_dirs *d, size_t most)
{
	*d = (struct sst_dirs){ .inotify = -1, .most = most };
}

static uint32_t
path_key(const char *path)
{
	uint64_t h = sst_look_mix(SST_LOOK_START, path, strlen(path));

	return (uint32_t)(h ^ h >> 32);
}

static struct sst_dir *
find_looked(const struct sst_dirs *d, const char *path)
{
	uint32_t key = path_key(path);
	struct sst_node *n;

	for (n = sst_table_get(&d->looked, key); n != NULL; n = n->next)
		if (n->key == key && strcmp(((struct sst_dir *)n)->path, path) == 0)
			return (struct sst_dir *)n;
	return NULL;
}

struct sst_dir *
sst_dirs_find(const struct sst_dirs *d, int wd)
{
	return (struct sst_dir *)sst_table_get(&d->watched, (uint32_t)wd);
}

int
sst_dirs_watch(struct sst_dirs *d, const char *path)
{
	int wd;

	if (d->most == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (d->inotify < 0)
		d->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (d->inotify < 0)
		return -1;
	wd = inotify_add_watch(d->inotify, path, MASK);
	if (wd < 0 || sst_dirs_find(d, wd) != NULL ||
	    sst_table_get(&d->names, (uint32_t)wd) != NULL ||
	    d->watched.n + d->names.n < d->most)
		return wd;
	(void)inotify_rm_watch(d->inotify, wd);
	errno = ENOSPC;
	return -1;
}

void
sst_dirs_release(struct sst_dirs *d, int wd)
{
	if (wd >= 0 && sst_dirs_find(d, wd) == NULL &&
	    sst_table_get(&d->names, (uint32_t)wd) == NULL)
		(void)inotify_rm_watch(d->inotify, wd);
}

static struct sst_dir *
dir_new(struct sst_dirs *d, const char *path, int wd)
{
	struct sst_dir *dir = calloc(1, sizeof(*dir));
	struct sst_table *t = wd >= 0 ? &d->watched : &d->looked;

	if (dir == NULL)
		return NULL;
	dir->wd = wd;
	if ((wd < 0 && (dir->path = strdup(path)) == NULL) ||
	    sst_table_put(t, &dir->node, wd >= 0 ? (uint32_t)wd : path_key(path)) != 0) {
		free(dir->path);
		free(dir);
		return NULL;
	}
	return dir;
}

/* The record of `path`, made when there is none. NULL: not there, or memory:
 * *ret_failed tells. */
static struct sst_dir *
dir_for(struct sst_dirs *d, const char *path, int *ret_failed)
{
	struct sst_dir *dir;
	int wd = sst_dirs_watch(d, path);

	*ret_failed = 0;
	if (wd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (wd < 0)
		d->error = errno;
	dir = wd >= 0 ? sst_dirs_find(d, wd) : find_looked(d, path);
	if (dir != NULL)
		return dir;
	dir = dir_new(d, path, wd);
	*ret_failed = dir == NULL;
	if (dir == NULL)
		sst_dirs_release(d, wd);
	return dir;
}

static void
dir_free(struct sst_dirs *d, struct sst_dir *dir)
{
	int wd = dir->wd;

	if (!dir->gone) {
		sst_table_take(wd >= 0 ? &d->watched : &d->looked, &dir->node);
		sst_dirs_release(d, wd);
	}
	free(dir->subs);
	free(dir->path);
	free(dir);
}

/* 0, or -1: out of memory. */
static int
hold(struct sst_held_dirs *h, struct sst_dir *dir)
{
	size_t room = h->room == 0 ? 4 : 2 * h->room;
	struct sst_dir **more;

	for (size_t i = 0; i < h->n; i++)
		if (h->v[i] == dir)
			return 0;
	if (h->n == h->room) {
		more = reallocarray(h->v, room, sizeof(struct sst_dir *));
		if (more == NULL)
			return -1;
		h->v = more;
		h->room = room;
	}
	h->v[h->n++] = dir;
	return 0;
}

static int
same_name(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What a source's own directory holds is gone through by sweep. */
static int
is_looked_at(int kind)
{
	return (kind & ~(SST_SUB_ROOT | SST_SUB_RENEWAL)) != 0;
}

/* 1: `who` has it already. */
static int
renew(struct sst_dir *dir, void *who, uint32_t round, const char *name, int kind)
{
	for (size_t i = 0; i < dir->n_subs; i++)
		if (dir->subs[i].who == who && same_name(dir->subs[i].name, name)) {
			if (dir->subs[i].round != round)
				dir->subs[i].kind = 0;
			dir->subs[i].round = round;
			dir->subs[i].kind |= kind;
			return 1;
		}
	return 0;
}

int
sst_dirs_subscribe(struct sst_dirs *d, struct sst_held_dirs *held, void *who,
    uint32_t round, const char *path, const char *name, int kind)
{
	struct sst_sub *more;
	struct sst_dir *dir;
	char *copy = NULL;
	int failed;

	dir = dir_for(d, path, &failed);
	if (dir == NULL)
		return failed ? -1 : 0;
	if (renew(dir, who, round, name, kind))
		return dir->wd >= 0;
	more = reallocarray(dir->subs, dir->n_subs + 1, sizeof(*more));
	if (more != NULL)
		dir->subs = more;
	if (name != NULL)
		copy = strdup(name);
	if (more == NULL || (name != NULL && copy == NULL) || hold(held, dir) != 0) {
		free(copy);
		if (dir->n_subs == 0)
			dir_free(d, dir);
		return -1;
	}
	dir->subs[dir->n_subs++] = (struct sst_sub){ who, round, kind, copy,
	    dir->wd < 0 && is_looked_at(kind) ? sst_look_name(path, name) : 0 };
	return dir->wd >= 0;
}

void
sst_dirs_forget(struct sst_dirs *d, struct sst_dir *dir)
{
	sst_table_take(&d->watched, &dir->node);
	dir->gone = 1;
}

void
sst_dirs_prune(struct sst_dirs *d, struct sst_held_dirs *held, void *who,
    uint32_t round)
{
	size_t kept_dirs = 0, kept, own;
	struct sst_dir *dir;

	for (size_t at = 0; at < held->n; at++) {
		dir = held->v[at];
		kept = own = 0;
		for (size_t i = 0; i < dir->n_subs; i++) {
			if (dir->subs[i].who == who && (round == 0 ||
			    dir->subs[i].round != round)) {
				free(dir->subs[i].name);
				continue;
			}
			own += dir->subs[i].who == who;
			dir->subs[kept++] = dir->subs[i];
		}
		dir->n_subs = kept;
		if (own > 0)
			held->v[kept_dirs++] = dir;
		else if (kept == 0)
			dir_free(d, dir);
	}
	held->n = kept_dirs;
	if (kept_dirs > 0)
		return;
	free(held->v);
	*held = (struct sst_held_dirs){ 0 };
}

void
sst_dirs_look(struct sst_dir *dir, void (*each)(void *arg, const struct sst_sub *),
    void *arg)
{
	uint64_t all = 0, print;
	int have_all = 0;

	for (size_t i = 0; i < dir->n_subs; i++) {
		if (!is_looked_at(dir->subs[i].kind))
			continue;
		if (dir->subs[i].name == NULL && !have_all) {
			all = sst_look_name(dir->path, NULL);
			have_all = 1;
		}
		print = dir->subs[i].name == NULL ? all :
		    sst_look_name(dir->path, dir->subs[i].name);
		if (print == dir->subs[i].print)
			continue;
		dir->subs[i].print = print;
		each(arg, &dir->subs[i]);
	}
}

void
sst_dirs_done(struct sst_dirs *d)
{
	sst_table_done(&d->watched);
	sst_table_done(&d->looked);
	sst_table_done(&d->names);
	if (d->inotify >= 0)
		(void)close(d->inotify);
}
