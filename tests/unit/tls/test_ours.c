/* SPDX-License-Identifier: ISC */
/* ours - staples that were fetched for what a server shows, in both ways. */
#include <openssl/ocsp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "certstore/store_leaves.h"
#include "duo.h"
#include "meet.h"
#include "ocsp/own_inside.h"
#include "support/starve.h"
#include "support/wall.h"
#include "tls/ours.h"
#include "tls/staple.h"

#define OTHER	"other.example.com"
#define WAIT_MS	20000

/* Of tickets, so that the next server reads them. */
static unsigned char keys[80];

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* What a responder says of two certificates: the number ends its path. */
static struct {
	struct responder *http;
	struct pki_cert	*cert[2];	/* DUO_HOST, OTHER */
	struct sst_checker *checker;
	struct sst_store *store;
	_Atomic int	 asked;
} r;

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	(void)arg;
	atomic_fetch_add(&r.asked, 1);
	reply->type = "application/ocsp-response";
	reply->body = duo_response(w.mid, r.cert[q->path[1] - '0'], MADE_GOOD);
}

static int
set_up(void **state)
{
	const char *allow[2] = { NULL, NULL };

	(void)duo_setup(state);
	r.http = responder_new(answer, NULL);
	allow[0] = responder_allow(r.http);
	r.cert[0] = pki_issue(w.mid, &(struct pki_spec){ .cn = "www", .san = DUO_HOST,
	    .ocsp = responder_url(r.http, "/0") });
	r.cert[1] = pki_issue(w.mid, &(struct pki_spec){ .cn = "other", .san = OTHER,
	    .ocsp = responder_url(r.http, "/1") });
	r.store = meet_store(r.cert, 2);
	atomic_store(&r.asked, 0);
	return sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .allow = allow, .no_service = 1 }, &r.checker, NULL);
}

static int
tear_down(void **state)
{
	atomic_store(&wall, 0);
	atomic_store(&wall_ahead, 0);
	sst_checker_unref(r.checker);
	sst_store_unref(r.store);
	responder_free(r.http);
	pki_free(r.cert[0]);
	pki_free(r.cert[1]);
	return duo_teardown(state);
}

static struct sst_ours *
ours_of(const struct sst_ours_config *like)
{
	struct sst_ours_config config = *like;
	struct sst_ours *ours = NULL;

	config.checker = r.checker;
	config.store = r.store;
	assert_int_equal(sst_ours_new(&config, &ours, NULL), SST_OK);
	return ours;
}

/* Which has looked at nothing yet. */
static struct sst_ours *
ours_blank(void)
{
	return ours_of(&(struct sst_ours_config){ 0 });
}

static struct sst_ours *
ours_new(int no_staples)
{
	struct sst_ours *ours = ours_of(&(struct sst_ours_config){
	    .no_staples = no_staples });

	sst_ours_sync(ours);
	assert_true(sst_ours_wait(ours, WAIT_MS));
	return ours;
}

/* 1: what was got is about `cert`. */
static int
is_about(const unsigned char *der, long len, const struct pki_cert *cert)
{
	OCSP_RESPONSE *response = len > 0 ? d2i_OCSP_RESPONSE(NULL, &der, len) : NULL;
	OCSP_BASICRESP *basic;
	OCSP_CERTID *id;
	int found;

	if (response == NULL)
		return 0;
	basic = OCSP_response_get1_basic(response);
	id = OCSP_cert_to_id(EVP_sha1(), cert->cert, w.mid->cert);
	found = OCSP_resp_find(basic, id, -1) >= 0;
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	return found;
}

