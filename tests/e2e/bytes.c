/* SPDX-License-Identifier: ISC */
/* bytes - what is written arrives, in both directions, and ends cleanly. */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"

#define MB		(1024 * 1024)
#define A_WHILE		60	/* ms in which nothing may happen */
#define ALL		(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* One direction of a transfer, in a thread of its own. */
struct flow {
	struct link	*k;
	size_t		 len;
	unsigned int	 seed;
	int		 from_peer;
};

static void *
send_flow(void *arg)
{
	const struct flow *f = arg;
	char *data = malloc(f->len);

	want(data != NULL);
	fill(data, f->len, f->seed);
	if (f->from_peer)
		peer_write(&f->k->peer, data, f->len);
	else
		ours_write(f->k->fd, data, f->len);
	free(data);
	return NULL;
}

static void
receive_flow(const struct flow *f)
{
	char *data = malloc(2 * f->len);

	want(data != NULL);
	fill(data + f->len, f->len, f->seed);
	if (f->from_peer)
		ours_read(f->k->fd, data, f->len);
	else
		peer_read_all(&f->k->peer, data, f->len);
	want_eq(memcmp(data, data + f->len, f->len), 0);
	free(data);
}

static void
transfer(struct link *k, size_t len, unsigned int seed, int from_peer)
{
	struct flow f = { .k = k, .len = len, .seed = seed, .from_peer = from_peer };
	pthread_t thread;

	want_eq(pthread_create(&thread, NULL, send_flow, &f), 0);
	receive_flow(&f);
	want_eq(pthread_join(thread, NULL), 0);
}

SCENE(sk_47_every_size_arrives_whole_both_ways)
{
	static const size_t size[] = { 1, 2, 100, 4095, 4096, 16383, 16384, 16385,
	    65536, 100000, MB };

	for_each_side(side) {
		struct link k;

		link_make(&k, side, NULL);
		for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
			transfer(&k, size[i], (unsigned int)i, 0);
			transfer(&k, size[i], (unsigned int)i + 50, 1);
		}
		peer_notify(&k.peer);
		ours_want_end(k.fd);
		link_close(&k);
	}
}

