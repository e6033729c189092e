/* SPDX-License-Identifier: ISC */
/* STARTTLS: a plain connection becomes TLS, to the byte, or it dies. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/certs.h"
#include "relay/settings.h"
#include "relay/supply.h"

#define LATER	1	/* of a descriptor that does not block */

/* A plain connection: the program's end, and the test's. */
struct talk {
	struct sst_wire_accepted rec;	/* a server's */
	int	 app, peer;
	SSL_CTX	*ctx;
	SSL	*ssl;
};

static void
believe(struct scene *s, int fd, const struct pki_cert *ca)
{
	struct sst_wire_head head;
	struct pki_buf b = { 0 };
	int file = memfd_create("ca", MFD_CLOEXEC);

	pki_put_cert(&b, ca);
	assert_int_equal(write(file, b.data, b.len), b.len);
	pki_buf_free(&b);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.a = IPPROTO_TLS;
	head.b = TLS_TRUSTED_PEER_CERTIFICATES;
	assert_int_equal(agent_ask(&s->a, sst_supply_file, &head, "\0bytes", 7, fd,
	    file), 0);
	(void)close(file);
}

/* The program connected. */
static void
make_client(struct scene *s, struct talk *t)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	memset(t, 0, sizeof(*t));
	assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(l, 1), 0);
	t->app = agent_socket(&s->a, AF_INET);
	believe(s, t->app, w.ca);
	assert_int_equal(agent_set_int(&s->a, t->app, TLS_START_PLAIN, 1), 0);
	assert_int_equal(fcntl(t->app, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &at,
	    sizeof(at), t->app), EINPROGRESS);
	agent_settle(&s->a);
	t->peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(t->peer >= 0);
	assert_int_equal(setsockopt(t->peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)),
	    0);
	(void)close(l);
}

/* The program accepted. */
static void
make_server(struct scene *s, struct talk *t)
{
	struct client c;

	memset(t, 0, sizeof(*t));
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_START_PLAIN, 1), 0);
	begin(s, 8);
	c = dial(s, 1, 1);
	t->peer = c.fd;
	t->app = take(s, &t->rec, 1);
	assert_true(t->app >= 0);
	assert_int_equal(fcntl(t->app, F_SETFL, O_NONBLOCK), 0);
}

static void
drop(struct scene *s, struct talk *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	if (t->app >= 0)
		(void)close(t->app);
	(void)close(t->peer);
	agent_settle(&s->a);
}

static int
upgrade(struct scene *s, const struct talk *t, const char *host)
{
	return agent_verb(&s->a, SST_WIRE_UPGRADE, LATER, host == NULL ?
	    SST_UPGRADE_SERVER : SST_UPGRADE_CLIENT, 0, host,
	    host == NULL ? 0 : strlen(host) + 1, t->app);
}

/* TLS on the test's end; `cert`: it serves. */
static void
raw(struct talk *t, const struct pki_cert *cert)
{
	t->ctx = SSL_CTX_new(TLS_method());
	if (cert != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(t->ctx, cert->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(t->ctx, cert->key), 1);
	}
	t->ssl = SSL_new(t->ctx);
	assert_int_equal(SSL_set_fd(t->ssl, t->peer), 1);
	if (cert != NULL)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
}

/* 1: the handshake is complete on the test's end. */
static int
shake_raw(struct scene *s, struct talk *t)
{
	int rc = 0;

	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_do_handshake(t->ssl);
		agent_settle(&s->a);
	}
	return rc == 1;
}

static void
is_tls(struct scene *s, struct talk *t)
{
	char got[100] = "";

	assert_int_equal(agent_get_int(&s->a, t->app, SOL_SOCKET, SO_ERROR), 0);
	assert_int_equal(agent_get_int(&s->a, t->app, IPPROTO_TLS,
	    TLS_VERSION_CONN), TLS_1_3);
	assert_int_equal(agent_events(t->app), POLLOUT);
	assert_int_equal(SSL_write(t->ssl, "secret", 6), 6);
	agent_settle(&s->a);
	assert_int_equal(recv(t->app, got, sizeof(got), MSG_DONTWAIT), 6);
	assert_memory_equal(got, "secret", 6);
	assert_int_equal(send(t->app, "answer", 6, MSG_NOSIGNAL), 6);
	agent_settle(&s->a);
	assert_int_equal(SSL_read(t->ssl, got, sizeof(got)), 6);
	assert_memory_equal(got, "answer", 6);
	/* It is never upgraded again. */
	assert_int_equal(upgrade(s, t, "a.example"), EISCONN);
	assert_int_equal(upgrade(s, t, NULL), EISCONN);
}

