/* SPDX-License-Identifier: ISC */
/*
 * Session tickets of a server, in both ways: who may resume, and who begins anew without
 * being told off.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <securesockets/openssl.h>

#include "duo.h"
#include "meet.h"
#include "support/wall.h"
#include "tls/ticket_key.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static const uint8_t master[48] = "a secret that two or more servers have in common";

static struct {
	struct pki_cert	*root, *a, *b, *again, *other_key, *ip, *user;
	struct sst_tickets *tickets;
} t;

static int
world_make(void **state)
{
	(void)state;
	t.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	t.a = pki_issue(t.root, &(struct pki_spec){ .san = "a.example,*.w.example" });
	t.b = pki_issue(t.root, &(struct pki_spec){ .san = "b.example" });
	t.again = pki_issue(t.root, &(struct pki_spec){ .san = "a.example,*.w.example",
	    .use_key = t.a->key, .not_after = PKI_NOW + 9000 * PKI_DAY });
	t.other_key = pki_issue(t.root, &(struct pki_spec){
	    .san = "a.example,*.w.example", .not_after = PKI_NOW + 9001 * PKI_DAY });
	t.ip = pki_issue(t.root, &(struct pki_spec){ .san = "IP:192.0.2.1,IP:192.0.2.2" });
	t.user = pki_issue(t.root, &(struct pki_spec){ .cn = "user", .eku = "clientAuth" });
	return sst_tickets_new(NULL, 0, 0, &t.tickets, NULL);
}

static int
world_free(void **state)
{
	struct pki_cert *all[] = { t.a, t.b, t.again, t.other_key, t.ip, t.user, t.root };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	sst_tickets_unref(t.tickets);
	return 0;
}

static int
clock_reset(void **state)
{
	(void)state;
	atomic_store(&wall, 0);
	return 0;
}

/* One visit of a client of OpenSSL's, which marks a session of TLS 1.3 as used: so it
 * comes with a copy. */
struct visit {
	const char	*sni, *alpn, *groups;
	int		 version;
	SSL_SESSION	*resume;	/* borrowed */
	const struct sockaddr *local;
	const struct pki_cert *user;	/* whom it is, if asked */
	/* found */
	int		 ok, reused, alert, n_tickets;
	long		 lifetime;	/* that the ticket says */
	SSL_SESSION	*session;	/* the caller's; NULL: nothing to resume */
};

static int n_tickets;

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	n_tickets += SSL_SESSION_has_ticket(session);
	return 0;
}

static SSL_CTX *
client_of(const struct visit *v)
{
	SSL_CTX *ctx = raw_client_ctx(&(struct raw){ .version = v->version, .alpn = v->alpn,
	    .groups = v->groups });

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	if (v->user != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, v->user->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, v->user->key), 1);
	}
	n_tickets = 0;
	return ctx;
}

static void
found(struct visit *v, SSL *client)
{
	v->reused = SSL_session_reused(client);
	v->n_tickets = n_tickets;
	v->session = SSL_get1_session(client);
	if (!SSL_SESSION_has_ticket(v->session)) {
		SSL_SESSION_free(v->session);
		v->session = NULL;
		return;
	}
	v->lifetime = (long)SSL_SESSION_get_ticket_lifetime_hint(v->session);
}

/* Way 1. */
static void
visit_conf(struct sst_tls_conf *conf, struct visit *v)
{
	SSL_SESSION *copy = v->resume != NULL ? SSL_SESSION_dup(v->resume) : NULL;
	SSL_CTX *ctx = client_of(v);
	struct meet m;
	char byte;

	meet_server(&m, NULL, &(struct raw){ .conf = conf, .ctx = ctx, .sni = v->sni,
	    .resume = copy, .local = v->local });
	SSL_SESSION_free(copy);
	v->ok = m.step == SST_STEP_DONE && m.raw_done;
	v->alert = m.alert;
	v->session = NULL;
	if (v->ok) {
		(void)SSL_read(m.ssl, &byte, 1);	/* tickets come after it */
		assert_int_equal(sst_conn_resumed(m.conn), SSL_session_reused(m.ssl));
		found(v, m.ssl);
		(void)SSL_shutdown(m.ssl);
	}
	meet_done(&m);
	SSL_CTX_free(ctx);
}

