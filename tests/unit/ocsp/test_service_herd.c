/* SPDX-License-Identifier: ISC */
/*
 * Tests of many processes that miss the same thing at the same moment: the server
 * counts what reaches it.
 */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_herd.h"
#include "make_work.h"
#include "ocsp/cache.h"

#define PROCESSES	50
#define USERS		3

struct place {
	char		*dir, *cache;	/* what is asked; the cache's own directory */
	struct scene	*scene;
	struct pki_cert	*cert;
};

static int
place_setup(void **state)
{
	struct place *p = test_calloc(1, sizeof(*p));

	p->dir = pki_dir_new();
	p->cache = pki_dir_new();
	p->scene = scene_new(NULL);
	/* the clock of these processes is the machine's */
	p->scene->this_update = time(NULL) - 60;
	p->scene->next_update = time(NULL) + 86400;
	p->cert = scene_cert(p->scene, NULL, "/ocsp");
	herd_write(p->dir, "cert", p->cert);
	herd_write(p->dir, "ca", p->scene->ca);
	responder_see(p->scene->r);
	*state = p;
	return 0;
}

static int
place_teardown(void **state)
{
	struct place *p = *state;

	scene_free(p->scene);
	pki_dir_free(p->cache);
	pki_dir_free(p->dir);
	test_free(p);
	return 0;
}

static void
rv_95_fifty_processes_that_miss_fetch_once(void **state)
{
	struct place *p = *state;
	struct herd *h = herd_new(PROCESSES);
	const struct herd_check check = { .dir = p->dir, .name = "cert", .cache = p->cache };
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++)
		pids[i] = herd_check(h, &check);
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(herd_end(pids[i]), 0);
	assert_int_equal(responder_requests(p->scene->r), 1);
	assert_int_equal(atomic_load(&h->asked), PROCESSES);
	herd_free(h);
}

/* The other arm: what is revoked is refused by all, after one fetch too. */
static void
fifty_processes_learn_of_a_revocation_from_one_fetch(void **state)
{
	struct place *p = *state;
	struct herd *h = herd_new(PROCESSES);
	const struct herd_check check = { .dir = p->dir, .name = "cert", .cache = p->cache };
	pid_t pids[PROCESSES];

	p->scene->revoked = 1;
	responder_see(p->scene->r);
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = herd_check(h, &check);
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(herd_end(pids[i]), 1);
	assert_int_equal(responder_requests(p->scene->r), 1);
	herd_free(h);
}

static void
rv_95_when_who_fetches_is_killed_one_other_fetches(void **state)
{
	struct place *p = *state;
	struct herd *first = herd_new(1), *h = herd_new(PROCESSES);
	const struct herd_check check = { .dir = p->dir, .name = "cert", .cache = p->cache };
	pid_t owner, pids[PROCESSES - 1];

	responder_hold(p->scene->r);
	for (int i = 0; i < PROCESSES - 1; i++)
		pids[i] = herd_check(h, &check);
	while (atomic_load(&h->missed) < PROCESSES - 1)
		(void)sched_yield();
	owner = herd_check(first, &check);
	responder_wait(p->scene->r, 1);
	(void)pthread_barrier_wait(&h->barrier);
	/* some wait for it already */
	while (atomic_load(&h->asked) == 0)
		(void)sched_yield();
	(void)kill(owner, SIGKILL);
	assert_int_equal(herd_end(owner), -1);
	/* while the first request has no answer yet */
	responder_wait(p->scene->r, 2);
	responder_let_go(p->scene->r);
	for (int i = 0; i < PROCESSES - 1; i++)
		assert_int_equal(herd_end(pids[i]), 0);
	assert_int_equal(responder_requests(p->scene->r), 2);
	herd_free(h);
	herd_free(first);
}

/* What is kept says it: of the file itself, or to who only reads. */
static enum sst_evidence_status
kept(const struct place *p, int is_writer)
{
	const struct sst_cache_config config = { .dir = p->cache, .may_write = is_writer };
	const struct sst_cert_facts *facts;
	struct sst_evidence list[4];
	struct sst_limits limits;
	struct sst_cache *c = NULL;
	int n;

	assert_int_equal(sst_facts_of(p->cert->cert, p->scene->ca->cert, &facts, NULL), 0);
	assert_int_equal(sst_cache_open(&config, &c, NULL), SST_OK);
	if (sst_cache_mode(c) != (is_writer ? SST_CACHE_WRITER : SST_CACHE_SNAPSHOT))
		fail_msg("%s", sst_cache_why(c));
	sst_limits_of(NULL, &limits);
	n = sst_cache_get(c, facts, time(NULL), &limits, list, 4);
	sst_cache_close(c);
	return n == 1 ? list[0].status : SST_EV_NOTHING;
}

/* Else what was fetched would be in one process's memory, and fetched once more by the
 * next. */
static void
who_fetches_waits_for_another_writer(void **state)
{
	struct place *p = *state;
	struct herd *h = herd_new(2);
	const struct herd_check check = { .dir = p->dir, .name = "cert", .cache = p->cache };
	sqlite3 *db = NULL;
	pid_t pid = herd_check(h, &check);

	responder_hold(p->scene->r);
	(void)pthread_barrier_wait(&h->barrier);
	responder_wait(p->scene->r, 1);
	assert_int_equal(sqlite3_open(pki_path(p->cache, "live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	responder_let_go(p->scene->r);
	/* far longer than others wait, far shorter than this one does */
	(void)poll(NULL, 0, 300);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(herd_end(pid), 0);
	assert_int_equal(responder_requests(p->scene->r), 1);
	assert_int_equal(kept(p, 1), SST_EV_GOOD);
	herd_free(h);
}

static void
rv_95_three_users_and_the_machines_service_fetch_once(void **state)
{
	struct place *p = *state;
	char path[256];
	int stop[2];
	struct herd *h;
	struct herd_serve serve = { .dir = p->dir, .cache = p->cache, .uid = HERD_UID };
	struct herd_check check = { .dir = p->dir, .name = "cert", .cache = "",
	    .service = path };
	pid_t service, pids[PROCESSES];

	if (geteuid() != 0)
		skip();
	h = herd_new(PROCESSES);
	assert_int_equal(chown(p->cache, HERD_UID, HERD_UID), 0);
	assert_int_equal(chmod(p->cache, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/cache.sock", p->dir);
	assert_int_equal(pipe(stop), 0);
	serve.listen_fd = herd_listen(path);
	serve.stop_fd = stop[0];
	service = herd_serve(&serve);
	for (int i = 0; i < PROCESSES; i++) {
		check.uid = HERD_UID + 1 + (uid_t)(i % USERS);
		pids[i] = herd_check(h, &check);
	}
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(herd_end(pids[i]), 0);
	assert_int_equal(responder_requests(p->scene->r), 1);
	assert_int_equal(write(stop[1], "", 1), 1);
	assert_int_equal(herd_end(service), 0);
	assert_int_equal(kept(p, 0), SST_EV_GOOD);
	(void)close(serve.listen_fd);
	(void)close(stop[0]);
	(void)close(stop[1]);
	herd_free(h);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(rv_95_fifty_processes_that_miss_fetch_once),
		T(fifty_processes_learn_of_a_revocation_from_one_fetch),
		T(rv_95_when_who_fetches_is_killed_one_other_fetches),
		T(who_fetches_waits_for_another_writer),
		T(rv_95_three_users_and_the_machines_service_fetch_once),
	};
	int rc = herd_main(argc, argv);

	return rc >= 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
