/* SPDX-License-Identifier: ISC */
/* upgrade - connections that begin plain, and STARTTLS in both roles. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"

/* --- both ends ------------------------------------------------------------------------ */
static int
upgrade(int fd, const char *host)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_UPGRADE_TLS, host,
	    host == NULL ? 0 : (socklen_t)strlen(host) + 1);
}

/* What the other end does meanwhile: its half of the handshake, in a thread. */
struct other {
	pthread_t	 thread;
	struct peer	 peer;
	struct peer_opts opts;
	int		 fd;
	int		 rc;
};

static void *
other_main(void *arg)
{
	struct other *o = arg;

	o->rc = o->opts.cert != NULL ? peer_server_on(&o->peer, o->fd, &o->opts) :
	    peer_client_on(&o->peer, o->fd, &o->opts);
	return NULL;
}

static void
other_start(struct other *o, int fd, const struct peer_opts *opts)
{
	memset(o, 0, sizeof(*o));
	o->fd = fd;
	o->opts = *opts;
	want_eq(pthread_create(&o->thread, NULL, other_main, o), 0);
}

static int
other_end(struct other *o)
{
	want_eq(pthread_join(o->thread, NULL), 0);
	return o->rc;
}

/* Our client, which begins plain, and a raw end of TCP. */
static int
plain_client(int flags, int *ret_peer)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 1);
	int fd = ours_client(world.families[0], 0, NULL);

	want_eq(ours_set_int(fd, TLS_START_PLAIN, 1), 0);
	want_eq(ours_connect(fd, &at), 0);
	*ret_peer = tcp_accept(l);
	(void)close(l);
	if (flags != 0)
		want_eq(fcntl(fd, F_SETFL, flags), 0);
	return fd;
}

static int
plain_listener(struct addr *at, const char *chain)
{
	int l = ours_bound(at, world.families[0]);

	want_eq(ours_set_int(l, TLS_START_PLAIN, 1), 0);
	if (chain != NULL)
		want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, chain), 0);
	want_eq(listen(l, 64), 0);
	return l;
}

/* Our server's end of a plain connection. */
static int
plain_server(int *ret_peer)
{
	struct addr at;
	int l = plain_listener(&at, world.one_file);
	int fd;

	*ret_peer = tcp_dial(&at);
	fd = ours_accept(l);
	(void)close(l);
	return fd;
}

/* Reads to the end of the line and not a byte more. */
static void
read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	do {
		want(n + 1 < size);
		want_eq(read(fd, line + n, 1), 1);
	} while (line[n++] != '\n');
	line[n] = '\0';
}

static void
say(int fd, const char *text)
{
	ours_write(fd, text, strlen(text));
}

static void
want_line(int fd, const char *expected)
{
	char line[1000];

	read_line(fd, line, sizeof(line));
	if (strncmp(line, expected, strlen(expected)) != 0)
		world_fail(__FILE__, __LINE__, "\"%s\" is not \"%s\"", line, expected);
}

static void
want_tls(int fd, struct peer *p)
{
	char got[20];

	want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_3);
	say(fd, "from ours\n");
	peer_read_all(p, got, 10);
	want_eq(memcmp(got, "from ours\n", 10), 0);
	peer_write(p, "from peer\n", 10);
	want_line(fd, "from peer");
}

