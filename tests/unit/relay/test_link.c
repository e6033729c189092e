/* SPDX-License-Identifier: ISC */
/* The kernel's side of a link: masks, the gate, the seed, the queue. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"
#include "relay/link.h"

#define QUEUE	600	/* more than are thrown out at once */

#define ALL	(POLLIN | POLLOUT | POLLRDHUP)

static struct {
	char		door[16];
	int		listening[2];
	struct sst_link	link;
	uint8_t		scratch[65536];
	size_t		junk;		/* of the gate that was shut last */
} w;

static int
listen_as(char which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, w.door, which);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, QUEUE), 0);
	return fd;
}

static int
world_make(void **state)
{
	(void)state;
	assert_int_equal(sst_wire_door_random(w.door), 0);
	w.listening[0] = listen_as('c');
	w.listening[1] = listen_as('l');
	return sst_link_init(&w.link, w.listening[0], w.listening[1], w.door);
}

static int
world_free(void **state)
{
	(void)state;
	sst_link_done(&w.link);
	(void)close(w.listening[0]);
	(void)close(w.listening[1]);
	return 0;
}

static int
stream(int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	assert_true(fd >= 0);
	sst_link_buffer(fd);
	return fd;
}

static int
mask(int fd)
{
	struct pollfd p = { .fd = fd, .events = ALL };

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int
readable_bytes(int fd)
{
	int n = -1;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

static void
open_gate(int end, const char *want, size_t want_len)
{
	uint8_t *early = NULL;
	size_t len = 0;

	assert_int_equal(sst_link_open(&w.link, end, w.junk, w.scratch,
	    sizeof(w.scratch), &early, &len), 0);
	assert_int_equal(len, want_len);
	if (want_len > 0)
		assert_memory_equal(early, want, len);
	free(early);
	assert_int_equal(readable_bytes(end), 1);
}

static void
a_link_is_writable_and_a_shut_gate_is_not(void **state)
{
	int app = stream(SOCK_NONBLOCK), end = -1;
	char c;

	(void)state;
	assert_int_equal(mask(app), POLLOUT | POLLHUP);
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(readable_bytes(end), 1);
	assert_int_equal(mask(app), POLLOUT);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	assert_int_equal(mask(app), 0);
	assert_int_equal(send(app, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(recv(app, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	open_gate(end, NULL, 0);
	assert_int_equal(mask(app), POLLOUT);
	assert_int_equal(send(app, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(readable_bytes(end), 2);
	(void)close(app);
	(void)close(end);
}

static void
closing_a_gated_descriptor_is_seen_at_once(void **state)
{
	int app = stream(SOCK_NONBLOCK), end = -1;

	(void)state;
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	assert_int_equal(mask(end) & POLLHUP, 0);
	(void)close(app);
	assert_int_equal(mask(end) & POLLHUP, POLLHUP);
	(void)close(end);
}

static void
sk_23_a_refused_link_has_the_mask_of_a_refused_connect(void **state)
{
	int app = stream(SOCK_NONBLOCK), end = -1;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)state;
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	(void)close(end);
	assert_int_equal(mask(app), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	assert_int_equal(getsockopt(app, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, ECONNRESET);
	(void)close(app);
}

/* What a thread wrote around the junk arrives, in order, and nothing else. */
static void
bytes_between_link_and_gate_are_kept(void **state)
{
	int app = stream(SOCK_NONBLOCK), end = -1;

	(void)state;
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(send(app, "early", 5, 0), 5);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	assert_int_equal(mask(app), 0);
	open_gate(end, "early", 5);
	(void)close(app);
	(void)close(end);
}

static void *
writer(void *arg)
{
	static char bytes[300000];

	memset(bytes, 'w', sizeof(bytes));
	assert_int_equal(send(*(int *)arg, bytes, sizeof(bytes), MSG_NOSIGNAL),
	    sizeof(bytes));
	return NULL;
}

static void
sk_27_a_blocked_writer_sleeps_until_the_gate_opens(void **state)
{
	int app = stream(0), end = -1;
	size_t got = 0;
	pthread_t t;
	ssize_t n, from = 1;	/* the spent byte is the queue's first */

	(void)state;
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	assert_int_equal(pthread_create(&t, NULL, writer, &app), 0);
	uint8_t *early = NULL;
	size_t early_len = 0;
	assert_int_equal(sst_link_open(&w.link, end, w.junk, w.scratch,
	    sizeof(w.scratch), &early, &early_len), 0);
	got = early_len;
	free(early);
	while (got < 300000) {
		n = recv(end, w.scratch, sizeof(w.scratch), 0);
		assert_true(n > 0);
		for (ssize_t i = from; i < n; i++)
			assert_int_equal(w.scratch[i], 'w');
		got += (size_t)(n - from);
		from = 0;
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(got, 300000);
	(void)close(app);
	(void)close(end);
}

static void
narrow_gate(int app, int *ret_end)
{
	assert_int_equal(mask(app), POLLOUT | POLLHUP);
	assert_int_equal(sst_link_join_narrow(&w.link, app, ret_end, &w.junk), 1);
	assert_int_equal(mask(app), 0);
	assert_int_equal(send(app, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(recv(app, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* What stays behind is a seed, not a page for as long as nobody writes. */
static void
a_narrow_gate_opens_and_leaves_no_more_than_a_seed(void **state)
{
	int app = stream(0), plain = stream(0), end = -1, other = -1;
	int before = 0, after = 0, size = 0;
	socklen_t len = sizeof(size);

	(void)state;
	assert_int_equal(sst_link_join(&w.link, plain, SST_LINK_CONNECT, &other), 0);
	narrow_gate(app, &end);
	assert_int_equal(sst_link_open_narrow(app, end, w.junk, SST_LINK_SNDBUF,
	    w.scratch), 0);
	assert_int_equal(mask(app), POLLOUT);
	assert_int_equal(readable_bytes(end), 1);
	assert_int_equal(ioctl(app, SIOCOUTQ, &after), 0);
	assert_int_equal(ioctl(plain, SIOCOUTQ, &before), 0);
	assert_int_equal(after, before);
	assert_int_equal(getsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	assert_int_equal(size, 2 * SST_LINK_SNDBUF);
	assert_int_equal(send(app, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(end, w.scratch, sizeof(w.scratch), 0), 2);
	assert_int_equal(w.scratch[1], 'x');
	(void)close(plain);
	(void)close(other);
	(void)close(app);
	(void)close(end);
}

static void
sk_27_a_blocked_writer_sleeps_until_a_narrow_gate_opens(void **state)
{
	int app = stream(0), end = -1;
	size_t got = 0;
	ssize_t n, from = 1;	/* the spent byte */
	pthread_t t;

	(void)state;
	narrow_gate(app, &end);
	assert_int_equal(pthread_create(&t, NULL, writer, &app), 0);
	assert_int_equal(readable_bytes(end), w.junk + 1);
	assert_int_equal(sst_link_open_narrow(app, end, w.junk, SST_LINK_SNDBUF,
	    w.scratch), 0);
	for (; got < 300000; got += (size_t)(n - from), from = 0) {
		n = recv(end, w.scratch, sizeof(w.scratch), 0);
		assert_true(n > 0);
		for (ssize_t i = from; i < n; i++)
			assert_int_equal(w.scratch[i], 'w');
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(got, 300000);
	(void)close(app);
	(void)close(end);
}

/* An edge would be a moment in which it was. */
static void
a_narrow_gate_becomes_a_wide_one_and_is_never_open(void **state)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int app = stream(0), end = -1, ep = epoll_create1(EPOLL_CLOEXEC);
	int size = 0, queued = 0;
	socklen_t len = sizeof(size);

	(void)state;
	narrow_gate(app, &end);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, app, &e), 0);
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
	assert_int_equal(sst_link_widen(&w.link, app, end, SST_LINK_SNDBUF, w.scratch,
	    &w.junk), 0);
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 0);
	assert_int_equal(mask(app), 0);
	assert_int_equal(getsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	assert_int_equal(size, 2 * SST_LINK_SNDBUF);
	assert_int_equal(ioctl(app, SIOCOUTQ, &queued), 0);
	assert_true(queued >= size);
	/* As any other: nobody needs the descriptor to open it. */
	open_gate(end, NULL, 0);
	assert_int_equal(epoll_wait(ep, &e, 1, 0), 1);
	assert_int_equal(mask(app), POLLOUT);
	assert_int_equal(mask(end) & POLLHUP, 0);
	(void)close(app);
	assert_int_equal(mask(end) & POLLHUP, POLLHUP);
	(void)close(ep);
	(void)close(end);
}

/* In every state of the program's end: a relay that dies is a reset. */
static void
a_relay_that_dies_is_a_reset_and_never_an_end(void **state)
{
	char buf[8];

	(void)state;
	for (int st = 0; st < 4; st++) {
		int app = stream(0), end = -1;

		assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
		if (st == 1 || st == 3)
			assert_int_equal(send(app, "hello", 5, 0), 5);
		if (st >= 2)
			assert_int_equal(shutdown(app, SHUT_WR), 0);
		assert_int_equal(send(end, "data", 4, 0), 4);
		/* All but the spent byte was forwarded. */
		if (st == 1 || st == 3)
			assert_int_equal(recv(end, w.scratch, 5, 0), 5);
		(void)close(end);
		assert_int_equal(recv(app, buf, sizeof(buf), 0), 4);
		assert_int_equal(recv(app, buf, sizeof(buf), 0), -1);
		assert_int_equal(errno, ECONNRESET);
		(void)close(app);
	}
}

static void
a_listener_is_never_writable_and_takes_records(void **state)
{
	const struct sst_wire_accepted a = { .magic = SST_WIRE_MAGIC };
	int app = stream(0), end = -1;
	char buf[200];
	int before = 0, after = 0;

	(void)state;
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_LISTEN, &end), 0);
	assert_int_equal(sst_link_quiet(&w.link, app), 0);
	assert_int_equal(mask(app), 0);
	assert_int_equal(ioctl(end, SIOCOUTQ, &before), 0);
	assert_int_equal(sst_link_give(end, &a, end), 0);
	assert_int_equal(ioctl(end, SIOCOUTQ, &after), 0);
	assert_int_equal(after - before, sst_link_give_cost());
	assert_int_equal(mask(app), POLLIN);
	assert_int_equal(recv(app, buf, sizeof(buf), 0), sizeof(a));
	assert_int_equal(mask(app), 0);
	(void)close(app);
	(void)close(end);
}

static void
strangers_on_the_linking_socket_are_closed_and_in_nobodys_way(void **state)
{
	int app = stream(SOCK_NONBLOCK), end = -1;
	int status, full[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(full), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd, first = -1, n = 0;

		/* The whole queue; the first stays until it is thrown out. */
		while ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) >= 0 &&
		    connect(fd, (struct sockaddr *)&w.link.addr[0], w.link.len[0]) == 0)
			first = n++ == 0 ? fd : first;
		if (n == 0 || write(full[1], "", 1) != 1)
			_exit(1);
		(void)poll(&(struct pollfd){ .fd = first, .events = POLLIN }, 1, 5000);
		_exit(recv(first, &c, 1, MSG_DONTWAIT) == 0 ? 0 : 2);
	}
	assert_int_equal(read(full[0], &c, 1), 1);
	(void)close(full[0]);
	(void)close(full[1]);
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(send(app, "mine", 4, 0), 4);
	assert_int_equal(recv(end, w.scratch, sizeof(w.scratch), 0), 5);
	assert_memory_equal(w.scratch + 1, "mine", 4);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(app);
	(void)close(end);
}

static void
a_crowd_of_strangers_is_thrown_out_in_parts(void **state)
{
	enum { STRANGERS = QUEUE - 100 };
	pid_t pid = fork();
	int status, fd, left = 0;

	(void)state;
	assert_true(pid >= 0);
	for (int i = 0; pid == 0 && i < STRANGERS; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd, (struct sockaddr *)&w.link.addr[0], w.link.len[0]) < 0)
			_exit(1);
		(void)close(fd);
	}
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sst_link_expel(&w.link, SST_LINK_CONNECT);
	while ((fd = accept4(w.link.listening[0], NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		(void)close(fd);
		left++;
	}
	assert_in_range(left, 1, STRANGERS - 1);
}

/* They come faster than they can be thrown out. */
static void
strangers_without_end_do_not_hold_a_join_up(void **state)
{
	enum { STRANGERS = 16, JOINS = 20 };
	pid_t pids[STRANGERS];
	int end;

	(void)state;
	for (int i = 0; i < STRANGERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd; pids[i] == 0; (void)close(fd)) {
			fd = socket(AF_UNIX, SOCK_STREAM, 0);
			(void)connect(fd, (struct sockaddr *)&w.link.addr[0],
			    w.link.len[0]);
		}
	}
	/* Until the queue is full, and all of them wait at it. */
	for (int probe, full = 0; !full; (void)close(probe)) {
		probe = stream(SOCK_NONBLOCK);
		full = connect(probe, (struct sockaddr *)&w.link.addr[0],
		    w.link.len[0]) < 0 && errno == EAGAIN;
	}
	(void)alarm(60);	/* instead of for ever */
	for (int i = 0; i < JOINS; i++) {
		int app = stream(i % 2 == 0 ? SOCK_NONBLOCK : 0);

		end = -1;
		assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
		assert_int_equal(send(app, "x", 1, MSG_DONTWAIT), 1);
		(void)close(app);
		(void)close(end);
		sst_link_expel(&w.link, SST_LINK_CONNECT);
	}
	(void)alarm(0);
	for (int i = 0; i < STRANGERS; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	/* What they left is no end of ours. */
	for (int i = 0; i < 100; i++)
		sst_link_expel(&w.link, SST_LINK_CONNECT);
}

/* The next join must not be given the end of one that failed after it connected:
 * what one socket sends would leave through another's connection. */
static void
an_end_that_could_not_be_taken_is_nobodys(void **state)
{
	struct rlimit limit, tight;
	int lost = stream(SOCK_NONBLOCK), app = stream(SOCK_NONBLOCK), end = -1;
	char got[2];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)app + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(sst_link_join(&w.link, lost, SST_LINK_CONNECT, &end), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(send(app, "a", 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(end, got, 2, MSG_DONTWAIT), 2);
	assert_int_equal(got[1], 'a');
	(void)close(lost);
	(void)close(app);
	(void)close(end);
}

/* `most`: descriptors that it finds. */
static int
give_cost_among(int most)
{
	struct rlimit limit, tight;
	int fds[3], cost, saved;

	for (int i = 0; i < 3; i++)
		fds[i] = stream(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)fds[2] + 1;
	for (int i = 0; i < most; i++)
		(void)close(fds[2 - i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	errno = 0;
	cost = sst_link_give_cost();
	saved = errno;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* All are free again that were. */
	for (int i = most - 1; i >= 0; i--)
		assert_int_equal(stream(0), fds[2 - i]);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	errno = saved;
	return cost;
}

static void
what_a_record_costs_needs_three_descriptors_and_keeps_none(void **state)
{
	(void)state;
	assert_true(give_cost_among(3) > 0);
	for (int most = 0; most < 3; most++) {
		assert_int_equal(give_cost_among(most), -1);
		assert_int_equal(errno, EMFILE);
	}
}

static void
a_name_is_free_when_its_descriptor_is_closed(void **state)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_ACCEPTED, .family = AF_INET,
	    .serial = 77 };
	struct sockaddr_un addr;
	socklen_t len;
	int app, end;

	(void)state;
	memcpy(name.door, w.door, sizeof(name.door));
	name.local.v4.sin_family = name.peer.v4.sin_family = AF_INET;
	len = sst_sockname_encode(&name, &addr);
	assert_int_equal(sst_link_pair(&name, &app, &end), 0);
	assert_int_equal(sst_link_name_free(&addr, len), 0);
	assert_int_equal(readable_bytes(end), 1);
	(void)close(app);
	assert_int_equal(sst_link_name_free(&addr, len), 1);
	(void)close(end);
}

/* Bytes of memory behind the gates. Programs get these very pages: they must not be able
 * to change them. */
static off_t
junk_memory(void)
{
	struct stat st;

	if (w.link.junk < 0)
		return 0;
	assert_int_equal(fcntl(w.link.junk, F_GET_SEALS),
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_int_equal(fstat(w.link.junk, &st), 0);
	assert_int_equal(st.st_size, (off_t)w.link.junk_len);
	return st.st_blocks * 512;
}

/* The first: what a relay starts with. Each page that is touched costs a start its time. */
static void
the_memory_of_gates_is_made_when_it_is_needed_and_once(void **state)
{
	int app[3], end[3], first;

	(void)state;
	assert_int_equal(junk_memory(), 0);
	for (int i = 0; i < 3; i++) {
		app[i] = stream(SOCK_NONBLOCK);
		assert_int_equal(sst_link_join(&w.link, app[i], i == 0 ?
		    SST_LINK_LISTEN : SST_LINK_CONNECT, &end[i]), 0);
	}
	assert_int_equal(sst_link_quiet(&w.link, app[0]), 0);
	assert_int_equal(mask(app[0]) & POLLOUT, 0);
	assert_in_range(junk_memory(), 1, 65536);
	assert_int_equal(sst_link_gate(&w.link, app[1], &w.junk), 0);
	assert_true(junk_memory() > 65536);
	open_gate(end[1], NULL, 0);
	first = w.link.junk;
	assert_int_equal(sst_link_gate(&w.link, app[2], &w.junk), 0);
	assert_int_equal(w.link.junk, first);
	open_gate(end[2], NULL, 0);
	for (int i = 0; i < 3; i++) {
		(void)close(app[i]);
		(void)close(end[i]);
	}
}

/* 200 gates: the pages are shared, so memory does not follow the books. */
static void
gates_cost_little_memory(void **state)
{
	enum { N = 200 };
	int app[N], end[N];
	int outq = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		app[i] = stream(SOCK_NONBLOCK);
		assert_int_equal(sst_link_join(&w.link, app[i], SST_LINK_CONNECT,
		    &end[i]), 0);
		assert_int_equal(sst_link_gate(&w.link, app[i], &w.junk), 0);
	}
	assert_int_equal(ioctl(app[N - 1], SIOCOUTQ, &outq), 0);
	assert_true(outq > 400000);
	for (int i = 0; i < N; i++) {
		open_gate(end[i], NULL, 0);
		(void)close(app[i]);
		(void)close(end[i]);
	}
}

/* Opens a gate with a scratch that is full of `c`; whether junk was copied there. */
static int
copies(char c)
{
	int app = stream(SOCK_NONBLOCK), end = -1;
	int copied = 0;

	assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end), 0);
	assert_int_equal(sst_link_gate(&w.link, app, &w.junk), 0);
	memset(w.scratch, c, sizeof(w.scratch));
	open_gate(end, NULL, 0);
	for (size_t i = 0; i < sizeof(w.scratch); i++)
		copied |= w.scratch[i] != c;
	assert_int_equal(mask(app), POLLOUT);
	(void)close(app);
	(void)close(end);
	return copied;
}

static void
junk_is_copied_only_where_no_pipe_takes_it(void **state)
{
	const int null = w.link.null;
	int pipefd[2];
	char byte;

	(void)state;
	assert_false(copies('x'));
	assert_false(copies('x'));
	/* Nothing stays in the pipe. */
	assert_int_equal(read(w.link.drain[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	w.link.null = -1;
	assert_true(copies('x'));
	/* One that cannot be emptied is given up. */
	assert_int_equal(pipe2(pipefd, O_CLOEXEC | O_NONBLOCK), 0);
	(void)close(pipefd[0]);
	w.link.null = pipefd[1];
	(void)signal(SIGPIPE, SIG_IGN);
	assert_false(copies('x'));
	assert_int_equal(w.link.null, -1);
	assert_int_equal(w.link.drain[0], -1);
	assert_true(copies('x'));
	(void)close(null);
}

static void
a_blocking_descriptor_needs_one_timer_a_thread(void **state)
{
	int app, end = -1;

	(void)state;
	assert_int_equal(w.link.n_alarms, 0);
	for (int i = 0; i < 3; i++) {
		app = stream(i == 0 ? SOCK_NONBLOCK : 0);
		assert_int_equal(sst_link_join(&w.link, app, SST_LINK_CONNECT, &end),
		    0);
		assert_int_equal(w.link.n_alarms, i == 0 ? 0 : 1);
		(void)close(app);
		(void)close(end);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_memory_of_gates_is_made_when_it_is_needed_and_once),
		cmocka_unit_test(a_blocking_descriptor_needs_one_timer_a_thread),
		cmocka_unit_test(a_link_is_writable_and_a_shut_gate_is_not),
		cmocka_unit_test(closing_a_gated_descriptor_is_seen_at_once),
		cmocka_unit_test(sk_23_a_refused_link_has_the_mask_of_a_refused_connect),
		cmocka_unit_test(bytes_between_link_and_gate_are_kept),
		cmocka_unit_test(sk_27_a_blocked_writer_sleeps_until_the_gate_opens),
		cmocka_unit_test(a_narrow_gate_opens_and_leaves_no_more_than_a_seed),
		cmocka_unit_test(sk_27_a_blocked_writer_sleeps_until_a_narrow_gate_opens),
		cmocka_unit_test(a_narrow_gate_becomes_a_wide_one_and_is_never_open),
		cmocka_unit_test(a_relay_that_dies_is_a_reset_and_never_an_end),
		cmocka_unit_test(a_listener_is_never_writable_and_takes_records),
		cmocka_unit_test(
		    strangers_on_the_linking_socket_are_closed_and_in_nobodys_way),
		cmocka_unit_test(a_crowd_of_strangers_is_thrown_out_in_parts),
		cmocka_unit_test(strangers_without_end_do_not_hold_a_join_up),
		cmocka_unit_test(an_end_that_could_not_be_taken_is_nobodys),
		cmocka_unit_test(what_a_record_costs_needs_three_descriptors_and_keeps_none),
		cmocka_unit_test(a_name_is_free_when_its_descriptor_is_closed),
		cmocka_unit_test(gates_cost_little_memory),
		cmocka_unit_test(junk_is_copied_only_where_no_pipe_takes_it),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
