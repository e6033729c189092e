/* SPDX-License-Identifier: ISC */
/* listen - listeners, and who is accepted. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	60	/* ms in which nothing may happen */

/* Accepts the one that waits; what the two say arrives. */
static void
see_accept(struct trial *t, int l, struct far *f)
{
	char text[5];
	int fd;

	want_eq(own_await(l, POLLIN), POLLIN);
	errno = 0;
	fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	want(fd >= 0);
	see_errno(t, "errno is left alone", errno);
	see_mask(t, "accepted", (unsigned int)ours_poll(fd, ALL, 0));
	far_write(f, "hello", 5);
	ours_read(fd, text, 5);
	see_bytes(t, "heard", text, 5);
	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	ours_write(fd, "world", 5);
	far_read_all(f, text, 5);
	see_bytes(t, "answer", text, 5);
	(void)close(fd);
	see_far_rest(t, "rest", f);
	far_close(f);
}

struct acceptor {
	int	l, fd, err;
};

static void *
accept_beside(void *arg)
{
	struct acceptor *a = arg;

	a->fd = accept(a->l, NULL, NULL);
	a->err = errno;
	return NULL;
}

CASE(sk_34_accept_returns_when_the_handshake_is_done)
{
	struct acceptor a = { .fd = -1 };
	struct addr at;
	struct far f;
	pthread_t thread;
	char text[5];

	a.l = own_listener(t, &at, t->family, 8);
	want_eq(pthread_create(&thread, NULL, accept_beside, &a), 0);
	far_reach(t, &f, &at);
	/* TCP is connected, and the rest of the handshake does not come. */
	if (t->mode == MODE_SERVER) {
		want_eq(ours_poll(a.l, POLLIN, A_WHILE), 0);
		want_eq(pthread_tryjoin_np(thread, NULL), EBUSY);
	}
	far_shake(t, &f);
	want_eq(pthread_join(thread, NULL), 0);
	see(t, "accepted", a.fd >= 0);
	see_mask(t, "ready", (unsigned int)ours_poll(a.fd, ALL, 0));
	far_write(&f, "hello", 5);
	ours_read(a.fd, text, 5);
	see_bytes(t, "heard", text, 5);
	(void)close(a.fd);
	far_close(&f);
	(void)close(a.l);
}

CASE(sk_35_silent_clients_are_not_accepted_and_delay_nobody)
{
	enum { SILENT = 50 };
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 64), silent[SILENT];

	for (int i = 0; i < SILENT; i++)
		silent[i] = tcp_dial(&at);
	want_eq(ours_poll(l, ALL, A_WHILE), 0);
	far_dial(t, &f, &at);
	see_accept(t, l, &f);
	see_mask(t, "silent", (unsigned int)ours_poll(l, ALL, A_WHILE));
	for (int i = 0; i < SILENT; i++)
		(void)close(silent[i]);
	(void)close(l);
}

CASE(sk_36_a_plain_http_client_is_never_accepted)
{
	static const char get[] = "GET / HTTP/1.0\r\n\r\n";
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 8);

	for (int i = 0; i < 3; i++) {
		int c = tcp_dial(&at);

		want_eq(send(c, get, sizeof(get) - 1, MSG_NOSIGNAL), sizeof(get) - 1);
		(void)tcp_drain(c);	/* dropped */
		(void)close(c);
		see_mask(t, "listener", (unsigned int)ours_poll(l, ALL, A_WHILE));
	}
	far_dial(t, &f, &at);
	see_accept(t, l, &f);
	(void)close(l);
}

CASE(sk_37_accept_without_a_connection_does_not_wait)
{
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 8);

	see_mask(t, "idle", (unsigned int)ours_poll(l, ALL, 0));
	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	see_call(t, "accept", accept(l, NULL, NULL));
	see_call(t, "accept4", accept4(l, NULL, NULL, SOCK_CLOEXEC));
	far_dial(t, &f, &at);
	see_mask(t, "arrived", (unsigned int)own_await(l, ALL));
	see_accept(t, l, &f);
	see_call(t, "accept again", accept(l, NULL, NULL));
	see_mask(t, "idle again", (unsigned int)ours_poll(l, ALL, 0));
	(void)close(l);
}

