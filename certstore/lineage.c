/* SPDX-License-Identifier: ISC */
#include "lineage.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "scan.h"

#define VERSION_DIGITS	9

static const char *const kinds[SST_PARTS] = { "cert", "privkey", "chain", "fullchain" };

const char *
sst_lineage_kind(enum sst_lineage_part part)
{
	return kinds[part];
}

int
sst_lineage_version(enum sst_lineage_part part, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *at = slash == NULL ? path : slash + 1;
	size_t len = strlen(kinds[part]), digits;

	if (strncmp(at, kinds[part], len) != 0)
		return 0;
	at += len;
	digits = strspn(at, "0123456789");
	if (digits > VERSION_DIGITS || at[0] == '0' ||
	    strcmp(at + digits, ".pem") != 0)
		return 0;
	return atoi(at);
}

/* The lowest of the numbers, and how many links are not there. */
static int
lowest(const int n[SST_PARTS], int *ret_missing)
{
	int low = 0;

	*ret_missing = 0;
	for (int i = 0; i < SST_PARTS; i++) {
		if (n[i] == 0)
			(*ret_missing)++;
		else if (low == 0 || n[i] < low)
			low = n[i];
	}
	return low;
}

struct sst_lineage_choice
sst_lineage_judge(const int n[SST_PARTS], int served)
{
	const int key = n[SST_PART_PRIVKEY], full = n[SST_PART_FULLCHAIN];
	struct sst_lineage_choice c = { .verdict = SST_LINEAGE_TAKE };
	int missing, low = lowest(n, &missing);

	if (full > 0 && full == key) {
		c.version = full;
	} else if (full == 0 && key > 0 && n[SST_PART_CERT] == key &&
	    n[SST_PART_CHAIN] == key) {
		c.version = key;
		c.split = 1;
	} else if ((full > 0 && key > 0) || missing == 1) {
		/* certbot leaves out one link at a time, and no more */
		c.verdict = SST_LINEAGE_WAIT;
		c.version = served > low ? served : low;
		return c;
	} else {
		return (struct sst_lineage_choice){ .verdict = SST_LINEAGE_NONE };
	}
	if (c.version < served)
		c.verdict = SST_LINEAGE_BACK;
	return c;
}

int
sst_lineage_may_go_back(int there, int valid, int64_t ms)
{
	return valid && (!there || ms >= SST_BACK_MS);
}

static int
name_cmp(const void *name, const void *at)
{
	return strcmp(name, *(const char *const *)at);
}

/*
 * The target of DIR/KIND.pem. 1: a link; 0: there is nothing (any more); -1: there
 * is something else. The three look alike to a reader that comes while certbot is
 * between unlink and symlink, so what is no link is looked at twice.
 */
static int
link_target(const struct sst_scan_env *env, const char *path, char *out, size_t size)
{
	struct sst_error why = { .code = SST_OK };
	int fd, rc;

	for (int turn = 0; turn < 2; turn++) {
		rc = env->ops->readlink(env->ctx, path, out, size, NULL);
		if (rc != SST_E_NOT_FOUND)
			return rc == SST_OK ? 1 : -1;
		if (turn > 0)
			break;
		rc = env->ops->open(env->ctx, path, &fd, &why);
		if (rc < 0)
			return why.sys_errno == ENOENT ? 0 : -1;
		(void)close(fd);
	}
	return -1;
}

/* What a look at the links keeps from one to the next. */
struct look {
	const struct sst_scan_env *env;
	const char	*root, *dir;
	char *const	*names;
	size_t		 n_names;
	char		 where[SST_PATH_SIZE / 2];	/* the folder that they lead to */
};

/* The folder of the first target; the others must have the same. 1 or 0. */
static int
same_folder(struct look *l, const char *target, struct sst_lineage *ret)
{
	const char *slash = strrchr(target, '/');
	char path[SST_PATH_SIZE];
	size_t len;
	int n;

	if (slash == NULL || target[0] == '/')
		return 0;
	len = (size_t)(slash - target);
	if (l->where[0] != '\0')
		return strlen(l->where) == len && memcmp(l->where, target, len) == 0;
	memcpy(l->where, target, len);
	l->where[len] = '\0';
	n = snprintf(path, sizeof(path), "%s/%s", l->dir, l->where);
	return n > 0 && (size_t)n < sizeof(path) &&
	    sst_links_resolve(l->env->ops, l->env->ctx, l->root, path, ret->archive,
	    NULL) == SST_OK && strcmp(ret->archive, l->dir) != 0;
}

/* The number of one link. 1: known, 0 if it is not there; 0: not certbot's. */
static int
link_look(struct look *l, enum sst_lineage_part part, struct sst_lineage *ret)
{
	char name[16], path[SST_PATH_SIZE], target[SST_PATH_SIZE / 2];
	int n, is;

	(void)snprintf(name, sizeof(name), "%s.pem", kinds[part]);
	if (bsearch(name, l->names, l->n_names, sizeof(*l->names), name_cmp) == NULL)
		return 1;
	n = snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	is = link_target(l->env, path, target, sizeof(target));
	if (is <= 0)
		return is == 0;
	ret->n[part] = sst_lineage_version(part, target);
	return ret->n[part] > 0 && same_folder(l, target, ret);
}

/* Whether the two files of a version can be opened. */
static int
is_there(const struct sst_scan_env *env, const struct sst_lineage *l, int version)
{
	static const enum sst_lineage_part needed[] = { SST_PART_FULLCHAIN,
	    SST_PART_PRIVKEY };
	char path[SST_PATH_SIZE];
	int fd;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (sst_lineage_file(env, l, needed[i], version, path, NULL) < 0 ||
		    env->ops->open(env->ctx, path, &fd, NULL) < 0)
			return 0;
		(void)close(fd);
	}
	return 1;
}

