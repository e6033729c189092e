/* SPDX-License-Identifier: ISC */
/* Tests of own_due.c: what finding out whose turn it is costs, where there are many. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/own_inside.h"
#include "support/starve.h"
#include "world_own.h"

#define PAGE	4096
#define FEW	10
#define MANY	10000

/* Entries with a page of their own each, which are due in an hour. What is touched of
 * them is counted, so that it does not matter by which way somebody comes to them. */
static struct crowd {
	char		*pages;
	size_t		 n;
	volatile sig_atomic_t touched;
} crowd;

static struct sst_own_cert *
crowd_at(size_t i)
{
	return (struct sst_own_cert *)(crowd.pages + i * PAGE);
}

static void
crowd_touch(int sig, siginfo_t *info, void *context)
{
	const size_t at = (size_t)((char *)info->si_addr - crowd.pages);

	(void)sig;
	(void)context;
	if ((char *)info->si_addr < crowd.pages || at >= crowd.n * PAGE ||
	    mprotect(crowd_at(at / PAGE), PAGE, PROT_READ | PROT_WRITE) != 0)
		_exit(70);
	crowd.touched++;
}

/* Until crowd_end() they are counted. */
static void
crowd_watch(void)
{
	crowd.touched = 0;
	assert_int_equal(mprotect(crowd.pages, crowd.n * PAGE, PROT_NONE), 0);
}

static int
crowd_touched(void)
{
	assert_int_equal(mprotect(crowd.pages, crowd.n * PAGE, PROT_READ | PROT_WRITE), 0);
	return crowd.touched;
}

static void
crowd_add(struct world *w, size_t n, int64_t look_at)
{
	const struct sigaction act = { .sa_sigaction = crowd_touch, .sa_flags = SA_SIGINFO };

	crowd.pages = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(crowd.pages, MAP_FAILED);
	crowd.n = n;
	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		struct sst_own_cert *e = crowd_at(i);

		e->own = w->own;
		memcpy(e->leaf, &i, sizeof(i));
		e->fetch_at = INT64_MAX;
		e->look_at = look_at;
		e->answered = 1;
		sst_own_lock(w->own);
		assert_true(sst_own_enter_locked(w->own, e));
		sst_own_unlock(w->own);
	}
}

/* Who frees what there is finds none of them. */
static void
crowd_end(struct world *w)
{
	assert_int_equal(signal(SIGSEGV, SIG_DFL) == SIG_ERR, 0);
	for (size_t i = 0; i < crowd.n; i++)
		sst_own_leave_locked(w->own, crowd_at(i));
	assert_int_equal(munmap(crowd.pages, crowd.n * PAGE), 0);
}

/* What of others is looked at: while nothing is due, and for one that is. */
static void
count_steps(size_t n, int *ret_idle, int *ret_one)
{
	void *state = NULL;
	struct world *w;

	assert_int_equal(set_up(&state), 0);
	w = state;
	add(w, issue(w, ""));
	settle(w);
	crowd_add(w, n, PKI_NOW + HOUR);
	crowd_watch();
	atomic_fetch_add(&wall, 30);
	for (int i = 0; i < 3; i++)
		assert_in_range(sst_own_step(w->own), 1, 60);
	assert_int_equal(sst_own_pending(w->own), 0);
	assert_true(sst_own_wait(w->own, 0));
	*ret_idle = crowd_touched();
	assert_int_equal(w->own->busy, 0);
	crowd_watch();
	atomic_fetch_add(&wall, 50);
	assert_int_equal(sst_own_step(w->own), 1);
	*ret_one = crowd_touched();
	assert_int_equal(w->own->busy, 1);
	settle(w);
	assert_int_equal(w->own->busy, 0);
	crowd_end(w);
	assert_int_equal(w->own->n, 1);
	(void)tear_down(&state);
}

static void
a_step_looks_at_as_many_however_many_there_are(void **state)
{
	int idle[2], one[2];

	(void)state;
	count_steps(FEW, &idle[0], &one[0]);
	count_steps(MANY, &idle[1], &one[1]);
	assert_int_equal(idle[0], 0);
	assert_int_equal(idle[1], 0);
	/* it leaves its place, and comes back: each time past the height of the heap, which
	 * has 13 levels more with many */
	assert_true(one[0] <= 2 * 4);
	assert_true(one[1] <= one[0] + 2 * 10);
}

/* All at once, such as after a step of the clock: by one step not all are seen to. */
static void
what_comes_due_at_once_is_gone_through_by_many_steps(void **state)
{
	struct world *w = *state;
	struct sst_own_due list[SST_OWN_AT_ONCE];
	size_t last = 0, steps = 0;
	int more = 1;

	add(w, issue(w, ""));
	settle(w);
	crowd_add(w, MANY, PKI_NOW + 1);
	w->own->busy = SST_OWN_BUSY;
	while (more) {
		crowd_watch();
		assert_int_equal(sst_own_due(w->own, PKI_NOW + 1, list, &more), 0);
		assert_true(crowd_touched() < MANY / 2);
		assert_true(w->own->due.n > last);
		last = w->own->due.n;
		steps++;
	}
	assert_int_equal(last, MANY);
	assert_true(steps >= 5);
	w->own->busy = 0;
	assert_true(is_in_order(w->own));
	crowd_end(w);
}

static void
without_memory_for_its_turn_none_is_added(void **state)
{
	struct world *w = *state;
	const struct pki_cert *c = issue(w, "");
	STACK_OF(X509) *above = sk_X509_new_null();
	int rc = SST_OK, last = SST_OK;

	for (int k = 1; k <= 2; k++) {
		struct sst_own_cert *e = calloc(1, sizeof(*e));

		e->own = w->own;
		starve_arm(k, STARVE_OURS);
		assert_false(sst_own_enter_locked(w->own, e));
		assert_true(starve_over());
		assert_int_equal(w->own->n, 0);
		assert_int_equal(w->own->pending, 0);
		assert_true(is_in_order(w->own));
		free(e);
	}
	(void)sk_X509_push(above, w->ca->cert);
	/* what the caches take is had before */
	sst_own_sync_begin(w->own);
	for (int i = 1, hit = 1; hit; i++) {
		last = rc;
		starve_arm(i, STARVE_OURS);
		rc = sst_own_add(w->own, c->cert, above, NULL);
		hit = starve_over();
		assert_true(rc == SST_OK || w->own->n == 0);
		assert_true(is_in_order(w->own));
	}
	assert_int_equal(w->own->n, 1);
	/* the last that it takes is for its turn */
	assert_int_equal(last, SST_E_NOMEM);
	sk_X509_free(above);
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_looks_at_as_many_however_many_there_are),
		EACH(what_comes_due_at_once_is_gone_through_by_many_steps),
		EACH(without_memory_for_its_turn_none_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
