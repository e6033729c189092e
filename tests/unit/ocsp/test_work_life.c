/* SPDX-License-Identifier: ISC */
/* Tests of work.c: many who ask at once, in one process and in several; deadlines,
 * cancelling, ends. What is fetched again in the background: test_work_refresh.c. */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "make_work.h"

#define PROCESSES	50

static void
who_wants_the_same_joins_and_is_told_about_his_own(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *listed = scene_cert(s, "/crl", NULL);
	struct pki_cert *other = scene_cert(s, "/crl", NULL);
	const struct sst_revocation_policy no_cache = { .use_cache = SST_SWITCH_OFF };
	struct scene_got got[20];

	(void)state;
	s->revoked = 1;
	responder_hold(s->r);
	for (int i = 0; i < 20; i++)
		scene_ask(s, i % 2 ? other : listed, i % 3 ? NULL : &no_cache, 20000, 1,
		    &got[i]);
	responder_wait(s->r, 1);
	responder_let_go(s->r);
	for (int i = 0; i < 20; i++) {
		scene_wait(&got[i]);
		assert_int_equal(got[i].n, 1);
		assert_int_equal(got[i].list[0].status,
		    i % 2 ? SST_EV_GOOD : SST_EV_REVOKED);
	}
	assert_int_equal(responder_requests(s->r), 1);
	scene_free(s);
}

static void
rv_90_an_ask_ends_with_its_budget_and_the_fetch_goes_on(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, "/crl", "/ocsp");
	struct scene_got got, none, later;
	int64_t begun = sst_clock_ms();
	struct sst_evidence e;

	(void)state;
	responder_hold(s->r);
	scene_ask(s, cert, NULL, 200, 1, &got);
	scene_ask(s, cert, NULL, 0, 1, &none);
	scene_ask(s, cert, NULL, 20000, 1, &later);
	scene_wait(&none);
	scene_wait(&got);
	assert_true(sst_clock_ms() - begun >= 190 && sst_clock_ms() - begun < 5000);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.list[0].fault, SST_FAULT_TIMEOUT);
	assert_int_equal(none.list[0].fault, SST_FAULT_TIMEOUT);
	assert_int_equal(later.called, 0);
	responder_let_go(s->r);
	scene_wait(&later);
	assert_int_equal(later.list[0].status, SST_EV_GOOD);
	assert_int_equal(scene_cached(s, cert, &e), 1);
	assert_int_equal(responder_requests(s->r), 1);
	scene_free(s);
}

#ifndef __SANITIZE_THREAD__
/* No thread is to run when the children are made. */
static void
shut(struct scene *s)
{
	sst_work_free(s->work);
	sst_cache_close(s->cache);
	s->work = NULL;
	s->cache = NULL;
}

/* The child's part: its own cache and thread on the directory, one ask. */
static int
child(struct scene *s, const char *dir, const struct pki_cert *cert, int gate)
{
	const char *allow[] = { "127.0.0.1", NULL };
	struct scene_got got;
	char c;

	s->work = NULL;
	s->cache = NULL;
	scene_reopen(s, dir, allow);
	if (read(gate, &c, 1) != 0)
		return 3;
	scene_ask(s, cert, NULL, 20000, 1, &got);
	scene_wait(&got);
	sst_work_free(s->work);
	sst_cache_close(s->cache);
	return got.n == 1 && got.list[0].status == SST_EV_GOOD ? 0 : 4;
}

static void
rv_95_fifty_processes_that_miss_at_once_fetch_once(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	pid_t pid[PROCESSES];
	int gate[2], status, n = PROCESSES;

	(void)state;
	shut(s);
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < n; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			(void)close(gate[1]);
			_exit(child(s, dir, cert, gate[0]));
		}
	}
	(void)close(gate[0]);
	responder_hold(s->r);
	(void)close(gate[1]);	/* all at once */
	responder_wait(s->r, 1);
	responder_let_go(s->r);
	for (int i = 0; i < n; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(responder_requests(s->r), 1);
	scene_free(s);
	pki_dir_free(dir);
}

