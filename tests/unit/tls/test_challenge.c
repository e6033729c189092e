/* SPDX-License-Identifier: ISC */
/*
 * tls-alpn-01 (RFC 8737, 8738) on the wire: who is shown a challenge, and what becomes
 * of the connection. First the engine (way 1), then a program's own SSL_CTX (way 2).
 */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <securesockets/openssl.h>

#include "meet.h"
#include "support/acme.h"

#define ACME	"\012acme-tls/1"
#define HTTP	"\010http/1.1"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct {
	struct pki_cert *root, *www, *only;	/* only: has no challenge */
	struct pki_cert *acme, *rsa, *ip, *old;
	struct sst_store *store, *bare;		/* bare: www alone */
} w;

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.www = pki_issue(w.root, &(struct pki_spec){ .san = "a.example,r.example" });
	w.only = pki_issue(w.root, &(struct pki_spec){ .san = "o.example,old.example" });
	w.acme = acme_cert("a.example", PKI_P256, 0);
	w.rsa = acme_cert("r.example", PKI_RSA, 0);
	w.ip = acme_cert("IP:192.0.2.1", PKI_P256, 0);
	w.old = acme_cert("old.example", PKI_P256, PKI_NOW - 1000 * PKI_DAY);
	w.store = meet_store((struct pki_cert *[]){ w.www, w.only, w.acme, w.rsa, w.ip,
	    w.old }, 6);
	w.bare = meet_store(&w.www, 1);
	return 0;
}

static int
world_free(void **state)
{
	struct pki_cert *all[] = { w.www, w.only, w.acme, w.rsa, w.ip, w.old, w.root };

	(void)state;
	sst_store_unref(w.store);
	sst_store_unref(w.bare);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	return 0;
}

/* --- way 1 ------------------------------------------------------------------ */

static void
serve(struct meet *m, struct sst_store *store, const char *alpn, const struct raw *raw)
{
	meet_server(m, &(struct sst_tls_settings){ .server = 1, .store = store,
	    .alpn = alpn }, raw);
}

/* The handshake succeeded, its end came, and the engine gives nothing on. */
static void
expect_answered(const struct raw *raw, const struct pki_cert *want)
{
	const unsigned char *alpn;
	unsigned len = 0;
	struct meet m;

	serve(&m, w.store, "h2,http/1.1", raw);
	assert_true(m.raw_done);
	assert_true(meet_got(&m, want));
	SSL_get0_alpn_selected(m.ssl, &alpn, &len);
	assert_int_equal(len, strlen(raw->alpn) - 1);
	assert_memory_equal(alpn, raw->alpn + 1, len);
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_REFUSED);
	assert_true(sst_conn_was_challenge(m.conn));
	assert_int_equal(m.alert, 0);
	assert_true((SSL_get_shutdown(m.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
	assert_false(SSL_SESSION_is_resumable(SSL_get0_session(m.ssl)));
	meet_done(&m);
}

static void
expect_alert(struct sst_store *store, const struct raw *raw, int alert)
{
	struct meet m;

	serve(&m, store, "h2,http/1.1", raw);
	assert_int_equal(m.step, SST_STEP_FAILED);
	if (m.alert != alert)
		fail_msg("alert %d for %s", m.alert, raw->sni != NULL ? raw->sni : "-");
	assert_null(SSL_get0_peer_certificate(m.ssl));
	assert_true(sst_conn_saw_hello(m.conn));
	assert_false(sst_conn_was_challenge(m.conn));
	meet_done(&m);
}

static void
expect_served(const struct raw *raw, const struct pki_cert *want)
{
	struct meet m;

	serve(&m, w.store, "h2,http/1.1", raw);
	if (m.step != SST_STEP_DONE)
		fail_msg("%s", m.err.text);
	assert_true(m.raw_done && meet_got(&m, want));
	assert_false(sst_conn_was_challenge(m.conn));
	meet_done(&m);
}

static void
cs_62_the_challenge_is_answered_and_the_connection_ends(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		expect_answered(&(struct raw){ .sni = "a.example", .alpn = ACME,
		    .version = versions[i] }, w.acme);
		expect_answered(&(struct raw){ .sni = "A.eXample", .alpn = ACME,
		    .version = versions[i] }, w.acme);
		expect_answered(&(struct raw){ .sni = "r.example", .alpn = ACME,
		    .version = versions[i] }, w.rsa);
	}
	expect_answered(&(struct raw){ .sni = "a.example", .alpn = ACME }, w.acme);
}

/* A client that cannot use the challenge's key is not shown the other one's. */
static void
cs_62_no_other_key_takes_the_challenges_place(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		expect_alert(w.store, &(struct raw){ .sni = "r.example", .alpn = ACME,
		    .version = versions[i], .sigalgs = "ECDSA+SHA256" },
		    SSL_AD_HANDSHAKE_FAILURE);
		expect_served(&(struct raw){ .sni = "r.example", .alpn = HTTP,
		    .version = versions[i], .sigalgs = "ECDSA+SHA256" }, w.www);
	}
}

