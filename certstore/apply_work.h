/* SPDX-License-Identifier: ISC */
/*
 * apply_work - one transaction on the store, under way.
 *
 *	apply.c		a source holds exactly this now; a key came for a chain
 *	apply_piece.c	what was read against what was there
 *	apply_try.c	what is to be served is tried first
 *	apply_remove.c	what is taken out
 *	apply_keep.c	what goes on although its files are bad
 *	apply_work.c	the steps that they share, and the end of a transaction
 *
 * Always true:
 *   1. Between begin and finish `mu` is held, and no file is read.
 *   2. Pins and the cache change only after the commit; but the pin of a row whose files
 *      were just read, and say the same, goes before: it is not needed either way.
 * Threads: a transaction belongs to one call.
 */
#ifndef SST_CERTSTORE_APPLY_WORK_H
#define SST_CERTSTORE_APPLY_WORK_H

#include "apply.h"

/* One transaction on one source. */
struct sst_work {
	struct sst_store	*s;
	struct sst_events	*events;
	struct sst_error	*err;
	struct sst_rows		 old;		/* what there was */
	struct sst_rows		 kept;		/* of those: they go on, their files are bad */
	int64_t			*gone;		/* rows whose pins go after the commit */
	size_t			 n_gone, room_gone;
	int64_t			 source;
	enum sst_source_kind	 kind;
	int			 keep;
	int			 changed;	/* a new generation is due */
	int			 touched;	/* something must be written */
};

/* `old` holds exactly this now. Rows of `old` that are kept move to `kept`. */
int	sst_piece_put_locked(struct sst_work *, struct sst_scan *);
/* Adds an event. `why` NULL: key type and first name of the row. */
void	sst_work_tell(struct sst_work *, enum sst_store_event_kind,
	    const struct sst_row *, const char *why);
/* Drops a row; its pin and its place in the cache go after the commit. */
int	sst_work_drop_locked(struct sst_work *, int64_t id);
/* A pair set by bytes takes the place of one with the same names and key type
 * that was set by bytes too; it then stands where that one stood. */
int	sst_work_bytes_locked(struct sst_work *, struct sst_row *, int *ret_replaced);
/* Ends the transaction: all of it, or, with rc < 0, nothing. */
int	sst_work_finish_locked(struct sst_work *, int rc, struct sst_piece *, size_t n);
void	sst_work_done(struct sst_work *);

/*
 * What goes on although its files are bad is held in memory from now on, if it is there
 * or an older file has it: the cache could not read it again. Files are read here, so no
 * lock is held.
 */
void	sst_keep_row(struct sst_store *, const struct sst_row *);

#endif
