/* SPDX-License-Identifier: ISC */
/* Plain connections, and how one becomes TLS in place. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "meet.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct {
	struct pki_cert *root, *a;
	struct sst_store *store;
	struct sst_trust *trust;
	struct sst_tls_conf *server, *client;
} w;

static int
world_make(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.a = pki_issue(w.root, &(struct pki_spec){ .san = "a.example" });
	w.store = meet_store(&w.a, 1);
	w.trust = meet_trust(w.root, NULL);
	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){ .server = 1,
	    .store = w.store }, &w.server, NULL), SST_OK);
	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){
	    .trust = w.trust }, &w.client, NULL), SST_OK);
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_tls_conf_unref(w.server);
	sst_tls_conf_unref(w.client);
	sst_store_unref(w.store);
	sst_trust_unref(w.trust);
	pki_free(w.a);
	pki_free(w.root);
	return 0;
}

/* Two ends of TCP over the loopback that there is: a reset and a FIN are what
 * they are. */
static void
tcp_pair(int fd[2])
{
	union {
		struct sockaddr		any;
		struct sockaddr_in	v4;
		struct sockaddr_in6	v6;
	} at = { .v6 = { .sin6_family = AF_INET6,
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	socklen_t len = sizeof(at.v6);
	int l = socket(AF_INET6, SOCK_STREAM, 0);

	if (l < 0 || bind(l, &at.any, len) < 0) {
		close(l);
		memset(&at, 0, sizeof(at));
		at.v4.sin_family = AF_INET;
		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		len = sizeof(at.v4);
		l = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(bind(l, &at.any, len), 0);
	}
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, &at.any, &len), 0);
	fd[1] = socket(at.any.sa_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd[1], &at.any, len), 0);
	fd[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd[0] >= 0);
	close(l);
}

static struct sst_conn *
plain(int fd)
{
	struct sst_conn *conn = NULL;

	assert_int_equal(sst_conn_new_plain(fd, &conn, NULL), SST_OK);
	assert_int_equal(sst_conn_handshake(conn, NULL), SST_STEP_DONE);
	assert_true(sst_conn_is_plain(conn));
	return conn;
}

static void
bytes_pass_as_they_are_and_a_fin_is_the_end(void **state)
{
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	char buf[16];
	size_t n = 0;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	conn = plain(fd[0]);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, &err),
	    SST_STEP_WANT_READ);
	assert_int_equal(write(fd[1], "hello", 5), 5);
	assert_int_equal(sst_conn_read(conn, buf, 3, &n, &err), SST_STEP_DONE);
	assert_int_equal(n, 3);
	assert_memory_equal(buf, "hel", 3);
	/* A full buffer says nothing of what is behind it. */
	assert_false(sst_conn_drained(conn));
	assert_int_equal(sst_conn_pending(conn), 0);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, &err),
	    SST_STEP_DONE);
	assert_int_equal(n, 2);
	assert_true(sst_conn_drained(conn));
	shutdown(fd[1], SHUT_WR);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, &err),
	    SST_STEP_END);
	/* The other direction is still open. */
	assert_int_equal(sst_conn_write(conn, "bye", 3, &n, &err), SST_STEP_DONE);
	assert_int_equal(n, 3);
	assert_int_equal(sst_conn_close_notify(conn, &err), SST_STEP_DONE);
	assert_int_equal(read(fd[1], buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "bye", 3);
	assert_int_equal(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(err.code, 0);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

static void
a_reset_is_a_failure_in_both_directions(void **state)
{
	struct sst_conn *conn;
	struct linger now = { .l_onoff = 1 };
	char buf[16];
	size_t n;
	int fd[2];

	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		struct sst_error err = { 0 };

		tcp_pair(fd);
		conn = plain(fd[0]);
		setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd[1]);
		if (reading)
			assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n,
			    &err), SST_STEP_FAILED);
		else
			assert_int_equal(sst_conn_write(conn, "x", 1, &n, &err),
			    SST_STEP_FAILED);
		assert_int_equal(err.code, SST_E_PEER);
		assert_non_null(strstr(err.text, "reset"));
		sst_conn_free(conn);
		close(fd[0]);
	}
}

