/* SPDX-License-Identifier: ISC */
/* attach_server - a server's SSL_CTX with a checker: its clients' certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duo.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static const struct sst_openssl_check waits = { .mode = SST_OPENSSL_WAIT,
	.wait_ms = 20000 };

/* A server that asks for certificates, and judges. */
static SSL_CTX *
asking(const struct sst_openssl_check *config)
{
	SSL_CTX *ctx = duo_server(w.www, NULL);

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	assert_int_equal(sst_openssl_attach_checker(ctx, w.checker, config, NULL), 0);
	return ctx;
}

/* A client that judges nobody and shows this (NULL: none). */
static SSL_CTX *
showing(const struct pki_cert *cert)
{
	SSL_CTX *ctx = duo_client(NULL, NULL);

	if (cert == NULL)
		return ctx;
	assert_true(SSL_CTX_use_certificate(ctx, cert->cert));
	assert_true(SSL_CTX_use_PrivateKey(ctx, cert->key));
	assert_true(SSL_CTX_add1_chain_cert(ctx, cert->issuer->cert));
	return ctx;
}

static void
a_clients_certificate_is_judged_by_the_call(void **state)
{
	SSL_CTX *server, *client;
	struct duo d;

	(void)state;
	for (int i = 0; i < 2; i++) {
		duo_teardown(NULL);
		duo_setup(NULL);
		server = asking(NULL);
		client = showing(w.user);
		duo_version(client, server, versions[i]);
		duo_meet(&d, client, server, NULL);
		assert_true(d.server_ok);
		assert_null(sst_openssl_result(d.server, 0));
		duo_accepted(d.server);
		assert_int_equal(sst_openssl_result(d.server, 0)->verdict,
		    SST_VERDICT_NO_SOURCE);
		duo_done(&d);
		duo_revoke(w.checker, w.user);
		duo_meet(&d, client, server, NULL);
		assert_true(d.server_ok);
		duo_refused(d.server, "revoked");
		duo_over(&d, client, server);
	}
}

static void
a_clients_list_is_fetched_and_kept(void **state)
{
	SSL_CTX *server = asking(&waits), *client = showing(w.user_listed);
	struct duo d;

	(void)state;
	for (int i = 0; i < 3; i++) {
		duo_meet(&d, client, server, NULL);
		duo_accepted(d.server);
		assert_int_equal(sst_openssl_result(d.server, 0)->source, SST_SOURCE_CRL);
		duo_done(&d);
	}
	assert_int_equal(duo_requests(), 1);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	duo_teardown(NULL);
	duo_setup(NULL);
	w.revoked = w.user_listed;
	server = asking(&waits);
	client = showing(w.user_listed);
	duo_meet(&d, client, server, NULL);
	duo_refused(d.server, "revoked");
	duo_over(&d, client, server);
}

