/* SPDX-License-Identifier: ISC */
/* bulk - much of it: whole, in both directions, and never all in memory. */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "conformance.h"
#include "e2e/gauge.h"

#define KB		1024
#define MB		(1024 * KB)
#define A_WHILE		60	/* ms in which nothing may happen */
#define BLOCK		(64 * KB)
#define HELD_KIB	(6 * KB)	/* the pair may hold more than at rest, while a
					   reader sleeps; with sanitizers more */

/* A stream that both ends know without a copy: it repeats itself after a prime
 * number of bytes, so that no lost or doubled block goes unnoticed. */
#define PERIOD		262139
static char stream[PERIOD + BLOCK];

static void
stream_make(void)
{
	fill(stream, PERIOD, 1);
	memcpy(stream + PERIOD, stream, BLOCK);
}

static void
stream_fill(char *block, size_t at, size_t len)
{
	memcpy(block, stream + at % PERIOD, len);
}

static void
stream_check(const char *block, size_t at, size_t len)
{
	if (memcmp(block, stream + at % PERIOD, len) != 0)
		world_fail(__FILE__, __LINE__, "not the bytes from %zu on", at);
}

/* --- every size ------------------------------------------------------------------------ */
struct transfer {
	struct far	*f;
	int		 fd;
	size_t		 len;
	unsigned int	 seed;
	int		 from_far;
};

static void *
send_all(void *arg)
{
	const struct transfer *x = arg;
	char *bytes = malloc(x->len);

	want(bytes != NULL);
	fill(bytes, x->len, x->seed);
	if (x->from_far)
		far_write(x->f, bytes, x->len);
	else
		ours_write(x->fd, bytes, x->len);
	free(bytes);
	return NULL;
}

static void
see_transfer(struct trial *t, struct transfer *x)
{
	char *bytes = malloc(x->len);
	pthread_t thread;

	want(bytes != NULL);
	want_eq(pthread_create(&thread, NULL, send_all, x), 0);
	if (x->from_far)
		ours_read(x->fd, bytes, x->len);
	else
		far_read_all(x->f, bytes, x->len);
	want_eq(pthread_join(thread, NULL), 0);
	see_bytes(t, x->from_far ? "read" : "written", bytes, x->len);
	free(bytes);
}

static const size_t sizes[] = { 1, 2, 3, 4095, 4096, 4097, 16383, 16384, 16385,
    65535, 65536, 65537, 212992, MB };

CASE(sk_47_every_size_arrives_both_ways_as_on_tcp)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int from_far = 0; from_far <= 1; from_far++) {
			struct transfer x = { .f = &f, .fd = fd, .len = sizes[i],
			    .seed = (unsigned int)i, .from_far = from_far };

			see_transfer(t, &x);
		}
	far_end(&f);
	see_call(t, "the end", read(fd, &(char){ 0 }, 1));
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_far_rest(t, "the other's rest", &f);
	(void)close(fd);
	far_close(&f);
}

