/* SPDX-License-Identifier: ISC */
/* connect - connecting, at once and in the background. */
#include <fcntl.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define A_WHILE	60	/* ms in which nothing may happen */

CASE(sk_22_a_nonblocking_connect_is_ready_when_it_is_done)
{
	struct slow s;
	struct far f;
	int fd;

	slow_listen(t, &s, t->family);
	fd = own_client(t, t->family, SOCK_NONBLOCK);
	see_call(t, "connect", connect(fd, &s.l.at.u.any, s.l.at.len));
	see_mask(t, "pending", (unsigned int)ours_poll(fd, ALL, A_WHILE));
	see_call(t, "again", connect(fd, &s.l.at.u.any, s.l.at.len));
	slow_open(&s, &f);
	see_mask(t, "done", (unsigned int)own_await(fd, ALL));
	see(t, "SO_ERROR", ours_get_int(fd, SOL_SOCKET, SO_ERROR));
	see_call(t, "and again", connect(fd, &s.l.at.u.any, s.l.at.len));
	far_write(&f, "hello", 5);
	see_mask(t, "data", (unsigned int)own_await(fd, POLLIN));
	far_close(&f);
	(void)close(fd);
	slow_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_22_a_nonblocking_connect_is_ready_when_it_is_done),
	};

	world_begin();
	return world_end(tests);
}
