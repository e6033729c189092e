/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "forced.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#define LEAVE_MS	1000	/* for the relay to end a wait */

SST_LIBC_NAME(connect);

static void
close_conn(void *arg)
{
	sst_sys_close(*(int *)arg);
}

/* `limit`: 0 for ever, as a new socket has it. */
static void
let_wait(int conn, const struct timeval *limit)
{
	(void)SST_SYS(SYS_fcntl, conn, F_SETFL, O_RDWR);
	if (limit->tv_sec != 0 || limit->tv_usec != 0)
		(void)sst_sys_setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, limit,
		    sizeof(*limit));
}

/*
 * Waits as connect() on TCP does: signals are let in, SO_SNDTIMEO counts, a
 * handler with SA_RESTART does not end it, and the thread may be cancelled. The
 * attempt goes on in the relay whatever ends the wait.
 */
static long
wait_connected(int conn)
{
	char peeked;
	long r;

	pthread_cleanup_push(close_conn, &conn);
	SST_SYS_CANCELABLE(r, SYS_recvfrom, conn, &peeked, sizeof(peeked), MSG_PEEK,
	    NULL, NULL);
	pthread_cleanup_pop(0);
	return r;
}

/*
 * Without a free descriptor there is no connection to wait on: the attempt is
 * made without waiting, and the socket itself says when it is over.
 */
static int
ask_full(struct sst_call *c, int fd, const struct timeval *limit)
{
	struct timespec t = { .tv_sec = limit->tv_sec,
	    .tv_nsec = limit->tv_usec * 1000 };
	int forever = t.tv_sec == 0 && t.tv_nsec == 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;
	long n;
	int r;

	c->head.a = 1;
	r = sst_call(c);
	if (r != -EINPROGRESS)
		return r;
	SST_SYS_CANCELABLE(n, SYS_ppoll, &p, 1UL, forever ? NULL : &t, NULL, 0UL);
	if (n <= 0)
		return n == 0 ? -EINPROGRESS : (int)n;
	if (sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

/* The wait ended with `r`, the attempt goes on: until the descriptor looks so. An
 * attempt that is over by now says how it went. */
static int
leave(struct sst_call *c, int conn, int r)
{
	int over;

	(void)SST_SYS(SYS_shutdown, conn, SHUT_WR);
	if (sst_call_wait(conn, LEAVE_MS) < 0)
		return r;
	over = sst_call_judge(c, sst_call_finish(c, conn));
	return over == -EINPROGRESS ? r : over;
}

static int
ask_waiting(struct sst_call *c, int fd)
{
	struct timeval limit = { .tv_sec = 0 };
	struct sst_quiet quiet;
	socklen_t len = sizeof(limit);
	long waited;
	int conn;
	int r;

	(void)sst_sys_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &len);
	sst_quiet_enter(&quiet);
	conn = sst_call_open(c);
	sst_quiet_leave(&quiet);
	if (conn == SST_CALL_FULL)
		return ask_full(c, fd, &limit);
	if (conn < 0)
		return sst_call_judge(c, conn);
	let_wait(conn, &limit);
	waited = wait_connected(conn);
	sst_quiet_enter(&quiet);
	if (waited == -EAGAIN || waited == -EINTR)
		r = leave(c, conn, waited == -EAGAIN ? -EINPROGRESS : -EINTR);
	else
		r = sst_call_judge(c, sst_call_finish(c, conn));
	sst_sys_close(conn);
	sst_quiet_leave(&quiet);
	return r;
}

int
sst_ask_network(struct sst_call *c, int fd)
{
	long flags = SST_SYS(SYS_fcntl, fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) != 0) {
		c->head.a = 1;
		return sst_call(c);
	}
	return ask_waiting(c, fd);
}

int
sst_is_shut(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct timespec now = { .tv_sec = 0 };

	return SST_SYS(SYS_ppoll, &p, 1UL, &now, NULL, 0UL) == 0;
}

