/* SPDX-License-Identifier: ISC */
/*
 * hold - a listener as bytes, so that it outlives this relay.
 *
 *	listener --HOLD--> keeper ... --RESTORE_SOURCE, RESTORE--> a new relay
 *
 * A state that is longer than a message goes in a sealed memfd. What is in it is
 * hold_state.h.
 *
 * Always true:
 *   1. No private key is in the bytes: sources carry descriptors.
 *   2. It comes back with its newest settings, or not at all.
 *   3. What comes back is read as if it were hostile: every length is checked.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_HOLD_H
#define SST_RELAY_HOLD_H

#include <stddef.h>
#include <stdint.h>

#define SST_HOLD_FDS	3
#define SST_HOLD_MAX	(48u << 20)	/* bytes of one state */

struct sst_error;
struct sst_listener;
struct sst_record;
struct sst_relay;
struct sst_wire_head;

/* Tells the keeper how this listener is now. */
void	sst_hold_send(struct sst_listener *);
void	sst_hold_release(struct sst_relay *, uint32_t id);
/* RESTORE_SOURCE: takes `fd`. */
void	sst_hold_source(struct sst_relay *, const struct sst_wire_head *,
	    const char *data, size_t len, int fd);
/* RESTORE: takes the descriptors (TCP, end, a long state), which become -1. */
void	sst_hold_restore(struct sst_relay *, const struct sst_wire_head *,
	    const uint8_t *data, size_t len, int fds[SST_HOLD_FDS]);
/* RESTORED: sources that no listener came for are dropped. */
void	sst_hold_restored(struct sst_relay *);

#endif
