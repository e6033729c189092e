/* SPDX-License-Identifier: ISC */
/* threads - full tables, forks in other threads, vfork. */
#include "program.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/wire.h"

/* Opens descriptors until none is left, below a limit of 64; the last is kept
 * as the one that can be given back. */
static int
fill_table(void)
{
	struct rlimit lim = { 64, 64 };
	int fd, last = -1;

	(void)setrlimit(RLIMIT_NOFILE, &lim);
	while ((fd = dup(2)) >= 0)
		last = fd;
	return errno == EMFILE ? last : -1;
}

static int
every_call_with_a_full_table(void)
{
	struct sockaddr_in any = loopback(0), addr;
	socklen_t len = sizeof(addr);
	int fd = tls_socket(SOCK_CLOEXEC), one = 1, last;

	last = fill_table();
	CHECK(last >= 0);
	CHECK(sst_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS) == -1 && errno == EMFILE);
	CHECK(sst_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
	CHECK(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	CHECK(sst_getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	CHECK(addr.sin_port != 0);
	CHECK(sst_listen(fd, 3) == 0);
	/* The descriptors that made room were closed in another table. */
	for (int i = 0; i < 64; i++)
		CHECK(fcntl(i, F_GETFD) >= 0);
	/* One free number is enough for a new socket. */
	CHECK(close(last) == 0);
	CHECK(sst_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS) == last);
	return 0;
}

static void
a_full_table_stops_no_call_about_a_socket(void **state)
{
	(void)state;
	assert_int_equal(in_child(every_call_with_a_full_table), 0);
}

static int
connect_with_a_full_table(void)
{
	struct sockaddr_in to = loopback(0);
	socklen_t len = sizeof(to);
	int plain, fd, last, err = 0;

	plain = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	CHECK(syscall(SYS_bind, plain, &to, len) == 0);
	CHECK(syscall(SYS_listen, plain, 5) == 0);
	CHECK(syscall(SYS_getsockname, plain, &to, &len) == 0);
	fd = tls_socket(SOCK_CLOEXEC);
	last = fill_table();
	CHECK(last >= 0);
	CHECK(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	len = sizeof(err);
	CHECK(sst_getpeername(fd, (struct sockaddr *)&to, &len) == 0);
	return 0;
}

static void
a_full_table_does_not_stop_connect(void **state)
{
	(void)state;
	assert_int_equal(in_child(connect_with_a_full_table), 0);
}

static int
accept_with_a_full_table(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = tls_listener(), last, got;

	CHECK(steer_agent(fd, AGENT_ISSUE, 1) == 0);
	last = fill_table();
	CHECK(last >= 0);
	for (int i = 0; i < 3; i++)
		CHECK(sst_accept(fd, NULL, NULL) == -1 && errno == EMFILE);
	CHECK(close(last) == 0);
	got = sst_accept(fd, (struct sockaddr *)&addr, &len);
	CHECK(got == last);
	CHECK(ntohs(addr.sin_port) == 1000);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK(close(got) == 0);
	CHECK(sst_accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	return 0;
}

static void
sk_44_emfile_loses_no_connection(void **state)
{
	(void)state;
	assert_int_equal(in_child(accept_with_a_full_table), 0);
}

static atomic_int waiting;	/* the thread that accepts */

static void *
accept_once(void *arg)
{
	int r;

	atomic_store(&waiting, (int)syscall(SYS_gettid));
	r = sst_accept(*(int *)arg, NULL, NULL);

	return (void *)(intptr_t)(r < 0 ? -errno : r);
}

/* The table fills up while accept() already waits: the record comes without its
 * descriptor, is given back, and is issued again. */
static int
table_fills_while_accept_waits(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = tls_listener(), last, got, proc;
	char path[64], stat[512];
	pthread_t thread;
	void *result;

	CHECK(pthread_create(&thread, NULL, accept_once, &fd) == 0);
	while (atomic_load(&waiting) == 0)
		(void)sched_yield();
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall",
	    atomic_load(&waiting));
	/* Until it sleeps in recvmsg. */
	do {
		proc = open(path, O_RDONLY);
		memset(stat, 0, sizeof(stat));
		if (proc < 0 || read(proc, stat, sizeof(stat) - 1) <= 0)
			return 255;
		(void)close(proc);
	} while (strtol(stat, NULL, 10) != SYS_recvmsg);
	last = fill_table();
	CHECK(last >= 0);
	CHECK(steer_agent(fd, AGENT_ISSUE, 1) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK((intptr_t)result == -EMFILE);
	CHECK(close(last) == 0);
	len = sizeof(addr);
	got = sst_accept(fd, (struct sockaddr *)&addr, &len);
	CHECK(got == last);
	CHECK(ntohs(addr.sin_port) == 1000);
	return 0;
}

static void
sk_44_a_record_without_its_descriptor_is_given_back(void **state)
{
	int r = in_child(table_fills_while_accept_waits);

	(void)state;
	if (r == 255) {
		print_message("/proc does not show what a thread waits in\n");
		skip();
	}
	assert_int_equal(r, 0);
}

static atomic_int stop;

/* Forks as fast as it can; a child that holds a TCP socket says so. */
static void *
fork_in_a_loop(void *arg)
{
	int *leaks = arg, status, domain;
	socklen_t len;
	pid_t pid;

	while (!atomic_load(&stop)) {
		pid = fork();
		if (pid == 0) {
			for (int fd = 0; fd < 64; fd++) {
				len = sizeof(domain);
				if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN,
				    &domain, &len) == 0 && domain == AF_INET)
					_exit(1);
			}
			_exit(0);
		}
		if (waitpid(pid, &status, 0) == pid)
			*leaks += WEXITSTATUS(status);
	}
	return NULL;
}

static void
a_fork_in_another_thread_copies_no_lent_socket(void **state)
{
	struct sockaddr_in any = loopback(0);
	int leaks = 0, value = 1, fd;
	pthread_t thread;

	(void)state;
	(void)close(tls_socket(SOCK_CLOEXEC));
	atomic_store(&stop, 0);
	assert_int_equal(pthread_create(&thread, NULL, fork_in_a_loop, &leaks), 0);
	for (int i = 0; i < 300; i++) {
		fd = tls_socket(SOCK_CLOEXEC);
		assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value,
		    sizeof(value)), 0);
		assert_int_equal(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)),
		    0);
		(void)close(fd);
	}
	atomic_store(&stop, 1);
	(void)pthread_join(thread, NULL);
	assert_int_equal(leaks, 0);
}

