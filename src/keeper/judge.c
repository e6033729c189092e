/* SPDX-License-Identifier: ISC */
#include "judge.h"

#include "paths.h"

#include "base/escape.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX	65536

static int
gid_order(const void *a, const void *b)
{
	const gid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* 1: the peer's supplementary groups are the caller's own. */
static int
same_groups(int conn)
{
	socklen_t len = GROUPS_MAX * sizeof(gid_t);
	gid_t *theirs = NULL, *ours = NULL;
	int n, same = 0;

	n = getgroups(0, NULL);
	if (n < 0)
		return 0;
	theirs = malloc(len);
	ours = calloc((size_t)n + 1, sizeof(gid_t));
	if (theirs == NULL || ours == NULL)
		goto out;
	n = getgroups(n, ours);
	if (n < 0 ||
	    getsockopt(conn, SOL_SOCKET, SO_PEERGROUPS, theirs, &len) != 0 ||
	    len != (size_t)n * sizeof(gid_t))
		goto out;
	qsort(theirs, (size_t)n, sizeof(gid_t), gid_order);
	qsort(ours, (size_t)n, sizeof(gid_t), gid_order);
	same = memcmp(theirs, ours, len) == 0;
out:
	free(theirs);
	free(ours);
	return same;
}

/* 1: process `pid` is in the caller's namespace of kind `kind`. 0: it is not.
 * -1: cannot be seen. */
static int
same_namespace(pid_t pid, const char *kind)
{
	struct stat ours, theirs;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	if (stat(path, &ours) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%ld/ns/%s", (long)pid, kind);
	if (stat(path, &theirs) != 0)
		return -1;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int
sst_judge_rights(int conn, char *why)
{
	static const char *const kinds[] = { "mnt", "user" };
	static const char *const names[] = { "mount", "user" };
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int same;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		(void)snprintf(why, SST_WHY_MAX, "the setter's rights are unknown");
		return 0;
	}
	if (cred.uid != geteuid() || cred.gid != getegid()) {
		(void)snprintf(why, SST_WHY_MAX, "set by uid %lu, gid %lu; files "
		    "are opened again only for uid %lu, gid %lu",
		    (unsigned long)cred.uid, (unsigned long)cred.gid,
		    (unsigned long)geteuid(), (unsigned long)getegid());
		return 0;
	}
	if (!same_groups(conn)) {
		(void)snprintf(why, SST_WHY_MAX,
		    "the setter is in other groups than when it started");
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		same = cred.pid <= 0 ? -1 : same_namespace(cred.pid, kinds[i]);
		if (same == 1)
			continue;
		(void)snprintf(why, SST_WHY_MAX, same == 0 ?
		    "the setter is in another %s namespace" :
		    "the setter's %s namespace cannot be seen", names[i]);
		return 0;
	}
	return 1;
}

/* `..` of a path means the parent of where its links lead, so only the file
 * system can take it out; the last component stays as it was named. */
static int
without_dots(char *path, size_t size)
{
	char whole[PATH_MAX], above[PATH_MAX];
	char *last;
	int n;

	if (!sst_path_has_dots(path))
		return 0;
	if (snprintf(whole, sizeof(whole), "%s", path) >= (int)sizeof(whole))
		return -1;
	last = strrchr(whole, '/');
	*last++ = '\0';
	if (strcmp(last, "..") == 0 || strcmp(last, ".") == 0) {
		if (realpath(path, above) == NULL)
			return -1;
		n = snprintf(path, size, "%s", above);
	} else {
		if (realpath(whole[0] == '\0' ? "/" : whole, above) == NULL)
			return -1;
		n = snprintf(path, size, "%s/%s",
		    strcmp(above, "/") == 0 ? "" : above, last);
	}
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

int
sst_judge_file(int conn, int file, char *path, size_t size, char *why)
{
	char shown[128];
	struct stat named, passed;

	if (path[0] == '\0') {
		(void)snprintf(why, SST_WHY_MAX, "given as bytes");
		return 0;
	}
	if (!sst_judge_rights(conn, why))
		return 0;
	(void)sst_escape(shown, sizeof(shown), path, strlen(path));
	if (path[0] != '/') {
		(void)snprintf(why, SST_WHY_MAX, "%s is not an absolute path", shown);
		return 0;
	}
	if (fstat(file, &passed) != 0 ||
	    (!S_ISREG(passed.st_mode) && !S_ISDIR(passed.st_mode))) {
		(void)snprintf(why, SST_WHY_MAX,
		    "%s is neither a file nor a directory", shown);
		return 0;
	}
	sst_path_clean(path);
	if (without_dots(path, size) != 0 || stat(path, &named) != 0 ||
	    named.st_dev != passed.st_dev || named.st_ino != passed.st_ino) {
		(void)snprintf(why, SST_WHY_MAX,
		    "%s is another file, or none, outside the program", shown);
		return 0;
	}
	return 1;
}
