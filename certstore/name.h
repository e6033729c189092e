/* SPDX-License-Identifier: ISC */
/*
 * name - host names and addresses, folded to the one form that is compared.
 *
 * identity.c folds what certificates say, store_choose.c what clients ask for,
 * sst_name_fold() what a person typed.
 *
 * Always true:
 *   1. Folding is ASCII only and knows no locale.
 *   2. What comes out is printable ASCII, lower case, without a trailing dot.
 *   3. An address is "ip:" and its canonical text: no DNS name looks like it.
 *   4. A wildcard stands for exactly one whole left-most label (RFC 9525 6.3).
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_NAME_H
#define SST_CERTSTORE_NAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SST_NAME_SIZE	256	/* of every `out` below */

enum sst_asked {
	SST_ASKED_ILLEGAL,	/* bytes that no name holds: NUL, control, 8-bit */
	SST_ASKED_NOBODYS,	/* no certificate can have it */
	SST_ASKED_LITERAL,	/* an IP address where RFC 6066 wants a name */
	SST_ASKED_NAME		/* `out` can be looked up */
};

/* Folds the host_name of a ClientHello. `out` can always be printed. */
enum sst_asked sst_name_asked(const uint8_t *bytes, size_t len, char *out);
/*
 * Folds a dNSName of a certificate. 1: `out` is to be indexed. 0: it is not.
 * *ret_warning says why not, or what to think of it; NULL when unremarkable.
 */
int	sst_name_san(const uint8_t *bytes, size_t len, char *out,
	    const char **ret_warning);
/* The same for an iPAddress of 4 or 16 bytes, v4-mapped folded. 1 or 0. */
int	sst_name_ip(const uint8_t *bytes, size_t len, char *out);
/* The same for a local address. 1, or 0 when it is no IP address. */
int	sst_name_sockaddr(const struct sockaddr *, char *out);
/* "*.rest" of a folded name. 1, or 0 when no wildcard can stand for it. */
int	sst_name_wild(const char *name, char *out);
/* Whether `pattern` (exact, "*.rest" or "ip:") covers `name`. */
int	sst_name_match(const char *pattern, const char *name);

#endif
