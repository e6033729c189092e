/* SPDX-License-Identifier: ISC */
/* socket - a socket that is not connected, and names. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define NOWHERE	((void *)16)	/* no memory is there */
#define NO_FD	1000000

static int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	want(d != NULL);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

/* A name with everything but its port. */
static void
see_name(struct trial *t, const char *label, const struct addr *a)
{
	struct addr bare = *a;

	if (a->u.any.sa_family == AF_INET)
		bare.u.v4.sin_port = 0;
	else
		bare.u.v6.sin6_port = 0;
	see_bytes(t, label, &bare.u, bare.len);
	see(t, "has a port", addr_port(a) != 0);
}

CASE(sk_01_a_socket_is_the_lowest_free_descriptor_as_on_tcp)
{
	for (int i = 0; i < world.n_families; i++) {
		struct stat st;
		int hole = dup(0), fd;

		(void)close(hole);
		errno = 0;
		fd = socket(world.families[i], SOCK_STREAM, own_protocol(t));
		see_errno(t, "errno is left alone", errno);
		see(t, "lowest", fd == hole);
		want_eq(fstat(fd, &st), 0);
		see(t, "mode", st.st_mode);
		see(t, "size", st.st_size);
		see(t, "F_GETFD", fcntl(fd, F_GETFD));
		see(t, "F_GETFL", fcntl(fd, F_GETFL));
		see_call(t, "lseek", lseek(fd, 0, SEEK_CUR));
		see_call(t, "pread", pread(fd, &st, 1, 0));
		see_call(t, "ftruncate", ftruncate(fd, 0));
		see_call(t, "fsync", fsync(fd));
		see(t, "nothing else is taken", dup(0) == hole + 1);
		(void)close(hole + 1);
		see_call(t, "close", close(fd));
		see_call(t, "closed", fcntl(fd, F_GETFD));
	}
}

CASE(sk_02_flags_of_socket_are_seen_as_on_tcp)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC,
	    SOCK_NONBLOCK | SOCK_CLOEXEC };

	for (int i = 0; i < 4; i++) {
		int fd = own_socket(t, t->family, flags[i]);

		see(t, "F_GETFL", fcntl(fd, F_GETFL));
		see(t, "F_GETFD", fcntl(fd, F_GETFD));
		see_call(t, "F_SETFL", fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
		see(t, "F_GETFL again", fcntl(fd, F_GETFL));
		(void)close(fd);
	}
}

