/* SPDX-License-Identifier: ISC */
/*
 * verdict - the one function that turns evidence into a verdict, and the one
 * that says what a policy makes of it.
 *
 * check.c and sstool call it; it calls nobody.
 *
 * Always true:
 *   1. Pure: the same evidence, `now` and policy give the same verdict, in
 *      whatever order the evidence is listed.
 *   2. More evidence of "revoked" never makes a verdict milder.
 *   3. GOOD needs fresh evidence in scope that covers every reason.
 * Threads: pure.
 */
#ifndef SST_OCSP_VERDICT_H
#define SST_OCSP_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "evidence.h"

struct sst_case {
	const struct sst_cert_facts *facts;
	int	depth;		/* 0: the leaf */
	int	must_staple;	/* RFC 7633: by the leaf itself or a CA above it */
	int64_t	now;
	const struct sst_revocation_policy *policy;	/* never NULL */
};

/* Fills all of *ret. `why` names the deciding rule. */
void	sst_verdict_of(const struct sst_case *, const struct sst_evidence *list, size_t n,
	    struct sst_revocation_result *ret);
/* Whether evidence is fresh at `now`: thisUpdate - skew <= now < until + skew,
 * with skew at most a quarter of its life (a response for 5 minutes is usable). */
int	sst_evidence_fresh(const struct sst_evidence *, int64_t now, int64_t skew);
/* The same under a policy's limits, which may be stricter than those that it was
 * judged and kept under. */
int	sst_evidence_counts(const struct sst_evidence *, int64_t now,
	    const struct sst_limits *);
/* 1: asking the sources could change what the policy says. */
int	sst_verdict_may_improve(const struct sst_case *, const struct sst_revocation_result *);

#endif
