/* SPDX-License-Identifier: ISC */
/*
 * memo - evidence of certificates met lately, in this process's memory.
 *
 * In front of the cache: a chain that was judged a moment ago is judged again
 * without SQLite. Bounded; the least used go.
 *
 * Always true:
 *   1. What is remembered was in the cache (or came with a staple) at the
 *      generation it carries; another generation of the cache is a miss, except
 *      for REVOKED: it stays until newer evidence lifts a hold, also when the
 *      cache has lost it, and is evicted last.
 *   2. It decides nothing: evidence goes in, the same evidence comes out.
 * Threads: any number; sharded, a mutex a shard.
 */
#ifndef SST_OCSP_MEMO_H
#define SST_OCSP_MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "evidence.h"

#define SST_MEMO_EVIDENCE	8	/* pieces kept of one certificate */

struct sst_memo;

/* `bytes` 0: 16 MiB. */
int	sst_memo_new(size_t bytes, struct sst_memo **ret, struct sst_error *err);
void	sst_memo_free(struct sst_memo *);
/* Pieces, or -1: nothing of this generation is remembered. 0 pieces is an answer:
 * the cache had none. */
int	sst_memo_get(struct sst_memo *, const struct sst_cert_key *, uint64_t generation,
	    struct sst_evidence *list, size_t max);
void	sst_memo_put(struct sst_memo *, const struct sst_cert_key *, uint64_t generation,
	    const struct sst_evidence *list, size_t n);
/* In a child after fork(), while it has one thread: what somebody was changing is
 * forgotten. */
void	sst_memo_forked(struct sst_memo *);

#endif
