/* SPDX-License-Identifier: ISC */
/* sockname - the name of a descriptor, there and back. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/sockname.h"

static struct sst_sockname
made(int family)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE, .family = family,
	    .serial = 0xfedcba9876543210u };

	memcpy(name.door, "00112233445566ff", 16);
	return name;
}

static struct sst_sockname
accepted(int family)
{
	struct sst_sockname name = made(family);

	name.kind = SST_SOCKNAME_ACCEPTED;
	if (family == AF_INET) {
		name.local.v4.sin_family = name.peer.v4.sin_family = AF_INET;
		name.local.v4.sin_port = htons(443);
		name.peer.v4.sin_port = htons(65535);
		inet_pton(AF_INET, "192.0.2.1", &name.local.v4.sin_addr);
		inet_pton(AF_INET, "255.255.255.255", &name.peer.v4.sin_addr);
		return name;
	}
	name.local.v6.sin6_family = name.peer.v6.sin6_family = AF_INET6;
	name.local.v6.sin6_port = htons(1);
	name.peer.v6.sin6_port = htons(0xabcd);
	inet_pton(AF_INET6, "fe80::1234:5678:9abc:def0", &name.local.v6.sin6_addr);
	inet_pton(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
	    &name.peer.v6.sin6_addr);
	name.local.v6.sin6_scope_id = 3;
	name.peer.v6.sin6_scope_id = UINT32_MAX;
	return name;
}

static void
a_name_is_decoded_as_it_was_encoded(void **state)
{
	const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct sst_sockname in = i < 2 ? made(families[i]) :
		    accepted(families[i - 2]);
		struct sst_sockname out;
		struct sockaddr_un addr;
		socklen_t len = sst_sockname_encode(&in, &addr);

		assert_true(len <= sizeof(addr));
		memset(&out, 0, sizeof(out));
		assert_int_equal(sst_sockname_decode(&addr, len, &out), 1);
		assert_memory_equal(out.door, in.door, sizeof(in.door));
		assert_int_equal(out.kind, in.kind);
		assert_int_equal(out.family, in.family);
		assert_true(out.serial == in.serial);
		if (i >= 2) {
			assert_memory_equal(&out.local, &in.local, sizeof(in.local));
			assert_memory_equal(&out.peer, &in.peer, sizeof(in.peer));
		}
	}
}

static void
the_kernel_takes_the_name_and_gives_it_back(void **state)
{
	struct sst_sockname in = accepted(AF_INET6), out;
	struct sockaddr_un addr, back;
	socklen_t len = sst_sockname_encode(&in, &addr), back_len = sizeof(back);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	in.serial = (uint64_t)getpid();
	len = sst_sockname_encode(&in, &addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&back, &back_len), 0);
	assert_int_equal(back_len, len);
	assert_int_equal(sst_sockname_decode(&back, back_len, &out), 1);
	assert_memory_equal(&out.peer, &in.peer, sizeof(in.peer));
	(void)close(fd);
}

static void
a_name_that_is_cut_or_lengthened_is_none(void **state)
{
	struct sst_sockname in = accepted(AF_INET), out;
	struct sockaddr_un addr;
	socklen_t len = sst_sockname_encode(&in, &addr);

	(void)state;
	for (socklen_t n = 0; n <= sizeof(addr) + 8; n++)
		assert_int_equal(sst_sockname_decode(&addr, n, &out), n == len);
	in = made(AF_INET);
	len = sst_sockname_encode(&in, &addr);
	for (socklen_t n = 0; n <= sizeof(addr) + 8; n++)
		assert_int_equal(sst_sockname_decode(&addr, n, &out), n == len);
}

static void
a_changed_frame_is_none_of_ours(void **state)
{
	struct sst_sockname in = accepted(AF_INET), out;
	struct sockaddr_un addr, bad;
	socklen_t len = sst_sockname_encode(&in, &addr);
	/* NUL, magic, the dot, kind, family */
	const size_t frame[] = { 0, 1, 2, 3, 4, 5, 22, 23, 24 };

	(void)state;
	for (size_t i = 0; i < sizeof(frame) / sizeof(frame[0]); i++) {
		bad = addr;
		bad.sun_path[frame[i]] = '!';
		assert_int_equal(sst_sockname_decode(&bad, len, &out), 0);
	}
	bad = addr;
	bad.sun_family = AF_INET;
	assert_int_equal(sst_sockname_decode(&bad, len, &out), 0);
	/* The serial is hexadecimal, the addresses 6-bit characters. */
	bad = addr;
	bad.sun_path[30] = 'g';
	assert_int_equal(sst_sockname_decode(&bad, len, &out), 0);
	for (socklen_t i = 41; i < len - offsetof(struct sockaddr_un, sun_path); i++) {
		bad = addr;
		bad.sun_path[i] = '!';
		assert_int_equal(sst_sockname_decode(&bad, len, &out), 0);
		bad.sun_path[i] = '\0';
		assert_int_equal(sst_sockname_decode(&bad, len, &out), 0);
	}
	assert_int_equal(sst_sockname_decode(&addr, len, &out), 1);
}

static void
a_made_name_is_not_taken_for_an_accepted_one(void **state)
{
	struct sst_sockname in = made(AF_INET), out;
	struct sockaddr_un addr;
	socklen_t len = sst_sockname_encode(&in, &addr);

	(void)state;
	addr.sun_path[23] = SST_SOCKNAME_ACCEPTED;
	assert_int_equal(sst_sockname_decode(&addr, len, &out), 0);
	in = accepted(AF_INET);
	len = sst_sockname_encode(&in, &addr);
	addr.sun_path[23] = SST_SOCKNAME_MADE;
	assert_int_equal(sst_sockname_decode(&addr, len, &out), 0);
}

static void
an_address_is_as_long_as_its_family_says(void **state)
{
	struct sst_sockname v4 = accepted(AF_INET), v6 = accepted(AF_INET6);

	(void)state;
	assert_int_equal(sst_inet_len(&v4.peer), sizeof(struct sockaddr_in));
	assert_int_equal(sst_inet_len(&v6.peer), sizeof(struct sockaddr_in6));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_decoded_as_it_was_encoded),
		cmocka_unit_test(the_kernel_takes_the_name_and_gives_it_back),
		cmocka_unit_test(a_name_that_is_cut_or_lengthened_is_none),
		cmocka_unit_test(a_changed_frame_is_none_of_ours),
		cmocka_unit_test(a_made_name_is_not_taken_for_an_accepted_one),
		cmocka_unit_test(an_address_is_as_long_as_its_family_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
