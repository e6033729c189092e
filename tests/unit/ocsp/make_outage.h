/* SPDX-License-Identifier: ISC */
/*
 * make_outage - days of refreshing with an outage in them, on a simulated clock.
 *
 * test_schedule.c judges what was counted; tests/bench/outage prints it. Calls
 * schedule.c and refresh.c alone: the simulation is the responder.
 */
#ifndef SST_TEST_MAKE_OUTAGE_H
#define SST_TEST_MAKE_OUTAGE_H

#include <stdint.h>

struct outage_plan {
	int	names, hosts;
	int	together;	/* 1: all were fetched at the same moment */
	int64_t	life;		/* of evidence, seconds */
	int64_t	down;		/* how long nothing answers */
};

struct outage_count {
	int	tries;		/* at the host that was tried most, while it was down */
	int	in_flight;	/* the most at one host */
	int	ended;		/* names whose evidence ended */
	double	steady;		/* fetches in 60 s, on the average of a day before */
	int	busiest;	/* fetches in 60 s, the most of that day */
	int	recovery;	/* in the 60 s after the first success */
	int64_t	caught_up;	/* seconds until nothing was overdue any more */
};

void	outage_run(const struct outage_plan *, struct outage_count *ret);

#endif
