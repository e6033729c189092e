/* SPDX-License-Identifier: ISC */
/* After the handshake: data, ends, truncation, tickets, KeyUpdate, ALPN. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "meet.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct {
	struct pki_cert *root, *a;
	struct sst_store *store;
	struct sst_trust *trust;
} w;

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.a = pki_issue(w.root, &(struct pki_spec){ .san = "a.example" });
	w.store = meet_store(&w.a, 1);
	w.trust = meet_trust(w.root, NULL);
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_store_unref(w.store);
	sst_trust_unref(w.trust);
	pki_free(w.a);
	pki_free(w.root);
	return 0;
}

static void
served(struct meet *m, int version)
{
	meet_server(m, &(struct sst_tls_settings){ .server = 1, .store = w.store },
	    &(struct raw){ .sni = "a.example", .version = version });
	assert_int_equal(m->step, SST_STEP_DONE);
	assert_true(m->raw_done);
}

static void
dialled(struct meet *m, int version)
{
	meet_client(m, &(struct sst_tls_settings){ .trust = w.trust }, "a.example",
	    NULL, &(struct raw){ .serve = w.a, .version = version });
	assert_int_equal(m->step, SST_STEP_DONE);
}

static void
bytes_arrive_and_close_notify_ends_them(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		served(&m, versions[i]);
		assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
		    SST_STEP_WANT_READ);
		assert_int_equal(SSL_write(m.ssl, "hello", 5), 5);
		assert_int_equal(SSL_shutdown(m.ssl), 0);
		assert_int_equal(meet_read_all(&m, buf, sizeof(buf), &n), SST_STEP_END);
		assert_int_equal(n, 5);
		assert_memory_equal(buf, "hello", 5);
		/* The other direction is still open. */
		assert_int_equal(sst_conn_write(m.conn, "bye", 3, &n, &m.err),
		    SST_STEP_DONE);
		assert_int_equal(n, 3);
		assert_int_equal(sst_conn_close_notify(m.conn, &m.err), SST_STEP_DONE);
		assert_int_equal(SSL_read(m.ssl, buf, sizeof(buf)), 3);
		assert_int_equal(SSL_read(m.ssl, buf, sizeof(buf)), 0);
		assert_true(SSL_get_shutdown(m.ssl) & SSL_RECEIVED_SHUTDOWN);
		meet_done(&m);
	}
}

static void
reading_goes_on_after_our_close_notify(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		dialled(&m, versions[i]);
		assert_int_equal(sst_conn_close_notify(m.conn, &m.err), SST_STEP_DONE);
		assert_int_equal(sst_conn_close_notify(m.conn, &m.err), SST_STEP_DONE);
		assert_int_equal(SSL_read(m.ssl, buf, sizeof(buf)), 0);
		assert_int_equal(SSL_write(m.ssl, "late", 4), 4);
		assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
		    SST_STEP_DONE);
		assert_int_equal(n, 4);
		assert_int_equal(sst_conn_write(m.conn, "x", 1, &n, &m.err),
		    SST_STEP_FAILED);
		meet_done(&m);
	}
}

static void
a_truncated_stream_is_never_its_end(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		served(&m, versions[i]);
		assert_int_equal(SSL_write(m.ssl, "hello", 5), 5);
		shutdown(m.fd[1], SHUT_WR);
		assert_int_equal(meet_read_all(&m, buf, sizeof(buf), &n),
		    SST_STEP_FAILED);
		assert_int_equal(n, 5);
		assert_int_equal(m.err.code, SST_E_PEER);
		assert_non_null(strstr(m.err.text, "close_notify"));
		meet_done(&m);
	}
}

static void
a_cut_record_and_a_reset_are_failures(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	dialled(&m, TLS1_3_VERSION);
	assert_int_equal(send(m.fd[1], "\x17\x03\x03\x00\x40 cut", 9, 0), 9);
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_WANT_READ);
	shutdown(m.fd[1], SHUT_WR);
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_PEER);
	assert_non_null(strstr(m.err.text, "a.example: "));
	meet_done(&m);

	/* A unix socket that is closed with unread bytes resets the other. */
	served(&m, TLS1_3_VERSION);
	assert_int_equal(sst_conn_write(m.conn, "unread", 6, &n, &m.err),
	    SST_STEP_DONE);
	SSL_free(m.ssl);
	m.ssl = NULL;
	close(m.fd[1]);
	m.fd[1] = -1;
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_PEER);
	assert_non_null(strstr(m.err.text, "reset"));
	meet_done(&m);
}

