/* SPDX-License-Identifier: ISC */
/* connect - connecting, at once and in the background. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	60	/* ms in which nothing may happen */

static void
see_same(struct trial *t, const char *label, int (*name)(int, struct sockaddr *,
    socklen_t *), int fd, const struct addr *expected)
{
	struct addr a = { .len = sizeof(a.u) };

	see_call(t, label, name(fd, &a.u.any, &a.len));
	see(t, "length", a.len);
	see(t, "is the right one", addr_same(&a, expected));
}

CASE(sk_18_a_blocking_connect_returns_connected_and_names_agree)
{
	for (int i = 0; i < world.n_families; i++) {
		struct far_listener l;
		struct addr own;
		struct far f;
		int fd;

		far_listen(t, &l, world.families[i], NULL);
		far_serve(&l, &f);
		fd = own_client(t, world.families[i], 0);
		errno = 0;
		see_call(t, "connect", connect(fd, &l.at.u.any, l.at.len));
		far_served(&l);
		see_mask(t, "connected", (unsigned int)ours_poll(fd, ALL, 0));
		see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
		addr_of_sock(fd, &own);
		see_same(t, "getpeername", getpeername, fd, &l.at);
		see_same(t, "the other's getpeername", getpeername, f.fd, &own);
		see_same(t, "the other's getsockname", getsockname, f.fd, &l.at);
		see_talk(t, fd, &f);
		far_close(&f);
		(void)close(fd);
		far_listener_close(&l);
	}
}

CASE(sk_19_a_refused_socket_connects_elsewhere)
{
	struct far_listener l;
	struct addr dead;
	struct far f;
	int fd = own_client(t, t->family, 0);

	tcp_dead_port(&dead, t->family);
	for (int i = 0; i < 3; i++)
		see_call(t, "refused", connect(fd, &dead.u.any, dead.len));
	see_mask(t, "after", (unsigned int)ours_poll(fd, ALL, 0));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	far_listen(t, &l, t->family, NULL);
	far_serve(&l, &f);
	see_call(t, "elsewhere", connect(fd, &l.at.u.any, l.at.len));
	far_served(&l);
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	far_listener_close(&l);
}

CASE(sk_20_a_send_timeout_bounds_connect_as_on_tcp)
{
	struct timeval soon = { .tv_usec = 80000 };
	struct slow s;
	struct far f;
	int fd = own_client(t, t->family, 0);

	slow_listen(t, &s, t->family);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_mask(t, "pending", (unsigned int)ours_poll(fd, ALL, 0));
	see_call(t, "again", connect(fd, &s.l.at.u.any, s.l.at.len));
	slow_open(&s, &f);
	see_mask(t, "done", (unsigned int)own_await(fd, POLLOUT));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

static atomic_int ticks;

static void
count_tick(int sig)
{
	(void)sig;
	ticks++;
}

/* SIGUSR1 every 20 ms to this thread. */
static timer_t
tick(int flags)
{
	struct sigaction act = { .sa_handler = count_tick, .sa_flags = flags };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
	    .sigev_signo = SIGUSR1 };
	struct itimerspec every = { .it_value = { .tv_nsec = 20000000 },
	    .it_interval = { .tv_nsec = 20000000 } };
	timer_t timer;

	event._sigev_un._tid = gettid();
	ticks = 0;
	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	want_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	want_eq(timer_settime(timer, 0, &every, NULL), 0);
	return timer;
}

