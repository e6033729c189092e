/* SPDX-License-Identifier: ISC */
/* Tests of verdict.c: what evidence amounts to. Policies: test_verdict_policy.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/verdict.h"

#define NOW	INT64_C(1800000000)
#define HOUR	3600
#define DAY	86400

static const struct sst_cert_facts leaf = { .not_before = NOW - 30 * DAY,
	.not_after = NOW + 60 * DAY, .n_sources = 2, .n_ocsp = 1, .n_crl = 1 };

static struct sst_evidence
ev(enum sst_evidence_source source, enum sst_evidence_status status, int64_t from, int64_t until)
{
	return (struct sst_evidence){ .source = source, .status = status, .reason = -1,
	    .this_update = NOW + from, .next_update = NOW + until, .until = NOW + until,
	    .covered = status == SST_EV_GOOD ? SST_REASONS_ALL : 0 };
}

static struct sst_evidence
good(int64_t from, int64_t until)
{
	return ev(SST_SOURCE_OCSP, SST_EV_GOOD, from, until);
}

static struct sst_evidence
revoked(int64_t from, int reason)
{
	struct sst_evidence e = ev(SST_SOURCE_CRL, SST_EV_REVOKED, from, from + DAY);

	e.reason = reason;
	e.revoked_at = NOW + from - DAY;
	return e;
}

static struct sst_revocation_result
weigh(const struct sst_cert_facts *facts, const struct sst_revocation_policy *policy,
    int64_t now, const struct sst_evidence *list, size_t n)
{
	static const struct sst_revocation_policy zero;
	const struct sst_case c = { .facts = facts, .now = now,
	    .policy = policy != NULL ? policy : &zero };
	struct sst_revocation_result r;

	memset(&r, 0x5a, sizeof(r));
	sst_verdict_of(&c, list, n, &r);
	assert_true(r.why[0] != '\0' && memchr(r.why, '\0', sizeof(r.why)) != NULL);
	return r;
}

static void
is(const struct sst_evidence *list, size_t n, enum sst_verdict want)
{
	struct sst_revocation_result r = weigh(&leaf, NULL, NOW, list, n);

	if (r.verdict != want)
		fail_msg("%s instead of %s: %s", sst_verdict_name(r.verdict),
		    sst_verdict_name(want), r.why);
}

#define IS(want, ...)	do {						\
		const struct sst_evidence list_[] = { __VA_ARGS__ };	\
		is(list_, sizeof(list_) / sizeof(list_[0]), want);	\
	} while (0)

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

/* What another policy's age kept alive is none of this one's. */
static void
rv_30_65_what_announces_no_end_lives_as_long_as_this_policy_has_it(void **state)
{
	const struct sst_revocation_policy month = { .max_age = 30 * DAY };
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
		assert_int_equal(weigh(&leaf, &month, NOW, &e, 1).verdict, SST_VERDICT_GOOD);
		e.next_update = e.until;
		IS(SST_VERDICT_GOOD, e);
	}
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
the_most_severe_fault_is_told(void **state)
{
	struct sst_evidence list[3];
	struct sst_revocation_result r;

	(void)state;
	for (int i = 0; i < 3; i++) {
		list[i] = (struct sst_evidence){ .source = SST_SOURCE_CRL,
		    .status = SST_EV_ERROR, .fault = SST_FAULT_TIMEOUT, .this_update = NOW };
		strcpy(list[i].text, "slow");
	}
	list[1].fault = SST_FAULT_SIGNATURE;
	strcpy(list[1].text, "it is forged");
	r = weigh(&leaf, NULL, NOW, list, 3);
	assert_int_equal(r.verdict, SST_VERDICT_ERROR);
	assert_non_null(strstr(r.why, "signature: it is forged"));
	assert_int_equal(r.this_update, 0);
	list[1] = list[0];
	assert_non_null(strstr(weigh(&leaf, NULL, NOW, list, 3).why, "timeout: slow"));
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

static struct sst_evidence
partial(uint32_t covered, int64_t from, int64_t until)
{
	struct sst_evidence e = ev(SST_SOURCE_CRL, SST_EV_NOTHING, from, until);

	e.partial = 1;
	e.covered = covered;
	return e;
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

/* One of each kind, some twice with one thing different. */
static size_t
pool(struct sst_evidence *p)
{
	size_t n = 0;

	p[n++] = good(-HOUR, HOUR);
	p[n] = good(-HOUR, HOUR);
	strcpy(p[n++].url, "http://b.example/");
	p[n++] = ev(SST_SOURCE_STAPLE, SST_EV_GOOD, -HOUR, HOUR);
	p[n++] = ev(SST_SOURCE_CRL, SST_EV_GOOD, -2 * DAY, -DAY);
	p[n++] = ev(SST_SOURCE_OCSP, SST_EV_UNKNOWN, -HOUR / 2, HOUR);
	p[n++] = partial(0x42, -HOUR, HOUR);
	p[n++] = partial(SST_REASONS_ALL & ~0x42u, -HOUR, 3 * HOUR);
	p[n++] = ev(SST_SOURCE_CRL, SST_EV_NOTHING, -HOUR, HOUR);
	p[n] = ev(SST_SOURCE_CRL, SST_EV_ERROR, -HOUR, HOUR);
	strcpy(p[n].text, "one");
	p[n++].fault = SST_FAULT_SIGNATURE;
	p[n] = ev(SST_SOURCE_OCSP, SST_EV_ERROR, -HOUR, HOUR);
	strcpy(p[n].text, "two");
	p[n++].fault = SST_FAULT_SIGNATURE;
	p[n++] = revoked(-2 * HOUR, 6);
	p[n++] = revoked(-3 * HOUR, 6);
	p[n++] = revoked(-2 * HOUR, 1);
	p[n] = revoked(-2 * HOUR, 1);
	p[n++].revoked_at -= 5;
	p[n++] = good(HOUR, DAY);
	return n;
}

static void
the_order_of_evidence_changes_nothing(void **state)
{
	struct sst_evidence all[24], list[5];
	struct sst_revocation_result first, r;
	const size_t n = pool(all);
	unsigned int seed = 1;

	(void)state;
	/* every way round of some thousand choices of five, the same one twice too */
	for (int round = 0; round < 3000; round++) {
		size_t k = 2 + (size_t)rand_r(&seed) % 4;

		for (size_t i = 0; i < k; i++)
			list[i] = all[(size_t)rand_r(&seed) % n];
		first = weigh(&leaf, NULL, NOW, list, k);
		for (int swap = 0; swap < 12; swap++) {
			size_t a = (size_t)rand_r(&seed) % k, b = (size_t)rand_r(&seed) % k;
			struct sst_evidence t = list[a];

			list[a] = list[b];
			list[b] = t;
			r = weigh(&leaf, NULL, NOW, list, k);
			if (memcmp(&r, &first, sizeof(r)) != 0)
				fail_msg("round %d: \"%s\" and \"%s\"", round, first.why, r.why);
		}
	}
}

static int
mildness(enum sst_verdict v)
{
	return v != SST_VERDICT_REVOKED;
}

static void
more_revoked_never_makes_a_verdict_milder(void **state)
{
	struct sst_evidence all[24], list[5];
	const size_t n = pool(all);
	unsigned int seed = 2;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		int before, after;

		for (int i = 0; i < 4; i++)
			list[i] = all[(size_t)rand_r(&seed) % n];
		before = mildness(weigh(&leaf, NULL, NOW, list, 4).verdict);
		list[4] = revoked(-(rand_r(&seed) % DAY), rand_r(&seed) % 11);
		after = mildness(weigh(&leaf, NULL, NOW, list, 5).verdict);
		assert_true(after <= before);
		if (list[4].reason != 6)
			assert_int_equal(after, 0);
	}
}

static void
texts_that_are_too_long_are_cut(void **state)
{
	struct sst_evidence e = ev(SST_SOURCE_CRL, SST_EV_ERROR, -HOUR, HOUR);
	struct sst_revocation_result r;

	(void)state;
	e.fault = SST_FAULT_UNAUTHORIZED;
	memset(e.text, 'x', sizeof(e.text) - 1);
	memset(e.url, 'u', sizeof(e.url) - 1);
	r = weigh(&leaf, NULL, NOW, &e, 1);
	assert_int_equal(r.verdict, SST_VERDICT_ERROR);
	assert_true(strlen(r.why) < sizeof(r.why) && strlen(r.url) == sizeof(r.url) - 1);
}

/* The line for one piece of evidence, or none at all. */
static void
says(const struct sst_cert_facts *facts, enum sst_revocation_mode mode,
    const struct sst_evidence *e, const char *want)
{
	const struct sst_revocation_policy p = { .mode = mode };
	struct sst_revocation_result r = weigh(facts, &p, NOW, e, e != NULL);

	assert_string_equal(r.why, want);
}

static void
the_deciding_rule_is_told_in_these_words(void **state)
{
	struct sst_cert_facts none = { .not_after = NOW + DAY };
	struct sst_evidence e = good(-HOUR, HOUR);

	(void)state;
	says(&leaf, 0, &e, "an OCSP response that is fresh says good");
	e.source = SST_SOURCE_STAPLE;
	says(&leaf, 0, &e, "a staple that is fresh says good");
	e.source = SST_SOURCE_CRL;
	says(&leaf, 0, &e, "a CRL that is fresh and in scope does not list it");
	e.source = SST_SOURCE_LOCAL;
	says(&leaf, 0, &e, "the operator's list says good");
	e.status = SST_EV_REVOKED;
	says(&leaf, 0, &e, "the operator's list says revoked");
	e = revoked(-HOUR, -1);
	says(&leaf, 0, &e, "a CRL says revoked on 2027-01-14T07:00:00Z");
	e.revoked_at = 0;
	says(&leaf, SST_REVOCATION_HARD, &e, "a CRL says revoked");
	e = ev(SST_SOURCE_STAPLE, SST_EV_UNKNOWN, -HOUR, HOUR);
	says(&leaf, 0, &e, "a staple says that its issuer does not know it");
	e = good(-2 * DAY, -DAY);
	says(&leaf, 0, &e, "an OCSP response said good until 2027-01-14T08:00:00Z, and nothing "
	    "newer is known; the policy lets it pass");
	says(&leaf, SST_REVOCATION_HARD, &e, "an OCSP response said good until "
	    "2027-01-14T08:00:00Z, and nothing newer is known; the policy wants to know");
	says(&leaf, 0, NULL, "it names sources, and none has been heard; the policy lets it pass");
	says(&none, 0, NULL, "it names no source, and none was given");
	says(&none, SST_REVOCATION_HARD, NULL, "it names no source, and none was given; the "
	    "policy wants to know");
	e = ev(SST_SOURCE_CRL, SST_EV_NOTHING, -HOUR, HOUR);
	strcpy(e.text, "another shard");
	says(&leaf, 0, &e, "a CRL does not speak for it: another shard; the policy lets it pass");
	none.no_rev_avail = 1;
	says(&none, 0, NULL, "noRevAvail: its issuer publishes no revocations (RFC 9608)");
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

/* Of two pieces that say the same, `a` is spoken of, however they are listed. */
static void
speaks(struct sst_evidence a, struct sst_evidence b)
{
	struct sst_evidence list[2];

	strcpy(a.url, "http://a.example/");
	strcpy(b.url, "http://b.example/");
	for (int i = 0; i < 2; i++) {
		list[i] = a;
		list[1 - i] = b;
		assert_string_equal(weigh(&leaf, NULL, NOW, list, 2).url, a.url);
	}
}

static void
the_evidence_that_lasts_longest_is_spoken_of(void **state)
{
	struct sst_evidence a = good(-HOUR, HOUR), b = a;

	(void)state;
	a.until++;
	speaks(a, b);
	b.this_update++;	/* the end counts before the beginning */
	speaks(a, b);
	a.until--;
	a.this_update += 2;
	speaks(a, b);
	b = a;
	a.source = SST_SOURCE_STAPLE;
	b.from_cache = 0;
	a.from_cache = 1;
	speaks(a, b);
	a.source = SST_SOURCE_OCSP;
	speaks(b, a);
	b.from_cache = 1;
	b.next_update--;
	speaks(a, b);
	/* a hold: the newest, and of two as new the one that lasts */
	a = revoked(-HOUR, 6);
	b = revoked(-2 * HOUR, 6);
	b.until = a.until + HOUR;
	speaks(a, b);
	b = a;
	a.until++;
	speaks(a, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_alone_makes_a_good),
		cmocka_unit_test(rv_33_fresh_ends_with_the_skew_after_next_update),
		cmocka_unit_test(rv_30_65_what_announces_no_end_lives_as_long_as_this_policy_has_it),
		cmocka_unit_test(rv_41_what_was_held_to_less_than_the_policy_wants_is_not_good),
		cmocka_unit_test(rv_32_a_start_in_the_future_is_believed_within_the_skew),
		cmocka_unit_test(times_at_the_ends_of_the_range_do_not_wrap),
		cmocka_unit_test(evidence_is_not_believed_longer_than_the_policys_age),
		cmocka_unit_test(rv_37_revoked_stays_whatever_says_good_and_however_old),
		cmocka_unit_test(rv_38_newer_good_lifts_a_hold_and_nothing_else),
		cmocka_unit_test(rv_22_what_was_never_issued_is_no_hold),
		cmocka_unit_test(a_signed_unknown_is_unknown_unless_a_list_says_good),
		cmocka_unit_test(what_was_good_once_is_stale),
		cmocka_unit_test(the_most_severe_fault_is_told),
		cmocka_unit_test(without_evidence_it_depends_on_what_the_certificate_names),
		cmocka_unit_test(rv_69_a_list_of_another_scope_is_unknown_and_never_good),
		cmocka_unit_test(rv_74_lists_of_some_reasons_make_a_good_when_they_cover_all),
		cmocka_unit_test(rv_72_the_strict_one_of_two_lists_wins_also_when_it_is_over),
		cmocka_unit_test(rv_111_the_operators_list_decides),
		cmocka_unit_test(rv_106_no_rev_avail_exempts_a_leaf_and_not_a_ca),
		cmocka_unit_test(rv_107_a_short_life_exempts_only_by_option_and_without_a_source),
		cmocka_unit_test(a_switch_that_is_off_takes_the_good_and_leaves_the_revocation),
		cmocka_unit_test(the_order_of_evidence_changes_nothing),
		cmocka_unit_test(more_revoked_never_makes_a_verdict_milder),
		cmocka_unit_test(texts_that_are_too_long_are_cut),
		cmocka_unit_test(the_deciding_rule_is_told_in_these_words),
		cmocka_unit_test(what_nothing_can_change_is_due_when_the_certificate_ends),
		cmocka_unit_test(the_evidence_that_lasts_longest_is_spoken_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
