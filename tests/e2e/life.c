/* SPDX-License-Identifier: ISC */
/* life - the pair starts by itself, survives, drains, and leaves. */
#include <fcntl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/wire.h"
#include "ours.h"

#define MB	(1024 * 1024)
#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* --- start ------------------------------------------------------------------------------ */
static volatile sig_atomic_t children_ended;

static void
count_child(int sig)
{
	(void)sig;
	children_ended++;
}

/* Makes sockets, serves, ends the pair: never a child, never a SIGCHLD. */
static void
want_childless(void)
{
	struct sigaction act = { .sa_handler = count_child, .sa_flags = SA_RESTART };
	struct addr at;
	pid_t keeper, relay;
	int l;

	want_eq(sigaction(SIGCHLD, &act, NULL), 0);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_errno(waitpid(-1, NULL, WNOHANG), ECHILD);
	ours_serve_one(&at, l);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(relay, SIGKILL), 0);
	ours_serve_one(&at, l);
	want_errno(waitpid(-1, NULL, WNOHANG), ECHILD);
	(void)close(l);
	want_eq(kill(keeper, SIGTERM), 0);
	want_soon(kill(keeper, 0) != 0);
	want_errno(waitpid(-1, NULL, WNOHANG), ECHILD);
	want_eq(children_ended, 0);
}

/* Whether something came at this descriptor. */
static int
came(int fd)
{
	char bytes[4096];

	return read(fd, bytes, sizeof(bytes)) > 0;
}

/* The program goes on meanwhile: it has bind() and more to call first. */
COLD_SCENE(a_relay_makes_OpenSSL_ready_before_it_is_asked_for_TLS)
{
	char path[512];
	int fd, in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	want(in >= 0);
	(void)snprintf(path, sizeof(path), "%s/openssl.cnf", X509_get_default_cert_area());
	want(inotify_add_watch(in, path, IN_OPEN) >= 0);
	want(!came(in));
	fd = socket(world.families[0], SOCK_STREAM, IPPROTO_TLS);
	want(fd >= 0);
	want_soon(came(in));
	(void)close(fd);
	(void)close(in);
}

COLD_SCENE(sk_100_the_pair_is_never_a_child)
{
	want_eq(world_agents(&(pid_t){ 0 }, 1), 0);
	want_childless();
}

COLD_SCENE(sk_100_the_pair_is_never_a_child_of_a_subreaper)
{
	want_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	want_childless();
}

static void
childless_program(int ch, void *arg)
{
	(void)ch;
	(void)arg;
	want_eq(getpid(), 1);
	want_childless();
}

COLD_SCENE(sk_100_the_pair_is_never_a_child_of_PID_1)
{
	struct prog p;

	if (unshare(CLONE_NEWPID) != 0)
		world_skip("unshare(CLONE_NEWPID) is not allowed");
	prog_start(&p, childless_program, NULL);
	prog_end(&p);
}

static void *
first_socket(void *arg)
{
	int *fd = arg;

	*fd = ours_socket(world.families[0], 0);
	return NULL;
}

COLD_SCENE(threads_that_race_for_the_first_socket_start_one_pair)
{
	enum { THREADS = 8 };
	pthread_t thread[THREADS];
	pid_t keeper, relay, same[2], pids[16];
	int fd[THREADS];

	for (int i = 0; i < THREADS; i++)
		want_eq(pthread_create(&thread[i], NULL, first_socket, &fd[i]), 0);
	for (int i = 0; i < THREADS; i++)
		want_eq(pthread_join(thread[i], NULL), 0);
	want_eq(world_pair(fd[0], &keeper, &relay), 0);
	for (int i = 1; i < THREADS; i++) {
		want_eq(world_pair(fd[i], &same[0], &same[1]), 0);
		want_eq(same[0], keeper);
		want_eq(same[1], relay);
		(void)close(fd[i]);
	}
	if (geteuid() == 0)
		want_eq(world_agents(pids, 16), 2);
	(void)close(fd[0]);
}

struct starter {
	struct addr at;
};

static void
start_and_connect(int ch, void *arg)
{
	const struct starter *s = arg;
	int c;

	prog_await(ch);
	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_connect(c, &s->at), 0);
	ours_want_end(c);
	(void)close(c);
}

