/* SPDX-License-Identifier: ISC */
/* readiness - what poll, select and epoll say, and what they do not say. */
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	40	/* ms in which nothing may happen */

static int
watch(int fd, unsigned int events)
{
	struct epoll_event e = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	want_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	return ep;
}

/* What epoll says within `ms`. */
static void
see_event(struct trial *t, const char *label, int ep, int ms)
{
	struct epoll_event e = { .events = 0 };
	int n;

	do
		n = epoll_wait(ep, &e, 1, ms);
	while (n < 0 && errno == EINTR);
	see_mask(t, label, n == 1 ? e.events : 0);
}

static void
see_ends(struct trial *t, int fd, struct far *f)
{
	char c;

	far_end(f);
	see_call(t, "the end", read(fd, &c, 1));
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_far_rest(t, "the other's rest", f);
	(void)close(fd);
	far_close(f);
}

/* --- level, edge, once --------------------------------------------------------------- */
CASE(sk_66_readable_until_the_last_byte_is_read)
{
	static char bytes[16000];
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN);

	see_event(t, "idle", ep, 0);
	fill(bytes, sizeof(bytes), 66);
	own_arrives(fd, &f, bytes, sizeof(bytes));
	for (int i = 0; i < 16; i++) {
		fd_set set;

		FD_ZERO(&set);
		FD_SET(fd, &set);
		see_event(t, "epoll", ep, 0);
		see_mask(t, "poll", (unsigned int)ours_poll(fd, ALL, 0));
		see(t, "select", select(fd + 1, &set, NULL, NULL,
		    &(struct timeval){ 0 }));
		ours_read(fd, bytes, i < 15 ? 1000 : 999);
		see_bytes(t, "a part", bytes, 1000);
	}
	see_event(t, "one byte left", ep, 0);
	ours_read(fd, bytes, 1);
	see_event(t, "drained", ep, 0);
	see_mask(t, "drained", (unsigned int)ours_poll(fd, ALL, 0));
	(void)close(ep);
	see_ends(t, fd, &f);
}

static void
edges_of_a_reader(struct trial *t)
{
	char bytes[10];
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);

	see_event(t, "idle", ep, 0);
	for (int i = 0; i < 2; i++) {
		own_arrives(fd, &f, "0123456789", 10);
		see_event(t, "arrival", ep, WORLD_PATIENCE_MS);
		see_event(t, "once", ep, A_WHILE);
		ours_read(fd, bytes, 3);
		see_event(t, "after a part", ep, A_WHILE);
	}
	ours_read(fd, bytes, 10);
	ours_read(fd, bytes, 4);
	see_event(t, "drained", ep, 0);
	far_end(&f);
	see_event(t, "the end", ep, WORLD_PATIENCE_MS);
	see_event(t, "the end, once", ep, A_WHILE);
	see_call(t, "read", read(fd, bytes, 1));
	see_event(t, "after the end", ep, 0);
	(void)close(ep);
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_far_rest(t, "the other's rest", &f);
	(void)close(fd);
	far_close(&f);
}

/* An EPOLLET writer sees the relay read. */
static void
edges_of_a_writer(struct trial *t)
{
	char bytes[10];
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLOUT | EPOLLET);

	see_event(t, "room", ep, 0);
	see_event(t, "once", ep, A_WHILE);
	ours_write(fd, "0123456789", 10);
	far_read_all(&f, bytes, 10);
	see_event(t, "after a write", ep, t->mode == MODE_TCP ? A_WHILE :
	    WORLD_PATIENCE_MS);
	(void)close(ep);
	see_ends(t, fd, &f);
}

CASE(sk_67_an_edge_for_each_arrival_and_none_for_a_read)
{
	edges_of_a_reader(t);
	edges_of_a_writer(t);
}

CASE(sk_68_oneshot_fires_again_when_it_is_armed_again)
{
	char bytes[10];
	struct far f;
	struct epoll_event once = { .events = EPOLLIN | EPOLLONESHOT },
	    edge = { .events = EPOLLIN | EPOLLET };
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN | EPOLLONESHOT);

	own_arrives(fd, &f, "0123456789", 10);
	see_event(t, "fires", ep, 0);
	own_arrives(fd, &f, "0123456789", 10);
	see_event(t, "is spent", ep, A_WHILE);
	ours_read(fd, bytes, 5);
	for (int i = 0; i < 3; i++) {
		want_eq(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &once), 0);
		see_event(t, "armed, data left", ep, 0);
		see_event(t, "spent again", ep, 0);
	}
	want_eq(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &edge), 0);
	see_event(t, "an edge by MOD", ep, 0);
	see_event(t, "no second", ep, 0);
	ours_read(fd, bytes, 10);
	ours_read(fd, bytes, 5);
	want_eq(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &once), 0);
	see_event(t, "armed, nothing left", ep, A_WHILE);
	own_arrives(fd, &f, "x", 1);
	see_event(t, "fires for the next", ep, WORLD_PATIENCE_MS);
	ours_read(fd, bytes, 1);
	(void)close(ep);
	see_ends(t, fd, &f);
}

