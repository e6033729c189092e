/* SPDX-License-Identifier: ISC */
/* socket - a socket that is not connected, and names. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

CASE(sk_05_a_fresh_socket_polls)
{
	int fd = own_socket(t, t->family, SOCK_NONBLOCK);

	see_mask(t, "fresh", (unsigned int)ours_poll(fd, ALL, 0));
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_05_a_fresh_socket_polls),
	};

	world_begin();
	return world_end(tests);
}
