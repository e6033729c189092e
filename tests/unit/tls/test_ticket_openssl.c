/* SPDX-License-Identifier: ISC */
/* Session tickets of way 2: what a program asks for, and what it does besides. */
#include "visit.h"

#include <string.h>

#include "duo.h"
#include "meet.h"
#include "tls/ticket_key.h"

static const uint8_t master[48] = "a secret that two or more servers have in common";

static int
trusts(int ok, X509_STORE_CTX *chain)
{
	(void)ok, (void)chain;
	return 1;
}

static SSL_CTX *
asking(struct sst_store *store, int mode, int with_peers, const struct pki_cert *ca)
{
	SSL_CTX *ctx = visit_ctx(store, &(struct sst_openssl_tickets){ .master = master,
	    .master_len = sizeof(master), .with_peers = with_peers });

	SSL_CTX_set_verify(ctx, mode, trusts);
	if (ca != NULL)
		assert_int_equal(SSL_CTX_add_client_CA(ctx, ca->cert), 1);
	return ctx;
}

static void
cs_59_what_is_demanded_of_clients_is_part_of_it(void **state)
{
	enum { ASKED = SSL_VERIFY_PEER,
	    DEMANDED = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT };
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct server none = { .ctx = asking(store, SSL_VERIFY_NONE, 1, NULL) };
		struct server asks = { .ctx = asking(store, ASKED, 1, NULL) };
		struct server root = { .ctx = asking(store, ASKED, 1, t.root) };
		struct server wants = { .ctx = asking(store, DEMANDED, 1, t.root) };
		struct server deep = { .ctx = asking(store, DEMANDED, 1, t.root) };
		struct server all[] = { none, asks, root, wants, deep };
		const size_t n = sizeof(all) / sizeof(all[0]);

		SSL_CTX_set_verify_depth(deep.ctx, 3);
		for (size_t from = 0; from < n; from++) {
			struct visit v = { .sni = "a.example", .version = visit_versions[i],
			    .user = t.user };

			v.resume = visit_first(&all[from], v);
			for (size_t to = 0; to < n; to++)
				assert_int_equal(visit_again(&all[to], v), from == to);
			SSL_SESSION_free(v.resume);
		}
		for (size_t k = 0; k < n; k++)
			server_done(&all[k]);
	}
	sst_store_unref(store);
}

/* Its certificate would be in the ticket, and nobody would verify it again. */
static void
where_clients_show_certificates_there_are_no_tickets_unless_asked_for(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	struct sst_checker *checker = NULL;

	(void)state;
	assert_int_equal(sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .no_service = 1 }, &checker, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i],
		    .user = t.user };
		struct server s = { .ctx = asking(store, SSL_VERIFY_PEER, 0, NULL) };

		visit(&s, &v);
		assert_true(v.ok);
		assert_null(v.session);
		assert_int_equal(v.n_tickets, 0);
		server_done(&s);
		s.ctx = asking(store, SSL_VERIFY_PEER, 1, NULL);
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		server_done(&s);
		/* a checker wants the chain, which a ticket has no room for */
		s.ctx = asking(store, SSL_VERIFY_PEER, 1, NULL);
		assert_int_equal(sst_openssl_attach_checker(s.ctx, checker, NULL, NULL), 0);
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		visit(&s, &v);
		assert_null(v.session);
		server_done(&s);
		/* who is not asked is not judged */
		s.ctx = asking(store, SSL_VERIFY_NONE, 0, NULL);
		assert_int_equal(sst_openssl_attach_checker(s.ctx, checker, NULL, NULL), 0);
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_checker_unref(checker);
	sst_store_unref(store);
}

