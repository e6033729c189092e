/* SPDX-License-Identifier: ISC */
/* index_place - see index_place.h. */
#include "index_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "digest.h"
#include "index_sql.h"

#define MACHINE		"/var/cache/securesockets"
#define NAME_DIGITS	32
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC	0xfe534d42
#endif

/* WAL needs both, and other machines see neither. */
int
sst_index_is_remote(uint32_t type)
{
	static const uint32_t remote[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
	    CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, V9FS_MAGIC, AFS_SUPER_MAGIC,
	    CODA_SUPER_MAGIC, CEPH_SUPER_MAGIC, NCP_SUPER_MAGIC, FUSE_SUPER_MAGIC };

	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if (type == remote[i])
			return 1;
	return 0;
}

static int
is_on_network(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) < 0 || sst_index_is_remote((uint32_t)fs.f_type);
}

/* Why a directory is no place for index files of `uid`, or NULL. */
static const char *
dir_fault(const char *dir, uid_t uid)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return errno == ENOENT ? "there is none" : strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "it is not a directory";
	if (st.st_uid != uid)
		return "it belongs to another user";
	if ((st.st_mode & 022) != 0)
		return "others may write to it";
	return NULL;
}

/* The directory that index-UID is made in. 0: there is none. */
static int
above(const struct sst_index_view *view, const char *named, char out[PATH_MAX])
{
	const char *base = view->cache_home, *below = "";
	int n;

	if (named[0] != '\0')
		return snprintf(out, PATH_MAX, "%s", named) < PATH_MAX - 64;
	/* what root makes in the machine's its owner could not write */
	if (view->uid != 0 && dir_fault(view->machine, view->uid) == NULL)
		return snprintf(out, PATH_MAX, "%s", view->machine) < PATH_MAX - 64;
	if (base == NULL || base[0] != '/') {
		base = view->home;
		below = "/.cache";
	}
	if (base == NULL || base[0] != '/')
		return 0;
	n = snprintf(out, PATH_MAX, "%s%s", base, below);
	if (n < 0 || n >= PATH_MAX - 64)
		return 0;
	(void)mkdir(out, 0700);
	(void)strcat(out, "/securesockets");
	(void)mkdir(out, 0700);
	return 1;
}

int
sst_index_place_by(const struct sst_index_view *view, const char *named,
    char out[PATH_MAX], char *why, size_t size)
{
	const char *fault;
	size_t len;

	if (!above(view, named, out)) {
		(void)snprintf(why, size, "this user has no cache directory");
		return 0;
	}
	len = strlen(out);
	(void)snprintf(out + len, PATH_MAX - len, "/index-%lu", (unsigned long)view->uid);
	(void)mkdir(out, 0700);
	fault = dir_fault(out, view->uid);
	if (fault == NULL && is_on_network(out))
		fault = "it is on a file system of the network";
	if (fault == NULL)
		return 1;
	(void)snprintf(why, size, "%s: %s", out, fault);
	return 0;
}

int
sst_index_place(const char *named, char out[PATH_MAX], char *why, size_t size)
{
	const struct sst_index_view view = { .machine = MACHINE, .uid = geteuid(),
	    .cache_home = secure_getenv("XDG_CACHE_HOME"), .home = secure_getenv("HOME") };

	return sst_index_place_by(&view, named, out, why, size);
}

int
sst_index_files(const struct sst_index_at *at, struct sst_index_files *ret)
{
	char id[PATH_MAX + 128], hex[NAME_DIGITS + 1];
	int n;

	n = snprintf(id, sizeof(id), "%d %llx %llx %s", SST_INDEX_SCHEMA,
	    (unsigned long long)at->dev, (unsigned long long)at->ino, at->path);
	if (n < 0 || (size_t)n >= sizeof(id))
		return 0;
	sst_digest(id, (size_t)n, ret->key);
	for (size_t i = 0; i < NAME_DIGITS / 2; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", ret->key[i]);
	return snprintf(ret->db, PATH_MAX, "%s/%s.db", at->place, hex) < PATH_MAX - 8 &&
	    snprintf(ret->gen, PATH_MAX, "%s/%s.gen", at->place, hex) < PATH_MAX;
}

const char *
sst_index_fault(const char *path, uid_t uid)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (st.st_uid != uid)
		return "it belongs to another user";
	if ((st.st_mode & 077) != 0)
		return "others may use it";
	return st.st_nlink != 1 ? "it has another name, too" : NULL;
}

void
sst_index_remove(const char *db)
{
	static const char *const ends[] = { "-wal", "-shm", "-journal", "" };
	char path[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", db, ends[i]);
		(void)unlink(path);
	}
}

/* Removes the index of this page, if nobody has it open to write. */
static void
sweep_one(const char *place, const char *name)
{
	char gen[PATH_MAX], db[PATH_MAX];
	int fd;

	if (snprintf(gen, sizeof(gen), "%s/%s", place, name) >= (int)sizeof(gen) ||
	    snprintf(db, sizeof(db), "%s/%.*s.db", place, NAME_DIGITS, name) >=
	    (int)sizeof(db))
		return;
	fd = open(gen, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		sst_index_remove(db);
		(void)unlink(gen);
	}
	(void)close(fd);
}

void
sst_index_sweep(const char *place, time_t now)
{
	DIR *dir = opendir(place);
	const struct dirent *e;
	struct stat st;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strlen(e->d_name) != NAME_DIGITS + 4 ||
		    strcmp(e->d_name + NAME_DIGITS, ".gen") != 0 ||
		    strspn(e->d_name, "0123456789abcdef") != NAME_DIGITS)
			continue;
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < now - (time_t)SST_INDEX_UNUSED_DAYS * 86400)
			sweep_one(place, e->d_name);
	}
	if (dir != NULL)
		(void)closedir(dir);
}
