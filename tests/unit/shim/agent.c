/* SPDX-License-Identifier: ISC */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sockname.h"
#include "base/wire.h"

#define MAX_RECORDS	512

extern char **environ;

struct record {
	uint64_t	cookie;
	int		tcp;
	int		end;	/* the other end of the program's descriptor */
};

static struct record records[MAX_RECORDS];
static int n_records;
static struct sst_wire_start start;
static int doors[4];
static char found[2048];
static char last[SST_WIRE_DATA_MAX + 4 * sizeof(int)];
static size_t last_len;
static char file[65536];
static size_t file_len;
static char names[8192];
static size_t names_len;
static int mute;
static int no_keeper;
static int fail_with;
static int kept[64];	/* connections of muted calls */
static int n_kept;

static void
look_around(void)
{
	size_t used = 0;
	sigset_t mask;
	cpu_set_t cpus;
	struct rlimit files;
	char cwd[256];
	int signals = 0;
	mode_t old = umask(0);

	(void)umask(old);
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			used += (size_t)snprintf(found + used, sizeof(found) - used,
			    "fd%d ", fd);
	for (char **e = environ; *e != NULL; e++)
		used += (size_t)snprintf(found + used, sizeof(found) - used,
		    "env:%.5s ", *e);
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++)
		signals += sigismember(&mask, s) == 1 ||
		    signal(s, SIG_DFL) == SIG_IGN;
	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	(void)snprintf(found + used, sizeof(found) - used,
	    "cwd:%s umask:%o signals:%d leader:%d files:%d cpus:%d nice:%d",
	    getcwd(cwd, sizeof(cwd)), (unsigned)old, signals,
	    getsid(0) == getpid(), files.rlim_cur == files.rlim_max,
	    CPU_COUNT(&cpus), getpriority(PRIO_PROCESS, 0));
}

static int
door(char which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, start.door, which);
	int fd = socket(AF_UNIX, (which == 'k' || which == 'r' ? SOCK_SEQPACKET :
	    SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) != 0 ||
	    listen(fd, 128) != 0)
		exit(3);
	return fd;
}

static void
answer(int conn, int a, int err, const void *data, size_t len, int fd)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = a;
	head.b = err;
	(void)sst_wire_send(conn, &head, data, len, &fd, fd >= 0);
}

static uint64_t
cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	(void)getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static struct record *
find(int fd)
{
	uint64_t cookie = cookie_of(fd);

	for (int i = 0; i < n_records && i < MAX_RECORDS; i++)
		if (records[i].cookie == cookie)
			return &records[i];
	return NULL;
}

static int
link_to(struct record *r, int app, int which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, start.door, which == 2 ? 'c' : 'l');

	if (connect(app, (struct sockaddr *)&addr, len) != 0)
		return -1;
	r->end = accept(doors[which], NULL, NULL);
	return r->end;
}

/* A connected descriptor whose name says 127.0.0.1:443 and 192.0.2.7:N. */
static void
issue(const struct record *r, uint16_t n, uint16_t version)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_ACCEPTED,
	    .family = AF_INET };
	struct sst_wire_accepted rec = { .magic = SST_WIRE_MAGIC,
	    .version = version, .peer_len = sizeof(struct sockaddr_in), .id = n };
	struct iovec iov = { &rec, sizeof(rec) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	struct sockaddr_un addr;
	struct cmsghdr *c;
	socklen_t len;
	int ends[2];

	(void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
	memcpy(name.door, start.door, 16);
	name.serial = (uint64_t)random() << 32 | n;
	name.local.v4.sin_family = name.peer.v4.sin_family = AF_INET;
	name.local.v4.sin_port = htons(443);
	name.local.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	name.peer.v4.sin_port = htons(n);
	name.peer.v4.sin_addr.s_addr = htonl(0xc0000207);
	len = sst_sockname_encode(&name, &addr);
	(void)bind(ends[0], (struct sockaddr *)&addr, len);
	memcpy(rec.peer, &name.peer.v4, sizeof(name.peer.v4));
	memset(&space, 0, sizeof(space));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ends[0], sizeof(int));
	(void)sendmsg(r->end, &msg, MSG_NOSIGNAL);
	(void)close(ends[0]);
	/* ends[1] stays open: the peer is alive. */
}

static void
steer(int conn, struct record *r, const struct sst_wire_head *h, const void *data)
{
	int value = 0;

	memcpy(&value, data, h->length < sizeof(value) ? h->length : sizeof(value));
	switch (h->b) {
	case AGENT_ISSUE:
		for (int i = 0; i < value; i++)
			issue(r, (uint16_t)(1000 + i), SST_WIRE_VERSION);
		break;
	case AGENT_ISSUE_BAD:
		issue(r, 1, SST_WIRE_VERSION + 1);
		break;
	case AGENT_MUTE:
		mute = value;
		break;
	case AGENT_FAIL:
		fail_with = value;
		break;
	case AGENT_LINKED:
		(void)close(r->end);
		break;
	case AGENT_NO_KEEPER:
		(void)close(doors[0]);
		doors[0] = -1;
		no_keeper = 1;
		break;
	case AGENT_SAY:
		(void)!send(r->end, data, h->length, MSG_NOSIGNAL);
		break;
	case AGENT_EXIT:
		_exit(0);
	}
	answer(conn, 0, 0, NULL, 0, -1);
}

