/* SPDX-License-Identifier: ISC */
/* broken - an end that is not clean is an error, and a clean one always comes. */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ours.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* --- four states of the program when the connection breaks ------------------------ */
enum state { SILENT, WROTE, WROTE_MUCH, HALF_CLOSED, N_STATES };

static void
bring_into(struct link *k, enum state state)
{
	static char much[200000];
	char back[8];

	switch (state) {
	case SILENT:
		break;
	case WROTE:
		ours_write(k->fd, "written", 7);
		peer_read_all(&k->peer, back, 7);
		break;
	case WROTE_MUCH:	/* more than the last byte lies in the queue */
		ours_write(k->fd, much, sizeof(much));
		break;
	default:
		ours_write(k->fd, "written", 7);
		want_eq(shutdown(k->fd, SHUT_WR), 0);
		peer_read_all(&k->peer, back, 7);
		peer_want_end(&k->peer);
		break;
	}
}

/* `queued` bytes are read first, then ECONNRESET, then the end. */
static void
want_reset(int fd, const char *queued)
{
	char c;

	want_soon((ours_poll(fd, ALL, 100) & POLLERR) != 0);
	for (; *queued != '\0'; queued++) {
		want_eq(read(fd, &c, 1), 1);
		want_eq(c, *queued);
	}
	want_errno(read(fd, &c, 1), ECONNRESET);
	want_eq(read(fd, &c, 1), 0);
	want_errno(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
}

struct breakage {
	enum side	  side;
	enum state	  state;
	void		(*harm)(struct link *);
	const char	 *queued;
};

static void
break_one(const struct breakage *b)
{
	struct link k;

	link_make(&k, b->side, NULL);
	bring_into(&k, b->state);
	peer_write(&k.peer, b->queued, strlen(b->queued));
	if (*b->queued != '\0')
		want_eq(ours_poll(k.fd, POLLIN, WORLD_PATIENCE_MS) & POLLIN, POLLIN);
	b->harm(&k);
	want_reset(k.fd, b->queued);
	link_close(&k);
}

static void
in_every_state(void (*harm)(struct link *), const char *queued)
{
	for_each_side(side)
		for (enum state state = SILENT; state < N_STATES; state++)
			break_one(&(struct breakage){ side, state, harm, queued });
}

static void
break_one_alone(int ch, void *arg)
{
	(void)ch;
	break_one(arg);
}

/* The same, each with a pair of its own. */
static void
in_every_state_alone(void (*harm)(struct link *), const char *queued)
{
	for_each_side(side)
		for (enum state state = SILENT; state < N_STATES; state++) {
			struct breakage b = { side, state, harm, queued };
			struct prog p;

			prog_start(&p, break_one_alone, &b);
			prog_end(&p);
		}
}

static void
fin_only(struct link *k)
{
	want_eq(shutdown(k->peer.fd, SHUT_WR), 0);
}

SCENE(sk_78_a_FIN_without_close_notify_is_no_end)
{
	in_every_state(fin_only, "");
	in_every_state(fin_only, "queued");
}

static void
rst(struct link *k)
{
	peer_reset(&k->peer);
}

SCENE(sk_79_a_reset_is_a_reset_after_the_queued_data)
{
	in_every_state(rst, "");
	in_every_state(rst, "queued");
}

/* One record with its last byte changed. */
static void
bad_record(struct link *k)
{
	BIO *wire = BIO_new(BIO_s_mem()), *before = SSL_get_wbio(k->peer.ssl);
	char record[300];
	int n;

	want(BIO_up_ref(before));
	SSL_set0_wbio(k->peer.ssl, wire);
	want_eq(SSL_write(k->peer.ssl, "never seen", 10), 10);
	n = BIO_read(wire, record, sizeof(record));
	want(n > 10);
	SSL_set0_wbio(k->peer.ssl, before);
	record[n - 1] ^= 1;
	want_eq(write(k->peer.fd, record, (size_t)n), n);
}

SCENE(sk_80_a_corrupted_record_is_a_reset_that_says_why)
{
	struct link k;

	in_every_state(bad_record, "queued");
	link_make(&k, OURS_ACCEPTS, NULL);
	bad_record(&k);
	want_soon((ours_poll(k.fd, ALL, 100) & POLLERR) != 0);
	want_has(ours_error(k.fd), "bad record mac");
	link_close(&k);
}

static void
fatal_alert(struct link *k)
{
	/* What a peer sends that refuses a later message. */
	static const unsigned char junk[] = { 0x15, 3, 3, 0, 2, 2, 80 };

	want_eq(write(k->peer.fd, junk, sizeof(junk)), sizeof(junk));
}

SCENE(bytes_that_are_no_records_are_a_reset)
{
	in_every_state(fatal_alert, "queued");
}

static void
kill_relay(struct link *k)
{
	pid_t keeper, relay;

	want_eq(world_pair(k->fd, &keeper, &relay), 0);
	want_eq(kill(relay, SIGKILL), 0);
}

COLD_SCENE(sk_87_the_death_of_the_relay_is_a_reset_everywhere)
{
	in_every_state_alone(kill_relay, "");
	in_every_state_alone(kill_relay, "queued");
}

static void
kill_both(struct link *k)
{
	pid_t keeper, relay;

	want_eq(world_pair(k->fd, &keeper, &relay), 0);
	want_eq(kill(keeper, SIGKILL), 0);
	want_eq(kill(relay, SIGKILL), 0);
}

COLD_SCENE(the_death_of_the_whole_pair_is_a_reset_everywhere)
{
	in_every_state_alone(kill_both, "");
	in_every_state_alone(kill_both, "queued");
}

SCENE(a_clean_end_is_an_end_in_every_state)
{
	for_each_side(side)
		for (enum state state = SILENT; state < N_STATES; state++) {
			struct link k;
			char text[6];

			link_make(&k, side, NULL);
			bring_into(&k, state);
			peer_write(&k.peer, "queued", 6);
			peer_notify(&k.peer);
			ours_read(k.fd, text, 6);
			ours_want_end(k.fd);
			want_eq(ours_poll(k.fd, ALL, 0) & POLLERR, 0);
			link_close(&k);
		}
}

/* --- our side breaks it off ---------------------------------------------------------- */
SCENE(sk_83_closing_with_unread_data_resets_the_peer)
{
	for_each_side(side) {
		struct link k;

		link_make(&k, side, NULL);
		peer_write(&k.peer, "unread", 6);
		want_eq(ours_poll(k.fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
		(void)close(k.fd);
		k.fd = -1;
		want_eq(tcp_drain(k.peer.fd), ECONNRESET);
		link_close(&k);

		/* Everything read: a clean end. */
		link_make(&k, side, NULL);
		peer_write(&k.peer, "x", 1);
		ours_read(k.fd, &(char){ 0 }, 1);
		(void)close(k.fd);
		k.fd = -1;
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

SCENE(sk_82_linger_zero_is_an_abort)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	char text[4];

	for_each_side(side) {
		struct link k;

		link_make(&k, side, NULL);
		want_eq(setsockopt(k.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
		(void)close(k.fd);
		k.fd = -1;
		want_eq(tcp_drain(k.peer.fd), ECONNRESET);
		link_close(&k);

		/* What was written before is on its way already. */
		link_make(&k, side, NULL);
		want_eq(setsockopt(k.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
		ours_write(k.fd, "last", 4);
		(void)close(k.fd);
		k.fd = -1;
		peer_read_all(&k.peer, text, 4);
		want_eq(memcmp(text, "last", 4), 0);
		want_eq(peer_read(&k.peer, text, 1), -1);
		link_close(&k);
	}
}

/* TCP has no peer any more in state CLOSE. */
SCENE(a_connection_that_is_over_has_no_peer)
{
	for_each_side(side) {
		struct addr peer, own;
		struct link k;

		for (int reset = 0; reset < 2; reset++) {
			link_make(&k, side, NULL);
			addr_of_sock(k.fd, &own);
			peer.len = sizeof(peer.u);
			want_eq(getpeername(k.fd, &peer.u.any, &peer.len), 0);
			if (reset)
				peer_reset(&k.peer);
			else
				peer_end(&k.peer);
			want_soon((ours_poll(k.fd, POLLRDHUP, 100) & POLLRDHUP) != 0);
			if (!reset) {
				want_eq(getpeername(k.fd, &peer.u.any, &peer.len), 0);
				want_eq(shutdown(k.fd, SHUT_WR), 0);
			}
			want_soon(getpeername(k.fd, &peer.u.any, &peer.len) < 0);
			want_errno(getpeername(k.fd, &peer.u.any, &peer.len), ENOTCONN);
			addr_of_sock(k.fd, &peer);
			want(addr_same(&peer, &own));
			link_close(&k);
		}
		/* Both directions are shut down here alone. */
		link_make(&k, side, NULL);
		want_eq(shutdown(k.fd, SHUT_RDWR), 0);
		want((ours_poll(k.fd, 0, 0) & POLLHUP) != 0);
		peer.len = sizeof(peer.u);
		want_eq(getpeername(k.fd, &peer.u.any, &peer.len), 0);
		link_close(&k);
	}
}

SCENE(data_that_comes_after_close_is_answered_with_a_reset)
{
	struct link k;
	char text[5];

	link_make(&k, OURS_ACCEPTS, NULL);
	ours_write(k.fd, "reply", 5);
	(void)close(k.fd);
	k.fd = -1;
	peer_read_all(&k.peer, text, 5);
	want_eq(peer_read(&k.peer, text, 1), 0);
	peer_write(&k.peer, "too late", 8);
	want_soon(send(k.peer.fd, "x", 1, MSG_NOSIGNAL) < 0);
	link_close(&k);
}

/* --- the program ends ---------------------------------------------------------------- */
enum ending { BY_EXIT, BY__EXIT, BY_ABORT, BY_KILL, N_ENDINGS };

struct last_words {
	struct link	*k;
	enum ending	 ending;
	size_t		 len;
};

static void
write_and_end(int ch, void *arg)
{
	struct last_words *w = arg;
	char *data = malloc(w->len);

	(void)ch;
	(void)close(w->k->peer.fd);
	want(data != NULL);
	fill(data, w->len, 84);
	ours_write(w->k->fd, data, w->len);
	free(data);
	switch (w->ending) {
	case BY_EXIT:
		(void)fflush(NULL);
		exit(0);
	case BY__EXIT:
		_exit(0);
	case BY_ABORT:
		(void)signal(SIGABRT, SIG_DFL);
		abort();
	default:
		(void)kill(getpid(), SIGKILL);
	}
}

SCENE(sk_84_whatever_ends_the_program_the_peer_gets_all_and_a_clean_end)
{
	static const int status[] = { 0, 0, SIGABRT, SIGKILL };
	size_t len = 1024 * 1024;
	char *data = malloc(2 * len);

	want(data != NULL);
	fill(data + len, len, 84);
	for_each_side(side)
		for (enum ending e = BY_EXIT; e < N_ENDINGS; e++) {
			struct link k;
			struct last_words w = { .k = &k, .ending = e, .len = len };
			struct prog p;

			link_make(&k, side, NULL);
			prog_start(&p, write_and_end, &w);
			(void)close(k.fd);
			k.fd = -1;
			peer_read_all(&k.peer, data, len);
			want_eq(memcmp(data, data + len, len), 0);
			peer_want_end(&k.peer);
			{
				int st = 0;

				want_eq(waitpid(p.pid, &st, 0), p.pid);
				want_eq(st & 0x7f, status[e]);
				(void)close(p.ch);
			}
			link_close(&k);
		}
	free(data);
}

/* A client that never reads its tickets must not destroy what we sent. */
SCENE(unread_tickets_destroy_nothing)
{
	for (int i = 0; i < 10; i++) {
		struct link k;
		static char data[100000];

		link_make(&k, OURS_ACCEPTS, NULL);
		peer_write(&k.peer, "request", 7);
		ours_read(k.fd, data, 7);
		ours_write(k.fd, data, sizeof(data));
		(void)close(k.fd);
		k.fd = -1;
		peer_read_all(&k.peer, data, sizeof(data));
		peer_want_end(&k.peer);
		/* The peer's own good-bye meets no reset. */
		want_eq(SSL_shutdown(k.peer.ssl) >= 0, 1);
		want_eq(shutdown(k.peer.fd, SHUT_WR), 0);
		want_eq(tcp_drain(k.peer.fd), 0);
		link_close(&k);

		/* Our own client closes while the server's tickets are under way. */
		link_make(&k, OURS_CONNECTS, NULL);
		ours_write(k.fd, data, sizeof(data));
		(void)close(k.fd);
		k.fd = -1;
		peer_read_all(&k.peer, data, sizeof(data));
		peer_want_end(&k.peer);
		link_close(&k);
	}
}

SCENE(sk_81_a_write_to_a_dead_connection_is_EPIPE_and_SIGPIPE)
{
	for (int ignored = 0; ignored < 2; ignored++) {
		struct link k;
		struct prog p;

		link_make(&k, OURS_ACCEPTS, NULL);
		peer_reset(&k.peer);
		want_soon((ours_poll(k.fd, ALL, 100) & POLLERR) != 0);
		want_errno(read(k.fd, &p, 1), ECONNRESET);
		(void)signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
		p.pid = fork();
		if (p.pid == 0) {
			want_errno(write(k.fd, "x", 1), EPIPE);
			_exit(0);
		}
		p.ch = -1;
		prog_end_as(&p, ignored ? 0 : SIGPIPE);
		link_close(&k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_78_a_FIN_without_close_notify_is_no_end),
		cmocka_unit_test(sk_79_a_reset_is_a_reset_after_the_queued_data),
		cmocka_unit_test(sk_80_a_corrupted_record_is_a_reset_that_says_why),
		cmocka_unit_test(bytes_that_are_no_records_are_a_reset),
		cmocka_unit_test(sk_87_the_death_of_the_relay_is_a_reset_everywhere),
		cmocka_unit_test(the_death_of_the_whole_pair_is_a_reset_everywhere),
		cmocka_unit_test(a_clean_end_is_an_end_in_every_state),
		cmocka_unit_test(sk_83_closing_with_unread_data_resets_the_peer),
		cmocka_unit_test(sk_82_linger_zero_is_an_abort),
		cmocka_unit_test(a_connection_that_is_over_has_no_peer),
		cmocka_unit_test(data_that_comes_after_close_is_answered_with_a_reset),
		cmocka_unit_test(sk_84_whatever_ends_the_program_the_peer_gets_all_and_a_clean_end),
		cmocka_unit_test(unread_tickets_destroy_nothing),
		cmocka_unit_test(sk_81_a_write_to_a_dead_connection_is_EPIPE_and_SIGPIPE),
	};

	world_begin();
	return world_end(tests);
}
