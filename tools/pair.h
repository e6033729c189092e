/* SPDX-License-Identifier: ISC */
/*
 * pair - a chain and its key as they would be deployed: read once, and tried.
 *
 * deploy.c calls it; it calls the store, and OpenSSL for a handshake in memory.
 *
 * Always true:
 *   1. What was verified are the bytes that are held here, and not files that somebody
 *      may change meanwhile.
 *   2. Of certbot's files chain and key have the same number, before and after they
 *      were read.
 *   3. The key is cleared when the pair is forgotten.
 * Threads: one.
 */
#ifndef SST_TOOLS_PAIR_H
#define SST_TOOLS_PAIR_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct sst_error;

struct sst_pair {
	char		*name;		/* what it is called: of the directory, or file */
	char		*chain, *key;	/* paths; key NULL: it is in the same file */
	char		*pem;		/* chain, then key */
	size_t		 len;
	unsigned	 version;	/* certbot's number; 0: not certbot's */
	time_t		 changed;	/* when its files were put there */
	/* of sst_pair_verify() */
	char		 key_type[32];
	time_t		 from, until;
	uint8_t		 digest[32];	/* of the leaf */
	json_t		*names, *warnings;	/* arrays of clean strings */
};

/*
 * Reads a directory with fullchain.pem and privkey.pem, a file with both, or (key not
 * NULL) a file of each. SST_E_STATE: certbot is about to change it, or was stopped in
 * the middle. The caller calls sst_pair_done() in any case.
 */
int	sst_pair_read(const char *path, const char *key, struct sst_pair *,
	    struct sst_error *err);
/*
 * The pair enters a store as it would a listener's, and serves a client in memory over
 * TLS 1.2 and 1.3 that asks for its first name, believes its issuer and compares each
 * name. SST_E_REFUSED, SST_E_MISMATCH ...: the text says what is wrong.
 */
int	sst_pair_verify(struct sst_pair *, time_t now, struct sst_error *err);
void	sst_pair_done(struct sst_pair *);

#endif
