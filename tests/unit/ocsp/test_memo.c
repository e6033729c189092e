/* SPDX-License-Identifier: ISC */
/* Tests of memo.c: what goes in comes out, within bounds, from any thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/memo.h"

#define NOW	INT64_C(1800000000)

/* The sanitizers do not go with the fork of a busy process (the one for addresses
 * has a lock of its own, the one for threads misses the parent's): there it is not. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_BUSY	0
#else
#define IS_BUSY	1
#endif

static struct sst_memo *
memo_of(size_t bytes)
{
	struct sst_memo *m = NULL;

	assert_int_equal(sst_memo_new(bytes, &m, NULL), SST_OK);
	return m;
}

static struct sst_cert_key
key_of(uint32_t n)
{
	struct sst_cert_key key = { .serial_len = 4 };

	memset(&key.issuer, 7, sizeof(key.issuer));
	memcpy(key.serial, &n, sizeof(n));
	return key;
}

static struct sst_evidence
ev(enum sst_evidence_status status, int64_t from, int reason)
{
	struct sst_evidence e;

	memset(&e, 0, sizeof(e));
	e.source = SST_SOURCE_CRL;
	e.status = status;
	e.reason = reason;
	e.this_update = NOW + from;
	e.until = NOW + from + 3600;
	return e;
}

static int
count(struct sst_memo *m, uint32_t n, uint64_t generation)
{
	struct sst_evidence list[SST_MEMO_EVIDENCE];
	struct sst_cert_key key = key_of(n);

	return sst_memo_get(m, &key, generation, list, SST_MEMO_EVIDENCE);
}

static void
put(struct sst_memo *m, uint32_t n, uint64_t generation, struct sst_evidence e)
{
	struct sst_cert_key key = key_of(n);

	sst_memo_put(m, &key, generation, &e, 1);
}

static void
the_same_evidence_comes_out(void **state)
{
	struct sst_memo *m = memo_of(0);
	struct sst_cert_key key = key_of(1);
	struct sst_evidence in[3], out[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		memset(&in[i], 0, sizeof(in[i]));
		in[i] = ev(SST_EV_GOOD, i, i - 1);
		in[i].covered = SST_REASONS_ALL;
		in[i].fetched_at = NOW + i;
		memset(in[i].signer, 0x11 * i, sizeof(in[i].signer));
	}
	strcpy(in[0].url, "http://a.example/list");
	strcpy(in[1].text, "one line");
	memset(in[2].url, 'u', sizeof(in[2].url) - 1);
	memset(in[2].text, 't', sizeof(in[2].text) - 1);
	assert_int_equal(sst_memo_get(m, &key, 5, out, 3), -1);
	sst_memo_put(m, &key, 5, in, 3);
	memset(out, 0, sizeof(out));
	assert_int_equal(sst_memo_get(m, &key, 5, out, 3), 3);
	assert_memory_equal(out, in, sizeof(in));
	/* no more than there is room for */
	memset(out, 0, sizeof(out));
	assert_int_equal(sst_memo_get(m, &key, 5, out, 2), 2);
	assert_memory_equal(out, in, 2 * sizeof(in[0]));
	assert_int_equal(out[2].status, 0);
	sst_memo_free(m);
	sst_memo_free(NULL);
}

static void
nothing_is_an_answer_and_too_much_is_none(void **state)
{
	struct sst_memo *m = memo_of(0);
	struct sst_cert_key key = key_of(1);
	struct sst_evidence list[SST_MEMO_EVIDENCE + 1];

	(void)state;
	for (size_t i = 0; i <= SST_MEMO_EVIDENCE; i++)
		list[i] = ev(SST_EV_GOOD, 0, -1);
	sst_memo_put(m, &key, 1, NULL, 0);
	assert_int_equal(count(m, 1, 1), 0);
	assert_int_equal(count(m, 2, 1), -1);
	sst_memo_put(m, &key, 1, list, SST_MEMO_EVIDENCE);
	assert_int_equal(count(m, 1, 1), SST_MEMO_EVIDENCE);
	key = key_of(2);
	sst_memo_put(m, &key, 1, list, SST_MEMO_EVIDENCE + 1);
	assert_int_equal(count(m, 2, 1), -1);
	sst_memo_free(m);
}

