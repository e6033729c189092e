/* SPDX-License-Identifier: ISC */
/*
 * heap - the least of many first.
 *
 *	own_due.c --> heap
 *
 * A node lives in what it stands for, and is in one heap at most. Its key lies in the
 * heap, so that what is not first is not touched to find out which is.
 *
 * Always true:
 *   1. Putting, moving and taking out change log2(n) + 1 nodes at most, allocate nothing
 *      and cannot fail.
 *   2. A child of fork() finds a heap with the room that was reserved, whatever another
 *      thread was at: cleared, it is as new.
 * Threads: one at a time.
 */
#ifndef SST_OCSP_HEAP_H
#define SST_OCSP_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct sst_heap;

/* All zero: in none. */
struct sst_heap_node {
	struct sst_heap	*in;
	size_t		 at;
};

struct sst_heap_slot {
	int64_t		 key;
	struct sst_heap_node *node;
};

/* All zero: empty. */
struct sst_heap {
	struct sst_heap_slot *slots;
	size_t		 n, room;
};

/* Room for `n` in all. 0: there is no memory for it. */
int	sst_heap_reserve(struct sst_heap *, size_t n);
/* Also of one that is in it, or in another. There is room for it. */
void	sst_heap_put(struct sst_heap *, struct sst_heap_node *, int64_t key);
/* Also of one that is in none. */
void	sst_heap_take(struct sst_heap_node *);
/* Who has the least key, or NULL; *ret_key is set with it. */
struct sst_heap_node *sst_heap_first(const struct sst_heap *, int64_t *ret_key);
/* Empty, with its room; the nodes are not touched. */
void	sst_heap_clear(struct sst_heap *);
/* The nodes are not touched. */
void	sst_heap_done(struct sst_heap *);

#endif
