/* SPDX-License-Identifier: ISC */
/* Session tickets of way 2 beside callbacks that the program has: which are called, and
 * what they find. */
#include "visit.h"

#include "duo.h"
#include "meet.h"

static int keys_asked;

static int
on_key_of_its_own(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
	(void)ssl, (void)name, (void)iv, (void)cipher, (void)mac, (void)seal;
	keys_asked++;
	return 0;
}

/* OpenSSL would ask it before the one that binds. */
static void
a_callback_for_keys_that_was_there_is_called_no_more(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s = { .ctx = SSL_CTX_new(TLS_server_method()) };

		(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(s.ctx, on_key_of_its_own);
		assert_int_equal(SSL_CTX_use_certificate(s.ctx, t.a->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(s.ctx, t.a->key), 1);
		keys_asked = 0;
		visit(&s, &v);
		assert_int_not_equal(keys_asked, 0);
		assert_null(v.session);
		assert_int_equal(sst_openssl_attach_store(s.ctx, store, NULL, NULL), 0);
		keys_asked = 0;
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		assert_int_equal(keys_asked, 0);
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

/* What a program's callbacks found; NULL: nothing, or they were not called. */
static X509 *at_alpn, *at_cert;

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	(void)out, (void)out_len, (void)in, (void)in_len, (void)arg;
	at_alpn = SSL_get_certificate(ssl);
	return SSL_TLSEXT_ERR_NOACK;
}

static int
on_cert(SSL *ssl, void *arg)
{
	(void)arg;
	at_cert = SSL_get_certificate(ssl);
	return 1;
}

static int
is_a(X509 *leaf)
{
	return leaf != NULL && X509_cmp(leaf, t.a->cert) == 0;
}

/* The other arm is the full handshake before it, and the one after. */
static void
below_1_3_a_resumed_session_has_no_certificate(void **state)
{
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .version = visit_versions[i], .alpn = "\2h2" };
		SSL_CTX *server = visit_ctx(store, NULL), *client = visit_client(&v);
		SSL_SESSION *session = NULL;
		struct duo d;

		/* which is never served, and nothing that a callback finds */
		assert_int_equal(SSL_CTX_use_certificate(server, t.b->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(server, t.b->key), 1);
		SSL_CTX_set_alpn_select_cb(server, on_alpn, NULL);
		SSL_CTX_set_cert_cb(server, on_cert, NULL);
		for (int turn = 0; turn < 3; turn++) {
			const int resumed = turn == 1;
			const int none = resumed && v.version == TLS1_2_VERSION;

			at_alpn = at_cert = NULL;
			duo_ask(&d, client, server, resumed ? session : NULL, "a.example");
			assert_int_equal(SSL_session_reused(d.server), resumed);
			assert_true(is_a(SSL_get0_peer_certificate(d.client)));
			assert_int_equal(is_a(at_cert), !resumed);
			assert_int_equal(is_a(at_alpn), !none);
			assert_int_equal(is_a(SSL_get_certificate(d.server)), !none);
			if (none)
				assert_null(SSL_get_certificate(d.server));
			assert_string_equal(sst_choice_name(sst_openssl_choice(d.server)),
			    "a.example");
			duo_talk(&d);
			if (turn == 0)
				session = SSL_get1_session(d.client);
			duo_done(&d);
		}
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
	sst_store_unref(store);
}

static int
on_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* Against what is said of it, and it is served as ever: also who shows a ticket. */
static void
a_program_that_takes_the_callback_of_the_name_is_served(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i % 2] };
		struct server first = { .ctx = visit_ctx(store, NULL) };
		struct server other = { .ctx = visit_ctx(store, NULL) };

		if (i < 2)
			SSL_CTX_set_tlsext_servername_callback(other.ctx, on_name);
		v.resume = visit_first(&first, v);
		/* the first client, and one after another */
		assert_false(visit_again(&other, v));
		assert_false(visit_again(&other, v));
		SSL_SESSION_free(v.resume);
		v.resume = visit_first(&other, v);
		assert_true(visit_again(&other, v));
		SSL_SESSION_free(v.resume);
		server_done(&first);
		server_done(&other);
	}
	sst_store_unref(store);
}

/* The same after it was ours, and where a ticket is not looked at, or for nothing. */
static void
a_program_that_takes_it_later_is_served_as_well(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i % 2] };
		struct visit u = v, x = v;
		struct server first = { .ctx = visit_ctx(store, NULL) };
		struct server other = { .ctx = visit_ctx(store, NULL) };
		struct server off = { .ctx = visit_ctx(store,
		    &(struct sst_openssl_tickets){ .off = 1 }) };

		v.resume = visit_first(&first, v);
		u.resume = visit_first(&other, u);
		x.options = SSL_OP_NO_EXTENDED_MASTER_SECRET;
		x.resume = visit_first(&other, x);
		assert_true(visit_again(&other, u));
		SSL_CTX_set_tlsext_servername_callback(other.ctx, on_name);
		if (i >= 2)
			SSL_CTX_set_security_level(other.ctx, 3);
		assert_false(visit_again(&other, v));
		assert_int_equal(visit_again(&other, u), i != 2);
		SSL_CTX_set_tlsext_servername_callback(off.ctx, on_name);
		assert_false(visit_again(&off, v));
		/* it opens, and has no secret for who wants that extension (RFC 7627 5.3) */
		x.options = 0;
		assert_int_equal(visit_again(&other, x), v.version == TLS1_3_VERSION);
		SSL_SESSION_free(v.resume);
		SSL_SESSION_free(u.resume);
		SSL_SESSION_free(x.resume);
		server_done(&first);
		server_done(&other);
		server_done(&off);
	}
	sst_store_unref(store);
}

