/* SPDX-License-Identifier: ISC */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "link_inside.h"

#define STUCK_MS	50
#define EXPEL_MOST	256		/* strangers closed at once */
#define JOIN_TRIES	32
#define QUEUE_MOST	16384		/* twice what it can hold, and more */

/* glibc 2.36 has no name for it. */
#ifndef sigev_notify_thread_id
#define THREAD_OF	_sigev_un._tid
#else
#define THREAD_OF	sigev_notify_thread_id
#endif

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
	if (sst_link_gate_init(link) < 0)
		return -1;
	link->listening[SST_LINK_CONNECT] = link_connect;
	link->listening[SST_LINK_LISTEN] = link_listen;
	link->len[SST_LINK_CONNECT] =
	    sst_wire_door(&link->addr[SST_LINK_CONNECT], door, 'c');
	link->len[SST_LINK_LISTEN] =
	    sst_wire_door(&link->addr[SST_LINK_LISTEN], door, 'l');
	for (int i = 0; i < 2; i++)
		if (fcntl(link->listening[i], F_SETFL, O_NONBLOCK) < 0)
			return -1;
	sst_link_narrow_init(link);
	link->pid = getpid();
	return sigaction(SIGALRM, &act, NULL);
}

void
sst_link_done(struct sst_link *link)
{
	while (link->n_alarms > 0)
		(void)timer_delete(link->alarms[--link->n_alarms].timer);
	sst_link_gate_done(link);
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

int
sst_link_alarm_begin(struct sst_link *link, int app, const timer_t **ret_timer)
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

void
sst_link_alarm_end(const timer_t *timer)
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

	if (sst_link_alarm_begin(link, app, &timer) < 0)
		return -1;
	for (int i = 0; i < JOIN_TRIES; i++) {
		if (i > 0 || timer != NULL)
			sst_link_expel(link, kind);
		rc = connect(app, (const struct sockaddr *)&link->addr[kind],
		    link->len[kind]);
		if (rc == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	sst_link_alarm_end(timer);
	return rc;
}

/* Whether what is first in the queue of `end` is this seed. */
static int
begins_with(int end, uint8_t seed)
{
	uint8_t first;

	return recv(end, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == seed;
}

ssize_t
sst_link_join_with(struct sst_link *link, int app, enum sst_link_kind kind,
    uint8_t *bytes, size_t len, int *ret_end)
{
	const uint8_t seed = ++link->turn;
	int end = -1;
	ssize_t n;

	bytes[0] = seed;
	if (connect_app(link, app, kind) < 0)
		return -1;
	n = send(app, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
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
	return n;
}

int
sst_link_join(struct sst_link *link, int app, enum sst_link_kind kind, int *ret_end)
{
	uint8_t seed;

	return sst_link_join_with(link, app, kind, &seed, 1, ret_end) < 0 ? -1 : 0;
}

void
sst_link_buffer(int app)
{
	sst_link_resize(app, SST_LINK_SNDBUF);
}

int
sst_link_size(int asked)
{
	/* Negative is huge, as TCP takes it. */
	if (asked < 0 || asked > SST_LINK_SNDBUF)
		return SST_LINK_SNDBUF;
	return asked < SST_LINK_SNDBUF_MIN ? SST_LINK_SNDBUF_MIN : asked;
}

void
sst_link_resize(int app, int size)
{
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
	int sv[2] = { -1, -1 };
	int cost = -1;

	if (other < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		goto out;
	if (sst_link_give(sv[0], &a, other) == 0)
		cost = (int)sst_link_queued(sv[0]);
out:
	for (int i = 0; i < 2; i++)
		if (sv[i] >= 0)
			(void)close(sv[i]);
	if (other >= 0)
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
