/* SPDX-License-Identifier: ISC */
/* ours - staples are replaced while clients are shown them. */
#include <openssl/ocsp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "duo.h"
#include "meet.h"
#include "tls/ours.h"
#include "tls/staple.h"

#define WAIT_MS	20000

/* Who replaces staples as fast as it can, until it is told to stop. */
static struct {
	struct responder *http;
	struct pki_cert	*cert;
	struct sst_checker *checker;
	struct sst_store *store;	/* what is served */
	struct sst_store *seen;		/* what `ours` sees to: it comes and goes */
	struct sst_ours	*ours;
	struct pki_buf	 der[2];	/* what the program gives, in turn */
	pthread_mutex_t	 mu;		/* guards `staples` */
	struct sst_staples *staples;
	_Atomic int	 stop, rounds;
} b = { .mu = PTHREAD_MUTEX_INITIALIZER };

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	(void)arg, (void)q;
	reply->type = "application/ocsp-response";
	reply->body = duo_response(w.mid, b.cert, MADE_GOOD);
}

static int
set_up(void **state)
{
	const char *allow[2] = { NULL, NULL };

	(void)duo_setup(state);
	b.http = responder_new(answer, NULL);
	allow[0] = responder_allow(b.http);
	b.cert = pki_issue(w.mid, &(struct pki_spec){ .cn = "www", .san = DUO_HOST,
	    .ocsp = responder_url(b.http, "/") });
	b.store = meet_store(&b.cert, 1);
	b.seen = meet_store(&b.cert, 1);
	for (int i = 0; i < 2; i++)
		b.der[i] = duo_response_of(w.mid, b.cert, MADE_GOOD, w.now - 77 - i,
		    w.now + 3600);
	if (sst_staples_with(NULL, b.der[0].data, b.der[0].len, &b.staples, NULL) < 0)
		return -1;
	return sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .allow = allow, .no_service = 1 }, &b.checker, NULL);
}

static int
tear_down(void **state)
{
	sst_staples_unref(b.staples);
	sst_checker_unref(b.checker);
	sst_store_unref(b.store);
	sst_store_unref(b.seen);
	responder_free(b.http);
	pki_free(b.cert);
	for (int i = 0; i < 2; i++)
		pki_buf_free(&b.der[i]);
	return duo_teardown(state);
}

static void *
replace(void *arg)
{
	(void)arg;
	for (int i = 1; !atomic_load(&b.stop); i++) {
		const struct pki_buf *der = &b.der[i % 2];
		struct sst_staples *new = NULL, *old;

		if (sst_staples_with(NULL, der->data, der->len, &new, NULL) < 0)
			break;
		(void)pthread_mutex_lock(&b.mu);
		old = b.staples;
		b.staples = new;
		(void)pthread_mutex_unlock(&b.mu);
		sst_staples_unref(old);
		/* and what was fetched goes, and comes again out of the cache */
		if (i % 2 == 1)
			(void)sst_store_remove(b.seen, "*", NULL);
		else
			meet_put(b.seen, b.cert);
		sst_ours_sync(b.ours);
		(void)atomic_fetch_add(&b.rounds, 1);
	}
	return NULL;
}

/* 1: it is a response, and nothing follows it. */
static int
is_response(const unsigned char *der, long len)
{
	const unsigned char *at = der;
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, len);
	const int whole = r != NULL && at == der + len &&
	    OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL;

	OCSP_RESPONSE_free(r);
	return whole;
}

/* Whether a client is shown a whole one of those that were given; or, if they are
 * `fetched`, a whole one or none. */
static int
is_shown_well(int fetched)
{
	struct sst_staples *staples = NULL;
	const unsigned char *got = NULL;
	struct meet m;
	int whole = 0;
	long len;

	if (!fetched) {
		(void)pthread_mutex_lock(&b.mu);
		staples = sst_staples_ref(b.staples);
		(void)pthread_mutex_unlock(&b.mu);
	}
	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = b.store,
	    .staples = staples, .ours = fetched ? b.ours : NULL },
	    &(struct raw){ .ask_staple = 1, .sni = DUO_HOST });
	sst_staples_unref(staples);
	assert_int_equal(m.step, SST_STEP_DONE);
	len = SSL_get_tlsext_status_ocsp_resp(m.ssl, &got);
	if (fetched)
		whole = len <= 0 || is_response(got, len);
	for (int i = 0; i < 2 && !fetched; i++)
		whole |= len == (long)b.der[i].len &&
		    memcmp(got, b.der[i].data, (size_t)len) == 0;
	meet_done(&m);
	return whole;
}

static void
cs_41_a_client_gets_a_whole_staple_while_they_are_replaced(void **state)
{
	pthread_t thread;
	int wrong = 0;

	(void)state;
	assert_int_equal(sst_ours_new(&(struct sst_ours_config){ .checker = b.checker,
	    .store = b.seen }, &b.ours, NULL), SST_OK);
	sst_ours_sync(b.ours);
	assert_true(sst_ours_wait(b.ours, WAIT_MS));
	atomic_store(&b.stop, 0);
	atomic_store(&b.rounds, 0);
	assert_int_equal(pthread_create(&thread, NULL, replace, NULL), 0);
	for (int i = 0; i < 200 || atomic_load(&b.rounds) < 200; i++)
		wrong += !is_shown_well(i % 2);
	atomic_store(&b.stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(wrong, 0);
	sst_ours_unref(b.ours);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    cs_41_a_client_gets_a_whole_staple_while_they_are_replaced, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests_name("ours_busy", tests, duo_world_make,
	    duo_world_free);
}
