/* SPDX-License-Identifier: ISC */
/* upgrade - TCP_UPGRADE_TLS: what is ours, and what becomes of a foreign socket. */
#include "program.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/wire.h"
#include "shim/shim.h"

static int
upgrade(int fd, const void *value, socklen_t len)
{
	return sst_setsockopt(fd, IPPROTO_TCP, TCP_UPGRADE_TLS, value, len);
}

/* Two ends of a TCP connection that nobody of ours made. */
static void
tcp_pair(int fd[2])
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, len), 0);
	fd[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd[1] >= 0);
	(void)close(l);
}

/* The last call: its verb, a and b, and its data. */
static void
last_call(int fd, int *head, char *data, size_t room)
{
	char all[600];
	size_t n = ask_agent(fd, AGENT_LAST, all, sizeof(all));

	assert_true(n >= 4 * sizeof(int));
	memcpy(head, all, 4 * sizeof(int));
	n -= 4 * sizeof(int);
	assert_true(n < room);
	memcpy(data, all + 4 * sizeof(int), n);
	data[n] = '\0';
}

static int
is_ours(int fd)
{
	struct sst_sockname name;

	return sst_identify(fd, &name) != SST_KIND_PLAIN;
}

static void
a_name_asks_for_a_client_and_nothing_for_a_server(void **state)
{
	char data[300];
	int head[4];
	int fd = tls_socket(SOCK_CLOEXEC);

	(void)state;
	assert_int_equal(upgrade(fd, "mail.example", 13), 0);
	last_call(fd, head, data, sizeof(data));
	assert_int_equal(head[0], SST_WIRE_UPGRADE);
	assert_int_equal(head[1], 0);
	assert_int_equal(head[2], SST_UPGRADE_CLIENT);
	assert_string_equal(data, "mail.example");
	/* What is behind the NUL is not looked at. */
	assert_int_equal(upgrade(fd, "b.example\0tail", 15), 0);
	last_call(fd, head, data, sizeof(data));
	assert_string_equal(data, "b.example");
	assert_int_equal(upgrade(fd, "2001:db8::1", 12), 0);
	last_call(fd, head, data, sizeof(data));
	assert_string_equal(data, "2001:db8::1");
	assert_int_equal(upgrade(fd, NULL, 0), 0);
	last_call(fd, head, data, sizeof(data));
	assert_int_equal(head[0], SST_WIRE_UPGRADE);
	assert_int_equal(head[2], SST_UPGRADE_SERVER);
	assert_string_equal(data, "");
	(void)close(fd);
}

static void
a_descriptor_that_does_not_block_is_told_in_progress(void **state)
{
	char data[300];
	int head[4];
	int fd = tls_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)state;
	assert_int_equal(upgrade(fd, "a.example", 10), -1);
	assert_int_equal(errno, EINPROGRESS);
	last_call(fd, head, data, sizeof(data));
	assert_int_equal(head[1], 1);
	assert_int_equal(steer_agent(fd, AGENT_FAIL, EISCONN), 0);
	assert_int_equal(upgrade(fd, "a.example", 10), -1);
	assert_int_equal(errno, EISCONN);
	assert_string_equal(last_sentence(), "because");
	(void)close(fd);
}