static void
a_full_socket_makes_a_write_wait(void **state)
{
	static char piece[65536];
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	enum sst_step step;
	size_t sent = 0, got = 0;
	size_t n = 0;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	conn = plain(fd[0]);
	while ((step = sst_conn_write(conn, piece, sizeof(piece), &n, &err)) ==
	    SST_STEP_DONE)
		sent += n;
	assert_int_equal(step, SST_STEP_WANT_WRITE);
	/* Whatever comes next is behind what was taken. */
	shutdown(fd[0], SHUT_WR);
	for (ssize_t r; (r = read(fd[1], piece, sizeof(piece))) > 0;)
		got += (size_t)r;
	assert_int_equal(got, sent);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

static void
of_a_plain_connection_the_getters_say_none(void **state)
{
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	char text[100];
	size_t n = 1;
	int fd[2];

	(void)state;
	tcp_pair(fd);
	conn = plain(fd[0]);
	assert_int_equal(sst_conn_version(conn), 0);
	assert_string_equal(sst_conn_cipher(conn), "");
	assert_string_equal(sst_conn_alpn(conn, &n), "");
	assert_int_equal(n, 0);
	assert_null(sst_conn_choice(conn));
	assert_string_equal(sst_conn_sni(conn), "");
	assert_false(sst_conn_saw_hello(conn));
	assert_false(sst_conn_got_finished(conn));
	assert_int_equal(sst_conn_peer_chain(conn, text, sizeof(text), &n, &err),
	    SST_E_NOT_FOUND);
	assert_int_equal(sst_conn_peer_identity(conn, text, sizeof(text), &n, NULL),
	    SST_E_NOT_FOUND);
	assert_int_equal(sst_conn_id(conn, text, NULL), SST_E_STATE);
	assert_int_equal(sst_conn_require(conn, "a.example", NULL), SST_E_STATE);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

/* OpenSSL on the other end of `fd`, one side of the handshake after the other. */
static SSL *
raw_new(SSL_CTX **ctx, int fd, int version, int serves)
{
	SSL *ssl;

	*ctx = SSL_CTX_new(TLS_method());
	assert_int_equal(SSL_CTX_set_min_proto_version(*ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(*ctx, version), 1);
	if (serves) {
		assert_int_equal(SSL_CTX_use_certificate(*ctx, w.a->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(*ctx, w.a->key), 1);
	}
	ssl = SSL_new(*ctx);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	if (serves)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static enum sst_step
take_turns(struct sst_conn *conn, SSL *ssl, struct sst_error *err)
{
	enum sst_step step = SST_STEP_WANT_READ;
	int raw = 0;

	for (int i = 0; i < 20 && (raw != 1 || step != SST_STEP_DONE); i++) {
		if (raw != 1)
			raw = SSL_do_handshake(ssl);
		if (step != SST_STEP_DONE)
			step = sst_conn_handshake(conn, err);
		if (step == SST_STEP_FAILED)
			return step;
	}
	return raw == 1 ? step : SST_STEP_FAILED;
}

/* One line each way as TLS. */
static void
talk(struct sst_conn *conn, SSL *ssl)
{
	char buf[100];
	size_t n = 0;

	assert_false(sst_conn_is_plain(conn));
	assert_int_equal(SSL_write(ssl, "hello", 5), 5);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, NULL),
	    SST_STEP_DONE);
	assert_int_equal(n, 5);
	assert_true(sst_conn_drained(conn));
	assert_int_equal(sst_conn_write(conn, "world", 5, &n, NULL), SST_STEP_DONE);
	assert_int_equal(SSL_read(ssl, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "world", 5);
	/* From here on a FIN is no end. */
	shutdown(SSL_get_fd(ssl), SHUT_WR);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, NULL),
	    SST_STEP_FAILED);
}

static void
a_plain_connection_becomes_a_client(void **state)
{
	char buf[100];
	size_t n = 0;
	int fd[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_error err = { 0 };
		struct sst_conn *conn;
		SSL_CTX *ctx;
		SSL *ssl;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
		    fd), 0);
		conn = plain(fd[0]);
		assert_int_equal(write(fd[1], "220 go ahead", 12), 12);
		assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, &err),
		    SST_STEP_DONE);
		assert_int_equal(n, 12);
		assert_int_equal(sst_conn_upgrade_client(conn, w.client, "a.example",
		    NULL, &err), SST_OK);
		ssl = raw_new(&ctx, fd[1], versions[i], 1);
		assert_int_equal(take_turns(conn, ssl, &err), SST_STEP_DONE);
		assert_int_equal(sst_conn_version(conn), versions[i]);
		assert_int_equal(sst_conn_upgrade_client(conn, w.client, "a.example",
		    NULL, &err), SST_E_STATE);
		talk(conn, ssl);
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		sst_conn_free(conn);
		close(fd[0]);
		close(fd[1]);
	}
}

