/* SPDX-License-Identifier: ISC */
/*
 * starved - no memory, no descriptors: a call fails, a connection fails, and
 * nothing else does.
 *
 * STARVE_ALL=1 has every single allocation fail; else a sample of them.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "faults.h"
#include "gauge.h"
#include "ours.h"

static const struct peer_opts one_example = { .sni = "one.example" };

static void
needs_faults(void)
{
	if (faults->no_memory_faults)
		world_skip("a sanitizer has an allocator of its own");
	/* OpenSSL's socket BIO knows no MSG_NOSIGNAL. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (getenv("STARVE_ALL") != NULL)
		(void)alarm(3600);
}

#define LAST	60	/* of these each one fails: they are the relay's own */
#define NEVER	1000000000

/* Which allocation of `total` fails after the nth. */
static long
after(long n, long total)
{
	long next = n + 1 + n / 12;

	if (getenv("STARVE_ALL") != NULL || n >= total - LAST)
		return n + 1;
	return next < total - LAST ? next : total - LAST;
}

/* Allocations since faults_arm(role, NEVER, 1). */
static long
counted(void)
{
	long n = NEVER - faults->countdown;

	(void)faults_disarm();
	return n;
}

/* --- no memory ------------------------------------------------------------------------- */
/* A peer that fails must not have been told anything but TLS. */
static int
dial_starved(struct peer *p, const struct addr *at)
{
	if (peer_client(p, at, &one_example) == 0)
		return 1;
	want_has_not(p->why, "wrong version");
	want_has_not(p->why, "packet length");
	return 0;
}

/* A peer that shook hands is either accepted or cut off, and not left alone. */
static void
talk_starved(struct peer *p, int l)
{
	struct pollfd both[2] = { { .fd = l, .events = POLLIN },
	    { .fd = p->fd, .events = POLLRDHUP } };
	char byte;
	int s;

	want(poll(both, 2, WORLD_PATIENCE_MS) > 0);
	if (both[0].revents != 0) {
		s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
		want(s >= 0);
		(void)SSL_write(p->ssl, "x", 1);
		if (read(s, &byte, 1) == 1) {
			want_eq(byte, 'x');
			(void)send(s, "y", 1, MSG_NOSIGNAL);
			if (peer_read(p, &byte, 1) == 1)
				want_eq(byte, 'y');
		}
		(void)close(s);
	}
	peer_drop(p);
}

static void
starve_server(long burst)
{
	struct gauge start;
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	long fired = 1, n, total, tried = 0;

	needs_faults();
	for (int i = 0; i < 3; i++)
		ours_serve_one(&at, l);
	gauge_read(&start, l);
	faults_arm('r', NEVER, 1);
	ours_serve_one(&at, l);
	total = counted();
	for (n = 1; fired > 0; n = after(n, total)) {
		struct peer p;

		faults_arm('r', n, burst);
		if (dial_starved(&p, &at))
			talk_starved(&p, l);
		fired = faults_disarm();
		/* What was cut off may still lie in the queue. */
		while (ours_poll(l, POLLIN, 0) != 0)
			(void)close(ours_accept(l));
		ours_serve_one(&at, l);
		tried++;
	}
	(void)fprintf(stderr, "%ld of %ld allocations failed\n", tried - 1, total);
	want(tried > LAST);
	gauge_want_back(&start, l);
	(void)close(l);
}

SCENE(a_server_without_memory_loses_one_connection_and_nothing_else)
{
	starve_server(1);
}

SCENE(a_server_that_stays_without_memory_recovers_when_there_is_some)
{
	starve_server(40);
}

/* Accepts and echoes a byte until it is told to stop. */
struct echo {
	struct addr	at;
	int		listener;
};

