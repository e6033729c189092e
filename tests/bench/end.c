/* SPDX-License-Identifier: ISC */
#include <securesockets.h>

#include "end.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct sockaddr_in loopback = {
	.sin_family = AF_INET,
	.sin_addr = { .s_addr = 0x0100007f },
};

static void
die(const char *what)
{
	ERR_print_errors_fp(stderr);
	err(1, "%s", what);
}

/* Why a call on a socket of ours failed. */
static void
die_tls(int fd, const char *what)
{
	char text[512] = "";
	socklen_t len = sizeof(text);

	if (getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len) < 0) {
		len = sizeof(text);
		(void)getsockopt(-1, IPPROTO_TLS, TLS_ERROR, text, &len);
	}
	err(1, "%s (%s)", what, text);
}

/* What the relay sets on its sockets: without it the first bytes wait for the
 * acknowledgement of the handshake's last ones, which the peer delays by 40 ms. */
static void
no_delay(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("TCP_NODELAY");
}

enum make
end_make(const char *name)
{
	if (strcmp(name, "raw") == 0)
		return RAW;
	if (strcmp(name, "way1") == 0)
		return WAY1;
	errx(64, "%s is neither raw nor way1", name);
}

static SSL_CTX *
context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519"))
		die("SSL_CTX");
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

void
end_listen(struct listener *l, enum make make, const char *pem)
{
	struct sockaddr_in addr = loopback;
	socklen_t len = sizeof(addr);
	int on = 1;

	*l = (struct listener){ .make = make };
	l->fd = socket(AF_INET, SOCK_STREAM, make == WAY1 ? IPPROTO_TLS : 0);
	if (l->fd < 0)
		die_tls(-1, "socket");
	(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (make == RAW) {
		l->ctx = context(TLS_server_method());
		if (SSL_CTX_use_certificate_chain_file(l->ctx, pem) != 1 ||
		    SSL_CTX_use_PrivateKey_file(l->ctx, pem, SSL_FILETYPE_PEM) != 1)
			die(pem);
	} else if (setsockopt(l->fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, pem,
	    (socklen_t)strlen(pem) + 1) < 0)
		die_tls(l->fd, pem);
	if (listen(l->fd, 4096) < 0)
		die_tls(l->fd, "listen");
	if (getsockname(l->fd, (struct sockaddr *)&addr, &len) < 0)
		die("getsockname");
	l->port = ntohs(addr.sin_port);
}

void
end_accept(struct listener *l, struct end *e)
{
	*e = (struct end){ .make = l->make };
	e->fd = accept(l->fd, NULL, NULL);
	if (e->fd < 0)
		die_tls(l->fd, "accept");
	if (l->make == WAY1)
		return;
	no_delay(e->fd);
	e->ssl = SSL_new(l->ctx);
	if (e->ssl == NULL || !SSL_set_fd(e->ssl, e->fd) || SSL_accept(e->ssl) != 1)
		die("SSL_accept");
}

/* OpenSSL's side of a connection whose TCP part is under way or done. */
static void
client_new(struct end *e, const char *ca)
{
	static SSL_CTX *ctx;

	if (ctx == NULL) {
		ctx = context(TLS_client_method());
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		if ((ca != NULL ? SSL_CTX_load_verify_locations(ctx, ca, NULL) :
		    SSL_CTX_set_default_verify_paths(ctx)) != 1)
			die(ca != NULL ? ca : "trust anchors");
	}
	e->ssl = SSL_new(ctx);
	if (e->ssl == NULL || !SSL_set_tlsext_host_name(e->ssl, "localhost") ||
	    !SSL_set1_host(e->ssl, "localhost") || !SSL_set_fd(e->ssl, e->fd))
		die("SSL_new");
}

static int
socket_new(struct end *e, enum make make, int flags, const char *ca)
{
	*e = (struct end){ .make = make };
	e->fd = socket(AF_INET, SOCK_STREAM | flags, make == WAY1 ? IPPROTO_TLS : 0);
	if (e->fd < 0)
		die_tls(-1, "socket");
	if (make == RAW) {
		no_delay(e->fd);
		return e->fd;
	}
	if (ca != NULL && setsockopt(e->fd, IPPROTO_TLS,
	    TLS_TRUSTED_PEER_CERTIFICATES, ca, (socklen_t)strlen(ca) + 1) < 0)
		die_tls(e->fd, ca);
	if (setsockopt(e->fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, "localhost", 10) < 0)
		die_tls(e->fd, "localhost");
	return e->fd;
}

void
end_connect(struct end *e, enum make make, uint16_t port, const char *ca)
{
	struct sockaddr_in addr = loopback;

	addr.sin_port = htons(port);
	if (connect(socket_new(e, make, 0, ca), (struct sockaddr *)&addr,
	    sizeof(addr)) < 0)
		die_tls(e->fd, "connect");
	if (make == RAW) {
		client_new(e, ca);
		if (SSL_connect(e->ssl) != 1)
			die("SSL_connect");
	}
}

static void
await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			die("poll");
}