/* It failed with this errno, for good: nothing of it is plain again. */
static void
is_dead(struct scene *s, struct talk *t, int error)
{
	char byte;

	agent_settle(&s->a);
	assert_int_equal(agent_get_int(&s->a, t->app, SOL_SOCKET, SO_ERROR), error);
	assert_int_equal(recv(t->app, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_true((agent_events(t->app) & POLLHUP) != 0);
	assert_int_equal(upgrade(s, t, NULL), ENOTCONN);
	assert_int_equal(upgrade(s, t, "a.example"), ENOTCONN);
}

static void
a_client_becomes_tls_where_it_stands(void **state)
{
	struct scene *s = *state;
	struct talk t;
	char got[100];

	make_client(s, &t);
	agent_arrives(&s->a, t.peer, t.app, "220 ready");
	/* Written before, sent before. */
	assert_int_equal(send(t.app, "STARTTLS\r\n", 10, 0), 10);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	assert_int_equal(agent_events(t.app), 0);
	assert_int_equal(send(t.app, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(agent_get_int(&s->a, t.app, SOL_SOCKET, SO_ERROR), 0);
	assert_int_equal(upgrade(s, &t, "a.example"), EALREADY);
	/* Who would wait for another peer, or the other role, is not told of this. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_UPGRADE, 0, SST_UPGRADE_CLIENT, 0,
	    "b.example", sizeof("b.example"), t.app), EALREADY);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_UPGRADE, 0, SST_UPGRADE_SERVER, 0,
	    NULL, 0, t.app), EALREADY);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &s->at,
	    sizeof(s->at), t.app), EISCONN);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_PEERNAME, 0, 0, 0, NULL, 0, t.app),
	    0);
	agent_settle(&s->a);
	assert_int_equal(recv(t.peer, got, 10, MSG_DONTWAIT), 10);
	assert_memory_equal(got, "STARTTLS\r\n", 10);
	raw(&t, w.a);
	assert_int_equal(shake_raw(s, &t), 1);
	assert_string_equal(SSL_get_servername(t.ssl, TLSEXT_NAMETYPE_host_name),
	    "a.example");
	is_tls(s, &t);
	drop(s, &t);
}

static void
a_server_becomes_tls_where_it_stands(void **state)
{
	struct scene *s = *state;
	struct talk t;
	char got[100];

	make_server(s, &t);
	agent_arrives(&s->a, t.peer, t.app, "STARTTLS\r\n");
	assert_int_equal(send(t.app, "220 go ahead\r\n", 14, 0), 14);
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	agent_settle(&s->a);
	assert_int_equal(recv(t.peer, got, sizeof(got), MSG_DONTWAIT), 14);
	raw(&t, NULL);
	assert_int_equal(shake_raw(s, &t), 1);
	is_tls(s, &t);
	drop(s, &t);
}

/* The client was faster than the program's call: no fault of anybody. */
static void
an_early_hello_is_taken_back_from_the_program(void **state)
{
	struct scene *s = *state;
	struct talk t;
	int n = 0;

	make_server(s, &t);
	agent_arrives(&s->a, t.peer, t.app, "STARTTLS\r\n");
	raw(&t, NULL);
	assert_int_equal(SSL_do_handshake(t.ssl), -1);
	agent_settle(&s->a);
	assert_int_equal(ioctl(t.app, FIONREAD, &n), 0);
	assert_true(n > 100);
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	assert_int_equal(ioctl(t.app, FIONREAD, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(shake_raw(s, &t), 1);
	is_tls(s, &t);
	drop(s, &t);
}

/* One that is longer than what the program's descriptor takes. */
static void
an_early_hello_that_is_long_is_taken_back_whole(void **state)
{
	struct scene *s = *state;
	unsigned char protocols[12000];
	const int small = 1;
	struct sst_record *r;
	struct talk t;
	int n = 0;

	make_server(s, &t);
	r = sst_record_find(s->a.relay, sst_record_cookie(t.app));
	assert_int_equal(setsockopt(r->end, SOL_SOCKET, SO_SNDBUF, &small,
	    sizeof(small)), 0);
	for (size_t i = 0; i < sizeof(protocols); i += 200) {
		memset(protocols + i, 'a' + (int)(i / 200 % 26), 200);
		protocols[i] = 199;
	}
	raw(&t, NULL);
	assert_int_equal(SSL_set_alpn_protos(t.ssl, protocols, sizeof(protocols)), 0);
	assert_int_equal(SSL_do_handshake(t.ssl), -1);
	agent_settle(&s->a);
	assert_int_equal(ioctl(t.app, FIONREAD, &n), 0);
	assert_true(n > 0 && n < 12000);
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	assert_int_equal(shake_raw(s, &t), 1);
	is_tls(s, &t);
	drop(s, &t);
}

static void
plaintext_that_is_not_read_stops_an_upgrade(void **state)
{
	struct scene *s = *state;
	struct talk t;
	char got[100];

	/* Both roles; somebody put a command behind STARTTLS. */
	for (int i = 0; i < 2; i++) {
		const char *host = i == 0 ? NULL : "a.example";

		if (i == 0)
			make_server(s, &t);
		else
			make_client(s, &t);
		assert_int_equal(send(t.peer, "STARTTLS\r\nRCPT", 14, 0), 14);
		agent_settle(&s->a);
		assert_int_equal(recv(t.app, got, 10, MSG_DONTWAIT), 10);
		assert_int_equal(upgrade(s, &t, host), EBUSY);
		assert_non_null(strstr(s->a.data, "must be read first"));
		/* Nothing has changed: it is read as what it is. */
		assert_int_equal(recv(t.app, got, sizeof(got), MSG_DONTWAIT), 4);
		assert_memory_equal(got, "RCPT", 4);
		agent_arrives(&s->a, t.app, t.peer, "still plain");
		assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TLS,
		    TLS_ERROR, 100, NULL, 0, t.app), 0);
		assert_int_equal(upgrade(s, &t, host), EINPROGRESS);
		assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TLS,
		    TLS_ERROR, 100, NULL, 0, t.app), ENODATA);
		raw(&t, i == 0 ? NULL : w.a);
		assert_int_equal(shake_raw(s, &t), 1);
		is_tls(s, &t);
		drop(s, &t);
	}
}

static void
an_early_hello_is_for_servers_alone(void **state)
{
	struct scene *s = *state;
	struct talk t;

	make_client(s, &t);
	assert_int_equal(send(t.peer, "\x16\x03\x01", 3, 0), 3);
	agent_settle(&s->a);
	assert_int_equal(upgrade(s, &t, "a.example"), EBUSY);
	drop(s, &t);
}

/* What comes behind the point belongs to the handshake, in the plain as well. */
static void
plaintext_behind_the_point_is_never_delivered(void **state)
{
	struct scene *s = *state;
	struct talk t;

	for (int i = 0; i < 3; i++) {
		if (i == 1)
			make_client(s, &t);
		else if (i == 0)
			make_server(s, &t);
		else {
			/* It looks as a ClientHello does, and is none. */
			struct sst_wire_accepted rec;

			t = (struct talk){ .peer = dial(s, 1, 3).fd };
			t.app = take(s, &rec, 1);
			assert_int_equal(send(t.peer, "\x16\x03\x01\0\4RCPT TO:\r\n", 15, 0),
			    15);
			agent_settle(&s->a);
		}
		assert_int_equal(upgrade(s, &t, i == 1 ? "a.example" : NULL),
		    EINPROGRESS);
		if (i < 2)
			assert_int_equal(send(t.peer, "RCPT TO:<x>\r\n", 13, 0), 13);
		is_dead(s, &t, EPROTO);
		drop(s, &t);
	}
}

static char
pattern(size_t at)
{
	return (char)(at ^ at >> 7 ^ at >> 15);
}

/* TCP's buffers are full of what the program wrote. */
static void
all_that_was_written_before_goes_out_first(void **state)
{
	static char out[1 << 16], in[1 << 16];
	struct scene *s = *state;
	struct talk t;
	size_t sent = 0, got = 0;
	ssize_t n;

	make_client(s, &t);
	for (int i = 0; i < 1000; i++) {
		for (size_t k = 0; k < sizeof(out); k++)
			out[k] = pattern(sent + k);
		n = send(t.app, out, sizeof(out), MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (size_t)n;
		agent_settle(&s->a);
	}
	assert_int_equal(n, -1);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	agent_settle(&s->a);
	assert_int_equal(agent_events(t.app), 0);
	while (got < sent) {
		n = recv(t.peer, in, sent - got < sizeof(in) ? sent - got : sizeof(in),
		    MSG_DONTWAIT);
		if (n < 0)
			agent_settle(&s->a);
		for (ssize_t k = 0; k < n; k++)
			assert_int_equal(in[k], pattern(got + (size_t)k));
		got += n > 0 ? (size_t)n : 0;
	}
	raw(&t, w.a);
	assert_int_equal(shake_raw(s, &t), 1);
	is_tls(s, &t);
	drop(s, &t);
}

static void
what_a_thread_wrote_meanwhile_is_protected(void **state)
{
	struct scene *s = *state;
	struct talk t;
	char got[100];
	int room;

	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	/* A thread that sleeps in write() gets in as soon as the gate opens; one
	 * that enlarges its buffer gets in before. */
	room = 4 << 20;
	assert_int_equal(setsockopt(t.app, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)),
	    0);
	assert_int_equal(send(t.app, "too soon", 8, MSG_NOSIGNAL), 8);
	raw(&t, w.a);
	assert_int_equal(shake_raw(s, &t), 1);
	assert_int_equal(SSL_read(t.ssl, got, sizeof(got)), 8);
	assert_memory_equal(got, "too soon", 8);
	is_tls(s, &t);
	drop(s, &t);
}

static void
a_refused_certificate_ends_the_connection(void **state)
{
	struct scene *s = *state;
	struct talk t;

	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "b.example"), EINPROGRESS);
	raw(&t, w.a);
	(void)shake_raw(s, &t);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TLS, TLS_ERROR, 500,
	    NULL, 0, t.app), 0);
	assert_non_null(strstr(s->a.data, "b.example"));
	is_dead(s, &t, EPROTO);
	drop(s, &t);
}

