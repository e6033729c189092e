/* SPDX-License-Identifier: ISC */
/*
 * demo - a small HTTPS server for tools/try: POSIX calls and nothing else.
 *
 *	demo DIRECTORY [ADDRESS]
 *
 * Serves every certificate below DIRECTORY on a port of the kernel's choice,
 * prints "port N", and tells each client which name it asked for and which
 * certificate it was shown.
 */
#include <securesockets.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the library has to say about its last refusal. */
static const char *
why(int fd)
{
	static char text[512];
	socklen_t len = sizeof(text);
	int saved = errno, rc;

	rc = getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len);
	errno = saved;
	return rc == 0 && len > 0 ? text : "no reason given";
}

static int
open_listener(const char *directory, const char *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	const struct sockaddr *addr = family == AF_INET6 ?
	    (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = family == AF_INET6 ? sizeof(v6) : sizeof(v4);
	int fd;

	if (inet_pton(family, address, family == AF_INET6 ?
	    (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		errx(64, "%s: not an address", address);
	fd = socket(family, SOCK_STREAM, IPPROTO_TLS);
	if (fd < 0)
		err(69, "socket: %s", why(-1));
	if (setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, directory,
	    (socklen_t)strlen(directory) + 1) < 0)
		err(69, "%s: %s", directory, why(fd));
	if (bind(fd, addr, len) < 0 || listen(fd, 128) < 0)
		err(69, "listen: %s", why(fd));
	return fd;
}

static void
print_port(int fd)
{
	struct sockaddr_in6 addr = { .sin6_port = 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		err(69, "getsockname");
	/* sin_port and sin6_port share their place */
	printf("port %u\n", ntohs(addr.sin6_port));
	fflush(stdout);
}

/* The text of an option of a connection, or "". */
static const char *
option(int fd, int number, char *buf, socklen_t size)
{
	if (getsockopt(fd, IPPROTO_TLS, number, buf, &size) < 0 || size == 0)
		return "";
	return buf;
}

static void
serve(int fd)
{
	struct timeval patience = { .tv_sec = 5 };
	char request[4096], name[256], decision[1024], body[1400];
	int n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (read(fd, request, sizeof(request)) <= 0)
		return;
	n = snprintf(body, sizeof(body), "you asked for: %s\nserved: %s\n",
	    option(fd, TLS_HOSTNAME, name, sizeof(name)),
	    option(fd, TLS_CERT_DECISION, decision, sizeof(decision)));
	dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %d\r\nConnection: close\r\n\r\n%s", n, body);
}

int
main(int argc, char **argv)
{
	int listener, fd;

	if (argc != 2 && argc != 3)
		errx(64, "usage: demo DIRECTORY [ADDRESS]");
	listener = open_listener(argv[1], argc == 3 ? argv[2] : "127.0.0.1");
	print_port(listener);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	err(69, "accept: %s", why(listener));
}
