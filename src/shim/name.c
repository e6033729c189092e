/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "sys.h"
#include "text.h"

#include <poll.h>
#include <string.h>

SST_LIBC_NAME(getsockname);
SST_LIBC_NAME(getpeername);

int
sst_is_ours(int fd, struct sst_sockname *ret_name)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return SST_SYS(SYS_getsockname, fd, &addr, &len) >= 0 &&
	    sst_sockname_decode(&addr, len, ret_name);
}

enum sst_kind
sst_identify(int fd, struct sst_sockname *ret_name)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	char door[16];

	if (!sst_is_ours(fd, ret_name))
		return SST_KIND_PLAIN;
	if (ret_name->kind == SST_SOCKNAME_ACCEPTED)
		return SST_KIND_ACCEPTED;
	if (SST_SYS(SYS_getpeername, fd, &addr, &len) < 0)
		return SST_KIND_FRESH;
	switch (sst_wire_door_parse(&addr, len, door)) {
	case 'c':
		return SST_KIND_LINKED;
	case 'l':
		return SST_KIND_LISTENING;
	default:
		return SST_KIND_PLAIN;
	}
}

int
sst_say_errno(const struct sst_sockname *name, const char *operation, int err)
{
	sst_say(0, operation, ": ", sst_errno_text(err), NULL);
	sst_say_about(name->serial);
	return -err;
}

static int
ask_address(int fd, const struct sst_sockname *name, uint16_t verb,
    struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_storage answer;
	struct sst_call c;
	int r;

	sst_call_init(&c, verb, fd, name);
	c.reply = &answer;
	c.room = sizeof(answer);
	r = sst_call(&c);
	return r < 0 ? r : sst_user_address(addr, len, &answer,
	    (socklen_t)c.reply_len);
}

static long
own_name(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sst_sockname name;

	switch (sst_identify(fd, &name)) {
	case SST_KIND_PLAIN:
		return SST_SYS(SYS_getsockname, fd, addr, len);
	case SST_KIND_ACCEPTED:
		return sst_user_address(addr, len, &name.local,
		    sst_inet_len(&name.local));
	default:
		return ask_address(fd, &name, SST_WIRE_SOCKNAME, addr, len);
	}
}

static int
is_over(int fd)
{
	struct pollfd p = { .fd = fd };
	struct timespec now = { .tv_sec = 0 };

	return SST_SYS(SYS_ppoll, &p, 1UL, &now, NULL, 0UL) == 1 &&
	    (p.revents & POLLHUP) != 0;
}

static long
peer_name(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sst_sockname name;
	int r;

	switch (sst_identify(fd, &name)) {
	case SST_KIND_PLAIN:
		return SST_SYS(SYS_getpeername, fd, addr, len);
	case SST_KIND_ACCEPTED:
		/* TCP has none once the connection is no more; nor has the pair's
		 * end left one. */
		if (is_over(fd)) {
			r = ask_address(fd, &name, SST_WIRE_PEERNAME, addr, len);
			return r == -ENOBUFS ? -ENOTCONN : r;
		}
		return sst_user_address(addr, len, &name.peer,
		    sst_inet_len(&name.peer));
	case SST_KIND_LINKED:
		return ask_address(fd, &name, SST_WIRE_PEERNAME, addr, len);
	default:
		return sst_say_errno(&name, "getpeername", ENOTCONN);
	}
}

SST_EXPORT int
sst_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	int saved = errno;

	return sst_sys_return(own_name(fd, addr, len), saved);
}

SST_EXPORT int
sst_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	int saved = errno;

	return sst_sys_return(peer_name(fd, addr, len), saved);
}
