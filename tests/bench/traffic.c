/* SPDX-License-Identifier: ISC */
/*
 * traffic - one connection on the loopback interface: round trips or bulk.
 *
 *	traffic rtt|up|down CLIENT SERVER COUNT PEM CA
 *
 * CLIENT and SERVER are raw or way1. rtt: COUNT round trips of 64 bytes; up and
 * down: COUNT MiB from or to the client. Prints one line: microseconds a round
 * trip or MB/s, then CPU seconds of both programs and of every securesocketsd.
 */
#include "cpu.h"
#include "end.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK	65536

static char block[BLOCK];

/* The passive side: echoes, swallows or pours until `count` is reached. */
static void
serve(struct listener *l, const char *what, long count)
{
	struct end e;

	end_accept(l, &e);
	if (strcmp(what, "rtt") == 0) {
		/* 200 more: the client's warm-up. */
		for (long i = 0; i < count + 200; i++) {
			end_read(&e, block, 64);
			end_write(&e, block, 64);
		}
	} else if (strcmp(what, "up") == 0) {
		for (long i = 0; i < count * 16; i++)
			end_read(&e, block, BLOCK);
		end_write(&e, "k", 1);
	} else {
		end_read(&e, block, 1);
		for (long i = 0; i < count * 16; i++)
			end_write(&e, block, BLOCK);
	}
	(void)end_read_some(&e, block, 1);
	end_close(&e);
}

static double
drive(struct end *e, const char *what, long count)
{
	double start;

	if (strcmp(what, "rtt") == 0)
		for (long i = 0; i < 200; i++) {
			end_write(e, block, 64);
			end_read(e, block, 64);
		}
	start = now_us();
	if (strcmp(what, "rtt") == 0) {
		for (long i = 0; i < count; i++) {
			end_write(e, block, 64);
			end_read(e, block, 64);
		}
	} else if (strcmp(what, "up") == 0) {
		for (long i = 0; i < count * 16; i++)
			end_write(e, block, BLOCK);
		end_read(e, block, 1);
	} else {
		end_write(e, "g", 1);
		for (long i = 0; i < count * 16; i++)
			end_read(e, block, BLOCK);
	}
	return now_us() - start;
}

/* Both programs and their pairs; the listener made the first one's before the
 * fork, so both share it. */
static uint64_t
cpu_of_all(pid_t child)
{
	return cpu_of(child) + cpu_of(getpid()) + sum_over_pair(getpid(), cpu_of);
}

int
main(int argc, char **argv)
{
	struct listener l;
	struct end e;
	uint64_t used;
	double us;
	pid_t child;
	long count;

	if (argc != 7)
		errx(64, "usage: traffic rtt|up|down CLIENT SERVER COUNT PEM CA");
	count = atol(argv[4]);
	end_listen(&l, end_make(argv[3]), argv[5]);
	child = fork();
	if (child == 0) {
		serve(&l, argv[1], count);
		_exit(0);
	}
	end_connect(&e, end_make(argv[2]), l.port, argv[6]);
	used = cpu_of_all(child);
	us = drive(&e, argv[1], count);
	used = cpu_of_all(child) - used;
	end_close(&e);
	(void)waitpid(child, NULL, 0);
	if (strcmp(argv[1], "rtt") == 0)
		printf("%.2f us", us / (double)count);
	else
		printf("%.1f MB/s", (double)count * 1048576 / us);
	printf(" %.3f cpu-s\n", (double)used / 1e9);
	return 0;
}