/* nginx's table padded serials and took 01 for 0100. */
static void
rv_14_serials_of_other_lengths_are_others(void **state)
{
	struct sst_memo *m = memo_of(0);
	struct sst_cert_key a = key_of(0), b;
	struct sst_evidence e = ev(SST_EV_GOOD, 0, -1), out;

	(void)state;
	memset(a.serial, 0, sizeof(a.serial));
	a.serial[0] = 1;
	a.serial_len = 1;
	b = a;
	b.serial_len = 2;
	sst_memo_put(m, &a, 1, &e, 1);
	assert_int_equal(sst_memo_get(m, &a, 1, &out, 1), 1);
	assert_int_equal(sst_memo_get(m, &b, 1, &out, 1), -1);
	/* long ones differ in their last octet, and issuers in key and name */
	memset(a.serial, 3, sizeof(a.serial));
	a.serial_len = SST_SERIAL_MAX;
	b = a;
	b.serial[SST_SERIAL_MAX - 1] = 4;
	sst_memo_put(m, &a, 1, &e, 1);
	assert_int_equal(sst_memo_get(m, &b, 1, &out, 1), -1);
	b = a;
	b.issuer.spki[31] ^= 1;
	assert_int_equal(sst_memo_get(m, &b, 1, &out, 1), -1);
	b = a;
	b.issuer.dn[31] ^= 1;
	assert_int_equal(sst_memo_get(m, &b, 1, &out, 1), -1);
	assert_int_equal(sst_memo_get(m, &a, 1, &out, 1), 1);
	sst_memo_free(m);
}

static void
another_generation_is_a_miss_but_for_what_is_revoked(void **state)
{
	struct sst_memo *m = memo_of(0);
	struct sst_cert_key key = key_of(2);
	struct sst_evidence both[2] = { ev(SST_EV_GOOD, 0, -1), ev(SST_EV_REVOKED, 0, 1) };
	struct sst_evidence out[2];

	(void)state;
	put(m, 1, 1, ev(SST_EV_GOOD, 0, -1));
	assert_int_equal(count(m, 1, 1), 1);
	assert_int_equal(count(m, 1, 2), -1);
	sst_memo_put(m, &key, 1, both, 2);
	assert_int_equal(sst_memo_get(m, &key, 1, out, 2), 2);
	assert_int_equal(sst_memo_get(m, &key, 2, out, 2), 1);
	assert_int_equal(out[0].status, SST_EV_REVOKED);
	/* a hold may have been lifted: the cache has to be asked */
	put(m, 3, 1, ev(SST_EV_REVOKED, 0, 6));
	assert_int_equal(count(m, 3, 1), 1);
	assert_int_equal(count(m, 3, 2), -1);
	/* "never issued" is no hold */
	both[1].reason = 6;
	both[1].not_issued = 1;
	key = key_of(4);
	sst_memo_put(m, &key, 1, both, 2);
	assert_int_equal(count(m, 4, 2), 1);
	sst_memo_free(m);
}

static int
has_revoked(struct sst_memo *m, uint32_t n, uint64_t generation)
{
	struct sst_evidence list[SST_MEMO_EVIDENCE];
	struct sst_cert_key key = key_of(n);
	int k = sst_memo_get(m, &key, generation, list, SST_MEMO_EVIDENCE);

	for (int i = 0; i < k; i++)
		if (list[i].status == SST_EV_REVOKED)
			return 1;
	return 0;
}

static void
rv_99_what_the_cache_lost_stays_revoked_here(void **state)
{
	struct sst_evidence many[SST_MEMO_EVIDENCE];
	struct sst_memo *m = memo_of(0);
	struct sst_cert_key key;

	(void)state;
	put(m, 1, 1, ev(SST_EV_REVOKED, 0, 1));
	put(m, 1, 2, ev(SST_EV_GOOD, 60, -1));
	assert_true(has_revoked(m, 1, 2));
	assert_int_equal(count(m, 1, 2), 2);
	/* a hold: until something newer says good */
	put(m, 2, 1, ev(SST_EV_REVOKED, 0, 6));
	put(m, 2, 2, ev(SST_EV_GOOD, 0, -1));
	assert_true(has_revoked(m, 2, 2));
	put(m, 2, 3, ev(SST_EV_GOOD, 60, -1));
	assert_false(has_revoked(m, 2, 3));
	assert_int_equal(count(m, 2, 3), 1);
	/* also where there is no room beside what the cache has */
	for (size_t i = 0; i < SST_MEMO_EVIDENCE; i++)
		many[i] = ev(SST_EV_GOOD, (int64_t)i - 9, -1);
	for (uint32_t hold = 0; hold < 2; hold++) {
		key = key_of(10 + hold);
		put(m, 10 + hold, 1, ev(SST_EV_REVOKED, 0, hold ? 6 : 1));
		sst_memo_put(m, &key, 2, many, SST_MEMO_EVIDENCE);
		assert_true(has_revoked(m, 10 + hold, 2));
		assert_int_equal(count(m, 10 + hold, 2), SST_MEMO_EVIDENCE);
	}
	/* but not a hold that the first or the last of them lifts */
	for (size_t i = 0; i < SST_MEMO_EVIDENCE; i += SST_MEMO_EVIDENCE - 1) {
		many[i].this_update = NOW + 60;
		put(m, 12, 1, ev(SST_EV_REVOKED, 0, 6));
		key = key_of(12);
		sst_memo_put(m, &key, 2, many, SST_MEMO_EVIDENCE);
		assert_false(has_revoked(m, 12, 2));
		many[i].this_update = NOW - 9;
	}
	/* the cache's own word takes the place of ours */
	put(m, 3, 1, ev(SST_EV_REVOKED, 0, 1));
	put(m, 3, 2, ev(SST_EV_REVOKED, 9, 1));
	assert_int_equal(count(m, 3, 2), 1);
	sst_memo_free(m);
}

