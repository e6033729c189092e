/* SPDX-License-Identifier: ISC */
/* Tests of the cache: what is kept, and what takes the place of what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_cache.h"

#define HOLD	6

static int
dir_setup(void **state)
{
	*state = pki_dir_new();
	return 0;
}

static int
dir_teardown(void **state)
{
	pki_dir_free(*state);
	return 0;
}

/* Each test runs on a file and in memory. */
#define ON_BOTH(name) \
	static void name(void **state) { name##_in(*state); name##_in(NULL); }

static struct sst_cache *
fresh(const char *dir, const char *name)
{
	return cache_open(dir == NULL ? NULL : pki_path(dir, name));
}

static void
evidence_comes_out_as_it_went_in(void **state)
{
	struct sst_cache *c = fresh(*state, "same");
	struct sst_evidence in = says(SST_EV_REVOKED, 4, 500), out[4];
	struct sst_cert_facts f = cert_facts(1, 2);
	struct sst_limits limits;

	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_string_equal(sst_cache_why(c), "");
	in.not_issued = 1;
	in.partial = 1;
	in.covered = 0x12;
	memset(in.signer, 0x77, 32);
	assert_int_equal(cache_put(c, 1, 2, &in), SST_OK);
	sst_cache_close(c);
	c = fresh(*state, "same");
	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_cache_get(c, &f, PKI_NOW, &limits, out, 4), 1);
	in.from_cache = 1;
	assert_memory_equal(&in, &out[0], sizeof(in));
	assert_int_equal(cache_says(c, 1, 3), 0);
	assert_int_equal(cache_says(c, 2, 2), 0);
	sst_cache_close(c);
}

static void
rv_36_an_older_answer_is_refused_in(const char *dir)
{
	struct sst_cache *c = fresh(dir, "36");
	struct sst_evidence good = says(SST_EV_GOOD, -1, 100);
	struct sst_evidence older = says(SST_EV_GOOD, -1, 101);
	struct sst_evidence newer = says(SST_EV_UNKNOWN, -1, 99);
	struct sst_evidence same = says(SST_EV_GOOD, -1, 99);

	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &older), SST_E_REFUSED);
	assert_int_equal(cache_put(c, 1, 1, &newer), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_UNKNOWN);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_E_REFUSED);
	/* of one second the stricter stays */
	assert_int_equal(cache_put(c, 1, 1, &same), SST_E_REFUSED);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_UNKNOWN);
	/* another certificate's has nothing to do with it */
	assert_int_equal(cache_put(c, 1, 2, &older), SST_OK);
	assert_int_equal(cache_says(c, 1, 2), SST_EV_GOOD);
	sst_cache_close(c);
}
ON_BOTH(rv_36_an_older_answer_is_refused)

static void
rv_37_revoked_stays_revoked_in(const char *dir)
{
	struct sst_cache *c = fresh(dir, "37");
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 100);
	struct sst_evidence older = says(SST_EV_GOOD, -1, 200);
	struct sst_evidence newer = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence hold = says(SST_EV_REVOKED, HOLD, 5);
	struct sst_evidence again = says(SST_EV_REVOKED, 3, 300);

	assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &older), SST_E_REFUSED);
	assert_int_equal(cache_put(c, 1, 1, &newer), SST_E_REFUSED);
	assert_int_equal(cache_put(c, 1, 1, &hold), SST_E_REFUSED);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(cache_put(c, 1, 1, &again), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	/* an old "revoked" is believed after a newer "good" all the same */
	assert_int_equal(cache_put(c, 1, 2, &newer), SST_OK);
	assert_int_equal(cache_put(c, 1, 2, &revoked), SST_OK);
	assert_int_equal(cache_says(c, 1, 2), SST_EV_REVOKED);
	sst_cache_close(c);
}
ON_BOTH(rv_37_revoked_stays_revoked)