static void
who_shows_no_certificate_is_not_judged(void **state)
{
	const struct sst_openssl_check must = { .mode = SST_OPENSSL_MUST };
	SSL_CTX *server = asking(&must), *client = showing(NULL), *shows = showing(w.user);
	struct duo d;

	(void)state;
	duo_meet(&d, client, server, NULL);
	duo_accepted(d.server);
	assert_null(sst_openssl_result(d.server, 0));
	duo_done(&d);
	duo_meet(&d, shows, server, NULL);
	duo_refused(d.server, "refused");
	duo_done(&d);
	SSL_CTX_free(shows);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* What the server staples is about itself. */
static void
a_servers_own_staple_is_no_clients(void **state)
{
	const struct sst_openssl_check hard = { .policy.mode = SST_REVOCATION_STAPLE };
	struct pki_buf good = duo_response(w.mid, w.user, MADE_GOOD);
	struct pki_buf garbage = { 0 };
	SSL_CTX *server, *client;
	struct duo d;

	(void)state;
	pki_put_text(&garbage, "garbage");
	for (int i = 0; i < 2; i++) {
		server = duo_server(w.www, i == 0 ? &good : &garbage);
		SSL_CTX_set_verify(server, SSL_VERIFY_PEER, NULL);
		assert_int_equal(sst_openssl_attach_checker(server, w.checker,
		    i == 0 ? &hard : NULL, NULL), 0);
		client = showing(w.user);
		assert_true(SSL_CTX_set_tlsext_status_type(client,
		    TLSEXT_STATUSTYPE_ocsp));
		duo_meet(&d, client, server, NULL);
		assert_true(d.server_ok);
		if (i == 0)
			duo_refused(d.server, "staple");
		else
			duo_accepted(d.server);
		duo_over(&d, client, server);
	}
	pki_buf_free(&good);
	pki_buf_free(&garbage);
}

static void
a_server_goes_on_stapling(void **state)
{
	struct pki_buf staple = duo_response(w.mid, w.www, MADE_GOOD);
	const struct sst_openssl_check wanted = { .policy.mode = SST_REVOCATION_STAPLE };
	SSL_CTX *server, *client;
	struct duo d;

	(void)state;
	for (int stapled = 0; stapled < 2; stapled++) {
		server = duo_server(w.www, stapled ? &staple : NULL);
		assert_int_equal(sst_openssl_attach_checker(server, w.checker, NULL,
		    NULL), 0);
		duo_teardown(NULL);
		duo_setup(NULL);
		client = duo_client(w.checker, &wanted);
		duo_meet(&d, client, server, NULL);
		assert_int_equal(d.client_ok, stapled);
		if (stapled)
			duo_accepted(d.client);
		else
			duo_refused(d.client, "staple");
		duo_over(&d, client, server);
	}
	pki_buf_free(&staple);
}

/* A session in the server's cache keeps the chain, one in a ticket cannot. */
static void
rv_51_a_client_that_comes_again_is_judged_again(void **state)
{
	SSL_CTX *server, *client;
	SSL_SESSION *session;
	struct duo d;

	(void)state;
	for (int i = 0; i < 4; i++) {
		const int tickets = i >= 2;

		duo_teardown(NULL);
		duo_setup(NULL);
		server = asking(NULL);
		client = showing(w.user);
		duo_version(client, server, versions[i % 2]);
		if (!tickets)
			SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
		duo_meet(&d, client, server, NULL);
		duo_accepted(d.server);
		duo_talk(&d);
		session = SSL_get1_session(d.client);
		duo_done(&d);
		duo_meet(&d, client, server, session);
		assert_true(SSL_session_reused(d.server));
		if (tickets)
			duo_refused(d.server, "without the chain");
		else
			duo_accepted(d.server);
		duo_done(&d);
		duo_revoke(w.checker, w.user);
		if (versions[i % 2] == TLS1_3_VERSION && !tickets) {
			SSL_SESSION_free(session);	/* it was for once */
			session = NULL;
		}
		duo_meet(&d, client, server, session);
		duo_refused(d.server, tickets ? "without the chain" : "revoked");
		duo_over(&d, client, server);
		SSL_SESSION_free(session);
	}
}

static void
who_shows_another_certificate_later_is_judged_for_it(void **state)
{
	SSL_CTX *server = duo_server(w.www, NULL), *client = showing(w.user);
	struct duo d;

	(void)state;
	assert_int_equal(sst_openssl_attach_checker(server, w.checker, NULL, NULL), 0);
	SSL_CTX_set_post_handshake_auth(client, 1);
	duo_revoke(w.checker, w.user);
	duo_meet(&d, client, server, NULL);
	duo_accepted(d.server);	/* it showed none so far */
	SSL_set_verify(d.server, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, NULL);
	assert_true(SSL_verify_client_post_handshake(d.server));
	assert_int_equal(SSL_do_handshake(d.server), 1);
	duo_talk(&d);
	assert_int_equal(SSL_write(d.client, "x", 1), 1);
	assert_int_equal(SSL_read(d.server, &(char){ 0 }, 1), 1);
	assert_non_null(SSL_get0_peer_certificate(d.server));
	duo_refused(d.server, "revoked");
	duo_over(&d, client, server);
}

/* The session keeps the chain of who came first, which is none of the second. */
static void
who_showed_two_certificates_is_not_resumed_as_the_first(void **state)
{
	SSL_CTX *server, *client;
	SSL_SESSION *session;
	struct duo d;

	(void)state;
	for (int second = 0; second < 2; second++) {
		server = asking(NULL);
		client = showing(w.user);
		SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
		SSL_CTX_set_post_handshake_auth(client, 1);
		duo_meet(&d, client, server, NULL);
		duo_accepted(d.server);
		if (second) {
			assert_true(SSL_use_certificate(d.client, w.user_listed->cert));
			assert_true(SSL_use_PrivateKey(d.client, w.user_listed->key));
			assert_true(SSL_verify_client_post_handshake(d.server));
			assert_int_equal(SSL_do_handshake(d.server), 1);
			duo_talk(&d);
			assert_int_equal(SSL_write(d.client, "x", 1), 1);
			assert_int_equal(SSL_read(d.server, &(char){ 0 }, 1), 1);
			duo_accepted(d.server);
		}
		duo_talk(&d);
		session = SSL_get1_session(d.client);
		duo_done(&d);
		duo_meet(&d, client, server, session);
		assert_true(SSL_session_reused(d.server));
		if (second)
			duo_refused(d.server, "without the chain");
		else
			duo_accepted(d.server);
		SSL_SESSION_free(session);
		duo_over(&d, client, server);
	}
}

static SSL_CTX *other_ctx;

static int
on_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	assert_non_null(SSL_set_SSL_CTX(ssl, other_ctx));
	return SSL_TLSEXT_ERR_OK;
}

static void
an_ssl_ctx_that_was_changed_for_another_needs_a_checker_too(void **state)
{
	SSL_CTX *server = asking(NULL), *client = showing(w.user);
	struct duo d;

	(void)state;
	SSL_CTX_set_tlsext_servername_callback(server, on_name);
	for (int attached = 0; attached < 2; attached++) {
		other_ctx = attached ? asking(NULL) : duo_server(w.www, NULL);
		duo_meet(&d, client, server, NULL);
		assert_true(d.server_ok);
		if (attached)
			duo_accepted(d.server);
		else
			assert_int_equal(sst_openssl_judge(d.server, NULL), SST_E_STATE);
		duo_done(&d);
		SSL_CTX_free(other_ctx);
	}
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, duo_setup, duo_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_clients_certificate_is_judged_by_the_call),
		EACH(a_clients_list_is_fetched_and_kept),
		EACH(who_shows_no_certificate_is_not_judged),
		EACH(a_servers_own_staple_is_no_clients),
		EACH(a_server_goes_on_stapling),
		EACH(rv_51_a_client_that_comes_again_is_judged_again),
		EACH(who_shows_another_certificate_later_is_judged_for_it),
		EACH(who_showed_two_certificates_is_not_resumed_as_the_first),
		EACH(an_ssl_ctx_that_was_changed_for_another_needs_a_checker_too),
	};

	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
