/* SPDX-License-Identifier: ISC */
/* connect(): how an attempt waits, fails, and opens. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/control.h"
#include "relay/link.h"
#include "relay/settings.h"
#include "relay/supply.h"

#define LATER	1	/* connect() of a descriptor that does not block */

static struct {
	struct pki_cert	*ca, *name, *address;
} w;

/* A program's new socket, and a server that the test plays. */
struct scene {
	struct agent	 a;
	struct sockaddr_in at;
	int		 l, app, s;
	SSL_CTX		*ctx;
	SSL		*ssl;
};

static int n_entries;	/* changes of any loop */

int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	n_entries++;
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

static int
world_make(void **state)
{
	(void)state;
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.name = pki_issue(w.ca, &(struct pki_spec){ .san = "a.example" });
	w.address = pki_issue(w.ca, &(struct pki_spec){ .san = "IP:127.0.0.1" });
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	pki_free(w.name);
	pki_free(w.address);
	pki_free(w.ca);
	return 0;
}

static int
fresh(struct scene *s)
{
	struct sst_wire_head head;
	struct pki_buf b = { 0 };
	int fd = agent_socket(&s->a, AF_INET), file = memfd_create("ca", MFD_CLOEXEC);

	pki_put_cert(&b, w.ca);
	assert_int_equal(write(file, b.data, b.len), b.len);
	pki_buf_free(&b);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.a = IPPROTO_TLS;
	head.b = TLS_TRUSTED_PEER_CERTIFICATES;
	assert_int_equal(agent_ask(&s->a, sst_supply_file, &head, "\0bytes", 7, fd,
	    file), 0);
	(void)close(file);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int
scene_make(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(s->at);

	agent_make(&s->a);
	s->at = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	s->l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->l, (struct sockaddr *)&s->at, len), 0);
	assert_int_equal(getsockname(s->l, (struct sockaddr *)&s->at, &len), 0);
	assert_int_equal(listen(s->l, 8), 0);
	s->app = fresh(s);
	s->s = -1;
	*state = s;
	return 0;
}

static int
scene_free(void **state)
{
	struct scene *s = *state;

	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	if (s->s >= 0)
		(void)close(s->s);
	if (s->app >= 0)
		(void)close(s->app);
	(void)close(s->l);
	agent_free(&s->a);
	free(s);
	return 0;
}

static int
dial(struct scene *s)
{
	int rc = agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &s->at,
	    sizeof(s->at), s->app);

	agent_settle(&s->a);
	return rc;
}

