/* SPDX-License-Identifier: ISC */
/* Tests of verdict.c: what evidence amounts to. Policies: test_verdict_policy.c; times:
 * test_verdict_time.c; what is told of it: test_verdict_told.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_verdict.h"

static void
each_source_alone_makes_a_good(void **state)
{
	(void)state;
	for (int source = SST_SOURCE_STAPLE; source <= SST_SOURCE_LOCAL; source++) {
		struct sst_evidence e = ev((enum sst_evidence_source)source, SST_EV_GOOD, -HOUR,
		    HOUR);
		struct sst_revocation_result r;

		strcpy(e.url, "http://a.example/");
		e.from_cache = 1;
		r = weigh(&leaf, NULL, NOW, &e, 1);
		assert_int_equal(r.verdict, SST_VERDICT_GOOD);
		assert_int_equal(r.source, source);
		assert_int_equal(r.from_cache, 1);
		assert_int_equal(r.accepted, 1);
		assert_int_equal(r.reason, -1);
		assert_int_equal(r.this_update, NOW - HOUR);
		assert_int_equal(r.next_update, NOW + HOUR);
		assert_int_equal(r.until, NOW + HOUR);
		assert_int_equal(r.revoked_at, 0);
		assert_string_equal(r.url, "http://a.example/");
		e.status = SST_EV_REVOKED;
		assert_int_equal(weigh(&leaf, NULL, NOW, &e, 1).verdict, SST_VERDICT_REVOKED);
	}
}

/* And what another policy took at a lower level of security. */
static void
rv_41_what_was_held_to_less_than_the_policy_wants_is_not_good(void **state)
{
	const struct sst_revocation_policy low = { .security_level = -1 };
	const struct sst_revocation_policy high = { .security_level = 3 };
	struct sst_evidence e = good(-HOUR, HOUR), list = good(-HOUR, HOUR);

	(void)state;
	e.level = -1;
	IS(SST_VERDICT_ERROR, e);
	IS(SST_VERDICT_GOOD, e, list);
	assert_int_equal(weigh(&leaf, &low, NOW, &e, 1).verdict, SST_VERDICT_GOOD);
	assert_int_equal(weigh(&leaf, &high, NOW, &list, 1).verdict, SST_VERDICT_ERROR);
	list.level = 1;
	assert_int_equal(weigh(&leaf, &high, NOW, &list, 1).verdict, SST_VERDICT_GOOD);
	/* as old as it may be, too */
	e = good(-DAY, -HOUR);
	e.level = -1;
	IS(SST_VERDICT_ERROR, e);
	/* what speaks against the certificate is heard */
	e = revoked(-HOUR, 1);
	e.level = -2;
	IS(SST_VERDICT_REVOKED, e);
	/* the operator signs nothing */
	e = ev(SST_SOURCE_LOCAL, SST_EV_GOOD, -HOUR, HOUR);
	assert_int_equal(weigh(&leaf, &high, NOW, &e, 1).verdict, SST_VERDICT_GOOD);
}

static void
rv_37_revoked_stays_whatever_says_good_and_however_old(void **state)
{
	const struct sst_evidence list[] = { revoked(-300 * DAY, 1), good(-HOUR, HOUR) };
	struct sst_revocation_result r = weigh(&leaf, NULL, NOW, list, 2);

	(void)state;
	assert_int_equal(r.verdict, SST_VERDICT_REVOKED);
	assert_int_equal(r.accepted, 0);
	assert_int_equal(r.reason, 1);
	assert_int_equal(r.revoked_at, NOW - 301 * DAY);
	assert_int_equal(r.source, SST_SOURCE_CRL);
	assert_int_equal(r.until, leaf.not_after);
	assert_non_null(strstr(r.why, "keyCompromise"));
	assert_non_null(strstr(r.why, "conflict"));
	assert_non_null(strstr(r.why, "however old"));
	IS(SST_VERDICT_GOOD, good(-HOUR, HOUR));
	IS(SST_VERDICT_REVOKED, good(-HOUR, HOUR), revoked(-300 * DAY, -1));
}

