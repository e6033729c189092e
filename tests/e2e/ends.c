/* SPDX-License-Identifier: ISC */
/*
 * ends - pairs that go, processes that take their place, programs with raised
 * rights.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sockname.h"
#include "base/wire.h"
#include "faults.h"
#include "ours.h"

#define NOBODY	65534

static const struct peer_opts one_example = { .sni = "one.example" };

/* The 16 digits that the names of this descriptor's pair have in common. */
static void
door_of(int fd, char door[17])
{
	struct sockaddr_un raw;
	struct sst_sockname name;
	socklen_t len = sizeof(raw);

	want_eq(syscall(SYS_getsockname, fd, &raw, &len), 0);
	want_eq(sst_sockname_decode(&raw, len, &name), 1);
	memcpy(door, name.door, 16);
	door[16] = '\0';
}

static int
has_abstract_socket(const char *door)
{
	char line[512];
	int found = 0;
	FILE *f = fopen("/proc/net/unix", "re");

	want(f != NULL);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, door) != NULL;
	(void)fclose(f);
	return found;
}

/* --- nothing is left ---------------------------------------------------------------------- */
struct own_pair {
	struct addr	at;
	pid_t		keeper, relay;
	char		door[17];
};

static void
serve_once(int ch, void *arg)
{
	struct own_pair me = { 0 };
	int l, s;
	char byte;

	(void)arg;
	prog_await(ch);
	l = ours_listener(&me.at, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l, &me.keeper, &me.relay), 0);
	door_of(l, me.door);
	prog_send(ch, &me, sizeof(me));
	s = ours_accept(l);
	ours_read(s, &byte, 1);
	ours_write(s, &byte, 1);
}

COLD_SCENE(fifty_programs_serve_at_once_and_leave_nothing)
{
	enum { MANY = 50 / WORLD_SLOW };
	struct own_pair pair[MANY];
	struct prog p[MANY];
	char path[64];

	faults->idle_ms = 200;
	for (int i = 0; i < MANY; i++)
		prog_start(&p[i], serve_once, NULL);
	for (int i = 0; i < MANY; i++)
		prog_tell(p[i].ch);
	for (int i = 0; i < MANY; i++)
		prog_recv(p[i].ch, &pair[i], sizeof(pair[i]));
	want(has_abstract_socket(pair[0].door));
	for (int i = 0; i < MANY; i++) {
		struct peer peer;
		char byte = (char)i;

		for (int k = 0; k < i; k++)
			want(pair[k].keeper != pair[i].keeper);
		want_eq(peer_client(&peer, &pair[i].at, &one_example), 0);
		peer_write(&peer, &byte, 1);
		peer_read_all(&peer, &byte, 1);
		want_eq(byte, (char)i);
		peer_want_end(&peer);
		peer_end(&peer);
	}
	for (int i = 0; i < MANY; i++)
		prog_end(&p[i]);
	for (int i = 0; i < MANY; i++) {
		want_soon(!world_alive(pair[i].keeper) && !world_alive(pair[i].relay));
		want_soon(!has_abstract_socket(pair[i].door));
		(void)snprintf(path, sizeof(path), "/run/securesockets/%d.sock",
		    (int)p[i].pid);
		want_errno(access(path, F_OK), ENOENT);
	}
}

/* --- the end of the idle time ----------------------------------------------------------- */
static void
pass_us(long us)
{
	struct timespec from, now;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		(void)sched_yield();
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000000 +
	    (now.tv_nsec - from.tv_nsec) / 1000 < us);
}

/* The moment at which a pair leaves, whatever the machine's load makes of it. */
struct aim {
	long	us, step;
	int	late;		/* the last one: the pair had left */
};

/* Earlier after a pair that had left, later after one that had not: faster while
 * it stays the same, slower where it changes. */
static void
aim_next(struct aim *a, int late)
{
	enum { LEAST_US = 250, MOST_US = 40000 };

	a->step = late == a->late ? a->step * 2 : a->step / 2;
	if (a->step < LEAST_US)
		a->step = LEAST_US;
	if (a->step > MOST_US)
		a->step = MOST_US;
	a->late = late;
	a->us += late ? -a->step : a->step;
	if (a->us < 0)
		a->us = 0;
}

