/* SPDX-License-Identifier: ISC */
/*
 * served - tells the keeper which names of a directory are served.
 *
 *	shake_step.c --look--> served --HOT--> keeper/channel.c
 *
 * A directory may hold more names than the kernel has watches for one user. Those that
 * clients ask for get theirs first.
 *
 * Always true:
 *   1. At most SST_HOT_MOST names are told in SERVED_MS, of all listeners together; the
 *      others wait in their store, whose memory is bounded.
 *   2. A handshake whose decision was in the cache costs one load.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_SERVED_H
#define SST_RELAY_SERVED_H

struct sst_listener;

/* A handshake is over. */
void	sst_served_look(const struct sst_listener *);

#endif
