/* SPDX-License-Identifier: ISC */
#include "visit.h"

#include <stdlib.h>
#include <string.h>

#include "duo.h"
#include "meet.h"
#include "support/wall.h"
#include "tls/ticket_key.h"

const int visit_versions[2] = { TLS1_2_VERSION, TLS1_3_VERSION };
struct visit_world t;

int
visit_world_make(void **state)
{
	(void)state;
	(void)unsetenv("SECURESOCKETS_CONF");
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

int
visit_world_free(void **state)
{
	struct pki_cert *all[] = { t.a, t.b, t.again, t.other_key, t.ip, t.user, t.root };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	sst_tickets_unref(t.tickets);
	return 0;
}

int
visit_teardown(void **state)
{
	(void)state;
	atomic_store(&wall, 0);
	return 0;
}

static int n_tickets;

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	n_tickets += SSL_SESSION_has_ticket(session);
	return 0;
}

SSL_CTX *
visit_client(const struct visit *v)
{
	SSL_CTX *ctx = raw_client_ctx(&(struct raw){ .version = v->version, .alpn = v->alpn,
	    .groups = v->groups });

	SSL_CTX_set_options(ctx, v->options);
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
meet_conf(struct sst_tls_conf *conf, struct visit *v)
{
	SSL_SESSION *copy = v->resume != NULL ? SSL_SESSION_dup(v->resume) : NULL;
	SSL_CTX *ctx = visit_client(v);
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
meet_ctx(SSL_CTX *sctx, struct visit *v)
{
	SSL_SESSION *copy = v->resume != NULL ? SSL_SESSION_dup(v->resume) : NULL;
	SSL_CTX *ctx = visit_client(v);
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

struct sst_tls_conf *
visit_conf(struct sst_store *store, const struct sst_choose_policy *policy, const char *alpn)
{
	struct sst_tls_conf *conf = NULL;

	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){ .server = 1,
	    .store = store, .policy = policy, .alpn = alpn, .tickets = t.tickets }, &conf,
	    NULL), 0);
	return conf;
}

SSL_CTX *
visit_ctx(struct sst_store *store, const struct sst_openssl_tickets *wish)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_int_equal(sst_openssl_attach_store(ctx, store, NULL, NULL), 0);
	if (wish != NULL)
		assert_int_equal(sst_openssl_tickets(ctx, wish, NULL), 0);
	return ctx;
}

void
server_make(struct server *s, int way, struct sst_store *store)
{
	memset(s, 0, sizeof(*s));
	if (way == 1)
		s->conf = visit_conf(store, NULL, NULL);
	else
		s->ctx = visit_ctx(store, NULL);
}

void
server_done(struct server *s)
{
	sst_tls_conf_unref(s->conf);
	SSL_CTX_free(s->ctx);
}

void
visit(struct server *s, struct visit *v)
{
	if (s->conf != NULL)
		meet_conf(s->conf, v);
	else
		meet_ctx(s->ctx, v);
}

SSL_SESSION *
visit_first(struct server *s, struct visit v)
{
	visit(s, &v);
	assert_true(v.ok);
	assert_false(v.reused);
	assert_non_null(v.session);
	return v.session;
}

int
visit_again(struct server *s, struct visit v)
{
	visit(s, &v);
	assert_true(v.ok);
	assert_int_equal(v.alert, 0);
	SSL_SESSION_free(v.session);
	return v.reused;
}
