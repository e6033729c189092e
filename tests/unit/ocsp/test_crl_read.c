/* SPDX-License-Identifier: ISC */
/*
 * CRLs as bytes: which forms are read, and what comes of those that are not. Each
 * list that is refused stands beside one that differs in that point alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "world_crl.h"

#define assert_good(e)		assert_int_equal((e).status, SST_EV_GOOD)

static struct sst_evidence
ask(const struct make_crl *m)
{
	struct make_crl made = *m;

	if (made.issuer == NULL)
		made.issuer = ca;
	return crl_judge_made(&made, &(struct crl_ask){ .cert = www });
}

#define assert_revoked(e)	assert_int_equal((e).status, SST_EV_REVOKED)

/* A list with `www` in it, or with another. */
#define LISTED		.rows = (struct make_crl_row[]){ { .cert = www } }, .n_rows = 1
#define UNLISTED	.rows = (struct make_crl_row[]){ { .cert = other } }, .n_rows = 1

static void
rv_58_a_listed_serial_is_revoked_and_another_is_good(void **state)
{
	struct sst_evidence e;

	(void)state;
	e = ask(&(struct make_crl){ UNLISTED });
	assert_good(e);
	assert_int_equal(e.covered, SST_REASONS_ALL);
	assert_int_equal(e.this_update, PKI_NOW - PKI_DAY);
	assert_int_equal(e.next_update, PKI_NOW + 6 * PKI_DAY);
	assert_int_equal(e.until, PKI_NOW + 6 * PKI_DAY);
	assert_good(ask(&(struct make_crl){ 0 }));
	e = ask(&(struct make_crl){ LISTED });
	assert_revoked(e);
	assert_int_equal(e.reason, -1);
	assert_int_equal(e.revoked_at, PKI_NOW - 10 * PKI_DAY);
}

static void
rv_61_two_signature_algorithms_are_an_error(void **state)
{
	(void)state;
	assert_good(ask(&(struct make_crl){ UNLISTED }));
	assert_fault(ask(&(struct make_crl){ UNLISTED,
	    .quirks = MAKE_CRL_OTHER_ALGORITHM }), SST_FAULT_MALFORMED);
}

static void
rv_62_an_unknown_critical_extension_is_never_good_and_listed_is_revoked(void **state)
{
	(void)state;
	assert_good(ask(&(struct make_crl){ UNLISTED, .extra = "1.2.3.4 = DER:0500" }));
	assert_fault(ask(&(struct make_crl){ UNLISTED,
	    .extra = "1.2.3.4 = critical,DER:0500" }), SST_FAULT_MALFORMED);
	assert_revoked(ask(&(struct make_crl){ LISTED,
	    .extra = "1.2.3.4 = critical,DER:0500" }));
	/* names that only look like those that are known */
	assert_good(ask(&(struct make_crl){ UNLISTED, .extra = "2.6.29.28 = DER:3000\n"
	    "2.5.28.28 = DER:3000\n2.5.29.28.1 = DER:3000\n2.5.29.99 = DER:3000\n" }));
	/* one that is known, and not as critical */
	assert_good(ask(&(struct make_crl){ UNLISTED,
	    .extra = "freshestCRL = URI:http://a/" }));
	assert_fault(ask(&(struct make_crl){ UNLISTED,
	    .extra = "freshestCRL = critical,URI:http://a/" }), SST_FAULT_MALFORMED);
}

static void
rv_63_an_unknown_critical_entry_extension_spoils_good_for_all(void **state)
{
	struct make_crl_row rows[2] = { { .cert = other }, { .cert = other } };
	struct make_crl m = { .rows = rows, .n_rows = 2 };

	(void)state;
	rows[0].extra = "1.2.3.4 = DER:0500";
	assert_good(ask(&m));
	rows[0].extra = "1.2.3.4 = critical,DER:0500\n1.2.3.5 = DER:0500";
	assert_fault(ask(&m), SST_FAULT_MALFORMED);
	rows[0].extra = "1.2.3.4 = DER:0500\n1.2.3.5 = critical,DER:0500";
	assert_fault(ask(&m), SST_FAULT_MALFORMED);
	rows[1].cert = www;
	assert_revoked(ask(&m));
	rows[0] = (struct make_crl_row){ .cert = www, .extra = "1.2.3.4 = critical,DER:0500" };
	m.n_rows = 1;
	assert_revoked(ask(&m));
}