static void
cs_63_whoever_asks_in_another_way_is_refused(void **state)
{
	static const struct raw wrong[] = {
		{ .sni = "a.example", .alpn = ACME HTTP },
		{ .sni = "a.example", .alpn = HTTP ACME },
		{ .sni = "a.example", .alpn = ACME ACME },
		{ .sni = "o.example", .alpn = ACME },
		{ .sni = "nobody.example", .alpn = ACME },
		{ .sni = "x.a.example", .alpn = ACME },
		{ .sni = "192.0.2.1", .alpn = ACME },
		{ .alpn = ACME },
		{ .sni = "old.example", .alpn = ACME },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct raw raw = wrong[i / 2];

		raw.version = versions[i % 2];
		expect_alert(w.store, &raw, SSL_AD_NO_APPLICATION_PROTOCOL);
	}
	expect_alert(w.bare, &(struct raw){ .sni = "a.example", .alpn = ACME },
	    SSL_AD_NO_APPLICATION_PROTOCOL);
}

static void
cs_64_everybody_else_is_served_while_a_challenge_is_pending(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		expect_served(&(struct raw){ .sni = "a.example",
		    .version = versions[i] }, w.www);
		expect_served(&(struct raw){ .sni = "a.example", .alpn = HTTP,
		    .version = versions[i] }, w.www);
		/* names that only begin or end like it */
		expect_served(&(struct raw){ .sni = "a.example", .alpn =
		    "\013acme-tls/1x" HTTP, .version = versions[i] }, w.www);
		expect_served(&(struct raw){ .sni = "a.example", .alpn =
		    "\011cme-tls/1" HTTP, .version = versions[i] }, w.www);
		expect_alert(w.store, &(struct raw){ .sni = "a.example", .alpn =
		    "\012acme-tls/2", .version = versions[i] },
		    SSL_AD_NO_APPLICATION_PROTOCOL);
	}
}

static void
cs_65_an_address_is_validated_by_its_reverse_name(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		expect_answered(&(struct raw){ .sni = "1.2.0.192.in-addr.arpa",
		    .alpn = ACME, .version = versions[i] }, w.ip);
		expect_alert(w.store, &(struct raw){ .sni = "2.2.0.192.in-addr.arpa",
		    .alpn = ACME, .version = versions[i] },
		    SSL_AD_NO_APPLICATION_PROTOCOL);
	}
}

/* --- way 2 ------------------------------------------------------------------ */

static struct {
	int	alpn, info, verify, cert, name;	/* calls of the program's own */
} seen;

static int
own_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl, (void)in_len, (void)arg;
	seen.alpn++;
	*out = in + 1;
	*out_len = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static void
own_info(const SSL *ssl, int where, int value)
{
	(void)ssl, (void)value;
	seen.info += (where & SSL_CB_HANDSHAKE_DONE) != 0;
}

static int
own_verify(int ok, X509_STORE_CTX *ctx)
{
	(void)ok, (void)ctx;
	seen.verify++;
	return 1;
}

static int
own_cert(SSL *ssl, void *arg)
{
	(void)ssl, (void)arg;
	seen.cert++;
	return 1;
}

static int
own_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	seen.name++;
	return SSL_TLSEXT_ERR_OK;
}

/* A program that wants everything: client certificates, tickets, its callbacks. */
static SSL_CTX *
program(int insist)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	assert_int_equal(sst_openssl_attach_store(ctx, w.store, NULL, NULL), 0);
	SSL_CTX_set_alpn_select_cb(ctx, own_alpn, NULL);
	SSL_CTX_set_info_callback(ctx, own_info);
	if (!insist)
		return ctx;
	SSL_CTX_set_cert_cb(ctx, own_cert, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, own_name);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_set_num_tickets(ctx, 2);
	return ctx;
}

