/* SPDX-License-Identifier: ISC */
/*
 * openssl - attaches a certificate store to a program's own SSL_CTX.
 *
 *	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
 *	struct sst_store *store = NULL;
 *	struct sst_error err = { 0 };
 *
 *	if (sst_store_new(NULL, &store, &err) < 0 ||
 *	    sst_store_add(store, "/etc/letsencrypt/live", &err) < 0 ||
 *	    sst_openssl_attach_store(ctx, store, NULL, &err) < 0)
 *		errx(1, "%s", err.text);
 *	sst_store_unref(store);
 *
 * From then on every SSL that SSL_new(ctx) makes serves the certificate of the
 * name that its client asks for. The store may change at any time: the next
 * ClientHello is answered from the new set, a handshake under way keeps its own.
 *
 * What it takes of the SSL_CTX, and what the program must leave alone:
 *   - SSL_CTX_set_client_hello_cb(): the choice is made there.
 *   - SSL_CTX_set_tlsext_servername_callback() and its argument: it confirms
 *     the name, without which SSL_get_servername() is silent on some paths.
 *   - SSL_OP_NO_TICKET, SSL_CTX_set_num_tickets(0) and SSL_SESS_CACHE_OFF: a
 *     resumed session skips the choice, and OpenSSL binds a ticket to no name
 *     in TLS 1.3 (in 1.2 it only withholds the confirmation), so a ticket of
 *     one name would open another. A program that turns them on again gets
 *     that behaviour back.
 *   - The certificates of the SSL_CTX itself are never served.
 * It does not touch versions, cipher suites, groups, the verification of
 * clients, ALPN, the cert_cb slot, app_data.
 *
 * Always true:
 *   1. A client is shown a certificate that sst_store_choose() chose, or the
 *      alert that it named.
 *   2. The choice is made once a connection, also over a HelloRetryRequest; a
 *      second ClientHello with another server_name is illegal_parameter.
 * Threads: attach before the SSL_CTX is shared; the rest is OpenSSL's rule.
 */
#ifndef SECURESOCKETS_OPENSSL_H
#define SECURESOCKETS_OPENSSL_H

#include <openssl/ssl.h>

#include <securesockets/certstore.h>
#include <securesockets/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attaches. The SSL_CTX takes a reference on the store and gives it back when
 * it is freed; the policy (NULL: every name, lax) is copied. A second attach
 * to one SSL_CTX is SST_E_STATE: connections may be using the first.
 */
SST_API int	sst_openssl_attach_store(SSL_CTX *ctx, struct sst_store *store,
		    const struct sst_choose_policy *policy, struct sst_error *err);
/*
 * What was chosen for this connection: NULL until its ClientHello was read.
 * Borrowed: it lives as long as the SSL, or until SSL_clear().
 */
SST_API const struct sst_choice *sst_openssl_choice(const SSL *ssl);

#ifdef __cplusplus
}
#endif
#endif
