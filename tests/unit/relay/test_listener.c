/* SPDX-License-Identifier: ISC */
/* How finished handshakes reach the program, and how connections end. */
#include "clients.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/stream.h"

/* --- to the program --------------------------------------------------------- */
static void
as_many_as_the_backlog_are_in_flight_and_in_order(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[5];
	int fd, got = 0;

	begin(s, 2);
	for (int i = 0; i < 5; i++)
		c[i] = dial(s, 1, i + 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(s->l->paused, i >= 2);	/* TCP's own queue fills */
		shake(s, &c[i]);
	}
	assert_int_equal(s->l->ready.n, 3);
	assert_int_equal(s->l->paused, 1);
	for (; (fd = take(s, &rec, 1)) >= 0; got++) {
		struct sockaddr_in peer;

		memcpy(&peer, rec.peer, sizeof(peer));
		assert_int_equal(peer.sin_addr.s_addr,
		    htonl(0x7f000100u | (uint32_t)(got + 1)));
		(void)close(fd);
	}
	assert_int_equal(got, 5);
	assert_int_equal(s->l->ready.n, 0);
	assert_int_equal(s->l->paused, 0);
	for (int i = 0; i < 5; i++)
		hang_up(s, &c[i]);
}

static void
never_more_than_128_are_in_flight(void **state)
{
	struct scene *s = *state;
	static struct client c[SST_LISTENER_IN_FLIGHT + 3];
	struct sst_wire_accepted rec;

	begin(s, 1000);
	for (int i = 0; i < SST_LISTENER_IN_FLIGHT + 3; i++) {
		c[i] = dial(s, 1, 1);
		shake(s, &c[i]);
		assert_int_equal(s->l->ready.n, i < SST_LISTENER_IN_FLIGHT ? 0 :
		    i - SST_LISTENER_IN_FLIGHT + 1);
	}
	assert_int_equal(s->l->paused, 0);
	(void)close(take(s, &rec, 1));
	assert_int_equal(s->l->ready.n, 2);
	for (int i = 0; i < SST_LISTENER_IN_FLIGHT + 3; i++)
		hang_up(s, &c[i]);
}

static void
want_workers(const struct scene *s, size_t first, size_t second)
{
	assert_int_equal(s->a.relay->workers[0]->connections, first);
	assert_int_equal(s->a.relay->workers[1]->connections, second);
}

static void
a_connection_goes_to_the_worker_that_has_fewest(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[4], other;

	begin(s, 8);
	for (int i = 0; i < 4; i++) {
		c[i] = dial(s, 1, 1);
		want_workers(s, (size_t)(i + 2) / 2, (size_t)(i + 1) / 2);
		shake(s, &c[i]);
	}
	want_workers(s, 2, 2);
	/* The second and the fourth are of one worker. */
	for (int i = 0, fd; i < 4; i++) {
		fd = take(s, &rec, 1);
		assert_true(fd >= 0);
		(void)close(fd);
		if (i % 2 == 1)
			hang_up(s, &c[i]);
	}
	agent_settle(&s->a);
	want_workers(s, 2, 0);	/* these linger for their peers */
	other = dial(s, 1, 1);
	want_workers(s, 2, 1);
	hang_up(s, &c[0]);
	want_workers(s, 1, 1);
	hang_up(s, &c[2]);
	(void)close(other.fd);
	agent_settle(&s->a);
	want_workers(s, 0, 0);
}

