/* SPDX-License-Identifier: ISC */
/* The reader of DER: what it takes, and what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <securesockets/error.h>

#include "ocsp/der.h"

/* The first item of these bytes, in a buffer of their size. Its whole length, or < 0. */
static long
next(const char *bytes, size_t len, struct sst_der_item *item)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	const struct sst_der_item untouched = { .tag = 0xee };
	struct sst_der in;
	long n;
	int rc;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	sst_der_init(&in, exact, len);
	*item = untouched;
	rc = sst_der_next(&in, item);
	n = rc < 0 ? rc : (long)item->whole_len;
	if (rc < 0) {
		assert_int_equal(item->tag, 0xee);
		assert_ptr_equal(in.p, exact);
	} else {
		assert_ptr_equal(in.p, exact + n);
		assert_ptr_equal(item->whole, exact);
		assert_ptr_equal(item->content + item->len, exact + n);
		assert_int_equal(item->tag, exact[0]);
	}
	free(exact);
	return n;
}

static long
length(const char *head, size_t head_len, size_t content)
{
	struct sst_der_item item;
	char *bytes = calloc(1, head_len + content + 1);
	long n;

	assert_non_null(bytes);
	memcpy(bytes, head, head_len);
	n = next(bytes, head_len + content, &item);
	if (n >= 0)
		assert_int_equal(item.whole_len - item.len, head_len);
	free(bytes);
	return n;
}

static void
lengths_are_definite_and_the_shortest(void **state)
{
	(void)state;
	assert_int_equal(length("\x04\x00", 2, 0), 2);
	assert_int_equal(length("\x04\x7f", 2, 127), 129);
	assert_int_equal(length("\x04\x7f", 2, 126), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x81\x80", 3, 128), 131);
	assert_int_equal(length("\x04\x81\x7f", 3, 127), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x81\x80", 3, 127), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x82\x01\x00", 4, 256), 260);
	assert_int_equal(length("\x04\x82\x00\xff", 4, 255), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x83\x01\x00\x00", 5, 65536), 65541);
	assert_int_equal(length("\x04\x84\x01\x00\x00\x00", 6, 1 << 24), 6 + (1 << 24));
	assert_int_equal(length("\x04\x84\xff\xff\xff\xff", 6, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x85\x01\x00\x00\x00\x00", 7, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x88\x01\0\0\0\0\0\0\0", 10, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x30\x80\x00\x00", 4, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x04\xff", 2, 200), SST_E_MALFORMED);
	assert_int_equal(length("\x04", 1, 0), SST_E_MALFORMED);
	assert_int_equal(length("", 0, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x81", 2, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x04\x82\x01", 3, 0), SST_E_MALFORMED);
	assert_int_equal(length("\x1f\x01", 2, 1), SST_E_MALFORMED);
	assert_int_equal(length("\x1e\x01", 2, 1), 3);
	assert_int_equal(length("\xbf\x01", 2, 1), SST_E_MALFORMED);
}

static void
a_cursor_moves_past_what_it_was_asked_for(void **state)
{
	static const char bytes[] = "\x30\x05\x02\x01\x07\x05\x00\x04\x01x";
	struct sst_der in, inner;
	struct sst_der_item item;

	(void)state;
	sst_der_init(&in, bytes, 10);
	assert_int_equal(sst_der_peek(&in), 0x30);
	assert_true(sst_der_expect(&in, SST_DER_SET, &item) < 0);
	assert_int_equal(sst_der_maybe(&in, SST_DER_SET, &item), 0);
	assert_int_equal(sst_der_maybe_enter(&in, SST_DER_SET, &inner), 0);
	assert_true(sst_der_enter(&in, SST_DER_SET, &inner) < 0);
	assert_ptr_equal(in.p, bytes);
	assert_int_equal(sst_der_enter(&in, SST_DER_SEQUENCE, &inner), 0);
	assert_int_equal(sst_der_maybe(&inner, SST_DER_INTEGER, &item), 1);
	assert_int_equal(item.content[0], 7);
	assert_false(sst_der_done(&inner));
	assert_int_equal(sst_der_expect(&inner, SST_DER_NULL, &item), 0);
	assert_true(sst_der_done(&inner));
	assert_int_equal(sst_der_peek(&inner), -1);
	assert_int_equal(sst_der_maybe(&inner, SST_DER_NULL, &item), 0);
	assert_true(sst_der_expect(&inner, SST_DER_NULL, &item) < 0);
	assert_int_equal(sst_der_maybe_enter(&in, SST_DER_OCTET_STRING, &inner), 1);
	assert_int_equal(sst_der_peek(&inner), 'x');
	assert_true(sst_der_done(&in));
	/* there, and wrong */
	sst_der_init(&in, "\x02\x02\x01", 3);
	assert_true(sst_der_maybe(&in, SST_DER_INTEGER, &item) < 0);
	assert_true(sst_der_maybe_enter(&in, SST_DER_INTEGER, &inner) < 0);
}

static struct sst_der_item
of(const char *content, size_t len)
{
	return (struct sst_der_item){ .tag = SST_DER_OID, .len = len,
	    .content = (const uint8_t *)content };
}

#define ITEM(s)	(&(struct sst_der_item){ .tag = SST_DER_OID, .len = sizeof(s) - 1,	\
	    .content = (const uint8_t *)(s) })