/* Waits for what OpenSSL wants after `ret`; ends the program on an error. */
static void
await_ssl(struct end *e, int ret, const char *what)
{
	switch (SSL_get_error(e->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		await(e->fd, POLLIN);
		break;
	case SSL_ERROR_WANT_WRITE:
		await(e->fd, POLLOUT);
		break;
	default:
		die(what);
	}
}

void
end_begin(struct end *e, enum make make, uint16_t port, const char *ca)
{
	struct sockaddr_in addr = loopback;

	addr.sin_port = htons(port);
	if (connect(socket_new(e, make, SOCK_NONBLOCK, ca),
	    (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno != EINPROGRESS)
		die_tls(e->fd, "connect");
	if (make == RAW)
		client_new(e, ca);
}

void
end_begun(struct end *e)
{
	socklen_t len = sizeof(int);
	int code = 0, ret;

	await(e->fd, POLLOUT);
	if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code != 0) {
		errno = code;
		die_tls(e->fd, "connect");
	}
	if (e->make == RAW)
		while ((ret = SSL_connect(e->ssl)) != 1)
			await_ssl(e, ret, "SSL_connect");
}

int
end_greet(struct end *e)
{
	await(e->fd, POLLOUT);
	return SSL_get_error(e->ssl, SSL_connect(e->ssl)) == SSL_ERROR_WANT_READ;
}

void
end_write(struct end *e, const void *bytes, size_t len)
{
	const char *p = bytes;
	ssize_t n;

	while (len > 0) {
		n = e->make == RAW ?
		    SSL_write(e->ssl, p, len > 1 << 30 ? 1 << 30 : (int)len) :
		    write(e->fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (e->make == RAW)
			await_ssl(e, (int)n, "write");
		else if (n < 0 && errno == EAGAIN)
			await(e->fd, POLLOUT);
		else
			die("write");
	}
}

size_t
end_read_some(struct end *e, void *bytes, size_t cap)
{
	ssize_t n;

	for (;;) {
		n = e->make == RAW ? SSL_read(e->ssl, bytes, (int)cap) :
		    read(e->fd, bytes, cap);
		if (n > 0)
			return (size_t)n;
		if (e->make == RAW) {
			if (SSL_get_error(e->ssl, (int)n) == SSL_ERROR_ZERO_RETURN)
				return 0;
			await_ssl(e, (int)n, "read");
		} else if (n < 0 && errno == EAGAIN)
			await(e->fd, POLLIN);
		else if (n < 0)
			die("read");
		else
			return 0;
	}
}

void
end_read(struct end *e, void *bytes, size_t len)
{
	char *p = bytes;
	size_t n;

	while (len > 0) {
		n = end_read_some(e, p, len);
		if (n == 0)
			errx(1, "the stream ended %zu bytes early", len);
		p += n;
		len -= n;
	}
}

void
end_close(struct end *e)
{
	if (e->make == RAW) {
		(void)SSL_shutdown(e->ssl);
		SSL_free(e->ssl);
	}
	(void)close(e->fd);
}
