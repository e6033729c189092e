/* SPDX-License-Identifier: ISC */
/* Tests of what a policy makes of a verdict, its defaults, and the names. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/policy.h"
#include "world_verdict.h"

static const struct sst_cert_facts silent = { .not_before = NOW - 30 * DAY,
	.not_after = NOW + 60 * DAY };

enum kind { G, R, U, S, E, N, STAPLED, OUT, KINDS };

/* What makes the verdict `kind`; pieces. */
static size_t
evidence_of(enum kind kind, struct sst_evidence *e)
{
	*e = (struct sst_evidence){ .source = SST_SOURCE_OCSP, .status = SST_EV_GOOD,
	    .reason = -1, .covered = SST_REASONS_ALL, .this_update = NOW - HOUR,
	    .next_update = NOW + HOUR, .until = NOW + HOUR };
	switch (kind) {
	case G:
		return 1;
	case STAPLED:
		e->source = SST_SOURCE_STAPLE;
		return 1;
	case R:
		e->status = SST_EV_REVOKED;
		return 1;
	case U:
		e->status = SST_EV_UNKNOWN;
		return 1;
	case S:
		e->this_update = NOW - 2 * DAY;
		e->until = NOW - DAY;
		return 1;
	case E:
		e->status = SST_EV_ERROR;
		e->fault = SST_FAULT_TIMEOUT;
		return 1;
	case OUT:
		e->source = SST_SOURCE_CRL;
		e->status = SST_EV_NOTHING;
		return 1;
	case N:
	case KINDS:
		break;
	}
	return 0;
}

static int
accepted(enum kind kind, const struct sst_revocation_policy *policy, int must_staple, int depth)
{
	const struct sst_case c = { .facts = kind == N ? &silent : &leaf, .depth = depth,
	    .must_staple = must_staple, .now = NOW, .policy = policy };
	struct sst_revocation_result r;
	struct sst_evidence e;
	size_t n = evidence_of(kind, &e);

	sst_verdict_of(&c, &e, n, &r);
	assert_true(r.accepted == 0 || r.accepted == 1);
	if (!r.accepted)
		assert_true(r.why[0] != '\0');
	return r.accepted;
}

/* want[kind] of one mode, for the leaf. */
static void
row(enum sst_revocation_mode mode, int must_staple, const char want[KINDS + 1])
{
	const struct sst_revocation_policy p = { .mode = mode };

	for (int kind = 0; kind < KINDS; kind++)
		if (accepted((enum kind)kind, &p, must_staple, 0) != (want[kind] == '+'))
			fail_msg("mode %d, must-staple %d, kind %d is not '%c'", mode,
			    must_staple, kind, want[kind]);
}

static void
rv_112_the_same_event_under_each_policy(void **state)
{
	(void)state;
	/*                                 GRUSEN stapled out-of-scope */
	row(SST_REVOCATION_OFF, 0,        "++++++++");
	row(SST_REVOCATION_DEFAULT, 0,    "+--+++++");
	row(SST_REVOCATION_SOFT, 0,       "+--+++++");
	row(SST_REVOCATION_HARD, 0,       "+-----+-");
	row(SST_REVOCATION_STAPLE, 0,     "------+-");
	/* a certificate that must be stapled */
	row(SST_REVOCATION_OFF, 1,        "++++++++");
	row(SST_REVOCATION_SOFT, 1,       "------+-");
	row(SST_REVOCATION_HARD, 1,       "------+-");
	row(SST_REVOCATION_STAPLE, 1,     "------+-");
}

