/* SPDX-License-Identifier: ISC */
/* run - sstool run: programs that know nothing of TLS, and those it refuses. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ours.h"

/* --- running it ------------------------------------------------------------------ */
/* `sh -c "exec sstool run ..."`: a program whose output, both kinds, is at `out`. */
struct run {
	pid_t	pid;
	int	out;
	char	text[16384];	/* read so far */
	size_t	len;
};

/* Set in sstool, and so in the program: orphans come back to it. */
static int	subreaper;

static void	run_start(struct run *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));

/* A library with a sanitizer in it needs the sanitizer's own before libc. */
static void
preload_sanitizer(void)
{
	char list[1200];
	char *colon;

	(void)snprintf(list, sizeof(list), "%s", getenv("E2E_PRELOAD"));
	colon = strchr(list, ':');
	if (colon == NULL)
		return;
	*colon = '\0';
	(void)setenv("LD_PRELOAD", list, 1);
	(void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
}

static void
run_start(struct run *r, const char *fmt, ...)
{
	char command[4096];
	int out[2], n;
	va_list ap;

	n = snprintf(command, sizeof(command), "exec \"$SSTOOL\" run ");
	va_start(ap, fmt);
	(void)vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	memset(r, 0, sizeof(*r));
	want_eq(pipe2(out, O_CLOEXEC), 0);
	r->pid = fork();
	want(r->pid >= 0);
	if (r->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (subreaper)
			(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* With it the helper processes would keep stderr open. */
		(void)unsetenv("SECURESOCKETS_DEBUG");
		preload_sanitizer();
		(void)dup2(out[1], 1);
		(void)dup2(out[1], 2);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(out[1]);
	r->out = out[0];
}

/* Reads once; 0: the end of the output. */
static int
run_read(struct run *r)
{
	struct pollfd p = { .fd = r->out, .events = POLLIN };
	ssize_t n;

	want(r->len + 1 < sizeof(r->text));
	want_eq(poll(&p, 1, WORLD_PATIENCE_MS), 1);
	n = read(r->out, r->text + r->len, sizeof(r->text) - 1 - r->len);
	want(n >= 0);
	r->len += (size_t)n;
	r->text[r->len] = '\0';
	return n > 0;
}

static void
run_await(struct run *r, const char *part)
{
	while (strstr(r->text, part) == NULL)
		if (!run_read(r))
			world_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", part,
			    r->text);
}

/* Waits for the end of all that writes to it; the wait status. */
static int
run_end(struct run *r)
{
	int status;

	while (run_read(r))
		;
	(void)close(r->out);
	want_eq(waitpid(r->pid, &status, 0), r->pid);
	return status;
}

static void
run_stop(struct run *r)
{
	(void)kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, NULL, 0);
	(void)close(r->out);
}

/* The port that a server of ours has printed. */
static void
run_port(struct run *r, struct addr *ret, int family)
{
	const char *at;

	run_await(r, "port ");
	for (;;) {
		at = strstr(r->text, "port ");
		if (strchr(at, '\n') != NULL)
			break;
		want(run_read(r));
	}
	addr_loop(ret, family, atoi(at + 5));
}

#define want_run_fails(code, part, ...) do {				\
	struct run r_;							\
	int status_;							\
	run_start(&r_, __VA_ARGS__);					\
	status_ = run_end(&r_);						\
	if (!WIFEXITED(status_) || WEXITSTATUS(status_) != (code))	\
		world_fail(__FILE__, __LINE__, "wait status 0x%x: %s",	\
		    (unsigned int)status_, r_.text);			\
	want_has(r_.text, part);					\
} while (0)

static const char *
loopback(int family)
{
	return family == AF_INET ? "127.0.0.1" : "::1";
}

static const char *
unaware(void)
{
	return getenv("E2E_UNAWARE");
}

/* The path of a variant of escape.c; the scene is skipped without it. */
static const char *
escape(const char *name)
{
	static char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("E2E_ESCAPES"), name);
	if (access(path, X_OK) < 0)
		world_skip("there is no static C library to build it with");
	return path;
}

/* --- servers --------------------------------------------------------------------- */
/* TLS with world.one, and nothing for a client that speaks plain. */
static void
want_tls_only(const struct addr *at)
{
	struct peer p;
	char line[6] = "";
	int fd;

	want_eq(peer_client(&p, at, &(struct peer_opts){ .sni = "one.example" }), 0);
	want(peer_has_cert(&p, world.one));
	peer_write(&p, "ping\n", 5);
	peer_read_all(&p, line, 5);
	want_eq(strcmp(line, "ping\n"), 0);
	peer_end(&p);
	fd = tcp_dial(at);
	want_eq(write(fd, "ping\n", 5), 5);
	for (;;) {
		ssize_t n = read(fd, line, 1);

		if (n <= 0)
			break;
		/* An alert, not an echo. */
		want(line[0] != 'p');
	}
	(void)close(fd);
}