static void
rv_95_a_fetcher_that_is_killed_is_followed_by_another(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	struct scene_got got;
	int gate[2], status;
	pid_t pid;

	(void)state;
	shut(s);
	assert_int_equal(pipe(gate), 0);
	responder_hold(s->r);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(gate[1]);
		_exit(child(s, dir, cert, gate[0]));
	}
	(void)close(gate[0]);
	(void)close(gate[1]);
	responder_wait(s->r, 1);	/* it holds the lease, */
	assert_int_equal(kill(pid, SIGSTOP), 0);	/* and does not give it up */
	{
		const char *allow[] = { "127.0.0.1", NULL };

		scene_reopen(s, dir, allow);
	}
	scene_ask(s, cert, NULL, 20000, 1, &got);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	/* the lease ends where its owner is seen to be gone, or by the clock */
	atomic_fetch_add(&s->clock, 120);
	responder_let_go(s->r);
	scene_wait(&got);
	assert_int_equal(got.list[0].status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
	pki_dir_free(dir);
}

static void
rv_102_a_child_asks_anew(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *one = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *two = scene_cert(s, NULL, "/ocsp");
	struct scene_got got;
	int status;
	pid_t pid;

	(void)state;
	/* the parent's thread runs, with a fetch under way */
	responder_hold(s->r);
	scene_ask(s, one, NULL, 20000, 1, &got);
	responder_wait(s->r, 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct scene_got mine;

		sst_work_cancel(s->work, got.ticket);	/* the parent's: not ours */
		scene_ask(s, two, NULL, 20000, 1, &mine);
		scene_wait(&mine);
		sst_work_free(s->work);
		_exit(mine.n == 1 && mine.list[0].status == SST_EV_GOOD ? 0 : 4);
	}
	/* at once: of a source that gives nothing for two seconds both would keep away,
	 * however long the child takes to begin */
	responder_let_go(s->r);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	scene_wait(&got);
	assert_int_equal(got.list[0].status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
	pki_dir_free(dir);
}

#endif

static void
who_cancels_is_not_called(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	struct scene_got gone, kept;

	(void)state;
	responder_hold(s->r);
	scene_ask(s, cert, NULL, 20000, 1, &gone);
	scene_ask(s, cert, NULL, 20000, 1, &kept);
	responder_wait(s->r, 1);
	sst_work_cancel(s->work, gone.ticket);
	responder_let_go(s->r);
	scene_wait(&kept);
	assert_int_equal(kept.list[0].status, SST_EV_GOOD);
	sst_work_cancel(s->work, kept.ticket);	/* it was answered: nothing */
	scene_free(s);
	assert_int_equal(gone.called, 0);
	assert_int_equal(kept.called, 1);
}

struct slow {
	sem_t		 inside, may_leave;
	atomic_int	 left;
};

static void
slow_done(void *arg, const struct sst_evidence *list, size_t n)
{
	struct slow *slow = arg;

	(void)list;
	(void)n;
	(void)sem_post(&slow->inside);
	(void)sem_wait(&slow->may_leave);
	atomic_store(&slow->left, 1);
}

static void *
let_go_soon(void *arg)
{
	struct slow *slow = arg;

	(void)usleep(100000);
	(void)sem_post(&slow->may_leave);
	return NULL;
}

static void
a_cancel_waits_for_a_call_that_is_under_way(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	const struct sst_work_ask ask = { .cert = cert->cert, .issuer = s->ca->cert,
	    .budget_ms = 20000, .is_leaf = 1 };
	struct slow slow = { .left = 0 };
	struct sst_work_ticket *ticket = NULL;
	pthread_t t;

	(void)state;
	assert_int_equal(sem_init(&slow.inside, 0, 0), 0);
	assert_int_equal(sem_init(&slow.may_leave, 0, 0), 0);
	assert_int_equal(sst_work_ask(s->work, &ask, slow_done, &slow, &ticket, NULL), 0);
	assert_int_equal(sem_wait(&slow.inside), 0);
	assert_int_equal(atomic_load(&slow.left), 0);
	assert_int_equal(pthread_create(&t, NULL, let_go_soon, &slow), 0);
	sst_work_cancel(s->work, ticket);
	assert_int_equal(atomic_load(&slow.left), 1);
	(void)pthread_join(t, NULL);
	scene_free(s);
}

static void
the_end_answers_everybody_and_blames_no_source(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	const char *allow[] = { "127.0.0.1", NULL };
	struct scene_got got[3];

	(void)state;
	responder_hold(s->r);
	for (int i = 0; i < 3; i++)
		scene_ask(s, cert, NULL, 20000, 1, &got[i]);
	responder_wait(s->r, 1);
	sst_work_free(s->work);
	s->work = NULL;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(got[i].called, 1);
		assert_true(got[i].n > 0);
		assert_int_equal(got[i].list[0].fault, SST_FAULT_TIMEOUT);
	}
	responder_let_go(s->r);
	scene_reopen(s, dir, allow);
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
	pki_dir_free(dir);
}

