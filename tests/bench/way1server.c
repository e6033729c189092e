/* SPDX-License-Identifier: ISC */
/*
 * way1server DIR [now] - the loop of hsloop.c on sockets of ours: accept, wait for
 * the client's end, close. Prints its port, and at SIGTERM handshakes, failures
 * and CPU microseconds per handshake of this process, keeper and relay together.
 *
 * The port is printed when the directory is loaded; with `now` at once, and a line
 * "loaded MS" follows when it is, counted from the start of the program.
 */
#include <securesockets.h>

#include "cpu.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static volatile sig_atomic_t over, restart;

static void
on_signal(int sig)
{
	if (sig == SIGTERM)
		over = 1;
	else
		restart = 1;
}

static uint64_t
cpu_of_all(void)
{
	return cpu_of(getpid()) + sum_over_pair(getpid(), cpu_of);
}

/* A directory goes on loading behind the call that named it. */
static int
is_loading(int fd)
{
	char text[256];
	socklen_t len = sizeof(text);

	if (getsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_STATUS, text, &len) < 0)
		err(1, "TLS_CERTIFICATE_STATUS");
	return strstr(text, "\"loading\":true") != NULL;
}

static int
listener_new(const char *dir, int now)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	const int off = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TLS);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, dir,
	    (socklen_t)strlen(dir) + 1) < 0 ||
	    /* the others send no tickets either */
	    setsockopt(fd, IPPROTO_TLS, TLS_SESSION_REUSE, &off, sizeof(off)) < 0 ||
	    listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(1, "%s", dir);
	while (!now && is_loading(fd))
		(void)usleep(20000);
	printf("%u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

/* Returns how many connections were taken. */
static unsigned long
take(int listener, int ep)
{
	struct epoll_event e = { .events = EPOLLIN };
	unsigned long n = 0;

	while ((e.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		(void)epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
		n++;
	}
	if (errno != EAGAIN)
		err(1, "accept");
	return n;
}

int
main(int argc, char **argv)
{
	struct epoll_event events[64], e = { .events = EPOLLIN };
	unsigned long finished = 0;
	int ep = epoll_create1(0), listener, n, loading;
	double began = now_us();
	uint64_t before;
	char byte;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "now") != 0))
		errx(64, "usage: way1server DIR [now]");
	loading = argc == 3;
	listener = listener_new(argv[1], loading);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGUSR1, on_signal);
	e.data.fd = listener;
	(void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	before = cpu_of_all();
	while (!over) {
		n = epoll_wait(ep, events, 64, loading ? 100 : -1);
		if (loading && !is_loading(listener)) {
			loading = 0;
			printf("loaded %.0f\n", (now_us() - began) / 1e3);
			(void)fflush(stdout);
		}
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				finished += take(listener, ep);
			else if (recv(events[i].data.fd, &byte, 1, 0) <= 0)
				(void)close(events[i].data.fd);
		}
		if (restart) {
			restart = 0;
			finished = 0;
			before = cpu_of_all();
		}
	}
	printf("%lu 0 %.2f\n", finished, (double)(cpu_of_all() - before) / 1e3 /
	    (double)(finished != 0 ? finished : 1));
	return 0;
}