SCENE(an_unchanged_server_serves_tls_and_nothing_else)
{
	for (int i = 0; i < world.n_families; i++) {
		struct addr at;
		struct run r;

		run_start(&r, "--tls-port any --cert %s %s serve %s", world.one_file,
		    unaware(), loopback(world.families[i]));
		run_port(&r, &at, world.families[i]);
		want_tls_only(&at);
		/* TCP is what it asked for, and what it is told. */
		want_has_not(r.text, "no TCP");
		run_await(&r, "accepted");
		want_has_not(r.text, "something else");
		run_stop(&r);
	}
}

SCENE(a_server_is_given_chain_and_key_in_two_files_or_a_directory)
{
	const char *certs[3];
	char pairs[2][700];

	pki_write_chain(world.dir, "chain.pem", world.one);
	pki_write_key(world.dir, "key.pem", world.one);
	pki_write_pair(world.dir, "certs/any.pem", world.one);
	/* Either order. */
	for (int i = 0; i < 2; i++)
		(void)snprintf(pairs[i], sizeof(pairs[i]), "%s --cert %s",
		    pki_path(world.dir, i == 0 ? "chain.pem" : "key.pem"),
		    pki_path(world.dir, i == 0 ? "key.pem" : "chain.pem"));
	certs[0] = pairs[0];
	certs[1] = pairs[1];
	certs[2] = pki_path(world.dir, "certs");
	for (int i = 0; i < 3; i++) {
		struct addr at;
		struct run r;

		run_start(&r, "--tls-port any --cert %s %s serve %s", certs[i],
		    unaware(), loopback(world.families[0]));
		run_port(&r, &at, world.families[0]);
		want_tls_only(&at);
		run_stop(&r);
	}
	want_run_fails(64, "has no private key", "--tls-port any --cert %s %s serve ::1",
	    pki_path(world.dir, "chain.pem"), unaware());
	want_run_fails(64, "a private key alone", "--tls-port any --cert %s %s serve ::1",
	    pki_path(world.dir, "key.pem"), unaware());
	want_run_fails(2, "No such file", "--tls-port any --cert %s %s serve ::1",
	    pki_path(world.dir, "nothing.pem"), unaware());
}

SCENE(a_relative_path_is_where_sstool_was_started)
{
	struct addr at;
	struct run r;

	want_eq(chdir(world.dir), 0);
	run_start(&r, "--tls-port any --cert %s sh -c 'cd / && exec %s serve %s'",
	    strrchr(world.one_file, '/') + 1, unaware(), loopback(world.families[0]));
	run_port(&r, &at, world.families[0]);
	want_tls_only(&at);
	run_stop(&r);
}

SCENE(a_listener_without_a_certificate_does_not_listen)
{
	want_run_fails(1, "listen: Invalid argument",
	    "--tls-port any %s serve %s", unaware(), loopback(world.families[0]));
	want_run_fails(1, "add --cert PATH to sstool run",
	    "--verbose --tls-port any %s serve %s", unaware(),
	    loopback(world.families[0]));
}

SCENE(pythons_http_server_serves_tls)
{
	struct addr at;
	struct peer p;
	struct run r;
	char text[5] = "";

	if (getenv("PYTHON") == NULL || *getenv("PYTHON") == '\0')
		world_skip("python3 is not installed");
	run_start(&r, "--tls-port any --cert %s \"$PYTHON\" -u -c '\n"
	    "import http.server\n"
	    "s = http.server.ThreadingHTTPServer((\"127.0.0.1\", 0),\n"
	    "    http.server.SimpleHTTPRequestHandler)\n"
	    "print(\"port\", s.server_port)\n"
	    "s.serve_forever()'", world.one_file);
	run_port(&r, &at, AF_INET);
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "one.example" }), 0);
	peer_write(&p, "GET / HTTP/1.0\r\n\r\n", 18);
	peer_read_all(&p, text, 4);
	want_eq(strcmp(text, "HTTP"), 0);
	peer_drop(&p);
	run_stop(&r);
}

SCENE(a_port_that_no_option_names_stays_plain)
{
	struct addr dead, at;
	struct run r;
	char line[6] = "";
	int fd;

	tcp_dead_port(&dead, world.families[0]);
	run_start(&r, "--tls-port %d --cert %s %s serve %s", addr_port(&dead),
	    world.one_file, unaware(), loopback(world.families[0]));
	run_port(&r, &at, world.families[0]);
	fd = tcp_dial(&at);
	want_eq(write(fd, "ping\n", 5), 5);
	want_eq(recv(fd, line, 5, MSG_WAITALL), 5);
	want_eq(strcmp(line, "ping\n"), 0);
	(void)close(fd);
	run_stop(&r);
	/* And the one that is named is TLS. */
	run_start(&r, "--tls-port %d --cert %s %s serve %s %d", addr_port(&dead),
	    world.one_file, unaware(), loopback(world.families[0]),
	    addr_port(&dead));
	run_port(&r, &at, world.families[0]);
	want_tls_only(&at);
	run_stop(&r);
}

