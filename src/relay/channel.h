/* SPDX-License-Identifier: ISC */
/*
 * channel - what the keeper tells the relay.
 *
 * Always true:
 *   1. A descriptor that a message does not call for is closed.
 *   2. When the keeper is gone the relay serves what it has, and ends.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_CHANNEL_H
#define SST_RELAY_CHANNEL_H

struct sst_error;
struct sst_relay;

/* Reads the start message and everything that a former relay left, up to
 * RESTORED; then says READY. */
int	sst_channel_open(struct sst_relay *, struct sst_error *err);
/* Tells the keeper why this relay never will be ready. */
void	sst_channel_refuse(int channel, const struct sst_error *err);

#endif