static void
a_connection_that_was_lost_comes_again_and_first(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted first, rec;
	struct client c[4];
	int fd;

	begin(s, 2);
	for (int i = 0; i < 4; i++)
		c[i] = dial(s, 1, i + 1);
	for (int i = 0; i < 3; i++)
		shake(s, &c[i]);
	assert_int_equal(take(s, &first, 0), 0);
	/* A while later than a copy of a taken one is kept. */
	agent_later(&s->a, SST_LISTENER_HELD_MS - 1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first), s->app), 0);
	agent_later(&s->a, SST_LISTENER_HELD_MS);
	/* Who says so twice gets it once. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first), s->app), 0);
	assert_int_equal(s->l->ready.n, 1);
	shake(s, &c[3]);
	assert_int_equal(s->l->ready.n, 2);
	/* The second and third are before it in the descriptor's queue already. */
	for (int i = 1; i < 3; i++) {
		fd = take(s, &rec, 1);
		assert_true(fd >= 0);
		assert_true(rec.id != first.id);
		(void)close(fd);
	}
	fd = take(s, &rec, 1);
	assert_true(fd >= 0);
	assert_true(rec.id == first.id);
	(void)close(take(s, &rec, 1));
	assert_true(rec.id != first.id);
	/* It is what the client speaks to. */
	assert_int_equal(SSL_write(c[0].ssl, "hello", 5), 5);
	agent_settle(&s->a);
	assert_int_equal(recv(fd, s->a.data, 100, MSG_DONTWAIT), 5);
	/* Once it is used, or nobody's, it is not given again. */
	assert_int_equal(send(fd, "x", 1, 0), 1);
	agent_settle(&s->a);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first), s->app), 0);
	assert_int_equal(take(s, &rec, 1), -1);
	assert_int_equal(s->l->ready.n, 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first) - 1, s->app), EINVAL);
	(void)close(fd);
	for (int i = 0; i < 4; i++)
		hang_up(s, &c[i]);
}

static void
another_listener_cannot_ask_for_what_was_lost(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec, mine;
	struct sockaddr_in at;
	struct client c;
	int other = agent_bound(&s->a, &at);

	assert_int_equal(agent_supply(&s->a, other, 2, w.a), 0);
	begin(s, 4);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, 4, 0, 0, NULL, 0, other), 0);
	c = dial(s, 1, 1);
	shake(s, &c);
	assert_int_equal(take(s, &rec, 0), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &rec, sizeof(rec),
	    other), 0);
	assert_int_equal(recv(other, &mine, sizeof(mine), MSG_DONTWAIT), -1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &rec, sizeof(rec),
	    s->app), 0);
	(void)close(take(s, &mine, 1));
	assert_true(mine.id == rec.id);
	hang_up(s, &c);
	(void)close(other);
	agent_settle(&s->a);
}