static void
rv_38_a_hold_is_lifted_by_newer_evidence_in(const char *dir)
{
	struct sst_cache *c = fresh(dir, "38");
	struct sst_evidence hold = says(SST_EV_REVOKED, HOLD, 100);
	struct sst_evidence older = says(SST_EV_GOOD, -1, 101);
	struct sst_evidence newer = says(SST_EV_GOOD, -1, 99);
	struct sst_evidence never = says(SST_EV_REVOKED, HOLD, 100);

	assert_int_equal(cache_put(c, 1, 1, &hold), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &older), SST_E_REFUSED);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(cache_put(c, 1, 1, &newer), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_GOOD);
	assert_int_equal(cache_put(c, 1, 1, &hold), SST_E_REFUSED);
	/* "never issued" is said as a hold of 1970, and is none (RFC 6960 4.4.8) */
	never.not_issued = 1;
	assert_int_equal(cache_put(c, 1, 2, &never), SST_OK);
	assert_int_equal(cache_put(c, 1, 2, &newer), SST_E_REFUSED);
	assert_int_equal(cache_says(c, 1, 2), SST_EV_REVOKED);
	sst_cache_close(c);
}
ON_BOTH(rv_38_a_hold_is_lifted_by_newer_evidence)

static void
rv_39_the_cache_knows_how_late_it_was_in(const char *dir)
{
	struct sst_cache *c = fresh(dir, "39");
	struct sst_evidence e = says(SST_EV_GOOD, -1, 100);
	struct sst_evidence ended = says(SST_EV_GOOD, -1, 100);
	struct sst_cert_key key = cert_key(1, 1);

	assert_int_equal(sst_cache_seen(c), 0);
	/* a clock at which the evidence was over proves nothing */
	ended.until = PKI_NOW - 50;
	assert_int_equal(cache_put(c, 1, 9, &ended), SST_OK);
	assert_int_equal(sst_cache_seen(c), 0);
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_int_equal(sst_cache_seen(c), PKI_NOW);
	e.this_update -= 365 * PKI_DAY;
	e.until -= 364 * PKI_DAY;
	assert_int_equal(sst_cache_put(c, &key, CACHE_ENDS, &e, NULL, 0,
	    PKI_NOW - 364 * PKI_DAY, NULL), SST_E_REFUSED);
	assert_int_equal(sst_cache_seen(c), PKI_NOW);
	sst_cache_close(c);
	if (dir != NULL) {
		c = fresh(dir, "39");
		assert_int_equal(sst_cache_seen(c), PKI_NOW);
		sst_cache_close(c);
	}
}
ON_BOTH(rv_39_the_cache_knows_how_late_it_was)

static void
rv_108_109_an_issuer_is_its_name_and_its_key(void **state)
{
	struct sst_cache *c = fresh(*state, "108");
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cert_facts one = cert_facts(1, 1), other = cert_facts(1, 1);
	struct sst_cache_stats stats;
	struct sst_evidence out[2];
	struct sst_limits limits;

	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_cache_put(c, &one.key, CACHE_ENDS, &e, NULL, 0, PKI_NOW, NULL), 0);
	/* another certificate of the same CA: the facts differ, the key does not */
	memset(other.sha256, 1, 32);
	assert_int_equal(sst_cache_get(c, &other, PKI_NOW, &limits, out, 2), 1);
	e.fetched_at++;
	assert_int_equal(sst_cache_put(c, &other.key, CACHE_ENDS, &e, NULL, 0, PKI_NOW, NULL), 0);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.answers, 1);
	/* the same name with a new key */
	other.key.issuer.spki[31] ^= 1;
	assert_int_equal(sst_cache_get(c, &other, PKI_NOW, &limits, out, 2), 0);
	assert_int_equal(sst_cache_revoked(c, &one.key, PKI_NOW), 1);
	assert_int_equal(sst_cache_revoked(c, &other.key, PKI_NOW), 0);
	assert_int_equal(sst_cache_put(c, &other.key, CACHE_ENDS, &e, NULL, 0, PKI_NOW, NULL), 0);
	assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
	assert_int_equal(stats.answers, 2);
	sst_cache_close(c);
}