/* --- steps that never wait ---------------------------------------------------------------- */
static void
set_nonblocking(int fd, struct far *f)
{
	want_eq(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	want_eq(fcntl(f->fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	if (far_is_tls(f))
		(void)SSL_set_mode(f->tls.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
		    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* How much went; 0: nothing goes now. */
static size_t
far_try(struct far *f, int writing, char *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	if (far_is_tls(f)) {
		int rc = writing ? SSL_write_ex(f->tls.ssl, bytes, len, &done) :
		    SSL_read_ex(f->tls.ssl, bytes, len, &done);

		if (rc != 1) {
			rc = SSL_get_error(f->tls.ssl, 0);
			want(rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE);
		}
		return done;
	}
	n = writing ? write(f->fd, bytes, len) : read(f->fd, bytes, len);
	want(n > 0 || (n < 0 && errno == EAGAIN));
	return n > 0 ? (size_t)n : 0;
}

static size_t
own_try(int fd, int writing, char *bytes, size_t len)
{
	ssize_t n = writing ? write(fd, bytes, len) : read(fd, bytes, len);

	want(n > 0 || (n < 0 && errno == EAGAIN));
	return n > 0 ? (size_t)n : 0;
}

/* Where the four streams of a connection stand. */
struct both_ways {
	int		 fd;
	struct far	*f;
	size_t		 out, in, far_out, far_in;
};

/* Writes at both ends as much as they take; how much. */
static size_t
write_both(struct both_ways *b, size_t goal)
{
	static char block[16 * KB];
	size_t before = b->out + b->far_out;

	if (b->out < goal) {
		stream_fill(block, b->out, sizeof(block));
		b->out += own_try(b->fd, 1, block, sizeof(block));
	}
	if (b->far_out < goal) {
		stream_fill(block, b->far_out, sizeof(block));
		b->far_out += far_try(b->f, 1, block, sizeof(block));
	}
	return b->out + b->far_out - before;
}

static size_t
read_both(struct both_ways *b)
{
	static char block[BLOCK];
	size_t n, sum;

	sum = n = own_try(b->fd, 0, block, sizeof(block));
	stream_check(block, b->in, n);
	b->in += n;
	n = far_try(b->f, 0, block, sizeof(block));
	stream_check(block, b->far_in, n);
	b->far_in += n;
	return sum + n;
}

/* Until both ends are full, and stay so: there may be room for a little before
 * poll() says so. */
static void
write_until_full(struct both_ways *b)
{
	struct pollfd p[2] = { { .fd = b->fd, .events = POLLOUT },
	    { .fd = b->f->fd, .events = POLLOUT } };

	do
		while (write_both(b, SIZE_MAX) > 0)
			want(b->out < 200 * (size_t)MB && b->far_out < 200 * (size_t)MB);
	while (poll(p, 2, A_WHILE) != 0 || write_both(b, SIZE_MAX) > 0);
}

static void
wait_both(const struct both_ways *b, short events)
{
	struct pollfd p[2] = { { .fd = b->fd, .events = events },
	    { .fd = b->f->fd, .events = events } };

	want(poll(p, 2, WORLD_PATIENCE_MS) > 0);
}

CASE(sk_55_a_full_descriptor_is_writable_when_there_is_room)
{
	static char block[BLOCK];
	struct far f;
	int fd = own_pair(t, &f, NULL);
	size_t out = 0, in = 0, before, n;

	set_nonblocking(fd, &f);
	see_mask(t, "empty", (unsigned int)ours_poll(fd, POLLIN | POLLOUT, 0));
	do
		for (before = out;; out += n) {
			stream_fill(block, out, sizeof(block));
			n = own_try(fd, 1, block, sizeof(block));
			if (n == 0)
				break;
			want(out < 200 * (size_t)MB);
		}
	while (ours_poll(fd, POLLOUT, A_WHILE) != 0 || out != before);
	see_call(t, "full", write(fd, block, 1));
	see_mask(t, "full", (unsigned int)ours_poll(fd, POLLIN | POLLOUT, 0));
	while (in < out) {
		n = far_try(&f, 0, block, sizeof(block));
		if (n == 0)
			want_eq(own_await(f.fd, POLLIN), POLLIN);
		stream_check(block, in, n);
		in += n;
	}
	see_mask(t, "drained", (unsigned int)own_await(fd, POLLIN | POLLOUT));
	stream_fill(block, out, 5);
	see_call(t, "goes on", write(fd, block, 5));
	want_eq(shutdown(fd, SHUT_WR), 0);
	want_eq(fcntl(f.fd, F_SETFL, O_RDWR), 0);
	far_read_all(&f, block, 5);
	stream_check(block, in, 5);
	see_far_rest(t, "rest", &f);
	far_close(&f);
	(void)close(fd);
}

/* --- a slow reader --------------------------------------------------------------------------- */
struct writer {
	int		 fd;
	size_t		 len;
	atomic_size_t	 sent;
};

static void *
write_stream(void *arg)
{
	struct writer *w = arg;
	static char block[BLOCK];

	for (size_t at = 0; at < w->len; at += sizeof(block)) {
		stream_fill(block, at, sizeof(block));
		ours_write(w->fd, block, sizeof(block));
		w->sent = at + sizeof(block);
	}
	return NULL;
}

/* Until the writer makes no progress any more. */
static void
await_standstill(const struct writer *w)
{
	size_t before;

	do {
		before = w->sent;
		(void)poll(NULL, 0, A_WHILE);
	} while (w->sent != before);
}

static void
far_read_stream(struct far *f, size_t *at, size_t len)
{
	static char block[BLOCK];

	while (len > 0) {
		size_t part = len < sizeof(block) ? len : sizeof(block);

		far_read_all(f, block, part);
		stream_check(block, *at, part);
		*at += part;
		len -= part;
	}
}

CASE(sk_56_a_slow_reader_stops_the_writer_and_costs_no_memory)
{
	struct far f;
	struct gauge rest, now;
	struct writer w = { .fd = own_pair(t, &f, NULL), .len = 50 * MB };
	pthread_t thread;
	size_t in = 0;

	if (t->mode != MODE_TCP)
		gauge_read(&rest, w.fd);
	want_eq(pthread_create(&thread, NULL, write_stream, &w), 0);
	for (int i = 0; i < 3; i++) {
		await_standstill(&w);
		see(t, "the writer waits", w.sent < w.len);
		if (t->mode != MODE_TCP) {
			gauge_read(&now, w.fd);
			want(now.kib >= 0 && now.kib < rest.kib + HELD_KIB * WORLD_SLOW);
		}
		far_read_stream(&f, &in, 3 * MB);
	}
	far_read_stream(&f, &in, w.len - in);
	want_eq(pthread_join(thread, NULL), 0);
	see(t, "received", (long long)in);
	want_eq(shutdown(w.fd, SHUT_WR), 0);
	see_far_rest(t, "rest", &f);
	far_close(&f);
	(void)close(w.fd);
}

/* The other direction: the case is the slow reader. */
static void *
far_write_stream(void *arg)
{
	struct transfer *x = arg;
	static char block[BLOCK];

	for (size_t at = 0; at < x->len; at += sizeof(block)) {
		stream_fill(block, at, sizeof(block));
		far_write(x->f, block, sizeof(block));
	}
	return NULL;
}

CASE(sk_56_a_program_that_does_not_read_costs_no_memory)
{
	static char block[BLOCK];
	struct far f;
	struct gauge rest, now;
	struct transfer x = { .f = &f, .fd = own_pair(t, &f, NULL), .len = 20 * MB };
	pthread_t thread;
	size_t in = 0;
	int waits, before = -1;

	if (t->mode != MODE_TCP)
		gauge_read(&rest, x.fd);
	want_eq(pthread_create(&thread, NULL, far_write_stream, &x), 0);
	want_eq(own_await(x.fd, POLLIN), POLLIN);
	do {
		before = ours_get_int(x.fd, SOL_SOCKET, SO_ERROR);
		waits = ours_poll(x.fd, POLLERR, A_WHILE);
	} while (waits != 0);
	see(t, "no error", before);
	if (t->mode != MODE_TCP) {
		gauge_read(&now, x.fd);
		want(now.kib >= 0 && now.kib < rest.kib + HELD_KIB * WORLD_SLOW);
	}
	while (in < x.len) {
		ssize_t n = read(x.fd, block, sizeof(block));

		want(n > 0);
		stream_check(block, in, (size_t)n);
		in += (size_t)n;
	}
	want_eq(pthread_join(thread, NULL), 0);
	see(t, "read", (long long)in);
	far_close(&f);
	see_call(t, "the end", read(x.fd, block, 1));
	(void)close(x.fd);
}

/* --- both ways at once ------------------------------------------------------------------------- */
CASE(sk_57_both_ends_write_until_they_are_full_and_then_read)
{
	const size_t goal = 20 * MB;
	struct far f;
	struct both_ways b = { .fd = own_pair(t, &f, NULL), .f = &f };
	char c;

	set_nonblocking(b.fd, &f);
	write_until_full(&b);
	see_mask(t, "full", (unsigned int)ours_poll(b.fd, POLLIN | POLLOUT, 0));
	see_call(t, "full", write(b.fd, "", 1));
	while (b.in < b.far_out || b.far_in < b.out || b.out < goal || b.far_out < goal)
		if (read_both(&b) + write_both(&b, goal) == 0)
			wait_both(&b, POLLIN);
	see(t, "both ways", b.in >= goal && b.far_in >= goal);
	see_call(t, "nothing else", read(b.fd, &c, 1));
	want_eq(fcntl(f.fd, F_SETFL, O_RDWR), 0);
	far_end(&f);
	want_eq(own_await(b.fd, POLLIN) & POLLIN, POLLIN);
	see_call(t, "the end", read(b.fd, &c, 1));
	(void)close(b.fd);
	see_far_rest(t, "rest", &f);
	far_close(&f);
}

/* --- without a buffer of the program's ----------------------------------------------------------- */
#define FILE_LEN	(10 * MB)

static int
stream_file(void)
{
	static char block[BLOCK];
	char path[700];
	int file;

	(void)snprintf(path, sizeof(path), "%s/stream", world.dir);
	file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	want(file >= 0);
	want_eq(unlink(path), 0);
	for (size_t at = 0; at < FILE_LEN; at += sizeof(block)) {
		stream_fill(block, at, sizeof(block));
		want_eq(write(file, block, sizeof(block)), sizeof(block));
	}
	want_eq(lseek(file, 0, SEEK_SET), 0);
	return file;
}

struct sender {
	struct trial	*t;
	int		 fd, file;
};

static void *
send_file(void *arg)
{
	const struct sender *s = arg;
	off_t at = 100;

	/* The first part by an offset of its own, the rest by the file's. */
	while (at < MB)
		want(sendfile(s->fd, s->file, &at, (size_t)(MB - at)) > 0);
	want_eq(lseek(s->file, 0, SEEK_CUR), 0);
	want_eq(lseek(s->file, MB, SEEK_SET), MB);
	while (at < FILE_LEN) {
		ssize_t n = sendfile(s->fd, s->file, NULL, FILE_LEN);

		want(n > 0);
		at += n;
	}
	see_call(s->t, "sendfile at its end", sendfile(s->fd, s->file, NULL, 1));
	see(s->t, "offset", (long long)at);
	return NULL;
}

CASE(sk_58_sendfile_sends_ten_megabytes)
{
	struct far f;
	struct sender s = { .t = t, .fd = own_pair(t, &f, NULL), .file = stream_file() };
	pthread_t thread;
	size_t at = 100;

	want_eq(pthread_create(&thread, NULL, send_file, &s), 0);
	far_read_stream(&f, &at, FILE_LEN - at);
	want_eq(pthread_join(thread, NULL), 0);
	see_call(t, "from a socket", sendfile(s.fd, s.fd, NULL, 1));
	see_call(t, "copy_file_range", copy_file_range(s.file, NULL, s.fd, NULL, 1, 0));
	want_eq(shutdown(s.fd, SHUT_WR), 0);
	see_call(t, "after the end", lseek(s.file, 0, SEEK_SET));
	see_far_rest(t, "rest", &f);
	far_close(&f);
	(void)close(s.fd);
	(void)close(s.file);
}

struct splicer {
	int	from, to;
	size_t	len;
};

static void *
splice_all(void *arg)
{
	const struct splicer *s = arg;

	for (size_t done = 0; done < s->len;) {
		ssize_t n = splice(s->from, NULL, s->to, NULL, s->len - done,
		    SPLICE_F_MOVE);

		want(n > 0);
		done += (size_t)n;
	}
	return NULL;
}

CASE(sk_58_splice_moves_bytes_out_and_in)
{
	const size_t len = 2 * MB;
	struct far f;
	int fd = own_pair(t, &f, NULL), p[2], file = stream_file();
	struct splicer in, out;
	struct transfer x = { .f = &f, .fd = fd, .len = len };
	pthread_t threads[3];
	char block[100];
	size_t at = 0;

	want_eq(pipe(p), 0);
	want_eq(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	see_call(t, "nothing there", splice(fd, NULL, p[1], NULL, 10, 0));
	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	see_call(t, "an offset", splice(fd, &(loff_t){ 0 }, p[1], NULL, 10, 0));
	see_call(t, "no pipe", splice(fd, NULL, fd, NULL, 10, 0));
	/* Out: file, pipe, socket. */
	out = (struct splicer){ .from = file, .to = p[1], .len = len };
	in = (struct splicer){ .from = p[0], .to = fd, .len = len };
	want_eq(pthread_create(&threads[0], NULL, splice_all, &out), 0);
	want_eq(pthread_create(&threads[1], NULL, splice_all, &in), 0);
	far_read_stream(&f, &at, len);
	want_eq(pthread_join(threads[0], NULL) + pthread_join(threads[1], NULL), 0);
	see(t, "out", (long long)at);
	/* In: socket, pipe. */
	in = (struct splicer){ .from = fd, .to = p[1], .len = len };
	want_eq(pthread_create(&threads[0], NULL, splice_all, &in), 0);
	want_eq(pthread_create(&threads[1], NULL, far_write_stream, &x), 0);
	for (at = 0; at < len;) {
		ssize_t n = read(p[0], block, sizeof(block));

		want(n > 0);
		stream_check(block, at, (size_t)n);
		at += (size_t)n;
	}
	want_eq(pthread_join(threads[0], NULL) + pthread_join(threads[1], NULL), 0);
	see(t, "in", (long long)at);
	far_end(&f);
	see_call(t, "at the end", splice(fd, NULL, p[1], NULL, 10, 0));
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_far_rest(t, "rest", &f);
	far_close(&f);
	(void)close(fd);
	(void)close(file);
	(void)close(p[0]);
	(void)close(p[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_47_every_size_arrives_both_ways_as_on_tcp),
		cmocka_unit_test(sk_55_a_full_descriptor_is_writable_when_there_is_room),
		cmocka_unit_test(
		    sk_56_a_slow_reader_stops_the_writer_and_costs_no_memory),
		cmocka_unit_test(sk_56_a_program_that_does_not_read_costs_no_memory),
		cmocka_unit_test(
		    sk_57_both_ends_write_until_they_are_full_and_then_read),
		cmocka_unit_test(sk_58_sendfile_sends_ten_megabytes),
		cmocka_unit_test(sk_58_splice_moves_bytes_out_and_in),
	};

	stream_make();
	world_begin();
	return world_end(tests);
}
