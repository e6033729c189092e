/* SPDX-License-Identifier: ISC */
/*
 * start - makes the keeper, as nobody's child.
 *
 *	record.c --> start.c --clone, clone, exec--> securesocketsd --keeper
 *
 * Always true:
 *   1. wait(-1) of the program never reports it and no SIGCHLD comes of it:
 *      what stays a child of the program has exit signal 0 and never execs.
 *   2. The keeper inherits no descriptor but 3, no environment but PATH, and
 *      neither signals, umask, limits, affinity nor scheduling of the program.
 *   3. The program waits 5 s at most for it.
 * Threads: the caller's signals are blocked; record.c lets in one at a time.
 */
#ifndef SST_SHIM_START_H
#define SST_SHIM_START_H

#include "record.h"

/*
 * On 0 *ret_pair is a pair that serves: a new one, the policy's, or the one whose
 * record SECURESOCKETS_SERVE names. -errno with a sentence otherwise.
 */
int	sst_start(struct sst_pair *ret_pair);
/* Takes the anchor of a pair that ended from the table of processes. */
void	sst_start_reap(pid_t anchor);

#endif
