/* SPDX-License-Identifier: ISC */
/*
 * conf - the settings of a socket as one SSL_CTX, made once and shared.
 *
 *	relay: options of a socket --> conf --> conn.c makes SSL objects from it
 *
 * Always true:
 *   1. Immutable once built; a changed option builds another one.
 *   2. TLS 1.2 and 1.3 only; no compression, no renegotiation, no session cache; a
 *      server's tickets are bound to what its client was served under (ticket.h), a
 *      client resumes nothing.
 *   3. A client verifies chain and name, or it does not connect.
 * Threads: any number may use one conf.
 */
#ifndef SST_TLS_CONF_H
#define SST_TLS_CONF_H

#include <stddef.h>
#include <stdint.h>

#include <securesockets/certstore.h>
#include <securesockets/error.h>

#define SST_TLS_LEVEL	2	/* OpenSSL's security level of all contexts */

struct ssl_ctx_st;	/* OpenSSL's SSL_CTX */
struct sst_ours;	/* ours.h; shared */
struct sst_staples;	/* staple.h; shared */
struct sst_tickets;	/* ticket_key.h; shared */
struct sst_trust;	/* trust.h: roots and pins; shared */
struct sst_tls_conf;

/* Borrowed for the call of sst_tls_conf_new(), which copies or references. */
struct sst_tls_settings {
	int		 server;	/* 1: accepts, 0: connects */
	uint16_t	 version_min;	/* 0x0303 or 0x0304; 0: 0x0303 */
	uint16_t	 version_max;	/* 0: 0x0304 */
	const char	*alpn;		/* "h2,http/1.1", or NULL */
	/* server: what it may serve. May be empty, not NULL. */
	struct sst_store *store;
	const struct sst_choose_policy *policy;	/* NULL: every name, lax */
	struct sst_staples *staples;	/* for clients that ask; NULL: none */
	struct sst_ours	*ours;		/* where those do not fit, and told of what is
					   served; NULL: none */
	struct sst_tickets *tickets;	/* NULL: no session is resumed */
	unsigned	 session_life;	/* seconds; 0: SST_TICKET_LIFE_S */
	/* client: what it believes. NULL: the system's anchors. */
	struct sst_trust *trust;
};

/*
 * A client's conf costs about 0.1 ms to build, so the last few are kept: the
 * same settings (and the same trust object) give the same conf again.
 */
int	sst_tls_conf_new(const struct sst_tls_settings *, struct sst_tls_conf **ret_conf,
	    struct sst_error *err);
struct sst_tls_conf *sst_tls_conf_ref(struct sst_tls_conf *);
void	sst_tls_conf_unref(struct sst_tls_conf *);	/* NULL is allowed */
/*
 * What the first conf of a process has to wait for, ahead of it: OpenSSL reads its
 * settings and looks its algorithms up. The environment must not be changed meanwhile.
 */
void	sst_tls_begin(void);
/* Checks an ALPN list as the option takes it ("a,b"). SST_E_USAGE says why. */
int	sst_tls_alpn_check(const char *list, struct sst_error *err);

/* For conn.c. Borrowed. */
struct ssl_ctx_st *sst_tls_conf_ctx(const struct sst_tls_conf *);
struct sst_trust *sst_tls_conf_trust(const struct sst_tls_conf *); /* client */
int	sst_tls_conf_is_server(const struct sst_tls_conf *);

#endif