CASE(sk_03_a_datagram_socket_is_refused)
{
	static const int types[] = { SOCK_DGRAM, SOCK_DGRAM | SOCK_CLOEXEC,
	    SOCK_SEQPACKET, SOCK_RDM, 0, 11, SOCK_STREAM | 0x10000 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		see_call(t, "socket", socket(t->family, types[i], own_protocol(t)));
	(void)close(own_socket(t, t->family, 0));
}

CASE(sk_04_another_family_is_refused)
{
	see_call(t, "AF_UNIX", socket(AF_UNIX, SOCK_STREAM, own_protocol(t)));
	see_call(t, "AF_UNIX, datagrams", socket(AF_UNIX, SOCK_DGRAM, own_protocol(t)));
	see_call(t, "AF_MAX", socket(AF_MAX, SOCK_STREAM, own_protocol(t)));
	see_call(t, "-1", socket(-1, SOCK_STREAM, own_protocol(t)));
	(void)close(own_socket(t, t->family, 0));
}

CASE(sk_05_a_fresh_socket_is_writable_and_hung_up)
{
	int fd = own_socket(t, t->family, SOCK_NONBLOCK), ep = epoll_create1(0);
	struct epoll_event e = { .events = ALL };
	struct timeval now = { .tv_sec = 0 };
	fd_set sets[3];

	see_mask(t, "poll", (unsigned int)ours_poll(fd, ALL, 0));
	see_mask(t, "poll for nothing", (unsigned int)ours_poll(fd, 0, 0));
	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	want_eq(epoll_wait(ep, &e, 1, 0), 1);
	see_mask(t, "epoll", e.events);
	for (int i = 0; i < 3; i++) {
		FD_ZERO(&sets[i]);
		FD_SET(fd, &sets[i]);
	}
	see(t, "select", select(fd + 1, &sets[0], &sets[1], &sets[2], &now));
	for (int i = 0; i < 3; i++)
		see(t, "in the set", FD_ISSET(fd, &sets[i]) != 0);
	(void)close(ep);
	(void)close(fd);
}

CASE(sk_06_a_fresh_socket_has_nothing_to_read)
{
	static const int flags[] = { 0, SOCK_NONBLOCK };

	for (int i = 0; i < 2; i++) {
		int fd = own_socket(t, t->family, flags[i]);
		char byte;
		struct iovec v = { .iov_base = &byte, .iov_len = 1 };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

		see_call(t, "read", read(fd, &byte, 1));
		see_call(t, "readv", readv(fd, &v, 1));
		see_call(t, "recv", recv(fd, &byte, 1, 0));
		see_call(t, "recv MSG_PEEK", recv(fd, &byte, 1, MSG_PEEK));
		see_call(t, "recv MSG_DONTWAIT", recv(fd, &byte, 1, MSG_DONTWAIT));
		see_call(t, "recvfrom", recvfrom(fd, &byte, 1, 0, NULL, NULL));
		see_call(t, "recvmsg", recvmsg(fd, &m, 0));
		see_mask(t, "after", (unsigned int)ours_poll(fd, ALL, 0));
		(void)close(fd);
	}
}

CASE(sk_07_writing_to_a_fresh_socket_is_a_broken_pipe)
{
	static const int flags[] = { 0, SOCK_NONBLOCK };

	own_count_pipes();
	for (int i = 0; i < 2; i++) {
		int fd = own_socket(t, t->family, flags[i]);
		char byte = 'x';
		struct iovec v = { .iov_base = &byte, .iov_len = 1 };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

		see_call(t, "send MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
		see(t, "signals", own_pipes);
		see_call(t, "send", send(fd, "x", 1, 0));
		see(t, "signals", own_pipes);
		see_call(t, "write", write(fd, "x", 1));
		see(t, "signals", own_pipes);
		see_call(t, "writev", writev(fd, &v, 1));
		see_call(t, "sendmsg", sendmsg(fd, &m, 0));
		see_call(t, "sendto", sendto(fd, "x", 1, 0, NULL, 0));
		see(t, "signals", own_pipes);
		(void)close(fd);
	}
}

CASE(sk_08_a_fresh_socket_has_no_peer_and_no_port)
{
	for (int i = 0; i < world.n_families; i++) {
		int fd = own_socket(t, world.families[i], 0);
		struct addr a = { .len = sizeof(a.u) };

		see_call(t, "getpeername", getpeername(fd, &a.u.any, &a.len));
		see(t, "length", a.len);
		see_call(t, "getsockname", getsockname(fd, &a.u.any, &a.len));
		see_name(t, "name", &a);
		memset(&a, 0x7e, sizeof(a));
		a.len = 3;
		see_call(t, "getsockname, cut", getsockname(fd, &a.u.any, &a.len));
		see(t, "full length", a.len);
		see_bytes(t, "cut", &a.u, 8);
		a.len = (socklen_t)-1;
		see_call(t, "negative", getsockname(fd, &a.u.any, &a.len));
		a.len = 0;
		see_call(t, "empty", getsockname(fd, NULL, &a.len));
		see(t, "full length", a.len);
		(void)close(fd);
	}
}

CASE(sk_09_a_fresh_socket_cannot_be_shut_down)
{
	int fd = own_socket(t, t->family, 0);

	see_call(t, "SHUT_RD", shutdown(fd, SHUT_RD));
	(void)close(fd);
	fd = own_socket(t, t->family, 0);
	see_call(t, "SHUT_WR", shutdown(fd, SHUT_WR));
	(void)close(fd);
	fd = own_socket(t, t->family, 0);
	see_call(t, "SHUT_RDWR", shutdown(fd, SHUT_RDWR));
	(void)close(fd);
	fd = own_socket(t, t->family, 0);
	see_call(t, "3", shutdown(fd, 3));
	see_call(t, "-1", shutdown(fd, -1));
	see_mask(t, "after", (unsigned int)ours_poll(fd, ALL, 0));
	(void)close(fd);
}

CASE(sk_10_only_a_listener_accepts)
{
	int fd = own_socket(t, t->family, 0);
	struct far f;

	see_call(t, "accept", accept(fd, NULL, NULL));
	see_call(t, "accept4", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
	see_call(t, "accept4, bad flags", accept4(fd, NULL, NULL, 0x10));
	see_mask(t, "after", (unsigned int)ours_poll(fd, ALL, 0));
	(void)close(fd);
	fd = own_pair(t, &f, NULL);
	see_call(t, "connected", accept(fd, NULL, NULL));
	(void)close(fd);
	far_close(&f);
}

CASE(sk_11_bind_to_port_zero_gives_a_port)
{
	for (int i = 0; i < world.n_families; i++) {
		int fd = own_socket(t, world.families[i], 0), any;
		struct addr a;

		addr_loop(&a, world.families[i], 0);
		see_call(t, "bind", bind(fd, &a.u.any, a.len));
		addr_of_sock(fd, &a);
		see_name(t, "name", &a);
		see_mask(t, "bound", (unsigned int)ours_poll(fd, ALL, 0));
		any = own_socket(t, world.families[i], 0);
		memset(&a, 0, sizeof(a));
		a.u.any.sa_family = (sa_family_t)world.families[i];
		a.len = world.families[i] == AF_INET ? sizeof(a.u.v4) : sizeof(a.u.v6);
		see_call(t, "bind to any address", bind(any, &a.u.any, a.len));
		addr_of_sock(any, &a);
		see_name(t, "any", &a);
		a.len = sizeof(a.u);
		see_call(t, "getpeername", getpeername(any, &a.u.any, &a.len));
		(void)close(any);
		(void)close(fd);
	}
}

CASE(sk_12_a_port_that_is_taken_is_refused_and_free_after_close)
{
	struct addr a, b;
	int fd = own_bound(t, &a, t->family), other = own_socket(t, t->family, 0);
	int l = own_listener(t, &b, t->family, 4), plain;

	see_call(t, "bound", bind(other, &a.u.any, a.len));
	see_call(t, "listening", bind(other, &b.u.any, b.len));
	plain = socket(t->family, SOCK_STREAM, 0);
	see_call(t, "for others as well", bind(plain, &a.u.any, a.len));
	(void)close(plain);
	(void)close(fd);
	see_call(t, "unlistened and closed", bind(other, &a.u.any, a.len));
	(void)close(other);
	for (int i = 0; i < 20; i++) {
		fd = own_socket(t, t->family, 0);
		see_call(t, "over and over", bind(fd, &a.u.any, a.len));
		(void)close(fd);
	}
	(void)close(l);
	fd = own_socket(t, t->family, 0);
	see_call(t, "listened and closed", bind(fd, &b.u.any, b.len));
	(void)close(fd);
}

CASE(sk_13_a_socket_is_bound_once)
{
	struct addr a, any;
	int fd = own_bound(t, &a, t->family);
	struct far f;

	addr_loop(&any, t->family, 0);
	see_call(t, "same", bind(fd, &a.u.any, a.len));
	see_call(t, "another", bind(fd, &any.u.any, any.len));
	want_eq(listen(fd, 4), 0);
	see_call(t, "listening", bind(fd, &any.u.any, any.len));
	(void)close(fd);
	fd = own_pair(t, &f, NULL);
	see_call(t, "connected", bind(fd, &any.u.any, any.len));
	(void)close(fd);
	far_close(&f);
}

static void
bind_low(int ch, void *arg)
{
	struct trial *t = arg;
	struct addr a;
	int fd;

	(void)ch;
	if (geteuid() == 0)
		want_eq(setresuid(65534, 65534, 65534), 0);
	fd = own_socket(t, t->family, 0);
	addr_loop(&a, t->family, 1);
	see_call(t, "port 1", bind(fd, &a.u.any, a.len));
	addr_loop(&a, t->family, 0);
	see_call(t, "port 0", bind(fd, &a.u.any, a.len));
	(void)close(fd);
}

CASE(sk_14_a_low_port_needs_the_programs_right)
{
	struct prog p;

	prog_start(&p, bind_low, t);
	prog_end(&p);
}

/* Binds with this option of SOL_SOCKET (0: none), tells the port, waits. */
struct binder {
	struct trial	*t;
	int		 option, listens;
};

static void
bind_beside(int ch, void *arg)
{
	struct binder *b = arg;
	int fd = own_server(b->t, b->t->family, 0);
	struct addr a;

	if (b->option != 0)
		want_eq(setsockopt(fd, SOL_SOCKET, b->option, &(int){ 1 },
		    sizeof(int)), 0);
	addr_loop(&a, b->t->family, 0);
	want_eq(bind(fd, &a.u.any, a.len), 0);
	if (b->listens)
		want_eq(listen(fd, 4), 0);
	addr_of_sock(fd, &a);
	prog_send(ch, &a, sizeof(a));
	prog_await(ch);
}

static void
see_second(struct trial *t, const struct addr *a, int option, int listens)
{
	int fd = own_server(t, t->family, 0), rc;

	if (option != 0)
		see_call(t, "option", setsockopt(fd, SOL_SOCKET, option, &(int){ 1 },
		    sizeof(int)));
	errno = 0;
	rc = bind(fd, &a->u.any, a->len);
	see_result(t, "bind", rc, errno);
	if (rc == 0 && listens)
		see_call(t, "listen", listen(fd, 4));
	(void)close(fd);
}

CASE(sk_15_a_port_is_shared_by_those_who_say_so_as_on_tcp)
{
	static const int options[] = { 0, SO_REUSEADDR, SO_REUSEPORT };

	for (int i = 0; i < 6; i++) {
		struct binder b = { .t = t, .option = options[i / 2], .listens = i % 2 };
		struct prog p;
		struct addr a;

		prog_start(&p, bind_beside, &b);
		prog_recv(p.ch, &a, sizeof(a));
		for (int k = 0; k < 3; k++)
			see_second(t, &a, options[k], 1);
		prog_tell(p.ch);
		prog_end(&p);
	}
}

static void
see_bad_addresses(struct trial *t, int fd)
{
	struct addr a, other;

	addr_loop(&a, t->family, 0);
	other = a;
	other.u.any.sa_family = AF_UNIX;
	see_call(t, "bind, short", bind(fd, &a.u.any, 3));
	see_call(t, "bind, 0", bind(fd, &a.u.any, 0));
	see_call(t, "bind, huge", bind(fd, &a.u.any, 4096));
	see_call(t, "bind, negative", bind(fd, &a.u.any, (socklen_t)-1));
	see_call(t, "bind, nowhere", bind(fd, NOWHERE, a.len));
	see_call(t, "bind, family", bind(fd, &other.u.any, a.len));
	see_call(t, "connect, short", connect(fd, &a.u.any, 1));
	see_call(t, "connect, 3", connect(fd, &a.u.any, 3));
	see_call(t, "connect, huge", connect(fd, &a.u.any, 4096));
	see_call(t, "connect, negative", connect(fd, &a.u.any, (socklen_t)-1));
	see_call(t, "connect, nowhere", connect(fd, NOWHERE, a.len));
	see_call(t, "connect, family", connect(fd, &other.u.any, a.len));
	other = a;
	if (t->family == AF_INET)
		other.u.v4.sin_addr.s_addr = htonl(0xc0000201);	/* 192.0.2.1 */
	else
		other.u.v6.sin6_addr.s6_addr[0] = 0x20;
	see_call(t, "bind, not ours", bind(fd, &other.u.any, other.len));
}

static void
see_bad_pointers(struct trial *t, int fd)
{
	struct addr a;
	int value = 1;

	a.len = sizeof(a.u);
	see_call(t, "getsockname, no length", getsockname(fd, &a.u.any, NOWHERE));
	see_call(t, "getsockname, nowhere", getsockname(fd, NOWHERE, &a.len));
	see_call(t, "getpeername, nowhere", getpeername(fd, NOWHERE, &a.len));
	see_call(t, "setsockopt, nowhere",
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NOWHERE, 4));
	see_call(t, "setsockopt, short",
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 2));
	see_call(t, "getsockopt, nowhere",
	    getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NOWHERE, &a.len));
	see_call(t, "getsockopt, no length",
	    getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, NOWHERE));
	see_call(t, "getsockopt, level",
	    getsockopt(fd, 12345, SO_KEEPALIVE, &value, &a.len));
}