static void
who_is_asked_after_the_handshake_is_not_in_a_ticket_either(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int with_peers = 0; with_peers < 2; with_peers++) {
		struct visit v = { .sni = "a.example", .version = TLS1_3_VERSION,
		    .user = t.user };
		struct server s = { .ctx = asking(store, SSL_VERIFY_NONE, with_peers, NULL) };
		SSL_CTX *ctx = visit_client(&v);
		struct duo d;

		SSL_CTX_set_post_handshake_auth(ctx, 1);
		duo_ask(&d, ctx, s.ctx, NULL, "a.example");
		duo_talk(&d);
		SSL_set_verify(d.server, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, trusts);
		assert_true(SSL_verify_client_post_handshake(d.server));
		assert_int_equal(SSL_do_handshake(d.server), 1);
		duo_talk(&d);
		assert_int_equal(SSL_write(d.client, "x", 1), 1);
		assert_int_equal(SSL_read(d.server, &(char){ 0 }, 1), 1);
		assert_non_null(SSL_get0_peer_certificate(d.server));
		/* the program wants one more, now that it knows who it is */
		assert_int_equal(SSL_new_session_ticket(d.server), 1);
		duo_talk(&d);
		v.resume = SSL_get1_session(d.client);
		duo_done(&d);
		SSL_CTX_free(ctx);
		assert_int_equal(visit_again(&s, v), with_peers);
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_60_servers_that_share_a_master_resume_each_others_sessions(void **state)
{
	const struct sst_openssl_tickets shared = { .master = master,
	    .master_len = sizeof(master) }, other = { .master = master,
	    .master_len = sizeof(master) - 1 };
	struct sst_store *one = meet_store(&t.a, 1), *two = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server a = { .ctx = visit_ctx(one, &shared) };
		struct server b = { .ctx = visit_ctx(two, &shared) };
		struct server c = { .ctx = visit_ctx(two, &other) };
		struct server d = { .ctx = visit_ctx(one, NULL) };

		v.resume = visit_first(&a, v);
		assert_true(visit_again(&b, v));
		assert_false(visit_again(&c, v));
		assert_false(visit_again(&d, v));
		SSL_SESSION_free(v.resume);
		server_done(&a);
		server_done(&b);
		server_done(&c);
		server_done(&d);
	}
	sst_store_unref(one);
	sst_store_unref(two);
}

static void
a_session_lives_as_long_as_was_asked(void **state)
{
	const struct sst_openssl_tickets brief = { .lifetime = 77 };
	struct sst_store *store = meet_store(&t.a, 1);
	struct sst_error err = { 0 };
	SSL_CTX *bare = SSL_CTX_new(TLS_server_method());

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s = { .ctx = visit_ctx(store, &brief) };

		visit(&s, &v);
		assert_int_equal(v.lifetime, 77);
		SSL_SESSION_free(v.session);
		assert_int_equal(sst_openssl_tickets(s.ctx, &(struct sst_openssl_tickets){
		    .lifetime = 604801 }, &err), SST_E_USAGE);
		assert_non_null(strstr(err.text, "604800"));
		memset(&err, 0, sizeof(err));
		assert_int_equal(sst_openssl_tickets(s.ctx, &(struct sst_openssl_tickets){
		    .master = master, .master_len = 31 }, &err), SST_E_USAGE);
		memset(&err, 0, sizeof(err));
		/* what was wrong changed nothing */
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		assert_int_equal(sst_openssl_tickets(s.ctx, NULL, NULL), 0);
		visit(&s, &v);
		assert_int_equal(v.lifetime, SST_TICKET_LIFE_S);
		SSL_SESSION_free(v.session);
		server_done(&s);
	}
	assert_int_equal(sst_openssl_tickets(bare, NULL, NULL), SST_E_STATE);
	assert_int_equal(sst_openssl_tickets(NULL, NULL, NULL), SST_E_STATE);
	SSL_CTX_free(bare);
	sst_store_unref(store);
}

/* In TLS 1.3 OpenSSL would send one that is worth nothing. */
static void
who_wants_no_tickets_has_none(void **state)
{
	const struct sst_openssl_tickets off = { .off = 1 };
	struct sst_store *store = meet_store(&t.a, 1);
	struct server with = { .ctx = visit_ctx(store, NULL) };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i % 2] };
		struct server s = { .ctx = SSL_CTX_new(TLS_server_method()) };

		if (i / 2 == 0)
			SSL_CTX_set_options(s.ctx, SSL_OP_NO_TICKET);
		assert_int_equal(sst_openssl_attach_store(s.ctx, store, NULL, NULL), 0);
		if (i / 2 == 1)
			assert_int_equal(sst_openssl_tickets(s.ctx, &off, NULL), 0);
		if (i / 2 == 2)
			SSL_CTX_set_options(s.ctx, SSL_OP_NO_TICKET);
		visit(&s, &v);
		assert_true(v.ok);
		assert_null(v.session);
		assert_int_equal(v.n_tickets, 0);
		v.resume = visit_first(&with, v);
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	server_done(&with);
	sst_store_unref(store);
}

/* What was decided for one client is not left to the next. */
static void
an_ssl_that_is_used_again_decides_again(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	struct visit v = { .sni = "a.example" };
	unsigned char digest[32];

	(void)state;
	pki_digest(t.a, digest);
	for (int i = 0; i < 2; i++) {
		SSL_CTX *server = visit_ctx(store, NULL), *client;
		struct duo d;

		v.version = visit_versions[i];
		client = visit_client(&v);
		for (int turn = 0; turn < 4; turn++) {
			/* the second and the third are shown what is revoked */
			const int revoked = turn == 1 || turn == 2;

			assert_int_equal(sst_store_mark_revoked(store, digest,
			    revoked ? "a test" : NULL, NULL), 0);
			if (turn == 0)
				duo_ask(&d, client, server, NULL, v.sni);
			else
				duo_ask_again(&d, client, NULL, v.sni);
			duo_talk(&d);
			assert_int_equal(SSL_SESSION_has_ticket(
			    SSL_get_session(d.client)), !revoked);
			assert_int_equal((SSL_get_options(d.server) & SSL_OP_NO_TICKET) != 0,
			    revoked);
		}
		duo_over(&d, client, server);
	}
	sst_store_unref(store);
}

