/* SPDX-License-Identifier: ISC */
/*
 * check_inside - one check, as its own files see it.
 *
 *	check.c		life, verdicts, waiting for what is fetched
 *	check_given.c	evidence that came along
 *	check_why.c	what is told about it
 *
 * Always true:
 *   1. links[i] is about chain[i], which chain[i + 1] issued.
 *   2. What a link was given or had fetched stays with the check; what the caches
 *      know is asked for each time.
 *   3. A link without facts is refused: what cannot be read is never good.
 * Threads: one; but answers come on the checker's thread, under `mu`.
 */
#ifndef SST_OCSP_CHECK_INSIDE_H
#define SST_OCSP_CHECK_INSIDE_H

#include <openssl/x509.h>
#include <pthread.h>

#include "certkey.h"
#include "checker.h"
#include "evidence.h"
#include "verdict.h"

#define SST_KNOWN_MAX	16	/* pieces that are asked of memory and caches */

struct sst_work_ticket;

struct sst_link {
	struct sst_check *check;
	const struct sst_cert_facts *facts;	/* NULL: unreadable, and why in result */
	struct sst_evidence *own;	/* given, or fetched for this check */
	size_t		 n_own, room;
	struct sst_work_ticket *ticket;	/* of what is under way */
	int		 busy;		/* the cache did not answer */
	int		 read;		/* it was read, for the first time in a while */
	int		 wanted;	/* asking may change the answer */
	int		 waiting;	/* asked, and not answered yet */
	struct sst_revocation_result result;
};

/* Somebody beside the issuers who signed evidence, or may have. */
struct sst_signer {
	struct sst_cert_key key;
	uint8_t		 sha256[32];	/* zero: not known yet */
	int		 revoked;	/* a list that was given says so */
};

struct sst_check {
	struct sst_checker *checker;
	struct sst_revocation_policy policy;
	struct sst_limits limits;
	int64_t		 at;		/* 0: the clock's */
	int		 n_chain, n_links;
	int		 must_staple;
	int		 asked;		/* nothing is asked twice */
	X509		**chain;
	STACK_OF(X509)	*others;	/* that may have signed CRLs; or NULL */
	struct sst_signer *signers;
	size_t		 n_signers;
	char		**lines;	/* of the last sst_check_reasons() */
	size_t		 n_lines;
	pthread_mutex_t	 mu;		/* guards own, n_own, waiting of links; pending,
					   starved */
	int		 pending;
	int		 starved;	/* an answer was lost: nothing is decided any more */
	void		(*done)(void *arg);
	void		*arg;
	struct sst_link	 links[];
};

/* The time to judge as of. */
int64_t	sst_check_time(struct sst_check *);
/* Whether the policy computes anything at all. */
int	sst_check_is_off(const struct sst_check *);
/* Adds to what the link has of its own. Caller holds `mu` where answers may come. */
int	sst_link_add(struct sst_link *, const struct sst_evidence *, size_t n,
	    struct sst_error *err);
/* What the caches know, unless the policy keeps away from them, and then the
 * link's own, in *ret_list: `room` or, when that is too small, allocated. Pieces, or
 * SST_E_NOMEM. Sets `busy` and `read`. */
long	sst_link_evidence(struct sst_link *, int64_t now, struct sst_evidence *room, size_t n,
	    struct sst_evidence **ret_list);

#endif