CASE(sk_38_flags_of_accept4_are_its_own)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC,
	    SOCK_NONBLOCK | SOCK_CLOEXEC };
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 8);

	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_eq(fcntl(l, F_SETFD, FD_CLOEXEC), 0);
	see_call(t, "unknown flags", accept4(l, NULL, NULL, 0x10));
	for (int i = 0; i < 5; i++) {
		int fd;

		far_dial(t, &f, &at);
		want_eq(own_await(l, POLLIN), POLLIN);
		fd = i == 4 ? accept(l, NULL, NULL) : accept4(l, NULL, NULL, flags[i]);
		want(fd >= 0);
		see(t, "F_GETFL", fcntl(fd, F_GETFL));
		see(t, "F_GETFD", fcntl(fd, F_GETFD));
		(void)close(fd);
		far_close(&f);
	}
	(void)close(l);
}

/* accept() into a buffer of this length: what is written where. */
static void
see_cut(struct trial *t, int l, const struct addr *at, socklen_t room)
{
	struct addr caller;
	struct far f;
	unsigned char full[sizeof(struct sockaddr_in6) + 8];
	socklen_t len = room;
	size_t same = 0, kept = 0;
	int fd;

	far_dial(t, &f, at);
	addr_of_sock(f.fd, &caller);
	want_eq(own_await(l, POLLIN), POLLIN);
	memset(full, 0x7e, sizeof(full));
	fd = accept(l, (struct sockaddr *)(void *)full, &len);
	want(fd >= 0);
	see(t, "full length", len);
	while (same < caller.len && full[same] == ((unsigned char *)&caller.u)[same])
		same++;
	while (kept < sizeof(full) && full[sizeof(full) - 1 - kept] == 0x7e)
		kept++;
	/* The port is another one each time, and may look like what was there. */
	see(t, "filled as far as it goes", same >= (room < caller.len ? room :
	    caller.len));
	see(t, "the rest is left alone", kept >= sizeof(full) -
	    (room < caller.len ? room : caller.len));
	(void)close(fd);
	far_close(&f);
}

