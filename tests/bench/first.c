/* SPDX-License-Identifier: ISC */
/*
 * first - how long a program's first connection takes, its pair not running.
 *
 *	first PEM CA
 *
 * A child serves with raw OpenSSL. Prints milliseconds for socket() (which
 * starts the pair), for the rest up to the end of connect(), and the sum.
 */
#include <securesockets.h>

#include "cpu.h"
#include "end.h"

#include <err.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct listener l;
	struct end e;
	double start, made, done;
	pid_t child;
	int fd;

	if (argc != 3)
		errx(64, "usage: first PEM CA");
	end_listen(&l, RAW, argv[1]);
	child = fork();
	if (child == 0) {
		end_accept(&l, &e);
		end_close(&e);
		_exit(0);
	}
	start = now_us();
	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
	if (fd < 0)
		err(1, "socket");
	made = now_us();
	end_connect(&e, WAY1, l.port, argv[2]);
	done = now_us();
	printf("socket %.2f ms, connect %.2f ms, sum %.2f ms\n",
	    (made - start) / 1e3, (done - made) / 1e3, (done - start) / 1e3);
	end_close(&e);
	(void)close(fd);
	(void)waitpid(child, NULL, 0);
	return 0;
}
