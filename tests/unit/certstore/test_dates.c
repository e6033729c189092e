/* SPDX-License-Identifier: ISC */
/* Which time certificates are judged by, and what is told when. */
#include <stdio.h>
#include <string.h>

#include "certstore/dates.h"
#include "each.h"
#include "world.h"

#define HOUR	((time_t)3600)
#define START	1000000		/* of the other clock, ms */

/* The time, `s` seconds after the start by the other clock, where the wall clock says
 * so much more or less than it should. */
static time_t
at(struct sst_dates *d, int64_t s, time_t off)
{
	return sst_dates_now(d, PKI_NOW + (time_t)s + off, START + s * 1000) - PKI_NOW;
}

static void
a_clock_that_nobody_sets_is_believed_to_the_second(void **state)
{
	struct sst_dates d = { 0 };

	(void)state;
	for (int64_t s = 0; s < 100000; s += 7)
		assert_int_equal(at(&d, s, 0), s);
	/* one that is slewed, a second in a thousand */
	for (int64_t s = 100000; s < 200000; s += 7)
		assert_int_equal(at(&d, s, (time_t)(s - 100000) / 1000), s + (s - 100000) / 1000);
}

static void
fractions_of_a_second_are_no_step(void **state)
{
	struct sst_dates d = { 0 };
	time_t now, last = 0;

	(void)state;
	for (int64_t ms = 0; ms < 100000; ms += 37) {
		now = sst_dates_now(&d, PKI_NOW + (time_t)((ms + 999) / 1000), START + ms);
		assert_in_range(now - PKI_NOW, (ms + 999) / 1000, (ms + 999) / 1000 + 1);
		assert_true(now >= last);
		last = now;
	}
}

static void
cs_36_a_clock_that_is_set_wrong_and_right_again_changes_nothing(void **state)
{
	static const time_t steps[] = { -HOUR, HOUR, -61, 61, -2, -23 * HOUR, 23 * HOUR };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct sst_dates d = { 0 };

		assert_int_equal(at(&d, 0, 0), 0);
		for (int64_t s = 1; s < SST_DATES_HOLD_S; s += 13)
			assert_int_equal(at(&d, s, steps[i]), s);
		for (int64_t s = 600; s < 6000; s += 13)
			assert_int_equal(at(&d, s, 0), s);
		/* once more, and the time before does not count */
		for (int64_t s = 6000; s < 6000 + SST_DATES_HOLD_S; s += 13)
			assert_int_equal(at(&d, s, steps[i]), s);
	}
}

static void
cs_36_a_step_that_lasts_is_believed(void **state)
{
	static const time_t steps[] = { -HOUR, HOUR, -61, 61, -23 * HOUR, 23 * HOUR };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct sst_dates d = { 0 };

		assert_int_equal(at(&d, 0, 0), 0);
		assert_int_equal(at(&d, 10, steps[i]), 10);
		assert_int_equal(at(&d, 10 + SST_DATES_HOLD_S - 1, steps[i]),
		    10 + SST_DATES_HOLD_S - 1);
		assert_int_equal(at(&d, 10 + SST_DATES_HOLD_S, steps[i]),
		    10 + SST_DATES_HOLD_S + steps[i]);
		/* and from then on it is the clock */
		assert_int_equal(at(&d, 5000, steps[i]), 5000 + steps[i]);
		assert_int_equal(at(&d, 5001, 0), 5001 + steps[i]);
	}
}

static void
a_step_onto_another_begins_anew(void **state)
{
	struct sst_dates d = { 0 };

	(void)state;
	assert_int_equal(at(&d, 0, 0), 0);
	assert_int_equal(at(&d, 10, HOUR), 10);
	assert_int_equal(at(&d, 400, -HOUR), 400);
	assert_int_equal(at(&d, 900, -HOUR), 900);
	assert_int_equal(at(&d, 1000, -HOUR), 1000 - HOUR);
}

static void
a_step_of_days_forgets_the_one_before(void **state)
{
	struct sst_dates d = { 0 };

	(void)state;
	assert_int_equal(at(&d, 0, 0), 0);
	assert_int_equal(at(&d, 10, -HOUR), 10);
	assert_int_equal(at(&d, 20, -SST_DATES_FAR_S), 20 - SST_DATES_FAR_S);
	assert_int_equal(at(&d, 700, -HOUR), 700 - SST_DATES_FAR_S);
}

