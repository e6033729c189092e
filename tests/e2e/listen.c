/* SPDX-License-Identifier: ISC */
/* listen - listen() and accept() behave as TCP's do; only finished handshakes. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "ours.h"

#define A_WHILE	60	/* ms in which nothing may happen */

static const struct peer_opts one_example = { .sni = "one.example" };

static int
one_listener(struct addr *at)
{
	return ours_listener(at, world.families[0], world.one_file, NULL);
}

SCENE(sk_34_accept_returns_after_the_handshake_only)
{
	struct addr at;
	struct peer p;
	int l = one_listener(&at), c, s;

	c = tcp_dial(&at);	/* connected, and says nothing yet */
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_eq(peer_client_on(&p, c, &one_example), 0);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	s = ours_accept(l);
	want_eq(ours_poll(s, POLLIN | POLLOUT, 0), POLLOUT);
	want_eq(strcmp(ours_get(s, TLS_HOSTNAME), "one.example"), 0);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

SCENE(sk_37_sk_38_accept_without_a_connection_and_its_flags)
{
	struct addr at;
	struct peer p;
	int l = one_listener(&at), s;

	want_eq(ours_poll(l, POLLIN | POLLOUT, 0), 0);
	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_errno(accept(l, NULL, NULL), EAGAIN);
	want_errno(accept4(l, NULL, NULL, 0x10), EINVAL);
	for (int flags = 0; flags < 4; flags++) {
		peer_dial(&p, &at);
		want_soon(ours_poll(l, POLLIN, 100) == POLLIN);
		s = accept4(l, NULL, NULL, (flags & 1 ? SOCK_NONBLOCK : 0) |
		    (flags & 2 ? SOCK_CLOEXEC : 0));
		want(s >= 0);
		/* The listener's O_NONBLOCK is not inherited. */
		want_eq(fcntl(s, F_GETFL) & O_NONBLOCK, flags & 1 ? O_NONBLOCK : 0);
		want_eq(fcntl(s, F_GETFD), flags & 2 ? FD_CLOEXEC : 0);
		peer_end(&p);
		(void)close(s);
	}
	want_errno(accept(l, NULL, NULL), EAGAIN);
	(void)close(l);
}

SCENE(sk_39_an_address_is_cut_to_its_room)
{
	struct addr at, told;
	struct peer p;
	struct sockaddr_in6 full;
	int l = one_listener(&at), s;

	peer_dial(&p, &at);
	addr_of_sock(p.fd, &told);
	memset(&full, 0x7e, sizeof(full));
	told.len = 4;
	s = accept(l, (struct sockaddr *)&full, &told.len);
	want(s >= 0);
	want_eq(told.len, world.families[0] == AF_INET ? sizeof(struct sockaddr_in) :
	    sizeof(struct sockaddr_in6));
	want_eq(memcmp(&full, &told.u, 4), 0);
	want_eq(((unsigned char *)&full)[4], 0x7e);
	peer_end(&p);
	(void)close(s);

	/* As with TCP: the call fails, and the listener goes on. */
	peer_dial(&p, &at);
	want_errno(accept(l, &told.u.any, (socklen_t *)16), EFAULT);
	peer_drop(&p);
	peer_dial(&p, &at);
	s = ours_accept(l);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

struct caller {
	const struct addr *at;
	char id;
};

/* Says who it is, and wants that back. */
static void
call_once(int ch, void *arg)
{
	const struct caller *who = arg;
	struct peer p;
	char back = -1;

	(void)ch;
	peer_dial(&p, who->at);
	peer_write(&p, &who->id, 1);
	peer_read_all(&p, &back, 1);
	want_eq(back, who->id);
	peer_end(&p);
}

SCENE(sk_40_a_backlog_of_one_loses_nobody)
{
	enum { MANY = 12 };
	struct addr at;
	struct prog client[MANY];
	int l = ours_bound(&at, world.families[0]);
	unsigned int seen = 0;

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 1), 0);
	for (int i = 0; i < MANY; i++)
		prog_start(&client[i], call_once,
		    &(struct caller){ .at = &at, .id = (char)i });
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	for (int i = 0; i < MANY; i++) {
		int s = ours_accept(l);
		char id = -1;

		ours_read(s, &id, 1);
		seen |= 1u << id;
		ours_write(s, &id, 1);
		(void)close(s);
	}
	want_eq(seen, (1u << MANY) - 1);
	for (int i = 0; i < MANY; i++)
		prog_end(&client[i]);
	(void)close(l);
}

static void
serve_some(int ch, void *arg)
{
	int l = *(int *)arg, n = 0, s;

	/* Ends when the scene shuts the listener down. */
	while ((s = accept(l, NULL, NULL)) >= 0) {
		char id;

		ours_read(s, &id, 1);
		ours_write(s, &id, 1);
		(void)close(s);
		n++;
	}
	want_eq(errno, EINVAL);
	prog_send(ch, &n, sizeof(n));
}

