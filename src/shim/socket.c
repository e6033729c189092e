/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "forced.h"
#include "record.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

SST_LIBC_NAME(socket);

#define TRIES		4

/* What a socket of ours is made as. */
struct birth {
	int	type;		/* SOCK_STREAM and flags */
	int	family;
	int	flags;		/* SST_NEW_* */
	int	tcp;		/* there already: ADOPT; -1: NEW */
};

/* The trust settings of the process go with its sockets; they mean nothing in a
 * program with raised rights. */
static int
add_variable(char *out, size_t size, const char *variable)
{
	const char *value = secure_getenv(variable);
	size_t len;

	if (value == NULL)
		return 0;
	len = strlen(value);
	if (len >= size)
		return sst_say(-ENOBUFS, variable, " is too long", NULL);
	memcpy(out, value, len);
	return 0;
}

static int
make_stream(int type)
{
	int fd = (int)SST_SYS(SYS_socket, AF_UNIX, type, 0);

	return fd >= 0 ? fd : sst_say(fd, "cannot make an AF_UNIX socket, which a "
	    "TLS socket is: ", sst_errno_text(-fd), NULL);
}

/* Gives the stream the name that makes it ours. */
static int
give_name(int fd, const struct birth *b, const struct sst_pair *pair,
    struct sst_sockname *ret_name)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE,
	    .family = b->family };
	struct sockaddr_un addr;
	socklen_t len;
	int r;

	memcpy(name.door, pair->door, sizeof(name.door));
	r = (int)SST_SYS(SYS_getrandom, &name.serial, sizeof(name.serial), 0);
	if (r >= 0) {
		name.serial &= ~(uint64_t)SST_SERIAL_FORCED;
		if ((b->flags & SST_NEW_FORCED) != 0)
			name.serial |= SST_SERIAL_FORCED;
		len = sst_sockname_encode(&name, &addr);
		r = (int)SST_SYS(SYS_bind, fd, &addr, len);
	}
	if (r < 0)
		return sst_say(r, "cannot name an AF_UNIX socket: ",
		    sst_errno_text(-r), NULL);
	*ret_name = name;
	return 0;
}

/* A name cannot be changed: another socket takes the place of `fd`. */
static int
replace(int fd, int type)
{
	int made = make_stream(type);
	int r;

	if (made < 0)
		return made;
	r = (int)SST_SYS(SYS_dup3, made, fd, type & SOCK_CLOEXEC);
	sst_sys_close(made);
	return r;
}

/* Makes the record of `fd` in the relay. SST_CALL_* when there is nobody. */
static int
announce(int fd, const struct birth *b, const struct sst_sockname *name,
    const struct sst_pair *pair)
{
	struct sst_wire_new data;
	struct sst_call c;
	int r;

	memset(&data, 0, sizeof(data));
	r = add_variable(data.cert_file, sizeof(data.cert_file), "SSL_CERT_FILE");
	if (r == 0)
		r = add_variable(data.cert_dir, sizeof(data.cert_dir),
		    "SSL_CERT_DIR");
	if (r < 0)
		return r;
	sst_call_init(&c, b->tcp < 0 ? SST_WIRE_NEW : SST_WIRE_ADOPT, fd, name);
	if (b->tcp >= 0)
		c.fds[c.n_fds++] = b->tcp;
	memcpy(c.head.secret, pair->secret, sizeof(c.head.secret));
	c.head.a = name->family;
	c.head.b = b->flags;
	c.data = &data;
	c.len = sizeof(data);
	r = sst_call_raw(&c);
	if (r == SST_CALL_GONE || r == SST_CALL_CUT)
		return r;
	return sst_call_judge(&c, r);
}

/* Makes `fd` a TLS socket of the pair that runs, or of a new one. */
static int
make_served(int fd, const struct birth *b, struct sst_sockname *ret_name)
{
	struct sst_pair pair;
	uint32_t dead = 0;
	int r;

	for (int i = 0; i < TRIES; i++) {
		r = i == 0 ? 0 : replace(fd, b->type);
		if (r >= 0)
			r = sst_record_get(dead, &pair);
		if (r >= 0)
			r = give_name(fd, b, &pair, ret_name);
		if (r >= 0)
			r = announce(fd, b, ret_name, &pair);
		if (r != SST_CALL_GONE && r != SST_CALL_CUT)
			return r;
		if (r == SST_CALL_GONE)
			dead = pair.generation;
	}
	return sst_say(-ENOBUFS, "securesocketsd does not answer at its door",
	    NULL);
}

