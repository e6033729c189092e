/* SPDX-License-Identifier: ISC */
/*
 * policy - what a policy's zeros stand for, which verdicts it accepts, and the
 * names of everything that is printed.
 *
 * verdict.c asks what is accepted, the judges for limits (evidence.h), sstool and
 * the texts for names (revocation.h, evidence.h); it calls nobody.
 *
 * Always true:
 *   1. Every default of a policy is in policy.c.
 *   2. An intermediate is judged softly unless the policy says hard_chain.
 *   3. A name is never NULL; what has none is "".
 * Threads: pure.
 */
#ifndef SST_OCSP_POLICY_H
#define SST_OCSP_POLICY_H

#include "verdict.h"

#define SST_REASON_HOLD	6	/* certificateHold */

/* The mode that holds for this certificate. */
enum sst_revocation_mode sst_policy_mode(const struct sst_case *);
/* 1: without a valid staple it is refused. */
int	sst_policy_wants_staple(const struct sst_case *);
/* What the policy makes of the verdict alone. `is_signed`: of UNKNOWN, that a
 * responder said so. */
int	sst_policy_accepts(const struct sst_case *, enum sst_verdict, int is_signed);

#endif