static void
rv_38_newer_good_lifts_a_hold_and_nothing_else(void **state)
{
	const struct sst_evidence lifted[] = { revoked(-2 * HOUR, 6), good(-HOUR, HOUR) };

	(void)state;
	IS(SST_VERDICT_REVOKED, revoked(-2 * HOUR, 6));
	assert_int_equal(weigh(&leaf, NULL, NOW, lifted, 2).verdict, SST_VERDICT_GOOD);
	assert_non_null(strstr(weigh(&leaf, NULL, NOW, lifted, 2).why, "hold"));
	IS(SST_VERDICT_REVOKED, revoked(-2 * HOUR, 6), good(-2 * HOUR, HOUR));
	IS(SST_VERDICT_REVOKED, revoked(-HOUR, 6), good(-2 * HOUR, HOUR));
	/* newer, and over */
	IS(SST_VERDICT_REVOKED, revoked(-2 * DAY, 6), good(-DAY, -HOUR));
	/* of two holds the newer one counts */
	IS(SST_VERDICT_REVOKED, revoked(-3 * HOUR, 6), good(-2 * HOUR, HOUR), revoked(-HOUR, 6));
	IS(SST_VERDICT_GOOD, revoked(-3 * HOUR, 6), good(-HOUR, HOUR), revoked(-2 * HOUR, 6));
	for (int reason = -1; reason <= 10; reason++)
		if (reason != 6)
			IS(SST_VERDICT_REVOKED, revoked(-2 * HOUR, reason), good(-HOUR, HOUR));
}

/* RFC 6960 4.4.8 writes "never issued" as a hold. */
static void
rv_22_what_was_never_issued_is_no_hold(void **state)
{
	struct sst_evidence e = revoked(-2 * HOUR, 6);
	struct sst_evidence list[2];

	(void)state;
	IS(SST_VERDICT_GOOD, e, good(-HOUR, HOUR));
	e.not_issued = 1;
	IS(SST_VERDICT_REVOKED, e, good(-HOUR, HOUR));
	list[0] = e;
	assert_non_null(strstr(weigh(&leaf, NULL, NOW, list, 1).why, "never issued"));
}

static void
a_signed_unknown_is_unknown_unless_a_list_says_good(void **state)
{
	const struct sst_evidence u = ev(SST_SOURCE_OCSP, SST_EV_UNKNOWN, -HOUR, HOUR);

	(void)state;
	IS(SST_VERDICT_UNKNOWN, u);
	IS(SST_VERDICT_GOOD, u, ev(SST_SOURCE_CRL, SST_EV_GOOD, -2 * HOUR, HOUR));
	IS(SST_VERDICT_UNKNOWN, u, ev(SST_SOURCE_CRL, SST_EV_GOOD, -2 * DAY, -DAY));
	/* the responder knew it once, and takes it back: the old answer is a replay */
	IS(SST_VERDICT_UNKNOWN, u, good(-2 * HOUR, HOUR));
	IS(SST_VERDICT_UNKNOWN, u, good(-HOUR, HOUR));
	IS(SST_VERDICT_UNKNOWN, u, ev(SST_SOURCE_STAPLE, SST_EV_GOOD, -2 * HOUR, HOUR));
	IS(SST_VERDICT_GOOD, u, good(-HOUR + 1, HOUR));
	/* it is over */
	IS(SST_VERDICT_ERROR, ev(SST_SOURCE_OCSP, SST_EV_UNKNOWN, -DAY, -HOUR));
	IS(SST_VERDICT_GOOD, ev(SST_SOURCE_OCSP, SST_EV_UNKNOWN, -DAY, -HOUR),
	    good(-2 * DAY, HOUR));
	IS(SST_VERDICT_REVOKED, u, revoked(-3 * DAY, 1));
}

static void
without_evidence_it_depends_on_what_the_certificate_names(void **state)
{
	struct sst_cert_facts none = leaf;

	(void)state;
	none.n_sources = none.n_ocsp = none.n_crl = 0;
	assert_int_equal(weigh(&leaf, NULL, NOW, NULL, 0).verdict, SST_VERDICT_ERROR);
	assert_int_equal(weigh(&none, NULL, NOW, NULL, 0).verdict, SST_VERDICT_NO_SOURCE);
	assert_int_equal(weigh(&none, NULL, NOW, NULL, 0).source, SST_SOURCE_NONE);
	/* ldap alone: named, though nobody fetches it */
	none.n_sources = 1;
	assert_int_equal(weigh(&none, NULL, NOW, NULL, 0).verdict, SST_VERDICT_ERROR);
}

static void
rv_69_a_list_of_another_scope_is_unknown_and_never_good(void **state)
{
	struct sst_evidence out = ev(SST_SOURCE_CRL, SST_EV_NOTHING, -HOUR, HOUR);
	struct sst_evidence bad = ev(SST_SOURCE_CRL, SST_EV_ERROR, -HOUR, HOUR);

	(void)state;
	bad.fault = SST_FAULT_SIGNATURE;
	strcpy(out.text, "it is another shard");
	IS(SST_VERDICT_UNKNOWN, out);
	IS(SST_VERDICT_UNKNOWN, out, bad);
	IS(SST_VERDICT_GOOD, out, good(-HOUR, HOUR));
	IS(SST_VERDICT_STALE, out, good(-DAY, -HOUR));
	assert_non_null(strstr(weigh(&leaf, NULL, NOW, &out, 1).why, "another shard"));
}