/* The limit of descriptors in flight is the kernel's, and not root's. */
static void
powers(int on)
{
	static struct __user_cap_data_struct all[2];
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (!on)
		assert_int_equal(syscall(SYS_capget, &head, all), 0);
	memcpy(data, all, sizeof(data));
	if (!on)
		data[0].effective &= ~(1u << CAP_SYS_RESOURCE | 1u << CAP_SYS_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void
too_many_descriptors_under_way_is_a_full_queue(void **state)
{
	struct scene *s = *state;
	const struct sst_wire_accepted none = { .magic = 0 };
	struct sst_wire_accepted rec;
	struct rlimit old, low;
	struct client c;
	int sv[2];

	begin(s, 8);
	c = dial(s, 1, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 64;
	for (int i = 0; i < 66; i++)
		assert_int_equal(sst_link_give(sv[0], &none, sv[0]), 0);
	powers(0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	shake(s, &c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	powers(1);
	assert_int_equal(s->l->ready.n, 1);
	/* A refused packet is an edge, and not to be followed by another try. */
	assert_false(agent_stirs(&s->a, 0));
	assert_int_equal(take(s, &rec, 1), -1);
	assert_false(ended(&c));
	agent_later(&s->a, 19);
	assert_int_equal(take(s, &rec, 1), -1);
	agent_later(&s->a, 1);
	assert_int_equal(s->l->ready.n, 0);
	(void)close(take(s, &rec, 1));
	hang_up(s, &c);
	(void)close(sv[0]);
	(void)close(sv[1]);
}

/* --- the end of a connection ------------------------------------------------ */
/* The relay's copy of what accept() gave goes, also without a mark. */
static void
until_given_up(struct scene *s)
{
	agent_later(&s->a, SST_LISTENER_USE_MS);
	agent_later(&s->a, SST_LISTENER_HELD_MS);
}

static int
socket_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len), 0);
	return e;
}

static void
sk_84_the_peers_close_notify_after_our_end_meets_no_reset(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	char b[100];
	int fd;

	begin(s, 8);
	for (int late = 0; late < 2; late++) {
		c = dial(s, 1, 1);
		shake(s, &c);
		assert_int_equal(SSL_write(c.ssl, "ask", 3), 3);
		agent_settle(&s->a);
		fd = take(s, &rec, 1);
		assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), 3);
		assert_int_equal(send(fd, "answer", 6, 0), 6);
		(void)close(fd);
		agent_settle(&s->a);
		assert_int_equal(SSL_read(c.ssl, b, sizeof(b)), 6);
		assert_int_equal(SSL_read(c.ssl, b, sizeof(b)), 0);
		assert_int_equal(SSL_get_shutdown(c.ssl), SSL_RECEIVED_SHUTDOWN);
		if (late)
			agent_later(&s->a, SST_STREAM_LINGER_MS - 1);
		assert_int_equal(SSL_shutdown(c.ssl), 1);
		agent_settle(&s->a);
		assert_int_equal(socket_error(c.fd), 0);
		assert_int_equal(recv(c.fd, b, sizeof(b), MSG_DONTWAIT), 0);
		hang_up(s, &c);
	}
	/* Data is another thing: nobody will ever read it. */
	c = dial(s, 1, 1);
	shake(s, &c);
	fd = take(s, &rec, 1);
	(void)close(fd);
	until_given_up(s);
	assert_int_equal(SSL_write(c.ssl, "more", 4), 4);
	agent_settle(&s->a);
	assert_int_not_equal(socket_error(c.fd), 0);
	hang_up(s, &c);
}

/* The peer's view: a close_notify, and no reset behind it. */
static void
assert_clean_end(const struct client *c)
{
	char b[10];

	assert_int_equal(SSL_read(c->ssl, b, sizeof(b)), 0);
	assert_int_equal(SSL_get_shutdown(c->ssl), SSL_RECEIVED_SHUTDOWN);
	assert_int_equal(socket_error(c->fd), 0);
}

static void
the_end_of_what_accept_gave_is_seen_soon(void **state)
{
	const int mark = SST_WIRE_TAKEN, other = SST_WIRE_TAKEN + 1;
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[4];
	int fd;

	begin(s, 8);
	for (int i = 0; i < 4; i++) {
		c[i] = dial(s, 1, 1);
		shake(s, &c[i]);
		/* The last one waits when it is looked at. */
		if (i == 3)
			agent_later(&s->a, SST_LISTENER_USE_MS);
		fd = take_now(s, &rec, 1);
		assert_true(fd >= 0);
		/* The second one is looked at before it has its mark. */
		if (i == 1)
			agent_later(&s->a, SST_LISTENER_USE_MS);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PRIORITY,
		    i == 0 ? &other : &mark, sizeof(mark)), 0);
		(void)close(fd);
		if (i == 1)
			agent_later(&s->a, SST_LISTENER_LOOK_MS);
		else if (i == 3)
			agent_settle(&s->a);
		else
			agent_later(&s->a, SST_LISTENER_USE_MS);
		if (i > 0)
			assert_clean_end(&c[i]);
		/* It may still be given back. */
		assert_int_equal(ended(&c[0]), 0);
	}
	agent_later(&s->a, SST_LISTENER_HELD_MS);
	assert_int_equal(ended(&c[0]), 1);
	for (int i = 0; i < 4; i++)
		hang_up(s, &c[i]);
}

static struct {
	int	entries;	/* changes of any loop */
	int	asked;		/* for how much of the queue is taken */
} calls;

