/* SPDX-License-Identifier: ISC */
/* ours - what a change of the store costs who sees to what is served, and that what left
 * is dropped whatever goes wrong. */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "duo.h"
#include "meet.h"
#include "support/starve.h"
#include "support/wall.h"
#include "tls/ours_inside.h"

#define FEW	10
#define MANY	1000
#define WAIT_MS	20000
#define ROUNDS	20
#define MET	40

static struct {
	struct sst_checker *checker;
	struct sst_store *store;
	struct sst_ours	*ours;
	struct pki_cert	*stays, *leaves;
} l;

/* How often this thread asked SQLite for anything. */
static _Thread_local long steps;

int	__real_sqlite3_step(sqlite3_stmt *);
int	__wrap_sqlite3_step(sqlite3_stmt *);

int
__wrap_sqlite3_step(sqlite3_stmt *st)
{
	steps++;
	return __real_sqlite3_step(st);
}

static struct pki_cert *
issue(const char *san)
{
	return pki_issue(w.mid, &(struct pki_spec){ .cn = "www", .san = san,
	    .use_key = w.mid->key });
}

static void
begin(void)
{
	l.store = meet_store(&l.stays, 1);
	assert_int_equal(sst_ours_new(&(struct sst_ours_config){ .checker = l.checker,
	    .store = l.store }, &l.ours, NULL), SST_OK);
}

static void
end(void)
{
	sst_ours_unref(l.ours);
	sst_store_unref(l.store);
	l.ours = NULL;
	l.store = NULL;
}

static int
set_up(void **state)
{
	(void)duo_setup(state);
	atomic_store(&wall, w.now);
	l.stays = issue("stays.example");
	l.leaves = issue("leaves.example");
	if (sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .no_service = 1 }, &l.checker, NULL) < 0)
		return -1;
	begin();
	return 0;
}

static int
tear_down(void **state)
{
	end();
	sst_checker_unref(l.checker);
	pki_free(l.stays);
	pki_free(l.leaves);
	atomic_store(&wall, 0);
	return duo_teardown(state);
}

/* Whether it is seen to. */
static int
sees(const struct pki_cert *c)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	return sst_own_knows(l.ours->own, leaf);
}

static void
store_drop(const struct pki_cert *c)
{
	char digest[65];
	uint8_t leaf[32];

	pki_digest(c, leaf);
	for (int k = 0; k < 32; k++)
		(void)snprintf(digest + 2 * k, 3, "%02x", leaf[k]);
	assert_int_equal(sst_store_remove(l.store, digest, NULL), SST_OK);
}

/* What of SQLite one renewal costs among so many: as the relay does, or way 2. */
static long
renewal(int n, int listed)
{
	struct pki_cert *renewed = issue("leaves.example");
	char san[32];

	end();
	begin();
	for (int i = 0; i < n; i++) {
		struct pki_cert *c;

		(void)snprintf(san, sizeof(san), "n%d.example", i);
		c = issue(san);
		meet_put(l.store, c);
		pki_free(c);
	}
	meet_put(l.store, l.leaves);
	sst_ours_sync(l.ours);
	while (sst_ours_go_on(l.ours) == 0)
		continue;
	assert_true(sees(l.leaves) && sees(l.stays));
	meet_put(l.store, renewed);
	steps = 0;
	if (listed)
		sst_ours_sync(l.ours);
	else
		(void)sst_ours_go_on(l.ours);
	assert_false(sees(l.leaves));
	assert_true(sees(l.stays));
	/* in way 2 it is taken in when it is served */
	assert_int_equal(sees(renewed), listed);
	pki_free(renewed);
	return steps;
}

static void
a_renewal_costs_the_same_however_many_are_seen_to(void **state)
{
	(void)state;
	for (int listed = 0; listed < 2; listed++) {
		const long few = renewal(FEW, listed);

		assert_true(few > 0);
		assert_int_equal(renewal(MANY, listed), few);
	}
}

