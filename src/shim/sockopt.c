/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "forced.h"
#include "sys.h"
#include "text.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "base/option.h"

SST_LIBC_NAME(getsockopt);
SST_LIBC_NAME(setsockopt);

/* Both forms of the timeouts, where the C library knows two. */
#ifndef SO_RCVTIMEO_NEW
#define SO_RCVTIMEO_OLD	SO_RCVTIMEO
#define SO_SNDTIMEO_OLD	SO_SNDTIMEO
#define SO_RCVTIMEO_NEW	66
#define SO_SNDTIMEO_NEW	67
#endif

/* Options of the descriptor itself: the program waits on it, not on TCP. */
static int
is_native(int level, int option)
{
	if (level != SOL_SOCKET)
		return 0;
	switch (option) {
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_NEW:
	case SO_RCVLOWAT:
		return 1;
	default:
		return 0;
	}
}

/* The value is, or points to, something of the calling process. */
static int
is_personal(int level, int option)
{
	return level == SOL_SOCKET && (option == SO_ATTACH_FILTER ||
	    option == SO_ATTACH_BPF || option == SO_ATTACH_REUSEPORT_CBPF ||
	    option == SO_ATTACH_REUSEPORT_EBPF);
}

/* The kernel looks at the rights of the caller: the program's, not the relay's. */
static int
needs_rights(int level, int option)
{
	switch (level) {
	case SOL_SOCKET:
		return is_personal(level, option) || option == SO_MARK ||
		    option == SO_BINDTODEVICE || option == SO_SNDBUFFORCE ||
		    option == SO_RCVBUFFORCE || option == SO_PRIORITY ||
		    option == SO_DEBUG || option == SO_BUSY_POLL ||
		    option == SO_PREFER_BUSY_POLL ||
		    option == SO_BUSY_POLL_BUDGET || option == SO_BINDTOIFINDEX;
	case IPPROTO_IP:
		return option == IP_TRANSPARENT;
	case IPPROTO_IPV6:
		return option == IPV6_TRANSPARENT;
	case IPPROTO_TCP:
		return option == TCP_CONGESTION;
	default:
		return 0;
	}
}

static int
set_by_value(int fd, const struct sst_sockname *name, int level, int option,
    const void *value, socklen_t len)
{
	struct sst_call c;

	if (len > SST_WIRE_DATA_MAX)
		return sst_say_errno(name, "setsockopt", EINVAL);
	sst_call_init(&c, SST_WIRE_SET, fd, name);
	sst_call_prove(&c);
	c.head.a = level;
	c.head.b = option;
	c.data = value;
	c.len = len;
	return sst_call(&c);
}

static int
set_other(int fd, const struct sst_sockname *name, enum sst_kind kind, int level,
    int option, const void *value, socklen_t len)
{
	int r;

	if (is_native(level, option)) {
		r = sst_sys_setsockopt(fd, level, option, value, len);
		/* The relay's own waits follow it; without it nothing waits. */
		if (r == 0)
			(void)set_by_value(fd, name, level, option, value, len);
		return r;
	}
	if (level == SOL_SOCKET && option == SO_ZEROCOPY)
		return sst_say_errno(name, "SO_ZEROCOPY", EOPNOTSUPP);
	if (kind == SST_KIND_FRESH && needs_rights(level, option))
		return sst_lend_option(fd, name, level, option, value, len);
	if (is_personal(level, option))
		return sst_say_errno(name, "a filter on a connected or listening "
		    "socket", EOPNOTSUPP);
	return set_by_value(fd, name, level, option, value, len);
}

/* "*", a digest and "acme:NAME" stay what they are; a path becomes what it was set by. */
static int
set_remove(int fd, const struct sst_sockname *name, const void *value,
    socklen_t len)
{
	char path[4097], absolute[2 * sizeof(path)];
	long n = sst_user_read(path, value, len < sizeof(path) ? len :
	    sizeof(path) - 1);

	if (n < 0)
		return sst_say_errno(name, "TLS_CERTIFICATE_REMOVE", (int)-n);
	path[n] = '\0';
	n = (long)strlen(path);
	if (n == 0)
		return sst_say_errno(name, "TLS_CERTIFICATE_REMOVE", EINVAL);
	if (strcmp(path, "*") != 0 && strncmp(path, "acme:", 5) != 0 &&
	    (n != 64 || strspn(path, "0123456789abcdefABCDEF") != 64)) {
		n = sst_absolute(absolute, sizeof(absolute), path);
		if (n < 0)
			return sst_say_errno(name, "TLS_CERTIFICATE_REMOVE",
			    (int)-n);
		return set_by_value(fd, name, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE,
		    absolute, (socklen_t)n);
	}
	return set_by_value(fd, name, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE, path,
	    (socklen_t)n + 1);
}

