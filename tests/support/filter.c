/* SPDX-License-Identifier: ISC */
/*
 * filter - which tests of a program run.
 *
 * Linked into every CMocka program: SST_TEST=PATTERN runs only the tests whose
 * names match, as in `SST_TEST='sk_77*' build/dev/tests/e2e/e2e_bytes`. With
 * SST_NEEDS_IPV4 (sst_needs_ipv4() of tests/CMakeLists.txt) the program is
 * skipped, exit status 77, on a machine without 127.0.0.1.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int
has_ipv4(void)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ok = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;

	(void)close(fd);
	return ok;
}

__attribute__((constructor)) static void
filter(void)
{
	const char *pattern = getenv("SST_TEST");

	if (getenv("SST_NEEDS_IPV4") != NULL && !has_ipv4())
		_exit(77);

	if (pattern != NULL)
		cmocka_set_test_filter(pattern);
}
