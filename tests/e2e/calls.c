/* SPDX-License-Identifier: ISC */
/* calls - socket(), bind() and connect() behave as TCP's do. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ours.h"

#define FRESH	(POLLOUT | POLLHUP)
#define FAILED	(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP)
#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	60	/* ms in which nothing may happen */

/* --- sockets and names ------------------------------------------------------------ */
SCENE(sk_01_a_socket_is_the_lowest_free_descriptor)
{
	for (int i = 0; i < world.n_families; i++) {
		struct stat st;
		int hole = dup(0), fd;

		(void)close(hole);
		errno = 0;
		fd = socket(world.families[i], SOCK_STREAM, IPPROTO_TLS);
		want_eq(errno, 0);
		want_eq(fd, hole);
		want_eq(fstat(fd, &st), 0);
		want(S_ISSOCK(st.st_mode));
		want_eq(fcntl(fd, F_GETFD), 0);
		want_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		want_eq(dup(0), hole + 1);	/* nothing else was taken */
		(void)close(hole + 1);
		(void)close(fd);
	}
}

SCENE(sk_02_flags_of_socket_are_seen)
{
	int fd = ours_socket(world.families[0], SOCK_NONBLOCK | SOCK_CLOEXEC);

	want_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	want_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	(void)close(fd);
}

SCENE(sk_03_sk_04_other_types_and_families_are_refused)
{
	want_errno(socket(world.families[0], SOCK_DGRAM, IPPROTO_TLS), EPROTONOSUPPORT);
	want_errno(socket(AF_UNIX, SOCK_STREAM, IPPROTO_TLS), EPROTONOSUPPORT);
	(void)close(ours_socket(world.families[0], 0));
}

SCENE(sk_05_sk_08_sk_09_sk_10_a_fresh_socket)
{
	struct addr a;
	int fd = ours_socket(world.families[0], SOCK_NONBLOCK);

	want_eq(ours_poll(fd, POLLIN | POLLOUT, 0), FRESH);
	memset(&a, 0, sizeof(a));
	a.len = sizeof(a.u);
	want_errno(getpeername(fd, &a.u.any, &a.len), ENOTCONN);
	addr_of_sock(fd, &a);
	want_eq(a.u.any.sa_family, world.families[0]);
	want_eq(addr_port(&a), 0);
	want_errno(shutdown(fd, SHUT_WR), ENOTCONN);
	want_errno(accept(fd, NULL, NULL), EINVAL);
	want_errno(accept4(fd, NULL, NULL, SOCK_CLOEXEC), EINVAL);
	(void)close(fd);
}

