/* SPDX-License-Identifier: ISC */
/*
 * check_given - evidence that came along with a chain: staples, responses, lists.
 *
 * A staple is about one certificate; a response or a list may be about any of the
 * chain. It goes to those that it speaks about. When it speaks about none, what is
 * wrong with it is a reason of the certificate that came nearest, or the leaf's.
 *
 * Delegates and separate keys for lists have certificates too, and a list that is
 * given may revoke those: whatever came first, their word does not count then.
 */
#include "check_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/ossl.h"
#include "crl.h"
#include "given.h"
#include "response.h"

static struct sst_signer *
signer_find(struct sst_check *k, const struct sst_cert_key *key)
{
	for (size_t i = 0; i < k->n_signers; i++)
		if (sst_cert_key_cmp(&k->signers[i].key, key) == 0)
			return &k->signers[i];
	return NULL;
}

/* NULL: out of memory. */
static struct sst_signer *
signer_met(struct sst_check *k, const struct sst_cert_key *key)
{
	struct sst_signer *s = signer_find(k, key), *more;

	if (s != NULL)
		return s;
	more = realloc(k->signers, (k->n_signers + 1) * sizeof(*more));
	if (more == NULL)
		return NULL;
	k->signers = more;
	s = &more[k->n_signers++];
	memset(s, 0, sizeof(*s));
	s->key = *key;
	return s;
}

/* The judges ask about each delegate, and each key for lists alone. */
static int
signer_revoked(void *arg, const struct sst_cert_key *key)
{
	struct sst_check *k = arg;
	struct sst_signer *s = signer_met(k, key);

	if (s == NULL)
		sst_ossl_starve();	/* nobody knows: what it signed is no evidence */
	if (s == NULL || s->revoked)
		return 1;
	return k->policy.use_cache != SST_SWITCH_OFF &&
	    sst_checker_revoked(k->checker, key, sst_check_time(k));
}

/* Those that may have signed a list, before any list is looked at. */
static int
signers_meet(struct sst_check *k, struct sst_error *err)
{
	const struct sst_cert_facts *facts;
	struct sst_signer *s = NULL;
	int rc;

	for (int i = 0; k->others != NULL && i < sk_X509_num(k->others); i++)
		for (int j = 1; j < k->n_chain; j++) {
			rc = sst_facts_of(sk_X509_value(k->others, i), k->chain[j], &facts,
			    NULL);
			if (rc == SST_OK)
				s = signer_met(k, &facts->key);
			if (rc == SST_E_NOMEM || (rc == SST_OK && s == NULL))
				return sst_fail(err, SST_E_NOMEM, "out of memory");
			if (rc == SST_OK)
				memcpy(s->sha256, facts->sha256, sizeof(s->sha256));
		}
	return SST_OK;
}

/* What a signer said that turned out to be revoked was said by nobody. */
static void
take_back(struct sst_check *k, const struct sst_signer *s)
{
	static const uint8_t zero[32];

	if (memcmp(s->sha256, zero, sizeof(zero)) == 0)
		return;
	for (int i = 0; i < k->n_links; i++)
		for (size_t j = 0; j < k->links[i].n_own; j++) {
			struct sst_evidence *e = &k->links[i].own[j];

			if (memcmp(e->signer, s->sha256, sizeof(zero)) != 0)
				continue;
			e->status = SST_EV_ERROR;
			e->fault = SST_FAULT_SIGNER;
			e->partial = 0;
			e->covered = 0;
			(void)snprintf(e->text, sizeof(e->text), "who signed it is revoked");
		}
}

/* What a verified list says of signers. */
static void
signers_look_up(struct sst_check *k, const struct sst_crl *crl)
{
	const struct sst_crl_head *head = sst_crl_head(crl);
	struct sst_crl_entry entry;

	for (size_t i = 0; i < k->n_signers; i++) {
		struct sst_signer *s = &k->signers[i];

		if (s->revoked || head->indirect || head->is_delta ||
		    memcmp(&s->key.issuer, &head->issuer, sizeof(head->issuer)) != 0 ||
		    sst_crl_find(crl, &s->key, &entry) != 1)
			continue;
		s->revoked = 1;
		take_back(k, s);
	}
}

