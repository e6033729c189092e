/* SPDX-License-Identifier: ISC */
/*
 * raised_client - a program that may be made set-uid: raised_client PORT [CA].
 *
 * Connects to 127.0.0.1 as one.example. Exit status 0: a byte came back; 10: no
 * socket; 11: the peer was not believed; 12: anything else. The shim is in it, as
 * a set-uid program cannot be preloaded. Exit status 13 + what: AT_SECURE is not
 * what its rights say.
 */
#include <securesockets.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char name[] = "one.example";
	char byte = 'x';
	int fd;

	if (argc < 2)
		return 12;
	if (geteuid() != getuid() && getauxval(AT_SECURE) == 0)
		return 13;
	at.sin_port = htons((in_port_t)atoi(argv[1]));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
	if (fd < 0)
		return 10;
	if (setsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, name, strlen(name)) != 0)
		return 12;
	if (argc > 2 && setsockopt(fd, IPPROTO_TLS, TLS_TRUSTED_PEER_CERTIFICATES,
	    argv[2], (socklen_t)strlen(argv[2])) != 0)
		return 12;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return errno == EPROTO ? 11 : 12;
	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		return 12;
	return 0;
}