/* The connection is over and was never plain again. */
static void
want_dead(int fd)
{
	char c;

	ssize_t n;

	want((ours_poll(fd, POLLIN, WORLD_PATIENCE_MS) & POLLHUP) != 0);
	/* Once: whoever asked for SO_ERROR took it, as from TCP. */
	n = recv(fd, &c, 1, 0);
	want(n == 0 || (n < 0 && errno == ECONNRESET));
	want_errno(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	want_errno(upgrade(fd, "one.example"), ENOTCONN);
}

/* --- an SMTP server of ours, for other people's clients -------------------------------------- */
static void
serve_smtp(int fd, int version)
{
	char line[1000];
	int tls = 0;

	say(fd, "220 one.example ESMTP\r\n");
	for (;;) {
		read_line(fd, line, sizeof(line));
		if (strncasecmp(line, "EHLO", 4) == 0) {
			say(fd, tls ? "250 one.example\r\n" :
			    "250-one.example\r\n250 STARTTLS\r\n");
		} else if (strncasecmp(line, "STARTTLS", 8) == 0) {
			say(fd, "220 go ahead\r\n");
			want_eq(upgrade(fd, NULL), 0);
			want_eq(strcmp(ours_get(fd, TLS_HOSTNAME), "one.example"), 0);
			want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_VERSION_CONN),
			    version);
			tls = 1;
		} else if (strncasecmp(line, "NOOP", 4) == 0) {
			want(tls);
			say(fd, "250 fine\r\n");
		} else if (strncasecmp(line, "QUIT", 4) == 0) {
			say(fd, "221 bye\r\n");
			break;
		}
	}
	want(tls);
}

static const char *
address_text(const struct addr *at)
{
	static char text[64];

	want(inet_ntop(at->u.any.sa_family, at->u.any.sa_family == AF_INET ?
	    (const void *)&at->u.v4.sin_addr : (const void *)&at->u.v6.sin6_addr, text,
	    sizeof(text)) != NULL);
	return text;
}

/* Runs the shell command beside us; it must end well. */
static pid_t
run(const char *command)
{
	pid_t pid = fork();

	want(pid >= 0);
	if (pid == 0) {
		(void)alarm(WORLD_SCENE_SECONDS);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
want_well(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0)
		want_eq(errno, EINTR);
	want_eq(status, 0);
}

static void
needs(const char *program)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	if (system(command) != 0) {
		(void)snprintf(command, sizeof(command), "%s is not installed", program);
		world_skip(command);
	}
}

SCENE(pythons_smtplib_is_served)
{
	struct addr at;
	char command[2000];
	int l = plain_listener(&at, world.one_file), fd;
	pid_t pid;

	needs("python3");
	(void)snprintf(command, sizeof(command), "exec python3 -c '\n"
	    "import smtplib, ssl\n"
	    "c = ssl.create_default_context(cafile=\"%s\")\n"
	    "s = smtplib.SMTP()\n"
	    "s.connect(\"%s\", %d)\n"
	    "s._host = \"one.example\"\n"
	    "s.ehlo(\"me\")\n"
	    "assert s.has_extn(\"starttls\")\n"
	    "s.starttls(context=c)\n"
	    "s.ehlo(\"me\")\n"
	    "assert not s.has_extn(\"starttls\")\n"
	    "assert s.noop()[0] == 250\n"
	    "s.quit()'", world.ca_file, address_text(&at), addr_port(&at));
	pid = run(command);
	fd = ours_accept(l);
	serve_smtp(fd, TLS_1_3);
	(void)close(fd);
	want_well(pid);
	(void)close(l);
}

SCENE(openssls_s_client_is_served_after_starttls)
{
	struct addr at;
	char command[2000];
	int l = plain_listener(&at, world.one_file), fd;
	pid_t pid;

	needs("openssl");
	for (int version = 2; version <= 3; version++) {
		(void)snprintf(command, sizeof(command),
		    "{ printf 'NOOP\\r\\nQUIT\\r\\n'; cat; } </dev/null | "
		    "openssl s_client -starttls smtp -quiet -crlf -ign_eof -tls1_%d "
		    "-connect %s%s%s:%d -servername one.example -CAfile %s "
		    "-verify_return_error -verify_hostname one.example 2>/dev/null | "
		    "grep -q '^221 bye'", version,
		    world.families[0] == AF_INET ? "" : "[", address_text(&at),
		    world.families[0] == AF_INET ? "" : "]", addr_port(&at),
		    world.ca_file);
		pid = run(command);
		fd = ours_accept(l);
		serve_smtp(fd, version == 2 ? TLS_1_2 : TLS_1_3);
		(void)close(fd);
		want_well(pid);
	}
	(void)close(l);
}