COLD_SCENE(fifty_programs_start_at_once)
{
	enum { MANY = 50 / WORLD_SLOW };
	struct starter s;
	struct prog p[MANY];
	int l;

	/* The clients' pairs are their own: this process has none yet. */
	for (int i = 0; i < MANY; i++)
		p[i].pid = 0;
	l = tcp_listen(&s.at, world.families[0], MANY);
	for (int i = 0; i < MANY; i++)
		prog_start(&p[i], start_and_connect, &s);
	for (int i = 0; i < MANY; i++)
		prog_tell(p[i].ch);
	for (int i = 0; i < MANY; i++) {
		struct peer peer;

		want_eq(peer_server_on(&peer, tcp_accept(l),
		    &(struct peer_opts){ .cert = world.one }), 0);
		peer_end(&peer);
	}
	for (int i = 0; i < MANY; i++)
		prog_end(&p[i]);
	(void)close(l);
}

COLD_SCENE(a_helper_that_cannot_be_started_is_said_so)
{
	const char *agent = getenv("SECURESOCKETS_AGENT");
	char *kept = strdup(agent);

	want(kept != NULL);
	(void)setenv("SECURESOCKETS_AGENT", "/nonexistent/securesocketsd", 1);
	want_errno(socket(world.families[0], SOCK_STREAM, IPPROTO_TLS), ENOBUFS);
	want_has(ours_error(-1), "/nonexistent/securesocketsd");
	(void)setenv("SECURESOCKETS_AGENT", "/bin/true", 1);
	want_errno(socket(world.families[0], SOCK_STREAM, IPPROTO_TLS), ENOBUFS);
	(void)setenv("SECURESOCKETS_AGENT", world.ca_file, 1);	/* not executable */
	want_errno(socket(world.families[0], SOCK_STREAM, IPPROTO_TLS), EACCES);
	(void)setenv("SECURESOCKETS_AGENT", kept, 1);
	(void)close(ours_socket(world.families[0], 0));
	free(kept);
}

/* --- idle ------------------------------------------------------------------------------- */
/* The text of a first socket() under this limit of the program, or, where that still
 * is made, of a connect() that does not wait. */
static const char *
said_under(int which, rlim_t limit)
{
	const struct rlimit few = { limit, limit };
	static char text[600];
	int back[2], status, s;
	struct addr nobody;
	pid_t child;
	ssize_t n;

	tcp_dead_port(&nobody, world.families[0]);
	want_eq(pipe(back), 0);
	child = fork();
	want(child >= 0);
	if (child == 0) {
		/* Standard error may be a file. */
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(which, &few) != 0)
			_exit(1);
		s = socket(world.families[0], SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TLS);
		if (s >= 0 && connect(s, &nobody.u.any, nobody.len) == 0)
			_exit(2);
		if (errno != ENOBUFS)
			_exit(3);
		(void)snprintf(text, sizeof(text), "%s", ours_error(s));
		_exit(write(back[1], text, strlen(text)) <= 0);
	}
	(void)close(back[1]);
	n = read(back[0], text, sizeof(text) - 1);
	want(n > 0);
	text[n] = '\0';
	(void)close(back[0]);
	want_eq(waitpid(child, &status, 0), child);
	want_eq(status, 0);
	return text;
}

COLD_SCENE(a_limit_that_is_too_low_for_the_pair_is_named)
{
	want_has(said_under(RLIMIT_NOFILE, 24), "RLIMIT_NOFILE");
	want_has(said_under(RLIMIT_FSIZE, 100), "File too large");
}

COLD_SCENE(an_idle_pair_ends_by_itself)
{
	struct sst_wire_hello idle, stays;
	struct prog a, b;
	int status;

	prog_keeper(&b, &(struct sst_wire_start){ .idle_ms = UINT32_MAX }, &stays);
	prog_keeper(&a, &(struct sst_wire_start){ .idle_ms = 100 }, &idle);
	prog_end(&a);
	want_soon(!world_alive((pid_t)idle.relay_pid));
	/* One that may not end is still there. */
	want_eq(waitpid(b.pid, &status, WNOHANG), 0);
	want(world_alive((pid_t)stays.relay_pid));
	want_eq(kill(b.pid, SIGTERM), 0);
	prog_end(&b);
}

