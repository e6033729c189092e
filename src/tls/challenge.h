/* SPDX-License-Identifier: ISC */
/*
 * challenge - answers ACME's tls-alpn-01 (RFC 8737) in place of the program.
 *
 *	sni.c (in OpenSSL's ClientHello callback) --> challenge --> certstore/challenge.h
 *	conn.c: was it one?
 *
 * Always true:
 *   1. Who offers acme-tls/1 alone, with a name that has a challenge, is shown that
 *      certificate and no other. Who offers it in any other way is refused with
 *      no_application_protocol: nobody else sees a challenge, and such a client sees
 *      nothing else.
 *   2. The SSL has the challenge's SSL_CTX from then on, and what the program set on
 *      its own (callbacks, client certificates, tickets) has no say.
 *   3. It is never resumed, and no session comes of it.
 *   4. After the handshake it is closed, both ways: the program reads the end. Such
 *      an SSL is not used for a second connection.
 * Threads: as a handshake.
 */
#ifndef SST_TLS_CHALLENGE_H
#define SST_TLS_CHALLENGE_H

#include <openssl/ssl.h>

struct sst_hello;
struct sst_store;

/*
 * Inside a ClientHello callback, before anything is chosen. 0: the client does not
 * ask for it. 1: taken over. < 0: refused, and *ret_alert is to be sent.
 */
int	sst_challenge_hello(SSL *, struct sst_store *, const struct sst_hello *,
	    int *ret_alert);
/* Whether a challenge was answered on this connection, to its end. */
int	sst_challenge_was(const SSL *);

#endif