static SSL_CTX *
validator(const char *alpn, int version)
{
	return raw_client_ctx(&(struct raw){ .alpn = alpn, .version = version });
}

struct two {
	SSL	*client, *server;
	int	 client_ok, server_ok;
	int	 alert;		/* that the client received */
};

static void
on_alert(const SSL *ssl, int where, int value)
{
	struct two *t = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		t->alert = value & 0xff;
}

static void
bring_ssl(struct two *t, SSL *client, SSL *server, const char *sni, SSL_SESSION *resume)
{
	BIO *a = NULL, *b = NULL;

	memset(t, 0, sizeof(*t));
	t->client = client;
	t->server = server;
	assert_true(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
	SSL_set_bio(t->client, a, a);
	SSL_set_bio(t->server, b, b);
	assert_true(SSL_set_app_data(t->client, t));
	SSL_set_info_callback(t->client, on_alert);
	assert_true(SSL_set_tlsext_host_name(t->client, sni));
	if (resume != NULL)
		assert_true(SSL_set_session(t->client, resume));
	SSL_set_connect_state(t->client);
	SSL_set_accept_state(t->server);
}

static void
bring(struct two *t, SSL_CTX *client, SSL_CTX *server, const char *sni,
    SSL_SESSION *resume)
{
	bring_ssl(t, SSL_new(client), SSL_new(server), sni, resume);
}

/* The program does what it would: handshake, then a read. */
static void
shake(struct two *t)
{
	char byte;

	for (int turn = 0; turn < 10; turn++) {
		ERR_clear_error();
		if (!t->client_ok)
			t->client_ok = SSL_do_handshake(t->client) == 1;
		else
			(void)SSL_read(t->client, &byte, 1);
		ERR_clear_error();
		if (!t->server_ok)
			t->server_ok = SSL_do_handshake(t->server) == 1;
	}
	ERR_clear_error();
}

static void
meet(struct two *t, SSL_CTX *client, SSL_CTX *server, const char *sni,
    SSL_SESSION *resume)
{
	memset(&seen, 0, sizeof(seen));
	bring(t, client, server, sni, resume);
	shake(t);
}

static void
part(struct two *t)
{
	(void)SSL_shutdown(t->client);
	(void)SSL_shutdown(t->server);
	SSL_free(t->client);
	SSL_free(t->server);
	ERR_clear_error();
}

static int
got(const struct two *t, const struct pki_cert *want)
{
	X509 *leaf = SSL_get0_peer_certificate(t->client);

	return leaf != NULL && X509_cmp(leaf, want->cert) == 0;
}

/* Nothing but the end is read, and nothing can be written. */
static void
expect_over(SSL *ssl)
{
	char byte = 'x';
	int rc = SSL_read(ssl, &byte, 1);

	assert_int_equal(rc, 0);
	assert_int_equal(SSL_get_error(ssl, rc), SSL_ERROR_ZERO_RETURN);
	assert_true(SSL_write(ssl, &byte, 1) <= 0);
	ERR_clear_error();
}

static void
cs_62_the_program_reads_the_end_and_its_callbacks_see_nothing(void **state)
{
	struct two t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		SSL_CTX *server = program(1), *client = validator(ACME, versions[i]);
		SSL_CTX *other = validator(HTTP, versions[i]);

		assert_true(SSL_CTX_set_session_id_context(server,
		    (const unsigned char *)"p", 1));
		SSL_CTX_set_verify(server, SSL_VERIFY_PEER |
		    SSL_VERIFY_FAIL_IF_NO_PEER_CERT, own_verify);
		bring(&t, client, server, "a.example", NULL);
		assert_false(sst_openssl_is_challenge(t.server));
		memset(&seen, 0, sizeof(seen));
		/* also those that were set on this SSL alone */
		SSL_set_info_callback(t.server, own_info);
		shake(&t);
		assert_true(t.client_ok && t.server_ok && got(&t, w.acme));
		assert_true(sst_openssl_is_challenge(t.server));
		assert_null(sst_openssl_choice(t.server));
		assert_int_equal(seen.alpn + seen.info + seen.verify + seen.cert + seen.name,
		    0);
		assert_true((SSL_get_shutdown(t.client) & SSL_RECEIVED_SHUTDOWN) != 0);
		expect_over(t.server);
		part(&t);
		/* the same program with an ordinary client */
		SSL_CTX_set_verify(server, SSL_VERIFY_NONE, NULL);
		meet(&t, other, server, "a.example", NULL);
		assert_true(t.client_ok && t.server_ok && got(&t, w.www));
		assert_false(sst_openssl_is_challenge(t.server));
		assert_int_equal(seen.alpn, 1);
		assert_true(seen.info > 0);
		assert_int_equal(seen.cert, 1);
		assert_int_equal(seen.name, 1);
		part(&t);
		SSL_CTX_free(server);
		SSL_CTX_free(client);
		SSL_CTX_free(other);
	}
	assert_false(sst_openssl_is_challenge(NULL));
}

