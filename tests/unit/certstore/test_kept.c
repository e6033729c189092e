/* SPDX-License-Identifier: ISC */
/* The cache of identities and decisions by itself: how many it has room for. */
#include <stdio.h>
#include <stdlib.h>

#include "certstore/choice.h"
#include "certstore/kept.h"
#include "each.h"
#include "support/starve.h"
#include "world.h"

#define MB		((size_t)1 << 20)
#define MANY		100000
#define ROWS		20000
#define FAR		((int64_t)1 << 40)

static struct pki_cert *cert;
static struct sst_choice *choice;

static int
kept_setup(void **state)
{
	if (each_setup(state) != 0)
		return -1;
	cert = leaf(PKI_P256, "*.example.com");
	store_put(store, cert);
	choice = ask(store, NULL, &(struct client){ .name = "any.example.com" });
	return 0;
}

static int
kept_teardown(void **state)
{
	int rc = each_teardown(state);

	pki_free(cert);
	return rc;
}

static struct sst_hit
hit_of(const struct sst_kept *c, int i, char name[64])
{
	struct sst_hit key = { .name = name, .generation = sst_store_generation(store) };

	(void)snprintf(name, 64, "n%d.example.com", i);
	sst_kept_key(c, &key);
	return key;
}

/* How many of so many names need no look at the index the second time. */
static int
found_again(struct sst_kept *c, int n)
{
	char name[64];
	int found = 0;

	for (int i = 0; i < n; i++) {
		const struct sst_hit key = hit_of(c, i, name);
		struct sst_choice *one = sst_choice_rename(choice, name);

		assert_non_null(one);
		sst_kept_hit_put(c, &key, one);
		sst_choice_unref(one);
	}
	for (int i = 0; i < n; i++) {
		const struct sst_hit key = hit_of(c, i, name);
		struct sst_choice *one = sst_kept_hit(c, &key, PKI_NOW);

		if (one != NULL)
			assert_string_equal(sst_choice_name(one), name);
		found += one != NULL;
		sst_choice_unref(one);
	}
	return found;
}

static void
a_large_cache_has_room_for_the_decisions_of_many_names(void **state)
{
	static const size_t bytes[] = { MB, 16 * MB, 256 * MB };
	struct sst_kept_figures f;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct sst_kept *c = sst_kept_new(bytes[i]);
		/* a quarter is for them */
		const int room = (int)(bytes[i] / 4 / sst_choice_bytes(choice));
		const int names = room / 2 < MANY ? room / 2 : MANY;
		int found;

		assert_non_null(c);
		found = found_again(c, names);
		assert_true(found > names / 10 * 9);
		sst_kept_figures(c, &f);
		assert_int_equal(f.hits, found);
		assert_true(f.bytes <= bytes[i] / 4);
		sst_kept_free(c);
	}
}

static void
an_identity_is_found_by_its_row_and_by_no_other(void **state)
{
	struct sst_kept *c = sst_kept_new(256 * MB);
	struct sst_identity *id = sst_choice_identity(choice, 0), *got;

	(void)state;
	for (int64_t i = 0; i < ROWS; i++)
		sst_kept_put(c, i, id);
	for (int64_t i = 0; i < ROWS; i += 2)
		sst_kept_drop(c, i);
	for (int64_t i = 0; i < ROWS; i++) {
		got = sst_kept_get(c, i);
		assert_ptr_equal(got, i % 2 == 0 ? NULL : id);
		sst_identity_unref(got);
		assert_null(sst_kept_get(c, i + FAR));
	}
	sst_kept_free(c);
}

static void
a_cache_without_memory_is_none(void **state)
{
	int hits = 0;

	(void)state;
	for (int n = 1, hit = 1; hit; n++) {
		struct sst_kept *c;

		starve_arm(n, STARVE_OURS);
		c = sst_kept_new(MB);
		hit = starve_over();
		assert_int_equal(c == NULL, hit);
		hits += hit;
		sst_kept_free(c);
	}
	assert_true(hits > 1);
}

#define T(test)	cmocka_unit_test_setup_teardown(test, kept_setup, kept_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_large_cache_has_room_for_the_decisions_of_many_names),
		T(an_identity_is_found_by_its_row_and_by_no_other),
		T(a_cache_without_memory_is_none),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
