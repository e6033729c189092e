/* SPDX-License-Identifier: ISC */
/*
 * queue - messages that wait until the other side takes them.
 *
 * The channel and the file channel write through one, so that a busy relay
 * never makes the keeper wait.
 *
 * Always true:
 *   1. Messages leave in the order in which they came.
 *   2. A waiting message holds duplicates of its descriptors: the caller may
 *      close its own at once.
 *   3. A queue without a descriptor (-1) only collects.
 * Threads: one.
 */
#ifndef SST_KEEPER_QUEUE_H
#define SST_KEEPER_QUEUE_H

#include "base/wire.h"

struct sst_packet;

struct sst_queue {
	int			 fd;	/* borrowed; non-blocking */
	struct sst_packet	*first, **end;
	size_t			 n;
};

void	sst_queue_init(struct sst_queue *, int fd);
/*
 * Sends now, or keeps a copy. 0; -1 with errno when it can do neither
 * (memory, descriptors). A peer that is gone is no error: its end of file is
 * seen by whoever reads the descriptor.
 */
int	sst_queue_send(struct sst_queue *, struct sst_wire_head *, const void *data,
	    size_t len, const int *fds, size_t n_fds);
/* Sends what waits. 1: all is gone. 0: the rest waits for EPOLLOUT. -1: the
 * kernel has no room for more descriptors in flight; try again later. */
int	sst_queue_flush(struct sst_queue *);
/* How many messages with this verb and id wait; *ret_bare: whether one of them has no
 * data. */
size_t	sst_queue_count(const struct sst_queue *, uint16_t verb, uint32_t id,
	    int *ret_bare);
/* Drops what waits, but for messages of the verb `keep` (0: all of it). */
void	sst_queue_drop(struct sst_queue *, uint16_t keep);
/* Puts what waits in `from` behind what waits in `to`. */
void	sst_queue_move(struct sst_queue *to, struct sst_queue *from);

#endif
