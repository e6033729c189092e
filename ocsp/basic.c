/* SPDX-License-Identifier: ISC */
/*
 * basic - see basic.h.
 */
#include "basic.h"

#include "base/fail.h"
#include "dertime.h"

#define NONCE_MAX	128	/* RFC 9654 2.1 */

static const uint8_t oid_basic[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 1 };
static const uint8_t oid_nonce[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 2 };
static const uint8_t oid_crl_references[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 3 };
static const uint8_t oid_archive_cutoff[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 6 };
static const uint8_t oid_extended_revoke[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1, 9 };
static const uint8_t oid_sct_list[] = { 0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 5 };

static enum sst_fault
malformed(struct sst_error *err, const char *what)
{
	(void)sst_fail(err, SST_E_MALFORMED, "the OCSP response's %s", what);
	return SST_FAULT_MALFORMED;
}

static enum sst_fault
status_read(struct sst_der *in, struct sst_error *err)
{
	static const struct {
		enum sst_fault fault;
		const char *name;
	} statuses[] = {
		{ SST_FAULT_NONE, "successful" },
		{ SST_FAULT_RESPONDER, "malformedRequest" },
		{ SST_FAULT_RESPONDER, "internalError" },
		{ SST_FAULT_TRY_LATER, "tryLater" },
		{ SST_FAULT_MALFORMED, "4, which is not assigned" },
		{ SST_FAULT_RESPONDER, "sigRequired" },
		{ SST_FAULT_UNAUTHORIZED, "unauthorized" },
	};
	struct sst_der_item item;
	int status;

	if (sst_der_expect(in, SST_DER_ENUMERATED, &item) < 0 ||
	    sst_der_small(&item, &status) < 0 ||
	    status >= (int)(sizeof(statuses) / sizeof(statuses[0])))
		return malformed(err, "status does not parse");
	if (status != 0)
		(void)sst_fail(err, SST_E_REFUSED, "the responder answered %s",
		    statuses[status].name);
	return statuses[status].fault;
}

/* OCSPResponse, as far as the BasicOCSPResponse inside. */
static enum sst_fault
envelope_read(const void *bytes, size_t len, struct sst_der *ret_basic, struct sst_error *err)
{
	struct sst_der in, outer, tagged, body;
	struct sst_der_item type, content;
	enum sst_fault fault;

	sst_der_init(&in, bytes, len);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, &outer) < 0 || !sst_der_done(&in))
		return malformed(err, "outer form is not DER, or something follows it");
	fault = status_read(&outer, err);
	if (fault != SST_FAULT_NONE)
		return fault;
	if (sst_der_enter(&outer, SST_DER_EXPLICIT(0), &tagged) < 0 || !sst_der_done(&outer) ||
	    sst_der_enter(&tagged, SST_DER_SEQUENCE, &body) < 0 || !sst_der_done(&tagged))
		return malformed(err, "status is successful, and there are no proper bytes");
	if (sst_der_expect(&body, SST_DER_OID, &type) < 0 ||
	    sst_der_expect(&body, SST_DER_OCTET_STRING, &content) < 0 || !sst_der_done(&body))
		return malformed(err, "bytes do not parse");
	if (!sst_der_is_oid(&type, oid_basic, sizeof(oid_basic)))
		return malformed(err, "type is not id-pkix-ocsp-basic");
	sst_der_into(&in, &content);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, ret_basic) < 0 || !sst_der_done(&in))
		return malformed(err, "basic part is not DER, or something follows it");
	return SST_FAULT_NONE;
}

static int
responder_read(struct sst_der *tbs, struct sst_basic *b)
{
	struct sst_der_item value;
	struct sst_der inner;

	if (sst_der_next(tbs, &b->responder) < 0)
		return SST_E_MALFORMED;
	sst_der_into(&inner, &b->responder);
	if (sst_der_next(&inner, &value) < 0 || !sst_der_done(&inner))
		return SST_E_MALFORMED;
	if (b->responder.tag == SST_DER_EXPLICIT(1))
		return value.tag == SST_DER_SEQUENCE ? SST_OK : SST_E_MALFORMED;
	if (b->responder.tag != SST_DER_EXPLICIT(2) || value.tag != SST_DER_OCTET_STRING ||
	    value.len != 20)
		return SST_E_MALFORMED;
	b->responder_key = value.content;
	return SST_OK;
}

