/* SPDX-License-Identifier: ISC */
/* fail - the first error wins, and nothing needs memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fail.h"

static void
the_code_is_returned_and_the_text_formatted(void **state)
{
	struct sst_error err = { .sys_errno = 77 };

	(void)state;
	assert_int_equal(sst_fail(&err, SST_E_LIMIT, "%d bytes of %s", 3, "x"),
	    SST_E_LIMIT);
	assert_int_equal(err.code, SST_E_LIMIT);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.text, "3 bytes of x");
}

static void
the_first_error_wins(void **state)
{
	struct sst_error err = { 0 };

	(void)state;
	(void)sst_fail(&err, SST_E_USAGE, "first");
	assert_int_equal(sst_fail(&err, SST_E_TLS, "second"), SST_E_TLS);
	assert_int_equal(sst_fail_errno(&err, ENOENT, "third"), SST_E_SYSTEM);
	assert_int_equal(err.code, SST_E_USAGE);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.text, "first");
	sst_error_clear(&err);
	(void)sst_fail(&err, SST_E_TLS, "fourth");
	assert_int_equal(err.code, SST_E_TLS);
	assert_string_equal(err.text, "fourth");
}

static void
a_system_error_keeps_errno_and_says_it(void **state)
{
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_fail_errno(&err, EACCES, "open %s", "f"), SST_E_SYSTEM);
	assert_int_equal(err.code, SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, EACCES);
	assert_string_equal(err.text, "open f: Permission denied");
}

static void
nobody_has_to_want_the_error(void **state)
{
	(void)state;
	assert_int_equal(sst_fail(NULL, SST_E_PEER, "x"), SST_E_PEER);
	assert_int_equal(sst_fail_errno(NULL, EIO, "x"), SST_E_SYSTEM);
	sst_error_clear(NULL);
}

static void
a_text_that_is_too_long_is_cut_and_ends(void **state)
{
	struct sst_error err = { 0 };
	char longer[2 * sizeof(err.text)];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)sst_fail_errno(&err, EIO, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void
every_code_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(sst_code_name(SST_OK), "SST_OK");
	assert_string_equal(sst_code_name(SST_E_NOMEM), "SST_E_NOMEM");
	assert_string_equal(sst_code_name(SST_E_PEER), "SST_E_PEER");
	assert_string_equal(sst_code_name(SST_E_INTERNAL), "SST_E_INTERNAL");
	assert_string_equal(sst_code_name(SST_E_INTERNAL - 1), "unknown code");
	assert_string_equal(sst_code_name(1), "unknown code");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_code_is_returned_and_the_text_formatted),
		cmocka_unit_test(the_first_error_wins),
		cmocka_unit_test(a_system_error_keeps_errno_and_says_it),
		cmocka_unit_test(nobody_has_to_want_the_error),
		cmocka_unit_test(a_text_that_is_too_long_is_cut_and_ends),
		cmocka_unit_test(every_code_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
