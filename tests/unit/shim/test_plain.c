/* SPDX-License-Identifier: ISC */
/* plain - what is no TLS socket: the kernel's result and errno, untouched. */
#include "program.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Runs one call twice, by the library and by the kernel; both are compared. */
#define SAME(ours, kernels)						\
	do {								\
		long a_, b_;						\
		int ea_, eb_;						\
		errno = 0;						\
		a_ = (ours);						\
		ea_ = errno;						\
		errno = 0;						\
		b_ = (kernels);						\
		eb_ = errno;						\
		if (a_ != b_ || ea_ != eb_)				\
			print_message("%s: %ld %d, kernel %ld %d\n", #ours, a_,	\
			    ea_, b_, eb_);				\
		assert_int_equal(a_, b_);				\
		assert_int_equal(ea_, eb_);				\
	} while (0)

/* Two descriptors of one kind: one for the library, one for the kernel. */
struct twins {
	int	ours, kernels;
};

static int
same_socket(struct twins *t, int domain, int type, int protocol)
{
	int ea, eb;

	errno = 0;
	t->ours = sst_socket(domain, type, protocol);
	ea = errno;
	errno = 0;
	t->kernels = (int)syscall(SYS_socket, domain, type, protocol);
	eb = errno;
	assert_int_equal(ea, eb);
	assert_int_equal(t->ours < 0, t->kernels < 0);
	if (t->ours >= 0) {
		assert_int_equal(fcntl(t->ours, F_GETFL), fcntl(t->kernels, F_GETFL));
		assert_int_equal(fcntl(t->ours, F_GETFD), fcntl(t->kernels, F_GETFD));
	}
	return t->ours >= 0;
}

static void
control_calls_agree(struct twins t)
{
	struct sockaddr_in bad = { .sin_family = 77 }, any = loopback(0);
	struct sockaddr_storage addr = { 0 };
	socklen_t la = sizeof(addr), lb = sizeof(addr);
	int minus = -1, value = 1, va, vb;

	SAME(sst_bind(t.ours, (struct sockaddr *)&bad, sizeof(bad)),
	    syscall(SYS_bind, t.kernels, &bad, sizeof(bad)));
	SAME(sst_bind(t.ours, NULL, 16), syscall(SYS_bind, t.kernels, NULL, 16));
	SAME(sst_bind(t.ours, (struct sockaddr *)&any, 2),
	    syscall(SYS_bind, t.kernels, &any, 2));
	SAME(sst_connect(t.ours, (struct sockaddr *)&bad, sizeof(bad)),
	    syscall(SYS_connect, t.kernels, &bad, sizeof(bad)));
	SAME(sst_getpeername(t.ours, (struct sockaddr *)&addr, &la),
	    syscall(SYS_getpeername, t.kernels, &addr, &lb));
	SAME(sst_getsockname(t.ours, (struct sockaddr *)&addr, &la),
	    syscall(SYS_getsockname, t.kernels, &addr, &lb));
	assert_int_equal(la, lb);
	SAME(sst_getsockname(t.ours, (struct sockaddr *)&addr, (socklen_t *)&minus),
	    syscall(SYS_getsockname, t.kernels, &addr, &minus));
	SAME(sst_getsockname(t.ours, (struct sockaddr *)&addr, NULL),
	    syscall(SYS_getsockname, t.kernels, &addr, NULL));
	SAME(sst_accept(t.ours, NULL, NULL),
	    syscall(SYS_accept4, t.kernels, NULL, NULL, 0));
	SAME(sst_accept4(t.ours, NULL, NULL, 0x40),
	    syscall(SYS_accept4, t.kernels, NULL, NULL, 0x40));
	SAME(sst_shutdown(t.ours, SHUT_WR), syscall(SYS_shutdown, t.kernels, SHUT_WR));
	SAME(sst_shutdown(t.ours, 9), syscall(SYS_shutdown, t.kernels, 9));
	for (int level = 0; level < 300; level += level < 10 ? 1 : 5)
		for (int option = 0; option < 60; option++) {
			la = lb = sizeof(int);
			va = vb = 0;
			/* Values that count events of each socket differ. */
			if (level == SOL_SOCKET && option == 57)
				continue;
			SAME(sst_getsockopt(t.ours, level, option, &va, &la),
			    syscall(SYS_getsockopt, t.kernels, level, option, &vb,
			    &lb));
			assert_int_equal(la, lb);
		}
	for (int option = 80; option < 150; option++) {
		la = lb = sizeof(int);
		SAME(sst_setsockopt(t.ours, IPPROTO_TLS, option, &value,
		    sizeof(value)),
		    syscall(SYS_setsockopt, t.kernels, IPPROTO_TLS, option, &value,
		    sizeof(value)));
		SAME(sst_getsockopt(t.ours, IPPROTO_TLS, option, &va, &la),
		    syscall(SYS_getsockopt, t.kernels, IPPROTO_TLS, option, &vb, &lb));
	}
	SAME(sst_setsockopt(t.ours, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)),
	    syscall(SYS_setsockopt, t.kernels, SOL_SOCKET, SO_KEEPALIVE, &value,
	    sizeof(value)));
	SAME(sst_setsockopt(t.ours, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1),
	    syscall(SYS_setsockopt, t.kernels, SOL_SOCKET, SO_KEEPALIVE, &value, -1));
}