SCENE(sk_102_a_socket_says_what_it_is)
{
	struct addr at;
	int fd = ours_socket(world.families[0], 0), l;

	want_eq(ours_get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_DOMAIN), world.families[0]);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TLS);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	(void)close(fd);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(ours_get_int(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	(void)close(l);
}

SCENE(sk_11_sk_12_sk_13_bind_gives_ports_and_takes_them_back)
{
	struct addr a, b;
	int fd = ours_bound(&a, world.families[0]), other, l;

	want_errno(bind(fd, &a.u.any, a.len), EINVAL);
	other = ours_socket(world.families[0], 0);
	l = ours_listener(&b, world.families[0], world.one_file, NULL);
	want_errno(bind(other, &b.u.any, b.len), EADDRINUSE);
	(void)close(l);
	/* Right after the close of one that listened, and one that did not. */
	want_eq(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	want_eq(bind(other, &b.u.any, b.len), 0);
	(void)close(other);
	want_eq(close(fd), 0);
	fd = ours_socket(world.families[0], 0);
	want_eq(bind(fd, &a.u.any, a.len), 0);
	addr_of_sock(fd, &b);
	want(addr_same(&a, &b));
	(void)close(fd);
}

SCENE(sk_15_a_port_is_shared_by_those_who_say_so)
{
	struct addr a;
	int one = 1, fd = ours_socket(world.families[0], 0), other;

	addr_loop(&a, world.families[0], 0);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	want_eq(bind(fd, &a.u.any, a.len), 0);
	addr_of_sock(fd, &a);
	other = ours_socket(world.families[0], 0);
	want_errno(bind(other, &a.u.any, a.len), EADDRINUSE);
	want_eq(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	want_eq(ours_get_int(other, SOL_SOCKET, SO_REUSEPORT), 1);
	want_eq(bind(other, &a.u.any, a.len), 0);
	(void)close(other);
	(void)close(fd);
}

SCENE(sk_16_bad_arguments_are_the_kernels_errors)
{
	struct addr a;
	int fd = ours_socket(world.families[0], 0), pipes[2];
	socklen_t len = sizeof(a.u);

	addr_loop(&a, world.families[0], 0);
	want_errno(bind(fd, &a.u.any, 3), EINVAL);
	want_errno(bind(fd, (struct sockaddr *)16, a.len), EFAULT);
	want_errno(connect(fd, (struct sockaddr *)16, a.len), EFAULT);
	want_errno(connect(fd, &a.u.any, 1), EINVAL);
	want_errno(getsockname(fd, &a.u.any, (socklen_t *)16), EFAULT);
	want_errno(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)16, 4), EFAULT);
	want_errno(listen(-1, 1), EBADF);
	want_errno(bind(1000000, &a.u.any, a.len), EBADF);
	want_errno(getpeername(-1, &a.u.any, &len), EBADF);
	want_errno(shutdown(-1, SHUT_WR), EBADF);
	want_eq(pipe(pipes), 0);
	want_errno(listen(pipes[0], 1), ENOTSOCK);
	want_errno(accept(pipes[0], NULL, NULL), ENOTSOCK);
	want_errno(setsockopt(pipes[0], IPPROTO_TLS, TLS_HOSTNAME, "a", 1), ENOTSOCK);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	addr_loop(&a, world.families[0], 0);
	want_eq(bind(fd, &a.u.any, a.len), 0);
	(void)close(fd);
}

SCENE(options_of_tcp_are_those_of_the_wire)
{
	struct link k;
	int fd = ours_socket(world.families[0], 0), one = 1;
	struct addr at;

	want_eq(ours_get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)), 0);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	want_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	want_eq(ours_get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	want_errno(setsockopt(fd, IPPROTO_TCP, 9999, &one, sizeof(one)), ENOPROTOOPT);
	(void)close(fd);

	link_make(&k, OURS_ACCEPTS, NULL);
	want_eq(setsockopt(k.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){ 7000 },
	    sizeof(int)), 0);
	want_eq(ours_get_int(k.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
	addr_of_sock(k.peer.fd, &at);
	link_close(&k);
}

SCENE(sockets_that_are_not_ours_are_left_alone)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 4), c, s;
	char text[16];
	socklen_t len = sizeof(text);

	c = tcp_dial(&at);
	s = tcp_accept(l);
	want_eq(ours_get_int(c, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	want_eq(getsockopt(c, IPPROTO_TLS, TLS_HOSTNAME, text, &len), -1);
	want_eq(write(c, "plain", 5), 5);
	want_eq(recv(s, text, 5, MSG_WAITALL), 5);
	want_eq(shutdown(c, SHUT_WR), 0);
	want_eq(read(s, text, 1), 0);
	(void)close(c);
	(void)close(s);
	(void)close(l);
}

/* --- connect ------------------------------------------------------------------------ */
SCENE(sk_18_names_agree_on_both_sides)
{
	for (int i = 0; i < world.n_families; i++) {
		struct addr at, own, peer, theirs, told;
		int l = ours_listener(&at, world.families[i], world.one_file, NULL);
		int c = ours_client(world.families[i], 0, "one.example"), s;

		want_eq(ours_connect(c, &at), 0);
		told.len = sizeof(told.u);
		s = accept(l, &told.u.any, &told.len);
		want(s >= 0);
		addr_of_sock(c, &own);
		peer.len = theirs.len = sizeof(peer.u);
		want_eq(getpeername(c, &peer.u.any, &peer.len), 0);
		want(addr_same(&peer, &at));
		want_eq(getpeername(s, &theirs.u.any, &theirs.len), 0);
		want(addr_same(&theirs, &own));
		want(addr_same(&told, &own));
		want_eq(told.len, own.len);
		addr_of_sock(s, &theirs);
		want(addr_same(&theirs, &at));
		(void)close(c);
		(void)close(s);
		(void)close(l);
	}
}

SCENE(sk_19_refused_then_the_same_socket_connects_elsewhere)
{
	struct addr dead, at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	int c = ours_client(world.families[0], 0, "one.example");

	tcp_dead_port(&dead, world.families[0]);
	want_errno(ours_connect(c, &dead), ECONNREFUSED);
	want_eq(ours_connect(c, &at), 0);
	want_errno(ours_connect(c, &at), EISCONN);
	(void)close(ours_accept(l));
	(void)close(c);
	(void)close(l);
}

SCENE(connect_in_the_wrong_state_is_refused)
{
	struct addr at, a;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	int c = ours_client(world.families[0], 0, "one.example");

	want_errno(ours_connect(l, &at), EISCONN);
	want_eq(ours_connect(c, &at), 0);
	want_errno(listen(c, 1), EINVAL);
	addr_loop(&a, world.families[0], 0);
	want_errno(bind(c, &a.u.any, a.len), EINVAL);
	want_errno(accept(c, NULL, NULL), EINVAL);
	(void)close(c);
	(void)close(l);
}

SCENE(sk_20_a_send_timeout_bounds_connect)
{
	struct addr at;
	struct peer p;
	struct timeval soon = { .tv_usec = 80000 };
	int l = tcp_listen(&at, world.families[0], 4);
	int c = ours_client(world.families[0], 0, "one.example");

	want_eq(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	want_errno(ours_connect(c, &at), EINPROGRESS);
	want_eq(peer_server_on(&p, tcp_accept(l), &(struct peer_opts){ .cert = world.one }), 0);
	want_eq(ours_poll(c, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	peer_write(&p, "x", 1);
	ours_read(c, &(char){ 0 }, 1);
	peer_end(&p);
	(void)close(c);
	(void)close(l);
}

SCENE(a_handshake_that_never_ends_is_timed_out)
{
	struct addr at;
	struct peer p;
	int l = tcp_listen(&at, world.families[0], 4), c, dead;

	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_set_int(c, TLS_HANDSHAKE_TIMEOUT, 150), 0);
	want_eq(ours_get_int(c, IPPROTO_TLS, TLS_HANDSHAKE_TIMEOUT), 150);
	want_errno(ours_connect(c, &at), ETIMEDOUT);
	want(strlen(ours_error(c)) > 10);
	dead = tcp_accept(l);
	(void)tcp_drain(dead);
	(void)close(dead);
	(void)close(c);

	c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	want_eq(ours_set_int(c, TLS_HANDSHAKE_TIMEOUT, 15000), 0);
	want_errno(ours_connect(c, &at), EINPROGRESS);
	want_eq(peer_server_on(&p, tcp_accept(l), &(struct peer_opts){ .cert = world.one }), 0);
	want_eq(ours_poll(c, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	peer_end(&p);
	(void)close(c);
	(void)close(l);
}

static void
nothing(int sig)
{
	(void)sig;
}

/* SIGUSR1 every 20 ms, without restart. */
static timer_t
tick(void)
{
	struct sigaction act = { .sa_handler = nothing };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { .it_value = { .tv_nsec = 20000000 },
	    .it_interval = { .tv_nsec = 20000000 } };
	timer_t t;

	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	want_eq(timer_create(CLOCK_MONOTONIC, &event, &t), 0);
	want_eq(timer_settime(t, 0, &every, NULL), 0);
	return t;
}

SCENE(sk_21_a_signal_leaves_the_attempt_running)
{
	struct addr at;
	struct peer p;
	timer_t t;
	int l = tcp_listen(&at, world.families[0], 4), rc;
	int c = ours_client(world.families[0], 0, "one.example");

	t = tick();
	want_errno(ours_connect(c, &at), EINTR);
	want_eq(timer_delete(t), 0);
	want_eq(fcntl(c, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_errno(ours_connect(c, &at), EALREADY);
	want_eq(peer_server_on(&p, tcp_accept(l), &(struct peer_opts){ .cert = world.one }), 0);
	want_eq(ours_poll(c, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	rc = ours_connect(c, &at);
	want(rc == 0 || errno == EISCONN);
	want_errno(ours_connect(c, &at), EISCONN);
	peer_end(&p);
	(void)close(c);
	(void)close(l);
}

SCENE(sk_22_sk_30_a_pending_connect_is_pending_until_tls_is_done)
{
	struct addr at, a;
	struct peer p;
	int l = tcp_listen(&at, world.families[0], 4), s;
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");

	want_errno(ours_connect(c, &at), EINPROGRESS);
	s = tcp_accept(l);	/* TCP is up */
	want_eq(ours_poll(c, ALL, A_WHILE), 0);
	want_errno(ours_connect(c, &at), EALREADY);
	a.len = sizeof(a.u);
	want_errno(getpeername(c, &a.u.any, &a.len), ENOTCONN);
	want_eq(ours_get_int(c, SOL_SOCKET, SO_ERROR), 0);
	want_errno(send(c, "early", 5, MSG_NOSIGNAL), EAGAIN);
	want_errno(read(c, &a, 1), EAGAIN);
	want_eq(peer_server_on(&p, s, &(struct peer_opts){ .cert = world.one }), 0);
	want_eq(ours_poll(c, ALL, WORLD_PATIENCE_MS), POLLOUT);
	a.len = sizeof(a.u);
	want_eq(getpeername(c, &a.u.any, &a.len), 0);
	want_eq(ours_get_int(c, SOL_SOCKET, SO_ERROR), 0);
	want_eq(send(c, "now", 3, 0), 3);
	{
		char text[3];

		peer_read_all(&p, text, 3);	/* and no byte of the gate's */
		want_eq(memcmp(text, "now", 3), 0);
	}
	peer_end(&p);
	(void)close(c);
	(void)close(l);
}

/* What a failed attempt looks like: the mask of TCP, and one SO_ERROR. */
static void
want_failed(int c, const struct addr *at, int error)
{
	/* The kernel wakes who waits before it frees the buffer: POLLOUT is last. */
	want_soon(ours_poll(c, ALL, 100) == FAILED);
	want_eq(ours_get_int(c, SOL_SOCKET, SO_ERROR), error);
	want_eq(ours_get_int(c, SOL_SOCKET, SO_ERROR), 0);
	want_errno(ours_connect(c, at), ECONNABORTED);
	(void)close(c);
}

SCENE(sk_23_a_refused_pending_connect)
{
	struct addr dead;
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");

	tcp_dead_port(&dead, world.families[0]);
	want_errno(ours_connect(c, &dead), EINPROGRESS);
	want_failed(c, &dead, ECONNREFUSED);
}

SCENE(sk_24_a_refused_certificate)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "other.example");

	want_errno(ours_connect(c, &at), EINPROGRESS);
	want_soon(ours_poll(c, ALL, 100) != 0);
	want_has(ours_error(c), "other.example");
	want_failed(c, &at, EPROTO);
	(void)close(l);
}

SCENE(sk_25_a_server_that_talks_no_TLS)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 4), s;
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");

	want_errno(ours_connect(c, &at), EINPROGRESS);
	s = tcp_accept(l);
	want_eq(write(s, "HTTP/1.0 400 Bad\r\n\r\n", 20), 20);
	want_failed(c, &at, EPROTO);
	(void)close(s);
	c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	want_errno(ours_connect(c, &at), EINPROGRESS);
	s = tcp_accept(l);
	want_eq(write(s, "HTTP/1.0 400 Bad\r\n\r\n", 20), 20);
	want_soon(ours_poll(c, ALL, 100) != 0);
	want(strlen(ours_error(c)) > 10);
	(void)close(c);
	(void)close(s);
	(void)close(l);
}

/* The relay is stopped while its SYN waits for room, so that it meets a socket
 * that was connected and reset. */
SCENE(sk_26_a_reset_before_the_first_byte_is_ECONNABORTED)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 0), filler = tcp_dial(&at), s;
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	pid_t keeper, relay;

	want_eq(world_pair(c, &keeper, &relay), 0);
	want_errno(ours_connect(c, &at), EINPROGRESS);
	want_eq(kill(relay, SIGSTOP), 0);
	tcp_reset(tcp_accept(l));
	s = tcp_accept(l);
	tcp_reset(s);
	want_eq(kill(relay, SIGCONT), 0);
	want_failed(c, &at, ECONNABORTED);
	(void)close(filler);
	(void)close(l);
}

SCENE(sk_26_a_server_that_leaves_in_the_handshake)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 4);

	for (int reset = 0; reset < 2; reset++) {
		int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example"), s;

		want_errno(ours_connect(c, &at), EINPROGRESS);
		s = tcp_accept(l);
		want(read(s, &(char){ 0 }, 1) == 1);
		if (reset)
			tcp_reset(s);
		else {
			want_eq(shutdown(s, SHUT_WR), 0);
			want_soon(ours_poll(c, ALL, 100) != 0);
			(void)close(s);
		}
		want_failed(c, &at, ECONNABORTED);
	}
	/* Blocking: the same, from connect() itself. */
	for (int reset = 0; reset < 2; reset++) {
		int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example"), s;

		want_errno(ours_connect(c, &at), EINPROGRESS);
		want_eq(fcntl(c, F_SETFL, O_RDWR), 0);
		s = tcp_accept(l);
		tcp_reset(s);
		want_errno(ours_connect(c, &at), ECONNABORTED);
		(void)close(c);
	}
	(void)close(l);
}

static void *
write_blocking(void *arg)
{
	int fd = *(int *)arg;

	want_eq(write(fd, "through the gate", 16), 16);
	return NULL;
}

SCENE(sk_27_a_write_before_the_handshake_waits_and_arrives)
{
	struct addr at;
	struct peer p;
	pthread_t thread;
	char text[16];
	int l = tcp_listen(&at, world.families[0], 4), s;
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");

	want_errno(ours_connect(c, &at), EINPROGRESS);
	want_errno(send(c, "x", 1, MSG_NOSIGNAL), EAGAIN);
	want_eq(fcntl(c, F_SETFL, O_RDWR), 0);
	want_eq(pthread_create(&thread, NULL, write_blocking, &c), 0);
	s = tcp_accept(l);
	want_eq(ours_poll(c, ALL, A_WHILE), 0);
	want_eq(peer_server_on(&p, s, &(struct peer_opts){ .cert = world.one }), 0);
	peer_read_all(&p, text, 16);
	want_eq(memcmp(text, "through the gate", 16), 0);
	want_eq(pthread_join(thread, NULL), 0);
	want_eq(shutdown(c, SHUT_WR), 0);
	peer_want_end(&p);		/* nothing but these bytes */
	peer_end(&p);
	(void)close(c);
	(void)close(l);
}

SCENE(sk_28_an_edge_at_the_end_of_the_handshake_and_none_before)
{
	struct addr at;
	struct peer p;
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int l = tcp_listen(&at, world.families[0], 4), s, ep = epoll_create1(0);
	int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");

	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, c, &e), 0);
	want_eq(epoll_wait(ep, &e, 1, 0), 1);	/* fresh: OUT|HUP, as TCP */
	want_errno(ours_connect(c, &at), EINPROGRESS);
	s = tcp_accept(l);
	while (epoll_wait(ep, &e, 1, A_WHILE) == 1)
		want_eq(e.events & EPOLLOUT, 0);
	want_eq(peer_server_on(&p, s, &(struct peer_opts){ .cert = world.one }), 0);
	do
		want_eq(epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS), 1);
	while ((e.events & EPOLLOUT) == 0);
	want_eq(e.events & (EPOLLERR | EPOLLHUP), 0);
	peer_end(&p);
	(void)close(c);
	(void)close(ep);
	(void)close(l);
}

