/* SPDX-License-Identifier: ISC */
/* Tests of own_due.c: whose turn it is, and what moves that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/checker.h"
#include "ocsp/own_inside.h"
#include "support/starve.h"
#include "world_own.h"

#define NEVER	INT64_MAX

/* When its turn comes, by the order in which they come. */
static int64_t
turn_of(struct world *w, const struct sst_own_cert *e)
{
	int64_t key;

	sst_own_lock(w->own);
	assert_ptr_equal(e->turn.in, &w->own->coming);
	key = w->own->coming.slots[e->turn.at].key;
	sst_own_unlock(w->own);
	return key;
}

static int64_t
look_of(const struct sst_own_cert *e, int64_t from)
{
	return from + 60 + (e->leaf[2] << 8 | e->leaf[3]) % 15;
}

static int64_t
retry_of(const struct sst_own_cert *e, int64_t from)
{
	return from + 60 + e->leaf[1] % 16;
}

/* One that is not looked at, so that its staple alone says when its turn is. */
static struct sst_own_cert *
add_unwatched(struct world *w, const struct pki_cert *c)
{
	struct sst_own_cert *e;

	add(w, c);
	e = entry_of(w, c);
	assert_int_equal(turn_of(w, e), 0);
	sst_own_lock(w->own);
	e->look_at = NEVER;
	sst_own_order_locked(e);
	sst_own_unlock(w->own);
	return e;
}

static void
one_whose_responder_answered_has_its_turn_with_its_staple(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e = add_unwatched(w, issue(w, "o"));

	settle(w);
	assert_true(has_staple(w, w->cert[0], NULL));
	assert_true(turn_of(w, e) >= PKI_NOW + PKI_DAY / 2);
	assert_true(turn_of(w, e) <= PKI_NOW + PKI_DAY / 2 + PKI_DAY / 10);
	assert_int_equal(turn_of(w, e), e->fetch_at);
}

static void
one_whose_responder_failed_has_its_turn_soon(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;

	w->says[0].http = 500;
	e = add_unwatched(w, issue(w, "o"));
	settle(w);
	assert_true(w->asked[0] > 0);
	assert_int_equal(turn_of(w, e), retry_of(e, PKI_NOW));
	/* and no sooner: a step begins nothing, and knows how long it may sleep */
	atomic_store(&wall, retry_of(e, PKI_NOW) - 1);
	assert_int_equal(sst_own_step(w->own), 1);
	assert_int_equal(w->own->busy, 0);
	go(w, 1);
	assert_int_equal(turn_of(w, e), retry_of(e, retry_of(e, PKI_NOW)));
	w->says[0].http = 0;
	go(w, 2 * HOUR);
	assert_true(has_staple(w, w->cert[0], NULL));
	assert_true(turn_of(w, e) >= PKI_NOW + PKI_DAY / 2);
}

static void
one_that_nobody_may_be_asked_about_has_its_turn_soon(void **state)
{
	static const struct sst_revocation_policy still = { .fetch = SST_SWITCH_OFF };
	struct world *w = *state;
	struct sst_own_cert *e;

	close_own(w);
	open_own(w, &(struct sst_own_config){ .policy = &still });
	e = add_unwatched(w, issue(w, "o"));
	settle(w);
	assert_int_equal(turn_of(w, e), retry_of(e, PKI_NOW));
}

