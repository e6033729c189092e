/* SPDX-License-Identifier: ISC */
/*
 * kept - parsed identities, and the decisions of hot names.
 *
 * store_choose.c calls it: a decision that is found costs no SQLite, no parsing
 * and no allocation.
 *
 * Always true:
 *   1. What it holds is bounded in bytes, at any time: three quarters are for
 *      identities, one for decisions. An identity that is thrown out takes
 *      the decisions that hold it with it, at the latest when an eighth of the
 *      identities' part was thrown out.
 *   2. Names that nobody has are not in it.
 *   3. A decision is given out for the generation and the dates it was made
 *      for, and for no other.
 * Threads: any number; each lock spans a look-up or a change of one slot.
 */
#ifndef SST_CERTSTORE_KEPT_H
#define SST_CERTSTORE_KEPT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct sst_kept;
struct sst_choice;
struct sst_identity;

struct sst_kept *sst_kept_new(size_t bytes);	/* NULL: out of memory */
void	sst_kept_free(struct sst_kept *);	/* NULL is allowed */
/* fork: all locks, before and after. */
void	sst_kept_lock(struct sst_kept *);
void	sst_kept_unlock(struct sst_kept *);

/* The identity of a row, which the caller unrefs; or NULL. */
struct sst_identity *sst_kept_get(struct sst_kept *, int64_t row);
/* Keeps it if memory allows. */
void	sst_kept_put(struct sst_kept *, int64_t row, struct sst_identity *);
void	sst_kept_drop(struct sst_kept *, int64_t row);

struct sst_kept_figures {
	size_t		bytes;		/* of identities and decisions held now */
	uint64_t	hits;		/* decisions that were found */
};

void	sst_kept_figures(struct sst_kept *, struct sst_kept_figures *ret);

struct sst_hit {
	const char	*name;
	uint64_t	 policy;	/* digest of what the listener adds */
	uint64_t	 generation;
	uint32_t	 kinds;
	uint64_t	 hash;		/* of all but generation: sst_kept_key() */
};

void	sst_kept_key(const struct sst_kept *, struct sst_hit *);
/* The decision, which the caller unrefs; or NULL. */
struct sst_choice *sst_kept_hit(struct sst_kept *, const struct sst_hit *, time_t now);
void	sst_kept_hit_put(struct sst_kept *, const struct sst_hit *, struct sst_choice *);

#endif