/* --- clients --------------------------------------------------------------------- */
struct serving {
	int			 listener;
	const struct pki_cert	*cert;
	int			 times, plain;
};

/* A server of OpenSSL, or of TCP alone, that answers with what it got. */
static void
serve(int ch, void *arg)
{
	const struct serving *s = arg;
	char line[5];

	(void)ch;
	for (int i = 0; i < s->times; i++) {
		struct peer_opts opts = { .cert = s->cert };
		struct peer p = { .fd = tcp_accept(s->listener) };

		if (s->plain) {
			want_eq(recv(p.fd, line, 5, MSG_WAITALL), 5);
			want_eq(write(p.fd, line, 5), 5);
			(void)close(p.fd);
			continue;
		}
		if (peer_server_on(&p, p.fd, &opts) < 0)
			continue;
		if (peer_read(&p, line, 5) == 5)
			peer_write(&p, line, 5);
		peer_end(&p);
	}
}

static void
start_server(struct prog *p, struct addr *at, const struct pki_cert *cert, int times,
    int plain)
{
	struct serving s = { tcp_listen(at, world.families[0], 16), cert, times, plain };

	prog_start(p, serve, &s);
	(void)close(s.listener);
}

#define want_answer(...) do {						\
	struct run r_;							\
	int status_;							\
	run_start(&r_, __VA_ARGS__);					\
	status_ = run_end(&r_);						\
	if (status_ != 0)						\
		world_fail(__FILE__, __LINE__, "wait status 0x%x: %s",	\
		    (unsigned int)status_, r_.text);			\
	want_has(r_.text, "answer ping");				\
} while (0)

SCENE(an_unchanged_client_speaks_tls_to_the_host_that_is_named)
{
	const char *a = loopback(world.families[0]);
	struct prog p;
	struct addr at;
	int port;

	start_server(&p, &at, world.one, 4, 0);
	port = addr_port(&at);
	want_answer("--tls-port %d --trust %s --name one.example %s dial %s %d",
	    port, world.ca_file, unaware(), a, port);
	want_answer("--tls %s%s%s:%d --trust %s --name one.example %s dial %s %d",
	    strchr(a, ':') ? "[" : "", a, strchr(a, ':') ? "]" : "", port,
	    world.ca_file, unaware(), a, port);
	want_run_fails(1, "connect: Protocol error",
	    "--tls-port any --trust %s --name two.example %s dial %s %d",
	    world.ca_file, unaware(), a, port);
	/* Not believed without --trust. */
	want_run_fails(1, "connect: Protocol error",
	    "--tls-port any --name one.example %s dial %s %d", unaware(), a, port);
	prog_end(&p);
}

SCENE(a_client_that_asked_for_no_name_is_refused_unless_the_address_may_count)
{
	const char *a = loopback(world.families[0]);
	struct prog p;
	struct addr at;
	int port;

	start_server(&p, &at, world.one, 2, 0);
	port = addr_port(&at);
	want_run_fails(1, "connect: Protocol error", "--tls-port any --trust %s "
	    "%s dial %s %d", world.ca_file, unaware(), a, port);
	want_run_fails(1, "--name HOST", "--verbose --tls-port any --trust %s "
	    "%s dial %s %d", world.ca_file, unaware(), a, port);
	/* The certificate is for the address as well. */
	want_answer("--tls-port any --trust %s --name-from-address %s dial %s %d",
	    world.ca_file, unaware(), a, port);
	/* The program asked for the address by getaddrinfo(), in any spelling. */
	want_answer("--tls-port any --trust %s %s dial %s %d %s", world.ca_file,
	    unaware(), a, port, world.families[0] == AF_INET ? "127.1" :
	    "0:0:0:0:0:0:0:1");
	prog_end(&p);
}

