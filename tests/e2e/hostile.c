/* SPDX-License-Identifier: ISC */
/* hostile - what strangers send costs the listener nothing and gets them nothing. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sockname.h"
#include "base/wire.h"
#include "ours.h"

#define A_WHILE	60	/* ms in which nothing may happen */

/* --- ClientHellos by hand ---------------------------------------------------------- */
struct bytes {
	unsigned char	data[2048];
	size_t		len;
};

static void
put(struct bytes *b, const void *bytes, size_t len)
{
	want(b->len + len <= sizeof(b->data));
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
}

static void
put16(struct bytes *b, size_t n)
{
	unsigned char two[] = { (unsigned char)(n >> 8), (unsigned char)n };

	put(b, two, 2);
}

/* A hello of TLS 1.3 that asks for these bytes as its name. */
static void
make_hello(struct bytes *out, const void *name, size_t len)
{
	static const unsigned char fixed[] = {
		0, 43, 0, 5, 4, 3, 4, 3, 3,			/* versions */
		0, 10, 0, 4, 0, 2, 0, 29,			/* groups: x25519 */
		0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1,		/* sigalgs */
		0, 51, 0, 38, 0, 36, 0, 29, 0, 32,		/* key_share */
		9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	/* the base point */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const unsigned char suites[] = { 0, 4, 0x13, 1, 0xc0, 0x2b, 1, 0 };
	unsigned char random[32];
	size_t extensions = 9 + len + sizeof(fixed), body;

	fill(random, sizeof(random), 17);
	body = 2 + 32 + 1 + sizeof(suites) + 2 + extensions;
	out->len = 0;
	put(out, "\x16\x03\x01", 3);
	put16(out, body + 4);
	put(out, "\x01\x00", 2);
	put16(out, body);
	put(out, "\x03\x03", 2);
	put(out, random, 32);
	put(out, "", 1);
	put(out, suites, sizeof(suites));
	put16(out, extensions);
	put16(out, 0);
	put16(out, len + 5);
	put16(out, len + 3);
	put(out, "", 1);
	put16(out, len);
	put(out, name, len);
	put(out, fixed, sizeof(fixed));
}

/* First byte of the answer: 0x16 a handshake, 0x15 an alert, -1 none. */
static int
answer_to(const struct addr *at, const struct bytes *hello)
{
	unsigned char first = 0;
	int fd = tcp_dial(at), kind = -1;

	want_eq(write(fd, hello->data, hello->len), hello->len);
	if (read(fd, &first, 1) == 1)
		kind = first;
	(void)close(fd);
	return kind;
}

static void
want_good_client(const struct addr *at, int l)
{
	int s;

	want_served(at, "one.example", NULL, world.one);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	s = ours_accept(l);
	want_eq(strcmp(ours_get(s, TLS_HOSTNAME), "one.example"), 0);
	(void)close(s);
}

/* What the pair and the shim write to descriptor 2 is kept in this file. */
static void
keep_stderr(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);

	want(fd >= 0);
	want_eq(dup2(fd, 2), 2);
	(void)close(fd);
}

static void
want_no_raw_bytes(const char *path)
{
	FILE *f = fopen(path, "re");
	int c;

	want(f != NULL);
	while ((c = getc(f)) != EOF)
		if ((c < 0x20 && c != '\n' && c != '\t') || c > 0x7e)
			world_fail(__FILE__, __LINE__, "byte %d in the log", c);
	(void)fclose(f);
}