static void
rv_48_without_its_staple_it_is_refused_and_told_why(void **state)
{
	const struct sst_revocation_policy soft = { 0 };
	const struct sst_revocation_policy staple = { .mode = SST_REVOCATION_STAPLE };
	struct sst_case c = { .facts = &leaf, .must_staple = 1, .now = NOW, .policy = &soft };
	struct sst_revocation_result r;
	struct sst_evidence e;

	(void)state;
	(void)evidence_of(G, &e);
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.verdict, SST_VERDICT_GOOD);
	assert_int_equal(r.accepted, 0);
	assert_string_equal(r.why, "it must be stapled (RFC 7633), and no staple that is "
	    "valid came with it");
	c.must_staple = 0;
	c.policy = &staple;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.accepted, 0);
	assert_string_equal(r.why, "the policy wants a staple, and no staple that is valid "
	    "came with it");
	/* what is revoked is told as such, and with both reasons to refuse one counts */
	e.status = SST_EV_REVOKED;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.verdict, SST_VERDICT_REVOKED);
	assert_non_null(strstr(r.why, "revoked"));
	e.status = SST_EV_GOOD;
	/* one that was kept is as good: a resumed session brings none */
	e.source = SST_SOURCE_STAPLE;
	e.from_cache = 1;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.accepted, 1);
}

static void
rv_47_a_staple_that_is_over_is_no_staple(void **state)
{
	const struct sst_revocation_policy soft = { 0 };
	struct sst_case c = { .facts = &leaf, .must_staple = 1, .now = NOW, .policy = &soft };
	struct sst_revocation_result r;
	struct sst_evidence e[2];

	(void)state;
	(void)evidence_of(S, &e[0]);
	(void)evidence_of(G, &e[1]);
	e[0].source = SST_SOURCE_STAPLE;
	sst_verdict_of(&c, e, 2, &r);
	assert_int_equal(r.accepted, 0);
	/* where none is wanted the other evidence decides */
	c.must_staple = 0;
	sst_verdict_of(&c, e, 2, &r);
	assert_int_equal(r.verdict, SST_VERDICT_GOOD);
	assert_int_equal(r.accepted, 1);
	/* the staple's own fault is told */
	c.must_staple = 1;
	e[0].status = SST_EV_ERROR;
	e[0].fault = SST_FAULT_SIGNATURE;
	strcpy(e[0].text, "forged");
	sst_verdict_of(&c, e, 2, &r);
	assert_int_equal(r.accepted, 0);
	assert_non_null(strstr(r.why, "forged"));
}

static void
rv_49_an_intermediate_is_soft_and_wants_no_staple_unless_the_chain_is_hard(void **state)
{
	struct sst_revocation_policy p = { .mode = SST_REVOCATION_STAPLE };

	(void)state;
	assert_true(accepted(G, &p, 0, 1));
	assert_true(accepted(S, &p, 0, 1));
	assert_true(accepted(E, &p, 0, 1));
	assert_true(accepted(N, &p, 0, 1));
	assert_false(accepted(R, &p, 0, 1));
	assert_false(accepted(U, &p, 0, 1));
	p.hard_chain = SST_SWITCH_ON;
	assert_true(accepted(G, &p, 0, 1));
	assert_false(accepted(S, &p, 0, 1));
	assert_false(accepted(E, &p, 0, 1));
	assert_false(accepted(N, &p, 0, 1));
	/* hard_chain makes them as strict as the leaf, not stricter */
	p.mode = SST_REVOCATION_SOFT;
	assert_true(accepted(E, &p, 0, 1));
	p.mode = SST_REVOCATION_OFF;
	assert_true(accepted(R, &p, 0, 1));
}

/* An operator who lists a certificate wants no staple of it. */
static void
what_the_operator_lists_needs_no_staple(void **state)
{
	const struct sst_revocation_policy staple = { .mode = SST_REVOCATION_STAPLE };
	struct sst_case c = { .facts = &leaf, .must_staple = 1, .now = NOW, .policy = &staple };
	struct sst_revocation_result r;
	struct sst_evidence e;

	(void)state;
	(void)evidence_of(G, &e);
	e.source = SST_SOURCE_LOCAL;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.accepted, 1);
	e.source = SST_SOURCE_CRL;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.accepted, 0);
}