static void
rv_14_113_serials_are_octets_with_a_length(void **state)
{
	struct sst_cache *c = fresh(*state, "113");
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cert_key key = cert_key(1, 1), other = key;

	assert_int_equal(sst_cache_put(c, &key, CACHE_ENDS, &e, NULL, 0, PKI_NOW, NULL), 0);
	assert_int_equal(sst_cache_revoked(c, &key, PKI_NOW), 1);
	other.serial_len++;	/* one more 00 */
	assert_int_equal(sst_cache_revoked(c, &other, PKI_NOW), 0);
	other.serial_len -= 2;	/* a prefix */
	assert_int_equal(sst_cache_revoked(c, &other, PKI_NOW), 0);
	other = key;
	memmove(other.serial + 1, other.serial, key.serial_len);
	other.serial[0] = 0;	/* a 00 in front, as no DER has it */
	other.serial_len++;
	assert_int_equal(sst_cache_revoked(c, &other, PKI_NOW), 0);
	assert_int_equal(sst_cache_put(c, &other, CACHE_ENDS, &e, NULL, 0, PKI_NOW, NULL), 0);
	assert_int_equal(sst_cache_revoked(c, &other, PKI_NOW), 1);
	sst_cache_close(c);
}

static void
rv_114_times_of_64_bits_round_trip(void **state)
{
	static const int64_t times[] = { 0, 1, 2147483647, 2147483648, 4294967296, -1,
		-62135596800, 253402300799 };
	struct sst_cert_facts f = cert_facts(1, 1);
	struct sst_evidence e, out[2];
	struct sst_limits limits;
	struct sst_cache *c = fresh(*state, "114");

	sst_limits_of(NULL, &limits);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		f = cert_facts(1, (int64_t)i);
		e = says(SST_EV_REVOKED, 1, 1);
		e.this_update = e.next_update = e.produced_at = e.until = times[i];
		e.revoked_at = e.fetched_at = times[i];
		assert_int_equal(sst_cache_put(c, &f.key, 253402300799, &e, NULL, 0,
		    PKI_NOW, NULL), SST_OK);
		assert_int_equal(sst_cache_get(c, &f, PKI_NOW, &limits, out, 2), 1);
		e.from_cache = 1;
		assert_memory_equal(&e, &out[0], sizeof(e));
	}
	sst_cache_close(c);
}

static void
what_is_no_answer_is_not_kept(void **state)
{
	struct sst_cache *c = fresh(*state, "none");
	struct sst_evidence e = says(SST_EV_ERROR, -1, 1);

	assert_int_equal(cache_put(c, 1, 1, &e), SST_E_USAGE);
	e.status = SST_EV_NOTHING;
	assert_int_equal(cache_put(c, 1, 1, &e), SST_E_USAGE);
	e.status = SST_EV_GOOD;
	e.source = SST_SOURCE_CRL;	/* a list's "good" is the list's */
	assert_int_equal(cache_put(c, 1, 1, &e), SST_E_USAGE);
	assert_int_equal(cache_says(c, 1, 1), 0);
	e.source = SST_SOURCE_STAPLE;
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_GOOD);
	sst_cache_close(c);
}

static void
the_operators_word_may_change(void **state)
{
	struct sst_cache *c = fresh(*state, "local");
	struct sst_evidence block = says(SST_EV_REVOKED, -1, 10), allow = block;
	struct sst_evidence good = says(SST_EV_GOOD, -1, 1);

	block.source = allow.source = SST_SOURCE_LOCAL;
	allow.status = SST_EV_GOOD;
	allow.this_update--;
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &block), SST_OK);
	/* beside the response's, which it does not replace */
	assert_int_equal(cache_strict(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_GOOD);
	assert_int_equal(cache_put(c, 1, 1, &allow), SST_OK);
	assert_int_equal(cache_strict(c, 1, 1), SST_EV_GOOD);
	sst_cache_close(c);
}

