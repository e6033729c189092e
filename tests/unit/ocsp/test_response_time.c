/* SPDX-License-Identifier: ISC */
/* The times of an OCSP response: which are read, and how long an answer lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "make_response_judge.h"
#include "ocsp/dertime.h"

static struct pki_cert *ca, *www;

static int
setup(void **state)
{
	(void)state;
	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pki_free(www);
	pki_free(ca);
	return 0;
}

static struct sst_evidence
judge(time_t produced_at, struct made_single s)
{
	struct made_response r = { .signer = ca, .produced_at = produced_at };

	s.cert = www;
	r.singles[0] = s;
	return response_judge_made(&r, &(struct response_ask){ .cert = www });
}

static void
rv_30_without_next_update_an_answer_lives_an_hour(void **state)
{
	struct sst_evidence e = judge(0, (struct made_single){ .no_next = 1 });

	(void)state;
	assert_good(e);
	assert_int_equal(e.next_update, 0);
	assert_int_equal(e.until, PKI_NOW - PKI_DAY + 3600);
}

static void
an_answer_lives_ten_days_at_most(void **state)
{
	struct sst_evidence e = judge(0, (struct made_single){
	    .next_update = PKI_NOW + 9 * PKI_DAY + 1 });

	(void)state;
	assert_int_equal(e.next_update, PKI_NOW + 9 * PKI_DAY + 1);
	assert_int_equal(e.until, PKI_NOW + 9 * PKI_DAY);
	assert_int_equal(judge(0, (struct made_single){
	    .next_update = PKI_NOW + 9 * PKI_DAY - 1 }).until, PKI_NOW + 9 * PKI_DAY - 1);
	e = judge(0, (struct made_single){ .next_text = "99991231235959Z" });
	assert_good(e);
	assert_int_equal(e.next_update, INT64_C(253402300799));
	assert_int_equal(e.until, PKI_NOW + 9 * PKI_DAY);
}

static void
an_answer_does_not_outlive_its_signer(void **state)
{
	struct pki_cert *old = pki_issue(NULL, &(struct pki_spec){ .cn = "Old", .ca = 1,
	    .not_after = PKI_NOW + 3 * PKI_DAY });
	struct pki_cert *leaf = pki_issue(old, &(struct pki_spec){ .cn = "leaf" });
	struct made_response r = { .signer = old, .singles = { { .cert = leaf } } };

	(void)state;
	assert_int_equal(response_judge_made(&r, &(struct response_ask){ .cert = leaf }).until,
	    PKI_NOW + 3 * PKI_DAY);
	pki_free(leaf);
	pki_free(old);
}

static void
rv_31_next_update_before_this_update_is_an_error(void **state)
{
	(void)state;
	assert_fault(judge(0, (struct made_single){ .next_update = PKI_NOW - PKI_DAY - 1 }),
	    SST_FAULT_MALFORMED);
	assert_good(judge(0, (struct made_single){ .next_update = PKI_NOW - PKI_DAY }));
	assert_fault(judge(0, (struct made_single){ .status = MADE_REVOKED,
	    .next_update = PKI_NOW - PKI_DAY - 1 }), SST_FAULT_MALFORMED);
}

static void
rv_32_this_update_in_the_future_is_a_clock_fault_beyond_the_skew(void **state)
{
	(void)state;
	assert_good(judge(PKI_NOW + 300, (struct made_single){ .this_update = PKI_NOW + 300 }));
	assert_fault(judge(PKI_NOW + 301, (struct made_single){ .this_update = PKI_NOW + 301 }),
	    SST_FAULT_CLOCK);
	assert_fault(judge(PKI_NOW + 301, (struct made_single){ .this_update = PKI_NOW + 301,
	    .status = MADE_UNKNOWN }), SST_FAULT_CLOCK);
	/* a slow clock does not make a revoked certificate a mere error */
	assert_revoked(judge(PKI_NOW + PKI_DAY, (struct made_single){
	    .this_update = PKI_NOW + PKI_DAY, .status = MADE_REVOKED }));
}

static void
rv_33_an_answer_that_has_ended_says_until_when_it_held(void **state)
{
	struct sst_evidence e = judge(PKI_NOW - 3 * PKI_DAY, (struct made_single){
	    .this_update = PKI_NOW - 3 * PKI_DAY, .next_update = PKI_NOW });

	(void)state;
	assert_good(e);
	assert_int_equal(e.until, PKI_NOW);
}

