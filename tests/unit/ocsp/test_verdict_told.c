/* SPDX-License-Identifier: ISC */
/* Tests of verdict.c: what is told of a verdict, and that it is the same in whatever
 * order the evidence is listed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_verdict.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_severe_fault_is_told),
		cmocka_unit_test(the_order_of_evidence_changes_nothing),
		cmocka_unit_test(more_revoked_never_makes_a_verdict_milder),
		cmocka_unit_test(texts_that_are_too_long_are_cut),
		cmocka_unit_test(the_deciding_rule_is_told_in_these_words),
		cmocka_unit_test(the_evidence_that_lasts_longest_is_spoken_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
