/* SPDX-License-Identifier: ISC */
/*
 * stream - an open connection: its pump on the loop, and its end.
 *
 *	client_app.c, listener.c --start--> stream --> pump, record
 *
 * Always true:
 *   1. After the program closed: all it wrote, close_notify, FIN, then reading
 *      until SST_STREAM_LINGER_MS after the peer's TCP has all of it, so that
 *      unread tickets or an early close_notify do not turn into a reset that
 *      destroys what is under way.
 *   2. A peer that takes nothing for SST_STREAM_FLUSH_MS after the program
 *      closed is given up.
 * Threads: the record's worker; under the relay's lock what is said to be.
 */
#ifndef SST_RELAY_STREAM_H
#define SST_RELAY_STREAM_H

#include <stddef.h>
#include <stdint.h>

struct sst_record;

#define SST_STREAM_LINGER_MS	2000
#define SST_STREAM_FLUSH_MS	60000

enum sst_stream_wait {
	SST_WAIT_NOTHING = 0,
	SST_WAIT_USE,		/* by the program that it was given to */
	SST_WAIT_FLUSH,
	SST_WAIT_LINGER
};

/*
 * The record has tcp, end and conn, its handshake is done: its state becomes
 * OPEN. `early` (may be NULL) goes first and is taken over. Under the lock. 0, or
 * -1 with errno: nothing was started.
 */
int	sst_stream_start(struct sst_record *, uint8_t *early, size_t early_len);

#endif