/* Way 1: what a client of this name is shown. -1: none; else of which certificate. */
static int
shown(struct sst_ours *ours, struct sst_staples *staples, const char *sni, int ask,
    int version)
{
	const unsigned char *der = NULL;
	struct meet m;
	int which = -1;
	long len;

	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = r.store,
	    .ours = ours, .staples = staples }, &(struct raw){ .ask_staple = ask,
	    .sni = sni, .version = version });
	assert_int_equal(m.step, SST_STEP_DONE);
	len = SSL_get_tlsext_status_ocsp_resp(m.ssl, &der);
	for (int i = 0; i < 2; i++)
		if (is_about(der, len, r.cert[i]))
			which = i;
	if (len > 0)
		assert_true(which >= 0);
	meet_done(&m);
	return which;
}

static void
rv_53_a_fetched_staple_is_shown_to_who_asks_and_to_nobody_else(void **state)
{
	struct sst_ours *ours = ours_new(0), *none = ours_new(1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shown(ours, NULL, DUO_HOST, 1, versions[i]), 0);
		assert_int_equal(shown(ours, NULL, DUO_HOST, 0, versions[i]), -1);
		assert_int_equal(shown(none, NULL, DUO_HOST, 1, versions[i]), -1);
	}
	sst_ours_unref(ours);
	sst_ours_unref(none);
}

static void
rv_54_a_fetched_staple_is_that_of_the_certificate_that_was_chosen(void **state)
{
	struct sst_ours *ours = ours_new(0);

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shown(ours, NULL, OTHER, 1, versions[i]), 1);
		assert_int_equal(shown(ours, NULL, DUO_HOST, 1, versions[i]), 0);
	}
	sst_ours_unref(ours);
}

static void
what_the_program_gave_goes_before_what_was_fetched(void **state)
{
	struct pki_buf der = duo_response_of(w.mid, r.cert[0], MADE_GOOD, w.now - 77,
	    w.now + 3600);
	struct sst_ours *ours = ours_new(0);
	struct sst_staples *staples = NULL;
	const unsigned char *got = NULL;
	struct meet m;

	(void)state;
	assert_int_equal(sst_staples_with(NULL, der.data, der.len, &staples, NULL), 0);
	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = r.store,
	    .ours = ours, .staples = staples }, &(struct raw){ .ask_staple = 1,
	    .sni = DUO_HOST });
	assert_int_equal(SSL_get_tlsext_status_ocsp_resp(m.ssl, &got), (long)der.len);
	assert_memory_equal(got, der.data, der.len);
	meet_done(&m);
	/* and where it does not fit, the fetched one is there */
	assert_int_equal(shown(ours, staples, OTHER, 1, 0), 1);
	pki_buf_free(&der);
	sst_staples_unref(staples);
	sst_ours_unref(ours);
}

static int
expects(struct sst_ours *ours, const struct pki_cert *cert)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	int waits;

	(void)sk_X509_push(above, w.mid->cert);
	waits = sst_ours_expect(ours, cert->cert, above);
	sk_X509_free(above);
	return waits;
}

static void
what_is_new_is_waited_for_and_nothing_else(void **state)
{
	struct sst_ours *ours;

	(void)state;
	responder_hold(r.http);
	ours = ours_blank();
	assert_int_equal(sst_ours_lacks(ours), 0);
	assert_int_equal(expects(ours, r.cert[0]), 1);
	sst_ours_expect_none(ours);
	/* the first is still being asked for */
	assert_int_equal(expects(ours, r.cert[1]), 1);
	assert_int_equal(sst_ours_pending(ours), 2);
	assert_int_equal(sst_ours_lacks(ours), 1);
	responder_let_go(r.http);
	assert_true(sst_ours_wait(ours, WAIT_MS));
	assert_int_equal(sst_ours_lacks(ours), 0);
	/* with its staple it is not waited for */
	assert_int_equal(expects(ours, r.cert[1]), 0);
	sst_ours_unref(ours);
}

