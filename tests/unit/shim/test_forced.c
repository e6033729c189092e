/* SPDX-License-Identifier: ISC */
/*
 * forced - the shim under a policy: what each socket is asked to become.
 *
 * main() makes the policy and starts this program again, since a policy is read
 * once. Its sockets of the kernel's own kind are made by raw system calls.
 */
#include "program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "shim/forced.h"
#include "shim/memo.h"

#define NAME_VAR	"TEST_FORCED_PORTS"
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE	51	/* Linux 6.3 */
#endif

/* Ports that are TLS: four to listen on, since the agent keeps what it has, and
 * one where TCP listens; and one that is not TLS, where TCP listens. */
static int tls_port[4], tls_there, plain_there;

static struct sockaddr_in
at(int port)
{
	return loopback((uint16_t)port);
}

static int
raw_socket(void)
{
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static int
raw_listener(int port)
{
	struct sockaddr_in a = at(port);
	int fd = raw_socket(), one = 1;

	(void)syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(syscall(SYS_bind, fd, &a, sizeof(a)), 0);
	assert_int_equal(syscall(SYS_listen, fd, 7), 0);
	return fd;
}

static int
raw_port(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(syscall(SYS_getsockname, fd, &a, &len), 0);
	return ntohs(a.sin_port);
}

static int
forced_socket(void)
{
	int fd = sst_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		print_message("%s: %s\n", strerror(errno), last_sentence());
	assert_true(fd >= 0);
	return fd;
}

/* The last call of the shim: verb, a, b, c. */
static const int *
last_call(int fd)
{
	static int head[4];
	char all[600];

	assert_true(ask_agent(fd, AGENT_LAST, all, sizeof(all)) >= sizeof(head));
	memcpy(head, all, sizeof(head));
	return head;
}

static int
protocol(int fd)
{
	int v = 0;
	socklen_t len = sizeof(v);

	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &len), 0);
	return v;
}

static int
is_ours(int fd)
{
	struct sst_sockname name;

	return sst_identify(fd, &name) != SST_KIND_PLAIN;
}

static void
every_tcp_socket_is_ours_and_says_tcp(void **state)
{
	static const struct {
		int	family, type, protocol, forced;
	} kinds[] = {
		{ AF_INET, SOCK_STREAM, 0, 1 },
		{ AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP, 1 },
		{ AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP, 1 },
		{ AF_INET, SOCK_DGRAM, 0, 0 },
		{ AF_UNIX, SOCK_STREAM, 0, 0 },
	};
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fd = sst_socket(kinds[i].family, kinds[i].type, kinds[i].protocol);
		assert_true(fd >= 0);
		assert_int_equal(is_ours(fd), kinds[i].forced);
		if (kinds[i].forced) {
			assert_int_equal(last_call(fd)[0], SST_WIRE_NEW);
			assert_int_equal(last_call(fd)[2], SST_NEW_FORCED);
			assert_int_equal(protocol(fd), IPPROTO_TCP);
		}
		(void)close(fd);
	}
	/* Who asks for TLS gets TLS, as always. */
	fd = tls_socket(SOCK_CLOEXEC);
	assert_int_equal(last_call(fd)[2], 0);
	assert_int_equal(protocol(fd), IPPROTO_TLS);
	(void)close(fd);
}

static void
a_listener_is_tls_when_its_port_is(void **state)
{
	struct sockaddr_in a = at(tls_port[0]), any = at(0);
	int fd = forced_socket();
	char text[300] = "";

	(void)state;
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(sst_listen(fd, 9), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_LISTEN);
	assert_int_equal(last_call(fd)[1], 9);
	assert_int_equal(last_call(fd)[2], SST_MODE_TLS);
	/* The policy's certificate, the last one of two. */
	assert_true(ask_agent(fd, AGENT_FILE, text, sizeof(text)) > 0);
	assert_string_equal(text, "the key");
	/* Again: only the backlog. */
	assert_int_equal(sst_listen(fd, 11), 0);
	assert_int_equal(last_call(fd)[1], 11);
	assert_int_equal(last_call(fd)[2], SST_MODE_TLS);
	(void)close(fd);
	fd = forced_socket();
	assert_int_equal(sst_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(sst_listen(fd, 9), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_LISTEN);
	assert_int_equal(last_call(fd)[2], SST_MODE_PLAIN);
	(void)close(fd);
}

static int
listen_in(int first, int last)
{
	uint32_t range = (uint32_t)last << 16 | (uint32_t)first;
	int fd = forced_socket();

	if (sst_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range,
	    sizeof(range)) < 0) {
		print_message("a kernel without IP_LOCAL_PORT_RANGE\n");
		skip();
	}
	assert_int_equal(sst_listen(fd, 3), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_LISTEN);
	return fd;
}