static void
a_peer_that_leaves_or_sleeps_ends_it_as_a_connect(void **state)
{
	struct scene *s = *state;
	const struct linger now = { .l_onoff = 1 };
	struct talk t;

	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	assert_int_equal(shutdown(t.peer, SHUT_WR), 0);
	is_dead(s, &t, ECONNABORTED);
	drop(s, &t);
	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	assert_int_equal(setsockopt(t.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
	    0);
	assert_int_equal(close(t.peer), 0);
	t.peer = dup(t.app);
	is_dead(s, &t, ECONNABORTED);
	drop(s, &t);
	/* 30 s for a client, 10 s for a server, or what the option says. */
	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	agent_later(&s->a, 29000);
	assert_int_equal(agent_get_int(&s->a, t.app, SOL_SOCKET, SO_ERROR), 0);
	agent_later(&s->a, 1100);
	is_dead(s, &t, ETIMEDOUT);
	drop(s, &t);
	make_server(s, &t);
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	agent_later(&s->a, 9000);
	assert_int_equal(agent_get_int(&s->a, t.app, SOL_SOCKET, SO_ERROR), 0);
	agent_later(&s->a, 1100);
	is_dead(s, &t, ETIMEDOUT);
	drop(s, &t);
	make_client(s, &t);
	assert_int_equal(agent_set_int(&s->a, t.app, TLS_HANDSHAKE_TIMEOUT, 500), 0);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	agent_later(&s->a, 600);
	is_dead(s, &t, ETIMEDOUT);
	drop(s, &t);
}

static void
what_cannot_be_upgraded_is_left_as_it_is(void **state)
{
	struct scene *s = *state;
	struct talk t = { .app = s->app };
	static const char *const bad[] = { "*.example", "a b", ".." };

	assert_int_equal(upgrade(s, &t, "a.example"), ENOTCONN);
	assert_int_equal(upgrade(s, &t, NULL), ENOTCONN);
	make_client(s, &t);
	for (int i = 0; i < 3; i++)
		assert_int_equal(upgrade(s, &t, bad[i]), EINVAL);
	/* As a server, without a certificate. */
	assert_int_equal(upgrade(s, &t, NULL), EINVAL);
	assert_non_null(strstr(s->a.data, "no certificate"));
	agent_arrives(&s->a, t.app, t.peer, "still plain");
	agent_arrives(&s->a, t.peer, t.app, "both ways");
	/* Half of it is over. */
	assert_int_equal(shutdown(t.peer, SHUT_WR), 0);
	agent_settle(&s->a);
	assert_int_equal(upgrade(s, &t, "a.example"), ENOTCONN);
	agent_arrives(&s->a, t.app, t.peer, "and still");
	drop(s, &t);
	make_client(s, &t);
	assert_int_equal(shutdown(t.app, SHUT_WR), 0);
	agent_settle(&s->a);
	assert_int_equal(upgrade(s, &t, "a.example"), ENOTCONN);
	agent_arrives(&s->a, t.peer, t.app, "half open");
	drop(s, &t);
	/* A listener is no connection. */
	begin(s, 1);
	t = (struct talk){ .app = s->app };
	assert_int_equal(upgrade(s, &t, NULL), ENOTCONN);
}

static void
the_name_may_have_been_set_before(void **state)
{
	struct scene *s = *state;
	struct talk t;

	make_client(s, &t);
	assert_int_equal(agent_set(&s->a, t.app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	assert_int_equal(upgrade(s, &t, ""), EINPROGRESS);
	raw(&t, w.a);
	assert_int_equal(shake_raw(s, &t), 1);
	is_tls(s, &t);
	/* From now on it cannot be changed. */
	assert_int_equal(agent_set(&s->a, t.app, TLS_REMOTE_HOSTNAME, "b.example", 9),
	    EOPNOTSUPP);
	drop(s, &t);
	/* What the call says goes before. */
	make_client(s, &t);
	assert_int_equal(agent_set(&s->a, t.app, TLS_HOSTNAME, "a.example", 9), 0);
	assert_int_equal(upgrade(s, &t, "b.example"), EINPROGRESS);
	raw(&t, w.a);
	(void)shake_raw(s, &t);
	is_dead(s, &t, EPROTO);
	drop(s, &t);
	/* Nothing at all: the address, for which the certificate is not. */
	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, ""), EINPROGRESS);
	raw(&t, w.a);
	(void)shake_raw(s, &t);
	is_dead(s, &t, EPROTO);
	drop(s, &t);
}

static void
an_accepted_socket_may_have_certificates_of_its_own(void **state)
{
	struct pki_cert *b = pki_issue(w.ca, &(struct pki_spec){ .san = "b.example" });
	struct scene *s = *state;
	struct talk t;

	make_server(s, &t);
	/* Those of the listener are not an accepted socket's to change. */
	assert_int_equal(agent_set(&s->a, t.app, TLS_CERTIFICATE_REMOVE, "*", 1),
	    ENOENT);
	assert_int_equal(agent_set_int(&s->a, t.app, TLS_KEY_PERMISSIONS, 1),
	    EOPNOTSUPP);
	assert_int_equal(agent_supply(&s->a, t.app, 2, b), 0);
	assert_int_equal(sst_certs_count(s->l->record->set->certs), 1);
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	raw(&t, NULL);
	assert_int_equal(SSL_set_tlsext_host_name(t.ssl, "b.example"), 1);
	assert_int_equal(shake_raw(s, &t), 1);
	assert_int_equal(X509_cmp(SSL_get0_peer_certificate(t.ssl), b->cert), 0);
	is_tls(s, &t);
	drop(s, &t);
	pki_free(b);
}

/* Or each such connection would cost the keeper a descriptor for ever. */
static void
the_sources_of_a_socket_that_is_gone_are_dropped(void **state)
{
	struct scene *s = *state;
	struct sst_wire_head head;
	struct talk t;
	int fds[3];

	make_server(s, &t);
	assert_int_equal(agent_supply(&s->a, t.app, 7, w.a), 0);
	assert_int_equal(agent_told(&s->a, SST_CHAN_DROP, &head, s->a.data,
	    sizeof(s->a.data), fds), -1);
	drop(s, &t);
	agent_later(&s->a, SST_LISTENER_USE_MS);
	agent_later(&s->a, 2000);
	assert_int_equal(agent_told(&s->a, SST_CHAN_DROP, &head, s->a.data,
	    sizeof(s->a.data), fds), 0);
	assert_int_equal(head.id, 7);
	/* The listener's, when the last that was accepted from it is gone. */
	make_server(s, &t);
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_int_equal(agent_told(&s->a, SST_CHAN_DROP, &head, s->a.data,
	    sizeof(s->a.data), fds), -1);
	drop(s, &t);
	agent_later(&s->a, SST_LISTENER_USE_MS);
	agent_later(&s->a, 2000);
	assert_int_equal(agent_told(&s->a, SST_CHAN_DROP, &head, s->a.data,
	    sizeof(s->a.data), fds), 0);
	assert_int_equal(head.id, 1);
}

static void
a_program_that_closes_ends_the_attempt(void **state)
{
	struct scene *s = *state;
	struct talk t;
	char got[2000];

	make_client(s, &t);
	assert_int_equal(upgrade(s, &t, "a.example"), EINPROGRESS);
	(void)close(t.app);
	t.app = -1;
	agent_settle(&s->a);
	while (recv(t.peer, got, sizeof(got), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(recv(t.peer, got, sizeof(got), MSG_DONTWAIT), 0);
	assert_int_equal(s->a.relay->table.count, 1);
	drop(s, &t);
}

static void
an_upgraded_connection_is_counted_once(void **state)
{
	struct scene *s = *state;
	struct talk t;
	uint64_t before;

	make_server(s, &t);
	before = s->a.relay->connections;
	assert_int_equal(upgrade(s, &t, NULL), EINPROGRESS);
	/* The program has it: it cannot be lost any more. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &t.rec,
	    sizeof(t.rec), s->app), 0);
	assert_int_equal(take(s, &t.rec, 1), -1);
	raw(&t, NULL);
	assert_int_equal(shake_raw(s, &t), 1);
	assert_true(s->a.relay->connections == before);
	/* And a listener that goes leaves it alone. */
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	is_tls(s, &t);
	drop(s, &t);
}

static void
several_names_must_all_be_the_peers(void **state)
{
	struct pki_cert *both = pki_issue(w.ca, &(struct pki_spec){
	    .san = "a.example,b.example" });
	struct scene *s = *state;
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	const int on = 1;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(listen(l, 4), 0);
	/* At connect() and at the upgrade; one name of two, and both. */
	for (int i = 0; i < 4; i++) {
		struct talk t = { .app = agent_socket(&s->a, AF_INET) };
		int later = i & 2, good = i & 1;

		believe(s, t.app, w.ca);
		assert_int_equal(agent_verb(&s->a, SST_WIRE_NAMES, 0, 0, 0,
		    "a.example\0b.example", 20, t.app), 0);
		assert_int_equal(agent_set_int(&s->a, t.app, TLS_START_PLAIN,
		    later ? 1 : 0), 0);
		assert_int_equal(fcntl(t.app, F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &at,
		    sizeof(at), t.app), EINPROGRESS);
		agent_settle(&s->a);
		t.peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		assert_int_equal(setsockopt(t.peer, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on)), 0);
		if (later)
			assert_int_equal(upgrade(s, &t, ""), EINPROGRESS);
		raw(&t, good ? both : w.a);
		(void)shake_raw(s, &t);
		assert_string_equal(SSL_get_servername(t.ssl,
		    TLSEXT_NAMETYPE_host_name), "a.example");
		if (good)
			is_tls(s, &t);
		else
			assert_int_equal(agent_get_int(&s->a, t.app, SOL_SOCKET,
			    SO_ERROR), EPROTO);
		drop(s, &t);
	}
	(void)close(l);
	pki_free(both);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
		TEST(a_client_becomes_tls_where_it_stands),
		TEST(a_server_becomes_tls_where_it_stands),
		TEST(an_early_hello_is_taken_back_from_the_program),
		TEST(an_early_hello_that_is_long_is_taken_back_whole),
		TEST(plaintext_that_is_not_read_stops_an_upgrade),
		TEST(an_early_hello_is_for_servers_alone),
		TEST(plaintext_behind_the_point_is_never_delivered),
		TEST(all_that_was_written_before_goes_out_first),
		TEST(what_a_thread_wrote_meanwhile_is_protected),
		TEST(a_refused_certificate_ends_the_connection),
		TEST(a_peer_that_leaves_or_sleeps_ends_it_as_a_connect),
		TEST(what_cannot_be_upgraded_is_left_as_it_is),
		TEST(the_name_may_have_been_set_before),
		TEST(an_accepted_socket_may_have_certificates_of_its_own),
		TEST(the_sources_of_a_socket_that_is_gone_are_dropped),
		TEST(a_program_that_closes_ends_the_attempt),
		TEST(an_upgraded_connection_is_counted_once),
		TEST(several_names_must_all_be_the_peers),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