static void
rv_74_lists_of_some_reasons_make_a_good_when_they_cover_all(void **state)
{
	const uint32_t all = SST_REASONS_ALL, some = 0x42;
	const struct sst_evidence both[] = { partial(some, -HOUR, HOUR),
	    partial(all & ~some, -HOUR, 2 * HOUR) };
	struct sst_revocation_result r = weigh(&leaf, NULL, NOW, both, 2);

	(void)state;
	assert_int_equal(r.verdict, SST_VERDICT_GOOD);
	assert_int_equal(r.until, NOW + HOUR);
	IS(SST_VERDICT_UNKNOWN, both[0]);
	/* bit 6 is missing, or was heard of too long ago */
	IS(SST_VERDICT_UNKNOWN, both[1], partial(2, -HOUR, HOUR), partial(0, -HOUR, HOUR));
	IS(SST_VERDICT_STALE, both[1], partial(2, -HOUR, HOUR), partial(0x40, -DAY, -HOUR));
	IS(SST_VERDICT_STALE, both[0], partial(all & ~some, -DAY, -HOUR));
	IS(SST_VERDICT_REVOKED, both[0], both[1], revoked(-DAY, 3));
	/* a good that is over says more than lists that are */
	{
		const struct sst_evidence list[] = { partial(some, -DAY, -HOUR),
		    partial(all & ~some, -DAY, -HOUR), good(-DAY, -2 * HOUR) };

		assert_int_equal(weigh(&leaf, NULL, NOW, list, 3).source, SST_SOURCE_OCSP);
		assert_int_equal(weigh(&leaf, NULL, NOW, list, 2).source, SST_SOURCE_CRL);
		assert_int_equal(weigh(&leaf, NULL, NOW, list, 1).verdict,
		    SST_VERDICT_UNKNOWN);
	}
	/* what does not say "partial" does not speak for its reasons */
	{
		struct sst_evidence mute = both[1];

		mute.partial = 0;
		IS(SST_VERDICT_UNKNOWN, both[0], mute);
	}
	/* a good that does not cover all is one of them */
	{
		struct sst_evidence less = good(-HOUR, HOUR);

		less.covered = some;
		IS(SST_VERDICT_ERROR, less);
		IS(SST_VERDICT_GOOD, less, both[1]);
	}
}

static void
rv_72_the_strict_one_of_two_lists_wins_also_when_it_is_over(void **state)
{
	(void)state;
	IS(SST_VERDICT_REVOKED, ev(SST_SOURCE_CRL, SST_EV_GOOD, -HOUR, HOUR), revoked(-HOUR, 1));
	IS(SST_VERDICT_REVOKED, ev(SST_SOURCE_CRL, SST_EV_GOOD, -HOUR, HOUR),
	    revoked(-9 * DAY, 1));
	IS(SST_VERDICT_GOOD, ev(SST_SOURCE_CRL, SST_EV_GOOD, -HOUR, HOUR),
	    ev(SST_SOURCE_CRL, SST_EV_GOOD, -9 * DAY, -8 * DAY));
}

static void
rv_111_the_operators_list_decides(void **state)
{
	const struct sst_evidence block = ev(SST_SOURCE_LOCAL, SST_EV_REVOKED, -DAY, DAY);
	const struct sst_evidence allow = ev(SST_SOURCE_LOCAL, SST_EV_GOOD, -DAY, DAY);

	(void)state;
	IS(SST_VERDICT_REVOKED, block, good(-HOUR, HOUR));
	IS(SST_VERDICT_GOOD, allow, revoked(-HOUR, 1));
	IS(SST_VERDICT_GOOD, allow, revoked(-HOUR, 6));
	IS(SST_VERDICT_REVOKED, allow, block);
	/* its time is over */
	IS(SST_VERDICT_REVOKED, ev(SST_SOURCE_LOCAL, SST_EV_GOOD, -DAY, -HOUR),
	    revoked(-HOUR, 1));
	/* without it: refused, and the conflict is told */
	IS(SST_VERDICT_REVOKED, revoked(-HOUR, 1), good(-HOUR, HOUR));
}

