/* SPDX-License-Identifier: ISC */
/*
 * cert_files - the store's source of bytes inside the relay.
 *
 * Always true:
 *   1. What is being loaded is read from the program's own descriptor.
 *   2. Later, a watched source is opened by the keeper, a static directory
 *      through its descriptor with the relay's own rights.
 *   3. A path that lies below no source is refused.
 * Threads: any. `ctx` is a struct sst_certs.
 */
#ifndef SST_RELAY_CERT_FILES_H
#define SST_RELAY_CERT_FILES_H

#include "certstore/source.h"

extern const struct sst_source_ops sst_cert_files;

#endif
