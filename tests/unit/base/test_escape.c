/* SPDX-License-Identifier: ISC */
/* escape - bytes of strangers as printable text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/escape.h"

static void
printable_bytes_stay(void **state)
{
	char out[128];

	(void)state;
	assert_ptr_equal(sst_escape(out, sizeof(out), "a Z~'\"", 6), out);
	assert_string_equal(out, "a Z~'\"");
	assert_string_equal(sst_escape(out, sizeof(out), "", 0), "");
}

static void
a_backslash_is_doubled_so_that_an_escape_cannot_be_forged(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(sst_escape(out, sizeof(out), "\\x41", 4), "\\\\x41");
}

static void
every_other_byte_becomes_hex(void **state)
{
	char out[64], in;
	char want[8];

	(void)state;
	for (int b = 0; b < 256; b++) {
		if ((b >= 0x20 && b < 0x7f))
			continue;
		in = (char)b;
		want[0] = '\\';
		want[1] = 'x';
		want[2] = "0123456789abcdef"[b >> 4];
		want[3] = "0123456789abcdef"[b & 15];
		want[4] = '\0';
		assert_string_equal(sst_escape(out, sizeof(out), &in, 1), want);
	}
}

static void
what_fits_exactly_is_whole(void **state)
{
	char out[9];

	(void)state;
	assert_string_equal(sst_escape(out, sizeof(out), "12345678", 8), "12345678");
	assert_string_equal(sst_escape(out, sizeof(out), "1234\n", 5), "1234\\x0a");
}

static void
what_does_not_fit_is_cut_at_a_whole_escape_and_marked(void **state)
{
	char out[9];

	(void)state;
	assert_string_equal(sst_escape(out, sizeof(out), "123456789", 9), "12345...");
	assert_string_equal(sst_escape(out, sizeof(out), "1\n2\n3", 5), "1\\x0a...");
	assert_string_equal(sst_escape(out, sizeof(out), "12\n\n", 4), "12...");
}

static void
no_length_and_no_size_writes_beyond_the_end(void **state)
{
	char out[40], in[40];

	(void)state;
	for (size_t size = 8; size < sizeof(out); size++)
		for (size_t len = 0; len < sizeof(in); len++)
			for (int kind = 0; kind < 3; kind++) {
				memset(in, "a\\\n"[kind], sizeof(in));
				memset(out, 'S', sizeof(out));
				(void)sst_escape(out, size, in, len);
				assert_true(strnlen(out, size) < size);
				for (size_t i = size; i < sizeof(out); i++)
					assert_int_equal(out[i], 'S');
			}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_bytes_stay),
		cmocka_unit_test(
		    a_backslash_is_doubled_so_that_an_escape_cannot_be_forged),
		cmocka_unit_test(every_other_byte_becomes_hex),
		cmocka_unit_test(what_fits_exactly_is_whole),
		cmocka_unit_test(
		    what_does_not_fit_is_cut_at_a_whole_escape_and_marked),
		cmocka_unit_test(no_length_and_no_size_writes_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
