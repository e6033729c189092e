/* SPDX-License-Identifier: ISC */
/* calls - bind, listen, accept, connect, names, shutdown on TLS sockets. */
#include "program.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/wire.h"
#include "shim/record.h"

/* A plain TCP listener on a port of the kernel's choice. */
static int
plain_listener(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = loopback(0);
	assert_int_equal(syscall(SYS_bind, fd, addr, len), 0);
	assert_int_equal(syscall(SYS_listen, fd, 8), 0);
	assert_int_equal(syscall(SYS_getsockname, fd, addr, &len), 0);
	return fd;
}

static void
sk_8_9_10_a_fresh_socket_answers_as_tcp_does(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	(void)state;
	assert_int_equal(sst_getpeername(fd, (struct sockaddr *)&addr, &len), -1);
	assert_int_equal(errno, ENOTCONN);
	errno = 0;
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(errno, 0);
	assert_int_equal(len, sizeof(addr));
	assert_int_equal(addr.sin_family, AF_INET);
	assert_int_equal(addr.sin_port, 0);
	assert_int_equal(addr.sin_addr.s_addr, INADDR_ANY);
	assert_int_equal(sst_shutdown(fd, SHUT_RDWR), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(sst_shutdown(fd, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static void
sk_11_12_13_bind_is_the_kernels(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), other = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in any = loopback(0), addr;
	socklen_t len = sizeof(addr);
	int before = open_descriptors();

	(void)state;
	errno = 0;
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(errno, 0);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_not_equal(addr.sin_port, 0);
	assert_int_equal(addr.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)), -1);
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(last_sentence(), "bind: Invalid argument"));
	assert_int_equal(sst_bind(other, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(open_descriptors(), before);
	(void)close(fd);
	(void)close(other);
}

static void
sk_16_bad_arguments_get_the_kernels_errno(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in addr = loopback(0);
	socklen_t len = sizeof(addr);
	int minus = -1;

	(void)state;
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&addr, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_bind(fd, (struct sockaddr *)8, sizeof(addr)), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)8, sizeof(addr)), -1);
	assert_int_equal(errno, EFAULT);
	assert_string_equal(last_sentence(), "connect: Bad address");
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&addr, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&addr, 4096), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)8, &len), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&addr,
	    (socklen_t *)8), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&addr,
	    (socklen_t *)&minus), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static void
sk_18_a_connection_has_both_names(void **state)
{
	struct sockaddr_in to, addr;
	socklen_t len = sizeof(addr);
	int listener = plain_listener(&to), fd = tls_socket(SOCK_CLOEXEC);
	int before = open_descriptors();

	(void)state;
	errno = 0;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(errno, 0);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(sst_getpeername(fd, (struct sockaddr *)&addr, &len), 0);
	assert_memory_equal(&addr, &to, sizeof(addr));
	len = sizeof(addr);
	assert_int_equal(sst_getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_not_equal(addr.sin_port, 0);
	/* Connected: no bind, no second connect, no dissolving; shutdown is. */
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&addr, len), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	addr.sin_family = AF_UNSPEC;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&addr, len), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(sst_shutdown(fd, SHUT_WR), 0);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	(void)close(fd);
	(void)close(listener);
}

static void
sk_19_a_refused_socket_may_connect_elsewhere(void **state)
{
	struct sockaddr_in to, nowhere = loopback(1);
	int listener = plain_listener(&to), fd = tls_socket(SOCK_CLOEXEC);

	(void)state;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&nowhere,
	    sizeof(nowhere)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_string_equal(last_sentence(), "no connection");
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)close(fd);
	(void)close(listener);
}

static void
a_fresh_socket_has_nothing_to_dissolve(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	(void)state;
	assert_int_equal(sst_connect(fd, &none, sizeof(none)), 0);
	(void)close(fd);
}

