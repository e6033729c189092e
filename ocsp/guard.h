/* SPDX-License-Identifier: ISC */
/*
 * guard - which addresses may be asked for evidence.
 *
 * Certificates name URLs, and whoever made one could make us ask the inside of
 * our own network. So the *socket address* is judged, after name resolution and
 * before connect (fetch.c), and the URL's form before that.
 *
 * Always true:
 *   1. Only globally reachable unicast is allowed (IANA's special-purpose
 *      registries), or what the operator listed.
 *   2. An address that embeds an IPv4 address is judged by that one: mapped,
 *      NAT64 64:ff9b::/96 and the site's own prefixes, 6to4, Teredo.
 *   3. http only; port 80, or a port that the operator listed.
 * Threads: a list is immutable.
 */
#ifndef SST_OCSP_GUARD_H
#define SST_OCSP_GUARD_H

#include <sys/socket.h>

#include <securesockets/error.h>

struct sst_guard;

/* `allow`: "ADDR", "ADDR/BITS", "[V6]", either with ":PORT" ("[V6]/BITS:PORT" is
 * written "[V6/BITS]:PORT"), ended by NULL; NULL: none. SST_E_USAGE names the
 * entry that does not parse. An entry without a port allows every port.
 * `nat64`: "V6/BITS", the prefixes of this site's NAT64 (RFC 6052), likewise. */
int	sst_guard_new(const char *const *allow, const char *const *nat64,
	    struct sst_guard **ret, struct sst_error *err);
void	sst_guard_free(struct sst_guard *);
/* 1: may be connected to; 0: not, and `err` (SST_E_REFUSED) says why. */
int	sst_guard_address(const struct sst_guard *, const struct sockaddr *, socklen_t,
	    struct sst_error *err);
/* The URL's form: scheme http, a host, no user part, no control or non-ASCII
 * byte, a port that some address could be allowed for. 1 or 0. */
int	sst_guard_url(const struct sst_guard *, const char *url, struct sst_error *err);
/* "NAME:PORT" of a URL that passed, in lower case, to count by; the caller frees
 * it. NULL: no memory. */
char	*sst_guard_host(const char *url);

#endif
