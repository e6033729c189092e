/* SPDX-License-Identifier: ISC */
/*
 * Tests of fetch.c against a real server on loopback. Loopback is not public, so
 * its address is in the guard's list where a fetch is to succeed.
 *
 * libcurl resolves names with getaddrinfo(), which this program replaces: the
 * names end in ".test" and lead where a test says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ocsp/fetch.h"
#include "ocsp/guard.h"
#include "support/responder.h"

#define CRL_CAP	(1 << 20)

struct world {
	struct responder *r;
	struct sst_guard *g;
	struct sst_fetcher *f;
	struct responder_reply next;	/* body: text to copy */
	const char	*text;
	size_t		 text_len;
	char		 path[1024], headers[2048], body[1024], method[8];
};

/* --- names ------------------------------------------------------------- */

static atomic_int resolved;		/* look-ups */
static const char *_Atomic leads_to[2];		/* the first look-up, and later ones */
static pthread_mutex_t slow = PTHREAD_MUTEX_INITIALIZER;	/* held: resolution hangs */

__attribute__((visibility("default"))) int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **ret)
{
	const char *to = name;
	struct addrinfo *a = calloc(1, sizeof(*a) + sizeof(struct sockaddr_in));
	struct sockaddr_in *in = (struct sockaddr_in *)(a + 1);

	(void)hints;
	if (strcmp(name, "slow.test") == 0) {
		(void)pthread_mutex_lock(&slow);
		(void)pthread_mutex_unlock(&slow);
	}
	if (strstr(name, ".test") != NULL)
		to = leads_to[atomic_fetch_add(&resolved, 1) > 0];
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(service));
	if (to == NULL || inet_pton(AF_INET, to, &in->sin_addr) != 1) {
		free(a);
		return EAI_NONAME;
	}
	a->ai_family = AF_INET;
	a->ai_socktype = SOCK_STREAM;
	a->ai_protocol = IPPROTO_TCP;
	a->ai_addrlen = sizeof(*in);
	a->ai_addr = (struct sockaddr *)in;
	*ret = a;
	return 0;
}

__attribute__((visibility("default"))) void
freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

/* --- the world --------------------------------------------------------- */

/* Held while a server's thread looks at the world; a test changes it between two
 * fetches, which take it in turn (see_world()). */
static pthread_mutex_t world_mu = PTHREAD_MUTEX_INITIALIZER;

static void
see_world(void)
{
	(void)pthread_mutex_lock(&world_mu);
	(void)pthread_mutex_unlock(&world_mu);
}

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	struct world *w = arg;

	(void)pthread_mutex_lock(&world_mu);
	(void)snprintf(w->path, sizeof(w->path), "%s", q->path);
	(void)snprintf(w->headers, sizeof(w->headers), "%s", q->headers);
	(void)snprintf(w->method, sizeof(w->method), "%s", q->method);
	if (q->body_len < sizeof(w->body)) {
		memcpy(w->body, q->body, q->body_len);
		w->body[q->body_len] = '\0';
	}
	*reply = w->next;
	memset(&reply->body, 0, sizeof(reply->body));
	if (w->text != NULL)
		pki_put(&reply->body, w->text, w->text_len);
	(void)pthread_mutex_unlock(&world_mu);
}

static void
fetcher_open(struct world *w, const char *const *allow, const char *proxy)
{
	assert_int_equal(sst_guard_new(allow, &w->g, NULL), SST_OK);
	assert_int_equal(sst_fetcher_new(w->g, proxy, &w->f, NULL), SST_OK);
}

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *allow[2] = { NULL, NULL };

	w->r = responder_new(answer, w);
	w->next.type = "application/ocsp-response";
	w->text = "answer";
	w->text_len = 6;
	allow[0] = responder_allow(w->r);
	fetcher_open(w, allow, NULL);
	atomic_store(&resolved, 0);
	leads_to[0] = leads_to[1] = NULL;
	return w;
}

/* Another list of what is allowed. */
static void
allow_only(struct world *w, const char *entry, const char *proxy)
{
	const char *allow[2] = { entry, NULL };

	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	fetcher_open(w, allow, proxy);
}