/* --- death --------------------------------------------------------------------------- */
COLD_SCENE(the_death_of_the_relay_costs_connections_and_no_listener)
{
	struct addr at;
	struct pki_cert *two = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "two", .san = "two.example" });
	struct pki_buf bytes = { 0 };
	struct peer live, after;
	pid_t keeper, relay, keeper_after, relay_after;
	int l, s, c, fresh;
	uint64_t g;
	char byte;

	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	want_eq(ours_set(l, TLS_ALPN, "h2"), 0);
	pki_put_chain(&bytes, two);
	pki_put_key(&bytes, two);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, bytes.data,
	    (socklen_t)bytes.len), 0);
	g = ours_generation(l);
	peer_dial(&live, &at);
	s = ours_accept(l);
	fresh = ours_client(world.families[0], 0, "one.example");
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(relay, SIGKILL), 0);

	/* The live connection is reset on both sides. */
	want_errno(read(s, &byte, 1), ECONNRESET);
	want_eq(peer_read(&live, &byte, 1), -1);
	peer_drop(&live);
	(void)close(s);

	/* The listener goes on: same port, certificates, options, generation. */
	want_served(&at, "one.example", NULL, world.one);
	want_served(&at, "two.example", NULL, two);
	want_unserved(&at, "other.example", "unrecognized name");
	want_eq(peer_client(&after, &at, &(struct peer_opts){ .sni = "two.example",
	    .alpn = "h2" }), 0);
	for (int i = 0; i < 2; i++)
		(void)close(ours_accept(l));
	s = ours_accept(l);
	want_eq(strcmp(ours_get(s, TLS_ALPN), "h2"), 0);
	want(ours_generation(l) >= g);
	peer_end(&after);
	(void)close(s);
	want_eq(world_pair(l, &keeper_after, &relay_after), 0);
	want_eq(keeper_after, keeper);
	want(relay_after != relay);

	/* New sockets work; one from before says that it is lost. */
	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_connect(c, &at), 0);
	(void)close(c);
	want_eq(ours_connect(fresh, &at), -1);
	(void)close(fresh);
	(void)close(l);
}

COLD_SCENE(a_listener_survives_the_relay_again_and_again)
{
	struct addr at;
	pid_t keeper, relay;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	for (int i = 0; i < 3; i++) {
		ours_serve_one(&at, l);
		want_eq(world_pair(l, &keeper, &relay), 0);
		want_eq(kill(relay, SIGKILL), 0);
	}
	/* And is renewed by the keeper after that. */
	ours_serve_one(&at, l);
	{
		struct pki_cert *again = pki_issue(world.ca, &(struct pki_spec){
		    .san = "one.example,IP:127.0.0.1,IP:::1" });

		pki_write_pair(world.dir, "one.pem", again);
		ours_want_soon_shown(l, &at, "one.example", again);
		pki_write_pair(world.dir, "one.pem", world.one);
		ours_want_soon_shown(l, &at, "one.example", world.one);
	}
	(void)close(l);
}

/* What the two say to each other is of one build: who updates the package under a
 * program that runs changes neither of them. */
COLD_SCENE(after_an_update_the_next_relay_is_still_the_keepers_own_build)
{
	const char *path = pki_path(world.dir, "securesocketsd-1");
	pid_t keeper, relay, keeper_after, relay_after;
	struct addr at;
	int l;

	want_eq(link(getenv("SECURESOCKETS_AGENT"), path), 0);
	(void)setenv("SECURESOCKETS_AGENT", path, 1);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l, &keeper, &relay), 0);
	/* Another file has the name now, which cannot even be run. */
	want_eq(unlink(path), 0);
	pki_write_text(world.dir, "securesocketsd-1", "of the next release");
	want_eq(kill(relay, SIGKILL), 0);
	ours_serve_one(&at, l);
	want_eq(world_pair(l, &keeper_after, &relay_after), 0);
	want_eq(keeper_after, keeper);
	want(relay_after != relay);
	(void)close(l);
}

