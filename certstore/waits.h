/* SPDX-License-Identifier: ISC */
/*
 * waits - folders that are to be looked at again soon, and when.
 *
 * store_again.c notes what a scan found (scan.h: seen), and reads again what is due;
 * store_change.c drops what is taken out.
 *
 * Always true:
 *   1. A folder is in it once; what is whole is not in it.
 *   2. It is looked at again after 0.2, 0.5, 1, 2 and 5 s, and then every 10 s. One
 *      that others look at meanwhile does not move on.
 *   3. At most SST_WAITS_MAX folders wait; a further one waits for the watch.
 *   4. When it has waited through the first five, it is told, once.
 * Threads: the caller holds the lock of the store.
 */
#ifndef SST_CERTSTORE_WAITS_H
#define SST_CERTSTORE_WAITS_H

#include <stddef.h>
#include <stdint.h>

#define SST_WAITS_MAX	4096

struct sst_wait {
	char		*source, *folder;
	int64_t		 since, due;	/* ms */
	int		 back;		/* as in struct sst_seen */
	unsigned	 tries;
	uint64_t	 theirs;	/* how far who writes had come; 0: this store does */
};

struct sst_waits {
	struct sst_wait	*v;
	size_t		 n, room;
};

void	sst_waits_done(struct sst_waits *);
/* The folder's, or NULL. */
struct sst_wait *sst_waits_find(struct sst_waits *, const char *folder);
/* It is (still) to be looked at again. 1: tell so, now. */
int	sst_waits_note(struct sst_waits *, const char *source, const char *folder,
	    int back, int64_t now);
/* It is whole, or is no more. */
void	sst_waits_drop(struct sst_waits *, const char *folder);
/* All that came from a source. */
void	sst_waits_drop_source(struct sst_waits *, const char *source);
/* Copies what is due, source and folder; what there is memory for. 0 or SST_E_NOMEM. */
int	sst_waits_due_copy(const struct sst_waits *, int64_t now, struct sst_waits *ret);
/* ms from `now` to the next that is due, 0 if it is over; -1: none waits. */
int64_t	sst_waits_due(const struct sst_waits *, int64_t now);

#endif
