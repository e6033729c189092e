/* SPDX-License-Identifier: ISC */
/* options - every option of the socket, and what they do. */
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define LAST	130
#define A_WHILE	(100 * WORLD_SLOW)
#define ROOM	256
#define SHOWN	48
#define NOBODY	65534

struct level {
	const char	*name;
	int		 number;
};

static const struct level levels[] = {
	{ "SOL_SOCKET", SOL_SOCKET }, { "IPPROTO_TCP", IPPROTO_TCP },
	{ "IPPROTO_IP", IPPROTO_IP }, { "IPPROTO_IPV6", IPPROTO_IPV6 },
};
#define LEVELS	(sizeof(levels) / sizeof(levels[0]))

/* Not compared: the value is of this moment or of this socket. */
static const struct momentary {
	int	level, option;
} momentary[] = {
	{ SOL_SOCKET, SO_PROTOCOL },		/* 102 */
	{ SOL_SOCKET, SO_COOKIE },
	{ SOL_SOCKET, SO_INCOMING_CPU },
	{ SOL_SOCKET, SO_INCOMING_NAPI_ID },
	{ SOL_SOCKET, SO_MEMINFO },
	{ IPPROTO_TCP, TCP_MAXSEG },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ IPPROTO_TCP, TCP_INFO },
	{ IPPROTO_TCP, TCP_QUICKACK },
	{ IPPROTO_TCP, TCP_TIMESTAMP },
	{ IPPROTO_TCP, TCP_CC_INFO },
	{ IPPROTO_IP, 52 },	/* IP_PROTOCOL: of a stream it is the port */
};

static int
is_momentary(int level, int option)
{
	for (size_t i = 0; i < sizeof(momentary) / sizeof(momentary[0]); i++)
		if (momentary[i].level == level && momentary[i].option == option)
			return 1;
	return 0;
}

static void
see_option(struct trial *t, const char *when, int fd, const struct level *l, int option,
    socklen_t room)
{
	char label[96], value[2 * SHOWN + 1] = "";
	unsigned char got[ROOM];
	socklen_t len = room;
	int rc;

	memset(got, 0xa5, sizeof(got));
	(void)snprintf(label, sizeof(label), "%s, %s %d", when, l->name, option);
	errno = 0;
	rc = getsockopt(fd, l->number, option, got, &len);
	if (rc < 0)
		see_text(t, label, "%d %s", rc, strerrorname_np(errno));
	if (rc < 0)
		return;
	for (socklen_t i = 0; i < len && i < SHOWN; i++)
		if (!is_momentary(l->number, option))
			(void)snprintf(value + strlen(value), 3, "%02x", got[i]);
	see_text(t, label, "%d, %u bytes, %s", rc, len, value);
	want(len == ROOM || got[len] == 0xa5);
}

static void
see_all(struct trial *t, const char *when, int fd, socklen_t room)
{
	for (size_t i = 0; i < LEVELS; i++)
		for (int option = 0; option <= LAST; option++)
			see_option(t, when, fd, &levels[i], option, room);
}

/* The kernel looks at rights that the relay never has: what is compared is what
 * a program without them is told. */
static void
as_nobody(struct trial *t, void (*body)(int, void *))
{
	const char *own = pki_path(world.dir, "of-nobody.pem");
	struct prog p;

	if (geteuid() == 0) {
		pki_write_pair(world.dir, "of-nobody.pem", world.one);
		want_eq(chown(own, NOBODY, NOBODY), 0);
		(void)snprintf(world.one_file, sizeof(world.one_file), "%s", own);
	}
	prog_start(&p, body, t);
	prog_end(&p);
}

