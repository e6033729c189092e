/* SPDX-License-Identifier: ISC */
/* Tests of service_quota.c: nobody gets more than his share, and all get theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/service_quota.h"

#define NOW	INT64_C(1000000)

static const struct sst_quota_limits limits = { .connections = 3, .in_flight = 2,
    .fetches = 6, .asks = 5 };

static int
quota_setup(void **state)
{
	struct sst_quota *q = NULL;

	assert_int_equal(sst_quota_new(&limits, &q, NULL), SST_OK);
	*state = q;
	return 0;
}

static int
quota_teardown(void **state)
{
	sst_quota_free(*state);
	return 0;
}

static struct sst_user *
user(struct sst_quota *q, uid_t uid, int64_t now)
{
	struct sst_user *u = NULL;

	assert_int_equal(sst_quota_met(q, uid, now, &u, NULL), SST_OK);
	return u;
}

static void
a_user_has_so_many_connections(void **state)
{
	struct sst_user *a = user(*state, 1000, NOW), *more = NULL;
	struct sst_error err = { .code = SST_OK };

	assert_ptr_equal(user(*state, 1000, NOW), a);
	assert_ptr_equal(user(*state, 1000, NOW), a);
	assert_int_equal(sst_quota_connections(a), 3);
	assert_int_equal(sst_quota_met(*state, 1000, NOW, &more, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "user 1000 has 3 connections"));
	/* another user has his own */
	assert_ptr_not_equal(user(*state, 1001, NOW), a);
	sst_quota_left(a);
	assert_ptr_equal(user(*state, 1000, NOW), a);
}

static void
so_many_fetches_a_minute(void **state)
{
	struct sst_user *a = user(*state, 1000, NOW), *b = user(*state, 1001, NOW);
	struct sst_error err = { .code = SST_OK };

	for (int i = 0; i < 6; i++) {
		assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_OK);
		sst_quota_fetched(a);
	}
	assert_int_equal(sst_quota_fetch(*state, a, NOW, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "user 1000"));
	assert_non_null(strstr(err.text, "6 certificates within a minute"));
	assert_non_null(strstr(err.text, "again in 11 s"));
	assert_int_equal(sst_quota_fetch(*state, b, NOW, NULL), SST_OK);
	/* one comes back each 10 s: not before, and not two */
	assert_int_equal(sst_quota_fetch(*state, a, NOW + 9999, NULL), SST_E_LIMIT);
	assert_int_equal(sst_quota_fetch(*state, a, NOW + 10000, NULL), SST_OK);
	sst_quota_fetched(a);
	assert_int_equal(sst_quota_fetch(*state, a, NOW + 10000, NULL), SST_E_LIMIT);
	/* a long rest gives no more than a minute's */
	for (int i = 0; i < 6; i++) {
		assert_int_equal(sst_quota_fetch(*state, a, NOW + 86400000, NULL), SST_OK);
		sst_quota_fetched(a);
	}
	assert_int_equal(sst_quota_fetch(*state, a, NOW + 86400000, NULL), SST_E_LIMIT);
}

static void
nothing_is_lost_to_who_is_looked_at_often(void **state)
{
	struct sst_user *a = user(*state, 1000, NOW);

	for (int i = 0; i < 6; i++) {
		assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_OK);
		sst_quota_fetched(a);
	}
	for (int ms = 1; ms < 10000; ms++)
		assert_int_equal(sst_quota_fetch(*state, a, NOW + ms, NULL), SST_E_LIMIT);
	assert_int_equal(sst_quota_fetch(*state, a, NOW + 10000, NULL), SST_OK);
}

static void
so_many_fetches_at_once(void **state)
{
	struct sst_user *a = user(*state, 1000, NOW);
	struct sst_error err = { .code = SST_OK };

	assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_OK);
	assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_OK);
	assert_int_equal(sst_quota_fetch(*state, a, NOW, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "waits for 2"));
	/* a refusal costs none of the minute's: four are left */
	sst_quota_fetched(a);
	sst_quota_fetched(a);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_OK);
		sst_quota_fetched(a);
	}
	assert_int_equal(sst_quota_fetch(*state, a, NOW, NULL), SST_E_LIMIT);
}

static void
so_many_questions_a_second(void **state)
{
	struct sst_user *a = user(*state, 1000, NOW);

	for (int i = 0; i < 50; i++)
		assert_int_equal(sst_quota_ask(*state, a, NOW, NULL), SST_OK);
	assert_int_equal(sst_quota_ask(*state, a, NOW, NULL), SST_E_LIMIT);
	assert_int_equal(sst_quota_ask(*state, a, NOW + 199, NULL), SST_E_LIMIT);
	assert_int_equal(sst_quota_ask(*state, a, NOW + 200, NULL), SST_OK);
}

static void
who_is_gone_is_forgotten_and_who_used_something_up_is_not(void **state)
{
	struct sst_user *used = user(*state, 1, NOW), *more = NULL;
	struct sst_error err = { .code = SST_OK };

	assert_int_equal(sst_quota_fetch(*state, used, NOW, NULL), SST_OK);
	sst_quota_fetched(used);
	sst_quota_left(used);
	/* the rest of the table, each gone at once: any number of users fits */
	for (uid_t uid = 2; uid < 5 * SST_SERVICE_USERS; uid++)
		sst_quota_left(user(*state, uid, NOW));
	assert_ptr_equal(user(*state, 1, NOW), used);
	sst_quota_left(used);
	/* full of those who stay */
	for (uid_t uid = 10000; uid < 10000 + SST_SERVICE_USERS - 1; uid++)
		(void)user(*state, uid, NOW);
	assert_int_equal(sst_quota_met(*state, 99999, NOW, &more, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "too many users"));
	/* after a minute the first has used nothing up */
	assert_ptr_equal(user(*state, 99999, NOW + 60000), used);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, quota_setup, quota_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_user_has_so_many_connections),
		T(so_many_fetches_a_minute),
		T(nothing_is_lost_to_who_is_looked_at_often),
		T(so_many_fetches_at_once),
		T(so_many_questions_a_second),
		T(who_is_gone_is_forgotten_and_who_used_something_up_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
