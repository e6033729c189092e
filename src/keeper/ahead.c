/* SPDX-License-Identifier: ISC */
#include "ahead.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"

#define ENTRIES_MAX	32
#define ENTRIES_SIZE	4096

/* certbot's links lead from live/NAME/ to archive/NAME/, beside live/. */
static const char to_archive[] = "../../archive/";
#define UP	(sizeof("../../") - 1)

struct entry {
	const char	*name;	/* in the list */
	char		 target[256];	/* "": no link */
};

struct folder {
	int		 fd;
	_Alignas(struct dirent64) char list[ENTRIES_SIZE];
	struct entry	 entry[ENTRIES_MAX];
	size_t		 n;
};

struct answer {
	char	*out;
	size_t	 size, len;
	int	*fds;
	char	 path[SST_WIRE_FDS][PATH_MAX];	/* of the fds */
	size_t	 n_fds;
};

static int
put(struct answer *a, const char *text)
{
	const size_t len = strlen(text) + 1;

	if (len > a->size - a->len) {
		errno = E2BIG;
		return -1;
	}
	memcpy(a->out + a->len, text, len);
	a->len += len;
	return 0;
}

static int
entry_take(struct folder *f, const struct dirent64 *d)
{
	struct entry *e = &f->entry[f->n];
	ssize_t len;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return 0;
	if (f->n == ENTRIES_MAX) {
		errno = E2BIG;
		return -1;
	}
	e->name = d->d_name;
	e->target[0] = '\0';
	f->n++;
	if (d->d_type != DT_LNK && d->d_type != DT_UNKNOWN)
		return 0;
	len = readlinkat(f->fd, e->name, e->target, sizeof(e->target));
	if (len < 0 && errno == EINVAL && d->d_type == DT_UNKNOWN)
		return 0;
	if (len <= 0 || (size_t)len >= sizeof(e->target))
		return -1;	/* it is being replaced just now, or it is long */
	e->target[len] = '\0';
	return 0;
}

/* All names of the folder. 0, or -1 with errno. */
static int
folder_list(struct folder *f)
{
	size_t used = 0;
	ssize_t n;

	while ((n = getdents64(f->fd, f->list + used, sizeof(f->list) - used)) > 0) {
		const size_t end = used + (size_t)n;

		while (used < end) {
			const struct dirent64 *d =
			    (const struct dirent64 *)(void *)(f->list + used);

			if (entry_take(f, d) != 0)
				return -1;
			used += d->d_reclen;
		}
	}
	return n == 0 ? 0 : -1;
}

/* Takes the descriptor of a regular file, which the reader knows as `path`. Where it
 * cannot be sent it is left out. */
static void
offer(struct answer *a, int fd, const struct stat *st, const char *path)
{
	if (fd < 0)
		return;
	if (!S_ISREG(st->st_mode) ||
	    snprintf(a->path[a->n_fds], PATH_MAX, "%s", path) >= PATH_MAX) {
		(void)close(fd);
		return;
	}
	a->fds[a->n_fds++] = fd;
}

static const struct entry *
find(const struct folder *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->entry[i].name, name) == 0)
			return &f->entry[i];
	return NULL;
}

static void
offer_below(struct answer *a, int dir, const char *below, const char *path)
{
	struct stat st;
	int fd = sst_path_open_below(dir, below, &st);

	offer(a, fd, &st, path);
}

/* Chain and key of a folder of certbot's, from the archive. 1, or 0: it is none. */
static int
offer_version(struct answer *a, const struct folder *f, const char *source)
{
	static const char *const read[] = { "fullchain.pem", "privkey.pem" };
	const char *slash = strrchr(source, '/');
	char above[PATH_MAX], path[PATH_MAX];
	const struct entry *e[2];
	int dir;

	for (int i = 0; i < 2; i++) {
		e[i] = find(f, read[i]);
		if (e[i] == NULL || strncmp(e[i]->target, to_archive,
		    sizeof(to_archive) - 1) != 0)
			return 0;
	}
	(void)snprintf(above, sizeof(above), "%.*s/", (int)(slash - source), source);
	dir = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; dir >= 0 && i < 2; i++) {
		if (snprintf(path, sizeof(path), "%s%s", above, e[i]->target + UP) <
		    (int)sizeof(path) && sst_path_allowed(source, 1, path))
			offer_below(a, dir, e[i]->target + UP, path);
	}
	if (dir >= 0)
		(void)close(dir);
	return 1;
}

static int
folder_answer(struct answer *a, const char *source, const char *path, int fd)
{
	struct folder f = { .fd = fd };
	char file[PATH_MAX];

	if (folder_list(&f) != 0)
		return -1;
	for (size_t i = 0; i < f.n; i++)
		if (put(a, f.entry[i].name) != 0 || put(a, f.entry[i].target) != 0)
			return -1;
	if (offer_version(a, &f, source))
		return 0;
	for (size_t i = 0; i < f.n && a->n_fds < SST_WIRE_FDS; i++)
		if (f.entry[i].name[0] != '.' &&
		    snprintf(file, sizeof(file), "%s/%s", path, f.entry[i].name) <
		    (int)sizeof(file))
			offer_below(a, fd, f.entry[i].name, file);
	return 0;
}

/* The last part of a path right in the source. NULL with EPERM: it is not. */
static const char *
name_in(const char *source, const char *path)
{
	const size_t len = strlen(source);

	errno = EPERM;
	if (!sst_path_allowed(source, 1, path) || strncmp(path, source, len) != 0 ||
	    path[len] != '/' || strchr(path + len + 1, '/') != NULL)
		return NULL;
	return path + len + 1;
}

static int
name_answer(struct answer *a, const char *source, const char *path, const char *name,
    int *ret_is_dir)
{
	struct stat st;
	int dir, fd, rc;

	dir = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = sst_path_open_below(dir, name, &st);
	(void)close(dir);
	if (fd < 0)
		return -1;
	*ret_is_dir = S_ISDIR(st.st_mode);
	if (!*ret_is_dir) {
		offer(a, fd, &st, path);
		return 0;
	}
	rc = folder_answer(a, source, path, fd);
	(void)close(fd);
	return rc;
}

long
sst_ahead_answer(const char *source, const char *path, char *out, size_t size,
    int *ret_is_dir, int fds[SST_WIRE_FDS], size_t *ret_n_fds)
{
	struct answer a = { .out = out, .size = size, .fds = fds };
	const char *name = name_in(source, path);
	int rc, code;

	*ret_n_fds = 0;
	if (name == NULL)
		return -1;
	rc = name_answer(&a, source, path, name, ret_is_dir);
	if (rc == 0)
		rc = put(&a, "");
	for (size_t i = 0; rc == 0 && i < a.n_fds; i++)
		rc = put(&a, a.path[i]);
	if (rc != 0) {
		code = errno;
		for (size_t i = 0; i < a.n_fds; i++)
			(void)close(fds[i]);
		errno = code;
		return -1;
	}
	*ret_n_fds = a.n_fds;
	return (long)a.len;
}
