/* SPDX-License-Identifier: ISC */
#include "call.h"
#include "record.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/clock.h"

#define PRIVATE_STACK	(64 * 1024)
#define LOOK_NS		30000

static int
nobody(const struct sst_call *c, const char *why)
{
	if (c->silent)
		return -ENOBUFS;
	sst_say(0, "securesocketsd, which serves this socket, ", why, NULL);
	sst_say_about(c->serial);
	return -ENOBUFS;
}

/* The credentials are those of whoever called listen(): the keeper, also for
 * the relay's door. pid 0: it lives outside our PID namespace. */
static int
peer_is_keeper(int conn, const char door[16])
{
	struct ucred peer = { .pid = -1 };
	socklen_t len = sizeof(peer);
	struct sst_pair pair;

	if (sst_sys_getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	if (sst_record_peek(&pair) && memcmp(pair.door, door, sizeof(pair.door)) == 0)
		return peer.uid == pair.uid &&
		    (peer.pid == pair.keeper_pid || peer.pid == 0);
	return peer.uid == geteuid() || peer.uid == 0;
}

void
sst_call_init(struct sst_call *c, uint16_t verb, int fd,
    const struct sst_sockname *name)
{
	memset(c, 0, sizeof(*c));
	sst_wire_init(&c->head, verb);
	c->door = name->door;
	c->which = 'r';
	c->serial = name->serial;
	c->fds[0] = fd;
	c->n_fds = 1;
	c->fd = -1;
}

void
sst_call_prove(struct sst_call *c)
{
	struct sst_pair pair;

	if (!sst_record_peek(&pair))
		return;
	if (memcmp(pair.door, c->door, sizeof(pair.door)) == 0)
		memcpy(c->head.secret, pair.secret, sizeof(c->head.secret));
	explicit_bzero(&pair, sizeof(pair));
}

int
sst_call_wait(int fd, int timeout_ms)
{
	int64_t deadline = sst_clock_ms() + timeout_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec left;
	int64_t ms;
	long r;

	do {
		ms = deadline - sst_clock_ms();
		if (ms < 0)
			return SST_CALL_LATE;
		left.tv_sec = ms / 1000;
		left.tv_nsec = ms % 1000 * 1000000;
		r = SST_SYS(SYS_ppoll, &p, 1UL, &left, NULL, 0UL);
	} while (r == -EINTR);
	return r > 0 ? 0 : SST_CALL_LATE;
}

/* An errno of our own system calls on the connection, as what it means. */
static int
transport(int r)
{
	switch (r) {
	case -ECONNREFUSED:
		return SST_CALL_GONE;
	case -ECONNRESET:
	case -EPIPE:
		return SST_CALL_CUT;
	case -EAGAIN:
		return SST_CALL_LATE;
	case -EPROTO:
		return SST_CALL_ODD;
	default:
		return r;
	}
}

/* A door whose queue is full: waits for room. */
static int
connect_waiting(int conn, const struct sockaddr_un *addr, socklen_t len)
{
	struct timeval limit = { .tv_sec = SST_WIRE_TIMEOUT_MS / 1000 };
	int r;

	(void)SST_SYS(SYS_fcntl, conn, F_SETFL, O_RDWR);
	(void)sst_sys_setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &limit,
	    sizeof(limit));
	do
		r = (int)SST_SYS(SYS_connect, conn, addr, len);
	while (r == -EINTR);
	(void)SST_SYS(SYS_fcntl, conn, F_SETFL, O_RDWR | O_NONBLOCK);
	return r;
}

/* Returns a connection to the keeper, checked, that does not block, or
 * SST_CALL_*. One message fits into a connection's buffer as it is. */
static int
connect_door(const char door[16], char which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, door, which);
	int conn;
	int r;

	conn = (int)SST_SYS(SYS_socket, AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conn < 0)
		return conn == -EMFILE ? SST_CALL_FULL : conn;
	r = (int)SST_SYS(SYS_connect, conn, &addr, len);
	if (r == -EAGAIN)
		r = connect_waiting(conn, &addr, len);
	r = transport(r);
	if (r == 0 && !peer_is_keeper(conn, door))
		r = SST_CALL_GONE;
	if (r == 0)
		return conn;
	sst_sys_close(conn);
	return r;
}

int
sst_call_open(struct sst_call *c)
{
	int conn = connect_door(c->door, c->which);
	int r;

	if (conn < 0 || sst_wire_send(conn, &c->head, c->data, c->len, c->fds,
	    c->n_fds) == 0)
		return conn;
	r = transport(-errno);
	sst_sys_close(conn);
	return r;
}

/* An answer that is a refusal: its text becomes the thread's. */
static int
refused(struct sst_call *c, const char *text, size_t len)
{
	int err = c->head.b > 0 && c->head.b < 4096 ? c->head.b : EPROTO;

	sst_sys_close(c->fd);
	c->fd = -1;
	if (c->silent)
		return -err;
	if (len > 0)
		return sst_say_bytes(-err, text, len);
	return sst_say(-err, sst_errno_text(err), NULL);
}

/* An answer that brings no data, or a refusal, which brings its text. */
static int
take_plain(struct sst_call *c, int conn)
{
	char text[SST_TEXT_SIZE];
	long n = sst_wire_recv(conn, &c->head, text, sizeof(text) - 1, &c->fd, 1);
	int is_long = n < 0 && errno == EMSGSIZE;

	if (n < 0 && !is_long)
		return errno == EPROTO ? -EPROTO : transport(-errno);
	if (c->head.verb != SST_WIRE_REPLY)
		return -EPROTO;
	if (c->head.a >= 0)
		return n == 0 ? 0 : SST_CALL_ODD;
	/* A longer text is cut; its errno counts all the same. */
	if (is_long)
		n = sizeof(text) - 1;
	text[n] = '\0';
	return refused(c, text, (size_t)n);
}

