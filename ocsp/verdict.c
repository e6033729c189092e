/* SPDX-License-Identifier: ISC */
/* verdict - see verdict.h. */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "policy.h"

#define SHORT_LIFE	(7 * 86400)	/* of a leaf that may be exempt */

/* What of the evidence counts. Pointers are into the caller's list. */
struct scales {
	const struct sst_case *c;
	struct sst_limits limits;
	const struct sst_evidence *block, *allow;	/* the operator's own list */
	const struct sst_evidence *revoked;	/* for good */
	const struct sst_evidence *hold;	/* the newest hold */
	const struct sst_evidence *good, *staple, *unknown, *stale, *future, *nothing;
	const struct sst_evidence *fault;	/* the most severe */
	int64_t	unknown_at;	/* of the newest "unknown" that a responder signed */
	uint32_t covered, covered_once;	/* by fresh, by any partial list */
	int64_t	partial_until;	/* when the first of the fresh ones ends */
	const struct sst_evidence *partial, *partial_once;
};

static int64_t
add(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b > 0 ? INT64_MAX : INT64_MIN;
}

/* The skew is for clocks; it must not double the life of what lives for minutes. */
static int
fresh_between(int64_t from, int64_t until, int64_t now, int64_t skew)
{
	int64_t late = add(until, -from) / 4;

	if (until <= from)
		return 0;
	if (late > skew)
		late = skew;
	return add(from, -skew) <= now && now < add(until, late);
}

int
sst_evidence_fresh(const struct sst_evidence *e, int64_t now, int64_t skew)
{
	return fresh_between(e->this_update, e->until, now, skew);
}

/* When a good ends under this policy: what was kept may have been judged under
 * one with a greater age, or with a longer life for what announces no end. */
static int64_t
end_of(const struct sst_evidence *e, const struct sst_limits *limits)
{
	const int is_list = e->source == SST_SOURCE_CRL;
	int64_t age = is_list ? limits->crl_max_age : limits->ocsp_max_age;
	int64_t blind = is_list ? limits->crl_no_next : limits->ocsp_no_next, cap;

	if (e->next_update == 0 && blind < age)
		age = blind;
	cap = add(e->this_update, age);
	return e->source == SST_SOURCE_LOCAL || e->until < cap ? e->until : cap;
}

int
sst_evidence_counts(const struct sst_evidence *e, int64_t now, const struct sst_limits *limits)
{
	return fresh_between(e->this_update, end_of(e, limits), now, limits->skew);
}

static int
is_fresh(const struct scales *s, const struct sst_evidence *e)
{
	return sst_evidence_counts(e, s->c->now, &s->limits);
}

/* Neither fresh nor from a time to come. */
static int
is_over(const struct scales *s, const struct sst_evidence *e)
{
	return !is_fresh(s, e) && add(e->this_update, -s->limits.skew) <= s->c->now;
}

static int
is_ocsp(const struct sst_evidence *e)
{
	return e->source == SST_SOURCE_OCSP || e->source == SST_SOURCE_STAPLE;
}

static int
is_hold(const struct sst_evidence *e)
{
	/* RFC 6960 4.4.8: "never issued" looks like a hold, and is none */
	return e->reason == SST_REASON_HOLD && !e->not_issued;
}

/* Whether a policy lets this kind make a certificate good. */
static int
is_used(const struct scales *s, const struct sst_evidence *e)
{
	const struct sst_revocation_policy *p = s->c->policy;

	if (!sst_evidence_strong(e, &s->limits))
		return 0;
	switch (e->source) {
	case SST_SOURCE_STAPLE:
		return p->use_staples != SST_SWITCH_OFF;
	case SST_SOURCE_OCSP:
		return p->use_ocsp != SST_SWITCH_OFF;
	case SST_SOURCE_CRL:
		return p->use_crls != SST_SWITCH_OFF;
	case SST_SOURCE_NONE:
	case SST_SOURCE_LOCAL:
		break;
	}
	return 1;
}

