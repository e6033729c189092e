/* SPDX-License-Identifier: ISC */
/* rights - who may do what: servers that drop theirs, and keys they may not read. */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"

#define NOBODY	65534

static void
needs_root(void)
{
	if (geteuid() != 0)
		world_skip("needs root");
}

static void
become_nobody(const char *root)
{
	if (root != NULL) {
		want_eq(chroot(root), 0);
		want_eq(chdir("/"), 0);
	}
	want_eq(setgroups(0, NULL), 0);
	want_eq(setgid(NOBODY), 0);
	want_eq(setuid(NOBODY), 0);
	want_eq(setuid(0), -1);
}

/* Every connection gets its own address back; a byte on `ch` ends it. */
static void
serve_until_told(int l, int ch)
{
	struct pollfd p[2] = { { .fd = l, .events = POLLIN },
	    { .fd = ch, .events = POLLIN } };

	for (;;) {
		struct addr peer = { .len = sizeof(peer.u) };
		char byte;
		int s;

		want(poll(p, 2, -1) > 0);
		if (p[1].revents != 0)
			break;
		s = ours_accept(l);
		want_eq(getpeername(s, &peer.u.any, &peer.len), 0);
		/* A client that only looks at the certificate sends nothing. */
		if (read(s, &byte, 1) == 1)
			(void)send(s, &peer, sizeof(peer), MSG_NOSIGNAL);
		(void)close(s);
	}
	prog_await(ch);
}

/* A free port that needs the right to bind it. */
static int
bind_low(int fd, struct addr *at)
{
	for (int port = 1023; port > 512; port--) {
		addr_loop(at, world.families[0], port);
		if (bind(fd, &at->u.any, at->len) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
	}
	return -1;
}

static int
low_ports_are_free_for_all(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int first = 1024;

	if (f != NULL) {
		if (fscanf(f, "%d", &first) != 1)
			first = 1024;
		(void)fclose(f);
	}
	return first < 1024;
}

/* --- a server as they are: root at first -------------------------------------------- */
struct server {
	struct addr	at;
	pid_t		keeper, relay;
};

static void
dropping_server(int ch, void *arg)
{
	struct server me;
	const char *files = arg;
	int l = ours_socket(world.families[0], SOCK_CLOEXEC);

	want_eq(bind_low(l, &me.at), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, files), 0);
	want_eq(listen(l, 16), 0);
	want_eq(world_pair(l, &me.keeper, &me.relay), 0);
	become_nobody(pki_path(world.dir, "empty"));
	prog_send(ch, &me, sizeof(me));
	serve_until_told(l, ch);
}

SCENE(sk_98_sk_99_a_server_that_drops_its_rights_is_renewed)
{
	struct prog p;
	struct server server;
	struct pki_cert *again;
	struct peer peer;
	struct addr own, told;

	needs_root();
	again = pki_issue(world.ca, &(struct pki_spec){ .cn = "again",
	    .san = "one.example" });
	want_eq(mkdir(pki_path(world.dir, "empty"), 0755), 0);
	pki_write_pair(world.dir, "closed/one.pem", world.one);
	want_eq(chmod(pki_path(world.dir, "closed"), 0700), 0);
	prog_start(&p, dropping_server, (void *)(uintptr_t)pki_path(world.dir, "closed"));
	prog_recv(p.ch, &server, sizeof(server));
	want(addr_port(&server.at) < 1024);

	/* accept() and getpeername() work in there. */
	want_eq(peer_client(&peer, &server.at, &(struct peer_opts){ .sni =
	    "one.example" }), 0);
	peer_write(&peer, "?", 1);
	peer_read_all(&peer, &told, sizeof(told));
	addr_of_sock(peer.fd, &own);
	want(addr_same(&told, &own));
	peer_end(&peer);

	/* The files are replaced: root's keeper sees it, nobody was restarted. */
	want_served(&server.at, "one.example", NULL, world.one);
	pki_write_pair(world.dir, "closed/one.pem", again);
	want_soon(peer_is_shown(&server.at, "one.example", again) == 1);
	want(world_alive(server.keeper));
	want(world_alive(server.relay));
	prog_tell(p.ch);
	prog_end(&p);
}

static void
want_powerless(pid_t relay)
{
	char line[600];

	world_status_line(relay, "Uid:", line, sizeof(line));
	want(strtol(line, NULL, 10) != 0);
	for (const char *at = line; *at != '\0'; at++)	/* real, effective, ... */
		if (*at == '\t')
			want(strtol(at, NULL, 10) != 0);
	world_status_line(relay, "Gid:", line, sizeof(line));
	want(strtol(line, NULL, 10) != 0);
	world_status_line(relay, "Groups:", line, sizeof(line));
	want(strstr(line, "\t0 ") == NULL && strstr(line, " 0 ") == NULL);
	world_status_line(relay, "CapEff:", line, sizeof(line));
	want_eq(strtoull(line, NULL, 16), 0);
	world_status_line(relay, "CapPrm:", line, sizeof(line));
	want_eq(strtoull(line, NULL, 16), 0);
	world_status_line(relay, "NoNewPrivs:", line, sizeof(line));
	want_eq(strtol(line, NULL, 10), 1);
}

