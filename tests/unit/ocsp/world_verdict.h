/* SPDX-License-Identifier: ISC */
/*
 * world_verdict - evidence about one certificate at one time, and what it amounts to,
 * for tests of verdict.c.
 *
 * Times are seconds before or after NOW.
 */
#ifndef SST_TEST_WORLD_VERDICT_H
#define SST_TEST_WORLD_VERDICT_H

#include "ocsp/verdict.h"

#define NOW	INT64_C(1800000000)
#define HOUR	3600
#define DAY	86400

/* It names a responder and a list. */
extern const struct sst_cert_facts leaf;

struct sst_evidence ev(enum sst_evidence_source, enum sst_evidence_status, int64_t from,
	    int64_t until);
struct sst_evidence good(int64_t from, int64_t until);	/* of a responder */
struct sst_evidence revoked(int64_t from, int reason);	/* by a list, for a day */
/* A list of these reasons alone, on which it is not. */
struct sst_evidence partial(uint32_t covered, int64_t from, int64_t until);

/* The verdict, and a text with it. `policy` NULL: the defaults. */
struct sst_revocation_result weigh(const struct sst_cert_facts *,
	    const struct sst_revocation_policy *, int64_t now, const struct sst_evidence *,
	    size_t n);
/* By the defaults, of the leaf: IS(verdict, evidence, ...). */
void	is(const struct sst_evidence *, size_t n, enum sst_verdict want);

#define IS(want, ...)	do {						\
		const struct sst_evidence list_[] = { __VA_ARGS__ };	\
		is(list_, sizeof(list_) / sizeof(list_[0]), want);	\
	} while (0)

#endif