COLD_SCENE(names_that_are_no_names_reach_nothing)
{
	static char many[256];
	static const struct {
		const char	*name;
		size_t		 len;
	} bad[] = {
		{ "one\0.example", 12 }, { "one.example\0", 12 }, { "\0", 1 }, { "", 0 },
		{ "one\x01.example", 12 }, { "\x1b[31mred\x1b[0m", 12 },
		{ "one\n.example", 12 }, { "one\r\nx", 6 }, { "\xff\xfe", 2 },
		{ "\xc3\x89" "cole.example", 14 }, { many, 256 }, { many, 255 },
		{ "..", 2 }, { ".", 1 }, { "one..example", 12 }, { ".one.example", 12 },
		{ "one.example..", 13 }, { "../../etc/passwd", 16 }, { "one/example", 11 },
		{ "*.example", 9 }, { "one example", 11 }, { "%00", 3 }, { "%s%n", 4 },
		{ "one.example:443", 15 }, { "'; drop table names; --", 23 },
	};
	struct bytes hello;
	struct addr at;
	char log[700];
	int l;

	(void)snprintf(log, sizeof(log), "%s/log", world.dir);
	keep_stderr(log);
	memset(many, 'a', sizeof(many));
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	make_hello(&hello, "one.example", 11);
	want_eq(answer_to(&at, &hello), 0x16);
	make_hello(&hello, "one.example.", 12);
	want_eq(answer_to(&at, &hello), 0x16);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		socklen_t len = 600;
		char text[600];

		make_hello(&hello, bad[i].name, bad[i].len);
		if (answer_to(&at, &hello) != 0x15)
			world_fail(__FILE__, __LINE__, "name %zu was answered", i);
		/* A stranger's failure is no error of the program's socket. */
		want_errno(getsockopt(l, IPPROTO_TLS, TLS_ERROR, text, &len), ENODATA);
	}
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_good_client(&at, l);
	want_no_raw_bytes(log);
	(void)close(l);
}

/* --- clients that are no TLS clients --------------------------------------------- */
SCENE(sk_36_a_plain_http_client_is_dropped_and_never_accepted)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), c;
	char answer[100];
	ssize_t n;

	for (int i = 0; i < 3; i++) {
		c = tcp_dial(&at);
		want_eq(write(c, "GET / HTTP/1.0\r\n\r\n", 18), 18);
		n = read(c, answer, sizeof(answer));
		want(n <= 0 || answer[0] == 0x15);	/* an alert, no page */
		(void)tcp_drain(c);
		(void)close(c);
	}
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_good_client(&at, l);
	(void)close(l);
}

SCENE(garbage_of_every_kind_leaves_the_listener_alone)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	unsigned char junk[3000];
	struct bytes hello;

	for (unsigned int i = 0; i < 40; i++) {
		int c = tcp_dial(&at);
		size_t len;

		if (i < 20) {
			len = 1 + i * 150;
			fill(junk, sizeof(junk), i);
			if (i % 2)
				memcpy(junk, "\x16\x03\x01\x40\x00\x01", 6);
		} else {
			/* A good hello with one byte changed, or cut off. */
			make_hello(&hello, "one.example", 11);
			hello.data[(i * 37) % hello.len] ^= 0x41;
			len = i % 3 ? hello.len : hello.len / 2;
			memcpy(junk, hello.data, len);
		}
		(void)send(c, junk, len, MSG_NOSIGNAL);
		(void)shutdown(c, SHUT_WR);
		(void)tcp_drain(c);
		(void)close(c);
	}
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	want_good_client(&at, l);
	(void)close(l);
}

SCENE(sk_35_silent_clients_delay_nobody)
{
	enum { MANY = 50 };
	struct addr at;
	int silent[MANY], l = ours_listener(&at, world.families[0], world.one_file, NULL);
	long long before;

	for (int i = 0; i < MANY; i++)
		silent[i] = tcp_dial(&at);
	want_eq(ours_poll(l, POLLIN, A_WHILE), 0);
	before = world_now_ms();
	want_good_client(&at, l);
	want(world_now_ms() - before < 1000 * WORLD_SLOW);
	for (int i = 0; i < MANY; i++)
		(void)close(silent[i]);
	want_good_client(&at, l);
	(void)close(l);
}

