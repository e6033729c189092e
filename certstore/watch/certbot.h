/* SPDX-License-Identifier: ISC */
/*
 * certbot - where certbot keeps what belongs to a path below its live/.
 *
 * watch asks what else to watch, and the keeper what else it may open.
 *
 * Always true:
 *   1. Only names are looked at: nothing here touches a file.
 * Threads: any.
 */
#ifndef SST_WATCH_CERTBOT_H
#define SST_WATCH_CERTBOT_H

#include <stddef.h>

/*
 * Where what live/NAME links to is kept: fills `out` with the path of
 * archive/NAME (of archive, for live itself). 1, or 0: `path` is not in a
 * directory called live, or nothing fits.
 */
int	sst_certbot_archive(const char *path, char *out, size_t size);
/* For a live/ itself: where the settings of each name are, which a renewal writes
 * anew. 1, or 0. */
int	sst_certbot_renewal(const char *path, char *out, size_t size);

#endif
