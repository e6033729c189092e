/* SPDX-License-Identifier: ISC */
/* attach_call - the call after a handshake, what it needs, and what attaching takes. */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duo.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static const struct sst_openssl_check soft;
static const struct sst_openssl_check hard = { .policy.mode = SST_REVOCATION_HARD };
static const struct sst_openssl_check waits = { .mode = SST_OPENSSL_WAIT,
	.wait_ms = 20000 };
static const struct sst_openssl_check musts = { .mode = SST_OPENSSL_MUST,
	.wait_ms = 20000 };

static int
on_status_of_the_program(SSL *ssl, void *arg)
{
	(void)ssl;
	++*(int *)arg;
	return 1;
}

static void
an_overwritten_hook_is_made_good_by_the_call(void **state)
{
	struct pki_buf staple;
	struct duo_scene s;
	int n = 0;

	(void)state;
	for (int revoked = 0; revoked < 2; revoked++)
		for (int i = 0; i < 2; i++) {
			memset(&s, 0, sizeof(s));
			staple = duo_response(w.mid, revoked ? w.other : w.www,
			    revoked ? MADE_REVOKED : MADE_GOOD);
			s.staple = staple;
			s.client = duo_client(w.checker, &hard);
			s.server = duo_server(revoked ? w.other : w.www, &s.staple);
			duo_version(s.client, s.server, versions[i]);
			SSL_CTX_set_tlsext_status_cb(s.client, on_status_of_the_program);
			SSL_CTX_set_tlsext_status_arg(s.client, &n);
			duo_meet(&s.d, s.client, s.server, NULL);
			assert_true(s.d.client_ok);
			assert_null(sst_openssl_result(s.d.client, 0));
			if (revoked)
				duo_refused(s.d.client, "revoked");
			else
				duo_accepted(s.d.client);
			assert_non_null(sst_openssl_result(s.d.client, 0));
			duo_scene_over(&s);
		}
	assert_int_equal(n, 4);
}

static void
garbage_is_refused_by_the_call_as_well(void **state)
{
	struct duo_scene s = { 0 };

	(void)state;
	pki_put_text(&s.staple, "\x30\x03 no response");
	s.client = duo_client(w.checker, NULL);
	s.server = duo_server(w.www, &s.staple);
	SSL_CTX_set_tlsext_status_cb(s.client, NULL);
	duo_meet(&s.d, s.client, s.server, NULL);
	assert_true(s.d.client_ok);
	duo_refused(s.d.client, "no OCSP response");
	duo_scene_over(&s);
}

static void
a_callback_that_was_there_is_called_after_the_hook(void **state)
{
	struct duo_scene s;
	struct pki_buf staple;
	int n = 0;

	(void)state;
	for (int revoked = 0; revoked < 2; revoked++) {
		memset(&s, 0, sizeof(s));
		staple = duo_response(w.mid, w.www, revoked ? MADE_REVOKED : MADE_GOOD);
		s.staple = staple;
		s.client = duo_client(NULL, NULL);
		s.server = duo_server(w.www, &s.staple);
		SSL_CTX_set_tlsext_status_cb(s.client, on_status_of_the_program);
		SSL_CTX_set_tlsext_status_arg(s.client, &n);
		assert_int_equal(sst_openssl_attach_checker(s.client, w.checker, &hard,
		    NULL), 0);
		duo_meet(&s.d, s.client, s.server, NULL);
		if (revoked)
			duo_scene_refused(&s, "revoked");
		else
			duo_scene_accepted(&s);
		assert_int_equal(n, 1);
		duo_scene_over(&s);
	}
}

static void
on_a_live_connection_it_may_be_asked_again(void **state)
{
	struct duo_scene s, quiet;

	(void)state;
	duo_scene(&s, &soft, w.www, NULL, 0);
	duo_scene(&quiet, &soft, w.other, NULL, 0);
	duo_scene_accepted(&s);
	duo_scene_accepted(&s);
	duo_revoke(w.checker, w.www);
	duo_refused(s.d.client, "revoked");
	duo_refused(s.d.client, "revoked");
	duo_scene_accepted(&quiet);
	duo_scene_over(&s);
	duo_scene_over(&quiet);
}

static void
between_hook_and_call_a_revocation_counts(void **state)
{
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &soft, w.www, NULL, 0);
	assert_true(s.d.client_ok);
	duo_revoke(w.checker, w.www);
	duo_refused(s.d.client, "revoked");
	duo_scene_over(&s);
}

static void
a_staple_is_read_once_a_handshake(void **state)
{
	struct pki_buf staple = duo_response(w.mid, w.www, MADE_GOOD);
	unsigned char *garbage = OPENSSL_memdup("garbage", 7);
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &soft, w.www, &staple, 0);
	assert_true(s.d.client_ok);
	/* puts something else where the hook found it */
	assert_true(SSL_set_tlsext_status_ocsp_resp(s.d.client, garbage, 7));
	duo_accepted(s.d.client);	/* what the hook has judged */
	duo_refused(s.d.client, "no OCSP response");	/* a judgement of its own */
	duo_scene_over(&s);
}

