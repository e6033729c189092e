/* SPDX-License-Identifier: ISC */
/* options - how values travel: by value, on a lent socket, as descriptors. */
#include "program.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/wire.h"

struct seen {
	int	verb, a, b, c;
	char	data[70000];
};

/* What the agent saw last; the length of its data. */
static size_t
last_seen(int fd, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	return ask_agent(fd, AGENT_LAST, s, sizeof(*s)) - 4 * sizeof(int);
}

static int
get_int(int fd, int level, int option)
{
	int value = -77;
	socklen_t len = sizeof(value);

	assert_int_equal(sst_getsockopt(fd, level, option, &value, &len), 0);
	assert_int_equal(len, sizeof(value));
	return value;
}

static void
sk_102_type_domain_protocol_and_acceptconn(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), listener = tls_listener(), v = 0;
	socklen_t len = sizeof(v);

	(void)state;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TLS);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	assert_int_equal(get_int(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
	len = 2;
	v = -1;
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(v, (int)(0xffff0000u | IPPROTO_TLS));
	len = (socklen_t)-1;
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), -1);
	assert_int_equal(errno, EINVAL);
	len = sizeof(v);
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_TYPE, (void *)8, &len), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v,
	    (socklen_t *)8), -1);
	assert_int_equal(errno, EFAULT);
	(void)close(fd);
	fd = sst_socket(AF_INET6, SOCK_STREAM, IPPROTO_TLS);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	(void)close(fd);
	(void)close(listener);
}

static void
sk_103_ordinary_options_reach_the_tcp_socket_by_value(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), one = 1;
	struct seen s;

	(void)state;
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	errno = 0;
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one)), 0);
	assert_int_equal(errno, 0);
	assert_int_equal(last_seen(fd, &s), sizeof(one));
	assert_int_equal(s.verb, SST_WIRE_SET);
	assert_int_equal(s.a, IPPROTO_TCP);
	assert_int_equal(s.b, TCP_NODELAY);
	assert_int_not_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, 9999, &one, sizeof(one)), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one,
	    (socklen_t)-1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (void *)8,
	    sizeof(one)), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one,
	    sizeof(one)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	(void)close(fd);
}

static void
options_that_need_the_programs_rights_are_set_on_the_lent_socket(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), listener = tls_listener(), value = 5;
	int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sock_filter pass[] = { BPF_STMT(BPF_RET | BPF_K, 0xffff) };
	struct sock_fprog filter = { 1, pass };
	const int options[] = { SO_PRIORITY, SO_SNDBUFFORCE, SO_RCVBUFFORCE,
	    SO_MARK, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET,
	    SO_BINDTOIFINDEX };
	struct seen s;

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int r = sst_setsockopt(fd, SOL_SOCKET, options[i], &value,
		    sizeof(value));

		assert_true(r == 0 || errno == EPERM);
		(void)last_seen(fd, &s);
		assert_int_equal(s.verb, SST_WIRE_LEND);
	}
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_PRIORITY), 5);
	/* A pointer of the program: only a call of the program can pass it. A
	 * kernel may forbid it to some users, on any socket. */
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
	    sizeof(filter)), setsockopt(plain, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
	    sizeof(filter)));
	(void)close(plain);
	(void)last_seen(fd, &s);
	assert_int_equal(s.verb, SST_WIRE_LEND);
	/* Never once it listens: then it goes by value, or not at all. */
	(void)sst_setsockopt(listener, SOL_SOCKET, SO_PRIORITY, &value,
	    sizeof(value));
	(void)last_seen(listener, &s);
	assert_int_equal(s.verb, SST_WIRE_SET);
	assert_int_equal(sst_setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER,
	    &filter, sizeof(filter)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	(void)close(fd);
	(void)close(listener);
}

