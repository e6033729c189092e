/* SPDX-License-Identifier: ISC */
/* closing - how connections end, cleanly and otherwise. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define MANY	(1024 * 1024)
#define ROUNDS	(100 / WORLD_SLOW)

static void
see_write(struct trial *t, const char *label, int fd)
{
	see_call(t, label, write(fd, "x", 1));
	see(t, "signals", own_pipes);
}

static void
see_poll(struct trial *t, const char *label, int fd)
{
	see_mask(t, label, (unsigned int)ours_poll(fd, ALL, 0));
}

static void
await_mask(int fd, short bits)
{
	want_soon((ours_poll(fd, ALL, 100) & bits) == bits);
}

/* To the end, as see_far_rest(). */
static void
see_own_rest(struct trial *t, const char *label, int fd)
{
	struct far own = { .fd = fd, .tls = { .fd = fd } };

	see_far_rest(t, label, &own);
}

/* A read that waits for as long as it takes. */
static void
see_read(struct trial *t, const char *label, int fd)
{
	char byte;

	see_call(t, label, read(fd, &byte, 1));
}

/* --- clean ends ------------------------------------------------------------------------- */
CASE(sk_76_a_clean_end_is_read_for_ever)
{
	struct far f;
	int fd = own_pair(t, &f, NULL), n = -1;
	char text[6];

	own_count_pipes();
	far_write(&f, "before", 6);
	far_end(&f);
	await_mask(fd, POLLRDHUP);
	see_poll(t, "ended", fd);
	ours_read(fd, text, 6);
	see_bytes(t, "text", text, 6);
	for (int i = 0; i < 3; i++)
		see_read(t, "read", fd);
	see_call(t, "peek", recv(fd, text, 1, MSG_PEEK));
	see_call(t, "do not wait", recv(fd, text, 1, MSG_DONTWAIT));
	see_call(t, "FIONREAD", ioctl(fd, FIONREAD, &n));
	see(t, "bytes", n);
	see_poll(t, "still", fd);
	see_call(t, "write", write(fd, "after", 5));
	far_read_all(&f, text, 5);
	see_bytes(t, "arrived", text, 5);
	see_call(t, "shutdown", shutdown(fd, SHUT_WR));
	see_far_rest(t, "then", &f);
	await_mask(fd, POLLHUP);
	see_poll(t, "over", fd);
	see_read(t, "read", fd);
	see_write(t, "write", fd);
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	far_close(&f);
	(void)close(fd);
}

CASE(sk_77_the_answer_is_read_after_the_end_of_the_question)
{
	static unsigned char answer[100000];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	own_count_pipes();
	fill(answer, sizeof(answer), 77);
	see_call(t, "write", write(fd, "GET /\r\n", 7));
	see_call(t, "SHUT_WR", shutdown(fd, SHUT_WR));
	see_write(t, "write", fd);
	see_call(t, "send", send(fd, "x", 1, MSG_NOSIGNAL));
	see(t, "signals", own_pipes);
	see_call(t, "again", shutdown(fd, SHUT_WR));
	see_far_rest(t, "the question", &f);
	see_poll(t, "half closed", fd);
	far_write(&f, answer, sizeof(answer));
	far_close(&f);
	see_own_rest(t, "the answer", fd);
	await_mask(fd, POLLHUP);
	see_poll(t, "over", fd);
	(void)close(fd);
}

/* --- ends that are none, in four states of the program ----------------------------------- */
enum state { SILENT, WROTE, WROTE_MUCH, HALF_CLOSED, STATES };

static void
bring_into(int fd, struct far *f, enum state state)
{
	static char much[4096];
	char back[7];

	if (state == WROTE_MUCH) {	/* the relay's queue holds more than one byte */
		while (send(fd, much, sizeof(much), MSG_DONTWAIT) > 0)
			;
		want_eq(errno, EAGAIN);
		return;
	}
	if (state == SILENT)
		return;
	ours_write(fd, "written", 7);
	if (state == HALF_CLOSED)
		want_eq(shutdown(fd, SHUT_WR), 0);
	far_read_all(f, back, 7);
	if (state == HALF_CLOSED)
		want_eq(far_read(f, back, 1), 0);
}

/* What was queued, then the error once, then ends, and no writing. */
static void
see_broken(struct trial *t, int fd, size_t queued)
{
	char text[16];

	/* What it wrote is thrown away a moment after the error. */
	await_mask(fd, POLLERR | POLLOUT);
	see_poll(t, "broken", fd);
	if (queued > 0) {
		ours_read(fd, text, queued);
		see_bytes(t, "queued", text, queued);
		see_poll(t, "taken", fd);
	}
	for (int i = 0; i < 3; i++)
		see_read(t, "read", fd);
	see_write(t, "write", fd);
	see_call(t, "MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
	see(t, "signals", own_pipes);
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_poll(t, "at last", fd);
}

static void
break_pair(struct trial *t, enum state state, int queued, void (*harm)(struct far *))
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	bring_into(fd, &f, state);
	if (queued) {
		far_write(&f, "queued", 6);
		want((own_await(fd, POLLIN) & POLLIN) != 0);
	}
	harm(&f);
	see_broken(t, fd, queued ? 6 : 0);
	if (f.fd >= 0)
		far_close(&f);
	(void)close(fd);
}