static void
see_bad_descriptor(struct trial *t, int fd)
{
	struct addr a;

	addr_loop(&a, t->family, 0);
	see_call(t, "bind", bind(fd, &a.u.any, a.len));
	see_call(t, "connect", connect(fd, &a.u.any, a.len));
	see_call(t, "listen", listen(fd, 1));
	see_call(t, "accept", accept(fd, NULL, NULL));
	see_call(t, "accept4", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	see_call(t, "getsockname", getsockname(fd, &a.u.any, &a.len));
	see_call(t, "getpeername", getpeername(fd, &a.u.any, &a.len));
	see_call(t, "shutdown", shutdown(fd, SHUT_WR));
	see_call(t, "setsockopt", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 },
	    sizeof(int)));
	see_call(t, "getsockopt", getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 },
	    &a.len));
}

CASE(sk_16_bad_arguments_are_the_kernels_errors_as_on_tcp)
{
	int fd = own_socket(t, t->family, SOCK_NONBLOCK), ends[2];

	see_bad_addresses(t, fd);
	see_bad_pointers(t, fd);
	see_mask(t, "after", (unsigned int)ours_poll(fd, ALL, 0));
	see_bad_descriptor(t, -1);
	see_bad_descriptor(t, NO_FD);
	want_eq(pipe(ends), 0);
	see_bad_descriptor(t, ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(fd);
	see_bad_descriptor(t, fd);
}

CASE(sk_17_a_thousand_sockets_leave_nothing_as_on_tcp)
{
	struct addr a;
	int probe = own_bound(t, &a, t->family), before = open_descriptors();
	int relay_before = -1;
	pid_t keeper, relay = -1;

	if (t->mode != MODE_TCP) {
		want_eq(world_pair(probe, &keeper, &relay), 0);
		relay_before = world_count_fds(relay);
	}
	(void)close(probe);
	for (int i = 0; i < 1000; i++) {
		int fd = own_socket(t, t->family, 0);

		if (i % 100 == 0)
			see_call(t, "bind", bind(fd, &a.u.any, a.len));
		(void)close(fd);
	}
	see(t, "descriptors", open_descriptors() - before + 1);
	probe = own_socket(t, t->family, 0);
	see_call(t, "the port is free", bind(probe, &a.u.any, a.len));
	if (relay_before >= 0)
		want_soon(world_count_fds(relay) <= relay_before);
	(void)close(probe);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_01_a_socket_is_the_lowest_free_descriptor_as_on_tcp),
		cmocka_unit_test(sk_02_flags_of_socket_are_seen_as_on_tcp),
		cmocka_unit_test(sk_03_a_datagram_socket_is_refused),
		cmocka_unit_test(sk_04_another_family_is_refused),
		cmocka_unit_test(sk_05_a_fresh_socket_is_writable_and_hung_up),
		cmocka_unit_test(sk_06_a_fresh_socket_has_nothing_to_read),
		cmocka_unit_test(sk_07_writing_to_a_fresh_socket_is_a_broken_pipe),
		cmocka_unit_test(sk_08_a_fresh_socket_has_no_peer_and_no_port),
		cmocka_unit_test(sk_09_a_fresh_socket_cannot_be_shut_down),
		cmocka_unit_test(sk_10_only_a_listener_accepts),
		cmocka_unit_test(sk_11_bind_to_port_zero_gives_a_port),
		cmocka_unit_test(
		    sk_12_a_port_that_is_taken_is_refused_and_free_after_close),
		cmocka_unit_test(sk_13_a_socket_is_bound_once),
		cmocka_unit_test(sk_14_a_low_port_needs_the_programs_right),
		cmocka_unit_test(sk_15_a_port_is_shared_by_those_who_say_so_as_on_tcp),
		cmocka_unit_test(sk_16_bad_arguments_are_the_kernels_errors_as_on_tcp),
		cmocka_unit_test(sk_17_a_thousand_sockets_leave_nothing_as_on_tcp),
	};

	world_begin();
	return world_end(tests);
}
