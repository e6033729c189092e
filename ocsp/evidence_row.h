/* SPDX-License-Identifier: ISC */
/*
 * evidence_row - evidence as octets, for a row of the cache (cache_row.c) and for
 * a message of its service (service_wire.c).
 *
 * Always true:
 *   1. What is packed is unpacked to the same value, but for from_cache and fault,
 *      or it is an error.
 *   2. Unpacking reads no octet beyond the row, whatever the row says.
 * Threads: pure.
 */
#ifndef SST_OCSP_EVIDENCE_ROW_H
#define SST_OCSP_EVIDENCE_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "evidence.h"

#define SST_ROW_MAX	1024

/* Returns the octets used. */
size_t	sst_evidence_pack(const struct sst_cert_key *, const struct sst_evidence *,
	    uint8_t out[SST_ROW_MAX]);
/* 0, or -1: not such a row. */
int	sst_evidence_unpack(const void *, size_t, struct sst_cert_key *, struct sst_evidence *);

#endif