static void
nor_do_the_changes_before_cost_anything(void **state)
{
	(void)state;
	for (int listed = 0; listed < 2; listed++) {
		long cost[FEW];

		for (int i = 0; i < FEW; i++) {
			meet_put(l.store, l.leaves);
			sst_ours_sync(l.ours);
			store_drop(l.leaves);
			steps = 0;
			if (listed)
				sst_ours_sync(l.ours);
			else
				(void)sst_ours_go_on(l.ours);
			cost[i] = steps;
		}
		assert_int_equal(cost[FEW - 1], cost[1]);
	}
}

static void
what_left_goes_and_what_stays_stays_also_when_it_is_not_known_what_did(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++)
		for (int listed = 0; listed < 2; listed++) {
			meet_put(l.store, l.leaves);
			sst_ours_sync(l.ours);
			assert_true(sees(l.leaves) && sees(l.stays));
			store_drop(l.leaves);
			if (!known)
				l.ours->left.index += 7;
			if (listed)
				sst_ours_sync(l.ours);
			else
				(void)sst_ours_go_on(l.ours);
			assert_false(sees(l.leaves));
			assert_true(sees(l.stays));
			/* once */
			assert_false(atomic_load(&l.ours->all));
			assert_false(sst_ours_wants_sync(l.ours));
		}
}

/* It was expected, and then refused; no change of the store ever says that it left. */
static void
what_never_came_into_the_store_goes_when_it_is_expected_no_more(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	struct sst_ours_leaves *e = &l.ours->expected;
	uint8_t leaf[32];

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	sst_ours_sync(l.ours);
	for (int i = 0; i < 2; i++) {
		/* it names nobody who could be asked: it is not waited for */
		assert_int_equal(sst_ours_expect(l.ours, l.leaves->cert, above), 0);
		pki_digest(l.leaves, leaf);
		e->v = malloc(sizeof(leaf));
		memcpy(e->v, leaf, sizeof(leaf));
		e->n = e->room = 1;
		/* also when all are looked up */
		atomic_store(&l.ours->all, i);
		for (int k = 0; k < 2; k++) {
			sst_ours_sync(l.ours);
			assert_true(sees(l.leaves));
		}
		sst_ours_expect_none(l.ours);
		sst_ours_sync(l.ours);
		assert_false(sees(l.leaves));
		assert_true(sees(l.stays));
		free(e->v);
		*e = (struct sst_ours_leaves){ .v = NULL };
	}
	/* nor what a client was shown that came from elsewhere */
	sst_ours_met(l.ours, l.leaves->cert, above);
	assert_true(sees(l.leaves));
	sst_ours_sync(l.ours);
	assert_false(sees(l.leaves));
	/* and of what is in the store nothing is left to be asked */
	meet_put(l.store, l.leaves);
	sst_ours_met(l.ours, l.leaves->cert, above);
	assert_int_equal(l.ours->unsure.n, 0);
	assert_true(sees(l.leaves));
	sk_X509_free(above);
}

/* Each is looked up, however many come between two looks. */
static void
of_many_that_are_shown_at_once_what_the_store_lacks_goes(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	struct pki_cert *strange[MET];
	char san[32];

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	sst_ours_sync(l.ours);
	meet_put(l.store, l.leaves);
	for (int i = 0; i < MET; i++) {
		(void)snprintf(san, sizeof(san), "m%d.example", i);
		strange[i] = issue(san);
		if (i % 2 == 0)
			sst_ours_met(l.ours, strange[i]->cert, above);
		else
			(void)sst_ours_expect(l.ours, strange[i]->cert, above);
	}
	sst_ours_met(l.ours, l.leaves->cert, above);
	for (int i = 0; i < MET; i++)
		assert_true(sees(strange[i]));
	sst_ours_sync(l.ours);
	for (int i = 0; i < MET; i++) {
		assert_false(sees(strange[i]));
		pki_free(strange[i]);
	}
	assert_true(sees(l.leaves) && sees(l.stays));
	sk_X509_free(above);
}