/* Way 2. */
static void
visit_ctx(SSL_CTX *sctx, struct visit *v)
{
	SSL_SESSION *copy = v->resume != NULL ? SSL_SESSION_dup(v->resume) : NULL;
	SSL_CTX *ctx = client_of(v);
	struct duo d;

	duo_begin(&d, ctx, sctx, copy);
	SSL_SESSION_free(copy);
	if (v->sni != NULL)
		(void)SSL_set_tlsext_host_name(d.client, v->sni);
	duo_shake(&d);
	v->ok = d.client_ok && d.server_ok;
	v->session = NULL;
	if (v->ok) {
		duo_talk(&d);
		assert_int_equal(SSL_session_reused(d.client), SSL_session_reused(d.server));
		found(v, d.client);
	}
	duo_done(&d);
	SSL_CTX_free(ctx);
}

static struct sst_tls_conf *
conf_of(struct sst_store *store, const struct sst_choose_policy *policy, const char *alpn)
{
	struct sst_tls_conf *conf = NULL;

	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){ .server = 1,
	    .store = store, .policy = policy, .alpn = alpn, .tickets = t.tickets }, &conf,
	    NULL), 0);
	return conf;
}

/* `wish` NULL: as it is attached. */
static SSL_CTX *
ctx_of(struct sst_store *store, const struct sst_openssl_tickets *wish)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_int_equal(sst_openssl_attach_store(ctx, store, NULL, NULL), 0);
	if (wish != NULL)
		assert_int_equal(sst_openssl_tickets(ctx, wish, NULL), 0);
	return ctx;
}

/* The server of one of the two ways. */
struct server {
	struct sst_tls_conf *conf;
	SSL_CTX		*ctx;
};

static void
server_make(struct server *s, int way, struct sst_store *store)
{
	memset(s, 0, sizeof(*s));
	if (way == 1)
		s->conf = conf_of(store, NULL, NULL);
	else
		s->ctx = ctx_of(store, NULL);
}

static void
server_done(struct server *s)
{
	sst_tls_conf_unref(s->conf);
	SSL_CTX_free(s->ctx);
}

static void
visit(struct server *s, struct visit *v)
{
	if (s->conf != NULL)
		visit_conf(s->conf, v);
	else
		visit_ctx(s->ctx, v);
}

/* A full handshake, and what it can be resumed with. */
static SSL_SESSION *
first(struct server *s, struct visit v)
{
	visit(s, &v);
	assert_true(v.ok);
	assert_false(v.reused);
	assert_non_null(v.session);
	return v.session;
}

/* Comes again; the handshake must succeed. 1: resumed. */
static int
again(struct server *s, struct visit v)
{
	visit(s, &v);
	assert_true(v.ok);
	assert_int_equal(v.alert, 0);
	SSL_SESSION_free(v.session);
	return v.reused;
}

#define for_each_way(way, i)						\
	for (int way = 1; way <= 2; way++)				\
		for (int i = 0; i < 2; i++)

static void
one_ticket_a_full_handshake_and_none_a_resumed_one(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server s;
		SSL_SESSION *session;

		server_make(&s, way, store);
		visit(&s, &v);
		assert_true(v.ok);
		assert_int_equal(v.n_tickets, 1);
		assert_int_equal(v.lifetime, SST_TICKET_LIFE_S);
		session = v.session;
		v.resume = session;
		visit(&s, &v);
		assert_true(v.ok && v.reused);
		assert_int_equal(v.n_tickets, 0);
		SSL_SESSION_free(v.session);
		/* the same ticket, as often as the client likes */
		assert_true(again(&s, v));
		SSL_SESSION_free(session);
		server_done(&s);
	}
	sst_store_unref(store);
}

