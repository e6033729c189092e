/* SPDX-License-Identifier: ISC */
/*
 * sockname - the abstract name that an application's descriptor carries.
 *
 * A TLS socket is an AF_UNIX stream, and its own name says so: which pair it
 * belongs to, whether socket() or accept() made it, and for accepted sockets
 * both TCP addresses. So the shim needs no table, and getpeername() on an
 * accepted socket works after exec, in a chroot, and without the relay.
 *
 *	\0 sst1. DOOR(16 hex) . KIND FAMILY SERIAL(16 hex) [ADDRESSES(60)]
 *
 * Always true:
 *   1. It fits sun_path (100 bytes of 108).
 *   2. A name proves nothing: after close anybody can bind it. Authority comes
 *      with the descriptor (SO_COOKIE in the relay).
 * Threads: pure; no allocation.
 */
#ifndef SST_BASE_SOCKNAME_H
#define SST_BASE_SOCKNAME_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SST_SOCKNAME_MADE	's'	/* by socket() */
#define SST_SOCKNAME_ACCEPTED	'a'

union sst_inet {
	struct sockaddr		any;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
};

struct sst_sockname {
	char		door[16];
	char		kind;
	int		family;		/* AF_INET or AF_INET6 */
	uint64_t	serial;
	union sst_inet	local, peer;	/* ACCEPTED only */
};

/* Returns the length for bind(). */
socklen_t sst_sockname_encode(const struct sst_sockname *, struct sockaddr_un *addr);
/* 1: one of ours, *ret_name set. 0: some other name. */
int	sst_sockname_decode(const struct sockaddr_un *addr, socklen_t len,
	    struct sst_sockname *ret_name);
/* Length of the address by its family: 16 or 28. */
socklen_t sst_inet_len(const union sst_inet *);

#endif
