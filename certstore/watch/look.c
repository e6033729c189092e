/* SPDX-License-Identifier: ISC */
#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

uint64_t
sst_look_mix(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n-- > 0)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

static uint64_t
mix_stat(uint64_t h, const struct stat *st, int times)
{
	int64_t v[10] = { (int64_t)st->st_dev, (int64_t)st->st_ino,
	    (int64_t)st->st_mode, (int64_t)st->st_uid, (int64_t)st->st_gid };

	if (times) {
		v[5] = S_ISDIR(st->st_mode) ? 0 : (int64_t)st->st_size;
		v[6] = st->st_ctim.tv_sec;
		v[7] = st->st_ctim.tv_nsec;
		v[8] = st->st_mtim.tv_sec;
		v[9] = st->st_mtim.tv_nsec;
	}
	return sst_look_mix(h, v, sizeof(v));
}

static uint32_t
fold(uint64_t h)
{
	uint32_t n = (uint32_t)(h ^ h >> 32);

	return n == 0 ? 1 : n;
}

uint32_t
sst_look_stat(const struct stat *st)
{
	return fold(mix_stat(SST_LOOK_START, st, 1));
}

int
sst_look_is_since(const struct stat *st, const struct timespec *since)
{
	const struct timespec *t = &st->st_ctim;

	if (t->tv_sec != since->tv_sec)
		return t->tv_sec > since->tv_sec;
	return t->tv_nsec == 0 || t->tv_nsec >= since->tv_nsec;
}

static int
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Of a file that a name in the directory `at` leads to. */
static uint64_t
mix_target(int at, const char *name, const struct timespec *since, int *since_seen)
{
	uint64_t h = sst_look_mix(SST_LOOK_START, name, strlen(name) + 1);
	struct stat st;

	if (fstatat(at, name, &st, 0) != 0)
		return h;
	/* Of a directory the times move with what nobody reads. */
	if (!S_ISDIR(st.st_mode))
		*since_seen |= sst_look_is_since(&st, since);
	return mix_stat(h, &st, !S_ISDIR(st.st_mode));
}

uint32_t
sst_look_files(int at, const char *name, const struct timespec *since, int *ret_since)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	uint64_t sum = 0;
	size_t n = 0;
	DIR *list;

	*ret_since = 0;
	if (fd < 0)
		return fold(mix_target(at, name, since, ret_since));
	list = fdopendir(fd);
	if (list == NULL) {
		(void)close(fd);
		return 1;
	}
	/* Their order does not count. */
	while (n <= SST_FOLDER_MAX && (e = readdir(list)) != NULL)
		if (!is_dots(e->d_name) && ++n <= SST_FOLDER_MAX)
			sum += mix_target(fd, e->d_name, since, ret_since);
	(void)closedir(list);
	return fold(n > SST_FOLDER_MAX ? 0 : sum);
}

static uint64_t
mix_entry(int at, const char *name)
{
	uint64_t h = sst_look_mix(SST_LOOK_START, name, strlen(name) + 1);
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return h;
	return mix_stat(h, &st, !S_ISDIR(st.st_mode));
}

static uint64_t
every_name(int fd)
{
	uint64_t sum = mix_entry(fd, ".");
	DIR *list = fdopendir(fd);
	const struct dirent *e;

	if (list == NULL) {
		(void)close(fd);
		return sum;
	}
	while ((e = readdir(list)) != NULL)
		if (!is_dots(e->d_name))
			sum += mix_entry(fd, e->d_name);
	(void)closedir(list);
	return sum;
}

uint64_t
sst_look_name(const char *path, const char *name)
{
	int fd = -1;
	uint64_t h;

	if (name == NULL)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return every_name(fd);
	/* One name needs the right to search the directory only. */
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : 1;
	h = mix_entry(fd, name == NULL ? "." : name);
	(void)close(fd);
	return h;
}