static void
a_boolean_is_all_zeros_or_all_ones(void **state)
{
	int value = 7;

	(void)state;
	assert_int_equal(sst_der_boolean(ITEM("\xff"), &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(sst_der_boolean(ITEM("\x00"), &value), 0);
	assert_int_equal(value, 0);
	assert_true(sst_der_boolean(ITEM("\x01"), &value) < 0);
	assert_true(sst_der_boolean(ITEM(""), &value) < 0);
	assert_true(sst_der_boolean(ITEM("\xff\xff"), &value) < 0);
}

static void
an_integer_is_the_shortest(void **state)
{
	int value = 7;

	(void)state;
	assert_int_equal(sst_der_integer(ITEM("\x00")), 0);
	assert_int_equal(sst_der_integer(ITEM("\x00\x80")), 0);
	assert_int_equal(sst_der_integer(ITEM("\xff\x7f")), 0);
	assert_true(sst_der_integer(ITEM("")) < 0);
	assert_true(sst_der_integer(ITEM("\x00\x7f")) < 0);
	assert_true(sst_der_integer(ITEM("\xff\x80")) < 0);
	assert_int_equal(sst_der_small(ITEM("\x00"), &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(sst_der_small(ITEM("\x7f\xff\xff\xff"), &value), 0);
	assert_int_equal(value, 0x7fffffff);
	assert_int_equal(sst_der_small(ITEM("\x01\x02"), &value), 0);
	assert_int_equal(value, 0x102);
	assert_true(sst_der_small(ITEM("\x80"), &value) < 0);
	assert_true(sst_der_small(ITEM("\x00\x80\x00\x00\x00"), &value) < 0);
	assert_true(sst_der_small(ITEM("\x00\x01"), &value) < 0);
	assert_int_equal(value, 0x102);
}

static void
bits_are_numbered_from_the_first(void **state)
{
	uint32_t bits = 7;
	const uint8_t *octets = NULL;
	size_t len = 9;

	(void)state;
	assert_int_equal(sst_der_bits(ITEM("\x00"), &bits), 0);
	assert_int_equal(bits, 0);
	assert_int_equal(sst_der_bits(ITEM("\x07\x80"), &bits), 0);
	assert_int_equal(bits, 1);
	assert_int_equal(sst_der_bits(ITEM("\x01\x06"), &bits), 0);
	assert_int_equal(bits, 1u << 5 | 1u << 6);
	assert_int_equal(sst_der_bits(ITEM("\x07\x7f\x80"), &bits), 0);
	assert_int_equal(bits, 0x1fe);
	assert_int_equal(sst_der_bits(ITEM("\x00\x00\x00\x00\x01"), &bits), 0);
	assert_int_equal(bits, UINT32_C(1) << 31);
	assert_true(sst_der_bits(ITEM(""), &bits) < 0);
	assert_true(sst_der_bits(ITEM("\x01"), &bits) < 0);
	assert_true(sst_der_bits(ITEM("\x08\x80"), &bits) < 0);
	assert_true(sst_der_bits(ITEM("\x06\x80"), &bits) < 0);	/* a zero at the end */
	assert_true(sst_der_bits(ITEM("\x01\x07"), &bits) < 0);	/* an unused one is set */
	assert_true(sst_der_bits(ITEM("\x00\x00"), &bits) < 0);
	assert_true(sst_der_bits(ITEM("\x00\x01\x01\x01\x01\x01"), &bits) < 0);
	assert_int_equal(sst_der_octets(ITEM("\x00" "ab"), &octets, &len), 0);
	assert_int_equal(len, 2);
	assert_memory_equal(octets, "ab", 2);
	assert_true(sst_der_octets(ITEM("\x01" "ab"), &octets, &len) < 0);
	assert_true(sst_der_octets(ITEM(""), &octets, &len) < 0);
}

static void
an_oid_is_equal_or_not(void **state)
{
	struct sst_der_item item = of("\x55\x1d", 2);

	(void)state;
	assert_true(sst_der_is_oid(&item, "\x55\x1d", 2));
	assert_false(sst_der_is_oid(&item, "\x55\x1e", 2));
	assert_false(sst_der_is_oid(&item, "\x55\x1d\x01", 3));
	item.tag = SST_DER_OCTET_STRING;
	assert_false(sst_der_is_oid(&item, "\x55\x1d", 2));
}

static int
extension(const char *bytes, size_t len, struct sst_der_extension *ret)
{
	struct sst_der in;
	int rc;

	sst_der_init(&in, bytes, len);
	rc = sst_der_extension(&in, ret);
	assert_int_equal(rc < 0, in.p == (const uint8_t *)bytes);
	return rc;
}

#define EXTENSION(s)	extension((s), sizeof(s) - 1, &e)

static void
an_extension_is_read_whole(void **state)
{
	struct sst_der_extension e;

	(void)state;
	assert_int_equal(EXTENSION("\x30\x07\x06\x01\x2a\x04\x02" "ab"), 0);
	assert_int_equal(e.critical, 0);
	assert_int_equal(e.len, 2);
	assert_memory_equal(e.value, "ab", 2);
	assert_true(sst_der_is_oid(&e.oid, "\x2a", 1));
	assert_int_equal(EXTENSION("\x30\x08\x06\x01\x2a\x01\x01\xff\x04\x00"), 0);
	assert_int_equal(e.critical, 1);
	assert_int_equal(e.len, 0);
	assert_true(EXTENSION("\x30\x08\x06\x01\x2a\x01\x01\x00\x04\x00") < 0);
	assert_true(EXTENSION("\x30\x08\x06\x01\x2a\x01\x01\x01\x04\x00") < 0);
	assert_true(EXTENSION("\x30\x07\x06\x01\x2a\x04\x00\x05\x00") < 0);
	assert_true(EXTENSION("\x30\x05\x04\x01\x2a\x04\x00") < 0);
	assert_true(EXTENSION("\x30\x05\x06\x01\x2a\x05\x00") < 0);
	assert_true(EXTENSION("\x31\x05\x06\x01\x2a\x04\x00") < 0);
	assert_true(EXTENSION("\x30\x05\x06\x01\x2a\x04\x01") < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_definite_and_the_shortest),
		cmocka_unit_test(a_cursor_moves_past_what_it_was_asked_for),
		cmocka_unit_test(a_boolean_is_all_zeros_or_all_ones),
		cmocka_unit_test(an_integer_is_the_shortest),
		cmocka_unit_test(bits_are_numbered_from_the_first),
		cmocka_unit_test(an_oid_is_equal_or_not),
		cmocka_unit_test(an_extension_is_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