/* A certificate for both names does not make them one. */
static void
cs_58_a_ticket_is_good_for_its_name_alone(void **state)
{
	static const char *const others[] = { "b.example", NULL, "x.w.example",
	    "nobody.example" };
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
	const struct sst_choose_policy lax = { .default_name = "a.example" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct visit v = { .sni = "a.example", .version = versions[i % 2] };
		struct server s = { 0 };

		if (i < 2) {
			s.conf = conf_of(store, &lax, NULL);
		} else {
			s.ctx = SSL_CTX_new(TLS_server_method());
			assert_int_equal(sst_openssl_attach_store(s.ctx, store, &lax, NULL),
			    0);
		}
		v.resume = first(&s, v);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			v.sni = others[k];
			assert_false(again(&s, v));
		}
		v.sni = "A.Example.";	/* it is folded */
		assert_true(again(&s, v));
		SSL_SESSION_free(v.resume);
		/* and without a name */
		v.sni = NULL;
		v.resume = NULL;
		v.resume = first(&s, v);
		assert_true(again(&s, v));
		v.sni = "a.example";
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_58_a_ticket_is_good_for_its_protocols_alone(void **state)
{
	static const char *const others[] = { NULL, "\x08http/1.1", "\x08http/1.1\x02h2",
	    "\x02h2\x08http/1.1\x02h3", "\x02h2" };
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = versions[i],
		    .alpn = "\x02h2\x08http/1.1" };
		struct server s;

		server_make(&s, way, store);
		v.resume = first(&s, v);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			v.alpn = others[k];
			assert_false(again(&s, v));
		}
		v.alpn = "\x02h2\x08http/1.1";
		assert_true(again(&s, v));
		/* RFC 8701: what is drawn by lot is nothing to be bound to */
		v.alpn = "\x02\x1a\x1a\x02h2\x02\xfa\xfa\x08http/1.1";
		assert_true(again(&s, v));
		v.alpn = "\x02\x1a\x2a\x02h2\x08http/1.1";
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_58_what_the_server_speaks_counts_as_well(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = versions[i],
		    .alpn = "\x02h2" };
		struct server one = { .conf = conf_of(store, NULL, "h2") };
		struct server same = { .conf = conf_of(store, NULL, "h2") };
		struct server more = { .conf = conf_of(store, NULL, "h2,http/1.1") };

		v.resume = first(&one, v);
		assert_true(again(&same, v));
		assert_false(again(&more, v));
		SSL_SESSION_free(v.resume);
		server_done(&one);
		server_done(&same);
		server_done(&more);
	}
	sst_store_unref(store);
}