static void
become_nobody(void)
{
	if (geteuid() != 0)
		return;
	want_eq(setgroups(0, NULL), 0);
	want_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	want_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

static void
read_options(int ch, void *arg)
{
	struct trial *t = arg;
	struct addr at;
	struct far f;
	int fd;

	(void)ch;
	become_nobody();
	fd = own_socket(t, t->family, 0);
	see_all(t, "fresh", fd, ROOM);
	see_all(t, "fresh, two bytes", fd, 2);
	(void)close(fd);
	fd = own_listener(t, &at, t->family, 4);
	see_all(t, "listening", fd, ROOM);
	(void)close(fd);
	fd = own_pair(t, &f, NULL);
	see_all(t, "connected", fd, ROOM);
	(void)close(fd);
	far_close(&f);
}

COLD_CASE(sk_101_every_option_is_read_as_on_tcp)
{
	as_nobody(t, read_options);
}

/* EOPNOTSUPP whatever TCP says: of a buffer that is sent without a copy nobody
 * would say that it is free again; a filter's program is in the memory of the
 * process, whose hands are off TCP once it is connected. */
static int
is_refused(int level, int option, int connected)
{
	if (level != SOL_SOCKET)
		return 0;
	return option == SO_ZEROCOPY || (connected && (option == SO_ATTACH_FILTER ||
	    option == SO_ATTACH_BPF || option == SO_ATTACH_REUSEPORT_CBPF ||
	    option == SO_ATTACH_REUSEPORT_EBPF));
}

static void
see_set(struct trial *t, const char *when, int fd, const struct level *l, int option,
    socklen_t len)
{
	char label[96];
	int rc;

	if (is_refused(l->number, option, strcmp(when, "connected") == 0)) {
		if (t->mode != MODE_TCP)
			want_errno(setsockopt(fd, SOL_SOCKET, option, &(int){ 1 },
			    sizeof(int)), EOPNOTSUPP);
		return;
	}
	(void)snprintf(label, sizeof(label), "%s, set %s %d", when, l->name, option);
	errno = 0;
	rc = setsockopt(fd, l->number, option, &(int){ 1 }, len);
	see_result(t, label, rc, errno);
	if (rc == 0)
		see_option(t, when, fd, l, option, ROOM);
}

static void
set_options(int ch, void *arg)
{
	struct trial *t = arg;
	struct far f;
	int fd;

	(void)ch;
	become_nobody();
	for (size_t i = 0; i < LEVELS; i++)
		for (int option = 0; option <= LAST; option++) {
			fd = own_socket(t, t->family, 0);
			see_set(t, "fresh, two bytes", fd, &levels[i], option, 2);
			see_set(t, "fresh", fd, &levels[i], option, sizeof(int));
			(void)close(fd);
		}
	for (size_t i = 0; i < LEVELS; i++) {
		fd = own_pair(t, &f, NULL);
		for (int option = 0; option <= LAST; option++)
			see_set(t, "connected", fd, &levels[i], option, sizeof(int));
		(void)close(fd);
		far_close(&f);
	}
}

COLD_CASE(sk_101_every_option_is_set_as_on_tcp)
{
	as_nobody(t, set_options);
}

/* The length that is told counts instructions: the kernel writes eight times as
 * many bytes. */
CASE(sk_101_a_filter_is_set_before_the_connection)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, ~0u);
	struct sock_fprog program = { 1, &all };
	int fd = own_socket(t, t->family, 0);
	socklen_t len = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
	    sizeof(program)) != 0 && errno == EPERM)
		world_skip("nobody may set a filter here");
	if (t->mode == MODE_TCP)
		want_eq(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &all, &len), 0);
	else	/* the program knows it */
		want_errno(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &all, &len),
		    ENOPROTOOPT);
	see_call(t, "none", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &len,
	    sizeof(len)));
	see_option(t, "none", fd, &levels[0], SO_GET_FILTER, ROOM);
	(void)close(fd);
}

/* --- what a socket is -------------------------------------------------------------------- */
static void
see_what(struct trial *t, const char *when, int fd)
{
	see_text(t, when, "type %d, domain %s, own protocol %d, accepts %d",
	    ours_get_int(fd, SOL_SOCKET, SO_TYPE),
	    ours_get_int(fd, SOL_SOCKET, SO_DOMAIN) == t->family ? "as asked" : "?",
	    ours_get_int(fd, SOL_SOCKET, SO_PROTOCOL) == own_protocol(t),
	    ours_get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
}

CASE(sk_102_a_socket_says_what_it_is_in_every_state)
{
	struct addr at;
	struct far f;
	int fd = own_socket(t, t->family, 0);

	see_what(t, "fresh", fd);
	(void)close(fd);
	fd = own_bound(t, &at, t->family);
	see_what(t, "bound", fd);
	want_eq(listen(fd, 4), 0);
	see_what(t, "listening", fd);
	(void)close(fd);
	fd = own_pair(t, &f, NULL);
	see_what(t, "connected", fd);
	if (t->mode != MODE_TCP)	/* TCP's pages need no copy */
		want(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
		    errno == ENODEV);
	far_reset(&f);
	want_soon((ours_poll(fd, POLLIN, 100) & POLLERR) != 0);
	see_what(t, "reset", fd);
	(void)close(fd);
}

/* --- on the wire --------------------------------------------------------------------------- */
/* The timer of the TCP socket with these two ports, and the seconds it has left:
 * what the kernel says of all of them, whoever owns them. */
static int
wire_timer(const struct trial *t, int own, int peer, long *ret_left)
{
	FILE *f = fopen(t->family == AF_INET ? "/proc/net/tcp" : "/proc/net/tcp6", "re");
	char line[400], want_local[8], want_peer[8], local[80], remote[80];
	int timer = -1;
	unsigned int kind;
	unsigned long when;

	want(f != NULL);
	(void)snprintf(want_local, sizeof(want_local), ":%04X", (unsigned int)own);
	(void)snprintf(want_peer, sizeof(want_peer), ":%04X", (unsigned int)peer);
	while (timer < 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %79s %79s %*s %*s %x:%lx", local, remote, &kind,
		    &when) == 4 && strstr(local, want_local) != NULL &&
		    strstr(remote, want_peer) != NULL) {
			timer = (int)kind;
			*ret_left = (long)when / sysconf(_SC_CLK_TCK);
		}
	(void)fclose(f);
	return timer;
}