static void
sk_22_a_nonblocking_connect_says_so(void **state)
{
	struct sockaddr_in to;
	int listener = plain_listener(&to);
	int fd = tls_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);
	int last[8];

	(void)state;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	(void)ask_agent(fd, AGENT_LAST, last, sizeof(last));
	assert_int_equal(last[0], SST_WIRE_CONNECT);
	assert_int_equal(last[1], 1);
	assert_memory_equal(&last[4], &to, sizeof(to));
	(void)close(fd);
	/* And a blocking one asks for the end of it. */
	fd = tls_socket(SOCK_CLOEXEC);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)ask_agent(fd, AGENT_LAST, last, sizeof(last));
	assert_int_equal(last[1], 0);
	(void)close(fd);
	(void)close(listener);
}

static int
last_verb(int fd)
{
	int last[8];

	(void)ask_agent(fd, AGENT_LAST, last, sizeof(last));
	return last[0];
}

static void
so_error_of_a_link_that_lives_needs_no_call(void **state)
{
	struct sockaddr_in to;
	int listener = plain_listener(&to);
	int fd = tls_socket(SOCK_CLOEXEC), error = -1;
	socklen_t len = sizeof(error);

	(void)state;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	assert_int_equal(last_verb(fd), SST_WIRE_CONNECT);
	/* The relay gave its end up: it knows why. What is no verdict takes nothing
	 * away. */
	assert_int_equal(send(fd, "unread", 6, 0), 6);
	assert_int_equal(steer_agent(fd, AGENT_LINKED, 0), 0);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)8, sizeof(to)), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(last_verb(fd), SST_WIRE_GET);
	/* It knows nothing, so it is what the kernel said; and once. */
	assert_int_equal(error, ECONNRESET);
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	(void)close(fd);
	(void)close(listener);
}

/* From now on this system call ends the process. */
static int
forbid(int nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

/* A connection of a program with an option of TLS and SO_ERROR. */
static int
frugal(void)
{
	struct sockaddr_in to;
	int listener = plain_listener(&to);
	int fd = tls_socket(SOCK_CLOEXEC), error = -1;
	socklen_t len = sizeof(error);

	(void)listener;
	CHECK(forbid(SYS_process_vm_readv) && forbid(SYS_process_vm_writev));
	CHECK(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(sst_connect(fd, (struct sockaddr *)8, sizeof(to)) == -1);
	CHECK(errno == EFAULT);
	CHECK(sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	CHECK(error == 0 && len == sizeof(error));
	CHECK(sst_getsockopt(fd, SOL_SOCKET, SO_ERROR, (void *)8, &len) == -1);
	CHECK(errno == EFAULT);
	CHECK(forbid(SYS_getpeername));
	CHECK(sst_setsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, "a", 1) == 0);
	return 0;
}

static int
wasteful(void)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);

	CHECK(forbid(SYS_process_vm_writev));
	return sst_getsockname(tls_socket(SOCK_CLOEXEC), (struct sockaddr *)&to, &len);
}

static void
the_kernel_reads_and_writes_the_programs_memory_where_it_can(void **state)
{
	(void)state;
	assert_int_equal(in_child(frugal), 0);
	assert_int_equal(in_child(wasteful), 256);
}

static atomic_int maker;

static void *
make_one(void *arg)
{
	maker = gettid();
	*(atomic_int *)arg = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
	    IPPROTO_TLS);
	return NULL;
}

/* Whether the thread sleeps in a system call. */
static int
sleeps(int tid)
{
	char path[64], stat[100] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, stat, sizeof(stat) - 1);
	(void)close(fd);
	return strstr(stat, ") S ") != NULL;
}