static void
taken(struct scene *s)
{
	const int on = 1;

	s->s = accept4(s->l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(s->s >= 0);
	/* Or a short record waits for an acknowledgement of the one before. */
	assert_int_equal(setsockopt(s->s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

/* The server's handshake, as far as it goes; whether it is complete. */
static int
serve(struct scene *s, const struct pki_cert *cert)
{
	int rc = 0;

	taken(s);
	s->ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(s->ctx, cert->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, cert->key), 1);
	s->ssl = SSL_new(s->ctx);
	assert_int_equal(SSL_set_fd(s->ssl, s->s), 1);
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_accept(s->ssl);
		agent_settle(&s->a);
	}
	return rc == 1;
}

/* SO_ERROR, as the shim asks for it. */
static int
so_error(struct scene *s)
{
	return agent_get_int(&s->a, s->app, SOL_SOCKET, SO_ERROR);
}

static void
an_attempt_is_pending_until_its_time_is_over(void **state)
{
	struct scene *s = *state;
	char b;

	assert_int_equal(dial(s), EINPROGRESS);
	taken(s);
	assert_int_equal(dial(s), EALREADY);
	agent_later(&s->a, SST_TIMEOUT_CLIENT_MS - 1);
	assert_int_equal(agent_events(s->app), 0);
	assert_int_equal(so_error(s), 0);
	agent_later(&s->a, 1);
	assert_true((agent_events(s->app) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	assert_int_equal(so_error(s), ETIMEDOUT);
	assert_int_equal(so_error(s), 0);	/* told once */
	assert_int_equal(dial(s), ECONNABORTED);
	while (recv(s->s, &b, 1, MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(recv(s->s, &b, 1, MSG_DONTWAIT), 0);
}

static void
its_time_is_what_the_program_says(void **state)
{
	struct scene *s = *state;

	assert_int_equal(agent_set_int(&s->a, s->app, TLS_HANDSHAKE_TIMEOUT, 1500), 0);
	assert_int_equal(dial(s), EINPROGRESS);
	agent_later(&s->a, 1499);
	assert_int_equal(agent_events(s->app), 0);
	agent_later(&s->a, 1);
	assert_true(agent_events(s->app) != 0);
	assert_int_equal(so_error(s), ETIMEDOUT);
}

static void
the_gate_opens_for_the_right_name_only(void **state)
{
	struct scene *s = *state;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	assert_int_equal(dial(s), EINPROGRESS);
	assert_int_equal(agent_events(s->app), 0);
	assert_true(serve(s, w.name));
	assert_int_equal(agent_events(s->app), POLLOUT);
	assert_int_equal(so_error(s), 0);
	/* As TCP: the first connect() takes the result. */
	assert_int_equal(dial(s), 0);
	assert_int_equal(dial(s), EISCONN);
	assert_int_equal(SSL_write(s->ssl, "hello", 5), 5);
	agent_settle(&s->a);
	assert_int_equal(recv(s->app, s->a.data, 10, MSG_DONTWAIT), 5);
	/* It has no deadline any more. */
	agent_later(&s->a, 2 * SST_TIMEOUT_CLIENT_MS);
	assert_int_equal(agent_events(s->app), POLLOUT);
	/* The end of what was open is no failed attempt. */
	(void)SSL_shutdown(s->ssl);
	(void)shutdown(s->app, SHUT_RDWR);
	agent_settle(&s->a);
	assert_int_equal(dial(s), EISCONN);
}

static void
another_name_keeps_it_shut(void **state)
{
	struct scene *s = *state;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "b.example", 9),
	    0);
	assert_int_equal(dial(s), EINPROGRESS);
	assert_false(serve(s, w.name));
	assert_true((agent_events(s->app) & POLLERR) != 0);
	assert_int_equal(so_error(s), EPROTO);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TLS, TLS_ERROR, 400,
	    NULL, 0, s->app), 0);
	assert_non_null(strstr(s->a.data, "b.example"));
}

static void
without_a_name_the_address_must_be_in_the_certificate(void **state)
{
	struct scene *s = *state;

	assert_int_equal(dial(s), EINPROGRESS);
	assert_true(serve(s, w.address));
	assert_int_equal(agent_events(s->app), POLLOUT);
}

static void
and_a_name_in_it_is_not_enough(void **state)
{
	struct scene *s = *state;

	assert_int_equal(dial(s), EINPROGRESS);
	assert_false(serve(s, w.name));
	assert_int_equal(so_error(s), EPROTO);
}

static void
closing_a_pending_descriptor_ends_the_attempt(void **state)
{
	struct scene *s = *state;
	char b[2000];

	assert_int_equal(dial(s), EINPROGRESS);
	taken(s);
	while (recv(s->s, b, sizeof(b), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(errno, EAGAIN);
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_int_equal(recv(s->s, b, sizeof(b), MSG_DONTWAIT), 0);
	assert_int_equal(s->a.relay->table.count, 0);
}

static void
a_refused_blocking_attempt_leaves_the_socket_fresh(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int nobody = agent_bound(&s->a, &at);

	/* Bound, and nobody listens there. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, 0, 0, 0, &at, sizeof(at),
	    s->app), ECONNREFUSED);
	assert_int_equal(so_error(s), 0);	/* the call told it */
	assert_int_equal(dial(s), EINPROGRESS);
	taken(s);
	(void)close(nobody);
	/* Closed before it was linked: nothing but its name tells. */
	(void)close(s->app);
	s->app = fresh(s);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, 0, 0, 0, &at, sizeof(at),
	    s->app), ECONNREFUSED);
	(void)close(s->app);
	s->app = -1;
	sst_record_sweep(s->a.relay, 0);
	agent_settle(&s->a);
	assert_int_equal(s->a.relay->table.count, 0);
}

/* A blocking connect(); the test reads the answer from the descriptor returned. */
static int
wait_in_connect(struct scene *s)
{
	const int fds[SST_CALL_FDS] = { dup(s->app), -1 };
	struct sst_wire_head head;
	struct sst_call *call;
	int sv[2];

	assert_int_equal(fcntl(s->app, F_SETFL, 0), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	sst_wire_init(&head, SST_WIRE_CONNECT);
	call = sst_call_new(s->a.relay, sv[1], &head, &s->at, sizeof(s->at), fds);
	assert_non_null(call);
	sst_control(call);
	agent_settle(&s->a);
	return sv[0];
}

/* The errno of the answer; -1: there is none yet. */
static int
outcome(int waiting)
{
	struct sst_wire_head head;
	char text[1000];

	if (sst_wire_recv(waiting, &head, text, sizeof(text), NULL, 0) < 0)
		return -1;
	return head.a < 0 ? head.b : 0;
}

static int
joined(const struct scene *s)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getpeername(s->app, (struct sockaddr *)&addr, &len) == 0;
}

/* Bytes on the books of the program's end: the seed alone is some hundred, a gate
 * hundreds of thousands. */
static int
on_the_books(const struct scene *s)
{
	int n = -1;

	assert_int_equal(ioctl(s->app, SIOCOUTQ, &n), 0);
	return n;
}

static int
send_buffer(const struct scene *s)
{
	int size = -1;
	socklen_t len = sizeof(size);

	assert_int_equal(getsockopt(s->app, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	return size;
}

static void
a_blocking_attempt_is_joined_when_tcp_is_up_by_a_narrow_gate(void **state)
{
	struct scene *s = *state;
	const int size = SST_LINK_SNDBUF_MIN;
	int waiting;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	assert_false(joined(s));
	waiting = wait_in_connect(s);
	assert_true(joined(s));
	assert_in_range(on_the_books(s), 4097, 10000);
	assert_int_equal(agent_events(s->app), 0);
	/* It is not this that opens it. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_SNDBUF,
	    0, &size, sizeof(size), s->app), 0);
	assert_int_equal(agent_events(s->app), 0);
	assert_int_equal(outcome(waiting), -1);
	assert_true(serve(s, w.name));
	assert_int_equal(outcome(waiting), 0);
	assert_in_range(on_the_books(s), 1, 4096);
	assert_int_equal(send_buffer(s), 2 * size);
	assert_int_equal(agent_events(s->app), POLLOUT);
	assert_int_equal(write(s->app, "hello", 5), 5);
	agent_settle(&s->a);
	assert_int_equal(SSL_read(s->ssl, s->a.data, 10), 5);
	assert_int_equal(SSL_write(s->ssl, "back", 4), 4);
	agent_settle(&s->a);
	assert_int_equal(recv(s->app, s->a.data, 10, MSG_DONTWAIT), 4);
	(void)close(waiting);
}

/* Each call costs every connection. */
static void
a_connection_enters_a_loop_once_an_end(void **state)
{
	struct scene *s = *state;
	int waiting;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	n_entries = 0;
	assert_int_equal(dial(s), EINPROGRESS);
	assert_true(serve(s, w.name));
	assert_int_equal(agent_events(s->app), POLLOUT);
	/* TCP, the gate, and the gate's end as a stream's. */
	assert_int_equal(n_entries, 3);
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	(void)close(s->s);
	(void)close(s->app);
	agent_settle(&s->a);
	s->app = fresh(s);
	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	n_entries = 0;
	waiting = wait_in_connect(s);
	assert_true(serve(s, w.name));
	assert_int_equal(outcome(waiting), 0);
	/* TCP, the program's end, and the call that came another way than by the
	 * door: in, and out again. */
	assert_int_equal(n_entries, 4);
	(void)close(waiting);
}

static void
a_blocking_attempt_whose_caller_gives_up_is_pending(void **state)
{
	struct scene *s = *state;
	int waiting;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "a.example", 9),
	    0);
	waiting = wait_in_connect(s);
	assert_true(on_the_books(s) < 10000);
	(void)close(waiting);
	agent_settle(&s->a);
	assert_true(on_the_books(s) > 100000);
	assert_int_equal(agent_events(s->app), 0);
	assert_true(serve(s, w.name));
	assert_int_equal(agent_events(s->app), POLLOUT);
	assert_int_equal(send_buffer(s), 2 * SST_LINK_SNDBUF);
	assert_int_equal(so_error(s), 0);
}

/* The relay has no copy of the descriptor any more. */
static void
what_nobody_waits_for_any_more_ends_when_it_is_closed(void **state)
{
	struct scene *s = *state;
	int waiting;
	char c;

	waiting = wait_in_connect(s);
	taken(s);
	(void)close(waiting);
	agent_settle(&s->a);
	assert_true(recv(s->s, &c, 1, MSG_PEEK) == 1);	/* a ClientHello */
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	while (recv(s->s, s->a.data, 10, 0) > 0)
		continue;
	assert_int_not_equal(errno, EAGAIN);
}

/* A refused one may connect elsewhere: it is not joined while TCP is not up. */
static void
a_caller_who_gives_up_before_tcp_is_up_leaves_it_pending(void **state)
{
	struct scene *s = *state;
	int fill = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting;

	assert_int_equal(listen(s->l, 0), 0);
	assert_int_equal(connect(fill, (struct sockaddr *)&s->at, sizeof(s->at)), 0);
	waiting = wait_in_connect(s);
	assert_false(joined(s));
	(void)close(waiting);
	agent_settle(&s->a);
	assert_true(joined(s));
	assert_true(on_the_books(s) > 100000);
	assert_int_equal(agent_events(s->app), 0);
	(void)close(fill);
}

static void
a_thread_that_shuts_it_down_ends_a_blocking_attempt(void **state)
{
	struct scene *s = *state;
	int waiting = wait_in_connect(s);

	assert_int_equal(outcome(waiting), -1);
	assert_int_equal(shutdown(s->app, SHUT_WR), 0);
	agent_settle(&s->a);
	assert_int_equal(outcome(waiting), ECONNRESET);
	(void)close(waiting);
}

static void
a_blocking_attempt_that_fails_in_tls_has_ended(void **state)
{
	struct scene *s = *state;
	int waiting;

	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "b.example", 9),
	    0);
	waiting = wait_in_connect(s);
	ERR_clear_error();
	assert_false(serve(s, w.name));
	/* The server got the alert, and no reset before it. */
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
	    SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
	assert_int_equal(outcome(waiting), EPROTO);
	assert_true(joined(s));
	assert_true((agent_events(s->app) & POLLHUP) != 0);
	assert_int_equal(so_error(s), 0);	/* the call told it */
	assert_int_equal(dial(s), ECONNABORTED);
	(void)close(waiting);
}

static void
a_refused_attempt_that_is_pending_is_told_by_so_error(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int nobody = agent_bound(&s->a, &at);

	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &at,
	    sizeof(at), s->app), EINPROGRESS);
	agent_settle(&s->a);
	assert_true((agent_events(s->app) & POLLERR) != 0);
	assert_int_equal(so_error(s), ECONNREFUSED);
	assert_int_equal(so_error(s), 0);
	(void)close(nobody);
}