/* 1: the answer brings data for the caller's buffer; 0: not, and the text of a
 * refusal must not land there. */
static int
brings_data(int conn)
{
	struct sst_wire_head head;
	long n = SST_SYS(SYS_recvfrom, conn, &head, sizeof(head), MSG_PEEK, NULL,
	    NULL);

	return n == (long)sizeof(head) && head.a >= 0;
}

static int
take_data(struct sst_call *c, int conn)
{
	long n = sst_wire_recv(conn, &c->head, c->reply, c->room, &c->fd, 1);

	if (n < 0 && errno == EMSGSIZE)
		return SST_CALL_ODD;
	if (n < 0)
		return errno == EPROTO ? -EPROTO : transport(-errno);
	if (c->head.verb != SST_WIRE_REPLY)
		return -EPROTO;
	c->reply_len = (size_t)n;
	return 0;
}

int
sst_call_finish(struct sst_call *c, int conn)
{
	int r = c->room > 0 && brings_data(conn) ? take_data(c, conn) :
	    take_plain(c, conn);

	if (r < 0)
		return r;
	sst_say_forget(c->serial);
	return c->head.a;
}

/* Going to sleep and being woken costs more than most answers take to come. Not by
 * recvmsg(): without waiting it takes an answer that comes with the end of the
 * connection in this very moment for the end. */
static int
look(int conn)
{
	int64_t until = sst_clock_ns() + LOOK_NS;
	struct pollfd p = { .fd = conn, .events = POLLIN };
	struct timespec now = { .tv_sec = 0 };
	long n;

	do {
		(void)SST_SYS(SYS_sched_yield);
		n = SST_SYS(SYS_ppoll, &p, 1UL, &now, NULL, 0UL);
	} while (n == 0 && sst_clock_ns() < until);
	return n > 0;
}

int
sst_call_here(struct sst_call *c)
{
	int conn = sst_call_open(c);
	int r;

	if (conn < 0)
		return conn;
	r = look(conn) ? 0 : sst_call_wait(conn, SST_WIRE_TIMEOUT_MS);
	if (r == 0)
		r = sst_call_finish(c, conn);
	sst_sys_close(conn);
	return r;
}

struct private {
	int		(*fn)(void *);
	void		*arg;
	const int	*keep;
	size_t		 n_keep;
	int		 result;
};

/* Two descriptors that the call does not need go, in this table only. */
static void
make_room(const struct private *p)
{
	int closed = 0;
	int kept;

	for (int fd = 0; closed < 2 && fd < 2 + (int)p->n_keep; fd++) {
		kept = 0;
		for (size_t i = 0; i < p->n_keep; i++)
			kept |= p->keep[i] == fd;
		if (kept)
			continue;
		sst_sys_close(fd);
		closed++;
	}
}

static int
private_child(void *arg)
{
	struct private *p = arg;

	p->result = p->fn(p->arg);
	if (p->result == SST_CALL_FULL || p->result == -EMFILE) {
		make_room(p);
		p->result = p->fn(p->arg);
	}
	(void)SST_SYS(SYS_exit_group, 0);
	return 0;
}

/* There in a program that is built with the address sanitizer: what lay here before
 * the new stack may have left its marks. */
extern void __asan_unpoison_memory_region(const volatile void *, size_t)
    __attribute__((weak));

int
sst_call_private(int (*fn)(void *), void *arg, const int *keep, size_t n_keep)
{
	struct private p = { .fn = fn, .arg = arg, .keep = keep,
	    .n_keep = n_keep, .result = SST_CALL_CUT };
	char *stack;
	pid_t pid;

	stack = mmap(NULL, PRIVATE_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(stack, PRIVATE_STACK);
	pid = SST_CLONE(private_child, stack + PRIVATE_STACK,
	    CLONE_VM | CLONE_VFORK, &p);
	if (pid < 0)
		p.result = fn(arg);
	else
		while (SST_SYS(SYS_wait4, pid, NULL, __WCLONE, NULL) == -EINTR)
			;
	(void)munmap(stack, PRIVATE_STACK);
	return p.result;
}

static int
call_fn(void *arg)
{
	return sst_call_here(arg);
}

int
sst_call_judge(const struct sst_call *c, int r)
{
	switch (r) {
	case SST_CALL_GONE:
		return nobody(c, "has ended");
	case SST_CALL_CUT:
		return nobody(c, "closed the connection");
	case SST_CALL_LATE:
		return nobody(c, "did not answer within 5 s");
	case SST_CALL_ODD:
		return nobody(c, "speaks another version");
	case SST_CALL_FULL:
		return -EMFILE;
	default:
		return r;
	}
}

int
sst_call_raw(struct sst_call *c)
{
	int r = sst_call_here(c);

	return r == SST_CALL_FULL ?
	    sst_call_private(call_fn, c, c->fds, c->n_fds) : r;
}

int
sst_call(struct sst_call *c)
{
	struct sst_quiet quiet;
	int r;

	sst_quiet_enter(&quiet);
	r = sst_call_raw(c);
	sst_quiet_leave(&quiet);
	return sst_call_judge(c, r);
}
