/* SPDX-License-Identifier: ISC */
/*
 * world_check - a chain of three, a checker that fetches nothing, and checks of the
 * chain that are given evidence, for the tests of check.c.
 */
#ifndef SST_TEST_WORLD_CHECK_H
#define SST_TEST_WORLD_CHECK_H

#include <openssl/x509.h>
#include <time.h>

#include <securesockets/revocation.h>

#include "make_response.h"
#include "support/pki.h"

#define HOUR	3600

struct world {
	struct pki_cert	*root, *ca, *leaf;
	struct sst_checker *checker;
	STACK_OF(X509)	*chain;
};

int	set_up(void **state);
int	tear_down(void **state);
STACK_OF(X509) *chain_of(struct pki_cert *leaf);
struct sst_checker *checker_of(void);
/* As of PKI_NOW. */
struct sst_check *check_with(struct world *, STACK_OF(X509) *chain,
	    const struct sst_revocation_policy *);
struct sst_check *check_of(struct world *, enum sst_revocation_mode);
/* `revoked` NULL: an empty one. */
void	give_list(struct sst_check *, const struct pki_cert *issuer,
	    const struct pki_cert *revoked);
struct pki_buf response_of(const struct pki_cert *, enum made_status, time_t this_update);
void	give_response(struct sst_check *, const struct pki_cert *, enum made_status);
void	give_staple(struct sst_check *, const struct pki_cert *, enum made_status);
/* Ends the check: accepted (1) or refused. Returns what the leaf was found to be. */
struct sst_revocation_result ends(struct sst_check *, int accepted);

#endif
