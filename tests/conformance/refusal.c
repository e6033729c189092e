/* SPDX-License-Identifier: ISC */
/* refusal - what a TLS client refuses and TCP does not know: stated, not compared
 * with TCP, and the same with either server. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static void *
serve_whoever(void *arg)
{
	struct far_listener *l = arg;
	struct peer p;

	(void)signal(SIGPIPE, SIG_IGN);
	if (peer_server_on(&p, tcp_accept(l->fd), &l->o) == 0) {
		(void)tcp_drain(p.fd);
		peer_drop(&p);
	}
	return NULL;
}

/* A server that the client may refuse. */
static void
refusable_listen(struct trial *t, struct far_listener *l)
{
	far_listen(t, l, t->family, NULL);
	if (t->mode == MODE_CLIENT)
		want_eq(pthread_create(&l->thread, NULL, serve_whoever, l), 0);
}

static void
refusable_close(struct trial *t, struct far_listener *l)
{
	if (t->mode == MODE_CLIENT)
		far_served(l);
	far_listener_close(l);
}

static void
want_refused(struct trial *t, int fd, int error)
{
	char byte;

	own_await_refused(fd);
	want_eq(ours_poll(fd, ALL, 0),
	    POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), error);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	want_errno(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	want(read(fd, &byte, 1) <= 0);
	see_text(t, "why", "%.80s", ours_error(fd));
	want(strlen(ours_error(fd)) > 10);
	(void)close(fd);
}

CASE(sk_24_a_refused_certificate_is_eproto)
{
	struct pki_cert *stranger = pki_issue(NULL,
	    &(struct pki_spec){ .cn = "a stranger", .ca = 1 });
	struct pki_buf pem = { 0 };
	struct far_listener l;
	char path[700];
	int fd = own_socket(t, t->family, SOCK_NONBLOCK | SOCK_CLOEXEC);

	pki_put_cert(&pem, stranger);
	pki_write(world.dir, "stranger.pem", 0644, &pem);
	(void)snprintf(path, sizeof(path), "%s/stranger.pem", world.dir);
	want_eq(ours_set(fd, TLS_TRUSTED_PEER_CERTIFICATES, path), 0);
	want_eq(ours_set(fd, TLS_REMOTE_HOSTNAME, "one.example"), 0);
	refusable_listen(t, &l);
	want_errno(connect(fd, &l.at.u.any, l.at.len), EINPROGRESS);
	want_refused(t, fd, EPROTO);
	refusable_close(t, &l);

	/* The same server, trusted. */
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	refusable_listen(t, &l);
	want_errno(connect(fd, &l.at.u.any, l.at.len), EINPROGRESS);
	want_eq(own_await(fd, POLLOUT), POLLOUT);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	(void)close(fd);
	refusable_close(t, &l);
	pki_buf_free(&pem);
	pki_free(stranger);
}

CASE(sk_25_a_server_that_talks_no_tls_is_eproto)
{
	static const char *const says[] = { "HTTP/1.0 400 Bad\r\n\r\n",
	    "220 mail.example ESMTP\r\n", "\x16\x03\x03\xff\xff garbage" };
	struct addr at;
	int l = tcp_listen(&at, t->family, 4);

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		int fd = own_client(t, t->family, SOCK_NONBLOCK), s;

		want_errno(connect(fd, &at.u.any, at.len), EINPROGRESS);
		s = tcp_accept(l);
		want_eq(write(s, says[i], strlen(says[i])), strlen(says[i]));
		want_refused(t, fd, EPROTO);
		(void)close(s);
	}
	(void)close(l);
}

CASE(sk_26_a_server_that_leaves_in_the_handshake_is_econnaborted)
{
	struct addr at;
	int l = tcp_listen(&at, t->family, 4);

	for (int i = 0; i < 4; i++) {
		int fd = own_client(t, t->family, SOCK_NONBLOCK), s;

		want_errno(connect(fd, &at.u.any, at.len), EINPROGRESS);
		s = tcp_accept(l);
		if (i & 1)	/* after the ClientHello, else perhaps before */
			want_eq(read(s, &(char){ 0 }, 1), 1);
		if (i & 2)
			tcp_reset(s);
		else
			want_eq(shutdown(s, SHUT_WR), 0);
		want_refused(t, fd, ECONNABORTED);
		if ((i & 2) == 0)
			(void)close(s);
	}
	(void)close(l);
}

CASE(sk_33_a_certificate_for_another_name_fails_closed)
{
	struct far_listener l;
	int fd = own_client(t, t->family, 0);

	want_eq(ours_set(fd, TLS_REMOTE_HOSTNAME, "other.example"), 0);
	refusable_listen(t, &l);
	want_errno(connect(fd, &l.at.u.any, l.at.len), EPROTO);
	want_has(ours_error(fd), "other.example");
	see_text(t, "why", "%.80s", ours_error(fd));
	want_errno(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), EPIPE);
	refusable_close(t, &l);
	(void)close(fd);

	/* No name at all: the address is the name, and another one is refused. */
	fd = own_client(t, t->family, 0);
	want_eq(ours_set(fd, TLS_REMOTE_HOSTNAME, "192.0.2.7"), 0);
	refusable_listen(t, &l);
	want_errno(connect(fd, &l.at.u.any, l.at.len), EPROTO);
	refusable_close(t, &l);
	(void)close(fd);

	fd = own_client(t, t->family, 0);
	refusable_listen(t, &l);
	want_eq(connect(fd, &l.at.u.any, l.at.len), 0);
	(void)close(fd);
	refusable_close(t, &l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_24_a_refused_certificate_is_eproto),
		cmocka_unit_test(sk_25_a_server_that_talks_no_tls_is_eproto),
		cmocka_unit_test(
		    sk_26_a_server_that_leaves_in_the_handshake_is_econnaborted),
		cmocka_unit_test(
		    sk_33_a_certificate_for_another_name_fails_closed),
	};

	world_begin();
	return world_end(tests);
}
