/* SPDX-License-Identifier: ISC */
/*
 * verify - whether a server is who the client asked for.
 *
 *	conn.c --new--> rule; OpenSSL --> sst_verify_chain() --> trust.c
 *
 * Always true:
 *   1. Names are compared with subjectAltName alone, never with a common name;
 *      `f*.example` is no wildcard (RFC 9525 6.3).
 *   2. An address is compared with iPAddress alone; ::ffff:a.b.c.d is a.b.c.d.
 *   3. A rule with more than one name wants a certificate for every one of them.
 *   4. Whoever fails gets a text with host, reason and what the certificate
 *      covers.
 * Threads: a rule belongs to its connection.
 */
#ifndef SST_TLS_VERIFY_H
#define SST_TLS_VERIFY_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <securesockets/error.h>

/* What one client connection asks of its peer. */
struct sst_rule;

/*
 * Makes the rule and sets it up in `ssl`, which must not outlive it, SNI
 * included (for a DNS name; RFC 6066 3 permits no address). `host` NULL or "":
 * `peer` decides.
 */
int	sst_rule_new(SSL *ssl, const char *host, const struct sockaddr *peer,
	    struct sst_rule **ret_rule, struct sst_error *err);
/* The certificate must be for this name or address as well. */
int	sst_rule_require(struct sst_rule *, const char *host, struct sst_error *err);
void	sst_rule_free(struct sst_rule *);	/* NULL is allowed */
/* The host or address, printable. Borrowed. */
const char *sst_rule_host(const struct sst_rule *);
/* Why the chain was refused; NULL: it was not. Borrowed. */
const char *sst_rule_refusal(const struct sst_rule *);

/* OpenSSL's whole-chain callback; `arg` is the struct sst_trust. */
int	sst_verify_chain(X509_STORE_CTX *, void *arg);

#endif
