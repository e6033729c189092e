/* SPDX-License-Identifier: ISC */
/* peer - the other end of a connection; see peer.h. */
#include "peer.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const struct timeval patience = { .tv_sec = WORLD_PATIENCE_MS / 1000 };

int
tcp_listen(struct addr *ret, int family, int backlog)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	addr_loop(ret, family, 0);
	want_eq(bind(fd, &ret->u.any, ret->len), 0);
	want_eq(listen(fd, backlog), 0);
	addr_of_sock(fd, ret);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

static void
be_patient(int fd)
{
	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
}

int
tcp_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	want(fd >= 0);
	be_patient(fd);
	return fd;
}

int
tcp_dial(const struct addr *to)
{
	int fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	be_patient(fd);
	want_eq(connect(fd, &to->u.any, to->len), 0);
	return fd;
}

void
tcp_dead_port(struct addr *ret, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	addr_loop(ret, family, 0);
	want_eq(bind(fd, &ret->u.any, ret->len), 0);
	addr_of_sock(fd, ret);
	(void)close(fd);
}

void
tcp_reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	want_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(fd);
}

int
tcp_drain(int fd)
{
	char skip[4096];
	ssize_t n;

	while ((n = recv(fd, skip, sizeof(skip), 0)) > 0)
		;
	return n == 0 ? 0 : errno;
}

static void
explain(struct peer *p, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	(void)snprintf(p->why, sizeof(p->why), "%s: %s", what,
	    e != 0 ? ERR_error_string(e, NULL) : "closed or reset");
	ERR_clear_error();
}

static void
set_alpn(SSL *ssl, const char *list)
{
	unsigned char wire[256];
	unsigned int n = 0;

	for (const char *p = list; *p != '\0';) {
		size_t len = strcspn(p, ",");

		wire[n++] = (unsigned char)len;
		memcpy(wire + n, p, len);
		n += (unsigned int)len;
		p += len + (p[len] == ',');
	}
	want_eq(SSL_set_alpn_protos(ssl, wire, n), 0);
}

/* The server's side: takes the first protocol of its own that is offered. */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned int inlen, void *arg)
{
	const char *own = arg;

	(void)ssl;
	for (unsigned int i = 0; i < inlen; i += 1u + in[i])
		if (strlen(own) == in[i] && memcmp(in + i + 1, own, in[i]) == 0) {
			*out = in + i + 1;
			*outlen = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
give_staple(SSL *ssl, void *arg)
{
	const struct pki_buf *staple = arg;
	unsigned char *copy = OPENSSL_memdup(staple->data, staple->len);

	want(copy != NULL);
	want_eq(SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len), 1);
	return SSL_TLSEXT_ERR_OK;
}

static SSL *
make_ssl(int fd, int server, const struct peer_opts *o)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	SSL *ssl;

	want(ctx != NULL);
	if (o->version != 0) {
		want(SSL_CTX_set_min_proto_version(ctx, o->version));
		want(SSL_CTX_set_max_proto_version(ctx, o->version));
	}
	if (o->sigalgs != NULL)
		want(SSL_CTX_set1_sigalgs_list(ctx, o->sigalgs));
	if (server) {
		want(SSL_CTX_use_certificate(ctx, o->cert->cert) == 1);
		want(SSL_CTX_use_PrivateKey(ctx, o->cert->key) == 1);
		if (o->staple != NULL) {
			SSL_CTX_set_tlsext_status_cb(ctx, give_staple);
			SSL_CTX_set_tlsext_status_arg(ctx, (void *)(uintptr_t)o->staple);
		}
		if (o->no_tickets)
			want(SSL_CTX_set_num_tickets(ctx, 0));
		if (o->alpn != NULL)
			SSL_CTX_set_alpn_select_cb(ctx, choose_alpn,
			    (void *)(uintptr_t)o->alpn);
	} else {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		if (!o->trust_nobody)
			want(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
			    world.ca->cert));
	}
	ssl = SSL_new(ctx);
	want(ssl != NULL);
	SSL_CTX_free(ctx);
	want(SSL_set_fd(ssl, fd));
	if (!server && o->sni != NULL) {
		want(SSL_set_tlsext_host_name(ssl, o->sni));
		want(SSL_set1_host(ssl, o->sni));
	}
	if (!server && o->ask_staple)
		want_eq(SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp), 1);
	if (!server && o->alpn != NULL)
		set_alpn(ssl, o->alpn);
	return ssl;
}

static int
shake(struct peer *p, int fd, int server, const struct peer_opts *o)
{
	int rc;

	/* A small write behind tickets or a Finished does not wait 40 ms. */
	want_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->ssl = make_ssl(fd, server, o);
	ERR_clear_error();
	rc = server ? SSL_accept(p->ssl) : SSL_connect(p->ssl);
	if (rc == 1)
		return 0;
	explain(p, server ? "accept" : "connect");
	SSL_free(p->ssl);
	(void)close(fd);
	p->ssl = NULL;
	p->fd = -1;
	return -1;
}

int
peer_client_on(struct peer *p, int fd, const struct peer_opts *o)
{
	return shake(p, fd, 0, o);
}

int
peer_server_on(struct peer *p, int fd, const struct peer_opts *o)
{
	return shake(p, fd, 1, o);
}

