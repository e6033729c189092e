/* SPDX-License-Identifier: ISC */
/* Tests of refresh.c and schedule.c: when evidence is fetched again, and what an
 * outage does to that. Every clock is simulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_outage.h"
#include "ocsp/refresh.h"
#include "ocsp/schedule.h"

#define NOW	((int64_t)1800000000)
#define HOUR	((int64_t)3600)
#define DAY	((int64_t)86400)

static void
seed_of(unsigned i, uint8_t seed[32])
{
	uint64_t x = i + 1;

	for (int n = 0; n < 32; n++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		seed[n] = (uint8_t)(x >> 56);
	}
}

static struct sst_evidence
evidence(enum sst_evidence_source source, int64_t this_update, int64_t life, int64_t fetched)
{
	return (struct sst_evidence){ .source = source, .status = SST_EV_GOOD,
	    .this_update = this_update, .until = this_update + life, .fetched_at = fetched };
}

static void
evidence_is_due_after_half_of_its_life_and_up_to_a_tenth(void **state)
{
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 7 * DAY, NOW);
	int64_t least = INT64_MAX, most = 0;
	uint8_t seed[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		seed_of(i, seed);
		int64_t at = sst_refresh_at(&e, seed) - NOW;

		assert_int_equal(at, sst_refresh_at(&e, seed) - NOW);
		least = at < least ? at : least;
		most = at > most ? at : most;
	}
	assert_true(least >= 7 * DAY / 2 && least < 7 * DAY / 2 + 7 * DAY / 100);
	assert_true(most <= 7 * DAY * 6 / 10 && most > 7 * DAY * 59 / 100);
}

static void
nothing_is_due_within_five_minutes_and_a_list_within_twelve_hours(void **state)
{
	struct sst_evidence brief = evidence(SST_SOURCE_OCSP, NOW, 300, NOW);
	struct sst_evidence staple = evidence(SST_SOURCE_STAPLE, NOW, 300, 0);
	struct sst_evidence ocsp = evidence(SST_SOURCE_OCSP, NOW, 7 * DAY, NOW);
	struct sst_evidence crl = evidence(SST_SOURCE_CRL, NOW, 7 * DAY, NOW);
	struct sst_evidence ended = evidence(SST_SOURCE_CRL, NOW, -DAY, NOW);
	uint8_t seed[32];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		seed_of(i, seed);
		assert_int_equal(sst_refresh_at(&brief, seed), NOW + 300);
		assert_true(sst_refresh_at(&staple, seed) < NOW + 200);
		assert_true(sst_refresh_at(&ocsp, seed) > NOW + 12 * HOUR);
		assert_true(sst_refresh_at(&crl, seed) <= NOW + 12 * HOUR);
		assert_true(sst_refresh_at(&crl, seed) > NOW + 10 * HOUR);
		assert_int_equal(sst_refresh_at(&ended, seed), NOW + 300);
	}
}

static void
a_source_without_news_is_asked_in_steps_twice_as_dense_at_the_end(void **state)
{
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 32 * HOUR, NOW + 20 * HOUR);
	uint8_t seed[32];

	(void)state;
	seed_of(1, seed);
	assert_int_equal(sst_refresh_at(&e, seed), NOW + 22 * HOUR);
	e.fetched_at = NOW + 24 * HOUR - 1;
	assert_int_equal(sst_refresh_at(&e, seed), NOW + 26 * HOUR - 1);
	e.fetched_at = NOW + 24 * HOUR;
	assert_int_equal(sst_refresh_at(&e, seed), NOW + 25 * HOUR);
}

static struct sst_source_state
after(struct sst_source_state st, enum sst_fault fault, int was_timeout, int retry_after)
{
	uint8_t seed[32];

	seed_of(3, seed);
	sst_refresh_after(&st, fault, was_timeout, retry_after, NOW, seed);
	return st;
}

static void
a_source_that_is_not_reached_is_asked_less_and_less(void **state)
{
	struct sst_source_state st;
	uint8_t seed[32];

	(void)state;
	for (unsigned s = 0; s < 50; s++) {
		int64_t want = 30;

		memset(&st, 0, sizeof(st));
		seed_of(s, seed);
		for (unsigned n = 1; n < 40; n++) {
			sst_refresh_after(&st, n % 2 ? SST_FAULT_TIMEOUT : SST_FAULT_CONNECT,
			    0, 0, NOW, seed);
			assert_true(st.next_try - NOW >= want * 3 / 4);
			assert_true(st.next_try - NOW <= want * 5 / 4);
			assert_int_equal(st.fail_count, n);
			assert_int_equal(st.last_try, NOW);
			want = want * 2 > HOUR ? HOUR : want * 2;
		}
	}
	st = after(st, SST_FAULT_NONE, 0, 0);
	assert_int_equal(st.fail_count, 0);
	assert_int_equal(st.next_try, 0);
	assert_int_equal(st.last_fault, SST_FAULT_NONE);
}

static void
the_jitter_of_a_delay_is_not_the_same_for_all(void **state)
{
	int64_t least = INT64_MAX, most = 0;
	uint8_t seed[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct sst_source_state st = { .fail_count = 20 };

		seed_of(i, seed);
		sst_refresh_after(&st, SST_FAULT_TIMEOUT, 1, 0, NOW, seed);
		least = st.next_try - NOW < least ? st.next_try - NOW : least;
		most = st.next_try - NOW > most ? st.next_try - NOW : most;
	}
	assert_true(least >= 2700 && least < 2750);
	assert_true(most <= 4500 && most > 4450);
}

static void
a_fault_has_a_delay_of_its_own(void **state)
{
	struct sst_source_state zero = { 0 };

	(void)state;
	assert_int_equal(after(zero, SST_FAULT_TRY_LATER, 0, 0).next_try, NOW + 300);
	assert_int_equal(after(zero, SST_FAULT_TRY_LATER, 0, 120).next_try, NOW + 120);
	assert_int_equal(after(zero, SST_FAULT_TRY_LATER, 0, 99999).next_try, NOW + HOUR);
	assert_int_equal(after(zero, SST_FAULT_UNAUTHORIZED, 0, 0).next_try, NOW + HOUR);
	assert_int_equal(after(zero, SST_FAULT_HTTP, 0, 0).next_try, NOW + HOUR);
	assert_int_equal(after(zero, SST_FAULT_MALFORMED, 0, 0).next_try, NOW + 600);
	assert_int_equal(after(zero, SST_FAULT_SIGNATURE, 0, 0).next_try, NOW + 600);
	assert_int_equal(after(zero, SST_FAULT_SIZE, 0, 0).next_try, NOW + 600);
	assert_true(after(zero, SST_FAULT_BLOCKED, 0, 0).next_try == INT64_MAX);
}

static void
two_connect_time_outs_in_a_row_close_a_host(void **state)
{
	struct sst_source_state st = { 0 };

	(void)state;
	st = after(st, SST_FAULT_TIMEOUT, 1, 0);
	assert_false(sst_refresh_closed(&st));
	st = after(st, SST_FAULT_TIMEOUT, 0, 0);	/* it was connected */
	st = after(st, SST_FAULT_TIMEOUT, 1, 0);
	assert_false(sst_refresh_closed(&st));
	st = after(st, SST_FAULT_TIMEOUT, 1, 0);
	assert_true(sst_refresh_closed(&st));
	st = after(st, SST_FAULT_BLOCKED, 0, 0);	/* says nothing of the host */
	assert_true(sst_refresh_closed(&st));
	st = after(st, SST_FAULT_NONE, 0, 0);
	assert_false(sst_refresh_closed(&st));
}