static int
version_read(struct sst_der *tbs)
{
	struct sst_der_item item;
	struct sst_der inner;
	int rc = sst_der_maybe_enter(tbs, SST_DER_EXPLICIT(0), &inner), version;

	if (rc <= 0)
		return rc;
	return sst_der_expect(&inner, SST_DER_INTEGER, &item) < 0 || !sst_der_done(&inner) ||
	    sst_der_small(&item, &version) < 0 || version != 0 ? SST_E_MALFORMED : SST_OK;
}

/* The nonce is an OCTET STRING inside the extension's. */
static int
nonce_read(const struct sst_der_extension *ext, struct sst_basic *b)
{
	struct sst_der_item item;
	struct sst_der in;

	sst_der_init(&in, ext->value, ext->len);
	if (sst_der_expect(&in, SST_DER_OCTET_STRING, &item) < 0 || !sst_der_done(&in) ||
	    item.len == 0 || item.len > NONCE_MAX || b->nonce != NULL)
		return SST_E_MALFORMED;
	b->nonce = item.content;
	b->nonce_len = item.len;
	return SST_OK;
}

/* NULL, or what is wrong with them. */
static const char *
extensions_read(struct sst_der tagged, struct sst_basic *b)
{
	struct sst_der_extension ext;
	struct sst_der list;

	if (sst_der_enter(&tagged, SST_DER_SEQUENCE, &list) < 0 || !sst_der_done(&tagged) ||
	    sst_der_done(&list))
		return "extensions do not parse";
	while (!sst_der_done(&list)) {
		if (sst_der_extension(&list, &ext) < 0)
			return "extensions do not parse";
		if (sst_der_is_oid(&ext.oid, oid_nonce, sizeof(oid_nonce))) {
			if (nonce_read(&ext, b) < 0)
				return "nonce does not parse, is there twice, or has not "
				    "1 to 128 octets";
		} else if (sst_der_is_oid(&ext.oid, oid_extended_revoke,
		    sizeof(oid_extended_revoke))) {
			b->extended_revoke = 1;
		} else if (ext.critical) {
			return "critical extension is not understood";
		}
	}
	return NULL;
}

static enum sst_fault
data_read(struct sst_basic *b, struct sst_error *err)
{
	struct sst_der tbs, tagged;
	struct sst_der_item item;
	const char *wrong;
	int rc;

	sst_der_into(&tbs, &b->tbs);
	if (version_read(&tbs) < 0)
		return malformed(err, "version is not v1");
	if (responder_read(&tbs, b) < 0)
		return malformed(err, "responderID does not parse");
	if (sst_der_expect(&tbs, SST_DER_GENERALIZEDTIME, &item) < 0 ||
	    sst_dertime_generalized(item.content, item.len, &b->produced_at) < 0)
		return malformed(err, "producedAt is not a proper time");
	if (sst_der_enter(&tbs, SST_DER_SEQUENCE, &b->singles) < 0)
		return malformed(err, "list of answers does not parse");
	if (sst_der_done(&b->singles))
		return malformed(err, "list of answers is empty");
	rc = sst_der_maybe_enter(&tbs, SST_DER_EXPLICIT(1), &tagged);
	if (rc < 0 || !sst_der_done(&tbs))
		return malformed(err, "signed part does not parse to its end");
	wrong = rc == 1 ? extensions_read(tagged, b) : NULL;
	return wrong != NULL ? malformed(err, wrong) : SST_FAULT_NONE;
}

