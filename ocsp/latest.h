/* SPDX-License-Identifier: ISC */
/*
 * latest - the latest time that was right, and what time it is since then.
 *
 *	checker.c --> latest
 *
 * After a step back of the clock time goes on from there, at half of its speed. So what
 * is due comes about, whichever was wrong: a clock that was fast and is right again is
 * caught up with, and one that is wrong now keeps nothing alive for ever.
 *
 * Always true:
 *   1. It is never earlier than a time that was seen, nor than the clock.
 *   2. It never stands still.
 * Pure: both clocks are the caller's, CLOCK_REALTIME in seconds, CLOCK_BOOTTIME in ms.
 * Threads: any number.
 */
#ifndef SST_OCSP_LATEST_H
#define SST_OCSP_LATEST_H

#include <stdatomic.h>
#include <stdint.h>

/* All zero: nothing was seen. */
struct sst_latest {
	_Atomic int64_t	 half_ms;	/* the latest time in half ms, less the ms of then */
};

int64_t	sst_latest_now(const struct sst_latest *, int64_t wall, int64_t ms);
/* At `now` the clock was right, or at least not ahead. */
void	sst_latest_saw(struct sst_latest *, int64_t now, int64_t ms);

#endif