static void
a_clock_that_was_never_set_is_believed_once_it_is(void **state)
{
	struct sst_dates d = { 0 };

	(void)state;
	assert_int_equal(at(&d, 0, -9 * 365 * PKI_DAY), -9 * 365 * PKI_DAY);
	assert_int_equal(at(&d, 5, 0), 5);
	assert_int_equal(at(&d, 6, -SST_DATES_FAR_S + 10), 6);
	assert_int_equal(at(&d, 7, -SST_DATES_FAR_S), 7 - SST_DATES_FAR_S);
}

static void
a_little_further_on_is_believed_at_once(void **state)
{
	struct sst_dates d = { 0 };

	(void)state;
	assert_int_equal(at(&d, 0, 0), 0);
	assert_int_equal(at(&d, 10, 60), 70);
	assert_int_equal(at(&d, 20, 60), 80);
	/* that was no step: the next one is measured from there */
	assert_int_equal(at(&d, 30, 120), 150);
	assert_int_equal(at(&d, 40, 181), 160);
}

static void
cs_37_a_third_is_left_and_half_of_a_short_life(void **state)
{
	(void)state;
	assert_int_equal(sst_dates_warn_at(0, 90 * PKI_DAY), 60 * PKI_DAY);
	assert_int_equal(sst_dates_warn_at(0, 160 * HOUR), 80 * HOUR);
	assert_int_equal(sst_dates_warn_at(PKI_NOW, PKI_NOW + 45 * PKI_DAY),
	    PKI_NOW + 30 * PKI_DAY);
	assert_int_equal(sst_dates_warn_at(0, 10 * PKI_DAY), 10 * PKI_DAY -
	    10 * PKI_DAY / 3);
	assert_int_equal(sst_dates_warn_at(0, 10 * PKI_DAY - 2), 5 * PKI_DAY - 1);
	/* nonsense is at its end, not before it began */
	assert_int_equal(sst_dates_warn_at(100, 50), 50);
}

/* A certificate of these dates, in the store. */
static struct pki_cert *
put(const char *san, time_t from, time_t to)
{
	struct pki_cert *c = pki_issue(world_ca, &(struct pki_spec){ .san = san,
	    .not_before = from, .not_after = to });
	char name[80];

	(void)snprintf(name, sizeof(name), "%s.%ld.pem", san, (long)to);
	pki_write_pair(dir, name, c);
	return c;
}

static void
told(int expiring, int expired)
{
	assert_int_equal(events.count[SST_STORE_EXPIRING], expiring);
	assert_int_equal(events.count[SST_STORE_EXPIRED], expired);
}

static void
cs_37_what_is_to_be_renewed_and_what_expired_is_told_once(void **state)
{
	struct pki_cert *c = put("www.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);

	(void)state;
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	assert_int_equal(sst_store_dates(store, PKI_NOW), 3600);
	assert_int_equal(sst_store_dates(store, PKI_NOW + 60 * PKI_DAY - 10), 10);
	told(0, 0);
	(void)sst_store_dates(store, PKI_NOW + 60 * PKI_DAY);
	told(1, 0);
	assert_non_null(strstr(events.text, "expires at 2027-04-15T08:00:00Z"));
	assert_non_null(strstr(events.source, "www.example.com."));
	for (int day = 60; day < 90; day++)
		(void)sst_store_dates(store, PKI_NOW + day * PKI_DAY);
	told(1, 0);
	/* the last second of it counts */
	assert_int_equal(sst_store_dates(store, PKI_NOW + 90 * PKI_DAY), 1);
	told(1, 0);
	(void)sst_store_dates(store, PKI_NOW + 90 * PKI_DAY + 1);
	told(1, 1);
	assert_non_null(strstr(events.text, "expired at 2027-04-15T08:00:00Z"));
	for (int day = 91; day < 99; day++)
		(void)sst_store_dates(store, PKI_NOW + day * PKI_DAY);
	/* a clock that goes back for a moment tells nothing twice */
	(void)sst_store_dates(store, PKI_NOW + 98 * PKI_DAY - 2 * HOUR);
	(void)sst_store_dates(store, PKI_NOW + 99 * PKI_DAY);
	told(1, 1);
	pki_free(c);
}

static void
a_time_that_goes_back_tells_nothing_twice(void **state)
{
	struct pki_cert *a = put("a.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);
	struct pki_cert *b = put("b.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY + 100);

	(void)state;
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + 90 * PKI_DAY + 1);
	told(1, 1);
	(void)sst_store_dates(store, PKI_NOW + 90 * PKI_DAY - HOUR);
	(void)sst_store_dates(store, PKI_NOW + 90 * PKI_DAY + 101);
	told(1, 2);
	/* by more than a day: what comes is news again */
	(void)sst_store_dates(store, PKI_NOW + 80 * PKI_DAY);
	told(1, 2);
	(void)sst_store_dates(store, PKI_NOW + 90 * PKI_DAY + 1);
	told(1, 3);
	pki_free(a);
	pki_free(b);
}

static void
what_is_late_when_it_comes_is_told_at_once(void **state)
{
	struct pki_cert *fresh = leaf(PKI_P256, "a.example.com"), *late, *dead;

	(void)state;
	pki_write_pair(dir, "fresh.pem", fresh);
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + PKI_DAY);
	told(0, 0);
	late = put("b.example.com", PKI_NOW - 80 * PKI_DAY, PKI_NOW + 10 * PKI_DAY);
	dead = put("c.example.com", PKI_NOW - 80 * PKI_DAY, PKI_NOW - PKI_DAY);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + PKI_DAY);
	told(1, 1);
	(void)sst_store_dates(store, PKI_NOW + PKI_DAY + 1);
	told(1, 1);
	pki_free(fresh);
	pki_free(late);
	pki_free(dead);
}

