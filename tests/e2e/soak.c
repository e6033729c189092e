/* SPDX-License-Identifier: ISC */
/*
 * soak - after many connections and many bytes the pair holds what it held.
 *
 * SOAK_CONNECTIONS and SOAK_GB say how many, for each of the two directions. The
 * first fifth is warming up; from there to the end nothing may grow. One in five
 * connections is broken off by the other side in the middle.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gauge.h"
#include "ours.h"

#define THREADS		4
#define BLOCK		16384
#define GROWTH_KIB	1024
#define FEW		20000	/* so many do not warm every thread's memory up */
#define CHUNKS		5	/* each ends with all connections closed */

struct amount {
	long	connections, bytes;	/* bytes of one connection, each way */
};

static struct {
	struct addr	at;
	long		bytes;
	atomic_long	left;		/* connections that nobody took yet */
	atomic_long	turn;		/* for the way in which each ends */
	atomic_long	clean, broken;
	atomic_int	stop;
	int		listener;
	SSL_CTX		*ctx;		/* of the side that is not ours */
	unsigned char	pattern[BLOCK];
} soak;

static struct amount
wanted(void)
{
	const char *n = getenv("SOAK_CONNECTIONS"), *gb = getenv("SOAK_GB");
	struct amount a = { .connections = 2000 / WORLD_SLOW };
	double total = 0.2e9 / WORLD_SLOW;

	if (n != NULL)
		a.connections = strtol(n, NULL, 10);
	if (gb != NULL)
		total = strtod(gb, NULL) * 1e9;
	/* Of ten, eight go both ways and two half of one. */
	a.bytes = (long)(total / (1.7 * (double)a.connections));
	want(a.connections >= 10 * CHUNKS && a.bytes >= 2);
	return a;
}

/* --- the side that is not ours -------------------------------------------------------- */
static void
peer_send(struct peer *p, long len)
{
	for (long at = 0; at < len; at += BLOCK)
		peer_write(p, soak.pattern, (size_t)(len - at < BLOCK ? len - at : BLOCK));
}

static void
peer_take(struct peer *p, long len)
{
	char got[BLOCK];

	for (long at = 0; at < len; at += BLOCK) {
		size_t n = (size_t)(len - at < BLOCK ? len - at : BLOCK);

		peer_read_all(p, got, n);
		want_eq(memcmp(got, soak.pattern, n), 0);
	}
}

/* One connection as its turn says; `first` writes before it reads. */
static void
peer_plays(struct peer *p, int first)
{
	long turn = soak.turn++ % 10, part = turn < 8 ? soak.bytes : soak.bytes / 2;

	if (first)
		peer_send(p, part);
	else
		peer_take(p, part);
	if (turn == 8) {
		peer_reset(p);
	} else if (turn == 9) {
		peer_drop(p);	/* no close_notify */
	} else if (first) {
		peer_take(p, soak.bytes);
		peer_want_end(p);
		peer_end(p);
	} else {
		peer_send(p, soak.bytes);
		peer_end(p);
	}
}

static void *
inline_clients(void *arg)
{
	(void)arg;
	while (soak.left-- > 0) {
		struct peer p;

		peer_shake(&p, soak.ctx, tcp_dial(&soak.at));
		peer_plays(&p, 1);
	}
	return NULL;
}

static void *
inline_server(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(soak.listener, NULL, NULL, SOCK_CLOEXEC);
		struct peer p;

		if (fd < 0)
			return NULL;	/* the listener was shut down */
		peer_shake(&p, soak.ctx, fd);
		peer_plays(&p, 0);
	}
}

static void
run_threads(pthread_t *threads, void *(*body)(void *))
{
	for (int i = 0; i < THREADS; i++)
		want_eq(pthread_create(&threads[i], NULL, body, NULL), 0);
}

static void
join_threads(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		want_eq(pthread_join(threads[i], NULL), 0);
}

/* As many connections as it is told, again and again; 0 ends it. */
static void
client_program(int ch, void *arg)
{
	const struct amount *a = arg;
	pthread_t threads[THREADS];
	long n;

	(void)alarm(0);
	soak.bytes = a->bytes;
	soak.ctx = peer_ctx(0);
	prog_recv(ch, &soak.at, sizeof(soak.at));
	for (;;) {
		prog_recv(ch, &n, sizeof(n));
		if (n == 0)
			return;
		soak.left = n;
		run_threads(threads, inline_clients);
		join_threads(threads);
		prog_tell(ch);
	}
}

static void
server_program(int ch, void *arg)
{
	const struct amount *a = arg;
	pthread_t threads[THREADS];
	struct timeval never = { 0 };

	(void)alarm(0);
	soak.bytes = a->bytes;
	soak.ctx = peer_ctx(1);
	soak.listener = tcp_listen(&soak.at, world.families[0], 64);
	want_eq(setsockopt(soak.listener, SOL_SOCKET, SO_RCVTIMEO, &never,
	    sizeof(never)), 0);
	prog_send(ch, &soak.at, sizeof(soak.at));
	run_threads(threads, inline_server);
	prog_await(ch);
	want_eq(shutdown(soak.listener, SHUT_RDWR), 0);
	join_threads(threads);
}

/* --- ours --------------------------------------------------------------------------------- */
static int
send_all(int fd, long len)
{
	for (long at = 0; at < len;) {
		long from = at % BLOCK, most = BLOCK - from;
		ssize_t n = send(fd, soak.pattern + from,
		    (size_t)(len - at < most ? len - at : most), MSG_NOSIGNAL);

		if (n <= 0)
			return 0;
		at += n;
	}
	return 1;
}

