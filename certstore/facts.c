/* SPDX-License-Identifier: ISC */
/* facts - the part of identity.h that reads a leaf and says whether it is admitted. */
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/ossl.h"
#include "challenge.h"
#include "digest.h"
#include "identity.h"
#include "key.h"
#include "name.h"

#define RSA_MIN_BITS	2048

static int
line_add(char **lines, const char *text, struct sst_error *err)
{
	size_t have = *lines == NULL ? 0 : strlen(*lines), add = strlen(text);
	char *grown = realloc(*lines, have + add + 2);

	if (grown == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	memcpy(grown + have, text, add);
	memcpy(grown + have + add, "\n", 2);
	*lines = grown;
	return SST_OK;
}

int
sst_leaf_facts_warn(struct sst_leaf_facts *f, const char *text, struct sst_error *err)
{
	return line_add(&f->warnings, text, err);
}

static int
time_read(const ASN1_TIME *t, time_t *ret, struct sst_error *err)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return sst_fail_ossl(err, SST_E_MALFORMED, "a date does not parse");
	*ret = timegm(&tm);
	return SST_OK;
}

/* One name into `f`. A name that cannot be looked up becomes a warning. */
static int
name_take(struct sst_leaf_facts *f, const GENERAL_NAME *gn, struct sst_error *err)
{
	const char *warning = NULL;
	char name[SST_NAME_SIZE];
	const ASN1_STRING *s;
	int rc = SST_OK, keep, type;

	s = GENERAL_NAME_get0_value(gn, &type);
	if (type == GEN_DNS)
		keep = sst_name_san(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s), name, &warning);
	else if (type == GEN_IPADD)
		keep = sst_name_ip(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s), name);
	else
		return SST_OK;
	if (warning != NULL)
		rc = sst_leaf_facts_warn(f, warning, err);
	if (rc == SST_OK && keep)
		rc = line_add(&f->names, name, err);
	return rc;
}

static int
line_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the lines of f->names, drops doubles, and digests what is left. */
static int
names_settle(struct sst_leaf_facts *f, struct sst_error *err)
{
	char **v = NULL, *copy = NULL, *at, *out;
	size_t n = 0, len = strlen(f->names);
	int rc = SST_OK;

	for (at = f->names; *at != '\0'; at++)
		n += *at == '\n';
	copy = strdup(f->names);
	v = calloc(n + 1, sizeof(*v));
	if (copy == NULL || v == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	at = copy;
	for (size_t i = 0; i < n; i++) {
		v[i] = strsep(&at, "\n");
	}
	qsort(v, n, sizeof(*v), line_cmp);
	out = f->names;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(v[i], v[i - 1]) == 0)
			continue;
		out = stpcpy(out, v[i]);
		*out++ = '\n';
	}
	*out = '\0';
	len = (size_t)(out - f->names);
	sst_digest(f->names, len, f->names_key);
out:
	free(v);
	free(copy);
	return rc;
}

static int
names_read(X509 *leaf, struct sst_leaf_facts *f, struct sst_error *err)
{
	GENERAL_NAMES *san;
	int crit = 0, rc = SST_OK;

	san = X509_get_ext_d2i(leaf, NID_subject_alt_name, &crit, NULL);
	if (san == NULL && crit != -1)
		return sst_fail_ossl(err, SST_E_MALFORMED,
		    "subjectAltName does not parse");
	for (int i = 0; i < sk_GENERAL_NAME_num(san) && rc == SST_OK; i++)
		rc = name_take(f, sk_GENERAL_NAME_value(san, i), err);
	GENERAL_NAMES_free(san);
	if (rc == SST_OK && f->names[0] == '\0')
		rc = sst_leaf_facts_warn(f, "no name in subjectAltName: can only be the"
		    " default", err);
	if (rc == SST_OK)
		rc = names_settle(f, err);
	return rc;
}

static int
challenge_name(struct sst_leaf_facts *f, const char *key, struct sst_error *err)
{
	int rc = line_add(&f->names, key, err);

	return rc == SST_OK ? names_settle(f, err) : rc;
}

/* The rules of defaults.md: what no client would accept is not taken in. */
static int
rules_check(X509 *leaf, const struct sst_key_facts *key, const struct sst_leaf_facts *f,
    struct sst_error *err)
{
	uint32_t flags = X509_get_extension_flags(leaf), usage;
	int md = NID_undef, nid = X509_get_signature_nid(leaf);