SCENE(sk_29_a_close_while_connecting_leaves_nothing)
{
	struct addr at;
	pid_t keeper, relay;
	int l = tcp_listen(&at, world.families[0], 16), probe, before;

	probe = ours_socket(world.families[0], 0);
	want_eq(world_pair(probe, &keeper, &relay), 0);
	before = world_count_fds(relay);
	for (int i = 0; i < 8; i++) {
		int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example"), s;

		want_errno(ours_connect(c, &at), EINPROGRESS);
		s = tcp_accept(l);
		if (i % 2)
			want_eq(read(s, &(char){ 0 }, 1), 1);
		(void)close(c);
		(void)tcp_drain(s);	/* ends: FIN or reset */
		(void)close(s);
	}
	if (before >= 0)
		want_soon(world_count_fds(relay) <= before);
	(void)close(probe);
	(void)close(l);
}

SCENE(sk_31_two_hundred_connects_at_once)
{
	enum { MANY = 200 };
	struct addr at;
	int fd[MANY], l = ours_bound(&at, world.families[0]);

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, MANY), 0);
	for (int i = 0; i < MANY; i++) {
		fd[i] = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
		want_errno(ours_connect(fd[i], &at), EINPROGRESS);
	}
	for (int i = 0; i < MANY; i++)
		(void)close(ours_accept(l));
	for (int i = 0; i < MANY; i++) {
		want((ours_poll(fd[i], POLLOUT, WORLD_PATIENCE_MS) & POLLOUT) != 0);
		want_eq(ours_get_int(fd[i], SOL_SOCKET, SO_ERROR), 0);
		ours_want_end(fd[i]);
		(void)close(fd[i]);
	}
	(void)close(l);
}