static void
timeouts_are_the_descriptors_own_and_told_to_the_relay(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct timeval t = { 3, 250000 }, got = { 0 };
	socklen_t len = sizeof(got);
	struct seen s;

	(void)state;
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)),
	    0);
	assert_int_equal(last_seen(fd, &s), sizeof(t));
	assert_int_equal(s.verb, SST_WIRE_SET);
	assert_int_equal(s.b, SO_RCVTIMEO);
	assert_int_equal(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &got,
	    &len), 0);
	assert_int_equal(got.tv_sec, 3);
	got.tv_sec = 0;
	assert_int_equal(sst_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len), 0);
	assert_int_equal(got.tv_sec, 3);
	t.tv_usec = 2000000;
	assert_int_equal(sst_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)),
	    -1);
	assert_int_equal(errno, EDOM);
	(void)close(fd);
}

static void
a_pending_error_of_the_descriptor_is_told_once(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	struct seen s;

	(void)state;
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	(void)last_seen(fd, &s);
	assert_int_equal(s.verb, SST_WIRE_GET);
	assert_int_equal(s.b, SO_ERROR);
	(void)close(fd);
}

static void
tls_options_follow_the_table(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), v = TLS_1_3;
	char text[8] = "";
	socklen_t len = sizeof(text);
	struct seen s;

	(void)state;
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, "a.example", 9),
	    0);
	assert_int_equal(last_seen(fd, &s), 9);
	assert_int_equal(s.a, IPPROTO_TLS);
	assert_int_equal(s.b, TLS_HOSTNAME);
	assert_memory_equal(s.data, "a.example", 9);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, NULL, 0), 0);
	assert_int_equal(last_seen(fd, &s), 0);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_VERSION_MIN, &v,
	    sizeof(v)), 0);
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, text, &len), 0);
	assert_string_equal(text, "value");
	assert_int_equal(len, 6);
	len = 3;
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, text, &len), 0);
	assert_int_equal(len, 3);
	(void)last_seen(fd, &s);
	assert_int_equal(s.c, 3);
	/* Not in the table, only readable, never readable. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, 9999, &v, sizeof(v)), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_0RTT, &v, sizeof(v)), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_ID, &v, sizeof(v)), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_non_null(strstr(last_sentence(), "TLS_ID can only be read"));
	len = sizeof(text);
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, text, &len),
	    -1);
	assert_int_equal(errno, ENOPROTOOPT);
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, 9999, text, &len), -1);
	assert_int_equal(errno, ENOPROTOOPT);
	(void)close(fd);
}

static char dir[64];

static int
make_dir(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/sst-options-XXXXXX");
	return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int
drop_dir(void **state)
{
	(void)state;
	(void)unlink("cert.pem");
	return chdir("/") < 0 ? -1 : rmdir(dir);
}

static void
write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void
a_path_goes_as_an_open_descriptor_with_its_absolute_name(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), before;
	char content[64] = "", want[128];
	struct seen s;
	size_t n;

	(void)state;
	write_file("cert.pem", "the certificate");
	before = open_descriptors();
	/* Longer than the string, as programs that pass sizeof do. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    "cert.pem\0garbage", 17), 0);
	assert_int_equal(open_descriptors(), before);
	n = last_seen(fd, &s);
	assert_int_equal(s.verb, SST_WIRE_FILE);
	assert_int_equal(s.a, IPPROTO_TLS);
	assert_int_equal(s.b, TLS_CERTIFICATE_CHAIN);
	(void)snprintf(want, sizeof(want), "%s/cert.pem", dir);
	assert_int_equal(n, strlen(want) + 1);
	assert_string_equal(s.data, want);
	assert_int_equal(ask_agent(fd, AGENT_FILE, content, sizeof(content)), 15);
	assert_string_equal(content, "the certificate");
	/* An absolute one stays, and optlen may leave the NUL out. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, want,
	    (socklen_t)strlen(want)), 0);
	(void)last_seen(fd, &s);
	assert_string_equal(s.data, want);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, "tmp",
	    3), 0);
	(void)last_seen(fd, &s);
	assert_string_equal(s.data, "/tmp");
	assert_int_equal(chdir(dir), 0);
	(void)close(fd);
}

static void
a_file_that_cannot_be_opened_has_the_kernels_errno(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	char text[256] = "", longest[5000];
	socklen_t len = sizeof(text);

	(void)state;
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    "no\nsuch", 7), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(last_sentence(),
	    "no\\x0asuch: No such file or directory");
	/* The relay knows nothing of it; the descriptor's text is ours. */
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len), 0);
	assert_string_equal(text, "no\\x0asuch: No such file or directory");
	assert_int_equal(len, strlen(text) + 1);
	len = 6;
	memset(text, 'x', sizeof(text));
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len), 0);
	assert_string_equal(text, "no\\x0");
	assert_int_equal(len, 6);
	/* After a call that succeeds it is the relay's again. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_ALPN, "h2", 2), 0);
	len = sizeof(text);
	assert_int_equal(sst_getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len), 0);
	assert_string_equal(text, "value");
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, "", 1),
	    -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, "", 0),
	    -1);
	assert_int_equal(errno, EINVAL);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    longest, sizeof(longest)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    (void *)8, 20), -1);
	assert_int_equal(errno, EFAULT);
	(void)close(fd);
}

static void
expect_bytes(int fd, const void *bytes, size_t len)
{
	char content[65536];
	struct seen s;

	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, bytes,
	    (socklen_t)len), 0);
	assert_int_equal(last_seen(fd, &s), 1);
	assert_int_equal(s.verb, SST_WIRE_FILE);
	assert_string_equal(s.data, "");
	assert_int_equal(ask_agent(fd, AGENT_FILE, content, sizeof(content)), len);
	assert_memory_equal(content, bytes, len);
}

static void
bytes_travel_as_sealed_memory(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), before = open_descriptors();
	unsigned char der[300] = { 0x30, 0x82, 0x01, 0x28 };
	unsigned char key[48] = { 0x30, 46, 0x02, 0x01, 0x00 };
	char *large = test_malloc(2 << 20);

	(void)state;
	expect_bytes(fd, "-----BEGIN CERTIFICATE-----\nMII", 31);
	expect_bytes(fd, der, sizeof(der));
	expect_bytes(fd, key, sizeof(key));
	assert_int_equal(open_descriptors(), before);
	memset(large, 'A', 2 << 20);
	memcpy(large, "-----BEGIN", 10);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, large,
	    1 << 20), 0);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, large,
	    (1 << 20) + 1), -1);
	assert_int_equal(errno, EINVAL);
	test_free(large);
	(void)close(fd);
}

static void
a_path_that_resembles_der_is_a_path(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	unsigned char der[300] = { 0x30, 0x82, 0x01, 0x29 };

	(void)state;
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    "0.0123456789012345678901234567890123456789012345", 48), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    "0\xc3\xa9.pem/x", 9), -1);
	assert_int_equal(errno, ENOENT);
	/* One byte more than there is: no whole SEQUENCE. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, der,
	    sizeof(der)), -1);
	assert_int_equal(errno, ENOENT);
	(void)close(fd);
}

static void
a_value_is_never_read_beyond_its_length(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC);
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct seen s;

	(void)state;
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	write_file("cert.pem", "x");
	memcpy(page + 4096 - 8, "cert.pem", 8);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    page + 4096 - 8, 8), 0);
	/* The length reaches into nothing, and no NUL comes before that. */
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    page + 4096 - 8, 9), -1);
	assert_int_equal(errno, EFAULT);
	/* A NUL before the end of memory ends the value. */
	memcpy(page + 4096 - 9, "cert.pem", 9);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    page + 4096 - 9, 4096), 0);
	(void)last_seen(fd, &s);
	assert_non_null(strstr(s.data, "/cert.pem"));
	(void)munmap(page, 8192);
	(void)close(fd);
}

