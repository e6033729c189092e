/* SPDX-License-Identifier: ISC */
/* Tests of work.c: what is fetched again in the background, before it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_work.h"

#define HOUR		((int64_t)3600)

/* Waits until the server was asked `n` times, with the clock at `at`. */
static void
move_clock(struct scene *s, int64_t at, int n)
{
	atomic_store(&s->clock, at);
	sst_work_wake(s->work);
	responder_wait(s->r, n);
}

/* Waits until what came of the try at this time was noted. */
static struct sst_source_state
noted(struct scene *s, const char *path, int64_t at)
{
	struct sst_source_state st = { 0 };

	while (sst_cache_source_get(s->cache, responder_url(s->r, path), &st) != 1 ||
	    st.last_try != at)
		(void)usleep(1000);
	responder_see(s->r);
	return st;
}

static void
evidence_is_fetched_again_before_it_ends(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, NULL, "/ocsp");
	struct sst_evidence e, newer;

	(void)state;
	s->this_update = PKI_NOW;
	s->next_update = PKI_NOW + 100 * HOUR;
	e = scene_fetch(s, cert);
	atomic_store(&s->clock, PKI_NOW + 49 * HOUR);
	sst_work_wake(s->work);
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 1);
	s->this_update = PKI_NOW + 50 * HOUR;
	s->next_update = PKI_NOW + 150 * HOUR;
	move_clock(s, PKI_NOW + 61 * HOUR, 2);
	do {
		assert_int_equal(scene_cached(s, cert, &newer), 1);
	} while (newer.this_update == e.this_update);
	assert_int_equal(newer.until, PKI_NOW + 150 * HOUR);
	scene_free(s);
}

static void
rv_93_a_list_that_has_not_changed_keeps_its_times(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, "/crl", NULL);
	struct sst_evidence e;

	(void)state;
	s->this_update = PKI_NOW;
	s->next_update = PKI_NOW + 100 * HOUR;
	s->crl.headers = "ETag: \"v1\"\r\n";
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	assert_null(strstr(s->headers, "If-None-Match"));
	s->crl.status = 304;
	move_clock(s, PKI_NOW + 13 * HOUR, 2);
	assert_int_equal(noted(s, "/crl", PKI_NOW + 13 * HOUR).http_status, 304);
	/* the next is due half a day after the one that brought nothing */
	assert_non_null(strstr(s->headers, "If-None-Match: \"v1\""));
	assert_int_equal(scene_cached(s, cert, &e), 1);
	assert_int_equal(e.until, PKI_NOW + 100 * HOUR);
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);	/* it is used */
	s->crl.status = 0;
	s->number = 2;
	s->revoked = 1;
	s->this_update = PKI_NOW + 25 * HOUR;
	s->next_update = PKI_NOW + 125 * HOUR;
	move_clock(s, PKI_NOW + 26 * HOUR, 3);
	do {
		assert_int_equal(scene_cached(s, cert, &e), 1);
	} while (e.status != SST_EV_REVOKED);
	scene_free(s);
}

static void
what_the_cache_gave_is_fetched_again_in_time(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *cert = scene_cert(s, "/crl", "/ocsp");
	const char *allow[] = { "127.0.0.1", NULL };
	struct sst_work_ask ask = { .cert = cert->cert, .issuer = s->ca->cert, .is_leaf = 1 };
	struct sst_evidence e;

	(void)state;
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	scene_reopen(s, dir, allow);	/* another process, as it were */
	assert_int_equal(scene_cached(s, cert, &e), 1);
	assert_int_equal(e.source, SST_SOURCE_CRL);
	sst_work_keep(s->work, &ask, &e);
	s->number = 2;
	move_clock(s, PKI_NOW + 13 * HOUR, 2);
	(void)noted(s, "/crl", PKI_NOW + 13 * HOUR);
	assert_int_equal(strncmp(s->log[1], "GET /crl", 8), 0);
	/* as of another time: nothing is kept */
	scene_reopen(s, dir, allow);
	ask.now = PKI_NOW;
	sst_work_keep(s->work, &ask, &e);
	atomic_fetch_add(&s->clock, 26 * HOUR);
	sst_work_wake(s->work);
	scene_free(s);
	pki_dir_free(dir);
}

static void
a_background_fetch_that_fails_is_tried_again_later(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, NULL, "/ocsp");
	struct sst_source_state st;
	struct sst_evidence e;
	int64_t at = PKI_NOW + 61 * HOUR;

	(void)state;
	s->this_update = PKI_NOW;
	s->next_update = PKI_NOW + 100 * HOUR;
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	s->ocsp.manner = RESPONDER_RESET;
	move_clock(s, at, 2);
	st = noted(s, "/ocsp", at);
	assert_int_equal(st.fail_count, 1);
	assert_int_equal(st.last_fault, SST_FAULT_CONNECT);
	assert_true(st.next_try > at && st.next_try <= at + 38);
	assert_int_equal(scene_cached(s, cert, &e), 1);
	assert_int_equal(e.until, PKI_NOW + 100 * HOUR);
	/* the failure is the source's: it answers again, and is asked again */
	s->ocsp.manner = RESPONDER_PLAIN;
	s->this_update = at;
	s->next_update = at + 100 * HOUR;
	move_clock(s, at + 60, responder_requests(s->r) + 1);
	do {
		assert_int_equal(scene_cached(s, cert, &e), 1);
	} while (e.until != at + 100 * HOUR);
	scene_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_is_fetched_again_before_it_ends),
		cmocka_unit_test(rv_93_a_list_that_has_not_changed_keeps_its_times),
		cmocka_unit_test(what_the_cache_gave_is_fetched_again_in_time),
		cmocka_unit_test(a_background_fetch_that_fails_is_tried_again_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