static void
what_comes_back_without_a_staple_is_waited_for_as_well(void **state)
{
	struct sst_ours *ours;

	(void)state;
	responder_hold(r.http);
	ours = ours_blank();
	sst_ours_sync(ours);
	assert_false(sst_ours_wait(ours, 1));
	responder_wait(r.http, 2);
	/* it leaves while it is asked for */
	assert_int_equal(sst_store_remove(r.store, "*", NULL), SST_OK);
	sst_ours_sync(ours);
	assert_int_equal(sst_ours_pending(ours), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(expects(ours, r.cert[i]), 1);
	assert_int_equal(sst_ours_lacks(ours), 2);
	/* what is expected is not in the store yet, and stays all the same */
	sst_ours_sync(ours);
	assert_int_equal(sst_ours_lacks(ours), 2);
	responder_let_go(r.http);
	assert_true(sst_ours_wait(ours, WAIT_MS));
	assert_int_equal(sst_ours_lacks(ours), 0);
	/* with one it is not */
	sst_ours_expect_none(ours);
	sst_ours_sync(ours);
	assert_int_equal(expects(ours, r.cert[0]), 0);
	sst_ours_unref(ours);
}

static void
after_the_stop_the_store_is_not_told(void **state)
{
	uint64_t generation = sst_store_generation(r.store);
	struct sst_ours *ours = ours_new(0), *stopped = ours_new(0);

	(void)state;
	duo_revoke(r.checker, r.cert[0]);
	sst_ours_stop(stopped);
	/* who is new looks at once */
	sst_ours_unref(stopped);
	assert_int_equal(sst_store_generation(r.store), generation);
	stopped = ours_new(0);
	assert_int_equal(sst_store_generation(r.store), generation + 1);
	sst_ours_unref(stopped);
	sst_ours_unref(ours);
}

/* Which of the two a client of DUO_HOST is shown. */
static int
is_served(struct sst_ours *ours, const struct pki_cert *cert, int version)
{
	struct meet m;
	int is;

	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = r.store,
	    .ours = ours }, &(struct raw){ .sni = DUO_HOST, .version = version });
	assert_int_equal(m.step, SST_STEP_DONE);
	is = meet_got(&m, cert);
	meet_done(&m);
	return is;
}

static void
one_that_demands_a_staple_is_bare_until_it_is_there(void **state)
{
	struct pki_cert *must = pki_issue(w.mid, &(struct pki_spec){ .san = DUO_HOST,
	    .ocsp = responder_url(r.http, "/0"), .extra = "tlsfeature = status_request" });
	struct sst_ours *ours, *none = ours_new(1);
	STACK_OF(X509) *above = sk_X509_new_null();

	(void)state;
	pki_free(r.cert[0]);
	r.cert[0] = must;
	responder_see(r.http);
	sst_store_unref(r.store);
	r.store = meet_store((struct pki_cert *[]){ must, r.cert[1] }, 2);
	assert_true(sk_X509_push(above, w.mid->cert) > 0);
	ours = ours_blank();
	responder_hold(r.http);
	assert_int_equal(sst_ours_is_bare(ours, must->cert, above), 1);
	assert_int_equal(sst_ours_is_bare(ours, r.cert[1]->cert, above), 0);
	assert_int_equal(sst_ours_is_bare(none, must->cert, above), 0);
	responder_let_go(r.http);
	/* it was taken in with that */
	assert_true(sst_ours_wait(ours, WAIT_MS));
	assert_int_equal(sst_ours_is_bare(ours, must->cert, above), 0);
	sk_X509_free(above);
	sst_ours_unref(ours);
	sst_ours_unref(none);
}