COLD_SCENE(the_relay_of_root_has_no_rights_at_all)
{
	struct addr at;
	pid_t keeper, relay, again;
	char line[600];
	int l;

	needs_root();
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_powerless(relay);
	world_status_line(keeper, "Uid:", line, sizeof(line));
	want_eq(strtol(line, NULL, 10), 0);
	/* Nor has the one that takes its place. */
	want_eq(kill(relay, SIGKILL), 0);
	want_served(&at, "one.example", NULL, world.one);
	want_eq(world_pair(l, &keeper, &again), 0);
	want(again != relay);
	want_powerless(again);
	(void)close(l);
}

static void
program_of_nobody(int ch, void *arg)
{
	char line[600];
	pid_t keeper, relay;
	int fd;

	(void)ch;
	(void)arg;
	become_nobody(NULL);
	fd = ours_socket(world.families[0], 0);
	want_eq(world_pair(fd, &keeper, &relay), 0);
	world_status_line(relay, "Uid:", line, sizeof(line));
	want_eq(strtol(line, NULL, 10), NOBODY);
	world_status_line(keeper, "Uid:", line, sizeof(line));
	want_eq(strtol(line, NULL, 10), NOBODY);
	(void)close(fd);
}

COLD_SCENE(the_pair_of_another_user_has_that_users_id)
{
	struct prog p;

	needs_root();
	prog_start(&p, program_of_nobody, NULL);
	prog_end(&p);
}

/* --- a worker that dropped ------------------------------------------------------------ */
static void
dropped_worker(int ch, void *arg)
{
	const int l = *(const int *)arg;

	become_nobody(NULL);
	/* What it can read itself it may set; nobody opens it again. */
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "his")), 0);
	want_has(ours_get(l, TLS_CERT_DECISION), "static");
	/* What it cannot read it cannot set, whoever started the pair. */
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "roots.pem")),
	    EACCES);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN,
	    pki_path(world.dir, "roots/two.pem")), EACCES);
	want_errno(ours_set(l, TLS_PRIVATE_KEY, pki_path(world.dir, "roots.pem")),
	    EACCES);
	prog_tell(ch);
	prog_await(ch);
}

SCENE(a_dropped_worker_sets_what_it_can_read_and_nothing_else)
{
	struct prog p;
	struct addr at;
	struct pki_cert *two;
	int l;

	needs_root();
	two = pki_issue(world.ca, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	pki_write_pair(world.dir, "his/two.pem", two);
	want_eq(chown(pki_path(world.dir, "his/two.pem"), NOBODY, NOBODY), 0);
	pki_write_pair(world.dir, "roots.pem", two);
	pki_write_pair(world.dir, "roots/two.pem", two);
	want_eq(chmod(pki_path(world.dir, "roots"), 0700), 0);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	want_has_not(ours_get(l, TLS_CERT_DECISION), "static");
	prog_start(&p, dropped_worker, &l);
	prog_await(p.ch);
	want_served(&at, "two.example", NULL, two);
	want_served(&at, "one.example", NULL, world.one);
	prog_tell(p.ch);
	prog_end(&p);
	(void)close(l);
}

static void
bind_as_nobody(int ch, void *arg)
{
	struct addr at;
	int fd, mark = 7;

	(void)ch;
	(void)arg;
	fd = ours_socket(world.families[0], 0);	/* root's pair */
	become_nobody(NULL);
	want_eq(bind_low(fd, &at), -1);
	want_eq(errno, EACCES);
	want_errno(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), EPERM);
	addr_loop(&at, world.families[0], 0);
	want_eq(bind(fd, &at.u.any, at.len), 0);
	(void)close(fd);
}

SCENE(sk_14_privileged_calls_need_the_programs_own_rights)
{
	struct prog p;
	struct addr at;
	int fd, mark = 7;

	needs_root();
	if (low_ports_are_free_for_all())
		world_skip("every port may be bound by everybody here");
	fd = ours_socket(world.families[0], 0);
	want_eq(bind_low(fd, &at), 0);
	want_eq(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_MARK), 7);
	(void)close(fd);
	prog_start(&p, bind_as_nobody, NULL);
	prog_end(&p);
}

/* --- keys ----------------------------------------------------------------------------- */
static void
key_of_a_group(int ch, void *arg)
{
	const int l = *(const int *)arg;
	gid_t group = 65500;

	want_eq(setgroups(1, &group), 0);
	want_eq(setgid(NOBODY), 0);
	want_eq(setuid(NOBODY), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "group.pem")), 0);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "roots-own.pem")),
	    EACCES);
	prog_tell(ch);
	prog_await(ch);
}