/* More than may shake hands at once from one address: the oldest goes. */
SCENE(a_flood_of_silent_clients_from_one_address_shuts_nobody_out)
{
	enum { MANY = 300 };
	struct addr at;
	int silent[MANY], l = ours_listener(&at, world.families[0], world.one_file, NULL);
	long long before;

	for (int i = 0; i < MANY; i++) {
		struct addr from;

		silent[i] = socket(world.families[0], SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (world.families[0] == AF_INET) {
			addr_loop(&from, AF_INET, 0);
			from.u.v4.sin_addr.s_addr = htonl(0x7f000902);
			want_eq(bind(silent[i], &from.u.any, from.len), 0);
		}
		(void)connect(silent[i], &at.u.any, at.len);
	}
	before = world_now_ms();
	want_good_client(&at, l);
	want(world_now_ms() - before < 3000 * WORLD_SLOW);
	for (int i = 0; i < MANY; i++)
		(void)close(silent[i]);
	(void)close(l);
}

/* A connection from an address of its own below 127.9. */
static int
dial_from(const struct addr *at, unsigned int low)
{
	struct addr from;
	int fd = socket(world.families[0], SOCK_STREAM | SOCK_NONBLOCK, 0);

	want(fd >= 0);
	if (world.families[0] == AF_INET) {
		addr_loop(&from, AF_INET, 0);
		from.u.v4.sin_addr.s_addr = htonl(0x7f090000 + low);
		want_eq(bind(fd, &from.u.any, from.len), 0);
	}
	(void)connect(fd, &at->u.any, at->len);
	return fd;
}

/* Each has its ServerHello, and says nothing more: the listener is full of them,
 * and who comes then need not wait for their deadline. */
SCENE(clients_that_never_finish_shut_nobody_out)
{
	enum { MANY = 1024, EACH = 64 };	/* as many as a listener has */
	static int stuck[MANY];
	struct bytes hello;
	struct addr at;
	struct rlimit files;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	long long before;
	char first;

	want_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	want_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	make_hello(&hello, "one.example", 11);
	for (unsigned int i = 0; i < MANY; i++) {
		int fd = stuck[i] = dial_from(&at, 256 * (i / EACH) + 1);

		want(ours_poll(fd, POLLOUT, WORLD_PATIENCE_MS) != 0);
		want_eq(write(fd, hello.data, hello.len), hello.len);
		if (world.families[0] == AF_INET) {
			want_eq(ours_poll(fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
			want_eq(recv(fd, &first, 1, MSG_PEEK), 1);
			want_eq(first, 0x16);
		}
	}
	before = world_now_ms();
	want_good_client(&at, l);
	want(world_now_ms() - before < 3000 * WORLD_SLOW);
	for (int i = 0; i < MANY; i++)
		(void)close(stuck[i]);
	(void)close(l);
}

SCENE(a_silent_client_is_dropped_at_the_deadline)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]), c;

	want_eq(ours_set_int(l, TLS_HANDSHAKE_TIMEOUT, 100), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	c = tcp_dial(&at);
	(void)tcp_drain(c);	/* ends by itself: the scene has a deadline */
	(void)close(c);
	want_good_client(&at, l);
	(void)close(l);
}

SCENE(a_client_that_sends_byte_by_byte_is_served_and_delays_nobody)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), c, s;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *wire = BIO_new(BIO_s_mem());
	char hello[2048];
	int n;

	want(ssl != NULL && wire != NULL);
	c = tcp_dial(&at);
	want_eq(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), 0);
	SSL_set0_wbio(ssl, wire);
	SSL_set0_rbio(ssl, BIO_new_socket(c, BIO_NOCLOSE));
	want(SSL_set_tlsext_host_name(ssl, "one.example"));
	want_eq(fcntl(c, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_eq(SSL_connect(ssl), -1);
	n = BIO_read(wire, hello, sizeof(hello));
	want(n > 100);
	for (int i = 0; i < n; i++) {
		want_eq(write(c, hello + i, 1), 1);
		if (i % 100 == 50)
			want_good_client(&at, l);
		else if (i % 10 == 0)
			world_breathe();
	}
	SSL_set0_wbio(ssl, BIO_new_socket(c, BIO_NOCLOSE));
	want_eq(fcntl(c, F_SETFL, O_RDWR), 0);
	want_eq(SSL_connect(ssl), 1);
	s = ours_accept(l);
	want_eq(strcmp(ours_get(s, TLS_HOSTNAME), "one.example"), 0);
	want_eq(SSL_write(ssl, "x", 1), 1);
	ours_read(s, &(char){ 0 }, 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(s);
	(void)close(c);
	(void)close(l);
}

/* --- strangers at the door -------------------------------------------------------------- */
/* One message to a door of the pair behind `fd`; the answer's head and data. */
struct ask {
	char		which;
	uint16_t	verb;
	int		fds[2];		/* -1: none */
	const void	*data;
	size_t		len;
	const uint8_t	*secret;
	int		 family;	/* NEW */
};

static int
ask_door(const char door[16], const struct ask *a, struct sst_wire_head *ret, int *ret_fd)
{
	struct sockaddr_un to;
	struct sst_wire_head head;
	struct timeval patience = { .tv_sec = 5 };
	socklen_t len = sst_wire_door(&to, door, a->which);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), n = 0;
	char data[2000];
	long rc = -1;

	want(fd >= 0);
	*ret_fd = -1;
	memset(ret, 0, sizeof(*ret));
	ret->a = -1;
	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	sst_wire_init(&head, a->verb);
	head.a = a->family;
	if (a->secret != NULL)
		memcpy(head.secret, a->secret, SST_SECRET_LEN);
	while (n < 2 && a->fds[n] >= 0)
		n++;
	if (connect(fd, (struct sockaddr *)&to, len) == 0 &&
	    sst_wire_send(fd, &head, a->data, a->len, a->fds, (size_t)n) == 0)
		rc = sst_wire_recv(fd, ret, data, sizeof(data), ret_fd, 1);
	(void)close(fd);
	return rc < 0 ? -1 : 0;
}

static void
name_of(int fd, struct sockaddr_un *raw, socklen_t *len, struct sst_sockname *name)
{
	*len = sizeof(*raw);
	want_eq(syscall(SYS_getsockname, fd, raw, len), 0);
	want_eq(sst_sockname_decode(raw, *len, name), 1);
}

/* Whether the relay did anything for this descriptor. */
static int
is_served(const char door[16], int fd, uint16_t verb)
{
	struct sst_wire_head answer;
	struct ask a = { .which = 'r', .verb = verb, .fds = { fd, -1 } };
	int lent = -1, rc;

	rc = ask_door(door, &a, &answer, &lent);
	if (lent >= 0)
		(void)close(lent);
	return rc == 0 && (answer.a >= 0 || lent >= 0);
}

/* Half-open calls, more than the relay waits for, at both doors. */
SCENE(strangers_who_knock_and_say_nothing_hold_up_no_call)
{
	enum { MANY = 300 };
	struct sockaddr_un to;
	struct sst_sockname name;
	struct addr at;
	socklen_t len = sizeof(to);
	int silent[2][MANY], fd = ours_bound(&at, world.families[0]);
	long long before;

	name_of(fd, &to, &len, &name);
	for (int i = 0; i < 2 * MANY; i++) {
		int *knock = &silent[i / MANY][i % MANY];

		len = sst_wire_door(&to, name.door, i < MANY ? 'r' : 'k');
		*knock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		want(*knock >= 0);
		want_eq(connect(*knock, (struct sockaddr *)&to, len), 0);
	}
	before = world_now_ms();
	want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(fd, 8), 0);
	want(world_now_ms() - before < SST_WIRE_TIMEOUT_MS / 2);
	for (int i = 0; i < 2 * MANY; i++)
		(void)close(silent[i / MANY][i % MANY]);
	want_good_client(&at, fd);
	(void)close(fd);
}