static void
every_other_kind_of_socket_is_the_kernels(void **state)
{
	const int kinds[][3] = {
		{ AF_INET, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP },
		{ AF_INET6, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP },
		{ AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0 },
		{ AF_UNIX, SOCK_DGRAM, 0 },
		{ AF_UNIX, SOCK_SEQPACKET, 0 },
		{ AF_NETLINK, SOCK_RAW, 0 },
	};
	struct twins t;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_true(same_socket(&t, kinds[i][0], kinds[i][1], kinds[i][2]));
		if ((kinds[i][1] & 0xf) == SOCK_STREAM || kinds[i][0] == AF_INET)
			control_calls_agree(t);
		(void)close(t.ours);
		(void)close(t.kernels);
	}
}

static void
a_socket_that_the_kernel_refuses_is_refused_alike(void **state)
{
	const int kinds[][3] = {
		{ AF_INET, SOCK_STREAM, 204 }, { AF_INET, SOCK_STREAM, 16125 },
		{ AF_UNIX, SOCK_STREAM, 205 }, { 99, SOCK_STREAM, 0 },
		{ 99, SOCK_STREAM, 205 }, { AF_INET, 99, 205 }, { AF_INET, 5, 205 },
		{ AF_INET, SOCK_STREAM | 0x100, 0 }, { -1, -1, -1 },
	};
	struct twins t;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_false(same_socket(&t, kinds[i][0], kinds[i][1], kinds[i][2]));
}

static void
what_is_no_socket_has_the_kernels_errno(void **state)
{
	int ends[2];

	(void)state;
	control_calls_agree((struct twins){ -2, -2 });
	control_calls_agree((struct twins){ 999, 999 });
	assert_int_equal(pipe(ends), 0);
	control_calls_agree((struct twins){ ends[0], ends[0] });
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
a_plain_connection_lives_as_before(void **state)
{
	struct sockaddr_in addr = loopback(0), peer;
	socklen_t len = sizeof(addr);
	int listener = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int server, v = 0;

	(void)state;
	errno = 0;
	assert_int_equal(sst_bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(sst_listen(listener, 1), 0);
	assert_int_equal(sst_getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(sst_connect(client, (struct sockaddr *)&addr, len), 0);
	server = sst_accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	assert_true(server >= 0);
	assert_int_equal(errno, 0);
	assert_int_equal(fcntl(server, F_GETFD), FD_CLOEXEC);
	assert_int_equal(sst_getpeername(client, (struct sockaddr *)&peer, &len), 0);
	assert_memory_equal(&peer, &addr, sizeof(addr));
	len = sizeof(v);
	assert_int_equal(sst_getsockopt(client, SOL_SOCKET, SO_PROTOCOL, &v, &len), 0);
	assert_int_equal(v, IPPROTO_TCP);
	assert_int_equal(sst_shutdown(client, SHUT_WR), 0);
	assert_int_equal(read(server, &v, 1), 0);
	(void)close(server);
	(void)close(client);
	(void)close(listener);
}

/* An AF_UNIX socket of the program's own, with a name like ours but for one
 * character, is its own business. */
static void
a_unix_socket_with_another_name_is_plain(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX }, got;
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 41;
	socklen_t got_len = sizeof(got);
	int fd = sst_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(addr.sun_path + 1, 41, "sst2.%016x.s4%016x", getpid(), getpid());
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&got, &got_len), 0);
	assert_int_equal(got_len, len);
	assert_memory_equal(&got, &addr, len);
	assert_int_equal(sst_listen(fd, 1), 0);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_other_kind_of_socket_is_the_kernels),
		cmocka_unit_test(a_socket_that_the_kernel_refuses_is_refused_alike),
		cmocka_unit_test(what_is_no_socket_has_the_kernels_errno),
		cmocka_unit_test(a_plain_connection_lives_as_before),
		cmocka_unit_test(a_unix_socket_with_another_name_is_plain),
	};

	/* Nothing here may start a helper. */
	(void)setenv("SECURESOCKETS_AGENT", "/nonexistent", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
