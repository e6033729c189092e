/* SPDX-License-Identifier: ISC */
/*
 * connects - connections one after the other: connect, handshake, 64 bytes there
 * and back, close.
 *
 *	connects serve PEM		raw OpenSSL; prints its port, serves until
 *					it is killed
 *	connects go MAKE HOW PORT COUNT SERVER
 *
 * MAKE is raw or way1, HOW is block or poll; SERVER is the server's pid. The trust
 * anchors are those of SSL_CERT_FILE. Prints for each connection, in us: mean,
 * median and 99th percentile of the time; processor time of the client (program,
 * keeper and relay) and of client and server.
 */
#include "cpu.h"
#include "end.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pair, its caches and the allocators are warm after these. */
enum { WARM_UP = 50, BYTES = 64 };

static void
serve(const char *pem)
{
	struct listener l;
	struct end e;
	char bytes[BYTES];

	end_listen(&l, RAW, pem);
	printf("%u\n", l.port);
	(void)fflush(stdout);
	for (;;) {
		end_accept(&l, &e);
		end_read(&e, bytes, BYTES);
		end_write(&e, bytes, BYTES);
		(void)end_read_some(&e, bytes, BYTES);
		end_close(&e);
	}
}

static double
one(enum make make, int polled, uint16_t port)
{
	char sent[BYTES] = "ping", got[BYTES];
	double start = now_us();
	struct end e;

	if (polled) {
		end_begin(&e, make, port, NULL);
		end_begun(&e);
	} else
		end_connect(&e, make, port, NULL);
	end_write(&e, sent, BYTES);
	end_read(&e, got, BYTES);
	end_close(&e);
	if (memcmp(sent, got, BYTES) != 0)
		errx(1, "other bytes came back");
	return now_us() - start;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t
cpu_of_client(void)
{
	return cpu_of(getpid()) + sum_over_pair(getpid(), cpu_of);
}

static void
go(enum make make, int polled, uint16_t port, size_t count, pid_t server)
{
	double *took = calloc(count, sizeof(*took)), start;
	uint64_t own, all;

	if (took == NULL || count == 0)
		errx(64, "COUNT is at least 1");
	for (int i = 0; i < WARM_UP; i++)
		(void)one(make, polled, port);
	own = cpu_of_client();
	all = cpu_of(server);
	start = now_us();
	for (size_t i = 0; i < count; i++)
		took[i] = one(make, polled, port);
	start = now_us() - start;
	/* What a close leaves to the relay and the server is theirs to pay. */
	(void)usleep(50000);
	own = cpu_of_client() - own;
	all = cpu_of(server) - all + own;
	qsort(took, count, sizeof(*took), by_value);
	printf("%.1f %.1f %.1f %.1f %.1f\n", start / (double)count,
	    took[count / 2], took[count * 99 / 100],
	    (double)own / 1e3 / (double)count, (double)all / 1e3 / (double)count);
	free(took);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	else if (argc == 7 && strcmp(argv[1], "go") == 0)
		go(end_make(argv[2]), strcmp(argv[3], "poll") == 0,
		    (uint16_t)atoi(argv[4]), (size_t)atol(argv[5]),
		    (pid_t)atoi(argv[6]));
	else
		errx(64, "usage: connects serve PEM | "
		    "go raw|way1 block|poll PORT COUNT SERVER");
	return 0;
}
