/* SPDX-License-Identifier: ISC */
/* Tests of fetch.c: what is brought, what is given up, and whose turn it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "world_fetch.h"

static void
a_body_is_brought_as_it_was_sent(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct fetch_got got = { 0 };
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/a/b%2F?c=d"));
	static char big[60000];

	(void)state;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_int_equal(got.a.http_status, 200);
	assert_int_equal(got.a.len, 6);
	assert_string_equal(got.body, "answer");
	assert_string_equal(w->path, "/a/b%2F?c=d");
	assert_string_equal(w->method, "GET");
	assert_null(strcasestr(w->headers, "Accept-Encoding"));
	assert_null(strcasestr(w->headers, "Cookie"));
	assert_null(strcasestr(w->headers, "Authorization"));
	assert_null(strcasestr(w->headers, "If-"));

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	w->text = big;
	w->text_len = sizeof(big);
	w->next.manner = RESPONDER_NO_LENGTH;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.len, sizeof(big));
	assert_memory_equal(got.body, big, sizeof(big));
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
a_post_carries_its_body(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct fetch_got got = { 0 };
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));

	(void)state;
	ask.post = "request";
	ask.post_len = 7;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(w->method, "POST");
	assert_string_equal(w->body, "request");
	assert_non_null(strcasestr(w->headers, "Content-Type: application/ocsp-request"));
	fetch_got_free(&got);
	fetch_world_free(w);
}

/* The server may be busy with the last request still: a new one is a new world. */
static void
next_is(struct fetch_world *w, enum responder_manner manner, struct sst_fetch_ask *ask)
{
	struct responder *old = w->r;

	w->r = NULL;
	responder_free(old);
	w->next.manner = manner;
	w->r = responder_new(fetch_answer, w);
	fetch_allow_only(w, "127.0.0.1", NULL);
	ask->url = responder_url(w->r, "/");
}

/* Everything that takes too long ends at the deadline. */
static void
timed(struct fetch_world *w, struct sst_fetch_ask *ask, int was_timeout)
{
	struct fetch_got got = { 0 };
	int64_t begun = sst_clock_ms(), took_ms;

	ask->total_ms = 300;
	fetch_one(w, ask, &got);
	took_ms = sst_clock_ms() - begun;
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	assert_int_equal(got.a.was_timeout, was_timeout);
	assert_true(took_ms >= 250 && took_ms < 5000);
	fetch_got_free(&got);
}