int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	calls.entries++;
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	calls.asked += request == SIOCOUTQ;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* A connection is accepted, is sent a byte and ends. */
static void
pass_by(struct scene *s, int waits, int stirs)
{
	struct sst_wire_accepted rec;
	struct client c;
	char b[10];
	int fd;

	memset(&calls, 0, sizeof(calls));
	c = dial(s, 1, 1);
	shake(s, &c);
	if (waits)
		agent_later(&s->a, SST_LISTENER_USE_MS);
	assert_false(agent_stirs(&s->a, 0));
	fd = take_now(s, &rec, 1);
	assert_true(fd >= 0);
	assert_int_equal(agent_stirs(&s->a, 0), stirs);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	agent_settle(&s->a);
	assert_int_equal(SSL_read(c.ssl, b, sizeof(b)), 1);
	assert_int_equal(sst_record_find(s->a.relay, sst_record_cookie(fd))->held, -1);
	assert_int_equal(calls.asked > 0, stirs);
	(void)close(fd);
	hang_up(s, &c);
}

static void
nobody_is_woken_and_the_kernel_not_asked_for_what_is_accepted_in_time(void **state)
{
	struct scene *s = *state;

	begin(s, 8);
	agent_settle(&s->a);
	for (uint64_t i = 1; i <= 3; i++) {
		pass_by(s, 0, 0);
		/* TCP for the handshake and for the bytes, and the program's end. */
		assert_int_equal(calls.entries, 3);
		assert_int_equal(s->l->seq, i);
		/* Not from the kernel: nothing but its first byte said so. */
		assert_int_equal(s->l->left, i);
	}
	pass_by(s, 1, 1);
	assert_int_equal(s->l->watched, 0);
	pass_by(s, 0, 0);
	agent_later(&s->a, SST_LISTENER_USE_MS);
	assert_int_equal(s->l->watched, 0);
}

static void
sk_42_who_was_accepted_is_not_reset_when_all_is_closed_at_once(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[2];

	begin(s, 8);
	for (int i = 0; i < 2; i++) {
		c[i] = dial(s, 1, i + 1);
		shake(s, &c[i]);
	}
	for (int i = 0; i < 2; i++)
		(void)close(take_now(s, &rec, 1));
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	for (int i = 0; i < 2; i++) {
		assert_clean_end(&c[i]);
		hang_up(s, &c[i]);
	}
}

/* Its listener is gone, with another one in the queue, and it ends without a byte
 * of its own: by its mark, or by what it has read, it is told from that one. */
static void
end_of_a_silent_one(struct scene *s, int marked, int reads, int clean)
{
	const int mark = SST_WIRE_TAKEN;
	struct sst_wire_accepted rec;
	struct client c, waits;
	char text[4];
	int fd;

	begin(s, 8);
	c = dial(s, 1, 1);
	shake(s, &c);
	waits = dial(s, 1, 2);
	shake(s, &waits);
	fd = take_now(s, &rec, 1);
	if (marked)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &mark,
		    sizeof(mark)), 0);
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_int_equal(socket_error(waits.fd), ECONNRESET);
	if (reads) {
		assert_int_equal(SSL_write(c.ssl, "text", 4), 4);
		agent_settle(&s->a);
		assert_int_equal(recv(fd, text, 4, MSG_DONTWAIT), 4);
	}
	(void)close(fd);
	agent_settle(&s->a);
	if (clean)
		assert_clean_end(&c);
	else
		assert_int_equal(socket_error(c.fd), ECONNRESET);
	hang_up(s, &c);
	hang_up(s, &waits);
}

static void
who_was_accepted_and_says_nothing_ends_cleanly_after_its_listener(void **state)
{
	end_of_a_silent_one(*state, 1, 0, 1);
}

static void
who_has_read_was_accepted(void **state)
{
	end_of_a_silent_one(*state, 0, 1, 1);
}

static void
without_a_mark_or_a_byte_nobody_took_it(void **state)
{
	end_of_a_silent_one(*state, 0, 0, 0);
}

