/* SPDX-License-Identifier: ISC */
/*
 * link_inside - what link.c (joining, pairs, records) and link_gate.c (the gate)
 * want of each other.
 */
#ifndef SST_RELAY_LINK_INSIDE_H
#define SST_RELAY_LINK_INSIDE_H

#include <stddef.h>
#include <time.h>

struct sst_link;

/* link_gate.c: makes the junk of all gates. 0, or -1 with errno; _done() also
 * then. */
int	sst_link_gate_init(struct sst_link *);
void	sst_link_gate_done(struct sst_link *);
/* Bytes on the books of `app` as a sender; 0 when the kernel does not say. */
size_t	sst_link_queued(int app);

/*
 * link.c: a call on a blocking descriptor of the program waits when somebody fills
 * what it needs in this very moment. A timer of this thread gets us out. *ret_timer:
 * the one that runs; NULL: no need. 0, or -1 with errno.
 */
int	sst_link_alarm_begin(struct sst_link *, int app, const timer_t **ret_timer);
/* NULL is allowed; errno stays. */
void	sst_link_alarm_end(const timer_t *);

#endif
