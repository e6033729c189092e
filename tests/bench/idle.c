/* SPDX-License-Identifier: ISC */
/*
 * idle - what an idle connection costs.
 *
 *	idle serve COUNT PEM	a way 1 server: prints its port, accepts COUNT
 *				connections and holds them
 *	idle hold PORT COUNT CA	opens COUNT raw connections to 127.0.0.1:PORT
 *				and holds them
 *	idle sum TEXT		prints the proportional set size of every process
 *				with TEXT in its command line, and the kernel's
 *
 * serve and hold print "ready" and wait for the end of standard input.
 */
#include "cpu.h"
#include "end.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void
wait_for_end(void)
{
	puts("ready");
	(void)fflush(stdout);
	while (getchar() != EOF)
		continue;
}

static void
serve(long count, const char *pem)
{
	struct listener l;
	struct end e;

	end_listen(&l, WAY1, pem);
	printf("%u\n", l.port);
	(void)fflush(stdout);
	for (long i = 0; i < count; i++)
		end_accept(&l, &e);
	wait_for_end();
}

static void
hold(uint16_t port, long count, const char *ca)
{
	struct end e;

	for (long i = 0; i < count; i++)
		end_connect(&e, RAW, port, ca);
	wait_for_end();
}

int
main(int argc, char **argv)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(atol(argv[2]), argv[3]);
	else if (argc == 5 && strcmp(argv[1], "hold") == 0)
		hold((uint16_t)atoi(argv[2]), atol(argv[3]), argv[4]);
	else if (argc == 3 && strcmp(argv[1], "sum") == 0)
		printf("%llu %llu\n",
		    (unsigned long long)sum_over(argv[2], memory_of),
		    (unsigned long long)memory_of_kernel());
	else
		errx(64, "usage: idle serve COUNT PEM | hold PORT COUNT CA | sum NAME");
	return 0;
}