/* --- records that hold no data --------------------------------------------------------- */
/* Records of the other end that no program may notice. TCP has none. */
static void
far_tickets(struct far *f)
{
	if (!far_is_tls(f) || !SSL_is_server(f->tls.ssl))
		return;
	for (int i = 0; i < 3; i++)
		want_eq(SSL_new_session_ticket(f->tls.ssl), 1);
	want_eq(SSL_do_handshake(f->tls.ssl), 1);
}

static void
far_key_update(struct far *f)
{
	if (!far_is_tls(f))
		return;
	want_eq(SSL_key_update(f->tls.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	want_eq(SSL_do_handshake(f->tls.ssl), 1);
}

static void (*const silent_records[])(struct far *) = { far_tickets, far_key_update };

static void
see_silence(struct trial *t, int fd, struct far *f, void (*record)(struct far *))
{
	int level = watch(fd, EPOLLIN | EPOLLRDHUP);
	int edge = watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	char c;

	see_event(t, "idle", level, A_WHILE);
	record(f);
	see_event(t, "level", level, A_WHILE);
	see_event(t, "edge", edge, 0);
	see_mask(t, "poll", (unsigned int)ours_poll(fd, ALL, 0));
	see(t, "FIONREAD", own_waiting(fd));
	see_call(t, "recv", recv(fd, &c, 1, MSG_DONTWAIT));
	see_talk(t, fd, f);
	(void)close(level);
	(void)close(edge);
}

CASE(sk_69_tickets_are_no_readiness)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	for (int i = 0; i < 2; i++)
		see_silence(t, fd, &f, far_tickets);
	see_ends(t, fd, &f);
}

CASE(sk_70_a_key_update_is_no_readiness)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);

	for (int i = 0; i < 2; i++)
		see_silence(t, fd, &f, far_key_update);
	see_ends(t, fd, &f);
}

/* A program as nc is: blocking descriptors, select() and then read(). One that
 * select() reports without data is a read() that never returns. */
struct relayer {
	int	fd, side;
	size_t	read, said;
	int	empty;
};

static void *
select_and_read(void *arg)
{
	struct relayer *r = arg;
	char bytes[1000];
	ssize_t n = 1;

	while (n > 0) {
		fd_set set;
		int most = r->fd > r->side ? r->fd : r->side;

		FD_ZERO(&set);
		FD_SET(r->fd, &set);
		FD_SET(r->side, &set);
		want(select(most + 1, &set, NULL, NULL, NULL) > 0);
		if (FD_ISSET(r->fd, &set)) {
			n = read(r->fd, bytes, sizeof(bytes));
			r->read += n > 0 ? (size_t)n : 0;
		}
		if (FD_ISSET(r->side, &set)) {
			want_eq(read(r->side, bytes, 1), 1);
			ours_write(r->fd, bytes, 1);
			r->said++;
		}
	}
	r->empty = n == 0;
	return NULL;
}

CASE(sk_69_a_blocking_program_that_selects_and_reads_does_not_hang)
{
	struct far f;
	struct relayer r = { .fd = own_pair(t, &f, NULL) };
	pthread_t thread;
	int p[2];
	char c;

	want_eq(pipe(p), 0);
	r.side = p[0];
	want_eq(pthread_create(&thread, NULL, select_and_read, &r), 0);
	for (int i = 0; i < 6; i++) {
		silent_records[i % 2](&f);
		/* While it hangs in read() it does not serve its other one. */
		want_eq(write(p[1], "0123456789" + i, 1), 1);
		far_read_all(&f, &c, 1);
		see(t, "served", c);
		far_write(&f, "data", 4);
	}
	far_end(&f);
	want_eq(pthread_join(thread, NULL), 0);
	see(t, "read", (long long)r.read);
	see(t, "said", (long long)r.said);
	see(t, "a clean end", r.empty);
	want_eq(shutdown(r.fd, SHUT_WR), 0);
	see_far_rest(t, "the other's rest", &f);
	(void)close(r.fd);
	(void)close(p[0]);
	(void)close(p[1]);
	far_close(&f);
}