static void
world_free(struct world *w)
{
	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	responder_free(w->r);
	free(w);
}

struct got {
	int	 n;
	struct sst_fetch_answer a;
	char	*body;
};

static void
took(void *arg, const struct sst_fetch_answer *a)
{
	struct got *got = arg;

	got->n++;
	got->a = *a;
	free(got->body);
	got->body = calloc(1, a->len + 1);
	if (a->len > 0)
		memcpy(got->body, a->body, a->len);
}

static void
got_free(struct got *got)
{
	free(got->body);
	memset(got, 0, sizeof(*got));
}

static struct sst_fetch_ask
ask_of(const char *url)
{
	return (struct sst_fetch_ask){ .url = url, .max_bytes = 65536, .total_ms = 10000 };
}

static struct sst_fetch_ask
crl_of(const char *url)
{
	return (struct sst_fetch_ask){ .url = url, .is_crl = 1, .max_bytes = CRL_CAP,
	    .total_ms = 10000 };
}

static void
run(struct world *w)
{
	while (sst_fetcher_run(w->f, 1000) > 0)
		;
}

static void
fetch(struct world *w, const struct sst_fetch_ask *ask, struct got *got)
{
	struct sst_error err = { 0 };

	got_free(got);
	see_world();
	if (sst_fetcher_ask(w->f, ask, took, got, &err) != SST_OK)
		fail_msg("%s", err.text);
	run(w);
	see_world();
	assert_int_equal(got->n, 1);
}

/* --- tests ------------------------------------------------------------- */

static void
a_body_is_brought_as_it_was_sent(void **state)
{
	struct world *w = world_new();
	struct got got = { 0 };
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/a/b%2F?c=d"));
	static char big[60000];

	(void)state;
	fetch(w, &ask, &got);
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
	fetch(w, &ask, &got);
	assert_int_equal(got.a.len, sizeof(big));
	assert_memory_equal(got.body, big, sizeof(big));
	got_free(&got);
	world_free(w);
}

static void
a_post_carries_its_body(void **state)
{
	struct world *w = world_new();
	struct got got = { 0 };
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));

	(void)state;
	ask.post = "request";
	ask.post_len = 7;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(w->method, "POST");
	assert_string_equal(w->body, "request");
	assert_non_null(strcasestr(w->headers, "Content-Type: application/ocsp-request"));
	got_free(&got);
	world_free(w);
}

static void
rv_83_a_private_address_gets_no_connection(void **state)
{
	struct world *w = world_new();
	struct responder *trap = responder_new_at("127.0.0.2", answer, w);
	static const char *const forms[] = { "127.0.0.2", "0x7f.2", "2130706434", "0177.0.0.2",
		"127.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]" };
	char url[128], there[32];
	struct got got = { 0 };

	(void)state;
	/* the port is one that some address may be asked at */
	(void)snprintf(url, sizeof(url), "127.0.0.9:%d", responder_port(trap));
	allow_only(w, url, NULL);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct sst_fetch_ask ask;

		(void)snprintf(url, sizeof(url), "http://%s:%d/", forms[i],
		    responder_port(trap));
		ask = ask_of(url);
		fetch(w, &ask, &got);
		if (got.a.fault != SST_FAULT_BLOCKED)
			fail_msg("%s: fault %d, %s", forms[i], got.a.fault, got.a.text);
		assert_non_null(strstr(got.a.text, "127.0.0.2"));
		assert_int_equal(got.a.was_timeout, 0);
	}
	assert_int_equal(responder_connections(trap), 0);

	(void)snprintf(there, sizeof(there), "127.0.0.2:%d", responder_port(trap));
	allow_only(w, there, NULL);
	for (size_t i = 0; i < 5; i++) {
		struct sst_fetch_ask ask;

		(void)snprintf(url, sizeof(url), "http://%s:%d/", forms[i],
		    responder_port(trap));
		ask = ask_of(url);
		fetch(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
	}
	assert_true(responder_connections(trap) > 0);
	got_free(&got);
	responder_free(trap);
	world_free(w);
}

