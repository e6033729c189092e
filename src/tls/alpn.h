/* SPDX-License-Identifier: ISC */
/*
 * alpn - the list of protocols as the option takes it, and as TLS sends it.
 *
 * Threads: pure.
 */
#ifndef SST_TLS_ALPN_H
#define SST_TLS_ALPN_H

#include <stddef.h>
#include <stdint.h>

struct sst_error;

/*
 * Turns "h2,http/1.1" into the wire form. On 0 the caller frees *ret_wire; an
 * empty list is SST_E_USAGE.
 */
int	sst_alpn_encode(const char *list, uint8_t **ret_wire, size_t *ret_len,
	    struct sst_error *err);
/*
 * The first protocol of `ours` that `theirs` has too (both in wire form).
 * Borrowed from `ours`; NULL: none.
 */
const uint8_t *sst_alpn_pick(const uint8_t *ours, size_t ours_len,
	    const uint8_t *theirs, size_t theirs_len, uint8_t *ret_len);

#endif