static void *
echo_server(void *arg)
{
	struct echo *e = arg;
	struct peer p;
	char byte;
	int fd;

	while ((fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (peer_server_on(&p, fd, &(struct peer_opts){ .cert = world.one }) != 0)
			continue;
		if (peer_read(&p, &byte, 1) == 1)
			(void)SSL_write(p.ssl, &byte, 1);
		peer_end(&p);
	}
	return NULL;
}

/* 1: a byte went there and back. Whatever fails says why. */
static int
connect_starved(const struct echo *e)
{
	int fd = socket(world.families[0], SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	int ok = 0;
	char byte = 0;

	if (fd < 0)
		return 0;
	if (ours_set(fd, TLS_TRUSTED_PEER_CERTIFICATES, world.ca_file) == 0 &&
	    ours_set(fd, TLS_REMOTE_HOSTNAME, "one.example") == 0 &&
	    ours_connect(fd, &e->at) == 0)
		ok = send(fd, "z", 1, MSG_NOSIGNAL) == 1 && read(fd, &byte, 1) == 1;
	else
		want(errno != 0 && errno != EINPROGRESS);
	if (ok)
		want_eq(byte, 'z');
	(void)close(fd);
	return ok;
}

static void
starve_client(int role, long burst)
{
	struct timeval never = { 0 };
	struct gauge start;
	struct echo e;
	pthread_t thread;
	long fired = 1, n, total, failed = 0, tried = 0;
	int own = ours_socket(world.families[0], SOCK_CLOEXEC);

	needs_faults();
	e.listener = tcp_listen(&e.at, world.families[0], 16);
	want_eq(setsockopt(e.listener, SOL_SOCKET, SO_RCVTIMEO, &never,
	    sizeof(never)), 0);
	want_eq(pthread_create(&thread, NULL, echo_server, &e), 0);
	for (int i = 0; i < 3; i++)
		want(connect_starved(&e));
	gauge_read(&start, own);
	faults_arm(role, NEVER, 1);
	want(connect_starved(&e));
	total = counted();
	for (n = 1; fired > 0; n = after(n, total)) {
		faults_arm(role, n, burst);
		failed += !connect_starved(&e);
		fired = faults_disarm();
		tried++;
		/* The keeper takes a moment's rest when it has no room. */
		want_soon(connect_starved(&e));
	}
	(void)fprintf(stderr, "%ld of %ld allocations failed, %ld connections with "
	    "them\n", tried - 1, total, failed);
	gauge_want_back(&start, own);
	want_eq(shutdown(e.listener, SHUT_RDWR), 0);
	want_eq(pthread_join(thread, NULL), 0);
	(void)close(e.listener);
	(void)close(own);
}

SCENE(a_client_without_memory_fails_and_the_next_one_does_not)
{
	starve_client('r', 1);
}

SCENE(a_client_that_stays_without_memory_recovers_when_there_is_some)
{
	starve_client('r', 40);
}

SCENE(a_keeper_without_memory_fails_a_call_and_goes_on)
{
	starve_client('k', 1);
	starve_client('k', 40);
}

/* Bytes that must wait in the relay, which has no memory to keep them in. */
enum { BULK = 4 * 1024 * 1024 };

struct bulk {
	struct link	*k;
	int		 from_us;
	char		*data;
	atomic_int	 written;
};

static void *
write_bulk(void *arg)
{
	struct bulk *b = arg;
	size_t at = 0, n;

	while (at < BULK) {
		if (b->from_us) {
			ssize_t sent = send(b->k->fd, b->data + at, BULK - at, MSG_NOSIGNAL);

			n = sent > 0 ? (size_t)sent : 0;
		} else if (SSL_write_ex(b->k->peer.ssl, b->data + at, 16000 < BULK - at ?
		    16000 : BULK - at, &n) != 1) {
			n = 0;
		}
		if (n == 0)
			break;	/* broken off */
		at += n;
	}
	if (b->from_us)
		(void)shutdown(b->k->fd, SHUT_WR);
	else if (at == BULK)
		(void)SSL_shutdown(b->k->peer.ssl);
	b->written = 1;
	return NULL;
}

/* > 0 bytes, 0 a clean end, -1 broken. */
static ssize_t
read_some(struct bulk *b, char *to, size_t size)
{
	return b->from_us ? peer_read(&b->k->peer, to, size) : read(b->k->fd, to, size);
}

/* Whether it came whole; if not, then without a clean end. */
static int
carry_bulk(struct bulk *b)
{
	static char got[65536];
	pthread_t writer;
	size_t have = 0;
	ssize_t n;
	int fd = b->from_us ? b->k->fd : b->k->peer.fd;

	b->written = 0;
	want_eq(pthread_create(&writer, NULL, write_bulk, b), 0);
	/* Nobody reads until everything on the way is full. */
	want_soon(b->written || ours_poll(fd, POLLOUT, 0) == 0);
	while ((n = read_some(b, got, sizeof(got))) > 0) {
		want(have + (size_t)n <= BULK);
		want_eq(memcmp(got, b->data + have, (size_t)n), 0);
		have += (size_t)n;
	}
	if (n == 0)
		want_eq(have, BULK);
	want_eq(pthread_join(writer, NULL), 0);
	return n == 0;
}

SCENE(bytes_without_memory_arrive_whole_or_not_as_if_they_had)
{
	struct bulk b = { .data = malloc(BULK) };
	long fired = 0, whole = 0, broken = 0;

	needs_faults();
	want(b.data != NULL);
	fill(b.data, BULK, 9);
	for_each_side(side)
		for (b.from_us = 0; b.from_us < 2; b.from_us++)
			for (long n = 0; n < 300; n += n / 2 + 1) {
				struct link k;
				long lost;
				int ok;

				b.k = &k;
				link_make(&k, side, NULL);
				faults_arm('r', n, 1);
				ok = carry_bulk(&b);
				lost = faults_disarm();
				want(ok || lost > 0);
				fired += lost;
				whole += ok;
				broken += !ok;
				link_close(&k);
			}
	(void)fprintf(stderr, "%ld allocations failed: %ld transfers whole, %ld broken "
	    "off\n", fired, whole, broken);
	want(whole >= 4 && fired > 0);	/* none fails before the first is asked for */
	free(b.data);
}

/* --- a full table of descriptors: the program's ----------------------------------------- */
/* Leaves `room` free numbers; returns how many were taken. */
static int
fill_table(int *taken, int most, int room)
{
	int n = 0;

	while (n < most && (taken[n] = dup(0)) >= 0)
		n++;
	want(n < most && errno == EMFILE && n >= room);
	for (int i = 0; i < room; i++)
		(void)close(taken[--n]);
	return n;
}

/* The call worked, or said that there is no room. */
static int
worked(long rc)
{
	if (rc < 0 && errno != EMFILE)
		world_fail(__FILE__, __LINE__, "errno %d in a full table", errno);
	return rc >= 0;
}

static void
call_in_full_table(int room)
{
	struct addr at, to;
	struct peer p;
	int taken[100], n, l, tcp, c, done, s = -1, fd;
	char byte;

	l = ours_bound(&at, world.families[0]);
	c = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	tcp = tcp_listen(&to, world.families[0], 4);
	n = fill_table(taken, 100, room);
	fd = socket(world.families[0], SOCK_STREAM, IPPROTO_TLS);
	if (worked(fd))
		(void)close(fd);
	done = worked(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file));
	done = done && worked(listen(l, 4));
	if (ours_connect(c, &to) == 0 || errno != EINPROGRESS)
		want_eq(errno, EMFILE);
	for (int i = 0; i < n; i++)
		(void)close(taken[i]);

	/* What failed works now, on the same descriptors. */
	if (!done) {
		want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
		want_eq(listen(l, 4), 0);
	}
	if (ours_connect(c, &to) != 0)
		want(errno == EINPROGRESS || errno == EALREADY);
	want_eq(peer_server_on(&p, tcp_accept(tcp),
	    &(struct peer_opts){ .cert = world.one }), 0);
	want_eq(ours_poll(c, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
	peer_end(&p);

	/* A connection that cannot be taken now is taken later, once. */
	want_eq(peer_client(&p, &at, &one_example), 0);
	want_eq(ours_poll(l, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	n = fill_table(taken, 100, room);
	s = accept(l, NULL, NULL);
	(void)worked(s);
	for (int i = 0; i < n; i++)
		(void)close(taken[i]);
	if (s < 0)
		s = ours_accept(l);
	peer_write(&p, "x", 1);
	ours_read(s, &byte, 1);
	want_eq(ours_poll(l, POLLIN, 0), 0);
	peer_end(&p);
	(void)close(s);
	(void)close(l);
	(void)close(c);
	(void)close(tcp);
}

SCENE(a_program_with_a_full_table_is_told_so_and_loses_nothing)
{
	struct rlimit limit;
	int own = world_count_fds(getpid());

	want_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 80;
	want_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int room = 0; room < 8; room++) {
		call_in_full_table(room);
		want_eq(world_count_fds(getpid()), own);
	}
}

/* --- the relay's ------------------------------------------------------------------------- */
enum { CROWD = 60, ROOM = 100 };

/* Shared with the program of the clients. */
struct crowd {
	struct addr	at;
	atomic_int	served;		/* had their echo */
	atomic_int	refused;	/* times that somebody was, and came again */
	atomic_int	released;	/* so many of them may go */
};

/* A byte there and back. What finds no room is cut off, and leaves nothing. */
static int
is_served(struct peer *p, struct crowd *crowd)
{
	char byte;

	if (peer_client(p, &crowd->at, &one_example) == 0) {
		if (SSL_write(p->ssl, "x", 1) == 1 && peer_read(p, &byte, 1) == 1)
			return 1;
		peer_drop(p);
	}
	crowd->refused++;
	return 0;
}

static void *
crowd_client(void *arg)
{
	struct crowd *crowd = arg;
	struct peer p;
	char byte;
	int turn;

	want_soon(is_served(&p, crowd));
	turn = crowd->served++;
	want_soon(crowd->released > turn);
	/* It was not forgotten while others waited. */
	peer_write(&p, "y", 1);
	peer_read_all(&p, &byte, 1);
	want_eq(byte, 'y');
	peer_end(&p);
	return NULL;
}

static void
crowd_program(int ch, void *arg)
{
	pthread_t threads[CROWD];

	(void)signal(SIGPIPE, SIG_IGN);
	prog_await(ch);
	for (int i = 0; i < CROWD; i++)
		want_eq(pthread_create(&threads[i], NULL, crowd_client, arg), 0);
	for (int i = 0; i < CROWD; i++)
		want_eq(pthread_join(threads[i], NULL), 0);
}

/* Accepts what is there and echoes on all for a while. */
static void
serve_crowd(int l, int served[CROWD], int *n, int ms)
{
	long long end = world_now_ms() + ms;
	char byte;

	do {
		int s = ours_poll(l, POLLIN, 5) == 0 ? -1 :
		    accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (s >= 0)
			served[(*n)++] = s;
		for (int i = 0; i < *n; i++) {
			ssize_t got = read(served[i], &byte, 1);

			if (got == 1) {
				ours_write(served[i], &byte, 1);
			} else if (got == 0) {
				(void)close(served[i]);
				served[i--] = served[--*n];
			} else {
				want_eq(errno, EAGAIN);
			}
		}
	} while (world_now_ms() < end);
}

static long
processor_ms(pid_t pid)
{
	char path[64];
	long user = 0, system = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	want(f != NULL);
	want_eq(fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
	    "%ld %ld", &user, &system), 2);
	(void)fclose(f);
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

COLD_SCENE(a_relay_with_a_full_table_lets_clients_wait_and_goes_on)
{
	struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct prog clients;
	int l, in, n = 0, served[CROWD];
	pid_t keeper, relay, again;
	long used;

	want(crowd != MAP_FAILED);
	prog_start(&clients, crowd_program, crowd);
	/* For this process and the pair that it starts; the clients have more. */
	want_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ ROOM, ROOM }), 0);
	l = ours_bound(&crowd->at, world.families[0]);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, CROWD), 0);
	want_eq(world_pair(l, &keeper, &relay), 0);
	prog_tell(clients.ch);
	serve_crowd(l, served, &n, 1000 * WORLD_SLOW);
	in = n;
	want(in > CROWD / 6 && in < CROWD);

	/* It waits, and does not ask again and again. */
	used = processor_ms(relay);
	serve_crowd(l, served, &n, 1000);
	used = processor_ms(relay) - used;
	(void)fprintf(stderr, "%d of %d clients have room, %d refusals; %ld ms of "
	    "processor in a second of waiting\n", in, CROWD, crowd->refused, used);
	want(used < 300);

	/* Each that ends makes room, until all of them were served. */
	while (crowd->served < CROWD) {
		crowd->released = crowd->served;
		serve_crowd(l, served, &n, 10);
	}
	crowd->released = CROWD;
	while (n > 0)
		serve_crowd(l, served, &n, 10);
	prog_end(&clients);
	ours_serve_one(&crowd->at, l);
	want_eq(world_pair(l, &keeper, &again), 0);
	want_eq(again, relay);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    a_server_without_memory_loses_one_connection_and_nothing_else,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_server_that_stays_without_memory_recovers_when_there_is_some,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_client_without_memory_fails_and_the_next_one_does_not,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_client_that_stays_without_memory_recovers_when_there_is_some,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_keeper_without_memory_fails_a_call_and_goes_on,
		    faults_reset),
		cmocka_unit_test_setup(
		    bytes_without_memory_arrive_whole_or_not_as_if_they_had,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_program_with_a_full_table_is_told_so_and_loses_nothing,
		    faults_reset),
		cmocka_unit_test_setup(
		    a_relay_with_a_full_table_lets_clients_wait_and_goes_on,
		    faults_reset),
	};

	faults_begin();
	return world_end(tests);
}
