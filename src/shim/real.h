/* SPDX-License-Identifier: ISC */
/*
 * real - libc's own functions, where this library has one of the same name.
 *
 *	resolve.c receive.c send.c exec.c --SST_REAL(read)(fd, buf, len)--> libc
 *
 * Always true:
 *   1. All are looked up before main() runs; one that is needed earlier, at
 *      its first use.
 * Threads: any; looking a function up twice gives the same.
 */
#ifndef SST_SHIM_REAL_H
#define SST_SHIM_REAL_H

#include <netdb.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Declared by libc's headers only where they use them. */
extern ssize_t	__read_chk(int, void *, size_t, size_t);
extern ssize_t	__recv_chk(int, void *, size_t, size_t, int);
extern ssize_t	__recvfrom_chk(int, void *__restrict, size_t, size_t, int,
		    __SOCKADDR_ARG, socklen_t *__restrict);

#define SST_REAL_LIST(X)						\
	X(getaddrinfo) X(gethostbyname) X(gethostbyname2)		\
	X(gethostbyname_r) X(gethostbyname2_r)				\
	X(read) X(readv) X(recv) X(recvfrom) X(recvmsg)			\
	X(__read_chk) X(__recv_chk) X(__recvfrom_chk)			\
	X(write) X(writev) X(send) X(sendto) X(sendmsg) X(sendmmsg)	\
	X(execvpe) X(posix_spawn) X(posix_spawnp)

enum {
#define SST_REAL_NUMBER(name)	SST_REAL_##name,
	SST_REAL_LIST(SST_REAL_NUMBER)
#undef SST_REAL_NUMBER
	SST_REAL_COUNT
};

/* Never NULL: a C library without the function ends the process. */
void	*sst_real(unsigned number);

#define SST_REAL(name)	((__typeof__(&name))sst_real(SST_REAL_##name))

#endif
