/* SPDX-License-Identifier: ISC */
/*
 * revoke - the verdict on the peer's certificates, as a step of a connection.
 *
 *	relay: options of a socket, machine's policy --> struct sst_revoke (shared)
 *	conn.c, when chain and names are verified --> revoke --> sst_check_now()
 *
 * Always true:
 *   1. What is judged is the verified chain. A connection that has none (a resumed
 *      session without it) is refused, unless the policy is off.
 *   2. A staple that is no OCSP response at all ends the handshake with
 *      bad_certificate_status_response (RFC 6066 8).
 *   3. A step never waits: what has to be fetched is WANT_VERDICT.
 * Threads: a struct sst_revoke is immutable, any number may use it; the rest
 *   belongs to its connection.
 */
#ifndef SST_TLS_REVOKE_H
#define SST_TLS_REVOKE_H

#include <openssl/ssl.h>
#include <stddef.h>

#include <securesockets/revocation.h>

struct sst_lists;
struct sst_machine;
struct sst_revoke;

/* All are referenced or copied; `lists` may be NULL. `live`: the check is kept, and
 * sst_revoked_again() may be asked. */
int	sst_revoke_new(struct sst_checker *, const struct sst_revocation_policy *,
	    struct sst_lists *lists, int live, struct sst_revoke **ret,
	    struct sst_error *err);
struct sst_revoke *sst_revoke_ref(struct sst_revoke *);
void	sst_revoke_unref(struct sst_revoke *);	/* NULL is allowed */

/* What a connection keeps of it. All zero: nobody judges. */
struct sst_revoked {
	struct sst_revoke *by;
	struct sst_check *check;
	char		*text;		/* the verdict, once there is one */
	unsigned	 over : 1;	/* accepted */
	unsigned	 started : 1;
};

/* Takes a reference; before the handshake. A client asks for a staple. */
int	sst_revoked_init(struct sst_revoked *, struct sst_revoke *, SSL *,
	    struct sst_error *err);
/* Frees what it holds; after that no `done` is called. Twice is allowed. */
void	sst_revoked_done(struct sst_revoked *);
/* The same, but for the verdict's text. */
void	sst_revoked_stop(struct sst_revoked *);
/* After the handshake: 1: accepted (at once where nobody judges); 0: something
 * has to be fetched; SST_E_REFUSED. */
int	sst_revoked_now(struct sst_revoked *, SSL *, struct sst_error *err);
/* After a 0: fetches; `done` is called on a thread of the checker. */
int	sst_revoked_start(struct sst_revoked *, void (*done)(void *arg), void *arg,
	    struct sst_error *err);
/* ms that it may take. */
unsigned sst_revoked_budget(const struct sst_revoked *);
/* On an open connection: SST_E_REFUSED when it would be refused as revoked now;
 * else SST_OK. Never waits. */
int	sst_revoked_again(struct sst_revoked *, struct sst_error *err);

/* A checker as this machine's file has it. SST_E_USAGE: an address that may be
 * fetched from is none; the text has FILE:LINE. */
int	sst_revoke_checker(const struct sst_machine *, struct sst_checker **ret,
	    struct sst_error *err);

/* For conf.c: a client's callback for the staple. */
int	sst_revoke_on_staple(SSL *, void *arg);

#endif
