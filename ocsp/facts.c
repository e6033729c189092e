/* SPDX-License-Identifier: ISC */
/*
 * facts - see facts.h.
 */
#include "facts.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "base/ossl.h"
#include "der.h"
#include "dertime.h"

#define URL_TAG		SST_DER_CONTEXT(6)	/* uniformResourceIdentifier */
#define URL_MAX		1024			/* longer ones are not fetched */
#define STATUS_REQUEST	5			/* RFC 6066, as a TLS feature */

struct reading {
	struct sst_cert_facts *facts;
	struct sst_facts_urls *urls;
};

/* Plain printable ASCII that begins with http:// */
static int
can_be_fetched(const struct sst_der_item *url)
{
	static const char scheme[] = "http://";

	if (url->len < sizeof(scheme) || url->len > URL_MAX ||
	    strncasecmp((const char *)url->content, scheme, sizeof(scheme) - 1) != 0)
		return 0;
	for (size_t i = 0; i < url->len; i++)
		if (url->content[i] <= 0x20 || url->content[i] >= 0x7f)
			return 0;
	return 1;
}

static void
url_keep(struct sst_facts_url *list, unsigned *n, const struct sst_der_item *url)
{
	if (*n >= SST_URLS_MAX || !can_be_fetched(url))
		return;
	list[*n].text = url->content;
	list[*n].len = url->len;
	(*n)++;
}

/* BasicConstraints. Old certificates spell cA FALSE out, which is no DER and
 * means what it says. */
static int
read_basic_constraints(struct reading *r, struct sst_der *in)
{
	struct sst_der_item item;
	struct sst_der inner;
	int rc, ca = 0;

	if (sst_der_enter(in, SST_DER_SEQUENCE, &inner) < 0)
		return SST_E_MALFORMED;
	rc = sst_der_maybe(&inner, SST_DER_BOOLEAN, &item);
	if (rc < 0 || (rc == 1 && sst_der_boolean(&item, &ca) < 0))
		return SST_E_MALFORMED;
	r->facts->is_ca = ca != 0;
	return SST_OK;
}

/* AuthorityInfoAccessSyntax, RFC 5280 4.2.2.1. */
static int
read_info_access(struct reading *r, struct sst_der *in)
{
	static const uint8_t ocsp[] = { 0x2b, 6, 1, 5, 5, 7, 48, 1 };
	struct sst_der list, one;
	struct sst_der_item method, place;

	if (sst_der_enter(in, SST_DER_SEQUENCE, &list) < 0)
		return SST_E_MALFORMED;
	while (!sst_der_done(&list)) {
		if (sst_der_enter(&list, SST_DER_SEQUENCE, &one) < 0 ||
		    sst_der_expect(&one, SST_DER_OID, &method) < 0 ||
		    sst_der_next(&one, &place) < 0 || !sst_der_done(&one))
			return SST_E_MALFORMED;
		if (!sst_der_is_oid(&method, ocsp, sizeof(ocsp)))
			continue;
		r->facts->n_sources++;
		if (place.tag == URL_TAG)
			url_keep(r->urls->ocsp, &r->facts->n_ocsp, &place);
	}
	return SST_OK;
}

/* GeneralNames of a point: each URL is a source, and so is a point without one. */
static int
read_point_names(struct reading *r, struct sst_der names, int with_issuer)
{
	struct sst_der_item name;
	unsigned n = 0;

	while (!sst_der_done(&names)) {
		if (sst_der_next(&names, &name) < 0)
			return SST_E_MALFORMED;
		if (name.tag != URL_TAG)
			continue;
		n++;
		if (!with_issuer)
			url_keep(r->urls->crl, &r->facts->n_crl, &name);
	}
	r->facts->n_sources += n > 0 ? n : 1;
	return SST_OK;
}

