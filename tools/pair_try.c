/* SPDX-License-Identifier: ISC */
/* pair_try - see pair_try.h. */
#include "pair_try.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include <securesockets/openssl.h>

#include "out.h"
#include "pair.h"

#define ROUNDS	16	/* of messages; a handshake takes three */

static int
refuse(struct sst_error *err, const char *what, const char *why)
{
	err->code = SST_E_REFUSED;
	err->sys_errno = 0;
	(void)snprintf(err->text, sizeof(err->text), "%s: %s", what, why);
	ERR_clear_error();
	return SST_E_REFUSED;
}

static int
broken(struct sst_error *err, const char *what)
{
	char why[200];

	ERR_error_string_n(ERR_peek_error(), why, sizeof(why));
	return refuse(err, what, why);
}

/* The certificates of the pair, leaf first. */
static STACK_OF(X509) *
chain_of(const struct sst_pair *p)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(p->pem, (int)p->len);
	X509 *cert;

	while (chain != NULL && bio != NULL &&
	    (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain, cert) <= 0)
			X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return chain;
}

/* A client that believes the issuer in the chain. */
static SSL_CTX *
client_of(STACK_OF(X509) *chain, time_t now)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509_STORE *store = ctx != NULL ? SSL_CTX_get_cert_store(ctx) : NULL;
	const int n = sk_X509_num(chain);

	if (ctx == NULL)
		return NULL;
	for (int i = n > 1 ? 1 : 0; i < n; i++)
		(void)X509_STORE_add_cert(store, sk_X509_value(chain, i));
	(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), now);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

/* 1: done; 0: it waits for the other; -1: it failed. */
static int
step(SSL *ssl)
{
	int rc = SSL_do_handshake(ssl), error;

	if (rc == 1)
		return 1;
	error = SSL_get_error(ssl, rc);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Both sides in turn until both are done. */
static int
shake(SSL *client, SSL *server, const char *what, struct sst_error *err)
{
	int c = 0, s = 0;
	long verdict;

	for (int i = 0; i < ROUNDS && (c == 0 || s == 0); i++) {
		c = c == 0 ? step(client) : c;
		s = s == 0 && c >= 0 ? step(server) : s;
		if (c < 0 || s < 0)
			break;
	}
	verdict = SSL_get_verify_result(client);
	if (c < 0 && verdict != X509_V_OK)
		return refuse(err, what, X509_verify_cert_error_string(verdict));
	if (c != 1 || s != 1)
		return broken(err, what);
	return SST_OK;
}

/* What the client was shown is the pair's leaf, and for each of its names. */
static int
compare(SSL *client, const struct sst_pair *p, const char *what, struct sst_error *err)
{
	X509 *leaf = SSL_get0_peer_certificate(client);
	unsigned char digest[EVP_MAX_MD_SIZE];
	json_t *each;
	size_t i;

	if (leaf == NULL || X509_digest(leaf, EVP_sha256(), digest, NULL) != 1 ||
	    memcmp(digest, p->digest, sizeof(p->digest)) != 0)
		return refuse(err, what, "another certificate was served");
	json_array_foreach(p->names, i, each) {
		const char *name = json_string_value(each);
		char host[300];

		/* a wildcard is for any label in its place */
		(void)snprintf(host, sizeof(host), "%s%s", *name == '*' ? "x" : "",
		    *name == '*' ? name + 1 : name);
		if (X509_check_host(leaf, host, 0, 0, NULL) != 1 &&
		    X509_check_ip_asc(leaf, name, 0) != 1)
			return refuse(err, what, "it is not for one of its own names");
	}
	return SST_OK;
}

/* The first name that a client can ask for; NULL: it has addresses alone. */
static const char *
name_to_ask(const struct sst_pair *p, char *out, size_t size)
{
	unsigned char address[16];
	json_t *each;
	size_t i;

	json_array_foreach(p->names, i, each) {
		const char *name = json_string_value(each);

		if (inet_pton(AF_INET, name, address) == 1 ||
		    inet_pton(AF_INET6, name, address) == 1)
			continue;
		(void)snprintf(out, size, "%s%s", *name == '*' ? "x" : "",
		    *name == '*' ? name + 1 : name);
		return out;
	}
	return NULL;
}

static int
try_version(const struct sst_pair *p, SSL_CTX *client_ctx, SSL_CTX *server_ctx,
    int version, struct sst_error *err)
{
	const char *what = version == TLS1_3_VERSION ? "a client of TLS 1.3" :
	    "a client of TLS 1.2";
	SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
	BIO *to_client = NULL, *to_server = NULL;
	const char *name;
	char host[300];
	int rc;

	if (client == NULL || server == NULL ||
	    BIO_new_bio_pair(&to_client, 0, &to_server, 0) != 1) {
		rc = broken(err, what);
		goto out;
	}
	SSL_set_bio(client, to_client, to_client);
	SSL_set_bio(server, to_server, to_server);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	(void)SSL_set_min_proto_version(client, version);
	(void)SSL_set_max_proto_version(client, version);
	name = name_to_ask(p, host, sizeof(host));
	if (name != NULL)
		(void)SSL_set_tlsext_host_name(client, name);
	rc = shake(client, server, what, err);
	if (rc == SST_OK)
		rc = compare(client, p, what, err);
out:
	SSL_free(client);
	SSL_free(server);
	return rc;
}

int
sst_pair_try(const struct sst_pair *p, struct sst_store *store, time_t now,
    struct sst_error *err)
{
	STACK_OF(X509) *chain = chain_of(p);
	SSL_CTX *client = NULL, *server = SSL_CTX_new(TLS_server_method());
	int rc;

	if (chain != NULL)
		client = client_of(chain, now);
	if (client == NULL || server == NULL)
		rc = broken(err, "a handshake");
	else
		rc = sst_openssl_attach_store(server, store, NULL, err);
	if (rc == SST_OK)
		rc = try_version(p, client, server, TLS1_2_VERSION, err);
	if (rc == SST_OK)
		rc = try_version(p, client, server, TLS1_3_VERSION, err);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	sk_X509_pop_free(chain, X509_free);
	return rc;
}