	if ((flags & EXFLAG_INVALID) != 0)
		return sst_fail_ossl(err, SST_E_MALFORMED,
		    "an extension of the certificate does not parse");
	/* An ACME server looks at one name and acmeIdentifier, which is the critical
	 * extension; `openssl req -x509` makes a CA of it. */
	if ((flags & EXFLAG_CA) != 0 && !f->challenge)
		return sst_fail(err, SST_E_REFUSED, "the certificate is a CA"
		    " (basicConstraints CA:TRUE): no client accepts it for a server");
	if ((flags & EXFLAG_CRITICAL) != 0 && !f->challenge)
		return sst_fail(err, SST_E_REFUSED, "the certificate has a critical"
		    " extension that is not known");
	usage = X509_get_extended_key_usage(leaf);
	if ((flags & EXFLAG_XKUSAGE) != 0 && (usage & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0)
		return sst_fail(err, SST_E_REFUSED,
		    "the certificate's extendedKeyUsage does not allow serverAuth");
	if ((key->kind == SST_KEY_RSA || key->kind == SST_KEY_RSA_PSS) &&
	    key->bits < RSA_MIN_BITS)
		return sst_fail(err, SST_E_REFUSED, "the key has %d bits: RSA needs"
		    " %d", key->bits, RSA_MIN_BITS);
	if (X509_get_signature_info(leaf, &md, NULL, NULL, NULL) != 1 &&
	    OBJ_find_sigid_algs(nid, &md, NULL) != 1)
		md = NID_undef;
	ERR_clear_error();
	if (md == NID_sha1 || md == NID_md5 || md == NID_md5_sha1)
		return sst_fail(err, SST_E_REFUSED, "the certificate is signed with"
		    " %s", OBJ_nid2sn(md));
	return SST_OK;
}

static void
issuer_text(X509 *leaf, char *out, size_t size)
{
	char line[512];

	line[0] = '\0';
	(void)X509_NAME_oneline(X509_get_issuer_name(leaf), line, sizeof(line));
	(void)sst_escape(out, size, line, strlen(line));
}

/* The name of the key's algorithm, for a text. */
static void
algorithm_text(X509 *leaf, char *out, size_t size)
{
	ASN1_OBJECT *oid = NULL;

	(void)X509_PUBKEY_get0_param(&oid, NULL, NULL, NULL,
	    X509_get_X509_PUBKEY(leaf));
	if (oid == NULL || OBJ_obj2txt(out, (int)size, oid, 0) <= 0)
		(void)strncpy(out, "unknown", size);
}

int
sst_cert_digest(const X509 *x, uint8_t out[32], struct sst_error *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	if (len <= 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "digest");
	sst_digest(der, (size_t)len, out);
	OPENSSL_free(der);
	return SST_OK;
}

/* RFC 5280 4.2.2.1, RFC 7633. */
static int
wants_staple(X509 *leaf)
{
	AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(leaf, NID_info_access, NULL, NULL);
	int wants = X509_get_ext_by_NID(leaf, NID_tlsfeature, -1) >= 0;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info); i++)
		wants |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(info, i)->method) ==
		    NID_ad_OCSP;
	AUTHORITY_INFO_ACCESS_free(info);
	return wants;
}

int
sst_leaf_facts_read(X509 *leaf, struct sst_leaf_facts *ret, struct sst_error *err)
{
	struct sst_leaf_facts f = { 0 };
	char algorithm[80], challenge[SST_CHALLENGE_SIZE];
	struct sst_key_facts key;
	int rc;

	rc = sst_key_facts_read(leaf, &key, err);
	if (rc == SST_E_UNSUPPORTED) {
		ERR_clear_error();
		algorithm_text(leaf, algorithm, sizeof(algorithm));
		return sst_fail(err, rc, "the key is of a kind that is not supported"
		    " (%s)", key.text[0] == '\0' ? algorithm : key.text);
	}
	if (rc < 0)
		return rc;
	f.kind = key.kind;
	memcpy(f.key_type, key.text, sizeof(f.key_type));
	memcpy(f.print, key.print, sizeof(f.print));
	f.wants_staple = wants_staple(leaf);
	issuer_text(leaf, f.issuer, sizeof(f.issuer));
	f.names = calloc(1, 1);
	f.warnings = calloc(1, 1);
	if (f.names == NULL || f.warnings == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	rc = sst_cert_digest(leaf, f.digest, err);
	if (rc == SST_OK)
		rc = sst_challenge_leaf(leaf, challenge, err);
	f.challenge = rc == 1;
	if (rc >= 0)
		rc = rules_check(leaf, &key, &f, err);
	if (rc == SST_OK)
		rc = time_read(X509_get0_notBefore(leaf), &f.not_before, err);
	if (rc == SST_OK)
		rc = time_read(X509_get0_notAfter(leaf), &f.not_after, err);
	if (rc == SST_OK)
		rc = f.challenge ? challenge_name(&f, challenge, err) :
		    names_read(leaf, &f, err);
out:
	if (rc < 0)
		sst_leaf_facts_done(&f);
	else
		*ret = f;
	return rc;
}

void
sst_leaf_facts_done(struct sst_leaf_facts *f)
{
	free(f->names);
	free(f->warnings);
	f->names = f->warnings = NULL;
}
