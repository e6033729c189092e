/* SPDX-License-Identifier: ISC */
/*
 * ours - what a server serves: staples for it, and whether it is revoked or lacks one.
 *
 *	relay: a listener --> ours; attach.c (way 2) --> ours --> ocsp/own.h
 *	conf.c: a client asks --> sst_ours_give()
 *	ocsp/own.c: revoked --> sst_store_mark_revoked()
 *	a staple that its certificate demands is not there --> sst_store_mark_bare()
 *
 * Always true:
 *   1. A client gets the staple of the certificate that it is shown, when it asked, and
 *      never on a resumed session (RFC 6066 8), where no certificate is shown.
 *   2. After sst_ours_stop() the store is touched no more.
 * Threads: any number.
 */
#ifndef SST_TLS_OURS_H
#define SST_TLS_OURS_H

#include <openssl/ssl.h>
#include <stddef.h>

#include <securesockets/certstore.h>
#include <securesockets/revocation.h>

struct sst_ours;
struct sst_trust;

struct sst_ours_config {
	struct sst_checker *checker;		/* these are referenced, or copied */
	const struct sst_revocation_policy *policy;
	struct sst_store *store;
	struct sst_trust *trust;		/* issuers that chains lack; or NULL */
	int		 no_staples;
	int		 given;			/* 1: the program has staples of its own, so that
						   nobody here knows which are missing */
};

int	sst_ours_new(const struct sst_ours_config *, struct sst_ours **ret,
	    struct sst_error *err);
struct sst_ours *sst_ours_ref(struct sst_ours *);
void	sst_ours_unref(struct sst_ours *);	/* NULL is allowed */
void	sst_ours_stop(struct sst_ours *);
int	sst_ours_has_staples(const struct sst_ours *);
/* It was made for a program with staples of its own. */
int	sst_ours_is_given(const struct sst_ours *);

/* Takes in what the store has now, and drops the rest. Reads what is not in memory. */
void	sst_ours_sync(struct sst_ours *);
/* 1: some of it could not be done, and is to be done again. */
int	sst_ours_wants_sync(const struct sst_ours *);
/* It was done once. */
int	sst_ours_synced(const struct sst_ours *);

/* This is about to be served: taken in. 1: its staple is to be waited for; it is then
 * expected, and sst_ours_sync() does not drop it. */
int	sst_ours_expect(struct sst_ours *, X509 *leaf, STACK_OF(X509) *above);
/* The same by who cannot wait, such as a client. 1: it demands a staple (RFC 7633), and
 * there is none yet. */
int	sst_ours_is_bare(struct sst_ours *, X509 *leaf, STACK_OF(X509) *above);
/* How many of what is expected were not answered for yet. */
size_t	sst_ours_lacks(struct sst_ours *);
/* Nothing is expected any more. */
void	sst_ours_expect_none(struct sst_ours *);

/* As in own.h. */
unsigned sst_ours_step(struct sst_ours *);
size_t	sst_ours_pending(struct sst_ours *);
int	sst_ours_wait(struct sst_ours *, unsigned ms);

/* This is being served: the next step takes in what of it is new. Reads nothing, and
 * waits for nobody. */
void	sst_ours_serve(struct sst_ours *, const struct sst_choice *);
/* As sst_ours_step(), for who takes in what he serves: what the store has lost since the
 * last time is seen to no more. Reads no file. */
unsigned sst_ours_go_on(struct sst_ours *);

/* For a server's callback of status_request. */
int	sst_ours_give(SSL *, struct sst_ours *);
/* The same in a program's own SSL_CTX, whose certificates nobody has told of before:
 * one that is not known is taken in, and waited for, `ms` at most. */
int	sst_ours_give_met(SSL *, struct sst_ours *, unsigned ms);

#endif
