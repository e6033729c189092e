/* SPDX-License-Identifier: ISC */
/* listen - listeners, and who is accepted. */
#include <fcntl.h>
#include <unistd.h>

#include "conformance.h"

#define ALL	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

CASE(sk_37_accept_without_a_connection_does_not_wait)
{
	struct addr at;
	struct far f;
	int l = own_listener(t, &at, t->family, 8), fd;
	char bytes[5];

	see_mask(t, "idle", (unsigned int)ours_poll(l, ALL, 0));
	want_eq(fcntl(l, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	see_call(t, "accept", accept(l, NULL, NULL));
	far_dial(t, &f, &at);
	see_mask(t, "arrived", (unsigned int)own_await(l, ALL));
	fd = accept(l, NULL, NULL);
	want(fd >= 0);
	see_call(t, "accept again", accept(l, NULL, NULL));
	ours_write(fd, "hello", 5);
	far_read_all(&f, bytes, 5);
	see_bytes(t, "hello", bytes, 5);
	(void)close(fd);
	see_far_rest(t, "rest", &f);
	far_close(&f);
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sk_37_accept_without_a_connection_does_not_wait),
	};

	world_begin();
	return world_end(tests);
}