SCENE(the_name_that_the_program_looked_up_is_the_one_that_counts)
{
	const char *a = loopback(world.families[0]);
	struct pki_cert *both = pki_issue(world.ca, &(struct pki_spec){
	    .san = "localhost,IP:127.0.0.1,IP:::1" });
	struct pki_cert *named = pki_issue(world.ca, &(struct pki_spec){
	    .san = "localhost" });
	struct prog p;
	struct addr at;
	int port;

	start_server(&p, &at, named, 2, 0);
	port = addr_port(&at);
	want_answer("--tls-port any --trust %s %s dial %s %d localhost",
	    world.ca_file, unaware(), a, port);
	/* By name and by address: the certificate must be for both. */
	want_run_fails(1, "connect: Protocol error", "--tls-port any --trust %s "
	    "%s dial %s %d localhost %s", world.ca_file, unaware(), a, port, a);
	prog_end(&p);
	start_server(&p, &at, both, 1, 0);
	port = addr_port(&at);
	want_answer("--tls-port any --trust %s %s dial %s %d localhost %s",
	    world.ca_file, unaware(), a, port, a);
	prog_end(&p);
	start_server(&p, &at, world.one, 1, 0);
	port = addr_port(&at);
	want_run_fails(1, "connect: Protocol error", "--tls-port any --trust %s "
	    "%s dial %s %d localhost", world.ca_file, unaware(), a, port);
	prog_end(&p);
	pki_free(both);
	pki_free(named);
}

SCENE(a_connection_to_a_port_that_no_option_names_stays_plain)
{
	struct prog p;
	struct addr at, dead;

	start_server(&p, &at, NULL, 1, 1);
	tcp_dead_port(&dead, world.families[0]);
	want_answer("--tls-port %d %s dial %s %d", addr_port(&dead), unaware(),
	    loopback(world.families[0]), addr_port(&at));
	prog_end(&p);
}

SCENE(a_client_of_a_plain_server_is_refused)
{
	struct prog p;
	struct addr at;

	start_server(&p, &at, NULL, 1, 1);
	want_run_fails(1, "connect: ", "--tls-port any --trust %s --name one.example "
	    "%s dial %s %d", world.ca_file, unaware(), loopback(world.families[0]),
	    addr_port(&at));
	prog_end(&p);
}

/* Whether every directory above is open to all. */
static int
others_reach(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/')) != NULL && slash != dir) {
		*slash = '\0';
		if (stat(dir, &st) < 0 || (st.st_mode & S_IXOTH) == 0)
			return 0;
	}
	return 1;
}

SCENE(a_program_that_drops_its_rights_connects_all_the_same)
{
	struct prog p;
	struct addr at;

	if (geteuid() != 0)
		world_skip("only root can drop rights");
	if (!others_reach(unaware()))
		world_skip("others do not reach the build directory");
	start_server(&p, &at, world.one, 1, 0);
	want_answer("--tls-port any --trust %s --name one.example "
	    "setpriv --reuid 65534 --clear-groups %s dial %s %d", world.ca_file,
	    unaware(), loopback(world.families[0]), addr_port(&at));
	prog_end(&p);
}

/* --- the filter ------------------------------------------------------------------- */
#define EPERM_TEXT	": Operation not permitted\n"

static void
want_nothing_made(const char *text)
{
	want_has(text, "inet" EPERM_TEXT);
	want_has(text, "inet6" EPERM_TEXT);
	want_has(text, "smc" EPERM_TEXT);
	want_has(text, "sctp" EPERM_TEXT);
	want_has(text, "io_uring" EPERM_TEXT);
	want_has(text, "datagrams: made");
	want_has(text, "unix: made");
}

SCENE(a_child_that_is_statically_linked_makes_no_socket)
{
	const char *path = escape("escape_static");
	struct run r;

	run_start(&r, "--tls-port any sh -c '%s; true'", path);
	want_eq(run_end(&r), 0);
	want_nothing_made(r.text);
	/* In the program itself the library makes it. */
	run_start(&r, "--tls-port any %s", escape("escape"));
	want_eq(run_end(&r), 0);
	want_has(r.text, "inet: made");
	want_has(r.text, "inet6: made");
	want_has(r.text, "io_uring" EPERM_TEXT);
}

SCENE(a_child_that_the_library_does_not_hear_of_makes_no_socket)
{
	struct run r;

	run_start(&r, "--tls-port any %s bare", escape("escape"));
	want_eq(run_end(&r), 0);
	want_nothing_made(r.text);
}

/* Servers clean the environment before they start themselves anew. */
SCENE(a_child_with_an_environment_of_its_own_is_under_the_policy)
{
	static const char *const ways[] = { "env -i", "unset LD_PRELOAD;",
	    "LD_PRELOAD=", "unset SECURESOCKETS_POLICY;" };
	static const char *const calls[] = { "execve", "execv", "execvp", "execvpe",
	    "execl", "execlp", "execle", "fexecve", "execveat", "posix_spawn",
	    "posix_spawnp" };
	struct run r;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	world_skip("a sanitizer that is not first needs a variable of its own");
#endif
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		run_start(&r, "--tls-port any sh -c '%s %s; true'", ways[i],
		    escape("escape"));
		want_eq(run_end(&r), 0);
		want_has(r.text, "inet: made");
		want_has(r.text, "io_uring" EPERM_TEXT);
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		run_start(&r, "--tls-port any %s %s", escape("escape"), calls[i]);
		want_eq(run_end(&r), 0);
		want_has(r.text, "inet: made");
	}
	/* Where sstool started no pair, it finds securesocketsd as its parent did. */
	run_start(&r, "--lenient --tls-port any %s execve", escape("escape"));
	want_eq(run_end(&r), 0);
	want_has(r.text, "inet: made");
}