/* A clean end before `len` bytes is a lie: the peer never ends that way. */
static int
take_all(int fd, long len)
{
	char got[BLOCK];

	for (long at = 0; at < len;) {
		long from = at % BLOCK, most = BLOCK - from;
		ssize_t n = read(fd, got, (size_t)(len - at < most ? len - at : most));

		want(n != 0);
		if (n < 0)
			return 0;
		want_eq(memcmp(got, soak.pattern + from, (size_t)n), 0);
		at += n;
	}
	return 1;
}

static void
count(int fd, int clean)
{
	if (clean)
		soak.clean++;
	else
		soak.broken++;
	(void)close(fd);
}

static void *
our_server(void *arg)
{
	(void)arg;
	while (!soak.stop) {
		int fd;

		if (ours_poll(soak.listener, POLLIN, 50) == 0)
			continue;
		fd = accept4(soak.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			want_eq(errno, EAGAIN);	/* another thread has it */
			continue;
		}
		count(fd, take_all(fd, soak.bytes) && send_all(fd, soak.bytes));
	}
	return NULL;
}

static void *
our_clients(void *arg)
{
	(void)arg;
	while (soak.left-- > 0) {
		int fd = ours_client(world.families[0], 0, "one.example");
		int ok;

		want_eq(ours_connect(fd, &soak.at), 0);
		ok = send_all(fd, soak.bytes) && take_all(fd, soak.bytes);
		if (ok)
			ours_want_end(fd);
		count(fd, ok);
	}
	return NULL;
}

/* What the pair opens for its first connection and keeps, such as the cache, is no
 * growth. */
static void
warm_up(void)
{
	soak.left = 1;
	(void)our_clients(NULL);
	want_eq(soak.clean, 1);
	soak.clean = 0;
}

/* --- both ----------------------------------------------------------------------------------- */
static long
part_of(const struct amount *a, int chunk)
{
	return a->connections * (chunk + 1) / CHUNKS - a->connections * chunk / CHUNKS;
}

/* What is held after each fifth; the first is the mark. */
static void
note(const struct gauge *start, struct gauge *mark, int fd, int chunk)
{
	struct gauge now;

	gauge_want_back(start, fd);
	gauge_read(&now, fd);
	if (chunk == 0)
		*mark = now;
	(void)fprintf(stderr, "soak: %3d %%: %ld connections, %ld broken off, "
	    "%ld KiB, %ld descriptors, %ld records\n", (chunk + 1) * 100 / CHUNKS,
	    (long)soak.clean, (long)soak.broken, now.kib, now.fds, now.records);
}

static void
judge(const struct amount *a, const struct gauge *mark, int fd)
{
	struct gauge end;

	gauge_want_back(mark, fd);
	gauge_read(&end, fd);
	/* Allocators of sanitizers keep what was freed. */
	if (WORLD_SLOW == 1)
		want(end.kib <= mark->kib +
		    (a->connections < FEW ? 4 * GROWTH_KIB : GROWTH_KIB));
	want_eq(soak.clean, a->connections / 10 * 8);
	want(soak.broken <= a->connections - soak.clean);
}

static void
begin(struct amount *a)
{
	*a = wanted();
	a->connections -= a->connections % (10 * CHUNKS);
	soak.bytes = a->bytes;
	fill(soak.pattern, BLOCK, 40);
	(void)alarm((unsigned int)(WORLD_SCENE_SECONDS + a->connections / 20));
}

SCENE(our_server_holds_no_more_after_many_connections)
{
	struct gauge start, mark = { 0 };
	pthread_t threads[THREADS];
	struct amount a;
	struct prog clients;
	long none = 0;

	begin(&a);
	prog_start(&clients, client_program, &a);
	soak.listener = ours_listener(&soak.at, world.families[0], world.one_file, NULL);
	want_eq(fcntl(soak.listener, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	prog_send(clients.ch, &soak.at, sizeof(soak.at));
	gauge_read(&start, soak.listener);
	run_threads(threads, our_server);
	for (int i = 0; i < CHUNKS; i++) {
		long n = part_of(&a, i);

		prog_send(clients.ch, &n, sizeof(n));
		prog_await(clients.ch);
		note(&start, &mark, soak.listener, i);
	}
	prog_send(clients.ch, &none, sizeof(none));
	prog_end(&clients);
	soak.stop = 1;
	join_threads(threads);
	judge(&a, &mark, soak.listener);
	(void)close(soak.listener);
}

SCENE(our_clients_hold_no_more_after_many_connections)
{
	struct gauge start, mark = { 0 };
	pthread_t threads[THREADS];
	struct amount a;
	struct prog server;
	int fd;

	begin(&a);
	prog_start(&server, server_program, &a);
	prog_recv(server.ch, &soak.at, sizeof(soak.at));
	fd = ours_socket(world.families[0], SOCK_CLOEXEC);
	warm_up();
	gauge_read(&start, fd);
	for (int i = 0; i < CHUNKS; i++) {
		soak.left = part_of(&a, i);
		run_threads(threads, our_clients);
		join_threads(threads);
		note(&start, &mark, fd, i);
	}
	prog_tell(server.ch);
	prog_end(&server);
	judge(&a, &mark, fd);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_server_holds_no_more_after_many_connections),
		cmocka_unit_test(our_clients_hold_no_more_after_many_connections),
	};

	world_begin();
	return world_end(tests);
}