static int
cmp(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* > 0: `a` is the one to speak of. A total order of all that is printed, so that
 * the list's order changes nothing. */
static int
weigh(const struct sst_evidence *a, const struct sst_evidence *b)
{
	int order = cmp(a->fault, b->fault);

	if (order == 0)
		order = cmp(a->until, b->until);
	if (order == 0)
		order = cmp(a->this_update, b->this_update);
	if (order == 0)
		order = cmp(b->source, a->source);
	if (order == 0)
		order = cmp(b->from_cache, a->from_cache);
	if (order == 0)
		order = cmp(a->next_update, b->next_update);
	if (order == 0)
		order = cmp(a->reason, b->reason);
	if (order == 0)
		order = cmp(b->revoked_at, a->revoked_at);
	if (order == 0)
		order = strcmp(a->url, b->url);
	return order != 0 ? order : strcmp(a->text, b->text);
}

static void
pick(const struct sst_evidence **best, const struct sst_evidence *e)
{
	if (*best == NULL || weigh(e, *best) > 0)
		*best = e;
}

/* What says no, or nothing: all of it counts, whatever the policy uses. */
static void
weigh_against(struct scales *s, const struct sst_evidence *e)
{
	switch (e->status) {
	case SST_EV_REVOKED:
		if (e->source == SST_SOURCE_LOCAL)
			pick(&s->block, e);
		else if (!is_hold(e))
			pick(&s->revoked, e);
		else if (s->hold == NULL || e->this_update > s->hold->this_update ||
		    (e->this_update == s->hold->this_update && weigh(e, s->hold) > 0))
			s->hold = e;
		break;
	case SST_EV_UNKNOWN:
		if (!is_used(s, e) || !is_fresh(s, e))
			break;
		pick(&s->unknown, e);
		if (e->this_update > s->unknown_at)
			s->unknown_at = e->this_update;
		break;
	case SST_EV_ERROR:
		pick(&s->fault, e);
		break;
	case SST_EV_NOTHING:
		pick(&s->nothing, e);
		break;
	case SST_EV_GOOD:
		break;
	}
}

/* A list of some reasons only: several may cover all of them together. */
static void
weigh_partial(struct scales *s, const struct sst_evidence *e)
{
	int64_t end = end_of(e, &s->limits);

	if (is_over(s, e)) {
		s->covered_once |= e->covered;
		pick(&s->partial_once, e);
	}
	if (!is_fresh(s, e))
		return;
	s->covered |= e->covered;
	s->covered_once |= e->covered;
	pick(&s->partial, e);
	if (s->partial_until == 0 || end < s->partial_until)
		s->partial_until = end;
}

/* What says good. Needs what weigh_against() found. */
static void
weigh_for(struct scales *s, const struct sst_evidence *e)
{
	int partial = e->status == SST_EV_NOTHING && e->partial;

	if ((e->status != SST_EV_GOOD && !partial) || !is_used(s, e))
		return;
	/* only what is newer lifts a hold */
	if (s->hold != NULL && e->this_update <= s->hold->this_update &&
	    e->source != SST_SOURCE_LOCAL)
		return;
	/* the responder took it back: an answer from before is a replay */
	if (is_ocsp(e) && s->unknown != NULL && e->this_update <= s->unknown_at)
		return;
	if (partial || (e->covered & SST_REASONS_ALL) != SST_REASONS_ALL) {
		weigh_partial(s, e);
		return;
	}
	if (!is_fresh(s, e)) {
		pick(is_over(s, e) ? &s->stale : &s->future, e);
		return;
	}
	if (e->source == SST_SOURCE_LOCAL)
		pick(&s->allow, e);
	if (e->source == SST_SOURCE_STAPLE)
		pick(&s->staple, e);
	pick(&s->good, e);
}

static void
weigh_all(struct scales *s, const struct sst_evidence *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		weigh_against(s, &list[i]);
	for (size_t i = 0; i < n; i++)
		weigh_for(s, &list[i]);
	if (s->covered == SST_REASONS_ALL && s->good == NULL)
		s->good = s->partial;
	else if (s->covered_once == SST_REASONS_ALL && s->stale == NULL)
		s->stale = s->partial_once;
}

/* Adds to the line; what does not fit is cut. */
static void __attribute__((format(printf, 2, 3)))
say(struct sst_revocation_result *r, const char *fmt, ...)
{
	size_t used = strlen(r->why);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->why + used, sizeof(r->why) - used, fmt, ap);
	va_end(ap);
}