/* How often `part` is in `text`. */
static int
times(const char *text, const char *part)
{
	int n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		n++;
	}
	return n;
}

SCENE(what_an_environment_says_of_the_policy_itself_stays)
{
	struct run r;

	/* Other libraries come behind, and this one is there once. */
	run_start(&r, "--tls-port any sh -c 'LD_PRELOAD=/other.so sh -c "
	    "\"exec sh -c \\\"exec printenv LD_PRELOAD\\\"\"' 2>&-");
	want_eq(run_end(&r), 0);
	want_has(r.text, ":/other.so\n");
	want_eq(times(r.text, "libsecuresockets.so"), 1);
	run_start(&r, "--tls-port any sh -c 'SECURESOCKETS_POLICY=x %s; true'",
	    escape("escape"));
	want_eq(run_end(&r), 0);
	want_has(r.text, "inet: Protocol error");
	want_has_not(r.text, "inet: made");
}

SCENE(lenient_lifts_the_filter_and_says_what_that_gives_up)
{
	struct run r;

	run_start(&r, "--lenient --tls-port any %s bare", escape("escape"));
	want_eq(run_end(&r), 0);
	want_has(r.text, "may speak plain TCP");
	want_has(r.text, "inet: made");
	run_start(&r, "--tls-port any %s bare", escape("escape"));
	want_eq(run_end(&r), 0);
	want_has_not(r.text, "may speak plain TCP");
	want_has_not(r.text, "inet: made");
}

SCENE(a_lenient_server_serves_tls_as_well)
{
	struct addr at;
	struct run r;

	run_start(&r, "--lenient --tls-port any --cert %s %s serve %s", world.one_file,
	    unaware(), loopback(world.families[0]));
	run_port(&r, &at, world.families[0]);
	want_tls_only(&at);
	run_stop(&r);
}

/* --- what is refused --------------------------------------------------------------- */
/* A copy of a program in the world's directory. */
static const char *
copy_of(const char *path, const char *name)
{
	char command[1400];

	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", path,
	    pki_path(world.dir, name));
	want_eq(system(command), 0);
	return pki_path(world.dir, name);
}

static void
patch(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	want(fd >= 0);
	want_eq(pwrite(fd, bytes, len, at), len);
	(void)close(fd);
}

static void
write_script(const char *name, const char *before, const char *value)
{
	char text[800];

	(void)snprintf(text, sizeof(text), "%s%s\n", before, value);
	pki_write_text(world.dir, name, text);
	want_eq(chmod(pki_path(world.dir, name), 0755), 0);
}

SCENE(a_program_without_an_interpreter_is_refused)
{
	const char *path = escape("escape_static");

	want_run_fails(69, "statically linked", "--tls-port any %s", path);
	write_script("script", "#! ", path);
	want_run_fails(69, "statically linked", "--tls-port any %s",
	    pki_path(world.dir, "script"));
}

SCENE(a_program_with_raised_rights_is_refused)
{
	/* cap_net_bind_service=ep, as setcap(8) writes it */
	static const unsigned char caps[20] = { 1, 0, 0, 2, 0, 4 };
	const char *path = copy_of(escape("escape"), "raised");

	want_eq(chmod(path, 04755), 0);
	want_run_fails(69, "set-user-ID", "--tls-port any %s", path);
	want_eq(chmod(path, 02755), 0);
	want_run_fails(69, "set-user-ID", "--tls-port any %s", path);
	want_eq(chmod(path, 0755), 0);
	if (setxattr(path, "security.capability", caps, sizeof(caps), 0) == 0) {
		want_run_fails(69, "file capabilities", "--tls-port any %s", path);
		want_eq(removexattr(path, "security.capability"), 0);
	}
	{
		struct run r;

		run_start(&r, "--tls-port any %s", path);
		want_eq(run_end(&r), 0);
	}
}

SCENE(a_go_program_is_refused)
{
	want_run_fails(69, "is a Go program", "--tls-port any %s", escape("escape_go1"));
	want_run_fails(69, "is a Go program", "--tls-port any %s", escape("escape_go2"));
}

