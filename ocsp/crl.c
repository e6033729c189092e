/* SPDX-License-Identifier: ISC */
/*
 * crl - see crl.h; crl_list.h says what is where.
 */
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ossl.h"
#include "crl_list.h"
#include "given.h"

/* Buckets of 45 to 90 entries. */
#define BUCKET_MAX	90
#define BITS_MAX	24

static int
code_of(enum sst_fault fault)
{
	switch (fault) {
	case SST_FAULT_MALFORMED:
		return SST_E_MALFORMED;
	case SST_FAULT_SIZE:
		return SST_E_LIMIT;
	case SST_FAULT_NO_MATCH:
		return SST_E_MISMATCH;
	case SST_FAULT_MEMORY:
		return SST_E_NOMEM;
	default:
		return SST_E_REFUSED;
	}
}

int
sst_crl_fault(struct sst_crl *crl, enum sst_fault fault, struct sst_error *err, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	crl->fault = fault;
	return sst_fail(err, code_of(fault), "%s", text);
}

/* The list's issuer must be ours by name; by key it is when a key of ours verifies. */
static int
issuer_match(struct sst_crl *crl, X509 *issuer, struct sst_error *err)
{
	const unsigned char *dn;
	size_t len;
	int rc;

	rc = sst_issuer_id_of(issuer, &crl->head.issuer, err);
	if (rc < 0)
		return rc;
	if (X509_NAME_get0_der(X509_get_subject_name(issuer), &dn, &len) != 1)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (!sst_name_equal(crl->name.whole, crl->name.whole_len, dn, len))
		return sst_crl_fault(crl, SST_FAULT_NO_MATCH, err,
		    "the CRL is of another issuer");
	return SST_OK;
}

/* Every entry is read once: what is kept was seen to parse, to its end. */
static int
entries_read(struct sst_crl *crl, struct sst_error *err)
{
	struct sst_crl_walk walk = { .in = crl->entries };
	struct sst_crl_head *h = &crl->head;
	struct sst_crl_row row;
	int rc;

	while ((rc = sst_crl_row(crl, &walk, &row)) == 1) {
		h->entries++;
		if (row.bad_critical)
			h->bad_critical = 1;
	}
	if (rc < 0)
		return sst_crl_fault(crl, SST_FAULT_MALFORMED, err,
		    "entry %llu of the CRL does not parse",
		    (unsigned long long)h->entries + 1);
	/* whether it says so or not (RFC 5280 5.3.3) */
	if (walk.named)
		h->indirect = 1;
	while (h->bits < BITS_MAX && h->entries >> h->bits > BUCKET_MAX)
		h->bits++;
	return SST_OK;
}

/* When a GOOD of this list ends. */
static int64_t
life_end(const struct sst_crl_head *h, const struct sst_limits *limits)
{
	int64_t end = h->next_update != 0 ? h->next_update :
	    h->this_update + limits->crl_no_next;
	int64_t cap = h->this_update + limits->crl_max_age;

	return cap < end ? cap : end;
}

static int
life_read(struct sst_crl *crl, int64_t signer_end, int64_t now, const struct sst_limits *limits,
    struct sst_error *err)
{
	struct sst_crl_head *h = &crl->head;
	int64_t skew = limits->skew;

	h->until = life_end(h, limits);
	if (skew > (h->until - h->this_update) / 4)
		skew = (h->until - h->this_update) / 4;
	if (h->this_update - skew > now)
		return sst_crl_fault(crl, SST_FAULT_CLOCK, err,
		    "the CRL's thisUpdate lies %lld seconds in the future",
		    (long long)(h->this_update - now));
	if (signer_end < h->until)
		h->until = signer_end;
	return SST_OK;
}

