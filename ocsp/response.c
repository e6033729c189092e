/* SPDX-License-Identifier: ISC */
/*
 * response - see response.h.
 *
 *	basic.c (parts) --> certid.c (is it ours?) --> responder.c (may he?) --> evidence
 *
 * What is cheap comes first: a signature is verified only over answers about the
 * certificate. Revoked is believed although its times lie in the future or it
 * answers another nonce: a wrong clock must not turn it into a mere error, which a
 * soft policy would let pass.
 */
#include "response.h"

#include <stdio.h>
#include <string.h>

#include "base/ossl.h"
#include "certid.h"
#include "responder.h"

#define REASON_HOLD	6	/* certificateHold */
#define OTHERS_MAX	64	/* certificates beside the one that was asked about */

struct judging {
	const struct sst_response_ask *ask;
	struct sst_basic basic;
	struct sst_certid id;
	struct sst_responder responder;
};

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
evidence_begin(const struct sst_response_ask *ask, struct sst_evidence *ev)
{
	*ev = (struct sst_evidence){ .source = ask->source, .status = SST_EV_ERROR,
	    .reason = -1, .level = ask->limits->security_level - SST_LEVEL_DEFAULT };
}

static void
evidence_fault(struct sst_evidence *ev, enum sst_fault fault, const char *text)
{
	ev->status = SST_EV_ERROR;
	ev->fault = fault;
	ev->covered = 0;
	(void)snprintf(ev->text, sizeof(ev->text), "%.*s", (int)sizeof(ev->text) - 1, text);
}

/* What keeps a GOOD or UNKNOWN from being believed now. */
static enum sst_fault
moment_wrong(const struct judging *j, const struct sst_single *s, const char **ret_why)
{
	const struct sst_response_ask *ask = j->ask;
	const struct sst_basic *b = &j->basic;
	int64_t latest = ask->now + ask->limits->skew;

	if (s->this_update > latest || b->produced_at > latest) {
		*ret_why = "the OCSP response is from the future: its clock or ours is wrong";
		return SST_FAULT_CLOCK;
	}
	if (b->produced_at < s->this_update) {
		*ret_why = "the OCSP response was produced before its thisUpdate";
		return SST_FAULT_CLOCK;
	}
	if (ask->nonce == NULL || (b->nonce == NULL && !ask->nonce_required))
		return SST_FAULT_NONE;
	if (b->nonce == NULL) {
		*ret_why = "the OCSP response has no nonce, and one is required";
		return SST_FAULT_REPLAY;
	}
	if (b->nonce_len != ask->nonce_len ||
	    memcmp(b->nonce, ask->nonce, ask->nonce_len) != 0) {
		*ret_why = "the OCSP response answers another nonce: it may be a replay";
		return SST_FAULT_REPLAY;
	}
	return SST_FAULT_NONE;
}

/* One answer as evidence. */
static void
evidence_of(const struct judging *j, const struct sst_single *s, struct sst_evidence *ev)
{
	const struct sst_limits *l = j->ask->limits;
	const char *why = NULL;
	char text[128];
	enum sst_fault fault = SST_FAULT_NONE;

	evidence_begin(j->ask, ev);
	ev->status = s->status;
	ev->this_update = s->this_update;
	ev->next_update = s->next_update;
	ev->produced_at = j->basic.produced_at;
	memcpy(ev->signer, j->responder.sha256, sizeof(ev->signer));
	ev->until = s->next_update != 0 ? s->next_update : s->this_update + l->ocsp_no_next;
	ev->until = least(ev->until, s->this_update + l->ocsp_max_age);
	ev->until = least(ev->until, j->responder.not_after);
	if (ev->until < 1)
		ev->until = 1;	/* 0 would be "none" */
	if (s->wrong != NULL) {
		(void)snprintf(text, sizeof(text), "the OCSP response's %s", s->wrong);
		evidence_fault(ev, SST_FAULT_MALFORMED, text);
		return;
	}
	if (s->status == SST_EV_REVOKED) {
		ev->reason = s->reason;
		ev->revoked_at = s->revoked_at;
		ev->not_issued = j->basic.extended_revoke && s->reason == REASON_HOLD &&
		    s->revoked_at == 0;
		return;
	}
	fault = moment_wrong(j, s, &why);
	if (fault != SST_FAULT_NONE)
		evidence_fault(ev, fault, why);
	else if (s->status == SST_EV_GOOD)
		ev->covered = SST_REASONS_ALL;
}

/* Greater is stricter. An answer that cannot be used beats GOOD: somebody signed
 * something about this certificate that is not understood. */
static int
strictness(const struct sst_evidence *ev)
{
	switch (ev->status) {
	case SST_EV_REVOKED:
		return ev->not_issued ? 5 : ev->reason == REASON_HOLD ? 4 : 6;
	case SST_EV_UNKNOWN:
		return 3;
	case SST_EV_ERROR:
		return 2;
	default:
		return 1;
	}
}

static int
is_stricter(const struct sst_evidence *a, const struct sst_evidence *b)
{
	if (strictness(a) != strictness(b))
		return strictness(a) > strictness(b);
	if (a->this_update != b->this_update)
		return a->this_update > b->this_update;
	if (a->until != b->until)
		return a->until < b->until;
	return a->fault > b->fault;
}

/* The strictest of all answers about `serial`. */
static void
strictest(struct judging *j, const uint8_t *serial, size_t len, struct sst_evidence *ret)
{
	struct sst_der singles = j->basic.singles;
	struct sst_evidence ev;
	struct sst_single s;
	int found = 0;

	while (sst_single_next(&singles, &s) == 1) {
		if (!sst_certid_serial(&s, serial, len) || sst_certid_of_issuer(&j->id, &s) != 1)
			continue;
		evidence_of(j, &s, &ev);
		if (!found || is_stricter(&ev, ret))
			*ret = ev;
		found = 1;
	}
}

