/* SPDX-License-Identifier: ISC */
/*
 * ours_inside - what a server serves, as its own files see it (ours.h).
 *
 *	ours.c		life, fork, who lacks a staple, what a client is given
 *	ours_sync.c	what is taken in, and what has left
 *
 * Always true:
 *   1. What is seen to is in the store, or left it after `left`, or is in `unsure`.
 *   2. `mu` is held while the store is told, and nothing else is waited for under it. Order
 *      of locks: the list of all, mu, the store's, own's.
 */
#ifndef SST_TLS_OURS_INSIDE_H
#define SST_TLS_OURS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "certstore/store_leaves.h"
#include "ocsp/own.h"
#include "ours.h"

#define SST_OURS_SERVED	64	/* that wait to be taken in; who comes later comes again */

struct sst_ours_must;

struct sst_ours_leaves {
	uint8_t		(*v)[32];	/* SHA-256 */
	size_t		 n, room;
};

struct sst_ours {
	atomic_int	 refs;
	struct sst_ours	*next, *prev;	/* list of all, for fork */
	struct sst_own	*own;
	int		 no_staples, given;
	atomic_int	 synced;
	atomic_uint_fast64_t generation; /* of the store, when it was looked through */
	atomic_int	 following;	/* somebody sees what left */
	atomic_int	 due;		/* it is to be done again */
	atomic_int	 all;		/* and then each is to be looked up */
	pthread_mutex_t	 mu;		/* guards what follows */
	struct sst_store *store;	/* NULL: stopped */
	struct sst_leaves_seen seen;
	struct sst_leaves_left left;
	struct sst_ours_leaves unsure;	/* whether the store has it was not seen since it
					   was taken in */
	struct sst_ours_must *musts;
	size_t		 n_musts;
	struct sst_ours_leaves expected;
	struct sst_identity *served[SST_OURS_SERVED];	/* new: the next step takes them in */
	size_t		 n_served;
};

/* ours.c: for sst_store_unref(); NULL: it was stopped. */
struct sst_store *sst_ours_store(struct sst_ours *);
/* Takes in a certificate. 0. */
int	sst_ours_take_in(void *ours, X509 *leaf, STACK_OF(X509) *above);

/* ours_sync.c: takes in what was served. How many there were. */
size_t	sst_ours_served_take(struct sst_ours *);
/* Drops what left, if the store changed, or that is due. */
void	sst_ours_catch_up(struct sst_ours *);
/* Takes in what a client is about to be shown, from wherever it came. */
void	sst_ours_met(struct sst_ours *, X509 *leaf, STACK_OF(X509) *above);

#endif