SCENE(who_binds_the_name_of_a_closed_socket_gets_nothing)
{
	struct sockaddr_un raw;
	struct sst_sockname name;
	struct addr a;
	socklen_t len;
	int real = ours_socket(world.families[0], 0), fake;

	name_of(real, &raw, &len, &name);
	want(is_served(name.door, real, SST_WIRE_SOCKNAME));
	want(is_served(name.door, real, SST_WIRE_LEND));
	(void)close(real);

	/* The relay's copies, which came with the calls, go a moment later. */
	fake = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want_soon(syscall(SYS_bind, fake, &raw, len) == 0);
	want(!is_served(name.door, fake, SST_WIRE_SOCKNAME));
	want(!is_served(name.door, fake, SST_WIRE_LEND));
	want(!is_served(name.door, fake, SST_WIRE_LISTEN));
	addr_loop(&a, world.families[0], 0);
	want_eq(bind(fake, &a.u.any, a.len), -1);
	want_eq(ours_set(fake, TLS_CERTIFICATE_CHAIN, world.one_file), -1);
	want_eq(listen(fake, 1), -1);
	(void)close(fake);
}

/* The descriptor's name goes on a socket while the true one lives elsewhere. */
SCENE(an_invented_name_gets_nothing)
{
	struct sockaddr_un raw;
	struct sst_sockname name;
	socklen_t len;
	int real = ours_socket(world.families[0], 0), fake;

	name_of(real, &raw, &len, &name);
	name.serial++;
	len = sst_sockname_encode(&name, &raw);
	fake = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want_eq(syscall(SYS_bind, fake, &raw, len), 0);
	want(!is_served(name.door, fake, SST_WIRE_SOCKNAME));
	want(!is_served(name.door, fake, SST_WIRE_LEND));
	want(is_served(name.door, real, SST_WIRE_SOCKNAME));
	(void)close(fake);
	(void)close(real);
}