SCENE(a_program_for_another_machine_is_refused)
{
	const char *path = copy_of(escape("escape"), "other");

	patch(path, 18, "\x28\x00", 2);		/* e_machine: 32 bit ARM */
	want_run_fails(69, "another kind of machine", "--tls-port any %s", path);
	path = copy_of(escape("escape"), "other");
	patch(path, 4, "\x01", 1);		/* 32 bit */
	want_run_fails(69, "another kind of machine", "--tls-port any %s", path);
	path = copy_of(escape("escape"), "other");
	want_eq(truncate(path, 20), 0);
	want_run_fails(69, "another kind of machine", "--tls-port any %s", path);
}

SCENE(a_script_is_what_its_interpreter_is)
{
	struct run r;

	write_script("a", "#!/bin/sh\nexec ", escape("escape"));
	run_start(&r, "--tls-port any %s", pki_path(world.dir, "a"));
	want_eq(run_end(&r), 0);
	want_has(r.text, "inet: made");
	/* Through another script, and through env(1). */
	write_script("b", "#!", pki_path(world.dir, "a"));
	run_start(&r, "--tls-port any %s", pki_path(world.dir, "b"));
	want_eq(run_end(&r), 0);
	write_script("c", "#!/usr/bin/env -S A=b ", escape("escape_go1"));
	want_run_fails(69, "is a Go program", "--tls-port any %s",
	    pki_path(world.dir, "c"));
	write_script("d", "#!", "/no/such/interpreter");
	want_run_fails(127, "/no/such/interpreter", "--tls-port any %s",
	    pki_path(world.dir, "d"));
	write_script("e", "#!", pki_path(world.dir, "e"));
	want_run_fails(126, "Too many levels", "--tls-port any %s",
	    pki_path(world.dir, "e"));
}

SCENE(what_cannot_be_started_has_the_shells_exit_status)
{
	want_run_fails(127, "No such file", "--tls-port any sst-no-such-program");
	want_run_fails(127, "No such file", "--tls-port any /no/such/program");
	want_run_fails(126, "Permission denied", "--tls-port any %s", world.ca_file);
	want_run_fails(126, "Permission denied", "--tls-port any %s", world.dir);
	write_script("text", "", "no program");
	want_run_fails(126, "Exec format error", "--tls-port any %s",
	    pki_path(world.dir, "text"));
}

SCENE(a_wrong_command_line_is_64_and_says_what_to_type)
{
	want_run_fails(64, "which program?", "--tls-port 1");
	want_run_fails(64, "which port becomes TLS?", "true");
	want_run_fails(64, "1 to 65535", "--tls-port 0 true");
	want_run_fails(64, "1 to 65535", "--tls-port 65536 true");
	want_run_fails(64, "1 to 65535", "--tls-port 80x true");
	want_run_fails(64, "ADDRESS:PORT", "--tls localhost:80 true");
	want_run_fails(64, "not a host name", "--tls-port 1 --name 'a b' true");
	want_run_fails(64, "twice", "--tls-port 1 --name a --name b true");
	want_run_fails(64, "different things",
	    "--tls-port 1 --name a --name-from-address true");
	want_run_fails(64, "no option", "--tls-port 1 --nonsense true");
	want_run_fails(2, "cannot be read", "--tls-port 1 --trust /no/such/file true");
	want_run_fails(0, "usage: sstool run", "--help");
}

/* --- the process ------------------------------------------------------------------- */
SCENE(the_program_has_sstools_pid_and_its_exit_status_is_returned)
{
	struct run r;
	char pid[32];

	run_start(&r, "--tls-port any sh -c 'echo pid $$; exit 7'");
	want_eq(run_end(&r), 7 << 8);
	(void)snprintf(pid, sizeof(pid), "pid %d\n", (int)r.pid);
	want_has(r.text, pid);
	run_start(&r, "--tls-port any -- sh -c 'kill -TERM $$'");
	want_eq(run_end(&r), SIGTERM);
}

SCENE(the_program_has_no_child_that_it_did_not_make)
{
	struct run r;

	run_start(&r, "--tls-port any %s wait", unaware());
	want_eq(run_end(&r), 1 << 8);
	want_has(r.text, "wait: No child processes");
	subreaper = 1;
	for (int lenient = 0; lenient <= 1; lenient++) {
		run_start(&r, "%s --tls-port any %s wait", lenient ? "--lenient" : "",
		    unaware());
		want_eq(run_end(&r), 1 << 8);
		want_has(r.text, "wait: No child processes");
		want_has_not(r.text, "a child has ended");
	}
}

SCENE(the_first_program_of_a_container_has_no_child_that_it_did_not_make)
{
	struct run r;

	if (system("unshare --pid --fork --mount-proc true 2>/dev/null") != 0)
		world_skip("a PID namespace is not allowed");
	(void)setenv("SSTOOL_REAL", getenv("SSTOOL"), 1);
	write_script("first", "#!/bin/sh\nexec unshare --pid --fork --mount-proc "
	    "--kill-child ", "\"$SSTOOL_REAL\" \"$@\"");
	(void)setenv("SSTOOL", pki_path(world.dir, "first"), 1);
	run_start(&r, "--tls-port any %s wait", unaware());
	want_eq(run_end(&r), 1 << 8);
	want_has(r.text, "wait: No child processes");
}

