/* SPDX-License-Identifier: ISC */
/*
 * server PORT [-c PATH | -k PATH]... - what a client needs to see of a server.
 *
 * Listens on 127.0.0.1 with the certificates (-c) and keys (-k) that it is given,
 * and sends every client one byte: by then the whole handshake is over.
 */
#include <securesockets.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener, on = 1, c, option;

	if (argc < 2)
		errx(64, "usage: server PORT [-c PATH | -k PATH]...");
	at.sin_port = htons((unsigned short)atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
	if (listener < 0)
		err(69, "socket: %s", why(-1));
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(69, "bind");
	optind = 2;
	while ((c = getopt(argc, argv, "c:k:")) != -1) {
		option = c == 'k' ? TLS_PRIVATE_KEY : TLS_CERTIFICATE_CHAIN;
		if (c == '?' || setsockopt(listener, IPPROTO_TLS, option, optarg,
		    (socklen_t)strlen(optarg) + 1) < 0)
			err(69, "%s: %s", optarg, why(listener));
	}
	if (listen(listener, 128) < 0)
		err(69, "listen: %s", why(listener));
	while ((c = accept(listener, NULL, NULL)) >= 0) {
		(void)!write(c, "k", 1);
		(void)close(c);
	}
	err(69, "accept: %s", why(listener));
}
