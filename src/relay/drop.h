/* SPDX-License-Identifier: ISC */
/*
 * drop - gives up every right that the relay does not need.
 *
 * relay.c calls it before anything is read from a program or the network.
 *
 * Always true:
 *   1. On success there is no capability in any set, no way to gain one
 *      (no_new_privs), no core dump, and no other process of the same uid may
 *      attach.
 *   2. A relay started by root is not root afterwards. The one exception is a
 *      user namespace that maps no second uid: there root is one plain user.
 * Threads: before the first thread is made.
 */
#ifndef SST_RELAY_DROP_H
#define SST_RELAY_DROP_H

struct sst_error;

int	sst_drop_rights(struct sst_error *err);
/* Whether the process is as sst_drop_rights() leaves it: SST_OK or an error. */
int	sst_drop_check(struct sst_error *err);

#endif
