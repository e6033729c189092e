/* SPDX-License-Identifier: ISC */
#include "data.h"
#include "forced.h"
#include "real.h"
#include "sys.h"
#include "text.h"

#include <netinet/tcp.h>

SST_LIBC_NAME(write);
SST_LIBC_NAME(writev);
SST_LIBC_NAME(send);
SST_LIBC_NAME(sendto);
SST_LIBC_NAME(sendmsg);
SST_LIBC_NAME(sendmmsg);

/* As TCP: EPIPE, and a signal of the thread unless it is not wanted. */
static ssize_t
broken_pipe(int flags)
{
	if ((flags & MSG_NOSIGNAL) == 0)
		(void)SST_SYS(SYS_tgkill, getpid(), SST_SYS(SYS_gettid), SIGPIPE);
	errno = EPIPE;
	return -1;
}

/* After a failure without an address. */
static ssize_t
failed(int fd, int flags)
{
	struct sst_sockname name;

	if (errno == ENOTCONN && sst_identify(fd, &name) == SST_KIND_FRESH)
		return broken_pipe(flags);
	return -1;
}

/* TLS has no urgent data, and a relay that looks at the bytes must find them. */
static int
without_urgent(int fd, int flags)
{
	struct sst_sockname name;

	if ((flags & MSG_OOB) != 0 && sst_identify(fd, &name) != SST_KIND_PLAIN)
		flags &= ~MSG_OOB;
	return flags;
}

/* MSG_FASTOPEN is a connect() as well. 1: refused, as that one is. */
static int
opens_plain(int fd, int flags)
{
	struct sst_sockname name;
	int saved = errno;

	if ((flags & MSG_FASTOPEN) == 0 ||
	    sst_identify(fd, &name) != SST_KIND_PLAIN || !sst_forced_foreign(fd, 1)) {
		errno = saved;
		return 0;
	}
	errno = -sst_say(-EPERM, "MSG_FASTOPEN: ", sst_forced_not_ours, NULL);
	return 1;
}

/*
 * After a failure with an address: TCP ignores it on a connected socket, and
 * MSG_FASTOPEN connects with it. 1: send again without it.
 */
static int
connected_after(int fd, int flags, const struct sockaddr *addr, socklen_t len)
{
	struct sst_sockname name;
	int err = errno;

	if (err != EISCONN && err != EOPNOTSUPP)
		return 0;
	switch (sst_identify(fd, &name)) {
	case SST_KIND_LINKED:
	case SST_KIND_ACCEPTED:
		return err == EISCONN;
	case SST_KIND_FRESH:
		if ((flags & MSG_FASTOPEN) != 0)
			return sst_connect(fd, addr, len) == 0;
		(void)broken_pipe(flags);
		return 0;
	case SST_KIND_LISTENING:
		(void)broken_pipe(flags);
		return 0;
	default:
		errno = err;
		return 0;
	}
}

ssize_t
sst_write(int fd, const void *buf, size_t n)
{
	ssize_t r = SST_REAL(write)(fd, buf, n);

	return r >= 0 ? r : failed(fd, 0);
}

ssize_t
sst_writev(int fd, const struct iovec *iov, int n)
{
	ssize_t r = SST_REAL(writev)(fd, iov, n);

	return r >= 0 ? r : failed(fd, 0);
}

ssize_t
sst_send(int fd, const void *buf, size_t n, int flags)
{
	ssize_t r;

	flags = without_urgent(fd, flags);
	r = SST_REAL(send)(fd, buf, n, flags);
	return r >= 0 ? r : failed(fd, flags);
}

ssize_t
sst_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
    socklen_t len)
{
	ssize_t r;

	if (opens_plain(fd, flags))
		return -1;
	flags = without_urgent(fd, flags);
	r = SST_REAL(sendto)(fd, buf, n, flags, addr, len);
	if (r < 0 && addr != NULL && connected_after(fd, flags, addr, len))
		r = SST_REAL(sendto)(fd, buf, n, flags & ~MSG_FASTOPEN, NULL, 0);
	return r >= 0 ? r : failed(fd, flags);
}

ssize_t
sst_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr nameless;
	ssize_t r;

	if (opens_plain(fd, flags))
		return -1;
	flags = without_urgent(fd, flags);
	r = SST_REAL(sendmsg)(fd, msg, flags);
	if (r < 0 && (errno == EISCONN || errno == EOPNOTSUPP) &&
	    connected_after(fd, flags, msg->msg_name, msg->msg_namelen)) {
		nameless = *msg;
		nameless.msg_name = NULL;
		nameless.msg_namelen = 0;
		r = SST_REAL(sendmsg)(fd, &nameless, flags & ~MSG_FASTOPEN);
	}
	return r >= 0 ? r : failed(fd, flags);
}

int
sst_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	return opens_plain(fd, flags) ? -1 :
	    SST_REAL(sendmmsg)(fd, msgs, n, flags);
}