static void
rv_84_a_name_that_leads_inside_is_blocked_also_the_second_time(void **state)
{
	struct world *w = world_new();
	char url[64];
	struct got got = { 0 };
	struct sst_fetch_ask ask;

	(void)state;
	w->next.close = 1;	/* so that the next fetch connects anew */
	leads_to[0] = "127.0.0.1";
	leads_to[1] = "127.0.0.2";
	(void)snprintf(url, sizeof(url), "http://name.test:%d/", responder_port(w->r));
	ask = ask_of(url);
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_BLOCKED);
	assert_int_equal(atomic_load(&resolved), 2);
	assert_int_equal(responder_connections(w->r), 1);
	got_free(&got);
	world_free(w);
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
	struct world *w = world_new();
	struct responder *r = responder_new(hop, NULL);
	struct sst_fetch_ask crl = crl_of(responder_url(r, "/0"));
	struct sst_fetch_ask ocsp = ask_of(responder_url(r, "/0"));
	struct got got = { 0 };

	(void)state;
	allow_only(w, responder_allow(r), NULL);
	hops[0] = responder_url(r, "/1");
	hops[1] = "/7";		/* relative */
	hops[2] = hops[3] = NULL;
	fetch(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(got.body, "there");
	assert_int_equal(responder_requests(r), 3);
	fetch(w, &ocsp, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(got.a.http_status, 302);
	assert_int_equal(responder_requests(r), 4);
	hops[1] = "/2";
	hops[2] = "/7";
	fetch(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(responder_requests(r), 7);
	got_free(&got);
	responder_free(r);
	world_free(w);
}

static void
rv_85_a_redirect_to_the_inside_or_to_another_scheme_is_not_followed(void **state)
{
	struct world *w = world_new();
	struct responder *r = responder_new(hop, NULL);
	struct responder *trap = responder_new_at("127.0.0.2", answer, w);
	struct sst_fetch_ask crl = crl_of(responder_url(r, "/0"));
	static const char *const other[] = { "file:///etc/passwd", "gopher://127.0.0.1/",
		"https://127.0.0.1/", "ftp://127.0.0.1/", "http://user@127.0.0.1/" };
	struct got got = { 0 };

	(void)state;
	allow_only(w, responder_allow(r), NULL);
	memset(hops, 0, sizeof(hops));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		hops[0] = other[i];
		fetch(w, &crl, &got);
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
		fetcher_open(w, allow, NULL);
	}
	fetch(w, &crl, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_non_null(strstr(got.a.text, "not a public address"));
	assert_int_equal(responder_connections(trap), 0);
	got_free(&got);
	responder_free(trap);
	responder_free(r);
	world_free(w);
}

static void
rv_86_the_environment_names_no_proxy(void **state)
{
	struct world *w = world_new();
	struct responder *proxy = responder_new(answer, w);
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/x"));
	struct sst_fetch_ask inside = ask_of("http://0x7f.1/");
	static const char *const odd[] = { "http://127.0.0.1./", "http://0x7f.1./",
		"http://2130706433./", "http://127.0.0.0x1./", "http://127.0.0.256/",
		"http://a.127.0.0.1/", "http://127.1../", "http://./" };
	struct got got = { 0 };

	(void)state;
	assert_int_equal(setenv("http_proxy", responder_url(proxy, ""), 1), 0);
	assert_int_equal(setenv("all_proxy", responder_url(proxy, ""), 1), 0);
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_int_equal(responder_connections(proxy), 0);
	assert_int_equal(responder_requests(w->r), 1);

	/* the operator's own: it is asked for everything, but an address that is
	 * written in the URL is still judged; no_proxy is the environment's too */
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	allow_only(w, NULL, responder_url(proxy, ""));
	ask.url = "http://name.test/x";
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	assert_string_equal(w->path, "http://name.test/x");
	assert_int_equal(responder_requests(proxy), 1);
	assert_int_equal(sst_fetcher_ask(w->f, &inside, took, &got, NULL), SST_E_REFUSED);
	inside.url = "http://[fe80::1]/";
	assert_int_equal(sst_fetcher_ask(w->f, &inside, took, &got, NULL), SST_E_REFUSED);
	/* what no parser here takes for an address, and the proxy's may */
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		inside.url = odd[i];
		if (sst_fetcher_ask(w->f, &inside, took, &got, NULL) != SST_E_REFUSED)
			fail_msg("%s", odd[i]);
	}
	ask.url = "http://9.name.test./x";
	fetch(w, &ask, &got);
	assert_string_equal(w->path, "http://9.name.test./x");
	ask.url = "http://a.0y/x";
	fetch(w, &ask, &got);
	assert_int_equal(responder_requests(proxy), 3);
	inside.url = "http://8.8.8.8/";
	fetch(w, &inside, &got);
	assert_int_equal(responder_requests(proxy), 4);
	assert_int_equal(responder_requests(w->r), 1);
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	(void)unsetenv("no_proxy");
	got_free(&got);
	responder_free(proxy);
	world_free(w);
}

static void
rv_87_what_is_not_http_is_refused_at_once(void **state)
{
	struct world *w = world_new();
	struct got got = { 0 };
	struct sst_fetch_ask ask = ask_of("ldap://127.0.0.1/x");
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_fetcher_ask(w->f, &ask, took, &got, &err), SST_E_REFUSED);
	assert_int_equal(err.code, SST_E_REFUSED);
	assert_int_equal(sst_fetcher_run(w->f, 0), 0);
	assert_int_equal(got.n, 0);
	world_free(w);
}