/* Lists of one issuer with the same IDP and of the same kind replace each other. */
static int
digests_make(struct sst_crl *crl)
{
	struct sst_crl_head *h = &crl->head;
	uint8_t kind = (uint8_t)(h->is_delta | h->has_idp << 1);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, &kind, 1) == 1 &&
	    EVP_DigestUpdate(ctx, h->idp, h->idp_len) == 1 &&
	    EVP_DigestFinal_ex(ctx, h->scope_key, NULL) == 1 &&
	    EVP_Digest(crl->bytes, crl->len, h->sha256, NULL, EVP_sha256(), NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* What takes the longer the more entries there are. */
static int
whole_read(struct sst_crl *crl, struct sst_error *err)
{
	int rc = entries_read(crl, err);

	if (rc == SST_OK && !digests_make(crl))
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	return rc;
}

static int
list_read(struct sst_crl *crl, const struct sst_crl_signers *who, int64_t now,
    const struct sst_limits *limits, struct sst_error *err)
{
	int64_t signer_end = 0;
	int rc;

	if (crl->len > limits->crl_size)
		return sst_crl_fault(crl, SST_FAULT_SIZE, err,
		    "a CRL of %zu bytes, and %zu are the limit", crl->len, limits->crl_size);
	rc = sst_crl_read_frame(crl, err);
	if (rc == SST_OK)
		rc = issuer_match(crl, who->issuer, err);
	if (rc == SST_OK)
		rc = sst_crl_verify(crl, who, now, limits->security_level, &signer_end, err);
	if (rc == SST_OK)
		rc = sst_crl_read_extensions(crl, err);
	if (rc == SST_OK)
		rc = life_read(crl, signer_end, now, limits, err);
	if (rc == SST_OK)
		rc = crl->given == NULL ? whole_read(crl, err) :
		    sst_given_read(crl->given, crl, whole_read, err);
	return rc;
}

static int
open_once(struct sst_given *given, const void *bytes, size_t len,
    const struct sst_crl_signers *who, int64_t now, const struct sst_limits *limits,
    struct sst_crl **ret, enum sst_fault *ret_fault, struct sst_error *err)
{
	struct sst_crl *crl = calloc(1, sizeof(*crl));
	struct sst_error why = { .code = SST_OK };
	int rc;

	*ret_fault = SST_FAULT_MEMORY;
	if (crl == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	crl->given = given;
	crl->bytes = bytes;
	crl->len = len;
	crl->head.size = len;
	crl->head.level = limits->security_level - SST_LEVEL_DEFAULT;
	/* whatever has no fault of its own: nothing was learned from these bytes */
	crl->fault = SST_FAULT_MALFORMED;
	(void)sst_ossl_starved();
	rc = list_read(crl, who, now, limits, &why);
	sst_ossl_clear();
	if (rc == SST_OK) {
		*ret_fault = SST_FAULT_NONE;
		*ret = crl;
		return SST_OK;
	}
	*ret_fault = sst_ossl_starved() || rc == SST_E_NOMEM ? SST_FAULT_MEMORY : crl->fault;
	sst_crl_free(crl);
	if (*ret_fault == SST_FAULT_MEMORY)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return sst_fail(err, rc, "%s", why.text);
}

/* As with responses: libcrypto does not always say that memory ran out, so what is
 * wrong is wrong twice. */
static int
list_open(struct sst_given *given, const void *bytes, size_t len,
    const struct sst_crl_signers *who, int64_t now, const struct sst_limits *limits,
    struct sst_crl **ret, enum sst_fault *ret_fault, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	int rc = open_once(given, bytes, len, who, now, limits, ret, ret_fault, &why);

	if (rc < 0 && rc != SST_E_NOMEM)
		return open_once(given, bytes, len, who, now, limits, ret, ret_fault, err);
	return rc < 0 ? sst_fail(err, rc, "%s", why.text) : SST_OK;
}

int
sst_crl_open(const void *bytes, size_t len, const struct sst_crl_signers *who, int64_t now,
    const struct sst_limits *limits, struct sst_crl **ret, enum sst_fault *ret_fault,
    struct sst_error *err)
{
	return list_open(NULL, bytes, len, who, now, limits, ret, ret_fault, err);
}

int
sst_crl_open_given(struct sst_given *given, const struct sst_crl_signers *who, int64_t now,
    const struct sst_limits *limits, struct sst_crl **ret, enum sst_fault *ret_fault,
    struct sst_error *err)
{
	size_t len;
	const void *bytes = sst_given_bytes(given, &len);

	return list_open(given, bytes, len, who, now, limits, ret, ret_fault, err);
}

void
sst_crl_free(struct sst_crl *crl)
{
	free(crl);
}

const struct sst_crl_head *
sst_crl_head(const struct sst_crl *crl)
{
	return &crl->head;
}

/* All entries in their order. */
static int
walk_find(const struct sst_crl *crl, const struct sst_cert_key *key, struct sst_crl_entry *ret)
{
	struct sst_crl_walk walk = { .in = crl->entries };
	struct sst_crl_row row;
	int found = 0;

	while (sst_crl_row(crl, &walk, &row) == 1) {
		if (row.foreign || row.serial_len != key->serial_len ||
		    memcmp(row.serial, key->serial, row.serial_len) != 0)
			continue;
		if (found)
			sst_crl_entry_merge(ret, &row.entry);
		else
			*ret = row.entry;
		found = 1;
	}
	return found;
}

int
sst_crl_find(const struct sst_crl *crl, const struct sst_cert_key *key,
    struct sst_crl_entry *ret)
{
	int found = SST_E_NOMEM;

	if (memcmp(&crl->head.issuer, &key->issuer, sizeof(key->issuer)) != 0)
		return 0;
	if (crl->given != NULL)
		found = sst_given_find(crl->given, crl, key, ret);
	return found >= 0 ? found : walk_find(crl, key, ret);
}
