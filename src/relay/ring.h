/* SPDX-License-Identifier: ISC */
/*
 * ring - the last events of this relay, as structured records.
 *
 *	log.c --add--> ring --each--> tell.c --> `sstool events`
 *
 * Always true:
 *   1. Numbers rise by one, from 1: a gap says that older ones went to make room.
 *   2. It holds SST_RING_MOST at most, each in one block of just its size.
 *   3. All text in it is escaped.
 * Threads: the caller's lock (log.h).
 */
#ifndef SST_RELAY_RING_H
#define SST_RELAY_RING_H

#include <stddef.h>
#include <stdint.h>

#define SST_RING_MOST	10000

/* One event. What it points to is borrowed when it is added, and the ring's after. */
struct sst_happening {
	uint64_t	 seq;		/* of the ring */
	int64_t		 at;		/* wall time */
	int		 kind;		/* enum sst_log_kind */
	const char	*text;
	const char	*source, *name;	/* NULL: about no file, no certificate */
	const uint8_t	*leaf;		/* SHA-256, or NULL */
	int64_t		 not_after;	/* 0: not known */
};

/* All zero is an empty one. */
struct sst_ring {
	struct sst_happening **v;	/* SST_RING_MOST places; NULL before the first */
	uint64_t	 last;		/* number of the newest; 0: none */
	uint64_t	 first;		/* of the oldest that is held */
};

/* Copies it under the next number, which it gets also where memory lacks: then it is
 * not held. */
void	sst_ring_add(struct sst_ring *, const struct sst_happening *);
/* Those with a number above `since`, oldest first; stops when `each` returns non-zero,
 * and returns that. */
int	sst_ring_each(const struct sst_ring *, uint64_t since,
	    int (*each)(void *arg, const struct sst_happening *), void *arg);
void	sst_ring_done(struct sst_ring *);

#endif
