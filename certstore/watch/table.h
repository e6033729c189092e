/* SPDX-License-Identifier: ISC */
/*
 * table - finds a structure by a 32-bit number.
 *
 * watch, and the keeper's sources and held, keep theirs in one. The node is the first member of
 * the structure, so that the table allocates nothing for an element.
 *
 * Always true:
 *   1. The table owns its buckets, never its elements.
 *   2. Several elements may have one key; get() returns the one put last.
 *   3. The element that sst_table_next() returned may be taken out before the
 *      next call.
 * Threads: one.
 */
#ifndef SST_WATCH_TABLE_H
#define SST_WATCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct sst_node {
	uint32_t	 key;
	struct sst_node	*next;
};

struct sst_table {		/* all zero: empty */
	struct sst_node	**bucket;
	size_t		  n_buckets, n;
};

/* A place in the table; all zero: the beginning. */
struct sst_place {
	size_t		 at;
	struct sst_node	*next;
};

struct sst_node	*sst_table_get(const struct sst_table *, uint32_t key);
/* 0, or -1 when out of memory. */
int	sst_table_put(struct sst_table *, struct sst_node *, uint32_t key);
void	sst_table_take(struct sst_table *, struct sst_node *);
/* Each element once while nothing is put; NULL after the last. */
struct sst_node	*sst_table_next(const struct sst_table *, struct sst_place *);
/* Frees the buckets; the elements must be out or be freed by the caller. */
void	sst_table_done(struct sst_table *);

#endif