/* What the relay has computed so far, in microseconds; 0 on TCP. */
static long long
relay_time(struct trial *t, int fd)
{
	pid_t keeper, relay;
	clockid_t clock;
	struct timespec used;

	if (t->mode == MODE_TCP)
		return 0;
	want_eq(world_pair(fd, &keeper, &relay), 0);
	want_eq(clock_getcpuclockid(relay, &clock), 0);
	want_eq(clock_gettime(clock, &used), 0);
	return used.tv_sec * 1000000LL + used.tv_nsec / 1000;
}

/* One that spins gets at least a little of a busy machine each time. */
static int
relay_rests(struct trial *t, int fd)
{
	for (int i = 0; i < 5; i++) {
		long long used = relay_time(t, fd);

		want_eq(ours_poll(fd, POLLIN, A_WHILE), 0);
		if (relay_time(t, fd) - used < 1000)
			return 1;
	}
	return 0;
}

CASE(sk_71_half_a_record_is_no_readiness_and_costs_nothing)
{
	enum { LEN = 1000 };
	static char bytes[LEN], wire[LEN + 100];
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN | EPOLLET);
	size_t n = 0;

	fill(bytes, LEN, 71);
	if (far_is_tls(&f))
		n = peer_record(&f.tls, bytes, LEN, wire, sizeof(wire));
	/* Its first byte, its head, half of it, all but the last byte. */
	for (size_t i = 0, at = 0, to; i < 4; i++, at = to) {
		to = n == 0 ? 0 : (size_t[]){ 1, 5, n / 2, n - 1 }[i];
		want_eq(send(f.fd, wire + at, to - at, MSG_NOSIGNAL), to - at);
		see_event(t, "a part", ep, A_WHILE);
		see_mask(t, "poll", (unsigned int)ours_poll(fd, ALL, 0));
		see(t, "nobody spins", relay_rests(t, fd));
		see(t, "FIONREAD", own_waiting(fd));
	}
	if (n > 0)
		want_eq(send(f.fd, wire + n - 1, 1, MSG_NOSIGNAL), 1);
	else
		far_write(&f, bytes, LEN);
	see_event(t, "whole", ep, WORLD_PATIENCE_MS);
	memset(bytes, 0, LEN);
	ours_read(fd, bytes, LEN);
	see_bytes(t, "read", bytes, LEN);
	(void)close(ep);
	see_talk(t, fd, &f);
	see_ends(t, fd, &f);
}

/* One arrival, one event of the relay's socket, and more records than the relay
 * takes in one turn. */
CASE(sk_71_many_records_in_one_segment_are_all_readable)
{
	enum { MANY = 300 };
	static char bytes[MANY], wire[MANY * 60];
	struct far f;
	int fd = own_pair(t, &f, NULL);
	size_t n = 0;

	fill(bytes, MANY, 72);
	if (far_is_tls(&f)) {
		for (size_t i = 0; i < MANY; i++)
			n += peer_record(&f.tls, bytes + i, 1, wire + n, sizeof(wire) - n);
		want_eq(send(f.fd, wire, n, MSG_NOSIGNAL), n);
	} else {
		far_write(&f, bytes, MANY);
	}
	want_soon(own_waiting(fd) == MANY);
	memset(bytes, 0, MANY);
	ours_read(fd, bytes, MANY);
	see_bytes(t, "read", bytes, MANY);
	see_talk(t, fd, &f);
	see_ends(t, fd, &f);
}

/* --- bounds, ends ----------------------------------------------------------------------- */
CASE(sk_72_a_low_water_mark)
{
	static char bytes[1000];
	struct far f;
	int mark = 100, fd = own_pair(t, &f, NULL);

	see_call(t, "set", setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)));
	see(t, "get", ours_get_int(fd, SOL_SOCKET, SO_RCVLOWAT));
	own_arrives(fd, &f, bytes, 10);
	see_mask(t, "below the mark", (unsigned int)ours_poll(fd, ALL, 0));
	own_arrives(fd, &f, bytes, 90);
	see_mask(t, "at the mark", (unsigned int)own_await(fd, POLLIN));
	see_call(t, "read", read(fd, bytes, sizeof(bytes)));
	mark = 1;
	see_call(t, "as before", setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark,
	    sizeof(mark)));
	own_arrives(fd, &f, bytes, 1);
	see_mask(t, "one byte", (unsigned int)own_await(fd, POLLIN));
	ours_read(fd, bytes, 1);
	see_ends(t, fd, &f);
}

