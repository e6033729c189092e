/* SPDX-License-Identifier: ISC */
/*
 * clock - the clocks, and which is for what.
 *
 * Deadlines and durations use the monotonic clock, or that of the boot where time that
 * the machine sleeps counts. Validity of certificates uses wall time, and every function
 * that judges validity takes `now` as a parameter, so that only the outermost caller asks
 * this module.
 */
#ifndef SST_BASE_CLOCK_H
#define SST_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC. Never goes back. */
static inline int64_t
sst_clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The same of CLOCK_BOOTTIME, which goes on while the machine sleeps. */
static inline int64_t
sst_clock_boot_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline int64_t
sst_clock_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Seconds of CLOCK_REALTIME. */
static inline time_t
sst_clock_wall(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

#endif
