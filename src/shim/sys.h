/* SPDX-License-Identifier: ISC */
/*
 * sys - system calls without libc's state around them.
 *
 * The library exports libc's names (connect, bind, ...), so it must not call
 * them. A result is what the kernel says: >= 0, or -errno. errno itself is left
 * to the exported functions, which keep it on success.
 *
 * Always true:
 *   1. Usable in a signal handler and between vfork and exec.
 *   2. No call here is a cancellation point but sst_sys_cancelable().
 */
#ifndef SST_SHIM_SYS_H
#define SST_SHIM_SYS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long
sst_sys_result(long r)
{
	return r == -1 ? -errno : r;
}

#define SST_SYS(...)	sst_sys_result(syscall(__VA_ARGS__))

/* The thread sanitizer's clone() takes every child for one with a memory of its
 * own: after one with CLONE_VM it reports no race of the thread any more, and
 * delivers no signal to it. This is libc's own. */
#ifdef __SANITIZE_THREAD__
int	__clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define SST_CLONE	__clone
#else
#define SST_CLONE	clone
#endif

/* What libc's own wrappers do around a call that may wait: cancellation acts
 * at once while the kernel waits, and nothing is held by the caller. */
#define SST_SYS_CANCELABLE(result, ...)					\
	do {								\
		int cancel_type_;					\
									\
		(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS,	\
		    &cancel_type_);					\
		(result) = SST_SYS(__VA_ARGS__);			\
		(void)pthread_setcanceltype(cancel_type_, NULL);	\
	} while (0)

static inline void
sst_sys_close(int fd)
{
	if (fd >= 0)
		(void)SST_SYS(SYS_close, fd);
}

static inline int
sst_sys_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	return (int)SST_SYS(SYS_getsockopt, fd, level, option, value, len);
}

static inline int
sst_sys_setsockopt(int fd, int level, int option, const void *value,
    socklen_t len)
{
	return (int)SST_SYS(SYS_setsockopt, fd, level, option, value, len);
}

/* The last line of every exported function: errno stays as it was on success. */
static inline int
sst_sys_return(long r, int saved_errno)
{
	errno = r < 0 ? (int)-r : saved_errno;
	return r < 0 ? -1 : (int)r;
}

/*
 * The program's signals and cancellation stay away between the two, so that no
 * handler finds a call half done and no thread ends with a descriptor open.
 */
struct sst_quiet {
	sigset_t	mask;
	int		cancel;
};

static inline void
sst_quiet_enter(struct sst_quiet *q)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
	    SIGSYS, SIGABRT };
	sigset_t all;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &q->cancel);
	(void)sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&all, faults[i]);
	(void)pthread_sigmask(SIG_SETMASK, &all, &q->mask);
}

static inline void
sst_quiet_leave(const struct sst_quiet *q)
{
	(void)pthread_sigmask(SIG_SETMASK, &q->mask, NULL);
	(void)pthread_setcancelstate(q->cancel, NULL);
}

/*
 * Copy from and to memory that the program names: -EFAULT where there is none,
 * as the kernel would say. `user_read` returns how many bytes it could read.
 */
long	sst_user_read(void *to, const void *user, size_t len);
int	sst_user_write(void *user, const void *from, size_t len);
/* Gives an address back as POSIX wants it: cut to *len, *len the full length. */
int	sst_user_address(struct sockaddr *user, socklen_t *user_len,
	    const void *addr, socklen_t len);

#endif
