/* SPDX-License-Identifier: ISC */
/*
 * echo_socket - how echo_libevent.c comes to its sockets.
 *
 *	echo_libevent.c --> echo_plain.c (knows nothing of TLS) or
 *	                    echo_asking.c (asks for it, with the library linked)
 */
#ifndef ECHO_SOCKET_H
#define ECHO_SOCKET_H

/* A socket of IPv4 that shall listen, or -1 with errno. */
int	echo_listening(void);
/* One that shall connect to `host`; -1 with errno, 0 there is none of its own. */
int	echo_calling(const char *host);

#endif