static void
cs_63_a_program_that_would_take_any_protocol_does_not_get_this_one(void **state)
{
	static const char *const names[] = { "o.example", "old.example", "b.example" };
	SSL_CTX *server = program(0);
	struct two t;

	(void)state;
	for (int i = 0; i < 8; i++) {
		SSL_CTX *client = validator(i < 6 ? ACME : HTTP ACME, versions[i % 2]);

		meet(&t, client, server, i < 6 ? names[i / 2] : "a.example", NULL);
		assert_false(t.client_ok || t.server_ok);
		assert_int_equal(t.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
		assert_int_equal(seen.alpn, 0);
		assert_false(sst_openssl_is_challenge(t.server));
		part(&t);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
}

static void
cs_64_a_challenge_is_never_resumed_and_leaves_no_session(void **state)
{
	struct two t;

	(void)state;
	for (int i = 0; i < 8; i++) {
		const int version = versions[i % 2];
		SSL_CTX *server = program(1), *client = validator(HTTP, version);
		SSL_CTX *acme = validator(ACME, version);
		SSL_SESSION *session;
		long kept;

		/* with tickets, and with sessions that the server keeps */
		if (i / 2 % 2 == 0)
			SSL_CTX_clear_options(server, SSL_OP_NO_TICKET);
		if (i < 4)
			assert_true(SSL_CTX_set_session_id_context(server,
			    (const unsigned char *)"p", 1));
		meet(&t, client, server, "a.example", NULL);
		session = SSL_get1_session(t.client);
		assert_true(t.client_ok && SSL_SESSION_is_resumable(session));
		part(&t);
		kept = SSL_CTX_sess_number(server);
		meet(&t, acme, server, "a.example", session);
		assert_true(t.client_ok && t.server_ok && got(&t, w.acme));
		assert_false(SSL_session_reused(t.client));
		assert_false(SSL_SESSION_is_resumable(SSL_get0_session(t.client)));
		assert_int_equal(SSL_CTX_sess_number(server), kept);
		expect_over(t.server);
		part(&t);
		SSL_SESSION_free(session);
		SSL_CTX_free(server);
		SSL_CTX_free(client);
		SSL_CTX_free(acme);
	}
}

static void
a_retry_asks_what_the_first_hello_asked(void **state)
{
	SSL_CTX *server = program(0), *client = validator(ACME, TLS1_3_VERSION);
	static const struct {
		const char *name, *alpn;
		int alert;
	} second[] = {
		{ "a.example", ACME, 0 },
		{ "A.example", ACME, 0 },
		{ "r.example", ACME, SSL_AD_ILLEGAL_PARAMETER },
		{ "a.example", ACME HTTP, SSL_AD_ILLEGAL_PARAMETER },
		{ "a.example", HTTP, SSL_AD_ILLEGAL_PARAMETER },
	};
	struct two t;

	(void)state;
	assert_true(SSL_CTX_set1_groups_list(server, "P-256"));
	assert_true(SSL_CTX_set1_groups_list(client, "X25519:P-256"));
	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		bring(&t, client, server, "a.example", NULL);
		(void)SSL_do_handshake(t.client);
		(void)SSL_do_handshake(t.server);
		assert_true(SSL_set_tlsext_host_name(t.client, second[i].name));
		assert_int_equal(SSL_set_alpn_protos(t.client,
		    (const unsigned char *)second[i].alpn,
		    (unsigned)strlen(second[i].alpn)), 0);
		shake(&t);
		assert_int_equal(t.alert, second[i].alert);
		assert_int_equal(t.server_ok, second[i].alert == 0);
		assert_int_equal(got(&t, w.acme), second[i].alert == 0);
		part(&t);
	}
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

/* What the first hello says of protocols, with some of its bytes changed. */
static void
a_list_that_does_not_parse_is_a_decode_error(void **state)
{
	static const unsigned char ext[] = "\0\x10\0\x0d\0\x0b\x0a" "acme-tls/1";
	static const struct {
		size_t at;
		unsigned char byte;
	} change[] = { { 5, 10 }, { 5, 12 }, { 5, 0 }, { 4, 1 }, { 6, 9 }, { 6, 11 },
	    { 6, 255 }, { 6, 0 } };
	SSL_CTX *server = program(0);
	struct two t;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(change) / sizeof(change[0]); i++) {
		SSL_CTX *client = validator(ACME, versions[i % 2]);
		unsigned char hello[4096], *list;
		int len;

		bring(&t, client, server, "a.example", NULL);
		(void)SSL_do_handshake(t.client);
		len = BIO_read(SSL_get_rbio(t.server), hello, sizeof(hello));
		list = memmem(hello, (size_t)len, ext, sizeof(ext) - 1);
		assert_non_null(list);
		list[change[i / 2].at] = change[i / 2].byte;
		assert_int_equal(BIO_write(SSL_get_wbio(t.client), hello, len), len);
		shake(&t);
		assert_false(t.client_ok || t.server_ok);
		assert_int_equal(t.alert, SSL_AD_DECODE_ERROR);
		part(&t);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
}

/* RFC 8737 3: TLS 1.2 at least, also where the program allows less. */
static void
a_version_below_1_2_is_not_validated(void **state)
{
	SSL_CTX *server = program(0), *client = SSL_CTX_new(TLS_client_method());
	struct two t;

	(void)state;
	SSL_CTX_set_security_level(server, 0);
	SSL_CTX_set_security_level(client, 0);
	assert_true(SSL_CTX_set_min_proto_version(server, TLS1_VERSION));
	assert_true(SSL_CTX_set_min_proto_version(client, TLS1_VERSION));
	assert_int_equal(SSL_CTX_set_alpn_protos(client, (const unsigned char *)ACME,
	    sizeof(ACME) - 1), 0);
	assert_true(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION));
	meet(&t, client, server, "a.example", NULL);
	assert_true(t.client_ok && t.server_ok && got(&t, w.acme));
	part(&t);
	assert_true(SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION));
	meet(&t, client, server, "a.example", NULL);
	assert_false(t.client_ok || t.server_ok);
	assert_int_equal(t.alert, SSL_AD_PROTOCOL_VERSION);
	assert_null(SSL_get0_peer_certificate(t.client));
	part(&t);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

static void
an_ssl_that_answered_a_challenge_serves_nobody_after_it(void **state)
{
	SSL_CTX *server = program(0), *client = validator(ACME, 0);
	SSL_CTX *other = validator(HTTP, 0);
	struct two t;

	(void)state;
	meet(&t, client, server, "a.example", NULL);
	assert_true(t.server_ok);
	SSL_free(t.client);
	assert_true(SSL_clear(t.server));
	bring_ssl(&t, SSL_new(other), t.server, "a.example", NULL);
	shake(&t);
	assert_false(t.client_ok || t.server_ok);
	assert_int_equal(t.alert, SSL_AD_INTERNAL_ERROR);
	part(&t);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	SSL_CTX_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cs_62_the_challenge_is_answered_and_the_connection_ends),
		cmocka_unit_test(cs_62_no_other_key_takes_the_challenges_place),
		cmocka_unit_test(cs_63_whoever_asks_in_another_way_is_refused),
		cmocka_unit_test(cs_64_everybody_else_is_served_while_a_challenge_is_pending),
		cmocka_unit_test(cs_65_an_address_is_validated_by_its_reverse_name),
		cmocka_unit_test(
		    cs_62_the_program_reads_the_end_and_its_callbacks_see_nothing),
		cmocka_unit_test(
		    cs_63_a_program_that_would_take_any_protocol_does_not_get_this_one),
		cmocka_unit_test(cs_64_a_challenge_is_never_resumed_and_leaves_no_session),
		cmocka_unit_test(a_retry_asks_what_the_first_hello_asked),
		cmocka_unit_test(a_list_that_does_not_parse_is_a_decode_error),
		cmocka_unit_test(a_version_below_1_2_is_not_validated),
		cmocka_unit_test(an_ssl_that_answered_a_challenge_serves_nobody_after_it),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