static void
rv_64_an_empty_list_of_entries_and_a_v1_list_with_extensions_are_errors(void **state)
{
	(void)state;
	assert_good(ask(&(struct make_crl){ 0 }));
	assert_fault(ask(&(struct make_crl){ .quirks = MAKE_CRL_EMPTY_ENTRIES }),
	    SST_FAULT_MALFORMED);
	assert_good(ask(&(struct make_crl){ UNLISTED, .quirks = MAKE_CRL_V1 }));
	assert_revoked(ask(&(struct make_crl){ LISTED, .quirks = MAKE_CRL_V1 }));
	assert_fault(ask(&(struct make_crl){ UNLISTED,
	    .quirks = MAKE_CRL_V1_EXTENSIONS }), SST_FAULT_MALFORMED);
	assert_fault(ask(&(struct make_crl){ .quirks = MAKE_CRL_V1,
	    .rows = (struct make_crl_row[]){ { .cert = other,
	    .extra = MAKE_CRL_REASON(1) } }, .n_rows = 1 }), SST_FAULT_MALFORMED);
	assert_fault(ask(&(struct make_crl){ UNLISTED,
	    .quirks = MAKE_CRL_EXPLICIT_V1 }), SST_FAULT_MALFORMED);
}

static void
rv_65_no_next_update_is_a_day_and_old_and_far_times_are_read(void **state)
{
	struct sst_evidence e;

	(void)state;
	e = ask(&(struct make_crl){ UNLISTED, .quirks = MAKE_CRL_NO_NEXT });
	assert_good(e);
	assert_int_equal(e.next_update, 0);
	assert_int_equal(e.until, PKI_NOW - PKI_DAY + 86400);
	e = ask(&(struct make_crl){ UNLISTED, .this_update = 915148800 - 86400,
	    .next_update = 915148800 });	/* 1999: a two-digit year of the last century */
	assert_good(e);
	assert_int_equal(e.until, 915148800);
	e = ask(&(struct make_crl){ UNLISTED, .next_update = 2556144000 });	/* 2051 */
	assert_good(e);
	assert_int_equal(e.next_update, 2556144000);
	assert_int_equal(e.until, PKI_NOW - PKI_DAY + 35 * 86400);
	assert_good(ask(&(struct make_crl){ UNLISTED, .quirks = MAKE_CRL_GENERALIZED }));
}

static void
rv_65_a_list_of_the_future_or_with_an_odd_time_is_an_error(void **state)
{
	struct sst_evidence e;

	(void)state;
	assert_good(ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW + 300 }));
	e = ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW + 301 });
	assert_fault(e, SST_FAULT_CLOCK);
	assert_non_null(strstr(e.text, " 301 seconds "));
	/* of a short life only a quarter is forgiven */
	assert_good(ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW + 100,
	    .next_update = PKI_NOW + 500 }));
	assert_fault(ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW + 101,
	    .next_update = PKI_NOW + 501 }), SST_FAULT_CLOCK);
	assert_good(ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW - 9,
	    .next_update = PKI_NOW - 9 }));
	assert_fault(ask(&(struct make_crl){ UNLISTED, .this_update = PKI_NOW - 8,
	    .next_update = PKI_NOW - 9 }), SST_FAULT_MALFORMED);
	assert_good(ask(&(struct make_crl){ UNLISTED, .this_text = "270114000000Z" }));
	assert_fault(ask(&(struct make_crl){ UNLISTED, .this_text = "2701140000Z" }),
	    SST_FAULT_MALFORMED);
	assert_fault(ask(&(struct make_crl){ UNLISTED, .this_text = "270114000000+0100" }),
	    SST_FAULT_MALFORMED);
	assert_fault(ask(&(struct make_crl){ UNLISTED, .this_text = "271314000000Z" }),
	    SST_FAULT_MALFORMED);
}

static struct sst_evidence
serial_ask(const void *cert_serial, size_t cert_len, const void *listed, size_t listed_len)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "s",
	    .serial = cert_serial, .serial_len = cert_len });
	struct sst_evidence e = crl_judge_made(&(struct make_crl){ .issuer = ca,
	    .rows = (struct make_crl_row[]){ { .serial = listed, .serial_len = listed_len } },
	    .n_rows = 1 }, &(struct crl_ask){ .cert = c });

	pki_free(c);
	return e;
}