/* A new socket needs the secret; a made-up one is refused. */
static void
try_without_secret(int ch, void *arg)
{
	const char *door = arg;
	struct sst_wire_new settings = { .cert_file = "" };
	static const uint8_t guess[SST_SECRET_LEN] = { 1, 2, 3 };
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE,
	    .family = world.families[0], .serial = 12345 };
	struct sockaddr_un raw;
	struct sst_wire_head answer;
	struct ask a = { .which = 'r', .verb = SST_WIRE_NEW, .data = &settings,
	    .len = sizeof(settings), .family = world.families[0] };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), got;
	socklen_t len;

	if (geteuid() == 0)
		want_eq(setuid(65534), 0);
	memcpy(name.door, door, 16);
	len = sst_sockname_encode(&name, &raw);
	want_eq(syscall(SYS_bind, fd, &raw, len), 0);
	a.fds[0] = fd;
	a.fds[1] = -1;
	for (int i = 0; i < 2; i++) {
		a.secret = i == 0 ? NULL : guess;
		if (ask_door(door, &a, &answer, &got) == 0)
			want(answer.a < 0);
		want_eq(got, -1);
		want(!is_served(door, fd, SST_WIRE_SOCKNAME));
	}
	/* A file is not opened for the asking either. */
	a.which = 'k';
	a.verb = SST_WIRE_FILE;
	a.data = world.one_file;
	a.len = strlen(world.one_file) + 1;
	a.fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (ask_door(door, &a, &answer, &got) == 0)
		want(answer.a < 0);
	want_eq(got, -1);
	prog_tell(ch);
}