static void
rv_90_the_deadline_holds_whatever_is_slow(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask other = fetch_ask_of("");
	int fds[8], n, port;
	char url[64], allow[32];
	struct fetch_got got = { 0 };

	(void)state;
	next_is(w, RESPONDER_SILENT, &ask);
	timed(w, &ask, 0);
	next_is(w, RESPONDER_DRIP_HEAD, &ask);
	timed(w, &ask, 0);
	w->text = "0123456789012345678901234567890123456789";
	w->text_len = 40;
	next_is(w, RESPONDER_DRIP_BODY, &ask);
	timed(w, &ask, 0);

	/* a connection that is never made */
	n = responder_deaf(fds, &port);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	(void)snprintf(allow, sizeof(allow), "127.0.0.1:%d", port);
	fetch_allow_only(w, allow, NULL);
	other.url = url;
	timed(w, &other, 1);
	while (n > 0)
		(void)close(fds[--n]);

	/* a name that is never fetch_resolved */
	fetch_leads_to[0] = "127.0.0.1";
	(void)pthread_mutex_lock(&fetch_slow);
	other.url = "http://slow.test/";
	timed(w, &other, 1);
	(void)pthread_mutex_unlock(&fetch_slow);

	/* the same server, not slow */
	next_is(w, RESPONDER_PLAIN, &ask);
	ask.total_ms = 10000;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
rv_81_a_drip_is_given_up_before_the_deadline(void **state)
{
	struct fetch_world *w = fetch_world_new();
	static char text[2000];
	struct sst_fetch_ask ask = fetch_crl_of(responder_url(w->r, "/"));
	struct fetch_got got = { 0 };
	int64_t begun = sst_clock_ms();

	(void)state;
	w->text = text;
	w->text_len = sizeof(text);	/* 40 s at that speed */
	w->next.manner = RESPONDER_DRIP_BODY;
	ask.total_ms = 30000;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	assert_true(sst_clock_ms() - begun < 15000);
	w->next.manner = RESPONDER_PLAIN;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
rv_42_81_a_body_over_its_cap_ends_the_transfer(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_crl_of(responder_url(w->r, "/"));
	char *text = calloc(1, 100001);
	struct fetch_got got = { 0 };
	static const enum responder_manner ways[] = { RESPONDER_PLAIN, RESPONDER_NO_LENGTH };

	(void)state;
	ask.max_bytes = 100000;
	w->text = text;
	for (size_t i = 0; i < 2; i++) {
		w->next.manner = ways[i];
		w->text_len = 100000;
		fetch_one(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
		assert_int_equal(got.a.len, 100000);
		w->text_len = 100001;
		fetch_one(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_SIZE);
		assert_int_equal(got.a.len, 0);
	}
	w->next.manner = RESPONDER_ENDLESS;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_SIZE);
	w->next.manner = RESPONDER_HEADERS;
	fetch_one(w, &ask, &got);
	assert_true(got.a.fault == SST_FAULT_SIZE || got.a.fault == SST_FAULT_CONNECT);
	/* a refusal with a page that is too large is still a refusal */
	w->next.manner = RESPONDER_PLAIN;
	w->next.status = 404;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(got.a.http_status, 404);
	free(text);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
a_status_becomes_its_fault(void **state)
{
	static const struct {
		int status;
		const char *headers;
		enum sst_fault fault;
		int retry_after;
	} cases[] = {
		{ 200, NULL, SST_FAULT_NONE, 0 },
		{ 204, NULL, SST_FAULT_HTTP, 0 },
		{ 301, "Location: /\r\n", SST_FAULT_HTTP, 0 },
		{ 304, NULL, SST_FAULT_HTTP, 0 },
		{ 400, NULL, SST_FAULT_HTTP, 0 },
		{ 404, "Retry-After: 7\r\n", SST_FAULT_HTTP, 7 },
		{ 499, NULL, SST_FAULT_HTTP, 0 },
		{ 500, NULL, SST_FAULT_TRY_LATER, 0 },
		{ 503, "Retry-After: 120\r\n", SST_FAULT_TRY_LATER, 120 },
		{ 503, "Retry-After: 3600\r\n", SST_FAULT_TRY_LATER, 3600 },
		{ 503, "Retry-After: 99999999\r\n", SST_FAULT_TRY_LATER, 3600 },
	};
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct fetch_got got = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->next.status = cases[i].status;
		w->next.headers = cases[i].headers;
		w->text_len = cases[i].status == 204 || cases[i].status == 304 ? 0 : 6;
		fetch_one(w, &ask, &got);
		assert_int_equal(got.a.fault, cases[i].fault);
		assert_int_equal(got.a.http_status, cases[i].status);
		assert_int_equal(got.a.retry_after, cases[i].retry_after);
		assert_true(cases[i].fault == SST_FAULT_NONE || got.a.len == 0);
	}
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
rv_92_another_content_type_is_an_error_for_a_response_alone(void **state)
{
	static const char *const wrong[] = { "text/html", "application/ocsp-responses",
		"application/ocsp", NULL };
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask crl = fetch_crl_of(responder_url(w->r, "/"));
	struct fetch_got got = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		w->next.type = wrong[i];
		fetch_one(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_MALFORMED);
		assert_int_equal(got.a.len, 0);
		fetch_one(w, &crl, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
	}
	w->next.type = "Application/OCSP-Response; charset=x";
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
rv_93_what_has_not_changed_is_not_sent_again(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_crl_of(responder_url(w->r, "/"));
	struct fetch_got got = { 0 };

	(void)state;
	w->next.headers = "ETag: \"abc\"\r\nLast-Modified: Fri, 15 Jan 2027 08:00:00 GMT\r\n";
	fetch_one(w, &ask, &got);
	assert_string_equal(got.a.etag, "\"abc\"");
	assert_string_equal(got.a.last_modified, "Fri, 15 Jan 2027 08:00:00 GMT");
	ask.etag = "\"abc\"";
	ask.last_modified = "Fri, 15 Jan 2027 08:00:00 GMT";
	w->next.status = 304;
	w->text_len = 0;
	fetch_one(w, &ask, &got);
	assert_non_null(strstr(w->headers, "If-None-Match: \"abc\"\r\n"));
	assert_non_null(strstr(w->headers, "If-Modified-Since: Fri, 15 Jan 2027 08:00:00 GMT\r\n"));
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_int_equal(got.a.not_modified, 1);
	assert_int_equal(got.a.len, 0);

	/* a value that would end its header line is neither taken nor sent */
	ask.etag = "\"a\"\r\nX-Evil: 1";
	ask.last_modified = NULL;
	w->next.status = 200;
	w->text_len = 6;
	w->next.headers = "ETag: \"a\tb\"\r\n";
	fetch_one(w, &ask, &got);
	assert_null(strstr(w->headers, "X-Evil"));
	assert_null(strstr(w->headers, "If-None-Match"));
	assert_int_equal(got.a.not_modified, 0);
	assert_string_equal(got.a.etag, "");
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
a_connection_that_fails_is_a_fault(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask other = fetch_ask_of("http://nowhere.test/");
	struct fetch_got got = { 0 };
	char url[64];

	(void)state;
	w->next.manner = RESPONDER_RESET;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	w->next.manner = RESPONDER_CUT;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.len, 0);
	fetch_one(w, &other, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.was_timeout, 0);
	/* refused: the port of a responder that has gone */
	(void)snprintf(url, sizeof(url), "%s", ask.url);
	ask.url = url;
	responder_free(w->r);
	w->r = NULL;
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.was_timeout, 0);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static int
met(struct responder **r, int n)
{
	int sum = 0;

	while (n-- > 0)
		sum += responder_requests(r[n]);
	return sum;
}

static void
rv_96_at_most_four_a_host_and_sixteen_in_all(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct responder *r[6];
	struct sst_fetch_ask ask;
	struct fetch_got got = { 0 };
	const char *allow[] = { "127.0.0.1", NULL };

	(void)state;
	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	fetch_open(w, allow, NULL);
	for (int i = 0; i < 6; i++) {
		r[i] = responder_new(fetch_answer, w);
		responder_hold(r[i]);
	}
	for (int i = 0; i < 60; i++) {
		ask = fetch_ask_of(responder_url(r[i % 6], "/"));
		assert_int_equal(sst_fetcher_ask(w->f, &ask, fetch_took, &got, NULL), SST_OK);
	}
	/* 16 are begun, at most 4 at each, and no more however long it takes */
	while (met(r, 6) < 16)
		assert_int_equal(sst_fetcher_run(w->f, 10), 60);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sst_fetcher_run(w->f, 1), 60);
	assert_int_equal(met(r, 6), 16);
	for (int i = 0; i < 6; i++)
		responder_let_go(r[i]);
	fetch_run(w);
	assert_int_equal(got.n, 60);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(responder_requests(r[i]), 10);
		assert_true(responder_peak(r[i]) <= 4);
		assert_true(responder_connections(r[i]) <= 10);
		responder_free(r[i]);
	}
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void
who_waits_for_a_turn_waits_no_longer_than_its_deadline(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct fetch_got first = { 0 }, last = { 0 };

	(void)state;
	responder_hold(w->r);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sst_fetcher_ask(w->f, &ask, fetch_took, &first, NULL), SST_OK);
	ask.total_ms = 100;
	assert_int_equal(sst_fetcher_ask(w->f, &ask, fetch_took, &last, NULL), SST_OK);
	while (last.n == 0)
		(void)sst_fetcher_run(w->f, 1000);
	assert_int_equal(last.a.fault, SST_FAULT_TIMEOUT);
	assert_int_equal(last.a.was_timeout, 0);
	assert_int_equal(first.n, 0);
	responder_let_go(w->r);
	fetch_run(w);
	assert_int_equal(first.n, 4);
	assert_int_equal(last.n, 1);
	assert_int_equal(responder_requests(w->r), 4);
	fetch_got_free(&first);
	fetch_got_free(&last);
	fetch_world_free(w);
}

static void
everybody_is_answered_when_the_fetcher_ends(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/"));
	struct fetch_got got = { 0 };

	(void)state;
	responder_hold(w->r);
	for (int i = 0; i < 7; i++)
		assert_int_equal(sst_fetcher_ask(w->f, &ask, fetch_took, &got, NULL), SST_OK);
	assert_int_equal(sst_fetcher_run(w->f, 10), 7);
	sst_fetcher_free(w->f);
	w->f = NULL;
	assert_int_equal(got.n, 7);
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static void *
waker(void *arg)
{
	sst_fetcher_wake(arg);
	return NULL;
}

static void
a_wake_ends_the_waiting(void **state)
{
	struct fetch_world *w = fetch_world_new();
	int64_t begun = sst_clock_ms();
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, waker, w->f), 0);
	assert_int_equal(sst_fetcher_run(w->f, 20000), 0);
	(void)pthread_join(t, NULL);
	assert_true(sst_clock_ms() - begun < 10000);
	fetch_world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_brought_as_it_was_sent),
		cmocka_unit_test(a_post_carries_its_body),
		cmocka_unit_test(rv_90_the_deadline_holds_whatever_is_slow),
		cmocka_unit_test(rv_81_a_drip_is_given_up_before_the_deadline),
		cmocka_unit_test(rv_42_81_a_body_over_its_cap_ends_the_transfer),
		cmocka_unit_test(a_status_becomes_its_fault),
		cmocka_unit_test(rv_92_another_content_type_is_an_error_for_a_response_alone),
		cmocka_unit_test(rv_93_what_has_not_changed_is_not_sent_again),
		cmocka_unit_test(a_connection_that_fails_is_a_fault),
		cmocka_unit_test(rv_96_at_most_four_a_host_and_sixteen_in_all),
		cmocka_unit_test(who_waits_for_a_turn_waits_no_longer_than_its_deadline),
		cmocka_unit_test(everybody_is_answered_when_the_fetcher_ends),
		cmocka_unit_test(a_wake_ends_the_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