/* A handshake under way shows it once more: that brings it back for no longer. */
static void
what_left_and_is_shown_again_goes_again(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	meet_put(l.store, l.leaves);
	sst_ours_sync(l.ours);
	/* of what is known and there nothing is asked */
	steps = 0;
	sst_ours_met(l.ours, l.leaves->cert, above);
	assert_int_equal(steps, 0);
	store_drop(l.leaves);
	for (int listed = 0; listed < 2; listed++) {
		sst_ours_sync(l.ours);
		assert_false(sees(l.leaves));
		sst_ours_met(l.ours, l.leaves->cert, above);
		assert_true(sees(l.leaves));
		assert_int_equal(l.ours->unsure.n, 1);
		if (listed) {
			sst_ours_sync(l.ours);
			assert_false(sees(l.leaves));
		}
	}
	/* and stays where the store has it by then */
	sst_ours_met(l.ours, l.leaves->cert, above);
	meet_put(l.store, l.leaves);
	sst_ours_sync(l.ours);
	assert_true(sees(l.leaves) && sees(l.stays));
	sk_X509_free(above);
}

/* And where there is no store any more nothing is looked up. */
static void
what_could_not_be_looked_up_when_it_was_shown_is_looked_up_next(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	int hits = 0;

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	sst_ours_sync(l.ours);
	for (int n = 1, hit = 1; hit; n++) {
		struct pki_cert *strange = issue("strange.example");

		starve_arm(n, STARVE_SQLITE);
		sst_ours_met(l.ours, strange->cert, above);
		hit = starve_over();
		hits += hit;
		assert_true(sees(strange));
		sst_ours_sync(l.ours);
		assert_false(sees(strange));
		assert_true(sees(l.stays));
		pki_free(strange);
	}
	assert_true(hits > 0);
	sst_ours_stop(l.ours);
	sst_ours_met(l.ours, l.leaves->cert, above);
	sst_ours_sync(l.ours);
	assert_true(sees(l.leaves) && sees(l.stays));
	sk_X509_free(above);
}

/* One leaves, and the n-th allocation of this part fails. 1: there was one. */
static int
leaves_starved(long n, unsigned part, int listed, int known)
{
	int hit;

	meet_put(l.store, l.leaves);
	sst_ours_sync(l.ours);
	assert_true(sees(l.leaves));
	store_drop(l.leaves);
	if (!known)
		l.ours->left.index += 7;
	starve_arm(n, part);
	if (listed)
		sst_ours_sync(l.ours);
	else
		(void)sst_ours_go_on(l.ours);
	hit = starve_over();
	assert_true(sees(l.stays));
	if (listed && sst_ours_wants_sync(l.ours))
		sst_ours_sync(l.ours);
	(void)sst_ours_go_on(l.ours);
	assert_false(sees(l.leaves));
	assert_true(sees(l.stays));
	assert_false(sst_ours_wants_sync(l.ours));
	return hit;
}

/* In the step after, without another change. */
static void
what_could_not_be_dropped_for_want_of_memory_is_dropped_next(void **state)
{
	static const unsigned parts[] = { STARVE_SQLITE, STARVE_OURS };
	int hits = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		for (int n = 1, hit = 1; hit; n++) {
			hit = leaves_starved(n, parts[i % 2], i / 2 % 2, i / 4);
			hits += hit;
		}
	assert_true(hits > 1);
}

static void
what_there_is_no_memory_to_note_goes_all_the_same(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	int hits = 0;

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	for (int n = 1, hit = 1; hit; n++) {
		starve_arm(n, STARVE_OURS);
		(void)sst_ours_expect(l.ours, l.leaves->cert, above);
		hit = starve_over();
		hits += hit;
		sst_ours_expect_none(l.ours);
		sst_ours_sync(l.ours);
		assert_false(sees(l.leaves));
		assert_true(sees(l.stays));
		/* as one that is forgotten: it is made anew next time */
		atomic_fetch_add(&wall, 3600);
		(void)sst_ours_step(l.ours);
	}
	assert_true(hits > 1);
	sk_X509_free(above);
}

/* Holds its lock nearly all the time. */
static atomic_int stop;

static void *
hold(void *arg)
{
	while (!atomic_load(&stop))
		(void)sst_ours_lacks(arg);
	return NULL;
}