static void
break_in_every_state(struct trial *t, void (*harm)(struct far *))
{
	own_count_pipes();
	for (enum state state = SILENT; state < STATES; state++)
		for (int queued = 0; queued < 2; queued++)
			break_pair(t, state, queued, harm);
}

CASE(sk_78_a_stream_without_its_end_is_an_error)
{
	break_in_every_state(t, far_cut);
	want_seen(t, "write", "-1 EPIPE");
	want_seen(t, "broken", "IN|OUT|ERR|HUP|RDHUP");
}

CASE(sk_79_a_reset_is_an_error_in_every_state)
{
	break_in_every_state(t, far_reset);
}

/* One record with its last byte changed. */
static void
far_garble(struct far *f)
{
	BIO *wire = BIO_new(BIO_s_mem()), *before = SSL_get_wbio(f->tls.ssl);
	unsigned char record[300];
	int n;

	want(BIO_up_ref(before));
	SSL_set0_wbio(f->tls.ssl, wire);
	want_eq(SSL_write(f->tls.ssl, "never seen", 10), 10);
	n = BIO_read(wire, record, sizeof(record));
	want(n > 10);
	SSL_set0_wbio(f->tls.ssl, before);
	record[n - 1] ^= 1;
	want_eq(write(f->fd, record, (size_t)n), n);
}

CASE(sk_80_a_corrupted_record_is_an_error_that_says_why)
{
	struct far f;
	int fd;

	break_in_every_state(t, far_garble);
	want_seen(t, "write", "-1 EPIPE");
	fd = own_pair(t, &f, NULL);
	far_garble(&f);
	await_mask(fd, POLLERR);
	want_has(ours_error(fd), "bad record mac");
	see_text(t, "why", "%s", strstr(ours_error(fd), "bad record mac"));
	(void)close(fd);
	far_close(&f);
}

CASE(sk_81_writing_to_who_is_gone_is_a_signal_or_an_error)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	own_count_pipes();
	far_reset(&f);
	await_mask(fd, POLLERR);
	see_call(t, "the first write", write(fd, "x", 1));
	want_soon(read(fd, &(char){ 0 }, 1) == 0);
	own_pipes = 0;
	see_write(t, "write", fd);
	see_call(t, "MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
	see(t, "signals", own_pipes);
	want(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	see_write(t, "ignored", fd);
	(void)close(fd);
}

/* --- our side breaks it off ------------------------------------------------------------------ */
CASE(sk_82_linger_zero_resets_the_peer)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	for (int i = 0; i < 4; i++) {
		struct far f;
		int fd = own_pair(t, &f, NULL), other = -1;

		see_call(t, "SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &now,
		    sizeof(now)));
		if (i & 1)
			see_call(t, "write", write(fd, "last", 4));
		if (i & 2) {
			other = dup(fd);
			(void)close(fd);
			see_call(t, "a duplicate writes", write(other, "words", 5));
			fd = other;
		}
		(void)close(fd);
		see_far_rest(t, "the peer", &f);
		far_close(&f);
	}
}

CASE(sk_83_closing_what_is_unread_resets_the_peer)
{
	for (int left = 0; left < 3; left++) {
		struct far f;
		int fd = own_pair(t, &f, NULL);
		char text[6];

		far_write(&f, "unread", 6);
		want_eq(own_await(fd, POLLIN), POLLIN);
		want_eq(recv(fd, text, 6, MSG_PEEK | MSG_WAITALL), 6);
		ours_read(fd, text, 6 - (size_t)left);
		(void)close(fd);
		see_far_rest(t, left == 0 ? "all read" : "unread", &f);
		far_close(&f);
	}
}

/* --- who ends ---------------------------------------------------------------------------------- */
struct last_words {
	int	fd;
	struct far *f;
	int	ending;
};

static void
write_and_end(int ch, void *arg)
{
	struct last_words *w = arg;
	unsigned char *data = malloc(MANY);

	(void)ch;
	want(data != NULL);
	(void)close(w->f->fd);
	fill(data, MANY, 84);
	ours_write(w->fd, data, MANY);
	free(data);
	switch (w->ending) {
	case 0:
		exit(0);
	case 1:
		_exit(0);
	case 2:
		(void)signal(SIGABRT, SIG_DFL);
		abort();
	case 3:
		(void)close(w->fd);
		break;
	default:
		(void)kill(getpid(), SIGKILL);
	}
}

