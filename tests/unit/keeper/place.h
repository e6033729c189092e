/* SPDX-License-Identifier: ISC */
/*
 * place - a directory of a test's own, and short ways to fill it.
 */
#ifndef TESTS_KEEPER_PLACE_H
#define TESTS_KEEPER_PLACE_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char	dir[1024];
	char	name[4][PATH_MAX];	/* what at() returned last */
	int	turn;
};

static inline int
place_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int
place_open_in(void **state, const char *above)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	(void)snprintf(p->dir, sizeof(p->dir), "%s/sst-keeper-XXXXXX", above);
	*state = p;
	return mkdtemp(p->dir) == NULL ? -1 : 0;
}

static inline int
place_open(void **state)
{
	return place_open_in(state, "/tmp");
}

static inline int
place_close(void **state)
{
	struct place *p = *state;

	(void)nftw(p->dir, place_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

/* The absolute path of `name`; good for the next three calls. */
static inline const char *
at(struct place *p, const char *name)
{
	char *out = p->name[p->turn];
	size_t n = strlen(p->dir);

	p->turn = (p->turn + 1) % 4;
	memcpy(out, p->dir, n);
	(void)snprintf(out + n, sizeof(p->name[0]) - n, "/%s", name);
	return out;
}

static inline void
put_file(struct place *p, const char *name, const char *text)
{
	int fd = open(at(p, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
	assert_int_equal(close(fd), 0);
}

static inline void
put_dir(struct place *p, const char *name)
{
	assert_int_equal(mkdir(at(p, name), 0755), 0);
}

static inline void
put_link(struct place *p, const char *name, const char *target)
{
	assert_int_equal(symlink(target, at(p, name)), 0);
}

/* The clock of files stands still for some milliseconds at a time: what was done before
 * this is older than what comes after. */
static inline void
place_tick(void)
{
	struct timespec then, now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &then);
	do
		(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	while (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec);
}

/* `from` takes the place of `to` in one step. */
static inline void
put_over(struct place *p, const char *from, const char *to)
{
	assert_int_equal(rename(at(p, from), at(p, to)), 0);
}

/* 1: the inotify instance behind `fd` has a watch for this inode. */
static inline int
place_is_watched(int fd, const char *path)
{
	char name[64], line[512], wanted[32];
	struct stat st;
	int found = 0;
	FILE *f;

	assert_int_equal(stat(path, &st), 0);
	(void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	(void)snprintf(wanted, sizeof(wanted), " ino:%lx ", (unsigned long)st.st_ino);
	f = fopen(name, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		found |= strstr(line, wanted) != NULL;
	(void)fclose(f);
	return found;
}

/* The text that a descriptor leads to, and closes it. */
static inline void
assert_text(int fd, const char *text)
{
	char buf[256];
	ssize_t n;

	assert_true(fd >= 0);
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
	assert_int_equal(close(fd), 0);
}

#endif
