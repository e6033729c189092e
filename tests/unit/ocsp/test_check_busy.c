/* SPDX-License-Identifier: ISC */
/*
 * Tests of a check whose cache others have locked just now: it waits for that on the
 * checker's thread, also where nothing is fetched.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_response.h"
#include "securesockets/revocation.h"
#include "support/responder.h"
#include "support/wall.h"

struct world {
	struct responder *responder;
	struct pki_cert	*root, *leaf;
	STACK_OF(X509)	*chain;
	char		*dir;
	int		 fd;		/* has the lock of the cache's directory */
};

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *a)
{
	(void)arg;
	(void)q;
	a->status = 404;
}

/* A checker whose cache is in the world's directory. */
static struct sst_checker *
checker_of(const struct world *w, int no_fetch)
{
	const char *allow[] = { responder_allow(w->responder), NULL };
	const struct sst_checker_config config = { .cache_dir = pki_path(w->dir, "c"),
	    .allow = allow, .no_service = 1, .no_fetch = no_fetch };
	struct sst_checker *checker = NULL;

	assert_int_equal(sst_checker_new(&config, &checker, NULL), SST_OK);
	return checker;
}

static struct sst_check *
check_with(struct world *w, struct sst_checker *checker,
    const struct sst_revocation_policy *policy)
{
	struct sst_check *k = NULL;

	assert_int_equal(sst_check_new(checker, policy, w->chain, &k, NULL), SST_OK);
	return k;
}

/* The cache knows that the leaf is revoked, and is locked as by a process that just
 * makes it. */
static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sst_checker *checker;
	struct pki_buf der = { 0 };
	struct sst_check *k;

	w->responder = responder_new(answer, w);
	w->root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w->leaf = pki_issue(w->root, &(struct pki_spec){ .cn = "www",
	    .ocsp = responder_url(w->responder, "/ocsp") });
	w->chain = sk_X509_new_null();
	(void)sk_X509_push(w->chain, w->leaf->cert);
	(void)sk_X509_push(w->chain, w->root->cert);
	w->dir = pki_dir_new();
	make_response(&(struct made_response){ .signer = w->root, .singles = { {
	    .cert = w->leaf, .status = MADE_REVOKED } } }, &der);
	checker = checker_of(w, 1);
	k = check_with(w, checker, NULL);
	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	sst_check_free(k);
	sst_checker_unref(checker);
	pki_buf_free(&der);
	w->fd = open(pki_path(w->dir, "c/lock"), O_RDWR | O_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(flock(w->fd, LOCK_EX), 0);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	(void)close(w->fd);
	responder_free(w->responder);
	sk_X509_free(w->chain);
	pki_free(w->leaf);
	pki_free(w->root);
	pki_dir_free(w->dir);
	free(w);
	return 0;
}

static void
let_go(const struct world *w)
{
	assert_int_equal(flock(w->fd, LOCK_UN), 0);
}

static void
post(void *arg)
{
	(void)sem_post(arg);
}

static void
count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

/* By the checker's word, by the policy's, or both. */
static void
who_fetches_nothing_waits_for_the_cache_on_the_checkers_thread(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		const struct sst_revocation_policy policy = { .budget_ms = 20000,
		    .fetch = i > 0 ? SST_SWITCH_OFF : SST_SWITCH_DEFAULT };
		struct sst_checker *checker = checker_of(w, i != 1);
		struct sst_check *k = check_with(w, checker, &policy);
		struct sst_check *gone = check_with(w, checker, &policy);
		atomic_int told = 0;
		sem_t done;

		(void)sem_init(&done, 0, 0);
		assert_int_equal(flock(w->fd, LOCK_EX), 0);
		assert_int_equal(sst_check_start(k, post, &done, NULL), SST_OK);
		assert_int_equal(sst_check_start(gone, count, &told, NULL), SST_OK);
		assert_int_not_equal(sem_trywait(&done), 0);
		sst_check_free(gone);
		let_go(w);
		(void)sem_wait(&done);
		assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
		assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_REVOKED);
		assert_int_equal(atomic_load(&told), 0);
		sst_check_free(k);
		sst_checker_unref(checker);
		(void)sem_destroy(&done);
	}
	assert_int_equal(responder_requests(w->responder), 0);
}