static void
rv_34_odd_times_are_errors(void **state)
{
	static const char *const odd[] = { "20270114000000.5Z", "20270114000000+0100",
	    "20270114000000", "202701140000Z", "00000114000000Z", "20271314000000Z",
	    "20270014000000Z", "20270132000000Z", "20270100000000Z", "20270229000000Z",
	    "20270114240000Z", "20270114006000Z", "20270114000060Z", "20270114000000z",
	    "20270114000000Z ", "2027011400000Z", " 0270114000000Z", "2027011400000aZ",
	    "-0270114000000Z", "2027O114000000Z", "270114000000Z", "" };

	(void)state;
	assert_good(judge(0, (struct made_single){ .this_text = "20270114000000Z" }));
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct made_response r = { .signer = ca, .produced_text = odd[i],
		    .singles = { { .cert = www } } };

		assert_fault(judge(0, (struct made_single){ .this_text = odd[i] }),
		    SST_FAULT_MALFORMED);
		assert_fault(judge(0, (struct made_single){ .next_text = odd[i] }),
		    SST_FAULT_MALFORMED);
		assert_fault(judge(0, (struct made_single){ .revoked_text = odd[i],
		    .status = MADE_REVOKED }), SST_FAULT_MALFORMED);
		assert_fault(response_judge_made(&r, &(struct response_ask){ .cert = www }),
		    SST_FAULT_MALFORMED);
	}
	assert_fault(judge(0, (struct made_single){ .this_text = "99991231235959Z" }),
	    SST_FAULT_MALFORMED);	/* after its nextUpdate */
	assert_fault(judge(0, (struct made_single){ .this_text = "99991231235959Z",
	    .no_next = 1 }), SST_FAULT_CLOCK);
}

static void
rv_35_produced_before_this_update_or_in_the_future_is_not_good(void **state)
{
	const time_t at = PKI_NOW - PKI_DAY;

	(void)state;
	assert_good(judge(at, (struct made_single){ .this_update = at }));
	assert_fault(judge(at - 1, (struct made_single){ .this_update = at }), SST_FAULT_CLOCK);
	assert_good(judge(PKI_NOW + 300, (struct made_single){ .this_update = at }));
	assert_fault(judge(PKI_NOW + 301, (struct made_single){ .this_update = at }),
	    SST_FAULT_CLOCK);
	assert_fault(judge(at - 1, (struct made_single){ .this_update = at,
	    .status = MADE_UNKNOWN }), SST_FAULT_CLOCK);
	assert_revoked(judge(at - 1, (struct made_single){ .this_update = at,
	    .status = MADE_REVOKED }));
}

static void
very_old_times_have_an_end_that_is_not_zero(void **state)
{
	struct sst_evidence e = judge(0, (struct made_single){ .this_text = "19691231230000Z",
	    .no_next = 1 });

	(void)state;
	assert_good(e);
	assert_int_equal(e.until, 1);
}

static int64_t
any(uint8_t tag, const char *text)
{
	int64_t t = -7;

	assert_int_equal(sst_dertime_any(tag, (const uint8_t *)text, strlen(text), &t), 0);
	return t;
}

static void
rv_114_times_of_every_age_are_exact(void **state)
{
	int64_t t = -7;

	(void)state;
	assert_int_equal(any(0x18, "19700101000000Z"), 0);
	assert_int_equal(any(0x18, "20380119031408Z"), INT64_C(2147483648));
	assert_int_equal(any(0x18, "19691231235959Z"), -1);
	assert_int_equal(any(0x18, "20000229123456Z"), 951827696);
	assert_int_equal(any(0x18, "21000301000000Z"), INT64_C(4107542400));
	assert_int_equal(any(0x18, "99991231235959Z"), INT64_C(253402300799));
	assert_int_equal(any(0x18, "00010101000000Z"), INT64_C(-62135596800));
	assert_int_equal(any(0x17, "700101000000Z"), 0);
	assert_int_equal(any(0x17, "491231235959Z"), INT64_C(2524607999));
	assert_int_equal(any(0x17, "500101000000Z"), INT64_C(-631152000));
	assert_int_equal(any(0x17, "991231235959Z"), 946684799);
	/* each day of four hundred years, against the C library */
	for (int64_t day = 0; day < 146097; day++) {
		time_t at = (time_t)(day * 86400 + 951782400);
		char text[32];
		struct tm tm;

		assert_non_null(gmtime_r(&at, &tm));
		(void)strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
		assert_int_equal(any(0x18, text), at);
	}
	assert_true(sst_dertime_any(0x18, (const uint8_t *)"21000229000000Z", 15, &t) < 0);
	assert_true(sst_dertime_any(0x17, (const uint8_t *)"20270114000000Z", 15, &t) < 0);
	assert_true(sst_dertime_any(0x17, (const uint8_t *)"2701140000Z", 11, &t) < 0);
	assert_true(sst_dertime_any(0x17, (const uint8_t *)"270114000000+", 13, &t) < 0);
	assert_true(sst_dertime_any(0x04, (const uint8_t *)"20270114000000Z", 15, &t) < 0);
	assert_int_equal(t, -7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_30_without_next_update_an_answer_lives_an_hour),
		cmocka_unit_test(an_answer_lives_ten_days_at_most),
		cmocka_unit_test(an_answer_does_not_outlive_its_signer),
		cmocka_unit_test(rv_31_next_update_before_this_update_is_an_error),
		cmocka_unit_test(
		    rv_32_this_update_in_the_future_is_a_clock_fault_beyond_the_skew),
		cmocka_unit_test(rv_33_an_answer_that_has_ended_says_until_when_it_held),
		cmocka_unit_test(rv_34_odd_times_are_errors),
		cmocka_unit_test(rv_35_produced_before_this_update_or_in_the_future_is_not_good),
		cmocka_unit_test(very_old_times_have_an_end_that_is_not_zero),
		cmocka_unit_test(rv_114_times_of_every_age_are_exact),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
