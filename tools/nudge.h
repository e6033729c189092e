/* SPDX-License-Identifier: ISC */
/*
 * nudge - tells the programs that serve that files changed, and sees them take it up.
 *
 *	deploy.c: look, then change, then ring, then wait
 *
 * A door takes the line "nudge PATH", and answers how many of its sources PATH belongs
 * to. A pair of an older release does not know the line: it finds by itself what
 * changed, and is not waited for.
 *
 * Always true:
 *   1. What a program had before the change is known, so that a program that is quicker
 *      than the nudge is not missed.
 * Threads: one.
 */
#ifndef SST_TOOLS_NUDGE_H
#define SST_TOOLS_NUDGE_H

#include <stddef.h>
#include <time.h>

#include "ask.h"

enum sst_nudged_state {
	SST_NUDGED_WAITING = 0,
	SST_NUDGED_TAKEN,	/* its certificates changed */
	SST_NUDGED_SAME,	/* told, and nothing changed in time */
	SST_NUDGED_APART,	/* it uses nothing of that, or cannot say */
	SST_NUDGED_GONE		/* it ended, or does not answer */
};

struct sst_nudged {
	char		*door, *program;
	long long	 pid, uid;
	size_t		 listeners;
	long long	 before, after;	/* generations of all its listeners */
	long long	 renewed;	/* its last renewal; 0: none */
	long long	 sources;	/* that were told; -1: the program cannot say */
	enum sst_nudged_state state;
};

struct sst_nudge {
	struct sst_nudged *list;
	size_t		 n, room;
	struct sst_ask_count count;
	int		 failed;	/* out of memory: not all are in the list */
};

/* Notes what each program has. */
void	sst_nudge_look(struct sst_nudge *);
/* Tells each of them; once for each path that changed. */
void	sst_nudge_ring(struct sst_nudge *, const char *path);
/*
 * Until each has taken it up, `wait_ms` at most. `since`: one that renewed something at
 * that time or later has done so, too (certbot's files are in place before the hook
 * runs).
 */
void	sst_nudge_wait(struct sst_nudge *, unsigned wait_ms, time_t since);
void	sst_nudge_done(struct sst_nudge *);

#endif
