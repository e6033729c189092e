/* SPDX-License-Identifier: ISC */
/* index_gen - see index_gen.h. */
#include "index_gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "index_place.h"

#define PAGE_BYTES	4096
#define MAGIC		0x31306e6567747373u	/* "sstgen01" */

struct page {
	atomic_uint_fast64_t	magic, generation, epoch, beats;
};

struct sst_gen {
	struct page	*page;
	char		*path;
	int		 fd;		/* -1: this handle claims no more */
	int		 is_writer;
	atomic_uint_fast64_t generation, epoch, beats;	/* while it is the writer's */
	dev_t		 dev;
	ino_t		 ino;
};

/*
 * The file, of PAGE_BYTES at least: what is shorter must not be mapped, and neither a
 * page that the disk may have no room for when it is written to.
 */
static int
file_open(const char *path, struct stat *st, struct sst_error *err)
{
	const char *fault = sst_index_fault(path, geteuid());
	int fd, code;

	if (fault != NULL)
		return sst_fail(err, SST_E_REFUSED, "%s: %s", path, fault);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return sst_fail_errno(err, errno, "%s", path);
	/* it changes no byte of who made it longer meanwhile */
	code = posix_fallocate(fd, 0, PAGE_BYTES);
	if (code == 0 && fstat(fd, st) < 0)
		code = errno;
	if (code == 0)
		return fd;
	(void)close(fd);
	return sst_fail_errno(err, code, "%s", path);
}

/* A descriptor to claim with, of the very same file. */
static int
reopen(struct sst_gen *g)
{
	struct stat st;
	int fd;

	fd = open(g->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 || st.st_dev != g->dev || st.st_ino != g->ino) {
		(void)close(fd);
		return 0;
	}
	g->fd = fd;
	return 1;
}

int
sst_gen_open(const char *path, struct sst_gen **ret, struct sst_error *err)
{
	struct sst_gen *g = calloc(1, sizeof(*g));
	struct stat st;
	uint_fast64_t none = 0;
	int fd = -1, rc;
	void *at;

	if (g == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	g->fd = -1;
	g->path = strdup(path);
	if (g->path == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	rc = file_open(path, &st, err);
	if (rc < 0)
		goto out;
	fd = rc;
	g->dev = st.st_dev;
	g->ino = st.st_ino;
	(void)futimens(fd, NULL);	/* sst_index_sweep(): it is in use */
	at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		rc = sst_fail_errno(err, errno, "%s", path);
		goto out;
	}
	g->page = at;
	/* a mapping keeps what was opened for it, and would keep its lock */
	if (!reopen(g)) {
		rc = sst_fail(err, SST_E_REFUSED, "%s: it was replaced", path);
		goto out;
	}
	rc = SST_OK;
	if (!atomic_compare_exchange_strong(&g->page->magic, &none, MAGIC) && none != MAGIC)
		rc = sst_fail(err, SST_E_REFUSED, "%s: it is not of an index", path);
out:
	if (fd >= 0)
		(void)close(fd);
	if (rc < 0)
		sst_gen_close(g);
	else
		*ret = g;
	return rc;
}

void
sst_gen_close(struct sst_gen *g)
{
	if (g == NULL)
		return;
	if (g->page != NULL)
		(void)munmap(g->page, PAGE_BYTES);
	sst_gen_yield(g);
	free(g->path);
	free(g);
}

/* From now on this handle knows both by itself. */
static void
words_take(struct sst_gen *g)
{
	uint64_t said[sizeof(struct page) / sizeof(uint64_t)] = { 0 };

	/* of a file that was cut off, nothing: what it was is in the index */
	if (pread(g->fd, said, sizeof(said), 0) != (ssize_t)sizeof(said))
		memset(said, 0, sizeof(said));
	atomic_store(&g->generation, said[1]);
	atomic_store(&g->epoch, said[2]);
	atomic_store(&g->beats, said[3]);
}

/*
 * Tells the others. By the mapping, since what pwrite() writes may be seen in part; and
 * only when the file is as long as that: who cuts it off does not end who writes.
 */
static void
words_give(struct sst_gen *g)
{
	struct stat st;

	if (fstat(g->fd, &st) < 0 || (st.st_size < PAGE_BYTES &&
	    posix_fallocate(g->fd, 0, PAGE_BYTES) != 0))
		return;
	atomic_store(&g->page->magic, MAGIC);
	atomic_store(&g->page->epoch, atomic_load(&g->epoch));
	atomic_store(&g->page->beats, atomic_load(&g->beats));
	atomic_store(&g->page->generation, atomic_load(&g->generation));
}

int
sst_gen_claim(struct sst_gen *g)
{
	struct stat st;

	if (g->is_writer)
		return 1;
	if (g->fd < 0 && !reopen(g))
		return 0;
	/* a file that was removed meanwhile is claimed by whoever made the next one */
	if (flock(g->fd, LOCK_EX | LOCK_NB) < 0 || fstat(g->fd, &st) < 0 || st.st_nlink != 1)
		return 0;
	words_take(g);
	g->is_writer = 1;
	return 1;
}

int
sst_gen_is_writer(const struct sst_gen *g)
{
	return g->is_writer;
}

void
sst_gen_yield(struct sst_gen *g)
{
	if (g->fd >= 0)
		(void)close(g->fd);
	g->fd = -1;
	g->is_writer = 0;
}

void
sst_gen_forked(struct sst_gen *g)
{
	/* closing a copy of the descriptor takes nothing from the parent */
	sst_gen_yield(g);
}

const atomic_uint_fast64_t *
sst_gen_word(const struct sst_gen *g)
{
	return g->is_writer ? &g->generation : &g->page->generation;
}

void
sst_gen_set(struct sst_gen *g, uint64_t generation)
{
	atomic_store(&g->generation, generation);
	words_give(g);
}

uint64_t
sst_gen_epoch(const struct sst_gen *g)
{
	return atomic_load(g->is_writer ? &g->epoch : &g->page->epoch);
}

void
sst_gen_next_epoch(struct sst_gen *g)
{
	(void)atomic_fetch_add(&g->epoch, 1);
	words_give(g);
}

void
sst_gen_beat(struct sst_gen *g)
{
	(void)atomic_fetch_add(&g->beats, 1);
	words_give(g);
}

uint64_t
sst_gen_beats(const struct sst_gen *g)
{
	return atomic_load(g->is_writer ? &g->beats : &g->page->beats);
}