static void
report(int conn, const struct record *r, const struct sst_wire_head *h)
{
	char heard[4096];
	int pids[2] = { getpid(), getppid() };
	const void *data = found;
	size_t len = strlen(found) + 1;

	if (h->b == AGENT_PIDS) {
		data = pids;
		len = sizeof(pids);
	} else if (h->b == AGENT_LAST) {
		data = last;
		len = last_len;
	} else if (h->b == AGENT_FILE) {
		data = file;
		len = file_len;
	} else if (h->b == AGENT_RECORDS) {
		data = &n_records;
		len = sizeof(n_records);
	} else if (h->b == AGENT_NAMES) {
		data = names;
		len = names_len;
	} else if (h->b == AGENT_HEAR) {
		ssize_t n = recv(r->end, heard, sizeof(heard), MSG_DONTWAIT);

		data = heard;
		len = n > 0 ? (size_t)n : 0;
	}
	answer(conn, 0, 0, data, len < (size_t)h->c ? len : (size_t)h->c, -1);
}

static int
is_listening(int tcp)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return getsockopt(tcp, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) == 0 && v;
}

/* `tcp`: the socket that is adopted, or -1. */
static void
make_record(int conn, const struct sst_wire_head *h, int app, int tcp)
{
	struct record *r;

	/* A relay shuts its door when its keeper is gone, and hangs up on those
	 * who came before. */
	if (no_keeper) {
		(void)close(doors[1]);
		doors[1] = -1;
		return;
	}
	if (memcmp(h->secret, start.secret, SST_SECRET_LEN) != 0) {
		answer(conn, -1, EACCES, "wrong secret", 13, -1);
		return;
	}
	r = &records[n_records % MAX_RECORDS];
	if (n_records++ >= MAX_RECORDS)
		(void)close(r->tcp);	/* the oldest is long closed */
	memset(r, 0, sizeof(*r));
	r->cookie = cookie_of(app);
	r->tcp = tcp < 0 ? socket(h->a, SOCK_STREAM | SOCK_CLOEXEC, 0) :
	    fcntl(tcp, F_DUPFD_CLOEXEC, 0);
	/* A listener waits for its LISTEN. */
	if (tcp >= 0 && !is_listening(tcp) && link_to(r, app, 2) < 0)
		answer(conn, -1, EINVAL, "not to be linked", 17, -1);
	else
		answer(conn, 0, 0, NULL, 0, -1);
}

static void
do_connect(int conn, struct record *r, int app, const struct sst_wire_head *h,
    const void *data)
{
	if (mute) {
		kept[n_kept++] = dup(conn);
		if (h->a == 1)
			answer(conn, -1, EINPROGRESS, NULL, 0, -1);
		return;
	}
	if (connect(r->tcp, data, h->length) != 0) {
		answer(conn, -1, errno, "no connection", 14, -1);
		return;
	}
	if (link_to(r, app, 2) < 0)
		answer(conn, -1, EISCONN, NULL, 0, -1);
	else
		answer(conn, h->a == 1 ? -1 : 0, h->a == 1 ? EINPROGRESS : 0, NULL, 0,
		    -1);
}

static void
do_option(int conn, struct record *r, const struct sst_wire_head *h,
    const void *data)
{
	char value[4096] = "";
	socklen_t len = sizeof(value);

	if (h->a == 205) {
		if (h->verb == SST_WIRE_GET)
			answer(conn, 0, 0, "value", h->c < 6 ? (size_t)h->c : 6, -1);
		else
			answer(conn, 0, 0, NULL, 0, -1);
		return;
	}
	if (h->verb == SST_WIRE_SET) {
		if (setsockopt(r->tcp, h->a, h->b, data, h->length) != 0)
			answer(conn, -1, errno, NULL, 0, -1);
		else
			answer(conn, 0, 0, NULL, 0, -1);
		return;
	}
	if (h->c < (int)len)
		len = (socklen_t)h->c;
	if (getsockopt(r->tcp, h->a, h->b, value, &len) != 0)
		answer(conn, -1, errno, NULL, 0, -1);
	else
		answer(conn, 0, 0, value, len, -1);
}

static void
do_name(int conn, struct record *r, int verb)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int rc = verb == SST_WIRE_SOCKNAME ?
	    getsockname(r->tcp, (struct sockaddr *)&addr, &len) :
	    getpeername(r->tcp, (struct sockaddr *)&addr, &len);

	answer(conn, rc, rc < 0 ? errno : 0, &addr, rc < 0 ? 0 : len, -1);
}

