/* SPDX-License-Identifier: ISC */
/*
 * doctor_access - the part of sstool doctor --unit that asks whether the user of
 * a service reads the certificates and keys that its settings name.
 *
 * doctor_unit.c calls it.
 *
 * Always true:
 *   1. Nothing is opened as that user: owner, group and mode of every directory
 *      above are compared. Access lists are not seen.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "unit.h"

#define PATH_SIZE	4096

/* Whether a user and group may do what `bits` (4 read, 1 search) says. */
static int
may(const struct stat *st, uid_t uid, const gid_t *groups, int n, unsigned bits)
{
	if (st->st_uid == uid)
		return (st->st_mode >> 6 & bits) == bits;
	for (int i = 0; i < n; i++)
		if (st->st_gid == groups[i])
			return (st->st_mode >> 3 & bits) == bits;
	return (st->st_mode & bits) == bits;
}

/* 1: the user reaches and reads `path`. `stop`: where it ends. */
static int
user_reads(const char *path, uid_t uid, const gid_t *groups, int n,
    char stop[PATH_SIZE])
{
	char *real = realpath(path, NULL);
	struct stat st;
	int ok = real != NULL;

	for (char *slash = real; ok && slash != NULL; ) {
		slash = strchr(slash + 1, '/');
		if (slash != NULL)
			*slash = '\0';
		snprintf(stop, PATH_SIZE, "%s", real);
		ok = stat(real, &st) == 0 && may(&st, uid, groups, n,
		    S_ISDIR(st.st_mode) ? (slash != NULL ? 1 : 5) : 4);
		if (slash != NULL)
			*slash = '/';
	}
	free(real);
	return ok;
}

/* 1: a directory, or a file that holds a certificate or a key in PEM. */
static int
is_secret(const char *path)
{
	char text[65536];
	struct stat st;
	size_t n;
	FILE *f;

	if (stat(path, &st) != 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return strstr(path, "/etc/letsencrypt") == path ||
		    strstr(path, "ssl") != NULL || strstr(path, "cert") != NULL;
	if (!S_ISREG(st.st_mode) || (f = fopen(path, "re")) == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return strstr(text, "-----BEGIN") != NULL;
}

static void
judge_word(struct sst_doctor *d, const char *user, const char *word, uid_t uid,
    const gid_t *groups, int n)
{
	const char *path = strchr(word, '/');
	char stop[PATH_SIZE] = "", line[2 * PATH_SIZE];

	/* "--cert=/path", "NAME=/path" and "/path" alike */
	if (path == NULL || !is_secret(path))
		return;
	if (user_reads(path, uid, groups, n, stop)) {
		sst_find(d, SST_FINE, "User", NULL, "%s reads %s", user, path);
		return;
	}
	snprintf(line, sizeof(line), "setfacl -m u:%s:rX %s", user, stop);
	sst_find(d, SST_WARN, "User", line, "%s cannot read %s (%s): "
	    "setsockopt is EACCES, unless the program opens it before it "
	    "becomes %s", user, path, stop, user);
}

void
sst_doctor_access(struct sst_doctor *d, const struct sst_unit *u, const char *user)
{
	static const char *const keys[] = { "ExecStart", "Environment" };
	const struct passwd *pw = getpwnam(user);
	gid_t groups[256];
	int n = 256;
	const char *value;
	char word[PATH_SIZE];
	size_t at;

	if (pw == NULL) {
		if (!sst_unit_yes(u, "DynamicUser"))
			sst_find(d, SST_WARN, "User", NULL,
			    "%s is not a user of this machine", user);
		return;
	}
	if (getgrouplist(user, pw->pw_gid, groups, &n) < 0)
		n = 256;
	for (int i = 0; i < 2; i++)
		for (at = 0; (value = sst_unit_each(u, keys[i], &at)) != NULL; )
			while (sst_unit_word(&value, word, sizeof(word)))
				judge_word(d, user, word, pw->pw_uid, groups, n);
}
