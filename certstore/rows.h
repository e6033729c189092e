/* SPDX-License-Identifier: ISC */
/*
 * rows - entries of a store as plain values.
 *
 * index.c keeps them, choose.c ranks them, store_*.c moves them.
 *
 * Always true:
 *   1. A row holds no key and no parsed certificate: it is a hint of where an
 *      identity is and what it was when last seen.
 * Threads: plain values.
 */
#ifndef SST_CERTSTORE_ROWS_H
#define SST_CERTSTORE_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <securesockets/certstore.h>

struct sst_leaf_facts;

struct sst_row {
	int64_t		 id, source;
	int64_t		 set_order;	/* > 0: set as a file or bytes, in this order */
	uint64_t	 generation;
	int		 state;		/* enum sst_entry_state */
	int		 kind;		/* enum sst_key_kind */
	int		 is_default;	/* the entry `default` of a directory */
	int		 wants_staple;	/* it names a responder, or demands a staple */
	time_t		 not_before, not_after;
	uint8_t		 digest[32], print[32], names_key[32], content[32];
	char		*path;		/* as the person knows it */
	char		*key_path;	/* NULL: none, or in memory */
	char		*load;		/* where to read it again; NULL: pinned */
	char		*load_key;
	char		*why;		/* NULL: nothing to say */
	char		*key_type;
	char		*issuer;
	char		*names;		/* lines */
	char		*warnings;	/* lines */
	enum sst_tier	 tier;		/* by which a look-up found it */
};

/* Frees what a row points to. */
void	sst_row_done(struct sst_row *);
/* Copies what a leaf says into a row. < 0: out of memory. */
int	sst_row_facts(struct sst_row *, const struct sst_leaf_facts *);
/* strdup that takes NULL; 0 or SST_E_NOMEM. The old text is freed. */
int	sst_text_set(char **to, const char *text);

struct sst_rows {
	struct sst_row	*v;
	size_t		 n, room;
};

void	sst_rows_done(struct sst_rows *);
/* Moves *row to the end (the caller's becomes empty). 0 or SST_E_NOMEM. */
int	sst_rows_move(struct sst_rows *, struct sst_row *row);

#endif
