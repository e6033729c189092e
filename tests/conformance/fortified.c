/* SPDX-License-Identifier: ISC */
/*
 * fortified - a program built with -O2 -D_FORTIFY_SOURCE=3, which calls libc's
 * checked entry points: what each call did is a line of its output.
 *
 * calls.c runs it: fortified CONNECTED FRESH, two descriptors. The other end has
 * written "0123456789" and a line, and ended.
 */
#include <securesockets.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

static void
say(const char *call, ssize_t n)
{
	printf("%s: %zd %s\n", call, n, n < 0 ? strerrorname_np(errno) : "");
}

int
main(int argc, char **argv)
{
	char buf[16] = "", line[40];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	/* Lengths that the compiler does not know. */
	size_t two = argc < 0 ? 100 : 2;
	struct pollfd p;
	fd_set set;
	FILE *in;
	int fd, fresh;

	if (argc != 3)
		return 64;
	fd = atoi(argv[1]);
	fresh = atoi(argv[2]);
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	say("poll", poll(&p, (nfds_t)two - 1, -1));
	say("ppoll", ppoll(&p, (nfds_t)two - 1, NULL, NULL));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	say("select", select(fd + 1, &set, NULL, NULL, NULL));
	say("read", read(fd, buf, two));
	say("recv", recv(fd, buf + 2, two, MSG_PEEK));
	say("recv", recv(fd, buf + 2, two, MSG_WAITALL));
	say("recvfrom", recvfrom(fd, buf + 4, two, 0, (struct sockaddr *)&from, &len));
	printf("length %u, bytes %s\n", len, buf);
	say("discard", recv(fd, NULL, two, MSG_TRUNC));
	say("no errors", recv(fd, buf, two, MSG_ERRQUEUE));
	say("fresh read", read(fresh, buf, two));
	say("fresh recv", recv(fresh, buf, two, 0));
	say("fresh recvfrom", recvfrom(fresh, buf, two, 0, NULL, NULL));
	say("fresh write", send(fresh, buf, two, MSG_NOSIGNAL));
	in = fdopen(fd, "r+");
	if (in == NULL || fgets(line, (int)(two * 20), in) == NULL)
		return 1;
	printf("fgets: %s", line);
	printf("fread: %zu\n", fread(line, 1, two, in));
	(void)fseek(in, 0, SEEK_CUR);
	say("fprintf", fprintf(in, "%s, %zu\n", "fortified", two));
	return fclose(in) != 0 || fflush(stdout) != 0;
}
