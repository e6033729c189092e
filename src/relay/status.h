/* SPDX-License-Identifier: ISC */
/*
 * status - what this relay does, as one JSON document for `sstool status`.
 *
 * Always true:
 *   1. Keys are only added within a schema.
 *   2. Nothing of it is a secret, and nothing a peer sent appears raw.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_STATUS_H
#define SST_RELAY_STATUS_H

struct sst_relay;

/* Writes the document and closes `fd`. Never waits: who does not read it gets
 * what the socket's buffer holds. */
void	sst_status_write(struct sst_relay *, int fd);

#endif
