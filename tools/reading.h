/* SPDX-License-Identifier: ISC */
/*
 * reading - how far a store is with the certificates that it reads for a verb, on
 * stderr.
 *
 *	cert_list.c, cert_check.c, cert_explain.c --> reading.c --> progress.c, out.c
 *
 * Of a large directory the end is known: a bar, by names. What is read beside it, such as
 * single files, counts up.
 *
 * Always true:
 *   1. Nothing is said during the first second.
 * Threads: that of the store's callbacks, which is the caller's.
 */
#ifndef SST_TOOLS_READING_H
#define SST_TOOLS_READING_H

#include <stddef.h>

#include <securesockets/certstore.h>

#include "progress.h"

struct sst_reading {
	struct sst_progress bar;
	int		 is_large;	/* a large directory is under way */
	size_t		 read;		/* certificates */
};

/* Sets the callbacks of a store that is yet to be made. */
void	sst_reading_begin(struct sst_reading *, struct sst_store_config *);
/* All was read: the line is clear again. */
void	sst_reading_end(struct sst_reading *);

#endif