static void
names_no_source_has_a_switch_of_its_own(void **state)
{
	struct sst_revocation_policy p = { .mode = SST_REVOCATION_SOFT,
	    .refuse_no_source = SST_SWITCH_ON };

	(void)state;
	assert_false(accepted(N, &p, 0, 0));
	assert_true(accepted(E, &p, 0, 0));
	assert_true(accepted(N, &p, 0, 1));
	p.mode = SST_REVOCATION_HARD;
	p.refuse_no_source = SST_SWITCH_OFF;
	assert_true(accepted(N, &p, 0, 0));
	assert_false(accepted(E, &p, 0, 0));
	p.hard_chain = SST_SWITCH_ON;
	assert_true(accepted(N, &p, 0, 1));
	p.refuse_no_source = SST_SWITCH_DEFAULT;
	assert_false(accepted(N, &p, 0, 1));
}

/* Whether asking is worth the time. */
static int
improves(enum kind kind, const struct sst_revocation_policy *p, const struct sst_cert_facts *f,
    int must_staple, int depth)
{
	const struct sst_case c = { .facts = f, .depth = depth, .must_staple = must_staple,
	    .now = NOW, .policy = p };
	struct sst_revocation_result r;
	struct sst_evidence e;
	size_t n = evidence_of(kind, &e);

	sst_verdict_of(&c, &e, n, &r);
	return sst_verdict_may_improve(&c, &r);
}

static void
only_what_is_open_is_asked_about(void **state)
{
	const struct sst_revocation_policy soft = { 0 }, off = { .mode = SST_REVOCATION_OFF };

	(void)state;
	assert_false(improves(G, &soft, &leaf, 0, 0));
	assert_false(improves(R, &soft, &leaf, 0, 0));
	assert_true(improves(U, &soft, &leaf, 0, 0));
	assert_true(improves(S, &soft, &leaf, 0, 0));
	assert_true(improves(E, &soft, &leaf, 0, 0));
	assert_true(improves(N, &soft, &leaf, 0, 0));
	assert_false(improves(N, &soft, &silent, 0, 0));
	assert_false(improves(E, &soft, &silent, 0, 0));
	assert_false(improves(E, &off, &leaf, 0, 0));
	/* nobody can fetch a staple for us */
	assert_false(improves(E, &soft, &leaf, 1, 0));
	assert_true(improves(E, &soft, &leaf, 1, 1));
}

static void
only_sources_that_may_be_used_are_asked(void **state)
{
	struct sst_revocation_policy p = { .use_crls = SST_SWITCH_OFF };
	struct sst_cert_facts f = leaf;

	(void)state;
	assert_true(improves(E, &p, &f, 0, 0));
	assert_false(improves(E, &p, &f, 0, 1));	/* no OCSP for an intermediate */
	p.use_ocsp = SST_SWITCH_OFF;
	assert_false(improves(E, &p, &f, 0, 0));
	p.use_crls = SST_SWITCH_DEFAULT;
	assert_true(improves(E, &p, &f, 0, 0));
	f.n_crl = 0;
	assert_false(improves(E, &p, &f, 0, 0));
}

static void
a_hold_is_asked_about_again_when_its_evidence_is_over(void **state)
{
	const struct sst_revocation_policy soft = { 0 };
	struct sst_case c = { .facts = &leaf, .now = NOW, .policy = &soft };
	struct sst_revocation_result r;
	struct sst_evidence e;

	(void)state;
	(void)evidence_of(R, &e);
	e.reason = SST_REASON_HOLD;
	sst_verdict_of(&c, &e, 1, &r);
	assert_int_equal(r.until, NOW + HOUR);
	assert_false(sst_verdict_may_improve(&c, &r));
	c.now = NOW + HOUR;
	sst_verdict_of(&c, &e, 1, &r);
	assert_true(sst_verdict_may_improve(&c, &r));
	e.source = SST_SOURCE_LOCAL;
	sst_verdict_of(&c, &e, 1, &r);
	assert_false(sst_verdict_may_improve(&c, &r));
	e.source = SST_SOURCE_OCSP;
	e.reason = 1;
	sst_verdict_of(&c, &e, 1, &r);
	assert_false(sst_verdict_may_improve(&c, &r));
}