static int
unknown(const struct sst_sockname *name, const struct sst_option *o,
    const char *what)
{
	if (o == NULL)
		sst_say(0, "this release has no such option at level IPPROTO_TLS",
		    NULL);
	else
		sst_say(0, o->name, " ", what, NULL);
	sst_say_about(name->serial);
	return -ENOPROTOOPT;
}

static int
set_tls(int fd, const struct sst_sockname *name, int option, const void *value,
    socklen_t len)
{
	const struct sst_option *o = sst_option_find(option);

	if (o == NULL ||
	    (o->states & (SST_OPT_SET_NEW | SST_OPT_SET_LISTEN)) == 0)
		return unknown(name, o, "can only be read");
	if (o->type == SST_OPT_SOURCE)
		return sst_set_source(fd, name, option, value, len);
	if (option == TLS_CERTIFICATE_REMOVE)
		return set_remove(fd, name, value, len);
	return set_by_value(fd, name, IPPROTO_TLS, option, value, len);
}

static long
set_any(int fd, int level, int option, const void *value, socklen_t len)
{
	struct sst_sockname name;
	enum sst_kind kind;
	int r;

	if (level == IPPROTO_TLS && sst_is_ours(fd, &name))
		return (int)len < 0 ? sst_say_errno(&name, "setsockopt", EINVAL) :
		    set_tls(fd, &name, option, value, len);
	kind = sst_identify(fd, &name);
	if (level == IPPROTO_TCP && option == TCP_UPGRADE_TLS) {
		r = sst_upgrade(fd, kind, &name, value, len);
		if (r <= 0)
			return r;
	}
	if (kind == SST_KIND_PLAIN)
		return sst_sys_setsockopt(fd, level, option, value, len);
	if ((int)len < 0)
		return sst_say_errno(&name, "setsockopt", EINVAL);
	return set_other(fd, &name, kind, level, option, value, len);
}

/* Gives `len` bytes back as getsockopt() does: cut to what there is room for. */
static int
give(void *user, socklen_t *user_len, const void *value, socklen_t len,
    socklen_t room)
{
	socklen_t n = len < room ? len : room;
	int r = sst_user_write(user, value, n);

	return r < 0 ? r : sst_user_write(user_len, &n, sizeof(n));
}

static int
get_by_value(int fd, const struct sst_sockname *name, int level, int option,
    void *value, socklen_t *user_len, socklen_t room)
{
	struct sst_call c;
	socklen_t n;
	int r;

	sst_call_init(&c, SST_WIRE_GET, fd, name);
	if (room > SST_WIRE_DATA_MAX)
		room = SST_WIRE_DATA_MAX;
	c.silent = level == IPPROTO_TLS && option == TLS_ERROR;
	c.head.a = level;
	c.head.b = option;
	c.head.c = (int)room;
	c.reply = value;
	c.room = room;
	r = sst_call(&c);
	if (r < 0)
		return r;
	n = (socklen_t)c.reply_len;
	/* No text, length 0: programs print the buffer all the same. */
	if (n == 0 && room > 0 && level == IPPROTO_TLS) {
		r = sst_user_write(value, "", 1);
		if (r < 0)
			return r;
	}
	return sst_user_write(user_len, &n, sizeof(n));
}

/* Whether the relay may know of a failure: then it gave its end up. */
static int
may_have_failed(int fd)
{
	struct pollfd p = { .fd = fd };
	struct timespec now = { .tv_sec = 0 };

	return SST_SYS(SYS_ppoll, &p, 1UL, &now, NULL, 0UL) != 0;
}

/* The relay knows why an attempt failed; the descriptor knows the rest. Both
 * are read, so that both are cleared. */
static int
pending_error(int fd, const struct sst_sockname *name)
{
	socklen_t len = sizeof(int);
	struct sst_call c;
	int native = 0;
	int err = 0;

	sst_call_init(&c, SST_WIRE_GET, fd, name);
	c.silent = 1;
	c.head.a = SOL_SOCKET;
	c.head.b = SO_ERROR;
	c.head.c = (int)sizeof(err);
	c.reply = &err;
	c.room = sizeof(err);
	(void)sst_call(&c);
	(void)sst_sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &native, &len);
	return err != 0 ? err : native;
}

/* A program that asked for TCP is told TCP. Of a connection that was accepted
 * under a policy the relay knows what its listener was made as. */