static void
the_others_end_first(struct trial *t)
{
	char bytes[10];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	see_mask(t, "open", (unsigned int)ours_poll(fd, ALL, 0));
	far_write(&f, "0123456789", 10);
	far_end(&f);
	(void)own_await(fd, POLLRDHUP);
	see_mask(t, "the other's end, unread data", (unsigned int)ours_poll(fd, ALL, 0));
	see_mask(t, "who did not ask for it", (unsigned int)ours_poll(fd, POLLIN, 0));
	see(t, "left", own_waiting(fd));
	ours_read(fd, bytes, 10);
	see_mask(t, "and nothing left", (unsigned int)ours_poll(fd, ALL, 0));
	see_call(t, "read", read(fd, bytes, 1));
	ours_write(fd, "still", 5);
	far_read_all(&f, bytes, 5);
	see_bytes(t, "half open", bytes, 5);
	want_eq(shutdown(fd, SHUT_WR), 0);
	(void)own_await(fd, POLLHUP);
	see_far_rest(t, "the other's rest", &f);
	see_mask(t, "both ends", (unsigned int)own_await(fd, ALL) & ~(unsigned int)POLLHUP);
	want_soon((ours_poll(fd, ALL, 0) & POLLHUP) != 0);
	see_mask(t, "hung up", (unsigned int)ours_poll(fd, ALL, 0));
	see_call(t, "read at last", read(fd, bytes, 1));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	(void)close(fd);
	far_close(&f);
}

/* Our end is close_notify and FIN, at once, and the other may go on for long. */
static void
our_end_first(struct trial *t)
{
	char bytes[10];
	struct far f;
	int fd = own_pair(t, &f, NULL);

	ours_write(fd, "request", 7);
	want_eq(shutdown(fd, SHUT_WR), 0);
	see_mask(t, "our end", (unsigned int)ours_poll(fd, ALL, 0));
	see_far_rest(t, "request", &f);
	see_call(t, "and FIN", recv(f.fd, bytes, 1, 0));
	far_write(&f, "answer", 6);
	ours_read(fd, bytes, 6);
	see_bytes(t, "answer", bytes, 6);
	see_mask(t, "still open", (unsigned int)ours_poll(fd, ALL, 0));
	far_end(&f);
	want_soon((ours_poll(fd, ALL, 0) & POLLHUP) != 0);
	see_mask(t, "both ends", (unsigned int)ours_poll(fd, ALL, 0));
	see_call(t, "read", read(fd, bytes, 1));
	(void)close(fd);
	far_close(&f);
}

CASE(sk_73_the_ends_show_one_after_the_other)
{
	the_others_end_first(t);
	our_end_first(t);
}

CASE(sk_74_epoll_reports_a_duplicate_after_the_original_is_closed)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN), copy = dup(fd);
	char c;

	see_call(t, "close", close(fd));
	own_arrives(copy, &f, "x", 1);
	see_event(t, "still reported", ep, 0);
	see_call(t, "under its own number", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e));
	see_call(t, "the copy is new", epoll_ctl(ep, EPOLL_CTL_ADD, copy, &e));
	see(t, "both", epoll_wait(ep, (struct epoll_event[2]){ { 0 } }, 2, 0));
	ours_read(copy, &c, 1);
	see_event(t, "drained", ep, 0);
	fd = dup2(copy, fd);
	see_call(t, "close", close(copy));
	own_arrives(fd, &f, "y", 1);
	see(t, "and again", epoll_wait(ep, (struct epoll_event[2]){ { 0 } }, 2, 0));
	ours_read(fd, &c, 1);
	(void)close(ep);
	see_talk(t, fd, &f);
	see_ends(t, fd, &f);
}

/* --- many descriptors, and masks ----------------------------------------------------------- */
static void
mixed_descriptors(struct trial *t)
{
	struct far f;
	int fd = own_pair(t, &f, NULL), other = own_socket(t, t->family, 0), p[2], s[2];
	struct pollfd all[6];
	char c;

	want_eq(pipe(p), 0);
	want_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	all[0] = (struct pollfd){ .fd = fd, .events = ALL };
	all[1] = (struct pollfd){ .fd = p[0], .events = POLLIN };
	all[2] = (struct pollfd){ .fd = s[0], .events = POLLIN };
	all[3] = (struct pollfd){ .fd = other, .events = ALL };
	all[4] = (struct pollfd){ .fd = -1, .events = ALL };
	all[5] = (struct pollfd){ .fd = 1000000, .events = ALL };
	for (int step = 0; step < 4; step++) {
		if (step == 1)
			want_eq(write(p[1], "p", 1), 1);
		if (step == 2)
			own_arrives(fd, &f, "x", 1);
		if (step == 3)
			want_eq(write(s[1], "s", 1), 1);
		see(t, "poll", poll(all, 6, 0));
		for (int i = 0; i < 6; i++)
			see_mask(t, "events", (unsigned int)all[i].revents);
	}
	ours_read(fd, &c, 1);
	for (int i = 0; i < 2; i++) {
		(void)close(p[i]);
		(void)close(s[i]);
	}
	(void)close(other);
	see_ends(t, fd, &f);
}