/* The same without formatting, for what every good connection passes. */
static void
copy(char out[256], const char *text)
{
	size_t len = strnlen(text, 255);

	memcpy(out, text, len);
	out[len] = '\0';
}

static const char *
time_text(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, 32, "@%lld", (long long)when);
	return out;
}

/* What a piece of evidence is called in a sentence. */
static const char *
source_text(const struct sst_evidence *e)
{
	switch (e->source) {
	case SST_SOURCE_STAPLE:
		return "a staple";
	case SST_SOURCE_OCSP:
		return "an OCSP response";
	case SST_SOURCE_CRL:
		return "a CRL";
	case SST_SOURCE_LOCAL:
		return "the operator's list";
	case SST_SOURCE_NONE:
		break;
	}
	return "nobody";
}

static void
take(struct sst_revocation_result *r, enum sst_verdict verdict, const struct sst_evidence *e)
{
	r->verdict = verdict;
	r->source = e->source;
	r->from_cache = e->from_cache;
	r->this_update = e->this_update;
	r->next_update = e->next_update;
	copy(r->url, e->url);
}

static void
rule_revoked(const struct scales *s, const struct sst_evidence *e,
    struct sst_revocation_result *r)
{
	char when[32];

	take(r, SST_VERDICT_REVOKED, e);
	r->reason = e->reason;
	r->revoked_at = e->revoked_at;
	r->until = is_hold(e) ? e->until : s->c->facts->not_after;
	if (e->source == SST_SOURCE_LOCAL) {
		copy(r->why, "the operator's list says revoked");
		return;
	}
	say(r, "%s says revoked", source_text(e));
	if (e->not_issued)
		say(r, ": its issuer never issued it");
	else if (e->revoked_at != 0)
		say(r, " on %s", time_text(e->revoked_at, when));
	if (sst_reason_name(e->reason)[0] != '\0' && !e->not_issued)
		say(r, " (%s)", sst_reason_name(e->reason));
	if (!is_fresh(s, e))
		say(r, "; a revocation counts however old it is");
	if (s->good != NULL)
		say(r, "; conflict: %s says good", source_text(s->good));
}

static void
rule_good(const struct scales *s, struct sst_revocation_result *r)
{
	const struct sst_evidence *e = s->good;

	take(r, SST_VERDICT_GOOD, e);
	r->until = e == s->partial ? s->partial_until : end_of(e, &s->limits);
	if (e == s->partial)
		copy(r->why, "CRLs that cover every reason together do not list it");
	else if (e->source == SST_SOURCE_STAPLE)
		copy(r->why, "a staple that is fresh says good");
	else if (e->source == SST_SOURCE_OCSP)
		copy(r->why, "an OCSP response that is fresh says good");
	else if (e->source == SST_SOURCE_CRL)
		copy(r->why, "a CRL that is fresh and in scope does not list it");
	else
		copy(r->why, "the operator's list says good");
	if (s->hold != NULL)
		say(r, "; a hold is lifted");
}

/* 1: exempt, and why. */
static int
rule_exempt(const struct scales *s, struct sst_revocation_result *r)
{
	const struct sst_cert_facts *f = s->c->facts;

	if (f->is_ca || s->c->depth != 0)
		return 0;
	if (f->no_rev_avail)
		copy(r->why, "noRevAvail: its issuer publishes no revocations (RFC 9608)");
	else if (s->c->policy->exempt_short == SST_SWITCH_ON && f->n_sources == 0 &&
	    f->not_after - f->not_before <= SHORT_LIFE)
		copy(r->why, "it lives at most 7 days and names no source");
	else
		return 0;
	r->verdict = SST_VERDICT_EXEMPT;
	r->until = f->not_after;
	return 1;
}

