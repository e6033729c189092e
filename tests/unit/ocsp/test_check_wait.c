/* SPDX-License-Identifier: ISC */
/* Tests of a check that has to ask: what is fetched, once, within its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <semaphore.h>

#include "make_crl.h"
#include "make_response.h"
#include "securesockets/revocation.h"
#include "support/responder.h"

struct world {
	struct responder *responder;
	struct pki_cert	*root, *ca, *leaf;
	STACK_OF(X509)	*chain;
	struct sst_checker *checker;
	atomic_int	 revoked;	/* the lists name the leaf and its CA */
	atomic_int	 silent;
	atomic_int	 asked_ocsp;
};

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *a)
{
	struct world *w = arg;
	const struct pki_cert *issuer = strcmp(q->path, "/root") == 0 ? w->root : w->ca;
	const struct make_crl_row row = { .cert = w->leaf };

	if (atomic_load(&w->silent)) {
		a->manner = RESPONDER_SILENT;
	} else if (strcmp(q->path, "/root") == 0 || strcmp(q->path, "/ca") == 0) {
		a->type = "application/pkix-crl";
		a->body = make_crl(&(struct make_crl){ .issuer = issuer, .rows = &row,
		    .n_rows = issuer == w->ca && atomic_load(&w->revoked) });
	} else {
		atomic_fetch_add(&w->asked_ocsp, 1);
		a->status = 404;
	}
}

/* A checker that keeps in memory alone, and may ask the responder. */
static struct sst_checker *
checker_of(const struct world *w)
{
	const char *allow[] = { responder_allow(w->responder), NULL };
	const struct sst_checker_config config = { .cache_dir = "", .allow = allow,
	    .no_service = 1 };
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };

	if (sst_checker_new(&config, &checker, &err) < 0)
		fail_msg("%s", err.text);
	return checker;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->responder = responder_new(answer, w);
	w->root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w->ca = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .crl = responder_url(w->responder, "/root"),
	    .ocsp = responder_url(w->responder, "/ocsp") });
	w->leaf = pki_issue(w->ca, &(struct pki_spec){ .cn = "www", .san = "www.example.com",
	    .crl = responder_url(w->responder, "/ca") });
	w->chain = sk_X509_new_null();
	(void)sk_X509_push(w->chain, w->leaf->cert);
	(void)sk_X509_push(w->chain, w->ca->cert);
	(void)sk_X509_push(w->chain, w->root->cert);
	w->checker = checker_of(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	sst_checker_unref(w->checker);
	responder_free(w->responder);
	sk_X509_free(w->chain);
	pki_free(w->leaf);
	pki_free(w->ca);
	pki_free(w->root);
	free(w);
	return 0;
}

static struct sst_check *
check_with(struct world *w, const struct sst_revocation_policy *policy)
{
	struct sst_check *k = NULL;

	assert_int_equal(sst_check_new(w->checker, policy, w->chain, &k, NULL), SST_OK);
	sst_check_at(k, PKI_NOW);
	return k;
}

static struct sst_check *
check_of(struct world *w, enum sst_revocation_mode mode)
{
	const struct sst_revocation_policy policy = { .mode = mode, .budget_ms = 20000,
	    .hard_chain = SST_SWITCH_ON };

	return check_with(w, &policy);
}

static void
post(void *arg)
{
	(void)sem_post(arg);
}

static void
what_is_missing_is_fetched_once_for_both_certificates(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);
	sem_t done;

	(void)sem_init(&done, 0, 0);
	assert_int_equal(sst_check_now(k, NULL), 0);
	assert_int_equal(responder_requests(w->responder), 0);
	/* both at once: neither is answered before the other is met */
	responder_hold(w->responder);
	assert_int_equal(sst_check_start(k, post, &done, NULL), SST_OK);
	responder_wait(w->responder, 2);
	assert_int_not_equal(sem_trywait(&done), 0);
	responder_let_go(w->responder);
	(void)sem_wait(&done);
	assert_int_equal(sst_check_now(k, NULL), 1);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_GOOD);
	assert_int_equal(sst_check_result(k, 1)->verdict, SST_VERDICT_GOOD);
	assert_string_equal(sst_check_result(k, 0)->url, responder_url(w->responder, "/ca"));
	sst_check_free(k);
	/* the next one finds it */
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_now(k, NULL), 1);
	assert_int_equal(sst_check_result(k, 0)->from_cache, 1);
	sst_check_free(k);
	assert_int_equal(responder_requests(w->responder), 2);
	/* an intermediate's OCSP responder is never asked */
	assert_int_equal(atomic_load(&w->asked_ocsp), 0);
	(void)sem_destroy(&done);
}

static void
what_is_fetched_may_refuse(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);
	struct sst_error err = { 0 };

	atomic_store(&w->revoked, 1);
	assert_int_equal(sst_check_now(k, &err), 0);
	assert_int_equal(err.text[0], '\0');
	assert_int_equal(sst_check_wait(k, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "revoked"));
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_REVOKED);
	sst_check_free(k);
	k = check_of(w, SST_REVOCATION_SOFT);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	sst_check_free(k);
}