static void
one_that_was_looked_at_has_its_turn_a_minute_later(void **state)
{
	struct sst_own_due list[SST_OWN_AT_ONCE];
	struct world *w = *state;
	struct sst_own_cert *e;
	int more;

	add(w, issue(w, ""));
	e = entry_of(w, w->cert[0]);
	assert_int_equal(sst_own_step(w->own), 1);
	assert_int_equal(turn_of(w, e), 0);
	/* also where as many are at work as may be */
	w->own->busy += SST_OWN_BUSY;
	assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 0);
	assert_int_equal(turn_of(w, e), look_of(e, PKI_NOW));
	w->own->busy -= SST_OWN_BUSY;
	settle(w);
	assert_int_equal(turn_of(w, e), look_of(e, PKI_NOW));
	atomic_store(&wall, look_of(e, PKI_NOW) - 7);
	assert_int_equal(sst_own_step(w->own), 7);
	assert_int_equal(turn_of(w, e), look_of(e, PKI_NOW));
	go(w, 7);
	assert_int_equal(turn_of(w, e), look_of(e, look_of(e, PKI_NOW)));
	/* of an hour none is slept through */
	sst_own_lock(w->own);
	e->look_at = NEVER;
	sst_own_order_locked(e);
	sst_own_unlock(w->own);
	assert_int_equal(sst_own_step(w->own), 60);
}

static void
a_look_that_could_not_be_begun_is_begun_again_in_seconds(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;

	add(w, issue(w, ""));
	settle(w);
	add(w, issue(w, ""));
	e = entry_of(w, w->cert[1]);
	starve_arm(1, STARVE_OURS);
	(void)sst_own_step(w->own);
	assert_true(starve_over());
	/* what is left of it is seen to at once */
	assert_int_equal(turn_of(w, e), 0);
	assert_true(is_in_order(w->own));
	(void)sst_own_step(w->own);
	assert_int_equal(turn_of(w, e), PKI_NOW + 5);
	assert_true(is_in_order(w->own));
}

static void
one_that_is_dropped_has_its_turn_when_it_is_to_be_forgotten(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;
	uint8_t leaf[32];

	add(w, issue(w, ""));
	add(w, issue(w, ""));
	settle(w);
	e = entry_of(w, w->cert[0]);
	pki_digest(w->cert[0], leaf);
	sst_own_drop(w->own, leaf);
	assert_int_equal(turn_of(w, e), PKI_NOW + SST_OWN_LINGER_S);
	assert_true(is_in_order(w->own));
	atomic_fetch_add(&wall, SST_OWN_LINGER_S - 1);
	(void)sst_own_step(w->own);
	assert_int_equal(w->own->n, 2);
	atomic_fetch_add(&wall, 1);
	(void)sst_own_step(w->own);
	assert_int_equal(w->own->n, 1);
	assert_null(entry_of(w, w->cert[0]));
	settle(w);
}

static void
one_that_is_dropped_at_work_has_its_turn_once_that_is_over(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;
	uint8_t leaf[32];

	responder_hold(w->r);
	e = add_unwatched(w, issue(w, "o"));
	assert_false(sst_own_wait(w->own, 10));
	responder_wait(w->r, 1);
	/* who steps comes soon to see what it leaves */
	assert_int_equal(sst_own_step(w->own), 1);
	pki_digest(w->cert[0], leaf);
	sst_own_drop(w->own, leaf);
	assert_true(turn_of(w, e) == NEVER);
	atomic_fetch_add(&wall, SST_OWN_LINGER_S - 1);
	responder_let_go(w->r);
	settle(w);
	assert_int_equal(turn_of(w, e), PKI_NOW + SST_OWN_LINGER_S);
	go(w, 1);
	assert_int_equal(w->own->n, 0);
}

/* Once it is known to be revoked, there is no hurry to see that again. */
static void
one_that_is_dropped_and_revoked_is_looked_at_once(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;
	uint8_t leaf[32];

	w->says[0].status = MADE_REVOKED;
	responder_hold(w->r);
	e = add_unwatched(w, issue(w, "o"));
	assert_false(sst_own_wait(w->own, 10));
	responder_wait(w->r, 1);
	pki_digest(w->cert[0], leaf);
	sst_own_drop(w->own, leaf);
	responder_let_go(w->r);
	settle(w);
	assert_true(is_revoked(w, w->cert[0]));
	assert_int_equal(turn_of(w, e), PKI_NOW + SST_OWN_LINGER_S);
}

