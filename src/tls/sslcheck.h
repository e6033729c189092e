/* SPDX-License-Identifier: ISC */
/*
 * sslcheck - a check of a connection's peer: its verified chain and its staple.
 *
 *	revoke.c (the relay), attach.c (way 2) --> sslcheck --> sst_check_new(), _staple()
 *
 * OpenSSL verifies no chain on a resumed session, and forgets the one that it had
 * verified. So whoever wants to judge again keeps it with the session.
 *
 * Always true:
 *   1. A chain is given for the certificate that this session's peer showed, and
 *      only when verification ended well: nothing else may reach a checker.
 *   2. What is kept with a session is set once and stays as it is, so that threads
 *      may share sessions. It does not leave the process.
 *   3. A response that a server is to send is never taken for a client's staple.
 * Threads: any number, one for each SSL.
 */
#ifndef SST_TLS_SSLCHECK_H
#define SST_TLS_SSLCHECK_H

#include <openssl/ssl.h>

#include <securesockets/revocation.h>

/*
 * 1: *ret is the chain, borrowed from the SSL or its session. 0: the peer showed no
 * certificate. SST_E_REFUSED: there is none that may be judged, and `err` says why.
 */
int	sst_sslcheck_chain(SSL *, STACK_OF(X509) **ret, struct sst_error *err);
/* Keeps `chain` for when the session is resumed. SST_E_NOMEM. */
int	sst_sslcheck_keep(SSL *, STACK_OF(X509) *chain, struct sst_error *err);
/* Before the first handshake whose chain is to be kept. SST_E_NOMEM. */
int	sst_sslcheck_ready(struct sst_error *err);

/* A check of the chain, with the staple that the peer sent. */
int	sst_sslcheck_new(struct sst_checker *, const struct sst_revocation_policy *, SSL *,
	    STACK_OF(X509) *chain, struct sst_check **ret, struct sst_error *err);
/* 0: the peer sent a staple that is no OCSP response at all (RFC 6066 8). */
int	sst_sslcheck_staple_reads(SSL *);

#endif