SCENE(sk_41_two_children_accept_each_connection_once)
{
	enum { MANY = 16 };
	struct addr at;
	struct prog child[2];
	int l = one_listener(&at), n[2];

	prog_start(&child[0], serve_some, &l);
	prog_start(&child[1], serve_some, &l);
	for (int i = 0; i < MANY; i++) {
		struct peer p;
		char id = (char)i, back = -1;

		peer_dial(&p, &at);
		peer_write(&p, &id, 1);
		peer_read_all(&p, &back, 1);
		want_eq(back, id);
		peer_want_end(&p);
		peer_end(&p);
	}
	want_eq(shutdown(l, SHUT_RD), 0);
	prog_recv(child[0].ch, &n[0], sizeof(n[0]));
	prog_recv(child[1].ch, &n[1], sizeof(n[1]));
	want_eq(n[0] + n[1], MANY);
	prog_end(&child[0]);
	prog_end(&child[1]);
	(void)close(l);
}

SCENE(sk_42_closing_a_listener_resets_those_who_wait)
{
	struct addr at;
	struct peer waits, served;
	int l = one_listener(&at), s, c;
	char byte;

	peer_dial(&served, &at);
	s = ours_accept(l);
	peer_dial(&waits, &at);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	(void)close(l);
	want_eq(peer_read(&waits, &byte, 1), -1);
	peer_drop(&waits);
	/* Nobody listens there any more. */
	c = socket(world.families[0], SOCK_STREAM, 0);
	want_soon(connect(c, &at.u.any, at.len) == -1 && errno == ECONNREFUSED);
	(void)close(c);
	/* Who was accepted goes on. */
	ours_write(s, "x", 1);
	peer_read_all(&served, &byte, 1);
	peer_end(&served);
	(void)close(s);
}

/* The relay keeps a copy of what accept() might give back, and no longer. */
SCENE(sk_42_the_end_of_who_is_accepted_and_closed_comes_at_once)
{
	struct addr at;
	struct peer p;
	char byte;
	int l, s, mark = 0;
	socklen_t len = sizeof(mark);

	for (int listener_too = 0; listener_too < 2; listener_too++) {
		l = one_listener(&at);
		peer_dial(&p, &at);
		want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
		s = ours_accept(l);
		want_eq(syscall(SYS_getsockopt, s, SOL_SOCKET, SO_PRIORITY, &mark,
		    &len), 0);
		want_eq(mark, SST_WIRE_TAKEN);
		(void)close(s);
		if (listener_too)
			(void)close(l);
		want_eq(peer_read(&p, &byte, 1), 0);
		peer_drop(&p);
		if (!listener_too)
			(void)close(l);
	}
}

static void *
accept_einval(void *arg)
{
	want_errno(accept(*(int *)arg, NULL, NULL), EINVAL);
	return NULL;
}

SCENE(sk_43_shutdown_of_a_listener_wakes_accept)
{
	struct addr at;
	pthread_t thread;
	int l = one_listener(&at);

	want_eq(pthread_create(&thread, NULL, accept_einval, &l), 0);
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_eq(shutdown(l, SHUT_RD), 0);
	want_eq(pthread_join(thread, NULL), 0);
	(void)close(l);
}

SCENE(sk_44_a_full_table_of_descriptors_loses_no_connection)
{
	struct addr at;
	struct peer p;
	struct rlimit limit, tight;
	int l = one_listener(&at), filler[64], n = 0, s;
	char byte;

	peer_dial(&p, &at);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	want_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 40;
	want_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while (n < 64 && (filler[n] = dup(0)) >= 0)
		n++;
	want_eq(errno, EMFILE);
	want_errno(accept(l, NULL, NULL), EMFILE);
	want_errno(accept(l, NULL, NULL), EMFILE);
	/* One free place: the call itself may need it for a moment. */
	for (int i = 0; i < n; i++)
		(void)close(filler[i]);
	want_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	s = ours_accept(l);
	peer_write(&p, "x", 1);
	ours_read(s, &byte, 1);
	ours_write(s, "y", 1);
	peer_read_all(&p, &byte, 1);
	peer_end(&p);
	(void)close(s);
	want_eq(ours_poll(l, POLLIN, 0), 0);	/* and it came once */
	(void)close(l);
}

SCENE(sk_45_an_edge_for_each_burst_of_arrivals)
{
	struct addr at;
	struct peer p[3];
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int l = one_listener(&at), ep = epoll_create1(0);

	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e), 0);
	want_eq(epoll_wait(ep, &e, 1, 0), 0);
	for (int i = 0; i < 3; i++) {
		int s;

		peer_dial(&p[i], &at);
		want_eq(epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS), 1);
		want_eq(e.events, EPOLLIN);
		s = ours_accept(l);
		want_errno(accept(l, NULL, NULL), EAGAIN);
		want_eq(epoll_wait(ep, &e, 1, 0), 0);
		(void)close(s);
		peer_end(&p[i]);
	}
	(void)close(ep);
	(void)close(l);
}

