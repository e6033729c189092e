/* SPDX-License-Identifier: ISC */
/*
 * doors - where the programs that use the library can be asked.
 *
 * Each pair of keeper and relay has a socket, DIRECTORY/PID.sock, that takes one line,
 * answers it and closes. status.c and events.c ask.
 *
 * Always true:
 *   1. Nobody is asked whom this user may not ask; a door that is nobody's any more is
 *      passed over by who connects (ECONNREFUSED).
 *   2. A door that does not open in SST_DOOR_MS is given up: whoever serves it may be
 *      another user, for whom root does not wait for ever.
 * Threads: one.
 */
#ifndef SST_TOOLS_DOORS_H
#define SST_TOOLS_DOORS_H

#define SST_DOOR_MS	2000	/* whole seconds */

/* Calls `each` for every door: the machine's, this user's, and for root all users'. */
void	sst_doors_each(void (*each)(void *arg, const char *path), void *arg);
/*
 * Connects and asks: one line without its end, or "" for the status. The stream of the
 * answer, for the caller to close; -1: errno says why.
 */
int	sst_door_open(const char *path, const char *question);
/* Milliseconds of a clock that nobody sets. */
long long sst_doors_ms(void);

#endif