static void
a_peer_that_says_nothing_after_our_end_is_left_after_two_seconds(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	size_t before;

	begin(s, 8);
	before = s->a.relay->table.count;
	c = dial(s, 1, 1);
	shake(s, &c);
	/* Or it has our end for its kernel only when this test is over. */
	assert_int_equal(setsockopt(c.fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 },
	    sizeof(int)), 0);
	(void)close(take(s, &rec, 1));
	until_given_up(s);
	agent_later(&s->a, SST_STREAM_LINGER_MS - 1);
	assert_int_equal(s->a.relay->table.count, before + 1);
	agent_later(&s->a, 1);
	assert_int_equal(s->a.relay->table.count, before);
	hang_up(s, &c);
}

/* Its good-bye comes when ours has been under way for long. */
static void
a_slow_reader_that_says_goodbye_early_gets_all(void **state)
{
	struct scene *s = *state;
	static char b[200000], in[4096];
	struct sst_wire_accepted rec;
	struct client c;
	size_t sent = 0, got = 0;
	ssize_t n;
	int fd;

	begin(s, 8);
	c = dial(s, 1, 1);
	shake(s, &c);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 },
	    sizeof(int)), 0);
	fd = take(s, &rec, 1);
	while (sent < sizeof(b)) {
		n = send(fd, b + sent, sizeof(b) - sent, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		agent_settle(&s->a);
	}
	(void)close(fd);
	until_given_up(s);
	agent_later(&s->a, 2 * SST_STREAM_LINGER_MS);
	assert_int_equal(SSL_shutdown(c.ssl), 0);
	agent_settle(&s->a);
	while (got < sizeof(b)) {
		n = SSL_read(c.ssl, in, sizeof(in));
		got += n > 0 ? (size_t)n : 0;
		assert_true(n > 0 || SSL_get_error(c.ssl, (int)n) == SSL_ERROR_WANT_READ);
		assert_int_equal(socket_error(c.fd), 0);
		agent_settle(&s->a);
	}
	hang_up(s, &c);
}

static void
sk_42_who_waits_when_the_listener_closes_is_reset(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client taken, waits, behind;
	int fd;

	begin(s, 1);
	taken = dial(s, 1, 1);
	shake(s, &taken);
	fd = take(s, &rec, 1);
	waits = dial(s, 1, 2);
	behind = dial(s, 1, 3);
	shake(s, &waits);
	shake(s, &behind);
	assert_int_equal(s->l->ready.n, 1);	/* no room in the descriptor */
	(void)shutdown(s->app, SHUT_RDWR);
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_int_equal(socket_error(waits.fd), ECONNRESET);
	assert_int_equal(socket_error(behind.fd), ECONNRESET);
	assert_false(ended(&taken));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	agent_settle(&s->a);
	assert_int_equal(SSL_read(taken.ssl, s->a.data, 10), 1);
	(void)close(fd);
	hang_up(s, &taken);
	hang_up(s, &waits);
	hang_up(s, &behind);
}

static void
sk_43_a_listener_that_is_shut_down_takes_nobody(void **state)
{
	struct scene *s = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	begin(s, 8);
	assert_int_equal(connect(fd, (struct sockaddr *)&s->at, sizeof(s->at)), 0);
	(void)close(fd);
	agent_settle(&s->a);
	assert_int_equal(shutdown(s->app, SHUT_RD), 0);
	agent_settle(&s->a);
	assert_int_equal(s->l->closed, 1);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&s->at, sizeof(s->at)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
}