/* Whether the first certificate of the lower version is within its dates. */
static int
is_valid(const struct sst_scan_env *env, const struct sst_lineage *l, time_t now)
{
	struct sst_pem pem = { 0 };
	char path[SST_PATH_SIZE];
	int open_key, valid = 0;
	X509 *x;

	if (sst_lineage_file(env, l, l->choice.split ? SST_PART_CERT :
	    SST_PART_FULLCHAIN, l->choice.version, path, NULL) < 0 ||
	    sst_scan_read(env, path, &pem, &open_key, NULL) != SST_OK)
		return 0;
	if (sk_X509_num(pem.certs) > 0) {
		x = sk_X509_value(pem.certs, 0);
		valid = X509_cmp_time(X509_get0_notBefore(x), &now) < 0 &&
		    X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
	}
	sst_pem_done(&pem);
	return valid;
}

/* The links lead to a version below the one that is served. */
static void
back_judge(const struct sst_scan_env *env, const struct sst_served *served,
    struct sst_lineage *ret)
{
	const int lower = ret->choice.version;
	const int64_t ms = served->back == lower ? served->back_ms : 0;

	if (sst_lineage_may_go_back(is_there(env, ret, served->version),
	    is_valid(env, ret, served->now), ms)) {
		ret->choice.verdict = SST_LINEAGE_TAKE;
		return;
	}
	ret->back = lower;
	ret->choice = (struct sst_lineage_choice){ .verdict = SST_LINEAGE_WAIT,
	    .version = served->version };
}

void
sst_lineage_look(const struct sst_scan_env *env, const char *root, const char *dir,
    char *const *names, size_t n, const struct sst_served *served,
    struct sst_lineage *ret)
{
	struct look l = { .env = env, .root = root, .dir = dir, .names = names,
	    .n_names = n };

	memset(ret->n, 0, sizeof(ret->n));
	ret->choice = (struct sst_lineage_choice){ .verdict = SST_LINEAGE_NONE };
	ret->back = 0;
	ret->archive[0] = '\0';
	if (n == 0 || !link_look(&l, SST_PART_FULLCHAIN, ret) ||
	    !link_look(&l, SST_PART_PRIVKEY, ret))
		return;
	/* equal: the other two have no say, and cost no question */
	if (ret->n[SST_PART_FULLCHAIN] != ret->n[SST_PART_PRIVKEY] &&
	    (!link_look(&l, SST_PART_CERT, ret) || !link_look(&l, SST_PART_CHAIN, ret)))
		return;
	ret->choice = sst_lineage_judge(ret->n, served->version);
	if (ret->choice.verdict == SST_LINEAGE_BACK)
		back_judge(env, served, ret);
}

int
sst_lineage_file(const struct sst_scan_env *env, const struct sst_lineage *l,
    enum sst_lineage_part part, int version, char *out, struct sst_error *err)
{
	char name[SST_PATH_SIZE / 2], target[SST_PATH_SIZE / 2];
	int n, rc;

	(void)snprintf(name, sizeof(name), "%s%d.pem", kinds[part], version);
	for (int hops = 0; hops < SST_LINKS_MAX; hops++) {
		n = snprintf(out, SST_PATH_SIZE, "%s/%s", l->archive, name);
		if (n < 0 || n >= SST_PATH_SIZE)
			return sst_fail_errno(err, ENAMETOOLONG, "archive");
		rc = env->ops->readlink(env->ctx, out, target, sizeof(target), err);
		if (rc == SST_E_NOT_FOUND)
			return SST_OK;	/* the file itself, or nothing: opening tells */
		if (rc < 0)
			return rc;
		/* --reuse-key: to an older key beside it, and nowhere else */
		if (sst_lineage_version(part, target) == 0 || strchr(target, '/') != NULL)
			return sst_fail(err, SST_E_REFUSED, "%s of the archive is a link"
			    " that leaves it", name);
		memcpy(name, target, strlen(target) + 1);
	}
	return sst_fail_errno(err, ELOOP, "%s of the archive", kinds[part]);
}

int
sst_lineage_owns(const struct sst_lineage *l, const char *name)
{
	size_t len;

	if (l->choice.verdict == SST_LINEAGE_NONE)
		return 0;
	for (int i = 0; i < SST_PARTS; i++) {
		len = strlen(kinds[i]);
		if (strncmp(name, kinds[i], len) == 0 && strcmp(name + len, ".pem") == 0)
			return 1;
	}
	return 0;
}

void
sst_lineage_why(const struct sst_lineage *l, char *out, size_t size)
{
	size_t at = 0;

	if (l->back != 0) {
		(void)snprintf(out, size, "its links went back to version %d, which is"
		    " out of its dates or has not stayed for a minute: version %d goes"
		    " on", l->back, l->choice.version);
		return;
	}
	if (l->choice.verdict != SST_LINEAGE_WAIT) {
		(void)snprintf(out, size, "the files of version %d are no pair",
		    l->choice.version);
		return;
	}
	for (int i = 0; i < SST_PARTS && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s.pem %d",
		    i == 0 ? "its links are of several versions (" : ", ", kinds[i],
		    l->n[i]);
	if (at < size)
		(void)snprintf(out + at, size - at, "; 0: not there): version %d goes on",
		    l->choice.version);
}
