/* SPDX-License-Identifier: ISC */
/*
 * links - follows symbolic links in a directory of certificates, and says where
 * they may lead.
 *
 * scan.c calls it, for every file of a directory.
 *
 * Always true:
 *   1. A link ends in the directory itself or in its sibling `archive`, where
 *      certbot keeps what live/NAME points to; anything else is refused.
 *   2. At most SST_LINKS_MAX links are followed.
 * Threads: pure, but for what the source does.
 */
#ifndef SST_CERTSTORE_LINKS_H
#define SST_CERTSTORE_LINKS_H

#include "source.h"

#define SST_LINKS_MAX	16
#define SST_PATH_SIZE	4096

/* Writes what `path`, below `root`, resolves to; `out` has SST_PATH_SIZE. */
int	sst_links_resolve(const struct sst_source_ops *, void *ctx, const char *root,
	    const char *path, char *out, struct sst_error *err);

#endif