int
peer_client(struct peer *p, const struct addr *to, const struct peer_opts *o)
{
	return shake(p, tcp_dial(to), 0, o);
}

void
peer_dial(struct peer *p, const struct addr *to)
{
	if (peer_client(p, to, &(struct peer_opts){ .sni = "one.example" }) != 0)
		world_fail(__FILE__, __LINE__, "%s", p->why);
}

SSL_CTX *
peer_ctx(int server)
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	want(ctx != NULL);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (server) {
		want_eq(SSL_CTX_set_num_tickets(ctx, 0), 1);
		want_eq(SSL_CTX_use_certificate(ctx, world.one->cert), 1);
		want_eq(SSL_CTX_use_PrivateKey(ctx, world.one->key), 1);
		return ctx;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	want_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), world.ca->cert), 1);
	return ctx;
}

void
peer_shake(struct peer *p, SSL_CTX *ctx, int fd)
{
	int server = SSL_CTX_get_ssl_method(ctx) == TLS_server_method();

	/* Many bytes in few segments: the last one waits for nobody. */
	want_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->ssl = SSL_new(ctx);
	want(p->ssl != NULL && SSL_set_fd(p->ssl, fd) == 1);
	if (!server)
		want_eq(SSL_set_tlsext_host_name(p->ssl, "one.example"), 1);
	if ((server ? SSL_accept(p->ssl) : SSL_connect(p->ssl)) != 1) {
		explain(p, "handshake");
		world_fail(__FILE__, __LINE__, "%s", p->why);
	}
}

size_t
peer_record(struct peer *p, const void *data, size_t len, char *out, size_t size)
{
	BIO *wire = BIO_new(BIO_s_mem()), *before = SSL_get_wbio(p->ssl);
	int n;

	want(wire != NULL);
	want(BIO_up_ref(before));
	SSL_set0_wbio(p->ssl, wire);
	want_eq(SSL_write(p->ssl, data, (int)len), len);
	n = BIO_read(wire, out, (int)size);
	want(n > 0);
	SSL_set0_wbio(p->ssl, before);
	return (size_t)n;
}

void
peer_write(struct peer *p, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		size_t n = 0;

		ERR_clear_error();
		want_eq(SSL_write_ex(p->ssl, at, len, &n), 1);
		at += n;
		len -= n;
	}
}

int
peer_read(struct peer *p, void *bytes, size_t size)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	if (SSL_read_ex(p->ssl, bytes, size, &n) == 1)
		return (int)n;
	rc = SSL_get_error(p->ssl, 0);
	if (rc == SSL_ERROR_ZERO_RETURN)
		return 0;
	explain(p, "read");
	return -1;
}

void
peer_read_all(struct peer *p, void *bytes, size_t len)
{
	char *at = bytes;

	while (len > 0) {
		int n = peer_read(p, at, len);

		if (n <= 0)
			world_fail(__FILE__, __LINE__, "%zu bytes missing: %s", len,
			    n == 0 ? "close_notify" : p->why);
		at += n;
		len -= (size_t)n;
	}
}

void
peer_want_end(struct peer *p)
{
	char more[16];
	int n = peer_read(p, more, sizeof(more));

	if (n != 0)
		world_fail(__FILE__, __LINE__, "no clean end: %d, %s", n, p->why);
	want_eq(tcp_drain(p->fd), 0);
}

void
peer_notify(struct peer *p)
{
	want(SSL_shutdown(p->ssl) >= 0);
}

static void
forget(struct peer *p)
{
	SSL_free(p->ssl);
	p->ssl = NULL;
	p->fd = -1;
}

void
peer_end(struct peer *p)
{
	(void)SSL_shutdown(p->ssl);
	(void)close(p->fd);
	forget(p);
}

void
peer_drop(struct peer *p)
{
	(void)close(p->fd);
	forget(p);
}

void
peer_reset(struct peer *p)
{
	tcp_reset(p->fd);
	forget(p);
}

int
peer_has_cert(const struct peer *p, const struct pki_cert *expected)
{
	X509 *shown = SSL_get1_peer_certificate(p->ssl);
	int same = shown != NULL && X509_cmp(shown, expected->cert) == 0;

	X509_free(shown);
	return same;
}

int
peer_is_shown(const struct addr *at, const char *sni, const struct pki_cert *cert)
{
	struct peer p;
	int same;

	if (peer_client(&p, at, &(struct peer_opts){ .sni = sni }) != 0)
		return -1;
	same = peer_has_cert(&p, cert);
	peer_end(&p);
	return same;
}

void
want_served(const struct addr *at, const char *sni, const char *sigalgs,
    const struct pki_cert *cert)
{
	struct peer p;
	struct peer_opts o = { .sni = sni, .sigalgs = sigalgs };

	if (peer_client(&p, at, &o) != 0)
		world_fail(__FILE__, __LINE__, "%s: %s", sni, p.why);
	if (!peer_has_cert(&p, cert))
		world_fail(__FILE__, __LINE__, "%s was shown another certificate", sni);
	peer_end(&p);
}

void
want_unserved(const struct addr *at, const char *sni, const char *error)
{
	struct peer p;
	struct peer_opts o = { .sni = sni };

	if (peer_client(&p, at, &o) == 0)
		world_fail(__FILE__, __LINE__, "%s was served", sni);
	want_has(p.why, error);
}