static void
an_upgraded_client_verifies_as_any_other(void **state)
{
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	char buf[100];
	SSL_CTX *ctx;
	SSL *ssl;
	size_t n;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	conn = plain(fd[0]);
	assert_int_equal(sst_conn_upgrade_client(conn, w.client, "b.example", NULL,
	    &err), SST_OK);
	ssl = raw_new(&ctx, fd[1], TLS1_3_VERSION, 1);
	assert_int_equal(take_turns(conn, ssl, &err), SST_STEP_FAILED);
	assert_int_equal(err.code, SST_E_REFUSED);
	/* It is not plain again. */
	assert_false(sst_conn_is_plain(conn));
	assert_int_equal(write(fd[1], "plain", 5), 5);
	assert_int_not_equal(sst_conn_read(conn, buf, sizeof(buf), &n, NULL),
	    SST_STEP_DONE);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

/* The first `early` bytes of the ClientHello were read with the plaintext. */
static void
serve_with_early(size_t early, int version)
{
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	char buf[2000];
	SSL_CTX *ctx;
	SSL *ssl;
	size_t n = 0;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	conn = plain(fd[0]);
	ssl = raw_new(&ctx, fd[1], version, 0);
	SSL_set_tlsext_host_name(ssl, "a.example");
	assert_int_equal(SSL_do_handshake(ssl), -1);
	if (early > 0)
		assert_int_equal(sst_conn_read(conn, buf, early, &n, &err),
		    SST_STEP_DONE);
	assert_true(n <= early);
	assert_int_equal(sst_conn_upgrade_server(conn, w.server, NULL, buf, n, &err),
	    SST_OK);
	/* They were copied. */
	memset(buf, 0, sizeof(buf));
	assert_int_equal(take_turns(conn, ssl, &err), SST_STEP_DONE);
	assert_string_equal(sst_conn_sni(conn), "a.example");
	assert_true(sst_conn_got_finished(conn));
	talk(conn, ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

static void
a_plain_connection_becomes_a_server_wherever_the_hello_was_cut(void **state)
{
	static const size_t cuts[] = { 0, 1, 3, 5, 6, 100, 2000 };

	(void)state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		for (int v = 0; v < 2; v++)
			serve_with_early(cuts[i], versions[v]);
}

static void
plaintext_behind_the_command_fails_the_handshake(void **state)
{
	static const char *const injected[] = { "RCPT TO:<x>\r\n", "GET / HTTP/1.1\r\n",
	    "\x16\x03\x01\x00\x05plain", "\x17\x03\x03\x00\x05plain" };

	(void)state;
	/* Early, or still in the socket: it makes no difference. */
	for (size_t i = 0; i < 2 * sizeof(injected) / sizeof(injected[0]); i++) {
		const char *text = injected[i / 2];
		size_t len = text[0] == '\x16' || text[0] == '\x17' ? 10 : strlen(text);
		struct sst_error err = { 0 };
		struct sst_conn *conn;
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
		    fd), 0);
		conn = plain(fd[0]);
		if (i % 2 == 0)
			assert_int_equal(write(fd[1], text, len), len);
		assert_int_equal(sst_conn_upgrade_server(conn, w.server, NULL, text,
		    i % 2 == 0 ? 0 : len, &err), SST_OK);
		assert_int_equal(sst_conn_handshake(conn, &err), SST_STEP_FAILED);
		assert_int_equal(err.code, SST_E_TLS);
		sst_conn_free(conn);
		close(fd[0]);
		close(fd[1]);
	}
}

static void
settings_of_the_other_role_leave_it_plain(void **state)
{
	struct sst_error err = { 0 };
	struct sst_conn *conn;
	char buf[16];
	size_t n;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	conn = plain(fd[0]);
	assert_int_equal(sst_conn_upgrade_client(conn, w.server, "a.example", NULL,
	    &err), SST_E_USAGE);
	assert_int_equal(sst_conn_upgrade_server(conn, w.client, NULL, NULL, 0, NULL),
	    SST_E_USAGE);
	assert_int_equal(sst_conn_upgrade_client(conn, w.client, "*.example", NULL,
	    NULL), SST_E_USAGE);
	assert_true(sst_conn_is_plain(conn));
	assert_int_equal(write(fd[1], "more", 4), 4);
	assert_int_equal(sst_conn_read(conn, buf, sizeof(buf), &n, NULL),
	    SST_STEP_DONE);
	assert_int_equal(n, 4);
	/* And then it may be done right. */
	assert_int_equal(sst_conn_upgrade_server(conn, w.server, NULL, NULL, 0, NULL),
	    SST_OK);
	sst_conn_free(conn);
	close(fd[0]);
	close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_as_they_are_and_a_fin_is_the_end),
		cmocka_unit_test(a_reset_is_a_failure_in_both_directions),
		cmocka_unit_test(a_full_socket_makes_a_write_wait),
		cmocka_unit_test(of_a_plain_connection_the_getters_say_none),
		cmocka_unit_test(a_plain_connection_becomes_a_client),
		cmocka_unit_test(an_upgraded_client_verifies_as_any_other),
		cmocka_unit_test(
		    a_plain_connection_becomes_a_server_wherever_the_hello_was_cut),
		cmocka_unit_test(plaintext_behind_the_command_fails_the_handshake),
		cmocka_unit_test(settings_of_the_other_role_leave_it_plain),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