/* root:ssl-cert 0640: not open, and readable to the group's members. */
SCENE(a_key_of_a_group_is_read_by_its_members)
{
	struct prog p;
	struct addr at;
	struct pki_cert *two;
	int l;

	needs_root();
	two = pki_issue(world.ca, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	pki_write_pair(world.dir, "group.pem", two);
	want_eq(chmod(pki_path(world.dir, "group.pem"), 0640), 0);
	want_eq(chown(pki_path(world.dir, "group.pem"), 0, 65500), 0);
	pki_write_pair(world.dir, "roots-own.pem", two);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	prog_start(&p, key_of_a_group, &l);
	prog_await(p.ch);
	want_served(&at, "two.example", NULL, two);
	prog_tell(p.ch);
	prog_end(&p);
	(void)close(l);
}

/* A secret as Kubernetes mounts it: directory 1777, key 0644. */
SCENE(a_kubernetes_secret_needs_the_named_switch)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);
	const char *crt, *key;
	struct pki_cert *two = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "two", .san = "two.example" });

	pki_write_chain(world.dir, "secret/..data/tls.crt", two);
	pki_write_key(world.dir, "secret/..data/tls.key", two);
	pki_link(world.dir, "secret/tls.crt", "..data/tls.crt");
	pki_link(world.dir, "secret/tls.key", "..data/tls.key");
	want_eq(chmod(pki_path(world.dir, "secret/..data/tls.key"), 0644), 0);
	want_eq(chmod(pki_path(world.dir, "secret"), 01777), 0);
	crt = pki_path(world.dir, "secret/tls.crt");
	key = pki_path(world.dir, "secret/tls.key");
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, crt), 0);
	want_errno(ours_set(l, TLS_PRIVATE_KEY, key), EACCES);
	want_has(ours_error(l), "chmod");
	want_eq(ours_set_int(l, TLS_KEY_PERMISSIONS, TLS_KEY_PERMISSIONS_EVENT), 0);
	want_eq(ours_set(l, TLS_PRIVATE_KEY, key), 0);
	want_eq(listen(l, 4), 0);
	want_served(&at, "two.example", NULL, two);
	(void)close(l);
}

/* --- forks in another thread --------------------------------------------------------- */
static atomic_int forking;

/* Children that live for a while and hold what they were born with. */
static void *
fork_in_a_loop(void *arg)
{
	int *forks = arg;

	while (forking) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)poll(NULL, 0, 300);
			_exit(0);
		}
		if (pid > 0)
			(*forks)++;
		(void)poll(NULL, 0, 3);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return NULL;
}

SCENE(a_thread_that_forks_breaks_no_end_and_no_bind)
{
	pthread_t thread;
	struct addr at, a;
	int forks = 0, l, fd;

	l = tcp_listen(&at, world.families[0], 16);
	fd = ours_bound(&a, world.families[0]);
	(void)close(fd);
	forking = 1;
	want_eq(pthread_create(&thread, NULL, fork_in_a_loop, &forks), 0);
	for (int i = 0; i < 60; i++) {
		/* A child may hold the first name's descriptor: take a new port. */
		int bound = ours_socket(world.families[0], SOCK_CLOEXEC);
		int c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
		struct peer p;

		addr_loop(&a, world.families[0], 0);
		want_eq(bind(bound, &a.u.any, a.len), 0);
		addr_of_sock(bound, &a);
		want_errno(ours_connect(c, &at), EINPROGRESS);
		want_eq(peer_server_on(&p, tcp_accept(l),
		    &(struct peer_opts){ .cert = world.one }), 0);
		want_eq(ours_poll(c, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
		/* shutdown is the end, whatever a child still holds. */
		want_eq(shutdown(c, SHUT_WR), 0);
		peer_want_end(&p);
		peer_end(&p);
		ours_want_end(c);
		(void)close(c);
		(void)close(bound);
	}
	forking = 0;
	want_eq(pthread_join(thread, NULL), 0);
	want(forks > 0);
	/* No copy is left anywhere: the last port is free again. */
	fd = ours_socket(world.families[0], 0);
	want_soon(bind(fd, &a.u.any, a.len) == 0);
	(void)close(fd);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_98_sk_99_a_server_that_drops_its_rights_is_renewed),
		cmocka_unit_test(the_relay_of_root_has_no_rights_at_all),
		cmocka_unit_test(the_pair_of_another_user_has_that_users_id),
		cmocka_unit_test(a_dropped_worker_sets_what_it_can_read_and_nothing_else),
		cmocka_unit_test(sk_14_privileged_calls_need_the_programs_own_rights),
		cmocka_unit_test(a_key_of_a_group_is_read_by_its_members),
		cmocka_unit_test(a_kubernetes_secret_needs_the_named_switch),
		cmocka_unit_test(a_thread_that_forks_breaks_no_end_and_no_bind),
	};

	world_begin();
	return world_end(tests);
}