static void
remember(const struct sst_wire_head *h, const void *data)
{
	const int head[4] = { h->verb, h->a, h->b, h->c };

	memcpy(last, head, sizeof(head));
	memcpy(last + sizeof(head), data, h->length);
	last_len = sizeof(head) + h->length;
}

static void
perform(int conn, const struct sst_wire_head *h, const char *data, int fds[2])
{
	int makes = h->verb == SST_WIRE_NEW || h->verb == SST_WIRE_ADOPT;
	struct record *r = makes ? NULL : find(fds[0]);
	ssize_t n;

	if (makes) {
		make_record(conn, h, fds[0], fds[1]);
		return;
	}
	if (r == NULL) {
		answer(conn, -1, EBADF, "unknown socket", 15, -1);
		return;
	}
	switch (h->verb) {
	case SST_WIRE_LEND:
		answer(conn, 0, 0, NULL, 0, r->tcp);
		break;
	case SST_WIRE_CONNECT:
		if (((const struct sockaddr *)(const void *)data)->sa_family ==
		    AF_UNSPEC) {
			answer(conn, r->end > 0 ? -1 : 0, EOPNOTSUPP, NULL, 0, -1);
			break;
		}
		do_connect(conn, r, fds[0], h, data);
		break;
	case SST_WIRE_LISTEN:
		if (r->end > 0 || link_to(r, fds[0], 3) >= 0)
			answer(conn, 0, 0, NULL, 0, -1);
		else
			answer(conn, -1, EINVAL, NULL, 0, -1);
		break;
	case SST_WIRE_SOCKNAME:
	case SST_WIRE_PEERNAME:
		do_name(conn, r, h->verb);
		break;
	case SST_WIRE_LOST:
		issue(r, (uint16_t)((const struct sst_wire_accepted *)(const void *)
		    data)->id, SST_WIRE_VERSION);
		answer(conn, 0, 0, NULL, 0, -1);
		break;
	case SST_WIRE_UPGRADE:
		answer(conn, h->a == 1 ? -1 : 0, h->a == 1 ? EINPROGRESS : 0, NULL, 0,
		    -1);
		break;
	case SST_WIRE_NAMES:
		names_len = h->length < sizeof(names) ? h->length : sizeof(names);
		memcpy(names, data, names_len);
		answer(conn, 0, 0, NULL, 0, -1);
		break;
	case SST_WIRE_FILE:
		n = pread(fds[1], file, sizeof(file), 0);
		file_len = n < 0 ? 0 : (size_t)n;
		answer(conn, 0, 0, NULL, 0, -1);
		break;
	default:
		do_option(conn, r, h, data);
	}
}

static void
serve(int listener)
{
	static char data[SST_WIRE_DATA_MAX] __attribute__((aligned(16)));
	struct sst_wire_head h;
	int fds[2];
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	long n = sst_wire_recv(conn, &h, data, sizeof(data), fds, 2);

	if (n < 0) {
		(void)close(conn);
		return;
	}
	if ((h.verb == SST_WIRE_SET || h.verb == SST_WIRE_GET) && h.a == AGENT_LEVEL) {
		if (h.verb == SST_WIRE_SET)
			steer(conn, find(fds[0]), &h, data);
		else
			report(conn, find(fds[0]), &h);
	} else {
		remember(&h, data);
		if (fail_with != 0 && h.verb != SST_WIRE_NEW &&
		    h.verb != SST_WIRE_ADOPT) {
			answer(conn, -1, fail_with, "because", 8, -1);
			fail_with = 0;
		} else {
			perform(conn, &h, data, fds);
		}
	}
	(void)close(conn);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

int
main(void)
{
	struct sst_wire_hello hello = { .keeper_pid = (uint32_t)getpid() };
	struct pollfd p[4];
	char exe[256] = "";

	(void)!readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	look_around();
	if (read(3, &start, sizeof(start)) != (ssize_t)sizeof(start))
		return 2;
	if (strstr(exe, "silent") != NULL) {
		/* Until the program gives up. */
		(void)!read(3, &start, sizeof(start));
		return 0;
	}
	if (strstr(exe, "refusing") != NULL) {
		answer(3, -1, EMFILE, "no room here", 13, -1);
		return 0;
	}
	for (int i = 0; i < 4; i++)
		doors[i] = door("krcl"[i]);
	answer(3, 0, 0, &hello, sizeof(hello), -1);
	(void)close(3);
	for (;;) {
		for (int i = 0; i < 2; i++)
			p[i] = (struct pollfd){ .fd = doors[i], .events = POLLIN };
		/* A test that died leaves nothing behind. */
		if (poll(p, 2, 20000) <= 0)
			return 0;
		for (int i = 0; i < 2; i++)
			if (p[i].revents != 0)
				serve(doors[i]);
	}
}