SCENE(sk_32_mapped_addresses)
{
	struct addr at, mapped, a;
	int l, c, s;

	if (world.n_families < 2)
		world_skip("needs both families");
	l = ours_listener(&at, AF_INET, world.one_file, NULL);
	addr_loop(&mapped, AF_INET6, addr_port(&at));
	memcpy(&mapped.u.v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	/* Without a name: ::ffff:127.0.0.1 is 127.0.0.1 to the certificate. */
	c = ours_client(AF_INET6, 0, NULL);
	want_eq(ours_connect(c, &mapped), 0);
	a.len = sizeof(a.u);
	want_eq(getpeername(c, &a.u.any, &a.len), 0);
	want(addr_same(&a, &mapped));
	s = ours_accept(l);
	ours_write(s, "x", 1);
	ours_read(c, &(char){ 0 }, 1);
	(void)close(s);
	(void)close(c);
	(void)close(l);
}

SCENE(connect_to_a_network_that_is_not_there)
{
	struct addr a;
	int c = ours_client(world.families[0], 0, "one.example");

	addr_loop(&a, world.families[0], 1);
	a.u.any.sa_family = AF_APPLETALK;
	want_errno(ours_connect(c, &a), EAFNOSUPPORT);
	(void)close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_01_a_socket_is_the_lowest_free_descriptor),
		cmocka_unit_test(sk_02_flags_of_socket_are_seen),
		cmocka_unit_test(sk_03_sk_04_other_types_and_families_are_refused),
		cmocka_unit_test(sk_05_sk_08_sk_09_sk_10_a_fresh_socket),
		cmocka_unit_test(sk_102_a_socket_says_what_it_is),
		cmocka_unit_test(sk_11_sk_12_sk_13_bind_gives_ports_and_takes_them_back),
		cmocka_unit_test(sk_15_a_port_is_shared_by_those_who_say_so),
		cmocka_unit_test(sk_16_bad_arguments_are_the_kernels_errors),
		cmocka_unit_test(options_of_tcp_are_those_of_the_wire),
		cmocka_unit_test(sockets_that_are_not_ours_are_left_alone),
		cmocka_unit_test(sk_18_names_agree_on_both_sides),
		cmocka_unit_test(sk_19_refused_then_the_same_socket_connects_elsewhere),
		cmocka_unit_test(connect_in_the_wrong_state_is_refused),
		cmocka_unit_test(sk_20_a_send_timeout_bounds_connect),
		cmocka_unit_test(a_handshake_that_never_ends_is_timed_out),
		cmocka_unit_test(sk_21_a_signal_leaves_the_attempt_running),
		cmocka_unit_test(sk_22_sk_30_a_pending_connect_is_pending_until_tls_is_done),
		cmocka_unit_test(sk_23_a_refused_pending_connect),
		cmocka_unit_test(sk_24_a_refused_certificate),
		cmocka_unit_test(sk_25_a_server_that_talks_no_TLS),
		cmocka_unit_test(sk_26_a_reset_before_the_first_byte_is_ECONNABORTED),
		cmocka_unit_test(sk_26_a_server_that_leaves_in_the_handshake),
		cmocka_unit_test(sk_27_a_write_before_the_handshake_waits_and_arrives),
		cmocka_unit_test(sk_28_an_edge_at_the_end_of_the_handshake_and_none_before),
		cmocka_unit_test(sk_29_a_close_while_connecting_leaves_nothing),
		cmocka_unit_test(sk_31_two_hundred_connects_at_once),
		cmocka_unit_test(sk_32_mapped_addresses),
		cmocka_unit_test(connect_to_a_network_that_is_not_there),
	};

	world_begin();
	return world_end(tests);
}