static void
a_door_with_a_full_queue_is_waited_for(void **state)
{
	enum { MANY = 200 };
	int first = tls_socket(SOCK_CLOEXEC), pid = agent_pid(first);
	atomic_int made = -1;
	int knock[MANY], n = 0;
	struct sst_pair pair;
	struct sockaddr_un door;
	socklen_t len;
	pthread_t thread;

	(void)state;
	assert_int_equal(sst_record_peek(&pair), 1);
	len = sst_wire_door(&door, pair.door, 'r');
	assert_int_equal(kill(pid, SIGSTOP), 0);
	do {
		assert_true(n < MANY);
		knock[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
	} while (syscall(SYS_connect, knock[n++], &door, len) == 0);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(pthread_create(&thread, NULL, make_one, &made), 0);
	while (n > 0)
		(void)close(knock[--n]);
	while (maker == 0 || !sleeps(maker))
		(void)sched_yield();
	assert_int_equal(made, -1);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(made >= 0);
	assert_int_equal(agent_pid(made), pid);
	(void)close(made);
	(void)close(first);
}

static void
listen_passes_its_backlog(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), last[4];
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	(void)state;
	assert_int_equal(sst_listen(fd, 17), 0);
	(void)ask_agent(fd, AGENT_LAST, last, sizeof(last));
	assert_int_equal(last[0], SST_WIRE_LISTEN);
	assert_int_equal(last[1], 17);
	assert_int_equal(sst_listen(fd, -3), 0);
	(void)ask_agent(fd, AGENT_LAST, last, sizeof(last));
	assert_int_equal(last[1], -3);
	assert_int_equal(sst_getpeername(fd, (struct sockaddr *)&addr, &len), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&addr, len), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static void
sk_34_accept_takes_one_connection_and_its_address(void **state)
{
	int fd = tls_listener(), got;
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 2), 0);
	errno = 0;
	got = sst_accept(fd, (struct sockaddr *)&addr, &len);
	assert_true(got >= 0);
	assert_int_equal(errno, 0);
	assert_int_equal(len, sizeof(addr));
	assert_int_equal(addr.sin_family, AF_INET);
	assert_int_equal(ntohs(addr.sin_port), 1000);
	assert_int_equal(ntohl(addr.sin_addr.s_addr), 0xc0000207);
	assert_int_equal(fcntl(got, F_GETFD), 0);
	assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, 0);
	memset(&addr, 0, sizeof(addr));
	assert_int_equal(sst_getpeername(got, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(ntohs(addr.sin_port), 1000);
	/* With the pair its connections end: who is gone has no name, and the own
	 * one needs no call. */
	end_agent(fd);
	assert_int_equal(sst_getpeername(got, (struct sockaddr *)&addr, &len), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(sst_getsockname(got, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(ntohs(addr.sin_port), 443);
	assert_int_equal(addr.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(sst_connect(got, (struct sockaddr *)&addr, len), -1);
	assert_int_equal(errno, EISCONN);
	assert_int_equal(sst_listen(got, 1), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(got);
	got = sst_accept(fd, NULL, NULL);
	assert_true(got >= 0);
	(void)close(got);
	(void)close(fd);
}

static void
sk_37_38_accept4_has_flags_of_its_own(void **state)
{
	int fd = tls_listener(), got;

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 2), 0);
	got = sst_accept(fd, NULL, NULL);
	assert_true(got >= 0);
	assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, 0);
	(void)close(got);
	got = sst_accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(got >= 0);
	assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
	(void)close(got);
	assert_int_equal(sst_accept4(fd, NULL, NULL, 0x40), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static void
sk_39_an_address_is_cut_to_its_room(void **state)
{
	int fd = tls_listener(), got;
	unsigned char room[32];
	struct sockaddr_in whole;
	socklen_t len = 6;
	int minus = -1, before;

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 3), 0);
	memset(room, 0xee, sizeof(room));
	got = sst_accept(fd, (struct sockaddr *)(void *)room, &len);
	assert_true(got >= 0);
	assert_int_equal(len, sizeof(whole));
	len = sizeof(whole);
	assert_int_equal(sst_getpeername(got, (struct sockaddr *)&whole, &len), 0);
	assert_memory_equal(room, &whole, 6);
	assert_int_equal(room[6], 0xee);
	memset(room, 0xee, sizeof(room));
	len = sizeof(room);
	assert_int_equal(sst_getpeername(got, (struct sockaddr *)(void *)room, &len),
	    0);
	assert_int_equal(len, sizeof(whole));
	assert_int_equal(room[sizeof(whole)], 0xee);
	(void)close(got);
	/* Bad places: an error, and the connection is closed, as on TCP. */
	before = open_descriptors();
	len = sizeof(whole);
	assert_int_equal(sst_accept(fd, (struct sockaddr *)8, &len), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_accept(fd, (struct sockaddr *)&whole,
	    (socklen_t *)&minus), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(open_descriptors(), before);
	(void)close(fd);
}

static void
sk_43_shutdown_wakes_accept_and_a_lost_pair_is_ebadf(void **state)
{
	int fd = tls_listener();

	(void)state;
	assert_int_equal(sst_shutdown(fd, SHUT_WR), 0);
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 1), 0);
	assert_int_equal(close(sst_accept(fd, NULL, NULL)), 0);
	assert_int_equal(sst_shutdown(fd, SHUT_RDWR), 0);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
	fd = tls_listener();
	assert_int_equal(steer_agent(fd, AGENT_LINKED, 0), 0);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EBADF);
	(void)close(fd);
}

static void
a_record_of_another_version_is_no_connection(void **state)
{
	int fd = tls_listener(), before, got;

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_ISSUE_BAD, 1), 0);
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 1), 0);
	before = open_descriptors();
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, ECONNABORTED);
	assert_int_equal(open_descriptors(), before);
	got = sst_accept(fd, NULL, NULL);
	assert_true(got >= 0);
	(void)close(got);
	(void)close(fd);
}

