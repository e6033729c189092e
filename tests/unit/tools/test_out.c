/* SPDX-License-Identifier: ISC */
/* The output contract of sstool: escaping, times, exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <securesockets/error.h>

#include "out.h"

static void
control_bytes_are_escaped_and_text_is_not(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(sst_out_clean(out, sizeof(out), "a b~\\x"), "a b~\\x");
	assert_string_equal(sst_out_clean(out, sizeof(out), "\x1b[31m\x7f\xc3\n"),
	    "\\x1b[31m\\x7f\\xc3\\x0a");
}

static void
a_long_text_is_cut_at_a_whole_escape(void **state)
{
	char out[16], guard[32];

	(void)state;
	assert_string_equal(sst_out_clean(out, sizeof(out), "12345678"), "12345678");
	assert_string_equal(sst_out_clean(out, sizeof(out), "123456789abcdef"),
	    "123456789...");
	assert_string_equal(sst_out_clean(out, sizeof(out), "12345\x01\x02\x03"),
	    "12345\\x01...");
	/* no size writes past its end */
	for (size_t size = 8; size < 20; size++) {
		memset(guard, '#', sizeof(guard));
		sst_out_clean(guard, size, "\x01\x02\x03\x04\x05\x06\x07");
		assert_int_equal(guard[size], '#');
	}
}

static void
a_time_is_utc_and_iso_8601(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(sst_out_time(out, 0), "1970-01-01T00:00:00Z");
	assert_string_equal(sst_out_time(out, 4102444799), "2099-12-31T23:59:59Z");
}

static void
a_digest_is_lower_case_hex(void **state)
{
	uint8_t digest[32] = { 0xab, 0x01 };
	char out[65];

	(void)state;
	digest[31] = 0xff;
	assert_string_equal(sst_out_hex(out, digest), "ab01000000000000000000000000"
	    "0000000000000000000000000000000000ff");
}

static void
an_object_has_the_schema_and_clean_strings(void **state)
{
	json_t *o = sst_out_object();
	json_t *s = sst_out_string("a\x1b");

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(o, "schema")), 1);
	assert_string_equal(json_string_value(s), "a\\x1b");
	assert_true(json_is_null(sst_out_string(NULL)));
	json_decref(s);
	json_decref(o);
}

static void
a_limit_is_a_number_above_zero(void **state)
{
	(void)state;
	assert_int_equal(sst_out_limit("12"), 12);
	assert_int_equal(sst_out_limit("0"), 0);
	assert_int_equal(sst_out_limit("-1"), 0);
	assert_int_equal(sst_out_limit("1x"), 0);
	assert_int_equal(sst_out_limit(""), 0);
	assert_int_equal(sst_out_limit("99999999999999999999999"), 0);
}

static void
an_error_has_the_exit_code_of_its_kind(void **state)
{
	struct sst_error err = { .code = SST_E_SYSTEM, .text = "no such file" };

	(void)state;
	assert_int_equal(sst_out_error("x", &err), SST_EXIT_CANNOT_TELL);
	err.code = SST_E_USAGE;
	assert_int_equal(sst_out_error("x", &err), SST_EXIT_USAGE);
	err.code = SST_E_NOMEM;
	assert_int_equal(sst_out_error("x", &err), SST_EXIT_UNAVAILABLE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_bytes_are_escaped_and_text_is_not),
		cmocka_unit_test(a_long_text_is_cut_at_a_whole_escape),
		cmocka_unit_test(a_time_is_utc_and_iso_8601),
		cmocka_unit_test(a_digest_is_lower_case_hex),
		cmocka_unit_test(an_object_has_the_schema_and_clean_strings),
		cmocka_unit_test(a_limit_is_a_number_above_zero),
		cmocka_unit_test(an_error_has_the_exit_code_of_its_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
