/* SPDX-License-Identifier: ISC */
#include "dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASK	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | \
		    IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | \
		    IN_ONLYDIR | IN_EXCL_UNLINK)

void
sst_dirs_init(struct sst_dirs *d, size_t most)
{
	*d = (struct sst_dirs){ .inotify = -1, .most = most };
	if (most > 0)
		d->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

/* FNV-1a, 64 bits: tells a change, is no proof against an attacker. */
static uint64_t
mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

#define MIX_START	14695981039346656037u

static uint64_t
mix_entry(uint64_t h, int at, const char *name)
{
	struct stat st;
	int64_t v[7] = { 0 };

	h = mix(h, name, strlen(name) + 1);
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		v[0] = (int64_t)st.st_ino;
		v[1] = (int64_t)st.st_mode;
	}
	/* The times of a directory move with every name in it; who cares for
	 * those has subscribed to it. */
	if (v[1] != 0 && !S_ISDIR(st.st_mode)) {
		v[2] = (int64_t)st.st_size;
		v[3] = st.st_ctim.tv_sec;
		v[4] = st.st_ctim.tv_nsec;
		v[5] = st.st_mtim.tv_sec;
		v[6] = st.st_mtim.tv_nsec;
	}
	return mix(h, v, sizeof(v));
}

/* Of every name in the directory; their order does not count. */
static uint64_t
print_all(DIR *list)
{
	uint64_t sum = mix_entry(MIX_START, dirfd(list), ".");
	const struct dirent *e;

	rewinddir(list);
	while ((e = readdir(list)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			sum += mix_entry(MIX_START, dirfd(list), e->d_name);
	return sum;
}

/* What a subscriber of `name` sees; 0: the directory is not there. */
static uint64_t
fingerprint(DIR *list, const char *name)
{
	if (list == NULL)
		return 0;
	if (name == NULL)
		return print_all(list);
	return mix_entry(MIX_START, dirfd(list), name);
}

void
sst_dirs_look(struct sst_dir *dir, void (*each)(void *arg, const struct sst_sub *),
    void *arg)
{
	DIR *list = opendir(dir->path);
	uint64_t all = 0, print;
	int have_all = 0;

	for (size_t i = 0; i < dir->n_subs; i++) {
		if (dir->subs[i].name == NULL && !have_all) {
			all = fingerprint(list, NULL);
			have_all = 1;
		}
		print = dir->subs[i].name == NULL ? all :
		    fingerprint(list, dir->subs[i].name);
		if (print == dir->subs[i].print)
			continue;
		dir->subs[i].print = print;
		each(arg, &dir->subs[i]);
	}
	if (list != NULL)
		(void)closedir(list);
}

static uint32_t
path_key(const char *path)
{
	uint64_t h = mix(MIX_START, path, strlen(path));

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

static struct sst_dir *
dir_new(struct sst_dirs *d, const char *path, int wd)
{
	struct sst_dir *dir = calloc(1, sizeof(*dir));
	struct sst_table *t = wd >= 0 ? &d->watched : &d->looked;

	if (dir == NULL)
		return NULL;
	dir->wd = wd;
	dir->path = strdup(path);
	if (dir->path == NULL || sst_table_put(t, &dir->node,
	    wd >= 0 ? (uint32_t)wd : path_key(path)) != 0) {
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
	int wd = -1;

	*ret_failed = 0;
	if (d->inotify >= 0) {
		wd = inotify_add_watch(d->inotify, path, MASK);
		if (wd < 0 && (errno == ENOENT || errno == ENOTDIR))
			return NULL;
	}
	dir = wd >= 0 ? sst_dirs_find(d, wd) : find_looked(d, path);
	if (dir != NULL)
		return dir;
	if (wd >= 0 && d->watched.n >= d->most) {
		(void)inotify_rm_watch(d->inotify, wd);
		wd = -1;
		dir = find_looked(d, path);
	}
	if (dir == NULL)
		dir = dir_new(d, path, wd);
	*ret_failed = dir == NULL;
	if (dir == NULL && wd >= 0)
		(void)inotify_rm_watch(d->inotify, wd);
	return dir;
}

static uint64_t
first_print(const struct sst_dir *dir, const char *name)
{
	DIR *list = opendir(dir->path);
	uint64_t print = fingerprint(list, name);

	if (list != NULL)
		(void)closedir(list);
	return print;
}

static int
same_name(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

int
sst_dirs_subscribe(struct sst_dirs *d, const char *path, const char *name,
    uint32_t id, uint32_t round, int kind)
{
	struct sst_sub *more;
	struct sst_dir *dir;
	char *copy = NULL;
	int failed;

	dir = dir_for(d, path, &failed);
	if (dir == NULL)
		return failed ? -1 : 0;
	for (size_t i = 0; i < dir->n_subs; i++)
		if (dir->subs[i].id == id && same_name(dir->subs[i].name, name)) {
			if (dir->subs[i].round != round)
				dir->subs[i].kind = 0;
			dir->subs[i].round = round;
			dir->subs[i].kind |= kind;
			return 0;
		}
	more = realloc(dir->subs, (dir->n_subs + 1) * sizeof(*more));
	if (more == NULL)
		return -1;
	dir->subs = more;
	if (name != NULL && (copy = strdup(name)) == NULL)
		return -1;
	dir->subs[dir->n_subs++] = (struct sst_sub){ id, round, kind, copy,
	    dir->wd < 0 ? first_print(dir, name) : 0 };
	return 0;
}

static void
dir_free(struct sst_dirs *d, struct sst_dir *dir)
{
	sst_table_take(dir->wd >= 0 ? &d->watched : &d->looked, &dir->node);
	for (size_t i = 0; i < dir->n_subs; i++)
		free(dir->subs[i].name);
	free(dir->subs);
	free(dir->path);
	free(dir);
}

void
sst_dirs_forget(struct sst_dirs *d, struct sst_dir *dir)
{
	dir_free(d, dir);
}

static void
prune_table(struct sst_dirs *d, struct sst_table *t, uint32_t id, uint32_t round)
{
	struct sst_place place = { 0 };
	struct sst_dir *dir;
	size_t kept;

	while ((dir = (struct sst_dir *)sst_table_next(t, &place)) != NULL) {
		kept = 0;
		for (size_t i = 0; i < dir->n_subs; i++) {
			if (dir->subs[i].id == id && (round == 0 ||
			    dir->subs[i].round != round))
				free(dir->subs[i].name);
			else
				dir->subs[kept++] = dir->subs[i];
		}
		dir->n_subs = kept;
		if (kept > 0)
			continue;
		if (dir->wd >= 0)
			(void)inotify_rm_watch(d->inotify, dir->wd);
		dir_free(d, dir);
	}
}

void
sst_dirs_prune(struct sst_dirs *d, uint32_t id, uint32_t round)
{
	prune_table(d, &d->watched, id, round);
	prune_table(d, &d->looked, id, round);
}

void
sst_dirs_done(struct sst_dirs *d)
{
	struct sst_table *tables[] = { &d->watched, &d->looked };
	struct sst_place place;
	struct sst_node *n;

	for (int i = 0; i < 2; i++) {
		place = (struct sst_place){ 0 };
		while ((n = sst_table_next(tables[i], &place)) != NULL)
			dir_free(d, (struct sst_dir *)n);
		sst_table_done(tables[i]);
	}
	if (d->inotify >= 0)
		(void)close(d->inotify);
}
