/* SPDX-License-Identifier: ISC */
/* Tests of verdict.c: how long evidence is believed, and until when a verdict holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_verdict.h"

/* The skew is 300 s, and a quarter of the life when that is less. */
static void
rv_33_fresh_ends_with_the_skew_after_next_update(void **state)
{
	const struct sst_evidence day = good(-DAY / 2, DAY / 2), brief = good(-200, 200);
	const struct sst_evidence never = good(0, 0);

	(void)state;
	IS(SST_VERDICT_GOOD, good(-DAY, 0));
	IS(SST_VERDICT_GOOD, good(-DAY, -299));
	IS(SST_VERDICT_STALE, good(-DAY, -300));
	assert_true(sst_evidence_fresh(&day, NOW + DAY / 2 + 299, 300));
	assert_false(sst_evidence_fresh(&day, NOW + DAY / 2 + 300, 300));
	assert_true(sst_evidence_fresh(&brief, NOW + 200 + 99, 300));
	assert_false(sst_evidence_fresh(&brief, NOW + 200 + 100, 300));
	assert_false(sst_evidence_fresh(&never, NOW, 300));
}

static void
rv_32_a_start_in_the_future_is_believed_within_the_skew(void **state)
{
	const struct sst_evidence e = good(301, DAY);
	struct sst_revocation_result r;

	(void)state;
	IS(SST_VERDICT_GOOD, good(300, DAY));
	r = weigh(&leaf, NULL, NOW, &e, 1);
	assert_int_equal(r.verdict, SST_VERDICT_ERROR);
	assert_non_null(strstr(r.why, "clock"));
}

static void
times_at_the_ends_of_the_range_do_not_wrap(void **state)
{
	struct sst_evidence e = good(-HOUR, HOUR);

	(void)state;
	assert_false(sst_evidence_fresh(&e, INT64_MAX, INT64_MAX));
	assert_false(sst_evidence_fresh(&e, INT64_MIN, 300));
	e.until = INT64_MAX;
	assert_true(sst_evidence_fresh(&e, NOW, 300));
	e.this_update = INT64_MIN + 1;
	e.until = NOW;
	assert_true(sst_evidence_fresh(&e, NOW, 300));
	assert_false(sst_evidence_fresh(&e, NOW + 300, 300));
}

static void
evidence_is_not_believed_longer_than_the_policys_age(void **state)
{
	const struct sst_revocation_policy p = { .max_age = 2 * DAY };
	struct sst_evidence e = good(-9 * DAY, 20 * DAY);
	struct sst_revocation_result r;

	(void)state;
	IS(SST_VERDICT_GOOD, e);
	IS(SST_VERDICT_STALE, good(-11 * DAY, 20 * DAY));
	IS(SST_VERDICT_GOOD, ev(SST_SOURCE_CRL, SST_EV_GOOD, -34 * DAY, 20 * DAY));
	IS(SST_VERDICT_STALE, ev(SST_SOURCE_CRL, SST_EV_GOOD, -36 * DAY, 20 * DAY));
	IS(SST_VERDICT_GOOD, ev(SST_SOURCE_LOCAL, SST_EV_GOOD, -99 * DAY, 20 * DAY));
	assert_int_equal(weigh(&leaf, &p, NOW, &e, 1).verdict, SST_VERDICT_STALE);
	e.this_update = NOW - DAY;
	r = weigh(&leaf, &p, NOW, &e, 1);
	assert_int_equal(r.verdict, SST_VERDICT_GOOD);
	assert_int_equal(r.until, NOW + DAY);
}

/* What another policy's age kept alive is none of this one's, and an age that is
 * allowed is a limit: it makes such a life shorter and never longer. */
static void
rv_30_65_what_announces_no_end_lives_as_long_as_this_policy_has_it(void **state)
{
	const struct sst_revocation_policy month = { .max_age = 30 * DAY };
	const struct sst_revocation_policy half_hour = { .max_age = 1800 };
	static const struct { enum sst_evidence_source source; int64_t life; } kinds[] = {
		{ SST_SOURCE_OCSP, HOUR }, { SST_SOURCE_STAPLE, HOUR }, { SST_SOURCE_CRL, DAY } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sst_evidence e = ev(kinds[i].source, SST_EV_GOOD, -kinds[i].life + 60,
		    20 * DAY);

		e.next_update = 0;
		IS(SST_VERDICT_GOOD, e);
		assert_int_equal(weigh(&leaf, NULL, NOW, &e, 1).until, NOW + 60);
		e.this_update -= 400;
		IS(SST_VERDICT_STALE, e);
		assert_int_equal(weigh(&leaf, &month, NOW, &e, 1).verdict, SST_VERDICT_STALE);
		e.next_update = e.until;
		IS(SST_VERDICT_GOOD, e);
		assert_int_equal(weigh(&leaf, &month, NOW, &e, 1).verdict, SST_VERDICT_GOOD);
		e.next_update = 0;
		e.this_update = NOW - 1000;
		assert_int_equal(weigh(&leaf, &half_hour, NOW, &e, 1).until, NOW + 800);
		assert_int_equal(weigh(&leaf, &month, NOW, &e, 1).until,
		    NOW - 1000 + kinds[i].life);
	}
}

static void
what_was_good_once_is_stale(void **state)
{
	struct sst_evidence e = good(-2 * DAY, -DAY);
	struct sst_revocation_result r = weigh(&leaf, NULL, NOW, &e, 1);

	(void)state;
	assert_int_equal(r.verdict, SST_VERDICT_STALE);
	assert_int_equal(r.until, NOW);
	assert_non_null(strstr(r.why, "2027-01-14T08:00:00Z"));
	e.status = SST_EV_ERROR;
	e.fault = SST_FAULT_TIMEOUT;
	IS(SST_VERDICT_STALE, e, good(-2 * DAY, -DAY));
	IS(SST_VERDICT_ERROR, e);
}

static void
what_nothing_can_change_is_due_when_the_certificate_ends(void **state)
{
	struct sst_cert_facts f = { .not_after = NOW + 9 * DAY };
	const struct sst_evidence r = revoked(-HOUR, 6), u = ev(SST_SOURCE_OCSP,
	    SST_EV_UNKNOWN, -HOUR, 2 * HOUR);

	(void)state;
	assert_int_equal(weigh(&f, NULL, NOW, NULL, 0).until, NOW + 9 * DAY);
	f.no_rev_avail = 1;
	assert_int_equal(weigh(&f, NULL, NOW, NULL, 0).until, NOW + 9 * DAY);
	assert_int_equal(weigh(&leaf, NULL, NOW, &u, 1).until, NOW + 2 * HOUR);
	assert_int_equal(weigh(&leaf, NULL, NOW, &r, 1).until, r.until);
	assert_int_equal(weigh(&leaf, NULL, NOW, NULL, 0).until, NOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_33_fresh_ends_with_the_skew_after_next_update),
		cmocka_unit_test(rv_30_65_what_announces_no_end_lives_as_long_as_this_policy_has_it),
		cmocka_unit_test(rv_32_a_start_in_the_future_is_believed_within_the_skew),
		cmocka_unit_test(times_at_the_ends_of_the_range_do_not_wrap),
		cmocka_unit_test(evidence_is_not_believed_longer_than_the_policys_age),
		cmocka_unit_test(what_was_good_once_is_stale),
		cmocka_unit_test(what_nothing_can_change_is_due_when_the_certificate_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
