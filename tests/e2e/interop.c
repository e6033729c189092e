/* SPDX-License-Identifier: ISC */
/* interop - other people's programs, on both sides, and every way to link ours. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"

/* --- running programs ---------------------------------------------------------------- */
/* Whether the shell finds this program. */
static int
have(const char *program)
{
	char command[200];

	(void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

static void
needs(const char *program)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "%s is not installed", program);
	if (!have(program))
		world_skip(text);
}

/* Starts `sh -c command`; what it prints can be read from *ret_out. */
static void
spawn(struct prog *p, int *ret_in, int *ret_out, const char *command)
{
	int in[2], out[2];

	want_eq(pipe2(in, O_CLOEXEC), 0);
	want_eq(pipe2(out, O_CLOEXEC), 0);
	p->ch = -1;
	p->pid = fork();
	want(p->pid >= 0);
	if (p->pid == 0) {
		(void)setpgid(0, 0);
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	*ret_in = in[1];
	*ret_out = out[0];
}

/* Reads what the program prints until `part` was seen. */
static void
await_text(int out, const char *part, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	while (strstr(text, part) == NULL) {
		struct pollfd p = { .fd = out, .events = POLLIN };
		ssize_t got;

		want(n + 1 < size);
		want_eq(poll(&p, 1, WORLD_PATIENCE_MS), 1);
		got = read(out, text + n, size - 1 - n);
		if (got <= 0)
			world_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", part, text);
		n += (size_t)got;
		text[n] = '\0';
	}
}

static void
stop(struct prog *p)
{
	(void)kill(-p->pid, SIGKILL);
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
}

static const char *
address_text(const struct addr *at)
{
	static char text[64];

	if (at->u.any.sa_family == AF_INET)
		want(inet_ntop(AF_INET, &at->u.v4.sin_addr, text, sizeof(text)) != NULL);
	else
		want(inet_ntop(AF_INET6, &at->u.v6.sin6_addr, text, sizeof(text)) != NULL);
	return text;
}

/* The same in brackets where it is IPv6. */
static const char *
host_text(const struct addr *at)
{
	static char text[80];

	(void)snprintf(text, sizeof(text), at->u.any.sa_family == AF_INET ? "%s" :
	    "[%s]", address_text(at));
	return text;
}

/* --- other people's clients ------------------------------------------------------------ */
#define PAGE	"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nhello, world"

/* Takes one connection: reads a request up to its empty line, and answers. */
static void
answer_one(int l)
{
	char text[4096];
	size_t n = 0;
	int s;

	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	s = ours_accept(l);
	want_eq(strcmp(ours_get(s, TLS_HOSTNAME), "one.example"), 0);
	text[0] = '\0';
	while (strstr(text, "\r\n\r\n") == NULL) {
		ssize_t got = read(s, text + n, sizeof(text) - 1 - n);

		want(got > 0);
		n += (size_t)got;
		text[n] = '\0';
	}
	ours_write(s, PAGE, strlen(PAGE));
	(void)close(s);
}

/* The client is a shell command that prints the page; it must end with 0. */
static void
client_gets_the_page(int l, const char *command)
{
	struct prog p;
	char text[8192];
	int in, out;
	ssize_t n;

	spawn(&p, &in, &out, command);
	answer_one(l);
	await_text(out, "hello, world", text, sizeof(text));
	(void)close(in);
	/* A client that has more to print must not find a broken pipe. */
	do
		n = read(out, text, sizeof(text));
	while (n > 0);
	want_eq(n, 0);
	(void)close(out);
	prog_end(&p);
}

/* Whether it was accepted before it looked at the name is its own affair. */
static void
client_refuses(const char *command)
{
	struct prog p;
	int status, in, out;

	spawn(&p, &in, &out, command);
	(void)close(in);
	want_eq(waitpid(p.pid, &status, 0), p.pid);
	want(status != 0);
	(void)close(out);
}

SCENE(curl_is_served)
{
	char command[2000];

	needs("curl");
	for (int i = 0; i < world.n_families; i++) {
		struct addr at;
		int l = ours_listener(&at, world.families[i], world.one_file, NULL);

		(void)snprintf(command, sizeof(command), "curl -sS --noproxy '*' "
		    "--cacert %s --resolve one.example:%d:%s https://one.example:%d/",
		    world.ca_file, addr_port(&at), host_text(&at), addr_port(&at));
		client_gets_the_page(l, command);
		(void)snprintf(command, sizeof(command), "curl -sS --noproxy '*' "
		    "--cacert %s --resolve two.example:%d:%s https://two.example:%d/ "
		    "2>/dev/null", world.ca_file, addr_port(&at), host_text(&at),
		    addr_port(&at));
		client_refuses(command);
		(void)close(l);
	}
}

SCENE(openssl_s_client_is_served)
{
	struct addr at;
	char command[2000];
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	needs("openssl");
	for (int version = 2; version <= 3; version++) {
		(void)snprintf(command, sizeof(command),
		    "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet "
		    "-ign_eof -tls1_%d -connect %s:%d -servername one.example -CAfile %s "
		    "-verify_return_error -verify_hostname one.example 2>/dev/null",
		    version, host_text(&at), addr_port(&at), world.ca_file);
		client_gets_the_page(l, command);
	}
	(void)close(l);
}

SCENE(gnutls_cli_is_served)
{
	struct addr at;
	char command[2000];
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	needs("gnutls-cli");
	(void)snprintf(command, sizeof(command),
	    "(printf 'GET / HTTP/1.0\\r\\n\\r\\n'; cat) | gnutls-cli --x509cafile=%s "
	    "--port %d --sni-hostname=one.example --verify-hostname=one.example %s",
	    world.ca_file, addr_port(&at), address_text(&at));
	client_gets_the_page(l, command);
	(void)close(l);
}

SCENE(python_ssl_is_served)
{
	struct addr at;
	char command[2000];
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	needs("python3");
	(void)snprintf(command, sizeof(command), "python3 -c '\n"
	    "import socket, ssl\n"
	    "c = ssl.create_default_context(cafile=\"%s\")\n"
	    "s = socket.create_connection((\"%s\", %d))\n"
	    "s = c.wrap_socket(s, server_hostname=\"one.example\",\n"
	    "    suppress_ragged_eofs=False)\n"
	    "s.sendall(b\"GET / HTTP/1.0\\r\\n\\r\\n\")\n"
	    "t = b\"\"\n"
	    "while True:\n"
	    "    d = s.recv(4096)\n"
	    "    if not d: break\n"
	    "    t += d\n"
	    "s.unwrap().close()\n"
	    "print(t.decode())'", world.ca_file, address_text(&at), addr_port(&at));
	client_gets_the_page(l, command);
	(void)close(l);
}

/* --- other people's servers --------------------------------------------------------------- */
/* Our client asks and gets `expected` somewhere in the answer. */
static void
our_client_gets(const struct addr *at, const char *ask, const char *expected)
{
	char text[20000];
	size_t n = 0;
	int c;

	c = ours_client(at->u.any.sa_family, 0, "one.example");
	want_eq(ours_connect(c, at), 0);
	ours_write(c, ask, strlen(ask));
	text[0] = '\0';
	while (strstr(text, expected) == NULL) {
		ssize_t got = read(c, text + n, sizeof(text) - 1 - n);

		want(got > 0);
		n += (size_t)got;
		text[n] = '\0';
	}
	(void)close(c);
	c = ours_client(at->u.any.sa_family, 0, "two.example");
	want_errno(ours_connect(c, at), EPROTO);
	(void)close(c);
}

SCENE(openssl_s_server_is_reached)
{
	struct addr at, any;
	struct prog p;
	char command[2000], text[2000];
	int in, out;

	needs("openssl");
	addr_loop(&any, world.families[0], 0);
	(void)snprintf(command, sizeof(command), "exec openssl s_server -accept %s:0 "
	    "-cert %s -key %s -rev 2>&1", host_text(&any), world.one_file, world.one_file);
	spawn(&p, &in, &out, command);
	await_text(out, "ACCEPT ", text, sizeof(text));
	if (strchr(strstr(text, "ACCEPT "), '\n') == NULL)
		await_text(out, "\n", text + strlen(text), sizeof(text) - strlen(text));
	at = any;
	addr_loop(&at, world.families[0], atoi(strrchr(text, ':') + 1));
	our_client_gets(&at, "desrever\n", "reversed");
	stop(&p);
	(void)close(in);
	(void)close(out);
}

/* 1: somebody listens there; 0: not yet; -1: the program has ended. */
static int
is_up(const struct prog *p, const struct addr *at)
{
	int probe = socket(at->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int up = connect(probe, &at->u.any, at->len) == 0;

	(void)close(probe);
	return waitpid(p->pid, NULL, WNOHANG) == p->pid ? -1 : up;
}

/* It takes no port 0: a free one is chosen, which somebody may take first. */
SCENE(gnutls_serv_is_reached)
{
	struct addr at;
	struct prog p;
	char command[2000];
	int in, out, up = -1;

	needs("gnutls-serv");
	for (int i = 0; i < 10 && up != 1; i++) {
		tcp_dead_port(&at, world.families[0]);
		(void)snprintf(command, sizeof(command), "exec gnutls-serv --echo "
		    "--port %d --x509certfile=%s --x509keyfile=%s 2>&1",
		    addr_port(&at), world.one_file, world.one_file);
		spawn(&p, &in, &out, command);
		want_soon((up = is_up(&p, &at)) != 0);
	}
	want_eq(up, 1);
	our_client_gets(&at, "echo me\n", "echo me");
	stop(&p);
	(void)close(in);
	(void)close(out);
}

SCENE(a_python_ssl_server_is_reached)
{
	struct addr at;
	struct prog p;
	char command[2000], text[200];
	int in, out;

	needs("python3");
	addr_loop(&at, world.families[0], 0);
	(void)snprintf(command, sizeof(command), "exec python3 -u -c '\n"
	    "import socket, ssl\n"
	    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
	    "c.load_cert_chain(\"%s\")\n"
	    "l = socket.socket(socket.AF_INET%s)\n"
	    "l.bind((\"%s\", 0))\n"
	    "l.listen()\n"
	    "print(l.getsockname()[1], \"ready\")\n"
	    "while True:\n"
	    "    s, _ = l.accept()\n"
	    "    try:\n"
	    "        s = c.wrap_socket(s, server_side=True)\n"
	    "        s.sendall(s.recv(100).upper())\n"
	    "    except OSError: pass\n"
	    "    s.close()'", world.one_file, world.families[0] == AF_INET ? "" : "6",
	    address_text(&at));
	spawn(&p, &in, &out, command);
	await_text(out, "ready", text, sizeof(text));
	addr_loop(&at, world.families[0], atoi(text));
	our_client_gets(&at, "upper\n", "UPPER");
	stop(&p);
	(void)close(in);
	(void)close(out);
}

/* --- every way to link ------------------------------------------------------------------- */
/* A program of its own that connects, says hello, and prints the answer. */
static void
program_speaks_tls(const char *command)
{
	struct addr at;
	struct prog p;
	char full[4000], text[200], heard[5];
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), in, out, s;

	(void)snprintf(full, sizeof(full), "ADDRESS=%s PORT=%d CA=%s NAME=one.example "
	    "exec %s", address_text(&at), addr_port(&at), world.ca_file, command);
	spawn(&p, &in, &out, full);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	s = ours_accept(l);
	ours_read(s, heard, 5);
	want_eq(memcmp(heard, "hello", 5), 0);
	ours_write(s, "well met", 8);
	(void)close(s);
	await_text(out, "well met", text, sizeof(text));
	prog_end(&p);
	(void)close(in);
	(void)close(out);
	(void)close(l);
}

static const char *
helper(const char *variable)
{
	const char *path = getenv(variable);

	want(path != NULL);
	return path;
}

SCENE(a_program_that_is_linked_without_the_header_speaks_tls)
{
	program_speaks_tls(helper("E2E_LINKED_CLIENT"));
}

SCENE(a_cplusplus_program_speaks_tls)
{
	program_speaks_tls(helper("E2E_CXX_CLIENT"));
}

static const char python_client[] =
    "\"$PYTHON\" -c '\n"
    "import os, socket\n"
    "e = os.environ\n"
    "s = socket.socket(socket.AF_INET6 if \":\" in e[\"ADDRESS\"] else\n"
    "    socket.AF_INET, socket.SOCK_STREAM, 205)\n"
    "s.setsockopt(205, 87, e[\"CA\"].encode())\n"
    "s.setsockopt(205, 85, e[\"NAME\"].encode())\n"
    "s.connect((e[\"ADDRESS\"], int(e[\"PORT\"])))\n"
    "s.sendall(b\"hello\")\n"
    "t = b\"\"\n"
    "while True:\n"
    "    d = s.recv(100)\n"
    "    if not d: break\n"
    "    t += d\n"
    "print(t.decode())'";

SCENE(an_unchanged_program_speaks_tls_with_the_library_preloaded)
{
	char command[2000];

	needs("\"$PYTHON\"");
	(void)snprintf(command, sizeof(command), "env ASAN_OPTIONS=detect_leaks=0 "
	    "LD_PRELOAD=%s %s",
	    helper("E2E_PRELOAD"), python_client);
	program_speaks_tls(command);
}

/* Without the library the kernel refuses: never a plain connection. */
SCENE(without_the_library_the_protocol_is_refused)
{
	struct prog p;
	char text[400];
	int in, out;

	needs("\"$PYTHON\"");
	spawn(&p, &in, &out, "exec \"$PYTHON\" -c '\n"
	    "import socket\n"
	    "try: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 205)\n"
	    "except OSError as e: print(\"errno\", e.errno, \".\")'");
	await_text(out, ".", text, sizeof(text));
	want_has(text, "errno 93 ");
	prog_end(&p);
	(void)close(in);
	(void)close(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curl_is_served),
		cmocka_unit_test(openssl_s_client_is_served),
		cmocka_unit_test(gnutls_cli_is_served),
		cmocka_unit_test(python_ssl_is_served),
		cmocka_unit_test(openssl_s_server_is_reached),
		cmocka_unit_test(gnutls_serv_is_reached),
		cmocka_unit_test(a_python_ssl_server_is_reached),
		cmocka_unit_test(a_program_that_is_linked_without_the_header_speaks_tls),
		cmocka_unit_test(a_cplusplus_program_speaks_tls),
		cmocka_unit_test(an_unchanged_program_speaks_tls_with_the_library_preloaded),
		cmocka_unit_test(without_the_library_the_protocol_is_refused),
	};

	world_begin();
	return world_end(tests);
}
