/* SPDX-License-Identifier: ISC */
/*
 * meet - one connection between the engine and plain OpenSSL, in one thread.
 *
 * The two sides of a socket pair take turns until both are done or one failed.
 *
 * Always true:
 *   1. The OpenSSL side verifies nothing by itself and sees every alert.
 *   2. A failure of the set-up aborts: a test checks what it is about.
 * Threads: none of its own.
 */
#ifndef SST_TEST_MEET_H
#define SST_TEST_MEET_H

#include <openssl/ssl.h>
#include <stdint.h>

#include <securesockets/certstore.h>

#include "support/pki.h"
#include "tls/conf.h"
#include "tls/conn.h"
#include "tls/revoke.h"
#include "tls/trust.h"

/* What the OpenSSL side does. All zero: TLS 1.2 and 1.3, no name. */
struct raw {
	const char	*sni;
	int		 version;	/* just this one; 0: both */
	const char	*sigalgs, *suites12, *groups;
	const char	*alpn;		/* wire form */
	SSL_SESSION	*resume;
	SSL_CTX		*ctx;		/* use this one (borrowed) */
	const struct sockaddr *local;	/* server: that the client reached */
	struct sst_tls_conf *conf;	/* use this one in place of settings */
	const struct pki_cert *serve;	/* server: its chain and key */
	int		 no_chain;	/* server: the leaf alone */
	const char	*also[3];	/* the engine, a client, requires these too */
	struct sst_revoke *judge;	/* the engine, a client, is judged by it */
	const struct pki_buf *staple;	/* server: OCSP response, as it is */
	int		 ask_staple;	/* client */
};

struct meet {
	struct sst_conn	*conn;
	SSL		*ssl;
	SSL_CTX		*ctx;
	int		 fd[2];		/* conn's, OpenSSL's */
	enum sst_step	 step;		/* what the engine came to */
	int		 raw_done;	/* OpenSSL's handshake is complete */
	int		 alert;		/* that the OpenSSL side received; 0: none */
	int		 alert_sent;	/* by the OpenSSL side */
	struct sst_error err;
};

/* The engine is the server. */
void	meet_server(struct meet *, const struct sst_tls_settings *, const struct raw *);
/* The engine is the client, of `host` (NULL: `peer`). */
void	meet_client(struct meet *, const struct sst_tls_settings *, const char *host,
	    const struct sockaddr *peer, const struct raw *);
void	meet_done(struct meet *);
/* Steps the engine only, until it waits or ends. */
enum sst_step meet_step(struct meet *);
/* Reads until the engine's socket gives no more; the last step is returned. */
enum sst_step meet_read_all(struct meet *, char *buf, size_t size, size_t *ret_n);
/* SHA-256 of the certificate that the OpenSSL side was shown. */
void	meet_leaf(const struct meet *, unsigned char out[32]);
int	meet_got(const struct meet *, const struct pki_cert *);

/* A store with these pairs, each added as bytes. The caller unrefs it. */
struct sst_store *meet_store(struct pki_cert *const *certs, size_t n);
/* Adds one more in the same way. */
void	meet_put(struct sst_store *, const struct pki_cert *);
/* Trust in these alone. The caller unrefs it. */
struct sst_trust *meet_trust(const struct pki_cert *a, const struct pki_cert *b);
/* The SSL_CTX that meet_server() makes for `raw`. The caller frees it. */
SSL_CTX	*raw_client_ctx(const struct raw *);

#endif