static void
zeros_are_the_defaults(void **state)
{
	struct sst_revocation_policy p = { .max_age = 1800, .skew = 60, .security_level = 3 };
	struct sst_limits l;

	(void)state;
	sst_limits_of(NULL, &l);
	assert_int_equal(l.skew, 300);
	assert_int_equal(l.ocsp_max_age, 10 * DAY);
	assert_int_equal(l.crl_max_age, 35 * DAY);
	assert_int_equal(l.ocsp_no_next, HOUR);
	assert_int_equal(l.crl_no_next, DAY);
	assert_int_equal(l.ocsp_size, 64 * 1024);
	assert_int_equal(l.crl_size, 32 * 1024 * 1024);
	assert_int_equal(l.security_level, 2);
	sst_limits_of(&p, &l);
	assert_int_equal(l.skew, 60);
	assert_int_equal(l.ocsp_max_age, 1800);
	assert_int_equal(l.crl_max_age, 1800);
	assert_int_equal(l.ocsp_no_next, 1800);
	assert_int_equal(l.crl_no_next, 1800);
	assert_int_equal(l.security_level, 3);
	p.max_age = 90 * DAY;
	sst_limits_of(&p, &l);
	assert_int_equal(l.ocsp_max_age, 90 * DAY);
	assert_int_equal(l.crl_max_age, 90 * DAY);
	assert_int_equal(l.ocsp_no_next, HOUR);
	assert_int_equal(l.crl_no_next, DAY);
	p.security_level = -1;
	sst_limits_of(&p, &l);
	assert_int_equal(l.security_level, 0);
	p.security_level = 99;
	sst_limits_of(&p, &l);
	assert_int_equal(l.security_level, 5);
}

static void
everything_has_the_name_that_is_documented(void **state)
{
	static const char *const verdicts[] = { "", "good", "revoked", "unknown", "stale",
		"error", "no_source", "exempt", "" };
	static const char *const sources[] = { "none", "staple", "ocsp", "crl", "local", "" };
	static const char *const reasons[] = { "", "unspecified", "keyCompromise",
		"cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
		"certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
		"" };

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_string_equal(sst_verdict_name((enum sst_verdict)i), verdicts[i]);
	for (int i = 0; i < 6; i++)
		assert_string_equal(sst_source_name((enum sst_evidence_source)i), sources[i]);
	for (int i = 0; i < 13; i++)
		assert_string_equal(sst_reason_name(i - 1), reasons[i]);
	assert_string_equal(sst_reason_name(INT_MIN), "");
	assert_string_equal(sst_fault_name(SST_FAULT_NONE), "none");
	assert_string_equal(sst_fault_name(SST_FAULT_TRY_LATER), "try_later");
	assert_string_equal(sst_fault_name(SST_FAULT_SIGNATURE), "signature");
	assert_string_equal(sst_fault_name((enum sst_fault)99), "");
	for (int i = 0; i <= SST_FAULT_SIGNATURE; i++)
		assert_true(sst_fault_name((enum sst_fault)i)[0] != '\0');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_112_the_same_event_under_each_policy),
		cmocka_unit_test(rv_48_without_its_staple_it_is_refused_and_told_why),
		cmocka_unit_test(rv_47_a_staple_that_is_over_is_no_staple),
		cmocka_unit_test(rv_49_an_intermediate_is_soft_and_wants_no_staple_unless_the_chain_is_hard),
		cmocka_unit_test(what_the_operator_lists_needs_no_staple),
		cmocka_unit_test(names_no_source_has_a_switch_of_its_own),
		cmocka_unit_test(only_what_is_open_is_asked_about),
		cmocka_unit_test(only_sources_that_may_be_used_are_asked),
		cmocka_unit_test(a_hold_is_asked_about_again_when_its_evidence_is_over),
		cmocka_unit_test(zeros_are_the_defaults),
		cmocka_unit_test(everything_has_the_name_that_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
