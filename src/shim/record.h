/* SPDX-License-Identifier: ISC */
/*
 * record - the shim's whole state: the pair that serves this program.
 *
 *	socket.c --get, replace--> record --> start.c
 *
 * Always true:
 *   1. One pair is started however many threads make their first socket.
 *   2. A reader sees a whole record or none.
 *   3. fork() inherits it; a child of a fork that happened during a start does
 *      not wait for a starter that it does not have.
 * Threads: any; the starter has its signals blocked, the others wait on a futex.
 */
#ifndef SST_SHIM_RECORD_H
#define SST_SHIM_RECORD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/wire.h"

struct sst_pair {
	char		door[16];
	uint8_t		secret[SST_SECRET_LEN];
	pid_t		keeper_pid;
	uid_t		uid;
	pid_t		anchor;		/* parent of the keeper, or 0 */
	uint32_t	generation;	/* which start of this program it was */
};

/* 1: *ret_pair is the running pair. 0: none was started. */
int	sst_record_peek(struct sst_pair *ret_pair);
/*
 * The running pair; starts one when there is none, or when the running one is
 * of generation `dead` (0: none is dead). 0, or -errno with a sentence said.
 */
int	sst_record_get(uint32_t dead, struct sst_pair *ret_pair);

#endif
