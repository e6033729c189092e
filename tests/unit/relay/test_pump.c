/* SPDX-License-Identifier: ISC */
/* Bytes both ways between an application's end and a real TLS peer. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "relay/link.h"
#include "relay/pump.h"
#include "unit/tls/meet.h"

#define ALL	(EPOLLIN | EPOLLOUT)

static struct {
	struct pki_cert	*root, *a;
	struct sst_store *store;
	uint8_t		 scratch[SST_PUMP_SCRATCH + 1];
} w;

/* One connection: the program's end, the pump, the TLS peer. */
struct wire {
	struct meet	 m;
	struct sst_pump	 pump;
	struct sst_error err;
	enum sst_pump_state state;
	int		 app, end;
};

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.a = pki_issue(w.root, &(struct pki_spec){ .san = "a.example" });
	w.store = meet_store(&w.a, 1);
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_store_unref(w.store);
	pki_free(w.a);
	pki_free(w.root);
	return 0;
}

static void
wire_make(struct wire *x)
{
	const char seed = 0;
	int sv[2];

	memset(x, 0, sizeof(*x));
	meet_server(&x->m, &(struct sst_tls_settings){ .server = 1, .store = w.store },
	    &(struct raw){ .sni = "a.example" });
	assert_int_equal(x->m.step, SST_STEP_DONE);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	x->app = sv[0];
	x->end = sv[1];
	sst_link_buffer(x->app);
	assert_int_equal(send(x->app, &seed, 1, 0), 1);
	sst_pump_init(&x->pump, x->m.conn, x->m.fd[0], x->end);
}

static void
wire_free(struct wire *x)
{
	sst_pump_done(&x->pump);
	if (x->app >= 0)
		(void)close(x->app);
	(void)close(x->end);
	meet_done(&x->m);
}

/* The events that epoll would report for `fd`. */
static uint32_t
events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	assert_true(poll(&p, 1, 0) >= 0);
	return (uint32_t)p.revents;
}

static enum sst_pump_state
run(struct wire *x)
{
	do
		x->state = sst_pump_run(&x->pump, events_of(x->m.fd[0]),
		    events_of(x->end), w.scratch, &x->err);
	while (x->state == SST_PUMP_MORE);
	return x->state;
}

static int
queue(int fd)
{
	int n = -1;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

static unsigned char
pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

/* The peer sends `n` bytes of the pattern; the program reads all of them. */
static void
send_down(struct wire *x, size_t n)
{
	static unsigned char out[1 << 20], in[1 << 16];
	size_t sent = 0, got = 0;
	ssize_t r;
	int rc;

	for (size_t i = 0; i < n; i++)
		out[i] = pattern(i);
	while (got < n) {
		if (sent < n) {
			rc = SSL_write(x->m.ssl, out + sent, (int)(n - sent));
			sent += rc > 0 ? (size_t)rc : 0;
		}
		assert_int_equal(run(x), SST_PUMP_RUNS);
		while ((r = recv(x->app, in, sizeof(in), MSG_DONTWAIT)) > 0) {
			for (ssize_t i = 0; i < r; i++)
				assert_int_equal(in[i], pattern(got + (size_t)i));
			got += (size_t)r;
		}
	}
	assert_int_equal(got, n);
}

static void
send_up(struct wire *x, size_t n)
{
	static unsigned char out[1 << 20], in[1 << 16];
	size_t sent = 0, got = 0;
	ssize_t s;
	int r;

	for (size_t i = 0; i < n; i++)
		out[i] = pattern(i);
	while (got < n) {
		s = sent < n ? send(x->app, out + sent, n - sent, MSG_DONTWAIT) : 0;
		sent += s > 0 ? (size_t)s : 0;
		assert_int_equal(run(x), SST_PUMP_RUNS);
		while ((r = SSL_read(x->m.ssl, in, sizeof(in))) > 0) {
			for (int i = 0; i < r; i++)
				assert_int_equal(in[i], pattern(got + (size_t)i));
			got += (size_t)r;
		}
	}
	assert_int_equal(got, n);
}

static void
sk_47_every_size_arrives_both_ways(void **state)
{
	const size_t sizes[] = { 1, 2, 4095, 4096, 4097, 16383, 16384, 16385, 65536,
	    65537, 1 << 20 };
	struct wire x;

	(void)state;
	wire_make(&x);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		send_up(&x, sizes[i]);
		assert_int_equal(queue(x.end), 1);	/* the spent byte stays */
		send_down(&x, sizes[i]);
	}
	assert_null(x.pump.up.bytes);
	assert_null(x.pump.down.bytes);
	wire_free(&x);
}

