/* SPDX-License-Identifier: ISC */
/*
 * roots - TLS_TRUSTED_PEER_CERTIFICATES: a file, a directory or bytes to trust.
 *
 * Always true:
 *   1. A set that fails changes nothing.
 *   2. In a directory, files without a certificate are passed over; none at all
 *      is an error.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_ROOTS_H
#define SST_RELAY_ROOTS_H

struct sst_error;
struct sst_record;

/* `fd` is borrowed; `path` is for texts. */
int	sst_roots_add(struct sst_record *, int fd, const char *path,
	    struct sst_error *err);

#endif