static void
a_child_is_not_held_up_by_a_lock_of_its_parents(void **state)
{
	struct sst_ours_leaves *e = &l.ours->expected;
	pthread_t thread;
	int status;

	(void)state;
	sst_ours_sync(l.ours);
	e->v = calloc(MANY, sizeof(*e->v));
	e->n = e->room = MANY;
	atomic_store(&stop, 0);
	assert_int_equal(pthread_create(&thread, NULL, hold, l.ours), 0);
	for (int i = 0; i < ROUNDS; i++) {
		const pid_t child = fork();

		if (child == 0) {
			(void)alarm(20);
			(void)sst_ours_lacks(l.ours);
			store_drop(l.stays);
			(void)sst_ours_go_on(l.ours);
			_exit(sees(l.stays));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(sees(l.stays));
}

/* All there are have their locks taken for a fork, and those that are gone have not. */
static void
who_is_gone_holds_no_fork_up(void **state)
{
	static const int order[][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 2, 1, 0 }, { 1, 2, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct sst_ours *o[3];

		for (int k = 0; k < 3; k++)
			assert_int_equal(sst_ours_new(&(struct sst_ours_config){
			    .checker = l.checker, .store = l.store }, &o[k], NULL), SST_OK);
		for (int k = 0; k < 3; k++) {
			int status = -1;
			pid_t child;

			sst_ours_unref(o[order[i][k]]);
			child = fork();
			if (child == 0) {
				(void)alarm(20);
				for (int m = k + 1; m < 3; m++)
					(void)sst_ours_lacks(o[order[i][m]]);
				(void)sst_ours_go_on(l.ours);
				_exit(0);
			}
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_int_equal(status, 0);
			for (int m = k + 1; m < 3; m++)
				assert_int_equal(sst_ours_lacks(o[order[i][m]]), 0);
		}
	}
}

/* The parent's thread had not come to it yet, and is not there any more. */
static void
what_a_parent_was_at_its_child_does_itself(void **state)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	struct pki_cert *met = issue("met.example");
	int status;
	pid_t child;

	(void)state;
	(void)sk_X509_push(above, w.mid->cert);
	meet_put(l.store, l.leaves);
	sst_ours_sync(l.ours);
	store_drop(l.leaves);
	/* of which that thread has taken the list */
	sst_ours_met(l.ours, met->cert, above);
	assert_int_equal(l.ours->unsure.n, 1);
	l.ours->unsure.n = 0;
	atomic_store(&l.ours->following, 1);
	/* another's turn: nothing is done twice at once */
	(void)sst_ours_go_on(l.ours);
	assert_true(sees(l.leaves));
	child = fork();
	if (child == 0) {
		(void)alarm(20);
		(void)sst_ours_go_on(l.ours);
		_exit(sees(l.leaves) || sees(met) || !sees(l.stays));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* when that one is over, the next step does it */
	atomic_store(&l.ours->following, 0);
	(void)sst_ours_go_on(l.ours);
	assert_false(sees(l.leaves));
	pki_free(met);
	sk_X509_free(above);
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_renewal_costs_the_same_however_many_are_seen_to),
		EACH(nor_do_the_changes_before_cost_anything),
		EACH(what_left_goes_and_what_stays_stays_also_when_it_is_not_known_what_did),
		EACH(what_never_came_into_the_store_goes_when_it_is_expected_no_more),
		EACH(of_many_that_are_shown_at_once_what_the_store_lacks_goes),
		EACH(what_left_and_is_shown_again_goes_again),
		EACH(what_could_not_be_looked_up_when_it_was_shown_is_looked_up_next),
		EACH(what_could_not_be_dropped_for_want_of_memory_is_dropped_next),
		EACH(what_there_is_no_memory_to_note_goes_all_the_same),
		EACH(a_child_is_not_held_up_by_a_lock_of_its_parents),
		EACH(who_is_gone_holds_no_fork_up),
		EACH(what_a_parent_was_at_its_child_does_itself),
	};

	if (!starve_sqlite())
		return 1;
	return cmocka_run_group_tests_name("ours_left", tests, duo_world_make, duo_world_free);
}
