/* SPDX-License-Identifier: ISC */
#include "cert_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/unlinked.h"
#include "certs.h"
#include "certs_inside.h"
#include "files.h"

#define OPEN_FLAGS	(O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Where a path leads: to the keeper (id), or to a descriptor (fd, relative). */
struct place {
	uint32_t	id;
	int		watched;
	int		ask_keeper;	/* to open it */
	int		fd;		/* a duplicate, or -1 */
	int		is_dir;		/* of the source */
	char		below[PATH_MAX];	/* relative; "" for the source itself */
};

/* Of this thread: what could not be opened here for want of descriptors or memory. */
static _Thread_local uint64_t unopened;

static int
path_fail(struct sst_error *err, int code, const char *path)
{
	char shown[400];

	unopened += (uint64_t)sst_source_is_want(code);
	return sst_fail_errno(err, code, "%s",
	    sst_escape(shown, sizeof(shown), path, strlen(path)));
}

/* What of `path` lies below `root`; NULL: it does not. */
static const char *
below(const char *root, const char *path)
{
	size_t len = strlen(root);

	if (len == 0 || strncmp(path, root, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return path + len;
	if (root[len - 1] == '/')
		return path + len;
	return path[len] == '/' ? path + len + 1 : NULL;
}

/*
 * certbot's live/ and live/NAME have their files in the archive/ beside live/.
 * The path relative to `root` in `out`; 0: it is not there.
 */
static int
in_archive(const char *root, const char *path, char *out, size_t size)
{
	static const char live[] = "/live", archive[] = "/archive";
	const char *at, *found = NULL;
	const char *up = "..";
	size_t parent;

	for (at = strstr(root, live); at != NULL; at = strstr(at + 1, live))
		if (at[sizeof(live) - 1] == '/' || at[sizeof(live) - 1] == '\0')
			found = at;
	if (found == NULL)
		return 0;
	at = found + sizeof(live) - 1;
	if (*at != '\0') {
		if (strchr(at + 1, '/') != NULL)
			return 0;	/* deeper than live/NAME */
		up = "../..";
	}
	parent = (size_t)(found - root);
	if (strncmp(path, root, parent) != 0 ||
	    strncmp(path + parent, archive, sizeof(archive) - 1) != 0)
		return 0;
	at = path + parent + sizeof(archive) - 1;
	if (*at != '/' && *at != '\0')
		return 0;
	return snprintf(out, size, "%s%s", up, path + parent) < (int)size;
}

/* The nearest source, and of equal ones the one being loaded, else the newest. */
static const struct sst_cert_source *
nearest_locked(const struct sst_certs *certs, const char *path)
{
	const struct sst_cert_source *found = NULL;

	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		if (s->id != 0 && below(s->path, path) != NULL &&
		    (found == NULL || strlen(s->path) >= strlen(found->path)))
			found = s;
	return found;
}

static const struct sst_cert_source *
beside_locked(const struct sst_certs *certs, const char *path, char *out, size_t size)
{
	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		if (s->id != 0 && s->is_dir && in_archive(s->path, path, out, size))
			return s;
	return NULL;
}

/* 0, or an errno. The caller closes place->fd. */
static int
find(struct sst_certs *certs, const char *path, struct place *place)
{
	const struct sst_cert_source *s;
	int code = 0;

	memset(place, 0, sizeof(*place));
	place->fd = -1;
	if (strlen(path) >= sizeof(place->below) - 8)
		return ENAMETOOLONG;
	(void)pthread_mutex_lock(&certs->mu);
	s = nearest_locked(certs, path);
	if (s != NULL)
		(void)snprintf(place->below, sizeof(place->below), "%s",
		    below(s->path, path));
	else
		s = beside_locked(certs, path, place->below, sizeof(place->below));
	if (s == NULL)
		code = EACCES;
	else {
		place->id = s->id;
		place->watched = s->watched;
		place->is_dir = s->is_dir;
		/* The passed descriptor of a file is what the program named. */
		place->ask_keeper = s->watched && (s->is_dir || !s->fresh);
		if (!place->ask_keeper) {
			place->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
			code = place->fd < 0 ? errno : 0;
		}
	}
	(void)pthread_mutex_unlock(&certs->mu);
	return code;
}

/* Opens below a static directory, with the relay's own rights. */
static int
open_below(const struct place *place, int is_resolved)
{
	const char *name = place->below[0] == '\0' ? "." : place->below;

	return is_resolved ? sst_open_unlinked(place->fd, name) :
	    openat(place->fd, name, OPEN_FLAGS);
}

/* How a path is opened. */
enum opened { AS_IT_IS, RESOLVED, TO_LIST };

static int
open_place(struct sst_certs *certs, const char *path, enum opened how, int *ret_fd,
    struct sst_error *err)
{
	struct place place;
	int code = find(certs, path, &place);
	int fd;

	if (code != 0)
		return path_fail(err, code, path);
	if (place.ask_keeper && how == TO_LIST)
		return sst_files_open_list(certs->files, place.id, path, ret_fd, err);
	if (place.ask_keeper)
		return sst_files_open(certs->files, place.id, path, ret_fd, err);
	if (!place.is_dir) {
		(void)lseek(place.fd, 0, SEEK_SET);
		*ret_fd = place.fd;
		return SST_OK;
	}
	fd = open_below(&place, how == RESOLVED);
	code = errno;
	(void)close(place.fd);
	if (fd < 0)
		return path_fail(err, code, path);
	*ret_fd = fd;
	return SST_OK;
}

static int
certs_ahead(void *ctx, const char *path, struct sst_answer *ret)
{
	struct sst_certs *certs = ctx;
	struct place place;

	if (find(certs, path, &place) != 0)
		return SST_E_NOT_FOUND;
	if (place.fd >= 0)
		(void)close(place.fd);
	/* what the relay opens itself costs no messages */
	if (!place.ask_keeper || !place.is_dir)
		return SST_E_UNSUPPORTED;
	return sst_files_ahead(certs->files, place.id, path, ret);
}

static int
certs_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	return open_place(ctx, path, AS_IT_IS, ret_fd, err);
}

/* The keeper resolves all again, and judges it itself. */
static int
certs_open_resolved(void *ctx, const char *root, const char *path, int *ret_fd,
    struct sst_error *err)
{
	(void)root;
	return open_place(ctx, path, RESOLVED, ret_fd, err);
}

static int
list_fd(int fd, const char *path, int (*each)(void *arg, const char *name), void *arg,
    struct sst_error *err)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	int rc = SST_OK;
	int code;

	if (dir == NULL) {
		code = errno;
		(void)close(fd);
		return path_fail(err, code, path);
	}
	rewinddir(dir);
	while (rc >= 0) {
		errno = 0;
		e = readdir(dir);
		if (e == NULL) {
			if (errno != 0)
				rc = path_fail(err, errno, path);
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each(arg, e->d_name);
	}
	(void)closedir(dir);
	return rc < 0 ? rc : SST_OK;
}

static int
certs_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	int fd = -1;
	int rc = open_place(ctx, path, TO_LIST, &fd, err);

	return rc != SST_OK ? rc : list_fd(fd, path, each, arg, err);
}

