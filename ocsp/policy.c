/* SPDX-License-Identifier: ISC */
/* policy - see policy.h. */
#include "policy.h"

#include <stddef.h>

#define DAY	86400

#define SKEW		300
#define OCSP_MAX_AGE	(10 * DAY)
#define CRL_MAX_AGE	(35 * DAY)
#define OCSP_NO_NEXT	3600
#define CRL_NO_NEXT	DAY
#define OCSP_SIZE	((size_t)64 << 10)
#define CRL_SIZE	((size_t)32 << 20)

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void
sst_limits_of(const struct sst_revocation_policy *policy, struct sst_limits *ret)
{
	static const struct sst_revocation_policy zero;
	const struct sst_revocation_policy *p = policy != NULL ? policy : &zero;

	ret->skew = p->skew != 0 ? p->skew : SKEW;
	ret->ocsp_max_age = p->max_age != 0 ? p->max_age : OCSP_MAX_AGE;
	ret->crl_max_age = p->max_age != 0 ? p->max_age : CRL_MAX_AGE;
	/* an age that is allowed is no life that was promised */
	ret->ocsp_no_next = least(ret->ocsp_max_age, OCSP_NO_NEXT);
	ret->crl_no_next = least(ret->crl_max_age, CRL_NO_NEXT);
	ret->ocsp_size = OCSP_SIZE;
	ret->crl_size = CRL_SIZE;
	ret->security_level = SST_LEVEL_DEFAULT;
	if (p->security_level < 0)
		ret->security_level = 0;
	else if (p->security_level > 0)
		ret->security_level = (int)least(p->security_level, SST_LEVEL_MAX);
}

int
sst_evidence_strong(const struct sst_evidence *e, const struct sst_limits *limits)
{
	return e->source == SST_SOURCE_LOCAL ||
	    e->level >= limits->security_level - SST_LEVEL_DEFAULT;
}

enum sst_revocation_mode
sst_policy_mode(const struct sst_case *c)
{
	enum sst_revocation_mode mode = c->policy->mode;

	if (mode == SST_REVOCATION_DEFAULT)
		mode = SST_REVOCATION_SOFT;
	if (c->depth > 0 && mode > SST_REVOCATION_SOFT &&
	    c->policy->hard_chain != SST_SWITCH_ON)
		mode = SST_REVOCATION_SOFT;
	return mode;
}

int
sst_policy_wants_staple(const struct sst_case *c)
{
	return c->depth == 0 && sst_policy_mode(c) != SST_REVOCATION_OFF &&
	    (c->must_staple || sst_policy_mode(c) == SST_REVOCATION_STAPLE);
}

static int
refuses_no_source(const struct sst_case *c)
{
	enum sst_switch wish = c->policy->refuse_no_source;

	if (wish == SST_SWITCH_DEFAULT || c->depth > 0)
		return sst_policy_mode(c) >= SST_REVOCATION_HARD && wish != SST_SWITCH_OFF;
	return wish == SST_SWITCH_ON;
}

int
sst_policy_accepts(const struct sst_case *c, enum sst_verdict verdict, int is_signed)
{
	const int hard = sst_policy_mode(c) >= SST_REVOCATION_HARD;

	switch (verdict) {
	case SST_VERDICT_GOOD:
	case SST_VERDICT_EXEMPT:
		return 1;
	case SST_VERDICT_REVOKED:
		return 0;
	case SST_VERDICT_UNKNOWN:
		return !is_signed && !hard;
	case SST_VERDICT_STALE:
	case SST_VERDICT_ERROR:
		return !hard;
	case SST_VERDICT_NO_SOURCE:
		return !refuses_no_source(c);
	}
	return 0;
}

/* Whether there is anybody to ask. An intermediate's OCSP responder is not asked. */
static int
can_ask(const struct sst_case *c)
{
	const struct sst_revocation_policy *p = c->policy;

	return (c->facts->n_crl > 0 && p->use_crls != SST_SWITCH_OFF) ||
	    (c->facts->n_ocsp > 0 && p->use_ocsp != SST_SWITCH_OFF && c->depth == 0);
}

int
sst_verdict_may_improve(const struct sst_case *c, const struct sst_revocation_result *r)
{
	if (sst_policy_mode(c) == SST_REVOCATION_OFF || !can_ask(c))
		return 0;
	switch (r->verdict) {
	case SST_VERDICT_GOOD:
	case SST_VERDICT_EXEMPT:
	case SST_VERDICT_NO_SOURCE:
		return 0;
	case SST_VERDICT_REVOKED:
		/* newer evidence may lift a hold; nothing lifts the operator's word */
		return r->source != SST_SOURCE_LOCAL && r->reason == SST_REASON_HOLD &&
		    c->now >= r->until && !sst_policy_wants_staple(c);
	case SST_VERDICT_UNKNOWN:
	case SST_VERDICT_STALE:
	case SST_VERDICT_ERROR:
		break;
	}
	/* no answer that is fetched is a staple */
	return !sst_policy_wants_staple(c);
}

const char *
sst_verdict_name(enum sst_verdict verdict)
{
	switch (verdict) {
	case SST_VERDICT_GOOD:
		return "good";
	case SST_VERDICT_REVOKED:
		return "revoked";
	case SST_VERDICT_UNKNOWN:
		return "unknown";
	case SST_VERDICT_STALE:
		return "stale";
	case SST_VERDICT_ERROR:
		return "error";
	case SST_VERDICT_NO_SOURCE:
		return "no_source";
	case SST_VERDICT_EXEMPT:
		return "exempt";
	}
	return "";
}

const char *
sst_source_name(enum sst_evidence_source source)
{
	switch (source) {
	case SST_SOURCE_NONE:
		return "none";
	case SST_SOURCE_STAPLE:
		return "staple";
	case SST_SOURCE_OCSP:
		return "ocsp";
	case SST_SOURCE_CRL:
		return "crl";
	case SST_SOURCE_LOCAL:
		return "local";
	}
	return "";
}

const char *
sst_reason_name(int reason)
{
	/* RFC 5280 5.3.1; 7 is not used. */
	static const char *const names[] = { "unspecified", "keyCompromise",
		"cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "", "removeFromCRL",
		"privilegeWithdrawn", "aACompromise" };

	if (reason < 0 || (size_t)reason >= sizeof(names) / sizeof(names[0]))
		return "";
	return names[reason];
}

const char *
sst_fault_name(enum sst_fault fault)
{
	static const char *const names[] = {
		[SST_FAULT_NONE] = "none",
		[SST_FAULT_NO_SOURCE] = "no_source",
		[SST_FAULT_TIMEOUT] = "timeout",
		[SST_FAULT_CONNECT] = "connect",
		[SST_FAULT_HTTP] = "http",
		[SST_FAULT_TRY_LATER] = "try_later",
		[SST_FAULT_RESPONDER] = "responder",
		[SST_FAULT_UNAUTHORIZED] = "unauthorized",
		[SST_FAULT_BLOCKED] = "blocked",
		[SST_FAULT_SIZE] = "size",
		[SST_FAULT_MALFORMED] = "malformed",
		[SST_FAULT_NO_MATCH] = "no_match",
		[SST_FAULT_CLOCK] = "clock",
		[SST_FAULT_REPLAY] = "replay",
		[SST_FAULT_ALGORITHM] = "algorithm",
		[SST_FAULT_SIGNER] = "signer",
		[SST_FAULT_SIGNATURE] = "signature",
		[SST_FAULT_MEMORY] = "memory",
	};

	if ((size_t)fault >= sizeof(names) / sizeof(names[0]))
		return "";
	return names[fault];
}