/* --- the schedule ------------------------------------------------------ */

static int dropped;

static void
drop(void *what)
{
	(void)what;
	dropped++;
}

static struct sst_schedule *
schedule(void)
{
	struct sst_schedule *s = NULL;

	dropped = 0;
	assert_int_equal(sst_schedule_new(drop, &s, NULL), SST_OK);
	return s;
}

static void
what_is_due_is_given_once_until_it_is_done(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 10 * HOUR, NOW);
	struct sst_evidence newer = evidence(SST_SOURCE_OCSP, NOW + 6 * HOUR, 10 * HOUR,
	    NOW + 6 * HOUR);
	uint8_t key[32];
	int64_t at, due, none;
	int what;

	(void)state;
	seed_of(0, key);
	due = sst_refresh_at(&e, key);
	assert_null(sst_schedule_next(s, NOW, &at));
	assert_true(at == INT64_MAX);
	assert_int_equal(sst_schedule_put(s, key, "a:80", &e, NOW, &what), 1);
	assert_int_equal(sst_schedule_put(s, key, "a:80", &e, NOW, &what), 0);
	assert_null(sst_schedule_next(s, due - 1, &at));
	assert_int_equal(at, due);
	assert_ptr_equal(sst_schedule_next(s, due, &at), &what);
	assert_null(sst_schedule_next(s, due + HOUR, &none));
	assert_true(none == INT64_MAX);
	/* it failed: not before */
	sst_schedule_done(s, key, NULL, due + 600);
	assert_null(sst_schedule_next(s, due + 599, &at));
	assert_int_equal(at, due + 600);
	assert_ptr_equal(sst_schedule_next(s, due + 600, &at), &what);
	sst_schedule_done(s, key, &newer, 0);
	assert_null(sst_schedule_next(s, due + 600, &at));
	assert_int_equal(at, sst_refresh_at(&newer, key));
	sst_schedule_free(s);
	assert_int_equal(dropped, 1);
}

