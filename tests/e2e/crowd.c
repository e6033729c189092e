/* SPDX-License-Identifier: ISC */
/*
 * crowd - many connections at once, and many clients that say nothing.
 *
 * CROWD_CONNECTIONS says how many are open at once; the relay needs two
 * descriptors for each.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gauge.h"
#include "ours.h"

#define BESIDE	600	/* descriptors that are no connection */

/* --- open at once --------------------------------------------------------------------------- */
enum { DIALLERS = 4 };

static struct {
	struct addr	at;
	SSL_CTX		*ctx;
	struct peer	*peers;
	int		n;
	atomic_int	next;
} dial;

/* A connection from 127.1.0.0/16, so that no address has more than its share. */
static int
dial_from(const struct addr *at, unsigned int low)
{
	struct addr from;
	int fd = socket(at->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	if (at->u.any.sa_family == AF_INET) {
		addr_loop(&from, AF_INET, 0);
		from.u.v4.sin_addr.s_addr = htonl(0x7f010000 + low);
		want_eq(bind(fd, &from.u.any, from.len), 0);
	}
	want_eq(connect(fd, &at->u.any, at->len), 0);
	return fd;
}

static void *
dialler(void *arg)
{
	int i;

	(void)arg;
	while ((i = dial.next++) < dial.n)
		peer_shake(&dial.peers[i], dial.ctx,
		    dial_from(&dial.at, 1 + (unsigned int)i / 40));
	return NULL;
}

static void
crowd_program(int ch, void *arg)
{
	pthread_t threads[DIALLERS];
	unsigned char byte;

	(void)alarm(0);
	dial.n = *(const int *)arg;
	want(gauge_raise_files(dial.n + BESIDE) >= dial.n + BESIDE);
	dial.peers = calloc((size_t)dial.n, sizeof(*dial.peers));
	want(dial.peers != NULL);
	dial.ctx = peer_ctx(0);
	prog_recv(ch, &dial.at, sizeof(dial.at));
	for (int i = 0; i < DIALLERS; i++)
		want_eq(pthread_create(&threads[i], NULL, dialler, NULL), 0);
	for (int i = 0; i < DIALLERS; i++)
		want_eq(pthread_join(threads[i], NULL), 0);
	prog_tell(ch);
	prog_await(ch);		/* all are accepted */
	for (int i = 0; i < dial.n; i++)
		peer_write(&dial.peers[i], &(unsigned char){ (unsigned char)i }, 1);
	for (int i = 0; i < dial.n; i++) {
		peer_read_all(&dial.peers[i], &byte, 1);
		want_eq(byte, (unsigned char)i);
	}
	for (int i = 0; i < dial.n; i += 2)
		peer_end(&dial.peers[i]);
	prog_tell(ch);
	for (int i = 1; i < dial.n; i += 2) {
		peer_want_end(&dial.peers[i]);
		peer_end(&dial.peers[i]);
	}
}

static int
how_many(void)
{
	const char *text = getenv("CROWD_CONNECTIONS");
	long wanted = text != NULL ? strtol(text, NULL, 10) : 1500 / WORLD_SLOW;
	long files = gauge_raise_files(2 * wanted + BESIDE);

	if (files < 2 * wanted + BESIDE) {
		wanted = (files - BESIDE) / 2;
		(void)fprintf(stderr, "%ld descriptors allow %ld connections\n", files,
		    wanted);
	}
	want(wanted >= 100);
	return (int)wanted;
}

static void
accept_all(int l, int *served, int n)
{
	for (int i = 0; i < n; i++)
		served[i] = ours_accept(l);
}

COLD_SCENE(thousands_of_connections_are_open_at_once_and_all_are_given_back)
{
	int n = how_many(), *served = calloc((size_t)n, sizeof(*served)), l;
	struct prog clients;
	struct gauge start, full;
	struct addr at;
	long long begin;
	struct peer warm;
	char byte;

	want(served != NULL);
	(void)alarm((unsigned int)(WORLD_SCENE_SECONDS + n / 20));
	prog_start(&clients, crowd_program, &n);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	want_eq(listen(l, 256), 0);
	want_eq(peer_client(&warm, &at, &(struct peer_opts){ .sni = "one.example" }), 0);
	(void)close(ours_accept(l));
	peer_drop(&warm);
	gauge_read(&start, l);
	begin = world_now_ms();
	prog_send(clients.ch, &at, sizeof(at));
	accept_all(l, served, n);
	prog_await(clients.ch);
	gauge_read(&full, l);
	(void)fprintf(stderr, "%d connections in %lld ms; held: %ld descriptors, %ld "
	    "records, %ld KiB, which is %ld bytes a connection\n", n,
	    world_now_ms() - begin, full.fds, full.records, full.kib,
	    (full.kib - start.kib) * 1024 / n);
	if (full.records >= 0)
		want(full.records >= n);

	prog_tell(clients.ch);
	for (int i = 0; i < n; i++) {
		ours_read(served[i], &byte, 1);
		ours_write(served[i], &byte, 1);
	}
	prog_await(clients.ch);	/* half of them were ended over there */
	for (int i = 0; i < n; i++)
		(void)close(served[i]);
	prog_end(&clients);
	gauge_want_back(&start, l);
	free(served);
	(void)close(l);
}

/* --- silent clients ----------------------------------------------------------------------- */
enum { SILENT = 10000, LOOKS = 21, FEW_LOOKS = 5 };

/* One socket that connects from 127.0.0.2 and says nothing. */
static int
dial_silent(const struct addr *at)
{
	struct addr from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	addr_loop(&from, AF_INET, 0);
	from.u.v4.sin_addr.s_addr = htonl(0x7f000002);
	want_eq(bind(fd, &from.u.any, from.len), 0);
	want(connect(fd, &at->u.any, at->len) == 0 || errno == EINPROGRESS);
	return fd;
}

static void
silent_program(int ch, void *arg)
{
	static struct pollfd all[SILENT];
	int n = SILENT, room = (int)gauge_raise_files(SILENT + BESIDE) - BESIDE;
	struct addr at;

	(void)arg;
	prog_recv(ch, &at, sizeof(at));
	if (room < n)
		n = room;
	for (int i = 0; i < n; i++) {
		all[i] = (struct pollfd){ .fd = dial_silent(&at), .events = POLLRDHUP };
		/* No faster than they are taken, or the kernel drops them. */
		if (i % 64 == 63)
			(void)ours_poll(all[i].fd, POLLOUT, 1000);
	}
	prog_send(ch, &n, sizeof(n));
	/* From now on whoever is put out comes again. */
	prog_await(ch);
	for (;;) {
		char told;

		if (recv(ch, &told, 1, MSG_DONTWAIT) == 1)
			return;
		want(poll(all, (nfds_t)n, 20) >= 0);
		for (int i = 0; i < n; i++)
			if (all[i].revents != 0) {
				(void)close(all[i].fd);
				all[i].fd = dial_silent(&at);
			}
	}
}

static int
by_value(const void *a, const void *b)
{
	const long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

#define NEIGHBOUR	0x7f000003	/* 127.0.0.3, in the silent ones' /24 */
#define FAR_AWAY	0x7f090003

/* From connect() to the answer, in microseconds: the middle of several. */
static long
time_of_good_client(const struct addr *at, in_addr_t own, int looks, int l,
    SSL_CTX *ctx)
{
	long took[LOOKS];

	for (int i = 0; i < looks; i++) {
		long begin = now_us();
		struct peer p;
		struct addr from;
		char byte = 'g';
		int s, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		addr_loop(&from, AF_INET, 0);
		from.u.v4.sin_addr.s_addr = htonl(own);
		want_eq(bind(fd, &from.u.any, from.len), 0);
		want_eq(connect(fd, &at->u.any, at->len), 0);
		peer_shake(&p, ctx, fd);
		s = ours_accept(l);
		peer_write(&p, &byte, 1);
		ours_read(s, &byte, 1);
		ours_write(s, &byte, 1);
		peer_read_all(&p, &byte, 1);
		took[i] = now_us() - begin;
		(void)close(s);
		peer_end(&p);
	}
	qsort(took, (size_t)looks, sizeof(took[0]), by_value);
	return took[looks / 2];
}

SCENE(ten_thousand_silent_clients_delay_a_good_one_by_less_than_100_ms)
{
	struct gauge start;
	struct prog flood;
	struct addr at;
	SSL_CTX *ctx = peer_ctx(0);
	long alone, beside, under;
	int l, n;

	prog_start(&flood, silent_program, NULL);
	l = ours_listener(&at, AF_INET, world.one_file, NULL);
	want_eq(listen(l, 1024), 0);
	(void)time_of_good_client(&at, NEIGHBOUR, LOOKS, l, ctx);
	gauge_read(&start, l);
	alone = time_of_good_client(&at, NEIGHBOUR, LOOKS, l, ctx);
	prog_send(flood.ch, &at, sizeof(at));
	prog_recv(flood.ch, &n, sizeof(n));
	beside = time_of_good_client(&at, NEIGHBOUR, LOOKS, l, ctx);
	prog_tell(flood.ch);
	/* Who has no room for all puts out the silent ones' own /24 first. */
	under = time_of_good_client(&at, FAR_AWAY, FEW_LOOKS, l, ctx);
	prog_tell(flood.ch);
	prog_end(&flood);
	(void)fprintf(stderr, "a good client takes %ld us; beside %d silent ones %ld us; "
	    "while they come again and again %ld us\n", alone, n, beside, under);
	want(beside - alone < 100000 * WORLD_SLOW);
	/* There the kernel's own queue is what overflows: a lost SYN is a second. */
	want(under - alone < 2000000 * WORLD_SLOW);
	gauge_want_back(&start, l);
	SSL_CTX_free(ctx);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    thousands_of_connections_are_open_at_once_and_all_are_given_back),
		cmocka_unit_test(
		    ten_thousand_silent_clients_delay_a_good_one_by_less_than_100_ms),
	};

	world_begin();
	return world_end(tests);
}