COLD_SCENE(the_death_of_the_keeper_is_made_up_for)
{
	struct addr at, other;
	struct peer p;
	pid_t keeper, relay, keeper_after, relay_after;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), s, l2;
	char byte;

	peer_dial(&p, &at);
	s = ours_accept(l);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGKILL), 0);
	want_soon(!world_alive(keeper));
	/* The connection either goes on or is broken, but never ends cleanly. */
	if (send(s, "x", 1, MSG_NOSIGNAL) == 1)
		want(peer_read(&p, &byte, 1) != 0);
	peer_drop(&p);
	(void)close(s);
	l2 = ours_listener(&other, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l2, &keeper_after, &relay_after), 0);
	want(keeper_after != keeper);
	ours_serve_one(&other, l2);
	(void)close(l);
	(void)close(l2);
}

COLD_SCENE(when_both_die_the_listener_says_so_and_a_new_pair_is_started)
{
	struct addr at, other;
	pid_t keeper, relay;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), l2;

	ours_serve_one(&at, l);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGKILL), 0);
	want_eq(kill(relay, SIGKILL), 0);
	want_soon(!world_alive(keeper) && !world_alive(relay));
	want_soon((ours_poll(l, ALL, 100) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	for (int i = 0; i < 3; i++)
		want_errno(accept(l, NULL, NULL), EBADF);
	/* accept() has taken the error; that nobody is there stays. */
	want_eq(ours_poll(l, ALL, 0) & POLLHUP, POLLHUP);
	l2 = ours_listener(&other, world.families[0], world.one_file, NULL);
	ours_serve_one(&other, l2);
	(void)close(l);
	(void)close(l2);
}

/* --- SIGTERM ---------------------------------------------------------------------------- */
/* A server that finishes what it has begun when it is told to stop. */
static void
download_server(int ch, void *arg)
{
	struct addr at;
	char *data = malloc(20 * MB);
	sigset_t told;
	int l, s, sig = 0;
	pid_t pair[2];

	(void)arg;
	want(data != NULL);
	fill(data, 20 * MB, 20);
	(void)sigemptyset(&told);
	(void)sigaddset(&told, SIGTERM);
	want_eq(sigprocmask(SIG_BLOCK, &told, NULL), 0);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l, &pair[0], &pair[1]), 0);
	prog_send(ch, pair, sizeof(pair));
	prog_send(ch, &at, sizeof(at));
	s = ours_accept(l);
	ours_write(s, data, MB);
	want_eq(sigwait(&told, &sig), 0);
	(void)close(l);
	ours_write(s, data + MB, 19 * MB);
	(void)close(s);
}

COLD_SCENE(a_download_under_way_at_SIGTERM_arrives_whole)
{
	struct addr at;
	struct prog server;
	struct peer p;
	pid_t pair[2];
	char *data = malloc(40 * MB);

	want(data != NULL);
	prog_start(&server, download_server, NULL);
	prog_recv(server.ch, pair, sizeof(pair));
	prog_recv(server.ch, &at, sizeof(at));
	peer_dial(&p, &at);
	peer_read_all(&p, data, 1000);
	/* systemd signals the whole group: pair and program. */
	want_eq(kill(pair[0], SIGTERM), 0);
	want_eq(kill(pair[1], SIGTERM), 0);
	want_eq(kill(server.pid, SIGTERM), 0);
	peer_read_all(&p, data + 1000, 20 * MB - 1000);
	peer_want_end(&p);
	fill(data + 20 * MB, 20 * MB, 20);
	want_eq(memcmp(data, data + 20 * MB, 20 * MB), 0);
	peer_end(&p);
	prog_end(&server);
	/* Nothing is left to serve: they go, and not after the idle time. */
	want_soon(!world_alive(pair[0]) && !world_alive(pair[1]));
	free(data);
}