static void
what_can_no_longer_be_judged_has_no_result(void **state)
{
	struct duo_scene s;

	(void)state;
	duo_scene(&s, &soft, w.www, NULL, 0);
	duo_scene_accepted(&s);
	assert_non_null(sst_openssl_result(s.d.client, 0));
	SSL_set_verify_result(s.d.client, X509_V_ERR_CERT_REJECTED);
	duo_refused(s.d.client, "not verified");
	assert_null(sst_openssl_result(s.d.client, 0));
	SSL_set_verify_result(s.d.client, X509_V_OK);
	duo_scene_accepted(&s);
	duo_scene_over(&s);
}

static void
without_the_checker_or_a_finished_handshake_nothing_is_said(void **state)
{
	SSL_CTX *plain = duo_client(NULL, NULL), *client = duo_client(w.checker, NULL);
	SSL_CTX *server = duo_server(w.www, NULL);
	struct sst_error err = { 0 };
	struct duo d;
	SSL *ssl = SSL_new(client);

	(void)state;
	assert_int_equal(sst_openssl_judge(ssl, &err), SST_E_STATE);
	assert_non_null(strstr(err.text, "handshake"));
	assert_null(sst_openssl_result(ssl, 0));
	SSL_free(ssl);
	duo_meet(&d, plain, server, NULL);
	assert_true(d.client_ok);
	err = (struct sst_error){ 0 };
	assert_int_equal(sst_openssl_judge(d.client, &err), SST_E_STATE);
	assert_non_null(strstr(err.text, "no checker"));
	assert_null(sst_openssl_result(d.client, 0));
	duo_done(&d);
	assert_int_equal(sst_openssl_judge(NULL, &err), SST_E_STATE);
	assert_null(sst_openssl_result(NULL, 0));
	duo_meet(&d, client, server, NULL);
	duo_accepted(d.client);
	duo_over(&d, client, server);
	SSL_CTX_free(plain);
}

static void
a_handshake_that_failed_otherwise_is_none_of_its_business(void **state)
{
	SSL_CTX *client = duo_client(w.checker, NULL), *server = duo_server(w.user, NULL);
	struct duo d;

	(void)state;
	duo_meet(&d, client, server, NULL);	/* has no such name */
	assert_false(d.client_ok);
	assert_int_equal(sst_openssl_judge(d.client, NULL), SST_E_STATE);
	assert_int_not_equal(d.alert, SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE);
	duo_over(&d, client, server);
}

static void
a_chain_that_was_not_verified_is_refused_and_not_asked_about(void **state)
{
	SSL_CTX *client = duo_client(w.checker, &waits), *server;
	struct pki_cert *alien = pki_issue(NULL, &(struct pki_spec){ .cn = "Alien",
	    .ca = 1 });
	struct pki_cert *mid = pki_issue(alien, &(struct pki_spec){ .cn = "M", .ca = 1 });
	struct pki_cert *www = pki_issue(mid, &(struct pki_spec){ .cn = "x",
	    .san = DUO_HOST, .crl = responder_url(w.lists, "/list") });
	struct duo d;

	(void)state;
	server = duo_server(www, NULL);
	SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
	duo_meet(&d, client, server, NULL);
	assert_false(d.client_ok);
	duo_refused(d.client, "not verified");
	duo_done(&d);
	SSL_CTX_set_tlsext_status_cb(client, NULL);
	duo_meet(&d, client, server, NULL);
	assert_true(d.client_ok);
	duo_refused(d.client, "not verified");
	assert_int_equal(duo_requests(), 0);
	duo_over(&d, client, server);
	pki_free(www);
	pki_free(mid);
	pki_free(alien);
}

static void
a_server_without_a_certificate_is_refused(void **state)
{
	SSL_CTX *client, *server;
	struct duo d;

	(void)state;
	for (int hook = 0; hook < 2; hook++)
		for (int anonymous = 0; anonymous < 2; anonymous++) {
			const char *suites = anonymous ? "aNULL:@SECLEVEL=0" :
			    "ALL:!aNULL:@SECLEVEL=0";

			client = duo_client(w.checker, NULL);
			server = duo_server(w.www, NULL);
			SSL_CTX_set_dh_auto(server, 1);
			assert_true(SSL_CTX_set_cipher_list(client, suites));
			assert_true(SSL_CTX_set_cipher_list(server, suites));
			duo_version(client, server, TLS1_2_VERSION);
			if (!hook)
				SSL_CTX_set_tlsext_status_cb(client, NULL);
			duo_meet(&d, client, server, NULL);
			assert_int_equal(d.client_ok, !hook || !anonymous);
			if (anonymous)
				duo_refused(d.client, "no certificate");
			else
				duo_accepted(d.client);
			duo_over(&d, client, server);
		}
}

