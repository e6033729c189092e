/* SPDX-License-Identifier: ISC */
/* scan_file - the part of scan.h that reads single files and lists folders. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fail.h"
#include "scan.h"

#define SHOWN_SIZE	1024

/* For a text: a path that is read as it should be is not escaped. */
static const char *
show(char out[SHOWN_SIZE], const char *path)
{
	return sst_escape(out, SHOWN_SIZE, path, strlen(path));
}

/* Bytes of a file: an allocation of some KB costs more than to read them. */
struct bytes {
	uint8_t	 small[SST_PEM_USUAL], *v;
	size_t	 len;
};

static void
bytes_clear(struct bytes *b)
{
	OPENSSL_cleanse(b->v, b->len);
	if (b->v != b->small)
		free(b->v);
}

/* The file's bytes, which the caller clears. 1: a directory. */
static int
bytes_read(const struct sst_scan_env *env, const char *root, const char *path,
    struct bytes *ret, struct stat *st, struct sst_error *err)
{
	char shown[SHOWN_SIZE];
	size_t size;
	ssize_t n;
	int fd = -1, rc;

	rc = root != NULL && env->ops->open_resolved != NULL ?
	    env->ops->open_resolved(env->ctx, root, path, &fd, err) :
	    env->ops->open(env->ctx, path, &fd, err);
	if (rc < 0)
		return rc;
	if (fstat(fd, st) < 0) {
		rc = sst_fail_errno(err, errno, "%s", show(shown, path));
		goto out;
	}
	if (S_ISDIR(st->st_mode)) {
		rc = 1;
		goto out;
	}
	if (!S_ISREG(st->st_mode)) {
		rc = sst_fail(err, SST_E_REFUSED, "%s is not a regular file",
		    show(shown, path));
		goto out;
	}
	if ((uint64_t)st->st_size > SST_PEM_MAX_BYTES) {
		rc = sst_fail(err, SST_E_LIMIT, "%s has %lld bytes: certificates and"
		    " keys have at most %zu", show(shown, path),
		    (long long)st->st_size, SST_PEM_MAX_BYTES);
		goto out;
	}
	size = (size_t)st->st_size;
	if (size > sizeof(ret->small))
		ret->v = malloc(size);
	if (ret->v == NULL) {
		ret->v = ret->small;
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	while (ret->len < size &&
	    (n = read(fd, ret->v + ret->len, size - ret->len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = sst_fail_errno(err, errno, "%s", show(shown, path));
			goto out;
		}
		ret->len += (size_t)n;
	}
out:
	(void)close(fd);
	return rc;
}

/*
 * A key is open when others may read the file and reach it. 0: it is not, or
 * the program said that it may be; 1: that, and it is open.
 */
static int
key_guard(const struct sst_scan_env *env, const char *path, const struct stat *st,
    struct sst_error *err)
{
	char shown[SHOWN_SIZE];
	int exposed;

	if ((st->st_mode & S_IROTH) == 0)
		return 0;
	exposed = env->ops->exposed(env->ctx, path, err);
	if (exposed <= 0)
		return exposed;
	if (env->keys_may_be_open)
		return 1;
	(void)show(shown, path);
	return sst_fail_errno(err, EACCES, "every user can read the private key"
	    " in %s: chmod o-rwx %s", shown, shown);
}

int
sst_scan_read_below(const struct sst_scan_env *env, const char *root, const char *path,
    struct sst_pem *ret, int *ret_open_key, struct sst_error *err)
{
	struct sst_error inner = { .code = SST_OK };
	struct sst_pem pem = { 0 };
	char shown[SHOWN_SIZE];
	struct bytes bytes;
	struct stat st;
	int rc;

	*ret_open_key = 0;
	bytes.v = bytes.small;
	bytes.len = 0;
	rc = bytes_read(env, root, path, &bytes, &st, err);
	if (rc != 0)
		goto out;
	rc = sst_pem_read(bytes.v, bytes.len, env->intern, &pem, &inner);
	if (rc < 0) {
		rc = sst_fail(err, rc, "%s: %s", show(shown, path), inner.text);
		goto out;
	}
	if (pem.n_keys > 0)
		rc = key_guard(env, path, &st, err);
	if (rc < 0) {
		sst_pem_done(&pem);
		goto out;
	}
	*ret_open_key = rc;
	*ret = pem;
	rc = SST_OK;
out:
	bytes_clear(&bytes);
	return rc;
}

int
sst_scan_read(const struct sst_scan_env *env, const char *path, struct sst_pem *ret,
    int *ret_open_key, struct sst_error *err)
{
	return sst_scan_read_below(env, NULL, path, ret, ret_open_key, err);
}

static int
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}

int
sst_scan_left_over(const char *name)
{
	static const char *const ends[] = { "~", ".swp", ".swo", ".tmp", ".bak",
	    ".old", ".orig", ".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-tmp",
	    ".rpmnew", ".rpmsave", ".rpmorig", "#" };

	if (name[0] == '.' || name[0] == '#' || strncmp(name, "previous_", 9) == 0)
		return 1;
	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return 1;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends_in(name, ends[i]))
			return 1;
	}
	return 0;
}

struct listing {
	char		**v;
	size_t		 n, room;
	size_t		 met, most;
	struct sst_error *err;
};

static int
name_take(void *arg, const char *name)
{
	struct listing *l = arg;
	char **grown, *copy;
	size_t room;

	if (l->met++ == l->most)
		return sst_fail(l->err, SST_E_LIMIT, "it has more than %zu entries%s",
		    l->most, l->most < SST_SCAN_NAMES_MAX ? ": a folder of so many is"
		    " read only where it is set as a directory itself" : "");
	if (sst_scan_left_over(name))
		return SST_OK;
	if (l->n == l->room) {
		room = l->room == 0 ? 16 : l->room * 2;
		grown = reallocarray(l->v, room, sizeof(*grown));
		if (grown == NULL)
			return sst_fail(l->err, SST_E_NOMEM, "out of memory");
		l->v = grown;
		l->room = room;
	}
	copy = strdup(name);
	if (copy == NULL)
		return sst_fail(l->err, SST_E_NOMEM, "out of memory");
	l->v[l->n++] = copy;
	return SST_OK;
}

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
sst_scan_names(const struct sst_scan_env *env, const char *path, size_t most,
    char ***ret, size_t *ret_n, struct sst_error *err)
{
	struct listing l = { .most = most, .err = err };
	int rc;

	rc = env->ops->list(env->ctx, path, name_take, &l, err);
	if (rc < 0) {
		sst_scan_names_done(l.v, l.n);
		return rc;
	}
	if (l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), name_cmp);
	*ret = l.v;
	*ret_n = l.n;
	return SST_OK;
}

void
sst_scan_names_done(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}
