/* SPDX-License-Identifier: ISC */
/* publish - see publish.h. */
#include "publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <securesockets/error.h>

#include "out.h"

#define NAME_MOST	200

static int __attribute__((format(printf, 4, 5)))
fail(struct sst_error *err, int code, const char *path, const char *fmt, ...)
{
	char name[200], text[280];
	va_list ap;

	err->sys_errno = code == SST_E_SYSTEM ? errno : 0;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err->code = code;
	(void)snprintf(err->text, sizeof(err->text), "%s: %s",
	    sst_out_clean(name, sizeof(name), path), text);
	return code;
}

/* Where the users are mapped, the root directory may be somebody's who is not. */
static int
is_trusted(const struct stat *st)
{
	struct stat root;

	return st->st_uid == 0 || st->st_uid == geteuid() ||
	    (stat("/", &root) == 0 && st->st_uid == root.st_uid);
}

/*
 * Why somebody else could exchange what is at `path`; or NULL. Of what it is a name in
 * and of links alone: what it leads to is looked at when it is open.
 */
static const char *
step_fault(const char *path, int is_last)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return NULL;
	if (S_ISLNK(st.st_mode))
		return is_trusted(&st) ? NULL : "it is a link of another user's";
	if (is_last)
		return NULL;
	if (!is_trusted(&st))
		return "it belongs to another user, who could exchange what is below it";
	return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0 ?
	    "others may write there, and exchange what is below it" : NULL;
}

/* The same of all that an absolute path leads through; cut off behind what it is of. */
static const char *
way_fault(char *path)
{
	const char *fault = step_fault("/", 0);
	char *at = path, *end;
	int is_last = 0;

	while (fault == NULL && !is_last) {
		at += strspn(at, "/");
		end = at + strcspn(at, "/");
		is_last = end[strspn(end, "/")] == '\0';
		if (*end != '\0')
			*end++ = '\0';
		fault = step_fault(path, is_last);
		if (fault == NULL && !is_last)
			end[-1] = '/';
		at = end;
	}
	return fault;
}

/* Why somebody else could put another directory in the place of this one, in err. */
static int
way_check(const char *dir, struct sst_error *err)
{
	char path[2 * PATH_MAX] = "", real[PATH_MAX + 2] = "/";
	const char *fault, *below = "";
	size_t len;

	if (*dir != '/' && getcwd(path, PATH_MAX) == NULL)
		return fail(err, SST_E_SYSTEM, dir, "%s", strerror(errno));
	len = strlen(path);
	if (snprintf(path + len, sizeof(path) - len, "%s%s", len > 0 ? "/" : "", dir) >=
	    (int)(sizeof(path) - len))
		return fail(err, SST_E_LIMIT, dir, "the path is too long");
	fault = way_fault(path);
	if (fault != NULL)
		return fail(err, SST_E_REFUSED, path, "%s", fault);
	/* and where its links lead, or those of what it is to be made in */
	while (realpath(path, real) == NULL && (len = strlen(path)) > 1) {
		below = "/.";
		while (len > 1 && path[--len] != '/')
			continue;
		path[len > 0 ? len : 1] = '\0';
	}
	(void)strcat(real, below);
	fault = way_fault(real);
	return fault == NULL ? SST_OK : fail(err, SST_E_REFUSED, real, "%s", fault);
}

/* Makes the directory, and the one above it: the default's is as new. */
static int
make(const struct sst_publish *to)
{
	char copy[PATH_MAX];
	const char *above;

	(void)snprintf(copy, sizeof(copy), "%s", to->dir);
	above = dirname(copy);
	if (mkdir(above, 0755) == 0 ? chmod(above, 0755) != 0 : errno != EEXIST)
		return -1;
	if (mkdir(to->dir, 0700) != 0)
		return errno == EEXIST ? 0 : -1;
	/* whatever the umask is */
	if (chown(to->dir, (uid_t)-1, to->group) != 0)
		return -1;
	return chmod(to->dir, 0750);
}

/* The directory, open; -1 after err. */
static int
enter(const struct sst_publish *to, struct sst_error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct stat st;
	int fd;

	if (way_check(to->dir, err) < 0)
		return -1;
	fd = open(to->dir, flags);
	if (fd < 0 && errno == ENOENT && make(to) == 0)
		fd = open(to->dir, flags);
	if (fd < 0 || fstat(fd, &st) != 0) {
		(void)fail(err, SST_E_SYSTEM, to->dir, "%s", strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	if (is_trusted(&st) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return fd;
	(void)close(fd);
	(void)fail(err, SST_E_REFUSED, to->dir, !is_trusted(&st) ?
	    "it belongs to another user, who could put any certificate there" :
	    "others may write there: chmod go-w");
	return -1;
}

/* Removes .NAME.pem.PID of processes that are no more. */
static void
clean_up(int dir, const char *name)
{
	char start[NAME_MOST + 8];
	size_t len = (size_t)snprintf(start, sizeof(start), ".%s.pem.", name);
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (list == NULL) {
		if (copy >= 0)
			(void)close(copy);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		const char *pid = entry->d_name + len;
		long n;

		if (strncmp(entry->d_name, start, len) != 0 || *pid == '\0' ||
		    pid[strspn(pid, "0123456789")] != '\0')
			continue;
		n = strtol(pid, NULL, 10);
		if (n == getpid() || (kill((pid_t)n, 0) != 0 && errno == ESRCH))
			(void)unlinkat(dir, entry->d_name, 0);
	}
	(void)closedir(list);
}

static int
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file under a name of its own, and on the disk. 0, or -1 with errno. */
static int
prepare(const struct sst_publish *to, int dir, const char *name, const void *bytes,
    size_t len)
{
	struct stat st;
	int error, fd;

	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return -1;
	/* The group comes before the mode that lets it read. */
	if (write_all(fd, bytes, len) == 0 && fstat(fd, &st) == 0 &&
	    (st.st_gid == to->group || fchown(fd, (uid_t)-1, to->group) == 0) &&
	    fchmod(fd, to->mode) == 0 && fsync(fd) == 0)
		return close(fd);
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static int
is_file_name(const char *name)
{
	return *name != '\0' && *name != '.' && strlen(name) <= NAME_MOST &&
	    strchr(name, '/') == NULL;
}

int
sst_publish(const struct sst_publish *to, const char *name, const void *bytes,
    size_t len, char *path, size_t size, struct sst_error *err)
{
	char own[NAME_MOST + 32], final[NAME_MOST + 8];
	int dir, rc = SST_OK, error;

	if (!is_file_name(name))
		return fail(err, SST_E_USAGE, name, "a file cannot have this name");
	if (snprintf(path, size, "%s/%s.pem", to->dir, name) >= (int)size)
		return fail(err, SST_E_LIMIT, to->dir, "the path is too long");
	(void)snprintf(final, sizeof(final), "%s.pem", name);
	(void)snprintf(own, sizeof(own), ".%s.pem.%ld", name, (long)getpid());
	dir = enter(to, err);
	if (dir < 0)
		return err->code;
	clean_up(dir, name);
	if (prepare(to, dir, own, bytes, len) != 0 ||
	    renameat(dir, own, dir, final) != 0) {
		error = errno;
		(void)unlinkat(dir, own, 0);
		errno = error;
		rc = fail(err, SST_E_SYSTEM, path, "%s", strerror(error));
	} else {
		/* it is there; whether it survives a crash is all that this adds */
		(void)fsync(dir);
	}
	(void)close(dir);
	return rc;
}
