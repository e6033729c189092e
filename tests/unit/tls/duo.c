/* SPDX-License-Identifier: ISC */
#include "duo.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/ocsp/make_crl.h"

#define MUST(x) must((x) != 0, #x, __LINE__)

struct duo_world w;

static void
must(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "duo.c:%d: %s failed\n", line, what);
	ERR_print_errors_fp(stderr);
	abort();
}

/* Made before anybody asks: a key that signs serves one thread at a time. */
static struct pki_buf list_empty, list_listed, list_user;

static struct pki_buf
list_of(const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked, .date = w.now - PKI_DAY };

	return make_crl(&(struct make_crl){ .issuer = w.mid, .rows = &row,
	    .n_rows = revoked != NULL, .this_update = w.now - PKI_DAY,
	    .next_update = w.now + PKI_DAY });
}

static void
give_list(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	const struct pki_cert *revoked = w.revoked;
	const struct pki_buf *list = revoked == NULL ? &list_empty :
	    revoked == w.listed ? &list_listed : &list_user;

	(void)arg, (void)q;
	MUST(revoked == NULL || revoked == w.listed || revoked == w.user_listed);
	reply->type = "application/pkix-crl";
	pki_put(&reply->body, list->data, list->len);
}

int
duo_world_make(void **state)
{
	const char *url;

	(void)state;
	/* no policy of whoever runs the tests */
	MUST(unsetenv("SECURESOCKETS_CONF") == 0);
	MUST(setenv("HOME", "/nonexistent", 1) == 0);
	w.now = time(NULL);
	w.lists = responder_new(give_list, NULL);
	url = responder_url(w.lists, "/list");
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.mid = pki_issue(w.root, &(struct pki_spec){ .cn = "Mid", .ca = 1 });
	w.www = pki_issue(w.mid, &(struct pki_spec){ .cn = "www", .san = DUO_HOST });
	w.other = pki_issue(w.mid, &(struct pki_spec){ .cn = "other", .san = DUO_HOST });
	w.must = pki_issue(w.mid, &(struct pki_spec){ .cn = "must", .san = DUO_HOST,
	    .extra = "tlsfeature = status_request" });
	w.listed = pki_issue(w.mid, &(struct pki_spec){ .cn = "listed", .san = DUO_HOST,
	    .crl = url });
	w.user = pki_issue(w.mid, &(struct pki_spec){ .cn = "user", .eku = "clientAuth" });
	w.user_listed = pki_issue(w.mid, &(struct pki_spec){ .cn = "user 2",
	    .eku = "clientAuth", .crl = url });
	list_empty = list_of(NULL);
	list_listed = list_of(w.listed);
	list_user = list_of(w.user_listed);
	return 0;
}

int
duo_world_free(void **state)
{
	struct pki_cert *all[] = { w.www, w.other, w.must, w.listed, w.user,
	    w.user_listed, w.mid, w.root };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	responder_free(w.lists);
	pki_buf_free(&list_empty);
	pki_buf_free(&list_listed);
	pki_buf_free(&list_user);
	return 0;
}

int
duo_setup(void **state)
{
	const char *const allow[] = { responder_allow(w.lists), NULL };

	(void)state;
	w.revoked = NULL;
	w.asked = responder_requests(w.lists);
	return sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .allow = allow, .no_service = 1 }, &w.checker, NULL);
}

int
duo_teardown(void **state)
{
	(void)state;
	sst_checker_unref(w.checker);
	w.checker = NULL;
	return 0;
}

int
duo_requests(void)
{
	return responder_requests(w.lists) - w.asked;
}

struct pki_buf
duo_response_of(const struct pki_cert *signer, const struct pki_cert *cert,
    enum made_status status, time_t from, time_t to)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = signer, .produced_at = from,
	    .singles = { { .cert = cert, .status = status, .this_update = from,
	    .next_update = to, .revoked_at = from } } }, &der);
	return der;
}

struct pki_buf
duo_response(const struct pki_cert *signer, const struct pki_cert *cert,
    enum made_status status)
{
	return duo_response_of(signer, cert, status, w.now - PKI_DAY, w.now + PKI_DAY);
}

void
duo_revoke(struct sst_checker *checker, const struct pki_cert *cert)
{
	struct pki_buf der = duo_response(cert->issuer, cert, MADE_REVOKED);
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct sst_check *check = NULL;

	for (const struct pki_cert *c = cert; c != NULL; c = c->issuer)
		MUST(sk_X509_push(chain, c->cert));
	MUST(sst_check_new(checker, NULL, chain, &check, NULL) == 0);
	MUST(sst_check_staple(check, 0, der.data, der.len, NULL) == 0);
	MUST(sst_check_now(check, NULL) == SST_E_REFUSED);
	sst_check_free(check);
	sk_X509_free(chain);
	pki_buf_free(&der);
}

/* Chain and key, and trust in the root. */
static void
dress(SSL_CTX *ctx, const struct pki_cert *cert)
{
	MUST(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), w.root->cert));
	if (cert == NULL)
		return;
	MUST(SSL_CTX_use_certificate(ctx, cert->cert));
	MUST(SSL_CTX_use_PrivateKey(ctx, cert->key));
	for (const struct pki_cert *c = cert->issuer; c->issuer != NULL; c = c->issuer)
		MUST(SSL_CTX_add1_chain_cert(ctx, c->cert));
}

SSL_CTX *
duo_client(struct sst_checker *checker, const struct sst_openssl_check *config)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	MUST(ctx);
	dress(ctx, NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (checker != NULL)
		MUST(sst_openssl_attach_checker(ctx, checker, config, NULL) == 0);
	return ctx;
}