static enum sst_fault
certs_read(struct sst_der tagged, struct sst_basic *b, struct sst_error *err)
{
	struct sst_der list;

	if (sst_der_enter(&tagged, SST_DER_SEQUENCE, &list) < 0 || !sst_der_done(&tagged))
		return malformed(err, "certificates do not parse");
	while (!sst_der_done(&list)) {
		if (b->n_certs == SST_BASIC_CERTS_MAX) {
			(void)sst_fail(err, SST_E_LIMIT, "the OCSP response holds more than "
			    "%d certificates", SST_BASIC_CERTS_MAX);
			return SST_FAULT_SIZE;
		}
		if (sst_der_expect(&list, SST_DER_SEQUENCE, &b->certs[b->n_certs++]) < 0)
			return malformed(err, "certificates do not parse");
	}
	return SST_FAULT_NONE;
}

enum sst_fault
sst_basic_read(const void *bytes, size_t len, struct sst_basic *ret, struct sst_error *err)
{
	struct sst_basic b = { .n_certs = 0 };
	struct sst_der basic, tagged;
	struct sst_der_item bits;
	enum sst_fault fault = envelope_read(bytes, len, &basic, err);
	int rc;

	if (fault != SST_FAULT_NONE)
		return fault;
	if (sst_der_expect(&basic, SST_DER_SEQUENCE, &b.tbs) < 0 ||
	    sst_der_expect(&basic, SST_DER_SEQUENCE, &b.algorithm) < 0 ||
	    sst_der_expect(&basic, SST_DER_BIT_STRING, &bits) < 0 ||
	    sst_der_octets(&bits, &b.signature, &b.signature_len) < 0)
		return malformed(err, "basic part does not parse");
	rc = sst_der_maybe_enter(&basic, SST_DER_EXPLICIT(0), &tagged);
	if (rc < 0 || !sst_der_done(&basic))
		return malformed(err, "basic part does not parse to its end");
	if (rc == 1)
		fault = certs_read(tagged, &b, err);
	if (fault == SST_FAULT_NONE)
		fault = data_read(&b, err);
	if (fault == SST_FAULT_NONE)
		*ret = b;
	return fault;
}

/* CertID ::= { AlgorithmIdentifier, OCTET STRING, OCTET STRING, INTEGER } */
static int
cert_id_read(struct sst_der *one, struct sst_single *s)
{
	struct sst_der id, algorithm;
	struct sst_der_item item;
	int rc;

	if (sst_der_enter(one, SST_DER_SEQUENCE, &id) < 0 ||
	    sst_der_enter(&id, SST_DER_SEQUENCE, &algorithm) < 0 ||
	    sst_der_expect(&algorithm, SST_DER_OID, &s->hash_oid) < 0)
		return SST_E_MALFORMED;
	rc = sst_der_maybe(&algorithm, SST_DER_NULL, &item);
	if (rc < 0 || (rc == 1 && item.len != 0) || !sst_der_done(&algorithm))
		return SST_E_MALFORMED;
	if (sst_der_expect(&id, SST_DER_OCTET_STRING, &item) < 0)
		return SST_E_MALFORMED;
	s->name_hash = item.content;
	s->name_hash_len = item.len;
	if (sst_der_expect(&id, SST_DER_OCTET_STRING, &item) < 0)
		return SST_E_MALFORMED;
	s->key_hash = item.content;
	s->key_hash_len = item.len;
	if (sst_der_expect(&id, SST_DER_INTEGER, &item) < 0 || item.len == 0 ||
	    !sst_der_done(&id))
		return SST_E_MALFORMED;
	s->serial = item.content;
	s->serial_len = item.len;
	return SST_OK;
}

/* RevokedInfo. A reason that is not assigned (7, above 10) is none, and so is
 * removeFromCRL (8), which belongs into a delta. */