static void
rv_66_odd_serials_match_byte_for_byte(void **state)
{
	unsigned char longer[64];

	(void)state;
	memset(longer, 0x5a, sizeof(longer));
	assert_revoked(serial_ask("\xff", 1, "\xff", 1));		/* -1 */
	assert_good(serial_ask("\xff", 1, "\x00\xff", 2));
	assert_revoked(serial_ask("\x80\x01", 2, "\x80\x01", 2));
	assert_revoked(serial_ask(longer, 20, longer, 20));
	assert_revoked(serial_ask(longer, 21, longer, 21));
	assert_revoked(serial_ask(longer, 64, longer, 64));
	assert_good(serial_ask(longer, 63, longer, 64));
	assert_good(serial_ask("\x01", 1, "\x01\x00", 2));
	assert_good(serial_ask("\x01\x00", 2, "\x01", 1));
}

static void
a_serial_that_no_certificate_can_have_here_does_not_spoil_the_list(void **state)
{
	unsigned char huge[300];
	struct make_crl_row rows[2] = { { .serial = huge, .serial_len = sizeof(huge) },
		{ .cert = www } };

	(void)state;
	memset(huge, 0x11, sizeof(huge));
	assert_revoked(ask(&(struct make_crl){ .rows = rows, .n_rows = 2 }));
	assert_good(ask(&(struct make_crl){ .rows = rows, .n_rows = 1 }));
	rows[0].serial_len = 65;
	assert_good(ask(&(struct make_crl){ .rows = rows, .n_rows = 1 }));
	rows[0] = (struct make_crl_row){ .serial = huge, .serial_len = 0 };
	assert_fault(ask(&(struct make_crl){ .rows = rows, .n_rows = 1 }),
	    SST_FAULT_MALFORMED);
}

static void
rv_78_a_number_that_is_missing_critical_or_negative_is_never_good(void **state)
{
	static const char *const bad[] = { "", "80", "ff", 
		"7f0102030405060708090a0b0c0d0e0f1011121314" };	/* 21 octets */

	(void)state;
	assert_good(ask(&(struct make_crl){ UNLISTED, .number = "00" }));
	assert_good(ask(&(struct make_crl){ UNLISTED,
	    .number = "7f0102030405060708090a0b0c0d0e0f10111213" }));
	assert_good(ask(&(struct make_crl){ UNLISTED,
	    .number = "00ff02030405060708090a0b0c0d0e0f1011121314" }));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_fault(ask(&(struct make_crl){ UNLISTED, .number = bad[i] }),
		    SST_FAULT_MALFORMED);
		assert_revoked(ask(&(struct make_crl){ LISTED, .number = bad[i] }));
	}
	assert_fault(ask(&(struct make_crl){ UNLISTED, .number_critical = 1 }),
	    SST_FAULT_MALFORMED);
	assert_revoked(ask(&(struct make_crl){ LISTED, .number_critical = 1 }));
	/* no shortest form: no DER */
	assert_fault(ask(&(struct make_crl){ LISTED, .number = "0001" }),
	    SST_FAULT_MALFORMED);
	assert_fault(ask(&(struct make_crl){ LISTED,
	    .extra = "2.5.29.20 = DER:020101" }), SST_FAULT_MALFORMED);	/* twice */
}

static struct sst_evidence
judge_bytes(const void *bytes, size_t len)
{
	return crl_judge(bytes, len, &(struct crl_ask){ .cert = www });
}

static void
rv_80_cut_off_html_pem_and_compressed_bytes_are_errors(void **state)
{
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca, UNLISTED });
	struct sst_evidence e;

	(void)state;
	assert_good(judge_bytes(der.data, der.len));
	for (size_t cut = 1; cut < der.len; cut += 7)
		assert_fault(judge_bytes(der.data, der.len - cut), SST_FAULT_MALFORMED);
	assert_fault(judge_bytes("", 0), SST_FAULT_MALFORMED);
	pki_put(&der, "\0", 1);
	assert_fault(judge_bytes(der.data, der.len), SST_FAULT_MALFORMED);
	pki_buf_free(&der);
	e = judge_bytes("<html>busy</html>", 17);
	assert_fault(e, SST_FAULT_MALFORMED);
	assert_non_null(strstr(e.text, "web page"));
	e = judge_bytes("-----BEGIN X509 CRL-----\n", 25);
	assert_fault(e, SST_FAULT_MALFORMED);
	assert_non_null(strstr(e.text, "PEM"));
	e = judge_bytes("\x1f\x8b\x08", 3);
	assert_fault(e, SST_FAULT_MALFORMED);
	assert_non_null(strstr(e.text, "compressed"));
}

