/* SPDX-License-Identifier: ISC */
/* own - the sockets of a case: TCP's, or ours; see conformance.h. */
#include "conformance.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

int
own_protocol(const struct trial *t)
{
	return t->mode == MODE_TCP ? IPPROTO_TCP : IPPROTO_TLS;
}

int
own_socket(struct trial *t, int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, own_protocol(t));

	want(fd >= 0);
	return fd;
}

int
own_client(struct trial *t, int family, int flags)
{
	return t->mode == MODE_TCP ? own_socket(t, family, flags | SOCK_CLOEXEC) :
	    ours_client(family, flags, "one.example");
}

int
own_server(struct trial *t, int family, int flags)
{
	int fd = own_socket(t, family, flags | SOCK_CLOEXEC);

	if (t->mode != MODE_TCP)
		want_eq(ours_set(fd, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	return fd;
}

int
own_bound(struct trial *t, struct addr *ret, int family)
{
	int fd = own_server(t, family, 0);

	addr_loop(ret, family, 0);
	want_eq(bind(fd, &ret->u.any, ret->len), 0);
	addr_of_sock(fd, ret);
	return fd;
}

int
own_listener(struct trial *t, struct addr *ret, int family, int backlog)
{
	int fd = own_bound(t, ret, family);

	want_eq(listen(fd, backlog), 0);
	return fd;
}

short
own_await(int fd, short events)
{
	return ours_poll(fd, events, WORLD_PATIENCE_MS);
}

void
own_await_refused(int fd)
{
	/* OUT comes with the end, some instructions later: the kernel tells of the end
	 * before it frees what was queued. */
	want_soon((ours_poll(fd, POLLOUT, 100) & (POLLHUP | POLLOUT)) ==
	    (POLLHUP | POLLOUT));
}

int
own_waiting(int fd)
{
	int n = -1;

	want_eq(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

void
own_arrives(int fd, struct far *f, const void *bytes, size_t len)
{
	int before = own_waiting(fd);

	far_write(f, bytes, len);
	want_soon(own_waiting(fd) == before + (int)len);
}

volatile sig_atomic_t own_pipes;

static void
count_pipe(int sig)
{
	(void)sig;
	own_pipes++;
}

void
own_count_pipes(void)
{
	struct sigaction act = { .sa_handler = count_pipe };

	want_eq(sigaction(SIGPIPE, &act, NULL), 0);
	own_pipes = 0;
}

static void
nothing(int sig)
{
	(void)sig;
}

void
own_tick(int on, int flags)
{
	struct sigaction act = { .sa_handler = nothing, .sa_flags = flags };
	struct itimerval every = { .it_value = { .tv_usec = 20000 * on },
	    .it_interval = { .tv_usec = 20000 * on } };

	want_eq(sigaction(SIGALRM, &act, NULL), 0);
	want_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

int
own_asleep(pid_t tid, long number)
{
	char path[64], line[64] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)tid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	(void)fclose(f);
	if (line[0] < '0' || line[0] > '9')	/* it runs */
		return 0;
	return number < 0 || atol(line) == number;
}

static int
pair_connects(struct trial *t, struct far *f, const struct peer_opts *o)
{
	struct far_listener l;
	int fd;

	far_listen(t, &l, t->family, o);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	want_errno(connect(fd, &l.at.u.any, l.at.len), EINPROGRESS);
	far_accept(&l, f);
	want_eq(own_await(fd, POLLOUT), POLLOUT);
	want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	far_listener_close(&l);
	return fd;
}

static int
pair_accepts(struct trial *t, struct far *f, const struct peer_opts *o)
{
	struct addr at;
	int l = own_listener(t, &at, t->family, 8), fd;

	if (t->mode == MODE_SERVER) {
		struct peer_opts client = { .sni = "one.example" };

		if (o != NULL)
			client = *o;
		if (peer_client(&f->tls, &at, &client) != 0)
			world_fail(__FILE__, __LINE__, "peer: %s", f->tls.why);
		f->fd = f->tls.fd;
	} else {
		far_dial(t, f, &at);
	}
	fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	want(fd >= 0);
	(void)close(l);
	return fd;
}

int
own_pair(struct trial *t, struct far *f, const struct peer_opts *o)
{
	int fd = t->side == OURS_CONNECTS ? pair_connects(t, f, o) :
	    pair_accepts(t, f, o);

	want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	return fd;
}