/* The certificate of the signer who was met last, now that it is known. */
static void
signer_name(struct sst_check *k, size_t before, const struct sst_evidence *e)
{
	if (e->status != SST_EV_ERROR && k->n_signers == before + 1)
		memcpy(k->signers[before].sha256, e->signer, sizeof(e->signer));
}

static void
judge_response(struct sst_check *k, int depth, enum sst_evidence_source source,
    const void *der, size_t len, struct sst_evidence *ret)
{
	const struct sst_response_ask ask = { .cert = k->links[depth].facts,
	    .issuer = k->chain[depth + 1], .now = sst_check_time(k), .source = source,
	    .limits = &k->limits, .arg = k, .delegate_revoked = signer_revoked };
	const size_t before = k->n_signers;

	sst_response_judge(der, len, &ask, ret);
	signer_name(k, before, ret);
}

static int
is_signed(const struct sst_evidence *e)
{
	return e->status == SST_EV_GOOD || e->status == SST_EV_REVOKED ||
	    e->status == SST_EV_UNKNOWN;
}

/* Most handshakes bring what the last one brought: then nothing is written. */
static int
is_known(struct sst_link *l, const struct sst_evidence *e, int64_t now)
{
	struct sst_evidence list[SST_KNOWN_MAX];
	int n = sst_checker_known(l->check->checker, l->facts, now, &l->check->limits, list,
	    SST_KNOWN_MAX);

	for (int i = 0; i < n; i++)
		if (list[i].status == e->status && list[i].this_update == e->this_update &&
		    list[i].until == e->until && list[i].level >= e->level &&
		    list[i].source != SST_SOURCE_CRL)
			return 1;
	return 0;
}

static void
keep(struct sst_link *l, const struct sst_evidence *e, const void *der, size_t len)
{
	struct sst_check *k = l->check;
	const int64_t now = sst_check_time(k);

	if (k->policy.use_cache == SST_SWITCH_OFF || !is_signed(e) || is_known(l, e, now))
		return;
	/* Older than what is known: verdict.c sees both. And the time that somebody
	 * judges as of is none that the cache may take for the clock's. */
	(void)sst_checker_keep(k->checker, l->facts, e, der, len,
	    sst_checker_now(k->checker), NULL);
}

int
sst_check_staple(struct sst_check *k, int depth, const void *der, size_t len,
    struct sst_error *err)
{
	struct sst_evidence e;
	int rc;

	if (depth < 0 || depth >= k->n_chain - 1)
		return sst_fail(err, SST_E_USAGE, "no certificate %d is judged", depth);
	if (sst_check_is_off(k) || k->links[depth].facts == NULL ||
	    k->policy.use_staples == SST_SWITCH_OFF)
		return SST_OK;
	rc = sst_checker_ready(k->checker, err);
	if (rc < 0)
		return rc;
	judge_response(k, depth, SST_SOURCE_STAPLE, der, len, &e);
	if (e.fault == SST_FAULT_MEMORY)
		return sst_fail(err, SST_E_NOMEM, "out of memory for the judgement of a "
		    "staple");
	keep(&k->links[depth], &e, der, len);
	return sst_link_add(&k->links[depth], &e, 1, err);
}

/* Hands found[i] to link i: what speaks about it, or else what went wrong. */
static int
give(struct sst_check *k, const struct sst_evidence *found, struct sst_error *err)
{
	int spoke = 0, near = -1, rc = SST_OK;

	for (int i = 0; i < k->n_links; i++) {
		if (found[i].status != SST_EV_ERROR)
			spoke = 1;
		else if (near < 0 && found[i].fault != SST_FAULT_NO_MATCH)
			near = i;
	}
	if (near < 0)
		near = 0;
	for (int i = 0; rc == SST_OK && i < k->n_links; i++)
		if (k->links[i].facts != NULL &&
		    (spoke ? found[i].status != SST_EV_ERROR : i == near))
			rc = sst_link_add(&k->links[i], &found[i], 1, err);
	return rc;
}

/* One piece of evidence a link, all "no match". NULL: out of memory. */
static struct sst_evidence *
found_new(const struct sst_check *k, enum sst_evidence_source source)
{
	struct sst_evidence *found = calloc((size_t)k->n_links, sizeof(*found));

	for (int i = 0; found != NULL && i < k->n_links; i++) {
		found[i].source = source;
		found[i].status = SST_EV_ERROR;
		found[i].fault = SST_FAULT_NO_MATCH;
		found[i].reason = -1;
	}
	return found;
}