static void
a_closed_host_keeps_nobody_waiting_and_is_tried_behind(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *one = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *two = scene_cert(s, NULL, "/ocsp");
	struct sst_source_state st = { .timeouts = 2, .fail_count = 2,
	    .last_fault = SST_FAULT_TIMEOUT, .next_try = PKI_NOW + 60 };
	const char *url = responder_url(s->r, "/ocsp");
	struct sst_evidence e;

	(void)state;
	assert_int_equal(sst_cache_source_put(s->cache, url, &st), SST_OK);
	assert_int_equal(scene_fetch(s, one).fault, SST_FAULT_TIMEOUT);
	assert_int_equal(responder_requests(s->r), 0);
	/* its time has come: it is tried, and nobody waits for that */
	atomic_store(&s->clock, PKI_NOW + 60);
	responder_hold(s->r);
	assert_int_equal(scene_fetch(s, one).fault, SST_FAULT_TIMEOUT);
	responder_wait(s->r, 1);
	responder_let_go(s->r);
	while (!scene_cached(s, one, &e))
		(void)usleep(1000);
	assert_int_equal(scene_fetch(s, two).status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
}

static void
two_connect_time_outs_close_a_host_for_all_its_sources(void **state)
{
	struct scene *s = scene_new(NULL);
	int fds[8], port, n = responder_deaf(fds, &port);
	struct pki_cert *cert[3];
	struct sst_source_state st;
	char extra[128], url[64];
	int64_t begun;

	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(extra, sizeof(extra),
		    "crlDistributionPoints = URI:http://127.0.0.1:%d/%d\n", port, i);
		cert[i] = scene_cert_extra(s, extra);
	}
	assert_int_equal(scene_fetch(s, cert[0]).fault, SST_FAULT_TIMEOUT);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/0", port);
	assert_int_equal(sst_cache_source_get(s->cache, url, &st), 1);
	assert_int_equal(st.timeouts, 1);
	assert_true(st.next_try >= PKI_NOW + 22 && st.next_try <= PKI_NOW + 38);
	assert_int_equal(scene_fetch(s, cert[1]).fault, SST_FAULT_TIMEOUT);
	begun = sst_clock_ms();
	assert_int_equal(scene_fetch(s, cert[2]).fault, SST_FAULT_TIMEOUT);
	assert_true(sst_clock_ms() - begun < 1500);
	while (n > 0)
		(void)close(fds[--n]);
	scene_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wants_the_same_joins_and_is_told_about_his_own),
		cmocka_unit_test(rv_90_an_ask_ends_with_its_budget_and_the_fetch_goes_on),
#ifndef __SANITIZE_THREAD__	/* which allows no thread in a child of many threads */
		cmocka_unit_test(rv_95_fifty_processes_that_miss_at_once_fetch_once),
		cmocka_unit_test(rv_95_a_fetcher_that_is_killed_is_followed_by_another),
		cmocka_unit_test(rv_102_a_child_asks_anew),
#endif
		cmocka_unit_test(who_cancels_is_not_called),
		cmocka_unit_test(a_cancel_waits_for_a_call_that_is_under_way),
		cmocka_unit_test(the_end_answers_everybody_and_blames_no_source),
		cmocka_unit_test(a_closed_host_keeps_nobody_waiting_and_is_tried_behind),
		cmocka_unit_test(two_connect_time_outs_close_a_host_for_all_its_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
