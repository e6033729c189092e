/* SPDX-License-Identifier: ISC */
/* Tests of heap.c, against a list that is gone through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ocsp/heap.h"
#include "support/starve.h"

#define NODES	300

struct one {
	struct sst_heap_node node;
	struct sst_heap	*in;		/* as it should be */
	int64_t		 key;
};

static struct one ones[NODES];
static struct sst_heap heaps[2];

static int
set_up(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++)
		ones[i] = (struct one){ .in = NULL };
	for (int i = 0; i < 2; i++)
		assert_true(sst_heap_reserve(&heaps[i], NODES));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		sst_heap_done(&heaps[i]);
		assert_null(heaps[i].slots);
	}
	return 0;
}

static struct one *
one_of(struct sst_heap_node *node)
{
	return (struct one *)((char *)node - offsetof(struct one, node));
}

static uint32_t
draw(uint32_t *x, uint32_t below)
{
	*x = *x * 1664525 + 1013904223;
	return (*x >> 8) % below;
}

static void
put(struct one *o, struct sst_heap *h, int64_t key)
{
	o->in = h;
	o->key = key;
	sst_heap_put(h, &o->node, key);
}

static void
take(struct one *o)
{
	o->in = NULL;
	sst_heap_take(&o->node);
	assert_null(o->node.in);
}

/* Whether each heap has what it should have, with the least first. */
static void
see(void)
{
	for (int k = 0; k < 2; k++) {
		struct sst_heap_node *first;
		int64_t least = INT64_MAX, key = 0;
		size_t n = 0;

		for (int i = 0; i < NODES; i++) {
			if (ones[i].in != &heaps[k])
				continue;
			n++;
			least = ones[i].key < least ? ones[i].key : least;
			assert_ptr_equal(ones[i].node.in, &heaps[k]);
			assert_ptr_equal(heaps[k].slots[ones[i].node.at].node,
			    &ones[i].node);
			assert_int_equal(heaps[k].slots[ones[i].node.at].key, ones[i].key);
		}
		assert_int_equal(heaps[k].n, n);
		first = sst_heap_first(&heaps[k], &key);
		assert_int_equal(first == NULL, n == 0);
		if (first != NULL) {
			assert_int_equal(key, least);
			assert_int_equal(one_of(first)->key, least);
		}
	}
}

static void
the_least_is_first_whatever_is_put_moved_and_taken_out(void **state)
{
	uint32_t x = 1;

	(void)state;
	see();
	for (int i = 0; i < 20000; i++) {
		struct one *o = &ones[draw(&x, NODES)];

		if (draw(&x, 3) == 0)
			take(o);
		else
			put(o, &heaps[draw(&x, 2)], (int64_t)draw(&x, 1000) - 500);
		see();
	}
}

static void
the_ends_of_the_range_are_keys_too(void **state)
{
	int64_t key = 0;

	(void)state;
	put(&ones[0], &heaps[0], INT64_MAX);
	put(&ones[1], &heaps[0], INT64_MIN);
	put(&ones[2], &heaps[0], 0);
	see();
	assert_ptr_equal(sst_heap_first(&heaps[0], &key), &ones[1].node);
	assert_true(key == INT64_MIN);
}

static void
they_come_out_in_their_order(void **state)
{
	struct sst_heap_node *first;
	int64_t last = INT64_MIN, key = 0;
	uint32_t x = 7;
	int n = 0;

	(void)state;
	for (int i = 0; i < NODES; i++)
		put(&ones[i], &heaps[0], (int64_t)draw(&x, NODES));
	while ((first = sst_heap_first(&heaps[0], &key)) != NULL) {
		assert_true(key >= last);
		last = key;
		take(one_of(first));
		n++;
	}
	assert_int_equal(n, NODES);
}

static void
without_memory_for_more_it_is_as_it_was(void **state)
{
	const size_t room = heaps[0].room;

	(void)state;
	put(&ones[0], &heaps[0], 2);
	put(&ones[1], &heaps[0], 1);
	starve_arm(1, STARVE_OURS);
	assert_true(sst_heap_reserve(&heaps[0], room));
	assert_false(sst_heap_reserve(&heaps[0], room + 1));
	assert_true(starve_over());
	assert_int_equal(heaps[0].room, room);
	see();
	assert_true(sst_heap_reserve(&heaps[0], room + 1));
	assert_true(heaps[0].room > room);
	see();
}

static void
a_heap_that_was_cleared_is_as_new(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++)
		put(&ones[i], &heaps[0], NODES - i);
	sst_heap_clear(&heaps[0]);
	assert_true(heaps[0].room >= NODES);
	for (int i = 0; i < NODES; i++)
		ones[i] = (struct one){ .in = NULL };
	see();
	for (int i = 0; i < NODES; i++)
		put(&ones[i], &heaps[0], i);
	see();
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_least_is_first_whatever_is_put_moved_and_taken_out),
		EACH(the_ends_of_the_range_are_keys_too),
		EACH(they_come_out_in_their_order),
		EACH(without_memory_for_more_it_is_as_it_was),
		EACH(a_heap_that_was_cleared_is_as_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
