/* SPDX-License-Identifier: ISC */
/*
 * crl_scope - see crl.h: whether a list speaks for a certificate (RFC 5280 6.3.3).
 *
 * A wrong "yes" makes a good of a revoked certificate whose serial is on another
 * shard, so in doubt it is "no".
 */
#include <string.h>

#include "crl_list.h"

/* Names that are looked at on either side: both come from who may be hostile. */
#define NAMES_MAX	32

/* The names of a DistributionPointName or GeneralNames, one at a time. */
struct names {
	struct sst_der	 in;
	int		 left;
	uint8_t		 full[SST_CRL_SCOPE_MAX];	/* of a relative name */
	size_t		 full_len;
};

struct name {
	uint8_t		 tag;
	const uint8_t	*p;
	size_t		 len;
};

/* Writes tag and length. Returns the octets used: 2 to 4. */
static size_t
head_put(uint8_t *p, uint8_t tag, size_t len)
{
	size_t n = 0;

	p[n++] = tag;
	if (len >= 0x100) {
		p[n++] = 0x82;
		p[n++] = (uint8_t)(len >> 8);
	} else if (len >= 0x80) {
		p[n++] = 0x81;
	}
	p[n++] = (uint8_t)len;
	return n;
}

/* nameRelativeToCRLIssuer: the issuer's name with one more RDN at its end. */
static int
relative_resolve(struct names *n, const struct sst_der_item *rdn,
    const struct sst_cert_facts *facts)
{
	struct sst_der_item dn;
	struct sst_der in;
	uint8_t set[4];
	size_t set_len, all;

	sst_der_init(&in, facts->issuer_dn, facts->issuer_dn_len);
	if (sst_der_expect(&in, SST_DER_SEQUENCE, &dn) < 0 ||
	    dn.len > sizeof(n->full) || rdn->len > sizeof(n->full))
		return 0;
	set_len = head_put(set, SST_DER_SET, rdn->len);
	all = dn.len + set_len + rdn->len;
	if (all + 4 > sizeof(n->full))
		return 0;
	n->full_len = head_put(n->full, SST_DER_SEQUENCE, all);
	memcpy(n->full + n->full_len, dn.content, dn.len);
	n->full_len += dn.len;
	memcpy(n->full + n->full_len, set, set_len);
	n->full_len += set_len;
	memcpy(n->full + n->full_len, rdn->content, rdn->len);
	n->full_len += rdn->len;
	return 1;
}

/* `der`: fullName [0], nameRelativeToCRLIssuer [1], or GeneralNames under any other
 * tag. 1, or 0: not to be resolved. */
static int
names_begin(struct names *n, const uint8_t *der, size_t len, const struct sst_cert_facts *facts)
{
	struct sst_der_item item;
	struct sst_der in;

	n->left = NAMES_MAX;
	n->full_len = 0;
	sst_der_init(&in, der, len);
	if (sst_der_next(&in, &item) < 0 || !sst_der_done(&in))
		return 0;
	sst_der_into(&n->in, &item);
	return item.tag != SST_DER_EXPLICIT(1) || relative_resolve(n, &item, facts);
}

static int
names_next(struct names *n, struct name *ret)
{
	struct sst_der_item item, dn;
	struct sst_der in;

	if (n->left-- <= 0)
		return 0;
	if (n->full_len != 0) {
		*ret = (struct name){ SST_DER_EXPLICIT(4), n->full, n->full_len };
		n->left = 0;
		return 1;
	}
	if (sst_der_next(&n->in, &item) < 0)
		return 0;
	*ret = (struct name){ item.tag, item.content, item.len };
	if (item.tag != SST_DER_EXPLICIT(4))
		return 1;
	sst_der_into(&in, &item);
	if (sst_der_expect(&in, SST_DER_SEQUENCE, &dn) < 0)
		return 0;
	ret->p = dn.whole;
	ret->len = dn.whole_len;
	return 1;
}