/* Also where the cache turns out to know nothing: then nothing is known. */
static void
who_fetches_nothing_fetches_nothing_after_it_either(void **state)
{
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_HARD,
	    .budget_ms = 20000, .fetch = SST_SWITCH_OFF };
	struct world *w = *state;
	struct sst_checker *checker = checker_of(w, 0);
	struct pki_cert *leaf = pki_issue(w->root, &(struct pki_spec){ .cn = "other",
	    .ocsp = responder_url(w->responder, "/ocsp") });
	struct sst_check *k;
	sem_t done;

	(void)sem_init(&done, 0, 0);
	(void)sk_X509_set(w->chain, 0, leaf->cert);
	k = check_with(w, checker, &policy);
	assert_int_equal(sst_check_start(k, post, &done, NULL), SST_OK);
	let_go(w);
	(void)sem_wait(&done);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_ERROR);
	assert_int_equal(responder_requests(w->responder), 0);
	sst_check_free(k);
	sst_checker_unref(checker);
	pki_free(leaf);
	(void)sem_destroy(&done);
}

/* What the cache would say is not known when the time is over: that is said. */
static void
a_cache_that_stays_locked_ends_with_the_budget(void **state)
{
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD,
	    .budget_ms = 100 };
	struct world *w = *state;
	struct sst_checker *checker = checker_of(w, 1);
	struct sst_check *k = check_with(w, checker, &hard);
	const char *const *lines;
	int n, said = 0;

	assert_int_equal(sst_check_wait(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_ERROR);
	n = sst_check_reasons(k, 0, &lines);
	for (int i = 0; i < n; i++)
		said += strstr(lines[i], "locked for too long") != NULL;
	assert_int_equal(said, 1);
	sst_check_free(k);
	sst_checker_unref(checker);
}

/* It may fetch, but what the cache knows costs no request. */
static void
who_may_fetch_waits_a_moment_for_the_cache(void **state)
{
	const struct sst_revocation_policy soft = { .budget_ms = 20000 };
	struct world *w = *state;
	struct sst_checker *checker = checker_of(w, 0);
	struct sst_check *k = check_with(w, checker, &soft);
	sem_t done;

	(void)sem_init(&done, 0, 0);
	assert_int_equal(sst_check_now(k, NULL), 0);
	assert_int_equal(sst_check_start(k, post, &done, NULL), SST_OK);
	let_go(w);
	(void)sem_wait(&done);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 0)->from_cache, 1);
	assert_int_equal(responder_requests(w->responder), 0);
	sst_check_free(k);
	sst_checker_unref(checker);
	(void)sem_destroy(&done);
}

/* A process that stopped in the middle of a change: it costs the checker's thread one
 * wait, and not one for each that asks. */
static void
a_file_that_stays_locked_holds_up_the_thread_once(void **state)
{
	enum { N = 6 };
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD,
	    .budget_ms = 10000 };
	struct world *w = *state;
	struct pki_cert *leaf[N];
	struct sst_checker *checker = checker_of(w, 0);
	struct sst_check *k[N];
	sqlite3 *other = NULL;
	sem_t done;

	let_go(w);
	(void)sem_init(&done, 0, 0);
	assert_string_not_equal(sst_checker_cache(checker), "memory");
	assert_int_equal(sqlite3_open(pki_path(w->dir, "c/live.db"), &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < N; i++) {
		leaf[i] = pki_issue(w->root, &(struct pki_spec){ .cn = "other",
		    .ocsp = responder_url(w->responder, "/ocsp") });
		(void)sk_X509_set(w->chain, 0, leaf[i]->cert);
		k[i] = check_with(w, checker, &hard);
		assert_int_equal(sst_check_start(k[i], post, &done, NULL), SST_OK);
	}
	for (int i = 0; i < N; i++)
		(void)sem_wait(&done);
	/* nobody's time was up before he was asked */
	assert_true(responder_requests(w->responder) >= N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(sst_check_now(k[i], NULL), SST_E_REFUSED);
		sst_check_free(k[i]);
		pki_free(leaf[i]);
	}
	(void)sqlite3_close(other);
	sst_checker_unref(checker);
	(void)sem_destroy(&done);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(who_fetches_nothing_waits_for_the_cache_on_the_checkers_thread),
		T(who_fetches_nothing_fetches_nothing_after_it_either),
		T(a_cache_that_stays_locked_ends_with_the_budget),
		T(who_may_fetch_waits_a_moment_for_the_cache),
		T(a_file_that_stays_locked_holds_up_the_thread_once),
	};

	atomic_store(&wall, PKI_NOW);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