COLD_SCENE(a_socket_made_while_the_pair_leaves_has_a_pair)
{
	/* The relay waits a tenth of a second before it calls itself idle. */
	enum { ROUNDS = 80, IDLE_MS = 60, END_MS = IDLE_MS + 100 };
	struct aim aim = { .us = END_MS * 1000L, .step = 4000 };
	pid_t keeper, relay, last = 0, pids[16];
	int pairs = 0;

	faults->idle_ms = IDLE_MS;
	for (int i = 0; i < ROUNDS; i++) {
		struct addr at;
		int fd = ours_socket(world.families[0], 0);

		addr_loop(&at, world.families[0], 0);
		want_eq(bind(fd, &at.u.any, at.len), 0);
		want_eq(world_pair(fd, &keeper, &relay), 0);
		pairs += keeper != last;
		if (i > 0)
			aim_next(&aim, keeper != last);
		last = keeper;
		/* The end of one that listens is seen at once. */
		addr_of_sock(fd, &at);
		want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
		want_eq(listen(fd, 4), 0);
		if (i % 8 == 0)
			ours_serve_one(&at, fd);
		(void)close(fd);
		pass_us(aim.us);
	}
	(void)fprintf(stderr, "%d sockets, %d pairs, the last after %ld us\n", ROUNDS,
	    pairs, aim.us);
	/* On both sides of the moment, many times. */
	want(pairs > ROUNDS / 20 && ROUNDS - pairs > ROUNDS / 20);
	want_soon(world_agents(pids, 16) == 0);
}

/* A call at the relay's door; the connection stays open. */
static int
knock(const char door[16])
{
	struct sockaddr_un to;
	struct timeval patience = { .tv_sec = 5 };
	socklen_t len = sst_wire_door(&to, door, 'r');
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	want_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	want_eq(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

/* Whether the answer was yes. */
static int
answered(int fd)
{
	struct sst_wire_head head;
	char data[2000];
	long n = sst_wire_recv(fd, &head, data, sizeof(data), NULL, 0);

	(void)close(fd);
	return n >= 0 && head.a >= 0;
}

static int
ask_name(const char door[16], int app)
{
	struct sst_wire_head head;
	int fd = knock(door);

	sst_wire_init(&head, SST_WIRE_SOCKNAME);
	want_eq(sst_wire_send(fd, &head, NULL, 0, &app, 1), 0);
	return answered(fd);
}

/* The relay reads a new socket's call and its own end in one turn of its loop,
 * the call first: it is served, or refused, but not promised and forgotten. */
COLD_SCENE(a_socket_that_comes_with_the_relays_end_is_no_promise_broken)
{
	struct sst_wire_start start = { .idle_ms = UINT32_MAX,
	    .secret = "fifteen letters" };
	struct sst_wire_new settings = { .cert_file = "" };
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE,
	    .family = world.families[0], .serial = 7 };
	struct sst_wire_hello hello;
	struct sst_wire_head head;
	struct sockaddr_un raw;
	struct prog keeper;
	char state[100];
	int app, call;
	socklen_t len;

	want_eq(sst_wire_door_random(start.door), 0);
	prog_keeper(&keeper, &start, &hello);
	memcpy(name.door, start.door, 16);
	len = sst_sockname_encode(&name, &raw);
	app = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	want_eq(syscall(SYS_bind, app, &raw, len), 0);
	call = knock(start.door);
	want(!ask_name(start.door, app));	/* so `call` was accepted before */
	want_eq(kill((pid_t)hello.relay_pid, SIGSTOP), 0);
	want_soon((world_status_line((pid_t)hello.relay_pid, "State:", state,
	    sizeof(state)), strchr(state, 'T')) != NULL);

	sst_wire_init(&head, SST_WIRE_NEW);
	head.a = world.families[0];
	memcpy(head.secret, start.secret, sizeof(head.secret));
	want_eq(sst_wire_send(call, &head, &settings, sizeof(settings), &app, 1), 0);
	want_eq(kill((pid_t)hello.relay_pid, SIGTERM), 0);
	want_eq(kill((pid_t)hello.relay_pid, SIGCONT), 0);
	if (answered(call)) {
		want(ask_name(start.door, app));
		want(world_alive((pid_t)hello.relay_pid));
	}
	(void)close(app);
	want_soon(!world_alive((pid_t)hello.relay_pid));
	(void)kill(keeper.pid, SIGTERM);
	(void)waitpid(keeper.pid, NULL, 0);
}

/* --- another process with the keeper's number ------------------------------------------- */
/* fork(), and the child has this pid. While the relay is not buried it is still
 * taken, as its session. */
static pid_t
fork_as(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
	    .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1 };
	long long end = world_now_ms() + WORLD_PATIENCE_MS;
	long made;

	do {
		made = syscall(SYS_clone3, &args, sizeof(args));
		if (made < 0 && errno == EEXIST)
			world_breathe();
	} while (made < 0 && errno == EEXIST && world_now_ms() < end);
	return (pid_t)made;
}