static int
make_tls(int family, int type, int flags)
{
	const struct birth b = { .type = type, .family = family, .flags = flags,
	    .tcp = -1 };
	struct sst_sockname name;
	struct sst_quiet quiet;
	int fd;
	int r;

	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM)
		return sst_say(-EPROTONOSUPPORT, "TLS over datagrams is not "
		    "supported", NULL);
	/* The number first: everything else that is opened comes above it. */
	fd = make_stream(type);
	if (fd < 0)
		return fd;
	sst_quiet_enter(&quiet);
	r = make_served(fd, &b, &name);
	sst_quiet_leave(&quiet);
	if (r < 0)
		sst_sys_close(fd);
	return r < 0 ? r : fd;
}

/* The program waits on the descriptor with these, so they move with it. */
static void
copy_timeouts(int from, int to)
{
	static const int timeouts[] = { SO_RCVTIMEO, SO_SNDTIMEO };
	struct timeval limit;
	socklen_t len;

	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		len = sizeof(limit);
		if (sst_sys_getsockopt(from, SOL_SOCKET, timeouts[i], &limit,
		    &len) == 0)
			(void)sst_sys_setsockopt(to, SOL_SOCKET, timeouts[i],
			    &limit, len);
	}
}

/* The flags that dup3() takes, or what the kernel says of a descriptor that is no
 * such socket. */
static int
look_at_tcp(int tcp, struct birth *b)
{
	socklen_t len = sizeof(b->family);
	long shared = SST_SYS(SYS_fcntl, tcp, F_GETFL);
	long own = SST_SYS(SYS_fcntl, tcp, F_GETFD);
	int r = sst_sys_getsockopt(tcp, SOL_SOCKET, SO_DOMAIN, &b->family, &len);

	if (r < 0 || shared < 0 || own < 0)
		return r < 0 ? r : shared < 0 ? (int)shared : (int)own;
	if ((shared & O_NONBLOCK) != 0)
		b->type |= SOCK_NONBLOCK;
	b->tcp = tcp;
	return (own & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0;
}

int
sst_adopt(int tcp, int flags, struct sst_sockname *ret_name)
{
	/* Close-on-exec until it is in its place. */
	struct birth b = { .type = SOCK_STREAM | SOCK_CLOEXEC, .flags = flags };
	int own = look_at_tcp(tcp, &b);
	struct sst_quiet quiet;
	int made, r;

	if (own < 0)
		return own;
	sst_quiet_enter(&quiet);
	made = make_stream(b.type);
	r = made < 0 ? made : make_served(made, &b, ret_name);
	if (r >= 0) {
		copy_timeouts(tcp, made);
		r = (int)SST_SYS(SYS_dup3, made, tcp, own);
	}
	sst_sys_close(made);
	sst_quiet_leave(&quiet);
	return r < 0 ? r : 0;
}

/* Every TCP socket of a program under a policy; MPTCP is TCP by another name. */
static int
is_tcp(int family, int base, int protocol)
{
	return (family == AF_INET || family == AF_INET6) && base == SOCK_STREAM &&
	    (protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

static long
socket_any(int family, int type, int protocol)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	int broken;

	if ((family == AF_INET || family == AF_INET6) && protocol == IPPROTO_TLS &&
	    (base == SOCK_STREAM || base == SOCK_DGRAM))
		return make_tls(family, type, 0);
	if (is_tcp(family, base, protocol)) {
		if (sst_forced_policy(&broken) != NULL)
			return make_tls(family, type, SST_NEW_FORCED);
		if (broken)
			return sst_say(-EPROTO, "the policy in " SST_POLICY_VAR
			    " cannot be used; start the program with sstool run",
			    NULL);
	}
	return SST_SYS(SYS_socket, family, type, protocol);
}

SST_EXPORT int
sst_socket(int family, int type, int protocol)
{
	int saved = errno;

	return sst_sys_return(socket_any(family, type, protocol), saved);
}