static void
a_refusal_leaves_its_sentence_with_the_thread(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_FAIL, EPROTO), 0);
	assert_int_equal(sst_listen(fd, 1), -1);
	assert_int_equal(errno, EPROTO);
	assert_string_equal(last_sentence(), "because");
	/* Errnos that a call of our own may also meet are the peer's all the same. */
	for (int i = 0; i < 5; i++) {
		const int errors[] = { ECONNREFUSED, ECONNRESET, ETIMEDOUT, EAGAIN,
		    EMFILE };

		assert_int_equal(steer_agent(fd, AGENT_FAIL, errors[i]), 0);
		assert_int_equal(sst_listen(fd, 1), -1);
		assert_int_equal(errno, errors[i]);
		assert_string_equal(last_sentence(), "because");
	}
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_8_9_10_a_fresh_socket_answers_as_tcp_does),
		cmocka_unit_test(sk_11_12_13_bind_is_the_kernels),
		cmocka_unit_test(sk_16_bad_arguments_get_the_kernels_errno),
		cmocka_unit_test(sk_18_a_connection_has_both_names),
		cmocka_unit_test(sk_19_a_refused_socket_may_connect_elsewhere),
		cmocka_unit_test(a_fresh_socket_has_nothing_to_dissolve),
		cmocka_unit_test(sk_22_a_nonblocking_connect_says_so),
		cmocka_unit_test(so_error_of_a_link_that_lives_needs_no_call),
		cmocka_unit_test(
		    the_kernel_reads_and_writes_the_programs_memory_where_it_can),
		cmocka_unit_test(a_door_with_a_full_queue_is_waited_for),
		cmocka_unit_test(listen_passes_its_backlog),
		cmocka_unit_test(sk_34_accept_takes_one_connection_and_its_address),
		cmocka_unit_test(sk_37_38_accept4_has_flags_of_its_own),
		cmocka_unit_test(sk_39_an_address_is_cut_to_its_room),
		cmocka_unit_test(sk_43_shutdown_wakes_accept_and_a_lost_pair_is_ebadf),
		cmocka_unit_test(a_record_of_another_version_is_no_connection),
		cmocka_unit_test(a_refusal_leaves_its_sentence_with_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