static void
one_that_is_served_again_has_its_turn_at_once(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e;
	uint8_t leaf[32];

	add(w, issue(w, "o"));
	settle(w);
	e = entry_of(w, w->cert[0]);
	pki_digest(w->cert[0], leaf);
	/* of one that is served that says nothing new */
	assert_int_equal(sst_own_again(w->own, leaf), 1);
	assert_int_equal(turn_of(w, e), look_of(e, PKI_NOW));
	sst_own_drop(w->own, leaf);
	assert_int_equal(sst_own_again(w->own, leaf), 2);
	assert_int_equal(turn_of(w, e), 0);
	assert_true(is_in_order(w->own));
	settle(w);
	assert_int_equal(turn_of(w, e), look_of(e, PKI_NOW));
}

static void
who_is_not_named_in_a_sync_has_another_turn(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *named, *other;

	add(w, issue(w, ""));
	add(w, issue(w, ""));
	settle(w);
	named = entry_of(w, w->cert[0]);
	other = entry_of(w, w->cert[1]);
	sst_own_sync_begin(w->own);
	add(w, w->cert[0]);
	sst_own_sync_end(w->own, NULL, NULL);
	assert_int_equal(turn_of(w, named), look_of(named, PKI_NOW));
	assert_int_equal(turn_of(w, other), PKI_NOW + SST_OWN_LINGER_S);
	assert_true(is_in_order(w->own));
}

/* All are due, and as many as may be are at work; one of them ends. */
static void
of_those_that_wait_who_is_wanted_goes_first(void **state)
{
	struct world *w = *state;
	struct sst_own_due list[SST_OWN_AT_ONCE];
	struct sst_own_cert *e[3];
	int more = 1;

	for (int i = 0; i < 3; i++) {
		add(w, issue(w, ""));
		e[i] = entry_of(w, w->cert[i]);
	}
	w->own->busy = SST_OWN_BUSY;
	assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 0);
	assert_false(more);
	assert_int_equal(sst_own_next(w->own, PKI_NOW), 1);
	assert_int_equal(w->own->due.n, 3);
	for (int i = 1; i < 4; i++) {
		const size_t over = i > 1;

		atomic_store(&wall, PKI_NOW + i);
		assert_false(has_staple(w, w->cert[i % 3], NULL));
		w->own->busy = over;
		assert_true(is_in_order(w->own));
		w->own->busy = SST_OWN_BUSY - 1 + over;
		assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 1);
		assert_ptr_equal(list[0].e, e[i % 3]);
		/* it is over, and is due again */
		e[i % 3]->looking = SST_OWN_LOOKED;
		sst_own_order_locked(e[i % 3]);
	}
	w->own->busy = 1;
	assert_true(is_in_order(w->own));
}

static void
one_that_waits_and_is_dropped_waits_no_more(void **state)
{
	struct world *w = *state;
	struct sst_own_due list[SST_OWN_AT_ONCE];
	struct sst_own_cert *e;
	uint8_t leaf[32];
	int more;

	add(w, issue(w, ""));
	e = entry_of(w, w->cert[0]);
	w->own->busy = SST_OWN_BUSY;
	assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 0);
	assert_ptr_equal(e->turn.in, &w->own->due);
	w->own->busy = 0;
	pki_digest(w->cert[0], leaf);
	sst_own_drop(w->own, leaf);
	assert_int_equal(turn_of(w, e), PKI_NOW + SST_OWN_LINGER_S);
	assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 0);
	assert_true(is_in_order(w->own));
}