/* --- a client of ours, of other people's server ---------------------------------------------- */
static const char python_server[] =
    "import socket, ssl, sys\n"
    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
    "c.load_cert_chain(sys.argv[1])\n"
    "l = socket.socket(fileno=int(sys.argv[2]))\n"
    "s, a = l.accept()\n"
    "f = s.makefile(\"rb\", 0)\n"
    "s.sendall(b\"220 hi\\r\\n\")\n"
    "assert f.readline().startswith(b\"EHLO\")\n"
    "s.sendall(b\"250 STARTTLS\\r\\n\")\n"
    "assert f.readline() == b\"STARTTLS\\r\\n\"\n"
    "s.sendall(b\"220 go\\r\\n\")\n"
    "f.close()\n"
    "s = c.wrap_socket(s, server_side=True, suppress_ragged_eofs=False)\n"
    "f = s.makefile(\"rb\", 0)\n"
    "assert f.readline() == b\"NOOP\\r\\n\"\n"
    "s.sendall(b\"250 fine\\r\\n\")\n"
    "assert f.readline() == b\"QUIT\\r\\n\"\n"
    "s.sendall(b\"221 bye\\r\\n\")\n"
    "assert s.recv(1) == b\"\"\n"
    "s.unwrap().close()\n";

SCENE(a_python_smtp_server_is_reached)
{
	struct addr at;
	char command[4000];
	int l, fd;
	pid_t pid;

	needs("python3");
	l = tcp_listen(&at, world.families[0], 1);
	want_eq(fcntl(l, F_SETFD, 0), 0);
	(void)snprintf(command, sizeof(command), "exec python3 -c '%s' %s %d",
	    python_server, world.one_file, l);
	pid = run(command);
	fd = ours_client(world.families[0], 0, NULL);
	want_eq(ours_set_int(fd, TLS_START_PLAIN, 1), 0);
	want_eq(ours_connect(fd, &at), 0);
	want_line(fd, "220 hi");
	say(fd, "EHLO me\r\n");
	want_line(fd, "250 STARTTLS");
	say(fd, "STARTTLS\r\n");
	want_line(fd, "220 go");
	want_eq(upgrade(fd, "one.example"), 0);
	want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_3);
	say(fd, "NOOP\r\n");
	want_line(fd, "250 fine");
	say(fd, "QUIT\r\n");
	want_line(fd, "221 bye");
	(void)close(fd);
	want_well(pid);
	(void)close(l);
}

/* --- what an attacker puts behind the command --------------------------------------------- */
SCENE(a_command_behind_starttls_is_never_taken_for_a_protected_one)
{
	struct other o;
	int peer, fd;

	/* In one segment with it. */
	fd = plain_server(&peer);
	say(peer, "STARTTLS\r\nRCPT TO:<a>\r\n");
	want_line(fd, "STARTTLS");
	say(fd, "220 go ahead\r\n");
	want_errno(upgrade(fd, NULL), EBUSY);
	want_has(ours_error(fd), "must be read first");
	/* The plaintext is read as plaintext. */
	want_line(fd, "RCPT TO:<a>");
	want_line(peer, "220 go ahead");
	other_start(&o, peer, &(struct peer_opts){ .sni = "one.example" });
	want_eq(upgrade(fd, NULL), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
}

SCENE(plaintext_in_place_of_the_handshake_ends_the_connection)
{
	int peer, fd;

	/* A server's, and a client's; it comes while the call waits. */
	for (int i = 0; i < 2; i++) {
		fd = i == 0 ? plain_server(&peer) : plain_client(0, &peer);
		want_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
		want_errno(upgrade(fd, i == 0 ? NULL : "one.example"), EINPROGRESS);
		say(peer, "250 all is well\r\n");
		want((ours_poll(fd, POLLOUT, WORLD_PATIENCE_MS) & POLLHUP) != 0);
		want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), EPROTO);
		want_has(ours_error(fd), "TLS");
		want_dead(fd);
		(void)close(fd);
		(void)close(peer);
	}
}