/* OpenSSL says ZERO_RETURN of it, as of an end. */
static void
a_write_that_fails_after_the_peers_end_is_a_failure(void **state)
{
	char buf[16];
	struct meet m;
	size_t n;

	(void)state;
	for (int i = 0; i < 4; i++) {
		served(&m, versions[i % 2]);
		assert_int_equal(SSL_shutdown(m.ssl), 0);
		assert_int_equal(meet_read_all(&m, buf, sizeof(buf), &n), SST_STEP_END);
		assert_int_equal(shutdown(m.fd[0], SHUT_WR), 0);
		if (i < 2)
			assert_int_equal(sst_conn_write(m.conn, "x", 1, &n, &m.err),
			    SST_STEP_FAILED);
		else
			assert_int_equal(sst_conn_close_notify(m.conn, &m.err),
			    SST_STEP_FAILED);
		assert_non_null(strstr(m.err.text, "reset"));
		meet_done(&m);
	}
}

static void
a_forged_record_is_a_failure_and_not_data(void **state)
{
	unsigned char record[5 + 40] = { 0x17, 3, 3, 0, 40 };
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		served(&m, versions[i]);
		assert_int_equal(send(m.fd[1], record, sizeof(record), 0),
		    sizeof(record));
		assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
		    SST_STEP_FAILED);
		assert_int_equal(m.err.code, SST_E_TLS);
		assert_true(SSL_read(m.ssl, buf, sizeof(buf)) <= 0);
		assert_int_equal(m.alert, 20);	/* bad_record_mac */
		meet_done(&m);
	}
}

static void
an_alert_of_the_peer_is_named(void **state)
{
	/* The engine verifies: its client refuses, and the server hears why. */
	struct pki_cert *other = pki_issue(NULL,
	    &(struct pki_spec){ .cn = "Other", .ca = 1 });
	SSL_CTX *ctx = raw_client_ctx(&(struct raw){ .version = TLS1_3_VERSION });
	struct meet m;

	(void)state;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), other->cert);
	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = w.store },
	    &(struct raw){ .sni = "a.example", .ctx = ctx });
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_TLS);
	assert_non_null(strstr(m.err.text, "alert unknown_ca"));
	meet_done(&m);
	SSL_CTX_free(ctx);
	pki_free(other);
}

static void
a_large_write_is_taken_in_parts_at_any_address(void **state)
{
	enum { SIZE = 3 << 20 };
	unsigned char *out = malloc(SIZE), *in = malloc(SIZE), *moved[2] = { malloc(SIZE), malloc(SIZE) };
	size_t sent = 0, got = 0, n;
	enum sst_step step;
	struct meet m;
	int ret, waited = 0, turn = 0;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		out[i] = (unsigned char)(i * 2654435761u >> 13);
	served(&m, TLS1_3_VERSION);
	while (got < SIZE) {
		/* The rest, from another address each time. */
		turn = !turn;
		memcpy(moved[turn], out + sent, SIZE - sent);
		step = SST_STEP_DONE;
		if (sent < SIZE)
			step = sst_conn_write(m.conn, moved[turn], SIZE - sent, &n, &m.err);
		if (step == SST_STEP_DONE && sent < SIZE) {
			/* One record, and the one that waited. */
			assert_in_range(n, 1, 2 * 16384);
			sent += n;
		}
		if (step == SST_STEP_WANT_WRITE && waited++ == 0)
			assert_int_equal(sst_conn_close_notify(m.conn, NULL),
			    SST_STEP_FAILED);
		assert_true(step == SST_STEP_DONE || step == SST_STEP_WANT_WRITE);
		if (step == SST_STEP_WANT_WRITE || sent == SIZE)
			while (got < SIZE &&
			    (ret = SSL_read(m.ssl, in + got, SIZE)) > 0)
				got += (size_t)ret;
	}
	assert_true(waited > 0);
	assert_memory_equal(in, out, SIZE);
	meet_done(&m);
	free(out);
	free(in);
	free(moved[0]);
	free(moved[1]);
}

