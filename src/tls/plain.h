/* SPDX-License-Identifier: ISC */
/*
 * plain - the steps of a connection without TLS: bytes as they are.
 *
 *	conn.c --> plain.c --> the kernel
 *
 * Always true:
 *   1. The answers are those of conn.h. A FIN is END, everything else that ends
 *      a connection is FAILED.
 * Threads: pure but for the descriptor.
 */
#ifndef SST_TLS_PLAIN_H
#define SST_TLS_PLAIN_H

#include "conn.h"

/* *ret_drained, set in any case: the socket had no more than that. */
enum sst_step sst_plain_read(int fd, void *buf, size_t size, size_t *ret_n,
	    int *ret_drained, struct sst_error *err);
enum sst_step sst_plain_write(int fd, const void *buf, size_t len, size_t *ret_n,
	    struct sst_error *err);

#endif