/* A program that keeps sessions by itself has them bound, too. */
static void
sessions_that_the_program_keeps_are_bound_as_well(void **state)
{
	static char names[3][10] = { "a.example", "b.example", "a.example" };
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		SSL_CTX *server = visit_ctx(store, &(struct sst_openssl_tickets){ .off = 1 });
		SSL_CTX *client = visit_client(&v);
		SSL_SESSION *session = NULL;
		struct duo d;

		SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_SERVER);
		SSL_CTX_clear_options(server, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(server, 1);
		for (int turn = 0; turn < 3; turn++) {
			duo_ask(&d, client, server, turn > 0 ? session : NULL, names[turn]);
			assert_int_equal(SSL_session_reused(d.server),
			    turn == 2 && visit_versions[i] == TLS1_2_VERSION);
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

/* Comes again with bytes before the handshake; what of them the server got. */
static size_t
early(SSL_CTX *server, const struct visit *v, SSL_SESSION *first, char *got, size_t size)
{
	SSL_SESSION *session = SSL_SESSION_dup(first);
	SSL_CTX *client = visit_client(v);
	struct duo d;
	size_t n = 0;
	char byte;

	/* whatever the ticket says */
	assert_int_equal(SSL_SESSION_set_max_early_data(session, 1000), 1);
	duo_begin(&d, client, server, session);
	(void)SSL_set_tlsext_host_name(d.client, v->sni);
	assert_int_equal(SSL_write_early_data(d.client, "buy", 3, &n), 1);
	n = 0;
	if (SSL_read_early_data(d.server, got, size, &n) != SSL_READ_EARLY_DATA_SUCCESS)
		n = 0;
	duo_shake(&d);
	assert_true(d.client_ok && d.server_ok);
	assert_int_equal(SSL_get_early_data_status(d.client), n > 0 ?
	    SSL_EARLY_DATA_ACCEPTED : SSL_EARLY_DATA_REJECTED);
	/* and nothing of it comes later */
	assert_int_equal(SSL_write(d.client, "!", 1), 1);
	assert_int_equal(SSL_read(d.server, &byte, 1), 1);
	assert_int_equal(byte, '!');
	duo_done(&d);
	SSL_SESSION_free(session);
	SSL_CTX_free(client);
	return n;
}

/* Who was revoked since is not heard before that is known: nobody is. */
static void
rv_52_no_data_is_taken_before_the_handshake(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	struct visit v = { .sni = "a.example", .version = TLS1_3_VERSION };
	struct server ours = { .ctx = visit_ctx(store, NULL) };
	struct server plain = { .ctx = SSL_CTX_new(TLS_server_method()) };
	SSL_SESSION *session;
	char got[8];

	(void)state;
	session = visit_first(&ours, v);
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	assert_int_equal(early(ours.ctx, &v, session, got, sizeof(got)), 0);
	SSL_SESSION_free(session);
	/* the same client at a server that takes it */
	assert_int_equal(SSL_CTX_use_certificate(plain.ctx, t.a->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(plain.ctx, t.a->key), 1);
	assert_int_equal(SSL_CTX_set_max_early_data(plain.ctx, 1000), 1);
	session = visit_first(&plain, v);
	assert_int_equal(early(plain.ctx, &v, session, got, sizeof(got)), 3);
	assert_memory_equal(got, "buy", 3);
	SSL_SESSION_free(session);
	server_done(&plain);
	server_done(&ours);
	sst_store_unref(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VISIT(cs_59_what_is_demanded_of_clients_is_part_of_it),
		VISIT(where_clients_show_certificates_there_are_no_tickets_unless_asked_for),
		VISIT(who_is_asked_after_the_handshake_is_not_in_a_ticket_either),
		VISIT(cs_60_servers_that_share_a_master_resume_each_others_sessions),
		VISIT(a_session_lives_as_long_as_was_asked),
		VISIT(who_wants_no_tickets_has_none),
		VISIT(an_ssl_that_is_used_again_decides_again),
		VISIT(sessions_that_the_program_keeps_are_bound_as_well),
		VISIT(rv_52_no_data_is_taken_before_the_handshake),
	};

	return cmocka_run_group_tests(tests, visit_world_make, visit_world_free);
}
