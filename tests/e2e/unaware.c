/* SPDX-License-Identifier: ISC */
/*
 * unaware - a program that knows nothing of TLS: what `sstool run` is for.
 *
 *	unaware serve ADDRESS [PORT]	echoes lines; prints its port first
 *	unaware take FD			the same on a listener that it was given
 *	unaware dial ADDRESS PORT [HOST ...]
 *		looks the hosts up, connects, sends a line and prints the answer
 *	unaware wait			for its children, of which it has none
 *
 * It prints what a call said, and ends with 0 when all went well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union address {
	struct sockaddr		any;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
};

static socklen_t
fill(union address *a, const char *text, int port)
{
	memset(a, 0, sizeof(*a));
	if (strchr(text, ':') == NULL) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((in_port_t)port);
		(void)inet_pton(AF_INET, text, &a->v4.sin_addr);
		return sizeof(a->v4);
	}
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons((in_port_t)port);
	(void)inet_pton(AF_INET6, text, &a->v6.sin6_addr);
	return sizeof(a->v6);
}

static int
failed(const char *call)
{
	printf("%s: %s\n", call, strerror(errno));
	return 1;
}

static int
is_tcp(int fd)
{
	int protocol = 0, domain = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    protocol == IPPROTO_TCP && (domain == AF_INET || domain == AF_INET6);
}

static void
echo(int fd)
{
	char line[256];
	ssize_t n;

	printf("%s\n", is_tcp(fd) ? "accepted" : "accepted something else");
	while ((n = read(fd, line, sizeof(line))) > 0)
		if (write(fd, line, (size_t)n) != n)
			break;
	(void)close(fd);
}

static int
serve_on(int listener)
{
	union address a;
	socklen_t len = sizeof(a);
	int fd;

	if (getsockname(listener, &a.any, &len) < 0)
		return failed("getsockname");
	printf("%s %d\n", is_tcp(listener) ? "port" : "no TCP",
	    ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port));
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			return failed("accept");
		echo(fd);
	}
}

static int
serve(const char *address, int port)
{
	union address a;
	socklen_t len = fill(&a, address, port);
	int fd = socket(a.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		return failed("socket");
	if (bind(fd, &a.any, len) < 0)
		return failed("bind");
	if (listen(fd, 16) < 0)
		return failed("listen");
	return serve_on(fd);
}

static int
dial(const char *address, int port, char **hosts)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	union address a;
	socklen_t len = fill(&a, address, port);
	char line[64] = "";
	int fd;

	for (; *hosts != NULL; hosts++) {
		if (getaddrinfo(*hosts, NULL, &hints, &list) != 0)
			return failed("getaddrinfo");
		freeaddrinfo(list);
	}
	fd = socket(a.any.sa_family, SOCK_STREAM, IPPROTO_TCP);
	if (fd < 0)
		return failed("socket");
	if (connect(fd, &a.any, len) < 0)
		return failed("connect");
	if (write(fd, "ping\n", 5) != 5)
		return failed("write");
	if (recv(fd, line, 5, MSG_WAITALL) != 5)
		return failed("recv");
	printf("answer %s", line);
	return 0;
}

/* A child that wait() does not report could still send its signal. */
static int
await_children(void)
{
	struct timespec limit = { .tv_nsec = 300 * 1000 * 1000 };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (sigtimedwait(&set, NULL, &limit) == SIGCHLD)
		printf("a child has ended\n");
	return waitpid(-1, NULL, 0) < 0 ? failed("wait") : 1;
}

int
main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argc > 3 ? atoi(argv[3]) : 0);
	if (argc > 2 && strcmp(argv[1], "take") == 0)
		return serve_on(atoi(argv[2]));
	if (argc > 3 && strcmp(argv[1], "dial") == 0)
		return dial(argv[2], atoi(argv[3]), argv + 4);
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		return await_children();
	return 64;
}