SCENE(a_servers_answer_behind_its_word_must_be_read_first)
{
	struct other o;
	int peer, fd = plain_client(0, &peer);

	say(peer, "220 go\r\n250 injected\r\n");
	want_line(fd, "220 go");
	want_errno(upgrade(fd, "one.example"), EBUSY);
	want_line(fd, "250 injected");
	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	want_eq(upgrade(fd, "one.example"), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
}

/* A client that is quick: its ClientHello is there before the program's call. */
SCENE(an_early_client_hello_is_no_plaintext)
{
	struct other o;
	int peer, fd = plain_server(&peer);
	int n = 0;

	say(peer, "STARTTLS\r\n");
	want_line(fd, "STARTTLS");
	other_start(&o, peer, &(struct peer_opts){ .sni = "one.example" });
	want_soon(ioctl(fd, FIONREAD, &n) == 0 && n > 100);
	want_eq(upgrade(fd, NULL), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
}

/* --- how the call ends ---------------------------------------------------------------------- */
SCENE(a_refused_certificate_fails_the_call_for_good)
{
	struct other o;
	int peer, fd = plain_client(0, &peer);

	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	want_errno(upgrade(fd, "two.example"), EPROTO);
	want_has(ours_error(fd), "two.example");
	(void)other_end(&o);
	want_dead(fd);
	(void)close(fd);
	(void)close(peer);
}

SCENE(a_peer_that_leaves_is_econnaborted_and_a_silent_one_etimedout)
{
	int peer, fd = plain_client(0, &peer);

	want_eq(shutdown(peer, SHUT_WR), 0);
	/* The end may have come before the call: then there is nothing to upgrade. */
	errno = 0;
	want_eq(upgrade(fd, "one.example"), -1);
	want(errno == ECONNABORTED || errno == ENOTCONN);
	(void)close(fd);
	(void)close(peer);
	fd = plain_client(0, &peer);
	want_eq(ours_set_int(fd, TLS_HANDSHAKE_TIMEOUT, 200), 0);
	want_errno(upgrade(fd, "one.example"), ETIMEDOUT);
	want_dead(fd);
	(void)close(fd);
	(void)close(peer);
}

SCENE(sndtimeo_ends_the_wait_and_not_the_attempt)
{
	const struct timeval soon = { .tv_usec = 50000 };
	struct other o;
	int peer, fd = plain_client(0, &peer);

	want_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	want_errno(upgrade(fd, "one.example"), EINPROGRESS);
	/* Again: waits for the same, and never for another peer. */
	want_errno(upgrade(fd, "ONE.example"), EINPROGRESS);
	want_errno(upgrade(fd, "two.example"), EALREADY);
	want_eq(ours_poll(fd, POLLIN | POLLOUT, 0), 0);
	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	want_eq(ours_poll(fd, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
}

/* Edge-triggered, registered before it was plain. */
SCENE(a_descriptor_that_does_not_block_is_writable_when_it_is_tls)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET }, got;
	struct other o;
	int ep = epoll_create1(EPOLL_CLOEXEC), peer;
	int fd = plain_client(O_NONBLOCK, &peer);

	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	want_eq(epoll_wait(ep, &got, 1, WORLD_PATIENCE_MS), 1);
	want_errno(upgrade(fd, "one.example"), EINPROGRESS);
	want_errno(upgrade(fd, "one.example"), EALREADY);
	want_errno(send(fd, "x", 1, MSG_NOSIGNAL), EAGAIN);
	want_eq(epoll_wait(ep, &got, 1, 100), 0);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	want_eq(epoll_wait(ep, &got, 1, WORLD_PATIENCE_MS), 1);
	want((got.events & EPOLLOUT) != 0);
	want((got.events & (EPOLLERR | EPOLLHUP)) == 0);
	want_eq(other_end(&o), 0);
	want_eq(fcntl(fd, F_SETFL, 0), 0);
	want_tls(fd, &o.peer);
	want_errno(upgrade(fd, "one.example"), EISCONN);
	peer_end(&o.peer);
	(void)close(fd);
	(void)close(ep);
}

/* --- bytes ----------------------------------------------------------------------------------- */
#define MUCH	(1 << 20)

static void *
read_then_shake(void *arg)
{
	struct other *o = arg;
	char *got = malloc(MUCH), *expected = malloc(MUCH);

	want(got != NULL && expected != NULL);
	ours_read(o->fd, got, MUCH);
	fill(expected, MUCH, 7);
	want_eq(memcmp(got, expected, MUCH), 0);
	free(got);
	free(expected);
	return other_main(o);
}

SCENE(all_that_was_written_before_is_plaintext_and_nothing_after)
{
	char *out = malloc(MUCH);
	struct other o = { .opts = { .cert = world.one } };
	int fd = plain_client(0, &o.fd);

	want(out != NULL);
	fill(out, MUCH, 7);
	want_eq(pthread_create(&o.thread, NULL, read_then_shake, &o), 0);
	ours_write(fd, out, MUCH);
	want_eq(upgrade(fd, "one.example"), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	ours_want_end(fd);
	(void)close(fd);
	free(out);
}

SCENE(a_plain_connection_ends_and_breaks_as_tcps)
{
	char c;
	int peer, fd = plain_client(0, &peer);

	say(fd, "up\n");
	want_line(peer, "up");
	want_eq(shutdown(fd, SHUT_WR), 0);
	want_eq(read(peer, &c, 1), 0);
	say(peer, "down\n");
	want_line(fd, "down");
	(void)close(peer);
	ours_want_end(fd);
	(void)close(fd);
	fd = plain_client(0, &peer);
	tcp_reset(peer);
	want_soon(recv(fd, &c, 1, MSG_DONTWAIT) == -1 && errno == ECONNRESET);
	(void)close(fd);
}

SCENE(a_server_of_a_plain_listener_may_speak_first)
{
	struct addr at;
	int l = plain_listener(&at, NULL), peer, fd;

	peer = tcp_dial(&at);
	/* The client says nothing at all. */
	fd = ours_accept(l);
	say(fd, "220 hello\n");
	want_line(peer, "220 hello");
	want_errno(upgrade(fd, NULL), EINVAL);
	want_has(ours_error(fd), "no certificate");
	/* It may be given one now. */
	want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	{
		struct other o;

		other_start(&o, peer, &(struct peer_opts){ .sni = "one.example" });
		want_eq(upgrade(fd, NULL), 0);
		want_eq(other_end(&o), 0);
		want_tls(fd, &o.peer);
		peer_end(&o.peer);
	}
	(void)close(fd);
	(void)close(l);
}

/* --- sockets that were plain TCP from birth ------------------------------------------------------ */
static int
foreign(int *ret_peer)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 1);
	int fd = socket(world.families[0], SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	want_eq(connect(fd, &at.u.any, at.len), 0);
	*ret_peer = tcp_accept(l);
	(void)close(l);
	return fd;
}

SCENE(a_foreign_connection_becomes_tls_under_its_number)
{
	struct addr before, after;
	struct other o;
	int peer, fd = foreign(&peer);

	addr_of_sock(fd, &before);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	say(fd, "STARTTLS\n");
	want_line(peer, "STARTTLS");
	say(peer, "220 go\n");
	want_line(fd, "220 go");
	/* Its name is the address: for that the certificate is, too. */
	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	(void)setenv("SSL_CERT_FILE", world.ca_file, 1);
	want_eq(upgrade(fd, "one.example"), 0);
	want_eq(other_end(&o), 0);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TLS);
	want_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	addr_of_sock(fd, &after);
	want(addr_same(&before, &after));
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	ours_want_end(fd);
	(void)close(fd);
}

SCENE(a_foreign_connection_with_a_duplicate_is_refused)
{
	struct other o;
	int peer, fd = foreign(&peer), copy = dup(fd);

	(void)setenv("SSL_CERT_FILE", world.ca_file, 1);
	want_errno(upgrade(fd, "one.example"), EBUSY);
	want_has(ours_error(-1), "another descriptor");
	/* Both are what they were. */
	say(copy, "plain\n");
	want_line(peer, "plain");
	(void)close(copy);
	other_start(&o, peer, &(struct peer_opts){ .cert = world.one });
	want_eq(upgrade(fd, "one.example"), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
}

SCENE(a_foreign_server_is_given_its_certificate_once_it_is_ours)
{
	struct other o;
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 1);
	int peer = tcp_dial(&at), fd = tcp_accept(l);

	/* Bytes that the program has not read move with it. */
	say(peer, "STARTTLS\n");
	want_errno(upgrade(fd, NULL), EINVAL);
	want_line(fd, "STARTTLS");
	want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	other_start(&o, peer, &(struct peer_opts){ .sni = "one.example" });
	want_eq(upgrade(fd, NULL), 0);
	want_eq(other_end(&o), 0);
	want_tls(fd, &o.peer);
	peer_end(&o.peer);
	(void)close(fd);
	(void)close(l);
}

/* --- many at once ------------------------------------------------------------------------------------ */
#define CROWD	24

static void *
one_client(void *arg)
{
	const struct addr *at = arg;
	char line[100];

	for (int i = 0; i < 5; i++) {
		int fd = ours_client(world.families[0], 0, NULL);

		want_eq(ours_set_int(fd, TLS_START_PLAIN, 1), 0);
		want_eq(ours_connect(fd, at), 0);
		say(fd, "STARTTLS\n");
		read_line(fd, line, sizeof(line));
		want_eq(upgrade(fd, "one.example"), 0);
		say(fd, "secret\n");
		read_line(fd, line, sizeof(line));
		want_eq(strcmp(line, "answer\n"), 0);
		(void)close(fd);
	}
	return NULL;
}

static void *
one_server(void *arg)
{
	int fd = *(int *)arg;

	free(arg);
	want_line(fd, "STARTTLS");
	say(fd, "220 go\n");
	want_eq(upgrade(fd, NULL), 0);
	want_line(fd, "secret");
	say(fd, "answer\n");
	(void)close(fd);
	return NULL;
}

static int
is_closed(const struct addr *at)
{
	int fd = socket(at->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, &at->u.any, at->len);

	(void)close(fd);
	return rc < 0;
}

/* A folder that was found between two versions is read again for whoever still has the
 * certificates, also when it was the listener's watch that found it. */
SCENE(what_a_closed_listener_was_to_read_again_is_read_for_its_connections)
{
	static const char *const first[] = { "cert", "privkey" },
	    *const then[] = { "chain", "fullchain" };
	struct pki_cert *renewed = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "again", .san = "one.example" });
	struct pki_cert *two = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "two", .san = "two.example" });
	struct addr at;
	struct other o;
	uint64_t g;
	char half[680], dir[700];
	int l, fd, peer;

	(void)snprintf(half, sizeof(half), "%s/half", world.dir);
	(void)snprintf(dir, sizeof(dir), "%s/live", half);
	want_eq(mkdir(half, 0755), 0);
	pki_certbot(half, "one.example", world.one, 1);
	l = plain_listener(&at, dir);
	peer = tcp_dial(&at);
	fd = ours_accept(l);
	g = ours_generation(l);
	pki_certbot_archive(half, "one.example", renewed, 2);
	for (int i = 0; i < 2; i++) {
		pki_certbot_unlink(half, "one.example", first[i]);
		pki_certbot_link(half, "one.example", first[i], 2);
	}
	/* what changes later is read later: by then it is known to wait */
	pki_certbot(half, "two.example", two, 1);
	want_soon(ours_generation(l) > g);
	g = ours_generation(l);
	(void)close(l);
	want_soon(is_closed(&at));
	for (int i = 0; i < 2; i++) {
		pki_certbot_unlink(half, "one.example", then[i]);
		pki_certbot_link(half, "one.example", then[i], 2);
	}
	want_soon(ours_generation(fd) > g);
	other_start(&o, peer, &(struct peer_opts){ .sni = "one.example" });
	want_eq(upgrade(fd, NULL), 0);
	want_eq(other_end(&o), 0);
	want(peer_has_cert(&o.peer, renewed));
	peer_end(&o.peer);
	(void)close(fd);
	pki_free(renewed);
	pki_free(two);
}

