/* SPDX-License-Identifier: ISC */
/* wall - the wall clock as a test has it; who links `wall` asks no other. */
#ifndef SST_TEST_WALL_H
#define SST_TEST_WALL_H

#include <stdatomic.h>
#include <stdint.h>

/* Seconds; 0: as it is. */
extern _Atomic int64_t wall;

#endif