static void
rv_106_no_rev_avail_exempts_a_leaf_and_not_a_ca(void **state)
{
	struct sst_cert_facts f = leaf;
	const struct sst_evidence r = revoked(-HOUR, 1);
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD };

	(void)state;
	f.no_rev_avail = 1;
	assert_int_equal(weigh(&f, &hard, NOW, NULL, 0).verdict, SST_VERDICT_EXEMPT);
	assert_int_equal(weigh(&f, &hard, NOW, NULL, 0).accepted, 1);
	/* authentic evidence is believed all the same */
	assert_int_equal(weigh(&f, NULL, NOW, &r, 1).verdict, SST_VERDICT_REVOKED);
	f.is_ca = 1;
	assert_int_equal(weigh(&f, &hard, NOW, NULL, 0).verdict, SST_VERDICT_ERROR);
	assert_int_equal(weigh(&f, &hard, NOW, NULL, 0).accepted, 0);
}

static void
rv_107_a_short_life_exempts_only_by_option_and_without_a_source(void **state)
{
	const struct sst_revocation_policy on = { .mode = SST_REVOCATION_HARD,
	    .exempt_short = SST_SWITCH_ON };
	const struct sst_revocation_policy off = { .mode = SST_REVOCATION_HARD };
	struct sst_cert_facts f = { .not_before = NOW - DAY, .not_after = NOW + 6 * DAY };

	(void)state;
	assert_int_equal(weigh(&f, &on, NOW, NULL, 0).verdict, SST_VERDICT_EXEMPT);
	assert_int_equal(weigh(&f, &off, NOW, NULL, 0).verdict, SST_VERDICT_NO_SOURCE);
	f.not_after++;
	assert_int_equal(weigh(&f, &on, NOW, NULL, 0).verdict, SST_VERDICT_NO_SOURCE);
	f.not_after--;
	f.n_sources = 1;
	assert_int_equal(weigh(&f, &on, NOW, NULL, 0).verdict, SST_VERDICT_ERROR);
	f.n_sources = 0;
	f.is_ca = 1;
	assert_int_equal(weigh(&f, &on, NOW, NULL, 0).verdict, SST_VERDICT_NO_SOURCE);
}

static void
a_switch_that_is_off_takes_the_good_and_leaves_the_revocation(void **state)
{
	const struct sst_revocation_policy off = { .use_staples = SST_SWITCH_OFF,
	    .use_ocsp = SST_SWITCH_OFF, .use_crls = SST_SWITCH_OFF };

	(void)state;
	for (int source = SST_SOURCE_STAPLE; source <= SST_SOURCE_CRL; source++) {
		struct sst_evidence e = ev((enum sst_evidence_source)source, SST_EV_GOOD, -HOUR,
		    HOUR);

		assert_int_equal(weigh(&leaf, NULL, NOW, &e, 1).verdict, SST_VERDICT_GOOD);
		assert_int_equal(weigh(&leaf, &off, NOW, &e, 1).verdict, SST_VERDICT_ERROR);
		e.status = SST_EV_UNKNOWN;
		assert_int_equal(weigh(&leaf, &off, NOW, &e, 1).verdict, SST_VERDICT_ERROR);
		e.status = SST_EV_REVOKED;
		assert_int_equal(weigh(&leaf, &off, NOW, &e, 1).verdict, SST_VERDICT_REVOKED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_alone_makes_a_good),
		cmocka_unit_test(rv_41_what_was_held_to_less_than_the_policy_wants_is_not_good),
		cmocka_unit_test(rv_37_revoked_stays_whatever_says_good_and_however_old),
		cmocka_unit_test(rv_38_newer_good_lifts_a_hold_and_nothing_else),
		cmocka_unit_test(rv_22_what_was_never_issued_is_no_hold),
		cmocka_unit_test(a_signed_unknown_is_unknown_unless_a_list_says_good),
		cmocka_unit_test(without_evidence_it_depends_on_what_the_certificate_names),
		cmocka_unit_test(rv_69_a_list_of_another_scope_is_unknown_and_never_good),
		cmocka_unit_test(rv_74_lists_of_some_reasons_make_a_good_when_they_cover_all),
		cmocka_unit_test(rv_72_the_strict_one_of_two_lists_wins_also_when_it_is_over),
		cmocka_unit_test(rv_111_the_operators_list_decides),
		cmocka_unit_test(rv_106_no_rev_avail_exempts_a_leaf_and_not_a_ca),
		cmocka_unit_test(rv_107_a_short_life_exempts_only_by_option_and_without_a_source),
		cmocka_unit_test(a_switch_that_is_off_takes_the_good_and_leaves_the_revocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
