/* SPDX-License-Identifier: ISC */
/*
 * plainserver - a server that knows nothing of TLS, for `fronts` and `idle_fronts`.
 *
 *	plainserver plain		plain TCP on a free port, prints it
 *	plainserver tls PEM		the same on a socket of protocol IPPROTO_TLS
 *
 * The two differ in the number that socket() gets and in one option. A request has
 * 64 bytes: the first one says what, the eight after it hold a number of bytes N.
 *
 *	'e'	the 64 bytes come back
 *	'd'	N bytes follow from here
 *	'u'	N bytes follow from the client; then one byte from here
 *
 * One thread, epoll; serves until it is killed.
 */
#include <securesockets.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { REQUEST = 64, BLOCK = 65536 };

struct client {
	int	 fd;
	size_t	 have;			/* bytes of the request so far */
	char	 request[REQUEST];
	uint64_t to_send, to_take;
	int	 echo;
};

static char block[BLOCK];

static int
listener_new(const char *pem)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK,
	    pem != NULL ? IPPROTO_TLS : 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    (pem != NULL && setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, pem,
	    (socklen_t)strlen(pem) + 1) < 0) || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(1, "listen");
	printf("%u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void
take(int listener, int ep)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct client *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			err(1, "calloc");
		c->fd = fd;
		e.data.ptr = c;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
			err(1, "epoll_ctl");
	}
}

static void
begin(struct client *c)
{
	uint64_t n;

	c->have = 0;
	c->echo = c->request[0] == 'e';
	memcpy(&n, c->request + 1, sizeof(n));
	switch (c->request[0]) {
	case 'e':
		c->to_send = REQUEST;
		break;
	case 'd':
		c->to_send = n;
		break;
	default:
		c->to_take = n;
		break;
	}
}

/* Receives as far as a request goes. 1: more may be there, 0: not now, -1: over. */
static int
receive(struct client *c)
{
	ssize_t n;

	if (c->to_take > 0)
		n = recv(c->fd, block, c->to_take < BLOCK ? c->to_take : BLOCK, 0);
	else
		n = recv(c->fd, c->request + c->have, REQUEST - c->have, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	if (c->to_take > 0) {
		c->to_take -= (uint64_t)n;
		c->to_send = c->to_take == 0;
		return 1;
	}
	c->have += (size_t)n;
	if (c->have == REQUEST)
		begin(c);
	return 1;
}

/* 1: all is sent, 0: not yet, -1: over. */
static int
transmit(struct client *c)
{
	ssize_t n;

	while (c->to_send > 0) {
		n = send(c->fd, c->echo ? c->request + REQUEST - c->to_send : block,
		    c->to_send < BLOCK ? c->to_send : BLOCK, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->to_send -= (uint64_t)n;
	}
	return 1;
}

static void
serve(struct client *c, int ep)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int waited = c->to_send > 0, answered = 0, r;

	/* The next request comes after the answer: no look for it here. */
	while ((r = transmit(c)) > 0 && !answered && (r = receive(c)) > 0)
		answered = c->to_send > 0;
	if (r < 0) {
		(void)close(c->fd);
		free(c);
		return;
	}
	e.events = c->to_send > 0 ? EPOLLOUT : EPOLLIN;
	if (waited != (c->to_send > 0) && epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e) < 0)
		err(1, "epoll_ctl");
}

int
main(int argc, char **argv)
{
	struct epoll_event events[64], e = { .events = EPOLLIN };
	int ep = epoll_create1(0), listener, n;
	struct rlimit limit;

	if (argc != (argc > 1 && strcmp(argv[1], "tls") == 0 ? 3 : 2))
		errx(64, "usage: plainserver plain | tls PEM");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	listener = listener_new(argc == 3 ? argv[2] : NULL);
	(void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		n = epoll_wait(ep, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				take(listener, ep);
			else
				serve(events[i].data.ptr, ep);
		}
	}
}
