/* SPDX-License-Identifier: ISC */
/* world - scenes and addresses; see world.h. */
#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED	77

struct world world;

static const char *scene = "?";
/* Any thread of a scene passes: the last one counts. */
static const char *_Atomic passed_file = "?";
static atomic_int passed_line;

long long
world_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
world_breathe(void)
{
	(void)poll(NULL, 0, 2);
}

void
world_pass(const char *file, int line)
{
	passed_file = file;
	passed_line = line;
}

void
world_fail(const char *file, int line, const char *fmt, ...)
{
	int saved = errno;
	char text[1200], why[600] = "";
	socklen_t len = sizeof(why) - 1;
	va_list ap;

	if (getsockopt(-1, IPPROTO_TLS, TLS_ERROR, why, &len) < 0)
		why[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "%s:%d: %s: %s [%s]%s%s\n", file, line, scene, text,
	    strerror(saved), why[0] != '\0' ? " TLS_ERROR: " : "", why);
	(void)fflush(stderr);
	_exit(1);
}

void
world_skip(const char *why)
{
	(void)fprintf(stderr, "%s: skipped: %s\n", scene, why);
	(void)fflush(stderr);
	_exit(SKIPPED);
}

static void
hung(int sig)
{
	char text[400];
	int n;

	(void)sig;
	n = snprintf(text, sizeof(text), "%s hangs behind %s:%d\n", scene,
	    atomic_load(&passed_file), atomic_load(&passed_line));
	(void)!write(2, text, (size_t)n);
	_exit(3);
}

/* The relay of a program that root started is another user. */
static void
give_to_relay(const char *path)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	pw = getpwnam("_securesockets");
	if (pw == NULL)
		pw = getpwnam("nobody");
	if (pw != NULL)
		want_eq(chown(path, pw->pw_uid, pw->pw_gid), 0);
}

void
world_machine(const char *keys)
{
	static char cache[600];
	struct pki_buf b = { 0 };

	if (cache[0] == '\0') {
		(void)snprintf(cache, sizeof(cache), "%s/cache-%ld", world.dir,
		    (long)getpid());
		want_eq(mkdir(cache, 0700), 0);
		give_to_relay(cache);
	}
	pki_put_text(&b, keys);
	pki_put_text(&b, "\ncache: { dir = \"");
	pki_put_text(&b, cache);
	pki_put_text(&b, "\"; };\n");
	pki_write(world.dir, "machine.conf", 0644, &b);
	pki_buf_free(&b);
	want_eq(setenv("SECURESOCKETS_CONF", pki_path(world.dir, "machine.conf"), 1), 0);
}

/* The pair that a warm scene starts with must be the one that it ends with. */
static void
play_body(void (*body)(void), enum world_start start)
{
	pid_t keeper = 0, relay = 0, keeper_after = 0, relay_after = 0;
	struct rlimit none = { 0 };
	int fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(SIGALRM, hung);
	(void)alarm(WORLD_SCENE_SECONDS);
	world_machine("");
	if (start == WORLD_WARM) {
		fd = socket(world.families[0], SOCK_STREAM, IPPROTO_TLS);
		want(fd >= 0);
		want_eq(world_pair(fd, &keeper, &relay), 0);
		(void)close(fd);
	}
	body();
	if (start == WORLD_WARM) {
		fd = socket(world.families[0], SOCK_STREAM, IPPROTO_TLS);
		want(fd >= 0);
		want_eq(world_pair(fd, &keeper_after, &relay_after), 0);
		if (relay != relay_after || keeper != keeper_after)
			world_fail(__FILE__, __LINE__, "the relay died in the scene");
		(void)close(fd);
	}
	(void)fflush(NULL);
	_exit(0);
}

/* SIGTERM to every agent, also to one that a scene has stopped; those that do not go
 * are killed and counted. */
static int
end_agents(int patience_ms)
{
	long long end = world_now_ms() + patience_ms;
	pid_t pids[256];
	int n;

	while ((n = world_agents(pids, 256)) > 0) {
		int late = world_now_ms() > end;

		for (int i = 0; i < n; i++) {
			(void)kill(pids[i], late ? SIGKILL : SIGTERM);
			(void)kill(pids[i], SIGCONT);
		}
		if (late) {
			(void)fprintf(stderr, "%s: %d agents do not end at SIGTERM\n",
			    scene, n);
			return n;
		}
		for (int i = 0; i < n; i++)
			while (world_alive(pids[i]) && world_now_ms() <= end)
				world_breathe();
	}
	return 0;
}

int
world_try(const char *name, void (*body)(void), enum world_start start)
{
	int status = 0;
	pid_t pid;

	scene = name;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		play_body(body, start);
	assert_true(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (end_agents(10000 * WORLD_SLOW) != 0)
		return WORLD_TRY_LEFT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		return WORLD_TRY_SKIPPED;
	return status;
}

void
world_play(const char *name, void (*body)(void), enum world_start start)
{
	int status = world_try(name, body, start);

	if (status == WORLD_TRY_SKIPPED) {
		skip();
		return;
	}
	if (status != 0)
		fail_msg("%s: wait status 0x%x", name, (unsigned int)status);
}

/* --- addresses -------------------------------------------------------------- */
void
addr_loop(struct addr *a, int family, int port)
{
	memset(a, 0, sizeof(*a));
	a->u.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		a->u.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->u.v4.sin_port = htons((in_port_t)port);
		a->len = sizeof(a->u.v4);
	} else {
		a->u.v6.sin6_addr = in6addr_loopback;
		a->u.v6.sin6_port = htons((in_port_t)port);
		a->len = sizeof(a->u.v6);
	}
}

