/* SPDX-License-Identifier: ISC */
#include "canary.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/ossl.h"
#include "certstore/identity.h"
#include "certstore/store.h"
#include "context.h"
#include "ocsp/certkey.h"
#include "ocsp/evidence.h"
#include "ocsp/response.h"
#include "ocsp/verdict.h"

#define TURNS	512	/* of 17 KB each: more than any chain that was admitted */

/* One try: both ends, and what is tried. */
struct trial {
	const struct sst_canary *canary;
	const struct sst_identity *id;
	const char	*names;
	X509_STORE	*anchor;
	struct sst_error *err;
};

static _Atomic(SSL_CTX *) server_ctx, client_ctx;

static int
on_status_request(SSL *ssl, void *arg)
{
	const struct sst_canary *canary = SSL_get_app_data(ssl);

	(void)arg;
	return canary->staple(ssl, canary->arg);
}

/* The last of the chain, which no client has to believe for this; a leaf alone is its
 * own. */
static X509_STORE *
anchor_new(const struct sst_identity *id)
{
	STACK_OF(X509) *chain = sst_identity_chain(id);
	X509_STORE *store = X509_STORE_new();
	const int n = sk_X509_num(chain);

	if (store != NULL && X509_STORE_add_cert(store, n > 0 ?
	    sk_X509_value(chain, n - 1) : sst_identity_leaf(id)) != 1) {
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

static void
server_ready(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status_request);
}

static void
client_ready(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx),
	    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
}

