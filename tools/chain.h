/* SPDX-License-Identifier: ISC */
/*
 * chain - the certificates of a peer, read from PEM to be printed.
 *
 * Threads: one.
 */
#ifndef SST_TOOLS_CHAIN_H
#define SST_TOOLS_CHAIN_H

#include <jansson.h>

/* An array, leaf first: subject, issuer, names, key_type, not_before,
 * not_after, sha256. Owned by the caller; empty when nothing parses. */
json_t	*sst_chain_read(const char *pem);
/* Two or three lines a certificate on stdout. */
void	sst_chain_print(const json_t *chain);

#endif
