/* SPDX-License-Identifier: ISC */
/*
 * ask - what the programs that use the library say of themselves.
 *
 *	status.c, metrics.c, nudge.c --> ask.c --> doors.c
 *
 * Always true:
 *   1. An answer is bounded in size and in time, and nothing of one is used before all
 *      of it parsed.
 *   2. All doors together are bounded in time: the machine's and this user's own come
 *      first, so that who makes others wait takes the time of doors like his.
 * Threads: one.
 */
#ifndef SST_TOOLS_ASK_H
#define SST_TOOLS_ASK_H

#include <jansson.h>
#include <stddef.h>

#define SST_ASK_MS	2000	/* for an answer */
#define SST_ASK_ALL_MS	10000	/* for all of them: any user can have doors that are silent */

/* Doors that gave none. */
struct sst_ask_count {
	size_t	answered;
	size_t	forbidden;	/* another user's */
	size_t	silent;		/* there, and no answer, or no time was left to ask */
};

/* Asks one door, one line without its end, or "" for the status. NULL: errno says why.
 * The caller owns it. */
json_t	*sst_ask(const char *path, const char *question);
/* Asks every door for the status, and hands over each answer (borrowed). */
void	sst_ask_all(struct sst_ask_count *,
	    void (*each)(void *arg, const char *path, json_t *answer), void *arg);

#endif