/* The server may be busy with the last request still: a new one is a new world. */
static void
next_is(struct world *w, enum responder_manner manner, struct sst_fetch_ask *ask)
{
	struct responder *old = w->r;

	w->r = NULL;
	responder_free(old);
	w->next.manner = manner;
	w->r = responder_new(answer, w);
	allow_only(w, "127.0.0.1", NULL);
	ask->url = responder_url(w->r, "/");
}

/* Everything that takes too long ends at the deadline. */
static void
timed(struct world *w, struct sst_fetch_ask *ask, int was_timeout)
{
	struct got got = { 0 };
	int64_t begun = sst_clock_ms(), took_ms;

	ask->total_ms = 300;
	fetch(w, ask, &got);
	took_ms = sst_clock_ms() - begun;
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	assert_int_equal(got.a.was_timeout, was_timeout);
	assert_true(took_ms >= 250 && took_ms < 5000);
	got_free(&got);
}

static void
rv_90_the_deadline_holds_whatever_is_slow(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask other = ask_of("");
	int fds[8], n, port;
	char url[64], allow[32];
	struct got got = { 0 };

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
	allow_only(w, allow, NULL);
	other.url = url;
	timed(w, &other, 1);
	while (n > 0)
		(void)close(fds[--n]);

	/* a name that is never resolved */
	leads_to[0] = "127.0.0.1";
	(void)pthread_mutex_lock(&slow);
	other.url = "http://slow.test/";
	timed(w, &other, 1);
	(void)pthread_mutex_unlock(&slow);

	/* the same server, not slow */
	next_is(w, RESPONDER_PLAIN, &ask);
	ask.total_ms = 10000;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	got_free(&got);
	world_free(w);
}

static void
rv_81_a_drip_is_given_up_before_the_deadline(void **state)
{
	struct world *w = world_new();
	static char text[2000];
	struct sst_fetch_ask ask = crl_of(responder_url(w->r, "/"));
	struct got got = { 0 };
	int64_t begun = sst_clock_ms();

	(void)state;
	w->text = text;
	w->text_len = sizeof(text);	/* 40 s at that speed */
	w->next.manner = RESPONDER_DRIP_BODY;
	ask.total_ms = 30000;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	assert_true(sst_clock_ms() - begun < 15000);
	w->next.manner = RESPONDER_PLAIN;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	got_free(&got);
	world_free(w);
}