/* DistributionPoint, RFC 5280 4.2.1.13. */
static int
read_point(struct reading *r, struct sst_der one)
{
	struct sst_crl_point point = { .reasons = SST_REASONS_ALL };
	struct sst_der_item named, reasons, issuer, choice;
	struct sst_der inner;
	int has_name, has_reasons;

	has_name = sst_der_maybe(&one, SST_DER_EXPLICIT(0), &named);
	has_reasons = has_name < 0 ? has_name :
	    sst_der_maybe(&one, SST_DER_CONTEXT(1), &reasons);
	point.has_crl_issuer = has_reasons < 0 ? has_reasons :
	    sst_der_maybe(&one, SST_DER_EXPLICIT(2), &issuer);
	if (point.has_crl_issuer < 0 || !sst_der_done(&one) ||
	    (has_name == 0 && point.has_crl_issuer == 0))	/* nothing, or only reasons */
		return SST_E_MALFORMED;
	if (has_reasons == 1) {
		if (sst_der_bits(&reasons, &point.reasons) < 0)
			return SST_E_MALFORMED;
		point.reasons &= SST_REASONS_ALL;
	}
	if (point.has_crl_issuer == 1) {
		point.crl_issuer = issuer.whole;
		point.crl_issuer_len = issuer.whole_len;
	}
	inner = one;	/* which has ended: no names */
	if (has_name == 1) {
		sst_der_into(&inner, &named);
		if (sst_der_next(&inner, &choice) < 0 || !sst_der_done(&inner) ||
		    (choice.tag != SST_DER_EXPLICIT(0) && choice.tag != SST_DER_EXPLICIT(1)))
			return SST_E_MALFORMED;
		point.name = choice.whole;
		point.name_len = choice.whole_len;
		if (choice.tag == SST_DER_EXPLICIT(0))
			sst_der_into(&inner, &choice);
	}
	if (r->facts->n_dps < SST_DPS_MAX)
		r->facts->dp[r->facts->n_dps++] = point;
	return read_point_names(r, inner, point.has_crl_issuer);
}

static int
read_points(struct reading *r, struct sst_der *in)
{
	struct sst_der list, one;

	if (sst_der_enter(in, SST_DER_SEQUENCE, &list) < 0 || sst_der_done(&list))
		return SST_E_MALFORMED;
	r->facts->has_dp = 1;
	while (!sst_der_done(&list)) {
		if (sst_der_enter(&list, SST_DER_SEQUENCE, &one) < 0 || read_point(r, one) < 0)
			return SST_E_MALFORMED;
	}
	return SST_OK;
}

/* TLS feature, RFC 7633 4.1. */
static int
read_features(struct reading *r, struct sst_der *in)
{
	struct sst_der list;
	struct sst_der_item item;
	int feature;

	if (sst_der_enter(in, SST_DER_SEQUENCE, &list) < 0)
		return SST_E_MALFORMED;
	while (!sst_der_done(&list)) {
		if (sst_der_expect(&list, SST_DER_INTEGER, &item) < 0 ||
		    sst_der_integer(&item) < 0)
			return SST_E_MALFORMED;
		if (sst_der_small(&item, &feature) == SST_OK && feature == STATUS_REQUEST)
			r->facts->must_staple = 1;
	}
	return SST_OK;
}

static int
read_null(struct sst_der *in)
{
	struct sst_der_item item;

	return sst_der_expect(in, SST_DER_NULL, &item) < 0 || item.len != 0 ?
	    SST_E_MALFORMED : SST_OK;
}

static int
read_no_rev_avail(struct reading *r, struct sst_der *in)
{
	r->facts->no_rev_avail = 1;
	return read_null(in);
}

static int
read_ocsp_nocheck(struct reading *r, struct sst_der *in)
{
	r->facts->ocsp_nocheck = 1;
	return read_null(in);
}

static int
read_issuer_alt(struct reading *r, struct sst_der *in)
{
	struct sst_der_item names;

	if (sst_der_expect(in, SST_DER_SEQUENCE, &names) < 0)
		return SST_E_MALFORMED;
	r->facts->issuer_alt = names.whole;
	r->facts->issuer_alt_len = names.whole_len;
	return SST_OK;
}

static const struct known {
	uint8_t		 oid[10];
	uint8_t		 oid_len;
	const char	*name;
	int		(*read)(struct reading *, struct sst_der *);
} known[] = {
	{ { 0x55, 29, 19 }, 3, "basicConstraints", read_basic_constraints },
	{ { 0x55, 29, 18 }, 3, "issuerAltName", read_issuer_alt },
	{ { 0x55, 29, 31 }, 3, "cRLDistributionPoints", read_points },
	{ { 0x55, 29, 56 }, 3, "noRevAvail", read_no_rev_avail },
	{ { 0x2b, 6, 1, 5, 5, 7, 1, 1 }, 8, "authorityInfoAccess", read_info_access },
	{ { 0x2b, 6, 1, 5, 5, 7, 1, 24 }, 8, "TLS feature", read_features },
	{ { 0x2b, 6, 1, 5, 5, 7, 48, 1, 5 }, 9, "OCSP nocheck", read_ocsp_nocheck },
};
#define N_KNOWN	(sizeof(known) / sizeof(known[0]))

