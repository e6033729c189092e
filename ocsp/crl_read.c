/* SPDX-License-Identifier: ISC */
/*
 * crl_read - see crl_list.h.
 */
#include <string.h>

#include "crl_list.h"
#include "dertime.h"

/* id-ce is 2.5.29: the last octet tells which. */
#define CE_REASON		21
#define CE_NUMBER		20
#define CE_INVALIDITY		24
#define CE_DELTA		27
#define CE_IDP			28
#define CE_CERT_ISSUER		29

/* The n of id-ce-n, or 0 for any other. */
static int
ce_of(const struct sst_der_item *oid)
{
	return oid->len == 3 && oid->content[0] == 0x55 && oid->content[1] == 0x1d ?
	    oid->content[2] : 0;
}

static int
time_of(const struct sst_der_item *item, int64_t *ret)
{
	return sst_dertime_any(item->tag, item->content, item->len, ret);
}

/* What comes instead of a list, as a rule: said by name, for whoever reads it. */
static const char *
looks_like(const struct sst_crl *crl)
{
	if (crl->len >= 5 && memcmp(crl->bytes, "-----", 5) == 0)
		return "PEM, and DER is expected";
	if (crl->len >= 2 && crl->bytes[0] == 0x1f && crl->bytes[1] == 0x8b)
		return "compressed";
	if (crl->len >= 1 && crl->bytes[0] == '<')
		return "a web page";
	return "no CertificateList in DER, or cut off";
}

/* CertificateList ::= SEQUENCE { tbsCertList, AlgorithmIdentifier, BIT STRING } */
static int
outer_read(struct sst_crl *crl, struct sst_error *err)
{
	struct sst_der_item signature;
	struct sst_der in, list;

	sst_der_init(&in, crl->bytes, crl->len);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, &list) < 0 ||
	    sst_der_expect(&list, SST_DER_SEQUENCE, &crl->tbs) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "%zu bytes that are %s", crl->len, looks_like(crl));
	if (!sst_der_done(&in))
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "%zu bytes follow the CRL", (size_t)(in.end - in.p));
	if (sst_der_expect(&list, SST_DER_SEQUENCE, &crl->algorithm) < 0 ||
	    sst_der_expect(&list, SST_DER_BIT_STRING, &signature) < 0 ||
	    !sst_der_done(&list) ||
	    sst_der_octets(&signature, &crl->signature, &crl->signature_len) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's signature does not parse");
	return SST_OK;
}

/* TBSCertList up to and with its algorithm, which must be the outer one: the
 * outer is not signed (RFC 5280 5.1.1.2). */