static void
rv_81_a_list_above_the_cap_is_refused_by_its_size(void **state)
{
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca, UNLISTED });

	(void)state;
	assert_good(crl_judge(der.data, der.len,
	    &(struct crl_ask){ .cert = www, .size_cap = der.len }));
	assert_fault(crl_judge(der.data, der.len,
	    &(struct crl_ask){ .cert = www, .size_cap = der.len - 1 }), SST_FAULT_SIZE);
	pki_buf_free(&der);
}

static void
rv_82_odd_reasons_are_unspecified_and_an_invalidity_date_is_passed_over(void **state)
{
	static const struct {
		const char *extra;
		int reason;
	} odd[] = {
		{ MAKE_CRL_REASON(1), 1 },
		{ "2.5.29.21 = DER:0a010a", 10 },
		{ "2.5.29.21 = DER:0a0107", 0 },
		{ "2.5.29.21 = DER:0a010b", 0 },
		{ "2.5.29.21 = DER:0a0501000000ff", 0 },
		{ "2.5.29.21 = DER:0a01ff", 0 },
		{ MAKE_CRL_REASON(8), 0 },
		{ "2.5.29.24 = DER:180f32303236303130313030303030305a", -1 },
		{ "2.5.29.24 = critical,DER:0500", -1 },
	};
	struct sst_evidence e;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		e = ask(&(struct make_crl){ .n_rows = 1, .rows = (struct make_crl_row[]){
		    { .cert = www, .extra = odd[i].extra } } });
		assert_revoked(e);
		assert_int_equal(e.reason, odd[i].reason);
	}
	assert_fault(ask(&(struct make_crl){ .n_rows = 1, .rows = (struct make_crl_row[]){
	    { .cert = www, .extra = "2.5.29.21 = DER:020101" } } }), SST_FAULT_MALFORMED);
}

static void
of_two_entries_with_one_serial_the_stricter_counts(void **state)
{
	struct make_crl_row rows[2] = { { .cert = www, .extra = MAKE_CRL_REASON(6) },
		{ .cert = www, .extra = MAKE_CRL_REASON(1) } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_evidence e = ask(&(struct make_crl){ .rows = rows, .n_rows = 2 });
		struct make_crl_row swap = rows[0];

		assert_revoked(e);
		assert_int_equal(e.reason, 1);
		rows[0] = rows[1];
		rows[1] = swap;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_58_a_listed_serial_is_revoked_and_another_is_good),
		cmocka_unit_test(rv_61_two_signature_algorithms_are_an_error),
		cmocka_unit_test(
		    rv_62_an_unknown_critical_extension_is_never_good_and_listed_is_revoked),
		cmocka_unit_test(rv_63_an_unknown_critical_entry_extension_spoils_good_for_all),
		cmocka_unit_test(
		    rv_64_an_empty_list_of_entries_and_a_v1_list_with_extensions_are_errors),
		cmocka_unit_test(rv_65_no_next_update_is_a_day_and_old_and_far_times_are_read),
		cmocka_unit_test(rv_65_a_list_of_the_future_or_with_an_odd_time_is_an_error),
		cmocka_unit_test(rv_66_odd_serials_match_byte_for_byte),
		cmocka_unit_test(
		    a_serial_that_no_certificate_can_have_here_does_not_spoil_the_list),
		cmocka_unit_test(
		    rv_78_a_number_that_is_missing_critical_or_negative_is_never_good),
		cmocka_unit_test(rv_80_cut_off_html_pem_and_compressed_bytes_are_errors),
		cmocka_unit_test(rv_81_a_list_above_the_cap_is_refused_by_its_size),
		cmocka_unit_test(
		    rv_82_odd_reasons_are_unspecified_and_an_invalidity_date_is_passed_over),
		cmocka_unit_test(of_two_entries_with_one_serial_the_stricter_counts),
	};

	return cmocka_run_group_tests(tests, crl_world_make, crl_world_free);
}