static int
squat(const char door[16], char which)
{
	struct sockaddr_un raw;
	socklen_t len = sst_wire_door(&raw, door, which);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&raw, len) != 0 || listen(fd, 8) != 0)
		_exit(20);
	return fd;
}

/* The innocent: it hears nothing at the doors, if it stands there. */
static void
innocent(int ch, const char *door)
{
	int fd[2] = { -1, -1 }, heard = 0;
	char byte, text[300];

	if (door != NULL) {
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(21);
		fd[0] = squat(door, 'r');
		fd[1] = squat(door, 'k');
	}
	if (write(ch, "!", 1) != 1 || read(ch, &byte, 1) != 1)
		_exit(22);
	for (int i = 0; i < 2 && door != NULL; i++) {
		int c;

		while ((c = accept(fd[i], NULL, NULL)) >= 0)
			heard |= recv(c, text, sizeof(text), MSG_DONTWAIT) > 0;
	}
	_exit(heard ? 23 : 0);
}

static void
reuse_pid(int at_the_door)
{
	struct prog p;
	struct addr at;
	pid_t keeper, relay, keeper_after, relay_after;
	char door[17];
	int ends[2], fd, l;

	fd = ours_socket(world.families[0], 0);
	door_of(fd, door);
	want_eq(world_pair(fd, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGKILL), 0);
	want_eq(kill(relay, SIGKILL), 0);
	want_soon(kill(keeper, 0) != 0 && !world_alive(relay));
	want_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	p.pid = fork_as(keeper);
	if (p.pid < 0 && (errno == EPERM || errno == ENOSYS || errno == EINVAL))
		world_skip("the pid of a new process cannot be chosen");
	if (p.pid == 0)
		innocent(ends[1], at_the_door ? door : NULL);
	want_eq(p.pid, keeper);
	(void)close(ends[1]);
	p.ch = ends[0];
	prog_await(p.ch);

	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l, &keeper_after, &relay_after), 0);
	want(keeper_after != keeper);
	ours_serve_one(&at, l);
	(void)close(fd);
	(void)close(l);
	prog_tell(p.ch);
	prog_end(&p);
}

COLD_SCENE(a_process_with_the_dead_keepers_pid_is_left_alone)
{
	reuse_pid(0);
	reuse_pid(0);
}

COLD_SCENE(another_user_with_the_dead_keepers_pid_and_door_is_told_nothing)
{
	if (geteuid() != 0)
		world_skip("needs root");
	reuse_pid(1);
}

/* --- raised rights ------------------------------------------------------------------------- */
struct run {
	const char	*program;
	const char	*agent, *serve;	/* of the environment */
	const char	*ca;		/* argument, or NULL */
	int		 port;
};

/* Exit status; what went to standard error. As nobody, with the environment that
 * a user who means ill would set. */