static int
version_read(struct sst_crl *crl, struct sst_der *tbs, struct sst_error *err)
{
	struct sst_der_item item;
	int rc, version;

	rc = sst_der_maybe(tbs, SST_DER_INTEGER, &item);
	if (rc < 0 || (rc == 1 && (sst_der_small(&item, &version) < 0 || version != 1)))
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL is of an unknown version");
	crl->v2 = rc;
	if (sst_der_expect(tbs, SST_DER_SEQUENCE, &item) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err, "the CRL does not parse");
	if (item.whole_len != crl->algorithm.whole_len ||
	    memcmp(item.whole, crl->algorithm.whole, item.whole_len) != 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL names two different signature algorithms");
	crl->algorithm = item;
	return SST_OK;
}

static int
times_read(struct sst_crl *crl, struct sst_der *tbs, struct sst_error *err)
{
	struct sst_crl_head *h = &crl->head;
	struct sst_der_item item;
	int tag;

	if (sst_der_next(tbs, &item) < 0 || time_of(&item, &h->this_update) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's thisUpdate is no time");
	tag = sst_der_peek(tbs);
	if (tag != SST_DER_UTCTIME && tag != SST_DER_GENERALIZEDTIME)
		return SST_OK;
	if (sst_der_next(tbs, &item) < 0 || time_of(&item, &h->next_update) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's nextUpdate is no time");
	/* 0 means none, and no list needs that very second */
	if (h->next_update < h->this_update || h->next_update == 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's nextUpdate lies before its thisUpdate");
	return SST_OK;
}

/* Entries and extensions, both OPTIONAL, and neither may be there and empty. */
static int
rest_read(struct sst_crl *crl, struct sst_der *tbs, struct sst_error *err)
{
	struct sst_der outer;
	int has_entries, has_extensions;

	sst_der_init(&crl->entries, crl->bytes, 0);
	sst_der_init(&crl->extensions, crl->bytes, 0);
	has_entries = sst_der_maybe_enter(tbs, SST_DER_SEQUENCE, &crl->entries);
	has_extensions = has_entries < 0 ? -1 :
	    sst_der_maybe_enter(tbs, SST_DER_EXPLICIT(0), &outer);
	if (has_extensions < 0 || !sst_der_done(tbs))
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err, "the CRL does not parse");
	if (has_entries && sst_der_done(&crl->entries))
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL has an empty revokedCertificates");
	if (!has_extensions)
		return SST_OK;
	if (!crl->v2)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL is of version 1 and has extensions");
	if (sst_der_enter(&outer, SST_DER_SEQUENCE, &crl->extensions) < 0 ||
	    !sst_der_done(&outer) || sst_der_done(&crl->extensions))
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's extensions do not parse");
	return SST_OK;
}

int
sst_crl_read_frame(struct sst_crl *crl, struct sst_error *err)
{
	struct sst_der tbs;
	int rc;

	rc = outer_read(crl, err);
	if (rc < 0)
		return rc;
	sst_der_into(&tbs, &crl->tbs);
	rc = version_read(crl, &tbs, err);
	if (rc < 0)
		return rc;
	if (sst_der_expect(&tbs, SST_DER_SEQUENCE, &crl->name) < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "the CRL's issuer does not parse");
	rc = times_read(crl, &tbs, err);
	return rc < 0 ? rc : rest_read(crl, &tbs, err);
}

/* 1: *ret is the number. 0: negative, or beyond 20 octets (RFC 5280 5.2.3). < 0:
 * no INTEGER. */
static int
number_read(const struct sst_der_extension *ext, uint8_t ret[20])
{
	struct sst_der_item item;
	struct sst_der in;
	const uint8_t *p;
	size_t len;

	sst_der_init(&in, ext->value, ext->len);
	if (sst_der_expect(&in, SST_DER_INTEGER, &item) < 0 || !sst_der_done(&in) ||
	    sst_der_integer(&item) < 0)
		return SST_E_MALFORMED;
	p = item.content;
	len = item.len;
	if ((p[0] & 0x80) != 0)
		return 0;
	if (len > 1 && p[0] == 0) {
		p++;
		len--;
	}
	if (len > 20)
		return 0;
	memcpy(ret + 20 - len, p, len);
	return 1;
}

/* A DEFAULT FALSE that is written must say TRUE. */
static int
flag_read(struct sst_der *idp, int n, int *ret)
{
	struct sst_der_item item;
	int rc = sst_der_maybe(idp, (uint8_t)SST_DER_CONTEXT(n), &item);

	*ret = 0;
	if (rc <= 0)
		return rc;
	return sst_der_boolean(&item, ret) < 0 || !*ret ? SST_E_MALFORMED : SST_OK;
}

/* IssuingDistributionPoint (RFC 5280 5.2.5). Never empty, at most one "only". */
static int
idp_read(struct sst_crl_head *h, const struct sst_der_extension *ext)
{
	int user, ca, attribute, indirect, rc;
	struct sst_der_item item;
	struct sst_der in, idp;
	uint32_t bits;

	sst_der_init(&in, ext->value, ext->len);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, &idp) < 0 || !sst_der_done(&in) ||
	    sst_der_done(&idp))
		return SST_E_MALFORMED;
	rc = sst_der_maybe(&idp, SST_DER_EXPLICIT(0), &item);
	if (rc < 0 || flag_read(&idp, 1, &user) < 0 || flag_read(&idp, 2, &ca) < 0)
		return SST_E_MALFORMED;
	rc = sst_der_maybe(&idp, SST_DER_CONTEXT(3), &item);
	if (rc < 0 || (rc == 1 && sst_der_bits(&item, &bits) < 0))
		return SST_E_MALFORMED;
	h->reasons = rc == 1 ? bits & SST_REASONS_ALL : SST_REASONS_ALL;
	if (flag_read(&idp, 4, &indirect) < 0 || flag_read(&idp, 5, &attribute) < 0 ||
	    !sst_der_done(&idp) || user + ca + attribute > 1)
		return SST_E_MALFORMED;
	h->has_idp = 1;
	h->only_user = user != 0;
	h->only_ca = ca != 0;
	h->only_attribute = attribute != 0;
	h->indirect = indirect != 0;
	memcpy(h->idp, ext->value, ext->len);
	h->idp_len = ext->len;
	return SST_OK;
}

static int
extension_read(struct sst_crl *crl, const struct sst_der_extension *ext, struct sst_error *err)
{
	struct sst_crl_head *h = &crl->head;
	int rc;

	switch (ce_of(&ext->oid)) {
	case CE_NUMBER:
		rc = number_read(ext, h->number);
		if (rc < 0)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "the CRL's number does not parse");
		h->has_number = rc;
		if (rc == 0 || ext->critical)
			h->bad_critical = 1;
		return SST_OK;
	case CE_DELTA:
		if (number_read(ext, h->base) != 1)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "the delta CRL's base number does not parse");
		h->is_delta = 1;
		return SST_OK;
	case CE_IDP:
		if (ext->len > sizeof(h->idp))
			return sst_crl_fault(crl, SST_FAULT_SIZE, err,
			    "the CRL's issuing distribution point has %zu bytes, and "
			    "%d are the limit", ext->len, SST_CRL_SCOPE_MAX);
		if (idp_read(h, ext) < 0)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "the CRL's issuing distribution point does not parse");
		return SST_OK;
	default:
		if (ext->critical)
			h->bad_critical = 1;
		return SST_OK;
	}
}