/* The TCP socket behind a socket of the case: a copy of its descriptor. */
static int
wire_of(struct trial *t, int fd, const struct addr *own, const struct addr *peer)
{
	struct addr a = { .len = sizeof(a.u) }, b;
	pid_t keeper, relay;
	int pidfd;

	if (t->mode == MODE_TCP)
		return dup(fd);
	want_eq(world_pair(fd, &keeper, &relay), 0);
	pidfd = (int)syscall(SYS_pidfd_open, relay, 0);
	want(pidfd >= 0);
	for (int i = 0; i < 200; i++) {
		int got = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);

		if (got < 0 && errno == EPERM)
			world_skip("nobody may look into the relay");
		a.len = b.len = sizeof(a.u);
		if (got >= 0 && getsockname(got, &a.u.any, &a.len) == 0 &&
		    getpeername(got, &b.u.any, &b.len) == 0 && addr_same(&a, own) &&
		    addr_same(&b, peer)) {
			(void)close(pidfd);
			return got;
		}
		if (got >= 0)
			(void)close(got);
	}
	world_fail(__FILE__, __LINE__, "the relay has no such socket");
}

static const struct {
	int	level, option, value;
} carried[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, 1 }, { IPPROTO_TCP, TCP_KEEPIDLE, 7000 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 33 }, { IPPROTO_TCP, TCP_KEEPCNT, 7 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 54321 }, { IPPROTO_TCP, TCP_LINGER2, 17 },
	{ IPPROTO_IP, IP_TOS, 0x10 }, { IPPROTO_IP, IP_TTL, 77 },
	{ SOL_SOCKET, SO_SNDBUF, 60000 }, { SOL_SOCKET, SO_RCVBUF, 50000 },
};

static void
carry(int fd)
{
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
		want_eq(setsockopt(fd, carried[i].level, carried[i].option,
		    &carried[i].value, sizeof(int)), 0);
}

/* Set before the connection is there: on who connects, on who listens. */
static int
pair_that_carries(struct trial *t, struct far *f)
{
	struct far_listener l;
	struct addr at;
	int fd, s;

	if (t->side == OURS_ACCEPTS) {
		s = own_listener(t, &at, t->family, 4);
		carry(s);
		far_dial(t, f, &at);
		fd = accept(s, NULL, NULL);
		(void)close(s);
		return fd;
	}
	far_listen(t, &l, t->family, NULL);
	fd = own_client(t, t->family, 0);
	carry(fd);
	far_serve(&l, f);
	want_eq(connect(fd, &l.at.u.any, l.at.len), 0);
	far_served(&l);
	far_listener_close(&l);
	return fd;
}

CASE(sk_103_what_is_set_is_set_on_the_wire)
{
	if (geteuid() != 0)
		world_skip("needs root");
	for (int before = 0; before < 2; before++) {
		struct addr own, peer = { .len = sizeof(peer.u) };
		long left = 0;
		struct far f;
		int fd = before ? pair_that_carries(t, &f) : own_pair(t, &f, NULL);
		int wire;

		addr_of_sock(fd, &own);
		want_eq(getpeername(fd, &peer.u.any, &peer.len), 0);
		if (!before) {
			far_write(&f, "x", 1);
			want_eq(read(fd, &(char){ 0 }, 1), 1);
			want_soon(wire_timer(t, addr_port(&own), addr_port(&peer),
			    &left) == 0);
			carry(fd);
		}
		want_soon(wire_timer(t, addr_port(&own), addr_port(&peer), &left) == 2);
		see(t, "the first probe, thousands of seconds", (left + 500) / 1000);
		wire = wire_of(t, fd, &own, &peer);
		for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
			see(t, before ? "set before" : "set later", ours_get_int(wire,
			    carried[i].level, carried[i].option));
		(void)close(wire);
		(void)close(fd);
		far_close(&f);
	}
}

