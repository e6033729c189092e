/* SPDX-License-Identifier: ISC */
/*
 * below - which names below a source changed: a few of them, or all of it.
 *
 *	watch --> keeper --CHANGED--> relay --> store
 *
 * Always true:
 *   1. It never forgets a change: where names do not fit, or memory runs out, it
 *      stands for all of the source.
 *   2. The text fits one control message: names, each with its NUL; empty for all.
 *   3. A name is in it once.
 * Threads: one at a time.
 */
#ifndef SST_BASE_BELOW_H
#define SST_BASE_BELOW_H

#include <stddef.h>

#define SST_BELOW_MAX	65536	/* bytes: SST_WIRE_DATA_MAX */

struct sst_below {		/* all zero: nothing changed */
	char	*text;
	size_t	 len, room;
	int	 all;
};

/* `name`: relative to the source, without a slash at either end; "": all of it. */
void	sst_below_add(struct sst_below *, const char *name);
/* Adds what a message says; `len` 0, or no NUL at its end: all of it. */
void	sst_below_take(struct sst_below *, const char *text, size_t len);
/* Adds what another has. */
void	sst_below_join(struct sst_below *, const struct sst_below *);
/* The name after `at` (NULL: the first); NULL: no more, or all of it. */
const char *sst_below_next(const struct sst_below *, const char *at);
int	sst_below_none(const struct sst_below *);
/* Frees it; it is empty then. */
void	sst_below_done(struct sst_below *);

#endif