static void
a_port_that_the_kernel_chooses_is_judged_as_well(void **state)
{
	int other = raw_listener(0), port = raw_port(other), one = 1;
	int fd = listen_in(tls_port[3], tls_port[3]);

	(void)state;
	assert_int_equal(last_call(fd)[2], SST_MODE_TLS);
	(void)close(fd);
	(void)close(other);
	fd = listen_in(port, port);
	assert_int_equal(last_call(fd)[2], SST_MODE_PLAIN);
	(void)close(fd);
	/* One that even bind() does not choose cannot be judged. */
	fd = forced_socket();
	assert_int_equal(sst_setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
	    sizeof(one)), 0);
	assert_int_equal(sst_listen(fd, 3), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static void
a_connection_is_tls_when_its_port_is(void **state)
{
	struct sockaddr_in tls = at(tls_there), plain = at(plain_there);
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };
	int fd = forced_socket();
	char text[300];

	(void)state;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&plain, sizeof(plain)), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_CONNECT);
	assert_int_equal(last_call(fd)[2], SST_MODE_PLAIN);
	(void)close(fd);
	/* No name is known: refused, and the relay was not asked. */
	fd = forced_socket();
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), -1);
	assert_int_equal(errno, EPROTO);
	assert_non_null(strstr(last_sentence(), "127.0.0.1"));
	assert_non_null(strstr(last_sentence(), "--name HOST"));
	assert_int_not_equal(last_call(fd)[0], SST_WIRE_CONNECT);
	sst_memo_add(addr, "one.example", 1LL << 60);	/* lives for ever */
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_CONNECT);
	assert_int_equal(last_call(fd)[2], SST_MODE_TLS);
	memset(text, 0, sizeof(text));
	assert_int_equal(ask_agent(fd, AGENT_NAMES, text, sizeof(text)),
	    sizeof("one.example"));
	assert_string_equal(text, "one.example");
	/* Connected: no second preparation, and connect() says so. */
	sst_memo_add(addr, "two.example", 1LL << 60);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), -1);
	assert_int_equal(ask_agent(fd, AGENT_NAMES, text, sizeof(text)),
	    sizeof("one.example"));
	(void)close(fd);
	/* The next one: the newer name. Both ways to it, then. */
	sst_memo_add(addr, "", 1LL << 60);
	fd = forced_socket();
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), 0);
	memset(text, 0, sizeof(text));
	assert_int_equal(ask_agent(fd, AGENT_NAMES, text, sizeof(text)),
	    sizeof("two.example") + sizeof("127.0.0.1"));
	assert_string_equal(text, "two.example");
	assert_string_equal(text + sizeof("two.example"), "127.0.0.1");
	(void)close(fd);
}

/* The names that count for 192.0.2.1, where "first" was before, when "second" was
 * found there and at 127.0.0.1, and then a connection there was tried. */
static int
left_after(int port, int expected)
{
	static const uint8_t here[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };
	static const uint8_t there[16] = { [10] = 0xff, [11] = 0xff, [12] = 192,
	    [14] = 2, [15] = 1 };
	struct sockaddr_in to = at(port);
	int64_t now = sst_clock_ms();
	char names[600];
	size_t len;
	int by_address, fd = forced_socket();

	sst_memo_add(there, "first.example", now);
	(void)sst_memo_use(there, now, names, sizeof(names), &len, &by_address);
	sst_memo_add(there, "second.example", now);
	sst_memo_add(here, "second.example", now);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)),
	    expected);
	(void)close(fd);
	return sst_memo_use(there, now, names, sizeof(names), &len, &by_address);
}

