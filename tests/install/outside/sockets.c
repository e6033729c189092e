/* SPDX-License-Identifier: ISC */
/* sockets - somebody's program with sockets, C and C++ alike: way 1. */
#include <securesockets.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(void)
{
	char name[64] = "";
	socklen_t len = sizeof(name);
	int fd, plain;

	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
	if (fd < 0) {
		perror("socket");
		return 1;
	}
	if (setsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, "example.org", 12) < 0 ||
	    getsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, name, &len) < 0 ||
	    len != 12 || strcmp(name, "example.org") != 0) {
		perror("TLS_REMOTE_HOSTNAME");
		return 1;
	}
	/* and a socket that is none of ours goes to the kernel */
	plain = socket(AF_INET, SOCK_STREAM, 0);
	if (plain < 0 || setsockopt(plain, IPPROTO_TLS, TLS_REMOTE_HOSTNAME,
	    "example.org", 12) == 0 || errno == 0) {
		fprintf(stderr, "a plain socket took an option of TLS\n");
		return 1;
	}
	close(plain);
	close(fd);
	return 0;
}