static void
newer_evidence_from_elsewhere_moves_an_entry(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 10 * HOUR, NOW);
	struct sst_evidence newer = evidence(SST_SOURCE_OCSP, NOW + 4 * HOUR, 10 * HOUR,
	    NOW + 4 * HOUR);
	uint8_t key[32];
	int64_t at;
	int what;

	(void)state;
	seed_of(0, key);
	assert_int_equal(sst_schedule_put(s, key, "a:80", &newer, NOW, &what), 1);
	assert_int_equal(sst_schedule_put(s, key, "a:80", &e, NOW, &what), 0);
	assert_null(sst_schedule_next(s, NOW, &at));
	assert_int_equal(at, sst_refresh_at(&newer, key));	/* the older does not */
	sst_schedule_free(s);
}

static void
what_nobody_uses_is_dropped(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 20 * HOUR, NOW);
	uint8_t used[32], unused[32];
	int64_t at;
	int a, b;

	(void)state;
	seed_of(0, used);
	seed_of(1, unused);
	assert_int_equal(sst_schedule_put(s, used, "a:80", &e, NOW, &a), 1);
	assert_int_equal(sst_schedule_put(s, unused, "b:80", &e, NOW, &b), 1);
	(void)sst_schedule_put(s, used, "a:80", &e, NOW + 13 * HOUR, &a);
	assert_non_null(sst_schedule_next(s, NOW + DAY, &at));
	assert_non_null(sst_schedule_next(s, NOW + DAY, &at));
	assert_int_equal(dropped, 0);
	sst_schedule_done(s, used, NULL, 0);
	sst_schedule_done(s, unused, NULL, 0);
	assert_ptr_equal(sst_schedule_next(s, NOW + DAY + HOUR, &at), &a);
	assert_int_equal(dropped, 1);
	sst_schedule_free(s);
	assert_int_equal(dropped, 2);
}

static void
a_host_that_fails_is_tried_by_one_at_a_time(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 20 * HOUR, NOW);
	uint8_t key[3][32];
	int64_t at, due = NOW + 13 * HOUR;
	int what[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		seed_of(i, key[i]);
		assert_int_equal(sst_schedule_put(s, key[i], i == 2 ? "b:80" : "a:80", &e,
		    NOW, &what[i]), 1);
	}
	sst_schedule_heard(s, "a:80", SST_FAULT_TIMEOUT, 1, 0, due - 1000);
	assert_false(sst_schedule_closed(s, "a:80"));
	sst_schedule_heard(s, "a:80", SST_FAULT_TIMEOUT, 1, 0, due - 900);
	assert_true(sst_schedule_closed(s, "a:80"));
	assert_false(sst_schedule_closed(s, "b:80"));
	assert_false(sst_schedule_closed(s, "c:80"));
	/* both hosts' may go now, but one of a's alone */
	assert_non_null(sst_schedule_next(s, due, &at));
	assert_non_null(sst_schedule_next(s, due, &at));
	assert_null(sst_schedule_next(s, due, &at));
	assert_true(at == INT64_MAX);
	sst_schedule_heard(s, "a:80", SST_FAULT_NONE, 0, 0, due);
	assert_false(sst_schedule_closed(s, "a:80"));
	sst_schedule_free(s);
}

