/* SPDX-License-Identifier: ISC */
/* What changed below a source: names, or all of it, and never less than was added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/below.h"
#include "base/wire.h"

static size_t
count(const struct sst_below *b)
{
	const char *at = NULL;
	size_t n = 0;

	while ((at = sst_below_next(b, at)) != NULL)
		n++;
	return n;
}

static void
a_name_is_in_it_once(void **state)
{
	struct sst_below b = { 0 };

	(void)state;
	assert_true(sst_below_none(&b));
	assert_null(sst_below_next(&b, NULL));
	sst_below_add(&b, "a");
	sst_below_add(&b, "ab");
	sst_below_add(&b, "a");
	assert_false(sst_below_none(&b));
	assert_int_equal(count(&b), 2);
	assert_string_equal(sst_below_next(&b, NULL), "a");
	assert_string_equal(sst_below_next(&b, sst_below_next(&b, NULL)), "ab");
	sst_below_done(&b);
	assert_true(sst_below_none(&b));
}

static void
what_does_not_fit_a_message_is_all_of_it(void **state)
{
	struct sst_below b = { 0 };
	char name[256];

	(void)state;
	for (int i = 0; !b.all; i++) {
		(void)snprintf(name, sizeof(name), "%0100d", i);
		sst_below_add(&b, name);
		assert_true(b.len <= SST_WIRE_DATA_MAX);
		if (!b.all)
			assert_int_equal(count(&b), i + 1);
		else
			assert_int_equal(i, SST_WIRE_DATA_MAX / 101);
	}
	assert_false(sst_below_none(&b));
	assert_int_equal(b.len, 0);
	assert_null(sst_below_next(&b, NULL));
	/* It stays so. */
	sst_below_add(&b, "a");
	assert_int_equal(b.len, 0);
	sst_below_done(&b);
	sst_below_add(&b, "a");
	sst_below_add(&b, "");
	assert_true(b.all);
	sst_below_done(&b);
}

static void
a_message_says_the_same_again(void **state)
{
	struct sst_below a = { 0 }, b = { 0 }, none = { 0 };

	(void)state;
	sst_below_add(&a, "one");
	sst_below_add(&a, "two");
	sst_below_add(&b, "two");
	sst_below_add(&b, "three");
	sst_below_take(&b, a.text, a.len);
	assert_int_equal(count(&b), 3);
	sst_below_join(&b, &none);
	assert_int_equal(count(&b), 3);
	/* Nothing, and what is no list of names, is all of it. */
	sst_below_take(&b, NULL, 0);
	assert_true(b.all);
	sst_below_done(&b);
	sst_below_take(&b, "one\0two", 7);
	assert_true(b.all);
	sst_below_join(&a, &b);
	assert_true(a.all);
	sst_below_done(&b);
	sst_below_done(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_in_it_once),
		cmocka_unit_test(what_does_not_fit_a_message_is_all_of_it),
		cmocka_unit_test(a_message_says_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