COLD_SCENE(a_draining_pair_serves_what_exists)
{
	struct link k;
	struct addr at;
	pid_t keeper, relay, keeper_after, relay_after;
	char byte;
	int l;

	link_make(&k, OURS_ACCEPTS, NULL);
	want_eq(world_pair(k.fd, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGTERM), 0);
	for (int i = 0; i < 3; i++) {
		peer_write(&k.peer, "x", 1);
		ours_read(k.fd, &byte, 1);
		ours_write(k.fd, "y", 1);
		peer_read_all(&k.peer, &byte, 1);
	}
	/* A program that goes on gets a pair that goes on. */
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	ours_serve_one(&at, l);
	want(world_alive(relay));
	want_eq(world_pair(l, &keeper_after, &relay_after), 0);
	(void)close(k.fd);
	k.fd = -1;
	peer_want_end(&k.peer);
	(void)close(k.listener);
	k.listener = -1;
	if (keeper_after != keeper)
		want_soon(!world_alive(keeper) && !world_alive(relay));
	(void)close(l);
	link_close(&k);
}

/* --- other processes hold the descriptor ---------------------------------------------- */
static void
write_from_child(int ch, void *arg)
{
	const struct link *k = arg;
	static char data[MB];

	(void)ch;
	(void)close(k->peer.fd);
	fill(data, MB, 88);
	ours_write(k->fd, data, MB);
}

SCENE(sk_88_parent_reads_and_child_writes)
{
	for_each_side(side) {
		struct link k;
		struct prog child;
		static char data[2 * MB];

		link_make(&k, side, NULL);
		prog_start(&child, write_from_child, &k);
		peer_read_all(&k.peer, data, MB);
		fill(data + MB, MB, 88);
		want_eq(memcmp(data, data + MB, MB), 0);
		prog_end(&child);
		/* The child's end was not the end. */
		peer_write(&k.peer, "parent", 6);
		ours_read(k.fd, data, 6);
		want_eq(memcmp(data, "parent", 6), 0);
		(void)close(k.fd);
		k.fd = -1;
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

SCENE(sk_91_an_unchanged_cat_as_inetd_service)
{
	for_each_side(side) {
		struct link k;
		struct prog cat = { .ch = -1 };
		char text[5];

		link_make(&k, side, NULL);
		cat.pid = fork();
		want(cat.pid >= 0);
		if (cat.pid == 0) {
			(void)close(k.peer.fd);
			(void)dup2(k.fd, 0);
			(void)dup2(k.fd, 1);
			(void)close(k.fd);
			(void)execl("/bin/cat", "cat", (char *)NULL);
			_exit(1);
		}
		(void)close(k.fd);
		k.fd = -1;
		peer_write(&k.peer, "meow!", 5);
		peer_read_all(&k.peer, text, 5);
		want_eq(memcmp(text, "meow!", 5), 0);
		peer_notify(&k.peer);
		peer_want_end(&k.peer);
		prog_end(&cat);
		link_close(&k);
	}
}

/* Receives a descriptor and uses plain read and write on it. */
static void
passed_descriptor(int ch, void *arg)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
	    .msg_controllen = sizeof(room) };
	int fd;

	(void)arg;
	want_eq(recvmsg(ch, &m, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	want_eq(read(fd, &byte, 1), 1);
	byte++;
	want_eq(write(fd, &byte, 1), 1);
	(void)close(fd);
}

SCENE(sk_92_a_passed_descriptor_works_and_its_end_is_clean)
{
	struct prog other;
	struct link k;
	char byte = 'a', room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room,
	    .msg_controllen = sizeof(room) };
	struct cmsghdr *c;

	prog_start(&other, passed_descriptor, NULL);	/* knows nothing of it yet */
	link_make(&k, OURS_ACCEPTS, NULL);
	memset(room, 0, sizeof(room));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &k.fd, sizeof(int));
	want_eq(sendmsg(other.ch, &m, 0), 1);
	(void)close(k.fd);
	k.fd = -1;
	peer_write(&k.peer, "a", 1);
	peer_read_all(&k.peer, &byte, 1);
	want_eq(byte, 'b');
	peer_want_end(&k.peer);
	prog_end(&other);
	link_close(&k);
}

/* What sstool prints about this program's pair, asked for this: what other programs of
 * the machine do is theirs. */
