/* SPDX-License-Identifier: ISC */
/*
 * gauge - what a pair holds: memory, descriptors, records; and limits raised.
 *
 * Always true:
 *   1. What this machine does not let us see is -1, never 0.
 */
#ifndef SST_E2E_GAUGE_H
#define SST_E2E_GAUGE_H

#include "world.h"

struct gauge {
	pid_t	keeper, relay;
	long	kib;		/* of both: anonymous and shared memory, resident */
	long	fds;		/* of both */
	long	records;	/* sockets, as the status door counts them */
};

/* `fd` is any TLS descriptor of this process's own pair. */
void	gauge_read(struct gauge *, int fd);
/* Until no more descriptors and records are held than at `start`. Being asked for them
 * costs a descriptor for a moment, and so does a record on its way out. Where it never
 * comes to that, what each descriptor leads to is printed. */
void	gauge_want_back(const struct gauge *start, int fd);
/* Room for descriptors in this process and in the pair that it will start; the
 * limit that there is then. */
long	gauge_raise_files(long wanted);

#endif