static int
name_equal(const struct name *a, const struct name *b)
{
	if (a->tag != b->tag)
		return 0;
	if (a->tag == SST_DER_EXPLICIT(4))
		return sst_name_equal(a->p, a->len, b->p, b->len);
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* Whether one of the names of `idp` is one of those of `der`. */
static int
names_meet(const struct names *idp, const uint8_t *der, size_t len,
    const struct sst_cert_facts *facts)
{
	struct names ours = *idp, theirs, from;
	struct name a, b;

	if (der == NULL || !names_begin(&from, der, len, facts))
		return 0;
	while (names_next(&ours, &a)) {
		theirs = from;
		while (names_next(&theirs, &b))
			if (name_equal(&a, &b))
				return 1;
	}
	return 0;
}

/* The IDP's distribution point name. 1; 0: it has none; < 0: cannot be read. */
static int
idp_names(const struct sst_crl_head *h, const struct sst_cert_facts *facts, struct names *ret)
{
	struct sst_der in, idp, point;
	int rc;

	if (!h->has_idp)
		return 0;
	sst_der_init(&in, h->idp, h->idp_len);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, &idp) < 0)
		return SST_E_MALFORMED;
	rc = sst_der_maybe_enter(&idp, SST_DER_EXPLICIT(0), &point);
	if (rc <= 0)
		return rc;
	return names_begin(ret, point.p, (size_t)(point.end - point.p), facts) ? 1 :
	    SST_E_MALFORMED;
}

/* A certificate without distribution points is taken to have one that is called
 * as its issuer is (6.3.3, last paragraph). */
static int
issuer_meets(const struct names *idp, const struct sst_cert_facts *facts)
{
	const struct name issuer = { SST_DER_EXPLICIT(4), facts->issuer_dn,
		facts->issuer_dn_len };
	struct names ours = *idp;
	struct name a;

	while (names_next(&ours, &a))
		if (name_equal(&a, &issuer))
			return 1;
	return names_meet(idp, facts->issuer_alt, facts->issuer_alt_len, facts);
}

/* A cRLIssuer that is the issuer itself is no other. */
static int
point_is_direct(const struct sst_crl_point *dp, const struct sst_cert_facts *facts)
{
	struct sst_der_item names;
	struct sst_der in;

	if (!dp->has_crl_issuer)
		return 1;
	sst_der_init(&in, dp->crl_issuer, dp->crl_issuer_len);
	return sst_der_next(&in, &names) == SST_OK &&
	    sst_names_have(names.content, names.len, facts->issuer_dn, facts->issuer_dn_len);
}

/* The reasons of the points that the list's name is at (6.3.3 b, d). */
static uint32_t
points_reasons(const struct names *idp, const struct sst_cert_facts *facts)
{
	const struct sst_crl_point *dp;
	uint32_t reasons = 0;

	for (unsigned i = 0; i < facts->n_dps; i++) {
		dp = &facts->dp[i];
		if (!point_is_direct(dp, facts))
			continue;
		if (dp->name != NULL ? names_meet(idp, dp->name, dp->name_len, facts) :
		    names_meet(idp, dp->crl_issuer, dp->crl_issuer_len, facts))
			reasons |= dp->reasons;
	}
	return reasons;
}

enum sst_crl_scope
sst_crl_scope(const struct sst_crl_head *h, const struct sst_cert_facts *facts,
    uint32_t *ret_covered, const char **ret_why)
{
	struct names names;
	uint32_t reasons;
	int rc;

	*ret_covered = 0;
	*ret_why = "is of another issuer";
	if (memcmp(&h->issuer, &facts->key.issuer, sizeof(h->issuer)) != 0)
		return SST_SCOPE_OUT;
	*ret_why = "is for attribute certificates only";
	if (h->only_attribute)
		return SST_SCOPE_OUT;
	*ret_why = "is for CA certificates only";
	if (h->only_ca && !facts->is_ca)
		return SST_SCOPE_OUT;
	*ret_why = "is for end-entity certificates only";
	if (h->only_user && facts->is_ca)
		return SST_SCOPE_OUT;
	rc = idp_names(h, facts, &names);
	*ret_why = "is for a distribution point that cannot be read";
	if (rc < 0)
		return SST_SCOPE_OUT;
	*ret_why = "is for a distribution point that the certificate does not name";
	if (rc == 0)
		reasons = SST_REASONS_ALL;
	else if (facts->has_dp)
		reasons = points_reasons(&names, facts);
	else
		reasons = issuer_meets(&names, facts) ? SST_REASONS_ALL : 0;
	if (reasons == 0)
		return SST_SCOPE_OUT;
	*ret_covered = reasons & h->reasons;
	*ret_why = "is for some reasons only";
	if (*ret_covered == 0)
		return SST_SCOPE_OUT;
	if (*ret_covered != SST_REASONS_ALL)
		return SST_SCOPE_SOME;
	*ret_why = "is in scope";
	return SST_SCOPE_FULL;
}
