/* SPDX-License-Identifier: ISC */
/*
 * challenge - certificates that answer an ACME server's challenge, and nobody else
 * (tls-alpn-01: RFC 8737, of addresses RFC 8738).
 *
 *	facts.c --leaf--> sst_challenge_leaf()
 *	src/tls/challenge.c --name, now--> sst_store_challenge() --> index, cache, files
 *
 * Always true:
 *   1. A leaf with acmeIdentifier is a challenge or is refused: it is no identity
 *      that a name, an address or nobody's name is answered with.
 *   2. The one name of its row and of its identity is its key, "acme:" and what it is
 *      for. Nothing that a client sends or a person types folds to a name with a
 *      colon, so no other look-up meets it.
 *   3. One past its notAfter is given to nobody.
 * Threads: as a store.
 */
#ifndef SST_CERTSTORE_CHALLENGE_H
#define SST_CERTSTORE_CHALLENGE_H

#include <openssl/x509.h>
#include <time.h>

#include "name.h"

struct sst_error;
struct sst_identity;
struct sst_store;

#define SST_CHALLENGE_PREFIX	"acme:"
#define SST_CHALLENGE_SIZE	(SST_NAME_SIZE + 5)	/* of a key */

/*
 * What the leaf is a challenge for. 1: `key` is set. 0: it is an ordinary one.
 * SST_E_REFUSED: it has acmeIdentifier, and is not what RFC 8737 3 asks for.
 */
int	sst_challenge_leaf(X509 *leaf, char key[SST_CHALLENGE_SIZE],
	    struct sst_error *err);
/* The key of the folded name that an ACME server sends: an address comes as its name
 * in in-addr.arpa or ip6.arpa. */
void	sst_challenge_key(const char *name, char key[SST_CHALLENGE_SIZE]);
/*
 * The newest challenge of a key that is good at `now` (wall time, s). 1: the caller
 * unrefs *ret. 0: there is none. < 0: SST_E_*.
 */
int	sst_store_challenge(struct sst_store *, const char *key, time_t now,
	    struct sst_identity **ret, struct sst_error *err);

#endif