/* Nothing was fresh while it was ahead, so that time does go back. */
static void
rv_39_what_a_clock_that_was_ahead_put_off_does_not_wait_for_it(void **state)
{
	const int64_t ahead = PKI_NOW + 10 * PKI_DAY;
	struct world *w = *state;
	struct sst_own_cert *fetched, *looked, *gone;
	uint8_t leaf[32];

	w->says[0].http = 500;
	atomic_store(&wall, ahead);
	fetched = add_unwatched(w, issue(w, "o"));
	for (int i = 1; i < 3; i++)
		add(w, issue(w, ""));
	looked = entry_of(w, w->cert[1]);
	gone = entry_of(w, w->cert[2]);
	settle(w);
	pki_digest(w->cert[2], leaf);
	sst_own_drop(w->own, leaf);
	assert_int_equal(turn_of(w, fetched), retry_of(fetched, ahead));
	assert_int_equal(turn_of(w, looked), look_of(looked, ahead));
	assert_int_equal(turn_of(w, gone), ahead + SST_OWN_LINGER_S);
	atomic_store(&wall, PKI_NOW);
	assert_int_equal(sst_checker_now(w->checker), PKI_NOW);
	settle(w);
	assert_int_equal(turn_of(w, fetched), retry_of(fetched, PKI_NOW));
	assert_int_equal(turn_of(w, looked), look_of(looked, PKI_NOW));
	assert_int_equal(turn_of(w, gone), PKI_NOW + SST_OWN_LINGER_S);
	assert_int_equal(looked->asked_at, PKI_NOW);
	/* what comes sooner stays where it is */
	atomic_store(&wall, PKI_NOW + 30);
	settle(w);
	atomic_store(&wall, PKI_NOW + 29);
	settle(w);
	assert_int_equal(turn_of(w, fetched), retry_of(fetched, PKI_NOW));
	assert_int_equal(turn_of(w, looked), look_of(looked, PKI_NOW));
	assert_int_equal(turn_of(w, gone), PKI_NOW + SST_OWN_LINGER_S);
	atomic_store(&wall, PKI_NOW + 76);
	settle(w);
	assert_int_equal(turn_of(w, fetched), retry_of(fetched, PKI_NOW + 76));
	assert_int_equal(turn_of(w, looked), look_of(looked, PKI_NOW + 76));
	assert_int_equal(w->own->n, 2);
}

static void
in_a_child_the_turn_of_what_was_under_way_is_now(void **state)
{
	struct world *w = *state;
	struct sst_own_cert *e, *quiet;
	int status = 0;
	pid_t pid;

	add(w, issue(w, ""));
	settle(w);
	quiet = entry_of(w, w->cert[0]);
	responder_hold(w->r);
	e = add_unwatched(w, issue(w, "o"));
	assert_false(sst_own_wait(w->own, 10));
	assert_true(turn_of(w, e) == NEVER);
	pid = fork();
	if (pid == 0) {
		const struct sst_own *o = w->own;
		int good;

		(void)alarm(20);
		good = sst_own_pending(w->own) == 1 && is_in_order(w->own) && o->busy == 0;
		good = good && o->coming.slots[e->turn.at].key == 0 &&
		    o->coming.slots[quiet->turn.at].key == look_of(quiet, PKI_NOW);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	responder_let_go(w->r);
	assert_int_equal(status, 0);
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(one_whose_responder_answered_has_its_turn_with_its_staple),
		EACH(one_whose_responder_failed_has_its_turn_soon),
		EACH(one_that_nobody_may_be_asked_about_has_its_turn_soon),
		EACH(one_that_was_looked_at_has_its_turn_a_minute_later),
		EACH(a_look_that_could_not_be_begun_is_begun_again_in_seconds),
		EACH(one_that_is_dropped_has_its_turn_when_it_is_to_be_forgotten),
		EACH(one_that_is_dropped_at_work_has_its_turn_once_that_is_over),
		EACH(one_that_is_dropped_and_revoked_is_looked_at_once),
		EACH(one_that_is_served_again_has_its_turn_at_once),
		EACH(who_is_not_named_in_a_sync_has_another_turn),
		EACH(of_those_that_wait_who_is_wanted_goes_first),
		EACH(one_that_waits_and_is_dropped_waits_no_more),
		EACH(rv_39_what_a_clock_that_was_ahead_put_off_does_not_wait_for_it),
		EACH(in_a_child_the_turn_of_what_was_under_way_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