SCENE(bytes_flow_under_tls_1_2_as_well)
{
	for_each_side(side) {
		struct link k;

		link_make(&k, side, &(struct peer_opts){ .version = TLS1_2_VERSION });
		want_eq(ours_get_int(k.fd, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_2);
		transfer(&k, 300000, 7, 0);
		transfer(&k, 300000, 8, 1);
		want_eq(shutdown(k.fd, SHUT_WR), 0);
		peer_want_end(&k.peer);
		peer_notify(&k.peer);
		ours_want_end(k.fd);
		link_close(&k);
	}
}

/* A peer that reads and writes at once: OpenSSL in non-blocking steps. */
static void
peer_both_ways(struct peer *p, size_t len, unsigned int out_seed, unsigned int in_seed)
{
	char *out = malloc(len), *in = malloc(len), *expected = malloc(len);
	size_t sent = 0, got = 0, n;

	want(out != NULL && in != NULL && expected != NULL);
	fill(out, len, out_seed);
	fill(expected, len, in_seed);
	want_eq(fcntl(p->fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	while (sent < len || got < len) {
		struct pollfd wait = { .fd = p->fd, .events = POLLIN };

		if (got < len && SSL_read_ex(p->ssl, in + got, len - got, &n) == 1)
			got += n;
		if (sent < len) {
			size_t part = len - sent < 65536 ? len - sent : 65536;

			if (SSL_write_ex(p->ssl, out + sent, part, &n) == 1)
				sent += n;
			wait.events |= POLLOUT;
		}
		if ((sent < len || got < len) && SSL_pending(p->ssl) == 0)
			want(poll(&wait, 1, WORLD_PATIENCE_MS) == 1);
	}
	want_eq(memcmp(in, expected, len), 0);
	want_eq(fcntl(p->fd, F_SETFL, O_RDWR), 0);
	free(out);
	free(in);
	free(expected);
}

static void *
peer_both_ways_thread(void *arg)
{
	struct flow *f = arg;

	peer_both_ways(&f->k->peer, f->len, f->seed, f->seed + 1);
	return NULL;
}

SCENE(sk_57_twenty_megabytes_each_way_at_once)
{
	for_each_side(side) {
		struct link k;
		struct flow peer = { .k = &k, .len = 20 * MB, .seed = 20 };
		struct flow own = { .k = &k, .len = 20 * MB, .seed = 21 };
		struct flow in = { .k = &k, .len = 20 * MB, .seed = 20, .from_peer = 1 };
		pthread_t peer_thread, own_thread;

		link_make(&k, side, NULL);
		SSL_set_mode(k.peer.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
		    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		want_eq(pthread_create(&peer_thread, NULL, peer_both_ways_thread, &peer), 0);
		want_eq(pthread_create(&own_thread, NULL, send_flow, &own), 0);
		receive_flow(&in);
		want_eq(pthread_join(own_thread, NULL), 0);
		want_eq(pthread_join(peer_thread, NULL), 0);
		link_close(&k);
	}
}

SCENE(between_two_of_our_own_sockets)
{
	struct addr at;
	struct flow there, back;
	struct link one = { .listener = -1 }, two = { .listener = -1 };
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	pthread_t a, b;
	char *data = malloc(4 * MB);

	want(data != NULL);
	one.fd = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_connect(one.fd, &at), 0);
	two.fd = ours_accept(l);
	there = (struct flow){ .k = &one, .len = 2 * MB, .seed = 3 };
	back = (struct flow){ .k = &two, .len = 2 * MB, .seed = 4 };
	want_eq(pthread_create(&a, NULL, send_flow, &there), 0);
	want_eq(pthread_create(&b, NULL, send_flow, &back), 0);
	fill(data + 2 * MB, 2 * MB, 3);
	ours_read(two.fd, data, 2 * MB);
	want_eq(memcmp(data, data + 2 * MB, 2 * MB), 0);
	fill(data + 2 * MB, 2 * MB, 4);
	ours_read(one.fd, data, 2 * MB);
	want_eq(memcmp(data, data + 2 * MB, 2 * MB), 0);
	want_eq(pthread_join(a, NULL), 0);
	want_eq(pthread_join(b, NULL), 0);
	(void)close(one.fd);
	ours_want_end(two.fd);
	(void)close(two.fd);
	(void)close(l);
	free(data);
}

/* --- half close ------------------------------------------------------------------- */
SCENE(sk_76_the_end_of_the_peers_data_leaves_our_direction_open)
{
	for_each_side(side) {
		struct link k;
		char text[5];

		link_make(&k, side, NULL);
		peer_write(&k.peer, "hello", 5);
		peer_notify(&k.peer);
		ours_read(k.fd, text, 5);
		want_eq(memcmp(text, "hello", 5), 0);
		ours_want_end(k.fd);
		want_eq(ours_poll(k.fd, ALL, 0), POLLIN | POLLOUT | POLLRDHUP);
		ours_write(k.fd, "still", 5);
		peer_read_all(&k.peer, text, 5);
		want_eq(memcmp(text, "still", 5), 0);
		link_close(&k);
	}
}

SCENE(sk_77_shutdown_for_writing_is_close_notify_and_the_answer_is_read)
{
	for_each_side(side) {
		struct link k;
		char text[6];

		link_make(&k, side, NULL);
		ours_write(k.fd, "GET /", 5);
		want_eq(shutdown(k.fd, SHUT_WR), 0);
		want_eq(send(k.fd, "x", 1, MSG_NOSIGNAL), -1);
		want_eq(errno, EPIPE);
		peer_read_all(&k.peer, text, 5);
		peer_want_end(&k.peer);
		peer_write(&k.peer, "answer", 6);
		peer_notify(&k.peer);
		ours_read(k.fd, text, 6);
		want_eq(memcmp(text, "answer", 6), 0);
		ours_want_end(k.fd);
		want((ours_poll(k.fd, ALL, 0) & POLLHUP) != 0);
		link_close(&k);
	}
}

SCENE(sk_85_shutdown_for_reading_reads_nothing_and_kills_nobody)
{
	for_each_side(side) {
		struct link k;
		char text[4];

		link_make(&k, side, NULL);
		want_eq(shutdown(k.fd, SHUT_RD), 0);
		want_eq(read(k.fd, text, 1), 0);
		want((ours_poll(k.fd, ALL, 0) & (POLLIN | POLLRDHUP)) ==
		    (POLLIN | POLLRDHUP));
		peer_write(&k.peer, "dropped", 7);
		ours_write(k.fd, "sent", 4);
		peer_read_all(&k.peer, text, 4);
		peer_write(&k.peer, "dropped", 7);
		want_eq(memcmp(text, "sent", 4), 0);
		want_eq(read(k.fd, text, 1), 0);
		(void)close(k.fd);
		k.fd = -1;
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

/* --- what is no data gives no readiness ------------------------------------------- */
/* The peer as our client's server sends two tickets after the handshake. */
SCENE(sk_54_sk_69_tickets_are_not_data)
{
	struct link k;
	int n = -1;

	link_make(&k, OURS_CONNECTS, NULL);
	want_eq(ours_poll(k.fd, ALL, A_WHILE), POLLOUT);
	want_eq(ioctl(k.fd, FIONREAD, &n), 0);
	want_eq(n, 0);
	peer_write(&k.peer, "data", 4);
	want_eq(ours_poll(k.fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	want_soon((ioctl(k.fd, FIONREAD, &n), n) == 4);
	link_close(&k);
}

SCENE(sk_70_a_key_update_is_not_data)
{
	for_each_side(side) {
		struct link k;
		struct epoll_event e = { .events = EPOLLIN | EPOLLET };
		int ep = epoll_create1(0);
		char text[4];

		link_make(&k, side, NULL);
		want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, k.fd, &e), 0);
		want_eq(SSL_key_update(k.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		want_eq(SSL_do_handshake(k.peer.ssl), 1);
		want_eq(epoll_wait(ep, &e, 1, A_WHILE), 0);
		peer_write(&k.peer, "data", 4);
		want_eq(epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS), 1);
		ours_read(k.fd, text, 4);
		ours_write(k.fd, "back", 4);
		peer_read_all(&k.peer, text, 4);
		want_eq(memcmp(text, "back", 4), 0);
		(void)close(ep);
		link_close(&k);
	}
}

SCENE(sk_71_half_a_record_is_not_data)
{
	for_each_side(side) {
		struct link k;
		char wire[400], text[10];
		size_t n;

		link_make(&k, side, NULL);
		n = peer_record(&k.peer, "0123456789", 10, wire, sizeof(wire));
		want_eq(write(k.peer.fd, wire, n / 2), n / 2);
		want_eq(ours_poll(k.fd, ALL, A_WHILE), POLLOUT);
		want_eq(write(k.peer.fd, wire + n / 2, n - n / 2), n - n / 2);
		want_eq(ours_poll(k.fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
		ours_read(k.fd, text, 10);
		want_eq(memcmp(text, "0123456789", 10), 0);
		link_close(&k);
	}
}

SCENE(sk_66_sk_67_sk_68_level_edge_and_oneshot)
{
	struct link k;
	struct epoll_event e;
	int level = epoll_create1(0), edge = epoll_create1(0), once = epoll_create1(0);
	int waiting = 0;
	char data[16000];

	link_make(&k, OURS_ACCEPTS, NULL);
	e.events = EPOLLIN;
	want_eq(epoll_ctl(level, EPOLL_CTL_ADD, k.fd, &e), 0);
	e.events = EPOLLIN | EPOLLET;
	want_eq(epoll_ctl(edge, EPOLL_CTL_ADD, k.fd, &e), 0);
	e.events = EPOLLIN | EPOLLONESHOT;
	want_eq(epoll_ctl(once, EPOLL_CTL_ADD, k.fd, &e), 0);
	fill(data, sizeof(data), 1);
	peer_write(&k.peer, data, sizeof(data));
	want_eq(epoll_wait(edge, &e, 1, WORLD_PATIENCE_MS), 1);
	want_soon((ioctl(k.fd, FIONREAD, &waiting), waiting) == sizeof(data));
	(void)epoll_wait(edge, &e, 1, 0);
	want_eq(epoll_wait(once, &e, 1, 0), 1);
	want_eq(epoll_wait(once, &e, 1, 0), 0);
	for (int i = 0; i < 16; i++) {
		want_eq(epoll_wait(level, &e, 1, 0), 1);
		ours_read(k.fd, data, 1000);
		if (i < 15)
			want_eq(epoll_wait(edge, &e, 1, 0), 0);
		if (i == 3) {
			e.events = EPOLLIN | EPOLLONESHOT;
			want_eq(epoll_ctl(once, EPOLL_CTL_MOD, k.fd, &e), 0);
			want_eq(epoll_wait(once, &e, 1, 0), 1);
		}
	}
	want_eq(epoll_wait(level, &e, 1, 0), 0);
	(void)close(level);
	(void)close(edge);
	(void)close(once);
	link_close(&k);
}

/* --- native calls -------------------------------------------------------------------- */
SCENE(sk_48_sk_50_sk_51_sk_52_flags_and_vectors)
{
	for_each_side(side) {
		struct link k;
		char a[3], b[5], text[70000];
		struct iovec v[2] = { { a, 3 }, { b, 5 } };

		link_make(&k, side, NULL);
		want_errno(recv(k.fd, text, 1, MSG_DONTWAIT), EAGAIN);
		peer_write(&k.peer, "one", 3);
		peer_write(&k.peer, "twoxx", 5);
		want_eq(recv(k.fd, text, 8, MSG_PEEK | MSG_WAITALL) > 0, 1);
		want_eq(recv(k.fd, text, 3, MSG_PEEK), 3);
		want_eq(memcmp(text, "one", 3), 0);
		want_soon(recv(k.fd, text, 8, MSG_PEEK) == 8);
		want_eq(readv(k.fd, v, 2), 8);
		want_eq(memcmp(a, "one", 3), 0);
		want_eq(memcmp(b, "twoxx", 5), 0);
		want_eq(writev(k.fd, v, 2), 8);
		peer_read_all(&k.peer, text, 8);
		want_eq(memcmp(text, "onetwoxx", 8), 0);
		link_close(&k);
	}
}

SCENE(sk_55_a_full_buffer_gives_EAGAIN_and_becomes_writable_again)
{
	for_each_side(side) {
		struct link k;
		static char data[64 * 1024];
		size_t sent = 0, got = 0;
		ssize_t n;

		link_make(&k, side, NULL);
		want_eq(fcntl(k.fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
		/* Until relay and TCP are full as well. */
		do {
			while ((n = write(k.fd, data, sizeof(data))) > 0)
				sent += (size_t)n;
			want_eq(errno, EAGAIN);
			want(sent < 200 * (size_t)MB);	/* memory is bounded */
		} while (ours_poll(k.fd, POLLOUT, A_WHILE) != 0);
		while (got < sent / 2) {
			int r = peer_read(&k.peer, data, sizeof(data));

			want(r > 0);
			got += (size_t)r;
		}
		want_eq(ours_poll(k.fd, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
		want_eq(shutdown(k.fd, SHUT_WR), 0);
		while (got < sent) {
			int r = peer_read(&k.peer, data, sizeof(data));

			want(r > 0);
			got += (size_t)r;
		}
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

SCENE(sk_58_sendfile_and_splice)
{
	for_each_side(side) {
		struct link k;
		char path[700], *data = malloc(4 * MB);
		struct flow in = { .k = &k, .len = 4 * MB, .seed = 58 };
		off_t at = 0;
		int file, pipes[2];
		pid_t child;

		want(data != NULL);
		link_make(&k, side, NULL);
		(void)snprintf(path, sizeof(path), "%s/sendfile", world.dir);
		file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		fill(data, 4 * MB, 58);
		want_eq(write(file, data, 4 * MB), 4 * MB);
		child = fork();
		if (child == 0) {
			while (at < 4 * MB)
				want(sendfile(k.fd, file, &at, (size_t)(4 * MB - at)) > 0);
			_exit(0);
		}
		receive_flow(&in);
		want_eq(waitpid(child, NULL, 0), child);

		want_eq(pipe(pipes), 0);
		peer_write(&k.peer, data, 3000);
		for (int n = 0; n < 3000;) {
			ssize_t got = splice(k.fd, NULL, pipes[1], NULL, 3000, 0);

			want(got > 0);
			n += (int)got;
		}
		want_eq(read(pipes[0], data + MB, 3000), 3000);
		want_eq(memcmp(data, data + MB, 3000), 0);
		want_eq(write(pipes[1], data, 3000), 3000);
		want_eq(splice(pipes[0], NULL, k.fd, NULL, 3000, 0), 3000);
		peer_read_all(&k.peer, data + MB, 3000);
		want_eq(memcmp(data, data + MB, 3000), 0);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		(void)close(file);
		free(data);
		link_close(&k);
	}
}

SCENE(sk_59_sk_60_stdio)
{
	for_each_side(side) {
		struct link k;
		char line[100];
		FILE *f;

		link_make(&k, side, NULL);
		f = fdopen(k.fd, "r+");
		want(f != NULL);
		peer_write(&k.peer, "first\nsecond\n", 13);
		want(fgets(line, sizeof(line), f) != NULL);
		want_eq(strcmp(line, "first\n"), 0);
		want(fgets(line, sizeof(line), f) != NULL);
		want_eq(strcmp(line, "second\n"), 0);
		(void)fseek(f, 0, SEEK_CUR);
		want(fprintf(f, "answer %d\n", 7) == 9);
		want(dprintf(k.fd, "%s", "") == 0);
		want_eq(fclose(f), 0);
		k.fd = -1;
		peer_read_all(&k.peer, line, 9);
		want_eq(memcmp(line, "answer 7\n", 9), 0);
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

SCENE(sk_74_epoll_after_dup_keeps_reporting)
{
	struct link k;
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(0), copy;

	link_make(&k, OURS_ACCEPTS, NULL);
	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, k.fd, &e), 0);
	copy = dup(k.fd);
	(void)close(k.fd);
	k.fd = copy;
	peer_write(&k.peer, "x", 1);
	want_eq(epoll_wait(ep, &e, 1, WORLD_PATIENCE_MS), 1);
	want_eq(strcmp(ours_get(copy, TLS_HOSTNAME), "one.example"), 0);
	(void)close(ep);
	link_close(&k);
}

static void *
read_zero(void *arg)
{
	char c;

	want_eq(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

SCENE(sk_86_shutdown_in_another_thread_wakes_a_reader)
{
	for_each_side(side) {
		struct link k;
		pthread_t thread;

		link_make(&k, side, NULL);
		want_eq(pthread_create(&thread, NULL, read_zero, &k.fd), 0);
		want_eq(ours_poll(k.fd, POLLIN, A_WHILE), 0);
		want_eq(shutdown(k.fd, SHUT_RDWR), 0);
		want_eq(pthread_join(thread, NULL), 0);
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_47_every_size_arrives_whole_both_ways),
		cmocka_unit_test(bytes_flow_under_tls_1_2_as_well),
		cmocka_unit_test(sk_57_twenty_megabytes_each_way_at_once),
		cmocka_unit_test(between_two_of_our_own_sockets),
		cmocka_unit_test(sk_76_the_end_of_the_peers_data_leaves_our_direction_open),
		cmocka_unit_test(sk_77_shutdown_for_writing_is_close_notify_and_the_answer_is_read),
		cmocka_unit_test(sk_85_shutdown_for_reading_reads_nothing_and_kills_nobody),
		cmocka_unit_test(sk_54_sk_69_tickets_are_not_data),
		cmocka_unit_test(sk_70_a_key_update_is_not_data),
		cmocka_unit_test(sk_71_half_a_record_is_not_data),
		cmocka_unit_test(sk_66_sk_67_sk_68_level_edge_and_oneshot),
		cmocka_unit_test(sk_48_sk_50_sk_51_sk_52_flags_and_vectors),
		cmocka_unit_test(sk_55_a_full_buffer_gives_EAGAIN_and_becomes_writable_again),
		cmocka_unit_test(sk_58_sendfile_and_splice),
		cmocka_unit_test(sk_59_sk_60_stdio),
		cmocka_unit_test(sk_74_epoll_after_dup_keeps_reporting),
		cmocka_unit_test(sk_86_shutdown_in_another_thread_wakes_a_reader),
	};

	world_begin();
	return world_end(tests);
}
