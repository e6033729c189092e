/* SPDX-License-Identifier: ISC */
/*
 * index_pack - how the paths of a row are written in the index.
 *
 *	index_rows.c --row--> item and shape --> index	and back
 *
 * A row names up to four paths, and most rows of a directory differ in one word alone:
 * the folder of certbot, the stem of a file. That word is the *item*; what is left, with
 * marks where the item and the directory stand, is the *shape*, which the rows share.
 *
 *	/etc/letsencrypt/live/www.example/fullchain.pem		item www.example
 *	/etc/letsencrypt/archive/www.example/fullchain3.pem	"ROOT/ITEM/fullchain.pem
 *								 UP/archive/ITEM/..."
 *
 * Always true:
 *   1. What comes back is what went in, byte for byte, whatever the paths hold.
 *   2. Bytes that nobody packed come back as some text, and never as a fault.
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_INDEX_PACK_H
#define SST_CERTSTORE_INDEX_PACK_H

#include <stddef.h>

#include "rows.h"

#define SST_ITEM_SIZE	256	/* a file name has at most 255 bytes */

struct sst_packed {
	char	 item[SST_ITEM_SIZE];
	int	 flat;		/* a file right in the directory, or a source by itself */
	char	*shape;		/* owned */
};

/* The item of a path in a directory; "" and 1 for what is not below it. Returns flat. */
int	sst_pack_item(const char *root, const char *path, char item[SST_ITEM_SIZE]);
/* SST_OK or SST_E_NOMEM; then the caller frees ret->shape. */
int	sst_pack(const char *root, const struct sst_row *, struct sst_packed *ret);
/* Sets the paths of the row. SST_OK or SST_E_NOMEM. */
int	sst_unpack(const char *root, const char *item, const char *shape, struct sst_row *);

#endif