static int
read_extension(struct reading *r, X509_EXTENSION *ext, unsigned *seen, struct sst_error *err)
{
	const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(ext);
	struct sst_der in;

	for (size_t i = 0; i < N_KNOWN; i++) {
		if (OBJ_length(oid) != known[i].oid_len ||
		    memcmp(OBJ_get0_data(oid), known[i].oid, known[i].oid_len) != 0)
			continue;
		if (*seen & 1u << i)
			return sst_fail(err, SST_E_MALFORMED,
			    "the certificate has the extension %s twice", known[i].name);
		*seen |= 1u << i;
		sst_der_init(&in, ASN1_STRING_get0_data(value),
		    (size_t)ASN1_STRING_length(value));
		if (known[i].read(r, &in) < 0 || !sst_der_done(&in))
			return sst_fail(err, SST_E_MALFORMED,
			    "the certificate's extension %s does not parse", known[i].name);
		return SST_OK;
	}
	return SST_OK;
}

/* The serial as it is encoded: OpenSSL's form of it has lost that. */
static int
read_serial(struct sst_cert_facts *facts, const uint8_t *der, size_t len, struct sst_error *err)
{
	struct sst_der in, cert, tbs;
	struct sst_der_item version, serial;

	sst_der_init(&in, der, len);
	if (sst_der_enter(&in, SST_DER_SEQUENCE, &cert) < 0 ||
	    sst_der_enter(&cert, SST_DER_SEQUENCE, &tbs) < 0 ||
	    sst_der_maybe(&tbs, SST_DER_EXPLICIT(0), &version) < 0 ||
	    sst_der_expect(&tbs, SST_DER_INTEGER, &serial) < 0 || serial.len == 0)
		return sst_fail(err, SST_E_MALFORMED,
		    "the certificate's serial number does not parse");
	if (serial.len > SST_SERIAL_MAX)
		return sst_fail(err, SST_E_LIMIT,
		    "the certificate's serial number has %zu octets, more than %d",
		    serial.len, SST_SERIAL_MAX);
	memcpy(facts->key.serial, serial.content, serial.len);
	facts->key.serial_len = (uint8_t)serial.len;
	return SST_OK;
}

static int
read_encoding(struct sst_cert_facts *facts, X509 *cert, struct sst_error *err)
{
	unsigned char *der = NULL;
	int len, rc;

	len = i2d_X509(cert, &der);
	if (len <= 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "encoding a certificate");
	rc = read_serial(facts, der, (size_t)len, err);
	if (rc == SST_OK && EVP_Digest(der, (size_t)len, facts->sha256, NULL, EVP_sha256(),
	    NULL) != 1)
		rc = sst_fail_ossl(err, SST_E_NOMEM, "hashing a certificate");
	OPENSSL_free(der);
	return rc;
}

static int
read_date(const ASN1_TIME *date, int64_t *ret)
{
	int type = ASN1_STRING_type(date);	/* universal: the tag's number */

	return sst_dertime_any((uint8_t)type, ASN1_STRING_get0_data(date),
	    (size_t)ASN1_STRING_length(date), ret);
}

int
sst_facts_read(X509 *cert, struct sst_cert_facts *ret, struct sst_facts_urls *ret_urls,
    struct sst_error *err)
{
	struct sst_cert_facts facts = { .n_sources = 0 };
	struct sst_facts_urls urls = { 0 };
	struct reading r = { &facts, &urls };
	unsigned seen = 0;
	int rc = read_encoding(&facts, cert, err);

	if (rc < 0)
		return rc;
	if (X509_NAME_get0_der(X509_get_issuer_name(cert), &facts.issuer_dn,
	    &facts.issuer_dn_len) != 1)
		return sst_fail_ossl(err, SST_E_NOMEM, "the issuer's name");
	if (read_date(X509_get0_notBefore(cert), &facts.not_before) < 0 ||
	    read_date(X509_get0_notAfter(cert), &facts.not_after) < 0)
		return sst_fail(err, SST_E_MALFORMED, "the certificate's dates do not parse");
	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		rc = read_extension(&r, X509_get_ext(cert, i), &seen, err);
		if (rc < 0)
			return rc;
	}
	if (facts.is_ca)	/* RFC 9608 4: not of a CA */
		facts.no_rev_avail = 0;
	*ret = facts;
	*ret_urls = urls;
	return SST_OK;
}