static void
a_connection_that_is_made_is_where_its_name_leads(void **state)
{
	(void)state;
	assert_int_equal(left_after(tls_there, 0), 2);
	/* Refused at once: the next address is tried. */
	assert_int_equal(left_after(tls_port[2], -1), 1);
}

static void
a_setting_that_fails_is_no_connection(void **state)
{
	struct sockaddr_in tls = at(tls_there);
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };
	int fd = forced_socket();

	(void)state;
	sst_memo_add(addr, "one.example", 1LL << 60);
	assert_int_equal(steer_agent(fd, AGENT_FAIL, EINVAL), 0);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(last_call(fd)[0], SST_WIRE_NAMES);
	/* An attempt is under way: what connect() says then counts. */
	assert_int_equal(steer_agent(fd, AGENT_FAIL, EOPNOTSUPP), 0);
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls)), 0);
	assert_int_equal(last_call(fd)[0], SST_WIRE_CONNECT);
	(void)close(fd);
}

static void
a_name_that_is_looked_up_is_remembered(void **state)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct sockaddr_in tls = at(tls_there);
	struct addrinfo *list = NULL;
	struct hostent *h;
	char text[300];
	int fd;

	(void)state;
	assert_int_equal(getaddrinfo("localhost", NULL, &hints, &list), 0);
	freeaddrinfo(list);
	fd = forced_socket();
	(void)sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls));
	memset(text, 0, sizeof(text));
	(void)ask_agent(fd, AGENT_NAMES, text, sizeof(text));
	assert_non_null(memmem(text, sizeof(text), "localhost", 10));
	(void)close(fd);
	/* By the older calls as well. */
	h = gethostbyname("localhost");
	assert_non_null(h);
	fd = forced_socket();
	(void)sst_connect(fd, (struct sockaddr *)&tls, sizeof(tls));
	memset(text, 0, sizeof(text));
	(void)ask_agent(fd, AGENT_NAMES, text, sizeof(text));
	assert_non_null(memmem(text, sizeof(text), "localhost", 10));
	(void)close(fd);
}

