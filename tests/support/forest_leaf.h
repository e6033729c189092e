/* SPDX-License-Identifier: ISC */
/* forest_leaf - what forest.c and forest_files.c share. */
#ifndef SST_TEST_FOREST_LEAF_H
#define SST_TEST_FOREST_LEAF_H

#include <openssl/evp.h>
#include <stddef.h>

#include "forest.h"

enum { FOREST_LEAF = 4096 };	/* more than one leaf takes as PEM */

struct forest_template {
	unsigned char	*tbs;		/* to be signed, of some name */
	size_t		 len;
	size_t		 name, serial;	/* where they are in it */
	char		*key;		/* PEM */
	size_t		 key_len;
};

struct forest {
	struct pki_cert	*root, *middle;
	char		*chain;		/* the intermediate as PEM */
	size_t		 chain_len;
	EVP_PKEY	*keys[FOREST_KEYS];
	struct forest_template templates[FOREST_KEYS];
};

/* The leaf of this name and version as PEM; its length. Any thread. */
size_t	forest_leaf(const struct forest *, int i, int version, char out[FOREST_LEAF]);
/* Whose key it has. */
const struct forest_template *forest_key(const struct forest *, int i, int version);

#endif