SCENE(sk_46_a_receive_timeout_bounds_accept)
{
	struct addr at;
	struct peer p;
	struct timeval soon = { .tv_usec = 50000 };
	int l = one_listener(&at), s;

	want_eq(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	want_errno(accept(l, NULL, NULL), EAGAIN);
	peer_dial(&p, &at);
	want_soon((s = accept(l, NULL, NULL)) >= 0);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

static void
nothing(int sig)
{
	(void)sig;
}

SCENE(a_signal_interrupts_accept)
{
	struct addr at;
	struct peer p;
	struct sigaction act = { .sa_handler = nothing };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { .it_value = { .tv_nsec = 20000000 },
	    .it_interval = { .tv_nsec = 20000000 } };
	timer_t t;
	int l = one_listener(&at), s;

	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	want_eq(timer_create(CLOCK_MONOTONIC, &event, &t), 0);
	want_eq(timer_settime(t, 0, &every, NULL), 0);
	want_errno(accept(l, NULL, NULL), EINTR);
	want_eq(timer_delete(t), 0);
	peer_dial(&p, &at);
	s = ours_accept(l);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

SCENE(listen_again_changes_the_backlog)
{
	struct addr at;
	struct peer p;
	int l = one_listener(&at), s;

	want_eq(listen(l, 1), 0);
	want_eq(listen(l, 200), 0);
	peer_dial(&p, &at);
	s = ours_accept(l);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

SCENE(a_listener_that_was_never_bound_gets_a_port)
{
	struct addr at;
	struct peer p;
	int l = ours_socket(world.families[0], 0), s;

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 4), 0);
	addr_of_sock(l, &at);
	want(addr_port(&at) != 0);
	addr_loop(&at, world.families[0], addr_port(&at));
	peer_dial(&p, &at);
	s = ours_accept(l);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

/* A failed handshake is skipped, whatever the reason; the counter says so. */
SCENE(failed_handshakes_are_invisible)
{
	struct addr at;
	struct peer p;
	struct peer_opts distrust = { .sni = "one.example", .trust_nobody = 1 };
	int l = one_listener(&at), s;

	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	for (int i = 0; i < 5; i++)
		want_eq(peer_client(&p, &at, &distrust), -1);
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_errno(accept(l, NULL, NULL), EAGAIN);
	peer_dial(&p, &at);
	want_soon((s = accept(l, NULL, NULL)) >= 0);
	peer_write(&p, "x", 1);
	ours_read(s, &(char){ 0 }, 1);
	want_errno(accept(l, NULL, NULL), EAGAIN);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
}

/* Each end is seen by the worker that has the connection, and bind() asks another
 * thread. */
SCENE(the_port_of_connections_that_were_reset_is_free_at_once)
{
	const struct linger now = { 1, 0 };
	enum { TIMES = 40, EACH = 4 };

	for (int i = 0; i < TIMES; i++) {
		struct addr at;
		struct peer p[EACH];
		int l = ours_listener(&at, world.families[0], world.one_file, NULL);
		int s[EACH], again;

		for (int k = 0; k < EACH; k++) {
			peer_dial(&p[k], &at);
			s[k] = ours_accept(l);
			want_eq(setsockopt(s[k], SOL_SOCKET, SO_LINGER, &now,
			    sizeof(now)), 0);
		}
		again = ours_socket(world.families[0], SOCK_CLOEXEC);
		want_errno(bind(again, &at.u.any, at.len), EADDRINUSE);
		for (int k = 0; k < EACH; k++)
			want_eq(close(s[k]), 0);
		want_eq(close(l), 0);
		want_eq(bind(again, &at.u.any, at.len), 0);
		want_eq(close(again), 0);
		for (int k = 0; k < EACH; k++)
			peer_drop(&p[k]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_34_accept_returns_after_the_handshake_only),
		cmocka_unit_test(sk_37_sk_38_accept_without_a_connection_and_its_flags),
		cmocka_unit_test(sk_39_an_address_is_cut_to_its_room),
		cmocka_unit_test(sk_40_a_backlog_of_one_loses_nobody),
		cmocka_unit_test(sk_41_two_children_accept_each_connection_once),
		cmocka_unit_test(sk_42_closing_a_listener_resets_those_who_wait),
		cmocka_unit_test(sk_42_the_end_of_who_is_accepted_and_closed_comes_at_once),
		cmocka_unit_test(sk_43_shutdown_of_a_listener_wakes_accept),
		cmocka_unit_test(sk_44_a_full_table_of_descriptors_loses_no_connection),
		cmocka_unit_test(sk_45_an_edge_for_each_burst_of_arrivals),
		cmocka_unit_test(sk_46_a_receive_timeout_bounds_accept),
		cmocka_unit_test(a_signal_interrupts_accept),
		cmocka_unit_test(listen_again_changes_the_backlog),
		cmocka_unit_test(a_listener_that_was_never_bound_gets_a_port),
		cmocka_unit_test(failed_handshakes_are_invisible),
		cmocka_unit_test(the_port_of_connections_that_were_reset_is_free_at_once),
	};

	world_begin();
	return world_end(tests);
}