static void
dissolving_is_for_fresh_sockets(void **state)
{
	struct scene *s = *state;
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &none,
	    sizeof(none), s->app), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, "", 1, s->app),
	    EINVAL);
	assert_int_equal(dial(s), EINPROGRESS);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &none,
	    sizeof(none), s->app), EOPNOTSUPP);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(an_attempt_is_pending_until_its_time_is_over),
		T(its_time_is_what_the_program_says),
		T(the_gate_opens_for_the_right_name_only),
		T(another_name_keeps_it_shut),
		T(without_a_name_the_address_must_be_in_the_certificate),
		T(and_a_name_in_it_is_not_enough),
		T(closing_a_pending_descriptor_ends_the_attempt),
		T(a_refused_blocking_attempt_leaves_the_socket_fresh),
		T(a_blocking_attempt_is_joined_when_tcp_is_up_by_a_narrow_gate),
		T(a_connection_enters_a_loop_once_an_end),
		T(a_blocking_attempt_whose_caller_gives_up_is_pending),
		T(what_nobody_waits_for_any_more_ends_when_it_is_closed),
		T(a_caller_who_gives_up_before_tcp_is_up_leaves_it_pending),
		T(a_thread_that_shuts_it_down_ends_a_blocking_attempt),
		T(a_blocking_attempt_that_fails_in_tls_has_ended),
		T(a_refused_attempt_that_is_pending_is_told_by_so_error),
		T(dissolving_is_for_fresh_sockets),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
