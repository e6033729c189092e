/* SPDX-License-Identifier: ISC */
/*
 * publish - puts a pair as one file into a directory that services may read.
 *
 * deploy.c calls it.
 *
 * Always true:
 *   1. The file appears whole, with its group and mode, in place of the one before:
 *      whoever opens it has the old pair or the new one. What fails, or is killed,
 *      leaves the old one.
 *   2. Nobody but root and who publishes can put anything into the directory, or another
 *      one in its place.
 *   3. What a killed one left behind is removed by the next.
 * Threads: one.
 */
#ifndef SST_TOOLS_PUBLISH_H
#define SST_TOOLS_PUBLISH_H

#include <stddef.h>
#include <sys/types.h>

struct sst_error;

#define SST_PUBLISH_DIR		"/var/lib/securesockets/certs"
#define SST_PUBLISH_GROUP	"ssl-cert"

struct sst_publish {
	const char	*dir;	/* made when it is not there, 0750 and of the group */
	gid_t		 group;
	mode_t		 mode;	/* within 0640 */
};

/* Writes DIR/NAME.pem; its path to `path`. SST_E_USAGE: `name` is no name of a file;
 * SST_E_REFUSED: the directory is open to others; SST_E_SYSTEM. */
int	sst_publish(const struct sst_publish *, const char *name, const void *bytes,
	    size_t len, char *path, size_t size, struct sst_error *err);

#endif