static void
cs_39_who_demands_a_staple_waits_for_it_behind_another(void **state)
{
	struct pki_cert *wild = pki_issue(w.mid, &(struct pki_spec){
	    .san = "*.example.com" });
	struct pki_cert *must = pki_issue(w.mid, &(struct pki_spec){ .san = DUO_HOST,
	    .ocsp = responder_url(r.http, "/0"), .extra = "tlsfeature = status_request" });
	struct sst_ours *ours[3] = { NULL };

	(void)state;
	pki_free(r.cert[0]);
	r.cert[0] = must;
	sst_store_unref(r.store);
	r.store = meet_store((struct pki_cert *[]){ must, wild }, 2);
	responder_hold(r.http);
	/* nobody here knows what is missing, or has staples at all: then the third */
	for (int i = 0; i < 3; i++) {
		ours[i] = ours_of(&(struct sst_ours_config){ .given = i == 0,
		    .no_staples = i == 1 });
		assert_int_equal(sst_ours_is_given(ours[i]), i == 0);
		sst_ours_sync(ours[i]);
		(void)sst_ours_step(ours[i]);
		assert_int_equal(is_served(ours[i], must, 0), i < 2);
		assert_int_equal(is_served(ours[i], wild, 0), i == 2);
	}
	/* it is looked for again, soon */
	assert_in_range(sst_ours_step(ours[2]), 0, 5);
	responder_let_go(r.http);
	assert_true(sst_ours_wait(ours[2], WAIT_MS));
	(void)sst_ours_step(ours[2]);
	assert_true(is_served(ours[2], must, 0));
	assert_int_equal(shown(ours[2], NULL, DUO_HOST, 1, 0), 0);
	for (int i = 0; i < 3; i++)
		sst_ours_unref(ours[i]);
	pki_free(wild);
}

static void
a_missing_staple_is_looked_for_soon(void **state)
{
	struct pki_cert *none[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_ours *ours;

		none[i] = pki_issue(w.mid, &(struct pki_spec){ .san = DUO_HOST,
		    .extra = i ? "tlsfeature = status_request" : NULL });
		sst_store_unref(r.store);
		r.store = meet_store(&none[i], 1);
		ours = ours_new(0);
		while (sst_ours_step(ours) == 0)
			continue;
		if (i)
			assert_in_range(sst_ours_step(ours), 1, 5);
		else
			assert_in_range(sst_ours_step(ours), 6, 86400);
		sst_ours_unref(ours);
		pki_free(none[i]);
	}
}

/* --- way 2 ---------------------------------------------------------------- */

static SSL_CTX *
server_of(const struct sst_openssl_check *wish)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_int_equal(sst_openssl_attach_store(ctx, r.store, NULL, NULL), SST_OK);
	if (wish != NULL)
		assert_int_equal(sst_openssl_attach_checker(ctx, r.checker, wish, NULL),
		    SST_OK);
	return ctx;
}

static SSL_CTX *
asking(void)
{
	SSL_CTX *ctx = duo_client(NULL, NULL);

	(void)SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	return ctx;
}

/* A handshake that succeeds; -1: without a staple. */
static int
met(SSL_CTX *client, SSL_CTX *server, SSL_SESSION **session, int *ret_reused)
{
	const unsigned char *der = NULL;
	struct duo d;
	int which = -1;
	long len;

	duo_ask(&d, client, server, session != NULL ? *session : NULL, DUO_HOST);
	len = SSL_get_tlsext_status_ocsp_resp(d.client, &der);
	for (int i = 0; i < 2; i++)
		if (is_about(der, len, r.cert[i]))
			which = i;
	if (ret_reused != NULL)
		*ret_reused = SSL_session_reused(d.client);
	if (session != NULL) {
		duo_talk(&d);	/* the tickets of TLS 1.3 come after it */
		SSL_SESSION_free(*session);
		*session = SSL_get1_session(d.client);
	}
	duo_done(&d);
	return which;
}

