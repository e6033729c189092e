/* SPDX-License-Identifier: ISC */
/*
 * partner - somebody else's server, in a directory with the certificate of `w.www`.
 *
 * Tests of a client with a checker use it together with duo.h: chain.pem and key.pem
 * are in partner_dir, and staples are written there.
 *
 * Always true:
 *   1. No server outlives the test, also not one that fails.
 *   2. A server that does not start fails the test with what it said.
 * Threads: none of its own.
 */
#ifndef SST_TEST_PARTNER_H
#define SST_TEST_PARTNER_H

#include <openssl/tls1.h>
#include <stdio.h>
#include <sys/types.h>

#include "duo.h"

extern char *partner_dir;
/* The versions that staples differ in. */
static const int partner_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
/* A client that accepts nobody without a staple. */
extern const struct sst_openssl_check partner_strict;

/* CMocka's test fixtures, duo_setup() and duo_teardown() included. */
int	partner_setup(void **);
int	partner_teardown(void **);
/* The response, taken over, as a file; a path that lives as long as the test. */
const char *partner_response(const char *name, struct pki_buf der);

struct partner {
	pid_t	 pid;
	FILE	*out;	/* what it says */
	int	 port;
};

void	partner_start(struct partner *, const char *const argv[]);
/* Waits for the line that has this word; it is in `line`. */
void	partner_wait(struct partner *, const char *word, char *line, size_t size);
void	partner_stop(struct partner *);

#endif
