/* SPDX-License-Identifier: ISC */
/* data - the data calls of a TLS socket answer as those of a TCP socket do. */
#include "program.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>

#include "shim/real.h"

static volatile sig_atomic_t pipes;

static void
count(int sig)
{
	(void)sig;
	pipes++;
}

static int
plain_listener(struct sockaddr_in *ret)
{
	struct sockaddr_in any = loopback(0);
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

/* A TLS socket that is connected; the agent is asked what came, and says what
 * is to be read. */
static int
connected(void)
{
	struct sockaddr_in to;
	int listener = plain_listener(&to), fd = tls_socket(SOCK_CLOEXEC);

	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)close(listener);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(sst_setsockopt(fd, AGENT_LEVEL, AGENT_SAY, text,
	    (socklen_t)strlen(text)), 0);
}

static void
heard(int fd, const char *text)
{
	char got[64] = "";

	assert_int_equal(ask_agent(fd, AGENT_HEAR, got, sizeof(got)), strlen(text));
	assert_string_equal(got, text);
}

#define FAILS(call, number)						\
	do {								\
		errno = 0;						\
		assert_int_equal((call), -1);				\
		assert_int_equal(errno, number);			\
	} while (0)

static void
there_is_nothing_to_read_on_a_fresh_socket(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	char buf[8];
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)state;
	FAILS(recv(fd, buf, sizeof(buf), 0), ENOTCONN);
	FAILS(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), ENOTCONN);
	FAILS(__recv_chk(fd, buf, sizeof(buf), sizeof(buf), 0), ENOTCONN);
	FAILS(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len), ENOTCONN);
	FAILS(__recvfrom_chk(fd, buf, sizeof(buf), sizeof(buf), 0,
	    (struct sockaddr *)&a, &len), ENOTCONN);
	FAILS(recvmsg(fd, &msg, 0), ENOTCONN);
	FAILS(read(fd, buf, sizeof(buf)), ENOTCONN);
	FAILS(__read_chk(fd, buf, sizeof(buf), sizeof(buf)), ENOTCONN);
	FAILS(readv(fd, &iov, 1), ENOTCONN);
	(void)close(fd);
}

static void
writing_to_a_fresh_socket_is_a_broken_pipe(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct sockaddr_in a = loopback(9);
	char text[] = "x";
	struct iovec iov = { text, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct msghdr to = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &a,
	    .msg_namelen = sizeof(a) };

	(void)state;
	pipes = 0;
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	FAILS(sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a)), EPIPE);
	FAILS(sendmsg(fd, &msg, MSG_NOSIGNAL), EPIPE);
	FAILS(sendmsg(fd, &to, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(pipes, 0);
	FAILS(send(fd, "x", 1, 0), EPIPE);
	assert_int_equal(pipes, 1);
	FAILS(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), EPIPE);
	assert_int_equal(pipes, 2);
	FAILS(sendmsg(fd, &msg, 0), EPIPE);
	assert_int_equal(pipes, 3);
	FAILS(sendmsg(fd, &to, 0), EPIPE);
	assert_int_equal(pipes, 4);
	FAILS(write(fd, "x", 1), EPIPE);
	assert_int_equal(pipes, 5);
	FAILS(writev(fd, &iov, 1), EPIPE);
	assert_int_equal(pipes, 6);
	(void)close(fd);
}

static void
an_address_on_a_connected_socket_is_ignored(void **state)
{
	int fd = connected();
	struct sockaddr_in a = loopback(9);
	char text[] = "def";
	struct iovec iov = { text, 3 };
	struct msghdr to = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &a,
	    .msg_namelen = sizeof(a) };

	(void)state;
	errno = 0;
	assert_int_equal(sendto(fd, "abc", 3, 0, (struct sockaddr *)&a,
	    sizeof(a)), 3);
	assert_int_equal(sendmsg(fd, &to, 0), 3);
	heard(fd, "abcdef");
	(void)close(fd);
}