/* Something that came along. */
struct piece {
	enum sst_evidence_source source;
	const void	*der;
	size_t		 len;
	struct sst_given *given;	/* a list that is kept for others too; or NULL */
};

static int
list_open(const struct piece *p, const struct sst_crl_signers *signers, int64_t now,
    const struct sst_limits *limits, struct sst_crl **ret, enum sst_fault *ret_fault,
    struct sst_error *err)
{
	if (p->given != NULL)
		return sst_crl_open_given(p->given, signers, now, limits, ret, ret_fault,
		    err);
	return sst_crl_open(p->der, p->len, signers, now, limits, ret, ret_fault, err);
}

static void
judge_list(struct sst_check *k, int depth, const struct piece *p, struct sst_evidence *ret)
{
	const struct sst_crl_signers signers = { .issuer = k->chain[depth + 1],
	    .above = depth + 2 < k->n_chain ? k->chain[depth + 2] : NULL,
	    .others = k->others, .revoked = signer_revoked, .arg = k };
	const struct sst_cert_facts *facts = k->links[depth].facts;
	const int64_t now = sst_check_time(k);
	struct sst_error why = { .code = SST_OK };
	struct sst_crl_entry entry;
	struct sst_crl *crl = NULL;
	int found;

	if (list_open(p, &signers, now, &k->limits, &crl, &ret->fault, &why) < 0) {
		(void)snprintf(ret->text, sizeof(ret->text), "%.190s", why.text);
		return;
	}
	found = sst_crl_find(crl, &facts->key, &entry);
	sst_crl_evidence(sst_crl_head(crl), facts, found == 1 ? &entry : NULL, now, &k->limits,
	    ret);
	signers_look_up(k, crl);
	sst_crl_free(crl);
}

/* A response or a list about any certificate of the chain. */
static int
judge_each(struct sst_check *k, const struct piece *p, struct sst_error *err)
{
	struct sst_evidence *found;
	int rc;

	if (sst_check_is_off(k) || k->n_links == 0)
		return SST_OK;
	rc = sst_checker_ready(k->checker, err);
	if (rc < 0)
		return rc;
	if (p->source == SST_SOURCE_CRL)
		rc = signers_meet(k, err);
	if (rc < 0)
		return rc;
	found = found_new(k, p->source);
	if (found == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	for (int i = 0; i < k->n_links && rc == SST_OK; i++) {
		if (k->links[i].facts == NULL)
			continue;
		if (p->source == SST_SOURCE_CRL)
			judge_list(k, i, p, &found[i]);
		else
			judge_response(k, i, p->source, p->der, p->len, &found[i]);
		if (found[i].fault == SST_FAULT_MEMORY)
			rc = sst_fail(err, SST_E_NOMEM, "out of memory for the judgement "
			    "of a %s", p->source == SST_SOURCE_CRL ?
			    "revocation list" : "response");
	}
	if (rc == SST_OK)
		rc = give(k, found, err);
	free(found);
	return rc;
}

int
sst_check_response(struct sst_check *k, const void *der, size_t len, struct sst_error *err)
{
	const struct piece p = { .source = SST_SOURCE_OCSP, .der = der, .len = len };

	return judge_each(k, &p, err);
}

int
sst_check_crl(struct sst_check *k, const void *der, size_t len, struct sst_error *err)
{
	const struct piece p = { .source = SST_SOURCE_CRL, .der = der, .len = len };

	return judge_each(k, &p, err);
}

int
sst_check_given(struct sst_check *k, struct sst_given *given, struct sst_error *err)
{
	const struct piece p = { .source = SST_SOURCE_CRL, .given = given };

	return judge_each(k, &p, err);
}

int
sst_check_others(struct sst_check *k, struct stack_st_X509 *others, struct sst_error *err)
{
	if (k->others == NULL)
		k->others = sk_X509_new_null();
	if (k->others == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	for (int i = 0; others != NULL && i < sk_X509_num(others); i++) {
		X509 *x = sk_X509_value(others, i);

		if (!sk_X509_push(k->others, x))
			return sst_fail(err, SST_E_NOMEM, "out of memory");
		(void)X509_up_ref(x);
	}
	return SST_OK;
}
