/* SPDX-License-Identifier: ISC */
/*
 * canary - a certificate is tried before it takes the place of one that serves.
 *
 *	apply_try.c, before an identity displaces another --> sst_canary()
 *	src/relay/certs.c, sni.c --> the store has that done
 *	sst_canary() --> OpenSSL as server and as client, over a pair of BIOs
 *
 * A client that knows nothing but the chain's own end meets a server that has nothing
 * but the identity, in TLS 1.2 and in TLS 1.3; what the client got must be for each name
 * that the store would serve it for, and the staple beside it must be good. Dates are
 * not looked at: what is not valid yet is held back by the choice (choose.c), not here.
 *
 * Always true:
 *   1. Nothing outside is touched: no socket, no file, no anchor of the system.
 *   2. The identity is what it was, also when it fails.
 * Threads: any number at once. About 1.5 ms of one core, so never a thread that
 * connections wait for.
 */
#ifndef SST_TLS_CANARY_H
#define SST_TLS_CANARY_H

#include <openssl/ssl.h>

#include <securesockets/error.h>

struct sst_identity;
struct sst_store;

/* For whom it is tried. A constant while it is in use. */
struct sst_canary {
	int	 level;		/* OpenSSL's security level of who serves, 0 to 5 */
	/* As a server's callback of status_request does: shows the staple that a client
	 * would get. NULL: there are none. */
	int	(*staple)(SSL *, void *arg);
	void	*arg;
};

/*
 * Tries `id` for `names`, lines as in the index ("ip:" before addresses; NULL: none), if
 * it displaces another. `canary`: a struct sst_canary. SST_OK, or SST_E_REFUSED (the
 * text says what a client would meet), SST_E_NOMEM.
 */
int	sst_canary(void *canary, const struct sst_identity *id, const char *names,
	    int displaces, struct sst_error *err);

/* Has what this store takes in tried as a server of this SSL_CTX would serve it, unless
 * it is tried already. */
void	sst_canary_watch(struct sst_store *, SSL_CTX *);

#endif