CASE(sk_84_however_a_program_ends_its_words_arrive_whole)
{
	static const int status[] = { 0, 0, SIGABRT, 0, SIGKILL };

	for (int i = 0; i < 5; i++) {
		struct far f;
		int fd = own_pair(t, &f, NULL), st = 0;
		struct last_words w = { .fd = fd, .f = &f, .ending = i };
		struct prog p;

		prog_start(&p, write_and_end, &w);
		(void)close(fd);
		see_far_rest(t, "arrived", &f);
		far_close(&f);
		want_eq(waitpid(p.pid, &st, 0), p.pid);
		want_eq(st & 0x7f, status[i]);
		(void)close(p.ch);
	}
}

/* The peer's TCP went through all of its states: what was sent against its end
 * has come by then, a reset as well. */
static int
tcp_is_over(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	want_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state == TCP_CLOSE;
}

/* Says its own close_notify and waits for ours, as Python's unwrap() does. */
static int
far_unwraps(struct far *f)
{
	if (!far_is_tls(f))
		return 1;
	(void)SSL_shutdown(f->tls.ssl);
	return SSL_shutdown(f->tls.ssl);
}

static int
far_leaves(struct trial *t, struct far *f, int ended)
{
	int error;

	if (!ended)
		want_eq(shutdown(f->fd, SHUT_WR), 0);
	if (t->mode != MODE_BOTH)
		want_soon(tcp_is_over(f->fd));
	error = ours_get_int(f->fd, SOL_SOCKET, SO_ERROR);
	far_close(f);
	return error;
}

enum order { READS_THEN_UNWRAPS, ENDS_FIRST, UNWRAPS_UNREAD, LATE, ORDERS };

/* What went wrong, if anything did. */
static const char *
part(struct trial *t, enum order order, const unsigned char *words, size_t len)
{
	static unsigned char heard[200000];
	struct far f;
	int fd = own_pair(t, &f, NULL);
	char text[7];

	far_write(&f, "request", 7);
	ours_read(fd, text, 7);
	if (order == ENDS_FIRST) {
		far_end(&f);
		if (read(fd, text, 1) != 0)
			return "no end";
	}
	ours_write(fd, words, len);
	(void)close(fd);
	/* Its end before it read a byte, our tickets neither. */
	if (order == UNWRAPS_UNREAD && far_is_tls(&f))
		want_eq(SSL_shutdown(f.tls.ssl), 0);
	if (order == LATE && t->mode != MODE_BOTH)
		want_soon((ours_poll(f.fd, POLLRDHUP, 100) & POLLRDHUP) != 0);
	far_read_all(&f, heard, len);
	if (memcmp(heard, words, len) != 0)
		return "other bytes";
	if (far_read(&f, text, 1) != 0)
		return "no clean end";
	if (order != UNWRAPS_UNREAD && far_unwraps(&f) != 1)
		return "no closing handshake";
	return far_leaves(t, &f, order == ENDS_FIRST) == 0 ? NULL : "a reset";
}

CASE(sk_84_a_peer_that_says_goodbye_meets_no_reset)
{
	static unsigned char words[200000];

	fill(words, sizeof(words), 84);
	for (int i = 0; i < ROUNDS; i++)
		for (enum order o = READS_THEN_UNWRAPS; o < ORDERS; o++) {
			/* LATE: all of it lies in the peer's buffer. */
			size_t len = i % 2 && o != LATE ? sizeof(words) : 1000;
			const char *wrong = part(t, o, words, len);

			if (wrong != NULL)
				world_fail(__FILE__, __LINE__, "round %d, order %d: %s",
				    i, (int)o, wrong);
		}
	see(t, "rounds", ROUNDS);
}

CASE(sk_85_shut_rd_reads_nothing_and_leaves_the_peer)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);
	char text[5];

	far_write(&f, "there", 5);
	want_eq(recv(fd, text, 5, MSG_PEEK | MSG_WAITALL), 5);
	see_call(t, "SHUT_RD", shutdown(fd, SHUT_RD));
	see_poll(t, "after", fd);
	see_call(t, "what was there", recv(fd, text, 5, MSG_WAITALL));
	for (int i = 0; i < 2; i++)
		see_read(t, "read", fd);
	see_poll(t, "empty", fd);
	see_call(t, "write", write(fd, "hello", 5));
	far_read_all(&f, text, 5);
	far_write(&f, "to nobody", 9);
	see_call(t, "write", write(fd, "still", 5));
	far_read_all(&f, text, 5);
	see_bytes(t, "arrived", text, 5);
	if (t->mode != MODE_TCP)	/* TCP gives it out all the same */
		want_eq(read(fd, text, 5), 0);
	see_call(t, "SHUT_WR", shutdown(fd, SHUT_WR));
	see_far_rest(t, "then", &f);
	far_close(&f);
	(void)close(fd);
}