static void
sk_56_a_slow_reader_keeps_memory_bounded(void **state)
{
	static const char chunk[60000];
	struct wire x;
	size_t total = 0;
	int rc, idle = 0;

	(void)state;
	wire_make(&x);
	/* Down: the program does not read. */
	while (idle < 3) {
		rc = SSL_write(x.m.ssl, chunk, sizeof(chunk));
		total += rc > 0 ? (size_t)rc : 0;
		idle = rc > 0 ? 0 : idle + 1;
		assert_int_equal(run(&x), SST_PUMP_RUNS);
		assert_true(total < (8u << 20));
	}
	assert_non_null(x.pump.down.bytes);
	assert_true(x.pump.down.len <= SST_PUMP_SCRATCH);
	/* Up: the peer does not read. */
	for (idle = 0, total = 0; idle < 3;) {
		ssize_t s = send(x.app, chunk, sizeof(chunk), MSG_DONTWAIT);

		total += s > 0 ? (size_t)s : 0;
		idle = s > 0 ? 0 : idle + 1;
		assert_int_equal(run(&x), SST_PUMP_RUNS);
		assert_true(total < (8u << 20));
	}
	assert_true(x.pump.up.bytes == NULL || x.pump.up.len <= SST_PUMP_SCRATCH);
	assert_true(queue(x.end) >= 1);
	wire_free(&x);
}

/* 78: what was received is delivered, then it is an error, in every state. */
static void
sk_78_a_stream_that_is_cut_off_is_no_end(void **state)
{
	char buf[16];

	(void)state;
	for (int st = 0; st < 4; st++) {
		struct wire x;

		wire_make(&x);
		if (st == 1 || st == 3)
			send_up(&x, 10);
		if (st >= 2)
			assert_int_equal(shutdown(x.app, SHUT_WR), 0);
		(void)run(&x);
		assert_int_equal(SSL_write(x.m.ssl, "last", 4), 4);
		assert_int_equal(shutdown(x.m.fd[1], SHUT_WR), 0);
		assert_int_equal(run(&x), SST_PUMP_BROKEN);
		assert_int_equal(x.err.code, SST_E_PEER);
		assert_int_equal(queue(x.end), 1);
		(void)close(x.end);
		x.end = dup(x.app);
		assert_int_equal(recv(x.app, buf, sizeof(buf), 0), 4);
		assert_int_equal(recv(x.app, buf, sizeof(buf), 0), -1);
		assert_int_equal(errno, ECONNRESET);
		wire_free(&x);
	}
}

/* The same while the program had no room: the data first. */
static void
a_cut_off_stream_waits_for_what_is_not_delivered(void **state)
{
	static char chunk[16000], in[65536];
	struct wire x;
	size_t sent = 0, got = 0;
	ssize_t r;

	(void)state;
	wire_make(&x);
	while (x.pump.down.bytes == NULL) {
		if (SSL_write(x.m.ssl, chunk, sizeof(chunk)) == (int)sizeof(chunk))
			sent += sizeof(chunk);
		(void)run(&x);
	}
	assert_int_equal(shutdown(x.m.fd[1], SHUT_WR), 0);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	while (x.state == SST_PUMP_RUNS) {
		while ((r = recv(x.app, in, sizeof(in), MSG_DONTWAIT)) > 0)
			got += (size_t)r;
		(void)run(&x);
	}
	assert_int_equal(x.state, SST_PUMP_BROKEN);
	while ((r = recv(x.app, in, sizeof(in), MSG_DONTWAIT)) > 0)
		got += (size_t)r;
	assert_int_equal(got, sent);
	wire_free(&x);
}

