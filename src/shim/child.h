/* SPDX-License-Identifier: ISC */
/*
 * child - what the keeper's process does between clone and exec.
 *
 * start.c calls it; it runs in a process that shares the program's memory and
 * nothing else, while the program's thread is suspended.
 *
 * Always true:
 *   1. System calls only. It writes to no memory but its own stack and *arg.
 */
#ifndef SST_SHIM_CHILD_H
#define SST_SHIM_CHILD_H

#define SST_CHILD_STACK	(64 * 1024)

struct sst_child {
	const char	*path;		/* of securesocketsd */
	int		 fd;		/* becomes descriptor 3 */
	int		 keep_stderr;	/* descriptor 2 stays */
	int		 anchored;	/* the parent stays and waits */
	char		*stack;		/* of the second child: its top */
};

/*
 * The first child, for clone(): makes the second, which execs. Anchored, it
 * stays until that one ends; else it ends at once with 0 or clone's errno.
 */
int	sst_child_first(void *arg);

#endif