static void
rule_stale(const struct scales *s, struct sst_revocation_result *r)
{
	char when[32];

	take(r, SST_VERDICT_STALE, s->stale);
	say(r, "%s said good until %s, and nothing newer is known", source_text(s->stale),
	    time_text(end_of(s->stale, &s->limits), when));
}

static void
rule_nothing(const struct scales *s, struct sst_revocation_result *r)
{
	const struct sst_cert_facts *f = s->c->facts;
	char when[32];

	if (s->nothing != NULL) {
		take(r, SST_VERDICT_UNKNOWN, s->nothing);
		say(r, "%s does not speak for it: %s", source_text(s->nothing),
		    s->nothing->text);
	} else if (s->fault != NULL) {
		take(r, SST_VERDICT_ERROR, s->fault);
		r->this_update = r->next_update = 0;
		say(r, "no usable evidence; %s: %s", sst_fault_name(s->fault->fault),
		    s->fault->text);
	} else if (s->future != NULL) {
		take(r, SST_VERDICT_ERROR, s->future);
		say(r, "%s is of %s, a time to come: is the clock right?",
		    source_text(s->future), time_text(s->future->this_update, when));
	} else if (f->n_sources > 0) {
		r->verdict = SST_VERDICT_ERROR;
		copy(r->why, "it names sources, and none has been heard");
	} else {
		r->verdict = SST_VERDICT_NO_SOURCE;
		r->until = f->not_after;
		copy(r->why, "it names no source, and none was given");
	}
}

static void
rule(const struct scales *s, struct sst_revocation_result *r)
{
	if (s->block != NULL) {
		rule_revoked(s, s->block, r);
	} else if (s->allow != NULL) {
		rule_good(s, r);
	} else if (s->revoked != NULL) {
		rule_revoked(s, s->revoked, r);
	} else if (s->hold != NULL && s->good == NULL) {
		rule_revoked(s, s->hold, r);
	} else if (rule_exempt(s, r)) {
		return;
	} else if (s->good != NULL) {
		rule_good(s, r);
	} else if (s->unknown != NULL) {
		take(r, SST_VERDICT_UNKNOWN, s->unknown);
		r->until = s->unknown->until;
		say(r, "%s says that its issuer does not know it", source_text(s->unknown));
	} else if (s->stale != NULL) {
		rule_stale(s, r);
	} else {
		rule_nothing(s, r);
	}
}

static void
decide(const struct scales *s, struct sst_revocation_result *r)
{
	if (sst_policy_mode(s->c) == SST_REVOCATION_OFF) {
		r->accepted = 1;
		return;
	}
	r->accepted = sst_policy_accepts(s->c, r->verdict, s->unknown != NULL);
	if (r->accepted && (r->verdict == SST_VERDICT_ERROR ||
	    r->verdict == SST_VERDICT_STALE || r->verdict == SST_VERDICT_UNKNOWN))
		say(r, "; the policy lets it pass");
	if (!r->accepted && r->verdict != SST_VERDICT_REVOKED && s->unknown == NULL)
		say(r, "; the policy wants to know");
	if (r->verdict == SST_VERDICT_REVOKED || s->allow != NULL ||
	    !sst_policy_wants_staple(s->c) || s->staple != NULL)
		return;
	r->accepted = 0;
	r->why[0] = '\0';
	say(r, "%s, and no staple that is valid came with it", s->c->must_staple ?
	    "it must be stapled (RFC 7633)" : "the policy wants a staple");
	if (s->fault != NULL && s->fault->source == SST_SOURCE_STAPLE)
		say(r, "; %s: %s", sst_fault_name(s->fault->fault), s->fault->text);
}

void
sst_verdict_of(const struct sst_case *c, const struct sst_evidence *list, size_t n,
    struct sst_revocation_result *ret)
{
	struct scales s = { .c = c, .unknown_at = INT64_MIN };

	memset(ret, 0, sizeof(*ret));
	ret->reason = -1;
	sst_limits_of(c->policy, &s.limits);
	weigh_all(&s, list, n);
	rule(&s, ret);
	/* what is not settled is due again at once */
	if (ret->until == 0)
		ret->until = c->now;
	decide(&s, ret);
}