/* The program waits in a write and reads nothing: it must not wait for ever. */
static void
who_waits_in_a_write_is_told_of_the_reset(void **state)
{
	static char chunk[16000], in[65536];
	struct wire x;
	size_t sent = 0, got = 0, due;
	ssize_t r;

	(void)state;
	wire_make(&x);
	while (x.pump.down.bytes == NULL) {
		if (SSL_write(x.m.ssl, chunk, sizeof(chunk)) == (int)sizeof(chunk))
			sent += sizeof(chunk);
		(void)run(&x);
	}
	while (send(x.app, chunk, sizeof(chunk), MSG_DONTWAIT) > 0 ||
	    !x.pump.up_waits)
		assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(errno, EAGAIN);
	due = (size_t)queue(x.app) + x.pump.down.len - x.pump.down.off;
	(void)close(x.m.fd[1]);
	x.m.fd[1] = -1;
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(send(x.app, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	/* What had come is read nevertheless. */
	while (x.state == SST_PUMP_RUNS) {
		while ((r = recv(x.app, in, sizeof(in), MSG_DONTWAIT)) > 0)
			got += (size_t)r;
		(void)run(&x);
	}
	assert_int_equal(x.state, SST_PUMP_BROKEN);
	while ((r = recv(x.app, in, sizeof(in), MSG_DONTWAIT)) > 0)
		got += (size_t)r;
	assert_true(got >= due && got <= sent);
	wire_free(&x);
}

static void
sk_76_close_notify_is_an_end_and_writing_goes_on(void **state)
{
	struct wire x;
	char c;

	(void)state;
	wire_make(&x);
	assert_int_equal(SSL_write(x.m.ssl, "bye", 3), 3);
	assert_int_equal(SSL_shutdown(x.m.ssl), 0);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(recv(x.app, w.scratch, 10, 0), 3);
	assert_int_equal(recv(x.app, &c, 1, 0), 0);
	assert_int_equal(recv(x.app, &c, 1, 0), 0);
	send_up(&x, 100);
	wire_free(&x);
}

static void
sk_77_shut_wr_sends_close_notify_and_reading_goes_on(void **state)
{
	struct wire x;
	char c;

	(void)state;
	wire_make(&x);
	assert_int_equal(send(x.app, "request", 7, 0), 7);
	assert_int_equal(shutdown(x.app, SHUT_WR), 0);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(SSL_read(x.m.ssl, w.scratch, 100), 7);
	assert_true(SSL_read(x.m.ssl, &c, 1) <= 0);
	assert_int_equal(SSL_get_shutdown(x.m.ssl) & SSL_RECEIVED_SHUTDOWN,
	    SSL_RECEIVED_SHUTDOWN);
	/* FIN behind it */
	assert_int_equal(recv(x.m.fd[1], &c, 1, MSG_DONTWAIT), 0);
	send_down(&x, 5000);
	wire_free(&x);
}

static void
sk_84_what_was_written_before_close_arrives_whole(void **state)
{
	static char chunk[200000];
	struct wire x;
	size_t got = 0;
	char c;
	int r;

	(void)state;
	wire_make(&x);
	assert_int_equal(send(x.app, chunk, sizeof(chunk), 0), sizeof(chunk));
	(void)close(x.app);
	x.app = -1;
	while (run(&x) == SST_PUMP_RUNS)
		while ((r = SSL_read(x.m.ssl, w.scratch, 65536)) > 0)
			got += (size_t)r;
	assert_int_equal(x.state, SST_PUMP_LINGER);
	while ((r = SSL_read(x.m.ssl, w.scratch, 65536)) > 0)
		got += (size_t)r;
	assert_int_equal(got, sizeof(chunk));
	assert_int_equal(SSL_get_error(x.m.ssl, r), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(x.m.fd[1], &c, 1, MSG_DONTWAIT), 0);
	/* The peer's own end finishes it. */
	(void)SSL_shutdown(x.m.ssl);
	assert_int_equal(run(&x), SST_PUMP_OVER);
	wire_free(&x);
}

static void
data_after_close_is_answered_by_a_reset(void **state)
{
	struct wire x;

	(void)state;
	wire_make(&x);
	(void)close(x.app);
	x.app = -1;
	assert_int_equal(run(&x), SST_PUMP_LINGER);
	assert_int_equal(SSL_write(x.m.ssl, "late", 4), 4);
	assert_int_equal(run(&x), SST_PUMP_ABORT);
	wire_free(&x);
}

static void
sk_83_closing_with_unread_data_is_a_reset(void **state)
{
	struct wire x;

	(void)state;
	wire_make(&x);
	send_down(&x, 10);
	assert_int_equal(SSL_write(x.m.ssl, "unread", 6), 6);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(send(x.app, "answer", 6, 0), 6);
	(void)close(x.app);
	x.app = -1;
	assert_int_equal(run(&x), SST_PUMP_ABORT);
	/* What it wrote before went out all the same; no clean end did. */
	assert_int_equal(SSL_read(x.m.ssl, w.scratch, 100), 6);
	assert_int_equal(recv(x.m.fd[1], w.scratch, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	wire_free(&x);
}

static void
sk_85_shut_rd_discards_and_does_not_kill(void **state)
{
	struct wire x;
	char c;

	(void)state;
	wire_make(&x);
	assert_int_equal(shutdown(x.app, SHUT_RD), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(SSL_write(x.m.ssl, "ignored", 7), 7);
		assert_int_equal(run(&x), SST_PUMP_RUNS);
		assert_null(x.pump.down.bytes);
	}
	assert_int_equal(recv(x.app, &c, 1, 0), 0);
	send_up(&x, 100);
	wire_free(&x);
}

/* epoll tells each change once: the side that was waited for must be enough. */
static void
what_waits_is_moved_by_one_edge_of_the_other_side(void **state)
{
	static char chunk[60000];
	struct wire x;
	uint64_t before;

	(void)state;
	wire_make(&x);
	while (x.pump.down.bytes == NULL) {
		(void)SSL_write(x.m.ssl, chunk, sizeof(chunk));
		assert_int_equal(run(&x), SST_PUMP_RUNS);
	}
	while (recv(x.app, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		continue;
	before = x.pump.down_bytes;
	(void)sst_pump_run(&x.pump, 0, EPOLLOUT, w.scratch, &x.err);
	assert_true(x.pump.down_bytes > before);
	while (run(&x) == SST_PUMP_RUNS &&
	    recv(x.app, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		continue;
	while (!x.pump.up_waits) {
		(void)send(x.app, chunk, sizeof(chunk), MSG_DONTWAIT);
		assert_int_equal(run(&x), SST_PUMP_RUNS);
	}
	before = x.pump.up_bytes;
	while (SSL_read(x.m.ssl, chunk, sizeof(chunk)) > 0)
		continue;
	(void)sst_pump_run(&x.pump, EPOLLOUT, 0, w.scratch, &x.err);
	assert_true(x.pump.up_bytes > before);
	wire_free(&x);
}

static void
sk_80_a_corrupted_record_is_an_error(void **state)
{
	struct wire x;

	(void)state;
	wire_make(&x);
	assert_int_equal(SSL_write(x.m.ssl, "good", 4), 4);
	assert_int_equal(send(x.m.fd[1], "\x17\x03\x03\x00\x14" "aaaaaaaaaaaaaaaaaaaa",
	    25, 0), 25);
	assert_int_equal(run(&x), SST_PUMP_BROKEN);
	assert_int_equal(x.err.code, SST_E_TLS);
	assert_int_equal(recv(x.app, w.scratch, 10, MSG_DONTWAIT), 4);
	wire_free(&x);
}

/* OpenSSL calls this an end; it would be waited for in vain. */
static void
a_reset_after_close_notify_ends_it(void **state)
{
	struct wire x;

	(void)state;
	for (int closes = 0; closes < 2; closes++) {
		wire_make(&x);
		assert_int_equal(SSL_shutdown(x.m.ssl), 0);
		assert_int_equal(run(&x), SST_PUMP_RUNS);
		(void)close(x.m.fd[1]);
		x.m.fd[1] = dup(x.end);
		if (closes) {
			(void)close(x.app);
			x.app = -1;
		} else
			assert_int_equal(send(x.app, "late", 4, 0), 4);
		assert_int_equal(run(&x), SST_PUMP_BROKEN);
		assert_int_equal(x.err.code, SST_E_PEER);
		wire_free(&x);
	}
}

static void
sk_71_half_a_record_is_nothing_yet(void **state)
{
	struct wire x;

	(void)state;
	wire_make(&x);
	assert_int_equal(send(x.m.fd[1], "\x17\x03\x03\x00\x20half", 9, 0), 9);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(queue(x.app), 0);
	assert_int_equal(recv(x.app, w.scratch, 10, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	wire_free(&x);
}

static void
early_bytes_of_the_gate_go_first(void **state)
{
	struct wire x;
	uint8_t *early = malloc(5);

	(void)state;
	wire_make(&x);
	memcpy(early, "first", 5);
	sst_pump_early(&x.pump, early, 5);
	assert_int_equal(send(x.app, "second", 6, 0), 6);
	assert_int_equal(run(&x), SST_PUMP_RUNS);
	assert_int_equal(SSL_read(x.m.ssl, w.scratch, 100), 5);
	assert_memory_equal(w.scratch, "first", 5);
	assert_int_equal(SSL_read(x.m.ssl, w.scratch, 100), 6);
	assert_int_equal(queue(x.end), 1);
	wire_free(&x);
}

/* One edge a side, as epoll tells it once; then only what the pump asks for. */
static enum sst_pump_state
run_edge(struct wire *x, uint32_t tcp, uint32_t end)
{
	x->state = sst_pump_run(&x->pump, tcp, end, w.scratch, &x->err);
	while (x->state == SST_PUMP_MORE)
		x->state = sst_pump_run(&x->pump, 0, 0, w.scratch, &x->err);
	return x->state;
}

static void
bytes_behind_a_passed_descriptor_need_no_edge_of_their_own(void **state)
{
	char text[] = "abc";
	struct iovec iov = { .iov_base = text, .iov_len = 3 };
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } space;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	struct wire x;
	char got[8];
	int n = 0, r;

	(void)state;
	wire_make(&x);
	memset(&space, 0, sizeof(space));
	space.align.cmsg_level = SOL_SOCKET;
	space.align.cmsg_type = SCM_RIGHTS;
	space.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&space.align), &x.app, sizeof(x.app));
	assert_int_equal(sendmsg(x.app, &msg, 0), 3);
	assert_int_equal(send(x.app, "def", 3, 0), 3);
	assert_int_equal(run_edge(&x, 0, EPOLLIN | EPOLLOUT), SST_PUMP_RUNS);
	while (n < 6 && (r = SSL_read(x.m.ssl, got + n, 6 - n)) > 0)
		n += r;
	assert_int_equal(n, 6);
	assert_memory_equal(got, "abcdef", 6);
	wire_free(&x);
}

static void
a_cut_that_came_with_the_last_bytes_needs_no_edge_of_its_own(void **state)
{
	struct wire x;
	char got[8];

	(void)state;
	wire_make(&x);
	assert_int_equal(SSL_write(x.m.ssl, "abc", 3), 3);
	assert_int_equal(run_edge(&x, EPOLLIN | EPOLLOUT, 0), SST_PUMP_RUNS);
	assert_int_equal(SSL_write(x.m.ssl, "def", 3), 3);
	assert_int_equal(shutdown(SSL_get_fd(x.m.ssl), SHUT_WR), 0);
	assert_int_equal(run_edge(&x, EPOLLIN | EPOLLRDHUP | EPOLLOUT, 0),
	    SST_PUMP_BROKEN);
	assert_int_equal(recv(x.app, got, sizeof(got), MSG_DONTWAIT), 6);
	assert_memory_equal(got, "abcdef", 6);
	wire_free(&x);
}

/*
 * A record of `first` octets and four whole ones come while the program reads nothing;
 * one run takes a part of the last. Then one more comes, with an edge of its own. The
 * rest of the last, which is given out when the program reads again, says nothing of
 * the socket. How many octets arrive.
 */
static int
arrived_late(int first)
{
	static char chunk[5 * 16384];
	const int small = 4096;
	struct wire x;
	int got = 0;
	ssize_t r;

	wire_make(&x);
	assert_int_equal(setsockopt(x.end, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
	    0);
	assert_int_equal(SSL_write(x.m.ssl, chunk, first), first);
	assert_int_equal(SSL_write(x.m.ssl, chunk, SST_PUMP_SCRATCH), SST_PUMP_SCRATCH);
	assert_int_equal(run_edge(&x, EPOLLIN, 0), SST_PUMP_RUNS);
	assert_non_null(x.pump.down.bytes);
	assert_int_equal(SSL_write(x.m.ssl, "more", 4), 4);
	assert_int_equal(run_edge(&x, EPOLLIN, 0), SST_PUMP_RUNS);
	assert_non_null(x.pump.down.bytes);
	while ((r = recv(x.app, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
		got += (int)r;
		(void)run_edge(&x, 0, EPOLLOUT);
	}
	wire_free(&x);
	return got;
}

static void
an_edge_that_came_while_the_program_was_slow_is_not_forgotten(void **state)
{
	(void)state;
	for (int first = 1; first <= 16000; first += 101)
		assert_int_equal(arrived_late(first), first + SST_PUMP_SCRATCH + 4);
}

/* A stream begins with what came before it, and the edges of that were another's. */
static void
what_was_read_ahead_of_the_stream_says_nothing_of_the_socket(void **state)
{
	struct wire x;
	char got[8];
	size_t n;

	(void)state;
	wire_make(&x);
	assert_int_equal(SSL_write(x.m.ssl, "abc", 3), 3);
	assert_int_equal(sst_conn_read(x.m.conn, got, 1, &n, &x.err), SST_STEP_DONE);
	assert_int_equal(SSL_write(x.m.ssl, "def", 3), 3);
	sst_pump_init(&x.pump, x.m.conn, x.m.fd[0], x.end);
	x.pump.more_down = 1;
	assert_int_equal(run_edge(&x, 0, 0), SST_PUMP_RUNS);
	assert_int_equal(recv(x.app, got, sizeof(got), MSG_DONTWAIT), 5);
	assert_memory_equal(got, "bcdef", 5);
	wire_free(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_47_every_size_arrives_both_ways),
		cmocka_unit_test(sk_56_a_slow_reader_keeps_memory_bounded),
		cmocka_unit_test(sk_78_a_stream_that_is_cut_off_is_no_end),
		cmocka_unit_test(a_cut_off_stream_waits_for_what_is_not_delivered),
		cmocka_unit_test(who_waits_in_a_write_is_told_of_the_reset),
		cmocka_unit_test(sk_76_close_notify_is_an_end_and_writing_goes_on),
		cmocka_unit_test(sk_77_shut_wr_sends_close_notify_and_reading_goes_on),
		cmocka_unit_test(sk_84_what_was_written_before_close_arrives_whole),
		cmocka_unit_test(data_after_close_is_answered_by_a_reset),
		cmocka_unit_test(sk_83_closing_with_unread_data_is_a_reset),
		cmocka_unit_test(sk_85_shut_rd_discards_and_does_not_kill),
		cmocka_unit_test(what_waits_is_moved_by_one_edge_of_the_other_side),
		cmocka_unit_test(sk_80_a_corrupted_record_is_an_error),
		cmocka_unit_test(a_reset_after_close_notify_ends_it),
		cmocka_unit_test(sk_71_half_a_record_is_nothing_yet),
		cmocka_unit_test(early_bytes_of_the_gate_go_first),
		cmocka_unit_test(
		    bytes_behind_a_passed_descriptor_need_no_edge_of_their_own),
		cmocka_unit_test(
		    what_was_read_ahead_of_the_stream_says_nothing_of_the_socket),
		cmocka_unit_test(
		    an_edge_that_came_while_the_program_was_slow_is_not_forgotten),
		cmocka_unit_test(
		    a_cut_that_came_with_the_last_bytes_needs_no_edge_of_its_own),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, world_make, world_free);
}