static int
run_raised(const struct run *r, char *said, size_t size)
{
	char agent[700], serve[100], trust[700], port[16];
	char debug[] = "SECURESOCKETS_DEBUG=1";
	char *env[] = { agent, trust, debug, serve, NULL };
	char *argv[] = { port, port, (char *)(uintptr_t)r->ca, NULL };
	int err[2], status = 0;
	ssize_t n;
	pid_t pid;

	(void)snprintf(agent, sizeof(agent), "SECURESOCKETS_AGENT=%s", r->agent);
	(void)snprintf(serve, sizeof(serve), "SECURESOCKETS_SERVE=%s", r->serve);
	(void)snprintf(trust, sizeof(trust), "SSL_CERT_FILE=%s", world.ca_file);
	(void)snprintf(port, sizeof(port), "%d", r->port);
	want_eq(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	want(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
		    setuid(NOBODY) != 0 || dup2(err[1], 2) != 2)
			_exit(99);
		(void)execve(r->program, argv, env);
		_exit(98);
	}
	(void)close(err[1]);
	want_eq(waitpid(pid, &status, 0), pid);
	want_eq(fcntl(err[0], F_SETFL, O_RDONLY | O_NONBLOCK), 0);
	n = read(err[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(err[0]);
	want(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A copy with these mode bits in the world's directory. */
static const char *
copy_program(const char *name, mode_t mode)
{
	const char *from = getenv("E2E_RAISED_CLIENT"), *path = pki_path(world.dir, name);
	int in, out;
	struct stat st;

	want(from != NULL);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	want(in >= 0 && out >= 0 && fstat(in, &st) == 0);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);

		want(n > 0);
		left -= n;
	}
	want_eq(fchmod(out, mode), 0);
	(void)close(in);
	(void)close(out);
	return path;
}

/* In a mount namespace of its own: the agent where the library looks for it. */
static void
install_agent(void)
{
	char dir[] = SST_AGENT_PATH, above[sizeof(dir)];

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		world_skip("needs a mount namespace of its own");
	*strrchr(dir, '/') = '\0';
	(void)strcpy(above, dir);
	*strrchr(above, '/') = '\0';
	if (access(above, F_OK) != 0) {
		*strrchr(above, '/') = '\0';
		if (strcmp(above, "") == 0 || strcmp(above, "/usr") == 0)
			world_skip("the agent's directory cannot be made");
	}
	want_eq(mount("none", above, "tmpfs", MS_NOSUID, "mode=755"), 0);
	if (strlen(above) < strlen(dir)) {
		for (char *at = dir + strlen(above) + 1; at != NULL;) {
			at = strchr(at, '/');
			if (at != NULL)
				*at = '\0';
			want(mkdir(dir, 0755) == 0 || errno == EEXIST);
			if (at != NULL)
				*at++ = '/';
		}
	}
	want_eq(mount(world.dir, dir, NULL, MS_BIND, NULL), 0);
	want_eq(access(SST_AGENT_PATH, X_OK), 0);
}

/* Serves whoever comes; what a client does with it is the client's. */
static void
echo_program(int ch, void *arg)
{
	const int l = *(const int *)arg;

	(void)ch;
	for (;;) {
		struct peer p;
		char byte;
		int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 || peer_server_on(&p, fd,
		    &(struct peer_opts){ .cert = world.one }) != 0)
			continue;
		if (peer_read(&p, &byte, 1) == 1)
			(void)SSL_write(p.ssl, &byte, 1);
		peer_drop(&p);
	}
}

COLD_SCENE(a_set_uid_program_obeys_no_environment)
{
	const char *own = getenv("SECURESOCKETS_AGENT");
	struct prog server;
	struct addr at;
	struct run r = { .serve = "" };
	char said[2000], agent[700];
	int l;

	if (geteuid() != 0 || world.families[0] != AF_INET)
		world_skip("needs root and 127.0.0.1");
	faults->idle_ms = 200;
	(void)snprintf(agent, sizeof(agent), "%s", own);
	install_agent();
	l = tcp_listen(&at, AF_INET, 8);
	prog_start(&server, echo_program, &l);
	r.port = addr_port(&at);

	/* An ordinary program: agent and trust are those of the environment. */
	r.program = copy_program("ordinary", 0755);
	r.agent = "/nonexistent/securesocketsd";
	want_eq(run_raised(&r, said, sizeof(said)), 10);
	want_has(said, "/nonexistent/securesocketsd");
	r.agent = agent;
	want_eq(run_raised(&r, said, sizeof(said)), 0);
	r.serve = "/nonexistent/served";
	want_eq(run_raised(&r, said, sizeof(said)), 10);
	want_has(said, "/nonexistent/served");

	/* With raised rights: neither, and nothing is said to the user. */
	r.program = copy_program("raised", 04755);
	r.agent = "/nonexistent/securesocketsd";
	want_eq(run_raised(&r, said, sizeof(said)), 11);
	want_eq(strlen(said), 0);
	/* What the program itself says is believed. */
	r.ca = world.ca_file;
	want_eq(run_raised(&r, said, sizeof(said)), 0);
	want_eq(strlen(said), 0);
	want_eq(kill(server.pid, SIGKILL), 0);
	prog_end_as(&server, SIGKILL);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fifty_programs_serve_at_once_and_leave_nothing,
		    faults_reset),
		cmocka_unit_test_setup(a_socket_made_while_the_pair_leaves_has_a_pair,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_socket_that_comes_with_the_relays_end_is_no_promise_broken,
		    faults_reset),
		cmocka_unit_test_setup(a_process_with_the_dead_keepers_pid_is_left_alone,
		    faults_reset),
		cmocka_unit_test_setup(
		    another_user_with_the_dead_keepers_pid_and_door_is_told_nothing,
		    faults_reset),
		cmocka_unit_test_setup(a_set_uid_program_obeys_no_environment,
		    faults_reset),
	};

	faults_begin();
	return world_end(tests);
}
