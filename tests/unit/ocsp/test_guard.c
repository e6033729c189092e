/* SPDX-License-Identifier: ISC */
/* Tests of guard.c: which addresses and URLs may be asked. */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "ocsp/guard.h"

static struct sst_guard *
guard_with(const char *const *allow, const char *const *nat64)
{
	struct sst_guard *g = NULL;
	struct sst_error err = { 0 };

	if (sst_guard_new(allow, nat64, &g, &err) != SST_OK)
		fail_msg("%s", err.text);
	return g;
}

static struct sst_guard *
guard_of(const char *const *allow)
{
	return guard_with(allow, NULL);
}

static int
may(const struct sst_guard *g, const char *address, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)port) };
	struct sst_error err = { 0 };
	int ok;

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		ok = sst_guard_address(g, (struct sockaddr *)&in, sizeof(in), &err);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
		ok = sst_guard_address(g, (struct sockaddr *)&in6, sizeof(in6), &err);
	}
	assert_int_equal(err.code, ok ? 0 : SST_E_REFUSED);
	assert_true(ok || err.text[0] != '\0');
	return ok;
}

/* Every range: its first and last address are blocked, its neighbours are not
 * (unless they belong to the next range). */
static void
rv_83_only_public_addresses_may_be_asked(void **state)
{
	static const char *const open[] = { "1.0.0.0", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.1.255", "192.0.3.0",
		"192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
		"203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8",
		"2000::", "2001:200::1", "2001:db7:ffff::1", "2001:db9::", "2606:4700::1111",
		"3fff:1000::", "3ffe:ffff::1" };
	static const char *const blocked[] = { "0.0.0.0", "0.255.255.255", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.0.0.1",
		"127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255",
		"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0",
		"192.0.2.255", "192.88.99.0", "192.88.99.255", "192.168.0.0",
		"192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0",
		"198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0", "239.1.1.1",
		"240.0.0.0", "255.255.255.255", "::", "::1", "::8.8.8.8", "fe80::1",
		"fec0::1", "fc00::1", "fdff::1", "ff02::1", "1fff:ffff::1", "4000::1",
		"5f00::1", "100::1", "64:ff9b:1::808:808", "2001:1::1", "2001:1ff:ffff::1",
		"2001:db8::", "2001:db8:ffff:ffff::1", "3fff::1", "3fff:fff:ffff::1" };
	struct sst_guard *g = guard_of(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (!may(g, open[i], 80))
			fail_msg("%s is public", open[i]);
	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
		if (may(g, blocked[i], 80))
			fail_msg("%s is not public", blocked[i]);
	sst_guard_free(g);
}

static void
rv_83_an_embedded_address_is_judged_by_itself(void **state)
{
	struct sst_guard *g = guard_of(NULL);

	(void)state;
	assert_true(may(g, "::ffff:8.8.8.8", 80));
	assert_false(may(g, "::ffff:10.0.0.1", 80));
	assert_true(may(g, "64:ff9b::808:808", 80));
	assert_false(may(g, "64:ff9b::a00:1", 80));
	assert_false(may(g, "64:ff9b::7f00:1", 80));
	assert_false(may(g, "64:ff9b:0:0:0:1:808:808", 80));	/* not that prefix */
	assert_true(may(g, "2002:808:808::1", 80));
	assert_false(may(g, "2002:a00:1::1", 80));
	assert_false(may(g, "2002:c0a8:101::1", 80));
	/* Teredo: the client's address is inverted at the end */
	assert_true(may(g, "2001:0:4136:e378:8000:63bf:f7f7:f7f7", 80));
	assert_false(may(g, "2001:0:4136:e378:8000:63bf:f5ff:fffe", 80));
	sst_guard_free(g);
}

static void
a_port_other_than_80_is_blocked_unless_listed(void **state)
{
	const char *const allow[] = { "93.184.216.34:8080", "10.1.0.0/16", NULL };
	struct sst_guard *g = guard_of(allow);

	(void)state;
	assert_true(may(g, "93.184.216.34", 80));
	assert_true(may(g, "93.184.216.34", 8080));
	assert_false(may(g, "93.184.216.34", 8081));
	assert_false(may(g, "93.184.216.35", 8080));
	assert_true(may(g, "10.1.255.1", 80));
	assert_true(may(g, "10.1.0.0", 9999));
	assert_false(may(g, "10.2.0.0", 80));
	assert_false(may(g, "10.0.255.255", 80));
	sst_guard_free(g);
}

static void
what_the_operator_lists_is_allowed_and_its_neighbour_is_not(void **state)
{
	const char *const allow[] = { "127.0.0.1:8080", "[::1]:8081", "fd00::/8",
		"[fe80::/10]:81", "[2001:db8::7]", "172.16.0.0/13", "0.0.0.0/32", NULL };
	struct sst_guard *g = guard_of(allow);

	(void)state;
	assert_true(may(g, "127.0.0.1", 8080));
	assert_true(may(g, "::ffff:127.0.0.1", 8080));
	assert_true(may(g, "64:ff9b::7f00:1", 8080));
	assert_false(may(g, "127.0.0.1", 80));
	assert_false(may(g, "127.0.0.2", 8080));
	assert_true(may(g, "::1", 8081));
	assert_false(may(g, "::1", 80));
	assert_false(may(g, "::2", 8081));
	assert_true(may(g, "fd12:3456::1", 443));
	assert_false(may(g, "fc12:3456::1", 443));
	assert_true(may(g, "febf::1", 81));
	assert_false(may(g, "febf::1", 80));
	assert_true(may(g, "2001:db8::7", 80));
	assert_false(may(g, "2001:db8::8", 80));
	assert_true(may(g, "172.23.255.255", 80));
	assert_false(may(g, "172.24.0.0", 80));
	assert_true(may(g, "0.0.0.0", 1));
	assert_false(may(g, "0.0.0.1", 80));
	sst_guard_free(g);
}

static void
an_entry_that_does_not_parse_is_named(void **state)
{
	static const char *const bad[] = { "", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/1x",
		"10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:", "10.0.0.1:80x", "[::1", "[::1]x",
		"[::1]:", "::1/129", "example.com", "0x7f.1", "10.0.0.1/-1", "[10.0.0.1]",
		"fe80::1%lo", "10.0.0.1/8/8", "\x01", NULL };
	static const char *const good[] = { "10.0.0.1/32", "10.0.0.1/0", "10.0.0.1:1",
		"10.0.0.1:65535", "::1/128", "[::1/128]:80", "10.0.0.0/8:80", NULL };

	(void)state;
	for (int i = 0; bad[i] != NULL; i++) {
		const char *const allow[] = { "10.0.0.1", bad[i], NULL };
		struct sst_guard *g = NULL;
		struct sst_error err = { 0 };

		if (sst_guard_new(allow, NULL, &g, &err) != SST_E_USAGE)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_null(g);
		assert_true(bad[i][0] == '\x01' ? strstr(err.text, "\\x01") != NULL :
		    strstr(err.text, bad[i]) != NULL);
	}
	for (int i = 0; good[i] != NULL; i++) {
		const char *const allow[] = { good[i], NULL };

		sst_guard_free(guard_of(allow));
	}
}

/* RFC 6052 2.4's addresses, and 10.0.0.1 in their place; 8.8.8.8 is the public one. */
static void
rv_83_behind_a_prefix_of_the_site_the_ipv4_address_counts(void **state)
{
	static const struct { const char *prefix, *public, *private; } rows[] = {
		{ "2a00:db8::/32", "2a00:db8:808:808::", "2a00:db8:a00:1::" },
		{ "2a00:db8:100::/40", "2a00:db8:108:808:8::", "2a00:db8:10a:0:1::" },
		{ "2a00:db8:122::/48", "2a00:db8:122:808:8:800::",
		    "2a00:db8:122:a00:0:100::" },
		{ "2a00:db8:122:300::/56", "2a00:db8:122:308:8:808::",
		    "2a00:db8:122:30a:0:1::" },
		{ "2a00:db8:122:344::/64", "2a00:db8:122:344:8:808:800::",
		    "2a00:db8:122:344:a:0:100::" },
		{ "2a00:db8:122:344::/96", "2a00:db8:122:344::808:808",
		    "2a00:db8:122:344::a00:1" },
		/* RFC 8215: nobody's but the site's */
		{ "64:ff9b:1::/48", "64:ff9b:1:808:8:800::", "64:ff9b:1:a00:0:100::" },
	};
	static const char *const inside[] = { "10.0.0.1", NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const nat64[] = { "2a00:1:2::/48", rows[i].prefix, NULL };
		struct sst_guard *g = guard_with(NULL, nat64), *none = guard_of(NULL);
		struct sst_guard *listed = guard_with(inside, nat64);

		assert_true(may(g, rows[i].public, 80));
		assert_false(may(g, rows[i].private, 80));
		assert_true(may(listed, rows[i].private, 80));
		/* without it the address counts */
		assert_int_equal(may(none, rows[i].private, 80), rows[i].prefix[0] == '2');
		assert_int_equal(may(none, rows[i].public, 80), rows[i].prefix[0] == '2');
		/* and so it does beside it */
		assert_true(may(g, "2a00:db9::a00:1", 80));
		assert_true(may(g, "8.8.8.8", 80));
		assert_false(may(g, "10.0.0.1", 80));
		sst_guard_free(g);
		sst_guard_free(none);
		sst_guard_free(listed);
	}
}

static void
a_prefix_that_hides_ipv4_itself_changes_nothing_there(void **state)
{
	static const char *const nat64[] = { "::/32", NULL }, *const zero[] = { "0.0.0.0", NULL };
	struct sst_guard *g = guard_with(zero, nat64);

	(void)state;
	assert_true(may(g, "::1", 80));		/* by 0.0.0.0, which is listed */
	assert_false(may(g, "127.0.0.1", 80));
	assert_false(may(g, "::ffff:127.0.0.1", 80));
	sst_guard_free(g);
}

static void
a_prefix_of_another_length_or_form_is_named(void **state)
{
	static const char *const bad[] = { "", "2a00::", "2a00::/95", "2a00::/128", "2a00::/0",
		"2a00::/33", "10.0.0.0/96", "[2a00::/96]", "[2a00::/96]:80", "2a00::/96x",
		"2a00:0:0:0:100::/96", NULL };
	static const char *const good[] = { "2a00::/32", "2a00::/40", "2a00::/48", "2a00::/56",
		"2a00::/64", "2a00::/96", "2a00:0:0:0:ff::/96", NULL };

	(void)state;
	for (int i = 0; bad[i] != NULL; i++) {
		const char *const nat64[] = { "2a00::/96", bad[i], NULL };
		struct sst_guard *g = NULL;
		struct sst_error err = { 0 };

		if (sst_guard_new(NULL, nat64, &g, &err) != SST_E_USAGE)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_null(g);
		assert_non_null(strstr(err.text, bad[i]));
		assert_non_null(strstr(err.text, "NAT64"));
	}
	for (int i = 0; good[i] != NULL; i++) {
		const char *const nat64[] = { good[i], NULL };

		sst_guard_free(guard_with(NULL, nat64));
	}
}

static void
what_is_no_internet_address_is_refused(void **state)
{
	struct sst_guard *g = guard_of(NULL);
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/x" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "8.8.8.8", &in.sin_addr), 1);
	assert_false(sst_guard_address(g, (struct sockaddr *)&un, sizeof(un), NULL));
	assert_true(sst_guard_address(g, (struct sockaddr *)&in, sizeof(in), NULL));
	assert_false(sst_guard_address(g, (struct sockaddr *)&in, sizeof(in) - 1, NULL));
	sst_guard_free(g);
}

static void
rv_87_only_http_is_fetched(void **state)
{
	static const char *const bad[] = { "https://example.com/a", "ldap://example.com/a",
		"ftp://example.com/a", "file:///etc/passwd", "gopher://example.com/", "http:/x",
		"http//example.com/", "//example.com/", "", "http://", "http:///path",
		"httpx://example.com/", NULL };
	struct sst_guard *g = guard_of(NULL);

	(void)state;
	for (int i = 0; bad[i] != NULL; i++)
		if (sst_guard_url(g, bad[i], NULL))
			fail_msg("\"%s\" would be fetched", bad[i]);
	assert_true(sst_guard_url(g, "http://example.com/a", NULL));
	assert_true(sst_guard_url(g, "HTTP://Example.COM", NULL));
	assert_true(sst_guard_url(g, "http://example.com?x", NULL));
	sst_guard_free(g);
}

static void
rv_44_a_url_with_odd_bytes_or_parts_is_not_fetched(void **state)
{
	static const char *const bad[] = { "http://user@example.com/", "http://a:b@example.com/",
		"http://example.com /", "http://example.com/\n", "http://example.com/\x7f",
		"http://ex\xc3\xa4mple.com/", "http://example.com\\@evil/", "http://exa%6dple.com/",
		"http://[fe80::1%25lo]/", "http://[::1/", "http://[::1]x/", "http://[]/",
		"http://example.com:/", "http://example.com:0/", "http://example.com:80:80/",
		"http://example.com:99999/", "http://example.com:8080/", NULL };
	const char *const allow[] = { "10.0.0.1:8080", NULL };
	struct sst_guard *g = guard_of(NULL);
	struct sst_guard *wider = guard_of(allow);
	struct sst_error err = { 0 };

	(void)state;
	for (int i = 0; bad[i] != NULL; i++)
		if (sst_guard_url(g, bad[i], NULL))
			fail_msg("\"%s\" would be fetched", bad[i]);
	assert_true(sst_guard_url(g, "http://example.com:80/", NULL));
	assert_true(sst_guard_url(g, "http://[2606:4700::1111]:80/", NULL));
	assert_true(sst_guard_url(g, "http://a-b_c.example.com./x%20y?a=b#c", NULL));
	assert_true(sst_guard_url(wider, "http://example.com:8080/", NULL));
	assert_false(sst_guard_url(wider, "http://example.com:8081/", NULL));
	assert_false(sst_guard_url(g, "http://x/\x1b[2J", &err));
	assert_non_null(strstr(err.text, "\\x1b"));
	assert_null(strchr(err.text, '\x1b'));
	sst_guard_free(wider);
	sst_guard_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_83_only_public_addresses_may_be_asked),
		cmocka_unit_test(rv_83_an_embedded_address_is_judged_by_itself),
		cmocka_unit_test(a_port_other_than_80_is_blocked_unless_listed),
		cmocka_unit_test(what_the_operator_lists_is_allowed_and_its_neighbour_is_not),
		cmocka_unit_test(an_entry_that_does_not_parse_is_named),
		cmocka_unit_test(rv_83_behind_a_prefix_of_the_site_the_ipv4_address_counts),
		cmocka_unit_test(a_prefix_that_hides_ipv4_itself_changes_nothing_there),
		cmocka_unit_test(a_prefix_of_another_length_or_form_is_named),
		cmocka_unit_test(what_is_no_internet_address_is_refused),
		cmocka_unit_test(rv_87_only_http_is_fetched),
		cmocka_unit_test(rv_44_a_url_with_odd_bytes_or_parts_is_not_fetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