static void
there_are_no_errors_to_take(void **state)
{
	int fd = connected(), pair[2];
	char buf[8] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)state;
	say(fd, "kept");
	FAILS(recv(fd, buf, 8, MSG_ERRQUEUE), EAGAIN);
	FAILS(__recv_chk(fd, buf, 8, 8, MSG_ERRQUEUE), EAGAIN);
	FAILS(recvfrom(fd, buf, 8, MSG_ERRQUEUE, NULL, NULL), EAGAIN);
	FAILS(__recvfrom_chk(fd, buf, 8, 8, MSG_ERRQUEUE, NULL, NULL), EAGAIN);
	FAILS(recvmsg(fd, &msg, MSG_ERRQUEUE), EAGAIN);
	assert_int_equal(recv(fd, buf, 8, 0), 4);
	assert_memory_equal(buf, "kept", 4);
	(void)close(fd);
	/* Somebody else's AF_UNIX stream is the kernel's. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], "taken", 5), 5);
	assert_int_equal(recv(pair[0], buf, 8, MSG_ERRQUEUE), 5);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
a_stream_has_no_sender_to_tell_of(void **state)
{
	int fd = connected();
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char buf[8];
	struct iovec iov = { buf, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &a,
	    .msg_namelen = sizeof(a) };

	(void)state;
	say(fd, "abc");
	assert_int_equal(recvfrom(fd, buf, 1, 0, (struct sockaddr *)&a, &len), 1);
	assert_int_equal(len, 0);
	len = sizeof(a);
	assert_int_equal(__recvfrom_chk(fd, buf, 1, sizeof(buf), 0,
	    (struct sockaddr *)&a, &len), 1);
	assert_int_equal(len, 0);
	assert_int_equal(recvmsg(fd, &msg, 0), 1);
	assert_int_equal(msg.msg_namelen, 0);
	/* Nor where the name was cut to the room that there was. */
	say(fd, "abcdef");
	for (socklen_t room = 0; room < 6; room++) {
		len = room * 6;
		assert_int_equal(recvfrom(fd, buf, 1, 0, (struct sockaddr *)&a, &len), 1);
		assert_int_equal(len, 0);
	}
	(void)close(fd);
}

static void
the_sender_on_any_other_socket_is_told(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX }, a;
	socklen_t len = sizeof(a), own;
	int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char buf[4];

	(void)state;
	own = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)snprintf(
	    name.sun_path + 1, 40, "sst-test-%d", getpid()));
	assert_int_equal(bind(to, (struct sockaddr *)&name, own), 0);
	assert_int_equal(connect(from, (struct sockaddr *)&name, own), 0);
	name.sun_path[own - 3] = '+';
	assert_int_equal(bind(from, (struct sockaddr *)&name, own), 0);
	assert_int_equal(send(from, "x", 1, 0), 1);
	assert_int_equal(recvfrom(to, buf, sizeof(buf), 0, (struct sockaddr *)&a,
	    &len), 1);
	assert_int_equal(len, own);
	assert_memory_equal(&a, &name, own);
	(void)close(from);
	(void)close(to);
}

static void
urgent_data_goes_with_the_rest(void **state)
{
	int fd = connected();
	char text[] = "c";
	struct iovec iov = { text, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)state;
	assert_int_equal(send(fd, "a", 1, MSG_OOB), 1);
	assert_int_equal(sendto(fd, "b", 1, MSG_OOB, NULL, 0), 1);
	assert_int_equal(sendmsg(fd, &msg, MSG_OOB), 1);
	heard(fd, "abc");
	(void)close(fd);
}

