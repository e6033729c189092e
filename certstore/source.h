/* SPDX-License-Identifier: ISC */
/*
 * source - where the bytes of certificates come from.
 *
 * The store asks a source for directory listings and open descriptors, and
 * never opens a path itself. Two exist: the file system (way 2, sstool: in
 * source.c) and the keeper's descriptors (way 1: src/relay/files.c).
 *
 * Always true:
 *   1. open() returns a descriptor of whatever the path is, without waiting
 *      (O_NONBLOCK): the store checks type and size before it reads.
 *   2. What was resolved is opened as it was judged: a link that somebody puts in
 *      between leads nowhere. Links to the root of a source are the person's own, and
 *      are followed.
 *   3. Paths are absolute, or relative to the root of the source, and are never
 *      made from anything that a client sent.
 * Threads: the calls of one source may come from several threads.
 */
#ifndef SST_CERTSTORE_SOURCE_H
#define SST_CERTSTORE_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct sst_error;
struct sst_store;
struct sst_store_config;

#define SST_ANSWER_FDS	4
#define SST_ANSWER_SIZE	4096

/* All that the reader of one name in a directory asks next (ahead.h). */
struct sst_answer {
	int	 is_folder;	/* it is a directory: its names are there, all of them */
	/* Of each name: NAME NUL TARGET NUL, the target "" where it is no link. Then an
	 * empty name. Then the path of each descriptor, absolute, with its NUL: a regular
	 * file, of which no part is a link that is not above the name. */
	char	 text[SST_ANSWER_SIZE];
	size_t	 len;
	int	 fd[SST_ANSWER_FDS];
	size_t	 n_fds;
};

struct sst_source_ops {
	/* Opens `path` for reading. On 0 the caller closes *ret_fd.
	 * < 0: SST_E_*, errno in err. */
	int	(*open)(void *ctx, const char *path, int *ret_fd,
		    struct sst_error *err);
	/* The same for a path whose links below `root` were resolved: none of them is
	 * followed, nor in what lies beside it. < 0 with ELOOP: there is one by now.
	 * NULL: open() knows which links it may follow. */
	int	(*open_resolved)(void *ctx, const char *root, const char *path,
		    int *ret_fd, struct sst_error *err);
	/* Calls `each` with the name of every entry (not "." or ".."), in any
	 * order; stops when it returns < 0 and returns that. */
	int	(*list)(void *ctx, const char *path,
		    int (*each)(void *arg, const char *name), void *arg,
		    struct sst_error *err);
	/* Whether every directory above `path` can be searched by others:
	 * 1, 0, or < 0. Decides whether a key file's own mode exposes it. */
	int	(*exposed)(void *ctx, const char *path, struct sst_error *err);
	/* The target of a symbolic link, NUL-terminated; SST_E_NOT_FOUND when
	 * `path` is none. certbot pairs files by where its links point. */
	int	(*readlink)(void *ctx, const char *path, char *out, size_t size,
		    struct sst_error *err);
	/* For a name right in the directory of a source. The caller closes the
	 * descriptors. < 0: it is asked for step by step. NULL: so is every name. */
	int	(*ahead)(void *ctx, const char *path, struct sst_answer *ret);
	/* 1: nobody opens anything any more, and what failed lately says nothing of the
	 * files. NULL: that does not happen. */
	int	(*gone)(void *ctx);
	/* How many questions of this thread were not answered so far, for want of time, of
	 * descriptors or of memory: what was read while one was not says nothing of the
	 * files. NULL: all are. */
	uint64_t (*unanswered)(void *ctx);
	void	(*free)(void *ctx);	/* may be NULL */
};

/* 1: this errno says what the process lacks, and nothing of the file. */
int	sst_source_is_want(int code);
/* The file system, with the rights of the caller. ctx is NULL. */
extern const struct sst_source_ops sst_source_files;

/* As sst_store_new(), with a source of the caller's; `ctx` is then the store's. */
int	sst_store_new_from(const struct sst_store_config *,
	    const struct sst_source_ops *, void *ctx, struct sst_store **ret_store,
	    struct sst_error *err);

#endif
