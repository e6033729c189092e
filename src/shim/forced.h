/* SPDX-License-Identifier: ISC */
/*
 * forced - sockets that are TLS because a policy says so.
 *
 *	socket.c connect.c bind.c accept.c resolve.c --> forced --> policy, memo
 *
 * Under a policy every TCP socket is made as a socket of ours, since its port is
 * not known yet. What becomes of it is decided at connect() and listen().
 *
 * Always true:
 *   1. A policy that cannot be read makes no socket: never a plain one.
 *   2. A program with raised rights (AT_SECURE) sees no policy.
 *   3. The policy is read once, before main(): what the program does to its
 *      environment later changes nothing.
 * Threads: any.
 */
#ifndef SST_SHIM_FORCED_H
#define SST_SHIM_FORCED_H

#include <sys/socket.h>

#include "policy.h"
#include "shim.h"

/* The lowest bit of a socket's serial: made under a policy. */
#define SST_SERIAL_FORCED	1U

/* The policy that is in force, or NULL. Broken: NULL, and *ret_broken is 1. */
const struct sst_policy *sst_forced_policy(int *ret_broken);
int	sst_is_forced(const struct sst_sockname *);

/*
 * What a forced socket does next: SST_MODE_TLS with all that the policy says
 * set on it, SST_MODE_PLAIN, or -errno with a sentence said.
 */
int	sst_forced_connect(int fd, const struct sst_sockname *, enum sst_kind,
	    const struct sockaddr_storage *addr);
/* A TLS connection of sst_forced_connect() is there, or under way. */
void	sst_forced_reached(const struct sockaddr_storage *addr);
int	sst_forced_listen(int fd, const struct sst_sockname *, enum sst_kind);
/*
 * Whether the policy is about `fd`, a TCP socket that was not made here but
 * inherited or passed: 1 when it listens, or would, on a port that is TLS.
 * `connecting`: 1 for every TCP socket, since it would be a plain connection.
 */
int	sst_forced_foreign(int fd, int connecting);
extern const char sst_forced_not_ours[];	/* why it does not connect */
/* `fd`, a plain listener, becomes a TLS listener of the same number. 0, or -errno
 * with a sentence said. */
int	sst_forced_adopt(int fd);

#endif
