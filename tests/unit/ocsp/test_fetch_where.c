/* SPDX-License-Identifier: ISC */
/* Tests of fetch.c: which addresses are asked, by way of which names, redirects and
 * proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_fetch.h"

static void
rv_83_a_private_address_gets_no_connection(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct responder *trap = responder_new_at("127.0.0.2", fetch_answer, w);
	static const char *const forms[] = { "127.0.0.2", "0x7f.2", "2130706434", "0177.0.0.2",
		"127.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]" };
	char url[128], there[32];
	struct fetch_got got = { 0 };

	(void)state;
	/* the port is one that some address may be asked at */
	(void)snprintf(url, sizeof(url), "127.0.0.9:%d", responder_port(trap));
	fetch_allow_only(w, url, NULL);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct sst_fetch_ask ask;

		(void)snprintf(url, sizeof(url), "http://%s:%d/", forms[i],
		    responder_port(trap));
		ask = fetch_ask_of(url);
		fetch_one(w, &ask, &got);
		if (got.a.fault != SST_FAULT_BLOCKED)
			fail_msg("%s: fault %d, %s", forms[i], got.a.fault, got.a.text);
		assert_non_null(strstr(got.a.text, "127.0.0.2"));
		assert_int_equal(got.a.was_timeout, 0);
	}
	assert_int_equal(responder_connections(trap), 0);

	(void)snprintf(there, sizeof(there), "127.0.0.2:%d", responder_port(trap));
	fetch_allow_only(w, there, NULL);
	for (size_t i = 0; i < 5; i++) {
		struct sst_fetch_ask ask;

		(void)snprintf(url, sizeof(url), "http://%s:%d/", forms[i],
		    responder_port(trap));
		ask = fetch_ask_of(url);
		fetch_one(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
	}
	assert_true(responder_connections(trap) > 0);
	fetch_got_free(&got);
	responder_free(trap);
	fetch_world_free(w);
}

static void
rv_84_a_name_that_leads_inside_is_blocked_also_the_second_time(void **state)
{
	struct fetch_world *w = fetch_world_new();
	char url[64];
	struct fetch_got got = { 0 };
	struct sst_fetch_ask ask;

	(void)state;
	w->next.close = 1;	/* so that the next fetch connects anew */
	fetch_leads_to[0] = "127.0.0.1";
	fetch_leads_to[1] = "127.0.0.2";
	(void)snprintf(url, sizeof(url), "http://name.test:%d/", responder_port(w->r));
	ask = fetch_ask_of(url);
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_BLOCKED);
	assert_int_equal(atomic_load(&fetch_resolved), 2);
	assert_int_equal(responder_connections(w->r), 1);
	fetch_got_free(&got);
	fetch_world_free(w);
}

static const char *hops[4];

static void
hop(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	static char line[1400];
	int n = atoi(q->path + 1);

	(void)arg;
	reply->type = "application/ocsp-response";
	if (n < 4 && hops[n] != NULL) {
		(void)snprintf(line, sizeof(line), "Location: %s\r\n", hops[n]);
		reply->status = 302;
		reply->headers = line;
	} else {
		pki_put_text(&reply->body, "there");
	}
}

