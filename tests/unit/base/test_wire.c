/* SPDX-License-Identifier: ISC */
/* wire - one control message, over a real pair of sockets. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/wire.h"

struct pair {
	int	a, b;
};

static int
make_pair(void **state)
{
	struct pair *p = test_calloc(1, sizeof(*p));
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -1;
	p->a = fds[0];
	p->b = fds[1];
	*state = p;
	return 0;
}

static int
drop_pair(void **state)
{
	struct pair *p = *state;

	(void)close(p->a);
	(void)close(p->b);
	test_free(p);
	return 0;
}

static int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
a_message_arrives_as_it_was_sent(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head out, in;
	char data[16];
	int got[2];

	sst_wire_init(&out, SST_WIRE_SET);
	out.id = 7;
	out.a = -1;
	out.b = 2;
	out.c = 1 << 30;
	memset(out.secret, 0xa5, sizeof(out.secret));
	assert_int_equal(sst_wire_send(p->a, &out, "hello", 5, NULL, 0), 0);
	assert_int_equal(sst_wire_recv(p->b, &in, data, sizeof(data), got, 2), 5);
	assert_memory_equal(data, "hello", 5);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(in.magic, SST_WIRE_MAGIC);
	assert_int_equal(in.version, SST_WIRE_VERSION);
	assert_int_equal(in.verb, SST_WIRE_SET);
	assert_int_equal(in.length, 5);
	assert_int_equal(got[0], -1);
	assert_int_equal(got[1], -1);
}

static void
descriptors_arrive_in_order_and_close_on_exec(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head head;
	int pipes[2], got[3];
	char c;

	assert_int_equal(pipe(pipes), 0);
	sst_wire_init(&head, SST_WIRE_FILE);
	assert_int_equal(sst_wire_send(p->a, &head, NULL, 0, pipes, 2), 0);
	assert_int_equal(sst_wire_recv(p->b, &head, NULL, 0, got, 3), 0);
	assert_int_equal(got[2], -1);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(write(pipes[1], "y", 1), 1);
	assert_int_equal(read(got[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		(void)close(got[i]);
		(void)close(pipes[i]);
	}
}

static void
descriptors_that_nobody_expects_are_closed(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head head;
	int fds[SST_WIRE_FDS] = { 0, 1, 2, 0 };
	int before = open_descriptors();
	int got;

	sst_wire_init(&head, SST_WIRE_PING);
	assert_int_equal(sst_wire_send(p->a, &head, NULL, 0, fds, SST_WIRE_FDS), 0);
	assert_int_equal(sst_wire_recv(p->b, &head, NULL, 0, NULL, 0), 0);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(sst_wire_send(p->a, &head, NULL, 0, fds, SST_WIRE_FDS), 0);
	assert_int_equal(sst_wire_recv(p->b, &head, NULL, 0, &got, 1), 0);
	assert_int_equal(open_descriptors(), before + 1);
	(void)close(got);
}

/* Sends `head` as it is, with a descriptor; returns recv's errno, 0 if taken. */
static int
errno_of(struct pair *p, const struct sst_wire_head *head, size_t size,
    size_t data_len)
{
	char packet[512];
	struct iovec iov = { packet, size + data_len };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	struct cmsghdr *c;
	struct sst_wire_head in;
	char data[8];
	int got, before, error, zero = 0;
	long n;

	memset(packet, 0, sizeof(packet));
	memcpy(packet, head, size);
	memset(&space, 0, sizeof(space));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &zero, sizeof(int));
	before = open_descriptors();
	assert_true(sendmsg(p->a, &msg, 0) >= 0);
	n = sst_wire_recv(p->b, &in, data, sizeof(data), &got, 1);
	error = errno;
	if (n >= 0) {
		assert_int_equal(open_descriptors(), before + 1);
		(void)close(got);
		return 0;
	}
	/* A refused message leaves no descriptor behind. */
	assert_int_equal(got, -1);
	assert_int_equal(open_descriptors(), before);
	return error;
}

static void
only_our_magic_version_and_length_are_believed(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head good, bad;

	sst_wire_init(&good, SST_WIRE_PING);
	good.length = 8;
	assert_int_equal(errno_of(p, &good, sizeof(good), 8), 0);
	bad = good;
	bad.magic ^= 1;
	assert_int_equal(errno_of(p, &bad, sizeof(bad), 8), EPROTO);
	bad = good;
	bad.version++;
	assert_int_equal(errno_of(p, &bad, sizeof(bad), 8), EPROTO);
	bad = good;
	bad.length = 7;
	assert_int_equal(errno_of(p, &bad, sizeof(bad), 8), EPROTO);
	bad.length = 9;
	assert_int_equal(errno_of(p, &bad, sizeof(bad), 8), EPROTO);
	assert_int_equal(errno_of(p, &good, sizeof(good) - 1, 0), EPROTO);
	good.length = 9;
	assert_int_equal(errno_of(p, &good, sizeof(good), 9), EMSGSIZE);
}

