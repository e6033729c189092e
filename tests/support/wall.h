/* SPDX-License-Identifier: ISC */
/* wall - the clocks as a test has them; who links `wall` asks no others. */
#ifndef SST_TEST_WALL_H
#define SST_TEST_WALL_H

#include <stdatomic.h>
#include <stdint.h>

/* Seconds; 0: as it is. */
extern _Atomic int64_t wall;
/* Milliseconds that the monotonic clock is ahead of what it would be. That of the boot
 * stands still where `wall` is set, but for these. */
extern _Atomic int64_t wall_ahead;

#endif
