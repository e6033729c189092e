/* SPDX-License-Identifier: ISC */
/*
 * tell - the events of this relay, for `sstool events`: one JSON object a line.
 *
 *	channel.c: asked at the status door --> sst_tell_events() --> ring.h
 *
 * Always true:
 *   1. Who does not read is not waited for: SST_TELL_MS without a byte taken, and he is
 *      hung up on. There are SST_TELL_MOST at most; one more is hung up on at once.
 *   2. Nothing of it is a secret, and nothing a peer sent appears raw.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_TELL_H
#define SST_RELAY_TELL_H

#include <stddef.h>

#include "loop.h"

#define SST_TELL_MOST	64
#define SST_TELL_MS	10000

struct sst_relay;
struct sst_listening_end;

/* Those who are told. All zero: nobody. */
struct sst_audience {
	struct sst_listening_end *first;
	size_t		 n;
	struct sst_timer look;		/* for what is new, while somebody waits for it */
};

/*
 * `request`: "events [follow] [since SEQ]". Takes `fd`, a stream: what is kept with a
 * number above SEQ (0) is written to it, and then it is closed; with "follow" not before
 * the other end is. -1: that is not such a request; `fd` is still the caller's.
 */
int	sst_tell_events(struct sst_relay *, int fd, const char *request);

#endif