SCENE(many_upgrade_at_once)
{
	pthread_t client[CROWD], server[CROWD * 5];
	struct addr at;
	int l = plain_listener(&at, world.one_file);

	for (int i = 0; i < CROWD; i++)
		want_eq(pthread_create(&client[i], NULL, one_client, &at), 0);
	for (int i = 0; i < CROWD * 5; i++) {
		int *fd = malloc(sizeof(*fd));

		want(fd != NULL);
		*fd = ours_accept(l);
		want_eq(pthread_create(&server[i], NULL, one_server, fd), 0);
	}
	for (int i = 0; i < CROWD; i++)
		want_eq(pthread_join(client[i], NULL), 0);
	for (int i = 0; i < CROWD * 5; i++)
		want_eq(pthread_join(server[i], NULL), 0);
	(void)close(l);
}

/* A listener that began plain does so when its relay was replaced. */
COLD_SCENE(a_listener_begins_plain_after_a_restart_of_the_relay)
{
	struct addr at;
	int l = plain_listener(&at, world.one_file), peer, fd;
	pid_t keeper, relay, old;

	want_eq(world_pair(l, &keeper, &old), 0);
	want_eq(kill(old, SIGKILL), 0);
	want_soon(world_pair(l, &keeper, &relay) == 0 && relay != old && relay > 0);
	peer = tcp_dial(&at);
	fd = ours_accept(l);
	say(fd, "220 hello\n");
	want_line(peer, "220 hello");
	(void)close(fd);
	(void)close(peer);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pythons_smtplib_is_served),
		cmocka_unit_test(openssls_s_client_is_served_after_starttls),
		cmocka_unit_test(a_python_smtp_server_is_reached),
		cmocka_unit_test(
		    a_command_behind_starttls_is_never_taken_for_a_protected_one),
		cmocka_unit_test(
		    plaintext_in_place_of_the_handshake_ends_the_connection),
		cmocka_unit_test(a_servers_answer_behind_its_word_must_be_read_first),
		cmocka_unit_test(an_early_client_hello_is_no_plaintext),
		cmocka_unit_test(a_refused_certificate_fails_the_call_for_good),
		cmocka_unit_test(
		    a_peer_that_leaves_is_econnaborted_and_a_silent_one_etimedout),
		cmocka_unit_test(sndtimeo_ends_the_wait_and_not_the_attempt),
		cmocka_unit_test(
		    a_descriptor_that_does_not_block_is_writable_when_it_is_tls),
		cmocka_unit_test(
		    all_that_was_written_before_is_plaintext_and_nothing_after),
		cmocka_unit_test(a_plain_connection_ends_and_breaks_as_tcps),
		cmocka_unit_test(a_server_of_a_plain_listener_may_speak_first),
		cmocka_unit_test(a_foreign_connection_becomes_tls_under_its_number),
		cmocka_unit_test(a_foreign_connection_with_a_duplicate_is_refused),
		cmocka_unit_test(
		    a_foreign_server_is_given_its_certificate_once_it_is_ours),
		cmocka_unit_test(
		    what_a_closed_listener_was_to_read_again_is_read_for_its_connections),
		cmocka_unit_test(many_upgrade_at_once),
		cmocka_unit_test(
		    a_listener_begins_plain_after_a_restart_of_the_relay),
	};

	world_begin();
	return world_end(tests);
}
