/* SPDX-License-Identifier: ISC */
/*
 * fault - the one table from our error codes to errno.
 */
#ifndef SST_RELAY_FAULT_H
#define SST_RELAY_FAULT_H

#include <securesockets/error.h>

/* What an option, listen() or the preparation of connect() fails with. */
int	sst_fault_call(const struct sst_error *err);
/* What a client's handshake fails with. */
int	sst_fault_handshake(const struct sst_error *err);

#endif