int
addr_port(const struct addr *a)
{
	return ntohs(a->u.any.sa_family == AF_INET ? a->u.v4.sin_port
	    : a->u.v6.sin6_port);
}

int
addr_same(const struct addr *a, const struct addr *b)
{
	if (a->u.any.sa_family != b->u.any.sa_family || addr_port(a) != addr_port(b))
		return 0;
	if (a->u.any.sa_family == AF_INET)
		return a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr;
	return memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, 16) == 0;
}

void
addr_of_sock(int fd, struct addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = sizeof(ret->u);
	want_eq(getsockname(fd, &ret->u.any, &ret->len), 0);
}

/* --- the program ---------------------------------------------------------------- */
static void
find_families(void)
{
	static const int all[] = { AF_INET, AF_INET6 };

	for (int i = 0; i < 2; i++) {
		struct addr a;
		int fd = socket(all[i], SOCK_STREAM | SOCK_CLOEXEC, 0);

		addr_loop(&a, all[i], 0);
		if (fd >= 0 && bind(fd, &a.u.any, a.len) == 0)
			world.families[world.n_families++] = all[i];
		if (fd >= 0)
			(void)close(fd);
	}
	if (world.n_families == 0) {
		(void)fprintf(stderr, "neither 127.0.0.1 nor ::1 can be bound\n");
		exit(1);
	}
}

/* A link, or a copy where the directory is on another file system. */
static void
link_agent(const char *agent)
{
	static char path[700];
	static char copy[65536];
	ssize_t n;
	int from, to;

	(void)snprintf(path, sizeof(path), "%s/securesocketsd", world.dir);
	if (link(agent, path) != 0) {
		from = open(agent, O_RDONLY | O_CLOEXEC);
		to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		if (from < 0 || to < 0) {
			(void)fprintf(stderr, "%s: %s\n", agent, strerror(errno));
			exit(1);
		}
		while ((n = read(from, copy, sizeof(copy))) > 0)
			if (write(to, copy, (size_t)n) != n)
				exit(1);
		(void)close(from);
		(void)close(to);
	}
	(void)setenv("SECURESOCKETS_AGENT", path, 1);
}

static volatile pid_t player;

static void
interrupted(int sig)
{
	(void)sig;
	if (player > 0)
		(void)kill(player, SIGKILL);
}

/* The parent waits for the player and removes what is left of it. */
static void
supervise(void)
{
	int status = 0, left;

	player = fork();
	if (player < 0)
		exit(1);
	if (player == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	(void)signal(SIGINT, interrupted);
	(void)signal(SIGTERM, interrupted);
	(void)signal(SIGHUP, interrupted);
	while (waitpid(player, &status, 0) < 0 && errno == EINTR)
		;
	scene = "at the end";
	left = end_agents(10000 * WORLD_SLOW);
	pki_free(world.one);
	pki_free(world.ca);
	pki_dir_free(world.dir);
	if (!WIFEXITED(status))
		exit(1);
	exit(WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : left != 0);
}

void
world_begin(void)
{
	const char *agent = getenv("SECURESOCKETS_AGENT");
	struct pki_buf b = { 0 };

	if (agent == NULL || access(agent, X_OK) != 0) {
		(void)fprintf(stderr, "SECURESOCKETS_AGENT must name securesocketsd\n");
		exit(1);
	}
	(void)setvbuf(stderr, NULL, _IOLBF, 0);
	/* What this machine believes is not what the scenes are about. */
	(void)unsetenv("SSL_CERT_FILE");
	(void)unsetenv("SSL_CERT_DIR");
	find_families();
	world.dir = pki_dir_new();
	(void)chmod(world.dir, 0711);
	/* Nor what this user keeps. */
	(void)setenv("XDG_CACHE_HOME", world.dir, 1);
	(void)setenv("XDG_CONFIG_HOME", world.dir, 1);
	link_agent(agent);
	world.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "e2e CA", .ca = 1 });
	world.one = pki_issue(world.ca, &(struct pki_spec){
	    .cn = "one", .san = "one.example,IP:127.0.0.1,IP:::1" });
	pki_put_cert(&b, world.ca);
	pki_write(world.dir, "ca.pem", 0644, &b);
	pki_buf_free(&b);
	pki_write_pair(world.dir, "one.pem", world.one);
	(void)snprintf(world.ca_file, sizeof(world.ca_file), "%s/ca.pem", world.dir);
	(void)snprintf(world.one_file, sizeof(world.one_file), "%s/one.pem", world.dir);
	supervise();
}

int
world_end_(const char *group, const struct CMUnitTest *tests, size_t n)
{
	int failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);

	(void)fflush(NULL);
	_exit(failed != 0);
}