static void
an_event_names_its_certificate(void **state)
{
	struct pki_cert *c = put("www.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);
	unsigned char digest[32];

	(void)state;
	pki_digest(c, digest);
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	assert_memory_equal(events.leaf, digest, 32);
	assert_string_equal(events.name, "www.example.com");
	memset(&events, 0, sizeof(events));
	(void)sst_store_dates(store, PKI_NOW + 70 * PKI_DAY);
	told(1, 0);
	assert_memory_equal(events.leaf, digest, 32);
	assert_int_equal(events.not_after, PKI_NOW + 90 * PKI_DAY);
	/* what is no certificate is none */
	pki_write_text(dir, "broken.pem", "-----BEGIN CERTIFICATE-----\nAA==\n"
	    "-----END CERTIFICATE-----\n");
	(void)sst_store_rescan(store, dir, NULL);
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	assert_false(events.has_leaf);
	pki_free(c);
}

static void
what_a_longer_lasting_one_stands_beside_is_not_told_of(void **state)
{
	struct pki_cert *old = put("www.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);
	struct pki_cert *new = put("www.example.com", PKI_NOW, PKI_NOW + 150 * PKI_DAY);
	struct pki_cert *other = put("web.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);

	(void)state;
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + 70 * PKI_DAY);
	told(1, 0);
	assert_non_null(strstr(events.source, "web.example.com."));
	(void)sst_store_dates(store, PKI_NOW + 95 * PKI_DAY);
	told(1, 1);
	assert_non_null(strstr(events.source, "web.example.com."));
	pki_free(old);
	pki_free(new);
	pki_free(other);
}

static void
a_renewal_in_time_is_not_told_of(void **state)
{
	struct pki_cert *c[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		c[i] = pki_issue(world_ca, &(struct pki_spec){ .san = "www.example.com",
		    .not_before = PKI_NOW + i * 50 * PKI_DAY,
		    .not_after = PKI_NOW + (90 + i * 50) * PKI_DAY });
	pki_write_pair(dir, "www.pem", c[0]);
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + 59 * PKI_DAY);
	pki_write_pair(dir, "www.pem", c[1]);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	for (int day = 59; day < 110; day++)
		(void)sst_store_dates(store, PKI_NOW + day * PKI_DAY);
	told(0, 0);
	(void)sst_store_dates(store, PKI_NOW + 111 * PKI_DAY);
	told(1, 0);
	for (int i = 0; i < 2; i++)
		pki_free(c[i]);
}

/* More than are looked at and told of at once. */
static void
many_are_told_of_once_each(void **state)
{
	enum { MANY = 150 };
	struct pki_cert *c = put("www.example.com", PKI_NOW, PKI_NOW + 90 * PKI_DAY);
	char san[40];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		struct pki_cert *one;

		(void)snprintf(san, sizeof(san), "n%d.example.com", i);
		one = pki_issue(world_ca, &(struct pki_spec){ .san = san, .use_key = c->key,
		    .not_before = PKI_NOW, .not_after = PKI_NOW + (30 + i % 2) * PKI_DAY });
		(void)snprintf(san, sizeof(san), "n%d.pem", i);
		pki_write_pair(dir, san, one);
		pki_free(one);
	}
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	(void)sst_store_dates(store, PKI_NOW + 25 * PKI_DAY);
	told(MANY, 0);
	(void)sst_store_dates(store, PKI_NOW + 30 * PKI_DAY + 1);
	told(MANY, MANY / 2);
	(void)sst_store_dates(store, PKI_NOW + 31 * PKI_DAY + 1);
	told(MANY, MANY);
	pki_free(c);
}

static void
cs_34_what_is_served_although_it_expired_is_told_once(void **state)
{
	struct pki_cert *a = put("a.example.com", PKI_NOW - 90 * PKI_DAY, PKI_NOW - 1);
	struct pki_cert *b = put("*.example.net", PKI_NOW - 90 * PKI_DAY, PKI_NOW - 1);

	(void)state;
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	for (int i = 0; i < 3; i++) {
		expect(ask(store, NULL, &(struct client){ .name = "a.example.com",
		    .tls12 = i & 1 }), SST_TIER_EXACT, a);
		assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	}
	/* the same certificate for more names, and then another kind of news */
	for (int i = 0; i < 3; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "n%d.example.net", i);
		expect(ask(store, NULL, &(struct client){ .name = name }),
		    SST_TIER_WILDCARD, b);
		assert_int_equal(events.count[SST_STORE_DEGRADED], 2);
	}
	expect(ask(store, NULL, &(struct client){ .name = "x.example.net",
	    .now = PKI_NOW - 100 * PKI_DAY }), SST_TIER_WILDCARD, b);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 3);
	pki_free(a);
	pki_free(b);
}

