/* SPDX-License-Identifier: ISC */
/*
 * index_gen - one page that the processes of an index share: who writes, and what
 * generation it has come to.
 *
 *	index.c opens it beside the index; store.c reads its word for every ClientHello
 *
 * Always true:
 *   1. The generation is one word, read with one load.
 *   2. One handle at a time is the writer's: it holds flock() on the file, and loses it
 *      with its process, however that ends.
 *   3. The page stays mapped until sst_gen_close(), also when the claim is given up.
 *   4. Who writes reads no word from the page, and mends the file when it was cut off.
 *      Any other process of this user's ends (SIGBUS) if it looks at the page of a file
 *      that was: one load cannot ask first, and against another process of the same user
 *      nothing is promised.
 * Threads: the words are atomic; claim, yield and close are the holder's.
 */
#ifndef SST_CERTSTORE_INDEX_GEN_H
#define SST_CERTSTORE_INDEX_GEN_H

#include <stdatomic.h>
#include <stdint.h>

struct sst_error;
struct sst_gen;

/* Opens the page, and makes it where there is none. SST_E_REFUSED: it is not this
 * user's own. On 0 the caller owns *ret. */
int	sst_gen_open(const char *path, struct sst_gen **ret, struct sst_error *err);
void	sst_gen_close(struct sst_gen *);	/* NULL is allowed */

/* 1: this handle is the writer's, from now on or since before. 0: another's is. */
int	sst_gen_claim(struct sst_gen *);
int	sst_gen_is_writer(const struct sst_gen *);
/* Another may write from now on; this handle never will. */
void	sst_gen_yield(struct sst_gen *);
/* In the child of a fork: the claim stays with the parent. */
void	sst_gen_forked(struct sst_gen *);

/* Another one after each claim, yield and fork. */
const atomic_uint_fast64_t *sst_gen_word(const struct sst_gen *);
/* These are the writer's: */
void	sst_gen_set(struct sst_gen *, uint64_t generation);
void	sst_gen_next_epoch(struct sst_gen *);
/* It has read some more of the directory. */
void	sst_gen_beat(struct sst_gen *);
/* Number of the index file: another one, and the file was made anew. 0: none yet. */
uint64_t sst_gen_epoch(const struct sst_gen *);
/* Another number: who writes went on. */
uint64_t sst_gen_beats(const struct sst_gen *);

#endif
