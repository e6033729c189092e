/* SPDX-License-Identifier: ISC */
/* policy - what sstool run tells the library, and the names it remembers. */
#include "program.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "shim/memo.h"
#include "shim/policy.h"

#define PAIR	"pair 0123456789abcdef 00112233445566778899aabbccddeeff 77 1000\n"

static struct sst_policy policy;
static const char *why;

static int
parses(const char *text)
{
	return sst_policy_parse(text, &policy, &why) == 0;
}

static union sst_inet
inet(const char *text, int port)
{
	union sst_inet a;

	memset(&a, 0, sizeof(a));
	if (strchr(text, ':') == NULL) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons((uint16_t)port);
		assert_int_equal(inet_pton(AF_INET, text, &a.v4.sin_addr), 1);
	} else {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons((uint16_t)port);
		assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
	}
	return a;
}

static int
covers(const char *address, int port)
{
	union sst_inet a = inet(address, port);

	return sst_policy_covers(&policy, &a);
}

static void
a_whole_policy_is_understood(void **state)
{
	static const uint8_t secret[SST_SECRET_LEN] = { 0x00, 0x11, 0x22, 0x33,
	    0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

	(void)state;
	assert_true(parses("1\ntls *:443\nchain /a b\nchain /c\nkey /k\ntrust /t\n"
	    "name one.example\nnameless address\n" PAIR));
	assert_int_equal(policy.n_rules, 1);
	assert_int_equal(policy.n_chains, 2);
	assert_string_equal(policy.chains[0], "/a b");
	assert_string_equal(policy.chains[1], "/c");
	assert_int_equal(policy.n_keys, 1);
	assert_string_equal(policy.keys[0], "/k");
	assert_string_equal(policy.trust, "/t");
	assert_string_equal(policy.name, "one.example");
	assert_int_equal(policy.by_address, 1);
	assert_int_equal(policy.has_pair, 1);
	assert_memory_equal(policy.pair.door, "0123456789abcdef", 16);
	assert_memory_equal(policy.pair.secret, secret, sizeof(secret));
	assert_int_equal(policy.pair.keeper_pid, 77);
	assert_int_equal(policy.pair.uid, 1000);
	assert_int_equal(policy.pair.anchor, 0);
	/* And the least. */
	assert_true(parses("1\ntls any\n"));
	assert_null(policy.trust);
	assert_null(policy.name);
	assert_int_equal(policy.by_address, 0);
	assert_int_equal(policy.has_pair, 0);
	assert_int_equal(policy.n_chains + policy.n_keys, 0);
	assert_true(parses("1\ntls any\nnameless refuse\n"));
	assert_int_equal(policy.by_address, 0);
}

static void
anything_else_refuses_the_whole(void **state)
{
	static const char *const bad[] = {
		"", "1\n", "1", "2\ntls any\n", "tls any\n", "1\ntls any",
		"1\ntls any\nfoo bar\n", "1\ntls any\n\n", "1\ntls any\nname \n",
		"1\ntls any\nname\n", "1\ntls any\nname a\nname b\n",
		"1\ntls any\ntrust relative\n", "1\ntls any\nchain relative\n",
		"1\ntls any\ntrust /a\ntrust /b\n", "1\ntls any\nkey \n",
		"1\ntls any\nnameless maybe\n", "1\n tls any\n", "1\ntls  any\n",
		"1\ntls 443\n", "1\ntls *:0\n", "1\ntls *:65536\n", "1\ntls *:\n",
		"1\ntls *:4x\n", "1\ntls *:-1\n", "1\ntls *:99999999999999999999\n",
		"1\ntls localhost:443\n", "1\ntls ::1:443\n", "1\ntls [::1:443\n",
		"1\ntls []:443\n", "1\ntls [127.0.0.1]:443\n", "1\ntls 127.0.0:443\n",
		"1\ntls any\npair 0123456789abcdef 00 77 1000\n",
		"1\ntls any\n" PAIR PAIR,
		"1\ntls any\npair 0123456789abcdeg "
		    "00112233445566778899aabbccddeeff 77 1000\n",
		"1\ntls any\npair 0123456789abcdef "
		    "0011223344556677889 aabbccddeeff 77 1000\n",
		"1\ntls any\npair 0123456789abcdef "
		    "00112233445566778899aabbccddeefx 77 1000\n",
		"1\ntls any\npair 0123456789abcdef "
		    "00112233445566778899aabbccddeeff 77\n",
		"1\ntls any\npair 0123456789abcdef "
		    "00112233445566778899aabbccddeeff 7x 1000\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parses(bad[i]))
			fail_msg("was taken: %s", bad[i]);
		assert_true(strlen(why) > 5);
	}
}

static void
a_policy_has_room_for_64_ports_and_16_files(void **state)
{
	char text[SST_POLICY_TEXT_MAX + 100] = "1\n";
	size_t n = 2, before;

	(void)state;
	for (int i = 1; i <= SST_POLICY_RULES; i++)
		n += (size_t)sprintf(text + n, "tls *:%d\n", i);
	for (int i = 0; i < SST_POLICY_FILES; i++)
		n += (size_t)sprintf(text + n, "chain /%d\nkey /%d\n", i, i);
	assert_true(parses(text));
	assert_true(covers("192.0.2.1", SST_POLICY_RULES));
	before = n;
	(void)strcpy(text + before, "tls *:9999\n");
	assert_false(parses(text));
	(void)strcpy(text + before, "chain /x\n");
	assert_false(parses(text));
	(void)strcpy(text + before, "key /x\n");
	assert_false(parses(text));
	/* And none for a text that is too long, whatever it says. */
	(void)strcpy(text, "1\ntls any\ntrust /");
	n = strlen(text);
	memset(text + n, 'a', sizeof(text) - n);
	text[SST_POLICY_TEXT_MAX - 2] = '\n';
	text[SST_POLICY_TEXT_MAX - 1] = '\0';
	assert_true(parses(text));
	text[SST_POLICY_TEXT_MAX - 2] = 'a';
	text[SST_POLICY_TEXT_MAX - 1] = '\n';
	text[SST_POLICY_TEXT_MAX] = '\0';
	assert_false(parses(text));
}

static void
a_port_is_tls_for_the_addresses_that_are_named(void **state)
{
	(void)state;
	assert_true(parses("1\ntls *:443\ntls 192.0.2.1:8443\ntls [2001:db8::1]:9443\n"));
	assert_true(covers("192.0.2.7", 443));
	assert_true(covers("2001:db8::7", 443));
	assert_false(covers("192.0.2.7", 444));
	assert_true(covers("192.0.2.1", 8443));
	assert_false(covers("192.0.2.2", 8443));
	assert_false(covers("192.0.2.1", 8444));
	assert_true(covers("::ffff:192.0.2.1", 8443));
	assert_false(covers("::ffff:192.0.2.2", 8443));
	assert_true(covers("2001:db8::1", 9443));
	assert_false(covers("2001:db8::2", 9443));
	assert_false(covers("2001:db8::1", 8443));
	assert_true(parses("1\ntls any\n"));
	assert_true(covers("192.0.2.1", 1));
	assert_true(covers("::1", 65535));
}

/* A listener on it has the named address as well. */
static void
a_wildcard_address_is_every_address(void **state)
{
	(void)state;
	assert_true(parses("1\ntls 192.0.2.1:8443\n"));
	assert_true(covers("0.0.0.0", 8443));
	assert_true(covers("::", 8443));
	assert_true(covers("::ffff:0.0.0.0", 8443));
	assert_false(covers("0.0.0.0", 8444));
	assert_false(covers("0.0.0.1", 8443));
}

static void
what_has_no_port_is_never_plain(void **state)
{
	union sst_inet a = inet("192.0.2.1", 80);

	(void)state;
	assert_true(parses("1\ntls *:443\n"));
	assert_false(sst_policy_covers(&policy, &a));
	a.any.sa_family = AF_UNIX;
	assert_true(sst_policy_covers(&policy, &a));
}

/* --- the names that an address was asked for by -------------------------------- */
static int64_t now = 1000000;
static char names[40 * SST_MEMO_NAME];
static size_t names_len;
static int by_address;

/* A time and an address that no test before had. */
static void
fresh_address(uint8_t addr[16])
{
	static uint32_t next;

	now += 10 * SST_MEMO_LIFE_MS;
	next++;
	memset(addr, 0, 16);
	memcpy(addr + 12, &next, sizeof(next));
}

static int
use(const uint8_t addr[16])
{
	return sst_memo_use(addr, now, names, sizeof(names), &names_len, &by_address);
}

static int
has(const char *name)
{
	for (const char *s = names; s < names + names_len; s += strlen(s) + 1)
		if (strcmp(s, name) == 0)
			return 1;
	return 0;
}

static void
a_name_is_known_for_its_address_only(void **state)
{
	uint8_t a[16], b[16];

	(void)state;
	fresh_address(a);
	fresh_address(b);
	sst_memo_add(a, "one.example", now);
	assert_int_equal(use(b), 0);
	assert_int_equal(use(a), 1);
	assert_int_equal(names_len, sizeof("one.example"));
	assert_string_equal(names, "one.example");
	assert_int_equal(by_address, 0);
}

static void
every_name_that_shares_an_address_counts(void **state)
{
	uint8_t a[16];

	(void)state;
	fresh_address(a);
	sst_memo_add(a, "one.example", now);
	sst_memo_add(a, "two.example", now);
	sst_memo_add(a, "one.example", now);
	sst_memo_add(a, "", now);
	assert_int_equal(use(a), 3);
	assert_true(has("one.example"));
	assert_true(has("two.example"));
	assert_int_equal(by_address, 1);
	assert_int_equal(names_len, 2 * sizeof("one.example"));
}

static void
a_name_that_was_used_gives_way_to_a_newer_one(void **state)
{
	uint8_t a[16];

	(void)state;
	fresh_address(a);
	sst_memo_add(a, "one.example", now);
	assert_int_equal(use(a), 1);
	/* Again, as a program does that resolves once: still that name. */
	assert_int_equal(use(a), 1);
	assert_true(has("one.example"));
	sst_memo_add(a, "two.example", now);
	assert_int_equal(use(a), 1);
	assert_true(has("two.example"));
	assert_false(has("one.example"));
	/* Nothing new: all that were used. */
	assert_int_equal(use(a), 2);
}

/* A name of a stranger that was found at two addresses and reached at the other
 * one is not whom the next connection means. */
static void
a_name_that_was_reached_elsewhere_does_not_take_the_place_of_another(void **state)
{
	uint8_t a[16], b[16];

	(void)state;
	fresh_address(a);
	fresh_address(b);
	sst_memo_add(a, "victim.example", now);
	assert_int_equal(use(a), 1);
	sst_memo_reached(a);
	sst_memo_add(a, "evil.example", now);
	sst_memo_add(b, "evil.example", now);
	assert_int_equal(use(b), 1);
	sst_memo_reached(b);
	assert_int_equal(use(a), 2);
	assert_true(has("victim.example"));
	assert_true(has("evil.example"));
	/* What was not reached is tried by the next address, and asked for anew it
	 * counts alone. */
	sst_memo_add(a, "other.example", now);
	sst_memo_add(b, "other.example", now);
	assert_int_equal(use(b), 1);
	assert_int_equal(use(a), 1);
	assert_true(has("other.example"));
	sst_memo_reached(a);
	now++;
	sst_memo_add(a, "evil.example", now);
	assert_int_equal(use(a), 1);
	assert_true(has("evil.example"));
}

static void
addresses_that_were_asked_for_as_such_and_later_names_stay_new(void **state)
{
	uint8_t a[16], b[16];

	(void)state;
	fresh_address(a);
	fresh_address(b);
	/* Two addresses are not one name. */
	sst_memo_add(b, "one.example", now);
	assert_int_equal(use(b), 1);
	sst_memo_add(a, "", now);
	sst_memo_add(b, "", now);
	assert_int_equal(use(a), 1);
	sst_memo_reached(a);
	assert_int_equal(use(b), 1);
	assert_int_equal(by_address, 1);
	/* Found after the connection: it is for the next one. */
	sst_memo_add(a, "two.example", now);
	assert_int_equal(use(a), 1);
	now++;
	sst_memo_add(b, "two.example", now);
	sst_memo_reached(a);
	assert_int_equal(use(b), 1);
	assert_true(has("two.example"));
}

static void
a_name_lives_a_minute_after_it_was_asked_for_or_used(void **state)
{
	uint8_t a[16];

	(void)state;
	fresh_address(a);
	sst_memo_add(a, "one.example", now);
	now += SST_MEMO_LIFE_MS - 1;
	assert_int_equal(use(a), 1);
	now += SST_MEMO_LIFE_MS - 1;
	assert_int_equal(use(a), 1);
	now += SST_MEMO_LIFE_MS;
	assert_int_equal(use(a), 0);
	sst_memo_add(a, "one.example", now);
	now += SST_MEMO_LIFE_MS;
	assert_int_equal(use(a), 0);
}

static void
when_it_is_full_the_oldest_address_is_forgotten_whole(void **state)
{
	uint8_t old[16], a[16];
	char name[32];

	(void)state;
	fresh_address(old);
	sst_memo_add(old, "old.example", now);
	now++;
	for (int i = 0; i < SST_MEMO_SIZE - 2; i++) {
		memset(a, 1, sizeof(a));
		memcpy(a, &i, sizeof(i));
		(void)snprintf(name, sizeof(name), "%d.example", i);
		sst_memo_add(a, name, now);
	}
	now++;
	sst_memo_add(old, "young.example", now);
	memset(a, 2, sizeof(a));
	sst_memo_add(a, "last.example", now);
	/* The first name of the address made room: the second goes with it. */
	assert_int_equal(use(old), 0);
	assert_int_equal(use(a), 1);
	assert_true(has("last.example"));
	memset(a, 1, sizeof(a));
	memset(a, 0, sizeof(int));
	assert_int_equal(use(a), 1);
	assert_true(has("0.example"));
}

static void
a_name_or_a_list_that_is_too_long_is_no_name(void **state)
{
	char name[SST_MEMO_NAME + 1], small[30];
	uint8_t a[16];

	(void)state;
	fresh_address(a);
	memset(name, 'x', sizeof(name));
	name[SST_MEMO_NAME] = '\0';
	sst_memo_add(a, name, now);
	assert_int_equal(use(a), 0);
	name[SST_MEMO_NAME - 1] = '\0';
	sst_memo_add(a, name, now);
	assert_int_equal(use(a), 1);
	assert_int_equal(sst_memo_use(a, now, small, sizeof(small), &names_len,
	    &by_address), -1);
	sst_memo_add(a, "one.example", now);
	sst_memo_add(a, "two.example", now);
	sst_memo_add(a, "tri.example", now);
	assert_int_equal(sst_memo_use(a, now, small, sizeof(small), &names_len,
	    &by_address), -1);
	assert_int_equal(sst_memo_use(a, now, names, 3 * sizeof("one.example"),
	    &names_len, &by_address), 3);
}

static atomic_int going;

static void *
add_all_the_time(void *arg)
{
	uint8_t a[16] = { 7 };

	(void)arg;
	while (atomic_load(&going))
		sst_memo_add(a, "thread.example", 1);
	return NULL;
}

static int
child_uses(void)
{
	uint8_t a[16] = { 9 };

	sst_memo_add(a, "child.example", now);
	CHECK(use(a) == 1);
	CHECK(has("child.example"));
	return 0;
}

static void
a_child_does_not_wait_for_a_thread_that_it_does_not_have(void **state)
{
	pthread_t t;

	(void)state;
	now += 10 * SST_MEMO_LIFE_MS;
	atomic_store(&going, 1);
	assert_int_equal(pthread_create(&t, NULL, add_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(in_child(child_uses), 0);
	atomic_store(&going, 0);
	assert_int_equal(pthread_join(t, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_policy_is_understood),
		cmocka_unit_test(anything_else_refuses_the_whole),
		cmocka_unit_test(a_policy_has_room_for_64_ports_and_16_files),
		cmocka_unit_test(a_port_is_tls_for_the_addresses_that_are_named),
		cmocka_unit_test(a_wildcard_address_is_every_address),
		cmocka_unit_test(what_has_no_port_is_never_plain),
		cmocka_unit_test(a_name_is_known_for_its_address_only),
		cmocka_unit_test(every_name_that_shares_an_address_counts),
		cmocka_unit_test(a_name_that_was_used_gives_way_to_a_newer_one),
		cmocka_unit_test(
		    a_name_that_was_reached_elsewhere_does_not_take_the_place_of_another),
		cmocka_unit_test(
		    addresses_that_were_asked_for_as_such_and_later_names_stay_new),
		cmocka_unit_test(a_name_lives_a_minute_after_it_was_asked_for_or_used),
		cmocka_unit_test(when_it_is_full_the_oldest_address_is_forgotten_whole),
		cmocka_unit_test(a_name_or_a_list_that_is_too_long_is_no_name),
		cmocka_unit_test(a_child_does_not_wait_for_a_thread_that_it_does_not_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