CASE(sk_21_a_signal_ends_the_wait_and_not_the_attempt)
{
	struct timeval late = { .tv_sec = 30 };
	struct slow s;
	struct far f;
	timer_t timer;
	int fd = own_client(t, t->family, 0);

	slow_listen(t, &s, t->family);
	timer = tick(0);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "and again", connect(fd, &s.l.at.u.any, s.l.at.len));
	want_eq(timer_delete(timer), 0);
	/* With a limit there is no restart. */
	want_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &late, sizeof(late)), 0);
	timer = tick(SA_RESTART);
	see_call(t, "restart, limited", connect(fd, &s.l.at.u.any, s.l.at.len));
	want_eq(timer_delete(timer), 0);
	want_eq(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	see_call(t, "without waiting", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_mask(t, "pending", (unsigned int)ours_poll(fd, ALL, 0));
	slow_open(&s, &f);
	see_mask(t, "done", (unsigned int)own_await(fd, POLLOUT));
	see_call(t, "first look", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "second look", connect(fd, &s.l.at.u.any, s.l.at.len));
	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

struct opener {
	struct slow	*s;
	struct far	*f;
	pthread_t	connects;
};

/* That the handler ran shows afterwards: a sanitizer may put it off. */
static void *
signal_and_open(void *arg)
{
	struct opener *o = arg;

	for (int i = 0; i < 5; i++) {
		want_eq(ours_poll(o->s->l.fd, POLLOUT, A_WHILE / 3), 0);
		want_eq(pthread_kill(o->connects, SIGUSR1), 0);
	}
	slow_open(o->s, o->f);
	return NULL;
}

CASE(sk_21_a_handler_that_restarts_does_not_end_the_wait)
{
	struct slow s;
	struct far f;
	struct sigaction act = { .sa_handler = count_tick, .sa_flags = SA_RESTART };
	struct opener o = { .s = &s, .f = &f, .connects = pthread_self() };
	pthread_t thread;
	int fd = own_client(t, t->family, 0);

	ticks = 0;
	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	slow_listen(t, &s, t->family);
	want_eq(pthread_create(&thread, NULL, signal_and_open, &o), 0);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	want_eq(pthread_join(thread, NULL), 0);
	see(t, "signals came", ticks > 0);
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

/* What a pending socket says to a program that asks too early. */
static void
see_pending(struct trial *t, int fd)
{
	struct addr a = { .len = sizeof(a.u) };
	fd_set in, out;
	struct timeval now = { .tv_sec = 0 };
	char byte;

	see_mask(t, "pending", (unsigned int)ours_poll(fd, ALL, A_WHILE));
	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = in;
	see(t, "select", select(fd + 1, &in, &out, NULL, &now));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_call(t, "getpeername", getpeername(fd, &a.u.any, &a.len));
	see_call(t, "getsockname", getsockname(fd, &a.u.any, &a.len));
	see(t, "has a port", addr_port(&a) != 0);
	see_call(t, "bind", bind(fd, &a.u.any, a.len));
	see_call(t, "listen", listen(fd, 1));
	see_call(t, "accept", accept(fd, NULL, NULL));
	see_call(t, "read", read(fd, &byte, 1));
	see_call(t, "send", send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(sk_22_a_nonblocking_connect_is_ready_when_it_is_done)
{
	struct slow s;
	struct far f;
	int fd;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_pending(t, fd);
	slow_open(&s, &f);
	see_mask(t, "done", (unsigned int)own_await(fd, ALL));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_same(t, "getpeername", getpeername, fd, &s.l.at);
	far_write(&f, "hello", 5);
	see_mask(t, "data", (unsigned int)own_await(fd, POLLIN));
	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	ours_read(fd, (char[5]){ 0 }, 5);
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

static int
fail_to_connect(struct trial *t, const struct addr *at)
{
	int fd = own_client(t, t->family, SOCK_NONBLOCK);

	see_call(t, "connect", connect(fd, &at->u.any, at->len));
	own_await_refused(fd);
	see_mask(t, "failed", (unsigned int)ours_poll(fd, ALL, 0));
	return fd;
}

CASE(sk_23_a_refused_pending_connect_says_so_once)
{
	struct far_listener l;
	struct addr dead;
	int fd;

	tcp_dead_port(&dead, t->family);
	fd = fail_to_connect(t, &dead);
	see_errno(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_errno(t, "SO_ERROR again", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_call(t, "connect again", connect(fd, &dead.u.any, dead.len));
	(void)close(fd);

	/* connect() itself takes the error. */
	fd = fail_to_connect(t, &dead);
	see_call(t, "connect", connect(fd, &dead.u.any, dead.len));
	see_errno(t, "SO_ERROR after", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	far_listen(t, &l, t->family, NULL);
	(void)close(fd);

	/* A select loop asks for writing alone. */
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	see_call(t, "connect", connect(fd, &dead.u.any, dead.len));
	want_soon((ours_poll(fd, POLLOUT, 100) & POLLOUT) != 0);
	see_errno(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	(void)close(fd);
	far_listener_close(&l);
}

/* --- while the connect is pending ---------------------------------------------------- */
static void *
write_blocking(void *arg)
{
	int fd = *(int *)arg;

	want_eq(write(fd, "through the gate", 16), 16);
	want_eq(shutdown(fd, SHUT_WR), 0);
	return NULL;
}

CASE(sk_27_a_write_before_the_connection_waits_and_arrives)
{
	struct slow s;
	struct far f;
	pthread_t thread;
	int fd;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "send", send(fd, "x", 1, MSG_NOSIGNAL));
	see_call(t, "write", write(fd, "x", 1));
	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	see_call(t, "send MSG_DONTWAIT", send(fd, "x", 1, MSG_DONTWAIT));
	want_eq(pthread_create(&thread, NULL, write_blocking, &fd), 0);
	see_mask(t, "pending", (unsigned int)ours_poll(fd, ALL, A_WHILE));
	slow_open(&s, &f);
	see_far_rest(t, "arrived", &f);
	want_eq(pthread_join(thread, NULL), 0);
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

/* --- while another thread waits in connect() ------------------------------------------ */
struct dialer {
	pthread_t	thread;
	struct addr	at;
	int		fd, result, err;
};

static void *
dial_and_wait(void *arg)
{
	struct dialer *d = arg;

	d->result = connect(d->fd, &d->at.u.any, d->at.len);
	d->err = errno;
	return NULL;
}

/* Returns when the descriptor shows that a connect() waits with it. */
static void
dialer_start(struct trial *t, struct dialer *d, struct slow *s)
{
	slow_listen(t, s, t->family);
	*d = (struct dialer){ .fd = own_client(t, t->family, 0), .at = s->l.at };
	want_eq(pthread_create(&d->thread, NULL, dial_and_wait, d), 0);
	want_soon(ours_poll(d->fd, ALL, 1) == 0);
}

static void
dialer_see(struct trial *t, struct dialer *d)
{
	want_eq(pthread_join(d->thread, NULL), 0);
	see_result(t, "connect, in a thread", d->result, d->err);
}

static void
dialer_end(struct dialer *d, struct slow *s)
{
	(void)close(d->fd);
	slow_close(s);
}

static void *
read_blocking(void *arg)
{
	char bytes[5];

	ours_read(*(int *)arg, bytes, sizeof(bytes));
	want(memcmp(bytes, "hello", sizeof(bytes)) == 0);
	return NULL;
}

CASE(sk_22_a_connect_that_blocks_is_pending_to_other_threads)
{
	const int size = 100000;
	pthread_t reader, writer;
	struct addr a = { .len = sizeof(a.u) };
	struct dialer d;
	struct slow s;
	struct far f;
	char byte;

	dialer_start(t, &d, &s);
	see_mask(t, "pending", (unsigned int)ours_poll(d.fd, ALL, A_WHILE));
	see_call(t, "recv", recv(d.fd, &byte, 1, MSG_DONTWAIT));
	see_call(t, "send", send(d.fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
	see(t, "SO_ERROR", ours_get_int(d.fd, SOL_SOCKET, SO_ERROR));
	see_call(t, "getpeername", getpeername(d.fd, &a.u.any, &a.len));
	see_call(t, "getsockname", getsockname(d.fd, &a.u.any, &a.len));
	see(t, "has a port", addr_port(&a) != 0);
	see_call(t, "bind", bind(d.fd, &a.u.any, a.len));
	see_call(t, "listen", listen(d.fd, 1));
	see_call(t, "accept", accept(d.fd, NULL, NULL));
	see_call(t, "SO_SNDBUF", setsockopt(d.fd, SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size)));
	want_eq(pthread_create(&reader, NULL, read_blocking, &d.fd), 0);
	want_eq(pthread_create(&writer, NULL, write_blocking, &d.fd), 0);
	see_mask(t, "still pending", (unsigned int)ours_poll(d.fd, ALL, A_WHILE));
	slow_open(&s, &f);
	dialer_see(t, &d);
	see_far_rest(t, "arrived", &f);
	far_write(&f, "hello", 5);
	want_eq(pthread_join(reader, NULL), 0);
	want_eq(pthread_join(writer, NULL), 0);
	far_close(&f);
	dialer_end(&d, &s);
}

/* What a select() or a recv() of another thread began while it was pending. */
CASE(sk_22_who_waits_for_the_first_byte_waits_until_it_is_there)
{
	struct dialer d;
	struct slow s;
	struct far f;
	pthread_t reader;

	dialer_start(t, &d, &s);
	want_eq(pthread_create(&reader, NULL, read_blocking, &d.fd), 0);
	slow_open(&s, &f);
	dialer_see(t, &d);
	see_mask(t, "connected", (unsigned int)ours_poll(d.fd, ALL, A_WHILE));
	far_write(&f, "hello", 5);
	want_eq(pthread_join(reader, NULL), 0);
	see_talk(t, d.fd, &f);
	far_close(&f);
	see_mask(t, "ended", (unsigned int)own_await(d.fd, POLLIN));
	dialer_end(&d, &s);
}

CASE(sk_29_a_shutdown_ends_a_connect_that_waits)
{
	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		struct dialer d;
		struct slow s;
		char byte;

		dialer_start(t, &d, &s);
		see_call(t, "shutdown", shutdown(d.fd, how));
		dialer_see(t, &d);
		see_call(t, "send", send(d.fd, &byte, 1, MSG_NOSIGNAL));
		dialer_end(&d, &s);
	}
}

/* Its caller is told how it went; then it is gone. */
CASE(sk_29_a_connect_that_waits_outlives_a_close)
{
	struct dialer d;
	struct slow s;
	struct far f;

	dialer_start(t, &d, &s);
	see_call(t, "close", close(d.fd));
	slow_open(&s, &f);
	dialer_see(t, &d);
	see_far_rest(t, "arrived", &f);
	far_close(&f);
	slow_close(&s);
}

/* Edges with OUT until nothing comes for `ms`, or until there is one. */
static int
out_edges(int ep, int ms, int want_one)
{
	struct epoll_event e;
	int n = 0;

	while ((!want_one || n == 0) && epoll_wait(ep, &e, 1, ms) == 1)
		n += (e.events & EPOLLOUT) != 0;
	return n;
}

CASE(sk_28_an_edge_at_the_end_of_the_connect_and_none_before)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	struct slow s;
	struct far f;
	int ep = epoll_create1(0), fd;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	want_eq(epoll_wait(ep, &e, 1, 0), 1);
	see_mask(t, "fresh", e.events);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see(t, "edges before", out_edges(ep, A_WHILE, 0));
	slow_open(&s, &f);
	see(t, "an edge after", out_edges(ep, WORLD_PATIENCE_MS, 1));
	see_mask(t, "then", (unsigned int)ours_poll(fd, ALL, 0));
	far_close(&f);
	(void)close(ep);
	(void)close(fd);
	slow_close(&s);
}

/* What arrives of a client that is gone: no connection, or one that only ends. */
static int
bytes_of_gone(struct trial *t, struct slow *s)
{
	struct far f;
	int fd, n;

	(void)signal(SIGPIPE, SIG_IGN);
	memset(&f, 0, sizeof(f));
	if (t->mode == MODE_CLIENT) {
		if (peer_server_on(&f.tls, tcp_accept(s->l.fd), &s->l.o) != 0)
			return 0;
		f.fd = f.tls.fd;
	} else {
		(void)close(accept4(s->l.fd, NULL, NULL, SOCK_CLOEXEC));
		if (ours_poll(s->l.fd, POLLIN, A_WHILE) == 0)
			return 0;
		fd = accept4(s->l.fd, NULL, NULL, SOCK_CLOEXEC);
		want(fd >= 0);
		f.tls.fd = f.fd = fd;
	}
	n = far_read(&f, &(char){ 0 }, 1) > 0;
	far_close(&f);
	return n;
}

CASE(sk_29_a_close_while_connecting_leaves_nothing_as_on_tcp)
{
	struct slow s;
	struct far f;
	int probe = own_socket(t, t->family, 0), before = -1;
	pid_t keeper, relay = -1;

	if (t->mode != MODE_TCP) {
		/* What the relay opens for its first connection it keeps. */
		(void)close(own_pair(t, &f, NULL));
		far_close(&f);
		want_eq(world_pair(probe, &keeper, &relay), 0);
		before = world_count_fds(relay);
	}
	for (int i = 0; i < 4; i++) {
		int fd;

		slow_listen(t, &s, t->family);
		fd = own_client(t, t->family, SOCK_NONBLOCK);
		see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
		if (i == 3)
			want_eq(shutdown(fd, SHUT_RDWR), 0);
		see_call(t, "close", close(fd));
		see(t, "bytes of it", bytes_of_gone(t, &s));
		slow_close(&s);
	}
	if (before >= 0)
		want_soon(world_count_fds(relay) <= before);
	(void)close(probe);
}

CASE(sk_30_a_socket_connects_once)
{
	struct slow s;
	struct far f;
	struct addr at;
	int fd, l;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "pending", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "pending", connect(fd, &s.l.at.u.any, s.l.at.len));
	slow_open(&s, &f);
	want_eq(own_await(fd, POLLOUT), POLLOUT);
	see_call(t, "first look", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "second look", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_call(t, "listen", listen(fd, 1));
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
	fd = own_pair(t, &f, NULL);
	addr_of_sock(fd, &at);
	see_call(t, "connected", connect(fd, &at.u.any, at.len));
	(void)close(fd);
	far_close(&f);
	l = own_listener(t, &at, t->family, 4);
	see_call(t, "a listener", connect(l, &at.u.any, at.len));
	(void)close(l);
}

static void *
accept_all(void *arg)
{
	struct far_listener *l = arg;
	struct far f;

	for (int i = 0; i < 200; i++) {
		far_accept(l, &f);
		far_close(&f);
	}
	return NULL;
}

CASE(sk_31_two_hundred_connects_in_one_select)
{
	enum { MANY = 200 };
	struct far_listener l;
	int fd[MANY], left = MANY, pending = 0, ends = 0;

	far_listen(t, &l, t->family, NULL);
	want_eq(listen(l.fd, MANY), 0);
	want_eq(pthread_create(&l.thread, NULL, accept_all, &l), 0);
	for (int i = 0; i < MANY; i++) {
		fd[i] = own_client(t, t->family, SOCK_NONBLOCK);
		pending += connect(fd[i], &l.at.u.any, l.at.len) == -1 &&
		    errno == EINPROGRESS;
	}
	see(t, "in progress", pending);
	while (left > 0) {
		int most = 0;
		fd_set out;

		FD_ZERO(&out);
		for (int i = 0; i < MANY; i++)
			if (fd[i] >= 0) {
				FD_SET(fd[i], &out);
				most = fd[i] > most ? fd[i] : most;
			}
		want(select(most + 1, NULL, &out, NULL, NULL) > 0);
		for (int i = 0; i < MANY; i++) {
			if (fd[i] < 0 || !FD_ISSET(fd[i], &out))
				continue;
			want_eq(ours_get_int(fd[i], SOL_SOCKET, SO_ERROR), 0);
			(void)own_await(fd[i], POLLIN);
			ends += read(fd[i], &(char){ 0 }, 1) == 0;
			(void)close(fd[i]);
			fd[i] = -1;
			left--;
		}
	}
	see(t, "clean ends", ends);
	far_served(&l);
	far_listener_close(&l);
}

CASE(sk_32_mapped_addresses_as_on_tcp)
{
	struct far_listener l;
	struct addr mapped, own;
	struct far f;
	int fd;

	if (world.n_families < 2)
		world_skip("needs both families");
	far_listen(t, &l, AF_INET, NULL);
	addr_loop(&mapped, AF_INET6, addr_port(&l.at));
	memcpy(&mapped.u.v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	far_serve(&l, &f);
	fd = own_client(t, AF_INET6, 0);
	see_call(t, "connect", connect(fd, &mapped.u.any, mapped.len));
	far_served(&l);
	see_same(t, "getpeername", getpeername, fd, &mapped);
	addr_of_sock(fd, &own);
	see(t, "own family", own.u.any.sa_family);
	see_bytes(t, "own address", &own.u.v6.sin6_addr, 16);
	see_talk(t, fd, &f);
	far_close(&f);
	(void)close(fd);
	fd = own_client(t, AF_INET6, 0);
	want_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)), 0);
	see_call(t, "IPv6 only", connect(fd, &mapped.u.any, mapped.len));
	(void)close(fd);
	fd = own_client(t, AF_INET, 0);
	see_call(t, "another family", connect(fd, &mapped.u.any, mapped.len));
	(void)close(fd);
	far_listener_close(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    sk_18_a_blocking_connect_returns_connected_and_names_agree),
		cmocka_unit_test(sk_19_a_refused_socket_connects_elsewhere),
		cmocka_unit_test(sk_20_a_send_timeout_bounds_connect_as_on_tcp),
		cmocka_unit_test(sk_21_a_signal_ends_the_wait_and_not_the_attempt),
		cmocka_unit_test(sk_21_a_handler_that_restarts_does_not_end_the_wait),
		cmocka_unit_test(sk_22_a_nonblocking_connect_is_ready_when_it_is_done),
		cmocka_unit_test(sk_23_a_refused_pending_connect_says_so_once),
		cmocka_unit_test(sk_27_a_write_before_the_connection_waits_and_arrives),
		cmocka_unit_test(
		    sk_22_a_connect_that_blocks_is_pending_to_other_threads),
		cmocka_unit_test(
		    sk_22_who_waits_for_the_first_byte_waits_until_it_is_there),
		cmocka_unit_test(sk_29_a_shutdown_ends_a_connect_that_waits),
		cmocka_unit_test(sk_29_a_connect_that_waits_outlives_a_close),
		cmocka_unit_test(
		    sk_28_an_edge_at_the_end_of_the_connect_and_none_before),
		cmocka_unit_test(sk_29_a_close_while_connecting_leaves_nothing_as_on_tcp),
		cmocka_unit_test(sk_30_a_socket_connects_once),
		cmocka_unit_test(sk_31_two_hundred_connects_in_one_select),
		cmocka_unit_test(sk_32_mapped_addresses_as_on_tcp),
	};

	world_begin();
	return world_end(tests);
}