/* --- another thread ---------------------------------------------------------------------------- */
struct reader {
	int		fd;
	pthread_t	thread;
	_Atomic pid_t	tid;
	ssize_t		got;
	char		byte;
};

static void *
read_one(void *arg)
{
	struct reader *r = arg;

	r->tid = gettid();
	r->got = read(r->fd, &r->byte, 1);
	return NULL;
}

/* In read(), and asleep. */
static void
reader_start(struct reader *r, int fd)
{
	r->fd = fd;
	r->tid = 0;
	want_eq(pthread_create(&r->thread, NULL, read_one, r), 0);
	want_soon(r->tid != 0 && own_asleep(r->tid, SYS_read));
}

CASE(sk_86_close_wakes_no_reader_and_shutdown_does)
{
	struct reader r;
	struct far f;
	int fd = own_pair(t, &f, NULL);

	reader_start(&r, fd);
	/* By its number: a thread sanitizer takes it for a mistake. */
	(void)syscall(SYS_close, fd);
	see(t, "it reads on", own_asleep(r.tid, SYS_read));
	far_write(&f, "x", 1);
	want_eq(pthread_join(r.thread, NULL), 0);
	see(t, "read", r.got);
	see(t, "the byte", r.byte);
	/* That was the last use of it. */
	see_far_rest(t, "the peer", &f);
	far_close(&f);

	for (int how = SHUT_RD; how <= SHUT_RDWR; how += SHUT_RDWR) {
		fd = own_pair(t, &f, NULL);
		reader_start(&r, fd);
		see_call(t, "shutdown", shutdown(fd, how));
		want_eq(pthread_join(r.thread, NULL), 0);
		see(t, "read", r.got);
		see_poll(t, "then", fd);
		(void)close(fd);
		see_far_rest(t, "the peer", &f);
		far_close(&f);
	}
}

/* --- the relay dies -------------------------------------------------------------------------------- */
struct death {
	struct trial	*t;
	enum state	 state;
	int		 queued, both;
};

static void
die_in(int ch, void *arg)
{
	const struct death *d = arg;
	struct trial *t = d->t;
	pid_t keeper, relay;
	struct far f;
	int fd;

	(void)ch;
	own_count_pipes();
	fd = own_pair(t, &f, NULL);
	bring_into(fd, &f, d->state);
	if (d->queued) {
		far_write(&f, "queued", 6);
		want((own_await(fd, POLLIN) & POLLIN) != 0);
	}
	want_eq(world_pair(fd, &keeper, &relay), 0);
	if (d->both)
		want_eq(kill(keeper, SIGKILL), 0);
	want_eq(kill(relay, SIGKILL), 0);
	see_broken(t, fd, d->queued ? 6 : 0);
	(void)close(fd);
	(void)close(f.fd);
	/* The next socket has a relay. */
	fd = own_pair(t, &f, NULL);
	ours_write(fd, "again", 5);
	(void)close(fd);
	see_far_rest(t, "again", &f);
	far_close(&f);
}

COLD_CASE(sk_87_the_death_of_the_relay_breaks_all_and_the_next_socket_works)
{
	for (enum state state = SILENT; state < STATES; state++)
		for (int i = 0; i < 4; i++) {
			struct death d = { t, state, i & 1, i >> 1 };
			struct prog p;

			prog_start(&p, die_in, &d);
			prog_end(&p);
		}
	want_seen(t, "broken", "IN|OUT|ERR|HUP|RDHUP");
	want_seen(t, "write", "-1 EPIPE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_76_a_clean_end_is_read_for_ever),
		cmocka_unit_test(sk_77_the_answer_is_read_after_the_end_of_the_question),
		cmocka_unit_test(sk_78_a_stream_without_its_end_is_an_error),
		cmocka_unit_test(sk_79_a_reset_is_an_error_in_every_state),
		cmocka_unit_test(sk_80_a_corrupted_record_is_an_error_that_says_why),
		cmocka_unit_test(sk_81_writing_to_who_is_gone_is_a_signal_or_an_error),
		cmocka_unit_test(sk_82_linger_zero_resets_the_peer),
		cmocka_unit_test(sk_83_closing_what_is_unread_resets_the_peer),
		cmocka_unit_test(sk_84_however_a_program_ends_its_words_arrive_whole),
		cmocka_unit_test(sk_84_a_peer_that_says_goodbye_meets_no_reset),
		cmocka_unit_test(sk_85_shut_rd_reads_nothing_and_leaves_the_peer),
		cmocka_unit_test(sk_86_close_wakes_no_reader_and_shutdown_does),
		cmocka_unit_test(
		    sk_87_the_death_of_the_relay_breaks_all_and_the_next_socket_works),
	};

	world_begin();
	return world_end(tests);
}