/* Between vfork and exec the memory is the parent's. (The thread sanitizer makes
 * a fork of it: what the child writes is not asked for.) */
static int
sockets_in_a_vfork_child(void)
{
	struct sockaddr_in any = loopback(0);
	int status, before;
	volatile int made;
	pid_t pid;

	(void)close(tls_socket(SOCK_CLOEXEC));
	before = open_descriptors();
	pid = vfork();
	if (pid == 0) {
		made = sst_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
		_exit(made >= 0 && sst_bind(made, (struct sockaddr *)&any,
		    sizeof(any)) == 0 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(open_descriptors() == before);
	/* And the parent goes on as before. */
	(void)close(tls_socket(SOCK_CLOEXEC));
	return 0;
}

static void
sk_93_the_calls_work_after_vfork(void **state)
{
	(void)state;
	assert_int_equal(in_child(sockets_in_a_vfork_child), 0);
}

static volatile sig_atomic_t handled;

static void
socket_in_handler(int sig)
{
	int fd = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);

	(void)sig;
	handled = fd >= 0 ? 1 : -1;
	(void)close(fd);
}

static int
sockets_in_a_handler(void)
{
	struct sigaction act = { .sa_handler = socket_in_handler };

	use_agent("");
	(void)sigaction(SIGUSR1, &act, NULL);
	errno = 33;
	(void)raise(SIGUSR1);
	CHECK(handled == 1);
	CHECK(errno == 33);
	return 0;
}

static void
the_calls_work_in_a_signal_handler(void **state)
{
	(void)state;
	assert_int_equal(in_child(sockets_in_a_handler), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_calls_work_in_a_signal_handler),
		cmocka_unit_test(a_full_table_stops_no_call_about_a_socket),
		cmocka_unit_test(a_full_table_does_not_stop_connect),
		cmocka_unit_test(sk_44_emfile_loses_no_connection),
		cmocka_unit_test(sk_44_a_record_without_its_descriptor_is_given_back),
		cmocka_unit_test(sk_93_the_calls_work_after_vfork),
		cmocka_unit_test(a_fork_in_another_thread_copies_no_lent_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
