/* SPDX-License-Identifier: ISC */
/* ours - a program's calls on its TLS sockets; see ours.h. */
#include "ours.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
ours_socket(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, IPPROTO_TLS);

	want(fd >= 0);
	return fd;
}

int
ours_set(int fd, int option, const char *text)
{
	return setsockopt(fd, IPPROTO_TLS, option, text, (socklen_t)strlen(text));
}

int
ours_set_int(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TLS, option, &value, sizeof(value));
}

const char *
ours_get(int fd, int option)
{
	static _Thread_local char ring[8][16384];
	static _Thread_local unsigned int next;
	char *out = ring[next++ % 8];
	socklen_t len = sizeof(ring[0]) - 1;

	memset(out, 0x5a, sizeof(ring[0]));
	want_eq(getsockopt(fd, IPPROTO_TLS, option, out, &len), 0);
	want(len < sizeof(ring[0]));
	if (len == 0)
		return "";
	want_eq(out[len - 1], '\0');
	want_eq(strlen(out), len - 1);
	return out;
}

int
ours_get_int(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	want_eq(getsockopt(fd, level, option, &value, &len), 0);
	want_eq(len, sizeof(value));
	return value;
}

uint64_t
ours_generation(int fd)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	want_eq(getsockopt(fd, IPPROTO_TLS, TLS_CERT_GENERATION, &value, &len), 0);
	want_eq(len, sizeof(value));
	return value;
}

const char *
ours_error(int fd)
{
	return ours_get(fd, TLS_ERROR);
}

int
ours_bound(struct addr *ret, int family)
{
	int fd = ours_socket(family, SOCK_CLOEXEC);

	addr_loop(ret, family, 0);
	want_eq(bind(fd, &ret->u.any, ret->len), 0);
	addr_of_sock(fd, ret);
	want(addr_port(ret) != 0);
	return fd;
}

int
ours_listener(struct addr *ret, int family, const char *chain, const char *key)
{
	int fd = ours_bound(ret, family);

	if (chain != NULL)
		want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, chain), 0);
	if (key != NULL)
		want_eq(ours_set(fd, TLS_PRIVATE_KEY, key), 0);
	want_eq(listen(fd, 64), 0);
	return fd;
}

int
ours_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	want(fd >= 0);
	return fd;
}

int
ours_client(int family, int flags, const char *name)
{
	int fd = ours_socket(family, flags | SOCK_CLOEXEC);

	want_eq(ours_set(fd, TLS_TRUSTED_PEER_CERTIFICATES, world.ca_file), 0);
	if (name != NULL)
		want_eq(ours_set(fd, TLS_REMOTE_HOSTNAME, name), 0);
	return fd;
}

int
ours_connect(int fd, const struct addr *to)
{
	return connect(fd, &to->u.any, to->len);
}

short
ours_poll(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	want(n >= 0);
	return n == 0 ? 0 : p.revents;
}

void
ours_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		want(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

void
ours_read(int fd, void *bytes, size_t len)
{
	char *at = bytes;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n <= 0)
			world_fail(__FILE__, __LINE__, "read gave %zd, %zu bytes missing",
			    n, len);
		at += n;
		len -= (size_t)n;
	}
}

void
ours_want_end(int fd)
{
	char c;

	want((ours_poll(fd, POLLIN, WORLD_PATIENCE_MS) & POLLIN) != 0);
	want_eq(read(fd, &c, 1), 0);
	want_eq(read(fd, &c, 1), 0);
}

static int
shown_now(int listener, const struct addr *at, const char *sni,
    const struct pki_cert *cert)
{
	int shown = peer_is_shown(at, sni, cert) == 1;

	while (ours_poll(listener, POLLIN, 0) == POLLIN)
		(void)close(ours_accept(listener));
	return shown;
}

void
ours_serve_one(const struct addr *at, int listener)
{
	struct peer p;
	char byte;
	int s;

	peer_dial(&p, at);
	s = ours_accept(listener);
	peer_write(&p, "x", 1);
	ours_read(s, &byte, 1);
	want_eq(byte, 'x');
	ours_write(s, "y", 1);
	peer_read_all(&p, &byte, 1);
	want_eq(byte, 'y');
	(void)close(s);
	peer_want_end(&p);
	peer_end(&p);
}

void
ours_want_soon_shown(int listener, const struct addr *at, const char *sni,
    const struct pki_cert *cert)
{
	want_soon(shown_now(listener, at, sni, cert));
}

static void
ours_connects(struct link *l, const struct peer_opts *o)
{
	int family = world.families[0], listener;
	struct addr at;

	listener = tcp_listen(&at, family, 8);
	l->listener = -1;
	l->fd = ours_client(family, SOCK_NONBLOCK, "one.example");
	want_errno(ours_connect(l->fd, &at), EINPROGRESS);
	if (peer_server_on(&l->peer, tcp_accept(listener), o) != 0)
		world_fail(__FILE__, __LINE__, "peer: %s", l->peer.why);
	(void)close(listener);
	want_eq(ours_poll(l->fd, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	want_eq(ours_get_int(l->fd, SOL_SOCKET, SO_ERROR), 0);
	want_eq(fcntl(l->fd, F_SETFL, O_RDWR), 0);
}

static void
ours_accepts(struct link *l, const struct peer_opts *o)
{
	struct addr at;

	l->listener = ours_listener(&at, world.families[0], world.one_file, NULL);
	if (peer_client(&l->peer, &at, o) != 0)
		world_fail(__FILE__, __LINE__, "peer: %s", l->peer.why);
	l->fd = ours_accept(l->listener);
}

void
link_make(struct link *l, enum side side, const struct peer_opts *wanted)
{
	struct peer_opts o = { 0 };

	if (wanted != NULL)
		o = *wanted;
	if (o.cert == NULL)
		o.cert = world.one;
	if (o.sni == NULL)
		o.sni = "one.example";
	if (side == OURS_CONNECTS)
		ours_connects(l, &o);
	else
		ours_accepts(l, &o);
}

void
link_close(struct link *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	if (l->peer.ssl != NULL)
		peer_drop(&l->peer);
	if (l->listener >= 0)
		(void)close(l->listener);
	l->fd = l->listener = -1;
}

void
fill(void *bytes, size_t len, unsigned int seed)
{
	unsigned char *at = bytes;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		at[i] = (unsigned char)(x >> 8);
	}
}
