/* SPDX-License-Identifier: ISC */
/*
 * visit - a client of OpenSSL's comes to a server of one of the two ways, and perhaps
 * comes again.
 *
 * Always true:
 *   1. A failure of the set-up fails the test.
 *   2. A session is offered as a copy: OpenSSL marks one of TLS 1.3 as used.
 * Threads: none of its own.
 */
#ifndef SST_TEST_VISIT_H
#define SST_TEST_VISIT_H

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <securesockets/openssl.h>

#include "support/pki.h"

struct sst_tickets;
struct sst_tls_conf;

/* Certificates, and what way 1 seals its tickets with. */
struct visit_world {
	struct pki_cert	*root, *a, *b, *again, *other_key, *ip, *user;
	struct sst_tickets *tickets;
};
extern struct visit_world t;
extern const int visit_versions[2];

/* CMocka's fixtures; the teardown gives the clock back, and no policy is that of whoever
 * runs the tests. */
#define VISIT(test)	cmocka_unit_test_teardown(test, visit_teardown)
int	visit_world_make(void **);
int	visit_world_free(void **);
int	visit_teardown(void **);

/* One visit. */
struct visit {
	const char	*sni, *alpn, *groups;	/* alpn: wire form */
	int		 version;
	uint64_t	 options;		/* of the client */
	SSL_SESSION	*resume;		/* borrowed; or NULL */
	const struct sockaddr *local;		/* way 1 */
	const struct pki_cert *user;		/* whom it is, if asked */
	/* found */
	int		 ok, reused, alert, n_tickets;
	long		 lifetime;		/* that the ticket says */
	SSL_SESSION	*session;		/* the caller's; NULL: none to resume */
};

/* The server of one of the two ways. */
struct server {
	struct sst_tls_conf *conf;
	SSL_CTX		*ctx;
};

struct sst_tls_conf *visit_conf(struct sst_store *, const struct sst_choose_policy *,
	    const char *alpn);
/* `wish` NULL: as it is attached. */
SSL_CTX	*visit_ctx(struct sst_store *, const struct sst_openssl_tickets *wish);
/* An SSL_CTX of such a client. */
SSL_CTX	*visit_client(const struct visit *);
void	server_make(struct server *, int way, struct sst_store *);
void	server_done(struct server *);
void	visit(struct server *, struct visit *);
/* A full handshake, and what it can be resumed with: the caller's. */
SSL_SESSION *visit_first(struct server *, struct visit);
/* Comes again; the handshake must succeed. 1: resumed. */
int	visit_again(struct server *, struct visit);

#endif
