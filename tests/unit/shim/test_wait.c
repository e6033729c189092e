/* SPDX-License-Identifier: ISC */
/* wait - what ends a wait in connect() and accept(), and what does not. */
#include "program.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

/* The thread sanitizer holds a handler back until the thread calls a function
 * of libc that it knows, and no call that the shim waits in is one. A handler
 * that it never heard of runs at once, and must be free of its marks. */
#ifdef __SANITIZE_THREAD__
int	__sigaction(int sig, const struct sigaction *act, struct sigaction *old);
#define AT_ONCE			__attribute__((no_sanitize_thread))
#define set_handler		__sigaction
#else
#define AT_ONCE
#define set_handler		sigaction
#endif

static atomic_int alarms;

AT_ONCE static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* A signal every 20 ms, so that none can come too early for good. */
static void
ring(int flags, int on)
{
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval every = { { 0, on ? 20000 : 0 }, { 0, on ? 20000 : 0 } };

	alarms = 0;
	(void)set_handler(SIGALRM, &act, NULL);
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

static void
sk_21_a_signal_ends_connect_and_the_attempt_goes_on(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), before = open_descriptors();
	struct sockaddr_in to = loopback(9);

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 1), 0);
	ring(0, 1);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINTR);
	ring(0, 0);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 0), 0);
	(void)close(fd);
}

static void
sk_20_sndtimeo_bounds_connect(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in to = loopback(9);
	struct timeval limit = { 0, 150000 };

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 1), 0);
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
	    sizeof(limit)), 0);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 0), 0);
	(void)close(fd);
}

/* Five signals pass, then the agent dies: only that ends the wait. */
static void *
end_it(void *arg)
{
	while (alarms < 5)
		(void)sched_yield();
	(void)kill(*(pid_t *)arg, SIGKILL);
	return NULL;
}

static void
a_restarting_handler_does_not_end_connect(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in to = loopback(9);
	pid_t agent = agent_pid(fd);
	pthread_t thread;

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 1), 0);
	ring(SA_RESTART, 1);
	assert_int_equal(pthread_create(&thread, NULL, end_it, &agent), 0);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_true(alarms >= 5);
	ring(0, 0);
	(void)pthread_join(thread, NULL);
	(void)close(fd);
}

static void
sk_46_rcvtimeo_and_signals_end_accept(void **state)
{
	int fd = tls_listener(), before = open_descriptors();
	struct timeval limit = { 0, 50000 };

	(void)state;
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit)), 0);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	limit.tv_usec = 0;
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit)), 0);
	ring(0, 1);
	assert_int_equal(sst_accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EINTR);
	ring(0, 0);
	assert_int_equal(open_descriptors(), before);
	(void)close(fd);
}

/* Calls that wait for no network are whole however many signals come. */
static void
sk_96_signals_do_not_disturb_a_call(void **state)
{
	int fd, one = 1;
	struct sockaddr_in any = loopback(0);
	int before;

	(void)state;
	(void)close(tls_socket(SOCK_CLOEXEC));
	before = open_descriptors();
	ring(SA_RESTART, 1);
	for (int i = 0; alarms < 10; i++) {
		fd = tls_socket(SOCK_CLOEXEC);
		assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one,
		    sizeof(one)), 0);
		assert_int_equal(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)),
		    0);
		(void)close(fd);
	}
	ring(0, 0);
	assert_int_equal(open_descriptors(), before);
}

struct waiter {
	int	fd;
	int	connects;
};

static void *
wait_in_thread(void *arg)
{
	const struct waiter *w = arg;
	struct sockaddr_in to = loopback(9);

	if (w->connects)
		(void)sst_connect(w->fd, (struct sockaddr *)&to, sizeof(to));
	else
		(void)sst_accept(w->fd, NULL, NULL);
	return NULL;
}

#ifdef __SANITIZE_ADDRESS__
#define CANCELLABLE	0
#else
#define CANCELLABLE	1
#endif

/* Cancels a thread that waits; it must end, and leave no descriptor. The address
 * sanitizer of this compiler trips over a cancelled thread's own stack. */
static void
expect_cancelled(int fd, int connects)
{
	struct waiter w = { .fd = fd, .connects = connects };
	int before = open_descriptors();
	pthread_t thread;
	void *result = NULL;

	if (!CANCELLABLE)
		skip();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &w), 0);
		/* Early and late in the call, without a sleep. */
		for (int k = 0; k < i * 20; k++)
			(void)sched_yield();
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		assert_int_equal(open_descriptors(), before);
	}
}

static void
sk_97_a_thread_in_connect_can_be_cancelled(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);

	(void)state;
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 1), 0);
	expect_cancelled(fd, 1);
	assert_int_equal(steer_agent(fd, AGENT_MUTE, 0), 0);
	(void)close(fd);
}

static void
sk_97_a_thread_in_accept_can_be_cancelled(void **state)
{
	int fd = tls_listener(), got;

	(void)state;
	expect_cancelled(fd, 0);
	assert_int_equal(steer_agent(fd, AGENT_ISSUE, 1), 0);
	got = sst_accept(fd, NULL, NULL);
	assert_true(got >= 0);
	(void)close(got);
	(void)close(fd);
}

static void
sk_97_a_thread_in_a_plain_accept_can_be_cancelled(void **state)
{
	int fd = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(sst_listen(fd, 1), 0);
	expect_cancelled(fd, 0);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_21_a_signal_ends_connect_and_the_attempt_goes_on),
		cmocka_unit_test(sk_20_sndtimeo_bounds_connect),
		cmocka_unit_test(a_restarting_handler_does_not_end_connect),
		cmocka_unit_test(sk_46_rcvtimeo_and_signals_end_accept),
		cmocka_unit_test(sk_96_signals_do_not_disturb_a_call),
		cmocka_unit_test(sk_97_a_thread_in_connect_can_be_cancelled),
		cmocka_unit_test(sk_97_a_thread_in_accept_can_be_cancelled),
		cmocka_unit_test(sk_97_a_thread_in_a_plain_accept_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