/* A session's id is none: there is nothing here to look it up in. */
static void
cs_58_no_session_is_resumed_by_its_id(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int way = 1; way <= 2; way++) {
		struct visit v = { .sni = "a.example", .version = TLS1_2_VERSION };
		SSL_CTX *ctx = client_of(&v);
		struct server s;
		struct duo d;

		server_make(&s, way, store);
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		duo_begin(&d, ctx, way == 1 ? sst_tls_conf_ctx(s.conf) : s.ctx, NULL);
		(void)SSL_set_tlsext_host_name(d.client, "a.example");
		duo_shake(&d);
		assert_true(d.client_ok && d.server_ok);
		assert_false(SSL_SESSION_is_resumable(SSL_get_session(d.client)));
		duo_done(&d);
		SSL_CTX_free(ctx);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
where_no_name_is_sent_the_address_is_part_of_it(void **state)
{
	struct sst_store *store = meet_store(&t.ip, 1);
	struct sockaddr_in one = { .sin_family = AF_INET }, two = one;

	(void)state;
	one.sin_addr.s_addr = inet_addr("192.0.2.1");
	two.sin_addr.s_addr = inet_addr("192.0.2.2");
	for (int i = 0; i < 2; i++) {
		struct visit v = { .version = versions[i],
		    .local = (struct sockaddr *)&one };
		struct server s = { .conf = conf_of(store, NULL, NULL) };

		v.resume = first(&s, v);
		assert_true(again(&s, v));
		v.local = (struct sockaddr *)&two;
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_59_a_name_that_was_removed_is_gone_for_who_has_a_ticket(void **state)
{
	const struct sst_choose_policy strict = { .strict = 1 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
		struct server s = { .conf = conf_of(store, &strict, NULL) };
		struct visit v = { .sni = "a.example", .version = versions[i] }, u = v;
		unsigned char digest[32];
		char text[65];

		v.resume = first(&s, v);
		u.sni = "b.example";
		u.resume = first(&s, u);
		pki_digest(t.a, digest);
		for (int k = 0; k < 32; k++)
			sprintf(text + 2 * k, "%02x", digest[k]);
		assert_true(again(&s, v));
		assert_int_equal(sst_store_remove(store, text, NULL), 0);
		visit(&s, &v);
		assert_false(v.ok);
		assert_int_equal(v.alert, SSL_AD_UNRECOGNIZED_NAME);
		assert_true(again(&s, u));
		SSL_SESSION_free(v.resume);
		SSL_SESSION_free(u.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

/* Under the default identity, which happens to be the same one. */
static void
cs_59_a_name_that_is_answered_for_no_more_begins_anew(void **state)
{
	static const char *const names[] = { "b.example" };
	const struct sst_choose_policy all = { .default_name = "a.example" };
	const struct sst_choose_policy few = { .default_name = "a.example",
	    .names = names, .n_names = 1 };
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server wide = { .conf = conf_of(store, &all, NULL) };
		struct server narrow = { .conf = conf_of(store, &few, NULL) };

		v.resume = first(&wide, v);
		assert_true(again(&wide, v));
		assert_false(again(&narrow, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		v.resume = first(&narrow, v);
		assert_true(again(&narrow, v));
		SSL_SESSION_free(v.resume);
		server_done(&wide);
		server_done(&narrow);
	}
	sst_store_unref(store);
}

/* Another listener of the same program, with another policy. */
static void
cs_59_a_policy_that_was_tightened_begins_anew(void **state)
{
	static const struct sst_choose_policy lax = { 0 }, tight[] = { { .strict = 1 },
	    { .refuse_expired = 1 }, { .refuse_revoked = 1 } };
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server s = { .conf = conf_of(store, &lax, NULL) }, same, other;

		v.resume = first(&s, v);
		same = (struct server){ .conf = conf_of(store, NULL, NULL) };
		assert_true(again(&same, v));
		server_done(&same);
		for (size_t k = 0; k < sizeof(tight) / sizeof(tight[0]); k++) {
			other = (struct server){ .conf = conf_of(store, &tight[k], NULL) };
			assert_false(again(&other, v));
			server_done(&other);
		}
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static int
trusts(int ok, X509_STORE_CTX *chain)
{
	(void)ok, (void)chain;
	return 1;
}

static SSL_CTX *
asking(struct sst_store *store, int mode, int with_peers, const struct pki_cert *ca)
{
	SSL_CTX *ctx = ctx_of(store, &(struct sst_openssl_tickets){ .master = master,
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
			struct visit v = { .sni = "a.example", .version = versions[i],
			    .user = t.user };

			v.resume = first(&all[from], v);
			for (size_t to = 0; to < n; to++)
				assert_int_equal(again(&all[to], v), from == to);
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
		struct visit v = { .sni = "a.example", .version = versions[i],
		    .user = t.user };
		struct server s = { .ctx = asking(store, SSL_VERIFY_PEER, 0, NULL) };

		visit(&s, &v);
		assert_true(v.ok);
		assert_null(v.session);
		assert_int_equal(v.n_tickets, 0);
		server_done(&s);
		s.ctx = asking(store, SSL_VERIFY_PEER, 1, NULL);
		v.resume = first(&s, v);
		assert_true(again(&s, v));
		server_done(&s);
		/* a checker wants the chain, which a ticket has no room for */
		s.ctx = asking(store, SSL_VERIFY_PEER, 1, NULL);
		assert_int_equal(sst_openssl_attach_checker(s.ctx, checker, NULL, NULL), 0);
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		visit(&s, &v);
		assert_null(v.session);
		server_done(&s);
		/* who is not asked is not judged */
		s.ctx = asking(store, SSL_VERIFY_NONE, 0, NULL);
		assert_int_equal(sst_openssl_attach_checker(s.ctx, checker, NULL, NULL), 0);
		v.resume = first(&s, v);
		assert_true(again(&s, v));
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
		SSL_CTX *ctx = client_of(&v);
		struct duo d;

		SSL_CTX_set_post_handshake_auth(ctx, 1);
		duo_begin(&d, ctx, s.ctx, NULL);
		(void)SSL_set_tlsext_host_name(d.client, "a.example");
		duo_shake(&d);
		assert_true(d.client_ok && d.server_ok);
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
		assert_int_equal(again(&s, v), with_peers);
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
add(struct sst_store *store, const struct pki_cert *cert)
{
	struct pki_buf pem = { 0 };

	pki_put_chain(&pem, cert);
	pki_put_key(&pem, cert);
	assert_int_equal(sst_store_add_bytes(store, pem.data, pem.len, NULL), 0);
	pki_buf_free(&pem);
}

static void
cs_61_a_renewal_that_keeps_its_key_keeps_its_sessions(void **state)
{
	(void)state;
	for_each_way(way, i) {
		struct sst_store *store = meet_store(&t.a, 1);
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server s;

		server_make(&s, way, store);
		v.resume = first(&s, v);
		add(store, t.again);
		assert_true(again(&s, v));
		add(store, t.other_key);
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		v.resume = first(&s, v);
		assert_true(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

static void
cs_61_who_is_shown_a_revoked_certificate_resumes_nothing(void **state)
{
	unsigned char digest[32];

	(void)state;
	pki_digest(t.a, digest);
	for_each_way(way, i) {
		struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
		struct visit v = { .sni = "a.example", .version = versions[i] }, u = v;
		struct server s;

		server_make(&s, way, store);
		v.resume = first(&s, v);
		assert_true(again(&s, v));
		assert_int_equal(sst_store_mark_revoked(store, digest, "a test", NULL), 0);
		visit(&s, &v);
		assert_true(v.ok);	/* there is nothing better */
		assert_false(v.reused);
		assert_null(v.session);
		u.sni = "b.example";
		u.resume = first(&s, u);
		assert_true(again(&s, u));
		SSL_SESSION_free(u.resume);
		assert_int_equal(sst_store_mark_revoked(store, digest, NULL, NULL), 0);
		assert_true(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

static void
cs_60_a_ticket_of_the_third_slot_begins_anew(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	const time_t now = time(NULL) / SST_TICKET_EPOCH_S * SST_TICKET_EPOCH_S;

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server s;

		atomic_store(&wall, now);
		server_make(&s, way, store);
		v.resume = first(&s, v);
		for (int slot = 0; slot < 5; slot++) {
			atomic_store(&wall, now + slot * SST_TICKET_EPOCH_S);
			assert_int_equal(again(&s, v), slot <= 2);
		}
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
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server a = { .ctx = ctx_of(one, &shared) };
		struct server b = { .ctx = ctx_of(two, &shared) };
		struct server c = { .ctx = ctx_of(two, &other) };
		struct server d = { .ctx = ctx_of(one, NULL) };

		v.resume = first(&a, v);
		assert_true(again(&b, v));
		assert_false(again(&c, v));
		assert_false(again(&d, v));
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
		struct visit v = { .sni = "a.example", .version = versions[i] };
		struct server s = { .ctx = ctx_of(store, &brief) };

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
		v.resume = first(&s, v);
		assert_true(again(&s, v));
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
	struct server with = { .ctx = ctx_of(store, NULL) };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct visit v = { .sni = "a.example", .version = versions[i % 2] };
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
		v.resume = first(&with, v);
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	server_done(&with);
	sst_store_unref(store);
}

/* A retry asks the same question twice, and is answered once. */
static void
a_resumed_handshake_may_be_asked_to_retry(void **state)
{
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int way = 1; way <= 2; way++) {
		struct visit v = { .sni = "a.example", .version = TLS1_3_VERSION,
		    .groups = "X25519:P-256" };
		struct server s;

		server_make(&s, way, store);
		assert_true(SSL_CTX_set1_groups_list(way == 1 ?
		    sst_tls_conf_ctx(s.conf) : s.ctx, "P-256"));
		v.resume = first(&s, v);
		assert_true(again(&s, v));
		v.sni = "b.example";
		assert_false(again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
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
		SSL_CTX *server = ctx_of(store, NULL), *client;
		struct duo d;
		BIO *a, *b;

		v.version = versions[i];
		client = client_of(&v);
		duo_begin(&d, client, server, NULL);
		for (int turn = 0; turn < 4; turn++) {
			/* the second and the third are shown what is revoked */
			const int revoked = turn == 1 || turn == 2;

			assert_int_equal(sst_store_mark_revoked(store, digest,
			    revoked ? "a test" : NULL, NULL), 0);
			(void)SSL_set_tlsext_host_name(d.client, "a.example");
			duo_shake(&d);
			assert_true(d.client_ok && d.server_ok);
			duo_talk(&d);
			assert_int_equal(SSL_SESSION_has_ticket(
			    SSL_get_session(d.client)), !revoked);
			assert_int_equal((SSL_get_options(d.server) & SSL_OP_NO_TICKET) != 0,
			    revoked);
			(void)SSL_shutdown(d.client);
			(void)SSL_shutdown(d.server);
			SSL_free(d.client);
			d.client = SSL_new(client);
			assert_int_equal(SSL_clear(d.server), 1);
			assert_true(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
			SSL_set_bio(d.client, a, a);
			SSL_set_bio(d.server, b, b);
			SSL_set_connect_state(d.client);
			SSL_set_accept_state(d.server);
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
		struct visit v = { .sni = "a.example", .version = versions[i] };
		SSL_CTX *server = ctx_of(store, &(struct sst_openssl_tickets){ .off = 1 });
		SSL_CTX *client = client_of(&v);
		SSL_SESSION *session = NULL;
		struct duo d;

		SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_SERVER);
		SSL_CTX_clear_options(server, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(server, 1);
		for (int turn = 0; turn < 3; turn++) {
			duo_begin(&d, client, server, turn > 0 ? session : NULL);
			(void)SSL_set_tlsext_host_name(d.client, names[turn]);
			duo_shake(&d);
			assert_true(d.client_ok && d.server_ok);
			assert_int_equal(SSL_session_reused(d.server),
			    turn == 2 && versions[i] == TLS1_2_VERSION);
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

/* Bits of a ticket that somebody changed: no alert, no session. */
static void
cs_58_a_ticket_that_was_changed_begins_anew(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = versions[i] };
		unsigned char *der = NULL, *at;
		const unsigned char *ticket, *from;
		SSL_SESSION *whole;
		struct server s;
		size_t len;
		int n;

		server_make(&s, way, store);
		whole = first(&s, v);
		SSL_SESSION_get0_ticket(whole, &ticket, &len);
		n = i2d_SSL_SESSION(whole, &der);
		assert_true(n > 0);
		at = memmem(der, (size_t)n, ticket, len);
		assert_non_null(at);
		for (size_t k = 0; k < len; k += k < 40 ? 1 : 13) {
			at[k] ^= 1;
			from = der;
			v.resume = d2i_SSL_SESSION(NULL, &from, n);
			assert_non_null(v.resume);
			assert_false(again(&s, v));
			SSL_SESSION_free(v.resume);
			at[k] ^= 1;
		}
		v.resume = whole;
		assert_true(again(&s, v));
		SSL_SESSION_free(whole);
		OPENSSL_free(der);
		server_done(&s);
	}
	sst_store_unref(store);
}

#define EACH(f)	cmocka_unit_test_teardown(f, clock_reset)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(one_ticket_a_full_handshake_and_none_a_resumed_one),
		EACH(cs_58_a_ticket_is_good_for_its_name_alone),
		EACH(cs_58_a_ticket_is_good_for_its_protocols_alone),
		EACH(cs_58_what_the_server_speaks_counts_as_well),
		EACH(cs_58_no_session_is_resumed_by_its_id),
		EACH(cs_58_a_ticket_that_was_changed_begins_anew),
		EACH(where_no_name_is_sent_the_address_is_part_of_it),
		EACH(cs_59_a_name_that_was_removed_is_gone_for_who_has_a_ticket),
		EACH(cs_59_a_name_that_is_answered_for_no_more_begins_anew),
		EACH(cs_59_a_policy_that_was_tightened_begins_anew),
		EACH(cs_59_what_is_demanded_of_clients_is_part_of_it),
		EACH(where_clients_show_certificates_there_are_no_tickets_unless_asked_for),
		EACH(who_is_asked_after_the_handshake_is_not_in_a_ticket_either),
		EACH(cs_60_a_ticket_of_the_third_slot_begins_anew),
		EACH(cs_60_servers_that_share_a_master_resume_each_others_sessions),
		EACH(cs_61_a_renewal_that_keeps_its_key_keeps_its_sessions),
		EACH(cs_61_who_is_shown_a_revoked_certificate_resumes_nothing),
		EACH(a_session_lives_as_long_as_was_asked),
		EACH(who_wants_no_tickets_has_none),
		EACH(a_resumed_handshake_may_be_asked_to_retry),
		EACH(an_ssl_that_is_used_again_decides_again),
		EACH(sessions_that_the_program_keeps_are_bound_as_well),
	};

	(void)unsetenv("SECURESOCKETS_CONF");
	return cmocka_run_group_tests(tests, world_make, world_free);
}
