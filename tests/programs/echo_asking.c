/* SPDX-License-Identifier: ISC */
/* echo_asking - sockets of a program that is linked with the library. */
#include "echo_socket.h"

#include <securesockets.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAGS	(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static int
asked(int option, const char *value, int fd)
{
	if (fd >= 0 && (value == NULL ||
	    setsockopt(fd, IPPROTO_TLS, option, value, (socklen_t)strlen(value)) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int
echo_listening(void)
{
	return asked(TLS_CERTIFICATE_CHAIN, getenv("ECHO_CHAIN"),
	    socket(AF_INET, FLAGS, IPPROTO_TLS));
}

int
echo_calling(const char *host)
{
	return asked(TLS_REMOTE_HOSTNAME, host,
	    asked(TLS_TRUSTED_PEER_CERTIFICATES, getenv("ECHO_TRUST"),
	    socket(AF_INET, FLAGS, IPPROTO_TLS)));
}