/* The same message with the right secret, and with one bit of it changed. */
COLD_SCENE(a_new_socket_is_made_for_who_shows_the_secret)
{
	struct sst_wire_start start = { .idle_ms = UINT32_MAX, .secret = "fifteen letters" };
	struct sst_wire_new settings = { .cert_file = "" };
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE,
	    .family = world.families[0], .serial = 7 };
	struct ask a = { .which = 'r', .verb = SST_WIRE_NEW, .data = &settings,
	    .len = sizeof(settings), .family = world.families[0],
	    .secret = start.secret };
	struct sst_wire_hello hello;
	struct sst_wire_head answer;
	struct sockaddr_un raw;
	struct prog keeper;
	int got;

	want_eq(sst_wire_door_random(start.door), 0);
	memcpy(name.door, start.door, 16);
	prog_keeper(&keeper, &start, &hello);
	for (int i = 0; i < 9; i++) {
		socklen_t len;

		name.serial++;
		len = sst_sockname_encode(&name, &raw);
		a.fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		a.fds[1] = -1;
		want_eq(syscall(SYS_bind, a.fds[0], &raw, len), 0);
		if (i > 0)
			start.secret[2 * i - 1] ^= 1u << (i % 8);
		want_eq(ask_door(start.door, &a, &answer, &got), 0);
		want_eq(answer.a >= 0, i == 0);
		want_eq(is_served(start.door, a.fds[0], SST_WIRE_SOCKNAME), i == 0);
		if (i > 0)
			start.secret[2 * i - 1] ^= 1u << (i % 8);
		(void)close(a.fds[0]);
	}
	want_eq(kill(keeper.pid, SIGTERM), 0);
	prog_end(&keeper);
}

SCENE(a_stranger_who_knows_the_door_gets_nothing)
{
	struct sockaddr_un raw;
	struct sst_sockname name;
	struct prog p;
	struct addr at;
	socklen_t len;
	int real = ours_socket(world.families[0], 0), l, squat;

	name_of(real, &raw, &len, &name);
	prog_start(&p, try_without_secret, name.door);
	prog_await(p.ch);
	prog_end(&p);
	/* Nor can the door be taken while it stands. */
	squat = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	len = sst_wire_door(&raw, name.door, 'r');
	want_errno(bind(squat, (struct sockaddr *)&raw, len), EADDRINUSE);
	(void)close(squat);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_good_client(&at, l);
	(void)close(l);
	(void)close(real);
}

/* Garbage on the doors themselves. */
SCENE(nonsense_at_the_door_leaves_the_pair_alone)
{
	struct sockaddr_un raw;
	struct sst_sockname name;
	struct addr at;
	socklen_t len;
	int real = ours_socket(world.families[0], 0), l;
	unsigned char junk[3000];

	name_of(real, &raw, &len, &name);
	for (unsigned int i = 0; i < 60; i++) {
		struct sst_wire_head head;
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		len = sst_wire_door(&raw, name.door, i % 2 ? 'r' : 'k');
		want_eq(connect(fd, (struct sockaddr *)&raw, len), 0);
		fill(junk, sizeof(junk), i);
		sst_wire_init(&head, (uint16_t)i);
		if (i % 3 == 0)
			head.version++;
		if (i % 5 != 0)
			memcpy(junk, &head, sizeof(head));
		(void)send(fd, junk, i % 7 == 0 ? 10 : sizeof(head) + i, MSG_NOSIGNAL);
		(void)close(fd);
	}
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_good_client(&at, l);
	want(is_served(name.door, real, SST_WIRE_SOCKNAME));
	(void)close(l);
	(void)close(real);
}