static void
pending_tells_what_the_socket_does_not(void **state)
{
	char buf[100];
	struct meet m;
	size_t n, got = 0;

	(void)state;
	served(&m, TLS1_3_VERSION);
	assert_int_equal(sst_conn_pending(m.conn), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(SSL_write(m.ssl, "12345678", 8), 8);
	do {
		assert_int_equal(sst_conn_read(m.conn, buf, 3, &n, &m.err),
		    SST_STEP_DONE);
		got += n;
	} while (sst_conn_pending(m.conn) > 0);
	/* All five records came with the first look at the socket. */
	assert_int_equal(got, 40);
	meet_done(&m);
}

static void
a_key_update_is_no_data_and_is_answered(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	served(&m, TLS1_3_VERSION);
	assert_int_equal(SSL_key_update(m.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(m.ssl), 1);
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_WANT_READ);
	assert_int_equal(SSL_write(m.ssl, "after", 5), 5);
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_DONE);
	assert_int_equal(n, 5);
	assert_int_equal(sst_conn_write(m.conn, "back", 4, &n, &m.err), SST_STEP_DONE);
	assert_int_equal(SSL_read(m.ssl, buf, sizeof(buf)), 4);
	meet_done(&m);
}

static void
a_renegotiation_is_refused(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	dialled(&m, TLS1_2_VERSION);
	assert_int_equal(SSL_renegotiate(m.ssl), 1);
	assert_int_equal(SSL_do_handshake(m.ssl), 1);	/* HelloRequest */
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_WANT_READ);
	(void)SSL_read(m.ssl, buf, sizeof(buf));
	assert_int_equal(m.alert, 100);		/* no_renegotiation */
	meet_done(&m);
}

/* One byte of data in between, and the very same number of them is fine. */
static void
a_flood_without_data_is_cut_off(void **state)
{
	char buf[100];
	struct meet m;
	enum sst_step step = SST_STEP_WANT_READ;
	size_t n;

	(void)state;
	for (int with_data = 0; with_data < 2; with_data++) {
		served(&m, TLS1_3_VERSION);
		step = SST_STEP_WANT_READ;
		for (int round = 0; round < 30 && step == SST_STEP_WANT_READ; round++) {
			for (int i = 0; i < 100; i++) {
				assert_int_equal(SSL_key_update(m.ssl,
				    SSL_KEY_UPDATE_NOT_REQUESTED), 1);
				assert_int_equal(SSL_do_handshake(m.ssl), 1);
			}
			if (with_data)
				assert_int_equal(SSL_write(m.ssl, "x", 1), 1);
			step = meet_read_all(&m, buf, sizeof(buf), &n);
			assert_true(step == SST_STEP_FAILED || n == (size_t)with_data);
		}
		assert_int_equal(step, with_data ? SST_STEP_WANT_READ :
		    SST_STEP_FAILED);
		if (!with_data)
			assert_non_null(strstr(m.err.text, "without data"));
		meet_done(&m);
	}
}

static void
the_tickets_of_a_server_are_no_data(void **state)
{
	char buf[100];
	struct meet m;
	size_t n;

	(void)state;
	dialled(&m, TLS1_3_VERSION);	/* plain OpenSSL sends two */
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_WANT_READ);
	assert_int_equal(SSL_write(m.ssl, "x", 1), 1);
	assert_int_equal(sst_conn_read(m.conn, buf, sizeof(buf), &n, &m.err),
	    SST_STEP_DONE);
	meet_done(&m);
}

static int tickets;

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl, (void)session;
	tickets++;
	return 0;
}

/*
 * Cases 58 and 59 at their root: no session is given out, and one that was
 * obtained elsewhere under the same name is not taken.
 */
static void
cs_58_no_ticket_is_issued_and_none_is_taken(void **state)
{
	char byte;

	(void)state;
	for (int i = 0; i < 2; i++) {
		SSL_CTX *ctx = raw_client_ctx(&(struct raw){ .version = versions[i] });
		struct raw raw = { .sni = "a.example", .ctx = ctx };
		struct meet m;
		SSL_SESSION *session;

		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(ctx, on_session);
		tickets = 0;
		meet_server(&m, &(struct sst_tls_settings){ .server = 1,
		    .store = w.store }, &raw);
		assert_int_equal(m.step, SST_STEP_DONE);
		(void)SSL_read(m.ssl, &byte, 1);
		/* 1.2 reports its session even where nothing can resume it. */
		session = SSL_get1_session(m.ssl);
		assert_false(SSL_SESSION_is_resumable(session));
		assert_false(SSL_SESSION_has_ticket(session));
		if (versions[i] == TLS1_3_VERSION)
			assert_int_equal(tickets, 0);
		SSL_SESSION_free(session);
		meet_done(&m);
		SSL_CTX_free(ctx);
	}
}