static void
removal_names_a_path_as_it_was_set(void **state)
{
	const char digest[] =
	    "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";
	int fd = tls_socket(SOCK_CLOEXEC);
	char want[128];
	struct seen s;

	(void)state;
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE, "*",
	    1), 0);
	(void)last_seen(fd, &s);
	assert_string_equal(s.data, "*");
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE,
	    digest, 64), 0);
	(void)last_seen(fd, &s);
	assert_string_equal(s.data, digest);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE,
	    "acme:a.example", 14), 0);
	(void)last_seen(fd, &s);
	assert_string_equal(s.data, "acme:a.example");
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE,
	    digest, 63), 0);
	(void)last_seen(fd, &s);
	assert_int_equal(s.data[0], '/');
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE,
	    "gone.pem", 9), 0);
	assert_int_equal(s.verb, SST_WIRE_SET);
	(void)last_seen(fd, &s);
	(void)snprintf(want, sizeof(want), "%s/gone.pem", dir);
	assert_string_equal(s.data, want);
	assert_int_equal(sst_setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_REMOVE, "",
	    1), -1);
	assert_int_equal(errno, EINVAL);
	(void)close(fd);
}

static int
no_failure_yet(void)
{
	char text[8];
	socklen_t len = sizeof(text);

	CHECK(sst_getsockopt(-1, IPPROTO_TLS, TLS_ERROR, text, &len) == -1 &&
	    errno == ENODATA);
	CHECK(sst_getsockopt(-1, IPPROTO_TLS, TLS_ID, text, &len) == -1 &&
	    errno == EBADF);
	CHECK(sst_setsockopt(-1, IPPROTO_TLS, TLS_ERROR, text, len) == -1 &&
	    errno == EBADF);
	return 0;
}

