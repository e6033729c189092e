/* SPDX-License-Identifier: ISC */
#include "challenge.h"

#include <openssl/err.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certstore/challenge.h"
#include "certstore/hello.h"
#include "certstore/identity.h"
#include "conf.h"
#include "context.h"

/* As it is in a list (RFC 7301 3.1), which then is the whole list. */
static const unsigned char wire[] = "\012acme-tls/1";
#define WIRE_LEN	(sizeof(wire) - 1)

enum offer { ABSENT, AMONG_OTHERS, ALONE };

static enum offer
offer_of(SSL *ssl)
{
	const unsigned char *list;
	size_t len, step;
	int found = 0;

	/* What does not parse is OpenSSL's to refuse. */
	if (!SSL_client_hello_get0_ext(ssl,
	    TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &len) ||
	    len < 2 || (size_t)(list[0] << 8 | list[1]) != len - 2)
		return ABSENT;
	list += 2;
	len -= 2;
	if (len == WIRE_LEN && memcmp(list, wire, len) == 0)
		return ALONE;
	for (; len > 0 && (step = (size_t)list[0] + 1) <= len; list += step, len -= step)
		found |= step == WIRE_LEN && memcmp(list, wire, step) == 0;
	return found ? AMONG_OTHERS : ABSENT;
}

/* The key of what the client names. 0, or the alert that answers it. */
static int
key_of(const uint8_t *ext, size_t ext_len, char key[SST_CHALLENGE_SIZE])
{
	char name[SST_NAME_SIZE];
	const uint8_t *host;
	size_t len;
	int alert = sst_hello_name(ext, ext_len, &host, &len);

	if (alert != 0)
		return alert;
	if (sst_name_asked(host, len, name) != SST_ASKED_NAME)
		return SSL_AD_NO_APPLICATION_PROTOCOL;
	sst_challenge_key(name, key);
	return 0;
}

/*
 * The second hello, after a HelloRetryRequest: it asks what the first one asked.
 * Without a suite that waits it is the first of another connection, with an SSL that
 * somebody uses again.
 */
static int
on_second_hello(SSL *ssl, int *alert, void *arg)
{
	char asked[SST_CHALLENGE_SIZE], served[SST_CHALLENGE_SIZE];
	const unsigned char *ext;
	size_t len;

	(void)arg;
	*alert = SSL_AD_INTERNAL_ERROR;
	if (SSL_get_pending_cipher(ssl) == NULL ||
	    sst_challenge_leaf(SSL_get_certificate(ssl), served, NULL) != 1)
		return SSL_CLIENT_HELLO_ERROR;
	*alert = SSL_AD_ILLEGAL_PARAMETER;
	return offer_of(ssl) == ALONE && SSL_client_hello_get0_ext(ssl,
	    TLSEXT_TYPE_server_name, &ext, &len) && key_of(ext, len, asked) == 0 &&
	    strcmp(asked, served) == 0 ?
	    SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl, (void)arg;
	if (in_len != WIRE_LEN || memcmp(in, wire, in_len) != 0)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = wire + 1;
	*out_len = wire[0];
	return SSL_TLSEXT_ERR_OK;
}

/* Without one of its own OpenSSL would ask the SSL_CTX of the program. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/*
 * RFC 8737 3: nothing follows the handshake. With both directions marked as shut, the
 * program's SSL_read() is at the end, and its SSL_write() fails.
 */
static void
on_info(const SSL *ssl, int where, int value)
{
	SSL *over = (SSL *)ssl;

	(void)value;
	if ((where & SSL_CB_HANDSHAKE_DONE) == 0)
		return;
	(void)ERR_set_mark();	/* a failed alert is nobody's error */
	(void)SSL_shutdown(over);
	(void)ERR_pop_to_mark();
	SSL_set_shutdown(over, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

static void
context_ready(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, SST_TLS_LEVEL);
	SSL_CTX_set_client_hello_cb(ctx, on_second_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
}

/* One for all stores: it holds no certificate. */
static _Atomic(SSL_CTX *) shared;

/*
 * SSL_set_SSL_CTX() takes the certificates and what hangs on them to the new
 * SSL_CTX; what SSL_new() copied from the old one, or the program set, stays. Sessions
 * of the program are of another context, so that none is resumed.
 */
static int
take_over(SSL *ssl, const struct sst_identity *id)
{
	static const unsigned char session[] = "acme-tls/1";
	SSL_CTX *ctx = sst_context(&shared, TLS_server_method(), context_ready);

	if (ctx == NULL || SSL_set_SSL_CTX(ssl, ctx) != ctx)
		return -1;
	SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_set_psk_server_callback(ssl, NULL);
	SSL_set_psk_find_session_callback(ssl, NULL);
	SSL_set_info_callback(ssl, on_info);
	if (SSL_get_min_proto_version(ssl) < TLS1_2_VERSION &&
	    SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		return -1;
	return SSL_set_num_tickets(ssl, 0) == 1 && SSL_set_max_early_data(ssl, 0) == 1 &&
	    SSL_set_session_id_context(ssl, session, sizeof(session) - 1) == 1 &&
	    SSL_use_cert_and_key(ssl, sst_identity_leaf(id), sst_identity_key(id),
	    sst_identity_chain(id), 1) == 1 ? 0 : -1;
}

int
sst_challenge_hello(SSL *ssl, struct sst_store *store, const struct sst_hello *hello,
    int *ret_alert)
{
	const enum offer offer = offer_of(ssl);
	struct sst_identity *id = NULL;
	char key[SST_CHALLENGE_SIZE];
	int alert = SSL_AD_NO_APPLICATION_PROTOCOL, rc;

	/* Without a version in common OpenSSL says protocol_version. */
	if (offer == ABSENT || hello->version == 0)
		return 0;
	if (offer == ALONE && hello->has_server_name)
		alert = key_of(hello->server_name, hello->server_name_len, key);
	if (alert != 0) {
		*ret_alert = alert;
		return -1;
	}
	rc = sst_store_challenge(store, key, sst_clock_wall(), &id, NULL);
	if (rc == 1)
		rc = take_over(ssl, id) == 0 ? 1 : SST_E_TLS;
	sst_identity_unref(id);
	if (rc == 1)
		return 1;
	ERR_clear_error();
	*ret_alert = rc == 0 ? SSL_AD_NO_APPLICATION_PROTOCOL : SSL_AD_INTERNAL_ERROR;
	return -1;
}

int
sst_challenge_was(const SSL *ssl)
{
	const SSL_CTX *ctx = atomic_load(&shared);

	return ctx != NULL && SSL_get_SSL_CTX(ssl) == ctx && SSL_is_init_finished(ssl);
}