CASE(sk_39_an_address_is_cut_to_its_room_as_on_tcp)
{
	struct addr at, told;
	struct far f;
	int fd, l = own_listener(t, &at, t->family, 8);

	see_cut(t, l, &at, 0);
	see_cut(t, l, &at, 1);
	see_cut(t, l, &at, 4);
	see_cut(t, l, &at, 7);
	see_cut(t, l, &at, 16);
	see_cut(t, l, &at, 28);
	see_cut(t, l, &at, sizeof(struct sockaddr_in6) + 8);
	far_dial(t, &f, &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	told.len = sizeof(told.u);
	fd = accept(l, NULL, &told.len);
	see(t, "no address", fd >= 0);
	see(t, "length is left alone", told.len == sizeof(told.u));
	(void)close(fd);
	far_close(&f);
	/* The call fails and the listener goes on. */
	for (int i = 0; i < 3; i++) {
		far_dial(t, &f, &at);
		want_eq(own_await(l, POLLIN), POLLIN);
		told.len = i == 2 ? (socklen_t)-1 : sizeof(told.u);
		see_call(t, "nowhere", accept(l, i == 0 ? (void *)16 : &told.u.any,
		    i == 1 ? (void *)16 : &told.len));
		far_close(&f);
	}
	far_dial(t, &f, &at);
	see_accept(t, l, &f);
	(void)close(l);
}

/* --- many clients ------------------------------------------------------------------------ */
struct caller {
	struct trial	*t;
	const struct addr *at;
	char		 id;
};

/* Says who it is, and wants that back. */
static void
call_once(int ch, void *arg)
{
	const struct caller *who = arg;
	struct far f;
	char back = -1;

	(void)ch;
	if (who->t->mode == MODE_BOTH) {
		int fd = ours_client(who->at->u.any.sa_family, 0, "one.example");

		want_eq(ours_connect(fd, who->at), 0);
		memset(&f, 0, sizeof(f));
		f.tls.fd = f.fd = fd;
	} else {
		far_dial(who->t, &f, who->at);
	}
	far_write(&f, &who->id, 1);
	far_read_all(&f, &back, 1);
	want_eq(back, who->id);
	far_close(&f);
}

CASE(sk_40_a_backlog_of_one_loses_nobody_as_on_tcp)
{
	enum { MANY = 5 };	/* TCP's retries take a second and more */
	struct caller who[MANY];
	struct prog client[MANY];
	struct addr at;
	int l = own_listener(t, &at, t->family, 1);
	unsigned int seen = 0;

	for (int i = 0; i < MANY; i++) {
		who[i] = (struct caller){ .t = t, .at = &at, .id = (char)i };
		prog_start(&client[i], call_once, &who[i]);
	}
	want_eq(own_await(l, POLLIN), POLLIN);
	want_eq(ours_poll(l, POLLOUT, A_WHILE), 0);	/* the queue fills up */
	for (int i = 0; i < MANY; i++) {
		int fd = ours_accept(l);
		char id = -1;

		ours_read(fd, &id, 1);
		seen |= 1u << id;
		ours_write(fd, &id, 1);
		(void)close(fd);
	}
	see(t, "served", seen);
	for (int i = 0; i < MANY; i++)
		prog_end(&client[i]);
	see_mask(t, "nobody else", (unsigned int)ours_poll(l, ALL, A_WHILE));
	(void)close(l);
}

static void
serve_some(int ch, void *arg)
{
	int l = *(int *)arg, n = 0, fd;

	/* Ends when the case shuts the listener down. */
	while ((fd = accept(l, NULL, NULL)) >= 0) {
		char id;

		ours_read(fd, &id, 1);
		ours_write(fd, &id, 1);
		(void)close(fd);
		n++;
	}
	prog_send(ch, &errno, sizeof(errno));
	prog_send(ch, &n, sizeof(n));
}

CASE(sk_41_two_children_accept_each_connection_once_as_on_tcp)
{
	enum { MANY = 16 };
	struct addr at;
	struct prog child[2];
	int l = own_listener(t, &at, t->family, 64), err[2], n[2];

	for (int i = 0; i < 2; i++)
		prog_start(&child[i], serve_some, &l);
	for (int i = 0; i < MANY; i++) {
		struct far f;
		char id = (char)i, back = -1;

		far_dial(t, &f, &at);
		far_write(&f, &id, 1);
		far_read_all(&f, &back, 1);
		want_eq(back, id);
		see_far_rest(t, "rest", &f);
		far_close(&f);
	}
	see_call(t, "shutdown", shutdown(l, SHUT_RD));
	for (int i = 0; i < 2; i++) {
		prog_recv(child[i].ch, &err[i], sizeof(err[i]));
		prog_recv(child[i].ch, &n[i], sizeof(n[i]));
		prog_end(&child[i]);
		see_errno(t, "accept", err[i]);
	}
	see(t, "accepted", n[0] + n[1]);
	(void)close(l);
}

/* --- the end of a listener --------------------------------------------------------------- */
static int
is_refused(const struct addr *at)
{
	int fd = socket(at->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int refused = connect(fd, &at->u.any, at->len) == -1 && errno == ECONNREFUSED;

	(void)close(fd);
	return refused;
}

static void
see_nobody_listens(struct trial *t, const struct addr *at)
{
	want_soon(is_refused(at));
	see_text(t, "nobody listens", "refused");
}

CASE(sk_42_closing_a_listener_resets_those_who_wait_as_on_tcp)
{
	struct addr at;
	struct far served, waits[2];
	char text[5];
	int l = own_listener(t, &at, t->family, 8), fd;

	far_dial(t, &served, &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	fd = ours_accept(l);
	for (int i = 0; i < 2; i++)
		far_dial(t, &waits[i], &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	(void)close(l);
	for (int i = 0; i < 2; i++) {
		see_far_rest(t, "who waits", &waits[i]);
		far_close(&waits[i]);
	}
	see_nobody_listens(t, &at);
	ours_write(fd, "hello", 5);
	far_read_all(&served, text, 5);
	see_bytes(t, "who was accepted goes on", text, 5);
	(void)close(fd);
	see_far_rest(t, "rest", &served);
	far_close(&served);
}

CASE(sk_43_shutdown_of_a_listener_wakes_accept_as_on_tcp)
{
	static const int hows[] = { SHUT_RD, SHUT_RDWR };

	for (int i = 0; i < 2; i++) {
		struct acceptor a = { .fd = -1 };
		struct addr at;
		struct far waits;
		pthread_t thread;

		a.l = own_listener(t, &at, t->family, 8);
		want_eq(pthread_create(&thread, NULL, accept_beside, &a), 0);
		want_eq(ours_poll(a.l, POLLIN, A_WHILE), 0);
		see_call(t, "shutdown", shutdown(a.l, hows[i]));
		want_eq(pthread_join(thread, NULL), 0);
		see_result(t, "accept", a.fd, a.err);
		see_call(t, "and again", accept(a.l, NULL, NULL));
		see(t, "who polls is told", ours_poll(a.l, POLLIN, 0) != 0);
		see_nobody_listens(t, &at);
		(void)close(a.l);

		/* The same with one in the queue: it is reset. */
		a.l = own_listener(t, &at, t->family, 8);
		far_dial(t, &waits, &at);
		want_eq(own_await(a.l, POLLIN), POLLIN);
		see_call(t, "shutdown", shutdown(a.l, hows[i]));
		see_far_rest(t, "who waits", &waits);
		see_call(t, "accept", accept(a.l, NULL, NULL));
		far_close(&waits);
		(void)close(a.l);
	}
}

CASE(sk_43_a_listener_is_not_shut_down_for_writing)
{
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 8);

	see_call(t, "SHUT_WR", shutdown(l, SHUT_WR));
	see_mask(t, "poll", (unsigned int)ours_poll(l, ALL, 0));
	far_dial(t, &f, &at);
	see_accept(t, l, &f);
	(void)close(l);
}

CASE(sk_44_a_full_table_of_descriptors_loses_no_connection_as_on_tcp)
{
	struct addr at;
	struct far f;
	struct rlimit limit, tight;
	int l = own_listener(t, &at, t->family, 8), filler[64], n = 0;

	far_dial(t, &f, &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	want_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = 40;
	want_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while (n < 64 && (filler[n] = dup(0)) >= 0)
		n++;
	want_eq(errno, EMFILE);
	for (int i = 0; i < 3; i++)
		see_call(t, "full", accept(l, NULL, NULL));
	see_mask(t, "still there", (unsigned int)ours_poll(l, ALL, 0));
	/* One place is enough. */
	(void)close(filler[--n]);
	see_accept(t, l, &f);
	while (n > 0)
		(void)close(filler[--n]);
	want_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	see_mask(t, "it came once", (unsigned int)ours_poll(l, ALL, 0));
	(void)close(l);
}

CASE(sk_45_an_edge_for_each_burst_of_arrivals_as_on_tcp)
{
	struct addr at;
	struct far f[3];
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int l = own_listener(t, &at, t->family, 8), ep = epoll_create1(0);

	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e), 0);
	see(t, "idle", epoll_wait(ep, &e, 1, 0));
	for (int i = 0; i < 3; i++) {
		far_dial(t, &f[i], &at);
		see(t, "arrival", epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS));
		see_mask(t, "edge", e.events);
		see(t, "no second edge", epoll_wait(ep, &e, 1, 0));
		(void)close(ours_accept(l));
		see_call(t, "drained", accept(l, NULL, NULL));
		see(t, "no edge of the drain", epoll_wait(ep, &e, 1, 0));
		far_close(&f[i]);
	}
	/* Two arrive, one is taken: no edge until another one arrives. */
	far_dial(t, &f[0], &at);
	far_dial(t, &f[1], &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	(void)close(ours_accept(l));
	want_eq(own_await(l, POLLIN), POLLIN);	/* the other has arrived as well */
	see(t, "edges so far", epoll_wait(ep, &e, 1, 0));
	see(t, "none for what is left", epoll_wait(ep, &e, 1, A_WHILE));
	far_dial(t, &f[2], &at);
	see(t, "another arrival", epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS));
	(void)close(ours_accept(l));
	want_eq(own_await(l, POLLIN), POLLIN);
	(void)close(ours_accept(l));
	for (int i = 0; i < 3; i++)
		far_close(&f[i]);
	(void)close(ep);
	(void)close(l);
}

CASE(sk_45_of_two_exclusive_waiters_one_at_least_wakes)
{
	struct addr at;
	struct far f;
	struct epoll_event e = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int l = own_listener(t, &at, t->family, 8), ep[2], woken = 0;

	for (int i = 0; i < 2; i++) {
		ep[i] = epoll_create1(0);
		see_call(t, "add", epoll_ctl(ep[i], EPOLL_CTL_ADD, l, &e));
		see(t, "idle", epoll_wait(ep[i], &e, 1, 0));
		e.events = EPOLLIN | EPOLLEXCLUSIVE;
	}
	far_dial(t, &f, &at);
	want_eq(own_await(l, POLLIN), POLLIN);
	for (int i = 0; i < 2; i++)
		woken += epoll_wait(ep[i], &e, 1, 0);
	see(t, "woken", woken >= 1);
	see_accept(t, l, &f);
	for (int i = 0; i < 2; i++) {
		see(t, "idle again", epoll_wait(ep[i], &e, 1, 0));
		(void)close(ep[i]);
	}
	(void)close(l);
}

CASE(sk_46_a_receive_timeout_bounds_accept_as_on_tcp)
{
	struct addr at;
	struct far f;
	struct timeval soon = { .tv_usec = 100000 }, got;
	socklen_t len = sizeof(got);
	int l = own_listener(t, &at, t->family, 8);

	see_call(t, "set", setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
	see_call(t, "get", getsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	see(t, "value", got.tv_sec * 1000000 + got.tv_usec);
	see_call(t, "accept", accept(l, NULL, NULL));
	/* With a limit, a handler that restarts ends the wait; without, not. */
	own_tick(1, SA_RESTART);
	see_call(t, "signal, limited", accept(l, NULL, NULL));
	own_tick(0, 0);
	soon.tv_usec = 0;
	want_eq(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	own_tick(1, 0);
	see_call(t, "signal", accept(l, NULL, NULL));
	own_tick(0, 0);
	far_dial(t, &f, &at);
	see_accept(t, l, &f);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_34_accept_returns_when_the_handshake_is_done),
		cmocka_unit_test(sk_35_silent_clients_are_not_accepted_and_delay_nobody),
		cmocka_unit_test(sk_36_a_plain_http_client_is_never_accepted),
		cmocka_unit_test(sk_37_accept_without_a_connection_does_not_wait),
		cmocka_unit_test(sk_38_flags_of_accept4_are_its_own),
		cmocka_unit_test(sk_39_an_address_is_cut_to_its_room_as_on_tcp),
		cmocka_unit_test(sk_40_a_backlog_of_one_loses_nobody_as_on_tcp),
		cmocka_unit_test(sk_41_two_children_accept_each_connection_once_as_on_tcp),
		cmocka_unit_test(sk_42_closing_a_listener_resets_those_who_wait_as_on_tcp),
		cmocka_unit_test(sk_43_shutdown_of_a_listener_wakes_accept_as_on_tcp),
		cmocka_unit_test(sk_43_a_listener_is_not_shut_down_for_writing),
		cmocka_unit_test(
		    sk_44_a_full_table_of_descriptors_loses_no_connection_as_on_tcp),
		cmocka_unit_test(sk_45_an_edge_for_each_burst_of_arrivals_as_on_tcp),
		cmocka_unit_test(sk_45_of_two_exclusive_waiters_one_at_least_wakes),
		cmocka_unit_test(sk_46_a_receive_timeout_bounds_accept_as_on_tcp),
	};

	world_begin();
	return world_end(tests);
}