static const char *
revoked_read(struct sst_der in, struct sst_single *s)
{
	struct sst_der_item item;
	struct sst_der tagged;
	int rc;

	if (sst_der_expect(&in, SST_DER_GENERALIZEDTIME, &item) < 0 ||
	    sst_dertime_generalized(item.content, item.len, &s->revoked_at) < 0)
		return "revocationTime is not a proper time";
	rc = sst_der_maybe_enter(&in, SST_DER_EXPLICIT(0), &tagged);
	if (rc < 0 || !sst_der_done(&in))
		return "revoked information does not parse";
	if (rc == 0)
		return NULL;
	if (sst_der_expect(&tagged, SST_DER_ENUMERATED, &item) < 0 || !sst_der_done(&tagged) ||
	    sst_der_integer(&item) < 0)
		return "revocation reason does not parse";
	if (sst_der_small(&item, &s->reason) < 0 || s->reason > 10 || s->reason == 7 ||
	    s->reason == 8)
		s->reason = -1;
	return NULL;
}

static const char *
status_of(const struct sst_der_item *item, struct sst_single *s)
{
	struct sst_der inner;

	if (item->tag == SST_DER_EXPLICIT(1)) {
		s->status = SST_EV_REVOKED;
		sst_der_into(&inner, item);
		return revoked_read(inner, s);
	}
	if (item->len != 0 ||
	    (item->tag != SST_DER_CONTEXT(0) && item->tag != SST_DER_CONTEXT(2)))
		return "certificate status does not parse";
	s->status = item->tag == SST_DER_CONTEXT(0) ? SST_EV_GOOD : SST_EV_UNKNOWN;
	return NULL;
}

static const char *
single_extensions(struct sst_der tagged)
{
	struct sst_der_extension ext;
	struct sst_der list;

	if (sst_der_enter(&tagged, SST_DER_SEQUENCE, &list) < 0 || !sst_der_done(&tagged) ||
	    sst_der_done(&list))
		return "extensions of the answer do not parse";
	while (!sst_der_done(&list)) {
		if (sst_der_extension(&list, &ext) < 0)
			return "extensions of the answer do not parse";
		if (ext.critical && !sst_der_is_oid(&ext.oid, oid_sct_list, sizeof(oid_sct_list)) &&
		    !sst_der_is_oid(&ext.oid, oid_crl_references, sizeof(oid_crl_references)) &&
		    !sst_der_is_oid(&ext.oid, oid_archive_cutoff, sizeof(oid_archive_cutoff)))
			return "critical extension of the answer is not understood";
	}
	return NULL;
}

/* What follows the status: times and extensions. */
static const char *
times_read(struct sst_der *one, struct sst_single *s)
{
	struct sst_der_item item;
	struct sst_der tagged;
	int rc;

	if (sst_der_expect(one, SST_DER_GENERALIZEDTIME, &item) < 0 ||
	    sst_dertime_generalized(item.content, item.len, &s->this_update) < 0)
		return "thisUpdate is not a proper time";
	rc = sst_der_maybe_enter(one, SST_DER_EXPLICIT(0), &tagged);
	if (rc < 0)
		return "nextUpdate does not parse";
	if (rc == 1) {
		if (sst_der_expect(&tagged, SST_DER_GENERALIZEDTIME, &item) < 0 ||
		    !sst_der_done(&tagged) ||
		    sst_dertime_generalized(item.content, item.len, &s->next_update) < 0)
			return "nextUpdate is not a proper time";
		if (s->next_update < s->this_update || s->next_update == 0)
			return "nextUpdate lies before its thisUpdate";
	}
	rc = sst_der_maybe_enter(one, SST_DER_EXPLICIT(1), &tagged);
	if (rc < 0 || !sst_der_done(one))
		return "answer does not parse to its end";
	return rc == 1 ? single_extensions(tagged) : NULL;
}

int
sst_single_next(struct sst_der *singles, struct sst_single *ret)
{
	struct sst_single s = { .status = SST_EV_NOTHING, .reason = -1 };
	struct sst_der_item status;
	struct sst_der one;

	if (sst_der_done(singles))
		return 0;
	if (sst_der_enter(singles, SST_DER_SEQUENCE, &one) < 0 || cert_id_read(&one, &s) < 0 ||
	    sst_der_next(&one, &status) < 0)
		return SST_E_MALFORMED;
	s.wrong = status_of(&status, &s);
	if (s.wrong == NULL)
		s.wrong = times_read(&one, &s);
	*ret = s;
	return 1;
}
