/* SPDX-License-Identifier: ISC */
/* linked_client - knows two numbers and no header of ours; linked with the library. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL	205
#define PEER_NAME	85
#define TRUSTED		87

int
main(void)
{
	const char *address = getenv("ADDRESS"), *port = getenv("PORT");
	const char *ca = getenv("CA"), *name = getenv("NAME");
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr *to = (struct sockaddr *)&v4;
	socklen_t len = sizeof(v4);
	char text[100];
	ssize_t n;
	int fd;

	if (address == NULL || port == NULL || ca == NULL || name == NULL)
		return 64;
	v4.sin_port = v6.sin6_port = htons((in_port_t)atoi(port));
	if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
		if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
			return 64;
		to = (struct sockaddr *)&v6;
		len = sizeof(v6);
	}
	fd = socket(to->sa_family, SOCK_STREAM, PROTOCOL);
	if (fd < 0 ||
	    setsockopt(fd, PROTOCOL, TRUSTED, ca, (socklen_t)strlen(ca)) < 0 ||
	    setsockopt(fd, PROTOCOL, PEER_NAME, name, (socklen_t)strlen(name)) < 0 ||
	    connect(fd, to, len) < 0 || write(fd, "hello", 5) != 5) {
		perror("linked_client");
		return 1;
	}
	while ((n = read(fd, text, sizeof(text))) > 0)
		(void)fwrite(text, 1, (size_t)n, stdout);
	return n < 0;
}
