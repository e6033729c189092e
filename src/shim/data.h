/* SPDX-License-Identifier: ISC */
/*
 * data - where an AF_UNIX stream answers otherwise than TCP.
 *
 *	program --read, recv, ...--> receive.c     program --write, send, ...--> send.c
 *
 * The data calls are the kernel's own. These functions make the call first, and
 * look whose descriptor it is only when it failed, or when it was given an
 * address or a flag that a stream of ours has no use for.
 *
 * Always true:
 *   1. A call that succeeds costs no system call more.
 *   2. What is not a TLS socket keeps result and errno.
 *   3. Each is the cancellation point that libc's is, by calling it.
 * Threads: any; signal handlers too.
 */
#ifndef SST_SHIM_DATA_H
#define SST_SHIM_DATA_H

#include <sys/types.h>
#include <sys/uio.h>

#include "shim.h"

/* Exported under libc's names alone. */
ssize_t	sst_read(int fd, void *buf, size_t n);
ssize_t	sst_readv(int fd, const struct iovec *iov, int n);
ssize_t	sst_recv(int fd, void *buf, size_t n, int flags);
ssize_t	sst_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
	    socklen_t *len);
ssize_t	sst_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t	sst_write(int fd, const void *buf, size_t n);
ssize_t	sst_writev(int fd, const struct iovec *iov, int n);
ssize_t	sst_send(int fd, const void *buf, size_t n, int flags);
ssize_t	sst_sendto(int fd, const void *buf, size_t n, int flags,
	    const struct sockaddr *addr, socklen_t len);
ssize_t	sst_sendmsg(int fd, const struct msghdr *msg, int flags);
int	sst_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
/* What programs call that are built with _FORTIFY_SOURCE. */
ssize_t	sst___read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t	sst___recv_chk(int fd, void *buf, size_t n, size_t size, int flags);
ssize_t	sst___recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
	    struct sockaddr *addr, socklen_t *len);

#endif