/* Processes that were started as sstool with this word. */
static int
watchers(const char *word)
{
	char path[300], line[4096];
	struct dirent *e;
	DIR *dir = opendir("/proc");
	int n = 0;

	want(dir != NULL);
	while ((e = readdir(dir)) != NULL) {
		ssize_t len;
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		len = read(fd, line, sizeof(line));
		(void)close(fd);
		if (len > 0 && memmem(line, (size_t)len, "sstool", 6) != NULL &&
		    memmem(line, (size_t)len, word, strlen(word)) != NULL)
			n++;
	}
	(void)closedir(dir);
	return n;
}

SCENE(nothing_is_left_of_sstool_when_the_program_has_ended)
{
	const char *path = copy_of(unaware(), "seen");

	for (int lenient = 0; lenient <= 1; lenient++) {
		struct addr at;
		struct run r;

		/* It has the lowest numbers of descriptors for its own. */
		run_start(&r, "%s --tls-port any --cert %s %s serve %s "
		    "3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-",
		    lenient ? "--lenient" : "", world.one_file, path,
		    loopback(world.families[0]));
		run_port(&r, &at, world.families[0]);
		/* Under a filter it waits for the last one. */
		if (lenient)
			want_soon(watchers(path) == 0);
		else
			want_eq(watchers(path), 1);
		run_stop(&r);
		want_soon(watchers(path) == 0);
	}
}

/* The kernel starts what the program names as its loader: here one that does not
 * load anything. */
SCENE(a_program_that_does_not_load_the_library_is_killed)
{
	static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
	const char *path = copy_of(escape("escape"), "odd");
	long long start = world_now_ms();
	char *bytes = malloc(1 << 20), *at;
	struct run r;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	n = read(fd, bytes, 1 << 20);
	want(n > 0);
	(void)close(fd);
	at = memmem(bytes, (size_t)n, loader, sizeof(loader));
	if (at == NULL)
		world_skip("the loader has another name here");
	(void)copy_of(escape("no_loader"), "l");
	patch(path, at - bytes, "l", 2);
	free(bytes);
	want_eq(chdir(world.dir), 0);
	run_start(&r, "--tls-port any ./odd pause");
	want_eq(run_end(&r), SIGKILL);
	want_has(r.text, "did not load libsecuresockets within 2 s");
	want(world_now_ms() - start >= 1900);
}

/* --- sockets that were there before --------------------------------------------------- */
SCENE(an_inherited_listener_becomes_a_tls_listener)
{
	struct addr at;
	struct run r;
	int l = tcp_listen(&at, world.families[0], 16);

	want_eq(fcntl(l, F_SETFD, 0), 0);
	run_start(&r, "--tls-port %d --cert %s %s take %d", addr_port(&at),
	    world.one_file, unaware(), l);
	(void)close(l);
	run_await(&r, "port ");
	want_tls_only(&at);
	run_stop(&r);
}

SCENE(an_inherited_listener_of_another_port_stays_plain)
{
	struct addr at, dead;
	struct run r;
	char line[6] = "";
	int l = tcp_listen(&at, world.families[0], 16), fd;

	tcp_dead_port(&dead, world.families[0]);
	want_eq(fcntl(l, F_SETFD, 0), 0);
	run_start(&r, "--tls-port %d --cert %s %s take %d", addr_port(&dead),
	    world.one_file, unaware(), l);
	(void)close(l);
	run_await(&r, "port ");
	fd = tcp_dial(&at);
	want_eq(write(fd, "ping\n", 5), 5);
	want_eq(recv(fd, line, 5, MSG_WAITALL), 5);
	(void)close(fd);
	run_stop(&r);
}

SCENE(an_inherited_listener_without_a_certificate_ends_the_program)
{
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 16);

	want_eq(fcntl(l, F_SETFD, 0), 0);
	want_run_fails(69, "cannot become a TLS listener", "--tls-port any %s take %d",
	    unaware(), l);
	(void)close(l);
}

SCENE(a_policy_takes_no_other_in_its_place)
{
	struct run r;

	want_run_fails(69, "under sstool run already", "--tls-port 1 %s run "
	    "--tls-port 2 true", getenv("SSTOOL"));
	run_start(&r, "--tls-port 1 %s run --help", getenv("SSTOOL"));
	want_eq(run_end(&r), 0);
}

