/* SPDX-License-Identifier: ISC */
/*
 * ticket - a server's session tickets, each bound to what its client was served under.
 *
 *	sni.c, when a certificate was chosen --sst_ticket_bind()--> ticket
 *	OpenSSL --on_key()--> ticket_key.c: seals and opens
 *
 * A resumed session skips the choice of a certificate and the verification of a client's.
 * So what was true when it began is made into a digest: the name as asked for and how it
 * was met, the address where that decided, the public keys of the certificates, the
 * listener's policy, what is demanded of clients, the protocols of both sides. The digest
 * is the session's id context, which OpenSSL compares, and part of the ticket's key.
 *
 * Always true:
 *   1. Where the digest is another one the handshake is a full one, without an alert.
 *   2. One ticket a full handshake, none on a resumed one, so that no session outlives
 *      the lifetime by being resumed; no early data; no session ids.
 *   3. Nobody who is shown a revoked certificate resumes or is given a ticket.
 *   4. A ticket carries a client's certificate only where the program asked for that.
 * Threads: a rule is read-only once clients come; a bond belongs to its connection.
 */
#ifndef SST_TLS_TICKET_H
#define SST_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/socket.h>

struct sst_choice;
struct sst_choose_policy;
struct sst_tickets;

/* Of one SSL_CTX. */
struct sst_ticket_rule {
	struct sst_tickets *tickets;	/* NULL: nothing is resumed */
	int		 with_peers;	/* also where clients show certificates */
	const uint8_t	*alpn;		/* the server's, wire form; NULL: not known */
	size_t		 alpn_len;
};

/* Of one connection. All zero before its first ClientHello. */
struct sst_ticket_bond {
	struct sst_tickets *tickets;	/* borrowed from the rule; NULL: none */
	uint8_t		 digest[32];
	int		 with_peers;
	int		 shut;		/* tickets were turned off for this SSL, */
	int		 shut_option;	/* and SSL_OP_NO_TICKET was set for it; */
	size_t		 had;		/* number of tickets before that */
};

/* What a session is bound to. */
struct sst_ticket_facts {
	const struct sst_choice *choice;
	const struct sst_choose_policy *policy;
	const struct sockaddr *local;	/* that the client reached; NULL: not asked for */
	int		 verify_mode, verify_depth;
	const STACK_OF(X509_NAME) *cas;	/* that clients are told of; or NULL */
	const uint8_t	*ours;		/* ALPN, wire form */
	size_t		 ours_len;
	const uint8_t	*theirs;	/* ALPN extension, as it came */
	size_t		 theirs_len;
};

/* Pure. 1, or 0: OpenSSL failed. */
int	sst_ticket_digest(const struct sst_ticket_facts *, uint8_t out[32]);

/* Has the SSL_CTX issue and take tickets by this rule, for sessions of `life` seconds. */
void	sst_ticket_attach(SSL_CTX *, const struct sst_ticket_rule *, unsigned life);
/* In the ClientHello callback, when `choice` was made. `local` may be NULL. 1, or 0:
 * OpenSSL failed, and the handshake must not go on. */
int	sst_ticket_bind(SSL *, const struct sst_ticket_rule *,
	    const struct sst_choose_policy *, const struct sst_choice *,
	    const struct sockaddr *local, struct sst_ticket_bond *);

#endif