static void
a_plain_listener_from_elsewhere_becomes_tls_at_its_first_accept(void **state)
{
	int tls = raw_listener(tls_port[1]), plain = raw_listener(0), got;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	(void)state;
	(void)fcntl(tls, F_SETFL, O_NONBLOCK);
	assert_int_equal(sst_accept(tls, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(is_ours(tls));
	assert_int_equal(last_call(tls)[0], SST_WIRE_LISTEN);
	assert_int_equal(last_call(tls)[1], 7);
	assert_int_equal(last_call(tls)[2], SST_MODE_TLS);
	assert_int_equal(fcntl(tls, F_GETFD), FD_CLOEXEC);
	assert_int_equal(steer_agent(tls, AGENT_ISSUE, 1), 0);
	got = sst_accept(tls, (struct sockaddr *)&a, &len);
	assert_true(got >= 0);
	(void)close(got);
	(void)close(tls);
	/* One of another port is nobody's business. */
	(void)fcntl(plain, F_SETFL, O_NONBLOCK);
	assert_int_equal(sst_accept(plain, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(is_ours(plain));
	(void)close(plain);
}

static void
a_plain_socket_from_elsewhere_does_not_connect(void **state)
{
	struct sockaddr_in to = at(plain_there), a = at(tls_port[2]), any = at(0);
	int fd = raw_socket(), one = 1;

	(void)state;
	assert_int_equal(sst_connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EPERM);
	assert_non_null(strstr(last_sentence(), "sstool run"));
	/* Nor listens on a port that is TLS. */
	(void)syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(syscall(SYS_bind, fd, &a, sizeof(a)), 0);
	assert_int_equal(sst_listen(fd, 1), -1);
	assert_int_equal(errno, EPERM);
	(void)close(fd);
	fd = raw_socket();
	assert_int_equal(syscall(SYS_bind, fd, &any, sizeof(any)), 0);
	assert_int_equal(sst_listen(fd, 1), 0);
	(void)close(fd);
}

static void
a_plain_socket_from_elsewhere_does_not_connect_by_sending(void **state)
{
	struct sockaddr_in to = at(plain_there);
	char word[] = "word";
	struct iovec iov = { word, 4 };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to),
	    .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr some = { .msg_hdr = msg };
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd = raw_socket(), ours = forced_socket();
	int udp = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(sendto(fd, "word", 4, MSG_FASTOPEN, (struct sockaddr *)&to,
	    sizeof(to)), -1);
	assert_int_equal(errno, EPERM);
	assert_non_null(strstr(last_sentence(), "sstool run"));
	errno = 0;
	assert_int_equal(sendmsg(fd, &msg, MSG_FASTOPEN), -1);
	assert_int_equal(errno, EPERM);
	errno = 0;
	assert_int_equal(sendmmsg(fd, &some, 1, MSG_FASTOPEN), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(syscall(SYS_getpeername, fd, &peer, &len), -1);
	/* A socket of ours connects so, and what is no TCP has no such flag. */
	assert_int_equal(sendto(ours, "word", 4, MSG_FASTOPEN, (struct sockaddr *)&to,
	    sizeof(to)), 4);
	assert_int_equal(last_call(ours)[0], SST_WIRE_CONNECT);
	assert_int_equal(sendmmsg(udp, &some, 1, MSG_FASTOPEN), 1);
	(void)close(udp);
	(void)close(ours);
	(void)close(fd);
}

/* Chooses the ports, writes the policy, and starts this program again. */
static void
begin(char **argv)
{
	char policy[500], ports[100], dir[] = "/tmp/sst-forced-XXXXXX";
	int a[4], b, c;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(policy, sizeof(policy), "%s/chain", dir);
	f = fopen(policy, "w");
	(void)fputs("the chain", f);
	(void)fclose(f);
	(void)snprintf(policy, sizeof(policy), "%s/key", dir);
	f = fopen(policy, "w");
	(void)fputs("the key", f);
	(void)fclose(f);
	for (int i = 0; i < 4; i++)
		a[i] = raw_listener(0);
	b = raw_listener(0);
	c = raw_listener(0);
	(void)fcntl(b, F_SETFD, 0);
	(void)fcntl(c, F_SETFD, 0);
	(void)snprintf(ports, sizeof(ports), "%d %d %d %d %d %d %s", raw_port(a[0]),
	    raw_port(a[1]), raw_port(a[2]), raw_port(a[3]), raw_port(b), raw_port(c), dir);
	(void)snprintf(policy, sizeof(policy), "1\ntls *:%d\ntls *:%d\ntls *:%d\n"
	    "tls *:%d\ntls 127.0.0.1:%d\nchain %s/chain\nkey %s/key\n", raw_port(a[0]),
	    raw_port(a[1]), raw_port(a[2]), raw_port(a[3]), raw_port(b), dir, dir);
	(void)setenv(SST_POLICY_VAR, policy, 1);
	(void)setenv(NAME_VAR, ports, 1);
	(void)execv("/proc/self/exe", argv);
	_exit(3);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tcp_socket_is_ours_and_says_tcp),
		cmocka_unit_test(a_listener_is_tls_when_its_port_is),
		cmocka_unit_test(a_port_that_the_kernel_chooses_is_judged_as_well),
		cmocka_unit_test(a_connection_is_tls_when_its_port_is),
		cmocka_unit_test(a_connection_that_is_made_is_where_its_name_leads),
		cmocka_unit_test(a_setting_that_fails_is_no_connection),
		cmocka_unit_test(a_name_that_is_looked_up_is_remembered),
		cmocka_unit_test(a_plain_listener_from_elsewhere_becomes_tls_at_its_first_accept),
		cmocka_unit_test(a_plain_socket_from_elsewhere_does_not_connect),
		cmocka_unit_test(a_plain_socket_from_elsewhere_does_not_connect_by_sending),
	};
	char dir[64] = "", path[100];
	int rc;

	(void)argc;
	if (getenv(NAME_VAR) == NULL)
		begin(argv);
	if (sscanf(getenv(NAME_VAR), "%d %d %d %d %d %d %63s", &tls_port[0],
	    &tls_port[1], &tls_port[2], &tls_port[3], &tls_there, &plain_there, dir)
	    != 7)
		return 3;
	use_agent("");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)snprintf(path, sizeof(path), "%s/chain", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/key", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return rc;
}
