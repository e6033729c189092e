/* SPDX-License-Identifier: ISC */
/* Tests of cover.c: which names have a certificate, at a time that is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <securesockets/certstore.h>

#include "conf.h"
#include "cover.h"

#define NOW	1700000000
#define DAY	86400L

static void
want(struct sst_cover *c, const char *name, unsigned line, int plain)
{
	const struct sst_conf_name n = { .name = name, .file = "f", .line = line,
		.plain = plain };

	assert_int_equal(sst_cover_name(c, &n), 0);
}

/* A certificate for one name or two, valid from and until so many days from now. */
static void
have(struct sst_cover *c, const char *key, const char *name, const char *other,
    long from, long until)
{
	static uint8_t serial;
	const char *const names[] = { name, other };
	struct sst_entry e = { .state = SST_ENTRY_USABLE, .source = key, .key_type = key,
		.names = names, .n_names = other != NULL ? 2 : 1,
		.not_before = NOW + from * DAY, .not_after = NOW + until * DAY };

	memset(e.digest, ++serial, sizeof(e.digest));
	assert_int_equal(sst_cover_entry(c, &e), 0);
}

static struct sst_judged
judged(const struct sst_cover *c, size_t i, long long within)
{
	struct sst_judged v;

	sst_cover_judge(&c->names[i], NOW, within, &v);
	return v;
}

