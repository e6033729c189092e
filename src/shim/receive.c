/* SPDX-License-Identifier: ISC */
#include "data.h"
#include "real.h"
#include "sys.h"

#include "base/wire.h"

SST_LIBC_NAME(read);
SST_LIBC_NAME(__read_chk);
SST_LIBC_NAME(readv);
SST_LIBC_NAME(recv);
SST_LIBC_NAME(__recv_chk);
SST_LIBC_NAME(recvfrom);
SST_LIBC_NAME(__recvfrom_chk);
SST_LIBC_NAME(recvmsg);

#define SCRATCH	16384

/* recv(NULL, n, MSG_TRUNC): what is there goes away, n bytes at most. */
static ssize_t
discard(int fd, size_t n, int flags)
{
	char scratch[SCRATCH];
	size_t done = 0;
	ssize_t r;

	flags &= ~MSG_TRUNC;
	do {
		r = SST_REAL(recv)(fd, scratch, n - done < sizeof(scratch) ?
		    n - done : sizeof(scratch), flags);
		if (r <= 0)
			break;
		done += (size_t)r;
		if ((flags & MSG_WAITALL) == 0)
			flags |= MSG_DONTWAIT;
	} while (done < n && (flags & MSG_PEEK) == 0);
	return done > 0 ? (ssize_t)done : r;
}

/* After a failure: -1 with TCP's errno, or what a discard removed. */
static ssize_t
failed(int fd, const void *buf, size_t n, int flags)
{
	struct sst_sockname name;
	int err = errno;

	if (err == EINVAL && sst_identify(fd, &name) == SST_KIND_FRESH)
		err = ENOTCONN;
	if (err == EFAULT && buf == NULL && (flags & MSG_TRUNC) != 0 &&
	    sst_identify(fd, &name) != SST_KIND_PLAIN)
		return discard(fd, n, flags);
	errno = err;
	return -1;
}

/* There are no errors to take, and an AF_UNIX stream would take data instead. */
static int
no_errors(int fd, int flags)
{
	struct sst_sockname name;

	if ((flags & MSG_ERRQUEUE) == 0 || sst_identify(fd, &name) == SST_KIND_PLAIN)
		return 0;
	errno = EAGAIN;
	return 1;
}

/* A stream has no sender to tell of; the relay's name is nobody's business. When
 * it was cut to its room, its length is what is left of it. */
static void
strip(int fd, const struct sockaddr *addr, socklen_t *len)
{
	struct sst_sockname name;
	const struct sockaddr_un *un = (const void *)addr;

	if (addr == NULL || len == NULL)
		return;
	if (*len == SST_WIRE_DOOR_LEN ? sst_identify(fd, &name) != SST_KIND_PLAIN :
	    *len > sizeof(sa_family_t) && addr->sa_family == AF_UNIX &&
	    sst_sockname_decode(un, *len, &name))
		*len = 0;
}

ssize_t
sst_read(int fd, void *buf, size_t n)
{
	ssize_t r = SST_REAL(read)(fd, buf, n);

	return r >= 0 || errno != EINVAL ? r : failed(fd, buf, n, 0);
}

ssize_t
sst___read_chk(int fd, void *buf, size_t n, size_t size)
{
	ssize_t r = SST_REAL(__read_chk)(fd, buf, n, size);

	return r >= 0 || errno != EINVAL ? r : failed(fd, buf, n, 0);
}

ssize_t
sst_readv(int fd, const struct iovec *iov, int n)
{
	ssize_t r = SST_REAL(readv)(fd, iov, n);

	return r >= 0 || errno != EINVAL ? r : failed(fd, iov, 0, 0);
}

ssize_t
sst_recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t r;

	if (no_errors(fd, flags))
		return -1;
	r = SST_REAL(recv)(fd, buf, n, flags);
	return r >= 0 ? r : failed(fd, buf, n, flags);
}

ssize_t
sst___recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
	ssize_t r;

	if (no_errors(fd, flags))
		return -1;
	r = SST_REAL(__recv_chk)(fd, buf, n, size, flags);
	return r >= 0 ? r : failed(fd, buf, n, flags);
}

ssize_t
sst_recvfrom(int fd, void *buf, size_t n, int flags,
    struct sockaddr *addr, socklen_t *len)
{
	ssize_t r;

	if (no_errors(fd, flags))
		return -1;
	r = SST_REAL(recvfrom)(fd, buf, n, flags, addr, len);
	if (r < 0)
		return failed(fd, buf, n, flags);
	strip(fd, addr, len);
	return r;
}

ssize_t
sst___recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags,
    struct sockaddr *addr, socklen_t *len)
{
	ssize_t r;

	if (no_errors(fd, flags))
		return -1;
	r = SST_REAL(__recvfrom_chk)(fd, buf, n, size, flags, addr, len);
	if (r < 0)
		return failed(fd, buf, n, flags);
	strip(fd, addr, len);
	return r;
}

ssize_t
sst_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	if (no_errors(fd, flags))
		return -1;
	r = SST_REAL(recvmsg)(fd, msg, flags);
	if (r < 0)
		return errno == EINVAL ? failed(fd, msg, 0, flags) : r;
	strip(fd, msg->msg_name, &msg->msg_namelen);
	return r;
}
