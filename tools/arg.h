/* SPDX-License-Identifier: ISC */
/* arg - values of the command line. Threads: pure. */
#ifndef SST_TOOLS_ARG_H
#define SST_TOOLS_ARG_H

#include <time.h>

/* UNIX seconds, or 2026-11-21T11:02:22Z. 0: neither. */
int	sst_arg_time(const char *text, time_t *ret_when);
/* Decimal digits alone, from `least` to `most`. 0: not that. */
int	sst_arg_number(const char *text, unsigned long least, unsigned long most,
	    unsigned long *ret);
/* Seconds, or with a unit behind them: 90s, 15m, 36h, 14d, 2w. 0: not that. */
int	sst_arg_duration(const char *text, long long *ret_seconds);

#endif
