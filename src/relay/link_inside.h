/* SPDX-License-Identifier: ISC */
/*
 * link_inside - what link.c (joining, pairs, records), link_gate.c (the gate) and
 * link_narrow.c (that of who waits) want of each other.
 */
#ifndef SST_RELAY_LINK_INSIDE_H
#define SST_RELAY_LINK_INSIDE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "link.h"

/* link_gate.c: draws the nonce of all gates. 0, or -1 with errno; _done() also
 * then. */
int	sst_link_gate_init(struct sst_link *);
void	sst_link_gate_done(struct sst_link *);
/* Bytes on the books of `app` as a sender; 0 when the kernel does not say. */
size_t	sst_link_queued(int app);
/* What may be on them before a writer waits; the same. */
size_t	sst_link_send_buffer(int app);
/* Puts junk until at least `goal` bytes are on the books; *ret_junk: how much. 0,
 * or -1 with errno. */
int	sst_link_fill(struct sst_link *, int app, size_t goal, size_t *ret_junk);
/* Takes `n` bytes out. 0, or -1: there are not so many. */
int	sst_link_take_out(int end, uint8_t *buf, size_t n);

/* link_narrow.c */
void	sst_link_narrow_init(struct sst_link *);

/* link.c: as sst_link_join(), and the seed becomes the first of `len` bytes that are
 * sent in one call. How many were, or -1 with errno. */
ssize_t	sst_link_join_with(struct sst_link *, int app, enum sst_link_kind,
	    uint8_t *bytes, size_t len, int *ret_end);

/*
 * link.c: a call on a blocking descriptor of the program waits when somebody fills
 * what it needs in this very moment. A timer of this thread gets us out. *ret_timer:
 * the one that runs; NULL: no need. 0, or -1 with errno.
 */
int	sst_link_alarm_begin(struct sst_link *, int app, const timer_t **ret_timer);
/* NULL is allowed; errno stays. */
void	sst_link_alarm_end(const timer_t *);

#endif