/* One end, for one version; all that is of this try is set here. NULL: OpenSSL failed. */
static SSL *
end_new(struct trial *t, SSL_CTX *ctx)
{
	SSL *ssl = ctx == NULL ? NULL : SSL_new(ctx);

	if (ssl != NULL && SSL_set_app_data(ssl, t->canary) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (ssl != NULL)
		SSL_set_security_level(ssl, t->canary->level);
	return ssl;
}

static const char *
version_name(int version)
{
	return version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3";
}

/* 1: done, 0: it wants the other's turn, -1: failed. */
static int
take_turn(SSL *ssl)
{
	int rc, why;

	ERR_clear_error();
	rc = SSL_do_handshake(ssl);
	if (rc == 1)
		return 1;
	why = SSL_get_error(ssl, rc);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static int
shake(struct trial *t, SSL *server, SSL *client, int version)
{
	int s = 0, c = 0;

	for (int i = 0; i < TURNS && s >= 0 && c >= 0 && (s == 0 || c == 0); i++) {
		c = take_turn(client);
		if (c >= 0)
			s = take_turn(server);
	}
	if (s == 1 && c == 1)
		return SST_OK;
	if (c < 0 && SSL_get_verify_result(client) != X509_V_OK) {
		ERR_clear_error();
		return sst_fail(t->err, SST_E_REFUSED, "a client would refuse it in a "
		    "handshake with %s: %s", version_name(version),
		    X509_verify_cert_error_string(SSL_get_verify_result(client)));
	}
	return sst_fail_ossl(t->err, SST_E_REFUSED, "a handshake of its own with %s fails",
	    version_name(version));
}

/* Whether the staple that the client got speaks for this certificate, now. */
static int
staple_check(struct trial *t, SSL *client, X509 *leaf)
{
	STACK_OF(X509) *chain = sst_identity_chain(t->id);
	struct sst_evidence found = { .status = SST_EV_ERROR };
	const struct sst_cert_facts *facts = NULL;
	struct sst_limits limits;
	struct sst_response_ask ask = { .now = sst_clock_wall(),
	    .source = SST_SOURCE_STAPLE, .limits = &limits };
	const unsigned char *der = NULL;
	long len = SSL_get_tlsext_status_ocsp_resp(client, &der);

	if (len <= 0)
		return SST_OK;
	ask.issuer = sk_X509_value(chain, 0);	/* NULL where there is none */
	sst_limits_of(NULL, &limits);
	if (ask.issuer != NULL && sst_facts_of(leaf, ask.issuer, &facts, NULL) == SST_OK) {
		ask.cert = facts;
		sst_response_judge(der, (size_t)len, &ask, &found);
	}
	ERR_clear_error();
	if (found.status == SST_EV_GOOD && sst_evidence_fresh(&found, ask.now, 0))
		return SST_OK;
	return sst_fail(t->err, SST_E_REFUSED, "a client would refuse its staple: %s",
	    found.status == SST_EV_GOOD ? "it is out of its time" :
	    found.text[0] != '\0' ? found.text : "it is about another certificate");
}

/*
 * Whether the client, asking for this name, takes what it got. OpenSSL's client knows no
 * wildcard right below the root ("*.lan"), which the store serves with a warning: there
 * is nobody to ask.
 */
static int
name_fits(X509 *leaf, const char *line, size_t len)
{
	const int wild = len > 2 && line[0] == '*' && line[1] == '.';
	char name[300];

	(void)snprintf(name, sizeof(name), "%s%.*s", wild ? "x" : "",
	    (int)(wild ? len - 1 : len), wild ? line + 1 : line);
	if (strncmp(name, "ip:", 3) == 0)
		return X509_check_ip_asc(leaf, name + 3, 0) == 1;
	if (wild && memchr(line + 2, '.', len - 2) == NULL)
		return 1;
	return X509_check_host(leaf, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
	    NULL) == 1;
}

static int
names_check(struct trial *t, X509 *leaf)
{
	const char *line;
	char shown[300];
	size_t len;

	for (size_t i = 0; t->names != NULL &&
	    (line = sst_line(t->names, i, &len)) != NULL; i++) {
		if (name_fits(leaf, line, len))
			continue;
		ERR_clear_error();
		return sst_fail(t->err, SST_E_REFUSED, "a client that asks for %s would "
		    "refuse it", sst_escape(shown, sizeof(shown), line, len));
	}
	return SST_OK;
}

static int
got_check(struct trial *t, SSL *client)
{
	X509 *leaf = SSL_get1_peer_certificate(client);
	int rc;

	if (leaf == NULL)
		return sst_fail_ossl(t->err, SST_E_REFUSED, "a client is shown nothing");
	rc = names_check(t, leaf);
	if (rc == SST_OK)
		rc = staple_check(t, client, leaf);
	X509_free(leaf);
	return rc;
}

static int
ends_join(struct trial *t, SSL *server, SSL *client)
{
	BIO *a = NULL, *b = NULL;

	if (BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		return sst_fail_ossl(t->err, SST_E_NOMEM, "cannot try a certificate");
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	return SST_OK;
}

static int
version_try(struct trial *t, int version)
{
	SSL *server = end_new(t, sst_context(&server_ctx, TLS_server_method(), server_ready));
	SSL *client = end_new(t, sst_context(&client_ctx, TLS_client_method(), client_ready));
	int rc;

	if (server == NULL || client == NULL ||
	    SSL_set1_verify_cert_store(client, t->anchor) != 1 ||
	    (t->canary->staple != NULL &&
	    SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp) != 1) ||
	    SSL_set_min_proto_version(client, version) != 1 ||
	    SSL_set_max_proto_version(client, version) != 1) {
		rc = sst_fail_ossl(t->err, SST_E_NOMEM, "cannot try a certificate");
		goto out;
	}
	if (SSL_use_cert_and_key(server, sst_identity_leaf(t->id),
	    sst_identity_key(t->id), sst_identity_chain(t->id), 1) != 1) {
		rc = sst_fail_ossl(t->err, SST_E_REFUSED, "OpenSSL refuses it");
		goto out;
	}
	rc = ends_join(t, server, client);
	if (rc == SST_OK)
		rc = shake(t, server, client, version);
	if (rc == SST_OK)
		rc = got_check(t, client);
out:
	SSL_free(client);
	SSL_free(server);
	return rc;
}

int
sst_canary(void *canary, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	struct trial t = { .canary = canary, .id = id, .names = names, .err = err };
	int rc;

	if (!displaces)
		return SST_OK;
	t.anchor = anchor_new(id);
	if (t.anchor == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "cannot try a certificate");
	rc = version_try(&t, TLS1_3_VERSION);
	if (rc == SST_OK)
		rc = version_try(&t, TLS1_2_VERSION);
	X509_STORE_free(t.anchor);
	ERR_clear_error();
	return rc;
}

void
sst_canary_watch(struct sst_store *store, SSL_CTX *ctx)
{
	static struct sst_canary levels[] = { { .level = 0 }, { .level = 1 },
	    { .level = 2 }, { .level = 3 }, { .level = 4 }, { .level = 5 } };
	const int level = SSL_CTX_get_security_level(ctx);

	if (level >= 0 && level <= 5 && !sst_store_is_tried(store))
		sst_store_on_try(store, sst_canary, &levels[level]);
}