static volatile sig_atomic_t caught;

static void
catch(int sig)
{
	(void)sig;
	caught++;
}

/* A signal that is pending and blocked is taken by the wait, and by it alone. */
static void
masks(struct trial *t)
{
	struct sigaction act = { .sa_handler = catch };
	struct timespec none = { 0 }, late = { .tv_sec = 30 };
	struct epoll_event e;
	struct far f;
	int fd = own_pair(t, &f, NULL), ep = watch(fd, EPOLLIN);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t usr1, empty;
	fd_set set;

	(void)sigemptyset(&empty);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	want_eq(sigaction(SIGUSR1, &act, NULL), 0);
	want_eq(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	for (int round = 0; round < 2; round++) {
		for (int call = 0; call < 4; call++) {
			caught = 0;
			FD_ZERO(&set);
			FD_SET(fd, &set);
			want_eq(pthread_kill(pthread_self(), SIGUSR1), 0);
			see_call(t, "blocked", poll(&p, 1, 0));
			see(t, "not caught", caught);
			if (call == 0)
				see_call(t, "ppoll", ppoll(&p, 1, &late, &empty));
			else if (call == 1)
				see_call(t, "pselect", pselect(fd + 1, &set, NULL,
				    NULL, &late, &empty));
			else if (call == 2)
				see_call(t, "epoll_pwait", epoll_pwait(ep, &e, 1,
				    30000, &empty));
			else
				see_call(t, "epoll_pwait2", epoll_pwait2(ep, &e, 1,
				    &late, &empty));
			see(t, "caught", caught);
			/* Where there was data the call did not take it. */
			(void)ppoll(NULL, 0, &none, &empty);
		}
		if (round == 0)
			own_arrives(fd, &f, "x", 1);
	}
	ours_read(fd, &(char){ 0 }, 1);
	(void)close(ep);
	see_ends(t, fd, &f);
}

/* TLS has no urgent data: no POLLPRI. From a socket of ours such a byte goes with
 * the rest; one that somebody else puts on the wire is not in the stream. */
static void
urgent_bytes(struct trial *t)
{
	struct far f;
	int fd = own_pair(t, &f, NULL);
	char text[5];
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	want_eq(send(f.fd, "!", 1, MSG_OOB), 1);
	far_write(&f, "data", 4);
	(void)own_await(fd, POLLIN);
	see_mask(t, "urgent, poll", (unsigned int)ours_poll(fd, ALL, 0));
	see(t, "urgent, select", select(fd + 1, NULL, NULL, &set, &(struct timeval){ 0 }));
	ours_read(fd, text, 4);
	see(t, "urgent, in the stream", text[0] == '!');
	if (text[0] == '!')
		ours_read(fd, text + 4, 1);
	see_bytes(t, "data", text + (text[0] == '!'), 4);
	see_ends(t, fd, &f);
}

CASE(sk_75_mixed_descriptors_and_masks_and_no_urgent_bytes)
{
	mixed_descriptors(t);
	masks(t);
	urgent_bytes(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_66_readable_until_the_last_byte_is_read),
		cmocka_unit_test(sk_67_an_edge_for_each_arrival_and_none_for_a_read),
		cmocka_unit_test(sk_68_oneshot_fires_again_when_it_is_armed_again),
		cmocka_unit_test(sk_69_tickets_are_no_readiness),
		cmocka_unit_test(
		    sk_69_a_blocking_program_that_selects_and_reads_does_not_hang),
		cmocka_unit_test(sk_70_a_key_update_is_no_readiness),
		cmocka_unit_test(sk_71_half_a_record_is_no_readiness_and_costs_nothing),
		cmocka_unit_test(sk_71_many_records_in_one_segment_are_all_readable),
		cmocka_unit_test(sk_72_a_low_water_mark),
		cmocka_unit_test(sk_73_the_ends_show_one_after_the_other),
		cmocka_unit_test(
		    sk_74_epoll_reports_a_duplicate_after_the_original_is_closed),
		cmocka_unit_test(
		    sk_75_mixed_descriptors_and_masks_and_no_urgent_bytes),
	};

	world_begin();
	return world_end(tests);
}
