/* SPDX-License-Identifier: ISC */
/*
 * choice - a decision and its reasons.
 *
 * store_choose.c makes them, kept.c keeps those of hot names.
 *
 * Always true:
 *   1. Immutable once built but for the count of references; one block of
 *      memory, besides the identities that it holds.
 *   2. At most SST_CANDIDATES_MAX candidates are kept, winners first.
 * Threads: shared by reference count.
 */
#ifndef SST_CERTSTORE_CHOICE_H
#define SST_CERTSTORE_CHOICE_H

#include "choose.h"
#include "identity.h"

#define SST_CANDIDATES_MAX	32

struct sst_choice_parts {
	const char	*name;		/* as asked for, folded */
	enum sst_tier	 tier;
	int		 alert;		/* 0: something was chosen */
	int		 degraded;
	int		 revoked;	/* one of `ids` is */
	uint64_t	 generation;
	time_t		 from, until;
	const struct sst_ranked *ranked;
	size_t		 n_ranked;
	struct sst_identity *const *ids; /* references are taken */
	size_t		 n_ids;
};

struct sst_choice *sst_choice_new(const struct sst_choice_parts *);	/* or NULL */
/* The same decision for another name that nobody has. NULL: out of memory. */
struct sst_choice *sst_choice_rename(const struct sst_choice *, const char *name);
/* Whether something that was marked as revoked is among what is installed. */
int	sst_choice_revoked(const struct sst_choice *);
/* Whether it still holds at `now` and for this generation. */
int	sst_choice_holds(const struct sst_choice *, uint64_t generation, time_t now);
size_t	sst_choice_bytes(const struct sst_choice *);
/* Whether an identity of it left the cache. */
int	sst_choice_stale(const struct sst_choice *);
void	sst_choice_use(const struct sst_choice *);	/* marks its identities */

#endif
