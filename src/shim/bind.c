/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "forced.h"
#include "sys.h"
#include "text.h"

SST_LIBC_NAME(bind);
SST_LIBC_NAME(listen);
SST_LIBC_NAME(shutdown);

/* One system call of the program on the TCP socket that the relay lends. */
struct lend {
	struct sst_call		 call;
	int			 is_bind;
	const struct sockaddr	*addr;
	int			 level, option;
	const void		*value;
	socklen_t		 len;		/* of addr or value */
	int			 done;		/* the system call was made */
};

/* Runs where no fork of another thread can copy the TCP socket. */
static int
use_lent(void *arg)
{
	struct lend *l = arg;
	int r = sst_call_here(&l->call);

	if (r < 0)
		return r;
	if (l->call.fd < 0)
		return SST_CALL_ODD;
	if (l->is_bind)
		r = (int)SST_SYS(SYS_bind, l->call.fd, l->addr, l->len);
	else
		r = sst_sys_setsockopt(l->call.fd, l->level, l->option, l->value,
		    l->len);
	l->done = 1;
	sst_sys_close(l->call.fd);
	l->call.fd = -1;
	return r;
}

static int
lend(struct lend *l, int fd, const struct sst_sockname *name, const char *what)
{
	struct sst_quiet quiet;
	int r;

	sst_call_init(&l->call, SST_WIRE_LEND, fd, name);
	sst_quiet_enter(&quiet);
	r = sst_call_private(use_lent, l, &fd, 1);
	sst_quiet_leave(&quiet);
	if (r < 0 && l->done)
		return sst_say_errno(name, what, -r);
	return sst_call_judge(&l->call, r);
}

int
sst_lend_option(int fd, const struct sst_sockname *name, int level, int option,
    const void *value, socklen_t len)
{
	struct lend l = { .level = level, .option = option, .value = value,
	    .len = len };

	return lend(&l, fd, name, "setsockopt");
}

static long
bind_any(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct lend l = { .is_bind = 1, .addr = addr, .len = len };
	struct sst_sockname name;

	switch (sst_identify(fd, &name)) {
	case SST_KIND_PLAIN:
		return SST_SYS(SYS_bind, fd, addr, len);
	case SST_KIND_FRESH:
		return lend(&l, fd, &name, "bind");
	default:
		return sst_say_errno(&name, "bind", EINVAL);
	}
}

static long
listen_any(int fd, int backlog)
{
	struct sst_sockname name;
	enum sst_kind kind = sst_identify(fd, &name);
	struct sst_call c;
	int mode = SST_MODE_TLS;

	switch (kind) {
	case SST_KIND_PLAIN:
		if (sst_forced_foreign(fd, 0))
			return sst_say(-EPERM, "listen: this TCP socket was not "
			    "made under the policy of sstool run, which makes "
			    "its port TLS", NULL);
		return SST_SYS(SYS_listen, fd, backlog);
	case SST_KIND_ACCEPTED:
		return sst_say_errno(&name, "listen", EINVAL);
	default:
		if (sst_is_forced(&name))
			mode = sst_forced_listen(fd, &name, kind);
		if (mode < 0)
			return mode;
		sst_call_init(&c, SST_WIRE_LISTEN, fd, &name);
		c.head.b = mode;
		c.head.a = backlog;
		return sst_call(&c);
	}
}

/* It has no peer yet. */
static int
is_pending(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return sst_is_shut(fd) &&
	    sst_getpeername(fd, (struct sockaddr *)&peer, &len) < 0;
}

/* A listener in TCP's way: SHUT_RD wakes accept() and resets who waits, SHUT_WR
 * does nothing. The write side stays open, or the relay would take the listener
 * for closed. */
static long
shutdown_any(int fd, int how)
{
	struct sst_sockname name;

	switch (sst_identify(fd, &name)) {
	case SST_KIND_FRESH:
		return sst_say_errno(&name, "shutdown",
		    how < SHUT_RD || how > SHUT_RDWR ? EINVAL : ENOTCONN);
	case SST_KIND_LISTENING:
		if (how == SHUT_WR)
			return 0;
		if (how == SHUT_RD || how == SHUT_RDWR)
			return sst_accept_shutdown(fd, &name);
		return -EINVAL;
	case SST_KIND_LINKED:
		/* Ends the attempt whatever it says; the relay hears of writing. */
		if (how == SHUT_RD && is_pending(fd))
			how = SHUT_RDWR;
		return SST_SYS(SYS_shutdown, fd, how);
	default:
		return SST_SYS(SYS_shutdown, fd, how);
	}
}

SST_EXPORT int
sst_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int saved = errno;

	return sst_sys_return(bind_any(fd, addr, len), saved);
}

SST_EXPORT int
sst_listen(int fd, int backlog)
{
	int saved = errno;

	return sst_sys_return(listen_any(fd, backlog), saved);
}

SST_EXPORT int
sst_shutdown(int fd, int how)
{
	int saved = errno;

	return sst_sys_return(shutdown_any(fd, how), saved);
}