/* A key of TCP_FASTOPEN_KEY is what the kernel says it is, on ours and others. */
static void
a_key_is_the_kernels(void **state)
{
	static const char keys[][33] = {
		"\x01\xfe" "abcdefghijklmn", "0123456789abcdef",
		"0123456789abcdef0123456789abcdef", "has blank\0aaaaaa",
	};
	static const socklen_t lens[] = { 16, 16, 32, 16 };
	char data[300];
	int fd = tls_socket(SOCK_CLOEXEC);
	int head[4], pair[2];

	(void)state;
	tcp_pair(pair);
	for (int i = 0; i < 4; i++) {
		int plain = (int)syscall(SYS_setsockopt, pair[1], IPPROTO_TCP,
		    TCP_FASTOPEN_KEY, keys[i], lens[i]);
		int err = plain < 0 ? errno : 0;

		assert_int_equal(upgrade(fd, keys[i], lens[i]), plain);
		last_call(fd, head, data, sizeof(data));
		assert_int_equal(head[0], SST_WIRE_SET);
		errno = 0;
		assert_int_equal(upgrade(pair[0], keys[i], lens[i]), plain);
		assert_int_equal(errno, err);
		assert_false(is_ours(pair[0]));
	}
	(void)close(fd);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
what_is_no_connected_tcp_is_left_to_the_kernel(void **state)
{
	int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(upgrade(fresh, "a.example", 10), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(upgrade(udp, NULL, 0), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(upgrade(-1, NULL, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(upgrade(0x7fffffff, "a.example", 10), -1);
	assert_int_equal(errno, EBADF);
	(void)close(fresh);
	(void)close(udp);
}

static void
a_foreign_connection_is_taken_over_under_its_number(void **state)
{
	struct timeval limit = { .tv_sec = 7, .tv_usec = 500000 }, got;
	socklen_t len = sizeof(got);
	char data[300];
	int head[4];
	int pair[2];

	(void)state;
	/* All of two flags that it can have. */
	for (int i = 0; i < 4; i++) {
		int keep = tls_socket(SOCK_CLOEXEC), records = 0, after = 0, before;

		tcp_pair(pair);
		assert_int_equal(fcntl(pair[0], F_SETFL, i & 1 ? O_NONBLOCK : 0), 0);
		assert_int_equal(fcntl(pair[0], F_SETFD, i & 2 ? FD_CLOEXEC : 0), 0);
		assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit,
		    sizeof(limit)), 0);
		ask_agent(keep, AGENT_RECORDS, &records, sizeof(records));
		before = open_descriptors();
		errno = 0;
		assert_int_equal(upgrade(pair[0], "a.example", 10), i & 1 ? -1 : 0);
		assert_int_equal(errno, i & 1 ? EINPROGRESS : 0);
		assert_int_equal(open_descriptors(), before);
		assert_true(is_ours(pair[0]));
		assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK,
		    i & 1 ? O_NONBLOCK : 0);
		assert_int_equal(fcntl(pair[0], F_GETFD), i & 2 ? FD_CLOEXEC : 0);
		assert_int_equal(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got,
		    &len), 0);
		assert_int_equal(got.tv_sec, 7);
		last_call(pair[0], head, data, sizeof(data));
		assert_int_equal(head[0], SST_WIRE_UPGRADE);
		assert_int_equal(head[2], SST_UPGRADE_CLIENT);
		assert_string_equal(data, "a.example");
		ask_agent(keep, AGENT_RECORDS, &after, sizeof(after));
		assert_int_equal(after, records + 1);
		/* It is ours now: no second time. */
		assert_int_equal(fcntl(pair[0], F_SETFL, 0), 0);
		assert_int_equal(upgrade(pair[0], NULL, 0), 0);
		ask_agent(keep, AGENT_RECORDS, &after, sizeof(after));
		assert_int_equal(after, records + 1);
		(void)close(keep);
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
}

static void
a_second_descriptor_would_stay_plain_and_is_refused(void **state)
{
	int pair[2];
	int copy, before;

	(void)state;
	(void)close(tls_socket(SOCK_CLOEXEC));
	tcp_pair(pair);
	copy = fcntl(pair[0], F_DUPFD_CLOEXEC, 200);
	assert_true(copy >= 200);
	before = open_descriptors();
	assert_int_equal(upgrade(pair[0], "a.example", 10), -1);
	assert_int_equal(errno, EBUSY);
	assert_non_null(strstr(last_sentence(), "another descriptor"));
	assert_int_equal(upgrade(copy, NULL, 0), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(open_descriptors(), before);
	assert_false(is_ours(pair[0]));
	(void)close(copy);
	/* The other end is no duplicate. */
	errno = 0;
	assert_int_equal(upgrade(pair[0], "a.example", 10), 0);
	assert_int_equal(errno, 0);
	assert_true(is_ours(pair[0]));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
bad_memory_is_for_the_kernel_to_judge(void **state)
{
	int pair[2];

	(void)state;
	tcp_pair(pair);
	assert_int_equal(upgrade(pair[0], (void *)1, 16), -1);
	assert_int_equal(errno, EFAULT);
	assert_false(is_ours(pair[0]));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_asks_for_a_client_and_nothing_for_a_server),
		cmocka_unit_test(a_descriptor_that_does_not_block_is_told_in_progress),
		cmocka_unit_test(a_key_is_the_kernels),
		cmocka_unit_test(what_is_no_connected_tcp_is_left_to_the_kernel),
		cmocka_unit_test(a_foreign_connection_is_taken_over_under_its_number),
		cmocka_unit_test(a_second_descriptor_would_stay_plain_and_is_refused),
		cmocka_unit_test(bad_memory_is_for_the_kernel_to_judge),
	};

	use_agent("");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
