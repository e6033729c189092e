/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "forced.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

SST_LIBC_NAME(accept);
SST_LIBC_NAME(accept4);

/* What one recvmsg() on a listener brought. */
struct arrival {
	struct sst_wire_accepted record;
	int	fd;	/* -1: it did not fit into the table */
	int	cut;	/* the kernel dropped it for want of room */
};

/* Gone (poll says HUP) or shut down by the program itself. */
static int
end_of_listener(int fd, const struct sst_sockname *name)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec now = { .tv_sec = 0 };

	(void)SST_SYS(SYS_ppoll, &p, 1UL, &now, NULL, 0UL);
	return sst_say_errno(name, "accept",
	    (p.revents & POLLHUP) != 0 ? EBADF : EINVAL);
}

/* One record and its descriptor: waiting, O_NONBLOCK, SO_RCVTIMEO and the
 * sharing among processes are the kernel's. Bytes received, or -errno. */
static long
receive(int fd, int flags, struct arrival *ret_arrival)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec iov = { .iov_base = &ret_arrival->record,
	    .iov_len = sizeof(ret_arrival->record) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	struct cmsghdr *c;
	long r;

	memset(&space, 0, sizeof(space));
	SST_SYS_CANCELABLE(r, SYS_recvmsg, fd, &msg,
	    (flags & SOCK_CLOEXEC) != 0 ? MSG_CMSG_CLOEXEC : 0);
	ret_arrival->fd = -1;
	if (r < 0)
		return r;
	ret_arrival->cut = (msg.msg_flags & MSG_CTRUNC) != 0;
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&ret_arrival->fd, CMSG_DATA(c), sizeof(int));
	return r;
}

/* The relay still has the connection, and issues it again; or, when the listener
 * is shut down, resets it. */
static int
give_back(int fd, const struct sst_sockname *name, const struct arrival *a)
{
	struct sst_call c;

	sst_call_init(&c, SST_WIRE_LOST, fd, name);
	c.data = &a->record;
	c.len = sizeof(a->record);
	return sst_call(&c);
}

long
sst_accept_shutdown(int fd, const struct sst_sockname *name)
{
	struct arrival a;
	struct sst_quiet quiet;
	long r;

	sst_quiet_enter(&quiet);
	r = SST_SYS(SYS_shutdown, fd, SHUT_RD);
	/* What is queued could still be received, and nothing new comes. */
	while (r == 0 && receive(fd, SOCK_CLOEXEC, &a) == (long)sizeof(a.record)) {
		sst_sys_close(a.fd);
		(void)give_back(fd, name, &a);
	}
	sst_quiet_leave(&quiet);
	return r;
}

static int
accept_one(int fd, const struct sst_sockname *name, int flags,
    struct arrival *ret_arrival)
{
	long spare;
	long n;

	/* As TCP: without room it is EMFILE at once, and nothing is taken. */
	spare = SST_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (spare < 0)
		return sst_say_errno(name, "accept", spare == -EINVAL ? EMFILE :
		    (int)-spare);
	sst_sys_close((int)spare);
	n = receive(fd, flags, ret_arrival);
	if (n == 0 || n == -ECONNRESET)
		return end_of_listener(fd, name);
	if (n < 0)
		return (int)n;
	if (n == (long)sizeof(ret_arrival->record) && ret_arrival->fd < 0 &&
	    ret_arrival->cut) {
		int r = give_back(fd, name, ret_arrival);

		return r < 0 ? r : sst_say_errno(name, "accept", EMFILE);
	}
	if (n != (long)sizeof(ret_arrival->record) || ret_arrival->fd < 0 ||
	    ret_arrival->record.magic != SST_WIRE_MAGIC ||
	    ret_arrival->record.version != SST_WIRE_VERSION ||
	    ret_arrival->record.peer_len > sizeof(ret_arrival->record.peer)) {
		sst_sys_close(ret_arrival->fd);
		return sst_say_errno(name, "accept", ECONNABORTED);
	}
	return ret_arrival->fd;
}

static int
accept_tls(int fd, const struct sst_sockname *name, struct sockaddr *addr,
    socklen_t *len, int flags)
{
	struct arrival a = { .fd = -1 };
	const int taken = SST_WIRE_TAKEN;
	int got;
	int r = 0;

	if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
		return sst_say_errno(name, "accept4", EINVAL);
	got = accept_one(fd, name, flags, &a);
	if (got < 0)
		return got;
	(void)sst_sys_setsockopt(got, SOL_SOCKET, SO_PRIORITY, &taken, sizeof(taken));
	if ((flags & SOCK_NONBLOCK) != 0)
		r = (int)SST_SYS(SYS_fcntl, got, F_SETFL, O_RDWR | O_NONBLOCK);
	if (r >= 0 && addr != NULL)
		r = sst_user_address(addr, len, a.record.peer, a.record.peer_len);
	if (r >= 0)
		return got;
	sst_sys_close(got);
	return r;
}

static long
accept_any(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sst_sockname name;
	enum sst_kind kind = sst_identify(fd, &name);
	long r;

	/* A listener from elsewhere whose port is TLS: becomes one here. */
	if (kind == SST_KIND_PLAIN && sst_forced_foreign(fd, 0)) {
		r = sst_forced_adopt(fd);
		if (r < 0)
			return r;
		kind = sst_identify(fd, &name);
	}
	switch (kind) {
	case SST_KIND_PLAIN:
		SST_SYS_CANCELABLE(r, SYS_accept4, fd, addr, len, flags);
		return r;
	case SST_KIND_LISTENING:
		return accept_tls(fd, &name, addr, len, flags);
	default:
		return sst_say_errno(&name, "accept", EINVAL);
	}
}

SST_EXPORT int
sst_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int saved = errno;
	long r;

	pthread_testcancel();
	r = accept_any(fd, addr, len, flags);
	return sst_sys_return(r, saved);
}

SST_EXPORT int
sst_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return sst_accept4(fd, addr, len, 0);
}
