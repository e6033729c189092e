/* SPDX-License-Identifier: ISC */
#include "ahead.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"

/* The text behind the one at `at`; NULL: there is none. */
static const char *
next(const struct sst_answer *w, const char *at)
{
	at += strlen(at) + 1;
	return at < w->text + w->len ? at : NULL;
}

/* Finds where the names and the paths begin. 1, or 0: it is no answer. */
static int
take_apart(struct sst_ahead *a)
{
	const struct sst_answer *w = &a->answer;
	const char *at = w->text;

	if (w->len == 0 || w->len > sizeof(w->text) || w->text[w->len - 1] != '\0' ||
	    w->n_fds > SST_ANSWER_FDS)
		return 0;
	a->names = w->text;
	while (at != NULL && *at != '\0') {
		if (strchr(at, '/') != NULL)
			return 0;
		at = next(w, at);
		if (at != NULL)
			at = next(w, at);
	}
	for (size_t i = 0; at != NULL && i < w->n_fds; i++)
		at = a->file[i] = next(w, at);
	return at != NULL && next(w, at) == NULL;
}

/* Whether `path` is `dir` or lies below it. */
static int
inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The target of an entry of the folder ("": it is no link), or NULL: not known. */
static const char *
entry(const struct sst_ahead *a, const char *path)
{
	const size_t n = strlen(a->path);
	const char *at, *target;

	if (!a->is_folder || !inside(path, a->path) || path[n] == '\0')
		return NULL;
	for (at = a->names; *at != '\0'; at = next(&a->answer, target)) {
		target = next(&a->answer, at);
		if (strcmp(at, path + n + 1) == 0)
			return target;
	}
	return NULL;
}

/* Of a file that was opened no part is a link, but for what lies above the name. */
static int
is_no_link(const struct sst_ahead *a, const char *path)
{
	if (strcmp(path, a->path) == 0)
		return 1;
	for (size_t i = 0; i < a->answer.n_fds; i++)
		if (inside(a->file[i], path) && !inside(a->path, path))
			return 1;
	return 0;
}

/* 1: it was opened with the answer. */
static int
is_open(struct sst_ahead *a, const char *path, int *ret_fd)
{
	for (size_t i = 0; i < a->answer.n_fds; i++) {
		if (a->answer.fd[i] < 0 || strcmp(a->file[i], path) != 0)
			continue;
		*ret_fd = a->answer.fd[i];
		a->answer.fd[i] = -1;
		return 1;
	}
	return 0;
}

static int
ahead_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	struct sst_ahead *a = ctx;

	return is_open(a, path, ret_fd) ? SST_OK :
	    a->source->ops->open(a->source->ctx, path, ret_fd, err);
}

static int
ahead_open_resolved(void *ctx, const char *root, const char *path, int *ret_fd,
    struct sst_error *err)
{
	const struct sst_scan_env *source = ((struct sst_ahead *)ctx)->source;

	if (is_open(ctx, path, ret_fd))
		return SST_OK;
	return source->ops->open_resolved != NULL ?
	    source->ops->open_resolved(source->ctx, root, path, ret_fd, err) :
	    source->ops->open(source->ctx, path, ret_fd, err);
}

static int
ahead_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	struct sst_ahead *a = ctx;
	int rc = SST_OK;

	if (!a->is_folder || strcmp(path, a->path) != 0)
		return a->source->ops->list(a->source->ctx, path, each, arg, err);
	for (const char *at = a->names; rc >= 0 && *at != '\0';
	    at = next(&a->answer, next(&a->answer, at)))
		rc = each(arg, at);
	return rc < 0 ? rc : SST_OK;
}

static int
ahead_exposed(void *ctx, const char *path, struct sst_error *err)
{
	struct sst_ahead *a = ctx;

	return a->source->ops->exposed(a->source->ctx, path, err);
}

static int
ahead_readlink(void *ctx, const char *path, char *out, size_t size, struct sst_error *err)
{
	struct sst_ahead *a = ctx;
	const char *target = entry(a, path);

	if (target == NULL && !is_no_link(a, path))
		return a->source->ops->readlink(a->source->ctx, path, out, size, err);
	if (target == NULL || *target == '\0')
		return SST_E_NOT_FOUND;
	if (strlen(target) >= size)
		return sst_fail_errno(err, ENAMETOOLONG, "the target of a link");
	(void)strcpy(out, target);
	return SST_OK;
}

static int
ahead_gone(void *ctx)
{
	struct sst_ahead *a = ctx;

	return a->source->ops->gone != NULL && a->source->ops->gone(a->source->ctx);
}

static const struct sst_source_ops ahead_ops = {
	.open = ahead_open,
	.open_resolved = ahead_open_resolved,
	.list = ahead_list,
	.exposed = ahead_exposed,
	.readlink = ahead_readlink,
	.gone = ahead_gone,
};

const struct sst_scan_env *
sst_ahead_ask(struct sst_ahead *a, const struct sst_scan_env *source, const char *path)
{
	a->answer.len = a->answer.n_fds = 0;
	a->is_folder = 0;
	if (source->ops->ahead == NULL ||
	    source->ops->ahead(source->ctx, path, &a->answer) < 0)
		return source;
	if (!take_apart(a)) {
		if (a->answer.n_fds > SST_ANSWER_FDS)
			a->answer.n_fds = SST_ANSWER_FDS;
		sst_ahead_done(a);
		return source;
	}
	a->source = source;
	a->path = path;
	a->is_folder = a->answer.is_folder;
	a->env = *source;
	a->env.ops = &ahead_ops;
	a->env.ctx = a;
	return &a->env;
}

void
sst_ahead_done(struct sst_ahead *a)
{
	for (size_t i = 0; i < a->answer.n_fds; i++)
		if (a->answer.fd[i] >= 0)
			(void)close(a->answer.fd[i]);
	a->answer.n_fds = 0;
}