/* The store is asked at the time that is believed. */
static void
cs_36_steps_of_the_clock_do_not_change_what_is_served(void **state)
{
	struct pki_cert *old = put("www.example.com", PKI_NOW - 60 * PKI_DAY,
	    PKI_NOW + 30 * PKI_DAY);
	struct pki_cert *new = put("www.example.com", PKI_NOW - HOUR / 2,
	    PKI_NOW + 90 * PKI_DAY);
	static const time_t wrong[] = { 0, -HOUR, HOUR, 0, -HOUR, 0 };
	struct sst_dates d = { 0 };

	(void)state;
	assert_int_equal(sst_store_add(store, dir, NULL), 0);
	for (int i = 0; i < 6; i++)
		expect(ask(store, NULL, &(struct client){ .name = "www.example.com",
		    .now = PKI_NOW + at(&d, i, wrong[i]) }), SST_TIER_EXACT, new);
	/* without that it would have */
	expect(ask(store, NULL, &(struct client){ .name = "www.example.com",
	    .now = PKI_NOW - HOUR }), SST_TIER_EXACT, old);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 0);
	pki_free(old);
	pki_free(new);
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_nobody_sets_is_believed_to_the_second),
		cmocka_unit_test(fractions_of_a_second_are_no_step),
		cmocka_unit_test(cs_36_a_clock_that_is_set_wrong_and_right_again_changes_nothing),
		cmocka_unit_test(cs_36_a_step_that_lasts_is_believed),
		cmocka_unit_test(a_step_onto_another_begins_anew),
		cmocka_unit_test(a_step_of_days_forgets_the_one_before),
		cmocka_unit_test(a_clock_that_was_never_set_is_believed_once_it_is),
		cmocka_unit_test(a_little_further_on_is_believed_at_once),
		cmocka_unit_test(cs_37_a_third_is_left_and_half_of_a_short_life),
		WITH_STORE(cs_37_what_is_to_be_renewed_and_what_expired_is_told_once),
		WITH_STORE(a_time_that_goes_back_tells_nothing_twice),
		WITH_STORE(what_is_late_when_it_comes_is_told_at_once),
		WITH_STORE(an_event_names_its_certificate),
		WITH_STORE(what_a_longer_lasting_one_stands_beside_is_not_told_of),
		WITH_STORE(a_renewal_in_time_is_not_told_of),
		WITH_STORE(many_are_told_of_once_each),
		WITH_STORE(cs_34_what_is_served_although_it_expired_is_told_once),
		WITH_STORE(cs_36_steps_of_the_clock_do_not_change_what_is_served),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
