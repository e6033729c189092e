/* SPDX-License-Identifier: ISC */
#include "links.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"

/* Whether `path` is `dir` or lies below it. */
static int
inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Cuts the last part off. */
static void
parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
	else
		*path = '\0';
}

/* live/ has its archive beside it; so has live/NAME, one folder further up. */
static int
may_lead_to(const char *root, const char *path)
{
	char dir[SST_PATH_SIZE + sizeof("/archive")];
	size_t n;

	if (inside(path, root))
		return 1;
	(void)snprintf(dir, SST_PATH_SIZE, "%s", root);
	parent(dir);
	n = strlen(dir);
	(void)strcpy(dir + n, "/archive");
	if (inside(path, dir))
		return 1;
	dir[n] = '\0';
	if (n < 5 || strcmp(dir + n - 5, "/live") != 0)
		return 0;
	(void)strcpy(dir + n - 5, "/archive");
	return inside(path, dir);
}

struct walk {
	char	at[SST_PATH_SIZE];	/* resolved so far */
	char	todo[SST_PATH_SIZE];	/* what is left of the path */
	int	hops;
};

/* Puts the target of a link before what is left. 0 or an errno. */
static int
follow(struct walk *w, const char *target)
{
	char rest[SST_PATH_SIZE];
	int n;

	if (++w->hops > SST_LINKS_MAX)
		return ELOOP;
	memcpy(rest, w->todo, strlen(w->todo) + 1);
	n = snprintf(w->todo, sizeof(w->todo), "%s/%s", target, rest);
	if (n < 0 || (size_t)n >= sizeof(w->todo))
		return ENAMETOOLONG;
	if (target[0] == '/')
		w->at[0] = '\0';
	return 0;
}

/* Takes the first part of todo. 0, an errno, or SST_E_*. */
static int
step(struct walk *w, const struct sst_source_ops *ops, void *ctx,
    struct sst_error *err)
{
	char next[SST_PATH_SIZE], target[SST_PATH_SIZE / 2];
	size_t part = strcspn(w->todo, "/"), skip;
	int n, rc;

	skip = part + (w->todo[part] == '/');
	if (part == 2 && strncmp(w->todo, "..", 2) == 0) {
		parent(w->at);
		memmove(w->todo, w->todo + skip, strlen(w->todo + skip) + 1);
		return 0;
	}
	if (part == 0 || (part == 1 && w->todo[0] == '.')) {
		memmove(w->todo, w->todo + skip, strlen(w->todo + skip) + 1);
		return 0;
	}
	n = snprintf(next, sizeof(next), "%s/%.*s", w->at, (int)part, w->todo);
	if (n < 0 || (size_t)n >= sizeof(next))
		return ENAMETOOLONG;
	memmove(w->todo, w->todo + skip, strlen(w->todo + skip) + 1);
	rc = ops->readlink(ctx, next, target, sizeof(target), err);
	if (rc == SST_OK)
		return follow(w, target);
	if (rc != SST_E_NOT_FOUND)
		return rc;
	memcpy(w->at, next, (size_t)n + 1);
	return 0;
}

/* Why the path is not resolved. */
static int
refuse(struct sst_error *err, const char *path, const char *why)
{
	char shown[400];

	return sst_fail(err, SST_E_REFUSED, "%s%s", sst_escape(shown, sizeof(shown), path,
	    strlen(path)), why);
}

static int
refuse_errno(struct sst_error *err, int number, const char *path)
{
	char shown[400];

	return sst_fail_errno(err, number, "%s", sst_escape(shown, sizeof(shown), path,
	    strlen(path)));
}

int
sst_links_resolve(const struct sst_source_ops *ops, void *ctx, const char *root,
    const char *path, char *out, struct sst_error *err)
{
	struct walk w;
	int rc = 0;

	if (strlen(path) >= sizeof(w.todo) || !inside(path, root))
		return refuse_errno(err, ENAMETOOLONG, path);
	(void)snprintf(w.at, sizeof(w.at), "%s", root);
	(void)snprintf(w.todo, sizeof(w.todo), "%s", path + strlen(root));
	w.hops = 0;
	while (rc == 0 && w.todo[0] != '\0')
		rc = step(&w, ops, ctx, err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		return refuse_errno(err, rc, path);
	if (!may_lead_to(root, w.at))
		return refuse(err, path, " is a link that leaves the"
		    " directory and its sibling archive");
	/* rows have paths as lines (rows.h): the rest of this one would be a path, too */
	if (strchr(w.at, '\n') != NULL)
		return refuse(err, path, " is a link to a path with a line's"
		    " end in it");
	memcpy(out, w.at, strlen(w.at) + 1);
	return SST_OK;
}
