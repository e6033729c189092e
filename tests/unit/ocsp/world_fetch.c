/* SPDX-License-Identifier: ISC */
#include "world_fetch.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- names ------------------------------------------------------------- */

atomic_int fetch_resolved;
const char *_Atomic fetch_leads_to[2];
pthread_mutex_t fetch_slow = PTHREAD_MUTEX_INITIALIZER;

__attribute__((visibility("default"))) int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **ret)
{
	const char *to = name;
	struct addrinfo *a = calloc(1, sizeof(*a) + sizeof(struct sockaddr_in));
	struct sockaddr_in *in = (struct sockaddr_in *)(a + 1);

	(void)hints;
	if (strcmp(name, "slow.test") == 0) {
		(void)pthread_mutex_lock(&fetch_slow);
		(void)pthread_mutex_unlock(&fetch_slow);
	}
	if (strstr(name, ".test") != NULL)
		to = fetch_leads_to[atomic_fetch_add(&fetch_resolved, 1) > 0];
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

void
fetch_answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	struct fetch_world *w = arg;

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

void
fetch_open(struct fetch_world *w, const char *const *allow, const char *proxy)
{
	assert_int_equal(sst_guard_new(allow, NULL, &w->g, NULL), SST_OK);
	assert_int_equal(sst_fetcher_new(w->g, proxy, &w->f, NULL), SST_OK);
}

struct fetch_world *
fetch_world_new(void)
{
	struct fetch_world *w = calloc(1, sizeof(*w));
	const char *allow[2] = { NULL, NULL };

	w->r = responder_new(fetch_answer, w);
	w->next.type = "application/ocsp-response";
	w->text = "answer";
	w->text_len = 6;
	allow[0] = responder_allow(w->r);
	fetch_open(w, allow, NULL);
	atomic_store(&fetch_resolved, 0);
	fetch_leads_to[0] = fetch_leads_to[1] = NULL;
	return w;
}

void
fetch_allow_only(struct fetch_world *w, const char *entry, const char *proxy)
{
	const char *allow[2] = { entry, NULL };

	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	fetch_open(w, allow, proxy);
}

void
fetch_world_free(struct fetch_world *w)
{
	sst_fetcher_free(w->f);
	sst_guard_free(w->g);
	responder_free(w->r);
	free(w);
}

void
fetch_took(void *arg, const struct sst_fetch_answer *a)
{
	struct fetch_got *got = arg;

	got->n++;
	got->a = *a;
	free(got->body);
	got->body = calloc(1, a->len + 1);
	if (a->len > 0)
		memcpy(got->body, a->body, a->len);
}

void
fetch_got_free(struct fetch_got *got)
{
	free(got->body);
	memset(got, 0, sizeof(*got));
}

struct sst_fetch_ask
fetch_ask_of(const char *url)
{
	return (struct sst_fetch_ask){ .url = url, .max_bytes = 65536, .total_ms = 10000 };
}

struct sst_fetch_ask
fetch_crl_of(const char *url)
{
	return (struct sst_fetch_ask){ .url = url, .is_crl = 1, .max_bytes = CRL_CAP,
	    .total_ms = 10000 };
}

void
fetch_run(struct fetch_world *w)
{
	while (sst_fetcher_run(w->f, 1000) > 0)
		;
}

void
fetch_one(struct fetch_world *w, const struct sst_fetch_ask *ask, struct fetch_got *got)
{
	struct sst_error err = { 0 };

	fetch_got_free(got);
	see_world();
	if (sst_fetcher_ask(w->f, ask, fetch_took, got, &err) != SST_OK)
		fail_msg("%s", err.text);
	fetch_run(w);
	see_world();
	assert_int_equal(got->n, 1);
}