static void
the_largest_message_passes_and_a_larger_one_is_not_sent(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head head;
	char *data = test_calloc(1, SST_WIRE_DATA_MAX + 1);
	int fds[SST_WIRE_FDS + 1] = { 0 };

	sst_wire_init(&head, SST_WIRE_SET);
	assert_int_equal(sst_wire_send(p->a, &head, data, SST_WIRE_DATA_MAX, NULL,
	    0), 0);
	assert_int_equal(sst_wire_recv(p->b, &head, data, SST_WIRE_DATA_MAX, NULL,
	    0), SST_WIRE_DATA_MAX);
	assert_int_equal(sst_wire_send(p->a, &head, data, SST_WIRE_DATA_MAX + 1,
	    NULL, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(sst_wire_send(p->a, &head, NULL, 0, fds, SST_WIRE_FDS + 1),
	    -1);
	assert_int_equal(errno, EMSGSIZE);
	test_free(data);
}

static void
a_closed_peer_is_an_error_and_no_signal(void **state)
{
	struct pair *p = *state;
	struct sst_wire_head head;

	(void)signal(SIGPIPE, SIG_DFL);
	sst_wire_init(&head, SST_WIRE_PING);
	(void)close(p->b);
	assert_int_equal(sst_wire_recv(p->a, &head, NULL, 0, NULL, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(sst_wire_send(p->a, &head, NULL, 0, NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
	p->b = -1;
}

static void
a_door_is_parsed_as_it_was_made(void **state)
{
	struct sockaddr_un addr;
	char door[16];
	socklen_t len;

	(void)state;
	for (const char *w = "krcl"; *w != '\0'; w++) {
		len = sst_wire_door(&addr, "0123456789abcdef", *w);
		assert_int_equal(addr.sun_family, AF_UNIX);
		assert_int_equal(addr.sun_path[0], '\0');
		assert_memory_equal(addr.sun_path + 1,
		    "securesockets/0123456789abcdef/", 31);
		memset(door, 0, sizeof(door));
		assert_int_equal(sst_wire_door_parse(&addr, len, door), *w);
		assert_memory_equal(door, "0123456789abcdef", 16);
	}
	assert_int_equal(sst_wire_door_parse(&addr, len - 1, door), 0);
	assert_int_equal(sst_wire_door_parse(&addr, len + 1, door), 0);
	addr.sun_path[3] ^= 1;
	assert_int_equal(sst_wire_door_parse(&addr, len, door), 0);
	addr.sun_path[3] ^= 1;
	addr.sun_path[0] = 'x';
	assert_int_equal(sst_wire_door_parse(&addr, len, door), 0);
	addr.sun_path[0] = '\0';
	addr.sun_path[31] = '.';
	assert_int_equal(sst_wire_door_parse(&addr, len, door), 0);
	addr.sun_path[31] = '/';
	addr.sun_family = AF_INET;
	assert_int_equal(sst_wire_door_parse(&addr, len, door), 0);
}

static void
random_doors_are_hex_and_differ(void **state)
{
	char one[16], two[16];

	(void)state;
	assert_int_equal(sst_wire_door_random(one), 0);
	assert_int_equal(sst_wire_door_random(two), 0);
	assert_memory_not_equal(one, two, sizeof(one));
	for (size_t i = 0; i < sizeof(one); i++)
		assert_true(memchr("0123456789abcdef", one[i], 16) != NULL);
}

#define WITH_PAIR(f)	cmocka_unit_test_setup_teardown(f, make_pair, drop_pair)

/* What of a program's environment its relay may know. */
static void
the_start_carries_four_variables_and_of_root_just_one(void **state)
{
	const int root = geteuid() == 0;
	struct sst_wire_start start = { .magic = 0 };
	char name[SST_WIRE_ENV_SIZE + 1];

	(void)state;
	for (int i = 0; sst_wire_env[i] != NULL; i++)
		assert_int_equal(setenv(sst_wire_env[i], "/some/where", 1), 0);
	assert_int_equal(sst_wire_env_read(&start), 0);
	for (int i = 0; i < SST_WIRE_ENV_MOST; i++)
		assert_string_equal(start.env[i], i == 0 || !root ? "/some/where" : "");
	assert_string_equal(sst_wire_env[0], "SECURESOCKETS_CONF");
	assert_null(sst_wire_env[SST_WIRE_ENV_MOST]);
	/* one that is too long is left out, and the first is said */
	memset(name, 'x', sizeof(name));
	name[SST_WIRE_ENV_SIZE] = '\0';
	memset(&start, 0, sizeof(start));
	assert_int_equal(setenv(sst_wire_env[1], name, 1), 0);
	assert_int_equal(sst_wire_env_read(&start), 0);
	assert_string_equal(start.env[1], "");
	assert_int_equal(setenv(sst_wire_env[0], name, 1), 0);
	assert_int_equal(sst_wire_env_read(&start), -1);
	name[SST_WIRE_ENV_SIZE - 1] = '\0';
	assert_int_equal(setenv(sst_wire_env[0], name, 1), 0);
	assert_int_equal(sst_wire_env_read(&start), 0);
	assert_string_equal(start.env[0], name);
	for (int i = 0; sst_wire_env[i] != NULL; i++)
		assert_int_equal(unsetenv(sst_wire_env[i]), 0);
	memset(&start, 0, sizeof(start));
	assert_int_equal(sst_wire_env_read(&start), 0);
	assert_string_equal(start.env[0], "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(a_message_arrives_as_it_was_sent),
		WITH_PAIR(descriptors_arrive_in_order_and_close_on_exec),
		WITH_PAIR(descriptors_that_nobody_expects_are_closed),
		WITH_PAIR(only_our_magic_version_and_length_are_believed),
		WITH_PAIR(the_largest_message_passes_and_a_larger_one_is_not_sent),
		WITH_PAIR(a_closed_peer_is_an_error_and_no_signal),
		cmocka_unit_test(a_door_is_parsed_as_it_was_made),
		cmocka_unit_test(random_doors_are_hex_and_differ),
		cmocka_unit_test(the_start_carries_four_variables_and_of_root_just_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