static void
rv_85_a_list_is_followed_twice_and_a_response_never(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct responder *r = responder_new(hop, NULL);
	struct sst_fetch_ask crl = fetch_crl_of(responder_url(r, "/0"));
	struct sst_fetch_ask ocsp = fetch_ask_of(responder_url(r, "/0"));
	struct fetch_got got = { 0 };

	(void)state;
	fetch_allow_only(w, responder_allow(r), NULL);
	hops[0] = responder_url(r, "/1");
	hops[1] = "/7";		/* relative */
	hops[2] = hops[3] = NULL;
	fetch_one(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(got.body, "there");
	assert_int_equal(responder_requests(r), 3);
	fetch_one(w, &ocsp, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(got.a.http_status, 302);
	assert_int_equal(responder_requests(r), 4);
	hops[1] = "/2";
	hops[2] = "/7";
	fetch_one(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(responder_requests(r), 7);
	fetch_got_free(&got);
	responder_free(r);
	fetch_world_free(w);
}

static void
rv_85_a_redirect_to_the_inside_or_to_another_scheme_is_not_followed(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct responder *r = responder_new(hop, NULL);
	struct responder *trap = responder_new_at("127.0.0.2", fetch_answer, w);
	struct sst_fetch_ask crl = fetch_crl_of(responder_url(r, "/0"));
	static const char *const other[] = { "file:///etc/passwd", "gopher://127.0.0.1/",
		"https://127.0.0.1/", "ftp://127.0.0.1/", "http://user@127.0.0.1/" };
	struct fetch_got got = { 0 };

	(void)state;
	fetch_allow_only(w, responder_allow(r), NULL);
	memset(hops, 0, sizeof(hops));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		hops[0] = other[i];
		fetch_one(w, &crl, &got);
		assert_int_equal(got.a.fault, SST_FAULT_HTTP);
		assert_int_equal(got.a.len, 0);
	}
	/* the port is one that is allowed, at another address */
	hops[0] = responder_url(trap, "/");
	{
		char both[32];

		(void)snprintf(both, sizeof(both), "127.0.0.9:%d", responder_port(trap));
		const char *allow[] = { responder_allow(r), both, NULL };

		sst_fetcher_free(w->f);
		sst_guard_free(w->g);
		fetch_open(w, allow, NULL);
	}
	fetch_one(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_non_null(strstr(got.a.text, "not a public address"));
	assert_int_equal(responder_connections(trap), 0);
	fetch_got_free(&got);
	responder_free(trap);
	responder_free(r);
	fetch_world_free(w);
}

static void
rv_86_the_environment_names_no_proxy(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct responder *proxy = responder_new(fetch_answer, w);
	struct sst_fetch_ask ask = fetch_ask_of(responder_url(w->r, "/x"));
	struct sst_fetch_ask inside = fetch_ask_of("http://0x7f.1/");
	static const char *const odd[] = { "http://127.0.0.1./", "http://0x7f.1./",
		"http://2130706433./", "http://127.0.0.0x1./", "http://127.0.0.256/",
		"http://a.127.0.0.1/", "http://127.1../", "http://./" };
	struct fetch_got got = { 0 };

	(void)state;
	assert_int_equal(setenv("http_proxy", responder_url(proxy, ""), 1), 0);
	assert_int_equal(setenv("all_proxy", responder_url(proxy, ""), 1), 0);
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_int_equal(responder_connections(proxy), 0);
	assert_int_equal(responder_requests(w->r), 1);

	/* the operator's own: it is asked for everything, but an address that is
	 * written in the URL is still judged; no_proxy is the environment's too */
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	fetch_allow_only(w, NULL, responder_url(proxy, ""));
	ask.url = "http://name.test/x";
	fetch_one(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(w->path, "http://name.test/x");
	assert_int_equal(responder_requests(proxy), 1);
	assert_int_equal(sst_fetcher_ask(w->f, &inside, fetch_took, &got, NULL), SST_E_REFUSED);
	inside.url = "http://[fe80::1]/";
	assert_int_equal(sst_fetcher_ask(w->f, &inside, fetch_took, &got, NULL), SST_E_REFUSED);
	/* what no parser here takes for an address, and the proxy's may */
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		inside.url = odd[i];
		if (sst_fetcher_ask(w->f, &inside, fetch_took, &got, NULL) != SST_E_REFUSED)
			fail_msg("%s", odd[i]);
	}
	ask.url = "http://9.name.test./x";
	fetch_one(w, &ask, &got);
	assert_string_equal(w->path, "http://9.name.test./x");
	ask.url = "http://a.0y/x";
	fetch_one(w, &ask, &got);
	assert_int_equal(responder_requests(proxy), 3);
	inside.url = "http://8.8.8.8/";
	fetch_one(w, &inside, &got);
	assert_int_equal(responder_requests(proxy), 4);
	assert_int_equal(responder_requests(w->r), 1);
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	(void)unsetenv("no_proxy");
	fetch_got_free(&got);
	responder_free(proxy);
	fetch_world_free(w);
}

static void
rv_87_what_is_not_http_is_refused_at_once(void **state)
{
	struct fetch_world *w = fetch_world_new();
	struct fetch_got got = { 0 };
	struct sst_fetch_ask ask = fetch_ask_of("ldap://127.0.0.1/x");
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_fetcher_ask(w->f, &ask, fetch_took, &got, &err), SST_E_REFUSED);
	assert_int_equal(err.code, SST_E_REFUSED);
	assert_int_equal(sst_fetcher_run(w->f, 0), 0);
	assert_int_equal(got.n, 0);
	fetch_world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_83_a_private_address_gets_no_connection),
		cmocka_unit_test(rv_84_a_name_that_leads_inside_is_blocked_also_the_second_time),
		cmocka_unit_test(rv_85_a_list_is_followed_twice_and_a_response_never),
		cmocka_unit_test(rv_85_a_redirect_to_the_inside_or_to_another_scheme_is_not_followed),
		cmocka_unit_test(rv_86_the_environment_names_no_proxy),
		cmocka_unit_test(rv_87_what_is_not_http_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