/* connect() says why an earlier attempt failed: SO_ERROR has it no more. */
static int
is_verdict(int r)
{
	return r < 0 && r != -EALREADY && r != -EINPROGRESS && r != -EINTR &&
	    r != -EISCONN && r != -EFAULT && r != -EOPNOTSUPP;
}

/* `addr` may be the program's memory. */
static int
connect_by(int fd, const struct sst_sockname *name, enum sst_kind kind, int mode,
    const void *addr, socklen_t len)
{
	struct sst_call c;
	int told, pending = 0;
	socklen_t told_len = sizeof(told);
	int r;

	sst_call_init(&c, SST_WIRE_CONNECT, fd, name);
	c.head.b = mode;
	c.data = addr;
	c.len = len;
	if (kind == SST_KIND_LINKED)
		pending = sst_is_shut(fd);
	r = sst_ask_network(&c, fd);
	if (r == -EINPROGRESS && pending)	/* SO_SNDTIMEO: it began nothing */
		return -EALREADY;
	if (kind == SST_KIND_LINKED && is_verdict(r))
		(void)sst_sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &told, &told_len);
	return r == -EFAULT ? sst_say_errno(name, "connect", EFAULT) : r;
}

/* 0, or an errno: what connect() on TCP says of such an address. */
static int
copy_address(const struct sockaddr *addr, socklen_t len,
    struct sockaddr_storage *ret_copy)
{
	memset(ret_copy, 0, sizeof(*ret_copy));
	if (len < sizeof(ret_copy->ss_family) || len > sizeof(*ret_copy))
		return EINVAL;
	return sst_user_read(ret_copy, addr, len) == (long)len ? 0 : EFAULT;
}

static int
connect_accepted(const struct sst_sockname *name, const struct sockaddr *addr,
    socklen_t len)
{
	struct sockaddr_storage copy;

	if (copy_address(addr, len, &copy) == 0 && copy.ss_family == AF_UNSPEC)
		return sst_say_errno(name, "connect to AF_UNSPEC", EOPNOTSUPP);
	return sst_say_errno(name, "connect", EISCONN);
}

/* A policy decides by the address. */
static int
connect_forced(int fd, const struct sst_sockname *name, enum sst_kind kind,
    const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage copy;
	int code = copy_address(addr, len, &copy);
	int mode, r;

	if (code != 0)
		return sst_say_errno(name, "connect", code);
	if (copy.ss_family == AF_UNSPEC)
		return kind == SST_KIND_FRESH ? 0 :
		    sst_say_errno(name, "connect to AF_UNSPEC", EOPNOTSUPP);
	mode = sst_forced_connect(fd, name, kind, &copy);
	if (mode < 0)
		return mode;
	r = connect_by(fd, name, kind, mode, &copy, len);
	if (mode == SST_MODE_TLS && (r >= 0 || r == -EINPROGRESS || r == -EINTR))
		sst_forced_reached(&copy);
	return r;
}

static long
connect_any(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sst_sockname name;
	enum sst_kind kind = sst_identify(fd, &name);
	long r;

	if (kind == SST_KIND_PLAIN) {
		if (sst_forced_foreign(fd, 1))
			return sst_say(-EPERM, "connect: ", sst_forced_not_ours,
			    NULL);
		SST_SYS_CANCELABLE(r, SYS_connect, fd, addr, len);
		return r;
	}
	if (kind == SST_KIND_ACCEPTED)
		return connect_accepted(&name, addr, len);
	if (sst_is_forced(&name))
		return connect_forced(fd, &name, kind, addr, len);
	if (len < sizeof(addr->sa_family) || len > sizeof(struct sockaddr_storage))
		return sst_say_errno(&name, "connect", EINVAL);
	return connect_by(fd, &name, kind, SST_MODE_TLS, addr, len);
}

SST_EXPORT int
sst_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int saved = errno;
	long r;

	pthread_testcancel();
	r = connect_any(fd, addr, len);
	return sst_sys_return(r, saved);
}
