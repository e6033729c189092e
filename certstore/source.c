/* SPDX-License-Identifier: ISC */
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/unlinked.h"

static _Thread_local uint64_t unanswered;	/* questions of this thread */

int
sst_source_is_want(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOMEM || code == ENOBUFS;
}

static int
files_fail(struct sst_error *err, int code, const char *path)
{
	char shown[PATH_MAX];

	unanswered += (uint64_t)sst_source_is_want(code);
	(void)sst_escape(shown, sizeof(shown), path, strlen(path));
	return sst_fail_errno(err, code, "%s", shown);
}

static int
files_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	int fd;

	(void)ctx;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return files_fail(err, errno, path);
	*ret_fd = fd;
	return SST_OK;
}

/* Length of the directory that both lie in. */
static size_t
shared(const char *root, const char *path)
{
	size_t n = 0, at = 0;

	for (; root[n] != '\0' && root[n] == path[n]; n++)
		if (root[n] == '/')
			at = n;
	return root[n] == '\0' && path[n] == '/' ? n : at;
}

/* Where the root is reached by links, they are followed, and none after them. */
static int
files_open_resolved(void *ctx, const char *root, const char *path, int *ret_fd,
    struct sst_error *err)
{
	const size_t len = shared(root, path);
	char above[PATH_MAX];
	int fd, top, code;

	(void)ctx;
	fd = sst_open_unlinked(AT_FDCWD, path);
	if (fd < 0 && errno == ELOOP && len < sizeof(above) - 1) {
		(void)snprintf(above, sizeof(above), "%.*s%s", (int)len, path,
		    len > 0 || path[0] == '/' ? "/" : ".");
		top = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (top < 0)
			return files_fail(err, errno, path);
		fd = sst_open_unlinked(top, path + len + (path[len] == '/'));
		code = errno;
		(void)close(top);
		errno = code;
	}
	if (fd < 0)
		return files_fail(err, errno, path);
	*ret_fd = fd;
	return SST_OK;
}

static int
files_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	struct dirent *e;
	int rc = SST_OK;
	DIR *dir;

	(void)ctx;
	dir = opendir(path);
	if (dir == NULL)
		return files_fail(err, errno, path);
	while (rc == SST_OK) {
		errno = 0;
		e = readdir(dir);
		if (e == NULL) {
			if (errno != 0)
				rc = files_fail(err, errno, path);
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each(arg, e->d_name);
	}
	(void)closedir(dir);
	return rc;
}

/* Judged on the real path: a link does not hide where a file lies. */
static int
files_exposed(void *ctx, const char *path, struct sst_error *err)
{
	char *real, *slash;
	struct stat st;
	int exposed = 1;

	(void)ctx;
	real = realpath(path, NULL);
	if (real == NULL)
		return files_fail(err, errno, path);
	while (exposed && (slash = strrchr(real, '/')) != NULL && slash != real) {
		*slash = '\0';
		if (stat(real, &st) == 0)
			exposed = (st.st_mode & S_IXOTH) != 0;
	}
	free(real);
	return exposed;
}

static int
files_readlink(void *ctx, const char *path, char *out, size_t size,
    struct sst_error *err)
{
	ssize_t n;

	(void)ctx;
	n = readlink(path, out, size - 1);
	if (n < 0 && (errno == EINVAL || errno == ENOENT || errno == ENOTDIR))
		return SST_E_NOT_FOUND;	/* an answer, not a failure */
	if (n < 0)
		return files_fail(err, errno, path);
	if ((size_t)n == size - 1)
		return files_fail(err, ENAMETOOLONG, path);
	out[n] = '\0';
	return SST_OK;
}

static uint64_t
files_unanswered(void *ctx)
{
	(void)ctx;
	return unanswered;
}

const struct sst_source_ops sst_source_files = {
	.open = files_open,
	.open_resolved = files_open_resolved,
	.list = files_list,
	.exposed = files_exposed,
	.readlink = files_readlink,
	.unanswered = files_unanswered,
};
