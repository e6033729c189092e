/* SPDX-License-Identifier: ISC */
/* place - see place.h. */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
sst_place_name(enum sst_place_kind kind)
{
	switch (kind) {
	case SST_PLACE_MEMORY:
		break;
	case SST_PLACE_NAMED:
		return "directory";
	case SST_PLACE_MACHINE:
		return "machine";
	case SST_PLACE_USER:
		return "user";
	}
	return "memory";
}

int
sst_place_owner(const char *dir, uid_t *ret_uid, const char **ret_why)
{
	struct stat st;

	*ret_why = NULL;
	if (lstat(dir, &st) < 0)
		*ret_why = errno == ENOENT ? "there is none" : strerror(errno);
	else if (S_ISLNK(st.st_mode))
		*ret_why = "it is a symbolic link";
	else if (!S_ISDIR(st.st_mode))
		*ret_why = "it is not a directory";
	else if ((st.st_mode & 022) != 0)
		*ret_why = "others may write to it";
	if (*ret_why != NULL)
		return 0;
	*ret_uid = st.st_uid;
	return 1;
}

/* The cache of this uid. 0: there is no place for one. */
static int
user_dir(const struct sst_place_view *view, char out[PATH_MAX])
{
	const char *base = view->cache_home, *below = "";
	int n;

	if (base == NULL || base[0] != '/') {
		base = view->home;
		below = "/.cache";
	}
	if (base == NULL || base[0] != '/')
		return 0;
	n = snprintf(out, PATH_MAX, "%s%s/securesockets", base, below);
	return n > 0 && n < PATH_MAX;
}

void
sst_place_choose(const struct sst_place_view *view, const char *named, struct sst_place *ret)
{
	const char *why;
	uid_t owner;

	memset(ret, 0, sizeof(*ret));
	ret->kind = SST_PLACE_MEMORY;
	if (named != NULL) {
		if (snprintf(ret->dir, sizeof(ret->dir), "%s", named) < PATH_MAX &&
		    named[0] != '\0')
			ret->kind = SST_PLACE_NAMED;
		return;
	}
	if (!sst_place_owner(view->machine, &owner, &why)) {
		(void)snprintf(ret->why, sizeof(ret->why), "the machine's, %s: %s",
		    view->machine, why);
	} else if (owner == view->uid && owner != 0) {
		ret->kind = SST_PLACE_MACHINE;
		(void)snprintf(ret->dir, sizeof(ret->dir), "%s", view->machine);
		return;
	} else {
		ret->reads_machine = 1;
	}
	if (user_dir(view, ret->dir))
		ret->kind = SST_PLACE_USER;
	else
		ret->dir[0] = '\0';
}

/* ~/.cache, where nobody needed one yet: private, as the XDG rules have it. */
static void
make_above(const char *dir)
{
	char above[PATH_MAX];
	const size_t len = (size_t)(strrchr(dir, '/') - dir);

	memcpy(above, dir, len);
	above[len] = '\0';
	(void)mkdir(above, 0700);
}

void
sst_place_find(const char *named, struct sst_place *ret)
{
	const struct sst_place_view view = { .machine = SST_MACHINE_CACHE,
	    .uid = geteuid(), .cache_home = secure_getenv("XDG_CACHE_HOME"),
	    .home = secure_getenv("HOME") };

	sst_place_choose(&view, named, ret);
	if (ret->kind == SST_PLACE_USER)
		make_above(ret->dir);
}
