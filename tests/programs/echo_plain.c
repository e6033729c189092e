/* SPDX-License-Identifier: ISC */
/* echo_plain - sockets of a program that knows nothing of TLS. */
#include "echo_socket.h"

#include <sys/socket.h>

int
echo_listening(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int
echo_calling(const char *host)
{
	(void)host;
	return 0;	/* libevent makes it */
}
