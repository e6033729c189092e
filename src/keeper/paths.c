/* SPDX-License-Identifier: ISC */
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unlinked.h"
#include "watch/certbot.h"

/* Length of the component at `p`, up to the next slash or the end. */
static size_t
component(const char *p)
{
	return strcspn(p, "/");
}

int
sst_path_has_dots(const char *path)
{
	const char *p = path;
	size_t n;

	while (*p != '\0') {
		p += strspn(p, "/");
		n = component(p);
		if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return 1;
		p += n;
	}
	return 0;
}

void
sst_path_clean(char *path)
{
	const char *in = path;
	char *out = path;
	size_t n;

	if (*path != '/')
		return;
	while (*in != '\0') {
		in += strspn(in, "/");
		n = component(in);
		if (n > 0 && !(n == 1 && *in == '.')) {
			*out++ = '/';
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

/* Absolute, and nothing in it that a file system would skip or climb. */
static int
well_formed(const char *path)
{
	size_t n = strlen(path);

	return path[0] == '/' && n < PATH_MAX && strstr(path, "//") == NULL &&
	    (n == 1 || path[n - 1] != '/') && !sst_path_has_dots(path);
}

/* 1: `path` is `dir` or lies below it. */
static int
is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[0] == '/';
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int
parent_of(const char *path, char *out, size_t size)
{
	const char *last = strrchr(path, '/');
	int n;

	if (last == NULL)
		return -1;
	n = last == path ? 1 : (int)(last - path);
	return snprintf(out, size, "%.*s", n, path) < (int)size ? 0 : -1;
}

int
sst_path_allowed(const char *source, int is_dir, const char *path)
{
	char archive[PATH_MAX];

	if (!well_formed(path))
		return 0;
	if (strcmp(path, source) == 0)
		return 1;
	if (!is_dir)
		return 0;
	return is_below(path, source) ||
	    (sst_certbot_archive(source, archive, sizeof(archive)) &&
	    is_below(path, archive));
}

/* 1: `real`, a path without links, lies where the directory may lead. */
static int
stays_inside(const char *source, const char *real)
{
	char archive[PATH_MAX], root[PATH_MAX];

	if (realpath(source, root) != NULL && is_below(real, root))
		return 1;
	return sst_certbot_archive(source, archive, sizeof(archive)) &&
	    realpath(archive, root) != NULL && is_below(real, root);
}

/* Where `path` leads, judged by both rules. 0, or -1 with errno. */
static int
resolve(const char *source, int is_dir, const char *path, char *real)
{
	if (!sst_path_allowed(source, is_dir, path)) {
		errno = EPERM;
		return -1;
	}
	if (realpath(path, real) == NULL)
		return -1;
	if (strcmp(path, source) != 0 && !stays_inside(source, real)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
is_for_reading(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

int
sst_path_open(const char *source, int is_dir, const char *path)
{
	char real[PATH_MAX];
	struct stat st;
	int fd;

	if (resolve(source, is_dir, path, real) != 0)
		return -1;
	/* A device may act when it is opened: look before, and again after. */
	if (stat(real, &st) != 0)
		return -1;
	if (!is_for_reading(&st)) {
		errno = EINVAL;
		return -1;
	}
	fd = sst_open_unlinked(AT_FDCWD, real);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !is_for_reading(&st)) {
		(void)close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

int
sst_path_open_below(int dir, const char *below, struct stat *ret)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	int fd;

	/* A device may act when it is opened: look before, and again after. */
	if (fstatat(dir, below, ret, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (!is_for_reading(ret)) {
		errno = EINVAL;
		return -1;
	}
	fd = (int)syscall(SYS_openat2, dir, below, &how, sizeof(how));
	if (fd >= 0 && (fstat(fd, ret) != 0 || !is_for_reading(ret))) {
		(void)close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

long
sst_path_link(const char *source, int is_dir, const char *path, char *out,
    size_t size)
{
	char above[PATH_MAX], real[PATH_MAX];
	ssize_t n;

	if (!sst_path_allowed(source, is_dir, path) ||
	    parent_of(path, above, sizeof(above)) != 0) {
		errno = EPERM;
		return -1;
	}
	if (strcmp(path, source) != 0) {
		if (realpath(above, real) == NULL)
			return -1;
		if (!stays_inside(source, real)) {
			errno = EPERM;
			return -1;
		}
	}
	n = readlink(path, out, size);
	if (n < 0)
		return -1;
	if ((size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	out[n] = '\0';
	return n;
}

/* Every directory above `real` (no links in it) has o+x. */
static int
searchable(const char *real)
{
	char dir[PATH_MAX];
	struct stat st;
	char *last;

	if (snprintf(dir, sizeof(dir), "%s", real) >= (int)sizeof(dir))
		return 1;
	while (strcmp(dir, "/") != 0) {
		last = strrchr(dir, '/');
		if (last == NULL)
			return 1;
		last[last == dir ? 1 : 0] = '\0';
		if (stat(dir, &st) != 0)
			return 1;
		if ((st.st_mode & S_IXOTH) == 0)
			return 0;
	}
	return 1;
}

int
sst_path_exposed(const char *source, int is_dir, const char *path)
{
	char real[PATH_MAX];

	if (resolve(source, is_dir, path, real) != 0)
		return -1;
	return searchable(real);
}

int
sst_path_exposed_fd(int fd)
{
	char name[64], real[PATH_MAX];
	struct stat named, held;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, real, sizeof(real) - 1);
	if (n <= 0)
		return 1;
	real[n] = '\0';
	/* It is only a name: deleted, or of another mount namespace. */
	if (real[0] != '/' || fstat(fd, &held) != 0 || stat(real, &named) != 0 ||
	    held.st_dev != named.st_dev || held.st_ino != named.st_ino)
		return 1;
	return searchable(real);
}
