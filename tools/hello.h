/* SPDX-License-Identifier: ISC */
/*
 * hello - a ClientHello made of what was typed at `sstool cert explain`.
 *
 * Always true:
 *   1. What is not given is what a current browser sends: TLS 1.3, the usual
 *      suites, groups and signature algorithms.
 *   2. The name goes in as it was typed, unless it has U-labels: a hostile name
 *      can be asked for as well.
 * Threads: a struct belongs to its caller.
 */
#ifndef SST_TOOLS_HELLO_H
#define SST_TOOLS_HELLO_H

#include <netinet/in.h>
#include <stdint.h>

#include <securesockets/certstore.h>

struct sst_typed_hello {
	struct sst_hello hello;		/* points into the rest */
	uint8_t		 name[5 + 512];	/* body of the extension */
	uint16_t	 sigalgs[64];
	union {
		struct sockaddr		any;
		struct sockaddr_in	v4;
		struct sockaddr_in6	v6;
	} local;
};

/* Sets the defaults: no name, no address. */
void	sst_hello_init(struct sst_typed_hello *);
/* 0, or SST_E_USAGE: too long, or U-labels that are no host name. */
int	sst_hello_set_name(struct sst_typed_hello *, const char *name,
	    struct sst_error *err);
/* The address the client reached, v4 or v6. 0 or SST_E_USAGE. */
int	sst_hello_set_ip(struct sst_typed_hello *, const char *ip,
	    struct sst_error *err);
/* "ECDSA+SHA256:rsa_pss_rsae_sha256", "0x0403"; separated by ':' or ','.
 * "" is a hello without the extension. 0 or SST_E_USAGE. */
int	sst_hello_set_sigalgs(struct sst_typed_hello *, const char *list,
	    struct sst_error *err);
/* "1.2" or "1.3". 0 or SST_E_USAGE. */
int	sst_hello_set_version(struct sst_typed_hello *, const char *version,
	    struct sst_error *err);

#endif
