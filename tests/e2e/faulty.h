/* SPDX-License-Identifier: ISC */
/*
 * faulty - an agent that runs out of memory when a scene says so, and whose idle
 * time is short.
 *
 * securesocketsd_faulty is securesocketsd with other malloc(), calloc(),
 * realloc() and recv(). The file "faults" beside it, mapped by both sides, is the
 * scene's hand.
 *
 * Always true:
 *   1. With a file of zeros, or none, it behaves as securesocketsd.
 */
#ifndef SST_E2E_FAULTY_H
#define SST_E2E_FAULTY_H

#include <stdatomic.h>
#include <stdint.h>

struct faults {
	atomic_long	countdown;	/* the how-manieth allocation fails; 0: none */
	atomic_long	burst;		/* how many fail from there on */
	atomic_long	fired;		/* so many did */
	atomic_int	role;		/* 'r' the relay's, 'k' the keeper's */
	atomic_uint	idle_ms;	/* of pairs that start; 0: as they were told */
	atomic_int	no_memory_faults; /* set by an agent under a sanitizer */
};

#endif