static void
a_second_checker_or_a_contradiction_is_refused(void **state)
{
	const struct sst_openssl_check wrong[] = {
		{ .mode = (enum sst_openssl_check_mode)3 },
		{ .mode = (enum sst_openssl_check_mode)-1 },
		{ .policy.mode = (enum sst_revocation_mode)5 },
		{ .policy.mode = (enum sst_revocation_mode)-1 },
		{ .wait_ms = 1 },
		{ .mode = SST_OPENSSL_MUST, .policy.mode = SST_REVOCATION_OFF },
	};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct sst_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = (struct sst_error){ 0 };
		assert_int_equal(sst_openssl_attach_checker(ctx, w.checker, &wrong[i],
		    &err), SST_E_USAGE);
		assert_int_not_equal(err.text[0], '\0');
	}
	assert_int_equal(sst_openssl_attach_checker(NULL, w.checker, NULL, NULL),
	    SST_E_USAGE);
	assert_int_equal(sst_openssl_attach_checker(ctx, NULL, NULL, NULL), SST_E_USAGE);
	assert_int_equal(sst_openssl_attach_checker(ctx, w.checker, &musts, NULL), 0);
	err = (struct sst_error){ 0 };
	assert_int_equal(sst_openssl_attach_checker(ctx, w.checker, NULL, &err),
	    SST_E_STATE);
	assert_non_null(strstr(err.text, "already"));
	SSL_CTX_free(ctx);
}

static void
off_takes_nothing_and_accepts_all(void **state)
{
	const struct sst_openssl_check off = { .policy.mode = SST_REVOCATION_OFF };
	struct duo_scene s;
	int (*cb)(SSL *, void *) = NULL;

	(void)state;
	duo_revoke(w.checker, w.www);
	duo_scene(&s, &off, w.www, NULL, 0);
	assert_true(s.d.client_ok);
	duo_accepted(s.d.client);
	assert_null(sst_openssl_result(s.d.client, 0));
	SSL_CTX_get_tlsext_status_cb(s.client, &cb);
	assert_null(cb);
	assert_int_equal(SSL_CTX_get_tlsext_status_type(s.client), -1);
	duo_scene_over(&s);
	duo_scene(&s, &soft, w.www, NULL, 0);
	SSL_CTX_get_tlsext_status_cb(s.client, &cb);
	assert_non_null(cb);
	duo_scene_refused(&s, "revoked");
	duo_scene_over(&s);
}

static void
the_reason_is_in_openssls_queue_too(void **state)
{
	struct duo_scene s = { 0 };
	const char *data = NULL;
	unsigned long code;
	int flags, ret;

	(void)state;
	duo_revoke(w.checker, w.www);
	s.client = duo_client(w.checker, NULL);
	s.server = duo_server(w.www, NULL);
	duo_meet(&s.d, s.client, s.server, NULL);
	assert_false(s.d.client_ok);
	duo_done(&s.d);
	/* and once more, step by step, since duo_shake() clears the queue */
	duo_begin(&s.d, s.client, s.server, NULL);
	for (int i = 0; i < 10; i++) {
		ERR_clear_error();
		(void)SSL_do_handshake(s.d.server);
		ERR_clear_error();
		ret = SSL_do_handshake(s.d.client);
		if (SSL_get_error(s.d.client, ret) == SSL_ERROR_SSL)
			break;
	}
	code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);	/* the first */
	assert_int_equal(ERR_GET_LIB(code), ERR_LIB_SSL);
	assert_int_equal(ERR_GET_REASON(code), SSL_R_INVALID_STATUS_RESPONSE);
	assert_true(flags & ERR_TXT_STRING);
	assert_non_null(strstr(data, "revoked"));
	duo_scene_over(&s);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, duo_setup, duo_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(an_overwritten_hook_is_made_good_by_the_call),
		EACH(garbage_is_refused_by_the_call_as_well),
		EACH(a_callback_that_was_there_is_called_after_the_hook),
		EACH(on_a_live_connection_it_may_be_asked_again),
		EACH(between_hook_and_call_a_revocation_counts),
		EACH(a_staple_is_read_once_a_handshake),
		EACH(what_can_no_longer_be_judged_has_no_result),
		EACH(without_the_checker_or_a_finished_handshake_nothing_is_said),
		EACH(a_handshake_that_failed_otherwise_is_none_of_its_business),
		EACH(a_chain_that_was_not_verified_is_refused_and_not_asked_about),
		EACH(a_server_without_a_certificate_is_refused),
		EACH(a_second_checker_or_a_contradiction_is_refused),
		EACH(off_takes_nothing_and_accepts_all),
		EACH(the_reason_is_in_openssls_queue_too),
	};

	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