static void
what_leaves_the_store_leaves_with_its_staple(void **state)
{
	struct sst_ours *ours = ours_new(0);
	SSL_CTX *client = duo_client(NULL, NULL), *server = server_of(NULL);
	struct sst_store *both = r.store;
	int asked = r.asked;
	struct duo d;

	(void)state;
	/* a handshake that chose it just before; when such ones are over it is gone */
	duo_ask(&d, client, server, NULL, DUO_HOST);
	assert_int_equal(sst_store_remove(both, "*", NULL), SST_OK);
	sst_ours_sync(ours);
	assert_int_equal(sst_ours_give(d.server, ours), SSL_TLSEXT_ERR_OK);
	atomic_store(&wall, time(NULL) + SST_OWN_LINGER_S);
	(void)sst_ours_step(ours);
	assert_int_equal(sst_ours_give(d.server, ours), SSL_TLSEXT_ERR_NOACK);
	/* what is about to be served is met before */
	r.store = meet_store(r.cert, 2);
	for (int i = 0; i < 2; i++)
		(void)expects(ours, r.cert[i]);
	assert_true(sst_ours_wait(ours, WAIT_MS));
	assert_int_equal(shown(ours, NULL, DUO_HOST, 1, 0), 0);
	assert_int_equal(r.asked, asked);
	sst_store_unref(both);
	sst_ours_unref(ours);
	duo_done(&d);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

static void
a_store_and_a_checker_make_staples(void **state)
{
	static const struct sst_openssl_check wait = { .mode = SST_OPENSSL_WAIT,
	    .wait_ms = WAIT_MS }, cached = { .mode = SST_OPENSSL_CACHE_ONLY };
	SSL_CTX *client = asking(), *silent = duo_client(NULL, NULL);
	SSL_CTX *alone = server_of(NULL), *waits = server_of(&wait);
	SSL_CTX *cache = server_of(&cached);

	(void)state;
	/* nobody may be asked */
	assert_int_equal(met(client, alone, NULL, NULL), -1);
	assert_int_equal(met(client, cache, NULL, NULL), -1);
	assert_int_equal(r.asked, 0);
	/* who does not ask gets none */
	assert_int_equal(met(silent, waits, NULL, NULL), -1);
	/* the first client has it already */
	assert_int_equal(met(client, waits, NULL, NULL), 0);
	assert_int_equal(r.asked, 1);
	SSL_CTX_free(cache);
	/* what is kept costs no network */
	cache = server_of(&cached);
	assert_int_equal(met(client, cache, NULL, NULL), 0);
	assert_int_equal(r.asked, 1);
	SSL_CTX_free(client);
	SSL_CTX_free(silent);
	SSL_CTX_free(alone);
	SSL_CTX_free(waits);
	SSL_CTX_free(cache);
}

static void
cs_42_rv_51_a_resumed_session_gets_no_staple(void **state)
{
	static const struct sst_openssl_check wait = { .mode = SST_OPENSSL_WAIT,
	    .wait_ms = WAIT_MS };

	(void)state;
	for (int i = 0; i < 2; i++) {
		SSL_CTX *client = asking(), *server = server_of(&wait);
		SSL_SESSION *session = NULL;
		int reused = 0;

		duo_version(client, server, versions[i]);
		assert_int_equal(met(client, server, &session, &reused), 0);
		assert_false(reused);
		assert_int_equal(met(client, server, &session, &reused), -1);
		assert_true(reused);
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

/* OpenSSL itself asks for none then; who asks all the same is told the same. */
static void
cs_42_a_resumed_session_is_given_none_whoever_asks(void **state)
{
	struct sst_ours *ours = ours_new(0), *new = ours_blank();
	SSL_SESSION *session = NULL;
	struct duo all[2];

	(void)state;
	for (int again = 0; again < 2; again++) {
		const int rc = again ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
		SSL_CTX *client = asking(), *server = server_of(NULL);
		struct duo *d = &all[again];

		assert_int_equal(sst_openssl_tickets(server, &(struct sst_openssl_tickets){
		    .master = keys, .master_len = sizeof(keys) }, NULL), SST_OK);
		duo_ask(d, client, server, session, DUO_HOST);
		assert_int_equal(SSL_session_reused(d->server), again);
		assert_int_equal(sst_ours_give(d->server, ours), rc);
		assert_int_equal(sst_ours_give_met(d->server, ours, 0), rc);
		duo_talk(d);
		SSL_SESSION_free(session);
		session = SSL_get1_session(d->client);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
	/* nor is its certificate taken in */
	assert_int_equal(sst_ours_give_met(all[1].server, new, 0), SSL_TLSEXT_ERR_NOACK);
	assert_int_equal(sst_ours_give(all[0].server, new), SSL_TLSEXT_ERR_NOACK);
	assert_int_equal(sst_ours_give_met(all[0].server, new, 0), SSL_TLSEXT_ERR_OK);
	duo_done(&all[0]);
	duo_done(&all[1]);
	sst_ours_unref(new);
	SSL_SESSION_free(session);
	sst_ours_unref(ours);
}

/* Also where no client ever asks for a staple. */
static void
the_watch_goes_on_whoever_the_clients_are(void **state)
{
	static const struct sst_openssl_check cached = { .mode = SST_OPENSSL_CACHE_ONLY },
	    off = { .policy = { .mode = SST_REVOCATION_OFF } };
	SSL_CTX *silent = duo_client(NULL, NULL), *server = server_of(&cached);
	SSL_CTX *alone = server_of(NULL), *unwatched = server_of(&off);
	const uint64_t generation = sst_store_generation(r.store);

	(void)state;
	duo_revoke(r.checker, r.cert[0]);
	(void)met(silent, alone, NULL, NULL);
	(void)met(silent, unwatched, NULL, NULL);
	assert_int_equal(sst_store_generation(r.store), generation);
	(void)met(silent, server, NULL, NULL);
	assert_int_equal(sst_store_generation(r.store), generation + 1);
	SSL_CTX_free(silent);
	SSL_CTX_free(server);
	SSL_CTX_free(alone);
	SSL_CTX_free(unwatched);
}

#define CROWD	66	/* the first is taken in by the step that it makes */

/* More of them are met between two steps than wait to be taken in. */
static void
cs_39_each_of_many_that_demand_a_staple_waits_behind_another(void **state)
{
	static const struct sst_openssl_check cached = { .mode = SST_OPENSSL_CACHE_ONLY };
	struct pki_cert *cert[CROWD + 1];
	SSL_CTX *client = asking(), *server;
	char san[64], name[32];
	struct duo d;

	(void)state;
	cert[CROWD] = pki_issue(w.mid, &(struct pki_spec){ .san = "*.example.com" });
	for (int i = 0; i < CROWD; i++) {
		(void)snprintf(san, sizeof(san), "n%d.example.com," DUO_HOST, i);
		cert[i] = pki_issue(w.mid, &(struct pki_spec){ .san = san,
		    .use_key = cert[CROWD]->key, .extra = "tlsfeature = status_request" });
	}
	sst_store_unref(r.store);
	r.store = meet_store(cert, CROWD + 1);
	server = server_of(&cached);
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < CROWD; i++) {
			(void)snprintf(name, sizeof(name), "n%d.example.com", i);
			duo_ask(&d, client, server, NULL, name);
			assert_int_equal(X509_cmp(SSL_get0_peer_certificate(d.client),
			    cert[again ? CROWD : i]->cert), 0);
			duo_done(&d);
		}
		/* two steps later */
		for (int i = 0; i < 2; i++) {
			atomic_fetch_add(&wall_ahead, 60000);
			(void)met(client, server, NULL, NULL);
		}
	}
	for (int i = 0; i <= CROWD; i++)
		pki_free(cert[i]);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* Way 1, and nothing was looked through. */
static void
what_is_served_is_watched_from_then_on(void **state)
{
	const uint64_t before = sst_store_generation(r.store);
	struct sst_ours *ours;

	(void)state;
	duo_revoke(r.checker, r.cert[0]);
	ours = ours_blank();
	for (int served = 0; served < 2; served++) {
		(void)shown(served ? ours : NULL, NULL, DUO_HOST, 0, 0);
		while (sst_ours_step(ours) == 0)
			continue;
		assert_int_equal(sst_store_generation(r.store), before + (uint64_t)served);
	}
	sst_ours_unref(ours);
}

/* The store's choice for a client of today that asks for DUO_HOST. */
static struct sst_choice *
choice(void)
{
	static const uint16_t suites[] = { 0x1301 }, sigalgs[] = { 0x0403 },
	    groups[] = { 0x0017 };
	const size_t n = strlen(DUO_HOST);
	unsigned char name[5 + sizeof(DUO_HOST)] = { 0, (unsigned char)(n + 3), 0, 0,
	    (unsigned char)n };
	const struct sst_hello hello = { .server_name = name, .server_name_len = 5 + n,
	    .has_server_name = 1, .version = TLS1_3_VERSION, .suites = suites,
	    .n_suites = 1, .sigalgs = sigalgs, .n_sigalgs = 1, .groups = groups,
	    .n_groups = 1 };
	struct sst_choice *c = NULL;

	memcpy(name + 5, DUO_HOST, n);
	assert_int_equal(sst_store_choose(r.store, &(struct sst_choose_policy){ 0 },
	    &hello, w.now, &c, NULL), 1);
	return c;
}

/* Chosen, then lost, then looked for, and only then said to be served: nothing would
 * ever end it. */
static void
what_was_chosen_before_the_store_lost_it_is_not_seen_to(void **state)
{
	SSL_CTX *client = duo_client(NULL, NULL), *server = server_of(NULL);
	struct sst_choice *c = choice();
	struct sst_ours *ours;
	struct duo d;

	(void)state;
	duo_ask(&d, client, server, NULL, DUO_HOST);
	ours = ours_blank();
	/* once as new, once as known, once as lost, and once as forgotten */
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			assert_int_equal(sst_store_remove(r.store, "*", NULL), SST_OK);
		(void)sst_ours_go_on(ours);
		sst_ours_serve(ours, c);
		(void)sst_ours_go_on(ours);
		assert_true(sst_ours_wait(ours, WAIT_MS));
		/* when no handshake can have it from before any more */
		atomic_store(&wall, time(NULL) + (i + 1) * (SST_OWN_LINGER_S + 5));
		assert_int_equal(sst_ours_give(d.server, ours),
		    i < 2 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK);
	}
	sst_ours_unref(ours);
	sst_choice_unref(c);
	duo_done(&d);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

static void
what_the_store_has_lost_is_seen_to_no_more(void **state)
{
	struct sst_ours *ours = ours_new(0);
	SSL_CTX *client = duo_client(NULL, NULL), *server = server_of(NULL);
	char digest[65];
	uint8_t leaf[32];
	struct duo d;

	(void)state;
	duo_ask(&d, client, server, NULL, DUO_HOST);
	(void)sst_ours_go_on(ours);
	assert_int_equal(sst_ours_give(d.server, ours), SSL_TLSEXT_ERR_OK);
	/* another one goes: this one stays */
	for (int i = 1; i >= 0; i--) {
		pki_digest(r.cert[i], leaf);
		for (int k = 0; k < 32; k++)
			(void)snprintf(digest + 2 * k, 3, "%02x", leaf[k]);
		assert_int_equal(sst_store_remove(r.store, digest, NULL), SST_OK);
		(void)sst_ours_go_on(ours);
		assert_int_equal(sst_ours_give(d.server, ours), SSL_TLSEXT_ERR_OK);
		/* when no handshake can have it from before any more */
		atomic_store(&wall, time(NULL) + (2 - i) * (SST_OWN_LINGER_S + 5));
		assert_int_equal(sst_ours_give(d.server, ours),
		    i == 1 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK);
	}
	sst_ours_unref(ours);
	duo_done(&d);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* For a moment there is no memory to list the store: nothing has left it. */
static void
what_could_not_be_listed_is_not_gone(void **state)
{
	struct sst_ours *ours = ours_new(0);
	SSL_CTX *client = duo_client(NULL, NULL), *server = server_of(NULL);
	const uint8_t nobody[32] = { 0 };
	struct duo d;
	int hits = 0;

	(void)state;
	duo_ask(&d, client, server, NULL, DUO_HOST);
	for (int n = 1, hit = 1; hit; n++) {
		/* another generation, or nothing is listed */
		assert_int_equal(sst_store_mark_bare(r.store, nobody, n % 2, NULL), SST_OK);
		starve_arm((n + 1) / 2, STARVE_SQLITE);
		if (n % 2 == 0)
			(void)sst_ours_go_on(ours);
		else
			sst_ours_sync(ours);
		hit = starve_over();
		hits += hit;
		/* nor when no handshake can have it from before any more */
		atomic_store(&wall, time(NULL) + hits * (SST_OWN_LINGER_S + 1));
		assert_int_equal(sst_ours_give(d.server, ours), SSL_TLSEXT_ERR_OK);
	}
	assert_true(hits > 1);
	sst_ours_unref(ours);
	duo_done(&d);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* A mark that failed for want of memory comes with the next look. */
static void
what_is_revoked_is_marked_although_there_was_no_memory(void **state)
{
	struct sst_store *none = r.store;
	const time_t begun = time(NULL);
	int hits = 0;

	(void)state;
	duo_revoke(r.checker, r.cert[0]);
	for (int n = 1, hit = 1; hit; n++) {
		struct sst_ours *ours;
		uint64_t before;

		r.store = meet_store(r.cert, 2);
		before = sst_store_generation(r.store);
		ours = ours_blank();
		sst_ours_sync(ours);
		starve_arm(n, STARVE_SQLITE);
		while (sst_ours_step(ours) == 0)
			continue;
		hit = starve_over();
		hits += hit;
		atomic_store(&wall, begun + 100 * n);
		while (sst_ours_step(ours) == 0)
			continue;
		assert_int_equal(sst_store_generation(r.store), before + 1);
		sst_ours_unref(ours);
		sst_store_unref(r.store);
	}
	assert_true(hits > 1);
	r.store = none;
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(rv_53_a_fetched_staple_is_shown_to_who_asks_and_to_nobody_else),
		EACH(rv_54_a_fetched_staple_is_that_of_the_certificate_that_was_chosen),
		EACH(what_the_program_gave_goes_before_what_was_fetched),
		EACH(what_leaves_the_store_leaves_with_its_staple),
		EACH(what_is_new_is_waited_for_and_nothing_else),
		EACH(what_comes_back_without_a_staple_is_waited_for_as_well),
		EACH(after_the_stop_the_store_is_not_told),
		EACH(a_missing_staple_is_looked_for_soon),
		EACH(one_that_demands_a_staple_is_bare_until_it_is_there),
		EACH(cs_39_who_demands_a_staple_waits_for_it_behind_another),
		EACH(a_store_and_a_checker_make_staples),
		EACH(cs_42_rv_51_a_resumed_session_gets_no_staple),
		EACH(the_watch_goes_on_whoever_the_clients_are),
		EACH(cs_39_each_of_many_that_demand_a_staple_waits_behind_another),
		EACH(what_is_served_is_watched_from_then_on),
		EACH(what_the_store_has_lost_is_seen_to_no_more),
		EACH(what_was_chosen_before_the_store_lost_it_is_not_seen_to),
		EACH(what_could_not_be_listed_is_not_gone),
		EACH(what_is_revoked_is_marked_although_there_was_no_memory),
		EACH(cs_42_a_resumed_session_is_given_none_whoever_asks),
	};

	if (!starve_sqlite())
		return 1;
	return cmocka_run_group_tests_name("ours", tests, duo_world_make, duo_world_free);
}
