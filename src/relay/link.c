/* SPDX-License-Identifier: ISC */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"

#define PAGE		4096u
#define CHUNK		65536u		/* what sendfile() moves at once */
#define CHUNK_COST	(CHUNK + 2048u)	/* at most, on the sender's books */
#define JUNK_LEN	(16 * CHUNK)
#define DRAIN_LEN	(128 * PAGE)	/* a gate's junk, and some more */
#define STUCK_MS	50
#define EXPEL_MOST	256		/* strangers closed at once */
#define JOIN_TRIES	32
#define QUEUE_MOST	16384		/* twice what it can hold, and more */
#define DISCARD		16		/* pieces that are thrown away at once */

/* glibc 2.36 has no name for it. */
#ifndef sigev_notify_thread_id
#define THREAD_OF	_sigev_un._tid
#else
#define THREAD_OF	sigev_notify_thread_id
#endif

/* The memory behind every gate: pages that all start with the nonce. */
static int
make_junk(struct sst_link *link)
{
	uint8_t *map;
	int fd;

	if (getrandom(link->nonce, sizeof(link->nonce), 0) != sizeof(link->nonce))
		return -1;
	fd = memfd_create("gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	link->junk = fd;
	link->junk_len = JUNK_LEN;
	if (ftruncate(fd, JUNK_LEN) < 0)
		return -1;
	map = mmap(NULL, JUNK_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	for (size_t at = 0; at < JUNK_LEN; at += PAGE)
		memcpy(map + at, link->nonce, sizeof(link->nonce));
	(void)munmap(map, JUNK_LEN);
	return fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

static void
close_drain(struct sst_link *link)
{
	for (int i = 0; i < 2; i++)
		if (link->drain[i] >= 0)
			(void)close(link->drain[i]);
	if (link->null >= 0)
		(void)close(link->null);
	link->drain[0] = link->drain[1] = link->null = -1;
}

/* Without it junk is copied. */
static void
make_drain(struct sst_link *link)
{
	link->drain[0] = link->drain[1] = -1;
	link->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (link->null < 0 || pipe2(link->drain, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(link->drain[1], F_SETPIPE_SZ, DRAIN_LEN) < 0)
		close_drain(link);
}

static void
wake_up(int sig)
{
	(void)sig;
}

int
sst_link_init(struct sst_link *link, int link_connect, int link_listen,
    const char door[16])
{
	const struct sigaction act = { .sa_handler = wake_up };

	memset(link, 0, sizeof(*link));
	link->junk = -1;
	make_drain(link);
	link->listening[SST_LINK_CONNECT] = link_connect;
	link->listening[SST_LINK_LISTEN] = link_listen;
	link->len[SST_LINK_CONNECT] =
	    sst_wire_door(&link->addr[SST_LINK_CONNECT], door, 'c');
	link->len[SST_LINK_LISTEN] =
	    sst_wire_door(&link->addr[SST_LINK_LISTEN], door, 'l');
	for (int i = 0; i < 2; i++)
		if (fcntl(link->listening[i], F_SETFL, O_NONBLOCK) < 0)
			return -1;
	link->pid = getpid();
	if (sigaction(SIGALRM, &act, NULL) < 0)
		return -1;
	return make_junk(link);
}

void
sst_link_done(struct sst_link *link)
{
	while (link->n_alarms > 0)
		(void)timer_delete(link->alarms[--link->n_alarms].timer);
	close_drain(link);
	if (link->junk >= 0)
		(void)close(link->junk);
	link->junk = -1;
}

/* The next end in the queue of a linking socket that this process made. Strangers
 * before it are closed, `most` of them: they may come faster than they go. */
static int
take_own(const struct sst_link *link, enum sst_link_kind kind, int most)
{
	struct ucred cred;
	socklen_t len;
	int fd;

	while (most-- > 0) {
		fd = accept4(link->listening[kind], NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return -1;
		len = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
		    cred.pid == link->pid)
			return fd;
		(void)close(fd);
	}
	errno = EAGAIN;
	return -1;
}

void
sst_link_expel(struct sst_link *link, enum sst_link_kind kind)
{
	int fd;

	/* One of our own is what a join could not take: nobody waits for it. */
	fd = take_own(link, kind, EXPEL_MOST);
	if (fd >= 0)
		(void)close(fd);
}

/* This thread's timer, made when it is needed first. NULL with errno. */
static const timer_t *
own_timer(struct sst_link *link)
{
	struct sigevent here = { .sigev_notify = SIGEV_THREAD_ID,
	    .sigev_signo = SIGALRM };
	struct sst_link_alarm *a = link->alarms;

	for (int i = 0; i < link->n_alarms; i++, a++)
		if (pthread_equal(a->thread, pthread_self()))
			return &a->timer;
	if (link->n_alarms == SST_LINK_THREADS) {
		errno = EAGAIN;
		return NULL;
	}
	here.THREAD_OF = gettid();
	if (timer_create(CLOCK_MONOTONIC, &here, &a->timer) < 0)
		return NULL;
	a->thread = pthread_self();
	link->n_alarms++;
	return &a->timer;
}

/*
 * A call on a blocking descriptor of the program waits when somebody fills what it
 * needs in this very moment. A timer of this thread gets us out. *ret_timer: the
 * one that runs; NULL: no need. 0, or -1 with errno.
 */
static int
alarm_begin(struct sst_link *link, int app, const timer_t **ret_timer)
{
	const struct timespec stuck = { 0, STUCK_MS * 1000000 };
	const struct itimerspec soon = { stuck, stuck };
	int flags = fcntl(app, F_GETFL);

	*ret_timer = NULL;
	if (flags < 0)
		return -1;
	if ((flags & O_NONBLOCK) != 0)
		return 0;
	*ret_timer = own_timer(link);
	return *ret_timer == NULL ? -1 :
	    timer_settime(**ret_timer, 0, &soon, NULL);
}

static void
alarm_end(const timer_t *timer)
{
	const struct itimerspec never = { .it_value = { .tv_sec = 0 } };
	int saved = errno;

	if (timer != NULL)
		(void)timer_settime(*timer, 0, &never, NULL);
	errno = saved;
}

/* The queue may be full of strangers: room is made, and not for ever; where it
 * would be waited for, before. */
static int
connect_app(struct sst_link *link, int app, enum sst_link_kind kind)
{
	const timer_t *timer;
	int rc = -1;

	if (alarm_begin(link, app, &timer) < 0)
		return -1;
	for (int i = 0; i < JOIN_TRIES; i++) {
		if (i > 0 || timer != NULL)
			sst_link_expel(link, kind);
		rc = connect(app, (const struct sockaddr *)&link->addr[kind],
		    link->len[kind]);
		if (rc == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	alarm_end(timer);
	return rc;
}

/* Whether what is first in the queue of `end` is this seed. */
static int
begins_with(int end, uint8_t seed)
{
	uint8_t first;

	return recv(end, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == seed;
}

int
sst_link_join(struct sst_link *link, int app, enum sst_link_kind kind, int *ret_end)
{
	const uint8_t seed = ++link->turn;
	int end = -1;

	if (connect_app(link, app, kind) < 0 ||
	    send(app, &seed, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return -1;
	/* It is in the queue: so many are before it at most. An earlier one of ours
	 * whose end could not be taken (no descriptor was free) is not this one. */
	for (int i = 0; i < QUEUE_MOST; i++) {
		end = take_own(link, kind, QUEUE_MOST);
		if (end < 0 || begins_with(end, seed))
			break;
		(void)close(end);
		end = -1;
	}
	if (end < 0)
		return -1;
	*ret_end = end;
	return 0;
}

static ssize_t
send_junk(struct sst_link *link, int app, size_t len)
{
	const timer_t *timer;
	off_t at = 0;
	ssize_t n;

	if (alarm_begin(link, app, &timer) < 0)
		return -1;
	n = sendfile(app, link->junk, &at, len);
	alarm_end(timer);
	return n;
}

/* Bytes on the books of `app` as a sender; 0 when the kernel does not say. */
static size_t
queued(int app)
{
	int n = 0;

	return ioctl(app, SIOCOUTQ, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

static size_t
send_buffer(int app)
{
	int size = 0;
	socklen_t len = sizeof(size);

	return getsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0 || size < 0 ?
	    0 : (size_t)size;
}

/* Puts junk until at least `goal` bytes are on the books. The kernel takes a
 * piece whenever the books are below the buffer's size, so none of these calls
 * waits. */
static int
fill(struct sst_link *link, int app, size_t goal, size_t *ret_junk)
{
	size_t have, bulk;
	ssize_t n;

	*ret_junk = 0;
	while ((have = queued(app)) < goal) {
		bulk = (goal - have) / CHUNK_COST * CHUNK;
		if (bulk > link->junk_len)
			bulk = link->junk_len;
		n = send_junk(link, app, bulk == 0 ? CHUNK : bulk);
		if (n < 0 && errno == EAGAIN)
			return 0;	/* another thread filled the rest */
		if (n < 0 && errno == EINTR)
			return 0;
		if (n <= 0)
			return -1;
		*ret_junk += (size_t)n;
	}
	return 0;
}

int
sst_link_gate(struct sst_link *link, int app, size_t *ret_junk)
{
	int flags = fcntl(app, F_GETFL);
	off_t at = 0;
	ssize_t n;

	if (flags < 0 || (flags & O_NONBLOCK) == 0)
		return fill(link, app, send_buffer(app), ret_junk);
	/* As much as there is room for. */
	n = sendfile(app, link->junk, &at, link->junk_len);
	if (n == (ssize_t)link->junk_len)
		return fill(link, app, send_buffer(app), ret_junk);
	*ret_junk = n < 0 ? 0 : (size_t)n;
	return n < 0 && errno != EAGAIN ? -1 : 0;
}

int
sst_link_quiet(struct sst_link *link, int app)
{
	size_t junk;

	/* The kernel says writable below a quarter of the buffer. */
	return fill(link, app, send_buffer(app) / 4 + 1, &junk);
}

/* Appends to what a thread wrote before the gate opened. */
static int
keep_early(uint8_t **early, size_t *len, const uint8_t *bytes, size_t n)
{
	uint8_t *more = realloc(*early, *len + n);

	if (more == NULL)
		return -1;
	memcpy(more + *len, bytes, n);
	*early = more;
	*len += n;
	return 0;
}

/* Splits what was read into junk and early bytes. `skip` is what is left of a
 * page of junk that began in an earlier piece. Returns the bytes judged; the
 * rest is too short to tell and must be looked at again with more. */
static ssize_t
sift(const struct sst_link *link, const uint8_t *in, size_t n, int last, size_t *skip,
    uint8_t **early, size_t *early_len)
{
	const uint8_t *page;
	size_t at = 0;
	size_t own;

	while (at < n) {
		if (*skip > 0) {
			own = *skip < n - at ? *skip : n - at;
			*skip -= own;
			at += own;
			continue;
		}
		page = memmem(in + at, n - at, link->nonce, SST_LINK_NONCE);
		own = page != NULL ? (size_t)(page - (in + at)) : n - at;
		if (page == NULL && !last) {
			if (own < SST_LINK_NONCE)
				break;
			own -= SST_LINK_NONCE - 1;
		}
		if (own > 0 && keep_early(early, early_len, in + at, own) < 0)
			return -1;
		at += own;
		if (page != NULL)
			*skip = PAGE;
	}
	return (ssize_t)at;
}

/* Descriptors that came with the bytes cut a recv() short. */
static int
take_out(int end, uint8_t *buf, size_t n)
{
	ssize_t got;

	while (n > 0) {
		got = recv(end, buf, n, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n -= (size_t)got;
	}
	return 0;
}

/* Takes up to `n` bytes out without copying them; how many. */
static size_t
discard_pages(struct sst_link *link, int end, size_t n)
{
	size_t gone = 0;
	ssize_t got, out;

	while (gone < n && link->null >= 0) {
		got = splice(end, NULL, link->drain[1], NULL, n - gone,
		    SPLICE_F_NONBLOCK);
		if (got <= 0)
			break;
		gone += (size_t)got;
		do {
			out = splice(link->drain[0], NULL, link->null, NULL,
			    (size_t)got, SPLICE_F_NONBLOCK);
			got -= out;
		} while (out > 0 && got > 0);
		if (got > 0)	/* nobody takes what is stuck in it */
			close_drain(link);
	}
	return gone;
}

/* Takes `n` bytes out that nobody wants to see. */
static int
discard(struct sst_link *link, int end, void *scratch, size_t size, size_t n)
{
	struct iovec iov[DISCARD];
	struct msghdr msg = { .msg_iov = iov };
	size_t rest;
	ssize_t got;

	n -= discard_pages(link, end, n);
	while (n > 0) {
		rest = n;
		msg.msg_iovlen = 0;
		while (rest > 0 && msg.msg_iovlen < DISCARD) {
			iov[msg.msg_iovlen] = (struct iovec){ .iov_base = scratch,
			    .iov_len = rest < size ? rest : size };
			rest -= iov[msg.msg_iovlen++].iov_len;
		}
		got = recvmsg(end, &msg, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n -= (size_t)got;
	}
	return 0;
}

int
sst_link_open(struct sst_link *link, int end, size_t junk, void *scratch, size_t size,
    uint8_t **ret_early, size_t *ret_len)
{
	uint8_t *buf = scratch;
	uint8_t *early = NULL;
	int inq = 0;
	size_t early_len = 0;
	size_t skip = 0;	/* of a page of junk */
	size_t spent = 1;	/* the queue's first byte */
	ssize_t n, judged;
	int last;

	*ret_early = NULL;
	*ret_len = 0;
	/* As a rule nobody wrote: it is all junk behind the first byte. */
	if (ioctl(end, FIONREAD, &inq) == 0 && (size_t)inq == spent + junk)
		return discard(link, end, scratch, size, junk);
	for (;;) {
		n = recv(end, buf, size, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= (ssize_t)spent)
			break;
		last = (size_t)n < size;
		judged = sift(link, buf + spent, (size_t)n - spent, last, &skip,
		    &early, &early_len);
		if (judged < 0)
			goto fail;
		if (judged == 0)
			break;
		/* All but the last: the queue is never left empty. */
		if (take_out(end, buf, (size_t)judged) < 0)
			goto fail;
	}
	*ret_early = early;
	*ret_len = early_len;
	return 0;
fail:
	free(early);
	return -1;
}

void
sst_link_buffer(int app)
{
	const int size = SST_LINK_SNDBUF;

	(void)setsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void
sst_link_resize(int app, int size)
{
	/* Negative is huge, as TCP takes it. */
	if (size < 0 || size > SST_LINK_SNDBUF)
		size = SST_LINK_SNDBUF;
	if (size < SST_LINK_SNDBUF_MIN)
		size = SST_LINK_SNDBUF_MIN;
	(void)setsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int
sst_link_pair(const struct sst_sockname *name, int *ret_app, int *ret_end)
{
	struct sockaddr_un addr;
	socklen_t len = sst_sockname_encode(name, &addr);
	const char seed = 0;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	sst_link_buffer(sv[0]);
	if (bind(sv[0], (const struct sockaddr *)&addr, len) < 0 ||
	    send(sv[0], &seed, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
		(void)close(sv[0]);
		(void)close(sv[1]);
		return -1;
	}
	*ret_app = sv[0];
	*ret_end = sv[1];
	return 0;
}

int
sst_link_give(int end, const struct sst_wire_accepted *a, int app)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)a, .iov_len = sizeof(*a) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	struct cmsghdr *c;
	ssize_t n;

	memset(&space, 0, sizeof(space));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &app, sizeof(int));
	do
		n = sendmsg(end, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int
sst_link_give_cost(void)
{
	const struct sst_wire_accepted a = { .magic = 0 };
	int other = eventfd(0, EFD_CLOEXEC);
	int sv[2];
	int cost = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	if (sst_link_give(sv[0], &a, other) == 0)
		cost = (int)queued(sv[0]);
	(void)close(sv[1]);
	(void)close(sv[0]);
	(void)close(other);
	return cost > 0 ? cost : -1;
}

int
sst_link_name_free(const struct sockaddr_un *name, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ok;

	if (fd < 0)
		return 0;
	ok = bind(fd, (const struct sockaddr *)name, len) == 0;
	(void)close(fd);
	return ok;
}