static void
what_may_not_be_fetched_is_not(void **state)
{
	const struct sst_revocation_policy policies[] = {
		{ .mode = SST_REVOCATION_HARD, .fetch = SST_SWITCH_OFF },
		{ .mode = SST_REVOCATION_HARD, .use_crls = SST_SWITCH_OFF },
		{ .mode = SST_REVOCATION_STAPLE }, { .mode = SST_REVOCATION_OFF },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct sst_check *k = check_with(w, &policies[i]);

		assert_int_equal(sst_check_wait(k, NULL), policies[i].mode ==
		    SST_REVOCATION_OFF ? SST_OK : SST_E_REFUSED);
		sst_check_free(k);
		/* the staple mode asks for the intermediate, but the leaf has lost */
		assert_int_equal(responder_requests(w->responder), 0);
	}
}

static void
a_chain_that_is_refused_for_good_costs_no_request(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_SOFT);
	const struct make_crl_row row = { .cert = w->ca };
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = w->root, .rows = &row,
	    .n_rows = 1 });

	assert_int_equal(sst_check_crl(k, der.data, der.len, NULL), SST_OK);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_wait(k, NULL), SST_E_REFUSED);
	assert_int_equal(responder_requests(w->responder), 0);
	sst_check_free(k);
	pki_buf_free(&der);
}

static void
rv_90_the_time_is_kept_whatever_the_responder_does(void **state)
{
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD,
	    .budget_ms = 300 };
	const struct sst_revocation_policy soft = { .mode = SST_REVOCATION_SOFT,
	    .budget_ms = 300 };
	struct world *w = *state;
	struct timespec from, to;
	struct sst_check *k;

	atomic_store(&w->silent, 1);
	k = check_with(w, &hard);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(sst_check_wait(k, NULL), SST_E_REFUSED);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 5);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_ERROR);
	/* and it is over: nothing is asked again for this check */
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	sst_check_free(k);
	k = check_with(w, &soft);
	assert_int_equal(sst_check_wait(k, NULL), SST_OK);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_ERROR);
	sst_check_free(k);
}

static void
count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
a_check_that_is_freed_is_not_told(void **state)
{
	struct world *w = *state;
	atomic_int told = 0;

	for (int i = 0; i < 10; i++) {
		struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

		if (i == 0)
			responder_hold(w->responder);
		assert_int_equal(sst_check_start(k, count, &told, NULL), SST_OK);
		if (i == 0)
			responder_wait(w->responder, 2);
		sst_check_free(k);
		assert_int_equal(atomic_load(&told), 0);
	}
	responder_let_go(w->responder);
	/* what was begun for them is there for the next */
	{
		struct sst_check *k = check_of(w, SST_REVOCATION_HARD);

		assert_int_equal(sst_check_wait(k, NULL), SST_OK);
		sst_check_free(k);
	}
	assert_int_equal(atomic_load(&told), 0);
	assert_int_equal(responder_requests(w->responder), 2);
}

struct last {
	struct sst_check *check;
	sem_t		 done;
	int		 rc;
};

static void
judge_and_free(void *arg)
{
	struct last *l = arg;

	l->rc = sst_check_now(l->check, NULL);
	sst_check_free(l->check);
	(void)sem_post(&l->done);
}

static void
a_check_may_be_freed_by_who_is_told(void **state)
{
	struct world *w = *state;
	struct last l = { .check = check_of(w, SST_REVOCATION_HARD) };

	(void)sem_init(&l.done, 0, 0);
	assert_int_equal(sst_check_start(l.check, judge_and_free, &l, NULL), SST_OK);
	(void)sem_wait(&l.done);
	assert_int_equal(l.rc, 1);
	(void)sem_destroy(&l.done);
}

static void
who_has_nothing_to_ask_is_told_at_once(void **state)
{
	struct world *w = *state;
	struct sst_check *k = check_of(w, SST_REVOCATION_HARD);
	atomic_int told = 0;

	assert_int_equal(sst_check_wait(k, NULL), SST_OK);
	sst_check_free(k);
	k = check_of(w, SST_REVOCATION_HARD);
	assert_int_equal(sst_check_start(k, count, &told, NULL), SST_OK);
	assert_int_equal(atomic_load(&told), 1);
	assert_int_equal(sst_check_now(k, NULL), 1);
	sst_check_free(k);
	k = check_of(w, SST_REVOCATION_OFF);
	assert_int_equal(sst_check_start(k, count, &told, NULL), SST_OK);
	assert_int_equal(atomic_load(&told), 2);
	sst_check_free(k);
}

static void
many_checks_share_one_fetch(void **state)
{
	struct world *w = *state;
	struct sst_check *k[20];
	sem_t done;

	(void)sem_init(&done, 0, 0);
	responder_hold(w->responder);
	for (int i = 0; i < 20; i++) {
		k[i] = check_of(w, SST_REVOCATION_HARD);
		assert_int_equal(sst_check_start(k[i], post, &done, NULL), SST_OK);
	}
	responder_let_go(w->responder);
	for (int i = 0; i < 20; i++)
		(void)sem_wait(&done);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(sst_check_now(k[i], NULL), 1);
		sst_check_free(k[i]);
	}
	assert_int_equal(responder_requests(w->responder), 2);
	(void)sem_destroy(&done);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(what_is_missing_is_fetched_once_for_both_certificates),
		T(what_is_fetched_may_refuse),
		T(what_may_not_be_fetched_is_not),
		T(a_chain_that_is_refused_for_good_costs_no_request),
		T(rv_90_the_time_is_kept_whatever_the_responder_does),
		T(a_check_that_is_freed_is_not_told),
		T(a_check_may_be_freed_by_who_is_told),
		T(who_has_nothing_to_ask_is_told_at_once),
		T(many_checks_share_one_fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