/* RFC 5077 4: no name of a key is so short. */
static void
a_ticket_that_is_none_is_passed_over(void **state)
{
	static const unsigned char text[40] = { 0 };
	struct sst_store *store = meet_store(&t.a, 1);
	SSL_CTX *server = visit_ctx(store, NULL);
	struct visit v = { .version = TLS1_2_VERSION };
	SSL_CTX *client = visit_client(&v);
	struct duo d;

	(void)state;
	SSL_CTX_set_tlsext_servername_callback(server, on_name);
	for (size_t n = 1; n <= sizeof(text); n++) {
		duo_begin(&d, client, server, NULL);
		assert_int_equal(SSL_set_session_ticket_ext(d.client, (void *)text, (int)n), 1);
		(void)SSL_set_tlsext_host_name(d.client, "a.example");
		duo_shake(&d);
		assert_true(d.client_ok && d.server_ok);
		assert_true(is_a(SSL_get0_peer_certificate(d.client)));
		duo_done(&d);
	}
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	sst_store_unref(store);
}

static int
on_name_elsewhere(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	return SSL_set_SSL_CTX(ssl, arg) != NULL ? SSL_TLSEXT_ERR_OK :
	    SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* What it has put in the place of ours stays there, whatever the client shows. */
static void
a_program_that_changes_the_ssl_ctx_is_not_overruled(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	SSL_CTX *elsewhere = SSL_CTX_new(TLS_server_method());

	(void)state;
	assert_int_equal(SSL_CTX_use_certificate(elsewhere, t.b->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(elsewhere, t.b->key), 1);
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server first = { .ctx = visit_ctx(store, NULL) };
		SSL_CTX *server = visit_ctx(store, NULL), *client = visit_client(&v);
		SSL_SESSION *session = visit_first(&first, v);
		struct duo d;

		duo_ask(&d, client, server, NULL, v.sni);
		assert_true(is_a(SSL_get0_peer_certificate(d.client)));
		duo_done(&d);
		SSL_CTX_set_tlsext_servername_callback(server, on_name_elsewhere);
		SSL_CTX_set_tlsext_servername_arg(server, elsewhere);
		for (int shows = 0; shows < 2; shows++) {
			SSL_SESSION *copy = SSL_SESSION_dup(session);

			duo_ask(&d, client, server, shows ? copy : NULL, v.sni);
			assert_int_equal(X509_cmp(SSL_get0_peer_certificate(d.client),
			    t.b->cert), 0);
			duo_done(&d);
			SSL_SESSION_free(copy);
		}
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
		server_done(&first);
	}
	SSL_CTX_free(elsewhere);
	sst_store_unref(store);
}

/* What was asked of OpenSSL for one client is not left to the next. */
static void
an_ssl_that_is_used_again_looks_at_tickets_again(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server first = { .ctx = visit_ctx(store, NULL) };
		struct server other = { .ctx = visit_ctx(store, NULL) };
		SSL_SESSION *stale = visit_first(&first, v), *good = visit_first(&other, v);
		SSL_CTX *client = visit_client(&v);
		struct duo d;

		duo_ask(&d, client, other.ctx, NULL, v.sni);
		for (int turn = 0; turn < 5; turn++) {
			SSL_SESSION *copy = SSL_SESSION_dup(turn % 2 == 0 ? stale : good);

			duo_ask_again(&d, client, copy, v.sni);
			assert_int_equal(SSL_session_reused(d.server), turn % 2 != 0);
			SSL_SESSION_free(copy);
		}
		duo_done(&d);
		SSL_SESSION_free(stale);
		SSL_SESSION_free(good);
		SSL_CTX_free(client);
		server_done(&first);
		server_done(&other);
	}
	sst_store_unref(store);
}

static unsigned
on_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned max)
{
	(void)ssl, (void)identity, (void)psk, (void)max;
	return 0;
}

/* In TLS 1.3 a server that has such a callback, and no certificate yet, prefers another. */
static void
a_ticket_of_1_2_does_not_choose_the_suite_of_1_3(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	struct visit v = { .sni = "a.example", .version = TLS1_2_VERSION };
	struct server s = { .ctx = visit_ctx(store, NULL) };
	SSL_CTX *client = visit_client(&(struct visit){ .sni = "a.example" });
	uint16_t suite[2];
	struct duo d;

	(void)state;
	v.resume = visit_first(&s, v);
	assert_true(visit_again(&s, v));
	SSL_CTX_set_psk_server_callback(s.ctx, on_psk);
	for (int shows = 0; shows < 2; shows++) {
		duo_ask(&d, client, s.ctx, shows ? v.resume : NULL, "a.example");
		assert_int_equal(SSL_version(d.server), TLS1_3_VERSION);
		suite[shows] = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(d.server));
		duo_done(&d);
	}
	assert_int_equal(suite[0], suite[1]);
	SSL_SESSION_free(v.resume);
	SSL_CTX_free(client);
	server_done(&s);
	sst_store_unref(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VISIT(a_callback_for_keys_that_was_there_is_called_no_more),
		VISIT(below_1_3_a_resumed_session_has_no_certificate),
		VISIT(a_program_that_takes_the_callback_of_the_name_is_served),
		VISIT(a_program_that_takes_it_later_is_served_as_well),
		VISIT(a_ticket_that_is_none_is_passed_over),
		VISIT(a_program_that_changes_the_ssl_ctx_is_not_overruled),
		VISIT(an_ssl_that_is_used_again_looks_at_tickets_again),
		VISIT(a_ticket_of_1_2_does_not_choose_the_suite_of_1_3),
	};

	return cmocka_run_group_tests(tests, visit_world_make, visit_world_free);
}