int
sst_crl_read_extensions(struct sst_crl *crl, struct sst_error *err)
{
	struct sst_der in = crl->extensions;
	struct sst_der_extension ext;
	uint8_t seen[256] = { 0 };
	int rc;

	crl->head.reasons = SST_REASONS_ALL;
	while (!sst_der_done(&in)) {
		if (sst_der_extension(&in, &ext) < 0)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "an extension of the CRL does not parse");
		if (ce_of(&ext.oid) != 0 && seen[ce_of(&ext.oid)]++)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "the CRL has an extension twice");
		rc = extension_read(crl, &ext, err);
		if (rc < 0)
			return rc;
	}
	if (crl->v2 && !crl->head.has_number) {
		if (crl->head.is_delta)
			return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
			    "the delta CRL has no usable number");
		crl->head.bad_critical = 1;
	}
	return SST_OK;
}

/* A number that is not assigned is a reason all the same: unspecified. */
static int
reason_read(const struct sst_der_extension *ext, int *ret)
{
	struct sst_der_item item;
	struct sst_der in;
	int n;

	sst_der_init(&in, ext->value, ext->len);
	if (sst_der_expect(&in, SST_DER_ENUMERATED, &item) < 0 || !sst_der_done(&in) ||
	    item.len == 0)
		return SST_E_MALFORMED;
	if (sst_der_small(&item, &n) < 0 || n > 10 || n == 7)
		n = 0;
	*ret = n;
	return SST_OK;
}

static int
row_extensions(const struct sst_crl *crl, struct sst_der *in, struct sst_crl_walk *walk,
    struct sst_crl_row *row)
{
	struct sst_der_extension ext;
	struct sst_der names, value;

	if (!crl->v2 || sst_der_done(in))
		return SST_E_MALFORMED;
	while (!sst_der_done(in)) {
		if (sst_der_extension(in, &ext) < 0)
			return SST_E_MALFORMED;
		switch (ce_of(&ext.oid)) {
		case CE_REASON:
			if (reason_read(&ext, &row->entry.reason) < 0)
				return SST_E_MALFORMED;
			break;
		case CE_INVALIDITY:
			break;
		case CE_CERT_ISSUER:
			sst_der_init(&value, ext.value, ext.len);
			if (sst_der_enter(&value, SST_DER_SEQUENCE, &names) < 0 ||
			    !sst_der_done(&value))
				return SST_E_MALFORMED;
			walk->named = 1;
			walk->foreign = !sst_names_have(names.p, (size_t)(names.end - names.p),
			    crl->name.whole, crl->name.whole_len);
			break;
		default:
			row->bad_critical |= ext.critical;
		}
	}
	return SST_OK;
}

int
sst_crl_row(const struct sst_crl *crl, struct sst_crl_walk *walk, struct sst_crl_row *ret)
{
	struct sst_der_item serial, date;
	struct sst_der entry, extensions;
	int rc;

	if (sst_der_done(&walk->in))
		return 0;
	*ret = (struct sst_crl_row){ .entry.reason = -1 };
	/* a serial is taken as it is written, minimal or not: it is only compared */
	if (sst_der_enter(&walk->in, SST_DER_SEQUENCE, &entry) < 0 ||
	    sst_der_expect(&entry, SST_DER_INTEGER, &serial) < 0 || serial.len == 0 ||
	    sst_der_next(&entry, &date) < 0 || time_of(&date, &ret->entry.revoked_at) < 0)
		return SST_E_MALFORMED;
	ret->serial = serial.content;
	ret->serial_len = serial.len;
	if (!sst_der_done(&entry)) {
		rc = sst_der_enter(&entry, SST_DER_SEQUENCE, &extensions);
		if (rc == SST_OK)
			rc = row_extensions(crl, &extensions, walk, ret);
		if (rc < 0 || !sst_der_done(&entry))
			return SST_E_MALFORMED;
	}
	ret->foreign = walk->foreign;
	return 1;
}

/* removeFromCRL is the mildest, a hold the next. */
static int
severity(const struct sst_crl_entry *e)
{
	return e->reason == 8 ? 0 : e->reason == 6 ? 1 : 2;
}

void
sst_crl_entry_merge(struct sst_crl_entry *kept, const struct sst_crl_entry *other)
{
	if (severity(other) > severity(kept))
		*kept = *other;
}