static void
sk_82_accepted_sockets_have_their_listeners_options(void **state)
{
	struct scene *s = *state;
	struct linger linger = { 1, 30 };
	struct sst_wire_accepted rec;
	struct client c;
	int on = 1, fd;

	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_LINGER, 0,
	    &linger, sizeof(linger), s->app), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, IPPROTO_TCP, TCP_NODELAY, 0,
	    &on, sizeof(on), s->app), 0);
	begin(s, 8);
	c = dial(s, 1, 1);
	shake(s, &c);
	fd = take(s, &rec, 1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, SOL_SOCKET, SO_LINGER,
	    sizeof(linger), NULL, 0, fd), 0);
	assert_memory_equal(s->a.data, &linger, sizeof(linger));
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TCP, TCP_NODELAY,
	    sizeof(on), NULL, 0, fd), 0);
	assert_memory_equal(s->a.data, &on, sizeof(on));
	(void)close(fd);
	until_given_up(s);
	assert_int_equal(socket_error(c.fd), 0);	/* an end as usual */
	hang_up(s, &c);
	linger.l_linger = 0;
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_LINGER, 0,
	    &linger, sizeof(linger), s->app), 0);
	c = dial(s, 1, 1);
	shake(s, &c);
	(void)close(take(s, &rec, 1));
	until_given_up(s);
	assert_int_equal(socket_error(c.fd), ECONNRESET);
	hang_up(s, &c);
}

/* Unsent data is sent as long as somebody takes it, and not for ever. */
static void
a_peer_that_takes_nothing_is_given_up(void **state)
{
	static char chunk[60000];
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	struct sst_record *r;
	uint64_t sent;
	int fd, n = 0, small = 8192;

	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_SNDBUF, 0,
	    &small, sizeof(small), s->app), 0);
	begin(s, 8);
	c = dial(s, 1, 1);
	shake(s, &c);
	fd = take(s, &rec, 1);
	r = sst_record_find(s->a.relay, sst_record_cookie(fd));
	assert_non_null(r);
	while (n < 3) {
		n = send(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0 ? 0 : n + 1;
		agent_settle(&s->a);
	}
	(void)close(fd);
	agent_settle(&s->a);
	agent_later(&s->a, SST_STREAM_FLUSH_MS - 1);
	assert_int_equal(socket_error(c.fd), 0);
	/* Some is taken: the time begins anew. */
	for (sent = r->pump.up_bytes; r->pump.up_bytes == sent; agent_settle(&s->a))
		if (SSL_read(c.ssl, chunk, sizeof(chunk)) <= 0) {
			/* What was taken shows with its acknowledgement. */
			for (int k = 0; k < 2500 && !agent_stirs(&s->a, 0) &&
			    poll(&(struct pollfd){ .fd = c.fd, .events = POLLIN }, 1,
			    2) == 0; k++)
				continue;
		}
	assert_int_equal(r->wait, SST_WAIT_FLUSH);
	agent_later(&s->a, 2);
	assert_int_equal(socket_error(c.fd), 0);
	agent_later(&s->a, SST_STREAM_FLUSH_MS);
	assert_int_equal(socket_error(c.fd), ECONNRESET);
	hang_up(s, &c);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(as_many_as_the_backlog_are_in_flight_and_in_order),
		T(never_more_than_128_are_in_flight),
		T(a_connection_goes_to_the_worker_that_has_fewest),
		T(a_connection_that_was_lost_comes_again_and_first),
		T(another_listener_cannot_ask_for_what_was_lost),
		T(too_many_descriptors_under_way_is_a_full_queue),
		T(sk_84_the_peers_close_notify_after_our_end_meets_no_reset),
		T(the_end_of_what_accept_gave_is_seen_soon),
		T(nobody_is_woken_and_the_kernel_not_asked_for_what_is_accepted_in_time),
		T(sk_42_who_was_accepted_is_not_reset_when_all_is_closed_at_once),
		T(who_was_accepted_and_says_nothing_ends_cleanly_after_its_listener),
		T(who_has_read_was_accepted),
		T(without_a_mark_or_a_byte_nobody_took_it),
		T(a_peer_that_says_nothing_after_our_end_is_left_after_two_seconds),
		T(a_slow_reader_that_says_goodbye_early_gets_all),
		T(sk_42_who_waits_when_the_listener_closes_is_reset),
		T(sk_43_a_listener_that_is_shut_down_takes_nobody),
		T(sk_82_accepted_sockets_have_their_listeners_options),
		T(a_peer_that_takes_nothing_is_given_up),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