static void
rv_42_81_a_body_over_its_cap_ends_the_transfer(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = crl_of(responder_url(w->r, "/"));
	char *text = calloc(1, 100001);
	struct got got = { 0 };
	static const enum responder_manner ways[] = { RESPONDER_PLAIN, RESPONDER_NO_LENGTH };

	(void)state;
	ask.max_bytes = 100000;
	w->text = text;
	for (size_t i = 0; i < 2; i++) {
		w->next.manner = ways[i];
		w->text_len = 100000;
		fetch(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
		assert_int_equal(got.a.len, 100000);
		w->text_len = 100001;
		fetch(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_SIZE);
		assert_int_equal(got.a.len, 0);
	}
	w->next.manner = RESPONDER_ENDLESS;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_SIZE);
	w->next.manner = RESPONDER_HEADERS;
	fetch(w, &ask, &got);
	assert_true(got.a.fault == SST_FAULT_SIZE || got.a.fault == SST_FAULT_CONNECT);
	/* a refusal with a page that is too large is still a refusal */
	w->next.manner = RESPONDER_PLAIN;
	w->next.status = 404;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_HTTP);
	assert_int_equal(got.a.http_status, 404);
	free(text);
	got_free(&got);
	world_free(w);
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
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct got got = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->next.status = cases[i].status;
		w->next.headers = cases[i].headers;
		w->text_len = cases[i].status == 204 || cases[i].status == 304 ? 0 : 6;
		fetch(w, &ask, &got);
		assert_int_equal(got.a.fault, cases[i].fault);
		assert_int_equal(got.a.http_status, cases[i].status);
		assert_int_equal(got.a.retry_after, cases[i].retry_after);
		assert_true(cases[i].fault == SST_FAULT_NONE || got.a.len == 0);
	}
	got_free(&got);
	world_free(w);
}

static void
rv_92_another_content_type_is_an_error_for_a_response_alone(void **state)
{
	static const char *const wrong[] = { "text/html", "application/ocsp-responses",
		"application/ocsp", NULL };
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask crl = crl_of(responder_url(w->r, "/"));
	struct got got = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		w->next.type = wrong[i];
		fetch(w, &ask, &got);
		assert_int_equal(got.a.fault, SST_FAULT_MALFORMED);
		assert_int_equal(got.a.len, 0);
		fetch(w, &crl, &got);
		assert_int_equal(got.a.fault, SST_FAULT_NONE);
	}
	w->next.type = "Application/OCSP-Response; charset=x";
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_NONE);
	got_free(&got);
	world_free(w);
}

static void
rv_93_what_has_not_changed_is_not_sent_again(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = crl_of(responder_url(w->r, "/"));
	struct got got = { 0 };

	(void)state;
	w->next.headers = "ETag: \"abc\"\r\nLast-Modified: Fri, 15 Jan 2027 08:00:00 GMT\r\n";
	fetch(w, &ask, &got);
	assert_string_equal(got.a.etag, "\"abc\"");
	assert_string_equal(got.a.last_modified, "Fri, 15 Jan 2027 08:00:00 GMT");
	ask.etag = "\"abc\"";
	ask.last_modified = "Fri, 15 Jan 2027 08:00:00 GMT";
	w->next.status = 304;
	w->text_len = 0;
	fetch(w, &ask, &got);
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
	fetch(w, &ask, &got);
	assert_null(strstr(w->headers, "X-Evil"));
	assert_null(strstr(w->headers, "If-None-Match"));
	assert_int_equal(got.a.not_modified, 0);
	assert_string_equal(got.a.etag, "");
	got_free(&got);
	world_free(w);
}