static void
the_generation_changes_with_what_a_look_up_could_answer(void **state)
{
	struct sst_cache *a = fresh(*state, "gen"), *b = fresh(*state, "gen");
	struct sst_evidence e = says(SST_EV_GOOD, -1, 10), newer = says(SST_EV_GOOD, -1, 5);
	uint64_t at_a = sst_cache_generation(a, 1000), at_b = sst_cache_generation(b, 1000);
	struct sst_source_state source = { .last_try = PKI_NOW };

	assert_int_equal(cache_put(a, 1, 1, &e), SST_OK);
	assert_int_not_equal(sst_cache_generation(a, 1001), at_a);
	/* of another handle: within a second, not at once */
	assert_int_equal(sst_cache_generation(b, 1999), at_b);
	assert_int_not_equal(sst_cache_generation(b, 2000), at_b);
	at_a = sst_cache_generation(a, 5000);
	at_b = sst_cache_generation(b, 5000);
	assert_int_equal(cache_put(a, 1, 1, &e), SST_OK);	/* known */
	assert_int_equal(sst_cache_source_put(a, "http://a/", &source), SST_OK);
	assert_int_equal(sst_cache_lease(a, "r", PKI_NOW, 5, NULL), 1);
	assert_int_equal(sst_cache_generation(a, 9000), at_a);
	assert_int_equal(sst_cache_generation(b, 9000), at_b);
	assert_int_equal(cache_put(a, 1, 1, &newer), SST_OK);
	assert_int_not_equal(sst_cache_generation(b, 12000), at_b);
	sst_cache_close(a);
	sst_cache_close(b);
}

static void
a_revocation_is_never_left_out_for_want_of_room(void **state)
{
	struct sst_cache *c = fresh(*state, "room");
	struct sst_evidence good = says(SST_EV_GOOD, -1, 1), block = says(SST_EV_REVOKED, 1, 1);
	struct sst_cert_facts f = cert_facts(1, 1);
	struct sst_evidence out[1];
	struct sst_limits limits;

	sst_limits_of(NULL, &limits);
	block.source = SST_SOURCE_LOCAL;
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(sst_cache_get(c, &f, PKI_NOW, &limits, out, 1), 1);
	assert_int_equal(out[0].status, SST_EV_GOOD);
	assert_int_equal(cache_put(c, 1, 1, &block), SST_OK);
	assert_int_equal(sst_cache_get(c, &f, PKI_NOW, &limits, out, 1), 1);
	assert_int_equal(out[0].status, SST_EV_REVOKED);
	assert_int_equal(sst_cache_get(c, &f, PKI_NOW, &limits, out, 0), 0);
	sst_cache_close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_comes_out_as_it_went_in),
		cmocka_unit_test(rv_36_an_older_answer_is_refused),
		cmocka_unit_test(rv_37_revoked_stays_revoked),
		cmocka_unit_test(rv_38_a_hold_is_lifted_by_newer_evidence),
		cmocka_unit_test(rv_39_the_cache_knows_how_late_it_was),
		cmocka_unit_test(rv_108_109_an_issuer_is_its_name_and_its_key),
		cmocka_unit_test(rv_14_113_serials_are_octets_with_a_length),
		cmocka_unit_test(rv_114_times_of_64_bits_round_trip),
		cmocka_unit_test(what_is_no_answer_is_not_kept),
		cmocka_unit_test(the_operators_word_may_change),
		cmocka_unit_test(the_generation_changes_with_what_a_look_up_could_answer),
		cmocka_unit_test(a_revocation_is_never_left_out_for_want_of_room),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
