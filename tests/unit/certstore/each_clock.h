/* SPDX-License-Identifier: ISC */
/* each_clock - the fixtures of each.h by the test's clocks (support/wall.h). */
#ifndef SST_TEST_EACH_CLOCK_H
#define SST_TEST_EACH_CLOCK_H

#include "each.h"
#include "support/pki.h"
#include "support/wall.h"

static int
clock_setup(void **state)
{
	wall = PKI_NOW;
	return each_setup(state);
}

static int
clock_teardown(void **state)
{
	wall = wall_ahead = 0;
	return each_teardown(state);
}

#endif