static int
certs_exposed(void *ctx, const char *path, struct sst_error *err)
{
	struct sst_certs *certs = ctx;
	struct place place;
	char link[PATH_MAX + 64];
	int code, rc;

	if (atomic_load(&certs->keys_open))
		return 0;
	code = find(certs, path, &place);
	if (code != 0)
		return path_fail(err, code, path);
	/* The path is the program's: the keeper resolves it as the program does. */
	if (place.watched)
		rc = sst_files_exposed(certs->files, place.id, path, err);
	else {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d%s%s", place.fd,
		    place.is_dir ? "/" : "", place.below);
		rc = sst_source_files.exposed(NULL, link, NULL);
	}
	if (place.fd >= 0)
		(void)close(place.fd);
	return rc == 0 ? 0 : 1;	/* what cannot be found out counts as exposed */
}

static int
certs_readlink(void *ctx, const char *path, char *out, size_t size,
    struct sst_error *err)
{
	struct sst_certs *certs = ctx;
	struct place place;
	int code = find(certs, path, &place);
	ssize_t n;

	if (code != 0)
		return path_fail(err, code, path);
	if (strcmp(place.below, "../archive") == 0 ||
	    strcmp(place.below, "../../archive") == 0) {
		/* A step on the way; where it leads is judged at the end. */
		if (place.fd >= 0)
			(void)close(place.fd);
		return SST_E_NOT_FOUND;
	}
	if (place.watched) {
		if (place.fd >= 0)
			(void)close(place.fd);
		return sst_files_link(certs->files, place.id, path, out, size, err);
	}
	if (!place.is_dir || place.below[0] == '\0') {
		(void)close(place.fd);
		return SST_E_NOT_FOUND;
	}
	n = readlinkat(place.fd, place.below, out, size - 1);
	code = errno;
	(void)close(place.fd);
	if (n < 0 && (code == EINVAL || code == ENOENT || code == ENOTDIR))
		return SST_E_NOT_FOUND;
	if (n < 0)
		return path_fail(err, code, path);
	if ((size_t)n == size - 1)
		return path_fail(err, ENAMETOOLONG, path);
	out[n] = '\0';
	return SST_OK;
}

static int
certs_gone(void *ctx)
{
	const struct sst_certs *certs = ctx;

	return certs->files != NULL && sst_files_gone(certs->files);
}

static uint64_t
certs_unanswered(void *ctx)
{
	(void)ctx;
	return sst_files_unanswered() + unopened;
}

const struct sst_source_ops sst_cert_files = {
	.open = certs_open,
	.open_resolved = certs_open_resolved,
	.list = certs_list,
	.exposed = certs_exposed,
	.readlink = certs_readlink,
	.ahead = certs_ahead,
	.gone = certs_gone,
	.unanswered = certs_unanswered,
};
