/* SPDX-License-Identifier: ISC */
/*
 * outage - what refreshing does while a responder is down, and after it is back.
 *
 *	outage [NAMES [HOURS]]
 *
 * A clock that is simulated: a line an arrangement, in a few seconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/ocsp/make_outage.h"

int
main(int argc, char **argv)
{
	int names = argc > 1 ? atoi(argv[1]) : 1000;
	int hours = argc > 2 ? atoi(argv[2]) : 6;
	static const int hosts[] = { 1, 10, 100 };
	static const int lives[] = { 24, 96 };

	if (names < 1 || names > 4096 || hours < 1) {
		(void)fprintf(stderr, "usage: outage [NAMES [HOURS]]\n");
		return 64;
	}
	(void)printf("names hosts life_h down_h tries in_flight ended "
	    "steady_60s first_60s caught_up_h\n");
	for (size_t l = 0; l < 2; l++)
		for (size_t h = 0; h < 3; h++) {
			struct outage_plan p = { .names = names, .hosts = hosts[h],
			    .life = lives[l] * 3600, .down = hours * 3600 };
			struct outage_count c;

			outage_run(&p, &c);
			(void)printf("%5d %5d %6d %6d %5d %9d %5d %10.2f %9d %11.1f\n",
			    names, hosts[h], lives[l], hours, c.tries, c.in_flight,
			    c.ended, c.steady, c.recovery, (double)c.caught_up / 3600);
			(void)fflush(stdout);
		}
	return 0;
}