static void
a_connection_that_fails_is_a_fault(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct sst_fetch_ask other = ask_of("http://nowhere.test/");
	struct got got = { 0 };
	char url[64];

	(void)state;
	w->next.manner = RESPONDER_RESET;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	w->next.manner = RESPONDER_CUT;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.len, 0);
	fetch(w, &other, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.was_timeout, 0);
	/* refused: the port of a responder that has gone */
	(void)snprintf(url, sizeof(url), "%s", ask.url);
	ask.url = url;
	responder_free(w->r);
	w->r = NULL;
	fetch(w, &ask, &got);
	assert_int_equal(got.a.fault, SST_FAULT_CONNECT);
	assert_int_equal(got.a.was_timeout, 0);
	got_free(&got);
	world_free(w);
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
	struct world *w = world_new();
	struct responder *r[6];
	struct sst_fetch_ask ask;
	struct got got = { 0 };
	const char *allow[] = { "127.0.0.1", NULL };

	(void)state;
	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	fetcher_open(w, allow, NULL);
	for (int i = 0; i < 6; i++) {
		r[i] = responder_new(answer, w);
		responder_hold(r[i]);
	}
	for (int i = 0; i < 60; i++) {
		ask = ask_of(responder_url(r[i % 6], "/"));
		assert_int_equal(sst_fetcher_ask(w->f, &ask, took, &got, NULL), SST_OK);
	}
	/* 16 are begun, at most 4 at each, and no more however long it takes */
	while (met(r, 6) < 16)
		assert_int_equal(sst_fetcher_run(w->f, 10), 60);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sst_fetcher_run(w->f, 1), 60);
	assert_int_equal(met(r, 6), 16);
	for (int i = 0; i < 6; i++)
		responder_let_go(r[i]);
	run(w);
	assert_int_equal(got.n, 60);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(responder_requests(r[i]), 10);
		assert_true(responder_peak(r[i]) <= 4);
		assert_true(responder_connections(r[i]) <= 10);
		responder_free(r[i]);
	}
	got_free(&got);
	world_free(w);
}

static void
who_waits_for_a_turn_waits_no_longer_than_its_deadline(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct got first = { 0 }, last = { 0 };

	(void)state;
	responder_hold(w->r);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sst_fetcher_ask(w->f, &ask, took, &first, NULL), SST_OK);
	ask.total_ms = 100;
	assert_int_equal(sst_fetcher_ask(w->f, &ask, took, &last, NULL), SST_OK);
	while (last.n == 0)
		(void)sst_fetcher_run(w->f, 1000);
	assert_int_equal(last.a.fault, SST_FAULT_TIMEOUT);
	assert_int_equal(last.a.was_timeout, 0);
	assert_int_equal(first.n, 0);
	responder_let_go(w->r);
	run(w);
	assert_int_equal(first.n, 4);
	assert_int_equal(last.n, 1);
	assert_int_equal(responder_requests(w->r), 4);
	got_free(&first);
	got_free(&last);
	world_free(w);
}

static void
everybody_is_answered_when_the_fetcher_ends(void **state)
{
	struct world *w = world_new();
	struct sst_fetch_ask ask = ask_of(responder_url(w->r, "/"));
	struct got got = { 0 };

	(void)state;
	responder_hold(w->r);
	for (int i = 0; i < 7; i++)
		assert_int_equal(sst_fetcher_ask(w->f, &ask, took, &got, NULL), SST_OK);
	assert_int_equal(sst_fetcher_run(w->f, 10), 7);
	sst_fetcher_free(w->f);
	w->f = NULL;
	assert_int_equal(got.n, 7);
	assert_int_equal(got.a.fault, SST_FAULT_TIMEOUT);
	got_free(&got);
	world_free(w);
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
	struct world *w = world_new();
	int64_t begun = sst_clock_ms();
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, waker, w->f), 0);
	assert_int_equal(sst_fetcher_run(w->f, 20000), 0);
	(void)pthread_join(t, NULL);
	assert_true(sst_clock_ms() - begun < 10000);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_brought_as_it_was_sent),
		cmocka_unit_test(a_post_carries_its_body),
		cmocka_unit_test(rv_83_a_private_address_gets_no_connection),
		cmocka_unit_test(rv_84_a_name_that_leads_inside_is_blocked_also_the_second_time),
		cmocka_unit_test(rv_85_a_list_is_followed_twice_and_a_response_never),
		cmocka_unit_test(rv_85_a_redirect_to_the_inside_or_to_another_scheme_is_not_followed),
		cmocka_unit_test(rv_86_the_environment_names_no_proxy),
		cmocka_unit_test(rv_87_what_is_not_http_is_refused_at_once),
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