static void
the_least_used_go_and_what_is_revoked_goes_last(void **state)
{
	const uint32_t many = 20000;
	struct sst_memo *m = memo_of((size_t)1 << 20);
	uint32_t kept = 0, hot = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		put(m, i, 1, ev(SST_EV_REVOKED, 0, 1));
	for (uint32_t i = 100; i < many; i++) {
		put(m, i, 1, ev(SST_EV_GOOD, 0, -1));
		for (uint32_t h = 100; i > 200 && h < 110; h++)
			hot += count(m, h, 1) == 1;
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(count(m, i, 1), 1);
	for (uint32_t i = 100; i < many; i++)
		kept += count(m, i, 1) == 1;
	/* a megabyte holds some thousands, and not all */
	assert_in_range(kept, 1000, 10000);
	assert_int_equal(hot, (many - 201) * 10);
	/* and when there is nothing else the oldest of the revoked go */
	for (uint32_t i = 0; i < many; i++)
		put(m, i, 1, ev(SST_EV_REVOKED, 0, 1));
	assert_int_equal(count(m, 0, 1), -1);
	assert_int_equal(count(m, many - 1, 1), 1);
	sst_memo_free(m);
}

static void
what_is_larger_than_all_the_room_is_not_kept(void **state)
{
	struct sst_memo *m = memo_of(16 * 300);

	(void)state;
	put(m, 1, 1, ev(SST_EV_GOOD, 0, -1));
	assert_int_equal(count(m, 1, 1), -1);
	sst_memo_free(m);
}

static void *
hammer(void *arg)
{
	struct sst_memo *m = arg;
	unsigned int seed = (unsigned int)(uintptr_t)&m;
	long wrong = 0;

	for (int i = 0; i < 30000; i++) {
		uint32_t n = (uint32_t)rand_r(&seed) % 500;
		struct sst_evidence out;
		struct sst_cert_key key = key_of(n);

		if (i % 3 == 0)
			put(m, n, 1, ev(SST_EV_GOOD, (int64_t)n, -1));
		else if (sst_memo_get(m, &key, 1, &out, 1) == 1 &&
		    out.this_update != NOW + (int64_t)n)
			wrong++;
	}
	return (void *)wrong;
}

static void
threads_get_what_belongs_to_their_key(void **state)
{
	struct sst_memo *m = memo_of((size_t)64 << 10);
	pthread_t id[4];
	void *wrong;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&id[i], NULL, hammer, m), 0);
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(id[i], &wrong);
		assert_null(wrong);
	}
	sst_memo_free(m);
}

/* What a thread of the parent was changing is forgotten, and can be filled again. */
static void
rv_102_a_child_of_a_busy_process_can_use_it(void **state)
{
	struct sst_memo *m = memo_of(0);
	pthread_t id;
	int status;

	(void)state;
	for (uint32_t n = 0; n < 500; n++)
		put(m, n, 1, ev(SST_EV_GOOD, (int64_t)n, -1));
	if (IS_BUSY)
		assert_int_equal(pthread_create(&id, NULL, hammer, m), 0);
	for (int i = 0; i < 60; i++) {
		pid_t pid;

		pid = fork();
		if (pid == 0) {
			alarm(20);
			sst_memo_forked(m);
			for (uint32_t n = 0; n < 500; n++) {
				(void)count(m, n, 1);
				put(m, n, 1, ev(SST_EV_GOOD, (int64_t)n, -1));
				if (count(m, n, 1) != 1)
					_exit(1);
			}
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	if (IS_BUSY)
		(void)pthread_join(id, NULL);
	sst_memo_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_evidence_comes_out),
		cmocka_unit_test(nothing_is_an_answer_and_too_much_is_none),
		cmocka_unit_test(rv_14_serials_of_other_lengths_are_others),
		cmocka_unit_test(another_generation_is_a_miss_but_for_what_is_revoked),
		cmocka_unit_test(rv_99_what_the_cache_lost_stays_revoked_here),
		cmocka_unit_test(the_least_used_go_and_what_is_revoked_goes_last),
		cmocka_unit_test(what_is_larger_than_all_the_room_is_not_kept),
		cmocka_unit_test(threads_get_what_belongs_to_their_key),
		cmocka_unit_test(rv_102_a_child_of_a_busy_process_can_use_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
