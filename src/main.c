/* SPDX-License-Identifier: ISC */
/*
 * securesocketsd - the helper of a program that speaks TLS through sockets.
 *
 * The library starts it as --keeper; the keeper starts it again as --relay.
 */
#include "keeper/keeper.h"
#include "keeper/title.h"
#include "relay/relay.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EX_USAGE	64

static const char usage[] =
    "usage: securesocketsd --serve FILE\n"
    "       securesocketsd --version | --help\n"
    "\n"
    "The helper of programs that use TLS through the sockets API. The library\n"
    "starts it by itself; --keeper and --relay are its two roles.\n"
    "\n"
    "--serve FILE starts a pair beforehand, for a program that may not start\n"
    "one. FILE (mode 0600) tells the program where it is: set\n"
    "SECURESOCKETS_SERVE=FILE in the program's environment.\n";

/* The keeper's arguments are: --relay DOOR PROGRAM PID. */
static int
relay(int argc, char **argv)
{
	const struct sst_relay_fds fds = {
		.channel = 3, .files = 4, .door = 5, .link_connect = 6,
		.link_listen = 7,
	};
	char program[64];

	for (int fd = 3; fd <= 7; fd++)
		if (argc != 5 || fcntl(fd, F_GETFD) < 0) {
			(void)fputs("securesocketsd: --relay is started by the "
			    "keeper\n", stderr);
			return EX_USAGE;
		}
	(void)snprintf(program, sizeof(program), "%s", argv[3]);
	sst_title_set(program, strtoul(argv[4], NULL, 10));
	return sst_relay_main(&fds);
}

int
main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";
	char path[4096];
	int rc = EX_USAGE;

	sst_title_init(argc, argv);
	if (strcmp(role, "--keeper") == 0) {
		rc = sst_keeper_main();
	} else if (strcmp(role, "--relay") == 0) {
		rc = relay(argc, argv);
	} else if (strcmp(role, "--serve") == 0 && argc == 3 &&
	    strlen(argv[2]) < sizeof(path)) {
		/* The arguments become the title. */
		(void)strcpy(path, argv[2]);
		rc = sst_keeper_serve(path);
	} else if (strcmp(role, "--version") == 0) {
		(void)printf("securesocketsd %s\n", SST_RELEASE);
		rc = 0;
	} else if (strcmp(role, "--help") == 0) {
		(void)fputs(usage, stdout);
		rc = 0;
	} else {
		(void)fputs("securesocketsd: unknown arguments; see --help\n", stderr);
	}
	/* No handler of a library runs: a process that may not be traced makes
	 * a leak checker fail, and nothing is left to flush but this. */
	(void)fflush(stdout);
	_exit(rc);
}
