/* SPDX-License-Identifier: ISC */
#include "trail.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX	40

struct walk {
	char	done[PATH_MAX];		/* resolved so far; "" is the root */
	char	rest[PATH_MAX];		/* what follows, without a leading slash */
	char	name[NAME_MAX + 1];
	int	links;
};

/* Takes the next component of `rest`. 1, 0: none left, -1: too long. */
static int
next_name(struct walk *w)
{
	size_t skip = strspn(w->rest, "/");
	size_t n = strcspn(w->rest + skip, "/");

	if (n == 0)
		return 0;
	if (n > NAME_MAX)
		return -1;
	memcpy(w->name, w->rest + skip, n);
	w->name[n] = '\0';
	skip += n;
	skip += strspn(w->rest + skip, "/");
	memmove(w->rest, w->rest + skip, strlen(w->rest + skip) + 1);
	return 1;
}

/* Adds the component to `done`, or takes one off for "..". */
static int
descend(struct walk *w)
{
	size_t n = strlen(w->done);
	char *last;

	if (strcmp(w->name, ".") == 0)
		return 0;
	if (strcmp(w->name, "..") == 0) {
		last = strrchr(w->done, '/');
		if (last != NULL)
			*last = '\0';
		return 0;
	}
	if (n + strlen(w->name) + 2 > sizeof(w->done))
		return -1;
	w->done[n] = '/';
	(void)strcpy(w->done + n + 1, w->name);
	return 0;
}

/* The link `path` takes the place of its component: 0, or -1. */
static int
follow(struct walk *w, const char *path)
{
	char target[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0 || ++w->links > LINKS_MAX)
		return -1;
	target[n] = '\0';
	(void)snprintf(joined, sizeof(joined), "%s/%s", target, w->rest);
	if (strlen(joined) >= sizeof(w->rest))
		return -1;
	(void)strcpy(w->rest, joined);
	if (target[0] == '/')
		w->done[0] = '\0';
	return 0;
}

/* One or none component is left. */
static int
near_the_end(const struct walk *w)
{
	const char *slash = strchr(w->rest, '/');

	return slash == NULL || slash[1] == '\0';
}

int
sst_trail(const char *path,
    int (*each)(void *arg, const char *dir, const char *name), void *arg)
{
	struct walk w = { .links = 0 };
	char here[PATH_MAX + NAME_MAX + 2];
	struct stat st;
	int is_link, missing, rc;

	if (snprintf(w.rest, sizeof(w.rest), "%s", path) >= (int)sizeof(w.rest))
		return -1;
	while ((rc = next_name(&w)) == 1) {
		(void)snprintf(here, sizeof(here), "%s/%s", w.done, w.name);
		missing = lstat(here, &st) != 0;
		is_link = !missing && S_ISLNK(st.st_mode);
		if (is_link || missing || near_the_end(&w)) {
			rc = each(arg, w.done[0] == '\0' ? "/" : w.done, w.name);
			if (rc != 0)
				return rc;
		}
		if (missing)
			return 0;
		if ((is_link ? follow(&w, here) : descend(&w)) != 0)
			return -1;
	}
	return rc;
}
