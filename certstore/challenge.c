/* SPDX-License-Identifier: ISC */
#include "challenge.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/ossl.h"
#include "store.h"

#define DIGEST	32	/* of the key authorization: SHA-256 */

/* id-pe-acmeIdentifier, 1.3.6.1.5.5.7.1.31: OpenSSL 3.0 has no number for it. */
static int
is_acme(X509_EXTENSION *ext)
{
	static const unsigned char oid[] = { 0x2b, 6, 1, 5, 5, 7, 1, 31 };
	const ASN1_OBJECT *o = X509_EXTENSION_get_object(ext);

	return OBJ_length(o) == sizeof(oid) &&
	    memcmp(OBJ_get0_data(o), oid, sizeof(oid)) == 0;
}

/* RFC 8737 3: exactly one dNSName; RFC 8738 6: or one iPAddress. */
static int
name_read(X509 *leaf, char key[SST_CHALLENGE_SIZE], struct sst_error *err)
{
	const char *warning = NULL;
	char name[SST_NAME_SIZE];
	const GENERAL_NAME *gn;
	const ASN1_STRING *s;
	GENERAL_NAMES *san;
	int type, ok = 0;

	san = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	if (sk_GENERAL_NAME_num(san) == 1) {
		gn = sk_GENERAL_NAME_value(san, 0);
		s = GENERAL_NAME_get0_value(gn, &type);
		if (type == GEN_DNS)
			ok = sst_name_san(ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s), name, &warning) &&
			    name[0] != '*';
		else if (type == GEN_IPADD)
			ok = sst_name_ip(ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s), name);
	}
	GENERAL_NAMES_free(san);
	if (!ok)
		return sst_fail_ossl(err, SST_E_REFUSED, "an ACME challenge must have"
		    " exactly one name in subjectAltName, a host name or an address");
	(void)snprintf(key, SST_CHALLENGE_SIZE, SST_CHALLENGE_PREFIX "%s", name);
	return 1;
}

int
sst_challenge_leaf(X509 *leaf, char key[SST_CHALLENGE_SIZE], struct sst_error *err)
{
	static const unsigned char head[] = { V_ASN1_OCTET_STRING, DIGEST };
	X509_EXTENSION *acme = NULL, *ext;
	const ASN1_OCTET_STRING *value;
	int unknown = 0, n = 0;

	for (int i = 0; i < X509_get_ext_count(leaf); i++) {
		ext = X509_get_ext(leaf, i);
		if (is_acme(ext)) {
			acme = ext;
			n++;
		} else {
			unknown |= X509_EXTENSION_get_critical(ext) &&
			    !X509_supported_extension(ext);
		}
	}
	if (n == 0)
		return 0;
	if (n > 1 || !X509_EXTENSION_get_critical(acme))
		return sst_fail(err, SST_E_REFUSED, "an ACME challenge must have"
		    " acmeIdentifier once, and critical");
	if (unknown)
		return sst_fail(err, SST_E_REFUSED, "the ACME challenge has another"
		    " critical extension that is not known");
	value = X509_EXTENSION_get_data(acme);
	if (ASN1_STRING_length(value) != (int)(DIGEST + sizeof(head)) ||
	    memcmp(ASN1_STRING_get0_data(value), head, sizeof(head)) != 0)
		return sst_fail(err, SST_E_REFUSED, "acmeIdentifier must hold the"
		    " SHA-256 of the key authorization");
	return name_read(leaf, key, err);
}

/* "1.2.0.192.in-addr.arpa" is 192.0.2.1 (RFC 1035 3.5). */
static int
reverse_v4(const char *name, uint8_t out[4])
{
	for (int i = 3; i >= 0; i--) {
		const char *from = name;
		unsigned n = 0;

		while (*name >= '0' && *name <= '9' && name - from < 3)
			n = n * 10 + (unsigned)(*name++ - '0');
		if (name == from || n > 255 || (*from == '0' && name - from > 1) ||
		    *name++ != '.')
			return 0;
		out[i] = (uint8_t)n;
	}
	return strcmp(name, "in-addr.arpa") == 0;
}

/* A label a nibble, the last one of the address first (RFC 3596 2.5). */
static int
reverse_v6(const char *name, uint8_t out[16])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 31; i >= 0; i--, name += 2) {
		const char *digit = memchr(hex, name[0], sizeof(hex) - 1);

		if (digit == NULL || name[1] != '.')
			return 0;
		if (i % 2 != 0)
			out[i / 2] = (uint8_t)(digit - hex);
		else
			out[i / 2] |= (uint8_t)((digit - hex) << 4);
	}
	return strcmp(name, "ip6.arpa") == 0;
}

void
sst_challenge_key(const char *name, char key[SST_CHALLENGE_SIZE])
{
	uint8_t address[16];
	char ip[SST_NAME_SIZE];

	if ((reverse_v4(name, address) && sst_name_ip(address, 4, ip)) ||
	    (reverse_v6(name, address) && sst_name_ip(address, 16, ip)))
		name = ip;
	(void)snprintf(key, SST_CHALLENGE_SIZE, SST_CHALLENGE_PREFIX "%s", name);
}

static int
newest_first(const void *a, const void *b)
{
	const struct sst_row *l = a, *r = b;

	return (l->id < r->id) - (l->id > r->id);
}

/*
 * The certificate itself decides: a row is a hint. notBefore may be a second ahead of
 * us, for whoever made it has a clock of its own, and no ACME server looks at it.
 */
static int
is_good(const struct sst_identity *id, const char *key, time_t now)
{
	return sst_identity_covers(id, key) && ASN1_TIME_cmp_time_t(
	    X509_get0_notAfter(sst_identity_leaf(id)), now) >= 0;
}

int
sst_store_challenge(struct sst_store *s, const char *key, time_t now,
    struct sst_identity **ret, struct sst_error *err)
{
	struct sst_identity *id = NULL;
	struct sst_rows rows = { 0 };
	int rc;

	sst_store_lock(s);
	rc = sst_index_lookup(s->index, key, NULL, &rows, err);
	sst_store_unlock(s);
	/* An order that was given up may have left its certificate behind. */
	if (rows.n > 1)
		qsort(rows.v, rows.n, sizeof(*rows.v), newest_first);
	for (size_t i = 0; rc == SST_OK && i < rows.n; i++) {
		rc = sst_row_identity(s, &rows.v[i], &id, err);
		if (rc == SST_E_NOMEM)
			break;
		if (rc == SST_OK && is_good(id, key, now)) {
			*ret = id;
			rc = 1;
			break;
		}
		if (rc == SST_OK)
			sst_identity_unref(id);
		rc = SST_OK;	/* its file is gone, or is another by now */
	}
	sst_rows_done(&rows);
	return rc;
}
