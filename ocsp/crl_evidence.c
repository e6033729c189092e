/* SPDX-License-Identifier: ISC */
/*
 * crl_evidence - see crl.h: what a list and an entry (or none) say about a
 * certificate, and which of two lists is the newer one.
 */
#include <stdio.h>
#include <string.h>

#include "crl_list.h"

#define REMOVE_FROM_CRL	8

enum sst_crl_order
sst_crl_order(const struct sst_crl_head *fresh, const struct sst_crl_head *kept)
{
	int by_number = 0;

	if (memcmp(fresh->sha256, kept->sha256, sizeof(fresh->sha256)) == 0)
		return SST_CRL_SAME;
	if (fresh->has_number && kept->has_number)
		by_number = memcmp(fresh->number, kept->number, sizeof(fresh->number));
	/* a higher number does not excuse an older list, nor the other way round */
	if (by_number < 0 || fresh->this_update < kept->this_update)
		return SST_CRL_OLDER;
	if (by_number > 0)
		return SST_CRL_NEWER;
	if (fresh->has_number && kept->has_number)
		return SST_CRL_TWIN;
	return fresh->this_update > kept->this_update ? SST_CRL_NEWER : SST_CRL_TWIN;
}

static void
revoked_set(const struct sst_crl_head *h, const struct sst_crl_entry *found,
    struct sst_evidence *ret)
{
	const char *name;

	ret->status = SST_EV_REVOKED;
	/* on a complete list it has no meaning but that the serial is listed */
	ret->reason = found->reason == REMOVE_FROM_CRL ? 0 : found->reason;
	ret->revoked_at = found->revoked_at;
	name = ret->reason < 0 ? "" : sst_reason_name(ret->reason);
	(void)snprintf(ret->text, sizeof(ret->text), "%s lists the certificate%s%s",
	    h->is_delta ? "the delta CRL" : "the CRL", *name != '\0' ? ": " : "", name);
}

/* Not listed: what that is worth. */
static void
unlisted_set(const struct sst_crl_head *h, const struct sst_cert_facts *facts,
    struct sst_evidence *ret)
{
	uint32_t covered;
	const char *why;
	enum sst_crl_scope scope = sst_crl_scope(h, facts, &covered, &why);

	ret->status = SST_EV_NOTHING;
	if (h->bad_critical) {
		ret->status = SST_EV_ERROR;
		ret->fault = SST_FAULT_MALFORMED;
		why = "has a critical extension that is not understood, or no CRL number "
		    "as it must be";
	} else if (h->is_delta) {
		why = "is a delta: it says what changed, and not what is good";
	} else if (h->indirect) {
		why = "is indirect: it speaks for several issuers";
	} else if (scope == SST_SCOPE_FULL) {
		ret->status = SST_EV_GOOD;
		ret->covered = covered;
		why = "does not list the certificate";
	} else if (scope == SST_SCOPE_SOME) {
		ret->covered = covered;
		ret->partial = 1;
		why = "does not list the certificate, for some reasons only";
	}
	(void)snprintf(ret->text, sizeof(ret->text), "the CRL %s", why);
}

/* What the limits of this check make of a life that other limits were put to. */
static int64_t
until_of(const struct sst_crl_head *h, const struct sst_limits *limits)
{
	int64_t cap = h->this_update + limits->crl_max_age, end = h->until;

	if (h->next_update == 0 && limits->crl_no_next < limits->crl_max_age)
		cap = h->this_update + limits->crl_no_next;
	return cap < end ? cap : end;
}

void
sst_crl_evidence(const struct sst_crl_head *h, const struct sst_cert_facts *facts,
    const struct sst_crl_entry *found, int64_t now, const struct sst_limits *limits,
    struct sst_evidence *ret)
{
	int64_t skew = limits->skew;

	memset(ret, 0, sizeof(*ret));
	ret->source = SST_SOURCE_CRL;
	ret->reason = -1;
	ret->level = h->level;
	ret->this_update = h->this_update;
	ret->next_update = h->next_update;
	ret->until = until_of(h, limits);
	memcpy(ret->signer, h->signer, sizeof(ret->signer));
	/* a signer may have ended before his list began */
	if (skew > (ret->until - h->this_update) / 4)
		skew = ret->until < h->this_update ? 0 : (ret->until - h->this_update) / 4;
	if (memcmp(&h->issuer, &facts->key.issuer, sizeof(h->issuer)) != 0) {
		ret->status = SST_EV_ERROR;
		ret->fault = SST_FAULT_NO_MATCH;
		(void)snprintf(ret->text, sizeof(ret->text), "the CRL is of another issuer");
	} else if (found != NULL && !(h->is_delta && found->reason == REMOVE_FROM_CRL)) {
		revoked_set(h, found, ret);
	} else if (h->this_update - skew > now) {
		ret->status = SST_EV_ERROR;
		ret->fault = SST_FAULT_CLOCK;
		(void)snprintf(ret->text, sizeof(ret->text),
		    "the CRL's thisUpdate lies in the future");
	} else {
		unlisted_set(h, facts, ret);
	}
}