/* The pair is dead, and somebody sits at its door: he learns no secret. */
static void
squat(int ch, void *arg)
{
	const char *door = arg;
	struct sockaddr_un raw;
	int fd[2];

	for (int i = 0; i < 2; i++) {
		socklen_t len = sst_wire_door(&raw, door, i == 0 ? 'r' : 'k');

		fd[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		want_soon(bind(fd[i], (struct sockaddr *)&raw, len) == 0);
		want_eq(listen(fd[i], 8), 0);
	}
	prog_tell(ch);
	prog_await(ch);
	for (int i = 0; i < 2; i++) {
		char heard[200];
		int c;

		want_eq(fcntl(fd[i], F_SETFL, O_RDWR | O_NONBLOCK), 0);
		while ((c = accept(fd[i], NULL, NULL)) >= 0) {
			want_eq(recv(c, heard, sizeof(heard), MSG_DONTWAIT) > 0, 0);
			(void)close(c);
		}
	}
}

COLD_SCENE(a_dead_pairs_door_in_foreign_hands_is_told_nothing)
{
	struct sockaddr_un raw;
	struct sst_sockname name, fresh;
	struct prog p;
	struct addr at;
	socklen_t len;
	pid_t keeper, relay;
	int fd = ours_socket(world.families[0], 0), l;

	name_of(fd, &raw, &len, &name);
	want_eq(world_pair(fd, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGKILL), 0);
	want_eq(kill(relay, SIGKILL), 0);
	want_soon(!world_alive(keeper) && !world_alive(relay));
	prog_start(&p, squat, name.door);
	prog_await(p.ch);
	(void)close(fd);
	fd = ours_socket(world.families[0], 0);
	name_of(fd, &raw, &len, &fresh);
	want(memcmp(fresh.door, name.door, 16) != 0);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_good_client(&at, l);
	prog_tell(p.ch);
	prog_end(&p);
	(void)close(l);
	(void)close(fd);
}

SCENE(sk_17_a_thousand_sockets_leave_nothing)
{
	struct addr at, a;
	pid_t keeper, relay;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), before[2];
	int own = world_count_fds(getpid());

	want_eq(world_pair(l, &keeper, &relay), 0);
	want_good_client(&at, l);
	before[0] = world_count_fds(keeper);
	before[1] = world_count_fds(relay);
	for (int i = 0; i < 1000; i++) {
		int fd = ours_socket(world.families[0], SOCK_NONBLOCK);

		if (i % 10 == 0) {
			addr_loop(&a, world.families[0], 0);
			want_eq(bind(fd, &a.u.any, a.len), 0);
		}
		if (i % 25 == 0)
			want_errno(ours_connect(fd, &at), EINPROGRESS);
		(void)close(fd);
	}
	want_eq(world_count_fds(getpid()), own);
	if (before[0] >= 0) {
		want_soon(world_count_fds(keeper) <= before[0]);
		want_soon(world_count_fds(relay) <= before[1] + 2);
	}
	want_good_client(&at, l);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_no_names_reach_nothing),
		cmocka_unit_test(sk_36_a_plain_http_client_is_dropped_and_never_accepted),
		cmocka_unit_test(garbage_of_every_kind_leaves_the_listener_alone),
		cmocka_unit_test(sk_35_silent_clients_delay_nobody),
		cmocka_unit_test(a_flood_of_silent_clients_from_one_address_shuts_nobody_out),
		cmocka_unit_test(clients_that_never_finish_shut_nobody_out),
		cmocka_unit_test(a_silent_client_is_dropped_at_the_deadline),
		cmocka_unit_test(a_client_that_sends_byte_by_byte_is_served_and_delays_nobody),
		cmocka_unit_test(strangers_who_knock_and_say_nothing_hold_up_no_call),
		cmocka_unit_test(who_binds_the_name_of_a_closed_socket_gets_nothing),
		cmocka_unit_test(an_invented_name_gets_nothing),
		cmocka_unit_test(a_new_socket_is_made_for_who_shows_the_secret),
		cmocka_unit_test(a_stranger_who_knows_the_door_gets_nothing),
		cmocka_unit_test(nonsense_at_the_door_leaves_the_pair_alone),
		cmocka_unit_test(a_dead_pairs_door_in_foreign_hands_is_told_nothing),
		cmocka_unit_test(sk_17_a_thousand_sockets_leave_nothing),
	};

	world_begin();
	return world_end(tests);
}
