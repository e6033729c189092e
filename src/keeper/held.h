/* SPDX-License-Identifier: ISC */
/*
 * held - duplicates of the listening sockets, so that they outlive a relay.
 *
 * The relay hands over its TCP listener and its end of the listener's
 * descriptor with a state that only the relay reads; a new relay gets all of
 * it back.
 *
 * Always true:
 *   1. The table owns its descriptors and never reads from or writes to them.
 *   2. A second hold of an id replaces the first; without descriptors it
 *      replaces only the state.
 * Threads: one.
 */
#ifndef SST_KEEPER_HELD_H
#define SST_KEEPER_HELD_H

#include "queue.h"
#include "watch/table.h"

#define SST_HELD_FDS		3	/* TCP, relay's end, long state */
#define SST_HELD_STATE_MAX	(64u << 20)	/* bytes of state, all together */

struct sst_held {
	struct sst_table	table;
	size_t			state;		/* bytes in use */
};

/*
 * Takes fds[0] and fds[1] (both or neither -1), and fds[2], a sealed memfd with
 * a state that is too long for a message (or -1): what it keeps is set to -1 in
 * the caller's array. 0, or -1 with errno (EINVAL, ENOSPC, ENOMEM): then the
 * table is as it was.
 */
int	sst_held_put(struct sst_held *, uint32_t id, const void *state, size_t len,
	    int fds[SST_HELD_FDS]);
void	sst_held_release(struct sst_held *, uint32_t id);
/* One RESTORE for each. -1 with errno when one could not be queued. */
int	sst_held_restore(const struct sst_held *, struct sst_queue *);
void	sst_held_done(struct sst_held *);

#endif