/* --- how much is under way ------------------------------------------------------------------- */
/* The buffer of the descriptor itself, as the kernel counts it. */
static int
native_buffer(int fd)
{
	int size = 0;
	socklen_t len = sizeof(size);

	want_eq(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	return size;
}

/* What a writer gets rid of while the other end reads nothing. */
static size_t
push(int fd)
{
	static char piece[4096];
	size_t total = 0;
	ssize_t n;

	do
		while ((n = send(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
			total += (size_t)n;
	while (ours_poll(fd, POLLOUT, A_WHILE) == POLLOUT);
	return total;
}

CASE(sk_104_a_small_send_buffer_bounds_what_is_under_way)
{
	for (int size = 0; size <= 4096; size += 4096) {
		struct far f;
		int fd = own_pair(t, &f, NULL);
		size_t total;

		want_eq(setsockopt(f.fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 },
		    sizeof(int)), 0);
		if (size > 0)
			see_call(t, "SO_SNDBUF", setsockopt(fd, SOL_SOCKET, SO_SNDBUF,
			    &size, sizeof(size)));
		see(t, "says", size > 0 ? ours_get_int(fd, SOL_SOCKET, SO_SNDBUF) : 0);
		/* A writer whose piece of 64 KB is left there must still wake. */
		if (t->mode != MODE_TCP)
			want_eq(native_buffer(fd), 2 * (size > 0 ? 139264 : 212992));
		want_eq(setsockopt(f.fd, SOL_SOCKET, SO_SNDBUF, &(int){ -1 },
		    sizeof(int)), 0);
		if (t->mode == MODE_BOTH)	/* as much as there is */
			want_eq(native_buffer(f.fd), 2 * 212992);
		total = push(fd);
		(void)fprintf(stderr, "mode %d: SO_SNDBUF %d: %zu bytes are under way\n",
		    (int)t->mode, size, total);
		if (size > 0) {
			see(t, "at most 100 KB", total <= 100000);
			see(t, "at most 600 KB", total <= 600000);
		}
		(void)close(fd);
		far_close(&f);
	}
}

/* --- signals -------------------------------------------------------------------------------------- */
static void
see_signal(struct trial *t, const char *label, int sig)
{
	struct timespec patience = { .tv_sec = WORLD_PATIENCE_MS / 1000 };
	sigset_t set;
	siginfo_t info = { 0 };

	(void)sigemptyset(&set);
	(void)sigaddset(&set, sig);
	see_text(t, label, "%s", sigtimedwait(&set, &info, &patience) == sig ?
	    "it came" : "it never came");
}

CASE(sk_105_sigio_comes_when_there_is_something)
{
	struct f_owner_ex me = { .type = F_OWNER_TID, .pid = gettid() };
	struct far f;
	int fd = own_pair(t, &f, NULL), rt = SIGRTMIN + 1;
	sigset_t set;
	char byte;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGIO);
	(void)sigaddset(&set, rt);
	want_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	see_call(t, "F_GETOWN", fcntl(fd, F_GETOWN));
	see_call(t, "F_SETOWN", fcntl(fd, F_SETOWN, getpid()));
	see(t, "F_GETOWN is ours", fcntl(fd, F_GETOWN) == getpid());
	see_call(t, "FIOASYNC", ioctl(fd, FIOASYNC, &(int){ 1 }));
	see(t, "O_ASYNC", (fcntl(fd, F_GETFL) & O_ASYNC) != 0);
	far_write(&f, "x", 1);
	see_signal(t, "data", SIGIO);
	want_eq(read(fd, &byte, 1), 1);
	see_call(t, "FIOASYNC off", ioctl(fd, FIOASYNC, &(int){ 0 }));
	see_call(t, "F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &me));
	see_call(t, "F_SETSIG", fcntl(fd, F_SETSIG, rt));
	see(t, "F_GETSIG is ours", fcntl(fd, F_GETSIG) == rt);
	want_eq(fcntl(fd, F_SETFL, O_RDWR | O_ASYNC), 0);
	far_end(&f);
	see_signal(t, "the end", rt);
	see_call(t, "SIOCSPGRP", ioctl(fd, SIOCSPGRP, &(int){ getpid() }));
	(void)close(fd);
	far_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_101_every_option_is_read_as_on_tcp),
		cmocka_unit_test(sk_101_every_option_is_set_as_on_tcp),
		cmocka_unit_test(sk_101_a_filter_is_set_before_the_connection),
		cmocka_unit_test(sk_102_a_socket_says_what_it_is_in_every_state),
		cmocka_unit_test(sk_103_what_is_set_is_set_on_the_wire),
		cmocka_unit_test(
		    sk_104_a_small_send_buffer_bounds_what_is_under_way),
		cmocka_unit_test(sk_105_sigio_comes_when_there_is_something),
	};

	world_begin();
	return world_end(tests);
}