static int
protocol_of(int fd, const struct sst_sockname *name)
{
	struct sst_call c;
	int protocol = IPPROTO_TLS;

	if (sst_is_forced(name))
		return IPPROTO_TCP;
	if (name->kind != SST_SOCKNAME_ACCEPTED || sst_forced_policy(NULL) == NULL)
		return IPPROTO_TLS;
	sst_call_init(&c, SST_WIRE_GET, fd, name);
	c.silent = 1;
	c.head.a = SOL_SOCKET;
	c.head.b = SO_PROTOCOL;
	c.head.c = (int)sizeof(protocol);
	c.reply = &protocol;
	c.room = sizeof(protocol);
	return sst_call(&c) < 0 ? IPPROTO_TCP : protocol;
}

/* 1: *ret_value is the answer, without a call but for SO_ERROR and SO_PROTOCOL. */
static int
answered_here(int fd, const struct sst_sockname *name, enum sst_kind kind,
    int option, int *ret_value)
{
	switch (option) {
	case SO_TYPE:
		*ret_value = SOCK_STREAM;
		return 1;
	case SO_DOMAIN:
		*ret_value = name->family;
		return 1;
	case SO_PROTOCOL:
		*ret_value = protocol_of(fd, name);
		return 1;
	case SO_ACCEPTCONN:
		*ret_value = kind == SST_KIND_LISTENING;
		return 1;
	case SO_ERROR:
		*ret_value = pending_error(fd, name);
		return 1;
	default:
		return 0;
	}
}

static int
give_text(const char *text, size_t len, void *value, socklen_t *user_len,
    socklen_t room)
{
	char cut[SST_TEXT_SIZE];

	if (room > 0 && len >= room) {
		/* A cut text ends in NUL as well. */
		memcpy(cut, text, room - 1);
		cut[room - 1] = '\0';
		text = cut;
	}
	return give(value, user_len, text, (socklen_t)len + 1, room);
}

static int
get_tls(int fd, const struct sst_sockname *name, int option, void *value,
    socklen_t *user_len, socklen_t room)
{
	const struct sst_option *o = sst_option_find(option);
	const char *text;
	size_t len;

	if (o == NULL || (o->states & (SST_OPT_GET | SST_OPT_GET_CONN)) == 0)
		return unknown(name, o, "cannot be read");
	len = option == TLS_ERROR ? sst_said(name->serial, &text) : 0;
	if (len > 0)
		return give_text(text, len, value, user_len, room);
	return get_by_value(fd, name, IPPROTO_TLS, option, value, user_len, room);
}

static int
get_thread_error(void *value, socklen_t *user_len, socklen_t room)
{
	const char *text;
	size_t len = sst_said(0, &text);

	return len == 0 ? -ENODATA : give_text(text, len, value, user_len, room);
}

/*
 * SO_ERROR of a connection or an attempt: the kernel gives its own into the
 * program's memory, and nothing that failed before that looks well after it.
 */
static int
get_error(int fd, const struct sst_sockname *name, void *value, socklen_t *user_len)
{
	int r = sst_sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, value, user_len);
	socklen_t room = 0;
	int native = 0;
	int err;

	if (r < 0 || !may_have_failed(fd))
		return r;
	if (sst_user_read(&room, user_len, sizeof(room)) != (long)sizeof(room) ||
	    room > sizeof(native) ||
	    sst_user_read(&native, value, room) != (long)room)
		return -EFAULT;
	err = pending_error(fd, name);
	/* What was read above is not there any more. */
	if (err == 0)
		err = native;
	return give(value, user_len, &err, sizeof(err), room);
}

static long
get_any(int fd, int level, int option, void *value, socklen_t *user_len)
{
	int thread = fd == -1 && level == IPPROTO_TLS && option == TLS_ERROR;
	struct sst_sockname name;
	enum sst_kind kind = thread ? SST_KIND_PLAIN : sst_identify(fd, &name);
	int room;
	int v;

	if ((kind == SST_KIND_PLAIN && !thread) ||
	    (!thread && is_native(level, option)))
		return sst_sys_getsockopt(fd, level, option, value, user_len);
	if (kind == SST_KIND_LINKED && level == SOL_SOCKET && option == SO_ERROR)
		return get_error(fd, &name, value, user_len);
	if (sst_user_read(&room, user_len, sizeof(room)) != (long)sizeof(room))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (thread)
		return get_thread_error(value, user_len, (socklen_t)room);
	if (level == IPPROTO_TLS)
		return get_tls(fd, &name, option, value, user_len, (socklen_t)room);
	if (level == SOL_SOCKET && answered_here(fd, &name, kind, option, &v))
		return give(value, user_len, &v, sizeof(v), (socklen_t)room);
	return get_by_value(fd, &name, level, option, value, user_len,
	    (socklen_t)room);
}

SST_EXPORT int
sst_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	int saved = errno;

	return sst_sys_return(set_any(fd, level, option, value, len), saved);
}

SST_EXPORT int
sst_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	int saved = errno;

	return sst_sys_return(get_any(fd, level, option, value, len), saved);
}
