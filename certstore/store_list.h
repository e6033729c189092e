/* SPDX-License-Identifier: ISC */
/*
 * store_list - the rows of a store, one after another.
 *
 * store_list.c and store_leaves.c call it.
 *
 * Always true:
 *   1. A page of rows is in memory, however many there are; no lock is held while they
 *      are shown.
 * Threads: as store.h.
 */
#ifndef SST_CERTSTORE_STORE_LIST_H
#define SST_CERTSTORE_STORE_LIST_H

struct sst_error;
struct sst_row;
struct sst_store;

#define SST_LIST_PAGE	64

/* Calls `each` for every row, by source and name; stops when it returns other than 0, and
 * returns that. What changes meanwhile may be left out, or come twice. */
int	sst_store_rows(struct sst_store *, int (*each)(void *arg, struct sst_row *),
	    void *arg, struct sst_error *err);

#endif
