/* SPDX-License-Identifier: ISC */
/*
 * control - what each verb of the shim does.
 *
 * door.c hands over calls that were read; the table of verbs is here, the work
 * in client.c, listener.c, option.c and supply.c.
 *
 * Always true:
 *   1. No verb waits: what takes time keeps the call and answers it later.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_CONTROL_H
#define SST_RELAY_CONTROL_H

struct sst_call;

/* Acts on a call; it is answered now or later. */
void	sst_control(struct sst_call *);

#endif
