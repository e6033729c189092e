/* SPDX-License-Identifier: ISC */
/*
 * pending_connects - handshakes that never end, many at once.
 *
 *	pending_connects mute		accepts TCP and never answers; prints its
 *					port, serves until it is killed
 *	pending_connects hold MAKE PORT COUNT
 *					COUNT connections that do not block, raw or
 *					way1, each with its ClientHello on the way
 *
 * hold prints three numbers, in bytes for all connections: kernel memory as Slab,
 * KernelStack and PageTables, the peer's ends in it; what is charged to the memory
 * cgroup SST_BENCH_CGROUP that it runs in; the proportional set size of program,
 * keeper and relay.
 */
#include "cpu.h"
#include "end.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct memory {
	uint64_t kernel, charged, user;
};

static int
listener_new(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(1, "listen");
	printf("%u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

/* Reads the ClientHello, so that no receive queue counts, and says nothing. */
static void
mute(void)
{
	struct epoll_event events[64], e = { .events = EPOLLIN };
	int ep = epoll_create1(0), listener = listener_new(), n;
	char bytes[4096];

	e.data.fd = listener;
	(void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		n = epoll_wait(ep, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener) {
				e.data.fd = accept(listener, NULL, NULL);
				if (e.data.fd >= 0)
					(void)epoll_ctl(ep, EPOLL_CTL_ADD,
					    e.data.fd, &e);
			} else if (read(events[i].data.fd, bytes, sizeof(bytes)) <= 0)
				(void)close(events[i].data.fd);
		}
	}
}

static struct memory
measure(void)
{
	const char *cgroup = getenv("SST_BENCH_CGROUP");
	struct memory m;

	/* Freed things wait for a grace period, queued work for its turn. */
	(void)sleep(1);
	m.user = memory_of(getpid()) + sum_over_pair(getpid(), memory_of);
	m.kernel = memory_of_kernel();
	m.charged = cgroup != NULL ? memory_charged(cgroup) : 0;
	return m;
}

/* Starts one and comes back when it waits for the peer's answer. */
static void
start(struct end *e, enum make make, uint16_t port)
{
	end_begin(e, make, port, NULL);
	if (make == RAW && !end_greet(e))
		errx(1, "the mute server answered");
}

static void
hold(enum make make, uint16_t port, size_t count)
{
	struct end *ends = calloc(count + 1, sizeof(*ends));
	struct memory before, after;
	struct pollfd p;

	if (ends == NULL)
		err(1, "calloc");
	/* One more: it starts the pair and makes the first of everything. */
	start(&ends[count], make, port);
	before = measure();
	for (size_t i = 0; i < count; i++)
		start(&ends[i], make, port);
	after = measure();
	for (size_t i = 0; i < count; i++) {
		p = (struct pollfd){ .fd = ends[i].fd, .events = POLLIN | (make == WAY1 ?
		    POLLOUT : 0) };
		if (poll(&p, 1, 0) != 0)
			errx(1, "connection %zu is not pending", i);
	}
	printf("%lld %lld %lld\n", (long long)(after.kernel - before.kernel),
	    (long long)(after.charged - before.charged),
	    (long long)(after.user - before.user));
}

int
main(int argc, char **argv)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (argc == 2 && strcmp(argv[1], "mute") == 0)
		mute();
	else if (argc == 5 && strcmp(argv[1], "hold") == 0)
		hold(end_make(argv[2]), (uint16_t)atoi(argv[3]), (size_t)atol(argv[4]));
	else
		errx(64, "usage: pending_connects mute | hold raw|way1 PORT COUNT");
	return 0;
}
