/* SPDX-License-Identifier: ISC */
/*
 * seen - what was last seen of each name in a directory, sixteen bytes a name.
 *
 * sweep keeps one for each directory that a program named. Names are known by their
 * hash alone: with a hundred thousand of them a string and an allocation each would
 * be most of the keeper.
 *
 * Always true:
 *   1. Two names with one hash share an entry: then a change may be told too often,
 *      never too seldom.
 *   2. An entry's address is good until the next put, take or purge.
 * Threads: one.
 */
#ifndef SST_WATCH_SEEN_H
#define SST_WATCH_SEEN_H

#include <stddef.h>
#include <stdint.h>

enum {
	SST_SEEN_HERE = 1,
	SST_SEEN_WATCHED = 2,	/* the kernel tells of it; `at` is the watch */
	SST_SEEN_COVERED = 4,	/* and of all that it links to */
	SST_SEEN_ROUND = 8	/* of the walk that met it last */
};
#define SST_SEEN_FLAGS	15u

struct sst_seen_name {
	uint64_t	key;	/* the hash; its lowest bits are SST_SEEN_* */
	uint32_t	at;	/* what it looked like, or the watch */
	uint32_t	deep;	/* what its files looked like, 0: not looked at yet; of
				   one that is COVERED the watch of its archive, or 0 */
};

struct sst_seen {		/* all zero: empty */
	struct sst_seen_name *v;
	size_t		 size, n;
};

/* The hash of a name, without flags. */
uint64_t sst_seen_key(const char *name);
struct sst_seen_name *sst_seen_find(const struct sst_seen *, uint64_t key);
/* The entry, made when there is none. NULL: out of memory. */
struct sst_seen_name *sst_seen_put(struct sst_seen *, uint64_t key);
void	sst_seen_take(struct sst_seen *, uint64_t key);
/* Takes out what is of another round; `gone` is told of each before. Their number. */
size_t	sst_seen_purge(struct sst_seen *, unsigned round,
	    void (*gone)(void *arg, const struct sst_seen_name *), void *arg);
void	sst_seen_done(struct sst_seen *);

#endif