static SSL_SESSION *kept;

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept);
	kept = session;
	return 1;
}

/* A real session of a plain OpenSSL server with the same certificate. */
static void
session_get(int version)
{
	SSL_CTX *cctx = raw_client_ctx(&(struct raw){ .version = version });
	SSL_CTX *sctx = SSL_CTX_new(TLS_server_method());
	SSL *c, *s;
	int fd[2], cdone = 0, sdone = 0;
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	SSL_CTX_set_session_cache_mode(cctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(cctx, keep_session);
	SSL_CTX_use_certificate(sctx, w.a->cert);
	SSL_CTX_use_PrivateKey(sctx, w.a->key);
	c = SSL_new(cctx);
	s = SSL_new(sctx);
	SSL_set_fd(c, fd[0]);
	SSL_set_fd(s, fd[1]);
	SSL_set_tlsext_host_name(c, "a.example");
	for (int i = 0; i < 10 && !(cdone && sdone); i++) {
		cdone = SSL_connect(c) == 1;
		sdone = SSL_accept(s) == 1;
	}
	assert_true(cdone && sdone);
	(void)SSL_read(c, &byte, 1);
	assert_non_null(kept);
	assert_true(SSL_SESSION_is_resumable(kept));
	SSL_free(c);
	SSL_free(s);
	SSL_CTX_free(cctx);
	SSL_CTX_free(sctx);
	close(fd[0]);
	close(fd[1]);
}

static void
cs_58_a_foreign_session_gets_a_full_handshake(void **state)
{
	struct meet m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		session_get(versions[i]);
		meet_server(&m, &(struct sst_tls_settings){ .server = 1,
		    .store = w.store }, &(struct raw){ .sni = "a.example",
		    .version = versions[i], .resume = kept });
		assert_int_equal(m.step, SST_STEP_DONE);
		assert_false(SSL_session_reused(m.ssl));
		assert_true(meet_got(&m, w.a));
		meet_done(&m);
		SSL_SESSION_free(kept);
		kept = NULL;
	}
}

static void
alpn_is_chosen_in_the_servers_order(void **state)
{
	static const struct {
		const char	*server, *client, *chosen;
		int		 alert;
	} cases[] = {
		{ "h2,http/1.1", "\x08http/1.1\x02h2", "h2", 0 },
		{ "http/1.1,h2", "\x08http/1.1\x02h2", "http/1.1", 0 },
		{ "h2", "\x08http/1.1", "", 120 },
		{ "h2", NULL, "", 0 },
		{ NULL, "\x02h2", "", 0 },
		{ "h", "\x02h2", "", 120 },
	};
	const char *chosen;
	struct meet m;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		meet_server(&m, &(struct sst_tls_settings){ .server = 1,
		    .store = w.store, .alpn = cases[i].server },
		    &(struct raw){ .sni = "a.example", .alpn = cases[i].client });
		assert_int_equal(m.alert, cases[i].alert);
		assert_int_equal(m.step, cases[i].alert ? SST_STEP_FAILED :
		    SST_STEP_DONE);
		chosen = sst_conn_alpn(m.conn, &n);
		assert_int_equal(n, strlen(cases[i].chosen));
		assert_memory_equal(chosen, cases[i].chosen, n);
		meet_done(&m);
	}
}

static void
a_client_offers_its_list(void **state)
{
	const char *chosen;
	struct meet m;
	size_t n;

	(void)state;
	meet_client(&m, &(struct sst_tls_settings){ .trust = w.trust,
	    .alpn = "http/1.1,h2" }, "a.example", NULL,
	    &(struct raw){ .serve = w.a, .alpn = "\x02h2" });
	assert_int_equal(m.step, SST_STEP_DONE);
	chosen = sst_conn_alpn(m.conn, &n);
	assert_int_equal(n, 2);
	assert_memory_equal(chosen, "h2", 2);
	meet_done(&m);
}

