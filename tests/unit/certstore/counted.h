/* SPDX-License-Identifier: ISC */
/*
 * counted - the file system as a source that counts what is asked of it, and what the
 * index of a store does.
 *
 * Tests of what a change may cost link it.
 *
 * Always true:
 *   1. What it does not refuse, the file system answers.
 * Threads: the counters are atomic.
 */
#ifndef SST_TEST_COUNTED_H
#define SST_TEST_COUNTED_H

#include <securesockets/certstore.h>

struct counted {
	long	opened, listed, links;	/* questions */
	long	steps;			/* of SQLite's machine */
};

/* A path whose listing fails with EACCES; NULL: none. */
extern const char *counted_refuses;

/* A store on such a source; the caller unrefs it. `config` may be NULL. */
struct sst_store *counted_store(const struct sst_store_config *config);
/* What was done since the last call. */
struct counted counted_since(struct sst_store *);

#endif