static void
a_wildcard_covers_one_label_and_no_address(void **state)
{
	static const char *const yes[] = { "a.b.example", "_x.b.example", "*.b.example" };
	static const char *const no[] = { "b.example", "x.a.b.example", "ab.example" };
	struct sst_cover c = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		want(&c, yes[i], 1, 0);
	for (size_t i = 0; i < 3; i++)
		want(&c, no[i], 1, 0);
	want(&c, "192.0.2.7", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	have(&c, "EC", "*.b.example", NULL, -1, 90);
	have(&c, "EC", "*.0.2.7", NULL, -1, 90);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(judged(&c, i, 0).ends);
	for (size_t i = 3; i < 7; i++) {
		assert_null(judged(&c, i, 0).ends);
		assert_true(judged(&c, i, 0).has[SST_FOUND_UNCOVERED]);
	}
	have(&c, "EC", "192.0.2.7", NULL, -1, 90);
	assert_non_null(judged(&c, 6, 0).ends);
	sst_cover_done(&c);
}

static void
the_exact_name_is_what_is_served(void **state)
{
	struct sst_cover c = { 0 };

	(void)state;
	want(&c, "a.b.example", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	/* of one certificate the name counts, not its wildcard as well */
	have(&c, "EC", "*.b.example", "a.b.example", -1, 20);
	have(&c, "EC", "*.b.example", NULL, -1, 90);
	assert_true(judged(&c, 0, 0).exact);
	assert_false(judged(&c, 0, 0).has[SST_FOUND_TWICE]);
	/* it ends first, and the wildcard goes on */
	assert_false(judged(&c, 0, 30 * DAY).has[SST_FOUND_EXPIRING]);
	assert_true(judged(&c, 0, 91 * DAY).has[SST_FOUND_EXPIRING]);
	have(&c, "EC", "a.b.example", NULL, -1, 30);
	assert_true(judged(&c, 0, 0).has[SST_FOUND_TWICE]);
	have(&c, "EC", "x.b.example", NULL, -1, 30);
	sst_cover_done(&c);
}

static void
each_key_type_ends_for_itself(void **state)
{
	struct sst_cover c = { 0 };
	struct sst_judged v;

	(void)state;
	want(&c, "a.example", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	have(&c, "EC", "a.example", NULL, -1, 90);
	have(&c, "RSA", "a.example", NULL, -1, 10);
	v = judged(&c, 0, 20 * DAY);
	assert_false(v.has[SST_FOUND_TWICE]);
	assert_true(v.has[SST_FOUND_EXPIRING]);
	assert_string_equal(v.ends->key, "RSA");
	/* one that follows without a gap, by way of another */
	have(&c, "RSA", "a.example", NULL, 10, 15);
	have(&c, "RSA", "a.example", NULL, 15, 60);
	assert_false(judged(&c, 0, 20 * DAY).has[SST_FOUND_EXPIRING]);
	assert_true(judged(&c, 0, 61 * DAY).has[SST_FOUND_EXPIRING]);
	sst_cover_done(&c);
}

static void
a_gap_is_an_end(void **state)
{
	struct sst_cover c = { 0 };

	(void)state;
	want(&c, "a.example", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	have(&c, "EC", "a.example", NULL, -1, 10);
	have(&c, "EC", "a.example", NULL, 11, 90);
	assert_true(judged(&c, 0, 20 * DAY).has[SST_FOUND_EXPIRING]);
	assert_false(judged(&c, 0, 9 * DAY).has[SST_FOUND_EXPIRING]);
	sst_cover_done(&c);
}

static void
by_default_a_third_of_its_life_is_the_warning(void **state)
{
	struct sst_cover c = { 0 };

	(void)state;
	want(&c, "long.example", 1, 0);
	want(&c, "late.example", 1, 0);
	want(&c, "short.example", 1, 0);
	want(&c, "brief.example", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	have(&c, "EC", "long.example", NULL, -59, 31);	/* 90 days, 31 left */
	have(&c, "EC", "late.example", NULL, -61, 29);
	have(&c, "EC", "short.example", NULL, -2, 4);	/* 6 days, 4 left */
	have(&c, "EC", "brief.example", NULL, -4, 2);
	assert_false(judged(&c, 0, -1).has[SST_FOUND_EXPIRING]);
	assert_true(judged(&c, 1, -1).has[SST_FOUND_EXPIRING]);
	assert_false(judged(&c, 2, -1).has[SST_FOUND_EXPIRING]);
	assert_true(judged(&c, 3, -1).has[SST_FOUND_EXPIRING]);
	sst_cover_done(&c);
}

static void
what_is_not_valid_now_covers_nothing(void **state)
{
	struct sst_cover c = { 0 };

	(void)state;
	want(&c, "old.example", 1, 0);
	want(&c, "early.example", 1, 0);
	want(&c, "edge.example", 1, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	have(&c, "EC", "old.example", NULL, -90, -1);
	have(&c, "EC", "early.example", NULL, -90, -1);
	have(&c, "EC", "early.example", NULL, 1, 90);
	have(&c, "EC", "edge.example", NULL, -90, 0);	/* its last second */
	assert_true(judged(&c, 0, 0).has[SST_FOUND_EXPIRED]);
	assert_false(judged(&c, 0, 0).has[SST_FOUND_UNCOVERED]);
	assert_true(judged(&c, 1, 0).has[SST_FOUND_EARLY]);
	assert_int_equal(judged(&c, 1, 0).any->until, NOW + 90 * DAY);
	assert_non_null(judged(&c, 2, 0).ends);
	sst_cover_done(&c);
}

static void
of_a_name_that_stands_twice_the_first_counts(void **state)
{
	struct sst_cover c = { 0 };

	(void)state;
	want(&c, "a.example", 3, 1);
	want(&c, "A.Example.", 9, 0);
	want(&c, "plain.example", 4, 1);
	want(&c, "bad..name", 5, 0);
	assert_int_equal(sst_cover_sort(&c), 0);
	assert_false(c.names[0].again);
	assert_false(c.names[0].plain);		/* it is one with TLS elsewhere */
	assert_true(c.names[1].again);
	assert_true(c.names[2].plain);
	assert_non_null(c.names[3].why);
	assert_int_equal(c.n_sorted, 2);
	sst_cover_done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wildcard_covers_one_label_and_no_address),
		cmocka_unit_test(the_exact_name_is_what_is_served),
		cmocka_unit_test(each_key_type_ends_for_itself),
		cmocka_unit_test(a_gap_is_an_end),
		cmocka_unit_test(by_default_a_third_of_its_life_is_the_warning),
		cmocka_unit_test(what_is_not_valid_now_covers_nothing),
		cmocka_unit_test(of_a_name_that_stands_twice_the_first_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