static void
versions_are_kept_to(void **state)
{
	static const struct {
		uint16_t	min, max;
		int		peer;
		uint16_t	got;	/* 0: protocol_version */
	} cases[] = {
		{ 0, 0, 0, 0x0304 },
		{ 0, 0x0303, 0, 0x0303 },
		{ 0x0304, 0, TLS1_2_VERSION, 0 },
		{ 0x0304, 0, TLS1_3_VERSION, 0x0304 },
		{ 0, 0x0303, TLS1_3_VERSION, 0 },
		{ 0x0303, 0x0303, TLS1_2_VERSION, 0x0303 },
	};
	struct meet m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int server = 0; server < 2; server++) {
			const struct sst_tls_settings s = { .server = server,
			    .store = w.store, .trust = w.trust,
			    .version_min = cases[i].min,
			    .version_max = cases[i].max };

			if (server)
				meet_server(&m, &s, &(struct raw){
				    .sni = "a.example", .version = cases[i].peer });
			else
				meet_client(&m, &s, "a.example", NULL, &(struct raw){
				    .serve = w.a, .version = cases[i].peer });
			assert_int_equal(m.step, cases[i].got ? SST_STEP_DONE :
			    SST_STEP_FAILED);
			if (cases[i].got)
				assert_int_equal(sst_conn_version(m.conn),
				    cases[i].got);
			else
				assert_int_equal(server ? m.alert : m.alert_sent, 70);
			meet_done(&m);
		}
}

static void
both_sides_name_a_connection_alike(void **state)
{
	unsigned char raw[32];
	char id[65], again[65], text[65];
	struct meet m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		dialled(&m, versions[i]);
		assert_int_equal(sst_conn_id(m.conn, id, NULL), 0);
		assert_int_equal(strlen(id), 64);
		assert_int_equal(SSL_export_keying_material(m.ssl, raw, 32,
		    "EXPORTER-securesockets-id", 25, NULL, 0, 0), 1);
		for (int k = 0; k < 32; k++)
			snprintf(text + 2 * k, 3, "%02x", raw[k]);
		assert_string_equal(id, text);
		meet_done(&m);
		dialled(&m, versions[i]);
		assert_int_equal(sst_conn_id(m.conn, again, NULL), 0);
		assert_string_not_equal(id, again);
		meet_done(&m);
	}
}

static void
a_client_that_sends_no_certificate_has_no_identity(void **state)
{
	char buf[2000];
	struct sst_error err = { 0 };
	struct meet m;
	size_t n;

	(void)state;
	served(&m, 0);
	assert_int_equal(sst_conn_peer_chain(m.conn, buf, sizeof(buf), &n, &err),
	    SST_E_NOT_FOUND);
	assert_int_equal(sst_conn_peer_identity(m.conn, buf, sizeof(buf), &n, NULL),
	    SST_E_NOT_FOUND);
	assert_string_equal(sst_conn_cipher(m.conn), "TLS_AES_256_GCM_SHA384");
	meet_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_and_close_notify_ends_them),
		cmocka_unit_test(reading_goes_on_after_our_close_notify),
		cmocka_unit_test(a_truncated_stream_is_never_its_end),
		cmocka_unit_test(a_cut_record_and_a_reset_are_failures),
		cmocka_unit_test(a_write_that_fails_after_the_peers_end_is_a_failure),
		cmocka_unit_test(a_forged_record_is_a_failure_and_not_data),
		cmocka_unit_test(an_alert_of_the_peer_is_named),
		cmocka_unit_test(a_large_write_is_taken_in_parts_at_any_address),
		cmocka_unit_test(pending_tells_what_the_socket_does_not),
		cmocka_unit_test(a_key_update_is_no_data_and_is_answered),
		cmocka_unit_test(a_renegotiation_is_refused),
		cmocka_unit_test(a_flood_without_data_is_cut_off),
		cmocka_unit_test(the_tickets_of_a_server_are_no_data),
		cmocka_unit_test(cs_58_no_ticket_is_issued_and_none_is_taken),
		cmocka_unit_test(cs_58_a_foreign_session_gets_a_full_handshake),
		cmocka_unit_test(alpn_is_chosen_in_the_servers_order),
		cmocka_unit_test(a_client_offers_its_list),
		cmocka_unit_test(versions_are_kept_to),
		cmocka_unit_test(both_sides_name_a_connection_alike),
		cmocka_unit_test(a_client_that_sends_no_certificate_has_no_identity),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