/* Whether any answer is about the certificate; all of them must parse. */
static enum sst_fault
find_ours(struct judging *j, struct sst_error *err)
{
	const struct sst_cert_key *key = &j->ask->cert->key;
	struct sst_der singles = j->basic.singles;
	int rc, match, ours = 0, odd = 0;
	struct sst_single s;

	while ((rc = sst_single_next(&singles, &s)) == 1) {
		/* asked of all: what follows finds the hashes made and cannot fail */
		match = sst_certid_of_issuer(&j->id, &s);
		if (match == SST_E_NOMEM) {
			(void)sst_fail(err, match, "out of memory");
			return SST_FAULT_MEMORY;
		}
		if (!sst_certid_serial(&s, key->serial, key->serial_len))
			continue;
		ours += match == 1;
		odd += match == SST_E_UNSUPPORTED;
	}
	if (rc < 0) {
		(void)sst_fail(err, rc, "an answer in the OCSP response does not parse");
		return SST_FAULT_MALFORMED;
	}
	if (ours > 0)
		return SST_FAULT_NONE;
	(void)sst_fail(err, SST_E_MISMATCH, odd > 0 ? "the OCSP response names the certificate "
	    "by a hash algorithm that is not accepted" :
	    "the OCSP response is not about this certificate");
	return odd > 0 ? SST_FAULT_ALGORITHM : SST_FAULT_NO_MATCH;
}

static enum sst_fault
parts_read(const void *der, size_t len, const struct sst_response_ask *ask, struct judging *j,
    struct sst_error *err)
{
	j->ask = ask;
	sst_certid_init(&j->id, ask->cert, ask->issuer);
	if (len > ask->limits->ocsp_size) {
		(void)sst_fail(err, SST_E_LIMIT,
		    "the OCSP response has %zu octets, more than %zu", len,
		    ask->limits->ocsp_size);
		return SST_FAULT_SIZE;
	}
	return sst_basic_read(der, len, &j->basic, err);
}

static void
judge_once(const void *der, size_t len, const struct sst_response_ask *ask,
    struct sst_evidence *ret)
{
	struct sst_error err = { .code = SST_OK };
	struct judging j = { .ask = ask };
	enum sst_fault fault;

	(void)sst_ossl_starved();
	fault = parts_read(der, len, ask, &j, &err);
	if (fault == SST_FAULT_NONE)
		fault = find_ours(&j, &err);
	if (fault == SST_FAULT_NONE)
		fault = sst_responder_find(&j.basic, ask, &j.responder, &err);
	evidence_begin(ask, ret);
	if (sst_ossl_starved() && fault != SST_FAULT_NONE) {
		evidence_fault(ret, SST_FAULT_MEMORY, "out of memory");
		return;
	}
	if (fault != SST_FAULT_NONE) {
		evidence_fault(ret, fault, err.text);
		return;
	}
	strictest(&j, ask->cert->key.serial, ask->cert->key.serial_len, ret);
}

/* libcrypto often fails for want of memory without a word, and that must not look like
 * a forgery: who lets forgeries pass would let pass what is revoked. So what is wrong
 * is wrong twice. */
void
sst_response_judge(const void *der, size_t len, const struct sst_response_ask *ask,
    struct sst_evidence *ret)
{
	judge_once(der, len, ask, ret);
	if (ret->status == SST_EV_ERROR && ret->fault != SST_FAULT_MEMORY)
		judge_once(der, len, ask, ret);
}

/* Whether an answer before `end` has the same serial: then it was told already. */
static int
told_before(struct judging *j, const uint8_t *end, const struct sst_cert_key *key)
{
	struct sst_der singles = j->basic.singles;
	struct sst_single s;

	while (singles.p < end && sst_single_next(&singles, &s) == 1)
		if (sst_certid_serial(&s, key->serial, key->serial_len) &&
		    sst_certid_of_issuer(&j->id, &s) == 1)
			return 1;
	return 0;
}

int
sst_response_others(const void *der, size_t len, const struct sst_response_ask *ask,
    int (*each)(void *arg, const struct sst_cert_key *, const struct sst_evidence *),
    void *arg)
{
	struct sst_cert_key key = ask->cert->key;
	struct judging j = { .ask = ask };
	struct sst_evidence ev;
	struct sst_der singles;
	struct sst_single s;
	const uint8_t *at;
	int rc = 0, n = 0;

	if (parts_read(der, len, ask, &j, NULL) != SST_FAULT_NONE)
		return 0;
	singles = j.basic.singles;
	if (sst_single_next(&singles, &s) != 1 || sst_der_done(&singles) ||
	    find_ours(&j, NULL) != SST_FAULT_NONE ||
	    sst_responder_find(&j.basic, ask, &j.responder, NULL) != SST_FAULT_NONE)
		return 0;	/* nothing else in it, or nothing to go by */
	singles = j.basic.singles;
	for (at = singles.p; rc == 0 && n < OTHERS_MAX && sst_single_next(&singles, &s) == 1;
	    at = singles.p) {
		if (s.serial_len > SST_SERIAL_MAX || sst_certid_serial(&s,
		    ask->cert->key.serial, ask->cert->key.serial_len) ||
		    sst_certid_of_issuer(&j.id, &s) != 1)
			continue;
		memcpy(key.serial, s.serial, s.serial_len);
		key.serial_len = (uint8_t)s.serial_len;
		if (told_before(&j, at, &key))
			continue;
		evidence_begin(ask, &ev);
		strictest(&j, key.serial, key.serial_len, &ev);
		rc = each(arg, &key, &ev);
		n++;
	}
	return rc;
}
