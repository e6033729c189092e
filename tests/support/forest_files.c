/* SPDX-License-Identifier: ISC */
/* forest_files - the part of forest.h that writes to a directory. */
#include "forest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forest_leaf.h"

enum { MOST_THREADS = 8 };

/* A part of the names, and the two folders that they go to. */
struct share {
	const struct forest	*f;
	int			 live, archive;	/* FOREST_FLAT: archive is -1 */
	int			 first, end, step;
	enum forest_form	 form;
};

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "forest: %s: %s\n", what, strerror(errno));
	abort();
}

static void
file_write(int dir, const char *name, mode_t mode, const char *data, size_t len,
    const char *more, size_t more_len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	must(fd >= 0, name);
	must(write(fd, data, len) == (ssize_t)len, name);
	must(more_len == 0 || write(fd, more, more_len) == (ssize_t)more_len, name);
	must(close(fd) == 0, name);
}

static int
folder_open(int at, const char *name)
{
	int fd;

	must(mkdirat(at, name, 0755) == 0 || errno == EEXIST, name);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0, name);
	return fd;
}

/* The files of one version, before any link changes. */
static void
archive_write(const struct share *s, int i, int version)
{
	const struct forest_template *t = forest_key(s->f, i, version);
	char leaf[FOREST_LEAF], name[FOREST_NAME], file[32];
	size_t len = forest_leaf(s->f, i, version, leaf);
	int dir = folder_open(s->archive, forest_name(i, name));

	(void)snprintf(file, sizeof(file), "fullchain%d.pem", version);
	file_write(dir, file, 0644, leaf, len, s->f->chain, s->f->chain_len);
	(void)snprintf(file, sizeof(file), "privkey%d.pem", version);
	file_write(dir, file, 0600, t->key, t->key_len, NULL, 0);
	if (s->form == FOREST_CERTBOT) {
		(void)snprintf(file, sizeof(file), "cert%d.pem", version);
		file_write(dir, file, 0644, leaf, len, NULL, 0);
		(void)snprintf(file, sizeof(file), "chain%d.pem", version);
		file_write(dir, file, 0644, s->f->chain, s->f->chain_len, NULL, 0);
	}
	(void)close(dir);
}

static void
links_change(const struct share *s, int i, int version)
{
	static const char *const order[] = { "cert", "privkey", "chain", "fullchain" };
	char name[FOREST_NAME], file[32], target[96];
	int dir = folder_open(s->live, forest_name(i, name));

	for (int k = s->form == FOREST_SLIM; k < 4; k += 1 + (s->form == FOREST_SLIM)) {
		(void)snprintf(file, sizeof(file), "%s.pem", order[k]);
		(void)snprintf(target, sizeof(target), "../../archive/%s/%s%d.pem", name,
		    order[k], version);
		must(unlinkat(dir, file, 0) == 0 || errno == ENOENT, file);
		must(symlinkat(target, dir, file) == 0, file);
	}
	(void)close(dir);
}

/* A file whose name says that it is not finished takes the place of the old one. */
static void
flat_write(const struct share *s, int i, int version)
{
	const struct forest_template *t = forest_key(s->f, i, version);
	char leaf[FOREST_LEAF], name[FOREST_NAME], file[FOREST_NAME + 8], tmp[FOREST_NAME + 8];
	size_t len = forest_leaf(s->f, i, version, leaf);

	(void)snprintf(file, sizeof(file), "%s.pem", forest_name(i, name));
	(void)snprintf(tmp, sizeof(tmp), ".%s.new", name);
	must(len + s->f->chain_len < sizeof(leaf), name);
	memcpy(leaf + len, s->f->chain, s->f->chain_len);
	file_write(s->live, tmp, 0600, leaf, len + s->f->chain_len, t->key, t->key_len);
	must(renameat(s->live, tmp, s->live, file) == 0, file);
}

static void
name_write(const struct share *s, int i, int version)
{
	if (s->form == FOREST_FLAT) {
		flat_write(s, i, version);
		return;
	}
	archive_write(s, i, version);
	links_change(s, i, version);
}

static void *
share_write(void *arg)
{
	const struct share *s = arg;

	for (int i = s->first; i < s->end; i += s->step)
		name_write(s, i, 1);
	return NULL;
}

static void
share_open(struct share *s, const struct forest *f, const char *dir, enum forest_form form)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(at >= 0, dir);
	*s = (struct share){ .f = f, .live = at, .archive = -1, .form = form };
	if (form == FOREST_FLAT)
		return;
	s->live = folder_open(at, "live");
	s->archive = folder_open(at, "archive");
	(void)close(at);
}

static void
share_close(struct share *s)
{
	(void)close(s->live);
	if (s->archive >= 0)
		(void)close(s->archive);
}

void
forest_grow(struct forest *f, const char *dir, int first, int n, enum forest_form form)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int threads = cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (int)cores;
	struct share all, part[MOST_THREADS];
	pthread_t id[MOST_THREADS];

	share_open(&all, f, dir, form);
	all.end = first + n;
	all.step = threads;
	for (int t = 0; t < threads; t++) {
		part[t] = all;
		part[t].first = first + t;
		errno = pthread_create(&id[t], NULL, share_write, &part[t]);
		must(errno == 0, "a thread");
	}
	for (int t = 0; t < threads; t++)
		(void)pthread_join(id[t], NULL);
	share_close(&all);
}

void
forest_renew(struct forest *f, const char *dir, int i, int version, enum forest_form form)
{
	struct share s;

	share_open(&s, f, dir, form);
	name_write(&s, i, version);
	share_close(&s);
}
