/* SPDX-License-Identifier: ISC */
#include "world_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

const struct sst_cert_facts leaf = { .not_before = NOW - 30 * DAY,
	.not_after = NOW + 60 * DAY, .n_sources = 2, .n_ocsp = 1, .n_crl = 1 };

struct sst_evidence
ev(enum sst_evidence_source source, enum sst_evidence_status status, int64_t from, int64_t until)
{
	return (struct sst_evidence){ .source = source, .status = status, .reason = -1,
	    .this_update = NOW + from, .next_update = NOW + until, .until = NOW + until,
	    .covered = status == SST_EV_GOOD ? SST_REASONS_ALL : 0 };
}

struct sst_evidence
good(int64_t from, int64_t until)
{
	return ev(SST_SOURCE_OCSP, SST_EV_GOOD, from, until);
}

struct sst_evidence
revoked(int64_t from, int reason)
{
	struct sst_evidence e = ev(SST_SOURCE_CRL, SST_EV_REVOKED, from, from + DAY);

	e.reason = reason;
	e.revoked_at = NOW + from - DAY;
	return e;
}

struct sst_evidence
partial(uint32_t covered, int64_t from, int64_t until)
{
	struct sst_evidence e = ev(SST_SOURCE_CRL, SST_EV_NOTHING, from, until);

	e.partial = 1;
	e.covered = covered;
	return e;
}

struct sst_revocation_result
weigh(const struct sst_cert_facts *facts, const struct sst_revocation_policy *policy,
    int64_t now, const struct sst_evidence *list, size_t n)
{
	static const struct sst_revocation_policy zero;
	const struct sst_case c = { .facts = facts, .now = now,
	    .policy = policy != NULL ? policy : &zero };
	struct sst_revocation_result r;

	memset(&r, 0x5a, sizeof(r));
	sst_verdict_of(&c, list, n, &r);
	assert_true(r.why[0] != '\0' && memchr(r.why, '\0', sizeof(r.why)) != NULL);
	return r;
}

void
is(const struct sst_evidence *list, size_t n, enum sst_verdict want)
{
	struct sst_revocation_result r = weigh(&leaf, NULL, NOW, list, n);

	if (r.verdict != want)
		fail_msg("%s instead of %s: %s", sst_verdict_name(r.verdict),
		    sst_verdict_name(want), r.why);
}
