/* SPDX-License-Identifier: ISC */
/*
 * pair_try - a handshake in memory with the pair that a store holds.
 *
 * pair.c calls it. The server's side is sst_openssl_attach_store(), which programs use.
 *
 * Always true:
 *   1. The client believes what issued the chain, and nothing else; a chain of one is
 *      its own.
 * Threads: one.
 */
#ifndef SST_TOOLS_PAIR_TRY_H
#define SST_TOOLS_PAIR_TRY_H

#include <time.h>

struct sst_error;
struct sst_pair;
struct sst_store;

/* TLS 1.2 and 1.3; 0 or SST_E_*, and the text says which of them and why. */
int	sst_pair_try(const struct sst_pair *, struct sst_store *, time_t now,
	    struct sst_error *err);

#endif