static void
descriptor_minus_one_has_the_threads_last_error_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(no_failure_yet), 0);
}

static int
long_variable(void)
{
	char path[300];

	memset(path, 'a', sizeof(path));
	path[299] = '\0';
	use_agent("");
	(void)setenv("SSL_CERT_DIR", path, 1);
	CHECK(sst_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS) == -1 &&
	    errno == ENOBUFS);
	CHECK(strstr(last_sentence(), "SSL_CERT_DIR is too long") != NULL);
	return 0;
}

static int
trust_settings(void)
{
	struct { int head[4]; struct sst_wire_new data; } s;
	int fd;

	use_agent("");
	(void)setenv("SSL_CERT_FILE", "/some/file", 1);
	(void)setenv("SSL_CERT_DIR", "/some/dir", 1);
	fd = sst_socket(AF_INET6, SOCK_STREAM, IPPROTO_TLS);
	CHECK(fd >= 0);
	CHECK(ask_agent(fd, AGENT_LAST, &s, sizeof(s)) == sizeof(s));
	CHECK(s.head[0] == SST_WIRE_NEW && s.head[1] == AF_INET6);
	CHECK(strcmp(s.data.cert_file, "/some/file") == 0);
	CHECK(strcmp(s.data.cert_dir, "/some/dir") == 0);
	return 0;
}

static void
the_trust_settings_of_the_process_go_with_its_sockets(void **state)
{
	(void)state;
	assert_int_equal(in_child(trust_settings), 0);
	assert_int_equal(in_child(long_variable), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_minus_one_has_the_threads_last_error_only),
		cmocka_unit_test(the_trust_settings_of_the_process_go_with_its_sockets),
		cmocka_unit_test(sk_102_type_domain_protocol_and_acceptconn),
		cmocka_unit_test(sk_103_ordinary_options_reach_the_tcp_socket_by_value),
		cmocka_unit_test(
		    options_that_need_the_programs_rights_are_set_on_the_lent_socket),
		cmocka_unit_test(timeouts_are_the_descriptors_own_and_told_to_the_relay),
		cmocka_unit_test(a_pending_error_of_the_descriptor_is_told_once),
		cmocka_unit_test(tls_options_follow_the_table),
		cmocka_unit_test(
		    a_path_goes_as_an_open_descriptor_with_its_absolute_name),
		cmocka_unit_test(a_file_that_cannot_be_opened_has_the_kernels_errno),
		cmocka_unit_test(bytes_travel_as_sealed_memory),
		cmocka_unit_test(a_path_that_resembles_der_is_a_path),
		cmocka_unit_test(a_value_is_never_read_beyond_its_length),
		cmocka_unit_test(removal_names_a_path_as_it_was_set),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
