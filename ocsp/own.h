/* SPDX-License-Identifier: ISC */
/*
 * own - certificates of our own: a staple for each, and a watch over all.
 *
 *	src/relay, src/tls --leaf, chain--> own --sst_own_step()--> work.c (OCSP)
 *	                                       '--> check.c (OCSP and CRLs)
 *	handshake <--staple-- own --word--> who serves the certificate
 *
 * Always true:
 *   1. A staple was judged as a peer's is, with the certificate that it is given
 *      out for (by the SHA-256 of the leaf), and said good.
 *   2. None is given out at its end or after it, nor of a certificate that is known
 *      to be revoked. A fetch that fails leaves the old one until then.
 *   3. A staple is immutable and counted: a newer one takes its place, who has the
 *      old one keeps it.
 *   4. sst_own_step() never waits for the network. It is fetched anew at half of its
 *      life and a little later, spread by the certificate (refresh.h).
 *   5. There is no limit of its own to how many are seen to: one costs its DER, its
 *      staple and about 250 octets, and is parsed when it is its turn. A step looks at
 *      those whose turn it is, and costs the same however many others there are. At most
 *      SST_OWN_BUSY are asked for at once, those that a client asked for last first;
 *      the more there are, the more seldom each is looked at for a list's word: every
 *      60 s, and a second more for each 64.
 *   6. A clock that was ahead and is set right puts nothing off.
 *   7. Whatever a list or a responder says of a certificate is evidence, also of one
 *      that names no responder.
 * Threads: any number. `on_word` is called with no lock held, by the checker's thread
 *   or by sst_own_step(). After fork() the child goes on with the staples it has.
 */
#ifndef SST_OCSP_OWN_H
#define SST_OCSP_OWN_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include <securesockets/revocation.h>

#define SST_OWN_BUSY	256

struct sst_own;

/* What is known of one certificate now, when that changed. Pointers live for the call. */
struct sst_own_word {
	const uint8_t	*leaf;		/* SHA-256 */
	int		 revoked;	/* 0: it was on hold, and is not any more */
	int		 reason;	/* -1: none */
	int64_t		 revoked_at;
	enum sst_evidence_source source;
	const char	*text;		/* one line */
};

struct sst_own_config {
	struct sst_checker *checker;	/* referenced */
	const struct sst_revocation_policy *policy;	/* which sources, limits, and
					   whether anything is fetched; NULL: defaults */
	int		 no_staples;	/* 1: they are watched only */
	X509_STORE	*anchors;	/* issuers that no chain carries; or NULL. Referenced */
	/* 0; or it is told again at a later look. NULL: nobody is told. */
	int		(*on_word)(void *arg, const struct sst_own_word *);
	void		*arg;
};

struct sst_own_staple {
	int64_t		 until;		/* not given out from then on */
	size_t		 len;
	unsigned char	 der[];
};

int	sst_own_new(const struct sst_own_config *, struct sst_own **ret, struct sst_error *err);
/* NULL is allowed. After it nothing is called any more. */
void	sst_own_free(struct sst_own *);

/*
 * A certificate that is served, or is to be; `above`: its chain, nearest first, may be
 * NULL. What the caches have of it is there at once. One without an issuer is passed
 * over: nobody can judge what is said about it.
 */
int	sst_own_add(struct sst_own *, X509 *leaf, STACK_OF(X509) *above, struct sst_error *err);
/* The same for one that is known already: 1; 2: it was served no more, and is back. 0: it
 * is not known, and has to be shown. */
int	sst_own_again(struct sst_own *, const uint8_t leaf[32]);
/* 1: it is known, and was not dropped. */
int	sst_own_knows(struct sst_own *, const uint8_t leaf[32]);
/* What is not added again between the two, and of which `has` (NULL: of nothing) does not
 * say 1, is served no more: nobody is asked about it any more. A handshake under way gets
 * its staple yet, and then it is forgotten. `has` is called with no lock held. */
void	sst_own_sync_begin(struct sst_own *);
void	sst_own_sync_end(struct sst_own *, int (*has)(void *arg, const uint8_t leaf[32]),
	    void *arg);
/* The same for one of them, by who knows that it is served no more. */
void	sst_own_drop(struct sst_own *, const uint8_t leaf[32]);
/* The staple of a leaf, for the caller to give back; NULL: none that may be served. */
struct sst_own_staple *sst_own_staple(struct sst_own *, const uint8_t leaf[32]);
void	sst_own_staple_unref(struct sst_own_staple *);	/* NULL is allowed */

/* Begins what is due; seconds until it wants to be called again, at least 1 (0: at once,
 * there was much). */
unsigned sst_own_step(struct sst_own *);
/* Certificates with a responder that were not answered for yet, once each. */
size_t	sst_own_pending(struct sst_own *);
/* 1: this one is such. */
int	sst_own_is_pending(struct sst_own *, const uint8_t leaf[32]);
/* Begins, and waits until none is pending, `ms` at most. 1: none is. */
int	sst_own_wait(struct sst_own *, unsigned ms);

#endif