SCENE(more_inherited_listeners_than_can_be_told_are_refused)
{
	enum { MANY = 1000 };
	struct rlimit before, room;
	struct addr at;
	int l = tcp_listen(&at, world.families[0], 16), first = -1, fd = l;

	want_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	room = before;
	room.rlim_cur = room.rlim_max < 4096 ? room.rlim_max : 4096;
	want_eq(setrlimit(RLIMIT_NOFILE, &room), 0);
	/* Each number is one that would be told. */
	for (int i = 0; i < MANY && fd >= 0; i++) {
		fd = fcntl(l, F_DUPFD, 1000);
		first = first < 0 ? fd : first;
	}
	if (fd >= 0) {
		want_run_fails(69, "more listeners", "--tls-port any true");
		want_run_fails(69, "more listeners", "--tls-port %d true",
		    addr_port(&at));
	}
	want_eq(close_range((unsigned)first, ~0U, 0), 0);
	want_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	(void)close(l);
}

SCENE(an_inherited_socket_that_could_only_be_plain_is_refused)
{
	struct addr at, dead;
	struct run r;
	int l = tcp_listen(&at, world.families[0], 16);
	int fd = (int)syscall(SYS_socket, world.families[0], SOCK_STREAM, 0);

	want(fd >= 0);
	tcp_dead_port(&dead, world.families[0]);
	want_run_fails(69, "not connected", "--tls-port any true");
	want_eq(connect(fd, &at.u.any, at.len), 0);
	want_run_fails(69, "it is plain TCP", "--tls-port any true");
	want_run_fails(69, "it is plain TCP", "--tls-port %d true", addr_port(&at));
	/* A connection of another port, and what is closed at exec. */
	run_start(&r, "--tls-port %d true", addr_port(&dead));
	want_eq(run_end(&r), 0);
	want_eq(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	run_start(&r, "--tls-port any true");
	want_eq(run_end(&r), 0);
	(void)close(fd);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unchanged_server_serves_tls_and_nothing_else),
		cmocka_unit_test(a_server_is_given_chain_and_key_in_two_files_or_a_directory),
		cmocka_unit_test(a_relative_path_is_where_sstool_was_started),
		cmocka_unit_test(a_listener_without_a_certificate_does_not_listen),
		cmocka_unit_test(pythons_http_server_serves_tls),
		cmocka_unit_test(a_port_that_no_option_names_stays_plain),
		cmocka_unit_test(an_unchanged_client_speaks_tls_to_the_host_that_is_named),
		cmocka_unit_test(a_client_that_asked_for_no_name_is_refused_unless_the_address_may_count),
		cmocka_unit_test(the_name_that_the_program_looked_up_is_the_one_that_counts),
		cmocka_unit_test(a_connection_to_a_port_that_no_option_names_stays_plain),
		cmocka_unit_test(a_client_of_a_plain_server_is_refused),
		cmocka_unit_test(a_program_that_drops_its_rights_connects_all_the_same),
		cmocka_unit_test(a_child_that_is_statically_linked_makes_no_socket),
		cmocka_unit_test(a_child_that_the_library_does_not_hear_of_makes_no_socket),
		cmocka_unit_test(a_child_with_an_environment_of_its_own_is_under_the_policy),
		cmocka_unit_test(what_an_environment_says_of_the_policy_itself_stays),
		cmocka_unit_test(lenient_lifts_the_filter_and_says_what_that_gives_up),
		cmocka_unit_test(a_lenient_server_serves_tls_as_well),
		cmocka_unit_test(a_program_without_an_interpreter_is_refused),
		cmocka_unit_test(a_program_with_raised_rights_is_refused),
		cmocka_unit_test(a_go_program_is_refused),
		cmocka_unit_test(a_program_for_another_machine_is_refused),
		cmocka_unit_test(a_script_is_what_its_interpreter_is),
		cmocka_unit_test(what_cannot_be_started_has_the_shells_exit_status),
		cmocka_unit_test(a_wrong_command_line_is_64_and_says_what_to_type),
		cmocka_unit_test(the_program_has_sstools_pid_and_its_exit_status_is_returned),
		cmocka_unit_test(the_program_has_no_child_that_it_did_not_make),
		cmocka_unit_test(the_first_program_of_a_container_has_no_child_that_it_did_not_make),
		cmocka_unit_test(nothing_is_left_of_sstool_when_the_program_has_ended),
		cmocka_unit_test(a_program_that_does_not_load_the_library_is_killed),
		cmocka_unit_test(an_inherited_listener_becomes_a_tls_listener),
		cmocka_unit_test(an_inherited_listener_of_another_port_stays_plain),
		cmocka_unit_test(an_inherited_listener_without_a_certificate_ends_the_program),
		cmocka_unit_test(a_policy_takes_no_other_in_its_place),
		cmocka_unit_test(more_inherited_listeners_than_can_be_told_are_refused),
		cmocka_unit_test(an_inherited_socket_that_could_only_be_plain_is_refused),
	};

	world_begin();
	return world_end(tests);
}
