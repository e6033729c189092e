/* SPDX-License-Identifier: ISC */
/*
 * pem_block - a PEM block as everybody writes it, without OpenSSL's reader.
 *
 * pem.c asks it first. OpenSSL copies each line three times and decodes byte by byte:
 * eight times as long, and a sixth of what a name of a directory costs.
 *
 * Always true:
 *   1. What is decoded here is what OpenSSL's reader makes of the same bytes.
 *   2. Whatever is written in another way (headers, other lines, blanks, another kind of
 *      block, damage) is not decoded here.
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_PEM_BLOCK_H
#define SST_CERTSTORE_PEM_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * The block that `text` begins with: lines of 64, the last one of fewer. Returns how long
 * it is there; *ret_name is constant, `der` has room for `len` bytes. 0: there is none in
 * this form, and what was written to `der` means nothing.
 */
size_t	sst_pem_block(const uint8_t *text, size_t len, const char **ret_name,
	    uint8_t *der, size_t *ret_der_len);

#endif