static void
sstool_says(const char *verb, char *out, size_t size)
{
	const char *sstool = getenv("SSTOOL");
	char command[900], pid[32], *line = NULL;
	size_t n = 0, room = 0;
	ssize_t len;
	FILE *f;

	(void)snprintf(pid, sizeof(pid), "\"pid\":%d,", (int)getpid());
	(void)snprintf(command, sizeof(command), "%s %s --json", sstool, verb);
	f = popen(command, "re");
	want(f != NULL);
	while ((len = getline(&line, &room, f)) > 0)
		if (strstr(line, pid) != NULL && n + (size_t)len < size) {
			memcpy(out + n, line, (size_t)len);
			n += (size_t)len;
		}
	out[n] = '\0';
	free(line);
	(void)pclose(f);
}

static void
sstool_status(char *out, size_t size)
{
	sstool_says("status", out, size);
}

SCENE(sstool_status_shows_the_listeners)
{
	static char text[65536];
	struct addr at;
	char port[32];
	int l;

	if (getenv("SSTOOL") == NULL)
		world_skip("SSTOOL does not name sstool");
	(void)snprintf(port, sizeof(port), "/run/user/%u", (unsigned int)geteuid());
	if (geteuid() != 0 && access(port, W_OK) != 0)
		world_skip("needs root or a run-time directory of the user");
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	ours_serve_one(&at, l);
	(void)snprintf(port, sizeof(port), ":%d\"", addr_port(&at));
	sstool_status(text, sizeof(text));
	want_has(text, port);
	want_has(text, "\"schema\"");
	(void)close(l);
	want_soon((sstool_status(text, sizeof(text)), strstr(text, port)) == NULL);
}

SCENE(sstool_events_shows_what_happened_to_certificates)
{
	static char text[65536];
	struct addr at;
	char path[32];
	int l;

	if (getenv("SSTOOL") == NULL)
		world_skip("SSTOOL does not name sstool");
	(void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned int)geteuid());
	if (geteuid() != 0 && access(path, W_OK) != 0)
		world_skip("needs root or a run-time directory of the user");
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	sstool_says("events", text, sizeof(text));
	want_has(text, "\"kind\":\"added\"");
	want_has(text, "/one.pem\",");
	/* A number of a former relay: all that this one keeps. */
	sstool_says("events --since 1000000", text, sizeof(text));
	want_has(text, "/one.pem\",");
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relay_makes_OpenSSL_ready_before_it_is_asked_for_TLS),
		cmocka_unit_test(sk_100_the_pair_is_never_a_child),
		cmocka_unit_test(sk_100_the_pair_is_never_a_child_of_a_subreaper),
		cmocka_unit_test(sk_100_the_pair_is_never_a_child_of_PID_1),
		cmocka_unit_test(threads_that_race_for_the_first_socket_start_one_pair),
		cmocka_unit_test(fifty_programs_start_at_once),
		cmocka_unit_test(a_helper_that_cannot_be_started_is_said_so),
		cmocka_unit_test(a_limit_that_is_too_low_for_the_pair_is_named),
		cmocka_unit_test(an_idle_pair_ends_by_itself),
		cmocka_unit_test(the_death_of_the_relay_costs_connections_and_no_listener),
		cmocka_unit_test(a_listener_survives_the_relay_again_and_again),
		cmocka_unit_test(
		    after_an_update_the_next_relay_is_still_the_keepers_own_build),
		cmocka_unit_test(the_death_of_the_keeper_is_made_up_for),
		cmocka_unit_test(when_both_die_the_listener_says_so_and_a_new_pair_is_started),
		cmocka_unit_test(a_download_under_way_at_SIGTERM_arrives_whole),
		cmocka_unit_test(a_draining_pair_serves_what_exists),
		cmocka_unit_test(sk_88_parent_reads_and_child_writes),
		cmocka_unit_test(sk_91_an_unchanged_cat_as_inetd_service),
		cmocka_unit_test(sk_92_a_passed_descriptor_works_and_its_end_is_clean),
		cmocka_unit_test(sstool_status_shows_the_listeners),
		cmocka_unit_test(sstool_events_shows_what_happened_to_certificates),
	};

	world_begin();
	return world_end(tests);
}