static void
evidence_that_would_end_goes_before_an_even_pace(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 20 * HOUR, NOW);
	struct sst_evidence newer;
	uint8_t key[100][32], *what;
	int64_t at, now = NOW + 13 * HOUR;
	int n = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		seed_of(i, key[i]);
		assert_int_equal(sst_schedule_put(s, key[i], "a:80", &e, NOW, key[i]), 1);
	}
	/* all are due, seven hours are left: an even pace takes longer */
	for (; now < NOW + 20 * HOUR; now = at > now ? at : now + 1) {
		while ((what = sst_schedule_next(s, now, &at)) != NULL) {
			newer = evidence(SST_SOURCE_OCSP, now, 20 * HOUR, now);
			sst_schedule_done(s, what, &newer, 0);
			n++;
		}
		if (n == 10)	/* and no haste either */
			assert_true(now > NOW + 13 * HOUR + 20 * 60);
	}
	assert_int_equal(n, 100);
	sst_schedule_free(s);
}

static void
a_full_schedule_takes_no_more(void **state)
{
	struct sst_schedule *s = schedule();
	struct sst_evidence e = evidence(SST_SOURCE_OCSP, NOW, 20 * HOUR, NOW);
	uint8_t key[32];
	char host[32];
	int what;

	(void)state;
	for (unsigned i = 0; i <= SST_SCHEDULE_MAX; i++) {
		seed_of(i, key);
		(void)snprintf(host, sizeof(host), "h%u:80", i);
		assert_int_equal(sst_schedule_put(s, key, host, &e, NOW, &what),
		    i < SST_SCHEDULE_MAX);
		sst_schedule_heard(s, host, SST_FAULT_TIMEOUT, 1, 0, NOW);
		sst_schedule_heard(s, host, SST_FAULT_TIMEOUT, 1, 0, NOW);
		assert_int_equal(sst_schedule_closed(s, host), i < SST_SCHEDULE_MAX);
	}
	sst_schedule_free(s);
	assert_int_equal(dropped, SST_SCHEDULE_MAX);
}

static void
rv_96_a_thousand_that_were_fetched_together_are_spread(void **state)
{
	struct outage_plan p = { .names = 1000, .hosts = 1, .together = 1, .life = DAY,
	    .down = 1 };
	struct outage_count c;

	(void)state;
	outage_run(&p, &c);
	assert_int_equal(c.ended, 0);
	assert_true(c.in_flight <= 4);
	assert_true(c.busiest <= 4);	/* of a thousand, in any minute of the day */
	assert_true(c.steady > 1 && c.steady < 1.6);
}

static void
rv_97_an_outage_of_six_hours_makes_no_storm(void **state)
{
	struct outage_plan p = { .names = 1000, .hosts = 1, .life = DAY, .down = 6 * HOUR };
	struct outage_count c;

	(void)state;
	outage_run(&p, &c);
	assert_int_equal(c.ended, 0);
	assert_true(c.tries >= 8 && c.tries <= 14);
	assert_true(c.in_flight <= 4);
	assert_true(c.recovery <= 2 * c.steady);
	assert_true(c.caught_up > 0);
	/* one that outlasts the evidence: it is caught up with all the same */
	p.down = 30 * HOUR;
	outage_run(&p, &c);
	assert_int_equal(c.ended, 1000);
	assert_true(c.in_flight <= 4);
	assert_true(c.caught_up > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_is_due_after_half_of_its_life_and_up_to_a_tenth),
		cmocka_unit_test(nothing_is_due_within_five_minutes_and_a_list_within_twelve_hours),
		cmocka_unit_test(a_source_without_news_is_asked_in_steps_twice_as_dense_at_the_end),
		cmocka_unit_test(a_source_that_is_not_reached_is_asked_less_and_less),
		cmocka_unit_test(the_jitter_of_a_delay_is_not_the_same_for_all),
		cmocka_unit_test(a_fault_has_a_delay_of_its_own),
		cmocka_unit_test(two_connect_time_outs_in_a_row_close_a_host),
		cmocka_unit_test(what_is_due_is_given_once_until_it_is_done),
		cmocka_unit_test(newer_evidence_from_elsewhere_moves_an_entry),
		cmocka_unit_test(what_nobody_uses_is_dropped),
		cmocka_unit_test(a_host_that_fails_is_tried_by_one_at_a_time),
		cmocka_unit_test(evidence_that_would_end_goes_before_an_even_pace),
		cmocka_unit_test(a_full_schedule_takes_no_more),
		cmocka_unit_test(rv_96_a_thousand_that_were_fetched_together_are_spread),
		cmocka_unit_test(rv_97_an_outage_of_six_hours_makes_no_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