static int
on_status(SSL *ssl, void *arg)
{
	const struct pki_buf *staple = arg;
	unsigned char *copy = OPENSSL_memdup(staple->data, staple->len);

	MUST(copy);
	MUST(SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len));
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *
duo_server(const struct pki_cert *cert, const struct pki_buf *staple)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	MUST(ctx);
	dress(ctx, cert);
	MUST(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"duo", 3));
	if (staple != NULL) {
		SSL_CTX_set_tlsext_status_cb(ctx, on_status);
		SSL_CTX_set_tlsext_status_arg(ctx, (void *)staple);
	}
	return ctx;
}

void
duo_version(SSL_CTX *client, SSL_CTX *server, int version)
{
	MUST(SSL_CTX_set_max_proto_version(client, version));
	MUST(SSL_CTX_set_min_proto_version(server, version));
}

static void
on_info(const SSL *ssl, int where, int value)
{
	struct duo *d = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		d->alert = value & 0xff;
}

void
duo_shake(struct duo *d)
{
	int done = 0;

	for (int turn = 0; turn < 20 && done < 2; turn++) {
		ERR_clear_error();
		d->client_ok = SSL_do_handshake(d->client) == 1;
		ERR_clear_error();
		d->server_ok = SSL_do_handshake(d->server) == 1;
		done = d->client_ok && d->server_ok ? done + 1 : 0;
	}
	if (!d->client_ok && d->server_ok) {	/* the alert comes after its end */
		char byte;

		(void)SSL_read(d->server, &byte, 1);
	}
	ERR_clear_error();
}

/* A new client, and the two know each other. */
static void
join(struct duo *d, SSL_CTX *client, SSL_SESSION *resume)
{
	BIO *a = NULL, *b = NULL;

	d->client = SSL_new(client);
	MUST(d->client != NULL && d->server != NULL);
	MUST(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
	SSL_set_bio(d->client, a, a);
	SSL_set_bio(d->server, b, b);
	MUST(SSL_set1_host(d->client, DUO_HOST));
	if (resume != NULL)
		MUST(SSL_set_session(d->client, resume));
	SSL_set_connect_state(d->client);
	SSL_set_accept_state(d->server);
}

void
duo_begin(struct duo *d, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume)
{
	memset(d, 0, sizeof(*d));
	d->server = SSL_new(server);
	join(d, client, resume);
	MUST(SSL_set_app_data(d->server, d));
	SSL_set_info_callback(d->server, on_info);
}

static void
ask(struct duo *d, const char *name)
{
	MUST(SSL_set_tlsext_host_name(d->client, name));
	duo_shake(d);
	assert_true(d->client_ok && d->server_ok);
}

void
duo_ask(struct duo *d, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume,
    const char *name)
{
	duo_begin(d, client, server, resume);
	ask(d, name);
}

void
duo_ask_again(struct duo *d, SSL_CTX *client, SSL_SESSION *resume, const char *name)
{
	(void)SSL_shutdown(d->client);
	(void)SSL_shutdown(d->server);
	SSL_free(d->client);
	MUST(SSL_clear(d->server) == 1);
	join(d, client, resume);
	ask(d, name);
}

void
duo_meet(struct duo *d, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume)
{
	duo_begin(d, client, server, resume);
	duo_shake(d);
}

void
duo_talk(struct duo *d)
{
	char byte = 'x';

	MUST(SSL_write(d->server, &byte, 1) == 1);
	MUST(SSL_read(d->client, &byte, 1) == 1);
}

void
duo_done(struct duo *d)
{
	/* a session whose connection ended without a word is not resumed */
	if (d->client_ok && d->server_ok) {
		(void)SSL_shutdown(d->client);
		(void)SSL_shutdown(d->server);
	}
	SSL_free(d->client);
	SSL_free(d->server);
	memset(d, 0, sizeof(*d));
	ERR_clear_error();
}

void
duo_over(struct duo *d, SSL_CTX *client, SSL_CTX *server)
{
	duo_done(d);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

void
duo_accepted(SSL *ssl)
{
	struct sst_error err = { 0 };

	if (sst_openssl_judge(ssl, &err) != SST_OK)
		fail_msg("refused: %s", err.text);
	assert_string_equal(err.text, "");
	assert_int_equal(ERR_peek_error(), 0);
}

void
duo_refused(SSL *ssl, const char *word)
{
	struct sst_error err = { 0 };

	assert_int_equal(sst_openssl_judge(ssl, &err), SST_E_REFUSED);
	assert_int_equal(err.code, SST_E_REFUSED);
	if (strstr(err.text, word) == NULL)
		fail_msg("'%s' is not about '%s'", err.text, word);
}

void
duo_scene(struct duo_scene *s, const struct sst_openssl_check *config,
    const struct pki_cert *cert, struct pki_buf *staple, int version)
{
	memset(s, 0, sizeof(*s));
	if (staple != NULL)
		s->staple = *staple;
	s->client = duo_client(w.checker, config);
	s->server = duo_server(cert, staple != NULL ? &s->staple : NULL);
	if (version != 0)
		duo_version(s->client, s->server, version);
	duo_meet(&s->d, s->client, s->server, NULL);
}

void
duo_scene_over(struct duo_scene *s)
{
	duo_over(&s->d, s->client, s->server);
	pki_buf_free(&s->staple);
}

void
duo_scene_accepted(struct duo_scene *s)
{
	assert_true(s->d.client_ok);
	assert_true(s->d.server_ok);
	duo_accepted(s->d.client);
}

void
duo_scene_refused(struct duo_scene *s, const char *word)
{
	assert_false(s->d.client_ok);
	assert_int_equal(s->d.alert, SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE);
	duo_refused(s->d.client, word);
}