static void
msg_trunc_without_a_buffer_discards(void **state)
{
	int fd = connected();
	char buf[64] = "", much[201] = "";

	(void)state;
	say(fd, "0123456789");
	assert_int_equal(recv(fd, NULL, 3, MSG_TRUNC | MSG_PEEK), 3);
	assert_int_equal(recv(fd, NULL, 30, MSG_TRUNC | MSG_PEEK), 10);
	assert_int_equal(recv(fd, NULL, 3, MSG_TRUNC), 3);
	assert_int_equal(recvfrom(fd, NULL, 2, MSG_TRUNC, NULL, NULL), 2);
	assert_int_equal(recv(fd, buf, 2, 0), 2);
	assert_memory_equal(buf, "56", 2);
	/* More than there is: what there is. */
	assert_int_equal(recv(fd, NULL, 1000000, MSG_TRUNC), 3);
	FAILS(recv(fd, NULL, 1, MSG_TRUNC | MSG_DONTWAIT), EAGAIN);
	/* All that is asked for, where that is more than one look brings. */
	memset(much, 'm', sizeof(much) - 1);
	for (int i = 0; i < 100; i++)
		say(fd, much);
	assert_int_equal(recv(fd, NULL, 20000, MSG_TRUNC | MSG_WAITALL), 20000);
	/* Without the flag it is a bad address, and nothing is lost. */
	say(fd, "z");
	FAILS(recv(fd, NULL, 1, 0), EFAULT);
	assert_int_equal(recv(fd, buf, 1, 0), 1);
	assert_int_equal(buf[0], 'z');
	(void)close(fd);
}

static void
msg_fastopen_connects_and_sends(void **state)
{
	struct sockaddr_in to;
	int listener = plain_listener(&to), fd = tls_socket(SOCK_CLOEXEC);

	(void)state;
	assert_int_equal(sendto(fd, "abc", 3, MSG_FASTOPEN, (struct sockaddr *)&to,
	    sizeof(to)), 3);
	heard(fd, "abc");
	(void)close(fd);
	(void)close(listener);
	/* Nobody there: connect()'s errno, and no signal. */
	pipes = 0;
	fd = tls_socket(SOCK_CLOEXEC);
	FAILS(sendto(fd, "abc", 3, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)),
	    ECONNREFUSED);
	assert_int_equal(pipes, 0);
	(void)close(fd);
}

static void
other_descriptors_keep_their_answers(void **state)
{
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), p[2];
	int un = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(9);
	char buf[4];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	FAILS(recv(un, buf, 1, 0), EINVAL);
	FAILS(read(un, buf, 1), EINVAL);
	pipes = 0;
	FAILS(send(un, buf, 1, 0), ENOTCONN);
	FAILS(write(un, buf, 1), ENOTCONN);
	FAILS(sendto(un, buf, 1, 0, (struct sockaddr *)&a, sizeof(a)), EOPNOTSUPP);
	assert_int_equal(pipes, 0);
	FAILS(recv(tcp, buf, 1, 0), ENOTCONN);
	FAILS(recv(p[0], buf, 1, 0), ENOTSOCK);
	FAILS(read(p[0], buf, 1), EAGAIN);
	FAILS(read(-1, buf, 1), EBADF);
	FAILS(write(-1, buf, 1), EBADF);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(p[0], buf, 1), 1);
	(void)close(tcp);
	(void)close(un);
	(void)close(p[0]);
	(void)close(p[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_nothing_to_read_on_a_fresh_socket),
		cmocka_unit_test(writing_to_a_fresh_socket_is_a_broken_pipe),
		cmocka_unit_test(an_address_on_a_connected_socket_is_ignored),
		cmocka_unit_test(there_are_no_errors_to_take),
		cmocka_unit_test(a_stream_has_no_sender_to_tell_of),
		cmocka_unit_test(the_sender_on_any_other_socket_is_told),
		cmocka_unit_test(urgent_data_goes_with_the_rest),
		cmocka_unit_test(msg_trunc_without_a_buffer_discards),
		cmocka_unit_test(msg_fastopen_connects_and_sends),
		cmocka_unit_test(other_descriptors_keep_their_answers),
	};

	(void)signal(SIGPIPE, count);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
